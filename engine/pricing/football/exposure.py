"""The profit of a football fixture's open bets at every score that it can still reach.

Owns the way from the books of markets to profit by score: the returns of each outcome at each
score, summed over the fixture and updated outcome by outcome. For each market that the score does
not settle, it states the most that the market can lose by itself. Never changes a book, never
quotes, and never sees a bet: sums by outcome determine every profit.

All amounts are in minor units of the book's base currency, from the bookmaker's side.
"""

from collections.abc import Iterable
from functools import lru_cache
from math import floor
from typing import Final, Literal, NamedTuple

import numpy as np
from msgspec import Struct

from engine.common.ids import parse_market_key
from engine.common.lifecycle import Status
from engine.common.units import LIMIT_MINOR_MAX, Minor
from engine.common.views import StakesImage
from engine.pricing.chances import CHANCES
from engine.pricing.football.axes import AXIS_SPECS, Axis, Scope
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.market_types import MarketRules, market_rules
from engine.pricing.football.model import Floats, Ints, MatchModel, MatchState
from engine.pricing.football.outcome_rules import OutcomeRule
from engine.pricing.football.score_cells import (
    FULL_SIDE,
    HALF_SIDE,
    Goals,
    ReachableCells,
    axis_values,
    by_half_goals,
    reachable_cells,
    tie_break_order,
)
from engine.pricing.lines import Line, MarketTypeError, line_result

GRID_MARKETS_MAX: Final = 1024
"""Most markets of a fixture on its grid of scores; later markets stay off the grid."""

OffGridReason = Literal["order", "extra_time", "room", "unknown"]
"""Why a market is off the grid: the order of goals settles it; extra time settles it, if there is
any; the grid is full; or football's rules do not include it."""

_DECIDED: Final = (Status.SETTLED, Status.CANCELLED)
_START: Final = MatchState()

assert 4 * GRID_MARKETS_MAX * LIMIT_MINOR_MAX < 1 << 62, (
    "twice the amounts of a full grid fit 64 bits"
)


