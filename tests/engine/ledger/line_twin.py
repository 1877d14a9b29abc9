"""Lines of a slip's bets and what they pay, in plain Python: enumerated, and in fractions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from math import floor
from typing import Protocol

from tests.engine.ledger.twin import PAYOUT_MAX, STAKE_MAX

Line = tuple[int, ...]
"""The places of the legs that a line has."""


class PlacedLeg(Protocol):
    event: int
    position: int


@dataclass(frozen=True)
class TwinBet:
    stake: int
    payout_max: int
    sizes: int
    positions: int
    bankers: int

    def fault(self, held: int) -> str:
        if self.stake < 1:
            return "STAKE_TOO_SMALL"
        if self.stake > STAKE_MAX or self.payout_max < 0:
            return "AMOUNT_OUT_OF_BOUNDS"
        if self.positions & ~held or self.bankers & ~self.positions:
            return "POSITION_UNKNOWN"
        free = bin(self.positions & ~self.bankers).count("1")
        sizes = {size for size in range(64) if self.sizes >> size & 1}
        allowed = set(range(0 if self.bankers else 1, free + 1))
        return "" if sizes and sizes <= allowed else "SIZE_OUT_OF_BOUNDS"

    def lines(self, legs: Sequence[PlacedLeg]) -> list[Line]:
        """Return every line: the bankers and k others, one leg of each, no event twice."""
        at = [p for p in range(64) if self.positions >> p & 1]
        bankers = [p for p in at if self.bankers >> p & 1]
        others = [p for p in at if p not in bankers]
        found = []
        for size in range(64):
            if not self.sizes >> size & 1:
                continue
            for chosen in combinations(others, size):
                ways = [
                    [place for place, leg in enumerate(legs) if leg.position == p]
                    for p in (*bankers, *chosen)
                ]
                for line in product(*ways):
                    events = [legs[place].event for place in line]
                    if len(set(events)) == len(events):
                        found.append(line)
        return found


def multiplied(fractions: Iterable[Fraction | None]) -> Fraction:
    total = Fraction(1)
    for each in fractions:
        assert each is not None
        total *= each
    return total


def payouts(
    all_lines: Sequence[tuple[TwinBet, list[Line]]], odds: Sequence[Fraction]
) -> list[tuple[TwinBet, Callable[[int], int]]]:
    """Return for each bet what it pays at a line's stake if all legs win."""

    def paying(products: list[Fraction]) -> Callable[[int], int]:
        return lambda stake: sum(floor(stake * each) for each in products)

    return [
        (bet, paying([multiplied(odds[place] for place in line) for line in lines]))
        for bet, lines in all_lines
    ]


def too_much(
    all_lines: Sequence[tuple[TwinBet, list[Line]]],
    odds: Sequence[Fraction],
    room: int | None = None,
) -> str:
    paid = [(bet, pays(bet.stake)) for bet, pays in payouts(all_lines, odds)]
    if any(0 < bet.payout_max < amount for bet, amount in paid):
        return "PAYOUT_OVER_CAP"
    total = sum(amount for _, amount in paid)
    if total > PAYOUT_MAX:
        return "AMOUNT_OUT_OF_BOUNDS"
    return "ACCOUNT_LIABILITY" if room is not None and total > room else ""


def stake_max(
    all_lines: Sequence[tuple[TwinBet, list[Line]]],
    odds: Sequence[Fraction],
    limit: int,
    room: int | None = None,
) -> int:
    """Return the highest total stake that passes, of all that keep the bets' proportions."""
    total = sum(bet.stake * len(lines) for bet, lines in all_lines)
    paying = payouts(all_lines, odds)
    for part in range(min(total, limit), 0, -1):
        stakes = [bet.stake * part // total for bet, _ in all_lines]
        if 0 in stakes:
            return 0
        paid = [(bet, pays(stake)) for (bet, pays), stake in zip(paying, stakes, strict=True)]
        within = all(not 0 < bet.payout_max < amount for bet, amount in paid)
        most = PAYOUT_MAX if room is None else min(PAYOUT_MAX, room)
        if within and sum(amount for _, amount in paid) <= most:
            counts = [len(lines) for _, lines in all_lines]
            return sum(stake * count for stake, count in zip(stakes, counts, strict=True))
    return 0
