"""Check slips of several legs by counting their lines: arrays in, differences out.

Owns this comparison: that a head's legs stand as it does, that its stake and its legs' charges are
those of its lines, at first and as its legs are settled, and that it was paid what its legs make of
them. What the legs' markets charge is compared elsewhere. It counts line by line with
Python's integers and shares no code with the ledger's machine or the kernels of slips, so that a
defect of either is not repeated here. Never fetches a row.
"""

import asyncio
from collections.abc import Iterator
from itertools import combinations, product
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np

from engine.common.rows import BetResult, Rows, SlipKind, SlipState
from engine.common.units import STAKE_MINOR_MAX

COMBINATIONS_MAX: Final = 100_000
"""Combinations of one slip's legs that are counted, those among them that share an event included;
a slip with more is not checked by its lines."""

PORTION_COMBINATIONS: Final = 2_000
"""Combinations that are counted before others may use the event loop."""

_LEG_STATES: Final = {
    SlipState.PENDING: (SlipState.PENDING, SlipState.ACCEPTED, SlipState.SETTLED),
    SlipState.ACCEPTED: (SlipState.ACCEPTED, SlipState.SETTLED),
    SlipState.SETTLED: (SlipState.ACCEPTED, SlipState.SETTLED),
    SlipState.REFUSED: (SlipState.REFUSED, SlipState.RELEASED, SlipState.PENDING),
}
"""The states that a leg can have by the state of its head."""
_POSTED: Final = (SlipState.ACCEPTED, SlipState.SETTLED)
_STAKE_BACK: Final = (BetResult.REFUNDED, BetResult.CANCELLED)


class Checked(NamedTuple):
    """The differences that were found, and the row up to which slips were looked at."""

    differences: list[str]
    stop: int
    waiting: int
    """Legs whose markets are not known to have their present charge: it is on the way."""


class _Leg(NamedTuple):
    """A row behind a head: one of its legs, if all is well."""

    bet_id: int
    kind: int
    legs: int
    state: int
    result: int
    event: int
    position: int
    stake_minor: int
    payout_minor: int
    back_den: int
    charge_no: int
    charged_minor: int


class _Bet(NamedTuple):
    """A bet of a slip, with its positions in lists."""

    stake_minor: int
    lines: int
    sizes: list[int]
    bankers: list[int]
    others: list[int]


class _Head(NamedTuple):
    """A head with what belongs to it."""

    row: Any
    legs: list[_Leg]
    bets: list[_Bet]

    @property
    def ways(self) -> dict[int, list[int]]:
        """The legs at each position, by their places among the legs."""
        ways: dict[int, list[int]] = {}
        for place, leg in enumerate(self.legs):
            ways.setdefault(leg.position, []).append(place)
        return ways


class _Count(NamedTuple):
    """What a slip's lines come to; `owed_minor` is None while an open leg can change it.

    `charges_minor` is by leg the stake of its lines, `running_minor` what runs on it if it is open.
    """

    lines: list[int]
    stake_minor: int
    charges_minor: list[int]
    running_minor: list[int]
    owed_minor: int | None


class SlipCheck:
    """The heads of a page of slips, and what is to be compared with them.

    Parameters
    ----------
    slips : Rows
        SLIP rows in the order of their bet ids. A page may begin among the legs of a head before
        it; behind its last head it must hold that one's legs.
    bets : Rows
        SLIP_BET rows of the same account shard, read after the slips were.
    bets_first : int
        The place of the first of them in the shard.
    """

    def __init__(self, slips: Rows, bets: Rows, *, bets_first: int = 0) -> None:
        self._slips = slips
        self._bets = bets
        self._bets_first = bets_first
        self._heads = np.flatnonzero(slips["kind"] == SlipKind.HEAD)

    def check(
        self, start: int = 0, stop: int | None = None, *, combinations_max: int | None = None
    ) -> Checked:
        """Compare the heads from one row up to another with their legs and bets.

        Parameters
        ----------
        start, stop : int
            The rows among which heads are looked at; all by default.
        combinations_max : int, optional
            Ends before the head with which more combinations would have been counted, unless it is
            the first one.
        """
        stop = len(self._slips) if stop is None else stop
        differences: list[str] = []
        counted = waiting = 0
        first, last = np.searchsorted(self._heads, (start, stop)).tolist()
        for at in self._heads[first:last].tolist():
            head = self._head(at)
            work = _combinations(head)
            if combinations_max is not None and counted and counted + work > combinations_max:
                return Checked(differences, at, waiting)
            counted += work
            name = f"bet {head.row['bet_id']}"
            count = _count(head) if work <= COMBINATIONS_MAX else None
            differences += [f"{name}: {text}" for text in _differences(head, count)]
            waiting += _waiting(head, count)
        return Checked(differences, stop, waiting)

    def _head(self, at: int) -> _Head:
        row = self._slips[at]
        behind = self._slips[at + 1 : at + 1 + int(row["legs"])][list(_Leg._fields)]
        first = int(row["bets_first"]) - self._bets_first
        own = self._bets[max(first, 0) : max(first + int(row["bets"]), 0)]
        return _Head(row, [_Leg(*leg) for leg in behind.tolist()], list(map(_bet, own.tolist())))


