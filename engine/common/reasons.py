"""Reasons for which a bet or a command is refused: fixed numbers, texts, and which are retryable.

Owns the numbers and the texts. The ranges are those of the Managed Trading Services (MTS), so that
users of MTS know them; the texts are our own. A number is never reused and never changes its
meaning. Never decides which reason applies.
"""

from enum import IntEnum, unique
from typing import Final


@unique
class Reason(IntEnum):
    """A refusal as data; `ACCEPTED` means that there is none."""

    ACCEPTED = 0

    # 10x malformed
    MALFORMED = 101
    FIELD_OUT_OF_BOUNDS = 102
    UNKNOWN_COMMAND = 103

    # 20x structure of the slip
    NO_SELECTION = 201
    LEGS_OVER_BOUND = 202
    BETS_OVER_BOUND = 203
    LINES_OVER_BOUND = 204
    LEGS_SHARE_EVENT = 205
    SELECTION_REPEATED = 206
    SIZE_OUT_OF_BOUNDS = 207
    POSITION_UNKNOWN = 208
    NO_LINE = 209
    LEG_REFUSED = 210
    STAKE_MISMATCH = 211
    LEGS_CONTRADICT = 212
    LEGS_NOT_JOINED = 213
    NO_PLACE_TERMS = 214

    # 30x stake, odds and bounds
    STAKE_TOO_SMALL = 301
    STAKE_OVER_LIMIT = 302
    ODDS_OUT_OF_BOUNDS = 303
    AMOUNT_OUT_OF_BOUNDS = 304
    BOOK_SUM_LOW = 305
    ODDS_STEP = 306
    ODDS_OFF_MODEL = 307
    ODDS_DECIDED = 308

    # 40x market, outcome or fixture state
    MARKET_UNKNOWN = 401
    MARKET_INACTIVE = 402
    MARKET_SUSPENDED = 403
    MARKET_CLOSED = 404
    MARKET_SETTLED = 405
    MARKET_CANCELLED = 406
    OUTCOME_UNKNOWN = 407
    OUTCOME_INACTIVE = 408
    TRANSITION_NOT_ALLOWED = 409
    MARKET_EXISTS = 410
    ALREADY_SETTLED = 411
    FEED_POSITION_KNOWN = 412
    MARKET_HELD = 413
    WINDOW_UNKNOWN = 414
    WINDOW_KNOWN = 415
    NOT_SETTLED = 416
    FEED_POSITION_AHEAD = 417
    FEED_SOURCE_UNKNOWN = 418
    HOUSE_STOPPED = 419
    FIXTURE_UNKNOWN = 421
    FIXTURE_CLAIMED = 422

    # 42x corrections of accepted bets
    CORRECTION_UNKNOWN = 423
    CORRECTION_KNOWN = 424

    # 43x odds moved
    ODDS_CHANGED = 431
    ODDS_WORSE = 432

    # 50x configuration and payout caps
    PAYOUT_OVER_CAP = 501
    LIMIT_OVER_CAP = 502

    # 60x account, funds and duplicates
    ACCOUNT_UNKNOWN = 601
    INSUFFICIENT_FUNDS = 602
    BET_REF_REUSED = 603
    ACCOUNT_EXISTS = 604
    ACCOUNT_CLOSED = 605
    BET_UNKNOWN = 606
    BALANCE_OVER_BOUND = 607
    TRANSFER_REF_REUSED = 608
    BET_ID_REUSED = 609
    ACCOUNT_BLOCKED = 610

    # 61x offers and free bets
    OFFER_UNKNOWN = 611
    OFFER_WITHDRAWN = 612
    OFFER_NOT_FOR_BET = 613
    OFFER_EXISTS = 614
    FREE_BET_UNKNOWN = 615
    FREE_BET_EXPIRED = 616
    FREE_BET_USED = 617
    OFFER_USED = 618

    # 70x liability
    MARKET_LIABILITY = 701
    BET_LIABILITY = 702
    ACCOUNT_LIABILITY = 703
    OUTCOME_LIABILITY = 704
    FIXTURE_LIABILITY = 705
    COMBINATION_LIABILITY = 706

    # 80x delay, referral and re-offer
    DELAYED = 801
    REFERRED = 802
    REFERRAL_DECLINED = 803
    REFERRAL_EXPIRED = 804
    REOFFERED = 805
    REFERRAL_UNKNOWN = 806

    # 90x system
    BUSY = 901
    QUARANTINED = 902
    UNKNOWN = 903
    FENCED = 904
    CAPACITY = 905
    DISK_FULL = 906
    RATE_LIMITED = 907
    NOT_PERMITTED = 908
    UNAVAILABLE = 909

    # 95x the desk's own rules
    APPROVAL_NEEDED = 951
    SECOND_PERSON = 952
    PROPOSAL_UNKNOWN = 953
    PROPOSAL_DECIDED = 954
    PROPOSAL_STALE = 955
    RULE_UNKNOWN = 961
    ALERT_UNKNOWN = 962
    INPUTS_UNKNOWN = 971
    INPUTS_CHANGED = 972
    SCOPE_UNKNOWN = 973


