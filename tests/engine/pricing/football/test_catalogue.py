"""The market catalogue: a full board for any two sides."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.ids import MalformedIdError, parse_market_key
from engine.pricing.football.catalogue import full_board
from engine.pricing.football.fixture_board import FixtureBoard, Margin
from engine.pricing.football.model import MatchModel, MatchState

EVEN = MatchModel(home_rate=1.5, away_rate=1.3, dependence=-0.08)
MISMATCH = MatchModel(home_rate=3.4, away_rate=0.4)


@given(home=st.floats(0.0, 8.0), away=st.floats(0.0, 8.0), extra_time=st.booleans())
@settings(max_examples=25, deadline=None)
def test_any_two_sides_have_a_board_of_two_hundred_outcomes_or_more(
    home: float, away: float, extra_time: bool
) -> None:
    keys = full_board("m", model=MatchModel(home_rate=home, away_rate=away), extra_time=extra_time)
    board = FixtureBoard(keys)
    assert sum(len(board.outcomes(key)) for key in keys) >= 200


def test_an_even_match_offers_two_hundred_outcomes_before_kick_off() -> None:
    quotes = FixtureBoard(full_board("m", model=EVEN)).quotes(EVEN, MatchState(), Margin())
    assert sum(quote.active for row in quotes.values() for quote in row) >= 200


def test_lines_are_around_the_line_nearest_to_evens() -> None:
    keys = full_board("m", model=MISMATCH)
    lines = [
        float(dict(parse_market_key(key).specifiers)["hcp"])
        for key in keys
        if key.startswith("m/handicap")
    ]
    assert lines == [-3.75 + quarters / 4 for quarters in range(9)]
    board = FixtureBoard([f"m/handicap?hcp={line}" for line in lines])
    fair = board.probabilities(MISMATCH, MatchState()).values()
    gaps = [abs(home - 0.5) for home, _ in fair]
    assert gaps.index(min(gaps)) == 4


def test_extra_time_markets_are_listed_on_request_after_the_others() -> None:
    without, with_it = full_board("m", model=EVEN), full_board("m", model=EVEN, extra_time=True)
    assert with_it[: len(without)] == without
    assert all("/extra_time_" in key for key in with_it[len(without) :])
    assert not any("/extra_time_" in key for key in without)


def test_the_main_markets_come_first() -> None:
    assert full_board("m", model=EVEN)[:3] == ("m/1x2", "m/double_chance", "m/draw_no_bet")


def test_an_invalid_fixture_is_refused() -> None:
    with pytest.raises(MalformedIdError):
        FixtureBoard(full_board("no such/fixture", model=EVEN))
