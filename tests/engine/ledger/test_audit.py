"""The audit finds every planted fault, and loading a dump with a fault names the field."""

from itertools import islice

import numpy as np
import pytest

from engine.common.commands import OpenAccount, SetRate
from engine.common.state_hash import state_hash
from engine.common.units import BALANCE_MINOR_MAX, PAYOUT_MINOR_MAX, RATE_MICRO_MAX, STAKE_MINOR_MAX
from engine.ledger.audit import first_fault, row_fault
from engine.ledger.ledger import LedgerMachine
from engine.ledger.rows import ACCOUNT, CURRENCIES_MAX, SLIP, TRANSFER
from engine.ledger.tables import LedgerTables
from tests.engine.ledger.builders import (
    SHARD,
    bet,
    funded,
    reservation,
    reserve,
    resolve,
    settle,
    settlement,
    verdict,
)
from tests.engine.ledger.random_steps import turns

DTYPES = {"accounts": ACCOUNT, "transfers": TRANSFER, "slips": SLIP}


def ledger_in_every_state() -> LedgerMachine:
    """Return a ledger of two accounts; the first has slips 0, 2, 4 open, 1 refused, 3 settled."""
    ledger = funded(accounts=(7, 8))
    reserve(ledger, *[reservation(ref) for ref in "abcde"], reservation("f", account_no=8))
    resolve(ledger, verdict(bet(2), 905), verdict(bet(3)))
    settle(ledger, settlement(bet(4), 250))
    ledger.check()
    return ledger


def tampered(name: str, row: int, field: str, value: object) -> dict[str, object]:
    document = ledger_in_every_state().dump()
    rows = np.frombuffer(document[name], DTYPES[name]).copy()
    rows[field][row] = value
    document[name] = rows.tobytes()
    return document


FAULTS = [
    ("accounts", 1, "currency", 1, "currency without a rate"),
    ("accounts", 0, "open_first", 7, "open_first beyond"),
    ("accounts", 0, "open_last", 7, "open_last beyond"),
    ("accounts", 0, "open_first", 2, "chain of open slips is broken"),
    ("accounts", 0, "open_first", 6, "chain of open slips is broken"),
    ("accounts", 0, "open_last", 3, "chain of open slips is broken"),
    ("accounts", 0, "account_no", 8, "repeats an account number|not the account's"),
    ("accounts", 1, "account_no", 9, "account_no is not the account's"),
    ("accounts", 0, "available_minor", -1, "available_minor negative"),
    ("accounts", 0, "pending_minor", -1, "pending_minor negative"),
    ("accounts", 0, "owed_minor", 1, "available and owed at once"),
    ("accounts", 0, "available_minor", 849, "EUR does not sum to zero"),
    ("accounts", 0, "pending_minor", 100, "EUR does not sum to zero"),
    ("accounts", 0, "at_stake_minor", 200, "EUR does not sum to zero"),
    ("transfers", 0, "account", 2, "account beyond"),
    ("transfers", 0, "kind", 3, "unknown kind"),
    ("transfers", 0, "amount_minor", 0, "amount out of bounds"),
    ("transfers", 0, "amount_minor", BALANCE_MINOR_MAX + 1, "amount out of bounds"),
    ("transfers", 0, "amount_minor", 999, "balance is not transfers"),
    ("transfers", 0, "kind", 2, "balance is not transfers"),
    ("transfers", 0, "ref", (0, 1, 1, 1), "empty ref"),
    ("transfers", 0, "pad", (0, 1, 0), "padding in use"),
    ("transfers", 1, "account", 0, "repeats an account's ref"),
    ("slips", 2, "bet_id", bet(9), "bet_id does not rise"),
    ("slips", 5, "bet_id", bet(9), "bet_id begins no range"),
    ("slips", 2, "shared", 2, "shared is not 0 or 1"),
    ("slips", 2, "state", 0, "unknown state"),
    ("slips", 2, "state", 5, "unknown state"),
    ("slips", 2, "account", 2, "account beyond"),
    ("slips", 2, "account", 1, "account_no is not the account's"),
    ("slips", 2, "stake_minor", 0, "stake out of bounds"),
    ("slips", 2, "stake_minor", STAKE_MINOR_MAX + 1, "stake out of bounds"),
    ("slips", 2, "rate_micro", 0, "rate out of bounds"),
    ("slips", 2, "rate_micro", RATE_MICRO_MAX + 1, "rate out of bounds"),
    ("slips", 3, "payout_minor", -1, "payout out of bounds"),
    ("slips", 3, "payout_minor", PAYOUT_MINOR_MAX + 1, "payout out of bounds"),
    ("slips", 3, "payout_minor", 251, "balance is not transfers"),
    ("slips", 2, "payout_minor", 1, "paid without a settlement"),
    ("slips", 2, "ref", (0, 0, 0, 0), "empty ref"),
    ("slips", 2, "ref", (ord("a"), 0, 0, 0), "repeats an account's ref"),
    ("slips", 2, "kind", 3, "unknown kind"),
    ("slips", 2, "kind", 1, "legs out of bounds"),
    ("slips", 2, "kind", 2, "a leg with a ref"),
    ("slips", 2, "legs", 1, "legs out of bounds"),
    ("slips", 2, "bets", 1, "bets out of bounds"),
    ("slips", 2, "bets_first", 1, "bets out of bounds"),
    ("slips", 2, "event", 1, "event or position out of bounds"),
    ("slips", 2, "position", 1, "event or position out of bounds"),
    ("slips", 2, "charged_minor", 1, "charge out of bounds"),
    ("slips", 2, "charge_no", 1, "charge out of bounds"),
    ("slips", 3, "back_den", 1, "a fraction of no settled leg"),
    ("slips", 2, "held", 1, "more legs held than there are"),
    ("slips", 2, "open_next", 7, "open_next beyond"),
    ("slips", 2, "open_prev", 7, "open_prev beyond"),
    ("slips", 1, "open_next", 3, "chained but not open"),
    ("slips", 2, "open_next", 0, "chain of open slips is broken"),
    ("slips", 2, "open_next", 1, "chain of open slips is broken"),
    ("slips", 2, "open_next", 6, "chain of open slips is broken"),
    ("slips", 2, "open_prev", 0, "chain of open slips is broken"),
    ("slips", 2, "reason", 431, "a reason without a refusal"),
    ("slips", 1, "reason", 0, "a reason without a refusal"),
    ("slips", 0, "settlement_no", 1, "a settlement number without acceptance"),
    ("slips", 1, "settlement_no", 1, "a settlement number without acceptance"),
    ("slips", 3, "settlement_no", 0, "settled without a settlement number"),
    ("slips", 3, "result", 7, "result out of bounds"),
    ("slips", 3, "result", 0, "settled without a result"),
    ("slips", 2, "result", 1, "settled without a result"),
    ("slips", 2, "state", 1, "pending_minor is not"),
]


