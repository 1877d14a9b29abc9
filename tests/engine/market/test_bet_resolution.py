"""Bet resolution: cancelled windows, rollbacks and deductions, each rule with its figures."""

import numpy as np
import pytest
from msgspec import structs

from engine.common.commands import (
    CANCEL_WINDOWS_MAX,
    DEDUCTIONS_MAX,
    TIME_NS_MAX,
    CancelBets,
    CancelMarket,
    CloseMarket,
    Deduction,
    FeedStep,
    OutcomeResult,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import (
    BetsCancelled,
    CancelRolledBack,
    MarketCancelled,
    MarketSettled,
    Refused,
    SettlementRolledBack,
)
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.rows import BetResult
from engine.market.market import MarketMachine
from tests.engine.market.builders import bet, bet_rows, do, open_machine, won

HOME = SettleMarket(market_no=1, results=won(True, False, False))
WON, LOST, REFUND, OPEN = (
    BetResult.WON,
    BetResult.LOST,
    BetResult.CANCELLED,
    BetResult.NONE,
)


def placed_at(*times: int, odds: tuple[int, ...] = (2_500, 3_200, 2_900)) -> MarketMachine:
    """Return a machine with one bet of 100 on outcome 0 at each time, serials from 1."""
    machine = open_machine(odds=odds)
    for serial, at_ns in enumerate(times, start=1):
        assert not machine.place(bet_rows([bet(serial, odds=odds[0])]), at_ns)["reason"].any()
    return machine


def sent(machine: MarketMachine, *commands: FeedStep) -> list[tuple[int, int, int, int]]:
    """Apply commands; return (serial, result, payout, settlement_no) of the rows they sent."""
    seq = machine._outbox.last_seq(0)
    do(machine, *commands)
    machine.check()
    rows = machine.outbox(shard=0, limit=1 << 20)
    rows = rows[rows["outbox_seq"] > seq]
    serials = (rows["bet_id"] & np.uint64((1 << 48) - 1)).tolist()
    columns = (rows[name].tolist() for name in ("result", "payout_minor", "settlement_no"))
    return list(zip(serials, *columns, strict=True))


def refusal(machine: MarketMachine, command: FeedStep) -> tuple[Reason, str]:
    """Apply a command that must be refused and change nothing; return reason and field."""
    before = machine.state_hash()
    event = machine.apply(command, 99)
    assert isinstance(event, Refused), event
    assert event.message
    assert machine.state_hash() == before
    return event.reason, event.field


def window(begin: int | None = None, end: int | None = None) -> CancelBets:
    return CancelBets(market_no=1, from_ns=begin, until_ns=end)


def rollback(begin: int | None = None, end: int | None = None) -> RollBackCancel:
    return RollBackCancel(market_no=1, from_ns=begin, until_ns=end)


# --- windows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begin", "end", "covered"),
    [
        (20, 30, [2]),
        (10, 31, [1, 2, 3]),
        (None, 20, [1]),
        (20, None, [2, 3]),
        (None, None, [1, 2, 3]),
        (40, None, []),
    ],
)
def test_a_window_includes_its_first_time_and_excludes_its_end(begin, end, covered) -> None:
    machine = placed_at(10, 20, 30)
    event = machine.apply(CancelBets(market_no=1, from_ns=begin, until_ns=end, why="odds"), 50)
    assert event == BetsCancelled(
        market_no=1,
        version=2,
        settlement_no=1,
        from_ns=begin,
        until_ns=end,
        bets=len(covered),
        payouts_check=100 * len(covered),
        why="odds",
    )
    assert machine.price_delta(1).status == Status.ACTIVE, "it does not change the status"
    rows = machine.outbox(shard=0, limit=9)
    assert (rows["bet_id"] & np.uint64(0xFF)).tolist() == covered
    machine.check()


def test_a_window_covers_no_bet_accepted_after_its_command() -> None:
    machine = placed_at(10)
    assert sent(machine, window(), window(5, 100)) == [(1, REFUND, 100, 1)]
    machine.place(bet_rows([bet(2)]), 20)
    machine.place(bet_rows([bet(3)]), 10)
    assert sent(machine, HOME) == [(2, WON, 250, 3), (3, WON, 250, 3)]


