"""A match of the feed as our model sees it, and when the model's prices are asked for."""

import pytest

from engine.common.commands import SetOdds, SetStatus
from engine.common.lifecycle import Status
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from gateway.feeds.core.adapter import MarketUpdate, PriceFixture
from gateway.feeds.uof.adapter import UofSettings
from gateway.feeds.uof.match_state import match_state
from gateway.feeds.uof.messages import PeriodScore, SportEventStatus
from tests.gateway.feeds.uof.builders import (
    EVENT,
    NOW_MS,
    OVER_UNDER,
    THREE_WAY,
    alive,
    bet_stop,
    floor,
    market,
    odds_change,
    snapshot_complete,
    steps,
    total,
)

OWN = UofSettings(watch=False, own_prices=True)
TRUTH = MatchModel(home_rate=1.6, away_rate=1.1)


def live(code=6, home=0, away=0, clock="10:00", periods=((6, 0, 0),), red=(0, 0)):
    parts = "".join(
        f'<period_score match_status_code="{c}" number="1" home_score="{h}" away_score="{a}"/>'
        for c, h, a in periods
    )
    return (
        f'<sport_event_status status="1" match_status="{code}" home_score="{home}" '
        f'away_score="{away}"><clock match_time="{clock}"/><period_scores>{parts}</period_scores>'
        f'<statistics><red_cards home="{red[0]}" away="{red[1]}"/></statistics>'
        "</sport_event_status>"
    )


def priced(state, *, model=TRUTH, status=1):
    """Return the match winner and a total with the probabilities of a model."""
    keys = (f"{EVENT}/1x2", f"{EVENT}/total?total=2.5")
    chances = FixtureBoard(keys).probabilities(model, state)

    def rows(ids, key):
        return [
            (name, f'probabilities="{p:.9f}" odds="{max(1.01, 0.95 / p):.3f}"')
            for name, p in zip(ids, chances[key], strict=True)
        ]

    return market(1, rows("123", keys[0]), status=status), total(
        status, rows(("12", "13"), keys[1])
    )


def orders(received):
    return [action for action in received.actions if isinstance(action, PriceFixture)]


# --- where a match stands ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "period", "clock_s"),
    [
        (0, Period.PRE_MATCH, 0),
        (6, Period.FIRST_HALF, 0),
        (31, Period.HALF_TIME, 2_700),
        (7, Period.SECOND_HALF, 2_700),
        (100, Period.FULL_TIME, 5_400),
        (32, Period.FULL_TIME, 5_400),
        (41, Period.EXTRA_FIRST, 5_400),
        (33, Period.EXTRA_HALF_TIME, 6_300),
        (42, Period.EXTRA_SECOND, 6_300),
        (110, Period.AFTER_EXTRA_TIME, 7_200),
        (120, Period.AFTER_EXTRA_TIME, 7_200),
    ],
)
def test_a_match_status_is_a_period(code, period, clock_s):
    state = match_state(SportEventStatus(status=1, match_status=code, home_score=0, away_score=0))

    assert state is not None
    assert (state.period, state.clock_s) == (period, clock_s)


@pytest.mark.parametrize("code", [80, 90, 20, 301, None])
def test_a_status_that_says_nothing_of_play_is_no_state(code):
    assert match_state(SportEventStatus(status=1, match_status=code)) is None


def test_goals_stand_in_their_periods_and_cards_on_their_sides():
    status = SportEventStatus(
        status=1, match_status=41, home_score=3, away_score=2, clock_s=5_500,
        periods=(
            PeriodScore(code=6, home=1, away=0), PeriodScore(code=7, home=1, away=2),
            PeriodScore(code=41, home=1, away=0),
        ),
        home_red_cards=1,
    )  # fmt: skip

    assert match_state(status) == MatchState(
        period=Period.EXTRA_FIRST, clock_s=5_500, first_half=Score(home=1),
        second_half=Score(home=1, away=2), extra_first=Score(home=1), home_red_cards=1,
    )  # fmt: skip


def test_a_score_that_its_periods_do_not_add_up_to_is_no_state():
    parts = (PeriodScore(code=6, home=1, away=0),)

    for home, away in ((2, 0), (1, 1)):
        assert match_state(SportEventStatus(
            status=1, match_status=7, home_score=home, away_score=away, periods=parts,
        )) is None  # fmt: skip
    assert match_state(SportEventStatus(status=1, match_status=7, home_score=1)) is None


def test_penalties_of_a_shoot_out_are_not_goals():
    parts = (PeriodScore(code=6, home=1, away=1),)
    status = SportEventStatus(status=1, match_status=120, home_score=5, away_score=4, periods=parts)

    state = match_state(status)

    assert state is not None
    assert state.first_half == Score(home=1, away=1)


# --- prices of our own ---------------------------------------------------------------------------


def test_the_model_behind_the_feeds_odds_is_found_and_asked_for_prices():
    house = floor(OWN)

    received = house.hear(odds_change(*priced(MatchState()), at=1, product=3))

    (order,) = orders(received)
    assert order.model.home_rate == pytest.approx(TRUTH.home_rate, abs=1e-4)
    assert order.model.away_rate == pytest.approx(TRUTH.away_rate, abs=1e-4)
    assert (order.fixture, order.sport, order.suspend) == (EVENT, "football", "")
    assert (order.mark.source, order.mark.position) == ("uof:3/price", NOW_MS + 1)


