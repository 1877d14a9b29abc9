"""Settlements on a ledger's tables: which take effect, what the house earns, and disputes.

Owns the bounds of a batch and the rows in dispute. Never decides what a bet is paid: markets do for
singles, and engine.slips for slips of several legs.
"""

import numpy as np

from engine.common.rows import Rows, U8s
from engine.common.rules import RULES_FIRST
from engine.common.units import Minor, Nanos
from engine.ledger.charges import make_room_for_due
from engine.ledger.offers import bring_offers
from engine.ledger.rows import DISPUTES_MAX, SETTLEMENTS_MAX
from engine.ledger.settle_nb import DISPUTED, SKIPPED, settle_legs_nb, settle_nb
from engine.ledger.tables import LedgerTables


def apply_settlements(tables: LedgerTables, rows: Rows, at_ns: Nanos) -> Rows:
    """Apply a batch of settlements; return the rows that took effect, applied or disputed.

    Raises
    ------
    ValueError
        When the batch is too long or the disputes are at their bound; nothing has changed.
    """
    if len(rows) > SETTLEMENTS_MAX:
        raise ValueError(f"{len(rows)} settlements in a batch, at most {SETTLEMENTS_MAX}")
    if len(tables.disputes) >= DISPUTES_MAX:
        raise ValueError(f"{len(tables.disputes)} settlements are in dispute, the bound")
    effects = np.zeros(len(rows), np.uint8)
    house_minor = np.zeros(len(tables.currencies), np.int64)
    state = (tables.slips, tables.slips_len, tables.accounts, tables.ranges, house_minor)
    legs = settle_nb(rows, effects, *state)
    if legs:
        make_room_for_due(tables, 2 * len(rows))
        tables.make_room_for_slip_bets(0)
        tables.make_room_for_combinations(legs)
        settle_legs_nb(
            rows,
            effects,
            *state,
            tables.slip_bets,
            tables.slip_bets_len,
            tables.scratch,
            tables.due,
            tables.due_len,
            (tables.payouts_max, tables.rates_micro),
            tables.combinations.store(tables.ref_seed),
        )
        bring_offers(tables, rows["bet_id"], at_ns)
    add_to_house(tables, house_minor.tolist())
    _dispute(tables, rows, effects)
    taken: Rows = rows[effects != SKIPPED]
    return taken


def add_to_house(tables: LedgerTables, changes_minor: list[int]) -> None:
    """Add what the house earned, or lost, by currency slot."""
    for currency, change_minor in enumerate(changes_minor):
        tables.house_minor[currency] = Minor(tables.house_minor[currency] + change_minor)


def _dispute(tables: LedgerTables, rows: Rows, effects: U8s) -> None:
    """Hold the disputed rows, the latest settlement of each bet; skip what is held already."""
    for at in np.flatnonzero(effects == DISPUTED).tolist():
        bet = int(rows["bet_id"][at])
        held = tables.disputes.get(bet)
        known = held is not None and held["settlement_no"][0] >= rows["settlement_no"][at]
        if known or tables.rules == RULES_FIRST:
            effects[at] = SKIPPED
        else:
            tables.disputes[bet] = rows[at : at + 1].copy()
