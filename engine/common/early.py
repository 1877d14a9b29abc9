"""Commands of early payouts: when play began, and that a side has led by so much.

Owns their fields and bounds. Never decides what an early payout pays: the account of the bet does.
"""

from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from engine.common.ids import MARKET_NO_MAX, MarketNo
from engine.common.units import OUTCOMES_MAX, Nanos

LEAD_MAX: Final = 255
"""Largest lead that a bet can be paid at: goals, points, runs or sets."""
LEAD_GOALS_MAX: Final = 10
"""Largest lead in goals of football that is priced, and that a feed tells."""
_TIME_NS_MAX: Final = (1 << 63) - 1

LeadField = Annotated[int, Meta(ge=1, le=LEAD_MAX)]
_MarketNoField = Annotated[MarketNo, Meta(ge=0, le=MARKET_NO_MAX)]
_TimeField = Annotated[Nanos, Meta(ge=0, le=_TIME_NS_MAX)]


class _EarlyCommand(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", gc=False
):
    """Base of these commands: the field `do` names the command."""


class BeginPlay(_EarlyCommand, frozen=True, tag="begin_play", omit_defaults=True):
    """Note since when a market's match has been in play: bets from then on are no pre-match bets.

    Without `from_ns` it is now, and never later than now. The earliest time that was given counts.
    """

    market_no: _MarketNoField
    from_ns: _TimeField | UnsetType = UNSET


class PayEarly(_EarlyCommand, frozen=True, tag="pay_early", omit_defaults=True):
    """Mark the legs of slips on an outcome whose side leads by `lead`; no mark is taken back.

    It marks legs accepted before `until_ns`, when the lead was reached (unset, or later than now:
    now), that stand and are neither refunded nor marked with as large a lead. Each is told to its
    account once, with the largest lead reached and whether it was placed before play began. The
    same again marks nothing; results, cancellations and roll-backs leave marks as they are. Whether
    a mark pays is for the offer that a slip has taken to say. A market that was not told that play
    has begun refuses it (409): it could not say which legs were placed before.
    """

    market_no: _MarketNoField
    outcome: Annotated[int, Meta(ge=0, lt=OUTCOMES_MAX)]
    lead: LeadField
    until_ns: _TimeField | UnsetType = UNSET


EarlyCommand = BeginPlay | PayEarly
