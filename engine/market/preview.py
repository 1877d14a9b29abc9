"""Preview of a command that resolves bets: whom it would touch, and by how much.

Owns the figures. The command is applied to a fork of the machine, which has its own copy of
whatever commands change, so a preview refuses what the command would be refused and cannot differ
from what the command does. Never changes the machine, and never knows which markets follow others.
"""

from typing import NamedTuple

import numpy as np

from engine.common.ids import AccountNo, MarketNo
from engine.common.previews import (
    ACCOUNTS_SHOWN_MAX,
    AccountPreview,
    OutcomePreview,
    Preview,
)
from engine.common.rows import FLAG_LEG, LEG_TIMES, BetResult, Bools, I32s, I64s, Rows
from engine.common.units import BALANCE_MINOR_MAX, ODDS_MILLI_ONE, Minor
from engine.market.bet_resolution import Resolutions
from engine.market.preview_nb import worth_nb
from engine.market.settlement import Standing, bets_of

_WHAT_STANDS = ("result", "payout_minor", "back_den", "early_lead", "early_flags")


class _Worth(NamedTuple):
    """What stands for a market's bets and what each is worth, in base currency."""

    standing: Standing
    stake_minor: I64s
    returned_minor: I64s
    open_minor: I64s
    liability_minor: list[Minor]


def compare(resolutions: Resolutions, twin: Resolutions, slot: int) -> Preview:
    """Return what the commands that a fork was given have done to a market's bets.

    Parameters
    ----------
    resolutions, twin : Resolutions
        What stands, and the fork; both are only read.
    slot : int
        The market's slot.
    """
    book = resolutions.book
    numbers = bets_of(book, slot)
    before, after = _worth(resolutions, slot, numbers), _worth(twin, slot, numbers)
    changed = _changed(before, after)
    of_account, outcome, flags = (
        book.records[name][numbers] for name in ("account_no", "outcome", "flags")
    )
    change = after.returned_minor - before.returned_minor
    open_change = after.open_minor - before.open_minor
    accounts, places = np.unique(of_account[changed], return_inverse=True)
    by_account = [_sums(places, each[changed], len(accounts)) for each in (change, open_change)]
    count = np.bincount(places, minlength=len(accounts))
    order = np.lexsort((accounts, -np.maximum(*map(np.abs, by_account))))[:ACCOUNTS_SHOWN_MAX]
    lines = _lines(before, after, changed, outcome)
    return Preview(
        market_no=MarketNo(book.market_no(slot)),
        version=book.version(slot),
        settlement_no=int(book.markets[slot]["settlement_no"]),
        market_bets=len(numbers),
        bets=int(changed.sum()),
        legs=int((changed & (flags & FLAG_LEG > 0)).sum()),
        accounts=len(accounts),
        stake_minor=_sum(before.stake_minor[changed]),
        payout_now_minor=_sum(before.returned_minor[changed]),
        payout_after_minor=_sum(after.returned_minor[changed]),
        open_now_minor=_sum(before.open_minor[changed]),
        open_after_minor=_sum(after.open_minor[changed]),
        house_now_minor=Minor(sum(line.house_now_minor for line in lines)),
        house_after_minor=Minor(sum(line.house_after_minor for line in lines)),
        change_minor_max=Minor(
            max(int(np.abs(each).max(initial=0)) for each in (change, open_change))
        ),
        moved_minor=_moved(before, after, book.records[numbers]).minor,
        outcomes=lines,
        touched=tuple(
            AccountPreview(
                account_no=AccountNo(int(accounts[at])),
                bets=int(count[at]),
                change_minor=Minor(int(by_account[0][at])),
                open_change_minor=Minor(int(by_account[1][at])),
            )
            for at in order.tolist()
        ),
    )


class Moved(NamedTuple):
    """How much money commands move of a market, in base currency."""

    minor: Minor
    """Without what `legs` move."""
    legs: Rows
    """LEG_TIMES rows: legs that move a multiple of what their slips can be paid at most."""


def moved(resolutions: Resolutions, twin: Resolutions, slot: int) -> Moved:
    """Return how much money a fork's commands move of a market (see Preview)."""
    numbers = bets_of(resolutions.book, slot)
    records = resolutions.book.records[numbers]
    return _moved(_worth(resolutions, slot, numbers), _worth(twin, slot, numbers), records)


def _moved(before: _Worth, after: _Worth, records: Rows) -> Moved:
    rows = before.standing.rows, after.standing.rows
    was_open, is_open = (each["result"] == BetResult.NONE for each in rows)
    change = np.abs(after.returned_minor - before.returned_minor)
    change = np.where(was_open != is_open, np.maximum(change, before.stake_minor), change)
    change += np.where(was_open & is_open, np.abs(after.open_minor - before.open_minor), 0)
    times_milli = _times_milli(before, after, records)
    counted = times_milli > 0
    legs: Rows = np.zeros(int(counted.sum()), LEG_TIMES)
    legs["bet_id"], legs["times_milli"] = records["bet_id"][counted], times_milli[counted]
    # Python's integers: a market of large payouts could pass 64 bits when signs are dropped.
    minor = int(change[~counted].sum(dtype=object))
    return Moved(Minor(min(minor, BALANCE_MINOR_MAX)), legs)


