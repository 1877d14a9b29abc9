"""Make the messages that answer bets and slips.

Owns the mapping from the bet path's answers to messages. It never sends one.
"""

from typing import Final

from engine.common.reasons import MESSAGES, RETRYABLE, SLIP_MESSAGES, Reason
from engine.slips.checks import SlipFault
from gateway.bets.slip_ticket import LegResult, SlipBetAnswer, SlipTicket
from gateway.bets.ticket import BetAnswer, BetWait
from gateway.messages.bettor import Bet, BetWaits
from gateway.messages.slips import LegAnswer, SlipBet

_ACCEPTED: Final = Reason.ACCEPTED
"""A member of an enum costs more to look up than the message of a leg to make."""
_OF_REASON: Final = {
    reason: (
        int(reason),
        "" if reason is Reason.ACCEPTED else MESSAGES[reason],
        reason in RETRYABLE,
    )
    for reason in Reason
}
"""Number, text and retryability in an answer, by its reason."""


def bet_message(ref: str, answer: BetAnswer) -> Bet:
    """Return the answer to a bet."""
    state, bet_id = answer.state, answer.bet_id
    reason, message, retryable = _OF_REASON[answer.reason]
    return Bet(
        ref=ref,
        state=state,
        final=bet_id != 0 and state != "unknown",
        bet_id=bet_id,
        odds_milli=answer.odds_milli,
        reason=reason,
        message=message,
        retryable=retryable,
        stake_max_minor=answer.stake_max_minor,
        until_ms=answer.until_ms,
    )


def waits_message(ref: str, wait: BetWait) -> BetWaits:
    """Return what a bettor hears of a bet that waits at its market."""
    return BetWaits(
        ref=ref,
        bet_id=wait.bet_id,
        reason=wait.reason,
        message=MESSAGES[Reason(wait.reason)],
        wait_ms=wait.wait_ms,
        until_ms=wait.until_ms,
    )


def rejected_bet(ref: str, reason: Reason) -> Bet:
    """Return the answer to a bet that this gateway refuses by itself."""
    number, message, retryable = _OF_REASON[reason]
    return Bet(ref=ref, state="rejected", reason=number, message=message, retryable=retryable)


def slip_message(slip: SlipTicket, answer: SlipBetAnswer) -> SlipBet:
    """Return the answer to a slip."""
    reason, message, retryable = _OF_REASON[answer.reason]
    message = SLIP_MESSAGES.get(answer.reason, message)
    return SlipBet(
        ref=slip.ref,
        state=answer.state,
        final=answer.bet_id != 0 and answer.state != "unknown",
        bet_id=answer.bet_id,
        reason=reason,
        message=message,
        retryable=retryable,
        stake_minor=slip.stake_minor,
        stake_max_minor=answer.stake_max_minor,
        lines=slip.lines,
        legs=tuple(map(_leg_message, answer.legs)),
    )


def rejected_slip(ref: str, why: Reason | SlipFault) -> SlipBet:
    """Return the answer to a slip that this gateway refuses by itself.

    For a fault of the slip's structure it names field and bound.
    """
    if isinstance(why, SlipFault):
        number, _, retryable = _OF_REASON[why.reason]
        message = f"{why.field}: {why.message}"
    else:
        number, message, retryable = _OF_REASON[why]
    return SlipBet(ref=ref, state="rejected", reason=number, message=message, retryable=retryable)


def _leg_message(leg: LegResult) -> LegAnswer:
    if leg.reason is _ACCEPTED:
        return LegAnswer(odds_milli=leg.odds_milli)
    reason, message, _ = _OF_REASON[leg.reason]
    return LegAnswer(
        odds_milli=leg.odds_milli,
        reason=reason,
        message=message,
        stake_max_minor=leg.stake_max_minor,
    )
