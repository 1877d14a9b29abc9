"""Keep place markets at a fraction of the win odds in step with their race's win market.

Such a market has the odds, the offer and the refunds of the win market, and takes bets while that
does and its terms are those of the runners left. Its limits are no higher, and its bets wait as
long at least. It has a result of its own, which whoever settles
the race gives it; but a runner that is void in the win market is void in it too, whichever of the
two is settled first. Owns which commands place markets need after a change; never applies one.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from fnmatch import fnmatchcase
from typing import Final

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    FeedStep,
    FeedUpdate,
    MarketCommand,
    OutcomeResult,
    Quote,
    RollBackCancel,
    RollBackSettlement,
    SetOdds,
    SetStatus,
    SettleMarket,
)
from engine.common.events import (
    BetsCancelled,
    CancelRolledBack,
    FeedApplied,
    MarketCancelled,
    MarketEvent,
    MarketSettled,
    OutcomesSettled,
    Refused,
    SettlementRolledBack,
)
from engine.common.ids import EACH_WAY, MarketKey, MarketNo, parse_market_key
from engine.common.lifecycle import Status
from engine.common.units import Nanos, OddsMilli
from engine.common.views import PriceDelta
from engine.common.withdrawals import Withdrawal
from engine.market.cancel_windows import Resolved
from engine.market.market import MarketMachine
from engine.pricing.following_bounds import (
    acceptance_commands,
    bounds_changed,
    limit_commands,
)
from engine.pricing.following_updates import STOPPED, FollowingUpdates
from engine.pricing.race.terms import (
    WIN,
    DeductionTable,
    EachWayTable,
    EachWayTerms,
    deduction_milli,
    each_way_terms,
    place_key,
    place_odds_milli,
    terms_of,
)

SOURCE: Final = "win"
"""The source of the FeedUpdates by which place markets follow."""
_VOID: Final = OutcomeResult(won=False, void_halves=2)
_BETTING: Final = (Status.ACTIVE, *STOPPED)
_Cancellation = BetsCancelled | CancelRolledBack | MarketCancelled
_Settlement = MarketSettled | OutcomesSettled | SettlementRolledBack
_Mirrored = _Cancellation | _Settlement


class PlaceMarkets:
    """The win markets that a shell hosts, and the place markets that follow them.

    Parameters
    ----------
    tables : sequence of (str, EachWayTable)
        Patterns of fixtures with their tables of terms; the first that matches counts. A fixture
        that none matches has no each-way betting.
    deductions : sequence of (str, DeductionTable or None), optional
        The same of tables of deductions for runners that are withdrawn.
    """

    def __init__(
        self,
        tables: Sequence[tuple[str, EachWayTable]],
        deductions: Sequence[tuple[str, DeductionTable | None]] = (),
    ) -> None:
        self._tables: Final = tuple(tables)
        self._deductions: Final = tuple(deductions)
        self._win: dict[MarketKey, MarketNo] = {}
        self._keys: dict[MarketNo, MarketKey] = {}
        """The keys of win markets."""
        self._place: dict[MarketNo, tuple[MarketNo, EachWayTerms]] = {}
        """Place markets with their win market and terms."""
        self._of: dict[MarketNo, list[MarketNo]] = {}
        """The place markets of a win market."""
        self._unmatched: dict[MarketNo, tuple[MarketKey, EachWayTerms]] = {}
        self._noted: set[MarketNo] = set()
        self._updates = FollowingUpdates(SOURCE)

    def fork(self) -> "PlaceMarkets":
        """Return a copy for commands that are only tried; no market is to be noted in it."""
        twin = copy(self)
        twin._updates = FollowingUpdates(SOURCE)
        return twin

    def note(self, machine: MarketMachine, numbers: Iterable[MarketNo]) -> None:
        """Take note of markets that are hosted from now on; those noted before change nothing."""
        for number in numbers:
            if number in self._noted:
                continue
            self._noted.add(number)
            key = parse_market_key(machine.price_image(number).key)
            if key.type == WIN:
                self._win[key], self._keys[number] = number, key
            elif key.type == EACH_WAY:
                found = terms_of(key)
                if found is not None:
                    self._unmatched[number] = found
        for number, (win_key, terms) in tuple(self._unmatched.items()):
            win = self._win.get(win_key)
            if win is None:
                continue
            del self._unmatched[number]
            if machine.price_image(win).outcomes == machine.price_image(number).outcomes:
                self._place[number] = (win, terms)
                self._of.setdefault(win, []).append(number)

    # --- terms ---------------------------------------------------------------------------------

    def is_win(self, number: MarketNo) -> bool:
        """Say whether a number is a hosted win market's."""
        return number in self._keys

    def terms(self, number: MarketNo, machine: MarketMachine) -> EachWayTerms | None:
        """Return the terms of a win market by the runners left; None for no each-way betting."""
        fixture = self._keys[number].fixture
        table = next((each for pattern, each in self._tables if fnmatchcase(fixture, pattern)), ())
        return each_way_terms(table, runners=_runners_left(machine, number))

    def place_market(self, number: MarketNo, terms: EachWayTerms) -> tuple[str, MarketNo | None]:
        """Return the key of a win market's place market, and its number where it is hosted."""
        key = place_key(self._keys[number], terms)
        found = (no for no in self._of.get(number, ()) if self._place[no][1] == terms)
        return str(key), next(found, None)

    # --- withdrawals ---------------------------------------------------------------------------

    def dated(self, command: MarketCommand, machine: MarketMachine, at_ns: Nanos) -> MarketCommand:
        """Return a command with the withdrawals of the runners that it makes void to win.

        Their odds are those before the command. A whole settlement dates only runners that were
        never withdrawn before; one with withdrawals of its own keeps them.
        """
        if isinstance(command, FeedUpdate):
            steps = [
                self._dated(step, machine, at_ns) if isinstance(step, SettleMarket) else step
                for step in command.steps
            ]
            return replace(command, steps=tuple(steps))
        return (
            self._dated(command, machine, at_ns) if isinstance(command, SettleMarket) else command
        )

    def _dated(self, command: SettleMarket, machine: MarketMachine, at_ns: Nanos) -> SettleMarket:
        key = self._keys.get(command.market_no)
        if key is None or not isinstance(command.withdrawals, UnsetType):
            return command
        fixture = key.fixture
        table = next((each for at, each in self._deductions if fnmatchcase(fixture, at)), None)
        if table is None:
            return command
        odds_milli = machine.price_delta(command.market_no).odds_milli
        stands = machine.resolved(command.market_no)
        whole = isinstance(command.outcomes, UnsetType)
        named = (
            range(len(odds_milli)) if isinstance(command.outcomes, UnsetType) else command.outcomes
        )
        withdrawals = tuple(
            Withdrawal(
                outcome=at,
                until_ns=at_ns,
                deduct_milli=deduction_milli(table, odds_milli=odds_milli[at]),
            )
            for at, result in zip(named, command.results, strict=False)
            if at < len(odds_milli)
            and result.void_halves == 2
            and stands.results.get(at) != _VOID
            and not (whole and at in stands.withdrawn)
        )
        return replace(command, withdrawals=withdrawals) if withdrawals else command

    # --- what changes --------------------------------------------------------------------------

    def all_commands(self, machine: MarketMachine, at_ns: Nanos) -> list[MarketCommand]:
        """Return what every place market needs, as a process does that takes over a journal."""
        numbers = dict.fromkeys(self._place)
        return [
            *self._commands(machine, numbers, [], at_ns, windows=True),
            *self._bounds(machine, numbers, limits=True, acceptance=True),
        ]

    def commands(
        self, machine: MarketMachine, events: Sequence[MarketEvent], at_ns: Nanos
    ) -> list[MarketCommand]:
        """Return what place markets need after commands of which these are the events."""
        touched: dict[MarketNo, None] = {}
        mirrored: list[_Mirrored] = []
        limits = acceptance = False
        for event in events:
            if isinstance(event, Refused) or not hasattr(event, "market_no"):
                continue
            if event.market_no in self._place:
                touched[event.market_no] = None
            touched |= dict.fromkeys(self._of.get(event.market_no, ()))
            limited, accepted = bounds_changed(event)
            limits, acceptance = limits or limited, acceptance or accepted
            if event.market_no in self._of:
                steps = event.events if isinstance(event, FeedApplied) else (event,)
                mirrored += [step for step in steps if isinstance(step, _Mirrored)]
        return [
            *self._commands(machine, touched, mirrored, at_ns, windows=False),
            *self._bounds(machine, touched, limits=limits, acceptance=acceptance),
        ]

    def _bounds(
        self,
        machine: MarketMachine,
        numbers: Iterable[MarketNo],
        *,
        limits: bool,
        acceptance: bool,
    ) -> list[MarketCommand]:
        """Return what makes place markets as strict as their win markets; nothing is loosened."""
        commands: list[MarketCommand] = []
        for number in numbers if limits or acceptance else ():
            leads = [self._place[number][0]]
            if machine.price_delta(number).status not in _BETTING:
                continue
            if limits:
                commands += limit_commands(machine, number, leads)
            if acceptance:
                commands += acceptance_commands(machine, number, leads, why=SOURCE)
        return commands

    def _commands(
        self,
        machine: MarketMachine,
        numbers: Iterable[MarketNo],
        mirrored: Sequence[_Mirrored],
        at_ns: Nanos,
        *,
        windows: bool,
    ) -> list[MarketCommand]:
        commands: list[MarketCommand] = []
        for number in numbers:
            win, terms = self._place[number]
            of_win = [event for event in mirrored if event.market_no == win]
            steps: list[FeedStep] = [
                _mirror(event, number) for event in of_win if isinstance(event, _Cancellation)
            ]
            if windows:
                steps += _missing_windows(machine, win, number)
            if not any(isinstance(step, CancelMarket) for step in steps):
                steps += _void_steps(machine, win, number, of_win)
                in_force = self.terms(win, machine) == terms
                steps += _steps(machine, win, number, terms, in_force=in_force)
            if steps:
                commands.append(self._updates.of(machine, number, steps, at_ns))
        return commands


