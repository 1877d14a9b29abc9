"""Blocks of accounts: what they stop, what goes on, and what is kept of who changed what."""

import pytest

from engine.common.account_changes import CHANGES_KEPT_MAX, BlockAccount, SetAccountFactor
from engine.common.events import AccountBlocked, AccountFactorSet
from engine.common.payout_bounds import SetAccountBound
from engine.common.reasons import Reason
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import (
    bet,
    funded,
    money,
    reservation,
    reserve,
    resolve,
    settle,
    settlement,
    verdict,
)
from tests.engine.ledger.slip_builders import accumulator


def block(ledger: LedgerMachine, *, blocked: bool = True, at_ns: int = 5, **fields: object):
    command = BlockAccount(account_no=7, blocked=blocked, **fields)
    return ledger.apply(command, at_ns, by="trader:ann")


def test_a_blocked_account_gets_no_new_bet_and_no_stake_would_pass():
    ledger = funded()
    assert block(ledger) == AccountBlocked(account_no=7, blocked=True)
    (answer,) = reserve(ledger, reservation("a"))
    assert (answer["reason"], answer["bet_id"], answer["stake_max_minor"]) == (610, 0, 0)
    assert money(ledger) == (1_000, 0, 0, 0)
    block(ledger, blocked=False)
    assert reserve(ledger, reservation("a"))["reason"][0] == Reason.ACCEPTED


def test_a_blocked_account_gets_no_slip_either():
    ledger = funded()
    block(ledger)
    answers = accumulator(2_000, 2_000).send(ledger)
    assert answers["reason"].tolist() == [Reason.ACCOUNT_BLOCKED] * 3


def test_what_is_open_goes_on_while_the_account_is_blocked():
    ledger = funded()
    reserve(ledger, reservation("a"), reservation("b"), reservation("c"))
    block(ledger)
    resolve(ledger, verdict(bet(1)), verdict(bet(2), Reason.ODDS_WORSE))
    settle(ledger, settlement(bet(1), 250), settlement(bet(3), 250, odds_milli=2_500))
    assert money(ledger) == (1_000 - 300 + 100 + 500, 0, 0, 0)


def test_a_known_ref_is_answered_with_its_slip_while_the_account_is_blocked():
    ledger = funded()
    first = reserve(ledger, reservation("a"))
    block(ledger)
    again = reserve(ledger, reservation("a"))
    assert (again["bet_id"], again["reason"]) == (first["bet_id"], 0)
    reused = reserve(ledger, reservation("a", stake_minor=99))
    assert reused["reason"][0] == Reason.BET_REF_REUSED


def test_an_account_that_is_unknown_cannot_be_blocked():
    event = funded().apply(BlockAccount(account_no=9), 2, by="x")
    assert (event.reason, event.field) == (Reason.ACCOUNT_UNKNOWN, "account_no")


def changes(ledger: LedgerMachine) -> list[tuple[object, ...]]:
    view = ledger.floor.account(7)
    return [(c.field, c.before, c.after, c.at_ns, c.by, c.why) for c in view.changes]


def test_changes_are_kept_with_their_author_and_reason():
    ledger = funded()
    block(ledger, why="two cards")
    block(ledger, at_ns=6, why="again")
    ledger.apply(SetAccountBound(account_no=7, open_payout_minor_max=9, why="new"), 7, by="risk:bo")
    block(ledger, blocked=False, at_ns=8)
    assert changes(ledger) == [
        ("blocked", 0, 1, 5, "trader:ann", "two cards"),
        ("open_payout_minor_max", 0, 9, 7, "risk:bo", "new"),
        ("blocked", 1, 0, 8, "trader:ann", ""),
    ]


def test_the_oldest_changes_go_at_the_bound():
    ledger = funded()
    for number in range(1, CHANGES_KEPT_MAX + 3):
        command = SetAccountBound(account_no=7, open_payout_minor_max=number)
        ledger.apply(command, number, by="ann")
    assert [change[2] for change in changes(ledger)] == list(range(3, CHANGES_KEPT_MAX + 3))


def factor_of(ledger: LedgerMachine, factor_milli: int, *, account_no: int = 7):
    command = SetAccountFactor(account_no=account_no, factor_milli=factor_milli)
    return ledger.apply(command, 5, by="risk:bo")


