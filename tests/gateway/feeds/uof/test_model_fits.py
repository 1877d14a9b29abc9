"""To which odds a match's model is fitted, and what happens to the match when it is not."""

import pytest
from msgspec.structs import replace

from actors.messages import KnownMarket
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS
from engine.common.views import PriceImage
from engine.pricing.football.catalogue import full_board
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.model import MEASURED_PROCESS, MatchState, Period, Score
from gateway.feeds.uof.settings import UofSettings
from tests.gateway.feeds.uof.builders import (
    EVENT,
    MATCH_WINNER,
    NOW_MS,
    TOTAL,
    alive,
    feed_markets,
    market,
    odds_change,
    total,
)
from tests.gateway.feeds.uof.test_model_prices import (
    BY_MODEL,
    TRUTH,
    event_status,
    orders,
    priced,
)

ABSURD = market(1, (("1", "1.05"), ("2", "50"), ("3", "1.05")))
INCOMPLETE = market(1, MATCH_WINNER[:2])
GOALLESS_FAVOURITE = market(1, (("1", "1.2"), ("2", "7"), ("3", "15")))
FEW_GOALS = total(outcomes=(("12", "16"), ("13", "1.02")))
NOT_OPEN = market(1, MATCH_WINNER, status=0)
BOTH_SCORE = market(29, (("74", "1.8"), ("76", "1.9")))


@pytest.mark.parametrize(
    ("markets", "why"),
    [
        ((ABSURD, total()), "no model: odds refused, book"),
        ((GOALLESS_FAVOURITE, FEW_GOALS), "no model: odds refused, rate out of bounds"),
        ((INCOMPLETE, total()), "no model: no odds of the match winner"),
        ((INCOMPLETE,), "no model: no odds of the match winner"),
        ((NOT_OPEN, total()), "no model: the feed's match winner is not open"),
        ((market(1, MATCH_WINNER), total(status=0)), "no model: no odds of a total"),
    ],
)
def test_without_a_model_of_the_messages_odds_nothing_of_the_match_is_open(markets, why):
    feed = feed_markets(BY_MODEL)
    (first,) = orders(feed.receive(odds_change(*priced(MatchState()), BOTH_SCORE, at=1)))
    assert feed.status("both_teams_to_score") is Status.ACTIVE

    (order,) = orders(feed.receive(odds_change(*markets, BOTH_SCORE, at=2)))

    assert (order.suspend, order.resume, order.model) == (why, False, first.model)
    assert feed.status("both_teams_to_score") is Status.SUSPENDED
    assert feed.adapter.passed_over()["no fit"] == 1
    assert feed.adapter.lost() == {EVENT: f"no fit: {why}"}
    (back,) = orders(feed.receive(odds_change(*priced(MatchState()), at=3)))
    assert (back.suspend, back.resume) == ("", True)
    assert feed.adapter.lost() == {}


def test_trust_regained_opens_nothing_that_has_no_model():
    feed = feed_markets(UofSettings(own_prices=True))
    feed.recover(at=0)
    feed.receive(odds_change(*priced(MatchState()), BOTH_SCORE, at=1))
    feed.receive(odds_change(ABSURD, at=2))
    feed.tick(at=30_000)
    feed.receive(alive(at=31_000), at=31_000)

    (order,) = orders(feed.complete(feed.requests[-1], at=31_001))

    assert order.suspend.startswith("no model")
    assert not order.resume
    assert feed.status("both_teams_to_score") is Status.SUSPENDED


def test_odds_that_a_message_does_not_repeat_still_hold():
    feed = feed_markets(BY_MODEL)
    winner, over = priced(MatchState())
    assert orders(feed.receive(odds_change(winner, at=1))) == []

    (order,) = orders(feed.receive(odds_change(over, at=2)))

    assert order.model.home_rate == pytest.approx(TRUTH.home_rate, abs=1e-4)


