"""Our odds never exceed the exchange's price that the setting names, whatever happens between."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.common.commands import CreateMarket, Limits
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS, ODDS_MILLI_MAX, ODDS_MILLI_MIN, Nanos
from engine.common.views import PriceImage
from engine.market.market import MarketMachine
from engine.pricing.following import Follow, Followed, follow_commands
from engine.pricing.quoting import Margin
from gateway.feeds.core.adapter import MarketUpdate, Received
from gateway.feeds.exchange.adapter import ExchangeAdapter
from gateway.feeds.exchange.fair_price import (
    FairMarket,
    FairRules,
    OddsAtMost,
    RunnerPrices,
    highest_odds_milli,
    is_lowered,
    moved_by,
)
from gateway.feeds.exchange.settings import ExchangeSettings
from tests.gateway.feeds.exchange.builders import PRICES, definition, mcm, runner

NO_MARGIN = Margin(book_milli=1_000, capped=False)
"""Odds as long as the estimate allows, and half a step of the ladder longer."""
MARKET = MarketNo(1)
RUNNERS = (1, 2)


class TwoRunners:
    """A market of two runners that follows an exchange's messages a millisecond apart."""

    def __init__(self, *, odds_at_most: OddsAtMost, margin: Margin = NO_MARGIN) -> None:
        # Prices that add up badly give the longest odds, so that all of them are followed.
        fair = FairRules(
            odds_at_most=odds_at_most, sum_low=0.5, sum_high=2.0, spread_max=1.0, ratio_max=1_000.0
        )
        self.adapter = ExchangeAdapter(settings=ExchangeSettings(fair=fair))
        self.machine = MarketMachine()
        self.margin = margin
        self.pt = 1
        self.created = False
        names = [runner(number, name=f"Runner {number}") for number in RUNNERS]
        self._receive({"marketDefinition": definition(*names)})

    @property
    def image(self) -> PriceImage | None:
        """The market's odds while it is open."""
        image = self.machine.price_image(MARKET) if self.created else None
        return image if image is not None and image.status == Status.ACTIVE else None

    def change(self, number: int, *, back: float, lay: float, last: float, size: float) -> None:
        moved = {"id": number, "batb": [[0, back, size]], "batl": [[0, lay, 50.0]], "ltp": last}
        if not back:
            moved["batb"] = [[0, 0, 0]]
        if not lay:
            moved["batl"] = [[0, 0, 0]]
        self._receive({"rc": [moved]})

    def _receive(self, fields: dict[str, Any]) -> None:
        self.pt += 1
        at_ns = Nanos(self.pt * NS_PER_MS)
        body = mcm({"id": "1.5", **fields}, pt=self.pt)
        self._carry_out(self.adapter.receive(body, at_ns=at_ns), at_ns)

    def _carry_out(self, received: Received, at_ns: Nanos) -> None:
        assert received.refused == ""
        for action in received.actions:
            assert isinstance(action, MarketUpdate)
            if not self.created:
                assert action.new_market is not None
                command = CreateMarket(
                    market_no=MARKET,
                    key=action.key,
                    outcomes=action.new_market.outcomes,
                    odds_milli=(ODDS_MILLI_MIN,) * len(RUNNERS),
                    limits=Limits(),
                    offered=False,
                )
                self.machine.apply(command, at_ns)
                self.created = True
            steps = tuple(replace(step, market_no=MARKET) for step in action.steps)
            followed = Followed(market_no=MARKET, mark=action.mark, steps=steps, fair=action.fair)
            request = Follow(by="feed", updates=(followed,), margin=self.margin)
            commands, refused = follow_commands(request, self.machine)
            assert refused == []
            for command in commands:
                self.machine.apply(command, at_ns)


@st.composite
def changes(draw: st.DrawFn) -> tuple[int, float, float, float, float]:
    at = draw(st.integers(40, 140))
    back = PRICES[at - draw(st.integers(1, 12))] if draw(st.integers(0, 9)) else 0.0
    lay = PRICES[at + draw(st.integers(0, 12))] if draw(st.integers(0, 9)) else 0.0
    last = PRICES[at + draw(st.integers(-15, 15))]
    return draw(st.sampled_from(RUNNERS)), back, lay, last, draw(st.sampled_from((2.0, 50.0, 5e4)))


