"""What the house loses on the markets of a fixture by its final score, in plain Python.

Owns its own idea of which score pays which outcome, and of what an open bet counts. Takes nothing
from the engine's grid: neither its codes nor its cells.
"""

from collections.abc import Callable, Iterable
from typing import Any

_GOALS = range(10)
_ONE = 1_000_000
_Wins = Callable[[int, int], bool]
_WINS: dict[str, tuple[_Wins, ...]] = {
    "1x2": (
        lambda home, away: home > away,
        lambda home, away: home == away,
        lambda home, away: home < away,
    ),
    "double_chance": (
        lambda home, away: home >= away,
        lambda home, away: home != away,
        lambda home, away: home <= away,
    ),
}
"""By a market's key without its fixture: at which scores each outcome wins."""


def fixture_of(key: str) -> str:
    return key.partition("/")[0]


def worst_minor(markets: Iterable[Any], *, more: Any = None) -> int:
    """Return what the house loses at the worst final score, with one bet `more`; a profit is < 0.

    A market that no score settles can be lost by its worst outcome at any score.
    """
    beside = staked = 0
    paid: list[tuple[_Wins, int]] = []
    for market in markets:
        taken, payouts = _open(market, more)
        wins = _WINS.get(market.key.partition("/")[2])
        if wins is None:
            beside += max(0, max(payouts) - taken)
        else:
            staked += taken
            paid += zip(wins, payouts, strict=True)
    by_score = (
        sum(payout for wins, payout in paid if wins(home, away))
        for home in _GOALS
        for away in _GOALS
    )
    return max(by_score) - staked + beside


def _open(market: Any, more: Any) -> tuple[int, list[int]]:
    """Return what a market has taken on open bets, and what each outcome pays, in base currency.

    A stake counts rounded down, what can be won on it rounded up.
    """
    taken, payouts = 0, [0] * len(market.odds)
    bets = [bet for bet in market.bets if market.back(bet) is None]
    if more is not None and more.market == market.number:
        bets.append(more)
    for bet in bets:
        base = bet.stake * bet.rate // _ONE
        won = bet.stake * market.odds_of(bet) // 1_000 - bet.stake
        taken += base
        payouts[bet.outcome] += base - -won * bet.rate // _ONE
    return taken, payouts