def test_lines_that_a_message_does_not_repeat_take_the_place_of_those_that_close():
    feed = feed_markets(BY_MODEL)
    lines = ("0.5", "1.5", "2.5", "3.5", "4.5")
    keys = [f"{EVENT}/total?total={line}" for line in lines]
    chances = FixtureBoard(tuple(keys)).probabilities(TRUTH, MatchState())
    rows = [
        [(name, f'probabilities="{p:.9f}"') for name, p in zip(("12", "13"), pair, strict=True)]
        for pair in map(chances.__getitem__, keys)
    ]
    totals = [
        market(18, row, specifiers=f"total={line}") for line, row in zip(lines, rows, strict=True)
    ]
    feed.receive(odds_change(priced(MatchState())[0], *totals, BOTH_SCORE, at=1))
    closed = [market(18, status=0, specifiers=f"total={line}") for line in lines[1:4]]

    for order in orders(feed.receive(odds_change(*closed, at=2))):
        assert order.suspend == ""
        assert order.model.home_rate == pytest.approx(TRUTH.home_rate, abs=1e-3)
    assert feed.adapter.lost() == {}
    assert feed.status("both_teams_to_score") is Status.ACTIVE


def test_a_running_clock_is_fitted_anew_to_the_same_odds():
    feed = feed_markets(BY_MODEL)
    state = MatchState(period=Period.FIRST_HALF, clock_s=600)
    feed.receive(odds_change(*priced(state), at=1, status=event_status(clock="10:00")))

    later = odds_change(market(26, status=0), at=2, status=event_status(clock="15:00"))
    (order,) = orders(feed.receive(later))

    assert order.resume
    assert over_of(order, order.state) == pytest.approx(over_of(order, state), abs=0.1)
    chance = FixtureBoard((f"{EVENT}/{TOTAL}",)).probabilities(TRUTH, state)[f"{EVENT}/{TOTAL}"]
    assert over_of(order, order.state) == pytest.approx(chance[0], abs=1e-4)


@pytest.mark.parametrize(
    "status",
    [
        event_status(6, 1, 0, "12:00", ((6, 1, 0),)),
        event_status(clock="12:00", red=(1, 0)),
        event_status(80),
    ],
)
def test_odds_from_before_a_goal_or_a_red_card_price_nothing_after_it(status):
    feed = feed_markets(BY_MODEL)
    feed.receive(odds_change(*priced(MatchState()), BOTH_SCORE, at=1, status=event_status()))

    (order,) = orders(feed.receive(odds_change(at=2, status=status)))

    assert order.suspend in ("goal", "no model: no odds of the match winner") or (
        order.suspend == "no model: the state of the match is not known"
    )
    assert not order.resume


def test_odds_of_another_producer_do_not_complete_a_message():
    feed = feed_markets(BY_MODEL)
    feed.receive(odds_change(*priced(MatchState()), at=1, product=3))

    (order,) = orders(feed.receive(odds_change(priced(MatchState())[0], at=2, product=1)))

    assert order.suspend == "no model: no odds of a total"


def test_a_status_of_the_live_producer_before_the_match_leaves_the_odds_in_use():
    feed = feed_markets(BY_MODEL)
    feed.receive(odds_change(*priced(MatchState()), BOTH_SCORE, at=1, product=3))

    status = event_status(0, 0, 0, "")
    for order in orders(feed.receive(odds_change(at=2, product=1, status=status))):
        assert (order.suspend, order.resume) == ("", True)
    assert feed.status("both_teams_to_score") is Status.ACTIVE
    assert feed.adapter.lost() == {}

    (order,) = orders(feed.receive(odds_change(at=3, product=1, status=event_status())))
    assert order.suspend == "no model: no odds of the match winner"


def test_extra_time_is_fitted_to_its_own_markets():
    feed = feed_markets(BY_MODEL)
    state = MatchState(
        period=Period.EXTRA_FIRST,
        clock_s=5_700,
        first_half=Score(home=1),
        second_half=Score(away=1),
    )
    keys = (f"{EVENT}/extra_time_1x2", f"{EVENT}/extra_time_total?total=0.5")
    chances = FixtureBoard(keys).probabilities(TRUTH, state)
    rows = [
        [
            (name, f'probabilities="{p:.9f}" odds="2"')
            for name, p in zip(ids, chances[key], strict=True)
        ]
        for ids, key in zip(("123", ("12", "13")), keys, strict=True)
    ]
    body = odds_change(
        market(113, rows[0]),
        market(116, rows[1], specifiers="total=0.5"),
        at=1,
        status=event_status(41, 1, 1, "95:00", ((6, 1, 0), (7, 0, 1))),
    )

    (order,) = orders(feed.receive(body))

    assert order.resume
    assert order.model.home_rate == pytest.approx(TRUTH.home_rate, rel=1e-3)