def test_markets_that_the_model_knows_take_its_price_and_the_others_the_feeds():
    house = floor(OWN)

    received = house.hear(
        odds_change(*priced(MatchState()), market(40, (("sr:player:1", "5.0"),)), at=1)
    )

    told = {
        action.key.partition("/")[2]: [type(step) for step in action.steps]
        for action in received.actions
        if isinstance(action, MarketUpdate) and action.steps
    }
    assert told["1x2"] == told["total?total=2.5"] == [SetStatus]
    assert told["uof_40"] == [SetOdds, SetStatus]
    kinds = [type(action) for action in received.actions]
    assert kinds == [
        MarketUpdate,
        MarketUpdate,
        PriceFixture,
        MarketUpdate,
        MarketUpdate,
        MarketUpdate,
    ]


def test_without_a_model_a_market_of_its_kind_stays_shut():
    house = floor(OWN)

    received = house.hear(odds_change(market(1, THREE_WAY), at=1))
    assert orders(received) == []
    assert house.status("1x2") is Status.SUSPENDED
    assert house.adapter.counts == {"no model": 1}

    house.hear(odds_change(market(1, THREE_WAY), total(outcomes=OVER_UNDER), at=2))
    assert house.status("1x2") is Status.ACTIVE


def test_odds_that_no_model_explains_leave_the_one_there_was():
    house = floor(OWN)
    house.hear(odds_change(*priced(MatchState()), at=1))
    absurd = market(1, (("1", "1.05"), ("2", "50"), ("3", "1.05")))

    received = house.hear(odds_change(absurd, total(outcomes=OVER_UNDER), at=2))

    assert orders(received) == []


def test_a_live_match_is_priced_from_where_it_stands():
    house = floor(OWN)
    state = MatchState(
        period=Period.SECOND_HALF, clock_s=3_600, first_half=Score(home=1), away_red_cards=1
    )
    body = odds_change(
        *priced(state), at=1,
        status=live(7, 1, 0, "60:00", ((6, 1, 0), (7, 0, 0)), red=(0, 1)),
    )  # fmt: skip

    (order,) = orders(house.hear(body))

    assert order.state == state
    assert order.model.home_rate == pytest.approx(TRUTH.home_rate, abs=1e-3)


def test_a_goal_stops_bets_until_the_match_is_priced_anew():
    house = floor(OWN)
    house.hear(odds_change(*priced(MatchState()), at=1))

    shut = priced(MatchState(), status=-1)
    goal = live(6, 1, 0, "12:00", ((6, 1, 0),))
    (order,) = orders(house.hear(odds_change(*shut, at=2, status=goal)))
    assert (order.suspend, order.resume) == ("goal", False)
    assert order.state.first_half == Score(home=1)

    state = MatchState(period=Period.FIRST_HALF, clock_s=780, first_half=Score(home=1))
    again = odds_change(*priced(state), at=3, status=live(6, 1, 0, "13:00", ((6, 1, 0),)))
    (order,) = orders(house.hear(again))
    assert (order.suspend, order.resume) == ("", True)


def test_a_match_that_stands_as_it_stood_is_not_priced_again():
    house = floor(OWN)
    house.hear(odds_change(*priced(MatchState()), at=1))

    assert orders(house.hear(odds_change(market(26, status=0), at=2))) == []


def test_older_news_of_a_match_moves_nothing():
    house = floor(OWN)
    house.hear(odds_change(*priced(MatchState()), at=5))

    other = MatchModel(home_rate=2.5, away_rate=0.5)
    assert orders(house.hear(odds_change(*priced(MatchState(), model=other), at=4))) == []


def test_the_prematch_producer_does_not_price_a_match_that_the_live_one_has():
    house = floor(OWN)
    house.hear(odds_change(*priced(MatchState()), at=1, product=1))

    other = MatchModel(home_rate=2.5, away_rate=0.5)
    received = house.hear(odds_change(*priced(MatchState(), model=other), at=2, product=3))

    assert received.actions == ()


def test_a_bet_stop_stops_our_prices_too():
    house = floor(OWN)
    house.hear(odds_change(*priced(MatchState()), at=1))

    (order,) = orders(house.hear(bet_stop(at=2)))

    assert (order.suspend, order.resume) == ("bet stop: all", False)


def test_our_prices_stop_while_their_producer_is_silent_and_resume_after_its_recovery():
    house = floor(UofSettings(own_prices=True))
    house.recover(at=0)
    house.hear(odds_change(*priced(MatchState()), at=1))
    (silent,) = orders(house.tick(at=30_000))
    house.hear(alive(at=31_000), at=31_000)
    request = house.asked[-1].request_id
    (back,) = orders(house.hear(snapshot_complete(at=31_001, request_id=request), at=31_001))

    assert (silent.suspend, silent.resume) == ("feed silent", False)
    assert (back.suspend, back.resume) == ("", True)
    assert silent.mark.position == back.mark.position
    assert silent.mark.digest != back.mark.digest


def test_an_order_to_stop_our_prices_is_not_taken_for_one_of_the_life_before():
    def told(local_process: int) -> list[int]:
        house = floor(UofSettings(own_prices=True))
        house.adapter.resume([], at_ns=local_process)
        house.recover(at=0)
        house.hear(odds_change(*priced(MatchState()), at=1))
        (silent,) = orders(house.tick(at=30_000))
        house.hear(alive(at=31_000), at=31_000)
        request = house.asked[-1].request_id
        (back,) = orders(house.hear(snapshot_complete(at=31_001, request_id=request), at=31_001))
        return [silent.mark.digest, back.mark.digest]

    assert len(dict.fromkeys(told(1) + told(2))) == 4


def test_nothing_of_it_happens_unless_it_is_asked_for():
    house = floor()

    received = house.hear(odds_change(*priced(MatchState()), at=1))

    assert orders(received) == []
    assert [type(step) for step in steps(received)] == [SetOdds, SetStatus] * 2