class Outlook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state and the model of a match; without a model there is no expected profit."""

    state: MatchState = _START
    model: MatchModel | None = None


class OffGrid(NamedTuple):
    """A market that the score does not settle, and the most that it can lose by itself.

    `worst_minor` is never above 0, since every such market may still be refunded. For a market with
    rules it is the profit at its worst ending. A market without rules (`unknown`) is taken to win
    on every outcome at once.
    """

    market_no: int
    key: str
    worst_minor: int
    why: OffGridReason


class Ending(NamedTuple):
    """A half-time score, a final score and the profit there.

    Among endings of equal profit it is the one with the fewest goals.
    """

    first_half: Goals
    final: Goals
    profit_minor: int


class Profits(NamedTuple):
    """The profit at every score that the match can still reach.

    `least_minor[i, j]` is the profit at the final score of `lowest` plus i home and j away goals:
    the least over all half-time scores that can lead to it. Without bets on a half the profit is
    the same for all of them.
    """

    lowest: Goals
    least_minor: Ints
    worst: Ending
    best: Ending


class FixtureExposure:
    """The exposure of one football fixture. Threads must not share an instance.

    Parameters
    ----------
    fixture : str
        The fixture's part of its market keys. A key does not name its sport: the caller vouches
        that the fixture is football.

    Notes
    -----
    At a score, the bets on an outcome return a multiple of their payout and a multiple of their
    stake: the payout for a win, half of each for a half win, the stake for a push, half the stake
    for a half loss. So the return of an outcome is linear in two sums and depends on the score
    through one axis only (``axes.py``). An instance keeps, for each axis, the returns by its
    values, in half minor units. A bet changes those of its own outcome; `profits` lays out the
    scores on demand.

    Payouts are the book's, rounded down bet by bet. Half results are not rounded here, while each
    bet's own settlement is rounded in the bookmaker's favour. So the stated profit is up to half a
    minor unit below the true one for each bet that half wins or half loses, and is itself rounded
    down.

    Only open bets count. The profit of a settled or cancelled market is decided, so the market
    leaves the exposure until its settlement or cancellation is rolled back. Bets of a cancelled
    window have left the book's sums.
    """

    def __init__(self, fixture: str) -> None:
        self.fixture: Final = fixture
        self._markets: dict[int, _Market] = {}
        self._on_grid = 0
        self._twice_returned: dict[tuple[Scope, Axis], Ints] = {}
        """Twice the returns, by the values of an axis."""
        self._twice_staked = 0
        """Twice the stakes on the grid."""
        self._board: FixtureBoard | None = None

    def update(self, images: Iterable[StakesImage]) -> int:
        """Update the exposure from what is staked in some markets now.

        Parameters
        ----------
        images : iterable of StakesImage
            Some or all markets of the fixture, new ones included; the others keep their last book.

        Returns
        -------
        int
            How many outcomes on the grid changed; each costs one pass over its axis.
        """
        return sum(self._update_market(image) for image in images)

    @property
    def markets(self) -> int:
        """How many markets are on the grid, with bets or without."""
        return sum(market.on_grid for market in self._markets.values())

    @property
    def decided(self) -> int:
        """How many markets are settled or cancelled and no longer count."""
        return sum(market.decided for market in self._markets.values())

    @property
    def stake_minor(self) -> int:
        """The stakes of the markets on the grid."""
        return self._twice_staked // 2

    def off_grid(self) -> tuple[OffGrid, ...]:
        """Return the markets off the grid that have open bets, by number."""
        return tuple(
            OffGrid(number, market.key, market.worst_minor(), market.why)
            for number, market in sorted(self._markets.items())
            if market.why and not market.decided and any(market.stake_minor)
        )

    @property
    def off_grid_worst_minor(self) -> int:
        """The profit of all markets off the grid, each at its worst at the same time: at most 0."""
        return sum(market.worst_minor for market in self.off_grid())

    def profits(self, state: MatchState = _START) -> Profits:
        """Return the profit at every reachable score: 65,536 cells before kick-off, fewer later.

        Parameters
        ----------
        state : MatchState
            The state of the match; scores that it can no longer reach are left out.
        """
        cells = reachable_cells(state)
        twice = self._twice_profit(cells)
        lowest = (
            cells.first_home.start + cells.second_home.start,
            cells.first_away.start + cells.second_away.start,
        )
        rows, columns = twice.shape[2:]
        shape = (twice.shape[0] + rows - 1, twice.shape[1] + columns - 1)
        least = np.full(shape, np.iinfo(np.int64).max, np.int64)
        for i, j in np.ndindex(twice.shape[:2]):
            part = least[i : i + rows, j : j + columns]
            np.minimum(part, twice[i, j], out=part)
        return Profits(
            lowest,
            least // 2,
            _ending(twice, cells, int(twice.min())),
            _ending(twice, cells, int(twice.max())),
        )

    def expected_minor(self, model: MatchModel, state: MatchState) -> int | None:
        """Return the expected profit of the grid's markets, rounded down.

        It uses the chances that price the board, so a market's expected profit and its odds follow
        from the same probabilities.

        Parameters
        ----------
        model : MatchModel
            Rates, dependence and intensity of the match.
        state : MatchState
            Period, clock, goals and red cards so far.

        Returns
        -------
        int | None
            None when the model gives the score chance 0 (Dixon and Coles' dependence can do that).
        """
        on_grid = [market for market in self._markets.values() if market.on_grid]
        reference = f"{self.fixture}/1x2"
        keys = tuple(dict.fromkeys([reference, *(market.key for market in on_grid)]))
        if self._board is None or self._board.keys != keys:
            self._board = FixtureBoard(keys)
        chances = self._board.chances(model, state)
        if not chances[reference].any():
            return None
        return floor(sum(market.expected_minor(chances[market.key]) for market in on_grid))

    # --- updates ---------------------------------------------------------------------------------

    def _update_market(self, image: StakesImage) -> int:
        number = image.market_no
        market = self._markets.get(number)
        if market is None:
            market = self._markets[number] = _Market(
                image, has_room=self._on_grid < GRID_MARKETS_MAX
            )
            self._on_grid += not market.why
        market.decided = image.status in _DECIDED
        stakes, payouts = image.stake_minor, image.payout_minor
        market.stake_minor, market.payout_minor = stakes, payouts
        if not market.on_grid:
            stakes = payouts = (Minor(0),) * len(stakes)
        if stakes == market.grid_stakes and payouts == market.grid_payouts:
            return 0
        changed = 0
        for outcome, rule in enumerate(market.rules):
            stake = stakes[outcome] - market.grid_stakes[outcome]
            payout = payouts[outcome] - market.grid_payouts[outcome]
            if stake or payout:
                changed += 1
                self._twice_staked += 2 * stake
                by_payout, by_stake = _return_weights(rule)
                self._axis_returns(market.scope, rule.axis)[:] += (
                    by_payout * payout + by_stake * stake
                )
        market.grid_stakes, market.grid_payouts = stakes, payouts
        return changed

    def _axis_returns(self, scope: Scope, axis: Axis) -> Ints:
        returned = self._twice_returned.get((scope, axis))
        if returned is None:
            returned = self._twice_returned[scope, axis] = np.zeros(AXIS_SPECS[axis].size, np.int64)
        return returned

    # --- profits ---------------------------------------------------------------------------------

    def _twice_profit(self, cells: ReachableCells) -> Ints:
        """Return twice the profit of the reachable cells, by the goals of both halves."""
        regular = np.zeros((FULL_SIDE, FULL_SIDE), np.int64)
        first = np.zeros((HALF_SIDE, HALF_SIDE), np.int64)
        second = np.zeros((HALF_SIDE, HALF_SIDE), np.int64)
        grids = {Scope.REGULAR: regular, Scope.FIRST_HALF: first, Scope.SECOND_HALF: second}
        for (scope, axis), returned in self._twice_returned.items():
            if scope is not Scope.HALVES:
                grids[scope] += returned[axis_values(scope, axis)]
        twice: Ints = self._twice_staked - by_half_goals(regular)[cells]
        twice -= first[cells.first][:, :, None, None]
        twice -= second[cells.second]
        for (scope, axis), returned in self._twice_returned.items():
            if scope is Scope.HALVES:
                twice -= returned[axis_values(scope, axis)[cells]]
        return twice


class _Market:
    """A market's last book; `grid_stakes` and `grid_payouts` are its part of the axes' returns."""

    __slots__ = (
        "decided", "grid_payouts", "grid_stakes", "key", "payout_minor", "rules", "scope",
        "stake_minor", "why",
    )  # fmt: skip

    def __init__(self, image: StakesImage, *, has_room: bool) -> None:
        known = _rules_of(image.key, image.outcomes)
        self.key = image.key
        self.rules: tuple[OutcomeRule, ...] = () if known is None else known.outcomes
        self.scope = Scope.REGULAR if known is None else known.scope
        self.why: OffGridReason | Literal[""] = "" if has_room else "room"
        """Why the market is off the grid; empty when it is on the grid."""
        if known is None:
            self.why = "unknown"
        elif known.needs_order:
            self.why = "order"
        elif known.scope is Scope.EXTRA_TIME:
            self.why = "extra_time"
        self.decided = False
        self.stake_minor = self.payout_minor = (0,) * len(image.outcomes)
        self.grid_stakes = self.grid_payouts = self.stake_minor

    @property
    def on_grid(self) -> bool:
        """Whether the market's bets count on the grid."""
        return not (self.why or self.decided)

    def worst_minor(self) -> int:
        """Return the profit at the market's worst ending, at most 0: it may still be refunded."""
        pairs = list(zip(self.stake_minor, self.payout_minor, strict=True))
        if not self.rules:
            return -sum(max(payout - stake, 0) for stake, payout in pairs)
        size = AXIS_SPECS[self.rules[0].axis].size
        lost = np.zeros(size, np.int64)
        for rule, (stake, payout) in zip(self.rules, pairs, strict=True):
            by_payout, by_stake = _return_weights(rule)
            returned = by_payout * payout + by_stake * stake - 2 * stake
            lost += returned
        return min(0, int(-lost.max()) // 2)

    def expected_minor(self, chances: Floats) -> float:
        """Return the expected profit from each outcome's chances, in the order of chances.py."""
        stake = np.array(self.stake_minor, np.float64)
        payout = np.array(self.payout_minor, np.float64)
        half = (payout + stake) / 2
        returns = np.stack((payout, half, stake, stake / 2), axis=1)
        assert returns.shape[1] == CHANCES
        return float(stake.sum() - (chances * returns).sum())


def _rules_of(key: str, outcomes: tuple[str, ...]) -> MarketRules | None:
    """Return a market's rules if it has a football type and that type's outcomes, else None."""
    parsed = parse_market_key(key)
    try:
        rules = market_rules(parsed.type, parsed.specifiers)
    except MarketTypeError:
        return None
    return rules if tuple(rule.name for rule in rules.outcomes) == outcomes else None


@lru_cache(maxsize=1 << 12)
def _return_weights(rule: OutcomeRule) -> tuple[Ints, Ints]:
    """Return the multiples of half the payout and half the stake returned, by the axis's values."""
    spec = AXIS_SPECS[rule.axis]
    line = Line(*rule[2:])
    results = [line_result(line, spec.first + at) for at in range(spec.size)]
    by_payout = [(2 - result.void_halves) * result.won for result in results]
    by_stake = [result.void_halves for result in results]
    return np.array(by_payout, np.int64), np.array(by_stake, np.int64)


def _ending(twice: Ints, cells: ReachableCells, profit: int) -> Ending:
    """Return the first cell of this profit in the tie-break order."""
    order = np.where(twice == profit, tie_break_order()[cells], np.iinfo(np.int64).max)
    at = np.unravel_index(int(order.argmin()), twice.shape)
    first_home, first_away, second_home, second_away = (
        goals.start + int(offset) for goals, offset in zip(cells, at, strict=True)
    )
    final = (first_home + second_home, first_away + second_away)
    return Ending((first_home, first_away), final, profit // 2)