def _runners_left(machine: MarketMachine, number: MarketNo) -> int:
    """Return how many outcomes of a win market were not withdrawn.

    A runner is withdrawn when it is void, or when it is off offer and a window of its own refunds
    its bets from the first.
    """
    delta, resolved = machine.price_delta(number), machine.resolved(number)
    refunded = {
        outcome
        for window in resolved.windows
        if window.from_ns is None
        for outcome in window.outcomes
        if not delta.active[outcome]
    }
    return sum(
        outcome not in refunded and resolved.results.get(outcome) != _VOID
        for outcome in range(len(delta.active))
    )


def _steps(
    machine: MarketMachine, win: MarketNo, number: MarketNo, terms: EachWayTerms, *, in_force: bool
) -> list[FeedStep]:
    """Return the steps that bring a place market where its win market is."""
    lead, place = machine.price_delta(win), machine.given_delta(number)
    void, own = _void(machine.resolved(win)), machine.resolved(number).results
    decided = {**own, **dict.fromkeys(void, _VOID)}
    if place.status not in _BETTING or len(decided) == len(place.active):
        return []
    steps: list[FeedStep] = []
    offered = lead.status is Status.ACTIVE and in_force
    if place.status is Status.ACTIVE and not offered:
        why = "the win market takes no bets" if in_force else "other place terms hold"
        steps.append(SetStatus(market_no=number, status=Status.SUSPENDED, why=why))
    quotes = _quotes(lead, place, terms, decided)
    if quotes:
        steps.append(SetOdds(market_no=number, quotes=quotes))
    if offered and place.status in STOPPED and not machine.book_image(number).held:
        steps.append(SetStatus(market_no=number, status=Status.ACTIVE))
    return steps


