"""The ledger's audit: every invariant of its tables, and all money recomputed from its rows.

Owns the invariants. Never holds or changes state. Returns the first fault as text, which names the
array first: a running machine asserts that it is empty, and loading a dump raises it as an error.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from engine.common.account_changes import (
    FACTOR_MILLI_MAX,
    FACTOR_MILLI_MIN,
    FACTOR_MILLI_ONE,
)
from engine.common.ids import EPOCH_SERIAL_BITS, SHARD_BITS
from engine.common.rows import (
    FLAG_LEG_CORRECTED,
    FLAG_PRE_MATCH,
    BetResult,
    I64s,
    Rows,
    SlipKind,
    SlipState,
    U64s,
)
from engine.common.units import (
    BALANCE_MINOR_MAX,
    ODDS_MILLI_MAX,
    ODDS_MILLI_ONE,
    PAYOUT_MINOR_MAX,
    RATE_MICRO_MAX,
    SLIP_BETS_MAX,
    STAKE_MINOR_MAX,
    payout_minor,
)
from engine.ledger.audit_nb import chain_fault_nb, unfound_account_nb, unfound_ref_nb
from engine.ledger.audit_offers import added_by_account, offer_rules, offers_fault
from engine.ledger.audit_slips_nb import FAULTS, slip_fault_nb
from engine.ledger.offers import given_by_currency
from engine.ledger.rows import HOLDINGS, TransferKind
from engine.ledger.tables import LedgerTables, exact_sum
from engine.slips.lines_nb import LEGS_MAX
from engine.slips.owed_nb import BACK_NUM_MAX


def row_fault(tables: LedgerTables) -> str:
    """Return the first fault of a row by itself or of its slots, or an empty text."""
    for name, sound in chain(
        _account_rules(tables), _transfer_rules(tables), _slip_rules(tables), offer_rules(tables)
    ):
        if not np.all(sound):
            return f"{name} (row {int(np.argmin(sound))})"
    return ""


def first_fault(tables: LedgerTables) -> str:
    """Return the first fault between rows that `row_fault` passed, or an empty text."""
    return (
        _sum_fault(tables)
        or _money_fault(tables)
        or _chain_fault(tables)
        or _index_fault(tables)
        or _slips_fault(tables)
        or offers_fault(tables)
    )


def due_fault(tables: LedgerTables) -> str:
    """Return what is wrong with what follows from sound slips: charges, chains, combinations."""
    missing = np.setdiff1d(tables.due_heads(), tables.due[: int(tables.due_len[0])])
    if len(missing):
        return f"slips: the charges of row {int(missing[0])} are not queued"
    chained = tables.chains.fault(tables.slips, tables.slips_len, accounts_len=tables.accounts_len)
    return chained or tables.combinations.fault(
        tables.slips, tables.slips_len, seed=tables.ref_seed
    )


_Rules = Iterator[tuple[str, Any]]


def _account_rules(tables: LedgerTables) -> _Rules:
    rows = tables.used_accounts()
    yield "accounts: currency without a rate", rows["currency"] < len(tables.currencies)
    yield "accounts: open_first beyond the slips", rows["open_first"] <= tables.slips_len
    yield "accounts: open_last beyond the slips", rows["open_last"] <= tables.slips_len
    for name in (*HOLDINGS, "owed_minor", "open_payout_minor_max"):
        yield f"accounts: {name} negative", rows[name] >= 0
    yield "accounts: blocked is not 0 or 1", rows["blocked"] <= 1
    factors = rows["factor_milli"]
    in_bounds = _within(factors, FACTOR_MILLI_MIN, FACTOR_MILLI_MAX) & (factors != FACTOR_MILLI_ONE)
    yield "accounts: factor out of bounds", (factors == 0) | in_bounds
    idle = (rows["available_minor"] == 0) | (rows["owed_minor"] == 0)
    yield "accounts: available and owed at once", idle


def _transfer_rules(tables: LedgerTables) -> _Rules:
    rows = tables.used_transfers()
    yield "transfers: account beyond the accounts", rows["account"] < tables.accounts_len
    yield "transfers: unknown kind", np.isin(rows["kind"], list(TransferKind))
    yield "transfers: amount out of bounds", _within(rows["amount_minor"], 1, BALANCE_MINOR_MAX)
    yield "transfers: empty ref", rows["ref"][:, 0] != 0
    yield "transfers: padding in use", ~rows["pad"].any(axis=1)


def _slip_rules(tables: LedgerTables) -> _Rules:
    rows = tables.used_slips()
    state, kind = rows["state"], rows["kind"]
    leg = kind == SlipKind.LEG
    ids = rows["bet_id"]
    yield "slips: bet_id of another shard", ids >> np.uint64(SHARD_BITS) == tables.shard
    yield "slips: bet_id does not rise", np.diff(ids, prepend=np.uint64(0)).astype(np.int64) > 0
    starts = np.diff(ids, prepend=np.uint64(0)) != 1
    yield "slips: bet_id begins no range of an epoch", ~starts | _begins_range(ids)
    yield "slips: unknown kind", kind <= SlipKind.LEG
    known = _within(state, SlipState.PENDING, SlipState.SETTLED)
    yield "slips: unknown state", known | (leg & (state == SlipState.RELEASED))
    yield "slips: account beyond the accounts", rows["account"] < tables.accounts_len
    owner = tables.accounts["account_no"][rows["account"]]
    yield "slips: account_no is not the account's", rows["account_no"] == owner
    yield "slips: stake out of bounds", _within(rows["stake_minor"], 1, STAKE_MINOR_MAX)
    yield "slips: rate out of bounds", _within(rows["rate_micro"], 1, RATE_MICRO_MAX)
    bound_minor = np.where(leg, BACK_NUM_MAX, PAYOUT_MINOR_MAX)
    yield "slips: payout out of bounds", _within(rows["payout_minor"], 0, bound_minor)
    yield "slips: empty ref", (rows["ref"][:, 0] != 0) | leg
    yield "slips: a leg with a ref", ~rows["ref"].any(axis=1) | ~leg
    yield "slips: shared is not 0 or 1", rows["shared"] <= np.where(leg, 0, 1)
    yield "slips: open_next beyond the slips", rows["open_next"] <= tables.slips_len
    yield "slips: open_prev beyond the slips", rows["open_prev"] <= tables.slips_len
    yield "slips: a reason without a refusal", (rows["reason"] != 0) == (state == SlipState.REFUSED)
    settled = state == SlipState.SETTLED
    numbered = rows["settlement_no"] > 0
    yield "slips: settled without a settlement number", numbered | ~settled
    accepted = settled | (state == SlipState.ACCEPTED)
    yield "slips: a settlement number without acceptance", ~numbered | accepted
    yield "slips: result out of bounds", rows["result"] <= BetResult.CANCELLED
    yield "slips: settled without a result", (rows["result"] > 0) == settled
    yield "slips: paid without a settlement", settled | (rows["payout_minor"] == 0)
    chained = (rows["open_next"] != 0) | (rows["open_prev"] != 0)
    yield "slips: chained but not open", _is_open(rows) | ~chained
    yield from _kind_rules(rows)


def _kind_rules(rows: Rows) -> _Rules:
    """Yield what heads and legs have, and singles do not."""
    single, head, leg = (rows["kind"] == kind for kind in SlipKind)
    settled = rows["state"] == SlipState.SETTLED
    counted = _within(rows["legs"], 1, LEGS_MAX)
    yield "slips: legs out of bounds", np.where(single, rows["legs"] == 0, counted)
    corrected = leg & settled & (rows["bets"] & FLAG_LEG_CORRECTED > 0)
    mark = rows["bets"] - np.where(corrected, FLAG_LEG_CORRECTED, 0)
    flags = mark <= np.where(leg & (rows["held"] > 0), FLAG_PRE_MATCH, 0)
    bets = np.where(head, _within(rows["bets"], 1, SLIP_BETS_MAX), flags)
    yield "slips: bets out of bounds", bets & (head | (rows["bets_first"] == 0))
    placed = (rows["event"] < LEGS_MAX) & (rows["position"] < LEGS_MAX)
    placed_legs = np.where(rows["odds_seen_milli"] > 0, rows["legs"] // 2, 0)
    half = (rows["position"] == 0) | (rows["position"] == placed_legs)
    nowhere = (rows["event"] == 0) & np.where(head, half, rows["position"] == 0)
    yield "slips: event or position out of bounds", np.where(leg, placed, nowhere)
    unsold = (rows["market_no"] == 0) & (rows["outcome"] == 0) & (rows["odds_milli"] == 0)
    yield "slips: a head with a selection", ~head | unsold
    most_charged = np.where(leg, STAKE_MINOR_MAX, np.where(head, PAYOUT_MINOR_MAX, 0))
    charged = _within(rows["charged_minor"], 0, most_charged)
    yield "slips: charge out of bounds", charged & (~single | (rows["charge_no"] == 0))
    unsaid = (rows["charge_no"] > 0) | (rows["charged_minor"] == rows["stake_minor"])
    yield "slips: a charge without its number", unsaid | ~leg
    yield "slips: a fraction of no settled leg", (rows["back_den"] > 0) == (leg & settled)
    odds_milli = np.where(corrected, ODDS_MILLI_MAX, rows["odds_milli"])
    back = rows["payout_minor"] * ODDS_MILLI_ONE <= rows["back_den"] * odds_milli.astype(int)
    yield "slips: a leg gives back more than its odds", back | ~(leg & settled)
    held = leg | (rows["held"] <= np.where(head, rows["legs"], 0))
    yield "slips: more legs held than there are", held
    numbered = rows["settlement_no"] > 0
    yield "slips: a lead without a settlement", ~leg | (rows["held"] == 0) | numbered
    yield "slips: an offer of no head", head | (rows["offer"] == 0)
    asked = ~head | (rows["offer"] > 0) | (rows["odds_seen_milli"] == 0)
    yield "slips: lowest odds without an offer", asked


def _begins_range(ids: U64s) -> Any:
    """Return for each bet id whether it is the first of an epoch."""
    return ids & np.uint64((1 << EPOCH_SERIAL_BITS) - 1) == 1


def _sum_fault(tables: LedgerTables) -> str:
    """Add up each currency's accounts: debits must equal credits."""
    accounts = tables.used_accounts()
    given = given_by_currency(tables)
    for currency, code in enumerate(tables.currencies):
        own = accounts[accounts["currency"] == currency]
        held = sum(exact_sum(own[name]) for name in HOLDINGS) - exact_sum(own["owed_minor"])
        house_minor = tables.house_minor[currency] - given[currency]
        if tables.external_minor[currency] + house_minor + held != 0:
            return f"accounts: {code} does not sum to zero"
    return ""


