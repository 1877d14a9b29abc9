"""Create the markets that a feed names for the first time, while their messages wait.

Owns the messages that wait for a market, and the markets whose creation was refused for good.
Markets are created in batches. The updates of a fixture's new markets, and the repricing of the
fixture, wait until all of them exist and then go on in their order: odds that are older than a
suspension must not arrive after it. A creation may be repeated: the directory answers a key that it
has with the same route.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Final

from actors.back_off import BackOff
from actors.messages import (
    CreateMarkets,
    MarketAnswer,
    MarketRoute,
    decode_market_answers,
    encode,
)
from actors.peer import Peer, PeerError
from engine.common.commands import CreateMarket
from engine.common.ids import MarketNo
from engine.common.reasons import MESSAGES, RETRYABLE
from engine.common.units import ODDS_MILLI_MIN, OddsMilli
from gateway.feeds.core.adapter import Action, MarketUpdate, NewMarket, PriceFixture
from gateway.feeds.core.pending_message import PendingMessage
from gateway.market_limits import LimitRules, patch_of

logger = logging.getLogger("overround.feeds")

REFUSED_KEPT_MAX: Final = 65_536
"""Markets whose creation was refused for good and is not repeated; past it the oldest are dropped,
and a message that names one asks the supervisor once more."""
NAME_BYTES_IN_CALL_MAX: Final = 1 << 22
"""Bytes of outcome names in one call, so that its record fits; the rest waits for the next call.
One market's may be a tenth of that."""
FIRST_ODDS_MILLI: Final = ODDS_MILLI_MIN
"""The odds of a new market, which is INACTIVE and not on offer: no bet can be placed at them."""
_CREATE_TIMEOUT_S: Final = 300.0
_RETRY_S: Final = 0.25


class _AwaitedFixture:
    """A fixture with markets in creation, and the actions that wait for them."""

    __slots__ = ("keys", "left", "refused", "waiting")

    def __init__(self) -> None:
        self.keys: dict[str, None] = {}
        self.left = 0
        self.refused: dict[str, str] = {}
        self.waiting: list[tuple[PendingMessage, MarketUpdate | PriceFixture]] = []


