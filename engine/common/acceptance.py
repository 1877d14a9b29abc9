"""How a market takes bets: at once, after a delay, or by a trader's decision.

Owns the commands and their bounds. A bet that waits is decided in the market's own sequence, by the
market machine.
"""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from engine.common.ids import ACCOUNT_NO_MAX, MARKET_NO_MAX, AccountNo, BetId, MarketNo
from engine.common.units import (
    LIMIT_MINOR_MAX,
    ODDS_MILLI_MAX,
    ODDS_MILLI_MIN,
    STAKE_MINOR_MAX,
    Minor,
    OddsMilli,
)

DELAY_MS_MAX: Final = 30_000
"""The longest delay of bets; exchanges use 1 to 12 s in play."""
REFERRAL_MS_MAX: Final = 600_000
"""The longest time that a bet waits for a trader."""
OFFER_MS_MAX: Final = 300_000
"""The longest time that a trader's offer may be taken."""
BETS_WAITING_MAX: Final = 16_384
"""Bets that wait in one shell; CAPACITY refuses another for good. A stop notes all of a market at
once, which takes some 10 microseconds a bet."""
PERMITS_MAX: Final = 4_096
"""Offers of traders that may be taken in one shell; CAPACITY refuses another decision that makes
one."""
_BET_ID_MAX: Final = (1 << 63) - 1
_WHY_CHARS_MAX: Final = 80

_MarketNoField = Annotated[MarketNo, Meta(ge=0, le=MARKET_NO_MAX)]
_DelayField = Annotated[int, Meta(ge=0, le=DELAY_MS_MAX)]
_ReferralField = Annotated[int, Meta(ge=0, le=REFERRAL_MS_MAX)]
_FromField = Annotated[Minor, Meta(ge=0, le=STAKE_MINOR_MAX)]
_OddsField = Annotated[OddsMilli, Meta(ge=ODDS_MILLI_MIN, le=ODDS_MILLI_MAX)]
_CapField = Annotated[Minor, Meta(ge=1, le=LIMIT_MINOR_MAX)]
_WhyField = Annotated[str, Meta(max_length=_WHY_CHARS_MAX)]


class Acceptance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """How a market takes the bets that its checks would accept, or refuse for a limit.

    With `delay_ms` a bet waits that long, and is then decided by the odds and the state of that
    time; a stop of its market or outcome meanwhile refuses it, also when it has ended. With
    `referral_ms` a bet over a limit waits so long for a trader, instead of being refused with the
    highest stake that passes; so does one whose stake is `referral_minor_from` or more, in base
    currency (0: none). A bet that no trader has decided by then is refused. Legs of slips are
    delayed and never referred. `feed_delay_ms` is the delay that the market's feed stated last: as
    long as `delay_ms` is the same, it follows the feed.
    """

    delay_ms: _DelayField = 0
    referral_ms: _ReferralField = 0
    referral_minor_from: _FromField = Minor(0)
    feed_delay_ms: _DelayField = 0

    def with_feed_delay(self, delay_ms: int) -> "Acceptance":
        """Return this under a delay that the feed states: another one that was set holds."""
        holds = self.delay_ms != self.feed_delay_ms
        return replace(self, feed_delay_ms=delay_ms, delay_ms=self.delay_ms if holds else delay_ms)