def test_answers_carry_the_present_factor_of_the_account():
    ledger = funded(accounts=(7, 8))
    assert reserve(ledger, reservation("a"))["factor_milli"].tolist() == [0]
    assert factor_of(ledger, 250) == AccountFactorSet(account_no=7, factor_milli=250)
    answers = reserve(ledger, reservation("a"), reservation("b"), reservation(account_no=8))
    assert answers["factor_milli"].tolist() == [250, 250, 0]
    assert accumulator(2_000, 2_000).send(ledger)["factor_milli"].tolist() == [250] * 3
    assert reserve(ledger, reservation("c", stake_minor=0))["factor_milli"].tolist() == [0]
    fences = ledger.pending_before(at_ns=99, limit=9)
    assert fences["factor_milli"].tolist() == [0] * len(fences)


def test_a_factor_of_one_is_that_of_an_account_that_nobody_changed():
    ledger = funded()
    before = ledger._tables.accounts.copy()
    factor_of(ledger, 10_000)
    assert ledger.floor.account(7).factor_milli == 10_000
    factor_of(ledger, 1_000)
    assert ledger._tables.accounts.tobytes() == before.tobytes()
    assert ledger.floor.account(7).factor_milli == 1_000
    found = [("factor_milli", 1_000, 10_000), ("factor_milli", 10_000, 1_000)]
    assert [change[:3] for change in changes(ledger)] == found


@pytest.mark.parametrize("factor_milli", [9, 10_001, 0, -1])
def test_a_factor_outside_its_bounds_is_refused(factor_milli: int):
    event = factor_of(funded(), factor_milli)
    assert (event.reason, event.field) == (Reason.FIELD_OUT_OF_BOUNDS, "factor_milli")
    assert event.message == "10 to 10000"


def test_an_account_that_is_unknown_has_no_factor():
    event = factor_of(funded(), 500, account_no=9)
    assert (event.reason, event.field) == (Reason.ACCOUNT_UNKNOWN, "account_no")


def changed() -> LedgerMachine:
    ledger = funded(accounts=(7, 8))
    block(ledger, why="a")
    ledger.apply(SetAccountBound(account_no=8, open_payout_minor_max=3), 6, by="ann")
    return ledger


def test_a_dump_holds_blocks_and_changes():
    ledger = changed()
    loaded = LedgerMachine.load(ledger.dump())
    loaded.check()
    assert loaded.state_hash() == ledger.state_hash()
    assert changes(loaded) == changes(ledger)
    assert reserve(loaded, reservation("a"))["reason"][0] == Reason.ACCOUNT_BLOCKED
    with pytest.raises(ValueError, match="layout 2 has no bounds of payouts, blocks or changes"):
        ledger.dump(layout=2)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, 2),
        (0, -1),
        (0, True),
        (1, "stakes"),
        (2, "0"),
        (4, None),
        (6, 5),
    ],
)
def test_a_dump_with_an_impossible_change_is_refused(at: int, value: object):
    document = changed().dump()
    document["account_changes"][0][at] = value
    with pytest.raises(ValueError, match=r"ledger\.account_changes: "):
        LedgerMachine.load(document)


def test_a_dump_with_changes_out_of_order_or_too_many_is_refused():
    document = changed().dump()
    first, second = document["account_changes"]
    for wrong in ([second, first], [first] * (CHANGES_KEPT_MAX + 1), [first[:6]]):
        with pytest.raises(ValueError, match=r"ledger\.account_changes: "):
            LedgerMachine.load(document | {"account_changes": wrong})


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("blocked", 2, "not 0 or 1"),
        ("factor_milli", 9, "factor out of bounds"),
        ("factor_milli", 10_001, "factor out of bounds"),
        ("factor_milli", 1_000, "factor out of bounds"),
    ],
)
def test_an_account_row_with_an_impossible_block_or_factor_is_refused(
    name: str, value: int, text: str
):
    ledger = changed()
    ledger._tables.accounts[name][0] = value
    with pytest.raises(ValueError, match=text):
        LedgerMachine.load(ledger.dump())
