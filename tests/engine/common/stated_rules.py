"""The rules of a market's life cycle and the numbers of reasons, stated without the engine.

Owns what the tests expect. Imports nothing from the engine, so that a fault in the engine's own
tables cannot hide: twins and tests compare the engine with these.
"""

from typing import Final

STATUS_NUMBERS: Final = {
    "ACTIVE": 1,
    "INACTIVE": 0,
    "SUSPENDED": -1,
    "HANDED_OVER": -2,
    "SETTLED": -3,
    "CANCELLED": -4,
    "CLOSED": -5,
}
"""The Unified Odds Feed's numbers; CLOSED is the engine's own."""

_TRANSITIONS: Final = """
                 ACTIVE       INACTIVE     SUSPENDED    HANDED_OVER  CLOSED     SETTLED    CANCELLED
OPEN             -            ACTIVE       -            ACTIVE       -          -          -
SUSPEND          SUSPENDED    -            -            -            -          -          -
RESUME           -            -            ACTIVE       -            -          -          -
HAND_OVER        HANDED_OVER  -            HANDED_OVER  -            -          -          -
CLOSE            CLOSED       CLOSED       CLOSED       CLOSED       -          -          -
SETTLE           SETTLED      SETTLED      SETTLED      SETTLED      SETTLED    SETTLED    -
CANCEL           CANCELLED    CANCELLED    CANCELLED    CANCELLED    CANCELLED  CANCELLED  -
SET_ACTIVE       ACTIVE       ACTIVE       ACTIVE       ACTIVE       -          -          -
SET_INACTIVE     INACTIVE     INACTIVE     INACTIVE     INACTIVE     -          -          -
SET_SUSPENDED    SUSPENDED    SUSPENDED    SUSPENDED    SUSPENDED    -          -          -
SET_HANDED_OVER  HANDED_OVER  HANDED_OVER  HANDED_OVER  HANDED_OVER  -          -          -
REINSTATE        -            -            -            -            -          -          SETTLED
REOPEN           -            -            -            -            -          SUSPENDED  SUSPENDED
"""


def _table(text: str) -> dict[tuple[str, str], str | None]:
    header, *lines = [line.split() for line in text.strip().splitlines()]
    return {
        (status, action): None if after == "-" else after
        for action, *row in lines
        for status, after in zip(header, row, strict=True)
    }


NEXT_STATUS: Final = _table(_TRANSITIONS)
"""Where each action leads from each status, by their names; None where it is not allowed."""

