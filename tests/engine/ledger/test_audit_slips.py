"""The audit finds every planted fault between a head, its legs and its bets."""

import numpy as np
import pytest

from engine.common.reasons import Reason
from engine.common.rows import SLIP_BET
from engine.ledger.audit import due_fault, first_fault, row_fault
from engine.ledger.ledger import LedgerMachine
from engine.ledger.rows import SLIP
from engine.ledger.tables import LedgerTables
from engine.slips.owed_nb import BACK_NUM_MAX
from tests.engine.ledger.builders import bet, funded, reservation, reserve, resolve, settle, verdict
from tests.engine.ledger.slip_builders import accumulator, cover, leg_settlement

DTYPES = {"slips": SLIP, "slip_bets": SLIP_BET}


def ledger_of_slips() -> LedgerMachine:
    """Return a ledger whose slips are, by row:

    0 ACCEPTED with legs 1 won and 2 open, 3 REFUSED with legs 4 released, 5 refused and 6 pending,
    7 SETTLED with legs 8 and 9 won, 10 PENDING with legs 11 held and 12 pending, and 13 a refused
    single.
    """
    ledger = funded(amount_minor=10_000)
    accepted = accumulator(2_000, 3_000, ref="a")
    refused = cover(2_000, 2_000, 2_000)
    settled, pending = accumulator(2_000, 3_000, ref="s"), accumulator(2_000, 3_000, ref="p")
    accepted.hold_all(ledger)
    refused.send(ledger)
    resolve(ledger, verdict(refused.leg(0), odds_milli=2_000))
    resolve(ledger, verdict(refused.leg(1), Reason.FENCED))
    settled.hold_all(ledger)
    pending.send(ledger)
    resolve(ledger, verdict(pending.leg(0), odds_milli=2_000))
    reserve(ledger, reservation("single"))
    resolve(ledger, verdict(bet(14), Reason.FENCED))
    settle(ledger, leg_settlement(accepted.leg(0), 2_000))
    settle(ledger, leg_settlement(settled.leg(0), 2_000), leg_settlement(settled.leg(1), 3_000))
    ledger.check()
    return ledger


def tampered(name: str, row: int, changes: dict[str, object]) -> dict[str, object]:
    document = ledger_of_slips().dump()
    rows = np.frombuffer(document[name], DTYPES[name]).copy()
    for field, value in changes.items():
        rows[field][row] = value
    return document | {name: rows.tobytes()}


FAULTS = [
    (0, {"legs": 0}, "legs out of bounds"),
    (0, {"legs": 64}, "legs out of bounds"),
    (1, {"legs": 0}, "legs out of bounds"),
    (0, {"bets": 0}, "bets out of bounds"),
    (0, {"bets": 51}, "bets out of bounds"),
    (1, {"bets": 1}, "bets out of bounds"),
    (1, {"bets_first": 1}, "bets out of bounds"),
    (1, {"event": 63}, "event or position out of bounds"),
    (1, {"position": 63}, "event or position out of bounds"),
    (0, {"event": 1}, "event or position out of bounds"),
    (0, {"market_no": 1}, "a head with a selection"),
    (0, {"outcome": 1}, "a head with a selection"),
    (0, {"odds_milli": 2_000}, "a head with a selection"),
    (0, {"charged_minor": 1}, "open_payout_minor is not the most"),
    (0, {"charged_minor": -1}, "charge out of bounds"),
    (2, {"charged_minor": -1}, "charge out of bounds"),
    (2, {"charged_minor": 10**9 + 1}, "charge out of bounds"),
    (2, {"charged_minor": 99}, "a charge without its number"),
    (1, {"back_den": 0}, "a fraction of no settled leg"),
    (2, {"back_den": 1}, "a fraction of no settled leg"),
    (1, {"payout_minor": 2_001}, "gives back more than its odds"),
    (1, {"payout_minor": BACK_NUM_MAX + 1}, "payout out of bounds"),
    (1, {"payout_minor": -1}, "payout out of bounds"),
    (0, {"held": 3}, "more legs held than there are"),
    (13, {"held": 1}, "more legs held than there are"),
    (4, {"held": 1}, "a lead without a settlement"),
    (1, {"held": 1, "bets": 4}, "bets out of bounds"),
    (2, {"bets": 2}, "bets out of bounds"),
    (1, {"bets": 2, "payout_minor": 10_000_001}, "gives back more than its odds"),
    (1, {"held": 2, "bets": 1}, ""),
    (1, {"shared": 1}, "shared is not 0 or 1"),
    (1, {"ref": (0, 0, 0, 1)}, "a leg with a ref"),
    (0, {"ref": (0, 0, 0, 0)}, "empty ref"),
    (1, {"open_next": 1}, "chained but not open"),
    (2, {"state": 6}, "unknown state"),
    (0, {"state": 5}, "unknown state"),
    (4, {"settlement_no": 1}, "a settlement number without acceptance"),
    (4, {"result": 1}, "settled without a result"),
    (4, {"reason": 431}, "a reason without a refusal"),
    (0, {"legs": 3}, "a head without its legs"),
    (0, {"legs": 1, "held": 1}, "a leg's stake|without its head|without their lines"),
    (
        13,
        {"kind": 2, "legs": 1, "ref": (0, 0, 0, 0), "charged_minor": 100},
        "a leg without its head",
    ),
    (1, {"legs": 2}, "a head without its legs"),
    (1, {"placed_at_ns": 11}, "a leg that is not its head's"),
    (1, {"rate_micro": 5}, "a leg that is not its head's"),
    (2, {"charge_no": 2}, "a charge of a number that was never given"),
    (3, {"bets_first": 0}, "bets that are not behind"),
    (3, {"bets": 2}, "the stake is not that of all lines"),
    (10, {"bets": 2}, "bets that are not behind"),
    (1, {"event": 1}, "bets without their lines"),
    (1, {"stake_minor": 99, "charge_no": 1}, "a leg's stake is not that of its lines"),
    (0, {"held": 1}, "held is not the number of legs held"),
    (3, {"held": 0}, "held is not the number of legs held"),
    (10, {"held": 2}, "held is not the number of legs held"),
    (3, {"reason": 431}, "the state is not that of the legs"),
    (5, {"state": 5, "reason": 0}, "held is not the number"),
    (12, {"state": 2}, "queue of pending|held is not"),
    (1, {"payout_minor": 1_999}, "the open payout is not the most that the legs can pay"),
    (1, {"payout_minor": 0, "result": 2}, "the state is not that of the legs"),
    (8, {"payout_minor": 1_999}, "the payout is not what the legs are owed"),
    (8, {"result": 3}, ""),
    (7, {"result": 3}, "the payout is not what the legs are owed"),
    (9, {"state": 2, "payout_minor": 0, "back_den": 0, "result": 0}, "the state is not that"),
]


