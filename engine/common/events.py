"""Events: what a command did, in the past tense, frozen and tagged; a refusal is an event too.

Owns the answers of the machines. A journal keeps each event beside its command, and a replay must
produce the same event. Never decides which event a command has.
"""

from msgspec import UNSET, Struct, UnsetType

from engine.common.acceptance import Acceptance
from engine.common.commands import Deduction, Limits, OutcomeResult, Quote
from engine.common.ids import AccountNo, MarketNo, ShardNo
from engine.common.lifecycle import Status
from engine.common.outcome_marks import StandingOdds
from engine.common.reasons import Reason
from engine.common.units import Minor, Nanos, OddsMilli


class _Event(Struct, frozen=True, kw_only=True, tag_field="ev", gc=False):
    """Base of every event: the field `ev` names the event."""


class Refused(_Event, frozen=True, tag="refused"):
    """The command changed nothing: the reason, and the field that the reason is about."""

    reason: Reason
    field: str = ""
    message: str = ""


class _MarketEvent(_Event, frozen=True):
    """An event of one market; `version` is the market's version after it."""

    market_no: MarketNo
    version: int


class MarketCreated(_MarketEvent, frozen=True, tag="market_created"):
    """A market exists, INACTIVE."""

    key: str


class MarketOpened(_MarketEvent, frozen=True, tag="market_opened"):
    """The market accepts bets."""


class OddsSet(_MarketEvent, frozen=True, tag="odds_set"):
    """The quotes apply from now on.

    Where a trader's mark stands, `quotes` has what holds: overridden odds, or no offer.
    """

    quotes: tuple[Quote, ...]


class OutcomesSuspended(_MarketEvent, frozen=True, tag="outcomes_suspended"):
    """These outcomes are held: no bet on them is taken until a trader resumes them."""

    outcomes: tuple[int, ...]
    why: str = ""


class OutcomesResumed(_MarketEvent, frozen=True, tag="outcomes_resumed"):
    """These outcomes were held, and are no longer."""

    outcomes: tuple[int, ...]


class OddsOverridden(_MarketEvent, frozen=True, tag="odds_overridden"):
    """These odds stand from now on, until a trader releases them."""

    quotes: tuple[StandingOdds, ...]
    why: str = ""


class OddsReleased(_MarketEvent, frozen=True, tag="odds_released"):
    """The odds of these outcomes were overridden; they have the odds that were given last."""

    quotes: tuple[StandingOdds, ...]


class LimitsSet(_MarketEvent, frozen=True, tag="limits_set"):
    """The limits apply from now on."""

    limits: Limits


class AcceptanceSet(_MarketEvent, frozen=True, tag="acceptance_set"):
    """The market takes bets so from now on."""

    acceptance: Acceptance
    why: str = ""


class ReferralDecided(_MarketEvent, frozen=True, tag="referral_decided"):
    """A trader decided a bet that waited: ACCEPTED, REFERRAL_DECLINED or REOFFERED.

    Stake and odds are those accepted or offered, in the account's currency; of a bet declined the
    stake that was asked for and the odds of now.
    """

    bet_id: int
    account_no: int
    outcome: int
    reason: Reason
    stake_minor: Minor
    odds_milli: OddsMilli
    why: str = ""


class WaitingStopped(_Event, frozen=True, tag="waiting_stopped"):
    """So many bets that waited in the shell end with a refusal."""

    bets: int


class MarketSuspended(_MarketEvent, frozen=True, tag="market_suspended"):
    """No bet with a later sequence number is accepted until the market resumes."""

    why: str = ""


class MarketResumed(_MarketEvent, frozen=True, tag="market_resumed"):
    """The market accepts bets again."""


class MarketHandedOver(_MarketEvent, frozen=True, tag="market_handed_over"):
    """The market is suspended until the live producer sends odds."""


class MarketClosed(_MarketEvent, frozen=True, tag="market_closed"):
    """Betting has ended for good."""


class MarketSettled(_MarketEvent, frozen=True, tag="market_settled"):
    """Results stand; `bets` settlements of bets and legs went to the outbox.

    `payouts_check` is a check figure of their rows, by which a replay is compared, and no amount of
    money: the sum, modulo 2^63, of singles' payouts in whatever currency and of the numerators of
    legs' fractions. What is paid is in the accounts.
    """

    settlement_no: int
    results: tuple[OutcomeResult, ...]
    bets: int
    payouts_check: int
    deductions: tuple[Deduction, ...] = ()


