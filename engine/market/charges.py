"""The present charges of legs: what each slip stakes on its legs now, and the book behind them.

Owns how a charge is applied and how charges are dumped. A leg is decided with the charge of its
first day, which its record keeps for ever; as the other legs of its slip win and lose, the slip's
account sends another. The book's figures follow in the same step, whatever the market's status: a
charge is no bet, so no limit refuses it, also when it takes a liability over one. A released leg is
charged nothing and is settled no more. Never works out a charge: the accounts do.

Bounds: one charge for each leg, so never more than there are bets. A charge counts as at most
`STAKE_MINOR_MAX` in base currency, as the stake of any bet. No limit bounds what charges add to an
outcome's payout: it stays inside 63 bits while no more than `LEGS_AT_BOUND` legs of a market run
with the largest charge at the longest odds.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from engine.common.ids import MarketNo
from engine.common.index import empty_table
from engine.common.index_nb import fill_nb, missing_nb
from engine.common.reasons import Reason
from engine.common.rows import CHARGE, FLAG_LEG, FLAG_RELEASED, Bools, I32s, I64s, Rows, U64s
from engine.common.state_hash import Reader, pack_rows
from engine.common.units import LIMIT_MINOR_MAX, PAYOUT_MINOR_MAX, STAKE_MINOR_MAX
from engine.market.bet_resolution import Resolutions
from engine.market.book import CHARGED, Book
from engine.market.charges_nb import (
    charge_nb,
    charges_of_nb,
    find_legs_nb,
    present_stakes_nb,
)
from engine.market.figures import move_figures
from engine.market.figures_nb import move_open_nb
from engine.market.settlement import bets_of

LEGS_AT_BOUND: Final = 900_000
assert LEGS_AT_BOUND * (PAYOUT_MINOR_MAX + 1) + LIMIT_MINOR_MAX < 1 << 63


class Charged(NamedTuple):
    """What came of a batch of CHARGE rows."""

    applied: Rows
    """The rows that were applied, in their order."""
    unfit: int
    """How many rows name no leg accepted here, or are out of bounds."""


def apply(
    rows: Rows, *, book: Book, resolutions: Resolutions, slot_of: Mapping[MarketNo, int]
) -> Charged:
    """Apply CHARGE rows in their order, and have the figures of their markets follow.

    The cost is that of the legs that are charged, however many bets their markets have. Legs of
    markets in which nothing is resolved take one pass; the others one for each of their markets.

    Parameters
    ----------
    rows : Rows
        CHARGE rows; several may be of one leg.
    book : Book
        Receives the charges and the figures.
    resolutions : Resolutions
        Say what stands for the legs.
    slot_of : mapping of MarketNo to int
        The slots of markets by their numbers.
    """
    assert rows.dtype == CHARGE, f"CHARGE rows, not {rows.dtype}"
    rows = np.ascontiguousarray(rows)
    numbers, applied = np.empty(len(rows), np.int32), np.empty(len(rows), np.bool_)
    unfit = find_legs_nb(
        rows, book.records, book.bet_table, book.charges, book.charge_table, numbers
    )
    legs = np.unique(numbers[numbers >= 0])
    slots = _slots(book, legs, slot_of)
    resolved = resolutions.resolved()[slots]
    still_open = legs[~resolved]
    stakes_minor = present_stakes_minor(book, still_open)
    standing = [
        (slot, resolutions.standing(slot, legs[resolved & (slots == slot)]))
        for slot in np.unique(slots[resolved]).tolist()
    ]
    before = [resolutions.count(slot, each) for slot, each in standing]
    book.make_room_for_charges(len(legs))
    book.charges_len = charge_nb(
        rows, numbers, book.records, book.charges, book.charge_table, book.charges_len, applied
    )
    move_open_nb(
        book.records,
        still_open,
        slots[~resolved],
        stakes_minor,
        present_stakes_minor(book, still_open),
        book.markets,
        book.outcomes,
        resolutions.rules,
    )
    for (slot, each), figures in zip(standing, before, strict=True):
        move_figures(book, slot, before=figures, after=resolutions.count(slot, each))
    return Charged(rows[applied], unfit)


def _slots(book: Book, legs: I32s, slot_of: Mapping[MarketNo, int]) -> I64s:
    """Return the slots of the markets of legs, given by the numbers of their records."""
    market_nos, places = np.unique(book.records["market_no"][legs], return_inverse=True)
    slots = [slot_of[MarketNo(number)] for number in market_nos.tolist()]
    return np.array(slots, np.int64)[places]


def present_stakes_minor(book: Book, numbers: I32s) -> I64s:
    """Return the stakes with which bets count, given by the numbers of their records."""
    stakes = np.empty(len(numbers), np.int64)
    present_stakes_nb(numbers, book.records, book.charges, book.charge_table, stakes)
    return stakes


def charges_of(book: Book, bet_ids: U64s) -> Rows:
    """Return the present charges of those of some bets that are charged otherwise than at first.

    Returns
    -------
    Rows
        CHARGE rows in the order of the ids. The stake is what counts in the book: no more than the
        largest stake in base currency.
    """
    rows: Rows = np.zeros(len(bet_ids), CHARGE)
    bet_ids = np.ascontiguousarray(bet_ids, np.uint64)
    count = charges_of_nb(
        bet_ids, book.records, book.bet_table, book.charges, book.charge_table, rows
    )
    return rows[:count]


def present_bets(book: Book, slot: int) -> Rows:
    """Return a copy of a market's accepted bets (BET_RECORD rows), each with its present stake."""
    numbers = bets_of(book, slot)
    rows: Rows = book.records[numbers]
    if book.charges_len:
        rows["stake_minor"] = present_stakes_minor(book, numbers)
    return rows