@pytest.mark.parametrize(("row", "changes", "what"), FAULTS)
def test_a_planted_fault_in_a_slip_is_found(row, changes, what):
    document = tampered("slips", row, changes)
    if not what:
        LedgerMachine.load(document).check()
        return
    with pytest.raises(ValueError, match=what):
        LedgerMachine.load(document)


@pytest.mark.parametrize(
    ("row", "changes", "what"),
    [
        (0, {"stake_minor": 99}, "the stake is not that of all lines"),
        (0, {"stake_minor": 0}, "bets without their lines"),
        (0, {"sizes": 1 << 1}, "bets without their lines"),
        (0, {"sizes": 0}, "bets without their lines"),
        (0, {"positions": 7}, "bets without their lines"),
        (0, {"bankers": 4}, "bets without their lines"),
        (0, {"lines": 2}, "bets without their lines"),
        (0, {"pad": 1}, "bets without their lines"),
        (0, {"payout_minor_max": -1}, "bets without their lines"),
        (1, {"stake_minor": 50, "sizes": 1 << 3}, "bets without their lines"),
    ],
)
def test_a_planted_fault_in_a_bet_of_a_slip_is_found(row, changes, what):
    with pytest.raises(ValueError, match=what):
        LedgerMachine.load(tampered("slip_bets", row, changes))


def test_a_bet_of_no_slip_and_a_lost_one_are_found():
    document = ledger_of_slips().dump()
    bets = document["slip_bets"]
    size = SLIP_BET.itemsize
    for other in (bets + bets[:size], bets[:-size], bets[size:], b""):
        with pytest.raises(ValueError, match=r"bets that are not behind|bets without their lines"):
            LedgerMachine.load(document | {"slip_bets": other})
    document = funded().dump()
    with pytest.raises(ValueError, match="bets that are not behind"):
        LedgerMachine.load(document | {"slip_bets": bets})


def test_a_slip_lost_from_the_queue_of_charges_is_found():
    tables = LedgerTables.load(ledger_of_slips().dump())
    assert row_fault(tables) == tables.rebuild() == first_fault(tables) == ""
    assert due_fault(tables) == "slips: the charges of row 0 are not queued"
    tables.rebuild_due()
    assert due_fault(tables) == ""
    assert tables.due.tolist() == [0, 3]
    tables.due_len[0] = 1
    assert due_fault(tables) == "slips: the charges of row 3 are not queued"


def test_a_dump_with_slips_has_no_older_layout():
    ledger = ledger_of_slips()
    for layout in (1, 2):
        with pytest.raises(ValueError, match=f"layout {layout} has no slips of several legs"):
            ledger.dump(layout=layout)


def test_a_single_of_an_older_layout_is_the_same_single():
    ledger = funded()
    reserve(ledger, reservation(), reservation("b"))
    resolve(ledger, verdict(bet(1)))
    for layout in (1, 2):
        loaded = LedgerMachine.load(ledger.dump(layout=layout))
        assert loaded.slips().tobytes() == ledger.slips().tobytes()
        assert loaded.state_hash(layout=layout) == ledger.state_hash(layout=layout)


def test_padding_that_an_older_layout_used_is_found():
    ledger = funded()
    reserve(ledger, reservation(), reservation("b"))
    document = ledger.dump(layout=2)
    data = bytearray(document["slips"])
    data[120 + 84] = 1
    with pytest.raises(ValueError, match=r"slips: padding in use \(row 1\)"):
        LedgerMachine.load(document | {"slips": bytes(data)})
