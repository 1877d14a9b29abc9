"""Early payouts at a market: which legs a lead marks, exactly once, and nothing unmarks them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.common.commands import (
    AckOutbox,
    CancelBets,
    CancelMarket,
    FeedUpdate,
    MarketCommand,
    OutcomeResult,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.early import BeginPlay, PayEarly
from engine.common.events import EarlyPaid, FeedApplied, PlayBegun, Refused
from engine.common.reasons import Reason
from engine.common.rows import FLAG_LEG, FLAG_PRE_MATCH, FLAG_RELEASED, BetResult
from engine.market.early_payouts import MARKED
from engine.market.market import MarketMachine
from tests.engine.market.builders import bet, bet_rows, charge, open_machine

WON, LOST = OutcomeResult(won=True), OutcomeResult(won=False)
HOME_WINS, DRAWN = (WON, LOST, LOST), (LOST, WON, LOST)


def legs(machine: MarketMachine, at_ns: int, *bets: tuple[int, int, int]) -> None:
    """Place bets on (serial, outcome, flags)."""
    rows = bet_rows([bet(n, outcome=o, flags=f, odds=0, policy=2) for n, o, f in bets])
    rows["odds_milli"] = 2_000
    assert not machine.place(rows, at_ns)["reason"].any()


def paid(
    machine: MarketMachine, at_ns: int, lead: int = 2, *, outcome: int = 0, until: int = -1
) -> int:
    """Pay early at a lead, in play by then; return how many legs were marked."""
    machine.apply(BeginPlay(market_no=1, from_ns=at_ns), at_ns)
    command = PayEarly(market_no=1, outcome=outcome, lead=lead)
    if until >= 0:
        command = PayEarly(market_no=1, outcome=outcome, lead=lead, until_ns=until)
    event = machine.apply(command, at_ns)
    assert isinstance(event, EarlyPaid), event
    return event.bets


def sent(machine: MarketMachine) -> list[tuple[int, int, int, int]]:
    """Take the waiting settlements: (serial, result, lead, flags) each."""
    rows = machine.outbox(shard=0, limit=1 << 20)
    machine.apply(AckOutbox(shard=0, upto=int(rows["outbox_seq"].max(initial=0))), 0)
    serials = (rows["bet_id"] & np.uint64((1 << 48) - 1)).tolist()
    names = ("result", "early_lead", "early_flags")
    return list(zip(serials, *(rows[name].tolist() for name in names), strict=True))


# --- which legs -----------------------------------------------------------------------------------


def test_a_lead_marks_the_legs_on_its_side_that_were_placed_before_it_and_says_when() -> None:
    machine = open_machine()
    legs(machine, 10, (1, 0, FLAG_LEG), (2, 1, FLAG_LEG), (3, 0, 0))
    begun = machine.apply(BeginPlay(market_no=1, from_ns=20), 25)
    assert begun == PlayBegun(market_no=1, version=begun.version, from_ns=20)
    legs(machine, 30, (4, 0, FLAG_LEG))
    legs(machine, 40, (5, 0, FLAG_LEG))
    assert paid(machine, 50, until=40) == 2
    assert sent(machine) == [(1, BetResult.NONE, 2, FLAG_PRE_MATCH), (4, BetResult.NONE, 2, 0)]


def test_the_same_lead_again_marks_nothing_and_a_larger_one_is_told_once() -> None:
    machine = open_machine()
    legs(machine, 10, (1, 0, FLAG_LEG))
    leads = [paid(machine, 20 + at, lead) for at, lead in enumerate((2, 2, 1, 3, 3))]
    assert leads == [1, 0, 0, 1, 0]
    assert [row[2] for row in sent(machine)] == [2, 3]


def test_a_lead_reached_again_marks_the_legs_placed_between() -> None:
    """2:0, then 2:2, then 4:2: what was placed at 2:2 is paid at 4:2."""
    machine = open_machine()
    legs(machine, 10, (1, 0, FLAG_LEG))
    assert paid(machine, 20) == 1
    legs(machine, 30, (2, 0, FLAG_LEG))
    assert paid(machine, 40) == 1
    assert [row[:3] for row in sent(machine)] == [(1, 0, 2), (2, 0, 2)]


def test_a_time_after_the_command_covers_no_later_bet() -> None:
    machine = open_machine()
    legs(machine, 10, (1, 0, FLAG_LEG))
    assert paid(machine, 20, until=1_000) == 1
    legs(machine, 30, (2, 0, FLAG_LEG))
    assert paid(machine, 30, until=25) == 0


def test_refunded_and_released_legs_are_not_marked() -> None:
    machine = open_machine()
    legs(machine, 10, (1, 0, FLAG_LEG))
    legs(machine, 20, (2, 0, FLAG_LEG), (3, 0, FLAG_LEG))
    machine.apply(CancelBets(market_no=1, until_ns=15), 25)
    charge(machine, 2, flags=FLAG_RELEASED)
    sent(machine)
    assert paid(machine, 30) == 1
    assert sent(machine) == [(3, BetResult.NONE, 2, FLAG_PRE_MATCH)]


def test_play_begins_at_the_earliest_time_that_was_given() -> None:
    machine = open_machine()
    times = [machine.apply(BeginPlay(market_no=1, from_ns=at), 50).from_ns for at in (40, 45, 30)]
    assert times == [40, 40, 30]
    assert machine.apply(BeginPlay(market_no=1), 60).from_ns == 30


def test_no_side_leads_before_play_has_begun() -> None:
    machine = open_machine()
    legs(machine, 10, (1, 0, FLAG_LEG))
    before = machine.state_hash()
    pay = PayEarly(market_no=1, outcome=0, lead=2)
    event = machine.apply(pay, 20)
    assert isinstance(event, Refused)
    assert (event.reason, event.field) == (Reason.TRANSITION_NOT_ALLOWED, "market_no")
    assert "begin_play" in event.message
    assert machine.state_hash() == before
    machine.apply(BeginPlay(market_no=1, from_ns=5), 30)
    assert machine.apply(pay, 40).bets == 1
    assert sent(machine) == [(1, BetResult.NONE, 2, 0)], "placed in play"


def test_a_feed_gives_both_commands_and_a_repeated_message_changes_nothing() -> None:
    machine = open_machine()
    legs(machine, 10, (1, 0, FLAG_LEG))
    steps = (BeginPlay(market_no=1, from_ns=15), PayEarly(market_no=1, outcome=0, lead=2))
    message = FeedUpdate(market_no=1, source="f", position=1, steps=steps)
    event = machine.apply(message, 20)
    assert isinstance(event, FeedApplied)
    assert [type(part) for part in event.events] == [PlayBegun, EarlyPaid]
    again = machine.apply(message, 30)
    assert isinstance(again, Refused)
    assert again.reason == Reason.FEED_POSITION_KNOWN
    assert len(sent(machine)) == 1


@pytest.mark.parametrize(
    ("command", "reason", "field"),
    [
        (PayEarly(market_no=1, outcome=3, lead=2), Reason.OUTCOME_UNKNOWN, "outcome"),
        (PayEarly(market_no=1, outcome=0, lead=0), Reason.FIELD_OUT_OF_BOUNDS, "lead"),
        (PayEarly(market_no=1, outcome=0, lead=256), Reason.FIELD_OUT_OF_BOUNDS, "lead"),
        (
            PayEarly(market_no=1, outcome=0, lead=1, until_ns=-1),
            Reason.FIELD_OUT_OF_BOUNDS, "until_ns",
        ),
        (BeginPlay(market_no=1, from_ns=1 << 63), Reason.FIELD_OUT_OF_BOUNDS, "from_ns"),
        (PayEarly(market_no=9, outcome=0, lead=1), Reason.MARKET_UNKNOWN, "market_no"),
    ],
)  # fmt: skip
def test_a_field_out_of_bounds_is_refused(
    command: MarketCommand, reason: Reason, field: str
) -> None:
    machine = open_machine()
    before = machine.state_hash()
    event = machine.apply(command, 5)
    assert isinstance(event, Refused)
    assert (event.reason, event.field) == (reason, field)
    assert machine.state_hash() == before


# --- never taken back -----------------------------------------------------------------------------


def test_results_and_roll_backs_carry_the_mark_and_do_not_change_it() -> None:
    """Two ahead, then a draw, which is corrected, cancelled and rolled back."""
    machine = open_machine()
    legs(machine, 10, (1, 0, FLAG_LEG))
    paid(machine, 20)
    results = [row[1:] for row in sent(machine)]
    for command in (
        SettleMarket(market_no=1, results=DRAWN),
        SettleMarket(market_no=1, results=HOME_WINS),
        RollBackSettlement(market_no=1),
        CancelMarket(market_no=1),
        RollBackCancel(market_no=1),
    ):
        machine.apply(command, 30)
        results += [row[1:] for row in sent(machine)]
    assert results == [
        (result, 2, FLAG_PRE_MATCH)
        for result in (
            BetResult.NONE, BetResult.LOST, BetResult.WON, BetResult.NONE, BetResult.CANCELLED,
            BetResult.NONE,
        )
    ]  # fmt: skip


def test_a_lead_may_be_told_after_the_result() -> None:
    machine = open_machine()
    legs(machine, 10, (1, 0, FLAG_LEG))
    machine.apply(SettleMarket(market_no=1, results=DRAWN), 30)
    assert paid(machine, 40, until=20) == 1
    assert [row[1:3] for row in sent(machine)] == [(BetResult.LOST, 0), (BetResult.LOST, 2)]


# --- as a document --------------------------------------------------------------------------------


def with_mark(document: dict[str, Any], at: int, **fields: int) -> dict[str, Any]:
    """Return a document with fields of one of its marks changed."""
    rows = np.frombuffer(document["early"], MARKED).copy()
    for name, value in fields.items():
        rows[name][at] = value
    return {**document, "early": rows.tobytes()}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda d: with_mark(d, 1, record=0), "early: record: out of order"),
        (lambda d: with_mark(d, 1, record=9), "early: record: no such bet"),
        (lambda d: with_mark(d, 1, record=2), "early: record: not of an accepted leg"),
        (lambda d: with_mark(d, 0, early_lead=0), "early: early_lead"),
        (lambda d: with_mark(d, 0, early_flags=2), "early: early_flags"),
        (lambda d: {**d, "early": d["early"] * 3}, "early"),
        (lambda d: {**d, "play": [[1, 5, 6]]}, "play: not a list of two"),
        (lambda d: {**d, "play": [[1, 5], [1, 5]]}, "play.market_no"),
        (lambda d: {**d, "play": [[9, 5]]}, "play.market_no"),
        (lambda d: {**d, "play": [[1, -1]]}, "play.from_ns"),
    ],
)
def test_a_document_with_marks_that_cannot_be_is_refused(change: Any, what: str) -> None:
    machine = open_machine()
    legs(machine, 10, (1, 0, FLAG_LEG), (2, 0, FLAG_LEG), (3, 0, 0))
    machine.apply(BeginPlay(market_no=1, from_ns=20), 25)
    paid(machine, 30)
    document = machine.dump()
    assert MarketMachine.load(document).state_hash() == machine.state_hash()
    with pytest.raises(ValueError, match=what):
        MarketMachine.load(change(document))


# --- a twin ---------------------------------------------------------------------------------------

times = st.integers(0, 9)
steps = st.one_of(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from((0, FLAG_LEG, FLAG_LEG))), max_size=4),
    st.builds(PayEarly, market_no=st.just(1), outcome=st.integers(0, 1), lead=st.integers(1, 3)),
    st.builds(
        PayEarly,
        market_no=st.just(1), outcome=st.integers(0, 1), lead=st.integers(1, 3), until_ns=times,
    ),
    st.builds(BeginPlay, market_no=st.just(1), from_ns=times),
    st.builds(CancelBets, market_no=st.just(1), from_ns=times),
    st.builds(RollBackCancel, market_no=st.just(1), from_ns=times),
    st.sampled_from(
        (
            SettleMarket(market_no=1, results=HOME_WINS),
            SettleMarket(market_no=1, results=(WON,), outcomes=(0,)),
            RollBackSettlement(market_no=1), CancelMarket(market_no=1),
            RollBackCancel(market_no=1),
        )
    ),
    st.integers(1, 8),
)  # fmt: skip


@given(st.lists(st.tuples(steps, st.integers(0, 2)), max_size=16))
@settings(max_examples=30, deadline=None)
def test_marks_are_the_twins_and_everything_else_is_as_without_them(
    run: Sequence[tuple[object, int]],
) -> None:
    """Beside a market that is never told of a lead: the same results, payouts and figures."""
    machine, plain = open_machine(), open_machine()
    placed: dict[int, tuple[int, int, bool]] = {}
    marks: dict[int, tuple[int, int]] = {}
    released: set[int] = set()
    newest: dict[int, tuple[int, int]] = {}
    play_ns, at_ns, serial = 1 << 63, 1, 0
    for step, wait in run:
        at_ns += wait
        if isinstance(step, list):
            for outcome, flags in step:
                serial += 1
                for each in (machine, plain):
                    rows = bet_rows([bet(serial, outcome=outcome, flags=flags, policy=2)])
                    if not each.place(rows, at_ns)["reason"][0]:
                        placed[serial] = (at_ns, outcome, flags == FLAG_LEG)
        elif isinstance(step, int):
            for each in (machine, plain):
                if charge(each, step, flags=FLAG_RELEASED):
                    released.add(step)
        elif isinstance(step, PayEarly):
            if play_ns == 1 << 63:
                assert isinstance(machine.apply(step, at_ns), Refused)
                continue
            refunded = {n for n, row in present(machine).items() if row[0] == BetResult.CANCELLED}
            until_ns = min(step.until_ns, at_ns) if isinstance(step.until_ns, int) else at_ns
            due = {
                n
                for n, (when, outcome, leg) in placed.items()
                if leg and outcome == step.outcome and when < until_ns
                and n not in refunded | released and marks.get(n, (0, 0))[0] < step.lead
            }  # fmt: skip
            for n in due:
                early = FLAG_PRE_MATCH if placed[n][0] < play_ns else 0
                marks[n] = (step.lead, marks[n][1] if n in marks else early)
            assert machine.apply(step, at_ns).bets == len(due)
        else:
            if isinstance(step, BeginPlay):
                play_ns = min(play_ns, step.from_ns, at_ns)
            events = [each.apply(step, at_ns) for each in (machine, plain)]
            assert type(events[0]) is type(events[1])
        machine.check()
        newest |= {row[0]: row[2:] for row in sent(machine)}
        assert {n: row[2:] for n, row in present(machine).items() if row[2]} == marks
        assert {n: row[:2] for n, row in present(machine).items()} == {
            n: row[:2] for n, row in present(plain).items()
        }
        books = [replace(each.book_image(1), settlement_no=0) for each in (machine, plain)]
        assert books[0] == books[1]
    carried = {n: mark for n, mark in newest.items() if mark[0]}
    assert carried == {n: mark for n, mark in marks.items() if n in carried}
    assert marks.keys() - carried.keys() == set()
    loaded = MarketMachine.load(machine.dump())
    loaded.check()
    assert loaded.state_hash() == machine.state_hash()
    assert present(loaded) == present(machine)


def present(machine: MarketMachine) -> dict[int, tuple[int, int, int, int]]:
    """Return what stands for each bet: its result, payout, lead and flags."""
    rows = machine.present_resolutions(1)
    serials = (rows["bet_id"] & np.uint64((1 << 48) - 1)).tolist()
    names = ("result", "payout_minor", "early_lead", "early_flags")
    return dict(zip(serials, zip(*(rows[n].tolist() for n in names), strict=True), strict=True))