class OutcomesSettled(_MarketEvent, frozen=True, tag="outcomes_settled"):
    """Results of some outcomes stand, in the order of `outcomes`; see MarketSettled.

    `status` is SETTLED once every outcome of the market has a result.
    """

    status: Status
    settlement_no: int
    outcomes: tuple[int, ...]
    results: tuple[OutcomeResult, ...]
    bets: int
    payouts_check: int


class MarketCancelled(_MarketEvent, frozen=True, tag="market_cancelled"):
    """The market is void; `bets` refunds of bets and legs went to the outbox; see MarketSettled."""

    settlement_no: int
    bets: int
    payouts_check: int
    why: str = ""


class StatusSet(_MarketEvent, frozen=True, tag="status_set"):
    """The market has this status; an unchanged version means that it had the status before."""

    status: Status
    why: str = ""


class MarketKeptStopped(_MarketEvent, frozen=True, tag="market_kept_stopped"):
    """The market stays stopped, by `others` or `held` by itself; the sender's stop was `lifted`."""

    status: Status
    lifted: bool
    others: tuple[str, ...]
    held: bool = False


class BetsCancelled(_MarketEvent, frozen=True, tag="bets_cancelled"):
    """The bets of a window are void; `bets` refunds of bets and legs went to the outbox.

    `payouts_check` is as in MarketSettled.
    """

    settlement_no: int
    from_ns: Nanos | None
    until_ns: Nanos | None
    bets: int
    payouts_check: int
    why: str = ""
    outcomes: tuple[int, ...] = ()
    """The outcomes whose bets are concerned; none: those of all."""
    accepted_before_ns: Nanos | UnsetType = UNSET
    """As in the command."""


class CancelRolledBack(_MarketEvent, frozen=True, tag="cancel_rolled_back"):
    """A cancellation is rolled back; `bets` bets are open, or settled by the results that stand.

    `payouts_check` is as in MarketSettled.
    """

    status: Status
    settlement_no: int
    from_ns: Nanos | None
    until_ns: Nanos | None
    bets: int
    payouts_check: int
    why: str = ""
    outcomes: tuple[int, ...] = ()
    """The outcomes whose bets are concerned; none: those of all."""


class SettlementRolledBack(_MarketEvent, frozen=True, tag="settlement_rolled_back"):
    """The results are rolled back; `bets` bets are open again."""

    status: Status
    settlement_no: int
    bets: int
    why: str = ""
    outcomes: tuple[int, ...] = ()
    """The outcomes whose bets are concerned; none: those of all."""


class BetsVoided(_MarketEvent, frozen=True, tag="bets_voided"):
    """A correction voids `corrected` bets and legs; `bets` settlements went to the outbox.

    `settlement_no` is the correction's number, by which it is restored. `change_minor` is what the
    bettors are given more, in base currency and as the book counts legs. `payouts_check` is as in
    MarketSettled.
    """

    settlement_no: int
    corrected: int
    bets: int
    change_minor: Minor
    payouts_check: int
    why: str = ""


class OddsCorrected(_MarketEvent, frozen=True, tag="odds_corrected"):
    """A correction settles `corrected` bets and legs at other odds; the rest as in BetsVoided."""

    settlement_no: int
    corrected: int
    bets: int
    change_minor: Minor
    payouts_check: int
    why: str = ""


class BetsRestored(_MarketEvent, frozen=True, tag="bets_restored"):
    """The correction `correction_no` is rolled back; it had concerned `restored` bets and legs.

    The rest is as in BetsVoided, but that `settlement_no` is no correction's number.
    """

    settlement_no: int
    correction_no: int
    restored: int
    bets: int
    change_minor: Minor
    payouts_check: int
    why: str = ""


class PlayBegun(_MarketEvent, frozen=True, tag="play_begun"):
    """Bets accepted from `from_ns` on are no pre-match bets; the earliest time that was given."""

    from_ns: Nanos


class EarlyPaid(_MarketEvent, frozen=True, tag="early_paid"):
    """A side leads by `lead`; `bets` legs on it that were accepted before `until_ns` are marked."""

    settlement_no: int
    outcome: int
    lead: int
    until_ns: Nanos
    bets: int


FeedStepEvent = (
    Refused
    | MarketOpened
    | OddsSet
    | LimitsSet
    | AcceptanceSet
    | MarketSuspended
    | MarketResumed
    | MarketHandedOver
    | MarketClosed
    | MarketSettled
    | OutcomesSettled
    | MarketCancelled
    | StatusSet
    | BetsCancelled
    | CancelRolledBack
    | SettlementRolledBack
    | PlayBegun
    | EarlyPaid
)


