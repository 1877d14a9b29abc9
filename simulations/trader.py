"""The trader of one football match: the markets it offers and its commands during the match.

Owns the fixture's catalogue, its limits and margin, and the commands of a match: reprice as time
passes, suspend on a goal, close markets that the score has decided, settle at the final whistle.
Never applies a command: it takes the markets' prices and returns commands. Shells price their own
markets from `MatchTrader.pricing`; markets in this process get their odds from
`MatchTrader.reprice`.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from msgspec.structs import replace

from engine.common.commands import (
    CloseMarket,
    CreateMarket,
    Limits,
    MarketCommand,
    OpenMarket,
    OutcomeResult,
    Quote,
    ResumeMarket,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from engine.common.ids import MarketNo, parse_market_key
from engine.common.lifecycle import Status
from engine.common.units import ODDS_MILLI_MIN, Minor, OddsMilli
from engine.common.views import PriceImage
from engine.pricing.football.catalogue import full_board
from engine.pricing.football.fixture_board import FixtureBoard, Margin
from engine.pricing.football.model import MatchModel, MatchState
from simulations.strength import Strengths, strengths_2022
from simulations.timeline import MatchTimeline

RESULT: Final = "1x2"
"""The match result market, first in the catalogue."""
CATALOGUE: Final = (
    RESULT,
    "double_chance",
    "draw_no_bet",
    "total?total=0.5",
    "total?total=1.5",
    "total?total=2.5",
    "total?total=3.5",
    "total?total=4.5",
    "handicap?hcp=-1",
    "handicap?hcp=-0.75",
    "handicap?hcp=-0.25",
    "handicap?hcp=0.5",
    "both_teams_to_score",
    "correct_score",
    "odd_even",
)
"""Market types of a fixture, settled on ninety minutes and stoppage; most important first."""
MARKETS_MAX: Final = 125
"""Markets that every match can offer: the catalogue, then the rest of its full board."""
SUSPENDED_S: Final = 120
"""Seconds of play for which the markets stay suspended after a goal."""
MARGIN: Final = Margin(
    book_milli=1_050, book_milli_by_type={"correct_score": 1_140, "odd_even": 1_040}
)
_ON_RESULTS: Final = Limits(
    stake_minor_min=Minor(10),
    stake_minor_max=Minor(200_000),
    payout_minor_max=Minor(5_000_000),
    outcome_liability_minor_max=Minor(1_000_000),
    market_liability_minor_max=Minor(1_000_000),
)
_ON_SCORES: Final = Limits(
    stake_minor_min=Minor(10),
    stake_minor_max=Minor(20_000),
    payout_minor_max=Minor(1_000_000),
    outcome_liability_minor_max=Minor(750_000),
    market_liability_minor_max=Minor(750_000),
)
_ON_THE_REST: Final = Limits(
    stake_minor_min=Minor(10),
    stake_minor_max=Minor(150_000),
    payout_minor_max=Minor(2_500_000),
    outcome_liability_minor_max=Minor(500_000),
    market_liability_minor_max=Minor(500_000),
)
_LIMITS: Final = {RESULT: _ON_RESULTS, "correct_score": _ON_SCORES}


def market_keys(match: MatchTimeline, *, markets: int = len(CATALOGUE)) -> tuple[str, ...]:
    """Return the keys of a match's first markets: the catalogue's, then the full board's.

    Parameters
    ----------
    match : MatchTimeline
        The match.
    markets : int
        Number of keys, 1 to `MARKETS_MAX`.

    Raises
    ------
    ValueError
        If `markets` is outside its bounds.
    """
    if not 1 <= markets <= MARKETS_MAX:
        raise ValueError(f"markets: 1 to {MARKETS_MAX}, not {markets}")
    keys = dict.fromkeys(f"{match.match}/{name}" for name in CATALOGUE)
    if markets > len(keys):
        keys.update(dict.fromkeys(full_board(match.match, model=match_model(match))))
    assert len(keys) >= markets, "a match's full board has MARKETS_MAX markets or more"
    return tuple(islice(keys, markets))


def match_model(match: MatchTimeline, *, strengths: Strengths | None = None) -> MatchModel:
    """Return a match's pricing model, from the teams' strengths and its actual stoppage time."""
    expectation = (strengths or strengths_2022()).expect(home=match.home, away=match.away)
    first_s, second_s = (60 * minutes for minutes in match.added_min[:2])
    return MatchModel(
        home_rate=expectation.home,
        away_rate=expectation.away,
        first_half_stoppage_s=first_s,
        second_half_stoppage_s=second_s,
    )


class MatchTrader:
    """The trader of one fixture.

    Parameters
    ----------
    match : MatchTimeline
        The fixture.
    keys : sequence of str
        The keys of its markets.
    """

    def __init__(self, match: MatchTimeline, keys: Sequence[str]) -> None:
        self.keys: Final = tuple(keys)
        self.model: Final = match_model(match)
        self._board: Final = FixtureBoard(self.keys)
        self._decided: tuple[MatchState, frozenset[str]] | None = None

    def create(
        self, state: MatchState, *, first_market_no: int = 0, liability_factor: int = 1
    ) -> list[CreateMarket]:
        """Return the commands that create the fixture's markets, with odds for `state`.

        Market numbers rise from `first_market_no`; with 0 the receiver of the commands numbers the
        markets. Limits on liability are `liability_factor` times the usual ones.
        """
        quotes = self._board.quotes(self.model, state, MARGIN)
        return [
            CreateMarket(
                market_no=MarketNo(first_market_no + number if first_market_no else 0),
                key=key,
                outcomes=self._board.outcomes(key),
                odds_milli=tuple(quote.odds_milli for quote in quotes[key]),
                limits=_limits(parse_market_key(key).type, liability_factor),
            )
            for number, key in enumerate(self.keys)
        ]

    def open(self, prices: Iterable[PriceImage]) -> list[MarketCommand]:
        """Return the commands that open inactive markets."""
        return [
            OpenMarket(market_no=image.market_no)
            for image in prices
            if image.status is Status.INACTIVE
        ]

    def suspend(self, prices: Iterable[PriceImage], *, why: str) -> list[MarketCommand]:
        """Return the commands that suspend active markets."""
        return [
            SuspendMarket(market_no=image.market_no, why=why)
            for image in prices
            if image.status is Status.ACTIVE
        ]

    def pricing(self, state: MatchState) -> dict[str, Any]:
        """Return the model, state and margin from which shells price the fixture's markets."""
        return {"model": self.model, "state": state, "margin": MARGIN}

    def decided(self, state: MatchState) -> frozenset[str]:
        """Return the keys of the markets that the score alone has decided."""
        # The clock decides no market: the result is cached until a goal or a whistle.
        score = state.at(period=state.period, clock_s=0)
        if self._decided is None or self._decided[0] != score:
            self._decided = score, frozenset(self._board.decided(score))
        return self._decided[1]

    def close(self, state: MatchState, prices: Iterable[PriceImage]) -> list[MarketCommand]:
        """Return the commands that close open markets which the score has decided."""
        decided = self.decided(state)
        return [
            CloseMarket(market_no=image.market_no)
            for image in prices
            if image.key in decided and image.status in (Status.ACTIVE, Status.SUSPENDED)
        ]

    def reprice(
        self, state: MatchState, prices: Iterable[PriceImage], *, resume: bool
    ) -> list[MarketCommand]:
        """Return the commands that set changed odds and close markets the score has decided.

        Parameters
        ----------
        state : MatchState
            The match's current state.
        prices : iterable of PriceImage
            The current prices of the fixture's markets.
        resume : bool
            Whether suspended markets resume, with the new odds.
        """
        quotes = self._board.quotes(self.model, state, MARGIN)
        decided = self.decided(state)
        commands: list[MarketCommand] = []
        for image in prices:
            if image.status not in (Status.ACTIVE, Status.SUSPENDED):
                continue
            if image.key in decided:
                commands.append(CloseMarket(market_no=image.market_no))
                continue
            changed = _changed(image, quotes[image.key])
            if changed:
                commands.append(SetOdds(market_no=image.market_no, quotes=changed))
            if resume and image.status is Status.SUSPENDED:
                commands.append(ResumeMarket(market_no=image.market_no))
        return commands

    def results(self, state: MatchState) -> dict[str, tuple[OutcomeResult, ...]]:
        """Return the results of the markets whose play is over, by key."""
        return self._board.results(state)

    def settle(self, state: MatchState, prices: Iterable[PriceImage]) -> list[MarketCommand]:
        """Return the commands that close and settle markets with a result, except settled ones."""
        results = self.results(state)
        commands: list[MarketCommand] = []
        for image in prices:
            if image.status in (Status.SETTLED, Status.CANCELLED) or image.key not in results:
                continue
            if image.status is not Status.CLOSED:
                commands.append(CloseMarket(market_no=image.market_no))
            commands.append(SettleMarket(market_no=image.market_no, results=results[image.key]))
        return commands


def _limits(market_type: str, liability_factor: int) -> Limits:
    limits = _LIMITS.get(market_type, _ON_THE_REST)
    return replace(
        limits,
        outcome_liability_minor_max=limits.outcome_liability_minor_max * liability_factor,
        market_liability_minor_max=limits.market_liability_minor_max * liability_factor,
    )


def _changed(image: PriceImage, quotes: Sequence[Quote]) -> tuple[Quote, ...]:
    """Return the quotes that differ from the image; a withdrawn outcome keeps its last odds."""
    changed = []
    for quote in quotes:
        active, odds_milli = image.active[quote.outcome], image.odds_milli[quote.outcome]
        if quote.active and (not active or quote.odds_milli != odds_milli):
            changed.append(quote)
        elif active and not quote.active:
            kept = OddsMilli(max(odds_milli, ODDS_MILLI_MIN))
            changed.append(Quote(outcome=quote.outcome, odds_milli=kept, active=False))
    return tuple(changed)


def by_market_no(
    results: Mapping[str, Sequence[OutcomeResult]], prices: Iterable[PriceImage]
) -> dict[int, Sequence[OutcomeResult]]:
    """Return results by market number instead of by key."""
    return {image.market_no: results[image.key] for image in prices if image.key in results}