@pytest.mark.parametrize(("name", "row", "field", "value", "what"), FAULTS)
def test_a_planted_fault_in_a_row_is_found(name, row, field, value, what):
    with pytest.raises(ValueError, match=what):
        LedgerMachine.load(tampered(name, row, field, value))


MOVED_MONEY = [
    (
        ("accounts", 0, "available_minor"),
        ("accounts", 1, "available_minor"),
        "balance is not transfers",
    ),
    (("accounts", 0, "pending_minor"), ("accounts", 0, "at_stake_minor"), "pending_minor is not"),
    (
        ("accounts", 0, "at_stake_minor"),
        ("accounts", 0, "available_minor"),
        "at_stake_minor is not",
    ),
    (("external_minor", 0, ""), ("house_minor", 0, ""), "external_minor: EUR is not minus"),
    (("house_minor", 0, ""), ("accounts", 1, "available_minor"), "balance is not transfers"),
]


@pytest.mark.parametrize(("giver", "taker", "what"), MOVED_MONEY)
def test_money_moved_without_a_row_is_found_though_the_sum_is_zero(giver, taker, what):
    document = ledger_in_every_state().dump()
    for (name, row, field), change_minor in ((giver, -1), (taker, 1)):
        if field:
            rows = np.frombuffer(document[name], DTYPES[name]).copy()
            rows[field][row] += change_minor
            document[name] = rows.tobytes()
        else:
            document[name] = [str(int(document[name][row]) + change_minor)]
    with pytest.raises(ValueError, match=what):
        LedgerMachine.load(document)


def test_a_payout_changed_consistently_in_every_figure_is_no_fault():
    document = tampered("slips", 3, "payout_minor", 249)
    accounts = np.frombuffer(document["accounts"], ACCOUNT).copy()
    accounts["available_minor"][0] -= 1
    document |= {"accounts": accounts.tobytes(), "house_minor": ["-149"]}
    assert LedgerMachine.load(document).totals()[0].house_minor == -149


