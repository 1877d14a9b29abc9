"""What is planted among the ordinary bets, and where.

Owns the drawing of syndicates, court-siders, sharp accounts, identical bets, bursts and wrong odds.
Planted accounts are accounts of the crowd: they place its ordinary bets as well.
"""

from collections.abc import Iterator
from typing import Annotated, Final, NamedTuple

import numpy as np
from msgspec import Meta, Struct

from engine.common.ids import AccountNo, MarketNo
from engine.common.units import Minor, Nanos, OddsMilli
from engine.watch.facts import BetSeen, Fact
from simulations.watch_score.played import BEFORE_S, PlayedMatch, Prices

Random = np.random.Generator

_APART_S: Final = (1.0, 5.0)
"""Mean seconds by which a syndicate's members follow its signal: between these by syndicate."""
_JOINS: Final = (0.5, 0.9)
"""Share of its occasions that a member of a syndicate takes part in: likewise."""
_KNOWS: Final = (0.05, 0.4)
"""Share of goals at which a court-sider tries to bet: between these by account."""
_GOAL_REACTION_S: Final = 1.0
_SHARP_FIXTURES: Final = 0.7
"""Share of the matches that a sharp account bets on."""
_SHARP_ABOVE: Final = 1.03
"""How far above the closing odds a sharp account's odds are, at least."""
_MIDDLING: Final = (1_200, 8_000)
"""Odds of the selections on which something is planted."""


