"""Score football: models fitted to the odds before the start, settled by what was played.

Owns what is claimed of a match: every outcome of the board before the start, and in play who wins
and whether another goal falls. Odds come from the engine's board, results from its settlement.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from engine.common.commands import OutcomeResult, Quote
from engine.pricing.football.axes import Scope
from engine.pricing.football.calibration import Calibrated, Calibrator
from engine.pricing.football.catalogue import full_board
from engine.pricing.football.fixture_board import FixtureBoard, Margin
from engine.pricing.football.model import MatchModel, MatchState
from simulations.score.seasons import ScoredMatch
from simulations.score.tally import Claims, Means, ModelScore, log_loss

MINUTES: Final = (15, 30, 45, 60, 75, 85)
"""Minutes at which a match in play is priced."""
_BEFORE: Final = MatchState()
_ORDER: Final = ("next_goal", "last_goal")
_Profits = dict[str, list[float]]


def score_before_start(
    matches: Iterable[ScoredMatch], *, base: MatchModel, margin: Margin, score: ModelScore
) -> None:
    """Price the whole board of each match before its start, and settle it.

    Parameters
    ----------
    matches : Iterable[ScoredMatch]
        Matches with odds before the start.
    base : MatchModel
        The parameters that are not fitted to these odds.
    margin : Margin
        What our quotes add to fair.
    score : ModelScore
        Out: claims and returns by market type and outcome, and the log-loss of 1x2.
    """
    fit = _Fit(base)
    for match in matches:
        model = fit.model(match, score)
        if model is None:
            continue
        board = FixtureBoard(full_board("m", model=model))
        chances = board.probabilities(model, _BEFORE)
        results = _results(board, match)
        _add_claims(score.claims, board, chances, results)
        profits: _Profits = {}
        _add_profits(profits, "", board, board.quotes(model, _BEFORE, margin), results)
        _add_returns(score.returns, profits)
        _add_loss(score.losses, "1x2", chances["m/1x2"], results["m/1x2"])


def score_in_play(
    matches: Iterable[ScoredMatch],
    *,
    base: MatchModel,
    margin: Margin,
    score: ModelScore,
    minutes: Sequence[int] = MINUTES,
) -> None:
    """Price each match at some minutes of its course with the model of the odds before its start.

    Parameters
    ----------
    matches, base, margin
        As `score_before_start` takes them; matches without the minutes of their goals are left out.
    score : ModelScore
        Out: by minute, whether another goal fell, whether the side one ahead won, the log-loss of
        1x2, and returns by market type and outcome. Minutes are not averaged: a bet that is decided
        early is offered at fewer of them, so that its match would count for more.
    minutes : Sequence[int]
        Minutes from 1 to 90; 45 is half-time.
    """
    fit = _Fit(base)
    for match in matches:
        if len(match.goals) != _goals(match.final_state()):
            continue
        model = fit.model(match, score)
        if model is None:
            continue
        keys = full_board("m", model=model)
        profits: _Profits = {}
        for minute in minutes:
            state = match.state_at(minute)
            another = f"m/total?total={_goals(state)}.5"
            board = FixtureBoard([*keys, *({another} - set(keys))])
            chances = board.probabilities(model, state)
            results = _results(board, match)
            score.claims.add(
                f"{minute}' another goal", chances[another][0], came=results[another][0].won
            )
            _add_leader(score.claims, minute, state, chances["m/1x2"], results["m/1x2"])
            _add_loss(score.losses, f"{minute}' 1x2", chances["m/1x2"], results["m/1x2"])
            quotes = board.quotes(model, state, margin)
            _add_profits(profits, f"{minute}' ", board, quotes, results)
        _add_returns(score.returns, profits)


class _Fit:
    """Fits of the matches' odds; the markets of a calibrator are compiled once."""

    def __init__(self, base: MatchModel) -> None:
        self._base: Final = base
        self._calibrators: Final[dict[tuple[str, ...], Calibrator]] = {}

    def model(self, match: ScoredMatch, score: ModelScore) -> MatchModel | None:
        """Return the model of a match; count the reason where its odds have none."""
        markets = tuple(match.odds)
        calibrator = self._calibrators.get(markets)
        if calibrator is None:
            calibrator = self._calibrators.setdefault(markets, Calibrator(markets))
        fitted = calibrator.fit(tuple(match.odds.values()), base=self._base)
        if isinstance(fitted, Calibrated):
            return fitted.model
        reason = fitted.status.name.lower()
        score.refused[reason] = score.refused.get(reason, 0) + 1
        return None


