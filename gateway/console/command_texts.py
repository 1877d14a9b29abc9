"""Commands by which bets are paid, in words: what a second person reads before approving them.

Owns the words. Nothing of a command is left out or cut.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import UnsetType

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    Deduction,
    OutcomeResult,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.corrections import ChosenBets, CorrectOdds, RestoreBets, VoidBets
from engine.common.early import PayEarly
from engine.common.previews import PreviewCommand
from engine.common.withdrawals import Withdrawal

_NS_PER_S: Final = 1_000_000_000


def command_text(command: PreviewCommand, outcomes: Sequence[str]) -> str:
    """Return what a command does to a market with these outcomes; their numbers without names."""
    text = _what(command, outcomes)
    why = "" if isinstance(command, SettleMarket | PayEarly) else command.why
    return f"{text}; why: {why}" if why else text


def _what(command: PreviewCommand, names: Sequence[str]) -> str:
    match command:
        case SettleMarket():
            return _settlement(command, names)
        case CancelMarket():
            return "cancel the market: refund every bet"
        case CancelBets():
            late = command.accepted_before_ns
            text = f"cancel bets{_window(command.from_ns, command.until_ns)}"
            text += _on(command.outcomes, names)
            return text if isinstance(late, UnsetType) else f"{text}, of those before {_time(late)}"
        case RollBackCancel():
            window = _window(command.from_ns, command.until_ns)
            return f"roll back the cancellation{window}{_on(command.outcomes, names)}"
        case RollBackSettlement():
            return f"roll back the settlement{_on(command.outcomes, names)}"
        case VoidBets():
            return f"void bets{_chosen(command.bets, names)}"
        case CorrectOdds():
            odds = ", ".join(
                f"{_name(each.outcome, names)} at {_odds(each.odds_milli)}"
                for each in command.quotes
            )
            return f"correct odds: {odds}, of bets{_chosen(command.bets, names)}"
        case RestoreBets():
            return f"take back correction {command.correction_no}"
        case PayEarly():
            before = "" if isinstance(command.until_ns, UnsetType) else _time(command.until_ns)
            placed = f", legs placed before {before}" if before else ""
            return f"pay early: {_name(command.outcome, names)} leads by {command.lead}{placed}"


def _settlement(command: SettleMarket, names: Sequence[str]) -> str:
    chosen = range(len(command.results))
    at = chosen if isinstance(command.outcomes, UnsetType) else command.outcomes
    results = ", ".join(
        f"{_name(outcome, names)} {result_text(result)}"
        for outcome, result in zip(at, command.results, strict=False)
    )
    whole = "" if isinstance(command.outcomes, UnsetType) else " these outcomes alone"
    parts = [f"settle{whole}: {results}", *map(_deduction, command.deductions)]
    if not isinstance(command.withdrawals, UnsetType):
        parts += [_withdrawal(each, names) for each in command.withdrawals]
    return "; ".join(parts)


def result_text(result: OutcomeResult) -> str:
    """Return an outcome's result in a word, with the part that is void or shared."""
    if result.void_halves == 2:
        return "\u2205 void"
    text = "\u2713 wins" if result.won else "\u2715 loses"
    if result.void_halves:
        text += ", half void"
    if result.dead_heat_num != result.dead_heat_den:
        text += f" {result.dead_heat_num}/{result.dead_heat_den}"
    return text


def _deduction(each: Deduction) -> str:
    of = "odds" if each.of_price else "winnings"
    return f"bets before {_time(each.until_ns)} keep {each.keep_milli / 10:g} % of {of}"


def _withdrawal(each: Withdrawal, names: Sequence[str]) -> str:
    deducted = f"{each.deduct_milli / 10:g} % of winnings"
    return f"{_name(each.outcome, names)} withdrawn {_time(each.until_ns)}: {deducted}"


def _chosen(bets: ChosenBets, names: Sequence[str]) -> str:
    text = _window(bets.from_ns, bets.until_ns) + _on(bets.outcomes, names)
    if not isinstance(bets.account_no, UnsetType):
        text += f" of account {bets.account_no}"
    if not isinstance(bets.accepted_before_ns, UnsetType):
        text += f", of those before {_time(bets.accepted_before_ns)}"
    if bets.bet_ids:
        text += f" with ids {', '.join(map(str, bets.bet_ids))}"
    return text


def _on(outcomes: Sequence[int] | UnsetType, names: Sequence[str]) -> str:
    if isinstance(outcomes, UnsetType) or not outcomes:
        return ""
    return f" on {', '.join(_name(each, names) for each in outcomes)}"


def _window(from_ns: int | None, until_ns: int | None) -> str:
    text = "" if from_ns is None else f" from {_time(from_ns)}"
    return text if until_ns is None else f"{text} until {_time(until_ns)}"


def _name(outcome: int, names: Sequence[str]) -> str:
    return names[outcome] if outcome < len(names) else f"outcome {outcome}"


def _odds(milli: int) -> str:
    """Return odds with every digit that counts."""
    return f"{milli // 1_000}.{milli % 1_000:03d}".rstrip("0").rstrip(".")


def _time(at_ns: int) -> str:
    """Return a time in UTC to the nanosecond, as it is given."""
    seconds, rest = divmod(at_ns, _NS_PER_S)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{text}.{rest:09d}".rstrip("0").rstrip(".") + " UTC" if rest else f"{text} UTC"
