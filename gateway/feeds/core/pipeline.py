"""The pipeline of one feed: its messages go through its adapter to the shells of their markets.

Owns the parts of the pipeline and what the rest of the system calls it for. Nothing here is
durable: each market's journal holds what the market has obeyed, so the pipeline may die at any
instant, and the source sends again what was not answered. It never decides what a message means;
the adapter does.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any

from msgspec import Meta, Struct

from actors.messages import MarketRoute, ShellRoute, ShellState, encode
from actors.peer import Peer
from actors.routes import Routes
from engine.common.stated_matches import SaidPage
from engine.common.units import Nanos
from engine.pricing.following import UPDATES_IN_CALL_MAX
from engine.pricing.quoting import Margin
from engine.pricing.skew import Skew
from gateway.feeds.core.actions import ActionRunner
from gateway.feeds.core.adapter import (
    ALL_FIXTURES,
    UNCOVERED_MAX,
    Adapter,
    CoverageAdapter,
    DescribingAdapter,
    FactsAdapter,
    StatingAdapter,
)
from gateway.feeds.core.fixture_reports import FixtureReports
from gateway.feeds.core.intake import MessageIntake
from gateway.feeds.core.loss_report import LossReport
from gateway.feeds.core.messages import FACTS_MAX, NAMES_IN_ANSWER_MAX
from gateway.feeds.core.recovery_requests import RecoveryRequests
from gateway.feeds.core.resumption import Resumption
from gateway.feeds.core.said_matches import SaidMatches
from gateway.feeds.core.shell_queue import ShellQueues
from gateway.market_limits import LimitRules, LimitsSettings
from gateway.messages.feed import MarketFacts
from gateway.settings import FEED_MESSAGES_LATE_MAX
from gateway.suspected_shells import SuspectedShells

logger = logging.getLogger("overround.feeds")

_Millis = Annotated[int, Meta(ge=1, le=3_600_000)]


class PipelineSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of a pipeline; each says what happens when it is reached."""

    messages_max: Annotated[int, Meta(ge=1, le=1 << 20)] = 8_192
    """Messages in progress; past it no more are accepted until some are answered."""
    queue_updates_max: Annotated[int, Meta(ge=1, le=1 << 20)] = 16_384
    """Parts of messages that wait for one shell; past it no more messages are accepted either while
    the shell answers, and a shell that does not answer misses them (see `late_messages_max`)."""
    late_messages_max: Annotated[int, Meta(ge=1, le=1 << 20)] = FEED_MESSAGES_LATE_MAX
    """Messages that wait for shells that do not answer, at most half of `messages_max`; past it
    these shells miss them, and the adapter resumes when they answer."""
    updates_in_call_max: Annotated[int, Meta(ge=1, le=UPDATES_IN_CALL_MAX)] = 512
    """Parts of messages that one call to a shell carries; the rest waits for the next call."""
    creations_in_call_max: Annotated[int, Meta(ge=1, le=1_024)] = 256
    """Markets that the supervisor is asked to create in one call; the rest waits for the next."""
    call_timeout_ms: _Millis = 10_000
    """How long a shell may take; then the call is repeated."""
    pace_ms: Annotated[int, Meta(ge=0, le=1_000)] = 10
    """Shortest time between two calls to one shell; a lone message does not wait for it, nor does
    one that stops betting, nor do as many as fill a call."""
    tick_ms: _Millis = 250
    """Time between two ticks of the adapter."""
    limits: LimitsSettings = LimitsSettings()
    """The limits that new markets get."""
    margin: Margin = Margin()
    skew: Skew | None = None


