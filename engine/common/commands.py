"""Commands to markets and ledgers: imperative, frozen, bounded, tagged for journal and wire.

Owns the fields of every command and their bounds. Decoding refuses a field outside its bounds and
names the field and the bound. Never decides whether a command is allowed: the state machines do.

In values that feeds make by the thousand, `gc=False` keeps them from the garbage collector: they
cannot form a cycle, and collections of them took a fifth of a feed's processor time.
"""

from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from engine.common.acceptance import AcceptanceCommand, SetFeedDelay, StopWaiting
from engine.common.account_changes import AccountCommand
from engine.common.corrections import CorrectionCommand
from engine.common.early import EarlyCommand
from engine.common.house import AuthorField, HouseCommand
from engine.common.ids import (
    ACCOUNT_NO_MAX,
    MARKET_KEY_BYTES_MAX,
    MARKET_NO_MAX,
    SHARD_NO_MAX,
    AccountNo,
    MarketNo,
    ShardNo,
)
from engine.common.lifecycle import Status
from engine.common.odds_guard import OddsGuard
from engine.common.offers import OfferCommand
from engine.common.outcome_marks import OutcomeCommand
from engine.common.payoffs import Payoffs
from engine.common.units import (
    BALANCE_MINOR_MAX,
    DEAD_HEAT_DEN_MAX,
    LIMIT_MINOR_MAX,
    ODDS_MILLI_MAX,
    ODDS_MILLI_MIN,
    OUTCOMES_MAX,
    RATE_MICRO_MAX,
    RATE_MICRO_ONE,
    STAKE_MINOR_MAX,
    Minor,
    Nanos,
    OddsMilli,
)
from engine.common.withdrawals import WithdrawalsField

WHY_CHARS_MAX: Final = 80
NAME_CHARS_MAX: Final = 64
OUTCOME_CHARS_MAX: Final = 200
"""Characters of an outcome's name. Providers name outcomes by ids, and join several into one."""
DEDUCTIONS_MAX: Final = 16
"""Deductions in one settlement: one for each time at which an outcome was withdrawn."""
STEPS_MAX: Final = 16
"""Commands that one feed message may carry for one market."""
DIGEST_MAX: Final = (1 << 32) - 1
CANCEL_WINDOWS_MAX: Final = 64
"""Different times of cancelled windows in one market; past it those that end first are final."""
SOURCES_MAX: Final = 32
"""Feed sources that one market may have; past it CAPACITY refuses messages of another source."""
TIME_NS_MAX: Final = (1 << 63) - 1

