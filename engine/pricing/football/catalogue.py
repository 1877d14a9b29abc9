"""The market catalogue: the markets that a football fixture offers by default.

Owns the list of types and the choice of lines around the model's expectation; never a price that is
quoted.
"""

from collections.abc import Sequence
from typing import Final

from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.model import MatchModel, MatchState

_PLAIN: Final = (
    "1x2", "double_chance", "draw_no_bet", "both_teams_to_score", "odd_even", "correct_score",
    "half_time_full_time", "exact_goals", "goal_range", "winning_margin", "home_no_bet",
    "away_no_bet", "home_exact_goals", "away_exact_goals", "which_team_to_score",
    "home_clean_sheet", "away_clean_sheet", "home_win_to_nil", "away_win_to_nil",
    "1x2_both_teams_to_score", "double_chance_both_teams_to_score", "next_goal?goalnr=1",
    "next_goal?goalnr=2", "last_goal", "highest_scoring_half", "home_highest_scoring_half",
    "away_highest_scoring_half", "halves_both_teams_to_score", "home_win_both_halves",
    "away_win_both_halves", "home_win_either_half", "away_win_either_half",
    "home_score_in_both_halves", "away_score_in_both_halves", "both_halves_over?total=1.5",
    "both_halves_under?total=1.5",
)  # fmt: skip
"""Types without a line, or with a line that suits every match."""
_HALF_MARKETS: Final = (
    "1x2", "double_chance", "draw_no_bet", "both_teams_to_score", "odd_even",
    "exact_goals?variant=sr:exact_goals:3+", "home_clean_sheet", "away_clean_sheet",
    "next_goal?goalnr=1", "correct_score",
)  # fmt: skip
_EXTRA_TIME_MARKETS: Final = ("1x2", "next_goal?goalnr=1")
_LINE_MAX: Final = 7.5
_QUARTERS_AROUND: Final = 4
"""Lines on each side of the line nearest to evens, in steps of a quarter."""


def full_board(fixture: str, *, model: MatchModel, extra_time: bool = False) -> tuple[str, ...]:
    """List the market keys of a full fixture board: 250 prices or more, the main markets first.

    The lines of totals and handicaps are in steps of a quarter around the line nearest to evens
    under the model, so a mismatch gets the lines of a mismatch.

    Parameters
    ----------
    fixture : str
        The fixture's part of a key.
    model : MatchModel
        The model of the two sides before kick-off.
    extra_time : bool
        Whether extra time may be played; its markets are then listed too.

    Raises
    ------
    MalformedIdError
        When the fixture breaks the grammar of keys.
    """
    totals = _lines(_nearest("total?total=", _steps(0.5, _LINE_MAX), model), least=0.5)
    handicaps = _lines(_nearest("handicap?hcp=", _steps(-_LINE_MAX, _LINE_MAX), model))
    markets = [*_PLAIN[:4]]
    markets += [f"total?total={line:g}" for line in totals]
    markets += [f"handicap?hcp={line:g}" for line in handicaps]
    markets += _PLAIN[4:]
    halves = sorted({line for line in totals if line % 1 == 0.5} | {1.5, 2.5, 3.5})
    markets += [f"total?total={line:g}" for line in halves if line not in totals]
    for line in halves:
        markets += [f"1x2_total?total={line:g}", f"double_chance_total?total={line:g}"]
        markets.append(f"total_both_teams_to_score?total={line:g}")
    for side, rate in (("home", model.home_rate), ("away", model.away_rate)):
        last = max(2.5, min(round(rate) + 1.5, _LINE_MAX))
        markets += [f"{side}_total?total={line:g}" for line in _steps(0.5, last, step=1.0)]
    start = max(1, min(round(abs(model.home_rate - model.away_rate)), 5))
    markets += [f"european_handicap?hcp={hcp}" for hcp in (f"0:{start}", f"{start}:0")]
    for half in ("first_half_", "second_half_"):
        markets += [half + name for name in _HALF_MARKETS]
        markets += [f"{half}total?total={line:g}" for line in _steps(0.5, 2.0)]
        nearest = _nearest(f"{half}handicap?hcp=", _steps(-3.0, 3.0), model)
        markets += [f"{half}handicap?hcp={line:g}" for line in _lines(nearest, steps=1)]
        markets += [
            f"{half}{side}_total?total={line}"
            for side in ("home", "away")
            for line in ("0.5", "1.5")
        ]
        markets += [f"{half}1x2_total?total=1.5", f"{half}1x2_both_teams_to_score"]
    if extra_time:
        markets += [f"extra_time_{name}" for name in _EXTRA_TIME_MARKETS]
        markets += [f"extra_time_total?total={line:g}" for line in _steps(0.5, 1.5)]
        markets += [f"extra_time_handicap?hcp={line:g}" for line in _steps(-0.5, 0.5)]
    return tuple(f"{fixture}/{market}" for market in markets)


def _steps(first: float, last: float, *, step: float = 0.25) -> Sequence[float]:
    return [first + step * k for k in range(round((last - first) / step) + 1)]


def _lines(
    nearest: float, *, steps: int = _QUARTERS_AROUND, least: float = -_LINE_MAX
) -> list[float]:
    """Return the lines around the one nearest to evens, from `least` to ``_LINE_MAX``."""
    around = [nearest + quarters / 4 for quarters in range(-steps, steps + 1)]
    return [line for line in around if least <= line <= _LINE_MAX]


def _nearest(prefix: str, lines: Sequence[float], model: MatchModel) -> float:
    """Return the line whose two outcomes are nearest to evens before kick-off."""
    board = FixtureBoard([f"m/{prefix}{line:g}" for line in lines])
    first_outcomes = board.fair(model, MatchState())[::2].tolist()
    gaps = [abs(chance - 0.5) for chance in first_outcomes]
    return lines[gaps.index(min(gaps))]