def _add_claims(
    claims: Claims,
    board: FixtureBoard,
    chances: dict[str, tuple[float, ...]],
    results: dict[str, tuple[OutcomeResult, ...]],
) -> None:
    """Add the markets of one match in which every bet is won or lost: lines that refund are not."""
    for key, row in results.items():
        if any(result.void_halves for result in row) or _may_refund(key):
            continue
        name = key.removeprefix("m/")
        for outcome, chance, result in zip(board.outcomes(key), chances[key], row, strict=True):
            claims.add(f"{name} {outcome}", chance, came=result.won)


def _may_refund(key: str) -> bool:
    """Say whether a market is of a type or a line that can return stakes."""
    market_type, _, specifiers = key.partition("?")
    if market_type.endswith("_no_bet"):
        return True
    line = specifiers.partition("=")[2]
    if not specifiers.startswith(("total=", "hcp=")) or ":" in line:
        return False
    return float(line) % 1.0 != 0.5


def _results(board: FixtureBoard, match: ScoredMatch) -> dict[str, tuple[OutcomeResult, ...]]:
    """Settle a match; without its order of goals, no market on that order.

    The order of a match without minutes is known where one side alone scored. These matches are no
    fair sample.
    """
    results = board.results(match.final_state())
    if match.order_known:
        return results
    return {key: row for key, row in results.items() if not key.partition("?")[0].endswith(_ORDER)}


def _add_profits(
    profits: _Profits,
    prefix: str,
    board: FixtureBoard,
    quotes: dict[str, tuple[Quote, ...]],
    results: dict[str, tuple[OutcomeResult, ...]],
) -> None:
    """Add what a bet on each quoted outcome brought, by market type and outcome."""
    for key, row in results.items():
        market_type = key.removeprefix("m/").partition("?")[0]
        for quote, outcome, result in zip(quotes[key], board.outcomes(key), row, strict=True):
            if quote.active:
                name = f"{prefix}{market_type} {outcome}"
                profits.setdefault(name, []).append(profit(quote.odds_milli, result))


def _add_returns(returns: Means, profits: _Profits) -> None:
    """Add the mean profit of one match's bets on each outcome."""
    for name, each in profits.items():
        returns.add(name, sum(each) / len(each))


def profit(odds_milli: int, result: OutcomeResult) -> float:
    """Return what a bet of one at these odds wins or loses."""
    void = result.void_halves / 2
    won = odds_milli / 1_000 * result.dead_heat_num / result.dead_heat_den if result.won else 0.0
    return (1.0 - void) * won + void - 1.0


def _add_leader(
    claims: Claims,
    minute: int,
    state: MatchState,
    chances: tuple[float, ...],
    results: tuple[OutcomeResult, ...],
) -> None:
    """Add whether the side one goal ahead won: apart where it was the underdog before."""
    home, away = state.score(Scope.REGULAR)
    if abs(home - away) == 1:
        leader = 0 if home > away else 2
        claims.add(f"{minute}' one ahead wins", chances[leader], came=results[leader].won)
        claims.add(f"{minute}' one behind wins", chances[2 - leader], came=results[2 - leader].won)
    elif home == away:
        claims.add(f"{minute}' level ends level", chances[1], came=results[1].won)


def _add_loss(
    losses: Means, name: str, chances: tuple[float, ...], results: tuple[OutcomeResult, ...]
) -> None:
    came = next(number for number, result in enumerate(results) if result.won)
    losses.add(name, log_loss(chances[came]))


def _goals(state: MatchState) -> int:
    return sum(state.score(Scope.REGULAR))