# --- state as a document --------------------------------------------------------------------------


def dump(book: Book) -> bytes:
    """Return the charges in canonical form: CHARGED rows by the legs' records."""
    charges = book.charges[: book.charges_len]
    return pack_rows(charges[np.argsort(charges["record"])])


def load(reader: Reader, book: Book) -> None:
    """Read what `dump` returned into a book with its bets; a ValueError names what does not fit."""
    charges = reader.rows("charges", CHARGED, high=book.bets_len)
    if np.any(np.diff(charges["record"].astype(np.int64)) <= 0):
        raise reader.fail("charges", "record: out of order, or given twice")
    if np.any(charges["record"] >= book.bets_len) or not np.all(_are_legs(book, charges)):
        raise reader.fail("charges", "record: not of an accepted leg")
    fault = _fault(charges)
    if fault:
        raise reader.fail("charges", fault)
    book.charges_len = len(charges)
    book.charge_table = empty_table(len(charges))
    if len(charges):
        book.charges = charges
    fill_nb(book.charge_table, _records(book), 0, len(charges))


def check(book: Book) -> None:
    """Assert every invariant of the charges but for the figures."""
    charges = book.charges[: book.charges_len]
    assert np.all(_are_legs(book, charges))
    assert not _fault(charges), _fault(charges)
    assert missing_nb(book.charge_table, _records(book)) < 0, "a charge is not found"
    assert np.count_nonzero(book.charge_table) == book.charges_len


def _are_legs(book: Book, charges: Rows) -> Bools:
    """Return for each charge whether its record is of an accepted leg."""
    records = book.records[charges["record"]]
    legs: Bools = (records["reason"] == Reason.ACCEPTED) & (records["flags"] & FLAG_LEG > 0)
    return legs


def _fault(charges: Rows) -> str:
    """Return the first field of charges that is out of bounds, or an empty text."""
    if np.any(charges["charge_no"] == 0):
        return "charge_no: from 1"
    if np.any(charges["flags"] > FLAG_RELEASED):
        return "flags: no such flag"
    released = charges["flags"] & FLAG_RELEASED > 0
    stake_max = np.where(released, 0, STAKE_MINOR_MAX)
    if np.any((charges["stake_minor"] < 0) | (charges["stake_minor"] > stake_max)):
        return f"stake_minor: 0 to {STAKE_MINOR_MAX}, of a released leg 0"
    return ""


def _records(book: Book) -> U64s:
    return book.charges["record"][: book.charges_len].astype(np.uint64)
