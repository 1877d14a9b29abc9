"""Route traders' commands to market shells, and return events, lists and books.

Owns the routing, and the refusals of commands that could not be delivered. Every command carries
its caller's identity, which the shell writes to the journal. It never decides whether a market's
state allows a command; the engine does. It sends no command twice: without an answer the command's
result is UNKNOWN. Only a stop is kept then, and given to its shell before that takes bets again.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET

from actors.messages import MarketControl, decode_market_events, encode
from actors.peer import PeerError
from actors.routes import Routes
from actors.weights import Allowance
from engine.common.acceptance import AcceptReferral, OfferReferral
from engine.common.commands import (
    ResumeWithAll,
    SetLimits,
    SetStatus,
    SettleMarket,
    SuspendMarket,
    SuspendWithAll,
)
from engine.common.events import MarketEvent, MarketResumed, MarketSuspended, Refused
from engine.common.ids import MarketNo
from engine.common.reasons import MESSAGES, Reason
from engine.desk.kept_margins import FixtureMargins
from engine.market.status_transitions import as_feed_command
from gateway.counters import Counters
from gateway.market_limits import LimitRules
from gateway.messages.arbitrage import AskArbitrage
from gateway.messages.base import Error
from gateway.messages.exposure import AskExposure
from gateway.messages.market import STATUS_NAMES
from gateway.messages.protocol import ServerMessage
from gateway.messages.races import SettleRace
from gateway.messages.trader import (
    Control,
    Controlled,
    ListMarkets,
    MarketLine,
    Markets,
    Reprice,
    ResumeAll,
    ResumedAll,
    SuspendAll,
    SuspendedAll,
    TraderCommand,
)
from gateway.net.odd_stops import OddControl, OddMarketStop, OddReprice, OddSuspendAll
from gateway.services.arbitrage import ArbitrageService
from gateway.services.exposure import ExposureService
from gateway.services.kept_stops import UNSENT, KeptStops
from gateway.services.previews import PreviewService
from gateway.services.price_fanout import Fanout
from gateway.services.race_results import race_settlements
from gateway.services.standing_stops import standing
from gateway.settings import GatewaySettings

logger = logging.getLogger("overround.gateway")

_COMMANDS_IN_CALL_MAX: Final = 1_024
_FAILED_SHOWN_MAX: Final = 1_000
_NO_ALLOWANCES: Final[Mapping[str, Allowance]] = {}
_Command = TraderCommand | SuspendWithAll | ResumeWithAll | SetStatus


class Ran(NamedTuple):
    """One event for each command, and how many stops are kept for shells that did not answer."""

    events: list[MarketEvent]
    owed: int


class Stopped(NamedTuple):
    """Which markets a stop has suspended, and which shells' markets did not answer."""

    suspended: list[MarketNo]
    failed: list[MarketNo]