RETRYABLE: Final = frozenset(
    {
        Reason.LEG_REFUSED,
        Reason.STAKE_OVER_LIMIT,
        Reason.MARKET_INACTIVE,
        Reason.MARKET_SUSPENDED,
        Reason.OUTCOME_INACTIVE,
        Reason.HOUSE_STOPPED,
        Reason.FEED_POSITION_AHEAD,
        Reason.ODDS_CHANGED,
        Reason.ODDS_WORSE,
        Reason.PAYOUT_OVER_CAP,
        Reason.INSUFFICIENT_FUNDS,
        Reason.BET_ID_REUSED,
        Reason.OFFER_NOT_FOR_BET,
        Reason.FREE_BET_USED,
        Reason.OFFER_USED,
        Reason.MARKET_LIABILITY,
        Reason.BET_LIABILITY,
        Reason.ACCOUNT_LIABILITY,
        Reason.OUTCOME_LIABILITY,
        Reason.FIXTURE_LIABILITY,
        Reason.COMBINATION_LIABILITY,
        Reason.REFERRAL_EXPIRED,
        Reason.REOFFERED,
        Reason.BUSY,
        Reason.QUARANTINED,
        Reason.UNKNOWN,
        Reason.CAPACITY,
        Reason.DISK_FULL,
        Reason.RATE_LIMITED,
        Reason.UNAVAILABLE,
    }
)
"""Reasons after which the same selection may be accepted later, or with another stake or odds."""

UNRECORDED: Final = frozenset(
    {Reason.BUSY, Reason.QUARANTINED, Reason.DISK_FULL, Reason.UNAVAILABLE, Reason.UNKNOWN}
)
"""Refusals that no journal records. They are the verdict on a bet that was sent once. They are no
verdict on a bet that was sent twice, since the first sending may have been recorded."""

WAITING: Final = frozenset({Reason.DELAYED, Reason.REFERRED})
"""What a market answers while a bet waits for its decision: neither an acceptance nor a refusal,
and no verdict for an account."""

