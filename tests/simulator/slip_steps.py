"""Draw a slip of several legs: accumulators, full covers, systems, bankers, ways, each-way.

Owns the shapes of slips. Some break a rule on purpose: two legs of one event in an accumulator, a
selection twice. The random numbers are the generator's.
"""

import random
from collections.abc import Mapping, Sequence

from tests.simulator.offers import choice
from tests.simulator.settings import currency_of
from tests.simulator.story import Layout, PlaceSlip, SlipLeg, SlipStake

_STAKES = (1, 7, 50, 100, 100, 333, 1_000)


class SlipSteps:
    """Draws slips on the markets of a world, at the odds that its story has set so far."""

    def __init__(
        self, rng: random.Random, layout: Layout, odds: Mapping[int, Sequence[int]]
    ) -> None:
        self._rng = rng
        self._layout = layout
        self._odds = odds

    def draw(self, *, at_ms: float, account: int, ref: str, gateway: int) -> PlaceSlip:
        """Return a slip."""
        rng = self._rng
        markets = list(range(1, self._layout.markets + 1))
        rng.shuffle(markets)
        chosen = markets if rng.random() < 0.15 else self._one_a_fixture(markets)
        chosen = chosen[: rng.choice((2, 2, 3, 3, 4, 5))]
        legs = [self._leg(market, position) for position, market in enumerate(chosen)]
        kind = rng.random()
        if kind < 0.15:
            legs = self._each_way(legs)
            half = len(legs) // 2
            stake = rng.choice(_STAKES)
            bets = tuple(
                SlipStake(stake, tuple(range(first, first + half)), (half,)) for first in (0, half)
            )
        else:
            bets = self._bets(len(legs))
            if kind < 0.35:
                legs += self._ways(legs)
        offer, free_bet = choice(
            ref, account=account, currency=currency_of(account), shards=self._layout.shards
        )
        return PlaceSlip(
            at_ms=at_ms,
            account=account,
            ref=ref,
            legs=tuple(legs),
            bets=bets,
            policy=rng.choice(("none", "higher", "higher", "any")),
            over=rng.choice(("legs", "legs", "combined")),
            gateway=gateway,
            offer=offer,
            free_bet=free_bet,
        )

    def _one_a_fixture(self, markets: Sequence[int]) -> list[int]:
        by_fixture = {self._layout.fixture_of(market): market for market in markets}
        return list(by_fixture.values())

    def _leg(self, market: int, position: int, outcome: int | None = None) -> SlipLeg:
        rng = self._rng
        outcome = rng.randrange(len(self._layout.odds)) if outcome is None else outcome
        odds = self._odds[market][outcome]
        if rng.random() < 0.06:
            odds = max(1_001, odds + rng.choice((-200, -10, 10, 300)))
        return SlipLeg(market, outcome, odds, position)

    def _each_way(self, legs: Sequence[SlipLeg]) -> list[SlipLeg]:
        """Return legs to win, and behind them as many on other outcomes of the same fixtures."""
        places = []
        for leg in legs:
            outcome = (leg.outcome + 1) % len(self._layout.odds)
            places.append(self._leg(leg.market, len(legs) + leg.position, outcome))
        return [*legs, *places]

    def _ways(self, legs: Sequence[SlipLeg]) -> list[SlipLeg]:
        """Return alternatives to one leg; now and then its own selection, which is refused."""
        leg = self._rng.choice(legs)
        step = self._rng.choice((1, 1, 1, 2, 2, 0))
        outcome = (leg.outcome + step) % len(self._layout.odds)
        return [self._leg(leg.market, leg.position, outcome)]

    def _bets(self, count: int) -> tuple[SlipStake, ...]:
        """Return the bets on so many positions: an accumulator, a full cover, or systems."""
        rng = self._rng
        every = tuple(range(count))
        stake = rng.choice(_STAKES)
        kind = rng.random()
        if kind < 0.45 or count < 2:
            return (SlipStake(stake, every, (count,)),)
        if kind < 0.65:  # Trixie, Yankee; Patent, Lucky 15
            return (SlipStake(stake, every, tuple(range(rng.choice((1, 2)), count + 1))),)
        if kind < 0.80:
            return (SlipStake(stake, every, (rng.randint(1, count),)),)
        if kind < 0.90:
            bankers = tuple(sorted(rng.sample(every, rng.randint(1, count - 1))))
            others = count - len(bankers)
            return (SlipStake(stake, every, (rng.randint(1, others),), bankers),)
        some = tuple(sorted(rng.sample(every, rng.randint(1, count))))
        return (
            SlipStake(stake, every, (count,)),
            SlipStake(rng.choice(_STAKES), some, (len(some),)),
        )
