"""The commands that settlements, cancellations and roll-backs give to markets."""

import pytest

from engine.common.commands import (
    CancelBets,
    OutcomeResult,
    RollBackCancel,
    RollBackSettlement,
    SetStatus,
    SettleMarket,
)
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS
from tests.gateway.feeds.uof.builders import (
    EVENT,
    HOME_WON,
    MATCH_WINNER,
    TOTAL,
    WATCHED,
    bet_settlement,
    correction,
    feed_markets,
    market,
    odds_change,
    settled,
    steps,
    total,
    updates,
)

# --- settlement ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "result"),
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
def test_result_void_factor_and_dead_heat_factor_settle_an_outcome(attributes, result):
    feed = feed_markets()
    feed.receive(odds_change(total(), at=1))

    received = feed.receive(
        bet_settlement(
            settled(18, (("13", 'result="0"'), ("12", attributes)), specifiers="total=2.5"), at=2
        )
    )

    assert steps(received) == [
        SettleMarket(market_no=0, results=(result, OutcomeResult(won=False)))
    ]
    assert updates(received)[0].mark.source == "uof:1/result"
    assert feed.status(TOTAL) is Status.SETTLED


def test_a_flex_correct_score_is_settled_by_the_feed_also_without_a_winner():
    feed = feed_markets()
    ids = [str(one) for one in (110, *range(114, 168, 2))]
    odds = tuple((one, "9.0") for one in ids)
    feed.receive(odds_change(market(41, odds, specifiers="score=1:0"), at=1))

    lost = tuple((one, 'result="0"') for one in ids)
    received = feed.receive(bet_settlement(settled(41, lost, specifiers="score=1:0"), at=2))

    results = (OutcomeResult(won=False),) * 28
    assert steps(received) == [SettleMarket(market_no=0, results=results)]
    assert feed.status("flex_correct_score?score=1:0") is Status.SETTLED


def test_a_confirmation_settles_once_and_raises_the_certainty():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.receive(bet_settlement(settled(1, HOME_WON), at=2, certainty=1))
    key = f"{EVENT}/1x2"
    assert feed.adapter.certainty(key) == 1
    number = feed.machine.book_image(feed.numbers[key]).settlement_no

    feed.receive(bet_settlement(settled(1, HOME_WON), at=3, certainty=2))

    assert feed.adapter.certainty(key) == 2
    assert feed.machine.book_image(feed.numbers[key]).settlement_no == number


def test_other_results_settle_again():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.receive(bet_settlement(settled(1, HOME_WON), at=2))
    lost = (("1", 'result="0"'), ("2", 'result="1"'), ("3", 'result="0"'))

    feed.receive(bet_settlement(settled(1, lost), at=3, certainty=2))

    assert feed.machine.book_image(feed.numbers[f"{EVENT}/1x2"]).settlement_no == 2


@pytest.mark.parametrize(
    "results",
    [HOME_WON[:2], (("1", 'result="1"'), ("2", 'result="0"'), ("3", 'result="-1"'))],
)
def test_a_settlement_that_leaves_an_outcome_open_settles_the_others_alone(results):
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))

    feed.receive(bet_settlement(settled(1, results), at=2))

    assert feed.image("1x2").active == (False, False, True)
    assert feed.adapter.passed_over() == {"settled in part": 1}
    assert feed.status("1x2") is Status.SUSPENDED, "who knows one result may know the others"
    feed.receive(odds_change(market(1, MATCH_WINNER), at=3))
    assert feed.status("1x2") is Status.ACTIVE


@pytest.mark.parametrize("results", [(("1", 'result="-1"'),), (("99", 'result="1"'),), ()])
def test_a_settlement_that_decides_no_outcome_is_refused_and_counted(results):
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))

    received = feed.receive(bet_settlement(settled(1, results), at=2))

    assert [type(step) for step in steps(received)] == [SetStatus]
    assert feed.adapter.passed_over() == {"settlement refused": 1}
    assert feed.status("1x2") is Status.SUSPENDED
    feed.receive(odds_change(market(1, MATCH_WINNER), at=3))
    feed.receive(bet_settlement(settled(1, results), at=2))
    assert feed.status("1x2") is Status.ACTIVE, "the odds are newer"


def test_an_unknown_outcome_does_not_stop_a_settlement():
    feed = feed_markets()
    feed.receive(odds_change(market(40, (("sr:player:1", "5.0"),)), at=1))

    feed.receive(
        bet_settlement(
            settled(40, (("sr:player:1", 'result="0"'), ("sr:player:9", 'result="1"'))), at=2
        )
    )

    assert feed.status("uof_40") is Status.SETTLED


def test_results_of_an_unknown_market_are_counted():
    feed = feed_markets()

    for body in (
        bet_settlement(settled(1, HOME_WON), at=1),
        correction("bet_cancel", 1, at=2),
        correction("rollback_bet_cancel", 1, at=3),
        correction("rollback_bet_settlement", 1, at=4),
    ):
        assert feed.receive(body).actions == ()
    assert feed.adapter.passed_over() == {"result of a market never seen": 4}