def _money_fault(tables: LedgerTables) -> str:
    """Recompute every balance and the net deposits from slips and transfers."""
    accounts, slips = tables.used_accounts(), tables.used_slips()
    transfers = tables.used_transfers()
    # Legs carry no money: their head does.
    leg = slips["kind"] == SlipKind.LEG
    state = slips["state"]
    stake: Any = np.where(leg, 0, slips["stake_minor"])
    payout = np.where(leg, 0, slips["payout_minor"])
    pending = _by_account(tables, slips, np.where(state == SlipState.PENDING, stake, 0))
    at_stake = _by_account(tables, slips, np.where(state == SlipState.ACCEPTED, stake, 0))
    spent = np.where(state == SlipState.REFUSED, 0, payout - stake)
    deposit = transfers["kind"] == TransferKind.DEPOSIT
    moved = np.where(deposit, transfers["amount_minor"], -transfers["amount_minor"])
    deposited = _by_account(tables, transfers, moved)
    balance = deposited + _by_account(tables, slips, spent) + added_by_account(tables)
    if not np.array_equal(accounts["pending_minor"], pending):
        return "accounts: pending_minor is not the sum of PENDING stakes"
    if not np.array_equal(accounts["at_stake_minor"], at_stake):
        return "accounts: at_stake_minor is not the sum of ACCEPTED stakes"
    single = _is_open(slips) & (slips["kind"] == SlipKind.SINGLE)
    odds_milli: Any = slips["odds_milli"].astype(np.int64)
    charged = np.where(leg, 0, slips["charged_minor"])
    payable = np.where(single, payout_minor(stake, odds_milli), charged)
    if not np.array_equal(accounts["open_payout_minor"], _by_account(tables, slips, payable)):
        return "accounts: open_payout_minor is not the most that open slips can pay"
    if not np.array_equal(accounts["available_minor"] - accounts["owed_minor"], balance):
        return "accounts: the balance is not transfers less stakes plus payouts and offers"
    for currency, code in enumerate(tables.currencies):
        if tables.external_minor[currency] != -exact_sum(
            deposited[accounts["currency"] == currency]
        ):
            return f"external_minor: {code} is not minus the net deposits"
    # The house's figure is right too: all others are, those of offers among them, and sum to zero.
    return ""


