"""A match's trader quotes, suspends, closes and settles markets, and repeats no command."""

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


class TradedMatch:
    """A match's trader with its markets."""

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


def test_a_fixture_offers_at_least_twelve_markets_that_all_open():
    traded = TradedMatch()
    assert len(CATALOGUE) >= 12
    assert len(set(CATALOGUE)) == len(CATALOGUE)
    assert all(image.status is Status.ACTIVE for image in traded.prices())
    assert traded.trader.open(traded.prices()) == []


def test_every_opening_book_holds_its_margin():
    for image in TradedMatch().prices():
        offered = [odds for odds, on in zip(image.odds_milli, image.active, strict=True) if on]
        winners = 2 if "double_chance" in image.key else 1
        assert 1.02 < sum(1_000 / odds for odds in offered) / winners < 1.16
    assert MARGIN.book_milli == 1_050


@pytest.mark.parametrize("match", world_cup_2022().values(), ids=lambda match: match.match)
def test_every_match_has_a_model(match):
    model = match_model(match)
    assert 0.1 < model.home_rate < 6
    assert 0.1 < model.away_rate < 6
    assert model.second_half_stoppage_s >= 300


def test_a_goal_suspends_every_active_market():
    traded = TradedMatch()
    assert set(traded.obey(traded.trader.suspend(traded.prices(), why="goal"))) == {SuspendMarket}
    assert all(image.status is Status.SUSPENDED for image in traded.prices())
    assert traded.trader.suspend(traded.prices(), why="goal") == []


def test_after_a_goal_markets_get_new_odds_and_resume_and_decided_ones_close():
    traded = TradedMatch()
    before = traded.price("1x2").odds_milli
    traded.obey(traded.trader.suspend(traded.prices(), why="goal"))
    state = FINAL.state_at(FINAL.goals[0].played_s)
    kept_suspended = traded.obey(traded.trader.reprice(state, traded.prices(), resume=False))
    assert ResumeMarket not in kept_suspended
    assert traded.price("1x2").status is Status.SUSPENDED
    traded.obey(traded.trader.reprice(state, traded.prices(), resume=True))
    after = traded.price("1x2")
    assert after.status is Status.ACTIVE
    assert after.odds_milli[0] < before[0]
    assert after.odds_milli[2] > before[2]
    assert traded.price("total?total=0.5").status is Status.CLOSED
    assert traded.price("total?total=1.5").status is Status.ACTIVE


def test_unchanged_odds_are_not_set_again():
    traded = TradedMatch()
    state = FINAL.state_at(600)
    assert set(traded.obey(traded.trader.reprice(state, traded.prices(), resume=True))) == {SetOdds}
    assert traded.trader.reprice(state, traded.prices(), resume=True) == []


def test_impossible_scores_are_withdrawn():
    traded = TradedMatch()
    state = FINAL.state_at(FINAL.goals[1].played_s)
    traded.obey(traded.trader.reprice(state, traded.prices(), resume=False))
    scores = traded.price("correct_score")
    offered = dict(zip(scores.outcomes, scores.active, strict=True))
    assert not offered["0:0"]
    assert not offered["1:3"]
    assert offered["2:0"]


def test_the_whistle_settles_every_market_on_the_ninety_minutes():
    traded = TradedMatch()
    state = FINAL.regular_state_at(FINAL.regular_s)
    commands = traded.obey(traded.trader.settle(state, traded.prices()))
    assert commands.count(SettleMarket) == len(CATALOGUE)
    assert commands.count(CloseMarket) == len(CATALOGUE)
    assert all(image.status is Status.SETTLED for image in traded.prices())
    assert traded.trader.settle(state, traded.prices()) == []
    results = by_market_no(traded.trader.results(state), traded.prices())
    won = {
        image.key.partition("/")[2]: [
            name
            for name, result in zip(image.outcomes, results[image.market_no], strict=True)
            if result.won
        ]
        for image in traded.prices()
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
    traded = TradedMatch()
    state = FINAL.regular_state_at(FINAL.regular_s - 1)
    assert traded.trader.settle(state, traded.prices()) == []


@pytest.mark.parametrize("markets", [0, MARKETS_MAX + 1])
def test_the_number_of_markets_is_bounded(markets):
    with pytest.raises(ValueError, match="markets: 1 to 125"):
        market_keys(FINAL, markets=markets)


@pytest.mark.parametrize("match", world_cup_2022().values(), ids=lambda match: match.match)
def test_every_full_board_begins_with_the_catalogue(match):
    keys = market_keys(match, markets=MARKETS_MAX)
    assert len(set(keys)) == MARKETS_MAX
    assert keys[: len(CATALOGUE)] == market_keys(match)
    assert market_keys(match, markets=20) == keys[:20]


def test_a_full_board_is_created_priced_and_settled():
    traded = TradedMatch(markets=MARKETS_MAX)
    assert sum(len(image.outcomes) for image in traded.prices()) > 400
    state = FINAL.regular_state_at(FINAL.ends_s[0])
    commands = traded.obey(traded.trader.reprice(state, traded.prices(), resume=True))
    assert CloseMarket in commands
    assert traded.price("first_half_1x2").status is Status.CLOSED
    traded.obey(traded.trader.settle(FINAL.regular_state_at(FINAL.regular_s), traded.prices()))
    assert {image.status for image in traded.prices()} == {Status.SETTLED}


def test_a_decided_market_is_closed_once():
    traded = TradedMatch()
    state = FINAL.state_at(FINAL.goals[0].played_s)
    commands = traded.trader.close(state, traded.prices())
    assert [traded.machine.price_image(one.market_no).key for one in commands] == [
        "wc22-64/total?total=0.5"
    ]
    traded.obey(commands)
    assert traded.trader.close(state, traded.prices()) == []
    assert traded.trader.decided(FINAL.state_at(0)) == frozenset()


def test_shells_price_markets_as_the_trader_does():
    traded, state = TradedMatch(), FINAL.state_at(1_200)
    traded.obey(traded.trader.reprice(state, traded.prices(), resume=True))
    quotes = FixtureBoard(traded.trader.keys).quotes(**traded.trader.pricing(state))
    for image in traded.prices():
        for quote in quotes[image.key]:
            assert image.active[quote.outcome] == quote.active
            assert not quote.active or image.odds_milli[quote.outcome] == quote.odds_milli