def late(clock, *, announced=""):
    """Return the status of a match at 1:1 in its second half, and that state."""
    minutes, seconds = map(int, clock.split(":"))
    state = MatchState(
        period=Period.SECOND_HALF,
        clock_s=60 * minutes + seconds,
        first_half=Score(home=1),
        second_half=Score(away=1),
    )
    status = event_status(7, 1, 1, clock, ((6, 1, 0), (7, 0, 1)))
    if announced:
        status = status.replace("<clock ", f'<clock stoppage_time_announced="{announced}" ')
    return status, state


def over_of(order, state, line="2.5"):
    """Return the chance of more goals by the model of an order."""
    key = f"{EVENT}/total?total={line}"
    return FixtureBoard((key,)).probabilities(order.model, state)[key][0]


@pytest.mark.parametrize("clock", ["80:00", "89:30", "89:59", "92:00"])
def test_a_goal_late_in_the_match_is_as_likely_as_the_feeds_odds_say(clock):
    feed = feed_markets(BY_MODEL)
    status, state = late(clock)
    truth = replace(TRUTH, second_half_stoppage_s=330)

    (order,) = orders(feed.receive(odds_change(*priced(state, model=truth), at=1, status=status)))

    for line in ("2.5", "3.5"):
        key = f"{EVENT}/total?total={line}"
        expected = FixtureBoard((key,)).probabilities(truth, state)[key][0]
        assert over_of(order, state, line) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("goal_process", "status", "state", "depends_on_the_score"),
    [
        ("never", *late("60:00"), False),
        ("in_play", *late("60:00"), True),
        ("in_play", event_status(0, 0, 0, ""), MatchState(), False),
        ("in_play", "", MatchState(), False),
        ("always", *late("60:00"), True),
        ("always", event_status(0, 0, 0, ""), MatchState(), True),
        ("always", "", MatchState(), True),
    ],
)
def test_the_goal_process_is_that_of_the_settings(
    goal_process, status, state, depends_on_the_score
):
    feed = feed_markets(UofSettings(watch=False, own_prices=True, goal_process=goal_process))

    (order,) = orders(feed.receive(odds_change(*priced(state), at=1, status=status)))

    process = {name: getattr(order.model, name) for name in MEASURED_PROCESS}
    assert process == (MEASURED_PROCESS if depends_on_the_score else dict.fromkeys(process, 1.0))
    keys = (f"{EVENT}/1x2", f"{EVENT}/{TOTAL}")
    board = FixtureBoard(keys)
    expected, fitted = (board.probabilities(model, state) for model in (TRUTH, order.model))
    for key in keys:
        assert fitted[key] == pytest.approx(expected[key], abs=1e-6)


def test_a_kick_off_moves_no_price():
    feed = feed_markets(BY_MODEL)
    kick_off = MatchState(period=Period.FIRST_HALF)
    (before,) = orders(feed.receive(odds_change(*priced(MatchState()), at=1)))

    status = event_status(clock="0:00")
    (after,) = orders(feed.receive(odds_change(*priced(MatchState()), at=2, status=status)))

    assert (before.state, after.state) == (MatchState(), kick_off)
    board = FixtureBoard(full_board(EVENT, model=TRUTH))
    chances = board.probabilities(before.model, before.state)
    for key, row in board.probabilities(after.model, after.state).items():
        assert row == pytest.approx(chances[key], abs=1e-9)


def test_the_stoppage_is_what_the_referee_announced():
    feed = feed_markets(BY_MODEL)
    status, state = late("90:00", announced="9:00")

    (order,) = orders(feed.receive(odds_change(*priced(state), at=1, status=status)))
    assert order.model.second_half_stoppage_s == 570

    status, state = late("91:00")
    (order,) = orders(feed.receive(odds_change(*priced(state), at=2, status=status)))
    assert order.model.second_half_stoppage_s == 570


