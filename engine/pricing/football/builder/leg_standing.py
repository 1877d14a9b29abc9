"""What stands for a builder's legs, and the windows of cancelled bets that it has from them.

Owns which bets of a builder are refunded because those of a leg are. Never applies a command.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from engine.common.commands import (
    CANCEL_WINDOWS_MAX,
    CancelBets,
    FeedStep,
    OutcomeResult,
    RollBackCancel,
)
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.units import Nanos
from engine.market.cancel_windows import Window
from engine.market.market import MarketMachine

VOID: Final = OutcomeResult(won=False, void_halves=2)
LOST: Final = OutcomeResult(won=False)
WON: Final = OutcomeResult(won=True)

Times = tuple[Nanos | None, Nanos | None]
MarketLeg = tuple[MarketNo, int]
"""A market that a shell hosts, and an outcome of it."""


class Standing(NamedTuple):
    """What stands for a leg."""

    offered: bool
    result: OutcomeResult | None
    windows: tuple[Window, ...]
    """Those that cover bets on its outcome."""


def standing(machine: MarketMachine, leg: MarketLeg) -> Standing:
    """Return what stands for a leg; in a cancelled market it is void.

    A leg at odds that a trader overrides is not offered: the model that prices its builders does
    not know what the trader does.
    """
    market_no, outcome = leg
    image, resolved = machine.price_delta(market_no), machine.resolved(market_no)
    cancelled = image.status is Status.CANCELLED
    return Standing(
        offered=image.status is Status.ACTIVE
        and image.active[outcome]
        and outcome not in machine.overridden_outcomes(market_no),
        result=VOID if cancelled else resolved.results.get(outcome),
        windows=tuple(
            window
            for window in resolved.windows
            if not window.outcomes or outcome in window.outcomes
        ),
    )


def are_refunded(legs: Iterable[Standing], times: Times) -> bool | None:
    """Return whether bets of a window of legs are refunded unless another leg is lost.

    The legs that are cancelled all through these times are void for its bets. False while another
    leg is open. None where one of the others won or lost in part: what stands is left as it is.
    """
    others = [leg.result for leg in legs if not any(_within(times, at) for at in leg.windows)]
    if LOST in others or None in others:
        return False
    return True if all(result in (WON, VOID) for result in others) else None


def refunds_unless_lost(
    machine: MarketMachine, number: MarketNo, legs: Sequence[Standing]
) -> list[FeedStep]:
    """Return refunds of legs' windows for a builder that a lost leg decides, and roll-backs.

    A refund covers bets up to the last one that a leg's window covers: more may have been taken
    before the other legs were decided.
    """
    known = times_of(machine.resolved(number).windows)
    covered: dict[Times, int] = {}
    for leg in legs:
        for window in leg.windows:
            times = window[:2]
            covered[times] = max(covered.get(times, 0), window.bets)
    steps: list[FeedStep] = []
    for times, bets in covered.items():
        refunds, (from_ns, until_ns) = are_refunded(legs, times), times
        if refunds and times not in known and len(known) < CANCEL_WINDOWS_MAX:
            step = CancelBets(
                market_no=number, from_ns=from_ns, until_ns=until_ns, why="as a leg's"
            )
            if bets < machine.bets_len:
                step = replace(step, accepted_before_ns=Nanos(int(machine.bets()["at_ns"][bets])))
            steps.append(step)
            known.append(times)
        elif refunds is False and times in known:
            why = "a leg is lost or open"
            steps.append(
                RollBackCancel(market_no=number, from_ns=from_ns, until_ns=until_ns, why=why)
            )
    return steps


def missing_windows(
    machine: MarketMachine, number: MarketNo, legs: Iterable[Standing]
) -> list[FeedStep]:
    """Return the refunds of windows that a builder's legs have and the builder does not."""
    known = times_of(machine.resolved(number).windows)
    missing = dict.fromkeys(times for leg in legs for times in times_of(leg.windows))
    return [
        CancelBets(market_no=number, from_ns=times[0], until_ns=times[1], why="as a leg's")
        for times in missing
        if times not in known
    ]


def _within(times: Times, window: Window) -> bool:
    """Return whether a window covers all of these times."""
    (begin, end), (from_, until) = Window(*times, 0).times(), window.times()
    return from_ <= begin and end <= until


def times_of(windows: Iterable[Window]) -> list[Times]:
    """Return the times of windows."""
    return [(window.from_ns, window.until_ns) for window in windows]