MESSAGES: Final[dict[Reason, str]] = {
    Reason.ACCEPTED: "accepted",
    Reason.MALFORMED: "the message does not fit its schema",
    Reason.FIELD_OUT_OF_BOUNDS: "a field is outside its bounds",
    Reason.UNKNOWN_COMMAND: "no such command",
    Reason.NO_SELECTION: "the slip holds no selection",
    Reason.LEGS_OVER_BOUND: "the slip holds too many legs",
    Reason.BETS_OVER_BOUND: "the slip holds too many bets",
    Reason.LINES_OVER_BOUND: "the slip's bets have too many lines",
    Reason.LEGS_SHARE_EVENT: "two legs of an accumulator are of one event",
    Reason.SELECTION_REPEATED: "the slip holds a selection twice",
    Reason.SIZE_OUT_OF_BOUNDS: "a bet of the slip has no lines of this size",
    Reason.POSITION_UNKNOWN: "a bet of the slip names a leg that the slip does not hold",
    Reason.NO_LINE: "a bet of the slip has no line",
    Reason.LEG_REFUSED: "a leg of the slip was refused",
    Reason.STAKE_MISMATCH: "the stake of the slip is not the sum of its lines' stakes",
    Reason.LEGS_CONTRADICT: "no match wins all of these legs",
    Reason.LEGS_NOT_JOINED: "these legs are not sold together",
    Reason.NO_PLACE_TERMS: "no place terms hold for this selection",
    Reason.STAKE_TOO_SMALL: "the stake is below the market's smallest",
    Reason.STAKE_OVER_LIMIT: "the stake is over the limit for one bet",
    Reason.ODDS_OUT_OF_BOUNDS: "the odds are outside 1.001 to 10000",
    Reason.AMOUNT_OUT_OF_BOUNDS: "the amount is outside its bounds",
    Reason.BOOK_SUM_LOW: "the odds of the market sum to too little",
    Reason.ODDS_STEP: "the odds leap while bets are taken",
    Reason.ODDS_OFF_MODEL: "the odds are far from those of the model or the second source",
    Reason.ODDS_DECIDED: "the outcome is decided",
    Reason.MARKET_UNKNOWN: "no such market",
    Reason.MARKET_INACTIVE: "the market is not open",
    Reason.MARKET_SUSPENDED: "the market is suspended",
    Reason.MARKET_CLOSED: "the market is closed",
    Reason.MARKET_SETTLED: "the market is settled",
    Reason.MARKET_CANCELLED: "the market is cancelled",
    Reason.OUTCOME_UNKNOWN: "the market has no such outcome",
    Reason.OUTCOME_INACTIVE: "the outcome is not offered now",
    Reason.TRANSITION_NOT_ALLOWED: "the market's state does not allow this",
    Reason.MARKET_EXISTS: "a market of this number or key exists",
    Reason.ALREADY_SETTLED: "the market is settled with these results already",
    Reason.FEED_POSITION_KNOWN: "the market has applied this feed up to this position already",
    Reason.MARKET_HELD: "a trader stopped the market, and a trader must resume it",
    Reason.WINDOW_UNKNOWN: "the market has no cancelled window with these times",
    Reason.WINDOW_KNOWN: "the bets of this window are cancelled already",
    Reason.NOT_SETTLED: "the market has no results to roll back",
    Reason.FEED_POSITION_AHEAD: "the feed's position is too far ahead of the clock",
    Reason.FEED_SOURCE_UNKNOWN: "the market has applied no message of this feed source",
    Reason.FIXTURE_UNKNOWN: "no such fixture",
    Reason.FIXTURE_CLAIMED: "another trader holds the fixture",
    Reason.CORRECTION_UNKNOWN: "no correction of this number stands",
    Reason.CORRECTION_KNOWN: "all of these bets are corrected so already",
    Reason.HOUSE_STOPPED: "the house takes no bets at present",
    Reason.ODDS_CHANGED: "the odds have moved",
    Reason.ODDS_WORSE: "the odds have shortened",
    Reason.PAYOUT_OVER_CAP: "the payout is over the market's cap",
    Reason.LIMIT_OVER_CAP: "the limit is over the house cap",
    Reason.ACCOUNT_UNKNOWN: "no such account",
    Reason.INSUFFICIENT_FUNDS: "the balance does not cover the stake",
    Reason.BET_REF_REUSED: "this bet ref was used for another bet",
    Reason.ACCOUNT_EXISTS: "an account of this number exists",
    Reason.ACCOUNT_CLOSED: "the account is closed",
    Reason.BET_UNKNOWN: "no bet of this ref or id",
    Reason.BALANCE_OVER_BOUND: "the balance would pass its bound",
    Reason.TRANSFER_REF_REUSED: "this transfer ref was used for another transfer",
    Reason.BET_ID_REUSED: "another bet has this bet id",
    Reason.ACCOUNT_BLOCKED: "the account takes no bets now",
    Reason.OFFER_UNKNOWN: "no such offer",
    Reason.OFFER_WITHDRAWN: "the offer is withdrawn",
    Reason.OFFER_NOT_FOR_BET: "the bet does not meet the offer's conditions",
    Reason.OFFER_EXISTS: "an offer of this number has another rule",
    Reason.FREE_BET_UNKNOWN: "the account has no such free bet",
    Reason.FREE_BET_EXPIRED: "the free bet has expired",
    Reason.FREE_BET_USED: "the free bet has less left than the stake",
    Reason.OFFER_USED: "the account has taken the offer as often as it may",
    Reason.MARKET_LIABILITY: "the market's liability limit is reached",
    Reason.BET_LIABILITY: "the bet's liability is over its limit",
    Reason.ACCOUNT_LIABILITY: "what the account's open bets can pay is at its bound",
    Reason.OUTCOME_LIABILITY: "the outcome's liability limit is reached",
    Reason.FIXTURE_LIABILITY: "the fixture's liability limit is reached at its worst score",
    Reason.COMBINATION_LIABILITY: "what slips with these selections can pay is at its bound",
    Reason.DELAYED: "the bet waits out the market's delay",
    Reason.REFERRED: "the bet waits for a trader",
    Reason.REFERRAL_DECLINED: "a trader declined the bet",
    Reason.REFERRAL_EXPIRED: "no trader decided the bet in time",
    Reason.REOFFERED: "a trader offers the bet at another stake or other odds",
    Reason.REFERRAL_UNKNOWN: "no bet of this id waits for a trader",
    Reason.BUSY: "the system is at capacity; this request was not recorded",
    Reason.QUARANTINED: "the journal is under inspection; this request was not recorded",
    Reason.UNKNOWN: "the answer did not arrive in time; ask for the bet's status",
    Reason.FENCED: "the bet id was refused before the bet arrived",
    Reason.CAPACITY: "a bound of the shell is reached",
    Reason.DISK_FULL: "the journal's disk is full; this request was not recorded",
    Reason.RATE_LIMITED: "too many messages on this connection",
    Reason.NOT_PERMITTED: "the token's role does not allow this",
    Reason.UNAVAILABLE: "the part that holds this is down; try again shortly",
    Reason.APPROVAL_NEEDED: "a second person must approve this; propose it",
    Reason.SECOND_PERSON: "a proposal is decided by another person than its author",
    Reason.PROPOSAL_UNKNOWN: "no such proposal",
    Reason.PROPOSAL_DECIDED: "the proposal waits for no decision",
    Reason.PROPOSAL_STALE: "what it does has changed since the preview or proposal; look again",
    Reason.RULE_UNKNOWN: "no such rule",
    Reason.ALERT_UNKNOWN: "no such alert",
    Reason.INPUTS_UNKNOWN: "the desk keeps no inputs of this fixture",
    Reason.INPUTS_CHANGED: "the fixture's inputs have been changed since",
    Reason.SCOPE_UNKNOWN: "the desk keeps nothing for this scope",
}

SLIP_MESSAGES: Final[dict[Reason, str]] = {
    Reason.PAYOUT_OVER_CAP: "what the slip can pay is over the house's bound for one slip",
}
"""Texts of a slip of several legs as a whole, where the reason's own speaks of a market."""

assert set(MESSAGES) == set(Reason), "every reason has a text"
