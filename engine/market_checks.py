"""What a market command must look like before it is obeyed.

Owns the bounds of its fields, checked again where they count: a command that was built in process
has been through no decoder. Never looks at a market.
"""

from typing import Final

from engine.commands import CreateMarket, Limits, OutcomeResult, Quote
from engine.events import Refused
from engine.ids import MARKET_NO_MAX
from engine.reasons import Reason
from engine.settlement import result_fault
from engine.units import (
    LIMIT_MINOR_MAX,
    ODDS_MILLI_MAX,
    ODDS_MILLI_MIN,
    OUTCOMES_MAX,
    STAKE_MINOR_MAX,
)

_LIMIT_BOUNDS: Final = {
    "stake_minor_min": (1, STAKE_MINOR_MAX),
    "stake_minor_max": (1, STAKE_MINOR_MAX),
    "payout_minor_max": (0, LIMIT_MINOR_MAX),
    "outcome_liability_minor_max": (0, LIMIT_MINOR_MAX),
    "market_liability_minor_max": (0, LIMIT_MINOR_MAX),
}


def out_of_bounds(field: str, message: str) -> Refused:
    """Return the refusal of a field."""
    return Refused(reason=Reason.FIELD_OUT_OF_BOUNDS, field=field, message=message)


def create_fault(command: CreateMarket) -> Refused | None:
    """Return why a market cannot be made of this command, apart from its key and its limits."""
    if not 0 <= command.market_no <= MARKET_NO_MAX:
        return out_of_bounds("market_no", f"0 to {MARKET_NO_MAX}")
    if not 1 <= len(command.outcomes) <= OUTCOMES_MAX:
        return out_of_bounds("outcomes", f"1 to {OUTCOMES_MAX}")
    if len(set(command.outcomes)) != len(command.outcomes):
        return out_of_bounds("outcomes", "a name is given twice")
    if len(command.odds_milli) != len(command.outcomes):
        count = f"{len(command.outcomes)} outcomes, {len(command.odds_milli)} odds"
        return out_of_bounds("odds_milli", count)
    for at, odds_milli in enumerate(command.odds_milli):
        if not ODDS_MILLI_MIN <= odds_milli <= ODDS_MILLI_MAX:
            return Refused(
                reason=Reason.ODDS_OUT_OF_BOUNDS,
                field=f"odds_milli[{at}]",
                message=f"{ODDS_MILLI_MIN} to {ODDS_MILLI_MAX}",
            )
    return None


def limits_fault(limits: Limits) -> Refused | None:
    """Return why these limits cannot hold: a figure out of bounds, or no stake left between two."""
    for name, (low, high) in _LIMIT_BOUNDS.items():
        if not low <= getattr(limits, name) <= high:
            return out_of_bounds(f"limits.{name}", f"{low} to {high}")
    if limits.stake_minor_min > limits.stake_minor_max:
        return out_of_bounds("limits.stake_minor_min", "over limits.stake_minor_max")
    return None


def quotes_fault(quotes: tuple[Quote, ...], *, outcomes: int) -> Refused | None:
    """Return why quotes cannot hold for a market of so many outcomes."""
    quoted: dict[int, None] = {}
    for at, quote in enumerate(quotes):
        if not 0 <= quote.outcome < outcomes:
            return Refused(
                reason=Reason.OUTCOME_UNKNOWN,
                field=f"quotes[{at}].outcome",
                message=f"the market has outcomes 0 to {outcomes - 1}",
            )
        if quote.outcome in quoted:
            return out_of_bounds(f"quotes[{at}].outcome", "an outcome is quoted twice")
        if not ODDS_MILLI_MIN <= quote.odds_milli <= ODDS_MILLI_MAX:
            return Refused(
                reason=Reason.ODDS_OUT_OF_BOUNDS,
                field=f"quotes[{at}].odds_milli",
                message=f"{ODDS_MILLI_MIN} to {ODDS_MILLI_MAX}",
            )
        quoted[quote.outcome] = None
    return None


def results_fault(results: tuple[OutcomeResult, ...], *, outcomes: int) -> Refused | None:
    """Return why results cannot settle a market of so many outcomes."""
    if len(results) != outcomes:
        return out_of_bounds("results", f"{outcomes} outcomes, {len(results)} results")
    for at, result in enumerate(results):
        field, bound = result_fault(result)
        if field:
            return out_of_bounds(f"results[{at}].{field}", bound)
    return None