def _chain_fault(tables: LedgerTables) -> str:
    """Check every account's chain of open slips: rising, linked both ways, and complete."""
    opened = int(np.count_nonzero(_is_open(tables.used_slips())))
    chained = chain_fault_nb(tables.used_accounts(), tables.slips, opened)
    if chained < 0:
        return f"slips: the chain of open slips is broken (account row {-1 - chained})"
    if chained != opened:
        return f"slips: {opened} are open, {chained} are chained"
    queue = tables.pending[: tables.pending_len]
    state = tables.used_slips()["state"]
    pending = queue[state[queue] == SlipState.PENDING]
    if not np.array_equal(pending, tables.waiting_slots()):
        return "slips: the queue of pending slots is not the PENDING slips in order"
    return ""


def _index_fault(tables: LedgerTables) -> str:
    """Check that every row is found by its key, and that the hash tables hold nothing else."""
    accounts = tables.accounts
    for name, table, count in (
        ("accounts", tables.account_table, tables.accounts_len),
        ("transfers", tables.transfer_table, tables.transfers_len),
        ("slips", tables.slip_table, _refs(tables)),
    ):
        entries = int(np.count_nonzero(table))
        if entries != count or 2 * count > len(table):
            return f"{name}: the hash table of {len(table)} has {entries} entries for {count} rows"
    slot = unfound_account_nb(tables.account_table, accounts, tables.accounts_len)
    if slot >= 0:
        return f"accounts: row {slot} is not found by its number"
    slot = unfound_ref_nb(
        tables.transfer_table, tables.ref_seed, tables.transfers, tables.transfers_len, accounts
    )
    if slot >= 0:
        return f"transfers: row {slot} is not found by its ref"
    slot = unfound_ref_nb(
        tables.slip_table, tables.ref_seed, tables.slips, tables.slips_len, accounts
    )
    if slot >= 0:
        return f"slips: row {slot} is not found by its ref"
    return ""