class FeedApplied(_MarketEvent, frozen=True, tag="feed_applied"):
    """A feed message was applied; `events` has one event for each step."""

    source: str
    position: int
    events: tuple[FeedStepEvent, ...]


class FeedRefused(_MarketEvent, frozen=True, tag="feed_refused"):
    """A feed message was refused, no step of it was taken, and the market is suspended for it."""

    source: str
    position: int
    reason: Reason
    message: str = ""


class SourceReset(_MarketEvent, frozen=True, tag="source_reset"):
    """The market follows the source from `position` on; it had followed it up to `before`."""

    source: str
    position: int
    before: int


class OutboxAcked(_Event, frozen=True, tag="outbox_acked"):
    """A shard has applied its settlements up to `upto`; `forgotten` rows left the outbox."""

    shard: ShardNo
    upto: int
    forgotten: int


class RateSet(_Event, frozen=True, tag="rate_set"):
    """One unit of the currency is worth `rate_micro` millionths of base currency from now on."""

    currency: str
    rate_micro: int


class AccountOpened(_Event, frozen=True, tag="account_opened"):
    """An account exists, empty."""

    account_no: AccountNo
    currency: str


class Deposited(_Event, frozen=True, tag="deposited"):
    """Money was paid in; `known` says that the ref was applied before and no money moved now."""

    account_no: AccountNo
    amount_minor: Minor
    available_minor: Minor
    ref: str
    known: bool = False


class Withdrawn(_Event, frozen=True, tag="withdrawn"):
    """Money was paid out; `known` says that the ref was applied before and no money moved now."""

    account_no: AccountNo
    amount_minor: Minor
    available_minor: Minor
    ref: str
    known: bool = False


class OfferSet(_Event, frozen=True, tag="offer_set"):
    """An offer is open to bets, or withdrawn; its rule is that of its first command."""

    offer_no: int
    active: bool


class FreeBetGranted(_Event, frozen=True, tag="free_bet_granted"):
    """An account has a free bet; `known` says that the ref was applied before, and none is new."""

    account_no: AccountNo
    offer_no: int
    free_bet: int
    amount_minor: Minor
    ref: str
    known: bool = False


MarketEvent = (
    Refused
    | MarketCreated
    | MarketOpened
    | OddsSet
    | LimitsSet
    | MarketSuspended
    | MarketResumed
    | MarketHandedOver
    | MarketClosed
    | MarketSettled
    | OutcomesSettled
    | MarketCancelled
    | StatusSet
    | MarketKeptStopped
    | BetsCancelled
    | CancelRolledBack
    | SettlementRolledBack
    | PlayBegun
    | EarlyPaid
    | OutcomesSuspended
    | OutcomesResumed
    | OddsOverridden
    | OddsReleased
    | BetsVoided
    | OddsCorrected
    | BetsRestored
    | AcceptanceSet
    | ReferralDecided
    | WaitingStopped
    | FeedApplied
    | FeedRefused
    | SourceReset
    | OutboxAcked
)


class PayoutBoundSet(_Event, frozen=True, tag="payout_bound_set"):
    """What an account's open bets can pay is bounded from now on, unless it has its own bound."""

    open_payout_minor_max: Minor


class AccountBoundSet(_Event, frozen=True, tag="account_bound_set"):
    """What the account's open bets can pay has this bound from now on; 0: the house's."""

    account_no: AccountNo
    open_payout_minor_max: Minor


class AccountBlocked(_Event, frozen=True, tag="account_blocked"):
    """The account takes no new bets from now on, or takes them again."""

    account_no: AccountNo
    blocked: bool


class AccountFactorSet(_Event, frozen=True, tag="account_factor_set"):
    """Limits of one bet are multiplied by so many thousandths for the account from now on."""

    account_no: AccountNo
    factor_milli: int


class CombinationBoundSet(_Event, frozen=True, tag="combination_bound_set"):
    """What open slips with the same selections can pay together is bounded from now on."""

    combination_payout_minor_max: Minor


class HouseStopped(_Event, frozen=True, tag="house_stopped"):
    """No bet is reserved any more; `known` says that the house was stopped before, and by whom."""

    by: str
    why: str
    at_ns: Nanos
    known: bool = False


class HouseStarted(_Event, frozen=True, tag="house_started"):
    """Bets are reserved again; `known` says that they were before."""

    known: bool = False


LedgerEvent = (
    Refused
    | RateSet
    | AccountOpened
    | Deposited
    | Withdrawn
    | OfferSet
    | FreeBetGranted
    | PayoutBoundSet
    | AccountBoundSet
    | CombinationBoundSet
    | AccountBlocked
    | HouseStopped
    | HouseStarted
    | AccountFactorSet
)
