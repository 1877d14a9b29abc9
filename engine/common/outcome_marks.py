"""Commands by which a trader marks single outcomes of a market: held, or with odds that stand.

Owns their fields and bounds. A mark stands through whatever feeds, models and plain odds say, until
a trader takes it back. Never decides whether a command is allowed: the market does.
"""

from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from engine.common.ids import MARKET_NO_MAX, MarketNo
from engine.common.odds_guard import OddsGuard
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN, OUTCOMES_MAX, OddsMilli

_WHY_CHARS_MAX: Final = 80

OutcomeField = Annotated[int, Meta(ge=0, lt=OUTCOMES_MAX)]
_MarketNoField = Annotated[MarketNo, Meta(ge=0, le=MARKET_NO_MAX)]
_WhyField = Annotated[str, Meta(max_length=_WHY_CHARS_MAX)]
_SomeField = Annotated[tuple[OutcomeField, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
_SomeOrAllField = Annotated[tuple[OutcomeField, ...], Meta(max_length=OUTCOMES_MAX)]


class StandingOdds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One outcome's odds that stand until they are released."""

    outcome: OutcomeField
    odds_milli: Annotated[OddsMilli, Meta(ge=ODDS_MILLI_MIN, le=ODDS_MILLI_MAX)]


class _OutcomeCommand(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", gc=False
):
    """Base of these commands: the field `do` names the command."""


class SuspendOutcomes(_OutcomeCommand, frozen=True, tag="suspend_outcomes"):
    """Hold some outcomes of a market: no bet on them is taken, whatever feeds and odds say.

    The market's other outcomes go on. What is said of a held outcome meanwhile is kept, and holds
    once ResumeOutcomes ends the hold. Outcomes that the market does not have are left out:
    OUTCOME_UNKNOWN refuses the command only where it names none of the market's.
    """

    market_no: _MarketNoField
    outcomes: _SomeField
    why: _WhyField = ""


class ResumeOutcomes(_OutcomeCommand, frozen=True, tag="resume_outcomes"):
    """End the hold of some outcomes, or of all where none is named.

    Each is offered again if its last odds say so. One that is not held stays as it is.
    """

    market_no: _MarketNoField
    outcomes: _SomeOrAllField = ()


class OverrideOdds(_OutcomeCommand, frozen=True, tag="override_odds", omit_defaults=True):
    """Set odds of outcomes that stand until ReleaseOdds, or another OverrideOdds, names them.

    Odds that feeds, models and SetOdds give these outcomes meanwhile are kept and not offered; the
    market's other outcomes move. Whether bets on an outcome are offered is still for those to say.
    `override` and `guard` are as in SetOdds. The guard goes on checking the book as it is offered:
    later odds that with these sum to too little are refused, and suspend the market if a feed gives
    them.
    """

    market_no: _MarketNoField
    quotes: Annotated[tuple[StandingOdds, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    why: _WhyField = ""
    override: bool = False
    guard: OddsGuard | UnsetType = UNSET


class ReleaseOdds(_OutcomeCommand, frozen=True, tag="release_odds", omit_defaults=True):
    """Release the odds of some outcomes, or of all where none is named.

    Each outcome has at once the odds that were given last, by a feed, a model or SetOdds. Those
    whose odds are not overridden stay as they are. BOOK_SUM_LOW refuses a release after which the
    odds sum to too little by the figures of `guard`, unless `override` says that this is meant.
    """

    market_no: _MarketNoField
    outcomes: _SomeOrAllField = ()
    override: bool = False
    guard: OddsGuard | UnsetType = UNSET


OutcomeCommand = SuspendOutcomes | ResumeOutcomes | OverrideOdds | ReleaseOdds
