"""Settlement: the feed's table, dead heats, settling again, cancelling, and the outbox."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.commands import (
    AckOutbox,
    CancelMarket,
    CloseMarket,
    Deduction,
    OpenMarket,
    OutcomeResult,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import MarketCancelled, MarketSettled, OutboxAcked, Refused
from engine.common.reasons import Reason
from engine.common.rows import BET, BetResult
from engine.common.units import ODDS_MILLI_MAX, STAKE_MINOR_MAX, payout_minor
from engine.market.market import MarketMachine
from engine.market.settle_nb import back_nb, deducted_odds_micro_nb, result_nb, settled_minor_nb
from engine.market.settlement import canonical_result
from tests.engine.market.builders import (
    AT_NS,
    WIDE,
    bet,
    bet_rows,
    create,
    do,
    open_machine,
    place,
    reasons,
    won,
)
from tests.engine.market.resolution_twin import Placed, deducted_twin
from tests.engine.market.twin import payback_twin, result_twin

RESULTS = st.integers(1, 64).flatmap(
    lambda den: st.builds(
        OutcomeResult,
        won=st.booleans(),
        void_halves=st.integers(0, 2),
        dead_heat_num=st.integers(0, den),
        dead_heat_den=st.just(den),
    )
)


def settled(machine: MarketMachine, shard: int = 0) -> list[tuple[int, int, int, int]]:
    """Return (serial, payout, result, settlement_no) of the waiting rows."""
    rows = machine.outbox(shard=shard, limit=1 << 20)
    serials = (rows["bet_id"] & np.uint64((1 << 48) - 1)).tolist()
    columns = (rows[name].tolist() for name in ("payout_minor", "result", "settlement_no"))
    return list(zip(serials, *columns, strict=True))


@pytest.mark.parametrize(
    ("result", "payout", "ended"),
    [
        (OutcomeResult(won=True), 250, BetResult.WON),
        (OutcomeResult(won=False), 0, BetResult.LOST),
        (OutcomeResult(won=False, void_halves=2), 100, BetResult.REFUNDED),
        (OutcomeResult(won=True, void_halves=2), 100, BetResult.REFUNDED),
        (OutcomeResult(won=True, void_halves=1), 175, BetResult.HALF_WON),
        (OutcomeResult(won=False, void_halves=1), 50, BetResult.HALF_LOST),
        (OutcomeResult(won=True, dead_heat_num=1, dead_heat_den=2), 125, BetResult.WON),
        (OutcomeResult(won=True, dead_heat_num=0), 0, BetResult.LOST),
        (OutcomeResult(won=True, void_halves=1, dead_heat_num=0), 50, BetResult.HALF_LOST),
    ],
)
def test_each_row_of_the_feed_s_table_pays_its_return(result, payout, ended) -> None:
    machine = open_machine()
    place(machine, bet(1))
    other = OutcomeResult(won=False)
    event = machine.apply(SettleMarket(market_no=1, results=(result, other, other)), AT_NS)
    assert isinstance(event, MarketSettled)
    assert (event.settlement_no, event.bets, event.payouts_check) == (1, 1, payout)
    assert event.results == (result, other, other)
    assert settled(machine) == [(1, payout, ended, 1)]


def test_sixty_at_six_with_three_tied_for_first_returns_120() -> None:
    machine = open_machine(odds=(6_000, 6_000, 6_000, 6_000))
    place(machine, bet(1, stake=6_000, odds=6_000))
    tied = OutcomeResult(won=True, dead_heat_num=1, dead_heat_den=3)
    results = (tied, tied, tied, OutcomeResult(won=False))
    do(machine, SettleMarket(market_no=1, results=results))
    assert settled(machine) == [(1, 12_000, BetResult.WON, 1)]


def test_payout_is_rounded_down_once_at_the_end() -> None:
    machine = open_machine(odds=(3_333, 2_000))
    place(machine, bet(1, stake=7, odds=3_333))
    third = OutcomeResult(won=True, void_halves=1, dead_heat_num=2, dead_heat_den=3)
    do(machine, SettleMarket(market_no=1, results=(third, OutcomeResult(won=False))))
    assert settled(machine)[0][1] == 11, "7 x (3.333 x 2/3 + 1) / 2 = 11.277"


@settings(max_examples=300, deadline=None)
@given(
    stake=st.integers(1, STAKE_MINOR_MAX), odds=st.integers(1_001, ODDS_MILLI_MAX), result=RESULTS
)
def test_settled_payout_equals_that_of_the_twin(stake, odds, result) -> None:
    figures = (result.void_halves, result.dead_heat_num, result.dead_heat_den)
    expected = payback_twin(stake=stake, odds=odds, result=result)
    back = back_nb(odds, 1_000, int(result.won), *figures)
    assert settled_minor_nb(stake, *back) == expected
    plain = canonical_result(result)
    assert payback_twin(stake=stake, odds=odds, result=plain) == expected
    assert result_nb(int(plain.won), plain.void_halves) == result_twin(result)


@settings(max_examples=300, deadline=None)
@given(
    stake=st.integers(1, STAKE_MINOR_MAX),
    odds=st.integers(1_001, ODDS_MILLI_MAX),
    result=RESULTS,
    keep=st.integers(0, 1_000),
    of_price=st.booleans(),
)
def test_deducted_payout_equals_that_of_the_twin(stake, odds, result, keep, of_price) -> None:
    """The product of stake, odds, dead heat and deduction needs more than 63 bits."""
    odds_micro = deducted_odds_micro_nb(odds, keep, int(of_price))
    figures = (result.void_halves, result.dead_heat_num, result.dead_heat_den)
    paid = settled_minor_nb(stake, *back_nb(odds_micro, 1_000_000, int(result.won), *figures))
    deduction = Deduction(until_ns=2, keep_milli=keep, of_price=of_price)
    bet = Placed(serial=1, outcome=0, stake=stake, odds=odds, at_ns=1)
    assert paid == deducted_twin(bet, result, (deduction,))


@given(stake=st.integers(1, STAKE_MINOR_MAX), odds=st.integers(1_001, ODDS_MILLI_MAX))
def test_a_plain_win_pays_the_payout_that_the_market_reserved_for_it(stake, odds) -> None:
    assert settled_minor_nb(stake, *back_nb(odds, 1_000, 1, 0, 1, 1)) == payout_minor(stake, odds)


@settings(max_examples=30, deadline=None)
@given(
    stakes=st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 2)), max_size=20),
    results=st.tuples(RESULTS, RESULTS, RESULTS),
)
def test_every_bet_of_a_market_is_settled_by_its_own_outcome_in_order(stakes, results) -> None:
    machine = open_machine(markets=2)
    odds = (2_500, 3_200, 2_900)
    for serial, (stake, outcome) in enumerate(stakes, start=1):
        place(
            machine,
            bet(serial, stake=stake, outcome=outcome, odds=odds[outcome]),
            bet(1_000 + serial, market=2),
        )
    do(machine, SettleMarket(market_no=1, results=results))
    assert settled(machine) == [
        (
            serial,
            payback_twin(stake=stake, odds=odds[outcome], result=results[outcome]),
            result_twin(results[outcome]),
            1,
        )
        for serial, (stake, outcome) in enumerate(stakes, start=1)
    ]
    machine.check()


def test_refused_bets_are_not_settled() -> None:
    machine = open_machine()
    place(machine, bet(1), bet(2, odds=9), bet(3, market=4), bet(4))
    do(machine, SettleMarket(market_no=1, results=won(False, True, False)))
    assert [serial for serial, *_ in settled(machine)] == [1, 4]


def test_settling_again_with_equal_results_is_refused() -> None:
    machine = open_machine()
    place(machine, bet(1))
    half = OutcomeResult(won=True, dead_heat_num=1, dead_heat_den=2)
    lost = OutcomeResult(won=False)
    do(machine, SettleMarket(market_no=1, results=(half, half, lost)))
    before = machine.state_hash()
    other = OutcomeResult(won=True, dead_heat_num=32, dead_heat_den=64)
    nothing = OutcomeResult(won=True, dead_heat_num=0)
    event = machine.apply(SettleMarket(market_no=1, results=(other, half, nothing)), AT_NS + 1)
    assert isinstance(event, Refused)
    assert event.reason == Reason.ALREADY_SETTLED
    assert machine.state_hash() == before


def test_settling_again_with_other_results_sends_every_bet_with_a_higher_number() -> None:
    machine = open_machine()
    place(machine, bet(1), bet(2, outcome=1, odds=3_200))
    do(machine, SettleMarket(market_no=1, results=won(True, False, False)))
    version = machine.price_delta(1).version
    event = machine.apply(SettleMarket(market_no=1, results=won(False, True, False)), AT_NS)
    assert isinstance(event, MarketSettled)
    assert (event.settlement_no, event.version) == (2, version)
    assert settled(machine) == [
        (1, 250, BetResult.WON, 1),
        (2, 0, BetResult.LOST, 1),
        (1, 0, BetResult.LOST, 2),
        (2, 320, BetResult.WON, 2),
    ]
    assert machine.book_image(1).settlement_no == 2
    machine.check()


def test_cancelling_refunds_every_bet_also_after_a_settlement() -> None:
    machine = open_machine()
    place(machine, bet(1, stake=333), bet(2, outcome=1, odds=3_200))
    do(machine, SettleMarket(market_no=1, results=won(True, False, False)))
    event = machine.apply(CancelMarket(market_no=1, why="abandoned"), AT_NS)
    assert isinstance(event, MarketCancelled)
    assert (event.settlement_no, event.bets, event.payouts_check) == (2, 2, 433)
    assert event.why == "abandoned"
    assert settled(machine)[2:] == [
        (1, 333, BetResult.CANCELLED, 2),
        (2, 100, BetResult.CANCELLED, 2),
    ]
    again = machine.apply(CancelMarket(market_no=1), AT_NS)
    assert isinstance(again, Refused)
    assert again.reason == Reason.TRANSITION_NOT_ALLOWED


@pytest.mark.parametrize(
    ("result", "field"),
    [
        (OutcomeResult(won=True, void_halves=3), "results[1].void_halves"),
        (OutcomeResult(won=True, dead_heat_num=2, dead_heat_den=1), "results[1].dead_heat_num"),
        (OutcomeResult(won=True, dead_heat_num=-1), "results[1].dead_heat_num"),
        (OutcomeResult(won=True, dead_heat_den=0), "results[1].dead_heat_den"),
        (OutcomeResult(won=True, dead_heat_den=65), "results[1].dead_heat_den"),
    ],
)
def test_a_result_out_of_bounds_is_refused_and_the_field_named(result, field) -> None:
    machine = open_machine(odds=(2_000, 2_000))
    place(machine, bet(1, odds=2_000))
    before = machine.state_hash()
    results = (OutcomeResult(won=True), result)
    event = machine.apply(SettleMarket(market_no=1, results=results), AT_NS)
    assert isinstance(event, Refused)
    assert (event.reason, event.field) == (Reason.FIELD_OUT_OF_BOUNDS, field)
    assert machine.state_hash() == before


def test_results_must_have_one_item_for_each_outcome() -> None:
    event = open_machine().apply(SettleMarket(market_no=1, results=won(True, False)), AT_NS)
    assert isinstance(event, Refused)
    assert (event.reason, event.field) == (Reason.FIELD_OUT_OF_BOUNDS, "results")


def test_a_market_is_settled_while_active_suspended_or_closed_but_not_cancelled() -> None:
    for commands in ([], [SuspendMarket(market_no=1)], [CloseMarket(market_no=1)]):
        machine = open_machine()
        do(machine, *commands, SettleMarket(market_no=1, results=won(True, False, False)))
    machine = open_machine()
    do(machine, CancelMarket(market_no=1))
    event = machine.apply(SettleMarket(market_no=1, results=won(True, False, False)), AT_NS)
    assert isinstance(event, Refused)
    assert event.reason == Reason.TRANSITION_NOT_ALLOWED


def test_settlements_go_to_the_shard_that_gave_the_bet_id_numbered_from_one() -> None:
    machine = open_machine(markets=2)
    bets = [bet(serial, shard=shard) for serial in (1, 2, 3) for shard in (5, 0, 32_767)]
    place(machine, *bets, bet(9, shard=5, market=2))
    do(machine, SettleMarket(market_no=1, results=won(True, False, False)))
    assert machine.outbox_shards() == [0, 5, 32_767]
    do(machine, SettleMarket(market_no=2, results=won(True, False, False)))
    for shard, serials in ((0, [1, 2, 3]), (5, [1, 2, 3, 9]), (32_767, [1, 2, 3])):
        rows = machine.outbox(shard=shard, limit=10)
        assert rows["outbox_seq"].tolist() == list(range(1, len(serials) + 1))
        assert [serial for serial, *_ in settled(machine, shard)] == serials
    assert machine.outbox(shard=5, limit=2)["outbox_seq"].tolist() == [1, 2]
    assert machine.outbox(shard=4, limit=2).size == 0
    machine.check()


def test_acknowledged_settlements_are_dropped_and_their_numbers_never_used_again() -> None:
    machine = open_machine(markets=2)
    place(machine, *[bet(serial) for serial in (1, 2, 3)], bet(4, market=2))
    do(machine, SettleMarket(market_no=1, results=won(True, False, False)))
    assert machine.apply(AckOutbox(shard=0, upto=2), AT_NS) == OutboxAcked(
        shard=0, upto=2, forgotten=2
    )
    assert machine.outbox(shard=0, limit=9)["outbox_seq"].tolist() == [3]
    assert machine.apply(AckOutbox(shard=0, upto=1), AT_NS).forgotten == 0
    assert machine.apply(AckOutbox(shard=0, upto=3), AT_NS).forgotten == 1
    assert machine.outbox_shards() == []
    machine = MarketMachine.load(machine.dump())
    do(machine, SettleMarket(market_no=2, results=won(True, False, False)))
    assert machine.outbox(shard=0, limit=9)["outbox_seq"].tolist() == [4]
    machine.check()


@pytest.mark.parametrize(("shard", "upto"), [(0, 2), (0, -1), (3, 1)])
def test_acknowledging_a_number_that_was_never_sent_is_refused(shard, upto) -> None:
    machine = open_machine()
    place(machine, bet(1))
    do(machine, SettleMarket(market_no=1, results=won(True, False, False)))
    event = machine.apply(AckOutbox(shard=shard, upto=upto), AT_NS)
    assert isinstance(event, Refused)
    assert event.field == "upto"


def test_settling_a_market_without_bets_sends_nothing() -> None:
    machine = open_machine()
    event = machine.apply(SettleMarket(market_no=1, results=won(True, False, False)), AT_NS)
    assert isinstance(event, MarketSettled)
    assert (event.bets, event.payouts_check, machine.outbox_shards()) == (0, 0, [])


def test_a_hundred_thousand_bets_are_settled_within_a_second() -> None:
    machine = open_machine()
    rows = np.zeros(100_000, BET)
    rows["bet_id"] = np.arange(1, 100_001) | (np.arange(100_000) % 2 << 48)
    rows["stake_minor"] = 100
    rows["market_no"], rows["odds_milli"], rows["rate_micro"] = 1, 2_500, 1_000_000
    assert not machine.place(rows, AT_NS)["reason"].any()
    started = time.perf_counter()
    event = machine.apply(SettleMarket(market_no=1, results=won(True, False, False)), AT_NS)
    assert time.perf_counter() - started < 1, "no loop of the interpreter over bets"
    assert (event.bets, event.payouts_check) == (100_000, 25_000_000)
    for shard in (0, 1):
        sent = machine.outbox(shard=shard, limit=100_000)
        assert np.array_equal(sent["bet_id"], rows["bet_id"][shard::2])
    machine.check()


def test_a_settlement_includes_no_bet_of_another_market() -> None:
    machine = MarketMachine()
    do(machine, create(10, limits=WIDE), OpenMarket(market_no=10))
    assert reasons(machine, bet(1, market=10)) == [0]
    do(machine, create(20, odds=(1_500,), key="b/x"), OpenMarket(market_no=20))
    machine.place(bet_rows([bet(2, market=20, odds=1_500), bet(3, market=10)]), AT_NS)
    do(machine, SettleMarket(market_no=10, results=won(True, False, False)))
    assert [serial for serial, *_ in settled(machine)] == [1, 3]
    do(machine, SettleMarket(market_no=20, results=won(True)))
    assert [serial for serial, *_ in settled(machine)] == [1, 3, 2]