def _void_steps(
    machine: MarketMachine, win: MarketNo, number: MarketNo, events: Sequence[_Mirrored]
) -> list[FeedStep]:
    """Return what makes a place market's void runners those of its win market, in any status.

    A runner that is void here is reopened only when the win market has just been settled otherwise
    or rolled back: until the place market is settled again nothing says how it ended.
    """
    of_win, of_place = machine.resolved(win), machine.resolved(number)
    void, own, withdrawn = _void(of_win), of_place.results, of_win.withdrawn
    steps: list[FeedStep] = []
    outcomes = range(len(machine.price_delta(win).active))
    named = dict.fromkeys(
        outcome
        for event in events
        if isinstance(event, _Settlement)
        for outcome in getattr(event, "outcomes", ()) or outcomes
    )
    again = tuple(at for at in named if own.get(at) == _VOID and at not in void)
    if again:
        why = "not void to win"
        steps.append(RollBackSettlement(market_no=number, outcomes=again, why=why))
    reinstated = any(
        isinstance(event, CancelRolledBack) and event.from_ns is None and event.until_ns is None
        for event in events
    )
    missing = tuple(
        at
        for at in void
        if own.get(at) != _VOID
        or of_place.withdrawn.get(at) != withdrawn.get(at, of_place.withdrawn.get(at))
    )
    if missing and (machine.price_delta(number).status is not Status.CANCELLED or reinstated):
        results = (_VOID,) * len(missing)
        dates = tuple(withdrawn[at] for at in missing if at in withdrawn)
        steps.append(
            SettleMarket(
                market_no=number, results=results, outcomes=missing, withdrawals=dates or UNSET
            )
        )
    return steps


