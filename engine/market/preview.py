"""Preview of a command that resolves bets: whom it would touch, and by how much.

Owns the figures. The command is applied to a fork of the resolutions, which has its own copy of
whatever commands change, so a preview refuses what the command would be refused and cannot differ
from what the command does. Never changes the machine, and never says what becomes of other markets
that follow this one.
"""

from typing import NamedTuple

import numpy as np

from engine.common.corrections import CorrectionCommand
from engine.common.events import Refused
from engine.common.ids import AccountNo
from engine.common.previews import (
    ACCOUNTS_SHOWN_MAX,
    AccountPreview,
    OutcomePreview,
    Preview,
    PreviewAnswer,
    PreviewCommand,
)
from engine.common.rows import FLAG_LEG, BetResult, Bools, I32s, I64s
from engine.common.units import Minor, Nanos
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


def preview(
    resolutions: Resolutions, command: PreviewCommand, slot: int, at_ns: Nanos
) -> PreviewAnswer:
    """Return what a command would do to a market's bets, or why it would be refused.

    Parameters
    ----------
    resolutions : Resolutions
        Read only.
    command : PreviewCommand
        The command.
    slot : int
        The market's slot.
    at_ns : Nanos
        When the command would be applied, nanoseconds UTC.
    """
    book = resolutions.book
    twin = resolutions.fork()
    if isinstance(command, CorrectionCommand):
        event: object = twin.correct(command, slot)
    else:
        event = twin.apply(command, slot, at_ns)
    if isinstance(event, Refused):
        return event
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
        market_no=command.market_no,
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
        moved_minor=Minor(_moved(before, after, change, open_change)),
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


def _moved(before: _Worth, after: _Worth, change: I64s, open_change: I64s) -> int:
    """Return the sum of all bets' changes without their signs; open ones count by what they pay."""
    results = [each.standing.rows["result"] for each in (before, after)]
    stays_open = (results[0] == BetResult.NONE) & (results[1] == BetResult.NONE)
    # Python's integers: a market of large payouts could pass 64 bits when signs are dropped.
    return int(np.abs(change).sum(dtype=object) + np.abs(open_change)[stays_open].sum(dtype=object))


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
