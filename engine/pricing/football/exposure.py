"""A fixture's open bets as profit and loss over every score it can still come to.

Owns the way from markets' books to profit by score: what each outcome returns at each score, summed
over the fixture, kept up to date outcome by outcome. Says of each market that no score settles how
much it can lose by itself. Never changes a book, never quotes, and sees no bet: sums by outcome are
all that a profit is made of.

All amounts are in minor units of the book's base currency, from the house's side.
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
from engine.common.views import BookImage
from engine.pricing.chances import CHANCES
from engine.pricing.football.axes import PLACES, Axis, Scope
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.market_types import MarketRules, market_rules
from engine.pricing.football.model import Floats, Ints, MatchModel, MatchState
from engine.pricing.football.outcome_rules import OutcomeRule
from engine.pricing.football.score_cells import (
    FULL_SIDE,
    HALF_SIDE,
    Box,
    Goals,
    axis_values,
    box,
    over_halves,
    plainness,
)
from engine.pricing.lines import Line, MarketTypeError, line_result

GRID_MARKETS_MAX: Final = 1024
"""Markets of a fixture that stand on its grid; what comes later stands off it, each by itself."""

Why = Literal["order", "extra_time", "refunds", "room", "unknown"]
"""Why a market stands off the grid: who scores which goal settles it; extra time does, if there is
any; some of its bets were refunded; the grid is full; or it has no rules here."""

_DECIDED: Final = (Status.SETTLED, Status.CANCELLED)
_START: Final = MatchState()

assert 4 * GRID_MARKETS_MAX * LIMIT_MINOR_MAX < 1 << 62, "twice a grid's money fits 64 bits"


class Outlook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be said of a match; without a model no profit is expected."""

    state: MatchState = _START
    model: MatchModel | None = None


class OffGrid(NamedTuple):
    """A market that the score does not settle, and the most it can lose by itself.

    `worst_minor` is never above 0: every one of these may yet be refunded. Of a market with rules
    it is that of its worst ending; of one without (`unknown`), every outcome may win at once; and
    where `refunds` were made, any of its bets may be among them.
    """

    market_no: int
    key: str
    worst_minor: int
    why: Why


class Ending(NamedTuple):
    """A way to end: the score at the break and the final one, and the profit there.

    Among equals it is the one of the fewest goals.
    """

    first_half: Goals
    final: Goals
    profit_minor: int


class Profits(NamedTuple):
    """The profit at every score that the match can still come to.

    `least_minor[i, j]` is the profit at the final score `lowest` and i home and j away goals more:
    the least over all ways in which the halves can add up to it, of which there is one profit for
    all when no bet is on a half.
    """

    lowest: Goals
    least_minor: Ints
    worst: Ending
    best: Ending


