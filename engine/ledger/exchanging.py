"""Exchanges on a ledger's tables: verdicts first, then reservations, of singles and of slips.

Owns which kernels a batch needs: one without slips of several legs costs what it did before there
were any. Never checks a reservation: the kernels do.
"""

import numpy as np

from engine.common.rows import Rows
from engine.common.units import Nanos
from engine.ledger.charges import make_room_for_due
from engine.ledger.house import refuse_stopped
from engine.ledger.ledger_nb import drop_resolved_nb, resolve_legs_nb, resolve_nb
from engine.ledger.offers import bring_offers, make_room_for_offers, note_taken
from engine.ledger.reserve_nb import reserve_nb
from engine.ledger.reserve_slip_nb import reserve_slips_nb
from engine.ledger.settling import add_to_house
from engine.ledger.tables import LedgerTables


def resolve(tables: LedgerTables, verdicts: Rows, at_ns: Nanos) -> None:
    """Post or void the slips, and hold or refuse the legs, that the verdicts name."""
    legs = resolve_nb(
        verdicts, tables.slips, tables.slips_len, tables.accounts, tables.ranges, tables.rules
    )
    if not legs:
        return
    make_room_for_due(tables, 2 * len(verdicts))
    tables.make_room_for_slip_bets(0)
    tables.make_room_for_combinations(legs)
    house_minor = np.zeros(len(tables.currencies), np.int64)
    resolve_legs_nb(
        verdicts,
        tables.slips,
        tables.slips_len,
        tables.accounts,
        tables.ranges,
        tables.slip_bets,
        tables.slip_bets_len,
        tables.scratch,
        house_minor,
        tables.due,
        tables.due_len,
        (tables.payouts_max, tables.rates_micro),
        tables.combinations.store(tables.ref_seed),
    )
    add_to_house(tables, house_minor.tolist())
    bring_offers(tables, verdicts["bet_id"], at_ns)


def make_room(tables: LedgerTables, count: int) -> None:
    """Make room for slips; resolved slots leave the queue of pending slots before it grows."""
    if tables.pending_len + count > len(tables.pending):
        tables.pending_len = drop_resolved_nb(tables.pending, tables.pending_len, tables.slips)
    tables.make_room_for_slips(count)


def reserve(
    tables: LedgerTables,
    reservations: Rows,
    slip_bets: Rows,
    answers: Rows,
    *,
    first: int,
    slips_max: int,
    at_ns: Nanos,
) -> None:
    """Reserve stakes, or answer known references alone while the house is stopped.

    New slips have bet ids from `first` on.
    """
    stopped = tables.house_stop is not None and slips_max > 0
    room = tables.slips_len if stopped else slips_max
    _reserve(tables, reservations, slip_bets, answers, first=first, slips_max=room, at_ns=at_ns)
    if stopped:
        refuse_stopped(answers)


def _reserve(
    tables: LedgerTables,
    reservations: Rows,
    slip_bets: Rows,
    answers: Rows,
    *,
    first: int,
    slips_max: int,
    at_ns: Nanos,
) -> None:
    """Reserve stakes of singles, and of slips if there are bets of slips."""
    if len(slip_bets):
        tables.make_room_for_slip_bets(len(slip_bets))
        make_room_for_offers(tables, reservations)
        tables.make_room_for_combinations(len(slip_bets))
        offered, grants = tables.offers.offered_len, tables.offers.grants_len
        ends = np.array([tables.slips_len, tables.pending_len, tables.slip_bets_len], np.int64)
        reserve_slips_nb(
            reservations,
            slip_bets,
            answers,
            tables.slips,
            tables.accounts,
            tables.account_table,
            tables.slip_table,
            tables.ref_seed,
            tables.rates_micro,
            tables.payouts_max,
            tables.pending,
            tables.slip_bets,
            tables.scratch,
            ends,
            tables.offers.store,
            tables.combinations.store(tables.ref_seed),
            first,
            slips_max,
            at_ns,
        )
        tables.slips_len, tables.pending_len, tables.slip_bets_len = ends.tolist()
        note_taken(tables, offered_before=offered, grants_before=grants)
        return
    slips_len = reserve_nb(
        reservations,
        answers,
        tables.slips,
        tables.slips_len,
        tables.accounts,
        tables.account_table,
        tables.slip_table,
        tables.ref_seed,
        tables.rates_micro,
        tables.payouts_max,
        tables.pending,
        tables.pending_len,
        first,
        slips_max,
        at_ns,
    )
    tables.pending_len += slips_len - tables.slips_len
    tables.slips_len = slips_len