MarketNoField = Annotated[MarketNo, Meta(ge=0, le=MARKET_NO_MAX)]
AccountNoField = Annotated[AccountNo, Meta(ge=0, le=ACCOUNT_NO_MAX)]
ShardNoField = Annotated[ShardNo, Meta(ge=0, le=SHARD_NO_MAX)]
OddsField = Annotated[OddsMilli, Meta(ge=ODDS_MILLI_MIN, le=ODDS_MILLI_MAX)]
StakeField = Annotated[Minor, Meta(ge=1, le=STAKE_MINOR_MAX)]
LimitField = Annotated[Minor, Meta(ge=0, le=LIMIT_MINOR_MAX)]
AmountField = Annotated[Minor, Meta(ge=1, le=BALANCE_MINOR_MAX)]
NameField = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
OutcomeNameField = Annotated[str, Meta(min_length=1, max_length=OUTCOME_CHARS_MAX)]
WhyField = Annotated[str, Meta(max_length=WHY_CHARS_MAX)]
TimeField = Annotated[Nanos, Meta(ge=0, le=TIME_NS_MAX)]
OutcomesField = Annotated[
    tuple[Annotated[int, Meta(ge=0, lt=OUTCOMES_MAX)], ...],
    Meta(min_length=1, max_length=OUTCOMES_MAX),
]
"""Some outcomes of a market, each once."""
PositionField = Annotated[int, Meta(ge=0, le=TIME_NS_MAX)]
"""How far a feed source has come: it rises with its messages, as their time does."""
KeyField = Annotated[str, Meta(min_length=3, max_length=MARKET_KEY_BYTES_MAX)]
RefField = Annotated[str, Meta(pattern=r"^[!-~]{1,32}\Z")]
CurrencyField = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The bounds of a market's bets and liability, in minor units of the book's base currency.

    The liability is that of the bet's outcome, of the market's worst outcome, and of the fixture at
    its worst score (0: no bound). A bet is checked against the book with the bet in it.
    """

    stake_minor_min: StakeField = Minor(1)
    stake_minor_max: StakeField = Minor(1_000_000)
    payout_minor_max: LimitField = Minor(100_000_000)
    outcome_liability_minor_max: LimitField = Minor(500_000_000)
    market_liability_minor_max: LimitField = Minor(500_000_000)
    fixture_liability_minor_max: LimitField = Minor(0)


class LimitsPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New values for some of a market's `Limits`; a limit that it does not name stays as it is."""

    stake_minor_min: StakeField | UnsetType = UNSET
    stake_minor_max: StakeField | UnsetType = UNSET
    payout_minor_max: LimitField | UnsetType = UNSET
    outcome_liability_minor_max: LimitField | UnsetType = UNSET
    market_liability_minor_max: LimitField | UnsetType = UNSET
    fixture_liability_minor_max: LimitField | UnsetType = UNSET

    def names(self) -> tuple[str, ...]:
        """Return the names of the limits that the patch changes."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name) is not UNSET)

    def applied_to(self, limits: Limits) -> Limits:
        """Return limits with the named ones changed."""
        return replace(limits, **{name: getattr(self, name) for name in self.names()})


class Quote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One outcome's new odds, and whether bets on the outcome are offered (`active`)."""

    outcome: Annotated[int, Meta(ge=0, lt=OUTCOMES_MAX)]
    odds_milli: OddsField
    active: bool = True