class FixtureExposure:
    """The exposure of one football fixture. Not to be shared between threads.

    Parameters
    ----------
    fixture : str
        The fixture's part of its market keys. A key does not name its sport: who asks for the
        exposure of a fixture says that it is football.

    Notes
    -----
    An outcome's bets return, at a score, a multiple of their payout and one of their stake: a win
    the payout, a half win half of each, a push the stake, a half loss half the stake. So a market's
    return is linear in two sums for each outcome, and depends on the score through one axis only
    (``axes.py``). Kept are, for each axis, the returns by its values, in half units; a bet moves
    those of its own outcome, and the scores are laid out when somebody asks.

    Payouts are the book's, rounded down bet by bet. Half results are not rounded here, while each
    bet's own settlement is, in the house's favour: the profit stated is up to half a unit below the
    true one for each bet that half wins or half loses, and is itself rounded down.

    Only open bets count. What a settled or cancelled market made or lost is decided, and it leaves
    the exposure until it is rolled back. Where bets were cancelled by a window, the sums still hold
    what stands refunded (`refunds`).
    """

    def __init__(self, fixture: str) -> None:
        self.fixture: Final = fixture
        self._markets: dict[int, _Market] = {}
        self._on_grid = 0
        self._returned: dict[tuple[Scope, Axis], Ints] = {}
        """Twice what is returned, by the values of an axis."""
        self._staked = 0
        """Twice the stakes on the grid."""
        self._board: FixtureBoard | None = None

    def update(self, images: Iterable[BookImage]) -> int:
        """Take these markets' books as they stand now.

        Parameters
        ----------
        images : iterable of BookImage
            Some or all markets of the fixture, new ones too; those left out stay as they were.

        Returns
        -------
        int
            How many outcomes of the grid had changed: it is they that cost.
        """
        return sum(self._take(image) for image in images)

    @property
    def markets(self) -> int:
        """How many markets stand on the grid, with bets or without."""
        return sum(market.live for market in self._markets.values())

    @property
    def decided(self) -> int:
        """How many markets are settled or cancelled, and no longer count."""
        return sum(market.decided for market in self._markets.values())

    @property
    def stake_minor(self) -> int:
        """What is staked on the grid."""
        return self._staked // 2

    def off_grid(self) -> tuple[OffGrid, ...]:
        """Return the markets with open bets that the scores do not hold, by number."""
        return tuple(
            OffGrid(number, market.key, market.worst_minor(), market.why)
            for number, market in sorted(self._markets.items())
            if market.why and not market.decided and any(market.stake_minor)
        )

    @property
    def off_grid_worst_minor(self) -> int:
        """The most that all markets off the grid can lose, each at its worst at once."""
        return sum(market.worst_minor for market in self.off_grid())

    def profits(self, state: MatchState = _START) -> Profits:
        """Lay the scores out: some 65,536 ways to end before kick-off, fewer with every half.

        Parameters
        ----------
        state : MatchState
            Where the match stands; what can no longer happen is left out.
        """
        left = box(state)
        twice = self._twice(left)
        lowest = (
            left.first_home.start + left.second_home.start,
            left.first_away.start + left.second_away.start,
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
            _ending(twice, left, int(twice.min())),
            _ending(twice, left, int(twice.max())),
        )

    def expected_minor(self, model: MatchModel, state: MatchState) -> int | None:
        """Return the expected profit of the grid's markets, rounded down.

        It is taken from the chances with which boards are priced, so that it means of every market
        what its odds mean.

        Parameters
        ----------
        model : MatchModel
            What is believed of the match.
        state : MatchState
            What has happened in it.

        Returns
        -------
        int | None
            None when the model gives the score no chance (Dixon and Coles' dependence can).
        """
        live = [market for market in self._markets.values() if market.live]
        sure = f"{self.fixture}/1x2"
        keys = tuple(dict.fromkeys([sure, *(market.key for market in live)]))
        if self._board is None or self._board.keys != keys:
            self._board = FixtureBoard(keys)
        chances = self._board.chances(model, state)
        if not chances[sure].any():
            return None
        return floor(sum(market.expected_minor(chances[market.key]) for market in live))

    # --- keeping up ------------------------------------------------------------------------------

    def _take(self, image: BookImage) -> int:
        number = image.prices.market_no
        market = self._markets.get(number)
        if market is None:
            market = self._markets[number] = _Market(image, room=self._on_grid < GRID_MARKETS_MAX)
            self._on_grid += not market.apart
        market.decided = image.prices.status in _DECIDED
        market.refunded = image.windows > 0
        stakes, payouts = image.stake_minor, image.payout_minor
        market.stake_minor, market.payout_minor = stakes, payouts
        if not market.live:
            stakes = payouts = (Minor(0),) * len(stakes)
        if stakes == market.grid_stakes and payouts == market.grid_payouts:
            return 0
        changed = 0
        for outcome, rule in enumerate(market.rules):
            stake = stakes[outcome] - market.grid_stakes[outcome]
            payout = payouts[outcome] - market.grid_payouts[outcome]
            if stake or payout:
                changed += 1
                self._staked += 2 * stake
                by_payout, by_stake = _weights(rule)
                self._axis(market.scope, rule.axis)[:] += by_payout * payout + by_stake * stake
        market.grid_stakes, market.grid_payouts = stakes, payouts
        return changed

    def _axis(self, scope: Scope, axis: Axis) -> Ints:
        returned = self._returned.get((scope, axis))
        if returned is None:
            returned = self._returned[scope, axis] = np.zeros(PLACES[axis].size, np.int64)
        return returned

    # --- laying out ------------------------------------------------------------------------------

    def _twice(self, left: Box) -> Ints:
        """Return twice the profit by the goals of both halves, of those that are left."""
        regular = np.zeros((FULL_SIDE, FULL_SIDE), np.int64)
        first = np.zeros((HALF_SIDE, HALF_SIDE), np.int64)
        second = np.zeros((HALF_SIDE, HALF_SIDE), np.int64)
        grids = {Scope.REGULAR: regular, Scope.FIRST_HALF: first, Scope.SECOND_HALF: second}
        for (scope, axis), returned in self._returned.items():
            if scope is not Scope.HALVES:
                grids[scope] += returned[axis_values(scope, axis)]
        twice: Ints = self._staked - over_halves(regular)[left]
        twice -= first[left.first][:, :, None, None]
        twice -= second[left.second]
        for (scope, axis), returned in self._returned.items():
            if scope is Scope.HALVES:
                twice -= returned[axis_values(scope, axis)[left]]
        return twice


