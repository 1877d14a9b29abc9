"""Keep bet builders in step with the markets of their legs: offer, limits, settlement, refunds.

A builder takes bets exactly while each of its legs does, is limited as its closest limited leg is,
and settles by its legs' results; whoever commands a leg so commands the builder. A trader's hold,
odds, cancellation or settlement of a builder itself stand, and a leg at a trader's odds is not sold
in one. When a leg gets odds and the builder does
not, its own are those of a moment that is over: it is off offer until its fixture is repriced. Owns
which commands a shell's builders need after a change; never a price (builders are repriced with
their fixture) and never applies a command.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Final, NamedTuple

from msgspec.structs import replace

from engine.common.commands import (
    CancelBets,
    FeedStep,
    Limits,
    MarketCommand,
    OutcomeResult,
    Quote,
    RollBackCancel,
    RollBackSettlement,
    SetOdds,
    SetPhaseLimits,
    SetStatus,
    SettleMarket,
)
from engine.common.events import (
    BetsCancelled,
    CancelRolledBack,
    FeedApplied,
    LimitsSet,
    MarketEvent,
    MarketSettled,
    OddsSet,
    OutcomesSettled,
    Refused,
    SettlementRolledBack,
)
from engine.common.ids import BUILDER, MarketKey, MarketNo, parse_market_key
from engine.common.lifecycle import Status
from engine.common.phase_limits import PhaseLimits
from engine.common.units import Nanos
from engine.market.market import MarketMachine
from engine.pricing.following_bounds import (
    UPPER,
    acceptance_commands,
    bounds_changed,
    least_limits,
    limit_commands,
)
from engine.pricing.following_updates import STOPPED, FollowingUpdates
from engine.pricing.football.builder.leg_standing import (
    LOST,
    VOID,
    WON,
    MarketLeg,
    Standing,
    are_refunded,
    missing_windows,
    refunds_unless_lost,
    standing,
    times_of,
)
from engine.pricing.football.builder.legs import Leg, canonical_specifiers
from engine.pricing.football.builder.selection import builder_legs, void_rule
from engine.pricing.football.builder.settlement import VoidRule, settle
from engine.pricing.football.market_types import MARKET_TYPES, market_rules
from engine.pricing.lines import MarketTypeError

SOURCE: Final = "legs"
"""The source of the FeedUpdates by which builders follow: they neither set nor end a hold."""
_ENDED: Final = (Status.SETTLED, Status.CANCELLED)
_OPEN: Final = (Status.ACTIVE, *STOPPED)


class _Builder(NamedTuple):
    legs: tuple[MarketLeg, ...]
    void: VoidRule


class BuilderMarkets:
    """The builders that a shell hosts, and the markets of its fixtures that their legs are on."""

    def __init__(self) -> None:
        self._builders: dict[MarketNo, _Builder] = {}
        self._on: dict[MarketNo, list[MarketNo]] = {}
        """The builders with a leg on a market."""
        self._leg_markets: dict[tuple[str, str, object], MarketNo] = {}
        """Football markets by fixture, type and canonical specifiers; of equal ones the first."""
        self._legs: dict[MarketNo, MarketKey] = {}
        """The same by number, with canonical specifiers."""
        self._numbers: dict[str, MarketNo] = {}
        """Builders by key."""
        self._noted: set[MarketNo] = set()
        self._of_fixture: dict[str, list[MarketNo]] = {}
        """Builders by fixture."""
        self._own_limits: set[MarketNo] = set()
        """Builders that a trader gave limits of their own."""
        self._taken_over: frozenset[MarketNo] = frozenset()
        """Builders of which an earlier process knew whose limits they have."""
        self._ruled: set[MarketNo] = set()
        """Builders whose result is a trader's own and not the one that their legs give."""
        self._updates = FollowingUpdates(SOURCE)

    def fork(self) -> "BuilderMarkets":
        """Return a copy for commands that are only tried; no market is to be noted in it."""
        twin = copy(self)
        twin._own_limits, twin._ruled = set(self._own_limits), set(self._ruled)
        twin._updates = FollowingUpdates(SOURCE)
        return twin

    def note(self, machine: MarketMachine, numbers: Iterable[MarketNo]) -> None:
        """Take note of markets that are hosted from now on; those noted before change nothing.

        A builder one of whose legs is on no market of this machine is not followed: it is never
        opened, and a trader settles it.
        """
        builders: list[tuple[MarketNo, MarketKey]] = []
        for number in numbers:
            if number in self._noted:
                continue
            self._noted.add(number)
            image = machine.price_image(number)
            key = parse_market_key(image.key)
            if key.type == BUILDER:
                builders.append((number, key))
            elif key.type in MARKET_TYPES:
                self._note_leg_market(number, key, image.outcomes)
        for number, key in builders:
            self._note_builder(number, key)

    def _note_leg_market(self, number: MarketNo, key: MarketKey, names: tuple[str, ...]) -> None:
        try:
            rules = market_rules(key.type, key.specifiers)
            specifiers = canonical_specifiers(key.type, key.specifiers)
        except MarketTypeError:
            return
        if names == tuple(rule.name for rule in rules.outcomes):
            first = self._leg_markets.setdefault((key.fixture, key.type, specifiers), number)
            if first == number:
                self._legs[number] = key._replace(specifiers=specifiers)

    def _note_builder(self, number: MarketNo, key: MarketKey) -> None:
        try:
            legs, void = builder_legs(key.specifiers), void_rule(key.specifiers)
        except MarketTypeError:
            return
        found = [self.market_leg(key.fixture, leg) for leg in legs]
        if None in found:
            return
        here = tuple(leg for leg in found if leg is not None)
        self._numbers[str(key)] = number
        self._builders[number] = _Builder(here, void)
        self._of_fixture.setdefault(key.fixture, []).append(number)
        for market_no, _ in here:
            self._on.setdefault(market_no, []).append(number)

    def number_of(self, key: str) -> MarketNo | None:
        """Return the number of a followed builder."""
        return self._numbers.get(key)

    def market_leg(self, fixture: str, leg: Leg) -> MarketLeg | None:
        """Return the hosted market and outcome that a leg is; None where none is hosted."""
        number = self._leg_markets.get((fixture, leg.type, leg.specifiers))
        return None if number is None else (number, leg.outcome)

    def leg(self, market_no: MarketNo, outcome: int) -> tuple[str, Leg] | None:
        """Return the fixture and leg of a hosted market's outcome, None where it is no leg.

        The leg is not checked: `selection` refuses those that no builder takes.
        """
        key = self._legs.get(market_no)
        return None if key is None else (key.fixture, Leg(key.type, key.specifiers, outcome))

    # --- what changes --------------------------------------------------------------------------

    def fixtures_of(self, numbers: Iterable[MarketNo]) -> set[str]:
        """Return the fixtures of those markets that legs can be on."""
        return {key.fixture for number in numbers if (key := self._legs.get(number)) is not None}

    def all_commands(self, machine: MarketMachine, at_ns: Nanos) -> list[MarketCommand]:
        """Return what every builder needs, as a process does that takes over a journal.

        A builder that a trader holds, with another result than its legs give, has a trader's.
        """
        self._taken_over = frozenset(self._builders)
        for number, builder in self._builders.items():
            stands = machine.resolved(number).results.get(0)
            if stands is not None and machine.book_image(number).held:
                legs = [standing(machine, leg).result for leg in builder.legs]
                if _result(legs, builder.void, stands) != stands:
                    self._ruled.add(number)
        return [
            *self._commands(machine, self._builders, at_ns, limits=True, windows=True),
            *self._acceptance_commands(machine, self._builders),
        ]

    def commands(
        self, machine: MarketMachine, events: Sequence[MarketEvent], at_ns: Nanos
    ) -> list[MarketCommand]:
        """Return what builders need after commands of which these are the events.

        Builders without a change on them or on a leg need nothing. The same state and events give
        the same commands, and once they are applied none.
        """
        touched: dict[MarketNo, None] = {}
        priced = markets_with_odds(events)
        limits = acceptance = False
        cancelled: list[BetsCancelled | CancelRolledBack] = []
        for event in events:
            if isinstance(event, Refused) or not hasattr(event, "market_no"):
                continue
            number = event.market_no
            if number in self._builders:
                touched[number] = None
                self._note_trader(event)
            touched |= dict.fromkeys(self._on.get(number, ()))
            limited, accepted = bounds_changed(event)
            limits, acceptance = limits or limited, acceptance or accepted
            steps = event.events if isinstance(event, FeedApplied) else (event,)
            cancelled += [one for one in steps if isinstance(one, BetsCancelled | CancelRolledBack)]
        if not touched:
            return []
        legs_alone = {of for number in priced for of in self._on.get(number, ())} - priced
        return [
            *self._window_commands(machine, cancelled, at_ns),
            *self._withdrawals(machine, legs_alone, at_ns),
            *self._commands(machine, touched, at_ns, limits=limits, windows=False),
            *self._acceptance_commands(machine, touched if acceptance else ()),
        ]

    def _note_trader(self, event: MarketEvent) -> None:
        """Note that a trader limited or settled a builder itself, or rolled the latter back."""
        if isinstance(event, LimitsSet):
            self._own_limits.add(event.market_no)
        elif isinstance(event, MarketSettled | OutcomesSettled):
            self._ruled.add(event.market_no)
        elif isinstance(event, SettlementRolledBack):
            self._ruled.discard(event.market_no)

    def _withdrawals(
        self, machine: MarketMachine, numbers: Iterable[MarketNo], at_ns: Nanos
    ) -> list[MarketCommand]:
        """Return what takes builders off offer until they have odds again."""
        commands: list[MarketCommand] = []
        for number in sorted(numbers):
            image = machine.given_delta(number)
            if image.active[0] and image.status not in _ENDED:
                quote = Quote(outcome=0, odds_milli=image.odds_milli[0], active=False)
                steps = [SetOdds(market_no=number, quotes=(quote,))]
                commands.append(self._updates.of(machine, number, steps, at_ns))
        return commands

    def _commands(
        self,
        machine: MarketMachine,
        numbers: Iterable[MarketNo],
        at_ns: Nanos,
        *,
        limits: bool,
        windows: bool,
    ) -> list[MarketCommand]:
        stand: dict[MarketLeg, Standing] = {}
        commands: list[MarketCommand] = []
        for number in numbers:
            builder = self._builders[number]
            for leg in builder.legs:
                if leg not in stand:
                    stand[leg] = standing(machine, leg)
            legs = [stand[leg] for leg in builder.legs]
            stands = machine.resolved(number).results.get(0)
            result = _result([each.result for each in legs], builder.void, stands)
            if result == stands:
                self._ruled.discard(number)
            elif number in self._ruled:
                result = stands
            steps = _steps(machine, number, legs, result)
            if builder.void is VoidRule.LOST_FIRST:
                steps = [*refunds_unless_lost(machine, number, legs), *steps]
            elif windows:
                steps = [*missing_windows(machine, number, legs), *steps]
            if steps:
                commands.append(self._updates.of(machine, number, steps, at_ns))
            if limits:
                commands += limit_commands(machine, number, self._leads(number))
        return commands

    def _window_commands(
        self,
        machine: MarketMachine,
        events: Iterable[BetsCancelled | CancelRolledBack],
        at_ns: Nanos,
    ) -> list[MarketCommand]:
        """Return the refunds and roll-backs of windows that some events on legs had."""
        commands: list[MarketCommand] = []
        for event in events:
            for number in self._on.get(event.market_no, ()):
                builder = self._builders[number]
                if not _concerns(event, builder.legs):
                    continue
                times = (event.from_ns, event.until_ns)
                stands = any(
                    (window.from_ns, window.until_ns) == times
                    for leg in builder.legs
                    for window in standing(machine, leg).windows
                )
                step: FeedStep
                refunds = stands and (
                    builder.void is not VoidRule.LOST_FIRST
                    or are_refunded([standing(machine, leg) for leg in builder.legs], times)
                )
                if refunds and isinstance(event, BetsCancelled):
                    step = CancelBets(
                        market_no=number,
                        from_ns=event.from_ns,
                        until_ns=event.until_ns,
                        why=event.why,
                        accepted_before_ns=event.accepted_before_ns,
                    )
                elif not stands and times in times_of(machine.resolved(number).windows):
                    step = RollBackCancel(
                        market_no=number,
                        from_ns=event.from_ns,
                        until_ns=event.until_ns,
                        why=event.why,
                    )
                else:
                    continue
                commands.append(self._updates.of(machine, number, [step], at_ns))
        return commands

    def _acceptance_commands(
        self, machine: MarketMachine, numbers: Iterable[MarketNo]
    ) -> list[MarketCommand]:
        """Return what delays and refers builders as their strictest leg is; nothing is loosened."""
        commands: list[MarketCommand] = []
        for number in numbers:
            if machine.price_delta(number).status in _OPEN:
                commands += acceptance_commands(machine, number, self._leads(number), why=SOURCE)
        return commands

    def _leads(self, number: MarketNo) -> list[MarketNo]:
        return [leg for leg, _ in self._builders[number].legs]

    def phase_commands(
        self, machine: MarketMachine, fixture: str, rules: PhaseLimits, *, live: bool
    ) -> list[MarketCommand]:
        """Return what gives a fixture's builders the limits of its phase, within their legs'.

        A builder that a trader gave other limits keeps them. After a restart that is one whose
        limits the rules give in neither phase.
        """
        commands: list[MarketCommand] = []
        for number in self._of_fixture.get(fixture, ()):
            if number in self._own_limits or machine.price_delta(number).status not in _OPEN:
                continue
            given = machine.book_image(number).limits
            least = least_limits(machine, self._leads(number))
            phases = [_limited(given, each, least) for each in (rules.prematch, rules.live)]
            limits = phases[live]
            if given == limits or (number in self._taken_over and given not in phases):
                continue
            commands.append(
                SetPhaseLimits(market_no=number, before=given, limits=limits, why=rules.why)
            )
        return commands