def _times_milli(before: _Worth, after: _Worth, records: Rows) -> I64s:
    """Return how many thousandths of its slip's most each bet moves; 0 for what counts by itself.

    What a slip is paid depends on legs elsewhere, which may be decided before anybody here knows.
    So a leg that gives something back, now or after, moves all that its slip can pay; one at
    corrected odds as much more as these are higher. A leg that is lost, or lost no more, counts by
    its charge.
    """
    accepted = records["odds_milli"].astype(np.int64)
    gives = [_gives_milli(each) for each in (before, after)]
    rows = before.standing.rows, after.standing.rows
    is_open = [each["result"] == BetResult.NONE for each in rows]
    both_open = is_open[0] & is_open[1]
    most = np.maximum(*(np.where(is_open[at], accepted, gives[at]) for at in (0, 1)))
    times: I64s = -(-np.maximum(most, accepted) * ODDS_MILLI_ONE // accepted)
    shift = -(-np.abs(gives[1] - gives[0]) * ODDS_MILLI_ONE // accepted)
    paid = [~is_open[at] & (gives[at] > 0) for at in (0, 1)]
    changed = (rows[0]["result"] != rows[1]["result"]) | (gives[0] != gives[1])
    times[~(changed & (paid[0] | paid[1]))] = 0
    times[both_open] = shift[both_open]
    marked = rows[0]["early_lead"] != rows[1]["early_lead"]
    times[marked] = np.maximum(times[marked], ODDS_MILLI_ONE)
    times[records["flags"] & FLAG_LEG == 0] = 0
    return times


def _gives_milli(worth: _Worth) -> I64s:
    """Return what each leg gives back for a stake of 1,000, rounded up; an open one if it wins."""
    rows = worth.standing.rows
    back_den = rows["back_den"].astype(np.int64)
    back = -(-rows["payout_minor"] * ODDS_MILLI_ONE // np.maximum(back_den, 1))
    gives: I64s = np.where(rows["result"] == BetResult.NONE, worth.standing.odds_milli, back)
    return gives


def _worth(resolutions: Resolutions, slot: int, numbers: I32s) -> _Worth:
    book = resolutions.book
    standing = resolutions.standing(slot, numbers)
    stake, returned, open_minor = (np.empty(len(numbers), np.int64) for _ in range(3))
    worth_nb(
        book.records,
        numbers,
        standing.odds_milli,
        standing.refunded,
        standing.rows,
        book.charges,
        book.charge_table,
        resolutions.rules,
        stake,
        returned,
        open_minor,
    )
    return _Worth(standing, stake, returned, open_minor, book.liability_minor(slot))


def _changed(before: _Worth, after: _Worth) -> Bools:
    """Return which bets have another result or payout, or pay otherwise if they win."""
    changed: Bools = before.open_minor != after.open_minor
    for name in _WHAT_STANDS:
        changed |= before.standing.rows[name] != after.standing.rows[name]
    return changed


def _lines(
    before: _Worth,
    after: _Worth,
    changed: Bools,
    outcome: "np.ndarray[tuple[int], np.dtype[np.uint16]]",
) -> tuple[OutcomePreview, ...]:
    count = len(before.liability_minor)
    columns = [
        np.bincount(outcome, minlength=count),
        np.bincount(outcome[changed], minlength=count),
        _sums(outcome, before.stake_minor, count),
    ]
    houses = []
    for each in (before, after):
        decided = each.standing.rows["result"] != BetResult.NONE
        columns.append(_sums(outcome, each.returned_minor, count))
        houses.append(_sums(outcome, (each.stake_minor - each.returned_minor) * decided, count))
    names = (
        "bets", "changed", "stake_minor", "payout_now_minor", "payout_after_minor",
        "house_now_minor", "house_after_minor", "liability_now_minor", "liability_after_minor",
    )  # fmt: skip
    figures = [each.tolist() for each in (*columns, *houses)]
    figures += [before.liability_minor, after.liability_minor]
    return tuple(
        OutcomePreview(**dict(zip(names, line, strict=True))) for line in zip(*figures, strict=True)
    )


def _sums(
    places: "np.ndarray[tuple[int], np.dtype[np.integer]]", amounts: I64s, count: int
) -> I64s:
    """Return the sums of amounts by place, exact in 64 bits."""
    sums: I64s = np.zeros(count, np.int64)
    np.add.at(sums, places, amounts)
    return sums


def _sum(amounts: I64s) -> Minor:
    return Minor(int(amounts.sum()))