class _Market:
    """One market as last heard of; `grid_stakes` and `grid_payouts` are what the axes hold."""

    __slots__ = (
        "apart", "decided", "grid_payouts", "grid_stakes", "key", "payout_minor", "refunded",
        "rules", "scope", "stake_minor",
    )  # fmt: skip

    def __init__(self, image: BookImage, *, room: bool) -> None:
        prices = image.prices
        known = _rules_of(prices.key, prices.outcomes)
        self.key = prices.key
        self.rules: tuple[OutcomeRule, ...] = () if known is None else known.outcomes
        self.scope = Scope.REGULAR if known is None else known.scope
        self.apart: Why | Literal[""] = "" if room else "room"
        if known is None:
            self.apart = "unknown"
        elif known.needs_order:
            self.apart = "order"
        elif known.scope is Scope.EXTRA_TIME:
            self.apart = "extra_time"
        self.decided = False
        self.refunded = False
        self.stake_minor = self.payout_minor = (0,) * len(prices.outcomes)
        self.grid_stakes = self.grid_payouts = self.stake_minor

    @property
    def why(self) -> Why | Literal[""]:
        """Why it stands off the grid; empty: it does not."""
        return self.apart or ("refunds" if self.refunded else "")

    @property
    def live(self) -> bool:
        """Whether its bets count on the grid."""
        return not (self.why or self.decided)

    def worst_minor(self) -> int:
        """Return the most it can lose by itself: of its bets, any may be refunded."""
        pairs = list(zip(self.stake_minor, self.payout_minor, strict=True))
        if not self.rules:
            return -sum(max(payout - stake, 0) for stake, payout in pairs)
        size = PLACES[self.rules[0].axis].size
        lost = np.zeros(size, np.int64)
        for rule, (stake, payout) in zip(self.rules, pairs, strict=True):
            by_payout, by_stake = _weights(rule)
            returned = by_payout * payout + by_stake * stake - 2 * stake
            lost += np.maximum(returned, 0) if self.refunded else returned
        return min(0, int(-lost.max()) // 2)

    def expected_minor(self, chances: Floats) -> float:
        """Return the expected profit, from each outcome's chances in the order of layout.py."""
        stake = np.array(self.stake_minor, np.float64)
        payout = np.array(self.payout_minor, np.float64)
        half = (payout + stake) / 2
        returns = np.stack((payout, half, stake, stake / 2), axis=1)
        assert returns.shape[1] == CHANCES
        return float(stake.sum() - (chances * returns).sum())


def _rules_of(key: str, outcomes: tuple[str, ...]) -> MarketRules | None:
    """Return a market's rules, if it is of a football type and has that type's outcomes."""
    parsed = parse_market_key(key)
    try:
        rules = market_rules(parsed.type, parsed.specifiers)
    except MarketTypeError:
        return None
    return rules if tuple(rule.name for rule in rules.outcomes) == outcomes else None


@lru_cache(maxsize=1 << 12)
def _weights(rule: OutcomeRule) -> tuple[Ints, Ints]:
    """Return how often half the payout and half the stake come back, by the values of its axis."""
    place = PLACES[rule.axis]
    line = Line(*rule[2:])
    results = [line_result(line, place.first + at) for at in range(place.size)]
    by_payout = [(2 - result.void_halves) * result.won for result in results]
    by_stake = [result.void_halves for result in results]
    return np.array(by_payout, np.int64), np.array(by_stake, np.int64)


def _ending(twice: Ints, left: Box, profit: int) -> Ending:
    """Return the plainest cell of this profit."""
    order = np.where(twice == profit, plainness()[left], np.iinfo(np.int64).max)
    at = np.unravel_index(int(order.argmin()), twice.shape)
    home, away, more_home, more_away = (
        part.start + int(place) for part, place in zip(left, at, strict=True)
    )
    return Ending((home, away), (home + more_home, away + more_away), profit // 2)
