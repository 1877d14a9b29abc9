"""Markets at a shell that follow others of it: bet builders, and place markets of races.

Owns which market is meant by some legs or by a win market, and the last repricing of each football
fixture, in memory: a new builder gets its odds from it, as the fixture's other markets have theirs.
It is forgotten as soon as one of them gets odds in another way.
A new process waits for the next repricing; builders that exist keep their journaled odds meanwhile,
as every market does. Never journals and never publishes, which is the shell's. A market shell
imports this module in its constructor (see engine.kernels).
"""

from collections.abc import Sequence
from copy import copy
from typing import Final, NamedTuple

from actors.messages import BuilderRequest, DerivedAnswer, DerivedRequest, PlaceMarketRequest
from actors.settings import MarketShellSettings
from engine.common.commands import MarketCommand, SetOdds
from engine.common.events import MarketCreated, MarketEvent
from engine.common.ids import BUILDER, MarketNo, parse_market_key
from engine.common.lifecycle import Status
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import Nanos
from engine.market.market import MarketMachine
from engine.pricing.following_bounds import least_limits
from engine.pricing.football.builder.following import (
    BuilderMarkets,
    markets_with_odds,
)
from engine.pricing.football.builder.leg_standing import MarketLeg
from engine.pricing.football.builder.legs import BuilderError, Leg, Refusal, leg_order
from engine.pricing.football.builder.selection import YES, Selection, selection
from engine.pricing.football.builder.settlement import VoidRule
from engine.pricing.football.model import MatchState, Period
from engine.pricing.race.following import PlaceMarkets
from engine.pricing.repricing import FOOTBALL, Reprice
from engine.pricing.sport import SportBoard

REPRICED_FIXTURES_MAX: Final = 4_096
"""Fixtures whose last repricing is kept; past it the one repriced longest ago is dropped, and has
no new builders until it is repriced again."""
_REASONS: Final = {
    Refusal.CONTRADICTION: Reason.LEGS_CONTRADICT,
    Refusal.TOO_MANY: Reason.LEGS_OVER_BOUND,
    Refusal.MALFORMED: Reason.OUTCOME_UNKNOWN,
}


class _Read(NamedTuple):
    """Legs as football has them, by their market and outcome."""

    fixture: str
    legs: dict[Leg, MarketLeg]


