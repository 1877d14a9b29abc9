"""What settlements and cancellations of the Unified Odds Feed make of markets."""

import pytest

from engine.common.commands import (
    CancelBets,
    OutcomeResult,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.lifecycle import Status
from tests.gateway.feeds.uof.builders import (
    EVENT,
    HOME_WON,
    NS,
    THREE_WAY,
    TOTAL,
    about,
    bet_settlement,
    floor,
    market,
    odds_change,
    settled,
    steps,
    tells,
    total,
)

# --- settlement ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "result"),
    [
        ('result="1"', OutcomeResult(won=True)),
        ('result="0"', OutcomeResult(won=False)),
        ('result="0" void_factor="1"', OutcomeResult(won=False, void_halves=2)),
        ('result="1" void_factor="1.0"', OutcomeResult(won=False, void_halves=2)),
        ('result="1" void_factor="0.5"', OutcomeResult(won=True, void_halves=1)),
        ('result="0" void_factor="0.5"', OutcomeResult(won=False, void_halves=1)),
        (
            'result="1" dead_heat_factor="0.3333"',
            OutcomeResult(won=True, dead_heat_num=1, dead_heat_den=3),
        ),
        ('result="0" dead_heat_factor="0.5"', OutcomeResult(won=False)),
    ],
)
def test_an_outcome_is_settled_by_its_three_figures(said, result):
    house = floor()
    house.hear(odds_change(total(), at=1))

    received = house.hear(
        bet_settlement(
            settled(18, (("13", 'result="0"'), ("12", said)), specifiers="total=2.5"), at=2
        )
    )

    assert steps(received) == [
        SettleMarket(market_no=0, results=(result, OutcomeResult(won=False)))
    ]
    assert tells(received)[0].mark.source == "uof:1/result"
    assert house.status(TOTAL) is Status.SETTLED


def test_a_confirmation_settles_nothing_twice_and_is_remembered_for_a_trader():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    house.hear(bet_settlement(settled(1, HOME_WON), at=2, certainty=1))
    key = f"{EVENT}/1x2"
    assert house.adapter.certainty(key) == 1
    number = house.machine.book_image(house.numbers[key]).settlement_no

    house.hear(bet_settlement(settled(1, HOME_WON), at=3, certainty=2))

    assert house.adapter.certainty(key) == 2
    assert house.machine.book_image(house.numbers[key]).settlement_no == number


def test_a_correction_settles_again():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    house.hear(bet_settlement(settled(1, HOME_WON), at=2))
    lost = (("1", 'result="0"'), ("2", 'result="1"'), ("3", 'result="0"'))

    house.hear(bet_settlement(settled(1, lost), at=3, certainty=2))

    assert house.machine.book_image(house.numbers[f"{EVENT}/1x2"]).settlement_no == 2


@pytest.mark.parametrize(
    "results",
    [HOME_WON[:2], (("1", 'result="1"'), ("2", 'result="0"'), ("3", 'result="-1"')), ()],
)
def test_a_settlement_that_leaves_an_outcome_open_is_refused_and_counted(results):
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))

    received = house.hear(bet_settlement(settled(1, results), at=2))

    assert received.actions == ()
    assert house.adapter.counts == {"settlement refused": 1}
    assert house.status("1x2") is Status.ACTIVE


def test_outcomes_that_a_market_never_had_do_not_stop_its_settlement():
    house = floor()
    house.hear(odds_change(market(40, (("sr:player:1", "5.0"),)), at=1))

    house.hear(
        bet_settlement(
            settled(40, (("sr:player:1", 'result="0"'), ("sr:player:9", 'result="1"'))), at=2
        )
    )

    assert house.status("uof_40") is Status.SETTLED


