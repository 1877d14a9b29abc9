"""Bet builders at a market shell: which market sells some legs, its odds, and what it follows.

Owns the last repricing of each football fixture, in memory: a new builder gets its odds from it, as
the fixture's other markets have theirs. A new process waits for the next repricing; builders that
exist keep their journaled odds meanwhile, as every market does. Never journals and never publishes,
which is the shell's. A market shell imports this module in its constructor (see engine.kernels).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from actors.messages import BuilderAnswer, BuilderRequest
from engine.common.commands import MarketCommand, SetOdds
from engine.common.events import MarketCreated, MarketEvent
from engine.common.ids import MarketNo, parse_market_key
from engine.common.lifecycle import Status
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import Nanos
from engine.market.market import MarketMachine
from engine.pricing.football.builder.following import BuilderMarkets, MarketLeg
from engine.pricing.football.builder.legs import BuilderError, Leg, Refusal, leg_order
from engine.pricing.football.builder.selection import Selection, selection
from engine.pricing.football.builder.settlement import VoidRule
from engine.pricing.football.model import MatchState, Period
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


class Builders:
    """The bet builders of one shell.

    Parameters
    ----------
    void : VoidRule
        The rule for void legs of builders that are created from now on.
    """

    def __init__(self, *, void: VoidRule) -> None:
        self._void = void
        self._markets: Final = BuilderMarkets()
        self._repriced: dict[str, Reprice] = {}

    def note_repriced(self, request: Reprice) -> None:
        """Keep a repricing for builders that are created after it."""
        self._repriced.pop(request.fixture, None)
        if request.sport != FOOTBALL:
            return
        self._repriced[request.fixture] = request
        if len(self._repriced) > REPRICED_FIXTURES_MAX:
            del self._repriced[next(iter(self._repriced))]

    def take_over(self, machine: MarketMachine, at_ns: Nanos) -> list[MarketCommand]:
        """Return what the builders of a journal need whose last process may have died between."""
        self._markets.note(machine)
        return self._markets.all_commands(machine, at_ns)

    def follow(
        self, machine: MarketMachine, events: Sequence[MarketEvent], at_ns: Nanos
    ) -> list[MarketCommand]:
        """Return what builders need after commands of which these are the events."""
        if any(isinstance(event, MarketCreated) for event in events):
            self._markets.note(machine)
        return self._markets.commands(machine, events, at_ns)

    # --- which market sells some legs ----------------------------------------------------------

    def answer(self, request: BuilderRequest, machine: MarketMachine) -> BuilderAnswer:
        """Return the market that sells some legs, as it is, or why none does."""
        read = self._read(request, machine)
        if isinstance(read, BuilderAnswer):
            return read
        try:
            sold = selection(read.fixture, read.legs, rule=self._void)
        except BuilderError as error:
            return BuilderAnswer(
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
            return BuilderAnswer(
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
    ) -> BuilderAnswer:
        number = self._markets.number_of(sold.market_key)
        request = self._repriced.get(fixture)
        if number is None and request is None:
            message = "the fixture was not priced by a model of football since its shell started"
            return BuilderAnswer(reason=Reason.UNAVAILABLE, message=message)
        state = None if request is None else request.state
        return BuilderAnswer(
            key=sold.market_key,
            market_no=number or MarketNo(0),
            legs=legs,
            implied=implied,
            image=None if number is None else machine.price_image(number),
            limits=self._markets.least_limits(machine, [market_no for market_no, _ in legs]),
            live=isinstance(state, MatchState) and state.period is not Period.PRE_MATCH,
        )

    def _read(self, request: BuilderRequest, machine: MarketMachine) -> _Read | BuilderAnswer:
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
            fixtures[read[0]] = None
            legs.setdefault(read[1], (market_no, outcome))
        if len(fixtures) != 1:
            return _refusal(Reason.LEGS_NOT_JOINED, tuple(legs.values()))
        return _Read(next(iter(fixtures)), legs)

    # --- odds ----------------------------------------------------------------------------------

    def odds(self, market_no: MarketNo, machine: MarketMachine) -> SetOdds | None:
        """Return the odds of a builder without any, by its fixture's last repricing.

        None where it has odds, or no repricing is known. Nothing is staked on it, so no skew
        moves them.
        """
        image = machine.price_image(market_no)
        request = self._repriced.get(parse_market_key(image.key).fixture)
        if request is None or image.active != (False,):
            return None
        board = SportBoard(FOOTBALL, (image.key,))
        (quotes,) = board.quotes(request.model, request.state, request.margin).values()
        return SetOdds(market_no=market_no, quotes=quotes)


def _refusal(reason: Reason, legs: tuple[MarketLeg, ...]) -> BuilderAnswer:
    return BuilderAnswer(reason=reason, message=MESSAGES[reason], legs=legs)
