"""Offers to customers: their rules as data, and the commands that set them and grant free bets.

Owns the kinds of offers, their fields and bounds. Never decides what an offer gives: the ledger
does (engine.ledger.offers_nb).
"""

from enum import IntEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.early import LeadField
from engine.common.ids import ACCOUNT_NO_MAX, MARKET_NO_MAX, AccountNo, MarketNo
from engine.common.units import (
    BALANCE_MINOR_MAX,
    ODDS_MILLI_MAX,
    ODDS_MILLI_MIN,
    OUTCOMES_MAX,
    STAKE_MINOR_MAX,
    Minor,
    Nanos,
    OddsMilli,
)

OFFERS_MAX: Final = 4_096
"""Offers of one shard: their numbers are 1 to this."""
OFFER_CHARS_MAX: Final = 64
OFFER_LEGS_MAX: Final = 63
"""Legs that a ladder can count: those of one slip."""
OFFER_MILLI_MAX: Final = 20_000
"""The most that a ladder adds, in thousandths of the winnings."""
OFFER_CAP_MINOR_MAX: Final = 1_000_000_000_000
"""The highest cap of what an offer adds to one bet."""
_TIME_NS_MAX: Final = (1 << 63) - 1
EXPIRY_NS_MAX: Final = (1 << 53) - 1
"""The longest time for which a free bet that an insurance gave can be used: 104 days."""

FULL_COVER_LEGS_MIN: Final = 3
"""Legs of the smallest full cover that a bonus can be for: a Patent."""
FULL_COVER_LEGS_MAX: Final = 12
"""Legs of the largest full cover that a slip's bound of lines and their legs lets through."""
ONE_WINNER_MILLI_MIN: Final = 1_000
"""What one winner's single wins without a bonus, in thousandths of its winnings."""

LegsField = Annotated[int, Meta(ge=1, le=OFFER_LEGS_MAX)]
MilliField = Annotated[int, Meta(ge=0, le=OFFER_MILLI_MAX)]
LowestOddsField = Annotated[OddsMilli, Meta(ge=ODDS_MILLI_MIN, le=ODDS_MILLI_MAX)]
CoverLegsField = Annotated[int, Meta(ge=FULL_COVER_LEGS_MIN, le=FULL_COVER_LEGS_MAX)]
OneWinnerField = Annotated[int, Meta(ge=ONE_WINNER_MILLI_MIN, le=OFFER_MILLI_MAX)]
CapField = Annotated[Minor, Meta(ge=1, le=OFFER_CAP_MINOR_MAX)]
StakeMaxField = Annotated[Minor, Meta(ge=1, le=STAKE_MINOR_MAX)]
OFFER_USES_MAX: Final = 65_535
UsesField = Annotated[int, Meta(ge=0, le=OFFER_USES_MAX)]
"""How many slips of one account may take the offer, 0 for any number. Refused slips, and those that
were void as a whole, do not count."""
OfferNoField = Annotated[int, Meta(ge=1, le=OFFERS_MAX)]


class OfferKind(IntEnum):
    """What an offer gives."""

    NONE = 0
    FREE_BET = 1
    BOOST = 2
    ODDS_BOOST = 3
    INSURANCE = 4
    FULL_COVER = 5
    EARLY_PAYOUT = 6


class LadderStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """From so many legs on, an offer adds so many thousandths of the winnings."""

    legs: LegsField
    milli: MilliField


LadderField = Annotated[tuple[LadderStep, ...], Meta(max_length=OFFER_LEGS_MAX)]
"""Steps whose numbers of legs rise; below the first of them the ladder adds nothing."""


class _Rule(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", gc=False
):
    """Base of every rule: the field `kind` names its kind."""


class FreeBetRule(_Rule, frozen=True, tag="free_bet"):
    """A granted amount pays the stake, which is not returned: a win pays the winnings alone.

    So does each line by itself: one that wins pays its winnings, whatever other lines have lost.
    Every leg must be taken at `odds_milli_min` at least, and the slip have `legs_min` legs. Of an
    each-way slip only the legs to win are meant: the odds to be placed follow from theirs.
    """

    odds_milli_min: LowestOddsField = OddsMilli(ODDS_MILLI_MIN)
    legs_min: LegsField = 1


class BoostRule(_Rule, frozen=True, tag="boost"):
    """An accumulator that wins pays more, by the number of its legs that count.

    A leg counts if it is not void and has `odds_milli_min` at least. Added are the ladder's
    thousandths of the winnings (the payout less the stake), rounded down, `cap_minor` at most.
    """

    ladder: LadderField
    cap_minor: CapField
    odds_milli_min: LowestOddsField = OddsMilli(ODDS_MILLI_MIN)
    stake_minor_max: StakeMaxField = Minor(STAKE_MINOR_MAX)
    uses_max: UsesField = 0


