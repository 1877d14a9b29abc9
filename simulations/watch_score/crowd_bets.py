"""The ordinary bets of a crowd over several matches.

Owns who follows which match and how busy each bettor is, and the times of their bets. Ordinary
bettors choose by their profile alone: they know nothing of goals before the house, nor of each
other. After a resumption many bet at once.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.common.ids import AccountNo, MarketNo
from engine.common.units import Minor, OddsMilli
from engine.watch.facts import BetSeen
from simulations.crowd import BEHAVIOURS, Bettor, Profile, draw_orders
from simulations.watch_score.played import BEFORE_S, PlayedMatch, Prices

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Random = np.random.Generator

_BEFORE_SHARE: Final = 0.35
"""Share of a match's bets that are placed before kick-off."""
_FOLLOWS: Final = 0.3
"""Share of all bettors that follow a match."""
_BUSY_SPREAD: Final = 0.8
"""Standard deviation of the logarithm of how often a bettor bets."""
_REACTIONS: Final = 0.02
"""Bets after each resumption, as a share of the match's; they come within about a minute."""
_REACTION_S: Final = 20.0


class Crowd:
    """Bettors that place ordinary bets.

    Parameters
    ----------
    bettors : list of Bettor
        Who they are.
    rng : Generator
        Draws everything.
    """

    def __init__(self, bettors: list[Bettor], *, rng: Random) -> None:
        self._rng: Final = rng
        self._accounts: Final = np.array([bettor.account_no for bettor in bettors], np.int64)
        self._profiles: Final = np.array([bettor.profile for bettor in bettors], np.int64)
        self._busy: Final = np.exp(_BUSY_SPREAD * rng.standard_normal(len(bettors)))
        self.rates: Final = np.array(
            [
                (self._profiles == profile).sum()
                * (1 + BEHAVIOURS[profile].bets_max)
                / BEHAVIOURS[profile].think_s
                for profile in Profile
            ]
        )

    def bets(self, match: PlayedMatch, *, count: int) -> Iterator[BetSeen]:
        """Yield about `count` bets on a match; those while it is suspended are refused."""
        follows = self._rng.random(len(self._accounts)) < _FOLLOWS
        followers = {
            profile: (
                self._accounts[mine := follows & (self._profiles == profile)],
                np.cumsum(self._busy[mine]),
            )
            for profile in Profile
        }
        weights = self.rates / self.rates.sum()
        for prices, begin_s, end_s in match.spans():
            before = begin_s < 0
            share = _BEFORE_SHARE if before else 1.0 - _BEFORE_SHARE
            whole_s = BEFORE_S if before else match.end_s
            bets = self._rng.poisson(count * share * (end_s - begin_s) / whole_s)
            times = self._rng.uniform(begin_s, end_s, bets)
            yield from self._draw(match, prices, times, weights, followers)
        reacting = weights * (1.0 + 4.0 * (np.arange(len(weights)) == Profile.CHASER))
        for _, resumed_s in match.closed:
            times = resumed_s + self._rng.exponential(
                _REACTION_S, self._rng.poisson(count * _REACTIONS)
            )
            times = np.sort(times[times < match.end_s])
            for prices, group in groupby(times.tolist(), key=match.prices_at):
                mixed = self._rng.permutation(list(group))  # `_draw` takes profiles in order
                yield from self._draw(match, prices, mixed, reacting / reacting.sum(), followers)

    def _draw(
        self,
        match: PlayedMatch,
        prices: Prices,
        times: Floats,
        weights: Floats,
        followers: dict[Profile, tuple[Ints, Floats]],
    ) -> Iterator[BetSeen]:
        counts = self._rng.multinomial(len(times), weights).tolist()
        used = 0
        for profile, wanted in zip(Profile, counts, strict=True):
            accounts, busy = followers[profile]
            if not wanted or not len(accounts):
                continue
            orders = draw_orders(profile, prices.board, count=wanted, rng=self._rng)
            who = np.searchsorted(busy, self._rng.random(len(orders.outcome)) * busy[-1])
            for n, account in enumerate(accounts[who].tolist()):
                at_s = float(times[used + n])
                yield BetSeen(
                    match.at_ns(at_s),
                    match.fixture,
                    MarketNo(int(orders.market_no[n])),
                    int(orders.outcome[n]),
                    AccountNo(account),
                    Minor(int(orders.stake_minor[n])),
                    OddsMilli(int(orders.odds_milli[n])),
                    match.is_open(at_s),
                )
            used += wanted