def test_an_odds_change_does_not_reopen_a_settled_market():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.receive(bet_settlement(settled(1, HOME_WON), at=2))

    feed.receive(odds_change(market(1, status=-3), at=3))
    feed.receive(odds_change(market(1, MATCH_WINNER), at=4))

    assert feed.status("1x2") is Status.SETTLED


def test_a_rolled_back_settlement_leaves_the_market_suspended_until_an_odds_change():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.receive(bet_settlement(settled(1, HOME_WON), at=2))

    received = feed.receive(correction("rollback_bet_settlement", 1, at=3))
    assert [type(step) for step in steps(received)] == [RollBackSettlement]
    assert feed.status("1x2") is Status.SUSPENDED

    feed.receive(odds_change(market(1, MATCH_WINNER), at=4))
    assert feed.status("1x2") is Status.ACTIVE


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
def test_a_cancellation_and_its_roll_back_have_the_same_window(window, from_ms, until_ms):
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    in_ns = [None if ms is None else ms * NS_PER_MS for ms in (from_ms, until_ms)]

    cancelled = steps(
        feed.receive(
            correction("bet_cancel", 1, at=2, attributes=window, reason='void_reason="12"')
        )
    )
    rolled_back = steps(feed.receive(correction("rollback_bet_cancel", 1, at=3, attributes=window)))

    assert [type(step) for step in (*cancelled, *rolled_back)] == [CancelBets, RollBackCancel]
    for step in (*cancelled, *rolled_back):
        assert [step.from_ns, step.until_ns] == in_ns
    assert cancelled[0].why == "void reason 12"


def test_a_bet_cancel_does_not_change_the_markets_status():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.receive(correction("bet_cancel", 1, at=2, attributes='end_time="5"'))
    assert feed.status("1x2") is Status.ACTIVE
    feed.receive(bet_settlement(settled(1, HOME_WON), at=3))

    feed.receive(correction("bet_cancel", 1, at=4, attributes='start_time="5"'))

    assert feed.status("1x2") is Status.SETTLED


def test_the_superseding_event_is_in_the_reason_of_a_cancellation():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))

    received = feed.receive(
        correction(
            "bet_cancel",
            1,
            at=2,
            attributes='superceded_by="sr:season:9"',
            reason='void_reason="5"',
        )
    )

    assert steps(received)[0].why == "void reason 5 superseded by sr:season:9"


def test_a_roll_back_without_a_producer_is_sent_at_once():
    feed = feed_markets(WATCHED)
    feed.recover(at=0)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.receive(correction("bet_cancel", 1, at=2))
    feed.tick(at=30_000)
    body = correction("rollback_bet_cancel", 1, at=3).replace(b' product="1"', b"")

    assert [type(step) for step in steps(feed.receive(body, at=30_000))] == [RollBackCancel]


def test_a_roll_back_reopens_a_market_that_its_status_cancelled():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.receive(odds_change(market(1, status=-4), at=2))
    assert feed.status("1x2") is Status.CANCELLED

    feed.receive(correction("rollback_bet_cancel", 1, at=3))
    assert feed.status("1x2") is Status.SUSPENDED

    feed.receive(odds_change(market(1, MATCH_WINNER), at=4))
    assert feed.status("1x2") is Status.ACTIVE


def test_a_refused_settlement_beside_an_accepted_one_is_counted() -> None:
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), total(), at=1))
    half = settled(18, (("99", 'result="1"'),), specifiers="total=2.5")
    received = feed.receive(bet_settlement(settled(1, HOME_WON), half, at=2))
    assert not received.refused
    assert feed.status("1x2") is Status.SETTLED
    assert feed.adapter.passed_over() == {"settlement refused": 1}


def test_the_certainty_is_that_of_the_newest_settlement_or_roll_back():
    feed = feed_markets()
    key = f"{EVENT}/1x2"
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))

    feed.receive(bet_settlement(settled(1, HOME_WON), at=5, certainty=2))
    feed.receive(bet_settlement(settled(1, HOME_WON), at=4, certainty=1))
    feed.receive(correction("rollback_bet_settlement", 1, at=3))
    assert feed.adapter.certainty(key) == 2

    feed.receive(correction("rollback_bet_settlement", 1, at=6))
    assert feed.adapter.certainty(key) == 0


def test_a_recovery_does_not_reopen_a_market_whose_settlement_was_rolled_back():
    feed = feed_markets(WATCHED)
    feed.recover(at=0)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.receive(bet_settlement(settled(1, HOME_WON), at=2))
    feed.receive(correction("rollback_bet_settlement", 1, at=3))
    feed.tick(at=30_000)

    feed.recover(at=31_000)

    assert feed.status("1x2") is Status.SUSPENDED