def _slips_fault(tables: LedgerTables) -> str:
    """Check every head against its legs and bets: lines, stakes, states and what it is owed."""
    tables.make_room_for_slip_bets(0)
    found = slip_fault_nb(
        tables.slips, tables.slips_len, tables.slip_bets, tables.slip_bets_len, tables.scratch
    )
    if found < 0:
        return ""
    slot, fault = divmod(found, len(FAULTS))
    return f"slips: {FAULTS[fault]} (row {slot})"


def _refs(tables: LedgerTables) -> int:
    """Return how many slips have a ref: all but legs."""
    return int(np.count_nonzero(tables.used_slips()["kind"] != SlipKind.LEG))


def _by_account(tables: LedgerTables, rows: Rows, amounts_minor: I64s) -> I64s:
    """Add up amounts by account; each amount belongs to the row at its index."""
    sums = np.zeros(tables.accounts_len, np.int64)
    np.add.at(sums, rows["account"], amounts_minor)
    return sums


def _within(column: Any, low: int, high: Any) -> Any:
    return (column >= low) & (column <= high)


def _is_open(rows: Rows) -> Any:
    opened = (rows["state"] == SlipState.PENDING) | (rows["state"] == SlipState.ACCEPTED)
    return opened & (rows["kind"] != SlipKind.LEG)