def test_a_repeated_account_number_is_found():
    ledger = LedgerMachine(shard=SHARD)
    ledger.apply(SetRate(currency="EUR"), 1)
    for no in (7, 8):
        ledger.apply(OpenAccount(account_no=no, currency="EUR"), 1)
    document = ledger.dump()
    accounts = np.frombuffer(document["accounts"], ACCOUNT).copy()
    accounts["account_no"] = 7
    with pytest.raises(ValueError, match="accounts: row 1 repeats an account number"):
        LedgerMachine.load(document | {"accounts": accounts.tobytes()})


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("layout", 4, "ledger.layout: not an integer from 1 to 3"),
        ("shard", 1 << 15, "ledger.shard"),
        ("shard", True, "ledger.shard"),
        ("shard", SHARD + 1, "ledger.slips: bet_id of another shard"),
        ("slips_max", 5, "ledger.slips: more than 5 rows"),
        ("slips_max", -1, "ledger.slips_max"),
        ("accounts_max", 1, "ledger.accounts: more than 1 rows"),
        ("accounts_max", 1 << 25, "ledger.accounts_max"),
        ("transfers_max", 1, "ledger.transfers: more than 1 rows"),
        ("transfers_max", 1 << 27, "ledger.transfers_max"),
        ("currencies", ["EUR", "EUR"], "ledger.currencies"),
        ("currencies", ["EUR"] * (CURRENCIES_MAX + 1), "ledger.currencies"),
        ("currencies", [1], "ledger.currencies"),
        ("currencies", "EUR", "ledger.currencies"),
        ("rates_micro", [0], "ledger.rates_micro"),
        ("rates_micro", [True], "ledger.rates_micro"),
        ("rates_micro", [1, 2], "ledger.rates_micro"),
        ("external_minor", ["-2001"], "ledger.accounts: EUR does not sum to zero"),
        ("external_minor", ["-02000"], "ledger.external_minor: not decimal"),
        ("external_minor", ["x"], "ledger.external_minor: not decimal"),
        ("house_minor", ["-151"], "ledger.accounts: EUR does not sum to zero"),
        ("house_minor", [], "ledger.house_minor"),
        ("accounts", b"x", "ledger.accounts: 1 bytes"),
        ("accounts", b"", "ledger.transfers: account beyond"),
        ("transfers", "", "ledger.transfers: not bytes"),
        ("slips", b"", "open_first beyond"),
        ("rules", 9, "ledger.rules"),
        ("disputes", b"x", "ledger.disputes: 1 bytes"),
        ("disputes", 2 * settlement(5, 1).tobytes(), "ledger.disputes: not one for each bet id"),
    ],
)
def test_loading_names_a_field_that_does_not_fit(field, value, what):
    document = ledger_in_every_state().dump() | {field: value}
    with pytest.raises(ValueError, match=what):
        LedgerMachine.load(document)


def test_loading_names_a_missing_field_and_an_unknown_one_and_refuses_other_types():
    document = ledger_in_every_state().dump()
    for field in document:
        what = "not an integer" if field == "layout" else "missing"
        with pytest.raises(ValueError, match=f"ledger.{field}: {what}"):
            LedgerMachine.load({name: document[name] for name in document if name != field})
    with pytest.raises(ValueError, match=r"ledger\.more: unknown field"):
        LedgerMachine.load(document | {"more": 1})
    with pytest.raises(ValueError, match="ledger: not a map"):
        LedgerMachine.load(None)


def test_a_dump_loads_to_the_same_state():
    ledger = ledger_in_every_state()
    document = ledger.dump()
    assert state_hash(document) == ledger.state_hash()
    loaded = LedgerMachine.load(document)
    loaded.check()
    assert loaded.dump() == document
    assert loaded.open_slips(account_no=7) == ledger.open_slips(account_no=7)
    assert LedgerMachine.load(LedgerMachine(shard=0).dump()).totals() == []


def rebuilt() -> LedgerTables:
    ledger = LedgerMachine(shard=SHARD)
    for turn in islice(turns(4, ledger), 60):
        for command in turn.commands:
            ledger.apply(command, turn.at_ns)
        ledger.exchange(turn.verdicts, turn.reservations, turn.at_ns)
    tables = LedgerTables.load(ledger.dump())
    assert row_fault(tables) == tables.rebuild() == first_fault(tables) == ""
    return tables


@pytest.mark.parametrize("name", ["account", "transfer", "slip"])
def test_a_lost_repeated_or_misplaced_entry_of_a_hash_table_is_found(name):
    tables = rebuilt()
    table = getattr(tables, f"{name}_table")
    used, free = np.flatnonzero(table)[3], np.flatnonzero(table == 0)[0]
    entry = table[used]
    table[used] = 0
    assert first_fault(tables).startswith(f"{name}s: the hash table")
    table[free] = entry
    assert "is not found by its" in first_fault(tables)
    table[used], table[free] = entry, entry
    assert first_fault(tables).startswith(f"{name}s: the hash table")
    table[free] = 0
    assert first_fault(tables) == ""


def test_a_slip_lost_from_the_queue_of_pending_slots_is_found():
    tables = rebuilt()
    tables.pending_len -= 1
    assert "queue of pending slots" in first_fault(tables)


def test_an_open_slip_outside_its_chain_is_found():
    tables = LedgerTables.load(ledger_in_every_state().dump())
    assert tables.rebuild() == ""
    tables.slips["open_prev"][4] = 0
    tables.slips["open_next"][2] = 0
    tables.accounts["open_last"][0] = 3
    assert first_fault(tables) == "slips: 4 are open, 3 are chained"
