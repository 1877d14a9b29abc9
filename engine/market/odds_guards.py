"""Guards against odds that nobody means: by the book's sum, the last odds, a model, a result.

Owns the checks. The market's shell writes the guard into the command, so that a replay needs no
settings; a command that says so overrides it. Never reads a clock and never sets odds.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import UnsetType

from engine.common.commands import CreateMarket, Quote, SetOdds
from engine.common.events import Refused
from engine.common.lifecycle import Status
from engine.common.odds_guard import OddsGuard
from engine.common.reasons import Reason
from engine.common.units import ODDS_MILLI_ONE, OddsMilli

GUARD_REASONS: Final = frozenset(
    {Reason.BOOK_SUM_LOW, Reason.ODDS_STEP, Reason.ODDS_OFF_MODEL, Reason.ODDS_DECIDED}
)
STEP_CHANCE_MILLI_MIN: Final = 50
"""Least change of implied chance that is a leap, in thousandths: 100.0 may become 500.0."""
_NANO: Final = 1_000_000_000
_NANO_PER_MILLI: Final = 1_000_000
_ODDS_NANO_ONE: Final = ODDS_MILLI_ONE * _NANO
"""Divided by odds in thousandths it gives their implied chance in billionths."""


def created_fault(command: CreateMarket) -> Refused | None:
    """Return why the first odds of a market on offer are refused."""
    guard = command.guard
    if isinstance(guard, UnsetType) or command.override or not command.offered:
        return None
    return _sum_fault(command.odds_milli, guard, field="odds_milli")


def guard_fault(
    command: SetOdds, odds: list[OddsMilli], active: list[bool], *, status: Status
) -> Refused | None:
    """Return why new odds of some outcomes are refused.

    The book sum is checked when all of two or more outcomes are on offer: a part of them proves
    nothing. Leaps are checked while bets are taken: after a stop any odds may be right. Odds on
    offer are checked against the model's at any time: they may be opened later.

    Parameters
    ----------
    command : SetOdds
        The new odds and their guard.
    odds, active : list
        The last odds given to the market's outcomes in thousandths, and whether bets on them are
        offered by what was said last; the new ones are written into them. So a feed's mistake is
        found as well under a trader's marks as without.
    status : Status
        The market's status: it takes bets while it is ACTIVE.
    """
    guard = command.guard
    if isinstance(guard, UnsetType) or command.override:
        return None
    step_milli_max = guard.step_milli_max
    taking_bets = status is Status.ACTIVE
    modelled = bool(guard.model_odds_milli or guard.decided)
    for at, quote in enumerate(command.quotes):
        outcome, after = quote.outcome, quote.odds_milli
        before, was_active = odds[outcome], active[outcome]
        odds[outcome], active[outcome] = after, quote.active
        if (
            taking_bets
            and was_active
            and quote.active
            and before != after
            and _is_leap(before, after, step_milli_max)
        ):
            return _leap(before, after, guard, field=f"quotes[{at}].odds_milli")
        if modelled:
            refusal = _model_fault(quote, guard, field=f"quotes[{at}].odds_milli")
            if refusal is not None:
                return refusal
    return _sum_fault(odds, guard, field="quotes") if all(active) else None


def book_fault(
    guard: OddsGuard | UnsetType, odds: list[OddsMilli], active: list[bool], *, field: str
) -> Refused | None:
    """Return why the odds of a whole market are refused; none while a part is not on offer."""
    if isinstance(guard, UnsetType) or not all(active):
        return None
    return _sum_fault(odds, guard, field=field)


def _sum_fault(odds_milli: Sequence[int], guard: OddsGuard, *, field: str) -> Refused | None:
    if len(odds_milli) < 2:
        return None
    book_nano = sum([-(-_ODDS_NANO_ONE // odds) for odds in odds_milli])
    if book_nano >= guard.book_milli_min * _NANO_PER_MILLI:
        return None
    found = f"{book_nano // _NANO_PER_MILLI}"
    message = f"the book sums to {found} thousandths, below {guard.book_milli_min}"
    return Refused(reason=Reason.BOOK_SUM_LOW, field=field, message=message)


def _leap(before: int, after: int, guard: OddsGuard, *, field: str) -> Refused:
    message = (
        f"{before} to {after} is over {guard.step_milli_max} thousandths of the lower while bets "
        f"are taken"
    )
    return Refused(reason=Reason.ODDS_STEP, field=field, message=message)


def _model_fault(quote: Quote, guard: OddsGuard, *, field: str) -> Refused | None:
    """Return why odds on offer do not go with what a model or another source says of an outcome."""
    outcome = quote.outcome
    if not quote.active:
        return None
    if outcome in guard.decided:
        message = f"outcome {outcome} is decided, by the model or the second source"
        return Refused(reason=Reason.ODDS_DECIDED, field=field, message=message)
    known = outcome < len(guard.model_odds_milli)
    model_milli = guard.model_odds_milli[outcome] if known else 0
    if not model_milli or not _is_leap(model_milli, quote.odds_milli, guard.model_step_milli_max):
        return None
    message = (
        f"{quote.odds_milli} where the model or the second source has {model_milli} is over "
        f"{guard.model_step_milli_max} thousandths of the lower"
    )
    return Refused(reason=Reason.ODDS_OFF_MODEL, field=field, message=message)


def _is_leap(one: int, other: int, step_milli_max: int) -> bool:
    """Return whether odds are apart by more than a bound (0: none), and their chances too."""
    low, high = (one, other) if one < other else (other, one)
    if step_milli_max <= 0 or high * ODDS_MILLI_ONE <= low * step_milli_max:
        return False
    chance_nano = _ODDS_NANO_ONE // low - _ODDS_NANO_ONE // high
    return chance_nano >= STEP_CHANCE_MILLI_MIN * _NANO_PER_MILLI