REASON_NUMBERS: Final = {
    "ACCEPTED": 0,
    "MALFORMED": 101,
    "FIELD_OUT_OF_BOUNDS": 102,
    "UNKNOWN_COMMAND": 103,
    "NO_SELECTION": 201,
    "LEGS_OVER_BOUND": 202,
    "BETS_OVER_BOUND": 203,
    "LINES_OVER_BOUND": 204,
    "LEGS_SHARE_EVENT": 205,
    "SELECTION_REPEATED": 206,
    "SIZE_OUT_OF_BOUNDS": 207,
    "POSITION_UNKNOWN": 208,
    "NO_LINE": 209,
    "LEG_REFUSED": 210,
    "STAKE_MISMATCH": 211,
    "LEGS_CONTRADICT": 212,
    "LEGS_NOT_JOINED": 213,
    "NO_PLACE_TERMS": 214,
    "STAKE_TOO_SMALL": 301,
    "STAKE_OVER_LIMIT": 302,
    "ODDS_OUT_OF_BOUNDS": 303,
    "AMOUNT_OUT_OF_BOUNDS": 304,
    "BOOK_SUM_LOW": 305,
    "ODDS_STEP": 306,
    "ODDS_OFF_MODEL": 307,
    "ODDS_DECIDED": 308,
    "MARKET_UNKNOWN": 401,
    "MARKET_INACTIVE": 402,
    "MARKET_SUSPENDED": 403,
    "MARKET_CLOSED": 404,
    "MARKET_SETTLED": 405,
    "MARKET_CANCELLED": 406,
    "OUTCOME_UNKNOWN": 407,
    "OUTCOME_INACTIVE": 408,
    "TRANSITION_NOT_ALLOWED": 409,
    "MARKET_EXISTS": 410,
    "ALREADY_SETTLED": 411,
    "FEED_POSITION_KNOWN": 412,
    "MARKET_HELD": 413,
    "WINDOW_UNKNOWN": 414,
    "WINDOW_KNOWN": 415,
    "NOT_SETTLED": 416,
    "FEED_POSITION_AHEAD": 417,
    "FEED_SOURCE_UNKNOWN": 418,
    "HOUSE_STOPPED": 419,
    "FIXTURE_UNKNOWN": 421,
    "FIXTURE_CLAIMED": 422,
    "CORRECTION_UNKNOWN": 423,
    "CORRECTION_KNOWN": 424,
    "ODDS_CHANGED": 431,
    "ODDS_WORSE": 432,
    "PAYOUT_OVER_CAP": 501,
    "LIMIT_OVER_CAP": 502,
    "ACCOUNT_UNKNOWN": 601,
    "INSUFFICIENT_FUNDS": 602,
    "BET_REF_REUSED": 603,
    "ACCOUNT_EXISTS": 604,
    "ACCOUNT_CLOSED": 605,
    "BET_UNKNOWN": 606,
    "BALANCE_OVER_BOUND": 607,
    "TRANSFER_REF_REUSED": 608,
    "BET_ID_REUSED": 609,
    "ACCOUNT_BLOCKED": 610,
    "OFFER_UNKNOWN": 611,
    "OFFER_WITHDRAWN": 612,
    "OFFER_NOT_FOR_BET": 613,
    "OFFER_EXISTS": 614,
    "FREE_BET_UNKNOWN": 615,
    "FREE_BET_EXPIRED": 616,
    "FREE_BET_USED": 617,
    "OFFER_USED": 618,
    "MARKET_LIABILITY": 701,
    "BET_LIABILITY": 702,
    "ACCOUNT_LIABILITY": 703,
    "OUTCOME_LIABILITY": 704,
    "FIXTURE_LIABILITY": 705,
    "COMBINATION_LIABILITY": 706,
    "DELAYED": 801,
    "REFERRED": 802,
    "REFERRAL_DECLINED": 803,
    "REFERRAL_EXPIRED": 804,
    "REOFFERED": 805,
    "REFERRAL_UNKNOWN": 806,
    "BUSY": 901,
    "QUARANTINED": 902,
    "UNKNOWN": 903,
    "FENCED": 904,
    "CAPACITY": 905,
    "DISK_FULL": 906,
    "RATE_LIMITED": 907,
    "NOT_PERMITTED": 908,
    "UNAVAILABLE": 909,
    "APPROVAL_NEEDED": 951,
    "SECOND_PERSON": 952,
    "PROPOSAL_UNKNOWN": 953,
    "PROPOSAL_DECIDED": 954,
    "PROPOSAL_STALE": 955,
    "RULE_UNKNOWN": 961,
    "ALERT_UNKNOWN": 962,
    "INPUTS_UNKNOWN": 971,
    "INPUTS_CHANGED": 972,
    "SCOPE_UNKNOWN": 973,
}
"""Published numbers: clients and journals hold them, so none may change."""

BET_REASONS: Final = {
    "ACTIVE": "ACCEPTED",
    "INACTIVE": "MARKET_INACTIVE",
    "SUSPENDED": "MARKET_SUSPENDED",
    "HANDED_OVER": "MARKET_SUSPENDED",
    "CLOSED": "MARKET_CLOSED",
    "SETTLED": "MARKET_SETTLED",
    "CANCELLED": "MARKET_CANCELLED",
}
"""The reason that a bet gets in each status."""

RESULT_NUMBERS: Final = {
    "NONE": 0,
    "WON": 1,
    "LOST": 2,
    "REFUNDED": 3,
    "HALF_WON": 4,
    "HALF_LOST": 5,
    "CANCELLED": 6,
}
"""How a bet ended; journals hold the numbers."""

SLIP_STATE_NUMBERS: Final = {
    "NONE": 0,
    "PENDING": 1,
    "ACCEPTED": 2,
    "REFUSED": 3,
    "SETTLED": 4,
    "RELEASED": 5,
}
"""The states of a slip; journals hold the numbers."""

POLICY_NUMBERS: Final = {"NONE": 0, "HIGHER": 1, "ANY": 2, "COMBINED_NONE": 3, "COMBINED_HIGHER": 4}
"""The odds-change policies of a bet; journals hold the numbers."""
