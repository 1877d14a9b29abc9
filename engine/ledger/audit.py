"""The ledger's auditor: states every invariant of the books and recomputes the money from scratch.

Owns no state and changes none. Says what is wrong as text, the array named first: an assertion for
a machine at work, an error for a dump that is being read.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

import numpy as np

from engine.common.rows import BetResult, I64s, Rows, SlipState
from engine.common.units import BALANCE_MINOR_MAX, PAYOUT_MINOR_MAX, RATE_MICRO_MAX, STAKE_MINOR_MAX
from engine.ledger.audit_nb import chain_fault_nb, unfound_account_nb, unfound_ref_nb
from engine.ledger.rows import TransferKind
from engine.ledger.tables import LedgerBooks, exact_sum

HELD: Final = ("available_minor", "pending_minor", "at_stake_minor")


def row_fault(books: LedgerBooks) -> str:
    """Return what makes a row unsound in itself or point outside the arrays, or an empty text."""
    for name, sound in chain(_account_rules(books), _transfer_rules(books), _slip_rules(books)):
        if not np.all(sound):
            return f"{name} (row {int(np.argmin(sound))})"
    return ""


def first_fault(books: LedgerBooks) -> str:
    """Return the first broken invariant among rows each sound in itself, or an empty text."""
    return _sum_fault(books) or _money_fault(books) or _chain_fault(books) or _index_fault(books)


_Rules = Iterator[tuple[str, Any]]


def _account_rules(books: LedgerBooks) -> _Rules:
    rows = books.live_accounts()
    yield "accounts: currency without a rate", rows["currency"] < len(books.currencies)
    yield "accounts: open_first beyond the slips", rows["open_first"] <= books.slips_len
    yield "accounts: open_last beyond the slips", rows["open_last"] <= books.slips_len
    for name in (*HELD, "owed_minor"):
        yield f"accounts: {name} negative", rows[name] >= 0
    idle = (rows["available_minor"] == 0) | (rows["owed_minor"] == 0)
    yield "accounts: available and owed at once", idle


def _transfer_rules(books: LedgerBooks) -> _Rules:
    rows = books.live_transfers()
    yield "transfers: account beyond the accounts", rows["account"] < books.accounts_len
    yield "transfers: unknown kind", np.isin(rows["kind"], list(TransferKind))
    yield "transfers: amount out of bounds", _within(rows["amount_minor"], 1, BALANCE_MINOR_MAX)
    yield "transfers: empty ref", rows["ref"][:, 0] != 0
    yield "transfers: padding in use", ~rows["pad"].any(axis=1)


def _slip_rules(books: LedgerBooks) -> _Rules:
    rows = books.live_slips()
    state = rows["state"]
    serials = np.arange(len(rows), dtype=np.uint64)
    yield "slips: bet_id out of series", rows["bet_id"] == serials + np.uint64(books.bet_id_first)
    yield "slips: unknown state", _within(state, SlipState.PENDING, SlipState.SETTLED)
    yield "slips: account beyond the accounts", rows["account"] < books.accounts_len
    owner = books.accounts["account_no"][rows["account"]]
    yield "slips: account_no is not the account's", rows["account_no"] == owner
    yield "slips: stake out of bounds", _within(rows["stake_minor"], 1, STAKE_MINOR_MAX)
    yield "slips: rate out of bounds", _within(rows["rate_micro"], 1, RATE_MICRO_MAX)
    yield "slips: payout out of bounds", _within(rows["payout_minor"], 0, PAYOUT_MINOR_MAX)
    yield "slips: empty ref", rows["ref"][:, 0] != 0
    yield "slips: padding in use", ~rows["pad"].any(axis=1)
    yield "slips: open_next beyond the slips", rows["open_next"] <= books.slips_len
    yield "slips: open_prev beyond the slips", rows["open_prev"] <= books.slips_len
    yield "slips: a reason without a refusal", (rows["reason"] != 0) == (state == SlipState.REFUSED)
    settled = state == SlipState.SETTLED
    numbered = rows["settlement_no"] > 0
    yield "slips: settled without a number", numbered | ~settled
    yield "slips: numbered but never accepted", ~numbered | settled | (state == SlipState.ACCEPTED)
    yield "slips: result out of bounds", rows["result"] <= BetResult.CANCELLED
    yield "slips: settled without a result", (rows["result"] > 0) == settled
    yield "slips: paid without a settlement", settled | (rows["payout_minor"] == 0)
    chained = (rows["open_next"] != 0) | (rows["open_prev"] != 0)
    yield "slips: chained though done", _is_open(rows) | ~chained


def _sum_fault(books: LedgerBooks) -> str:
    """Add up each currency's accounts as they stand: debits equal credits."""
    accounts = books.live_accounts()
    for currency, code in enumerate(books.currencies):
        own = accounts[accounts["currency"] == currency]
        held = sum(exact_sum(own[name]) for name in HELD) - exact_sum(own["owed_minor"])
        if books.external_minor[currency] + books.house_minor[currency] + held != 0:
            return f"accounts: {code} does not sum to zero"
    return ""


