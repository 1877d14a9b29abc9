"""Bet builders as markets of the football board: odds, margin, results and repricing."""

import numpy as np
import pytest

from engine.common.commands import CreateMarket, OpenMarket, OutcomeResult, SetOdds
from engine.market.market import MarketMachine
from engine.pricing.football.builder.selection import selection
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from engine.pricing.ladder import FINE
from engine.pricing.lines import MarketTypeError
from engine.pricing.quoting import BookFigures, Margin
from engine.pricing.repricing import Reprice, Repricer
from engine.pricing.skew import LinearSkew, LogOddsSkew, OptimalSkew, Skew
from engine.pricing.sport import SportBoard
from tests.engine.market.builders import WIDE, do
from tests.engine.pricing.football.builder.builder_twin import legs_of

MODEL = MatchModel(home_rate=1.6, away_rate=1.3)
WON, LOST = OutcomeResult(won=True), OutcomeResult(won=False)


def key_of(*texts: str) -> str:
    return selection("m", legs_of(*texts)).market_key


TWO = key_of("1x2 home", "both_teams_to_score yes")
THREE = key_of("1x2 home", "next_goal?goalnr=1 away", "first_half_total?total=0.5 over")
KEYS = ("m/1x2", TWO, "m/total?total=2.5", THREE)


def odds_of(board: SportBoard, margin: Margin, key: str, state: MatchState | None = None) -> float:
    (quote,) = board.quotes(MODEL, state or MatchState(), margin)[key]
    assert quote.active
    return quote.odds_milli / 1000.0


# --- odds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "legs"), [(TWO, 2), (THREE, 3)])
@pytest.mark.parametrize(("leg_milli", "book_milli"), [(30, 1_050), (0, 1_050), (100, 1_100)])
def test_the_margin_grows_with_every_leg_after_the_first(
    key: str, legs: int, leg_milli: int, book_milli: int
) -> None:
    board = SportBoard("football", KEYS, ladder=FINE)
    fair = board.probabilities(MODEL, MatchState())[key][0]
    book = (book_milli + leg_milli * (legs - 1)) / 1000.0
    margin = Margin(book_milli=book_milli, leg_milli=leg_milli)
    assert odds_of(board, margin, key) == pytest.approx(1.0 / (fair * book), rel=1e-3)


def test_the_book_sum_of_builders_has_a_key_of_its_own() -> None:
    board = SportBoard("football", KEYS, ladder=FINE)
    fair = board.probabilities(MODEL, MatchState())[TWO][0]
    margin = Margin(book_milli_by_type={"builder": 1_200}, leg_milli=50)
    assert odds_of(board, margin, TWO) == pytest.approx(1.0 / (fair * 1.25), rel=1e-3)


def test_the_book_sum_ends_at_its_bound() -> None:
    board = SportBoard("football", KEYS, ladder=FINE)
    fair = board.probabilities(MODEL, MatchState())[THREE][0]
    margin = Margin(book_milli=1_900, leg_milli=200)
    assert odds_of(board, margin, THREE) == pytest.approx(1.0 / (fair * 2.0), rel=1e-3)


def test_builders_leave_the_prices_of_other_markets_as_they_are() -> None:
    alone = SportBoard("football", ("m/1x2", "m/total?total=2.5"))
    beside = SportBoard("football", KEYS)
    margin = Margin()
    quotes = beside.quotes(MODEL, MatchState(), margin)
    for key, expected in alone.quotes(MODEL, MatchState(), margin).items():
        assert quotes[key] == expected
    assert list(quotes) == list(KEYS)


def test_a_board_of_builders_alone_is_priced() -> None:
    board = SportBoard("football", (TWO, THREE))
    whole = SportBoard("football", KEYS).probabilities(MODEL, MatchState())
    assert board.probabilities(MODEL, MatchState()) == {TWO: whole[TWO], THREE: whole[THREE]}


def test_a_builder_that_the_score_has_decided_is_not_offered() -> None:
    board = SportBoard("football", KEYS)
    state = MatchState(period=Period.FIRST_HALF, clock_s=600).scored(side="home")
    quotes = board.quotes(MODEL, state, Margin())
    assert quotes[TWO][0].active
    assert not quotes[THREE][0].active  # away did not score first


@pytest.mark.parametrize(
    "skew", [LinearSkew(scale_minor=1_000, shift_milli_max=50), LogOddsSkew(scale_minor=1_000),
             OptimalSkew(risk_minor=10_000, bet_payout_minor=100)]
)  # fmt: skip
def test_a_skew_leaves_a_market_of_one_outcome_as_it_is(skew: Skew) -> None:
    """A skew keeps a market's sum, and one outcome is all of it."""
    board = SportBoard("football", (TWO,))
    figures = BookFigures(np.array([1_000], np.int64), np.array([9_000], np.int64))
    plain = board.quotes(MODEL, MatchState(), Margin())
    assert board.quotes(MODEL, MatchState(), Margin(), skew, figures) == plain


def test_a_key_whose_legs_are_not_canonical_is_no_market() -> None:
    with pytest.raises(MarketTypeError, match="canonical form is 1a,29a"):
        SportBoard("football", ("m/builder?legs=29a,1a",))


# --- results -------------------------------------------------------------------------------------


def test_results_follow_the_legs_as_soon_as_they_are_decided() -> None:
    board = SportBoard("football", KEYS)
    half_time = MatchState(period=Period.HALF_TIME, clock_s=2700)
    assert board.results(half_time) == {THREE: (LOST,)}  # no goal before half-time
    ended = MatchState(
        period=Period.FULL_TIME, first_half=Score(away=1), second_half=Score(home=2), order="ahh"
    )
    assert board.results(ended)[TWO] == (WON,)
    assert board.results(ended)[THREE] == (WON,)
    unknown = MatchState(
        period=Period.FULL_TIME, first_half=Score(home=1, away=1), second_half=Score(home=1)
    )
    assert THREE not in board.results(unknown)  # who scored first is not known
    assert board.results(unknown)[TWO] == (WON,)


# --- repricing -----------------------------------------------------------------------------------


def test_a_hosted_builder_is_repriced_with_its_fixtures_board() -> None:
    machine = MarketMachine()
    for number, (key, outcomes) in enumerate(
        (("m/1x2", ("home", "draw", "away")), (TWO, ("yes",)), ("n" + TWO[1:], ("yes",)),
         ("m/builder?legs=29a,1a", ("yes",)), (THREE, ("yes", "no"))), 1
    ):  # fmt: skip
        do(
            machine,
            CreateMarket(
                market_no=number, key=key, outcomes=outcomes, odds_milli=(3_000,) * len(outcomes),
                limits=WIDE,
            ),
            OpenMarket(market_no=number),
        )  # fmt: skip
    repricer = Repricer()
    for state in (MatchState(), MatchState(period=Period.FIRST_HALF, first_half=Score(home=1))):
        request = Reprice(by="trader", fixture="m", model=MODEL, state=state)
        commands = repricer.commands(request, machine)
        quotes = SportBoard("football", ("m/1x2", TWO)).quotes(MODEL, state, Margin())
        assert [command.market_no for command in commands] == [1, 2]
        assert commands[1] == SetOdds(market_no=2, quotes=quotes[TWO])
        do(machine, *commands)
        image = machine.price_image(2)
        assert image.odds_milli == (quotes[TWO][0].odds_milli,)
        assert image.active == (True,)
