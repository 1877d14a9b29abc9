"""Hypothesis strategies of football models and states, and a board with every market type."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from engine.pricing.chances import CERTAINTY_SLACK
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.market_types import MARKET_TYPES
from engine.pricing.football.model import MatchModel, MatchState, Period, Score

LINES = {
    "total": ("0.5", "2.25", "2.5", "3", "4.75"),
    "hcp": ("-2.75", "-1", "-0.25", "0", "1.5"),
    "goalnr": ("1", "2", "4", "12"),
    "score": ("0:0", "1:0", "2:3", "9:9"),
}
COMBINED = ("1x2_total", "chance_total", "total_both_teams_to_score", "or_over", "or_under")
COMBINED_LINES = ("0.5", "2.5", "5.5")


def keys_of_every_type() -> list[str]:
    """Return market keys of every type of the table, with several lines of each."""
    keys = []
    for name, row in MARKET_TYPES.items():
        if name.endswith("european_handicap"):
            keys += [f"m/{name}?hcp={start}" for start in ("0:1", "2:0")]
        elif row.required:
            (specifier,) = row.specifiers
            combined = name.endswith(COMBINED) or name.startswith(("both_h", "half_time_full"))
            lines = COMBINED_LINES if combined else LINES[specifier]
            keys += [f"m/{name}?{specifier}={line}" for line in lines]
        else:
            keys.append(f"m/{name}")
    return keys


BOARD = FixtureBoard(keys_of_every_type())

ROUNDING = 4e-15
"""Chances of a market and that of a refund add up to one within this."""

rates = st.floats(0.05, 3.5)
goals = st.builds(Score, home=st.integers(0, 3), away=st.integers(0, 3))


@st.composite
def models(draw: st.DrawFn) -> MatchModel:
    """Draw a model whose dependence its rates allow."""
    home, away = draw(rates), draw(rates)
    low = max(-0.3, -1.0 / max(home, away))
    high = min(0.3, 1.0 / (home * away))
    return MatchModel(
        home_rate=home,
        away_rate=away,
        dependence=draw(st.just(0.0) | st.floats(low * 0.999, high * 0.999)),
        first_half_share=draw(st.floats(0.35, 0.55)),
        first_half_stoppage_s=draw(st.integers(0, 300)),
        second_half_stoppage_s=draw(st.integers(0, 600)),
        extra_time_share=draw(st.floats(0.2, 0.4)),
        red_card_own_factor=draw(st.floats(0.4, 1.0)),
        red_card_opponent_factor=draw(st.floats(1.0, 1.25)),
    )


@st.composite
def states(draw: st.DrawFn) -> MatchState:
    """Draw a state with goals in every period reached, their order known."""
    period = draw(st.sampled_from(Period))
    starts = {Period.SECOND_HALF: 2700, Period.EXTRA_FIRST: 5400, Period.EXTRA_SECOND: 6300}
    start = starts.get(period, 0)
    length = 900 if period >= Period.EXTRA_FIRST else 2700
    played = (Period.FIRST_HALF, Period.SECOND_HALF, Period.EXTRA_FIRST, Period.EXTRA_SECOND)
    scores = [draw(goals) if period >= begun else Score() for begun in played]
    order = [draw(st.permutations("h" * score.home + "a" * score.away)) for score in scores]
    return MatchState(
        period=period,
        clock_s=start + draw(st.integers(0, length + 200)),
        first_half=scores[0],
        second_half=scores[1],
        extra_first=scores[2],
        extra_second=scores[3],
        order="".join(side for part in order for side in part),
        home_red_cards=draw(st.integers(0, 2)),
        away_red_cards=draw(st.integers(0, 2)),
    )


def assert_adds_up(chances: np.ndarray, fair: Sequence[float], winners: tuple[int, int]) -> None:
    """Assert that a market's fair probabilities add up to its winners, or to 0 when refunded.

    `winners` are the fewest and the most outcomes that win.
    A fair probability is divided by what is at risk: one less the chance of a refund, which is
    exact to some roundings of one. So where hardly anything is at risk, a sum is exact to these
    over what is.
    """
    at_risk = (1.0 - chances[:, 2] - 0.5 * (chances[:, 1] + chances[:, 3])).min()
    slack = 1e-8 + ROUNDING / max(at_risk, CERTAINTY_SLACK)
    won = min(max(sum(fair), winners[0]), winners[1])
    expected = won if at_risk > CERTAINTY_SLACK else 0.0
    assert abs(sum(fair) - expected) <= slack, (sum(fair), at_risk)
    assert all(0.0 <= p <= 1.0 for p in fair)
