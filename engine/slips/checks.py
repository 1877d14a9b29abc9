"""Check the structure of a slip before its account and its markets are asked.

Owns the order of these checks: the first fault is the answer. Never asks whether a market takes a
leg, or an account has the funds.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from engine.common.reasons import Reason
from engine.common.rows import Rows
from engine.common.units import (
    ODDS_MILLI_MAX,
    ODDS_MILLI_MIN,
    SLIP_BETS_MAX,
    SLIP_LINE_LEGS_MAX,
    STAKE_MINOR_MAX,
    Minor,
)
from engine.slips.lines_nb import LEGS_MAX, LINES_MAX, STEPS, STEPS_MAX, WALK_I64S, count_lines_nb
from engine.slips.structure import Leg, SlipBet, bet_rows

LEGS_DEFAULT: Final = 20
"""Legs of one slip that are allowed unless a setting says otherwise."""


class SlipFault(NamedTuple):
    """Why a slip is refused: `field` is the part of the slip at fault, `message` says its bound."""

    reason: Reason
    field: str
    message: str


class CheckedSlip(NamedTuple):
    """A slip without a fault: its bets as rows, and what they come to."""

    rows: Rows
    """SLIP_BET rows."""
    lines: tuple[int, ...]
    """Lines of each bet."""
    stake_minor: Minor
    """The stake of all lines."""
    charges_minor: tuple[Minor, ...]
    """The stake of the lines that hold each leg."""


class SlipBounds(NamedTuple):
    """The most that a slip may have."""

    legs: int = LEGS_DEFAULT
    bets: int = SLIP_BETS_MAX
    lines: int = LINES_MAX


BOUNDS: Final = SlipBounds()
"""The bounds unless settings say otherwise."""


def check_slip(
    legs: Sequence[Leg], bets: Sequence[SlipBet], *, bounds: SlipBounds = BOUNDS
) -> CheckedSlip | SlipFault:
    """Return a slip's rows, lines and stakes, or its first fault.

    A slip whose walk over lines is too long (see lines_nb) has too many lines.
    """
    fault = _count_fault(len(legs), len(bets), bounds)
    fault = fault or _legs_fault(legs)
    if fault is not None:
        return fault
    held: dict[int, list[int]] = {}
    for at, leg in enumerate(legs):
        held.setdefault(leg.position, []).append(at)
    for number, bet in enumerate(bets):
        fault = _bet_fault(bet, f"bets[{number}]", held) or _event_fault(bet, number, held, legs)
        if fault is not None:
            return fault
    return _counted(legs, bets, bounds)


def _count_fault(legs: int, bets: int, bounds: SlipBounds) -> SlipFault | None:
    if legs == 0:
        return SlipFault(Reason.NO_SELECTION, "legs", "at least 1")
    if legs > bounds.legs:
        return SlipFault(Reason.LEGS_OVER_BOUND, "legs", f"at most {bounds.legs}, not {legs}")
    if bets == 0:
        return SlipFault(Reason.NO_LINE, "bets", "at least 1")
    if bets > bounds.bets:
        return SlipFault(Reason.BETS_OVER_BOUND, "bets", f"at most {bounds.bets}, not {bets}")
    return None


def _legs_fault(legs: Sequence[Leg]) -> SlipFault | None:
    selections: dict[tuple[int, int], int] = {}
    for at, leg in enumerate(legs):
        if not ODDS_MILLI_MIN <= leg.odds_milli <= ODDS_MILLI_MAX:
            bound = f"{ODDS_MILLI_MIN} to {ODDS_MILLI_MAX}"
            return SlipFault(Reason.ODDS_OUT_OF_BOUNDS, f"legs[{at}].odds_milli", bound)
        for name, number in (("position", leg.position), ("event", leg.event)):
            if not 0 <= number < LEGS_MAX:
                bound = f"0 to {LEGS_MAX - 1}"
                return SlipFault(Reason.FIELD_OUT_OF_BOUNDS, f"legs[{at}].{name}", bound)
        first = selections.setdefault((leg.market_no, leg.outcome), at)
        if first != at:
            what = f"the selection of legs[{first}]"
            return SlipFault(Reason.SELECTION_REPEATED, f"legs[{at}]", what)
    return None


def _bet_fault(bet: SlipBet, where: str, held: dict[int, list[int]]) -> SlipFault | None:
    """Return what is wrong with a bet's fields."""
    if bet.stake_minor < 1:
        return SlipFault(Reason.STAKE_TOO_SMALL, f"{where}.stake_minor", "at least 1")
    if bet.stake_minor > STAKE_MINOR_MAX:
        bound = f"at most {STAKE_MINOR_MAX}"
        return SlipFault(Reason.AMOUNT_OUT_OF_BOUNDS, f"{where}.stake_minor", bound)
    if bet.payout_minor_max < 0:
        return SlipFault(Reason.AMOUNT_OUT_OF_BOUNDS, f"{where}.payout_minor_max", "at least 0")
    if not bet.positions:
        return SlipFault(Reason.POSITION_UNKNOWN, f"{where}.positions", "at least 1")
    for name, numbers in (("positions", bet.positions), ("bankers", bet.bankers)):
        known = held if name == "positions" else dict.fromkeys(bet.positions)
        among = "a leg's position" if name == "positions" else "among the bet's positions"
        first_of: dict[int, int] = {}
        for at, number in enumerate(numbers):
            if number not in known or first_of.setdefault(number, at) != at:
                why = "given twice" if number in known else f"{number} is not {among}"
                return SlipFault(Reason.POSITION_UNKNOWN, f"{where}.{name}[{at}]", why)
    free = len(bet.positions) - len(bet.bankers)
    least = 0 if bet.bankers else 1
    if not bet.sizes:
        return SlipFault(Reason.SIZE_OUT_OF_BOUNDS, f"{where}.sizes", "at least 1")
    for at, size in enumerate(bet.sizes):
        if not least <= size <= free:
            bound = f"{least} to {free}, the positions that are no bankers"
            return SlipFault(Reason.SIZE_OUT_OF_BOUNDS, f"{where}.sizes[{at}]", bound)
        if size in bet.sizes[:at]:
            return SlipFault(Reason.SIZE_OUT_OF_BOUNDS, f"{where}.sizes[{at}]", "given twice")
    return None