class FeedPipeline:
    """One feed's pipeline; a plain class that `actors` wraps.

    Parameters
    ----------
    name : str
        Unique name of this part of the system.
    feed : str
        The feed's name, by which sources push to it.
    supervisor : Peer
        Creates markets, and is notified of shells that do not answer.
    make_adapter : callable
        Makes the adapter.
    settings : PipelineSettings
        Bounds, margin and skew.
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
        self.settings = settings = settings or PipelineSettings()
        self._clock_ns = clock_ns
        self._routes = Routes(shards=1)
        self._suspected = SuspectedShells(supervisor)
        self._requests = RecoveryRequests(feed)
        self._queues = ShellQueues(
            by=f"feed:{feed}",
            routes=self._routes,
            margin=settings.margin,
            skew=settings.skew,
            updates_in_call_max=settings.updates_in_call_max,
            queue_updates_max=settings.queue_updates_max,
            late_messages_max=min(settings.late_messages_max, settings.messages_max // 2),
            pace_s=settings.pace_ms / 1_000,
            timeout_s=settings.call_timeout_ms / 1_000,
            suspect=self._suspect,
            on_room=self._on_room,
            on_back=self._on_back,
        )
        self._actions = ActionRunner(
            by=f"feed:{feed}",
            routes=self._routes,
            queues=self._queues,
            requests=self._requests,
            creations_in_call_max=settings.creations_in_call_max,
            limits=LimitRules(settings.limits),
            margin=settings.margin,
            skew=settings.skew,
        )
        self._actions.creation.set_supervisor(supervisor)
        self._reports = FixtureReports(by=f"feed:{feed}", supervisor=supervisor)
        self._resumption = Resumption(
            name=name,
            routes=self._routes,
            make_adapter=make_adapter,
            run_all=self._actions.run_all,
            missed=self._queues.missed,
            is_behind=self._queues.is_behind,
            timeout_s=settings.call_timeout_ms / 1_000,
            clock_ns=clock_ns,
        )
        self._intake = MessageIntake(
            name=name,
            messages_max=settings.messages_max,
            resumption=self._resumption,
            run=self._actions.run,
            queues_full=lambda: self._queues.full,
            make_room=self._queues.leave_late_behind,
            clock_ns=clock_ns,
        )
        self._losses = LossReport(
            name=name,
            adapter=lambda: self._resumption.adapter,
            opened=self._actions.opened,
            creation=self._actions.creation,
        )
        self._ticking: asyncio.Task[None] | None = None
        self._said: tuple[int, SaidMatches | None] = (0, None)

    # --- start and stop --------------------------------------------------------------------------

    async def start(self) -> None:
        """Read from the shells how far their markets have followed this feed, and begin."""
        if self._ticking is not None:
            return
        await self._resumption.resume()
        self._ticking = asyncio.get_running_loop().create_task(self._tick())

    async def stop(self) -> None:
        """Drop the messages in progress: their source has no answer and sends them again."""
        if self._ticking is not None:
            self._ticking.cancel()
        self._resumption.stop()
        self._queues.stop()
        self._actions.creation.stop()
        self._reports.stop()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self.settings.tick_ms / 1_000)
            self._queues.leave_late_behind()
            self._intake.hold_late(self._queues.late_messages())
            await self._resumption.ready.wait()
            try:
                adapter = self._resumption.adapter
                self._actions.run_all(adapter.tick(at_ns=Nanos(self._clock_ns())))
                if isinstance(adapter, DescribingAdapter):
                    self._reports.add(adapter.descriptions())
                self._losses.log_new(now_s=asyncio.get_running_loop().time())
            except Exception:
                logger.exception("%s: the adapter met a defect in a tick", self.name)

    # --- called by the supervisor and the system -------------------------------------------------

    def on_routes(
        self,
        version: int,
        shells: Sequence[ShellRoute],
        markets: Sequence[MarketRoute],
        peers: Mapping[str, Peer],
    ) -> None:
        """Take over changed routes; parts that wait for a shell that is back are sent at once."""
        changes = self._routes.update(version=version, shells=shells, markets=markets, peers=peers)
        for market in markets:
            self._actions.on_market(market)
        for shell in changes:
            self._queues.on_shell(shell.name, shell.state)

    def on_gateways(self, version: int, peers: Sequence[Peer]) -> None:
        """Send recovery requests to these gateways and to no others."""
        self._requests.on_gateways(version, peers)

    def on_supervisor(self, supervisor: Peer) -> None:
        """Use this supervisor from now on: the one before is gone."""
        self._suspected.supervisor = supervisor
        self._actions.creation.set_supervisor(supervisor)
        self._reports.set_supervisor(supervisor)

    # --- called by gateways ----------------------------------------------------------------------

    async def accept(self, bodies: Sequence[bytes]) -> int:
        """Take messages in their order, once there is room; return the ticket of their answers.

        Calls to a pipeline may overtake one another, so a caller that needs its messages taken in
        order makes the next call when this one has returned.

        Raises
        ------
        ValueError
            When there are more than one call may carry: the caller's bug.
        """
        return await self._intake.accept(bodies)

    async def applied(self, ticket: int) -> bytes:
        """Return list[Answer] in msgpack, one for each message, once all are obeyed.

        Raises
        ------
        PeerRefusedError
            When there is no such ticket: its answers were fetched, or a process of this pipeline
            that is gone gave it.
        """
        return await self._intake.applied(ticket)

    def held(self, numbers: Sequence[int]) -> bytes:
        """Return list[HeldAnswer] in msgpack: messages that were held and now have an answer.

        A number that this process does not hold is answered too: its message must be sent again.
        """
        return self._intake.held(numbers)

    async def push(self, bodies: Sequence[bytes]) -> bytes:
        """Take messages and return their answers (see `applied`) once they are obeyed."""
        return await self.applied(await self.accept(bodies))

    def requests(self) -> bytes:
        """Return list[RecoveryRequest] in msgpack: what the provider is still to be asked for."""
        return self._requests.encoded()

    def request_done(self, producer: int, request_id: int) -> None:
        """Forget a recovery request: the provider was asked."""
        self._requests.done(producer, request_id)

    def facts(self, fixture: str, after: str) -> bytes:
        """Return list[MarketFacts] of a fixture behind a key, and whether there are more."""
        adapter = self._resumption.adapter
        markets: Sequence[MarketFacts] = ()
        if isinstance(adapter, FactsAdapter):
            markets = sorted(adapter.facts(fixture), key=lambda market: market.key)
        behind = [market for market in markets if market.key > after]
        taken, names = 0, 0
        while taken < min(len(behind), FACTS_MAX) and names < NAMES_IN_ANSWER_MAX:
            names += len(behind[taken].names)
            taken += 1
        return encode((behind[:taken], taken < len(behind)))

    def uncovered(self) -> bytes:
        """Return dict[str, str] in msgpack: the fixtures that the feed has lost, and why."""
        if not self._resumption.ready.is_set():
            return encode({ALL_FIXTURES: "the feed restarts"})
        adapter = self._resumption.adapter
        lost = adapter.uncovered() if isinstance(adapter, CoverageAdapter) else {}
        return encode(dict(islice(lost.items(), UNCOVERED_MAX)))

    def said_matches(self, memory_ns: int, after: int) -> bytes:
        """Return SaidPage in msgpack: what was said of matches behind a number of a memory.

        All that is remembered where the memory is another one than this, as after a restart.
        """
        adapter = self._resumption.adapter
        if not isinstance(adapter, StatingAdapter):
            return encode(SaidPage(memory_ns=0, number=0, matches=()))
        said = adapter.said_matches()
        if said is not self._said[1]:
            self._said = max(self._clock_ns(), self._said[0] + 1), said
        of_ns = self._said[0]
        number, matches = said.after(after if memory_ns == of_ns else 0)
        return encode(SaidPage(memory_ns=of_ns, number=number, matches=tuple(matches)))

    def stats(self) -> dict[str, Any]:
        """Return figures for views and benches, by the names of `FeedStats`."""
        queues, adapter = self._queues.stats, self._resumption.adapter
        return {
            "feed": self.feed,
            **self._intake.stats(),
            "waiting": self._queues.waiting,
            **self._queues.shells(),
            "markets": sum(map(adapter.owns, self._routes.market_no_by_key)),
            "calls": queues.calls,
            "calls_again": queues.retries,
            "updates": queues.updates,
            "applied": queues.applied,
            "steps_refused": dict(queues.refused),
            "creations_refused": self._actions.creation.refused_total,
            "requests": len(self._requests),
            "passed_over": dict(adapter.passed_over()),
            **self._losses.stats(),
        }

    # --- called by the queues to shells ----------------------------------------------------------

    def _on_room(self) -> None:
        self._intake.on_room()

    def _on_back(self, shell: str) -> None:
        self._actions.forget_phases()
        self._resumption.resume_again(shell)

    def _suspect(self, shell: str) -> None:
        """Report a shell that did not answer though it is said to serve."""
        route = self._routes.shells.get(shell)
        if route is not None and route.state is ShellState.SERVING:
            self._suspected.report(shell)
