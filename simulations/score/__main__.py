"""Score the models: ``python -m simulations.score football SEASON.csv ... --minutes FILE.csv``.

Owns arguments and what is printed. ``--set`` changes a parameter of the model; ``--against`` scores
the model with other parameters beside it, on the same matches. ``tennis POINTS.csv ...`` scores
tennis, whose model has one parameter that is not fitted to odds: ``--form-sd``.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from engine.pricing.football.fixture_board import Margin
from engine.pricing.football.model import MatchModel
from engine.pricing.tennis.sport import FORM_SD, FORM_SD_MAX
from simulations.score.football import (
    score_before_start,
    score_in_play,
)
from simulations.score.seasons import ScoredMatch, SeasonError, read_minutes, read_season
from simulations.score.tally import ClaimRow, MeanRow, ModelScore, new_score
from simulations.score.tennis import score_tennis
from simulations.score.tennis_points import WARM_UP, read_points, with_odds

_TYPICAL: Final = {"home_rate": 1.4, "away_rate": 1.1}
_BOOK_MILLI: Final = 1_060


def main(arguments: Sequence[str] | None = None) -> int:
    """Score a sport and print the tables; return 2 for arguments or files that cannot be used."""
    given = _parser().parse_args(arguments)
    return _tennis(given) if given.sport == "tennis" else _football(given)


def _football(given: argparse.Namespace) -> int:
    try:
        models = [_model(given.set)] + ([_model(given.against)] if given.against else [])
        seasons = [read_season(path) for path in given.seasons]
        timed = [read_minutes(path) for path in given.minutes]
    except (SeasonError, msgspec.ValidationError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for line in (line for season in (*seasons, *timed) for line in season.passed_over):
        sys.stderr.write(f"passed over: {line}\n")
    margin = Margin(book_milli=given.book_milli)
    before = [match for season in seasons for match in season.matches]
    played = [match for season in timed for match in season.matches]
    scores = [_score(model, before, played, margin) for model in models]
    for score, parameters in zip(scores, (given.set, given.against), strict=False):
        sys.stdout.write(f"## Football: {' '.join(parameters) or 'defaults'}\n\n")
        sys.stdout.write("".join(_tables(score, given.rows, given.book_milli)))
    if len(scores) == 2:
        sys.stdout.write("".join(_compared(*scores)))
    return 0


def _tennis(given: argparse.Namespace) -> int:
    forms = [form for form in (given.form_sd, given.against) if form is not None]
    try:
        if not all(0.0 <= form <= FORM_SD_MAX for form in forms):
            raise ValueError(f"form_sd: must be from 0 to {FORM_SD_MAX:g}")
        files = [read_points(path) for path in given.points]
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for line in (line for file in files for line in file.passed_over):
        sys.stderr.write(f"passed over: {line}\n")
    played = [match for file in files for match in file.matches]
    matches = list(with_odds(played, warm_up=given.warm_up))
    margin = Margin(book_milli=given.book_milli)
    scores: list[ModelScore] = []
    for form_sd in forms:
        scores.append(new_score())
        score_tennis(matches, margin=margin, score=scores[-1], form_sd=form_sd)
        sys.stdout.write(f"## Tennis: form_sd={form_sd:g}\n\n")
        sys.stdout.write("".join(_tables(scores[-1], given.rows, given.book_milli)))
    if len(scores) == 2:
        sys.stdout.write("".join(_compared(*scores)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulations.score", description=__doc__)
    sports = parser.add_subparsers(dest="sport", required=True)
    football = sports.add_parser("football", help="closing odds and results of seasons")
    football.add_argument("seasons", nargs="*", type=Path, help="files with odds and results")
    football.add_argument(
        "--minutes", nargs="+", type=Path, default=[], help="files with the minute of every goal"
    )
    football.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="parameters of the model"
    )
    football.add_argument(
        "--against", nargs="+", default=[], metavar="NAME=VALUE", help="those of another beside it"
    )
    tennis = sports.add_parser("tennis", help="matches point by point")
    tennis.add_argument("points", nargs="*", type=Path, help="files of matches point by point")
    tennis.add_argument("--form-sd", type=float, default=FORM_SD, help="the form of the day")
    tennis.add_argument("--against", type=float, help="another form beside it")
    tennis.add_argument(
        "--warm-up", type=int, default=WARM_UP, help="first matches, that only teach strengths"
    )
    for each in (football, tennis):
        each.add_argument("--book-milli", type=int, default=_BOOK_MILLI, help="sum of our book")
        each.add_argument("--rows", type=int, default=20, help="rows of a table, widest first")
    return parser


def _model(parameters: Iterable[str]) -> MatchModel:
    """Return a typical model with some parameters set, or raise ValueError naming what is wrong."""
    values: dict[str, float | int] = dict(_TYPICAL)
    for parameter in parameters:
        name, _, text = parameter.partition("=")
        number = float(text)
        values[name] = int(number) if number.is_integer() else number
    return msgspec.convert(values, MatchModel)


def _score(
    model: MatchModel, before: Sequence[ScoredMatch], played: Sequence[ScoredMatch], margin: Margin
) -> ModelScore:
    score = new_score()
    score_before_start(before, base=model, margin=margin, score=score)
    score_in_play(played, base=model, margin=margin, score=score)
    return score


def _tables(score: ModelScore, rows: int, book_milli: int) -> Iterable[str]:
    for reason, count in score.refused.items():
        yield f"{count} matches without a model: {reason}\n\n"
    yield "| log-loss of | matches | mean | standard error |\n| --- | --- | --- | --- |\n"
    for mean in score.losses.rows():
        yield f"| {mean.name} | {mean.matches} | {mean.mean:.5f} | {mean.error:.5f} |\n"
    yield "\n| claim | matches | expected | came | error | errors off |\n"
    yield "| --- | --- | --- | --- | --- | --- |\n"
    for claim in sorted(score.claims.rows(), key=_off)[:rows]:
        yield (
            f"| {claim.name} | {claim.matches} | {claim.expected:.4f} | {claim.came:.4f} |"
            f" {claim.error:.4f} | {claim.distance:+.1f} |\n"
        )
    yield f"\n| bet, at a book of {book_milli} | matches | return | error | errors over 0 |\n"
    yield "| --- | --- | --- | --- | --- |\n"
    for mean in sorted(score.returns.rows(), key=lambda row: -row.distance)[:rows]:
        yield (
            f"| {mean.name} | {mean.matches} | {mean.mean:+.4f} | {mean.error:.4f} |"
            f" {mean.distance:+.1f} |\n"
        )
    yield "\n"


def _off(claim: ClaimRow) -> float:
    return -abs(claim.distance)


def _compared(first: ModelScore, second: ModelScore) -> Iterable[str]:
    """Yield what the second model's log-loss has over the first's, in ten-thousandths."""
    yield "## Log-loss of the second less the first\n\n| of | 1e-4 |\n| --- | --- |\n"
    firsts: dict[str, MeanRow] = {row.name: row for row in first.losses.rows()}
    for row in second.losses.rows():
        yield f"| {row.name} | {1e4 * (row.mean - firsts[row.name].mean):+.1f} |\n"


if __name__ == "__main__":
    sys.exit(main())