def _event_fault(
    bet: SlipBet, number: int, held: dict[int, list[int]], legs: Sequence[Leg]
) -> SlipFault | None:
    """Return the last leg that no line can have, since all lines have a leg of its event elsewhere.

    All lines have the positions of an accumulator, and bankers. Where another line is left to both
    of two legs of one event, those with both are left out.
    """
    free = len(bet.positions) - len(bet.bankers)
    every = bet.positions if min(bet.sizes) == free else bet.bankers
    taken = {
        position: legs[held[position][0]].event
        for position in every
        if len({legs[at].event for at in held[position]}) == 1
    }
    of_bet = sorted([at for position in every for at in held[position]], reverse=True)
    for at in of_bet:
        for position, event in taken.items():
            if event == legs[at].event and position != legs[at].position:
                low, high = sorted((held[position][0], at))
                why = f"legs[{low}] and legs[{high}] are of one event"
                return SlipFault(
                    Reason.LEGS_SHARE_EVENT,
                    f"legs[{at}]",
                    f"{why}, so bets[{number}] has no line with legs[{at}]",
                )
    return None


def _counted(
    legs: Sequence[Leg], bets: Sequence[SlipBet], bounds: SlipBounds
) -> CheckedSlip | SlipFault:
    """Count the lines of bets without a fault, and add up their stakes."""
    rows = bet_rows(bets)
    positions = np.array([leg.position for leg in legs], np.uint8)
    events = np.array([leg.event for leg in legs], np.uint8)
    work = np.empty(WALK_I64S, np.int64)
    work[STEPS] = STEPS_MAX
    counts: list[int] = []
    total = stake_minor = 0
    line_legs = 0
    charges_minor = [0] * len(legs)
    for number, bet in enumerate(bets):
        with_leg = np.zeros(len(legs), np.int64)
        lines = count_lines_nb(positions, events, len(legs), rows[number], with_leg, work)
        total += lines
        if lines < 0 or total > bounds.lines:
            bound = f"at most {bounds.lines} in all"
            if work[STEPS] == 0:
                bound = f"{bound}, found in {STEPS_MAX} steps"
            return SlipFault(Reason.LINES_OVER_BOUND, f"bets[{number}]", bound)
        if lines == 0:
            why = "legs of one event leave it no line"
            return SlipFault(Reason.NO_LINE, f"bets[{number}]", why)
        line_legs += int(with_leg.sum())
        if line_legs > SLIP_LINE_LEGS_MAX:
            bound = f"at most {SLIP_LINE_LEGS_MAX} legs in all lines together"
            return SlipFault(Reason.LINES_OVER_BOUND, f"bets[{number}]", bound)
        counts.append(lines)
        stake_minor += lines * bet.stake_minor
        for at, count in enumerate(with_leg.tolist()):
            charges_minor[at] += count * bet.stake_minor
    if 0 in charges_minor:
        at = charges_minor.index(0)
        return SlipFault(Reason.NO_LINE, f"legs[{at}]", "no bet has a line with this leg")
    if stake_minor > STAKE_MINOR_MAX:
        bound = f"at most {STAKE_MINOR_MAX} on all lines"
        return SlipFault(Reason.AMOUNT_OUT_OF_BOUNDS, "bets", bound)
    charges = tuple(Minor(charge) for charge in charges_minor)
    return CheckedSlip(rows, tuple(counts), Minor(stake_minor), charges)