def _limited(given: Limits, rules: Limits, least: Limits) -> Limits:
    """Return the lower of each limit of the rules and of the legs, as for a new builder."""
    lower = {name: min(getattr(rules, name), getattr(least, name)) for name in UPPER}
    smallest = max(rules.stake_minor_min, least.stake_minor_min)
    return replace(given, stake_minor_min=min(smallest, lower["stake_minor_max"]), **lower)


def markets_with_odds(events: Iterable[MarketEvent]) -> set[MarketNo]:
    """Return the markets that got odds by commands of which these are the events."""
    return {
        event.market_no
        for event in events
        if isinstance(event, OddsSet)
        or (isinstance(event, FeedApplied) and any(isinstance(s, OddsSet) for s in event.events))
    }


def _steps(
    machine: MarketMachine,
    number: MarketNo,
    legs: Sequence[Standing],
    result: OutcomeResult | None,
) -> list[FeedStep]:
    """Return the steps that bring one builder to a result and to its legs' offer."""
    image, resolved = machine.given_delta(number), machine.resolved(number)
    if image.status is Status.CANCELLED:
        return []
    steps: list[FeedStep] = []
    stands = resolved.results.get(0)
    if result != stands:
        if result is not None:
            return [SettleMarket(market_no=number, results=(result,))]
        steps.append(RollBackSettlement(market_no=number, why="a leg was rolled back"))
    elif result is not None:
        return []
    offered = all(leg.offered for leg in legs)
    if image.status is Status.ACTIVE and not offered:
        why = "a leg takes no bets"
        steps.append(SetStatus(market_no=number, status=Status.SUSPENDED, why=why))
    elif (
        offered
        and (image.active[0] or image.status is not Status.INACTIVE)
        and (stands is not None or image.status in STOPPED)
        and not machine.book_image(number).held
    ):
        steps.append(SetStatus(market_no=number, status=Status.ACTIVE))
    return steps


def _result(
    results: Sequence[OutcomeResult | None], void: VoidRule, stands: OutcomeResult | None
) -> OutcomeResult | None:
    """Return the result that legs give a builder; None while it is open.

    No market of a builder's legs is won or lost in part by its rules. Where a trader settles one
    so, the other legs decide if one of them does by itself; else what stands is left as it is.
    """
    whole = [each for each in results if each in (WON, LOST, VOID, None)]
    result = settle(whole, rule=void).result
    if len(whole) == len(results) or result == LOST:
        return result
    return VOID if VOID in whole and void is VoidRule.VOID_ALL else stands


def _concerns(event: BetsCancelled | CancelRolledBack, legs: Iterable[MarketLeg]) -> bool:
    return any(
        market_no == event.market_no and (not event.outcomes or outcome in event.outcomes)
        for market_no, outcome in legs
    )