class OutcomeResult(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """How an outcome ended, in the three figures of the Unified Odds Feed.

    `won` is its result. `void_halves` is the void factor in halves: 0, 1 or 2. The dead-heat factor
    is the exact fraction `dead_heat_num / dead_heat_den`, so that a third is not rounded.
    """

    won: bool
    void_halves: Annotated[int, Meta(ge=0, le=2)] = 0
    dead_heat_num: Annotated[int, Meta(ge=0, le=DEAD_HEAT_DEN_MAX)] = 1
    dead_heat_den: Annotated[int, Meta(ge=1, le=DEAD_HEAT_DEN_MAX)] = 1


class Deduction(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Reduce what winning bets placed before a time pay, because an outcome was withdrawn then.

    Winners keep `keep_milli` thousandths: of the winnings, as in a bookmaker's Rule 4, or of the
    odds (`of_price`), as an exchange reduces the odds of a win market. A bet gets only the first
    deduction whose `until_ns` is after the bet's time, so each deduction includes those of later
    withdrawals. Odds are never reduced below 1, which returns the stake.
    """

    until_ns: TimeField
    keep_milli: Annotated[int, Meta(ge=0, le=1_000)]
    of_price: bool = False


class _Command(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", gc=False
):
    """Base of every command: the field `do` names the command."""


class CreateMarket(_Command, frozen=True, tag="create_market", omit_defaults=True):
    """Create a market, INACTIVE, with its outcomes in order, their first odds and its limits.

    With `offered` false, an outcome takes no bet until its odds are set, in any status of the
    market: for a market that is created before a feed has given it odds. `limits_why` says where
    the limits come from. The first odds of a market that is offered are checked against `guard`,
    unless `override` says that they are meant as they are. `payoffs` places the market on its
    fixture's grid. The market's shell writes it and `guard` over whatever is sent. All five are
    encoded only when not at their defaults: earlier releases read journals without such markets.
    """

    market_no: MarketNoField
    key: KeyField
    outcomes: Annotated[tuple[OutcomeNameField, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    odds_milli: Annotated[tuple[OddsField, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    limits: Limits = Limits()
    offered: bool = True
    limits_why: WhyField = ""
    guard: OddsGuard | UnsetType = UNSET
    override: bool = False
    payoffs: Payoffs | UnsetType = UNSET


class OpenMarket(_Command, frozen=True, tag="open_market"):
    """Start to accept bets.

    MARKET_HELD refuses it where somebody else's SuspendWithAll stands; `by` is as in ResumeMarket.
    """

    market_no: MarketNoField
    by: AuthorField | UnsetType = UNSET


class SetOdds(_Command, frozen=True, tag="set_odds", omit_defaults=True):
    """Set the odds of some or all outcomes in one step.

    BOOK_SUM_LOW refuses odds that sum to too little, ODDS_STEP a leap while bets are taken,
    ODDS_OFF_MODEL odds far from a model's, ODDS_DECIDED odds of a decided outcome: by the figures
    of `guard`, which the market's shell writes over whatever is sent. `override` says that the odds
    are meant as they are.
    """

    market_no: MarketNoField
    quotes: Annotated[tuple[Quote, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    override: bool = False
    guard: OddsGuard | UnsetType = UNSET


class SetLimits(_Command, frozen=True, tag="set_limits"):
    """Change the limits of a market that the patch names; bets accepted earlier stand."""

    market_no: MarketNoField
    limits: LimitsPatch


class SuspendMarket(_Command, frozen=True, tag="suspend_market"):
    """Stop accepting bets for a while; the odds stay visible.

    As a trader's command, which is one outside of a FeedUpdate, it also HOLDS the market: no feed
    can make it ACTIVE until a trader's command opens, resumes or hands over the market. A market
    that a feed has already suspended, deactivated or handed over, or that was created for a feed
    without an offer, keeps its status and is held; the event's version is then unchanged.
    """

    market_no: MarketNoField
    why: WhyField = ""


class ResumeMarket(_Command, frozen=True, tag="resume_market"):
    """Accept bets again after a suspension.

    A held market that a feed stopped meanwhile keeps its status and is held no longer (StatusSet).
    It takes off a trader's hold, and the sender's own SuspendWithAll; where others' stand, the
    market stays stopped (MarketKeptStopped), or MARKET_HELD refuses it if nothing came off. `by` is
    who asks: the market's shell writes it over whatever is sent. Unset, as in older journals, it
    is nobody whose stop stands.
    """

    market_no: MarketNoField
    by: AuthorField | UnsetType = UNSET


class SuspendWithAll(_Command, frozen=True, tag="suspend_with_all"):
    """Suspend a market because all are suspended, and hold it as a trader's SuspendMarket does.

    The stop is that of `by`, whom the market's shell writes; it stands beside those of others, and
    beside a trader's hold, until ResumeWithAll takes it off. A market that was stopped with no feed
    that could start it, and that nobody holds, is not touched, nor is one whose betting has ended.
    Unset, as in older journals, `by` is nobody by name: then a market that is held is not touched,
    and a trader's command that changes the status takes the stop over.
    """

    market_no: MarketNoField
    why: WhyField = ""
    by: AuthorField | UnsetType = UNSET


class ResumeWithAll(_Command, frozen=True, tag="resume_with_all"):
    """Take off the SuspendWithAll of `by`, or everybody's with `force`, and of nobody by name.

    The market is ACTIVE again if it was, or if its feed has asked for that. Otherwise it keeps its
    status and is held no longer (StatusSet). While anything else holds it, it stays stopped
    (MarketKeptStopped); a trader's hold is none of these stops. A market without such a stop
    refuses it. Unset, as in older journals, `by` is everybody.
    """

    market_no: MarketNoField
    by: AuthorField | UnsetType = UNSET
    force: bool | UnsetType = UNSET


class HandOverMarket(_Command, frozen=True, tag="hand_over_market"):
    """Suspend a pre-match market until the live producer sends odds.

    It takes off what ResumeMarket does; while others hold the market, no producer opens it.
    """

    market_no: MarketNoField
    by: AuthorField | UnsetType = UNSET


class CloseMarket(_Command, frozen=True, tag="close_market"):
    """End betting for good; the result is awaited.

    As a trader's command it also HOLDS the market, and so do a trader's settlement and
    cancellation: only a trader can make it ACTIVE after a feed settled it and rolled that back.
    """

    market_no: MarketNoField


class SettleMarket(_Command, frozen=True, tag="settle_market"):
    """Settle every outcome; other results reverse the earlier settlement and replace it.

    With `outcomes`, settle these alone, in the order of `results` and without deductions: they are
    offered no more, the others stay as they are, and the market is SETTLED once every outcome has a
    result. The times of `deductions` rise. Without any, winners have those of the `withdrawals` of
    void outcomes, which the market keeps; its shell writes them by the house's table where unset.
    """

    market_no: MarketNoField
    results: Annotated[tuple[OutcomeResult, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    deductions: Annotated[tuple[Deduction, ...], Meta(max_length=DEDUCTIONS_MAX)] = ()
    outcomes: OutcomesField | UnsetType = UNSET
    withdrawals: WithdrawalsField | UnsetType = UNSET


class CancelMarket(_Command, frozen=True, tag="cancel_market"):
    """Void the market: refund every bet."""

    market_no: MarketNoField
    why: WhyField = ""


class SetStatus(_Command, frozen=True, tag="set_status"):
    """Set a market's status by name; idempotent.

    Only ACTIVE, INACTIVE, SUSPENDED and HANDED_OVER can be set, and only before betting has ended.
    A market that a trader stopped is HELD: only OpenMarket or ResumeMarket make it ACTIVE again,
    and MARKET_HELD refuses this command.
    """

    market_no: MarketNoField
    status: Status
    why: WhyField = ""


class CancelBets(_Command, frozen=True, tag="cancel_bets"):
    """Refund the bets placed in a window of time, before or after a settlement.

    The window starts at `from_ns` and ends before `until_ns`; None leaves that end open. It covers
    only bets accepted before this command was applied, even when it ends later, and before the
    first at or after `accepted_before_ns`: a command that may come late or twice names its own time
    there. The market's status does not change, and a later settlement leaves the bets refunded. The
    same times again cover bets accepted since too; WINDOW_KNOWN refuses them where there is none.
    With `outcomes` the window covers only bets on these.
    """

    market_no: MarketNoField
    from_ns: TimeField | None = None
    until_ns: TimeField | None = None
    why: WhyField = ""
    outcomes: OutcomesField | UnsetType = UNSET
    accepted_before_ns: TimeField | UnsetType = UNSET


class RollBackCancel(_Command, frozen=True, tag="roll_back_cancel"):
    """Roll back the cancellation of exactly this window, as if it had never been cancelled.

    Without either time it also rolls back CancelMarket: the market is SETTLED again when results
    stand, else SUSPENDED. MARKET_HELD refuses a feed that would roll back a trader's CancelMarket.
    With `outcomes` it concerns these alone, whatever the cancellation named: the bets on the other
    outcomes stay refunded, also those of a cancelled market.
    """

    market_no: MarketNoField
    from_ns: TimeField | None = None
    until_ns: TimeField | None = None
    why: WhyField = ""
    outcomes: OutcomesField | UnsetType = UNSET


class RollBackSettlement(_Command, frozen=True, tag="roll_back_settlement"):
    """Roll back the results: reverse the payouts, open the bets again, suspend the market.

    With `outcomes`, roll back the results of these alone. A market that was not SETTLED, because
    other outcomes were undecided, keeps its status; the outcomes take bets after their next odds.
    """

    market_no: MarketNoField
    why: WhyField = ""
    outcomes: OutcomesField | UnsetType = UNSET


class SetPhaseLimits(_Command, frozen=True, tag="set_phase_limits"):
    """Give a market the limits of its match's new phase, if it has those of the last one.

    `before` are those that the last phase gave; a market with others, set by a trader, keeps them.
    `why` says which rules the limits come from.
    """

    market_no: MarketNoField
    before: Limits
    limits: Limits
    why: WhyField = ""


FeedStep = (
    OpenMarket
    | SetOdds
    | SuspendMarket
    | ResumeMarket
    | HandOverMarket
    | CloseMarket
    | SettleMarket
    | CancelMarket
    | SetStatus
    | CancelBets
    | RollBackCancel
    | RollBackSettlement
    | SetPhaseLimits
    | SetFeedDelay
    | EarlyCommand
)


class FeedUpdate(_Command, frozen=True, tag="feed_update"):
    """Apply the steps that one feed message has for this market, once.

    The market keeps, for each `source`, the highest position applied and the digests of the
    messages at that position, and its journal holds them. FEED_POSITION_KNOWN refuses a lower
    position, and the same position with a known digest. Every step names this market. A refused
    step does not stop the steps after it, with one exception: after refused odds, a step that would
    make the market ACTIVE suspends it instead.

    The market's shell writes `position_max` from its own clock. FEED_POSITION_AHEAD refuses a
    position beyond it, takes no step and suspends the market: such a position would outrank every
    later message of the source. Unset, as in older journals, it bounds nothing.
    """

    market_no: MarketNoField
    source: NameField
    position: PositionField
    steps: Annotated[tuple[FeedStep, ...], Meta(min_length=1, max_length=STEPS_MAX)]
    digest: Annotated[int, Meta(ge=0, le=DIGEST_MAX)] = 0
    position_max: PositionField | UnsetType = UNSET


class ResetSource(_Command, frozen=True, tag="reset_source"):
    """Set how far a market has followed a feed source, forward or back.

    Later messages of the source count from `position` on; 0 lets every message count again.
    FEED_SOURCE_UNKNOWN refuses a source of which the market has applied no message.
    """

    market_no: MarketNoField
    source: NameField
    position: PositionField = 0


class AckOutbox(_Command, frozen=True, tag="ack_outbox"):
    """Drop a shard's settlements up to and including a sequence number: it has applied them."""

    shard: ShardNoField
    upto: Annotated[int, Meta(ge=0)]


CommandOfMarket = (
    FeedStep
    | SetLimits
    | FeedUpdate
    | ResetSource
    | SuspendWithAll
    | ResumeWithAll
    | OutcomeCommand
    | CorrectionCommand
    | AcceptanceCommand
)
"""A command to a market that exists."""

MarketCommand = CreateMarket | AckOutbox | StopWaiting | CommandOfMarket


class SetRate(_Command, frozen=True, tag="set_rate"):
    """Set the value of one unit of a currency in base currency, in millionths."""

    currency: CurrencyField
    rate_micro: Annotated[int, Meta(ge=1, le=RATE_MICRO_MAX)] = RATE_MICRO_ONE


class OpenAccount(_Command, frozen=True, tag="open_account"):
    """Open an account in one currency, which must have a rate."""

    account_no: AccountNoField
    currency: CurrencyField


class Deposit(_Command, frozen=True, tag="deposit"):
    """Pay money into an account, once for each `ref`."""

    account_no: AccountNoField
    amount_minor: AmountField
    ref: RefField


class Withdraw(_Command, frozen=True, tag="withdraw"):
    """Pay money out of an account's available balance, once for each `ref`."""

    account_no: AccountNoField
    amount_minor: AmountField
    ref: RefField


LedgerCommand = (
    SetRate | OpenAccount | Deposit | Withdraw | OfferCommand | AccountCommand | HouseCommand
)