def test_a_half_longer_than_announced_has_a_minute_to_come():
    feed = feed_markets(BY_MODEL)
    status, state = late("98:00", announced="4:00")
    truth = replace(TRUTH, second_half_stoppage_s=540)

    (order,) = orders(feed.receive(odds_change(*priced(state, model=truth), at=1, status=status)))

    assert order.model.second_half_stoppage_s == 540
    assert order.model.home_rate == pytest.approx(truth.home_rate, rel=0.01)


def test_an_announcement_counts_in_its_own_half_alone():
    feed = feed_markets(BY_MODEL)
    state = MatchState(period=Period.FIRST_HALF, clock_s=2_700)
    status = event_status(6, 0, 0, "45:00").replace(
        "<clock ", '<clock stoppage_time_announced="6:00" '
    )
    (order,) = orders(feed.receive(odds_change(*priced(state), at=1, status=status)))
    assert (order.model.first_half_stoppage_s, order.model.second_half_stoppage_s) == (390, 300)

    status, state = late("60:00")
    (order,) = orders(feed.receive(odds_change(*priced(state), at=2, status=status)))
    assert (order.model.first_half_stoppage_s, order.model.second_half_stoppage_s) == (120, 300)


def test_a_market_of_the_fit_that_cannot_be_read_leaves_no_model():
    feed = feed_markets(BY_MODEL)
    winner, over = priced(MatchState())
    feed.receive(odds_change(winner, over, BOTH_SCORE, at=1))
    without_id = winner.replace('<outcome id="2"', "<outcome ")

    received = feed.receive(odds_change(without_id, over, BOTH_SCORE, at=2))

    order = orders(received)[-1]
    assert (order.suspend, order.resume) == ("feed message unreadable", False)
    assert orders(feed.receive(odds_change(BOTH_SCORE, at=3))) == []
    assert feed.status("both_teams_to_score") is Status.SUSPENDED
    (back,) = orders(feed.receive(odds_change(winner, at=4)))
    assert not back.resume
    (back,) = orders(feed.receive(odds_change(winner, over, at=5)))
    assert back.resume


def test_no_message_of_one_producer_opens_a_match_whose_markets_another_left_silent():
    feed = feed_markets(UofSettings(own_prices=True))
    feed.recover(at=0)
    feed.receive(odds_change(*priced(MatchState()), BOTH_SCORE, at=1, product=3))
    feed.receive(alive(at=20_000, product=1), at=20_000)
    feed.tick(at=30_000)
    assert feed.status("both_teams_to_score") is Status.SUSPENDED

    status = event_status(0, 0, 0, "0:30")
    found = orders(feed.receive(odds_change(at=30_001, product=1, status=status)))

    assert [order.resume for order in found if order.resume] == []


def test_a_live_message_opens_no_market_that_a_silent_producer_left_open():
    feed = feed_markets(UofSettings(own_prices=True))
    feed.recover(at=0, product=3)
    feed.recover(at=0)
    feed.receive(odds_change(*priced(MatchState()), BOTH_SCORE, at=1, product=3))
    state = MatchState(period=Period.FIRST_HALF, clock_s=600)
    feed.receive(odds_change(*priced(state), at=2, status=event_status()))
    feed.receive(alive(at=20_000), at=20_000)
    feed.tick(at=30_000)
    assert feed.status("both_teams_to_score") is Status.SUSPENDED

    later = event_status(clock="10:30")
    found = orders(feed.receive(odds_change(*priced(state), at=30_001, status=later)))
    assert [order.resume for order in found] == [False]

    feed.receive(alive(at=31_000, product=3), at=31_000)
    (order,) = orders(feed.complete(feed.requests[-1], at=31_001))
    assert order.resume


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.SUSPENDED])
def test_after_a_restart_a_market_that_the_feed_does_not_have_holds_back_no_other(status):
    feed = feed_markets(UofSettings(own_prices=True))
    ours = PriceImage(
        market_no=9, key=f"{EVENT}/odd_even", status=status, version=1, outcomes=("odd", "even"),
        odds_milli=(1_900, 1_900), active=(True, True),
    )  # fmt: skip
    feed.adapter.resume([KnownMarket(image=ours)], at_ns=NOW_MS * NS_PER_MS)
    feed.recover(at=0)

    (order,) = orders(feed.receive(odds_change(*priced(MatchState()), at=1)))

    assert (order.suspend, order.resume) == ("", True)