class ControlService:
    """Commands, lists and books of all markets.

    Parameters
    ----------
    routes : Routes
        The shells of markets, and how to call them.
    fanout : Fanout
        The odds last received, for lists.
    settings : GatewaySettings
        How long an answer may take.
    limits : LimitRules
        The house cap: no trader sets a limit over it.
    counters : Counters
        Counts of commands.
    kept : KeptStops
        Keeps stops for shells that are down.
    """

    def __init__(
        self,
        *,
        routes: Routes,
        fanout: Fanout,
        settings: GatewaySettings,
        limits: LimitRules,
        counters: Counters,
        kept: KeptStops,
    ) -> None:
        self._routes = routes
        self._kept = kept
        self._limits = limits
        self._fanout = fanout
        self._timeout_s = settings.control_timeout_ms / 1_000
        self._counters = counters
        self._exposures = ExposureService(routes=routes, timeout_s=self._timeout_s)
        self._arbitrage = ArbitrageService(fanout=fanout)
        self.previews = PreviewService(routes=routes, timeout_s=self._timeout_s)

    async def control(self, by: str, request: Control) -> ServerMessage:
        """Run commands; the answer holds one event per command, in their order."""
        return Controlled(id=request.id, events=tuple(await self.run(by, request.commands)))

    def race_commands(self, request: SettleRace) -> Sequence[SettleMarket] | Error:
        """Return the settlements of a race's markets by its order of finish."""
        return race_settlements(request, self._routes.markets, self._fanout.topics)

    async def obey(self, by: str, stops: OddMarketStop, *, fed: bool = False) -> ServerMessage:
        """Run the stops of a message that cannot be read whole; `fed` is True for a feed."""
        match stops:
            case OddControl(number, commands):
                run = [each for each in commands if not isinstance(each, Refused)]
                events = iter(await self.run(by, [*map(as_feed_command, run)] if fed else run))
                shown = (each if isinstance(each, Refused) else next(events) for each in commands)
                return Controlled(id=number, events=tuple(shown))
            case OddSuspendAll(number, fixture, why):
                return await self.suspend_all(by, SuspendAll(id=number, fixture=fixture, why=why))
            case OddReprice(number, fixture, why, complaint):
                return await self._suspend_instead(
                    by,
                    Reprice(id=number, fixture=fixture, pricing={}, suspend=why),
                    Error(code=int(complaint.reason), message=complaint.message, id=number),
                    fed=fed,
                )

    async def suspend_all(self, by: str, request: SuspendAll) -> ServerMessage:
        """Suspend every market (of a fixture), also where the last image shows it suspended."""
        commands = [
            SuspendWithAll(market_no=number, why=request.why)
            for number in self._markets_of(request.fixture)
        ]
        events, owed = await self.run_or_owe(by, commands)
        suspended = sum(isinstance(event, MarketSuspended) for event in events)
        failed = _failed(commands, events)
        return SuspendedAll(
            id=request.id,
            suspended=suspended,
            unchanged=len(events) - suspended - len(failed),
            failed=failed[:_FAILED_SHOWN_MAX],
            owed=owed,
        )

    async def resume_all(self, by: str, request: ResumeAll) -> ServerMessage:
        """Undo the sender's `suspend_all`, or everybody's, whichever gateway it came through."""
        commands = [
            ResumeWithAll(market_no=number, force=request.force or UNSET)
            for number in self._markets_of(request.fixture)
        ]
        events = await self.run(by, commands)
        resumed = sum(isinstance(event, MarketResumed) for event in events)
        left = standing(events)
        failed = _failed(commands, events)
        return ResumedAll(
            id=request.id,
            resumed=resumed,
            released=left.released,
            unchanged=len(events) - resumed - left.released - left.kept - len(failed),
            failed=failed[:_FAILED_SHOWN_MAX],
            kept=left.kept,
            others=left.others,
        )

    async def suspend_with_all(self, by: str, fixture: str, *, why: str) -> Stopped:
        """Suspend a fixture's markets as `suspend_all` does; say which were."""
        numbers = self._markets_of(fixture)
        events = await self.run(by, [SuspendWithAll(market_no=no, why=why) for no in numbers])
        pairs = list(zip(numbers, events, strict=True))
        return Stopped(
            suspended=[no for no, event in pairs if isinstance(event, MarketSuspended)],
            failed=[
                no for no, event in pairs if isinstance(event, Refused) and event.reason in UNSENT
            ],
        )

    async def resume_with_all(
        self, by: str, numbers: Sequence[MarketNo]
    ) -> tuple[int, tuple[str, ...]]:
        """Undo that for some markets; return how many take bets again, and who stops others."""
        events = await self.run(by, [ResumeWithAll(market_no=number) for number in numbers])
        return sum(isinstance(event, MarketResumed) for event in events), standing(events).others

    def _markets_of(self, fixture: str) -> list[MarketNo]:
        """Return the numbers of a fixture's markets, or of all when the fixture is empty."""
        return list(self._routes.numbers(fixture=fixture))

    async def reprice(
        self,
        by: str,
        request: Reprice,
        *,
        fed: bool = False,
        margins: FixtureMargins | None = None,
        unopened: bool = False,
    ) -> ServerMessage:
        """Reprice a fixture's markets in all its shells; the answer holds all events.

        `fed` is True for a feed, whose repricing leaves markets held that a trader holds. `margins`
        hold in place of what the pricing says of margin and skew. With `unopened`, only markets
        that were never open are priced.
        """
        from engine.pricing import repricing  # noqa: PLC0415 - loads pricing, which bets do not need

        try:
            pricing = msgspec.convert(request.pricing, repricing.Pricing)
            model, state = repricing.convert_pricing(pricing.sport, pricing.model, pricing.state)
        except msgspec.ValidationError as error:
            code = int(Reason.FIELD_OUT_OF_BOUNDS)
            answer = Error(code=code, message=f"pricing: {error}", id=request.id)
            return await self._suspend_instead(by, request, answer, fed=fed)
        command = repricing.Reprice(
            by=by,
            fixture=request.fixture,
            model=model,
            state=state,
            sport=pricing.sport,
            margin=pricing.margin,
            skew=pricing.skew,
            suspend=request.suspend,
            resume=request.resume,
            fed=fed,
            builder_limits=self._limits.of_builders(request.fixture, sport=pricing.sport),
            unopened=unopened,
        )
        shells = dict.fromkeys(
            self._routes.markets[number].shell
            for number in self._routes.numbers(fixture=request.fixture)
        )
        if not shells:
            return Error(
                code=int(Reason.MARKET_UNKNOWN),
                message=f"no market of {request.fixture}",
                id=request.id,
            )
        self._counters.control_commands += 1
        payload = encode(
            command if margins is None else msgspec.to_builtins(command) | margins.pricing()
        )
        answers = await asyncio.gather(*(self._ask(shell, "reprice", payload) for shell in shells))
        events = [event for each in answers for event in each]
        if request.suspend:
            failed = [
                shell
                for shell, each in zip(shells, answers, strict=True)
                if each and all(isinstance(event, Refused) for event in each)
            ]
            numbers = [
                number
                for number in self._markets_of(request.fixture)
                if self._routes.market_shell(number) in failed
            ]
            events += await self.run(by, self._suspensions(request, numbers, fed=fed))
        return Controlled(id=request.id, events=tuple(events))

    async def _suspend_instead(
        self, by: str, request: Reprice, answer: Error, *, fed: bool
    ) -> ServerMessage:
        """Suspend what a refused repricing would have suspended first, and return its refusal."""
        if request.suspend:
            numbers = self._markets_of(request.fixture)
            await self.run(by, self._suspensions(request, numbers, fed=fed))
        return answer

    def _suspensions(
        self, request: Reprice, numbers: Sequence[MarketNo], *, fed: bool
    ) -> Sequence[_Command]:
        """Return suspensions that `resume_all` undoes, or a feed's, which hold nothing."""
        if not fed:
            return [SuspendWithAll(market_no=number, why=request.suspend) for number in numbers]
        return [
            as_feed_command(SuspendMarket(market_no=number, why=request.suspend))
            for number in numbers
        ]

    async def exposure(self, request: AskExposure) -> ServerMessage:
        """Return the profit or loss of a fixture's open bets by score."""
        return await self._exposures.exposure(request)

    async def arbitrage(self, request: AskArbitrage) -> ServerMessage:
        """Return stakes on a fixture's outcomes that profit at every score, if there are any."""
        return await self._arbitrage.arbitrage(request)

    def markets(self, request: ListMarkets) -> ServerMessage:
        """Return a page of markets, ascending by number."""
        lines, more = self.page(fixture=request.fixture, after=request.after, limit=request.limit)
        return Markets(id=request.id, markets=tuple(lines), more=more)

    def page(self, *, fixture: str, after: int, limit: int) -> tuple[list[MarketLine], bool]:
        """Return up to `limit` markets with numbers over `after`, and whether there are more."""
        routes, more = self._routes.page(fixture=fixture, after=after, limit=limit)
        lines = []
        for route in routes:
            topic = self._fanout.topics.get(route.market_no)
            prices = None if topic is None else topic.shown
            lines.append(
                MarketLine(
                    market=route.market_no,
                    key=route.key,
                    shell=route.shell,
                    status="" if prices is None else STATUS_NAMES[prices.status],
                    version=-1 if prices is None else prices.version,
                    stale="" if topic is None else topic.stale,
                )
            )
        return lines, more

    # --- calls to the shells ---------------------------------------------------------------------

    async def run(
        self,
        by: str,
        commands: Sequence[_Command],
        *,
        allowances: Mapping[str, Allowance] = _NO_ALLOWANCES,
    ) -> list[MarketEvent]:
        """Run commands as `run_or_owe` does; return their events."""
        return (await self.run_or_owe(by, commands, allowances=allowances)).events

    async def run_or_owe(
        self,
        by: str,
        commands: Sequence[_Command],
        *,
        allowances: Mapping[str, Allowance] = _NO_ALLOWANCES,
    ) -> Ran:
        """Run commands; stops whose shells do not answer are kept for them (see kept_stops)."""
        await self._kept.lift(by, commands)
        events = await self._run(by, commands, allowances)
        return Ran(events, await self._kept.keep_unsent(by, commands, events))

    async def _run(
        self, by: str, commands: Sequence[_Command], allowances: Mapping[str, Allowance]
    ) -> list[MarketEvent]:
        """Run commands concurrently across shells, in order within each shell.

        A shell with an allowance refuses those that go further; its call is never divided.
        """
        self._counters.control_commands += len(commands)
        events: list[MarketEvent] = [_refused(Reason.UNKNOWN)] * len(commands)
        places: dict[str, list[int]] = {}
        for place, command in enumerate(commands):
            shell = self._routes.market_shell(command.market_no)
            over = self._limits.over_cap(command.limits) if isinstance(command, SetLimits) else ""
            if over:
                events[place] = Refused(reason=Reason.LIMIT_OVER_CAP, field="limits", message=over)
            elif shell is None:
                events[place] = _refused(Reason.MARKET_UNKNOWN, field="market_no")
            else:
                places.setdefault(shell, []).append(place)
        answers = await asyncio.gather(
            *(
                self._call(
                    by, shell, [self._capped(commands[i]) for i in at], allowances.get(shell)
                )
                for shell, at in places.items()
            )
        )
        for at, answer in zip(places.values(), answers, strict=True):
            for place, event in zip(at, answer, strict=True):
                events[place] = event
        return events

    def _capped(self, command: _Command) -> _Command:
        """Return a command with the house cap in it, where it takes a bet past its limits."""
        if isinstance(command, AcceptReferral | OfferReferral):
            return msgspec.structs.replace(command, cap=self._limits.cap)
        return command

    async def _call(
        self, by: str, shell: str, commands: Sequence[_Command], allowance: Allowance | None
    ) -> list[MarketEvent]:
        events: list[MarketEvent] = []
        most = _COMMANDS_IN_CALL_MAX if allowance is None else len(commands)
        for start in range(0, len(commands), most):
            part = tuple(commands[start : start + most])
            events += await self._call_part(by, shell, part, allowance)
        return events

    async def _call_part(
        self, by: str, shell: str, commands: tuple[_Command, ...], allowance: Allowance | None
    ) -> list[MarketEvent]:
        """Call a shell once; in halves when it takes so many commands in no call."""
        request = MarketControl(by=by, commands=commands, allowance=allowance)
        events = await self._ask(shell, "control", encode(request))
        if allowance is None and len(commands) > 1 and all(map(_is_too_many, events)):
            half = len(commands) // 2
            first, second = commands[:half], commands[half:]
            return [
                *await self._call_part(by, shell, first, None),
                *await self._call_part(by, shell, second, None),
            ]
        # Without an answer there is one refusal, which applies to every command of the call.
        return events if len(events) == len(commands) else events * len(commands)

    async def _ask(self, shell: str, method: str, payload: bytes) -> list[MarketEvent]:
        """Return a shell's events; one refusal when it is down or its answer did not arrive."""
        peer = self._routes.peer(shell)
        if peer is None:
            return [_refused(Reason.UNAVAILABLE)]
        try:
            raw = await peer.ask(method, payload, timeout_s=self._timeout_s)
        except Exception as error:
            # The shell may have run the commands; the market's version shows it. An error of one
            # shell must not keep the events of the others from the trader.
            if not isinstance(error, PeerError):
                logger.exception("%s failed in %s", method, shell)
            return [_refused(Reason.UNKNOWN)]
        return decode_market_events(raw)


def _failed(commands: Sequence[_Command], events: Sequence[MarketEvent]) -> tuple[int, ...]:
    """Return the markets without an answer, or refused for another reason than their status."""
    return tuple(
        command.market_no
        for command, event in zip(commands, events, strict=True)
        if isinstance(event, Refused) and event.reason is not Reason.TRANSITION_NOT_ALLOWED
    )


def _is_too_many(event: MarketEvent) -> bool:
    """Say whether a shell refused a command because its call had too many."""
    return isinstance(event, Refused) and (event.reason, event.field) == (
        Reason.CAPACITY,
        "commands",
    )


def _refused(reason: Reason, *, field: str = "") -> Refused:
    return Refused(reason=reason, field=field, message=MESSAGES[reason])


def _error(reason: Reason, number: int) -> Error:
    return Error(code=int(reason), message=MESSAGES[reason], id=number)