def test_bets_in_a_window_stay_refunded_after_later_settlements_and_cancellations() -> None:
    machine = placed_at(10, 20)
    assert sent(machine, window(10, 20)) == [(1, REFUND, 100, 1)]
    assert sent(machine, HOME) == [(2, WON, 250, 2)]
    away = SettleMarket(market_no=1, results=won(False, False, True))
    assert sent(machine, away) == [(2, LOST, 0, 3)]
    assert sent(machine, CancelMarket(market_no=1)) == [(2, REFUND, 100, 4)]


def test_a_window_may_follow_the_settlement() -> None:
    machine = placed_at(10, 20)
    do(machine, HOME)
    assert sent(machine, window(20)) == [(2, REFUND, 100, 2)]
    assert machine.price_delta(1).status == Status.SETTLED


def test_a_bet_in_two_windows_is_refunded_once_and_opened_by_the_last_rollback() -> None:
    machine = placed_at(10, 20, 30)
    assert [row[0] for row in sent(machine, window(10, 21))] == [1, 2]
    assert [row[0] for row in sent(machine, window(20, 31))] == [3]
    assert sent(machine, rollback(10, 21)) == [(1, OPEN, 0, 3)]
    assert [row[0] for row in sent(machine, rollback(20, 31))] == [2, 3]


@pytest.mark.parametrize("times", [(None, None), (5, None), (None, 90), (5, 90)])
def test_the_same_window_again_refunds_the_bets_accepted_since(times) -> None:
    machine = placed_at(10)
    assert sent(machine, window(*times)) == [(1, REFUND, 100, 1)]
    assert refusal(machine, window(*times)) == (Reason.WINDOW_KNOWN, "from_ns")
    machine.place(bet_rows([bet(2), bet(3, outcome=1, odds=3_200)]), 20)
    assert sent(machine, window(*times)) == [(2, REFUND, 100, 2), (3, REFUND, 100, 2)]
    assert refusal(machine, window(*times)) == (Reason.WINDOW_KNOWN, "from_ns")
    machine.place(bet_rows([bet(4)]), 30)
    assert sent(machine, rollback(*times)) == [(serial, OPEN, 0, 3) for serial in (1, 2, 3)]
    assert refusal(machine, rollback(*times)) == (Reason.WINDOW_UNKNOWN, "from_ns")


def test_the_first_rules_refuse_a_known_window() -> None:
    machine = open_machine(rules=1)
    machine.place(bet_rows([bet(1)]), 10)
    do(machine, window(5))
    machine.place(bet_rows([bet(2)]), 20)
    assert refusal(machine, window(5)) == (Reason.WINDOW_KNOWN, "from_ns")
    machine.begin_epoch(epoch=2, rules=2)
    assert [row[0] for row in sent(machine, window(5))] == [2]


def test_a_cancellation_that_comes_late_spares_the_bets_accepted_since_its_own_time() -> None:
    machine = placed_at(10, 20, 30)
    late = structs.replace(window(), accepted_before_ns=20)
    assert sent(machine, late) == [(1, REFUND, 100, 1)]
    assert refusal(machine, late) == (Reason.WINDOW_KNOWN, "from_ns")
    newer = structs.replace(window(), accepted_before_ns=30)
    assert sent(machine, newer) == [(2, REFUND, 100, 2)]
    assert refusal(machine, late) == (Reason.WINDOW_KNOWN, "from_ns")
    assert sent(machine, window()) == [(3, REFUND, 100, 3)]
    assert sent(machine, rollback()) == [(serial, OPEN, 0, 4) for serial in (1, 2, 3)]


def test_the_whole_market_and_single_outcomes_are_cancelled_again_in_any_order() -> None:
    machine = placed_at(10)
    first = structs.replace(window(), outcomes=(0,))
    assert sent(machine, window()) == [(1, REFUND, 100, 1)]
    machine.place(bet_rows([bet(2), bet(3, outcome=1, odds=3_200)]), 20)
    assert sent(machine, first) == [(2, REFUND, 100, 2)]
    assert sent(machine, window()) == [(3, REFUND, 100, 3)]
    machine.place(bet_rows([bet(4), bet(5, outcome=1, odds=3_200)]), 30)
    assert sent(machine, window(15)) == [(4, REFUND, 100, 4), (5, REFUND, 100, 4)]
    both = [(1, OPEN, 0, 5)]
    assert sent(machine, structs.replace(rollback(), outcomes=(0,))) == both
    assert sent(machine, rollback(15)) == [(2, OPEN, 0, 6), (4, OPEN, 0, 6), (5, OPEN, 0, 6)]
    assert sent(machine, rollback()) == [(3, OPEN, 0, 7)]


