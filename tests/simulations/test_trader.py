"""The desk quotes, suspends, closes and settles as the match goes, and says nothing twice."""

import pytest

from engine.common.commands import CloseMarket, ResumeMarket, SetOdds, SettleMarket, SuspendMarket
from engine.common.events import Refused
from engine.common.lifecycle import Status
from engine.market.market import MarketMachine
from engine.pricing.football.fixture_board import FixtureBoard
from simulations.timeline import match_by_id, world_cup_2022
from simulations.trader import (
    CATALOGUE,
    MARGIN,
    MARKETS_MAX,
    MatchTrader,
    by_market_no,
    market_keys,
    match_model,
)

FINAL = match_by_id("wc22-64")


class Trader:
    """A desk with its markets."""

    def __init__(self, match=FINAL, **offer):
        self.match, self.machine = match, MarketMachine()
        self.trader = MatchTrader(match, market_keys(match, **offer))
        self.obey(self.trader.create(match.state_at(-1), first_market_no=1))
        self.obey(self.trader.open(self.prices()))

    def prices(self):
        return [self.machine.price_image(no) for no in self.machine.market_nos()]

    def price(self, name):
        return next(image for image in self.prices() if image.key.endswith(f"/{name}"))

    def obey(self, commands):
        for command in commands:
            event = self.machine.apply(command, 0)
            assert not isinstance(event, Refused), event
        return [type(command) for command in commands]


def test_a_fixture_offers_a_dozen_markets_or_more_that_all_open():
    floor = Trader()
    assert len(CATALOGUE) >= 12
    assert len(set(CATALOGUE)) == len(CATALOGUE)
    assert all(image.status is Status.ACTIVE for image in floor.prices())
    assert floor.trader.open(floor.prices()) == []


def test_every_opening_book_holds_its_margin():
    for image in Trader().prices():
        offered = [odds for odds, on in zip(image.odds_milli, image.active, strict=True) if on]
        winners = 2 if "double_chance" in image.key else 1
        assert 1.02 < sum(1_000 / odds for odds in offered) / winners < 1.16
    assert MARGIN.book_milli == 1_050


@pytest.mark.parametrize("match", world_cup_2022().values(), ids=lambda match: match.match)
def test_every_match_on_file_has_a_model(match):
    model = match_model(match)
    assert 0.1 < model.home_rate < 6
    assert 0.1 < model.away_rate < 6
    assert model.second_half_stoppage_s >= 300


def test_a_goal_suspends_every_market_that_takes_bets():
    floor = Trader()
    assert set(floor.obey(floor.trader.suspend(floor.prices(), why="goal"))) == {SuspendMarket}
    assert all(image.status is Status.SUSPENDED for image in floor.prices())
    assert floor.trader.suspend(floor.prices(), why="goal") == []


def test_after_a_goal_the_markets_reprice_and_reopen_and_the_decided_close():
    floor = Trader()
    before = floor.price("1x2").odds_milli
    floor.obey(floor.trader.suspend(floor.prices(), why="goal"))
    state = FINAL.state_at(FINAL.goals[0].played_s)
    kept_shut = floor.obey(floor.trader.reprice(state, floor.prices(), resume=False))
    assert ResumeMarket not in kept_shut
    assert floor.price("1x2").status is Status.SUSPENDED
    floor.obey(floor.trader.reprice(state, floor.prices(), resume=True))
    after = floor.price("1x2")
    assert after.status is Status.ACTIVE
    assert after.odds_milli[0] < before[0]
    assert after.odds_milli[2] > before[2]
    assert floor.price("total?total=0.5").status is Status.CLOSED
    assert floor.price("total?total=1.5").status is Status.ACTIVE


def test_what_has_not_moved_is_not_quoted_again():
    floor = Trader()
    state = FINAL.state_at(600)
    assert set(floor.obey(floor.trader.reprice(state, floor.prices(), resume=True))) == {SetOdds}
    assert floor.trader.reprice(state, floor.prices(), resume=True) == []