class MarketCreation:
    """The markets of one feed that are being created.

    Parameters
    ----------
    by : str
        The feed's name in the directory.
    markets_in_call_max : int
        Markets that the supervisor is asked to create in one call; the rest waits for the next.
    limits : LimitRules
        The limits that new markets get.
    on_route : callable
        Called with the route of each new market, before any action is delivered to it.
    deliver : callable
        Carries out an action that waited.
    """

    def __init__(
        self,
        *,
        by: str,
        markets_in_call_max: int,
        limits: LimitRules,
        on_route: Callable[[MarketRoute], None],
        deliver: Callable[[PendingMessage, Action], None],
    ) -> None:
        self.refused_total = 0
        self._by = by
        self._markets_in_call_max = markets_in_call_max
        self._limits = limits
        self._on_route = on_route
        self._deliver = deliver
        self._supervisor: Peer | None = None
        self._changed = asyncio.Event()
        self._to_create: dict[str, NewMarket] = {}
        self._fixtures: dict[str, _AwaitedFixture] = {}
        self._refused: dict[str, str] = {}
        self._numbers: dict[str, MarketNo] = {}
        self._running: asyncio.Task[None] | None = None

    @property
    def refused(self) -> Mapping[str, str]:
        """The markets whose creation was refused for good, by key, and why; the newest last."""
        return self._refused

    def set_supervisor(self, supervisor: Peer) -> None:
        """Have this supervisor create markets from now on."""
        self._supervisor = supervisor
        self._changed.set()

    def number_of(self, key: str) -> MarketNo | None:
        """Return the number of a market that was created here, by the key of its creation."""
        return self._numbers.get(key)

    def expecting(self, fixture: str) -> bool:
        """Say whether markets of a fixture are being created."""
        return fixture in self._fixtures

    def awaited(self, key: str) -> bool:
        """Say whether a market's updates wait, for itself or for others of its fixture."""
        if not self._fixtures:
            return False
        fixture = self._fixtures.get(_fixture_of(key))
        return fixture is not None and key in fixture.keys

    def wait_created(self, message: PendingMessage, update: MarketUpdate) -> None:
        """Deliver an update once its market is created; refuse it if that cannot be."""
        key, name = update.key, _fixture_of(update.key)
        if self.awaited(key):
            self._fixtures[name].waiting.append((message, update))
        elif key in self._refused:
            message.part_done(self._refused[key])
        elif update.new_market is None:
            message.part_done(f"{key}: no such market")
        else:
            fixture = self._fixtures.setdefault(name, _AwaitedFixture())
            fixture.keys[key] = None
            fixture.left += 1
            fixture.waiting.append((message, update))
            self._to_create[key] = update.new_market
            if self._running is None:
                self._running = asyncio.get_running_loop().create_task(self._run())

    def wait_fixture_created(self, message: PendingMessage, action: PriceFixture) -> None:
        """Price a fixture again once its markets in creation exist."""
        self._fixtures[action.fixture].waiting.append((message, action))

    def stop(self) -> None:
        """Create no more markets."""
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> None:
        try:
            await asyncio.sleep(0)  # other parts of the message may add markets to the call
            while self._to_create:
                keys = self._next_keys()
                for key, answer in zip(keys, await self._create(keys), strict=True):
                    self._received(key, answer)
        finally:
            self._running = None

    def _next_keys(self) -> list[str]:
        """Return the markets of the next call: as many as it may carry, and at least one."""
        keys: list[str] = []
        name_bytes = 0
        for key, new_market in islice(self._to_create.items(), self._markets_in_call_max):
            name_bytes += sum(len(name.encode()) for name in new_market.outcomes)
            if keys and name_bytes > NAME_BYTES_IN_CALL_MAX:
                break
            keys.append(key)
        return keys

    async def _create(self, keys: Sequence[str]) -> list[MarketAnswer]:
        """Have markets created, and repeat the call until the supervisor answers."""
        payload = encode(CreateMarkets(by=self._by, markets=tuple(self._command(k) for k in keys)))
        back_off = BackOff(_RETRY_S, _RETRY_S, clock_s=asyncio.get_running_loop().time)
        while True:
            self._changed.clear()
            assert self._supervisor is not None, "set at the start"
            try:
                raw = await self._supervisor.ask(
                    "create_markets", payload, timeout_s=_CREATE_TIMEOUT_S
                )
                return decode_market_answers(raw)
            except PeerError as error:
                logger.warning("%s: markets are not created yet: %s", self._by, error)
            except Exception:
                # The supervisor could not read the call; one market must not stop the others.
                logger.exception("%s: the supervisor cannot read a creation", self._by)
                if len(keys) == 1:
                    return [MarketAnswer(key=keys[0])]
                return [answer for key in keys for answer in await self._create([key])]
            back_off.failed()
            await back_off.wait(self._changed)

    def _command(self, key: str) -> CreateMarket:
        new_market = self._to_create[key]
        given = new_market.limits
        limits, why = self._limits.of(
            key,
            sport=new_market.sport,
            phase=new_market.phase,
            given=None if given is None else patch_of(given),
        )
        return CreateMarket(
            market_no=MarketNo(0),
            key=key,
            outcomes=new_market.outcomes,
            odds_milli=(OddsMilli(FIRST_ODDS_MILLI),) * len(new_market.outcomes),
            limits=limits,
            limits_why=why,
            offered=False,
        )

    def _received(self, key: str, answer: MarketAnswer) -> None:
        """Note a market's creation; with a fixture's last market, deliver what waited for them."""
        del self._to_create[key]
        fixture = self._fixtures[_fixture_of(key)]
        if answer.route is not None:
            self._numbers[key] = answer.route.market_no
            self._on_route(answer.route)
        else:
            fixture.refused[key] = self._refuse(key, answer)
        fixture.left -= 1
        if fixture.left:
            return
        del self._fixtures[_fixture_of(key)]
        for message, action in fixture.waiting:
            why = fixture.refused.get(action.key, "") if isinstance(action, MarketUpdate) else ""
            if not why:
                self._deliver(message, action)
            message.part_done(why)

    def _refuse(self, key: str, answer: MarketAnswer) -> str:
        """Count a refusal, keep it if no repetition changes it, and return its text."""
        self.refused_total += 1
        refused = answer.refused
        if refused is None:
            why, for_good = f"{key}: a defect: the supervisor could not read its creation", True
        else:
            why = f"{key}: {refused.message or MESSAGES[refused.reason]}"
            for_good = refused.reason not in RETRYABLE
        if for_good:
            self._refused[key] = why
            while len(self._refused) > REFUSED_KEPT_MAX:
                del self._refused[next(iter(self._refused))]
        return why


def _fixture_of(key: str) -> str:
    return key.partition("/")[0]
