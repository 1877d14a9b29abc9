"""The feed desk: one feed's messages, through its adapter, to every market they speak of.

Owns the way of a message from its bytes to the answer that it has been obeyed: parts for market
shells, markets that are new, and what the source must hear. Nothing durable: what each market has
obeyed stands in its journal, so the desk may die at any instant, and whoever sent what was not
answered sends it again. It never decides what a message means; that is the adapter's.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from actors.messages import (
    KnownMarket,
    MarketRoute,
    ShellRoute,
    ShellState,
    decode_known_markets,
    encode,
)
from actors.peer import Peer, PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.commands import FeedStep
from engine.common.ids import MarketNo
from engine.pricing.following import UPDATES_IN_CALL_MAX, Followed
from engine.pricing.quoting import Margin
from engine.pricing.repricing import Reprice
from engine.pricing.skew import Skew
from gateway.feeds.core.adapter import (
    REFUSALS_KEPT,
    Action,
    Adapter,
    MarketUpdate,
    PriceFixture,
    Received,
    RecoveryRequest,
)
from gateway.feeds.core.market_creation import MarketCreation
from gateway.feeds.core.messages import BODIES_IN_CALL_MAX, Answer
from gateway.feeds.core.shell_queue import ShellQueues, Task, Work

logger = logging.getLogger("overround.feeds")

TICKETS_MAX: Final = 4_096
"""Answers kept for callers that have not fetched them; past it the oldest go, and their caller
must send its messages again."""
REQUESTS_MAX: Final = 64
"""Producers whose recovery may be asked for at a time; past it the oldest wish goes."""
_RESUME_WAIT_S: Final = 5.0
_RESUME_AGAIN_S: Final = 0.1
_SUSPECT_AGAIN_S: Final = 0.25

_Millis = Annotated[int, Meta(ge=1, le=3_600_000)]


class PipelineSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of a desk; each says what happens when it is reached."""

    messages_max: Annotated[int, Meta(ge=1, le=1 << 20)] = 8_192
    """Messages in hand; past it no more are accepted until some are answered."""
    queue_updates_max: Annotated[int, Meta(ge=1, le=1 << 20)] = 16_384
    """Parts of messages that wait for one shell; past it, the same."""
    updates_in_call_max: Annotated[int, Meta(ge=1, le=UPDATES_IN_CALL_MAX)] = 512
    creations_in_call_max: Annotated[int, Meta(ge=1, le=1_024)] = 256
    """Markets that the supervisor is asked to create at a time."""
    call_timeout_ms: _Millis = 10_000
    """How long a shell may take; then it is asked again."""
    pace_ms: Annotated[int, Meta(ge=0, le=1_000)] = 60
    """Shortest time between two calls to one shell; a lone message does not wait for it, nor does
    one that stops betting."""
    tick_ms: _Millis = 250
    margin: Margin = Margin()
    skew: Skew | None = None


