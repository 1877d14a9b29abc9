"""Reasons and other published numbers: fixed for good."""

from enum import IntEnum

import pytest

from engine.common.reasons import MESSAGES, RETRYABLE, UNRECORDED, Reason
from engine.common.rows import BetResult, Policy, SlipState
from tests.engine.common.stated_rules import (
    POLICY_NUMBERS,
    REASON_NUMBERS,
    RESULT_NUMBERS,
    SLIP_STATE_NUMBERS,
)

RANGES = {10, 20, 21, 30, 40, 41, 42, 43, 50, 60, 61, 70, 80, 90, 95, 96, 97}
"""The hundreds and tens in which reasons are numbered."""
FINAL = {
    "ACCEPTED", "MALFORMED", "FIELD_OUT_OF_BOUNDS", "UNKNOWN_COMMAND", "NO_SELECTION",
    "LEGS_OVER_BOUND", "BETS_OVER_BOUND", "LINES_OVER_BOUND", "LEGS_SHARE_EVENT",
    "SELECTION_REPEATED", "SIZE_OUT_OF_BOUNDS", "POSITION_UNKNOWN", "NO_LINE", "STAKE_MISMATCH",
    "LEGS_CONTRADICT", "LEGS_NOT_JOINED", "NO_PLACE_TERMS",
    "BOOK_SUM_LOW", "ODDS_STEP", "ODDS_OFF_MODEL", "ODDS_DECIDED", "LIMIT_OVER_CAP",
    "STAKE_TOO_SMALL", "ODDS_OUT_OF_BOUNDS", "AMOUNT_OUT_OF_BOUNDS", "MARKET_UNKNOWN",
    "MARKET_CLOSED", "MARKET_SETTLED", "MARKET_CANCELLED", "OUTCOME_UNKNOWN",
    "TRANSITION_NOT_ALLOWED", "MARKET_EXISTS", "ALREADY_SETTLED", "FEED_POSITION_KNOWN",
    "MARKET_HELD", "WINDOW_UNKNOWN", "WINDOW_KNOWN", "NOT_SETTLED", "FEED_SOURCE_UNKNOWN",
    "CORRECTION_UNKNOWN", "CORRECTION_KNOWN",
    "ACCOUNT_UNKNOWN", "BET_REF_REUSED", "ACCOUNT_EXISTS", "ACCOUNT_CLOSED", "BET_UNKNOWN",
    "BALANCE_OVER_BOUND", "TRANSFER_REF_REUSED", "OFFER_UNKNOWN", "OFFER_WITHDRAWN",
    "OFFER_EXISTS", "FREE_BET_UNKNOWN", "FREE_BET_EXPIRED", "FENCED", "NOT_PERMITTED",
    "ACCOUNT_BLOCKED",
    "FIXTURE_UNKNOWN", "FIXTURE_CLAIMED", "APPROVAL_NEEDED", "SECOND_PERSON", "PROPOSAL_UNKNOWN",
    "PROPOSAL_DECIDED", "PROPOSAL_STALE", "RULE_UNKNOWN", "ALERT_UNKNOWN", "INPUTS_UNKNOWN",
    "INPUTS_CHANGED", "SCOPE_UNKNOWN",
    "DELAYED", "REFERRED", "REFERRAL_DECLINED", "REFERRAL_UNKNOWN",
}  # fmt: skip
"""Reasons after which the same request is refused again: all others are retryable."""


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (Reason, REASON_NUMBERS),
        (BetResult, RESULT_NUMBERS),
        (SlipState, SLIP_STATE_NUMBERS),
        (Policy, POLICY_NUMBERS),
    ],
)
def test_published_numbers_never_change(kind: type[IntEnum], numbers: dict[str, int]) -> None:
    assert {member.name: int(member) for member in kind} == numbers


def test_reasons_are_numbered_in_their_ranges() -> None:
    assert {int(reason) // 10 for reason in Reason if reason} <= RANGES


def test_every_reason_has_a_text() -> None:
    assert {reason.name for reason in MESSAGES} == set(REASON_NUMBERS)
    assert all(MESSAGES.values())


def test_a_reason_is_retryable_unless_the_request_can_never_pass() -> None:
    assert {reason.name for reason in RETRYABLE} == set(REASON_NUMBERS) - FINAL


def test_refusals_without_a_record_are_those_of_the_system() -> None:
    names = {reason.name for reason in UNRECORDED}
    assert names == {"BUSY", "QUARANTINED", "DISK_FULL", "UNAVAILABLE", "UNKNOWN"}