class DerivedMarkets:
    """The markets of one shell that follow others.

    Parameters
    ----------
    settings : MarketShellSettings
        The rule for void legs of builders that are created from now on, and the tables of place
        terms and of deductions.
    """

    def __init__(self, settings: MarketShellSettings) -> None:
        self._void: Final = VoidRule(settings.builder_void)
        self._markets = BuilderMarkets()
        self._places = PlaceMarkets(settings.place_tables(), settings.deduction_tables())
        self._repriced: dict[str, Reprice] = {}

    def fork(self) -> "DerivedMarkets":
        """Return a copy that says what markets would need, so that nothing is noted here."""
        twin = copy(self)
        twin._markets, twin._places = self._markets.fork(), self._places.fork()
        twin._repriced = dict(self._repriced)
        return twin

    def note_repriced(self, request: Reprice, machine: MarketMachine) -> list[MarketCommand]:
        """Keep a repricing for builders that are created after it.

        Return what gives those that exist the limits of the phase that the fixture is in.
        """
        self._repriced.pop(request.fixture, None)
        if request.sport != FOOTBALL:
            return []
        self._repriced[request.fixture] = request
        if len(self._repriced) > REPRICED_FIXTURES_MAX:
            del self._repriced[next(iter(self._repriced))]
        if request.builder_limits is None:
            return []
        return self._markets.phase_commands(
            machine, request.fixture, request.builder_limits, live=_in_play(request)
        )

    def take_over(self, machine: MarketMachine, at_ns: Nanos) -> list[MarketCommand]:
        """Return what a journal's markets need whose last process may have died between."""
        self._note(machine, machine.market_nos())
        places = self._places.all_commands(machine, at_ns)
        return [*self._markets.all_commands(machine, at_ns), *places]

    def dated(
        self, commands: Sequence[MarketCommand], machine: MarketMachine, at_ns: Nanos
    ) -> list[MarketCommand]:
        """Return commands with the withdrawals of the runners that they make void."""
        return [self._places.dated(command, machine, at_ns) for command in commands]

    def follow(
        self, machine: MarketMachine, events: Sequence[MarketEvent], at_ns: Nanos
    ) -> list[MarketCommand]:
        """Return what markets need that follow others, after commands with these events."""
        created = [event.market_no for event in events if isinstance(event, MarketCreated)]
        if created:
            self._note(machine, created)
        for fixture in self._markets.fixtures_of(markets_with_odds(events)):
            # Its model is of a moment that is over, unless the shell notes it anew: no more odds.
            self._repriced.pop(fixture, None)
        places = self._places.commands(machine, events, at_ns)
        return [*self._markets.commands(machine, events, at_ns), *places]

    def _note(self, machine: MarketMachine, numbers: Sequence[MarketNo]) -> None:
        self._markets.note(machine, numbers)
        self._places.note(machine, numbers)

    def answer(self, request: DerivedRequest, machine: MarketMachine) -> DerivedAnswer:
        """Return the market that is asked for, as it is, or why there is none."""
        if isinstance(request, PlaceMarketRequest):
            return self._place_market(request.market_no, machine)
        return self._builder(request, machine)

    def _place_market(self, number: MarketNo, machine: MarketMachine) -> DerivedAnswer:
        if not self._places.is_win(number):
            reason = Reason.MARKET_UNKNOWN
            return DerivedAnswer(reason=reason, message=f"market {number} is no win market here")
        terms = self._places.terms(number, machine)
        if terms is None:
            message = "no place terms hold for this race and number of runners"
            return DerivedAnswer(reason=Reason.NO_PLACE_TERMS, message=message)
        key, place = self._places.place_market(number, terms)
        return DerivedAnswer(
            key=key,
            market_no=place or MarketNo(0),
            outcomes=machine.price_image(number).outcomes,
            places=terms.places,
            odds_num=terms.odds_num,
            odds_den=terms.odds_den,
            image=None if place is None else machine.price_image(place),
            limits=machine.book_image(number).limits,
        )

    # --- which market sells some legs ----------------------------------------------------------

    def _builder(self, request: BuilderRequest, machine: MarketMachine) -> DerivedAnswer:
        """Return the market that sells some legs, as it is, or why none does."""
        read = self._read(request, machine)
        if isinstance(read, DerivedAnswer):
            return read
        try:
            sold = selection(read.fixture, read.legs, rule=self._void)
        except BuilderError as error:
            return DerivedAnswer(
                reason=_REASONS.get(error.refusal, Reason.LEGS_NOT_JOINED),
                message=str(error),
                legs=tuple(read.legs[leg] for leg in error.legs if leg in read.legs),
            )
        kept = tuple(read.legs[leg] for leg in sold.legs)
        implied = tuple(
            read.legs[leg] for leg in sorted(read.legs, key=leg_order) if leg not in sold.legs
        )
        if len(kept) == 1:
            ((market_no, outcome),) = kept
            image = machine.price_image(market_no)
            return DerivedAnswer(
                key=image.key,
                market_no=market_no,
                outcome=outcome,
                legs=kept,
                implied=implied,
                image=image,
            )
        return self._of_several(sold, kept, implied, read.fixture, machine)

    def _of_several(
        self,
        sold: Selection,
        legs: tuple[MarketLeg, ...],
        implied: tuple[MarketLeg, ...],
        fixture: str,
        machine: MarketMachine,
    ) -> DerivedAnswer:
        number = self._markets.number_of(sold.market_key)
        request = self._repriced.get(fixture)
        if number is None and request is None:
            message = "no model of football says how the fixture stands: it waits to be repriced"
            return DerivedAnswer(reason=Reason.UNAVAILABLE, message=message)
        return DerivedAnswer(
            key=sold.market_key,
            market_no=number or MarketNo(0),
            outcomes=(YES,),
            legs=legs,
            implied=implied,
            image=None if number is None else machine.price_image(number),
            limits=least_limits(machine, [market_no for market_no, _ in legs]),
            live=request is not None and _in_play(request),
        )

    def _read(self, request: BuilderRequest, machine: MarketMachine) -> _Read | DerivedAnswer:
        """Return the legs as football has them, or a refusal."""
        hosted = frozenset(machine.market_nos())
        legs: dict[Leg, MarketLeg] = {}
        fixtures: dict[str, None] = {}
        for market_no, outcome in request.legs:
            at = ((market_no, outcome),)
            if market_no not in hosted:
                return _refusal(Reason.MARKET_UNKNOWN, at)
            image = machine.price_image(market_no)
            if not 0 <= outcome < len(image.outcomes):
                return _refusal(Reason.OUTCOME_UNKNOWN, at)
            read = self._markets.leg(market_no, outcome)
            if read is None:
                return _refusal(Reason.LEGS_NOT_JOINED, at)
            if image.status is not Status.ACTIVE or not image.active[outcome]:
                return _refusal(Reason.OUTCOME_INACTIVE, at)
            if outcome in machine.overridden_outcomes(market_no):
                return _refusal(Reason.LEGS_NOT_JOINED, at)  # its model does not know these odds
            fixtures[read[0]] = None
            legs.setdefault(read[1], (market_no, outcome))
        if len(fixtures) != 1:
            return _refusal(Reason.LEGS_NOT_JOINED, tuple(legs.values()))
        return _Read(next(iter(fixtures)), legs)

    # --- odds ----------------------------------------------------------------------------------

    def odds(self, market_no: MarketNo, machine: MarketMachine) -> SetOdds | None:
        """Return the odds of a builder without any, by its fixture's last repricing.

        None for another market, where it has odds, or no repricing is known. Nothing is staked on
        it, so no skew moves them.
        """
        image = machine.price_image(market_no)
        key = parse_market_key(image.key)
        request = self._repriced.get(key.fixture)
        if request is None or key.type != BUILDER or machine.given_delta(market_no).active[0]:
            return None
        board = SportBoard(FOOTBALL, (image.key,))
        (quotes,) = board.quotes(request.model, request.state, request.margin).values()
        return SetOdds(market_no=market_no, quotes=quotes)


def _in_play(request: Reprice) -> bool:
    state = request.state
    return isinstance(state, MatchState) and state.period is not Period.PRE_MATCH


def _refusal(reason: Reason, legs: tuple[MarketLeg, ...]) -> DerivedAnswer:
    return DerivedAnswer(reason=reason, message=MESSAGES[reason], legs=legs)
