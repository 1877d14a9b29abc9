"""Commands that correct accepted bets: void some of them, or settle them at other odds.

Owns their fields and bounds, and how bets are chosen. Never decides which bets are chosen: the
market machine does.
"""

from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from engine.common.ids import ACCOUNT_NO_MAX, MARKET_NO_MAX, AccountNo, BetId, MarketNo
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN, OUTCOMES_MAX, Nanos, OddsMilli

BET_IDS_MAX: Final = 1_000
"""Bets that one correction may name by their ids."""
CORRECTIONS_OF_BET_MAX: Final = 8
"""Corrections of one bet that stand at once; past it CAPACITY refuses another."""
_TIME_NS_MAX: Final = (1 << 63) - 1
_WHY_CHARS_MAX: Final = 80

_MarketNoField = Annotated[MarketNo, Meta(ge=0, le=MARKET_NO_MAX)]
_TimeField = Annotated[Nanos, Meta(ge=0, le=_TIME_NS_MAX)]
_OutcomeField = Annotated[int, Meta(ge=0, lt=OUTCOMES_MAX)]
_BetIdField = Annotated[BetId, Meta(ge=1, le=_TIME_NS_MAX)]
_WhyField = Annotated[str, Meta(max_length=_WHY_CHARS_MAX)]


class ChosenBets(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """Some accepted bets of a market, singles and legs: those that meet every condition given.

    `bet_ids` are bets of the market, `account_no` is whose bets, `outcomes` on which outcomes, and
    the time of acceptance is at or after `from_ns` and before `until_ns`. Bets accepted at or after
    `accepted_before_ns`, and those of a later record, are never among them: a command that may come
    late or twice names its own time there.
    """

    bet_ids: Annotated[tuple[_BetIdField, ...], Meta(max_length=BET_IDS_MAX)] = ()
    account_no: Annotated[AccountNo, Meta(ge=0, le=ACCOUNT_NO_MAX)] | UnsetType = UNSET
    outcomes: Annotated[tuple[_OutcomeField, ...], Meta(max_length=OUTCOMES_MAX)] = ()
    from_ns: _TimeField | None = None
    until_ns: _TimeField | None = None
    accepted_before_ns: _TimeField | UnsetType = UNSET


class _Correction(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", gc=False
):
    """Base of these commands: the field `do` names the command."""


class VoidBets(_Correction, frozen=True, tag="void_bets", omit_defaults=True):
    """Refund the chosen bets, before or after a settlement.

    The market's status does not change, and later settlements leave the bets refunded. At least one
    condition must be given. CORRECTION_KNOWN refuses it where every chosen bet is void by a
    correction already, BET_UNKNOWN where no bet is chosen, or an id is of no accepted bet of the
    market.
    """

    market_no: _MarketNoField
    bets: ChosenBets
    why: _WhyField = ""


class CorrectedQuote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The odds at which chosen bets on one outcome are settled."""

    outcome: _OutcomeField
    odds_milli: Annotated[OddsMilli, Meta(ge=ODDS_MILLI_MIN, le=ODDS_MILLI_MAX)]


class CorrectOdds(_Correction, frozen=True, tag="correct_odds", omit_defaults=True):
    """Settle the chosen bets on the quoted outcomes at these odds, lower or higher than accepted.

    Bets that are settled are settled again, the others when their outcome has a result; the book
    counts them at these odds at once. Chosen bets on other outcomes stay as they are. A bet that a
    correction has voided stands again, at these odds. The rest is as of VoidBets.
    """

    market_no: _MarketNoField
    quotes: Annotated[tuple[CorrectedQuote, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    bets: ChosenBets = ChosenBets()
    why: _WhyField = ""


class RestoreBets(_Correction, frozen=True, tag="restore_bets", omit_defaults=True):
    """Roll back one correction exactly: its bets are as if it had never been given.

    `correction_no` is that of its event. A bet that an earlier or later correction concerns keeps
    that one. CORRECTION_UNKNOWN refuses a number of which nothing stands.
    """

    market_no: _MarketNoField
    correction_no: Annotated[int, Meta(ge=1, lt=1 << 32)]
    why: _WhyField = ""


CorrectionCommand = VoidBets | CorrectOdds | RestoreBets