def _bet(row: tuple[int, ...]) -> _Bet:
    stake_minor, _, sizes, positions, bankers, lines, _ = row
    return _Bet(stake_minor, lines, _bits(sizes), _bits(bankers), _bits(positions & ~bankers))


async def in_portions(check: SlipCheck, rows: int) -> Checked:
    """Compare the heads among the first rows of a page.

    The lines are counted portion by portion: the event loop goes on in between.
    """
    differences: list[str] = []
    start = waiting = 0
    while start < rows:
        checked = check.check(start, rows, combinations_max=PORTION_COMBINATIONS)
        differences += checked.differences
        start, waiting = checked.stop, waiting + checked.waiting
        await asyncio.sleep(0)
    return Checked(differences, start, waiting)


# --- what is compared -----------------------------------------------------------------------------


def _is_whole(head: _Head) -> bool:
    """Return whether the rows behind a head are its legs, and its bets are there."""
    row = head.row
    expected = [(int(row["bet_id"]) + place, place) for place in range(1, int(row["legs"]) + 1)]
    found = [(leg.bet_id, leg.legs) for leg in head.legs if leg.kind == SlipKind.LEG]
    return bool(found == expected and len(head.bets) == row["bets"])


def _differences(head: _Head, count: _Count | None) -> Iterator[str]:
    row, legs = head.row, head.legs
    if not _is_whole(head):
        yield "its legs or its bets are not those of its slip"
        return
    state = SlipState(int(row["state"]))
    for leg in legs:
        if leg.state not in _LEG_STATES[state]:
            yield f"{state.name}, and its leg {leg.bet_id} is {SlipState(leg.state).name}"
    if count is not None:
        yield from _sums(head, count)
        if state in _POSTED:
            yield from _payment(head, count)
            yield from _running(head, count)


def _sums(head: _Head, count: _Count) -> Iterator[str]:
    lines = [bet.lines for bet in head.bets]
    if lines != count.lines:
        yield f"its bets have {lines} lines, counted are {count.lines}"
    stake_minor = head.row["stake_minor"]
    if stake_minor != count.stake_minor:
        yield f"its stake is {stake_minor}, that of its lines {count.stake_minor}"
    for leg, charge in zip(head.legs, count.charges_minor, strict=True):
        if leg.stake_minor != min(charge, STAKE_MINOR_MAX):
            yield f"its leg {leg.bet_id} was charged {leg.stake_minor}, counted are {charge}"


def _running(head: _Head, count: _Count) -> Iterator[str]:
    """Yield which open legs are charged otherwise than by what runs on them, and not told so.

    A leg whose market has noted the last change of its slip was told the charge after it.
    """
    for leg, running_minor in zip(head.legs, count.running_minor, strict=True):
        present = leg.charge_no == head.row["charge_no"]
        if leg.state == SlipState.ACCEPTED and present and leg.charged_minor != running_minor:
            text = f"its leg {leg.bet_id} is charged {leg.charged_minor}"
            yield f"{text}, what runs on it is {running_minor}"


