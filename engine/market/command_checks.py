"""Checks of a market command's fields, before the command is applied.

Owns the bounds of the fields. Decoding checks them too, but a command built in process passes no
decoder. Never reads a market.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import UnsetType
from msgspec.structs import replace

from engine.common.commands import (
    DEDUCTIONS_MAX,
    DIGEST_MAX,
    NAME_CHARS_MAX,
    STEPS_MAX,
    TIME_NS_MAX,
    CancelBets,
    CreateMarket,
    Deduction,
    FeedUpdate,
    Limits,
    LimitsPatch,
    OutcomeResult,
    Quote,
    ResetSource,
    RollBackCancel,
    SettleMarket,
)
from engine.common.early import LEAD_MAX, BeginPlay, EarlyCommand
from engine.common.events import Refused
from engine.common.ids import MARKET_NO_MAX, MarketNo
from engine.common.lifecycle import Action, Status, next_status
from engine.common.outcome_marks import StandingOdds
from engine.common.payoff_codes import payoffs_fault
from engine.common.reasons import Reason
from engine.common.units import (
    LIMIT_MINOR_MAX,
    ODDS_MILLI_MAX,
    ODDS_MILLI_MIN,
    OUTCOMES_MAX,
    STAKE_MINOR_MAX,
)
from engine.common.withdrawals import DEDUCTION_MILLI_MAX, Withdrawal
from engine.market.settlement import result_fault

_LIMIT_BOUNDS: Final = {
    "stake_minor_min": (1, STAKE_MINOR_MAX),
    "stake_minor_max": (1, STAKE_MINOR_MAX),
    "payout_minor_max": (0, LIMIT_MINOR_MAX),
    "outcome_liability_minor_max": (0, LIMIT_MINOR_MAX),
    "market_liability_minor_max": (0, LIMIT_MINOR_MAX),
    "fixture_liability_minor_max": (0, LIMIT_MINOR_MAX),
}


def out_of_bounds(field: str, message: str) -> Refused:
    """Return the refusal of a field outside its bounds."""
    return Refused(reason=Reason.FIELD_OUT_OF_BOUNDS, field=field, message=message)


def market_unknown(market_no: MarketNo) -> Refused:
    """Return the refusal of a command to a market that is not here."""
    message = f"no market {market_no} here"
    return Refused(reason=Reason.MARKET_UNKNOWN, field="market_no", message=message)


def rolls_back_market(command: object) -> bool:
    """Return whether a command rolls back the cancellation of a whole market."""
    if not isinstance(command, RollBackCancel):
        return False
    return command.from_ns is None and command.until_ns is None


def not_allowed(status: Status, action: Action) -> Refused:
    """Return the refusal of an action that the life-cycle table does not allow in a status."""
    return Refused(
        reason=Reason.TRANSITION_NOT_ALLOWED,
        field="market_no",
        message=f"{action.name} is not allowed when {status.name}",
    )


def after_close_fault(status: Status) -> Refused | None:
    """Refuse a command that is allowed only while a market can still be closed."""
    if next_status(status, Action.CLOSE) is not None:
        return None
    return Refused(
        reason=Reason.TRANSITION_NOT_ALLOWED,
        field="market_no",
        message=f"the market is {status.name}",
    )


def create_fault(command: CreateMarket) -> Refused | None:
    """Return why the command's fields refuse it, apart from key and limits; None if they fit."""
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
    if isinstance(command.payoffs, UnsetType):
        return None
    fault = payoffs_fault(command.payoffs, outcomes=len(command.outcomes))
    return out_of_bounds("payoffs", fault) if fault else None


def limits_fault(limits: Limits) -> Refused | None:
    """Return why limits are refused: a figure out of bounds, or a minimum over the maximum."""
    for name, (low, high) in _LIMIT_BOUNDS.items():
        if not low <= getattr(limits, name) <= high:
            return out_of_bounds(f"limits.{name}", f"{low} to {high}")
    if limits.stake_minor_min > limits.stake_minor_max:
        return out_of_bounds("limits.stake_minor_min", "over limits.stake_minor_max")
    return None


def patch_fault(patch: LimitsPatch, limits: Limits) -> Refused | None:
    """Return why a change of limits is refused, given the limits after it."""
    if not patch.names():
        return out_of_bounds("limits", "name at least one limit")
    return limits_fault(limits)


def quotes_fault(quotes: Sequence[Quote | StandingOdds], *, outcomes: int) -> Refused | None:
    """Return why quotes are refused for a market with so many outcomes."""
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
    """Return why results are refused for a market with so many outcomes."""
    if len(results) != outcomes:
        return out_of_bounds("results", f"{outcomes} outcomes, {len(results)} results")
    for at, result in enumerate(results):
        field, bound = result_fault(result)
        if field:
            return out_of_bounds(f"results[{at}].{field}", bound)
    return None


def outcomes_fault(named: tuple[int, ...] | UnsetType, *, outcomes: int) -> Refused | None:
    """Return why the outcomes that a command names are refused, given how many the market has."""
    if isinstance(named, UnsetType):
        return None
    if not named:
        return out_of_bounds("outcomes", "name at least one, or leave the field out for all")
    if len(dict.fromkeys(named)) != len(named):
        return out_of_bounds("outcomes", "an outcome is named twice")
    for at, outcome in enumerate(named):
        if not 0 <= outcome < outcomes:
            message = f"the market has outcomes 0 to {outcomes - 1}"
            return Refused(reason=Reason.OUTCOME_UNKNOWN, field=f"outcomes[{at}]", message=message)
    return None


