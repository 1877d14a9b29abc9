"""Find the markets of a scope, and suspend, resume, limit or delay all of them.

Owns which markets a scope has, by the gateway's copy of the directory, and the sums of what became
of them. Never decides whether a market's state allows a command; the engine does.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import UNSET

from actors.routes import Routes
from engine.common.acceptance import SetAcceptance
from engine.common.commands import ResumeWithAll, SetLimits, SuspendWithAll
from engine.common.events import (
    AcceptanceSet,
    LimitsSet,
    MarketEvent,
    MarketResumed,
    MarketSuspended,
    OutcomesResumed,
    OutcomesSuspended,
    Refused,
)
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.outcome_marks import ResumeOutcomes, SuspendOutcomes
from engine.common.reasons import Reason
from gateway.messages.base import Error
from gateway.messages.protocol import ServerMessage
from gateway.messages.scopes import (
    FIXTURES_SHOWN_MAX,
    MARKETS_SHOWN_MAX,
    AcceptanceScope,
    LimitScope,
    MarketScope,
    ResumeScope,
    Scoped,
    ScopeRequest,
    SuspendScope,
    scope_fault,
)
from gateway.services.catalogue import FixtureCatalogue
from gateway.services.control import ControlService
from gateway.services.ledger_control import error_of
from gateway.services.price_fanout import Fanout
from gateway.services.standing_stops import standing

_Command = (
    SuspendWithAll | ResumeWithAll | SuspendOutcomes | ResumeOutcomes | SetLimits | SetAcceptance
)
_CHANGED = (MarketSuspended, MarketResumed, LimitsSet, AcceptanceSet)


class _Found(NamedTuple):
    """The markets of a scope in order, their fixtures, and how many fixtures nobody described."""

    markets: list[MarketNo]
    fixtures: list[str]
    undescribed: int


class ScopeService:
    """Commands by scope.

    Parameters
    ----------
    routes : Routes
        Every market with its key.
    catalogue : FixtureCatalogue
        The competition and sport of each fixture.
    fanout : Fanout
        The last status of each market, for counts.
    control : ControlService
        Runs the commands.
    """

    def __init__(
        self,
        *,
        routes: Routes,
        catalogue: FixtureCatalogue,
        fanout: Fanout,
        control: ControlService,
    ) -> None:
        self._routes = routes
        self._catalogue = catalogue
        self._fanout = fanout
        self._control = control

    async def answer(self, by: str, request: ScopeRequest) -> ServerMessage:
        """Suspend, resume or limit what a scope has, or say what it has."""
        fault = scope_fault(request.scope)
        if fault:
            return Error(
                code=int(Reason.FIELD_OUT_OF_BOUNDS), message=f"scope: {fault}", id=request.id
            )
        found = self._find(request.scope)
        if not found.markets:
            message = f"no market is in this scope; {found.undescribed} fixtures are undescribed"
            return Error(code=int(Reason.MARKET_UNKNOWN), message=message, id=request.id)
        unnamed = _names_nothing(request)
        if unnamed:
            message = f"{unnamed}: name at least one figure"
            return Error(code=int(Reason.FIELD_OUT_OF_BOUNDS), message=message, id=request.id)
        commands = [] if request.preview else [_command(request, no) for no in found.markets]
        events, owed = await self._control.run_or_owe(by, commands)
        for event in events[:1]:  # the house's cap is that of every market
            if isinstance(event, Refused) and event.reason is Reason.LIMIT_OVER_CAP:
                return error_of(event, request.id)
        changed = sum(map(_is_change, events))
        left = standing(events)
        failed = _failed(commands, events)
        return Scoped(
            id=request.id,
            preview=request.preview,
            markets=len(found.markets),
            fixtures=len(found.fixtures),
            open=sum(map(self._is_open, found.markets)),
            changed=changed,
            released=left.released,
            unchanged=len(events) - changed - left.released - left.kept - len(failed),
            failed=failed[:MARKETS_SHOWN_MAX],
            undescribed=found.undescribed,
            first_markets=tuple(found.markets[:MARKETS_SHOWN_MAX]),
            first_fixtures=tuple(found.fixtures[:FIXTURES_SHOWN_MAX]),
            kept=left.kept,
            others=left.others,
            owed=owed,
        )

    def _find(self, scope: MarketScope) -> _Found:
        """Return what a scope has; the scope names one."""
        routes = self._routes
        aside: list[str] = []
        numbers: Iterable[MarketNo]
        if scope.market is not UNSET:
            numbers = [scope.market] if scope.market in routes.markets else []
        elif scope.fixture is not UNSET:
            numbers = routes.numbers(fixture=scope.fixture)
        elif scope.competition is not UNSET or scope.sport is not UNSET:
            sport = "" if scope.sport is UNSET else scope.sport
            competition = "" if scope.competition is UNSET else scope.competition
            chosen, undescribed = self._catalogue.fixtures_of(sport, competition)
            numbers = sorted(number for one in chosen for number in routes.numbers(fixture=one))
            aside = [one for one in undescribed if routes.numbers(fixture=one)]
        else:
            numbers = routes.numbers()
        markets: list[MarketNo] = []
        fixtures: set[str] = set()
        for number in numbers:
            fixture, _, rest = routes.markets[number].key.partition("/")
            if scope.type is UNSET or rest.partition("?")[0] == scope.type:
                markets.append(number)
                fixtures.add(fixture)
        return _Found(markets, sorted(fixtures), len(aside))

    def _is_open(self, number: MarketNo) -> bool:
        topic = self._fanout.topics.get(number)
        shown = None if topic is None else topic.shown
        return shown is not None and shown.status is Status.ACTIVE


def _command(request: ScopeRequest, number: MarketNo) -> _Command:
    """Return what a request means for one market of its scope."""
    outcomes = request.scope.outcomes
    match request:
        case SuspendScope(why=why):
            if outcomes is UNSET:
                return SuspendWithAll(market_no=number, why=why)
            return SuspendOutcomes(market_no=number, outcomes=outcomes, why=why)
        case ResumeScope(force=force):
            if outcomes is UNSET:
                return ResumeWithAll(market_no=number, force=force or UNSET)
            return ResumeOutcomes(market_no=number, outcomes=outcomes)
        case LimitScope(limits=limits):
            return SetLimits(market_no=number, limits=limits)
        case AcceptanceScope(acceptance=acceptance, why=why):
            return SetAcceptance(market_no=number, acceptance=acceptance, why=why)


def _names_nothing(request: ScopeRequest) -> str:
    """Return the field of a patch that names no figure; empty where there is none."""
    if isinstance(request, LimitScope) and not request.limits.names():
        return "limits"
    empty = isinstance(request, AcceptanceScope) and not request.acceptance.names()
    return "acceptance" if empty else ""


def _is_change(event: MarketEvent) -> bool:
    if isinstance(event, OutcomesSuspended | OutcomesResumed):
        return bool(event.outcomes)
    return isinstance(event, _CHANGED)


def _failed(commands: Sequence[_Command], events: Sequence[MarketEvent]) -> tuple[int, ...]:
    """Return the markets without an answer, or refused for another reason than their status."""
    return tuple(
        command.market_no
        for command, event in zip(commands, events, strict=True)
        if isinstance(event, Refused) and event.reason is not Reason.TRANSITION_NOT_ALLOWED
    )