@pytest.mark.parametrize(
    ("begin", "end", "field"),
    [
        (10, 10, "until_ns"),
        (10, 9, "until_ns"),
        (None, 0, "until_ns"),
        (-1, None, "from_ns"),
        (0, TIME_NS_MAX + 1, "until_ns"),
    ],
)
def test_an_empty_window_or_one_out_of_bounds_is_refused(begin, end, field) -> None:
    assert refusal(placed_at(10), window(begin, end)) == (Reason.FIELD_OUT_OF_BOUNDS, field)


def test_a_window_past_the_bound_makes_the_one_that_ends_first_final() -> None:
    machine = placed_at(*range(CANCEL_WINDOWS_MAX + 1))
    for begin in range(CANCEL_WINDOWS_MAX):
        assert [row[0] for row in sent(machine, window(begin, begin + 1))] == [begin + 1]
    last = CANCEL_WINDOWS_MAX
    assert [row[0] for row in sent(machine, window(last, last + 1))] == [last + 1]
    assert refusal(machine, rollback(0, 1)) == (Reason.WINDOW_UNKNOWN, "from_ns")
    assert [row[0] for row in sent(machine, rollback(1, 2))] == [2]
    assert [row[:2] for row in sent(machine, HOME)] == [(2, WON)], "the first is refunded still"
    document = machine.dump()
    assert document["final"] == [[1, 0]]
    assert document["windows"][0]["from_ns"] == 2
    assert MarketMachine.load(document).dump() == document


def test_cancelling_an_outcome_at_a_time_is_one_window_however_often() -> None:
    odds = (2_500,) * (CANCEL_WINDOWS_MAX + 2)
    machine = open_machine(odds=odds)
    for outcome in range(len(odds)):
        machine.place(bet_rows([bet(outcome + 1, outcome=outcome)]), 10)
        do(machine, structs.replace(window(), outcomes=(outcome,)))
    assert machine.dump()["final"] == []
    assert len(sent(machine, rollback())) == len(odds)


def test_the_first_rules_refuse_a_window_past_the_bound() -> None:
    machine = open_machine(rules=1)
    do(machine, *[window(begin) for begin in range(CANCEL_WINDOWS_MAX)])
    assert refusal(machine, window(1_000)) == (Reason.CAPACITY, "from_ns")
    do(machine, rollback(7), window(1_000))
    assert MarketMachine.load(machine.dump()).dump() == machine.dump()


# --- rollbacks ----------------------------------------------------------------------------------


def test_a_rollback_must_name_exactly_the_times_of_the_window() -> None:
    machine = placed_at(10)
    do(machine, window(5, 20))
    for wrong in (rollback(5), rollback(5, 21), rollback(4, 20), rollback(None, 20), rollback()):
        assert refusal(machine, wrong) == (Reason.WINDOW_UNKNOWN, "from_ns")
    event = machine.apply(RollBackCancel(market_no=1, from_ns=5, until_ns=20, why="error"), 60)
    assert event == CancelRolledBack(
        market_no=1,
        version=2,
        status=Status.ACTIVE,
        settlement_no=2,
        from_ns=5,
        until_ns=20,
        bets=1,
        payouts_check=0,
        why="error",
    )
    assert refusal(machine, rollback(5, 20)) == (Reason.WINDOW_UNKNOWN, "from_ns")


def test_a_cancellation_rolled_back_settles_bets_by_the_results_that_stand() -> None:
    machine = placed_at(10, 20)
    do(machine, window(10, 11), HOME)
    assert sent(machine, rollback(10, 11)) == [(1, WON, 250, 3)]


