"""Markets that a feed speaks of for the first time: created in batches, their messages waiting.

Owns who waits for which market, and which markets are not to be. What is said of a fixture's new
markets, and what prices the fixture, waits until all of them exist and goes on in its order: a
price that is older than a suspension must not come behind it. Creation may be asked for again and
again: the directory knows a key that it has.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from actors.messages import (
    CreateMarkets,
    MarketAnswer,
    MarketRoute,
    decode_market_answers,
    encode,
)
from actors.peer import Peer, PeerError
from engine.common.commands import CreateMarket, Limits
from engine.common.ids import MarketNo
from engine.common.reasons import MESSAGES, RETRYABLE
from engine.common.units import ODDS_MILLI_MIN, OddsMilli
from gateway.feeds.core.adapter import Action, MarketUpdate, NewMarket, PriceFixture
from gateway.feeds.core.shell_queue import Work

logger = logging.getLogger("overround.feeds")

REFUSED_KEPT_MAX: Final = 65_536
"""Markets whose creation was refused for good and is not asked for again; past it the oldest are
forgotten, and asked for once more."""
FIRST_ODDS_MILLI: Final = ODDS_MILLI_MIN
"""What a market is created with, INACTIVE and not on offer: nobody can take these odds."""
_CREATE_TIMEOUT_S: Final = 300.0
_AGAIN_S: Final = 0.25


class _Expected:
    """A fixture with markets about to be, and what waits for them."""

    __slots__ = ("keys", "left", "refused", "waiting")

    def __init__(self) -> None:
        self.keys: dict[str, None] = {}
        self.left = 0
        self.refused: dict[str, str] = {}
        self.waiting: list[tuple[Work, MarketUpdate | PriceFixture]] = []


class MarketCreation:
    """The markets that are about to be.

    Parameters
    ----------
    by : str
        As whom the directory names the feed.
    markets_in_call_max : int
        How many are asked for at a time.
    on_route : callable
        Told where each new market lives, before anyone is told anything.
    deliver : callable
        Carries out what waited.
    """

    def __init__(
        self,
        *,
        by: str,
        markets_in_call_max: int,
        on_route: Callable[[MarketRoute], None],
        deliver: Callable[[Work, Action], None],
    ) -> None:
        self.refused_total = 0
        self._by = by
        self._markets_in_call_max = markets_in_call_max
        self._on_route = on_route
        self._deliver = deliver
        self._supervisor: Peer | None = None
        self._changed = asyncio.Event()
        self._creation: dict[str, NewMarket] = {}
        self._fixtures: dict[str, _Expected] = {}
        self._refused: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._running: asyncio.Task[None] | None = None

    def set_supervisor(self, supervisor: Peer) -> None:
        """Ask this supervisor from now on."""
        self._supervisor = supervisor
        self._changed.set()

    def number_of(self, key: str) -> int | None:
        """Return the number of a market that was created here, by the key that it was asked by."""
        return self._numbers.get(key)

    def expecting(self, fixture: str) -> bool:
        """Say whether markets of a fixture are about to be."""
        return fixture in self._fixtures

    def awaited(self, key: str) -> bool:
        """Say whether what is said of a market waits: for itself, or others of its fixture."""
        expected = self._fixtures.get(_fixture_of(key))
        return expected is not None and key in expected.keys

    def wait_created(self, work: Work, notify: MarketUpdate) -> None:
        """Create a market, or refuse what is said of one that is not to be."""
        key, fixture = notify.key, _fixture_of(notify.key)
        if self.awaited(key):
            self._fixtures[fixture].waiting.append((work, notify))
        elif key in self._refused:
            work.part_done(self._refused[key])
        elif notify.new_market is None:
            work.part_done(f"{key}: no such market")
        else:
            expected = self._fixtures.setdefault(fixture, _Expected())
            expected.keys[key] = None
            expected.left += 1
            expected.waiting.append((work, notify))
            self._creation[key] = notify.new_market
            if self._running is None:
                self._running = asyncio.get_running_loop().create_task(self._run())

    def wait_fixture_created(self, work: Work, asked: PriceFixture) -> None:
        """Price a fixture again when those of its markets that are about to be are there."""
        self._fixtures[asked.fixture].waiting.append((work, asked))

    def stop(self) -> None:
        """Ask for no more."""
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> None:
        try:
            await asyncio.sleep(0)  # the rest of the message may bring more
            while self._creation:
                keys = list(islice(self._creation, self._markets_in_call_max))
                for key, answer in zip(keys, await self._create(keys), strict=True):
                    self._received(key, answer)
        finally:
            self._running = None

    async def _create(self, keys: Sequence[str]) -> list[MarketAnswer]:
        """Have markets created, however often it takes."""
        payload = encode(
            CreateMarkets(by=self._by, markets=tuple(_command(k, self._creation[k]) for k in keys))
        )
        while True:
            self._changed.clear()
            assert self._supervisor is not None, "set at the start"
            try:
                raw = await self._supervisor.ask(
                    "create_markets", payload, timeout_s=_CREATE_TIMEOUT_S
                )
                return decode_market_answers(raw)
            except PeerError as error:
                logger.warning("%s: no markets yet: %s", self._by, error)
            except Exception:
                # It would not even read it: one market must not hold up the others.
                logger.exception("%s: the supervisor cannot take what the feed says", self._by)
                if len(keys) == 1:
                    return [MarketAnswer(key=keys[0])]
                return [answer for key in keys for answer in await self._create([key])]
            try:
                await asyncio.wait_for(self._changed.wait(), _AGAIN_S)
            except TimeoutError:
                continue

    def _received(self, key: str, answer: MarketAnswer) -> None:
        """Let what waited for a fixture go on with its last market; refuse what nobody can obey."""
        del self._creation[key]
        fixture = _fixture_of(key)
        expected = self._fixtures[fixture]
        if answer.route is not None:
            self._numbers[key] = answer.route.market_no
            self._on_route(answer.route)
        else:
            expected.refused[key] = self._refuse(key, answer)
        expected.left -= 1
        if expected.left:
            return
        del self._fixtures[fixture]
        for work, action in expected.waiting:
            why = expected.refused.get(action.key, "") if isinstance(action, MarketUpdate) else ""
            if not why:
                self._deliver(work, action)
            work.part_done(why)

    def _refuse(self, key: str, answer: MarketAnswer) -> str:
        """Remember a refusal that no repetition changes; return it in words."""
        self.refused_total += 1
        refused = answer.refused
        if refused is None:
            why, for_good = f"{key}: a defect: it could not be asked for", True
        else:
            why = f"{key}: {refused.message or MESSAGES[refused.reason]}"
            for_good = refused.reason not in RETRYABLE
        if for_good:
            self._refused[key] = why
            while len(self._refused) > REFUSED_KEPT_MAX:
                del self._refused[next(iter(self._refused))]
        return why


def _command(key: str, new_market: NewMarket) -> CreateMarket:
    return CreateMarket(
        market_no=MarketNo(0),
        key=key,
        outcomes=new_market.outcomes,
        odds_milli=(OddsMilli(FIRST_ODDS_MILLI),) * len(new_market.outcomes),
        limits=new_market.limits or Limits(),
        offered=False,
    )


def _fixture_of(key: str) -> str:
    return key.partition("/")[0]