def test_results_of_a_market_never_seen_are_counted():
    house = floor()

    for body in (
        bet_settlement(settled(1, HOME_WON), at=1),
        about("bet_cancel", 1, at=2),
        about("rollback_bet_cancel", 1, at=3),
        about("rollback_bet_settlement", 1, at=4),
    ):
        assert house.hear(body).actions == ()
    assert house.adapter.counts == {"result of a market never seen": 4}


def test_after_a_settlement_odds_do_not_reopen_the_market():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    house.hear(bet_settlement(settled(1, HOME_WON), at=2))

    house.hear(odds_change(market(1, status=-3), at=3))
    house.hear(odds_change(market(1, THREE_WAY), at=4))

    assert house.status("1x2") is Status.SETTLED


def test_a_rolled_back_settlement_leaves_the_market_suspended_until_the_feed_speaks():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    house.hear(bet_settlement(settled(1, HOME_WON), at=2))

    received = house.hear(about("rollback_bet_settlement", 1, at=3))
    assert [type(step) for step in steps(received)] == [RollBackSettlement]
    assert house.status("1x2") is Status.SUSPENDED

    house.hear(odds_change(market(1, THREE_WAY), at=4))
    assert house.status("1x2") is Status.ACTIVE


# --- cancellation --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "from_ms", "until_ms"),
    [
        ("", None, None),
        ('end_time="900"', None, 900),
        ('start_time="100"', 100, None),
        ('start_time="100" end_time="900"', 100, 900),
    ],
)
def test_a_cancellation_has_a_window_and_its_roll_back_the_same(window, from_ms, until_ms):
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    in_ns = [None if ms is None else ms * NS for ms in (from_ms, until_ms)]

    cancelled = steps(
        house.hear(about("bet_cancel", 1, at=2, more=window, reason='void_reason="12"'))
    )
    rolled_back = steps(house.hear(about("rollback_bet_cancel", 1, at=3, more=window)))

    assert [type(step) for step in (*cancelled, *rolled_back)] == [CancelBets, RollBackCancel]
    for step in (*cancelled, *rolled_back):
        assert [step.from_ns, step.until_ns] == in_ns
    assert cancelled[0].why == "void reason 12"


def test_a_cancellation_of_bets_does_not_change_the_markets_status():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    house.hear(about("bet_cancel", 1, at=2, more='end_time="5"'))
    assert house.status("1x2") is Status.ACTIVE
    house.hear(bet_settlement(settled(1, HOME_WON), at=3))

    house.hear(about("bet_cancel", 1, at=4, more='start_time="5"'))

    assert house.status("1x2") is Status.SETTLED


def test_a_new_event_id_is_named_in_the_reason():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))

    received = house.hear(
        about("bet_cancel", 1, at=2, more='superceded_by="sr:season:9"', reason='void_reason="5"')
    )

    assert steps(received)[0].why == "void reason 5 superseded by sr:season:9"


def test_a_roll_back_without_a_producer_is_obeyed():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    house.hear(about("bet_cancel", 1, at=2))
    body = about("rollback_bet_cancel", 1, at=3).replace(b' product="1"', b"")

    assert [type(step) for step in steps(house.hear(body))] == [RollBackCancel]


def test_a_market_cancelled_by_its_status_comes_back_by_a_roll_back():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    house.hear(odds_change(market(1, status=-4), at=2))
    assert house.status("1x2") is Status.CANCELLED

    house.hear(about("rollback_bet_cancel", 1, at=3))
    assert house.status("1x2") is Status.SUSPENDED

    house.hear(odds_change(market(1, THREE_WAY), at=4))
    assert house.status("1x2") is Status.ACTIVE


def test_a_settlement_refused_beside_one_that_is_obeyed_is_counted_for_people() -> None:
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), total(), at=1))
    half = settled(18, (("12", 'result="1"'),), specifiers="total=2.5")
    received = house.hear(bet_settlement(settled(1, HOME_WON), half, at=2))
    assert not received.refused
    assert house.status("1x2") is Status.SETTLED
    assert house.adapter.passed_over() == {"settlement refused": 1}