def _money_fault(books: LedgerBooks) -> str:
    """Recompute every balance, and what came from outside, from slips and transfers."""
    accounts, slips, transfers = books.live_accounts(), books.live_slips(), books.live_transfers()
    state, stake = slips["state"], slips["stake_minor"]
    pending = _by_account(books, slips, np.where(state == SlipState.PENDING, stake, 0))
    at_stake = _by_account(books, slips, np.where(state == SlipState.ACCEPTED, stake, 0))
    spent = np.where(state == SlipState.REFUSED, 0, slips["payout_minor"] - stake)
    deposit = transfers["kind"] == TransferKind.DEPOSIT
    moved = np.where(deposit, transfers["amount_minor"], -transfers["amount_minor"])
    carried = _by_account(books, transfers, moved)
    balance = carried + _by_account(books, slips, spent)
    if not np.array_equal(accounts["pending_minor"], pending):
        return "accounts: pending_minor is not the stakes PENDING"
    if not np.array_equal(accounts["at_stake_minor"], at_stake):
        return "accounts: at_stake_minor is not the stakes ACCEPTED"
    if not np.array_equal(accounts["available_minor"] - accounts["owed_minor"], balance):
        return "accounts: balance is not what transfers, stakes and payouts leave"
    for currency, code in enumerate(books.currencies):
        if books.external_minor[currency] != -exact_sum(carried[accounts["currency"] == currency]):
            return f"external_minor: {code} is not minus the net deposits"
    # What is left is the house's: with all others right and a sum of zero, it is right too.
    return ""


def _chain_fault(books: LedgerBooks) -> str:
    """Walk every account's chain of open slips: rising, both ways, and none left out."""
    opened = int(np.count_nonzero(_is_open(books.live_slips())))
    walked = chain_fault_nb(books.live_accounts(), books.slips, opened)
    if walked < 0:
        return f"slips: the chain of open slips breaks (account row {-1 - walked})"
    if walked != opened:
        return f"slips: {opened} are open, {walked} are chained"
    queue = books.pending[: books.pending_len]
    state = books.live_slips()["state"]
    live = queue[state[queue] == SlipState.PENDING]
    if not np.array_equal(live, np.flatnonzero(state == SlipState.PENDING)):
        return "slips: the queue of pending slots is not the slips PENDING, in order"
    return ""


def _index_fault(books: LedgerBooks) -> str:
    """Find every row through its table, and nothing else in it."""
    accounts = books.accounts
    for name, table, count in (
        ("accounts", books.account_table, books.accounts_len),
        ("transfers", books.transfer_table, books.transfers_len),
        ("slips", books.slip_table, books.slips_len),
    ):
        entries = int(np.count_nonzero(table))
        if entries != count or 2 * count > len(table):
            return f"{name}: the table of {len(table)} holds {entries} entries for {count} rows"
    slot = unfound_account_nb(books.account_table, accounts, books.accounts_len)
    if slot >= 0:
        return f"accounts: row {slot} is not found by its number"
    slot = unfound_ref_nb(
        books.transfer_table, books.ref_seed, books.transfers, books.transfers_len, accounts
    )
    if slot >= 0:
        return f"transfers: row {slot} is not found by its ref"
    slot = unfound_ref_nb(books.slip_table, books.ref_seed, books.slips, books.slips_len, accounts)
    if slot >= 0:
        return f"slips: row {slot} is not found by its ref"
    return ""


def _by_account(books: LedgerBooks, rows: Rows, amounts_minor: I64s) -> I64s:
    """Add amounts up by the account of the row each stands beside."""
    sums = np.zeros(books.accounts_len, np.int64)
    np.add.at(sums, rows["account"], amounts_minor)
    return sums


def _within(column: Any, low: int, high: int) -> Any:
    return (column >= low) & (column <= high)


def _is_open(rows: Rows) -> Any:
    return (rows["state"] == SlipState.PENDING) | (rows["state"] == SlipState.ACCEPTED)