def _void(resolved: Resolved) -> tuple[int, ...]:
    return tuple(outcome for outcome, result in resolved.results.items() if result == _VOID)


def _quotes(
    lead: PriceDelta, place: PriceDelta, terms: EachWayTerms, decided: Mapping[int, object]
) -> tuple[Quote, ...]:
    """Return the odds of the outcomes whose odds or offer are not those of the terms."""
    quotes = []
    for outcome, (odds_milli, active) in enumerate(zip(lead.odds_milli, lead.active, strict=True)):
        if outcome in decided:
            continue
        derived = OddsMilli(place_odds_milli(odds_milli=odds_milli, terms=terms))
        if (derived, active) != (place.odds_milli[outcome], place.active[outcome]):
            quotes.append(Quote(outcome=outcome, odds_milli=derived, active=active))
    return tuple(quotes)


def _mirror(event: _Cancellation, number: MarketNo) -> FeedStep:
    """Return what a cancellation of the win market, or its roll-back, means for a place market."""
    if isinstance(event, MarketCancelled):
        return CancelMarket(market_no=number, why=event.why)
    if isinstance(event, CancelRolledBack):
        step: FeedStep = RollBackCancel(
            market_no=number, from_ns=event.from_ns, until_ns=event.until_ns, why=event.why
        )
    else:
        step = CancelBets(
            market_no=number,
            from_ns=event.from_ns,
            until_ns=event.until_ns,
            why=event.why,
            accepted_before_ns=event.accepted_before_ns,
        )
    return replace(step, outcomes=event.outcomes) if event.outcomes else step


def _missing_windows(machine: MarketMachine, win: MarketNo, number: MarketNo) -> list[FeedStep]:
    """Return the refunds of windows that the win market has and a place market does not."""
    known = [window[:2] + window[3:] for window in machine.resolved(number).windows]
    steps: list[FeedStep] = []
    for window in machine.resolved(win).windows:
        if window[:2] + window[3:] in known:
            continue
        step = CancelBets(
            market_no=number, from_ns=window.from_ns, until_ns=window.until_ns, why="as the win's"
        )
        steps.append(replace(step, outcomes=window.outcomes) if window.outcomes else step)
    return steps