def _waiting(head: _Head, count: _Count | None) -> int:
    """Return of how many legs the market is still to be told its charge."""
    if count is None or not _is_whole(head):
        return 0
    waiting = 0
    for leg, running_minor in zip(head.legs, count.running_minor, strict=True):
        behind = int(head.row["charge_no"]) - leg.charge_no
        if leg.state == SlipState.RELEASED:
            waiting += leg.charged_minor != 0
        elif leg.state == SlipState.ACCEPTED and head.row["state"] in _POSTED:
            waiting += behind > 1 or (behind == 1 and leg.charged_minor != running_minor)
    return waiting


def _payment(head: _Head, count: _Count) -> Iterator[str]:
    row = head.row
    is_settled = row["state"] == SlipState.SETTLED
    if count.owed_minor is None:
        if is_settled:
            yield "it is settled, and an open leg can change what it is owed"
        return
    if not is_settled:
        yield f"it is open, and no leg can change that it is owed {count.owed_minor}"
        return
    if row["payout_minor"] != count.owed_minor:
        yield f"it was paid {row['payout_minor']}, by its legs it is owed {count.owed_minor}"
    result = _result(head.legs, count.owed_minor, stake_minor=row["stake_minor"])
    if row["result"] != result:
        yield f"its result is {BetResult(int(row['result'])).name}, by its legs {result.name}"


def _result(legs: list[_Leg], owed_minor: int, *, stake_minor: int) -> BetResult:
    if owed_minor == 0:
        return BetResult.LOST
    if all(leg.state == SlipState.SETTLED and leg.result in _STAKE_BACK for leg in legs):
        return BetResult.REFUNDED
    in_part = any(leg.result == BetResult.HALF_LOST for leg in legs)
    return BetResult.HALF_LOST if in_part and owed_minor < stake_minor else BetResult.WON


# --- lines ----------------------------------------------------------------------------------------


def _count(head: _Head) -> _Count:
    """Count the lines of a slip's bets and what they come to, each line rounded down."""
    ways = head.ways
    events = [leg.event for leg in head.legs]
    settled = [leg.state == SlipState.SETTLED for leg in head.legs]
    pairs = list(zip(head.legs, settled, strict=True))
    nums = [leg.payout_minor if is_settled else 1 for leg, is_settled in pairs]
    dens = [leg.back_den if is_settled else 1 for leg, is_settled in pairs]
    lines: list[int] = []
    charges = [0] * len(events)
    running = [0] * len(events)
    owed = 0
    undecided = False
    for bet in head.bets:
        lines.append(0)
        for line in _lines(bet, ways, events):
            lines[-1] += 1
            for leg in line:
                charges[leg] += bet.stake_minor
            num = prod([nums[leg] for leg in line])
            if not num:
                continue
            line_minor = bet.stake_minor * num // prod([dens[leg] for leg in line])
            still_open = [leg for leg in line if not settled[leg]]
            for leg in still_open:
                running[leg] = min(running[leg] + line_minor, STAKE_MINOR_MAX)
            if still_open:
                undecided = True
            else:
                owed += line_minor
    stake_minor = sum(bet.stake_minor * count for bet, count in zip(head.bets, lines, strict=True))
    return _Count(lines, stake_minor, charges, running, None if undecided else owed)


def _lines(bet: _Bet, ways: dict[int, list[int]], events: list[int]) -> Iterator[tuple[int, ...]]:
    """Yield a bet's lines, each as its legs; legs that share an event are in no line together."""
    for size in bet.sizes:
        for chosen in combinations(bet.others, size):
            for line in product(*[ways.get(each, ()) for each in (*bet.bankers, *chosen)]):
                if len({events[leg] for leg in line}) == len(line):
                    yield line


def _combinations(head: _Head) -> int:
    """Return how many combinations of legs `_lines` looks at."""
    ways = head.ways
    found = 0
    for bet in head.bets:
        of_size = [1]
        """How many choices there are of so many of the positions up to now."""
        for position in bet.others:
            legs = len(ways.get(position, ()))
            one_more = [few * legs for few in of_size]
            of_size = [a + b for a, b in zip([*of_size, 0], [0, *one_more], strict=True)]
        of_bankers = prod([len(ways.get(position, ())) for position in bet.bankers])
        found += of_bankers * sum(of_size[size] for size in bet.sizes if size < len(of_size))
    return found


def _bits(mask: int) -> list[int]:
    """Return the numbers of the bits that are set, rising."""
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]