def test_a_cancelled_market_rolled_back_is_settled_when_results_stand() -> None:
    machine = placed_at(10, 20)
    do(machine, window(20), HOME, CancelMarket(market_no=1))
    event = machine.apply(rollback(), 70)
    assert isinstance(event, CancelRolledBack)
    assert (event.status, event.bets, event.payouts_check) == (Status.SETTLED, 1, 250)
    assert machine.price_delta(1).status == Status.SETTLED
    assert refusal(machine, HOME) == (Reason.ALREADY_SETTLED, "results")


def test_a_cancelled_market_rolled_back_without_results_is_suspended() -> None:
    machine = placed_at(10)
    do(machine, CloseMarket(market_no=1))
    assert sent(machine, CancelMarket(market_no=1), rollback()) == [
        (1, REFUND, 100, 1),
        (1, OPEN, 0, 2),
    ]
    assert machine.price_delta(1).status == Status.SUSPENDED
    assert machine.place(bet_rows([bet(2)]), 30)["reason"].tolist() == [Reason.MARKET_SUSPENDED]


def test_a_rollback_without_times_rolls_back_the_window_and_the_market_together() -> None:
    machine = placed_at(10)
    do(machine, window(), CancelMarket(market_no=1))
    assert sent(machine, rollback()) == [(1, OPEN, 0, 3)]
    assert refusal(machine, rollback()) == (Reason.WINDOW_UNKNOWN, "from_ns")


def test_a_window_rolled_back_in_a_cancelled_market_changes_no_bet() -> None:
    machine = placed_at(10)
    do(machine, window(5), CancelMarket(market_no=1))
    assert sent(machine, rollback(5)) == []
    assert machine.price_delta(1).status == Status.CANCELLED


def test_results_rolled_back_open_every_bet_that_no_window_covers() -> None:
    machine = placed_at(10, 20)
    do(machine, window(10, 11), HOME)
    version = machine.price_delta(1).version
    event = machine.apply(RollBackSettlement(market_no=1, why="VAR"), 80)
    assert event == SettlementRolledBack(
        market_no=1,
        version=version + 1,
        status=Status.SUSPENDED,
        settlement_no=3,
        bets=1,
        why="VAR",
    )
    assert machine.outbox(shard=0, limit=9)["result"].tolist() == [REFUND, WON, OPEN]
    assert not machine.results_stand(1)
    assert refusal(machine, RollBackSettlement(market_no=1))[0] == Reason.NOT_SETTLED
    assert sent(machine, HOME) == [(2, WON, 250, 4)], "the same results settle it again"


def test_results_rolled_back_in_a_cancelled_market_leave_it_cancelled() -> None:
    machine = placed_at(10)
    do(machine, HOME, CancelMarket(market_no=1))
    assert machine.results_stand(1)
    assert sent(machine, RollBackSettlement(market_no=1)) == []
    assert machine.price_delta(1).status == Status.CANCELLED
    assert sent(machine, rollback()) == [(1, OPEN, 0, 4)]
    assert machine.price_delta(1).status == Status.SUSPENDED


def test_resolving_bets_changes_no_figure_of_the_book() -> None:
    machine = placed_at(10, 20)
    before = machine.book_image(1)
    do(machine, SuspendMarket(market_no=1), window(), HOME, CancelMarket(market_no=1), rollback())
    after = machine.book_image(1)
    for name in ("bets", "stake_taken_minor", "stake_minor", "payout_minor", "liability_minor"):
        assert getattr(after, name) == getattr(before, name)


# --- deductions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("odds", "keep", "of_price", "payout"),
    [
        (9_000, 750, False, 7_000),
        (2_750, 650, False, 2_137),
        (8_000, 750, True, 6_000),
        (1_100, 750, True, 1_000),
        (1_100, 0, False, 1_000),
    ],
    ids=["10 at 8/1, 25p", "10 at 7/4, 35p: 21.375", "8.0 less 25%", "not under the stake", "all"],
)
def test_a_winner_placed_before_the_withdrawal_is_paid_less_by_the_deduction(
    odds, keep, of_price, payout
) -> None:
    machine = open_machine(odds=(odds, 2_000))
    machine.place(bet_rows([bet(1, stake=1_000, odds=odds)]), 10)
    machine.place(bet_rows([bet(2, stake=1_000, outcome=1, odds=2_000)]), 10)
    machine.place(bet_rows([bet(3, stake=1_000, odds=odds)]), 20)
    deduction = Deduction(until_ns=20, keep_milli=keep, of_price=of_price)
    command = SettleMarket(market_no=1, results=won(True, False), deductions=(deduction,))
    event = machine.apply(command, 30)
    assert isinstance(event, MarketSettled)
    assert event.deductions == (deduction,)
    payouts = machine.outbox(shard=0, limit=9)["payout_minor"].tolist()
    assert payouts == [payout, 0, odds], "the loser gets nothing, the later bet its full payout"
    assert event.payouts_check == sum(payouts)


