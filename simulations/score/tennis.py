"""Score tennis: models fitted to the odds before the start, settled by what was played.

Owns what is claimed of a match: every outcome of a board before the start, and after each set who
wins the match. Odds come from the engine's board, results from its settlement.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from engine.common.commands import OutcomeResult
from engine.pricing.quoting import Margin
from engine.pricing.sport import SportBoard
from engine.pricing.tennis.calibration import TennisCalibrated, calibrate_tennis
from engine.pricing.tennis.sport import FORM_SD, TennisModel, TennisState
from simulations.score.football import profit
from simulations.score.tally import Means, ModelScore, log_loss

_WINNER: Final = "m/winner"
_TOTALS: Final = {3: (18, 20, 22, 24, 28, 32), 5: (30, 34, 38, 42, 46)}
_HANDICAPS: Final = (-5, -3, -1, 0, 2, 4)


class TennisMatch(NamedTuple):
    """A match with odds before its start, and its states after each set, the last one over.

    `total` is a line of ``total_games`` with the odds of over and under, or None: then the mean of
    the serves is `mean`.
    """

    name: str
    winner: tuple[float, float]
    total: tuple[str, tuple[float, float]] | None
    mean: float
    start: TennisState
    after_sets: tuple[TennisState, ...]


def match_board(best_of: int) -> SportBoard:
    """Return the board that a match of a format is scored on."""
    variant = f"bestof:{best_of}"
    keys = [
        "winner", "odd_even_games", "home_to_win_a_set", "away_to_win_a_set",
        f"correct_score?variant=sr:correct_score:{variant}",
        f"exact_sets?variant=sr:exact_sets:{variant}",
        "set_handicap?hcp=-1.5", "set_handicap?hcp=1.5",
        *(f"total_games?total={line}.5" for line in _TOTALS[best_of]),
        *(f"game_handicap?hcp={line + 0.5:g}" for line in _HANDICAPS),
        *(f"home_total_games?total={line}.5" for line in (9, 12, 15)),
        *(f"away_total_games?total={line}.5" for line in (9, 12, 15)),
    ]  # fmt: skip
    for number in (1, 2):
        keys += [
            f"set_{kind}?setnr={number}"
            for kind in ("winner", "odd_even_games", "tiebreak", "correct_score")
        ]
        keys += [f"set_total_games?setnr={number}|total={line}.5" for line in (8, 9, 10)]
        keys += [f"set_game_handicap?hcp={line}.5|setnr={number}" for line in (-2, 2)]
    return SportBoard("tennis", [f"m/{key}" for key in keys])


def score_tennis(
    matches: Iterable[TennisMatch],
    *,
    margin: Margin,
    score: ModelScore,
    form_sd: float = FORM_SD,
) -> None:
    """Price each match before its start and after each set, and settle it.

    Parameters
    ----------
    matches : Iterable[TennisMatch]
        Matches with odds before the start.
    margin : Margin
        What our quotes add to fair.
    score : ModelScore
        Out: claims and returns by market and outcome; the log-loss of the winner before the start
        and after each set, and of each total of games.
    form_sd : float
        The form of the day that models are fitted with.
    """
    boards = {best_of: match_board(best_of) for best_of in (3, 5)}
    for match in matches:
        fitted = calibrate_tennis(
            match.winner, total=match.total, state=match.start, mean=match.mean, form_sd=form_sd
        )
        if not isinstance(fitted, TennisCalibrated):
            reason = fitted.status.name.lower()
            score.refused[reason] = score.refused.get(reason, 0) + 1
            continue
        board = boards[match.start.best_of]
        results = board.results(match.after_sets[-1])
        priced = _PricedMatch(board, fitted.model, results, margin, score)
        prefix = f"best of {match.start.best_of}: "
        priced.before_start(prefix, match.start)
        for played, state in enumerate(match.after_sets[:-1], start=1):
            priced.after_set(f"{prefix}after set {played}, ", state)


class _PricedMatch(NamedTuple):
    """A match with its model and its results, and the score to which it adds."""

    board: SportBoard
    model: TennisModel
    results: Mapping[str, tuple[OutcomeResult, ...]]
    margin: Margin
    score: ModelScore

    def before_start(self, prefix: str, state: TennisState) -> None:
        """Add every claim of the board, the log-losses and the returns before the start."""
        chances = self.board.probabilities(self.model, state)
        for key, row in self.results.items():
            if any(result.void_halves for result in row):
                continue
            name = prefix + key.removeprefix("m/")
            outcomes = self.board.outcomes(key)
            for outcome, chance, result in zip(outcomes, chances[key], row, strict=True):
                self.score.claims.add(f"{name} {outcome}", chance, came=result.won)
            if key == _WINNER or key.startswith("m/total_games"):
                _add_loss(self.score.losses, name, chances[key], row)
        self._add_returns(prefix, state)

    def after_set(self, prefix: str, state: TennisState) -> None:
        """Add whether the winner of the last set won the match, its log-loss, and the returns."""
        chances = self.board.probabilities(self.model, state)[_WINNER]
        won = self.results[_WINNER]
        last = state.sets[-1]
        side = 0 if last.home > last.away else 1
        name = f"{prefix}its winner wins the match"
        self.score.claims.add(name, chances[side], came=won[side].won)
        _add_loss(self.score.losses, f"{prefix}winner", chances, won)
        self._add_returns(prefix, state)

    def _add_returns(self, prefix: str, state: TennisState) -> None:
        """Add the mean profit of the match's bets, by market type and outcome."""
        quotes = self.board.quotes(self.model, state, self.margin)
        profits: dict[str, list[float]] = {}
        for key, row in self.results.items():
            market_type = key.removeprefix("m/").partition("?")[0]
            outcomes = self.board.outcomes(key)
            for quote, outcome, result in zip(quotes[key], outcomes, row, strict=True):
                if quote.active:
                    name = f"{prefix}{market_type} {outcome}"
                    profits.setdefault(name, []).append(profit(quote.odds_milli, result))
        for name, each in profits.items():
            self.score.returns.add(name, sum(each) / len(each))


def _add_loss(
    losses: Means, name: str, chances: tuple[float, ...], results: tuple[OutcomeResult, ...]
) -> None:
    came = next(number for number, result in enumerate(results) if result.won)
    losses.add(name, log_loss(chances[came]))