class AcceptancePatch(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """New values for some figures of an `Acceptance`; one that it does not name stays as it is."""

    delay_ms: _DelayField | UnsetType = UNSET
    referral_ms: _ReferralField | UnsetType = UNSET
    referral_minor_from: _FromField | UnsetType = UNSET

    def names(self) -> tuple[str, ...]:
        """Return the names of the figures that the patch changes."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name) is not UNSET)

    def applied_to(self, acceptance: Acceptance) -> Acceptance:
        """Return an acceptance with the named figures changed."""
        figures = {name: getattr(acceptance, name) for name in acceptance.__struct_fields__}
        return Acceptance(**{**figures, **{name: getattr(self, name) for name in self.names()}})


def stricter(given: Acceptance, others: Sequence[Acceptance]) -> AcceptancePatch | None:
    """Return what makes an acceptance as strict as others too; None where it is.

    Strict are the longest delay and referral, and the smallest stake that any refers.
    """
    every = [given, *others]
    least = [each.referral_minor_from for each in every if each.referral_minor_from]
    patch = AcceptancePatch(
        delay_ms=max(each.delay_ms for each in every),
        referral_ms=max(each.referral_ms for each in every),
        referral_minor_from=min(least, default=Minor(0)),
    )
    return None if patch.applied_to(given) == given else patch


class _AcceptanceCommand(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", gc=False
):
    """Base of these commands: the field `do` names the command."""


class SetAcceptance(_AcceptanceCommand, frozen=True, tag="set_acceptance", omit_defaults=True):
    """Change how a market takes bets, in the figures that the patch names.

    Bets that wait already keep their time.
    """

    market_no: _MarketNoField
    acceptance: AcceptancePatch
    why: _WhyField = ""


class SetFeedDelay(_AcceptanceCommand, frozen=True, tag="set_feed_delay", omit_defaults=True):
    """Note the delay that a market's feed states, and take it where none of its own was set.

    A delay that is another than the feed's last one was set by a trader or a rule, and holds.
    """

    market_no: _MarketNoField
    delay_ms: _DelayField
    why: _WhyField = ""


class HouseCap(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The house cap: what no limit of any market is over, in minor units of base currency."""

    stake_minor_max: _CapField
    payout_minor_max: _CapField
    outcome_liability_minor_max: _CapField
    market_liability_minor_max: _CapField


class AcceptReferral(_AcceptanceCommand, frozen=True, tag="accept_referral", omit_defaults=True):
    """Take a bet that waits for a trader, whole and at the odds that its bettor saw.

    No limit of the market holds for it; the house cap does (LIMIT_OVER_CAP), and the market's
    state: a bet on a suspended market is refused as a command, and goes on waiting.

    `now_milli` are the odds of the outcome that the trader saw. Where they have fallen below these
    since, the command is refused (ODDS_CHANGED), and so it is without `now_milli` where they are
    below the bet's own: nobody takes the odds of before a goal unawares. The gateway writes `cap`,
    over what is sent.
    """

    market_no: _MarketNoField
    bet_id: Annotated[BetId, Meta(ge=1, le=_BET_ID_MAX)]
    why: _WhyField = ""
    now_milli: _OddsField | UnsetType = UNSET
    cap: HouseCap | UnsetType = UNSET


class DeclineReferral(_AcceptanceCommand, frozen=True, tag="decline_referral", omit_defaults=True):
    """Refuse a bet that waits for a trader; its stake goes back."""

    market_no: _MarketNoField
    bet_id: Annotated[BetId, Meta(ge=1, le=_BET_ID_MAX)]
    why: _WhyField = ""


class OfferReferral(_AcceptanceCommand, frozen=True, tag="offer_referral", omit_defaults=True):
    """Answer a bet that waits for a trader with another stake or other odds.

    The bet is refused (REOFFERED), its stake goes back, and for `window_ms` its account may place
    one bet on the outcome with this stake or less at exactly these odds: no limit of the market
    holds for it, and the market's delay does. `stake_minor` is in the account's currency, and not
    above the stake that was asked for; the odds are not above those that were, or those of now.

    The offer ends before its time when its market or outcome takes no bets, when the house is
    stopped or the account blocked, and when the odds of the outcome fall below the offer and below
    those that it was made beside. A market that takes no bets refuses the command. `now_milli` and
    `cap` are as in AcceptReferral, for the odds that are offered.
    """

    market_no: _MarketNoField
    bet_id: Annotated[BetId, Meta(ge=1, le=_BET_ID_MAX)]
    stake_minor: Annotated[Minor, Meta(ge=1, le=STAKE_MINOR_MAX)]
    odds_milli: _OddsField
    window_ms: Annotated[int, Meta(ge=1_000, le=OFFER_MS_MAX)] = 30_000
    why: _WhyField = ""
    now_milli: _OddsField | UnsetType = UNSET
    cap: HouseCap | UnsetType = UNSET


class StopWaiting(_AcceptanceCommand, frozen=True, tag="stop_waiting", omit_defaults=True):
    """Refuse every bet that waits in a shell, or those of one account: the house takes none.

    It is for bets that were reserved before the stop of the house or the block of their account,
    which account shards do not refuse any more.
    """

    account_no: Annotated[AccountNo, Meta(ge=0, le=ACCOUNT_NO_MAX)] | UnsetType = UNSET
    why: _WhyField = ""


ReferralCommand = AcceptReferral | DeclineReferral | OfferReferral
AcceptanceCommand = SetAcceptance | ReferralCommand