def test_a_bet_gets_the_first_deduction_after_its_time() -> None:
    machine = placed_at(10, 20, 30)
    deductions = (
        Deduction(until_ns=20, keep_milli=500),
        Deduction(until_ns=21, keep_milli=800),
    )
    command = SettleMarket(market_no=1, results=won(True, False, False), deductions=deductions)
    assert [row[2] for row in sent(machine, command)] == [175, 220, 250]


def test_half_win_dead_heat_and_deduction_are_rounded_once() -> None:
    machine = open_machine(odds=(2_750, 2_000))
    machine.place(bet_rows([bet(1, stake=1_000, odds=2_750)]), 10)
    third = OutcomeResult(won=True, void_halves=1, dead_heat_num=1, dead_heat_den=3)
    command = SettleMarket(
        market_no=1,
        results=(third, OutcomeResult(won=False)),
        deductions=(Deduction(until_ns=20, keep_milli=650),),
    )
    assert [row[2] for row in sent(machine, command)] == [856], "1000 x (2.1375 / 3 + 1) / 2"


def test_a_refund_and_an_open_bet_get_no_deduction() -> None:
    machine = placed_at(10, 20)
    command = SettleMarket(
        market_no=1,
        results=won(True, False, False),
        deductions=(Deduction(until_ns=50, keep_milli=0),),
    )
    assert sent(machine, window(10, 11), command)[1:] == [(2, WON, 100, 2)]
    assert sent(machine, RollBackSettlement(market_no=1)) == [(2, OPEN, 0, 3)]
    assert sent(machine, HOME) == [(2, WON, 250, 4)], "the rollback removed the deductions"


def test_the_same_results_with_other_deductions_settle_again() -> None:
    machine = placed_at(10)
    command = SettleMarket(
        market_no=1, results=HOME.results, deductions=(Deduction(until_ns=20, keep_milli=500),)
    )
    do(machine, HOME)
    assert sent(machine, command) == [(1, WON, 175, 2)]
    assert refusal(machine, command) == (Reason.ALREADY_SETTLED, "results")
    assert sent(machine, HOME) == [(1, WON, 250, 3)]


@pytest.mark.parametrize(
    ("deductions", "field"),
    [
        ([(20, 500), (20, 600)], "deductions[1].until_ns"),
        ([(20, 500), (19, 600)], "deductions[1].until_ns"),
        ([(-1, 500)], "deductions[0].until_ns"),
        ([(TIME_NS_MAX + 1, 500)], "deductions[0].until_ns"),
        ([(20, 1_001)], "deductions[0].keep_milli"),
        ([(20, -1)], "deductions[0].keep_milli"),
        ([(at, 500) for at in range(DEDUCTIONS_MAX + 1)], "deductions"),
    ],
)
def test_deductions_out_of_bounds_or_order_are_refused_and_the_field_named(
    deductions, field
) -> None:
    given = tuple(Deduction(until_ns=until, keep_milli=keep) for until, keep in deductions)
    command = SettleMarket(market_no=1, results=HOME.results, deductions=given)
    assert refusal(placed_at(10), command) == (Reason.FIELD_OUT_OF_BOUNDS, field)


def test_every_resolving_command_raises_the_settlement_number_also_without_bets() -> None:
    machine = placed_at()
    events = [
        machine.apply(command, 9)
        for command in (
            window(),
            HOME,
            CancelMarket(market_no=1),
            rollback(),
            RollBackSettlement(market_no=1),
        )
    ]
    assert [event.settlement_no for event in events] == [1, 2, 3, 4, 5]
    assert isinstance(events[2], MarketCancelled)
    machine.check()