@settings(max_examples=300, deadline=None)
@given(st.lists(changes(), min_size=2, max_size=25), st.sampled_from(("back", "lay")))
def test_no_odds_on_offer_are_better_than_the_exchanges_price(
    moves: list[tuple[int, float, float, float, float]], odds_at_most: OddsAtMost
) -> None:
    market = TwoRunners(odds_at_most=odds_at_most)
    best: dict[int, tuple[float, float, float]] = {}
    for number, back, lay, last, size in moves:
        market.change(number, back=back, lay=lay, last=last, size=size)
        best[number] = back, lay, last
        if market.image is None:
            continue
        offered = zip(RUNNERS, market.image.odds_milli, market.image.active, strict=True)
        for other, odds_milli, active in offered:
            other_back, other_lay, other_last = best[other]
            highest = other_lay or 1e6
            if odds_at_most == "back":
                highest = other_back or min(other_last, other_lay or 1e6)
            assert not active or odds_milli <= round(highest * 1_000)


@pytest.mark.parametrize(
    ("odds_at_most", "expected"), [("back", 2_000), ("lay", 2_160), ("any", 2_220)]
)
def test_runners_that_add_up_to_too_much_are_not_offered_above_the_price(
    odds_at_most: OddsAtMost, expected: int
) -> None:
    """Estimates of 0.481 and 0.581 add up to 1.063; odds of 2.076 become 2.22 at a sum of 1."""
    market = TwoRunners(odds_at_most=odds_at_most)
    market.change(1, back=2.0, lay=2.16, last=2.1, size=50.0)
    market.change(2, back=1.7, lay=1.74, last=1.7, size=50.0)
    assert market.image is not None
    assert market.image.odds_milli[0] == expected


def test_a_price_that_falls_is_followed_at_once_though_the_estimate_has_hardly_moved() -> None:
    market = TwoRunners(odds_at_most="back")
    market.change(1, back=2.0, lay=2.02, last=2.0, size=50.0)
    market.change(2, back=2.0, lay=2.02, last=2.0, size=50.0)
    assert market.image is not None
    assert market.image.odds_milli == (2_000, 2_000)
    market.change(1, back=1.99, lay=2.02, last=2.0, size=50.0)
    assert market.image.odds_milli == (1_990, 2_000)


def test_a_price_that_rises_is_followed_though_the_estimate_has_not_moved() -> None:
    before = FairMarket((0.5, 0.5), (True, True), odds_milli_max=(1_500, 2_000))
    after = before._replace(odds_milli_max=(2_000, 2_000))
    assert moved_by(before, after) > 0.5
    assert not is_lowered(before, after)
    assert is_lowered(after, before)
    assert not is_lowered(None, after)


@pytest.mark.parametrize(
    ("back", "lay", "last", "at_back", "at_lay"),
    [
        (2.02, 2.04, 2.5, 2_020, 2_040),
        (1.13, 0.0, 2.5, 1_130, ODDS_MILLI_MAX),
        (0.0, 2.04, 2.5, 2_040, 2_040),
        (0.0, 2.04, 1.9, 1_900, 2_040),
        (0.0, 0.0, 1.9, 1_900, ODDS_MILLI_MAX),
        (2.0009, 2.04, 0.0, 2_000, 2_040),
        (1e6, 1e6, 0.0, ODDS_MILLI_MAX, ODDS_MILLI_MAX),
    ],
)
def test_the_highest_odds_of_a_runner_are_by_the_setting(
    back: float, lay: float, last: float, at_back: int, at_lay: int
) -> None:
    prices = RunnerPrices([(back, 5.0)] if back else [], [(lay, 5.0)] if lay else [], last)
    assert highest_odds_milli(prices, FairRules()) == at_back
    assert highest_odds_milli(prices, FairRules(odds_at_most="lay")) == at_lay
    assert highest_odds_milli(prices, FairRules(odds_at_most="any")) == ODDS_MILLI_MAX