def test_scores_that_can_no_longer_be_are_withdrawn():
    floor = Trader()
    state = FINAL.state_at(FINAL.goals[1].played_s)
    floor.obey(floor.trader.reprice(state, floor.prices(), resume=False))
    scores = floor.price("correct_score")
    offered = dict(zip(scores.outcomes, scores.active, strict=True))
    assert not offered["0:0"]
    assert not offered["1:3"]
    assert offered["2:0"]


def test_the_whistle_settles_every_market_on_the_ninety_minutes():
    floor = Trader()
    state = FINAL.regular_state_at(FINAL.regular_s)
    asked = floor.obey(floor.trader.settle(state, floor.prices()))
    assert asked.count(SettleMarket) == len(CATALOGUE)
    assert asked.count(CloseMarket) == len(CATALOGUE)
    assert all(image.status is Status.SETTLED for image in floor.prices())
    assert floor.trader.settle(state, floor.prices()) == []
    results = by_market_no(floor.trader.results(state), floor.prices())
    won = {
        image.key.partition("/")[2]: [
            name
            for name, result in zip(image.outcomes, results[image.market_no], strict=True)
            if result.won
        ]
        for image in floor.prices()
    }
    assert won["1x2"] == ["draw"]
    assert won["double_chance"] == ["home_or_draw", "draw_or_away"]
    assert won["draw_no_bet"] == []
    assert won["total?total=3.5"] == ["over"]
    assert won["total?total=4.5"] == ["under"]
    assert won["handicap?hcp=-0.25"] == ["away"]
    assert won["handicap?hcp=0.5"] == ["home"]
    assert won["both_teams_to_score"] == ["yes"]
    assert won["correct_score"] == ["2:2"]
    assert won["odd_even"] == ["even"]


def test_nothing_settles_before_the_whistle():
    floor = Trader()
    state = FINAL.regular_state_at(FINAL.regular_s - 1)
    assert floor.trader.settle(state, floor.prices()) == []


@pytest.mark.parametrize("markets", [0, MARKETS_MAX + 1])
def test_what_a_fixture_offers_is_bounded(markets):
    with pytest.raises(ValueError, match="markets: 1 to 125"):
        market_keys(FINAL, markets=markets)


@pytest.mark.parametrize("match", world_cup_2022().values(), ids=lambda match: match.match)
def test_every_match_has_a_whole_board_that_begins_with_the_catalogue(match):
    keys = market_keys(match, markets=MARKETS_MAX)
    assert len(set(keys)) == MARKETS_MAX
    assert keys[: len(CATALOGUE)] == market_keys(match)
    assert market_keys(match, markets=20) == keys[:20]


def test_a_whole_board_is_created_priced_and_settled_by_one_whistle():
    floor = Trader(markets=MARKETS_MAX)
    assert sum(len(image.outcomes) for image in floor.prices()) > 400
    state = FINAL.regular_state_at(FINAL.ends_s[0])
    asked = floor.obey(floor.trader.reprice(state, floor.prices(), resume=True))
    assert CloseMarket in asked
    assert floor.price("first_half_1x2").status is Status.CLOSED
    floor.obey(floor.trader.settle(FINAL.regular_state_at(FINAL.regular_s), floor.prices()))
    assert {image.status for image in floor.prices()} == {Status.SETTLED}


def test_what_the_score_has_decided_closes_once():
    floor = Trader()
    state = FINAL.state_at(FINAL.goals[0].played_s)
    asked = floor.trader.close(state, floor.prices())
    assert [floor.machine.price_image(one.market_no).key for one in asked] == [
        "wc22-64/total?total=0.5"
    ]
    floor.obey(asked)
    assert floor.trader.close(state, floor.prices()) == []
    assert floor.trader.decided(FINAL.state_at(0)) == frozenset()


def test_shells_price_the_markets_as_the_desk_would():
    floor, state = Trader(), FINAL.state_at(1_200)
    floor.obey(floor.trader.reprice(state, floor.prices(), resume=True))
    quotes = FixtureBoard(floor.trader.keys).quotes(**floor.trader.pricing(state))
    for image in floor.prices():
        for quote in quotes[image.key]:
            assert image.active[quote.outcome] == quote.active
            assert not quote.active or image.odds_milli[quote.outcome] == quote.odds_milli
