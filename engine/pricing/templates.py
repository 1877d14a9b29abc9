"""Templates of boards: the markets that a fixture of a sport is offered with, by one name.

Owns which types and lines a template has, and how a model is found from what a trader expects or
from odds. Never creates a market and never quotes a price.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from engine.common.board_inputs import ExpectedGoals, FittedMarket
from engine.common.ids import parse_market_key
from engine.common.units import ODDS_MILLI_ONE
from engine.pricing.football.calibration import TYPICAL, CalibrationRefused, Calibrator
from engine.pricing.football.catalogue import full_board
from engine.pricing.football.model import MatchModel, MatchState
from engine.pricing.lines import MarketTypeError
from engine.pricing.race.model import places_max
from engine.pricing.sport import SPORTS, Names, SportBoard, outcome_names

_MAIN: Final = 40
"""Markets of a short football board: the first of the full one, which has the main ones first."""


class TemplateError(ValueError):
    """There is no such board: the message names the field and what is wrong with it."""


class BoardMarket(NamedTuple):
    """A market of a board: its key and the names of its outcomes."""

    key: str
    outcomes: Names


class Template(NamedTuple):
    """A board of a sport: the function returns its keys without the fixture."""

    sport: str
    keys: Callable[[Any, Any, Sequence[str]], Sequence[str]]


# --- the boards ----------------------------------------------------------------------------------


def _football(model: MatchModel, _: MatchState, __: Sequence[str]) -> Sequence[str]:
    return _types(full_board("f", model=model))


def _football_main(model: MatchModel, _: MatchState, __: Sequence[str]) -> Sequence[str]:
    return _types(full_board("f", model=model)[:_MAIN])


def _football_cup(model: MatchModel, _: MatchState, __: Sequence[str]) -> Sequence[str]:
    return _types(full_board("f", model=model, extra_time=True))


def _types(keys: Sequence[str]) -> list[str]:
    return [key.partition("/")[2] for key in keys]


def _tennis(model: Any, state: Any, _: Sequence[str]) -> Sequence[str]:
    best_of = state.best_of
    games = [line + 0.5 for line in range(6 * (best_of // 2 + 1), 13 * best_of)]
    margins = [line + 0.5 for line in range(-12, 12)]
    total = _nearest("tennis", "total_games?total=", games, model, state)
    margin = _nearest("tennis", "game_handicap?hcp=", margins, model, state)
    keys = ["winner", f"correct_score?variant=sr:correct_score:bestof:{best_of}"]
    keys += [f"total_games?total={line:g}" for line in _around(total, games, 2)]
    keys += [f"game_handicap?hcp={line:g}" for line in _around(margin, margins, 2)]
    keys += [f"set_handicap?hcp={line}" for line in ("-1.5", "1.5")]
    keys += [f"total_sets?total={sets + 0.5:g}" for sets in range(best_of // 2 + 1, best_of)]
    keys += ["home_to_win_a_set", "away_to_win_a_set", "odd_even_games"]
    keys.append(f"exact_sets?variant=sr:exact_sets:bestof:{best_of}")
    for number in (1, 2):
        of_set = [line + 0.5 for line in range(6, 13)]
        prefix = f"set_total_games?setnr={number}|total="
        line = _nearest("tennis", prefix, of_set, model, state)
        keys += [f"set_winner?setnr={number}", f"set_correct_score?setnr={number}"]
        keys += [f"{prefix}{each:g}" for each in _around(line, of_set, 1)]
    return keys


def _basketball(model: Any, state: Any, _: Sequence[str]) -> Sequence[str]:
    keys = ["winner", "1x2", "draw_no_bet"]
    for prefix, total, margin in (
        ("", model.total, model.margin),
        ("first_half_", model.total / 2, model.margin / 2),
    ):
        totals = [round(total) + step + 0.5 for step in range(-6, 6)]
        margins = [-round(margin) + step + 0.5 for step in range(-6, 6)]
        for name, lines in ((f"{prefix}total?total=", totals), (f"{prefix}handicap?hcp=", margins)):
            line = _nearest("basketball", name, lines, model, state)
            keys += [f"{name}{each:g}" for each in _around(line, lines, 3)]
    keys += ["first_half_1x2", "first_half_draw_no_bet"]
    for number in range(1, 5):
        keys.append(f"quarter_1x2?quarternr={number}")
        keys.append(f"quarter_total?quarternr={number}|total={round(model.total / 4) + 0.5:g}")
        keys.append(f"quarter_handicap?hcp={-round(model.margin / 4) + 0.5:g}|quarternr={number}")
    for side, share in (("home", 0.5), ("away", -0.5)):
        keys.append(f"{side}_total?total={round(model.total / 2 + share * model.margin) + 0.5:g}")
    return keys


def _race(model: Any, _: Any, sides: Sequence[str]) -> Sequence[str]:
    if len(sides) != len(model.win):
        raise TemplateError(
            f"sides: the runners of a race, {len(model.win)} as the model has: {len(sides)}"
        )
    most = min(3, places_max(len(sides)), len(sides) - 1)
    return ["win", *(f"place?places={places}" for places in range(2, most + 1))]


TEMPLATES: Final[Mapping[str, Template]] = {
    "football": Template("football", _football),
    "football_main": Template("football", _football_main),
    "football_cup": Template("football", _football_cup),
    "tennis": Template("tennis", _tennis),
    "basketball": Template("basketball", _basketball),
    "race": Template("race", _race),
}
"""Every template by name: the whole board of a football match, its main markets, the whole board
with extra time, and the boards of other sports."""


def board_markets(
    template: str, fixture: str, *, model: Any, state: Any, sides: Sequence[str] = ()
) -> list[BoardMarket]:
    """Return the markets of a fixture's board.

    Parameters
    ----------
    template : str
        A name of `TEMPLATES`.
    fixture : str
        The fixture's part of the keys.
    model, state : Any
        The sport's; lines are around what they expect.
    sides : sequence of str
        The runners of a race, in the order of the model.

    Raises
    ------
    TemplateError
        The model or the sides fit no board.
    """
    sport = SPORTS[TEMPLATES[template].sport]
    markets = []
    try:
        for text in TEMPLATES[template].keys(model, state, sides):
            key = parse_market_key(f"{fixture}/{text}")
            names = tuple(sides) if sport.name == "race" else None
            markets.append(
                BoardMarket(str(key), outcome_names(sport, key.type, key.specifiers, names))
            )
    except MarketTypeError as error:
        raise TemplateError(f"{template}: {error}") from error
    return markets


def model_expecting(goals: ExpectedGoals) -> MatchModel:
    """Return the football model of a common match with these goals.

    Raises
    ------
    TemplateError
        A side would score less than nothing, or more than a model may have.
    """
    home, away = (goals.total + goals.supremacy) / 2, (goals.total - goals.supremacy) / 2
    try:
        return replace(TYPICAL, home_rate=home, away_rate=away)
    except ValueError as error:
        raise TemplateError(f"expect: {error}") from error


def model_fitted(markets: Sequence[FittedMarket]) -> MatchModel:
    """Return the football model that has these odds, their margins removed.

    Raises
    ------
    TemplateError
        Odds that no model has, markets that leave it open, or no football markets.
    """
    try:
        fitted = Calibrator([each.market for each in markets]).fit(
            [[odds / ODDS_MILLI_ONE for odds in each.odds_milli] for each in markets]
        )
    except ValueError as error:
        raise TemplateError(f"fit: {error}") from error
    if isinstance(fitted, CalibrationRefused):
        raise TemplateError(f"fit: {fitted.message}")
    return fitted.model


def _nearest(sport: str, prefix: str, lines: Sequence[float], model: Any, state: Any) -> float:
    """Return the line whose first outcome is nearest to evens."""
    board = SportBoard(sport, [f"f/{prefix}{line:g}" for line in lines])
    gaps = [abs(fair[0] - 0.5) for fair in board.probabilities(model, state).values()]
    return lines[gaps.index(min(gaps))]


def _around(line: float, lines: Sequence[float], steps: int) -> Sequence[float]:
    at = lines.index(line)
    return lines[max(0, at - steps) : at + steps + 1]