class FeedPipeline:
    """One feed's desk; a plain class that `actors` wraps.

    Parameters
    ----------
    name : str
        Unique name of the part.
    feed : str
        The feed's name, by which sources push to it.
    supervisor : Peer
        Creates markets, and is told of shells that do not answer.
    make_adapter : callable
        Makes the adapter.
    settings : PipelineSettings
        Bounds, margin and lean.
    clock_ns : callable
        UTC nanoseconds, for the adapter.
    """

    def __init__(
        self,
        *,
        name: str,
        feed: str,
        supervisor: Peer,
        make_adapter: Callable[[], Adapter],
        settings: PipelineSettings | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.name = name
        self.feed = feed
        self.settings = settings or PipelineSettings()
        self._make_adapter = make_adapter
        self._adapter = make_adapter()
        self._supervisor = supervisor
        self._clock_ns = clock_ns
        self._routes = Routes(shards=1)
        self._fixture_shells: dict[str, dict[str, None]] = {}
        by = f"feed:{feed}"
        self._queues = ShellQueues(
            by=by,
            routes=self._routes,
            margin=self.settings.margin,
            skew=self.settings.skew,
            updates_in_call_max=self.settings.updates_in_call_max,
            queue_updates_max=self.settings.queue_updates_max,
            pace_s=self.settings.pace_ms / 1_000,
            timeout_s=self.settings.call_timeout_ms / 1_000,
            suspect=self._suspect,
            on_room=self._on_room,
            on_missed=self._on_missed,
        )
        self._creation = MarketCreation(
            by=by,
            markets_in_call_max=self.settings.creations_in_call_max,
            on_route=self._learn,
            deliver=self._carry_out,
        )
        self._creation.set_supervisor(supervisor)
        self._gateways: dict[str, Peer] = {}
        self._gateways_version = -1
        self._suspected_s: dict[str, float] = {}
        self._in_hand = 0
        self._order: deque[Work] = deque()
        self._room = asyncio.Event()
        self._taking = asyncio.Lock()
        self._resumed = asyncio.Event()
        self._ticking: asyncio.Task[None] | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._ticket = 0
        self._tickets: dict[int, tuple[list[Work], asyncio.Event]] = {}
        self._requests: dict[int, RecoveryRequest] = {}
        self._kinds: dict[str, int] = {}
        self._refused = 0
        self._refusals: deque[str] = deque(maxlen=REFUSALS_KEPT)

    # --- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Learn from the shells what this feed has told them, and begin."""
        if self._ticking is not None:
            return
        await self._begin()
        self._ticking = asyncio.get_running_loop().create_task(self._tick())

    async def stop(self) -> None:
        """Let go of what is in hand: its source has no answer, and sends it again."""
        for task in (self._ticking, self._beginning):
            if task is not None:
                task.cancel()
        self._queues.stop()
        self._creation.stop()

    async def _begin(self) -> None:
        """Have the adapter begin from what markets remember; no message is taken meanwhile."""
        known = await self._known_markets()
        adapter = self._make_adapter()
        received = adapter.resume(known, at_ns=self._clock_ns())
        self._adapter = adapter
        self._carry_out_unasked(received)
        self._resumed.set()

    def _on_missed(self) -> None:
        """Begin anew: a shell is back that missed something, which the provider is to repeat."""
        if self._resumed.is_set():
            self._resumed.clear()
            self._beginning = asyncio.get_running_loop().create_task(self._begin_anew())

    async def _begin_anew(self) -> None:
        """Begin, or go on with the adapter that is there: a defect must not end the feed."""
        try:
            await self._begin()
        except Exception:
            logger.exception("%s: could not begin anew", self.name)
            self._resumed.set()

    async def _known_markets(self) -> list[KnownMarket]:
        """Ask every market shell what it has heard; one that cannot say is left out for now.

        When it serves again, all begins anew: nobody has watched over its markets meanwhile.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + _RESUME_WAIT_S
        known: list[KnownMarket] = []
        left = [shell.name for shell in self._routes.shells.values() if shell.kind == "market"]
        while left:
            answers = await asyncio.gather(*map(self._positions, left))
            known += [market for answer in answers for market in answer or ()]
            left = [name for name, answer in zip(left, answers, strict=True) if answer is None]
            if left and loop.time() >= until_s:
                logger.warning("%s: begins without %s", self.name, ", ".join(left))
                for name in left:
                    self._queues.missed(name)
                break
            if left:
                await asyncio.sleep(_RESUME_AGAIN_S)
        return [market for market in known if self._adapter.owns(market.image.key)]

    async def _positions(self, shell: str) -> list[KnownMarket] | None:
        """Return what a shell's markets have heard, or None while it does not answer."""
        peer = self._routes.peer(shell)
        if peer is None:
            return None
        timeout_s = self.settings.call_timeout_ms / 1_000
        try:
            return decode_known_markets(await peer.ask("positions", timeout_s=timeout_s))
        except PeerRefusedError:  # quarantined, with nothing recovered
            self._queues.missed(shell)
            return []
        except PeerError:
            return None

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self.settings.tick_ms / 1_000)
            await self._resumed.wait()
            try:
                self._carry_out_unasked(self._adapter.tick(at_ns=self._clock_ns()))
            except Exception:
                logger.exception("%s: the adapter met a defect in a tick", self.name)

    # --- told by the others ----------------------------------------------------------------------

    def on_routes(
        self,
        version: int,
        shells: Sequence[ShellRoute],
        markets: Sequence[MarketRoute],
        peers: Mapping[str, Peer],
    ) -> None:
        """Take over changed routes; what waited for a shell that is back goes on."""
        news = self._routes.update(version=version, shells=shells, markets=markets, peers=peers)
        for market in markets:
            self._index(market)
        for shell in news:
            self._queues.on_shell(shell.name, shell.state)

    def on_gateways(self, version: int, peers: Sequence[Peer]) -> None:
        """Tell these gateways what the provider is to be asked for, and no others."""
        if version > self._gateways_version:
            self._gateways_version = version
            self._gateways = {peer.name: peer for peer in peers}
            for request in self._requests.values():
                self._notify_request(request)

    def on_supervisor(self, supervisor: Peer) -> None:
        """Ask this supervisor from now on: the one before is gone."""
        self._supervisor = supervisor
        self._creation.set_supervisor(supervisor)

    # --- messages --------------------------------------------------------------------------------

    async def accept(self, bodies: Sequence[bytes]) -> int:
        """Take messages in their order, once there is room; return the ticket of their answers.

        Calls to this desk may overtake one another, so who needs messages to be taken in order
        makes the next call when this one has returned.

        Raises
        ------
        ValueError
            When there are more than one call may carry: the caller's bug.
        """
        if len(bodies) > BODIES_IN_CALL_MAX:
            message = f"{len(bodies)} messages, at most {BODIES_IN_CALL_MAX} in one call"
            raise ValueError(message)
        all_done = asyncio.Event()
        async with self._taking:  # who waits for room longest is next
            await self._resumed.wait()
            while self._in_hand >= self.settings.messages_max or self._queues.full:
                self._room.clear()
                await self._room.wait()
            await self._resumed.wait()  # all may have begun anew meanwhile
            works = [self._receive(body, all_done) for body in bodies]
        self._ticket += 1
        self._tickets[self._ticket] = (works, all_done)
        while len(self._tickets) > TICKETS_MAX:
            del self._tickets[next(iter(self._tickets))]
        return self._ticket

    async def applied(self, ticket: int) -> bytes:
        """Return list[Answer] in msgpack, one for each message, once all are obeyed.

        Raises
        ------
        PeerRefusedError
            When there is no such ticket: it was fetched, or given by an earlier life of this desk.
        """
        held = self._tickets.get(ticket)
        if held is None:
            raise PeerRefusedError(f"{self.name}: no ticket {ticket}")
        works, done = held
        while not all(work.done for work in works):
            done.clear()
            await done.wait()
        self._tickets.pop(ticket, None)
        return encode([Answer(kind=work.kind, refused=work.verdict) for work in works])

    async def push(self, bodies: Sequence[bytes]) -> bytes:
        """Take messages and return their answers (see `applied`) once they are obeyed."""
        return await self.applied(await self.accept(bodies))

    def requests(self) -> bytes:
        """Return list[Recover] in msgpack: what the provider is still to be asked for."""
        return encode(list(self._requests.values()))

    def request_done(self, producer: int, request_id: int) -> None:
        """Forget a wish: the provider has been asked."""
        request = self._requests.get(producer)
        if request is not None and request.request_id == request_id:
            del self._requests[producer]

    def stats(self) -> dict[str, Any]:
        """Return figures for views and benches; `lag_ms` is the age of the oldest in hand."""
        queue_stats = self._queues.stats
        oldest = self._order[0].began_s if self._order else None
        now_s = asyncio.get_running_loop().time()
        return {
            "feed": self.feed,
            "kinds": dict(self._kinds),
            "refused": self._refused,
            "refusals": list(self._refusals),
            "in_hand": self._in_hand,
            "waiting": self._queues.waiting,
            "lag_ms": 0 if oldest is None else int((now_s - oldest) * 1_000),
            "markets": sum(map(self._adapter.owns, self._routes.market_no_by_key)),
            "calls": queue_stats.calls,
            "calls_again": queue_stats.calls_again,
            "updates": queue_stats.updates,
            "applied": queue_stats.applied,
            "steps_refused": dict(queue_stats.refused),
            "creations_refused": self._creation.refused_total,
            "requests": len(self._requests),
            "passed_over": dict(self._adapter.passed_over()),
        }

    def _receive(self, body: bytes, done: asyncio.Event) -> Work:
        try:
            received = self._adapter.receive(body, at_ns=self._clock_ns())
        except Exception:  # it says it never does; one message must not end the feed
            logger.exception("%s: the adapter met a defect", self.name)
            received = Received(kind="defect", refused="a defect of the adapter")
        self._kinds[received.kind] = self._kinds.get(received.kind, 0) + 1

        def on_done(work: Work) -> None:
            self._in_hand -= 1
            while self._order and self._order[0].done:
                self._order.popleft()
            if work.verdict:
                self._refused += 1
                self._refusals.append(f"{work.kind}: {work.verdict}"[:300])
            done.set()
            self._on_room()

        work = Work(
            kind=received.kind,
            refused=received.refused,
            began_s=asyncio.get_running_loop().time(),
            on_done=on_done,
        )
        self._in_hand += 1
        self._order.append(work)
        for action in received.actions:
            self._carry_out(work, action)
        work.parts_added()
        return work

    def _carry_out_unasked(self, received: Received) -> None:
        """Carry out what nobody waits for: the watchdog's words."""
        work = Work(kind=received.kind, refused="", began_s=0.0, on_done=lambda _: None)
        for action in received.actions:
            self._carry_out(work, action)

    # --- intents ---------------------------------------------------------------------------------

    def _carry_out(self, work: Work, action: Action) -> None:
        if isinstance(action, MarketUpdate):
            self._notify(work, action)
        elif isinstance(action, PriceFixture):
            self._price(work, action)
        else:
            self._request(action)

    def _notify(self, work: Work, notify: MarketUpdate) -> None:
        number = None
        if not self._creation.awaited(notify.key):  # else its route came before those that wait
            number = self._creation.number_of(notify.key)
            if number is None:
                number = self._routes.market_no_by_key.get(notify.key)
        if number is None:
            work.add_part()
            self._creation.wait_created(work, notify)
            return
        if notify.fair is None and not notify.steps:
            return  # it was only to be born
        shell = self._routes.markets[number].shell
        work.add_part()
        self._queues.add(shell, Task(work, _followed(notify, number)))

    def _price(self, work: Work, asked: PriceFixture) -> None:
        """Price what is there at once, and once more when markets about to be are there.

        Bets on the others must not go on at the old prices meanwhile; what a market has obeyed, it
        refuses the second time.
        """
        if self._creation.expecting(asked.fixture):
            work.add_part()
            self._creation.wait_fixture_created(work, asked)
        for shell in self._fixture_shells.get(asked.fixture, ()):
            work.add_part()
            self._queues.add(shell, Task(work, self._reprice(asked)))

    def _reprice(self, asked: PriceFixture) -> Reprice:
        return Reprice(
            by=self._queues.by,
            fixture=asked.fixture,
            sport=asked.sport,
            model=asked.model,
            state=asked.state,
            margin=self.settings.margin,
            skew=self.settings.skew,
            mark=asked.mark,
            suspend=asked.suspend,
            resume=asked.resume,
        )

    def _request(self, request: RecoveryRequest) -> None:
        """Keep a wish until it is done; a later one of the same producer replaces it."""
        self._requests.pop(request.producer, None)
        self._requests[request.producer] = request
        while len(self._requests) > REQUESTS_MAX:
            del self._requests[next(iter(self._requests))]
        self._notify_request(request)

    def _notify_request(self, request: RecoveryRequest) -> None:
        for gateway in self._gateways.values():
            gateway.notify("on_feed_request", self.feed, encode(request))

    # --- inside ----------------------------------------------------------------------------------

    def _learn(self, route: MarketRoute) -> None:
        """Take the route of a market that was just created."""
        self._routes.update(version=0, shells=(), markets=[route], peers={})
        self._index(route)

    def _index(self, market: MarketRoute) -> None:
        fixture = market.key.partition("/")[0]
        self._fixture_shells.setdefault(fixture, {})[market.shell] = None

    def _on_room(self) -> None:
        self._room.set()

    def _suspect(self, shell: str) -> None:
        """Tell the supervisor of a shell that did not answer, not more often than it can act."""
        route = self._routes.shells.get(shell)
        if route is None or route.state is not ShellState.SERVING:
            return
        now_s = asyncio.get_running_loop().time()
        if now_s - self._suspected_s.get(shell, -1.0) >= _SUSPECT_AGAIN_S:
            self._suspected_s[shell] = now_s
            with contextlib.suppress(PeerError):
                self._supervisor.notify("suspect", shell)


def _followed(notify: MarketUpdate, market_no: int) -> Followed:
    """Return a market's part of a message, the market's number written into every command."""
    return Followed(
        market_no=MarketNo(market_no),
        mark=notify.mark,
        steps=tuple([_of_market(step, market_no) for step in notify.steps]),
        fair=notify.fair,
    )


def _of_market(step: FeedStep, market_no: int) -> FeedStep:
    return msgspec.structs.replace(step, market_no=market_no)