class OddsBoostRule(_Rule, frozen=True, tag="odds_boost"):
    """A bet on one named selection alone wins at `odds_milli` instead of the odds it was taken at.

    Added is what it wins at these odds less what it won, `cap_minor` at most, and never less than
    nothing.
    """

    market_no: Annotated[MarketNo, Meta(ge=0, le=MARKET_NO_MAX)]
    outcome: Annotated[int, Meta(ge=0, lt=OUTCOMES_MAX)]
    odds_milli: LowestOddsField
    cap_minor: CapField
    stake_minor_max: StakeMaxField = Minor(STAKE_MINOR_MAX)
    uses_max: UsesField = 0


class InsuranceRule(_Rule, frozen=True, tag="insurance"):
    """An accumulator that exactly one lost leg has lost earns its stake as a free bet.

    All other legs must have won, or be void; `legs_min` legs at least that are not void. Each leg
    must be taken at `odds_milli_min` at least. The free bet is of the stake, `cap_minor` at most,
    and can be used for `expires_after_ns`.
    """

    legs_min: LegsField
    cap_minor: CapField
    expires_after_ns: Annotated[int, Meta(ge=1, le=EXPIRY_NS_MAX)]
    odds_milli_min: LowestOddsField = OddsMilli(ODDS_MILLI_MIN)
    stake_minor_max: StakeMaxField = Minor(STAKE_MINOR_MAX)
    uses_max: UsesField = 0


class FullCoverRule(_Rule, frozen=True, tag="full_cover"):
    """A full cover with singles, as Patent and Lucky 15, of `legs_min` legs pays more in two cases.

    With one winner, the single on it wins `one_winner_milli` thousandths of its winnings instead of
    1000. With all legs won, the ladder's thousandths of the bet's winnings are added. Half won is
    won; half lost counts as lost: beside one winner it leaves the first bonus, and takes the other.
    With `void_excludes` nothing is added if any leg is void. The first bet of the slip is meant: of
    an each-way slip, the win part. Added are `cap_minor` at most.
    """

    cap_minor: CapField
    one_winner_milli: OneWinnerField = ONE_WINNER_MILLI_MIN
    ladder: LadderField = ()
    void_excludes: bool = True
    legs_min: CoverLegsField = FULL_COVER_LEGS_MIN
    stake_minor_max: StakeMaxField = Minor(STAKE_MINOR_MAX)
    uses_max: UsesField = 0


class EarlyPayoutRule(_Rule, frozen=True, tag="early_payout"):
    """A leg counts as won at its odds once its side leads by `lead`, whatever its result then is.

    It counts if its market has told such a lead (see PayEarly), if it was accepted before play
    began where `pre_match` says so, and at `odds_milli_min` at least; the slip's other legs run on.
    Added is what the slip is owed with these legs won, as soon as no open leg can change that, less
    what its results pay; `cap_minor` at most. A slip takes it with one leg at these odds or more.
    """

    lead: LeadField
    cap_minor: CapField
    pre_match: bool = True
    odds_milli_min: LowestOddsField = OddsMilli(ODDS_MILLI_MIN)
    stake_minor_max: StakeMaxField = Minor(STAKE_MINOR_MAX)
    uses_max: UsesField = 0


OfferRule = (
    FreeBetRule | BoostRule | OddsBoostRule | InsuranceRule | FullCoverRule | EarlyPayoutRule
)


class _Command(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", gc=False
):
    """Base of these commands, as that of engine.common.commands."""


class SetOffer(_Command, frozen=True, tag="set_offer"):
    """Offer a rule to accounts of one currency, or withdraw it (`active` false).

    A rule never changes: another rule needs a new number, and OFFER_EXISTS refuses it under a known
    one. Bets that took an offer, and free bets that were granted, stand when it is withdrawn.
    """

    offer_no: OfferNoField
    name: Annotated[str, Meta(min_length=1, max_length=OFFER_CHARS_MAX)]
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    rule: OfferRule
    active: bool = True


class GrantFreeBet(_Command, frozen=True, tag="grant_free_bet"):
    """Grant an account a free bet by an offer, once for each `ref`; usable before `expires_at_ns`.

    It can be used in parts. The amount is a promise of the house: no money moves before it is used.
    """

    account_no: Annotated[AccountNo, Meta(ge=0, le=ACCOUNT_NO_MAX)]
    offer_no: OfferNoField
    amount_minor: Annotated[Minor, Meta(ge=1, le=BALANCE_MINOR_MAX)]
    expires_at_ns: Annotated[Nanos, Meta(ge=0, le=_TIME_NS_MAX)]
    ref: Annotated[str, Meta(pattern=r"^[!-~]{1,32}\Z")]


OfferCommand = SetOffer | GrantFreeBet