def early_fault(command: EarlyCommand, *, outcomes: int) -> Refused | None:
    """Return why the fields of a command of early payouts are refused, for so many outcomes."""
    name = "from_ns" if isinstance(command, BeginPlay) else "until_ns"
    time_ns = getattr(command, name)
    if not isinstance(time_ns, UnsetType) and not 0 <= time_ns <= TIME_NS_MAX:
        return out_of_bounds(name, f"0 to {TIME_NS_MAX}")
    if isinstance(command, BeginPlay):
        return None
    if not 1 <= command.lead <= LEAD_MAX:
        return out_of_bounds("lead", f"1 to {LEAD_MAX}")
    if not 0 <= command.outcome < outcomes:
        message = f"the market has outcomes 0 to {outcomes - 1}"
        return Refused(reason=Reason.OUTCOME_UNKNOWN, field="outcome", message=message)
    return None


def settlement_fault(command: SettleMarket, *, outcomes: int) -> Refused | None:
    """Return why a settlement's fields are refused for a market with so many outcomes."""
    fault = _withdrawals_fault(command.withdrawals, outcomes=outcomes)
    if fault is not None:
        return fault
    if isinstance(command.outcomes, UnsetType):
        return results_fault(command.results, outcomes=outcomes) or deductions_fault(
            command.deductions
        )
    if command.deductions:
        return out_of_bounds("deductions", "none where single outcomes are settled")
    return outcomes_fault(command.outcomes, outcomes=outcomes) or results_fault(
        command.results, outcomes=len(command.outcomes)
    )


def _withdrawals_fault(
    withdrawals: tuple[Withdrawal, ...] | UnsetType, *, outcomes: int
) -> Refused | None:
    if isinstance(withdrawals, UnsetType):
        return None
    for at, each in enumerate(withdrawals):
        if not 0 <= each.until_ns <= TIME_NS_MAX:
            return out_of_bounds(f"withdrawals[{at}].until_ns", f"0 to {TIME_NS_MAX}")
        if not 0 <= each.deduct_milli <= DEDUCTION_MILLI_MAX:
            return out_of_bounds(f"withdrawals[{at}].deduct_milli", f"0 to {DEDUCTION_MILLI_MAX}")
    fault = outcomes_fault(tuple(each.outcome for each in withdrawals), outcomes=outcomes)
    return None if fault is None else replace(fault, field="withdrawals")


def deductions_fault(deductions: tuple[Deduction, ...]) -> Refused | None:
    """Return why deductions are refused: a figure out of bounds, or times that do not rise."""
    if len(deductions) > DEDUCTIONS_MAX:
        return out_of_bounds("deductions", f"{DEDUCTIONS_MAX} at most")
    last_ns = -1
    for at, deduction in enumerate(deductions):
        if not 0 <= deduction.keep_milli <= 1_000:
            return out_of_bounds(f"deductions[{at}].keep_milli", "0 to 1000")
        if not last_ns < deduction.until_ns <= TIME_NS_MAX:
            return out_of_bounds(f"deductions[{at}].until_ns", f"{last_ns + 1} to {TIME_NS_MAX}")
        last_ns = deduction.until_ns
    return None


def window_fault(command: CancelBets) -> Refused | None:
    """Return why a window is refused: a time out of bounds, or no time between its ends."""
    for name in ("from_ns", "until_ns", "accepted_before_ns"):
        end = getattr(command, name)
        if isinstance(end, int) and not 0 <= end <= TIME_NS_MAX:
            return out_of_bounds(name, f"0 to {TIME_NS_MAX}")
    if command.until_ns is not None and command.until_ns <= (command.from_ns or 0):
        return out_of_bounds("until_ns", "not after from_ns")
    return None


def position_fault(command: FeedUpdate | ResetSource) -> Refused | None:
    """Return why a source or its position is refused, apart from what the market knows of it."""
    if not 1 <= len(command.source) <= NAME_CHARS_MAX:
        return out_of_bounds("source", f"1 to {NAME_CHARS_MAX} characters")
    if not 0 <= command.position <= TIME_NS_MAX:
        return out_of_bounds("position", f"0 to {TIME_NS_MAX}")
    return None


def feed_fault(command: FeedUpdate) -> Refused | None:
    """Return why a feed message's fields refuse it, apart from the positions applied before."""
    refusal = position_fault(command)
    if refusal is not None:
        return refusal
    if not 0 <= command.digest <= DIGEST_MAX:
        return out_of_bounds("digest", f"0 to {DIGEST_MAX}")
    if not 1 <= len(command.steps) <= STEPS_MAX:
        return out_of_bounds("steps", f"1 to {STEPS_MAX}")
    for at, step in enumerate(command.steps):
        if step.market_no != command.market_no:
            message = f"step {at} names market {step.market_no}, not {command.market_no}"
            return out_of_bounds("steps", message)
    return None