class Planting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is planted in one scene, beside the ordinary bets."""

    syndicates: Annotated[int, Meta(ge=0, le=100)] = 4
    syndicate_accounts: tuple[int, int] = (3, 6)
    occasions: tuple[int, int] = (8, 30)
    court_siders: Annotated[int, Meta(ge=0, le=1_000)] = 8
    sharps: Annotated[int, Meta(ge=0, le=1_000)] = 10
    identical: Annotated[int, Meta(ge=0, le=1_000)] = 12
    bursts: Annotated[int, Meta(ge=0, le=1_000)] = 16
    errors: Annotated[int, Meta(ge=0, le=1_000)] = 16


class Plant(NamedTuple):
    """One planted thing: what a detector should name, and when."""

    detector: str
    subject: tuple[object, ...]
    begin_ns: Nanos = Nanos(0)
    end_ns: Nanos = Nanos(1 << 62)


class _Occasion(NamedTuple):
    """A time in a match, and a selection with its odds."""

    match: PlayedMatch
    at_s: float
    market_no: MarketNo
    outcome: int
    odds_milli: OddsMilli


class Planter:
    """Draw what is planted in a list of matches.

    Parameters
    ----------
    planting : Planting
        How much.
    matches : list of PlayedMatch
        Where.
    accounts : list of AccountNo
        The crowd's accounts, from which the planted ones are taken.
    rng : Generator
        Draws everything.
    """

    def __init__(
        self,
        planting: Planting,
        matches: list[PlayedMatch],
        *,
        accounts: list[AccountNo],
        rng: Random,
    ) -> None:
        self._planting: Final = planting
        self._matches: Final = matches
        self._rng: Final = rng
        self._all: Final = accounts
        self._unused: Final = rng.permutation(accounts).tolist()
        self.plants: list[Plant] = []

    def facts(self) -> Iterator[Fact]:
        """Yield the planted facts, in no order; `plants` is complete afterwards."""
        planting = self._planting
        for _ in range(planting.syndicates):
            yield from self._syndicate()
        for _ in range(planting.court_siders):
            yield from self._court_sider()
        for _ in range(planting.sharps):
            yield from self._sharp()
        for _ in range(planting.identical):
            yield from self._identical()
        for _ in range(planting.bursts):
            yield from self._burst()
        for _ in range(planting.errors):
            yield from self._error()
        for match in self._matches:
            for goal in match.goals:
                if goal.missed:
                    score = match.match.score_at(goal.goal_s)
                    subject = (match.fixture, f"{score.home}-{score.away}")
                    self.plants.append(Plant("no_bet_stop", subject))

    def _syndicate(self) -> Iterator[BetSeen]:
        low, high = self._planting.syndicate_accounts
        members = [self._take() for _ in range(int(self._rng.integers(low, high, endpoint=True)))]
        self.plants += [Plant("syndicate", (account,)) for account in members]
        apart_s, joins = self._rng.uniform(*_APART_S), self._rng.uniform(*_JOINS)
        low, high = self._planting.occasions
        for _ in range(int(self._rng.integers(low, high, endpoint=True))):
            at, stake_minor = self._occasion(calm_s=30.0), self._stake()
            for account in members:
                if self._rng.random() < joins:
                    stake = int(stake_minor * self._rng.uniform(0.8, 1.2))
                    yield _bet(at, at.at_s + self._rng.exponential(apart_s), account, stake)

    def _court_sider(self) -> Iterator[BetSeen]:
        """Bet between a goal and its suspension; the house's odds do not know of the goal."""
        account = self._take()
        self.plants.append(Plant("late_bets", (account,)))
        knows = self._rng.uniform(*_KNOWS)
        for match in self._matches:
            for goal in match.goals:
                if self._rng.random() >= knows:
                    continue
                at_s = goal.goal_s + self._rng.exponential(_GOAL_REACTION_S)
                if at_s < goal.suspended_s:
                    prices = match.prices_at(at_s)
                    at = int(self._rng.integers(len(prices.board)))
                    yield _bet(_selection(match, at_s, prices, at), at_s, account, self._stake())

    def _sharp(self) -> Iterator[BetSeen]:
        """Bet before kick-off where the odds are above what the closing odds will be."""
        account = self._take()
        self.plants.append(Plant("closing_value", (account,)))
        for match in self._matches:
            if self._rng.random() >= _SHARP_FIXTURES:
                continue
            closing = _odds_by_selection(match.prices_at(0.0))
            at_s = float(self._rng.uniform(-BEFORE_S + 1.0, -60.0))
            prices = match.prices_at(at_s)
            better = [
                at
                for at, (selection, odds_milli) in enumerate(_odds_by_selection(prices).items())
                if odds_milli >= _SHARP_ABOVE * closing.get(selection, odds_milli)
            ]
            for at in self._rng.permutation(better)[:2].tolist():
                yield _bet(_selection(match, at_s, prices, at), at_s, account, self._stake())

    def _identical(self) -> Iterator[BetSeen]:
        at, stake_minor = self._occasion(), self._stake()
        self._plant("identical", at, at.at_s + 120.0)
        for account in self._several(4, 15):
            yield _bet(at, at.at_s + self._rng.uniform(0.0, 40.0), account, stake_minor)

    def _burst(self) -> Iterator[BetSeen]:
        at = self._occasion()
        self._plant("pace", at, at.at_s + 180.0)
        for account in self._several(20, 60):
            yield _bet(at, at.at_s + self._rng.uniform(0.0, 60.0), account, self._stake())

    def _error(self) -> Iterator[Fact]:
        """Set one outcome's odds wrong for a while; a few bettors notice."""
        while True:
            at = self._occasion()
            end_s = at.at_s + self._rng.uniform(10.0, 40.0)
            if at.match.prices_at(at.at_s) is at.match.prices_at(end_s):
                break  # no repricing would correct it before
        self._plant("odds_apart", at, end_s)
        right = at.match.prices_at(at.at_s).odds[at.market_no]
        wrong = OddsMilli(int(at.odds_milli * self._rng.uniform(1.2, 3.0)))
        odds_milli = (*right.odds_milli[: at.outcome], wrong, *right.odds_milli[at.outcome + 1 :])
        yield right._replace(at_ns=at.match.at_ns(at.at_s), odds_milli=odds_milli)
        corrected = at.match.prices_at(end_s).odds[at.market_no]
        yield corrected._replace(at_ns=at.match.at_ns(end_s))
        for account in self._several(2, 6):
            when_s = self._rng.uniform(at.at_s, end_s)
            yield _bet(at, when_s, account, self._stake())._replace(odds_milli=wrong)

    # --- draws -----------------------------------------------------------------------------------

    def _take(self) -> AccountNo:
        return AccountNo(int(self._unused.pop()))

    def _several(self, low: int, high: int) -> list[AccountNo]:
        """Draw accounts of the crowd, of which some may be planted for something else."""
        count = int(self._rng.integers(low, high, endpoint=True))
        drawn = self._rng.choice(self._all, count, replace=False).tolist()
        return [AccountNo(account) for account in drawn]

    def _stake(self) -> int:
        return 50 * int(self._rng.integers(10, 200))

    def _occasion(self, *, calm_s: float = 0.0) -> _Occasion:
        """Draw a time at which a match is open, and a selection at middling odds."""
        while True:
            match = self._matches[int(self._rng.integers(len(self._matches)))]
            at_s = float(self._rng.uniform(-BEFORE_S + 60.0, match.end_s - 120.0))
            prices = match.prices_at(at_s)
            odds = prices.board.odds_milli
            middling = np.flatnonzero((odds > _MIDDLING[0]) & (odds < _MIDDLING[1]))
            times = (at_s - calm_s, at_s, at_s + 20.0, at_s + 40.0)
            if len(middling) and all(match.is_open(second) for second in times):
                return _selection(match, at_s, prices, int(self._rng.choice(middling)))

    def _plant(self, detector: str, at: _Occasion, end_s: float) -> None:
        """Note an incident on the occasion's selection, from its time on."""
        subject = (at.market_no, at.outcome)
        begin_ns, end_ns = at.match.at_ns(at.at_s), at.match.at_ns(end_s)
        self.plants.append(Plant(detector, subject, begin_ns, end_ns))


def _bet(at: _Occasion, at_s: float, account: AccountNo, stake_minor: int) -> BetSeen:
    """Return a bet on the occasion's selection, later or earlier than it."""
    return BetSeen(
        at.match.at_ns(at_s),
        at.match.fixture,
        at.market_no,
        at.outcome,
        account,
        Minor(stake_minor),
        at.odds_milli,
        at.match.is_open(at_s),
    )


def _selection(match: PlayedMatch, at_s: float, prices: Prices, at: int) -> _Occasion:
    board = prices.board
    return _Occasion(
        match,
        at_s,
        MarketNo(int(board.market_no[at])),
        int(board.outcome[at]),
        OddsMilli(int(board.odds_milli[at])),
    )


def _odds_by_selection(prices: Prices) -> dict[tuple[int, int], int]:
    """Return the odds of all selections on offer, in the board's order."""
    board = prices.board
    columns = (board.market_no.tolist(), board.outcome.tolist(), board.odds_milli.tolist())
    return {
        (market_no, outcome): odds_milli
        for market_no, outcome, odds_milli in zip(*columns, strict=True)
    }
