"""What happened: past tense, frozen, tagged. A refused command is an event too, and data.

Owns the words in which machines answer; journals keep them beside the command, and a replay must
give them again.
"""

from msgspec import Struct

from engine.common.commands import Deduction, Limits, OutcomeResult, Quote
from engine.common.lifecycle import Status
from engine.common.reasons import Reason


class _Event(Struct, frozen=True, kw_only=True, tag_field="ev"):
    """Base of every event: the field `ev` carries its name."""


class Refused(_Event, frozen=True, tag="refused"):
    """A command changed nothing: why, and which field or state stood against it."""

    reason: Reason
    field: str = ""
    message: str = ""


class _MarketEvent(_Event, frozen=True):
    """An event of one market; `version` is the market's visible sequence number after it."""

    market_no: int
    version: int


class MarketCreated(_MarketEvent, frozen=True, tag="market_created"):
    """A market exists, INACTIVE."""

    key: str


class MarketOpened(_MarketEvent, frozen=True, tag="market_opened"):
    """Bets are taken."""


class OddsSet(_MarketEvent, frozen=True, tag="odds_set"):
    """These quotes hold from now on."""

    quotes: tuple[Quote, ...]


class LimitsSet(_MarketEvent, frozen=True, tag="limits_set"):
    """These limits hold from now on."""

    limits: Limits


class MarketSuspended(_MarketEvent, frozen=True, tag="market_suspended"):
    """No bet with a later sequence number is accepted until the market resumes."""

    why: str = ""


class MarketResumed(_MarketEvent, frozen=True, tag="market_resumed"):
    """Bets are taken again."""


class MarketHandedOver(_MarketEvent, frozen=True, tag="market_handed_over"):
    """Suspended until another producer's odds come."""


class MarketClosed(_MarketEvent, frozen=True, tag="market_closed"):
    """Betting has ended for good."""


class MarketSettled(_MarketEvent, frozen=True, tag="market_settled"):
    """Results stand; `bets` settlements worth `payout_minor` went to the outbox.

    `payout_minor` adds amounts of the bets' own currencies: a check figure for replay, not money.
    """

    settlement_no: int
    results: tuple[OutcomeResult, ...]
    bets: int
    payout_minor: int
    deductions: tuple[Deduction, ...] = ()


class MarketCancelled(_MarketEvent, frozen=True, tag="market_cancelled"):
    """Void: `bets` refunds worth `payout_minor` went to the outbox."""

    settlement_no: int
    bets: int
    payout_minor: int
    why: str = ""


class StatusSet(_MarketEvent, frozen=True, tag="status_set"):
    """The market stands so; an unchanged version says it stood so before."""

    status: Status
    why: str = ""


class BetsCancelled(_MarketEvent, frozen=True, tag="bets_cancelled"):
    """The bets of a window are void: `bets` refunds worth `payout_minor` went to the outbox."""

    settlement_no: int
    from_ns: int | None
    until_ns: int | None
    bets: int
    payout_minor: int
    why: str = ""


class CancelRolledBack(_MarketEvent, frozen=True, tag="cancel_rolled_back"):
    """A cancellation is undone; `bets` bets are open, or settled by the results that stand."""

    status: Status
    settlement_no: int
    from_ns: int | None
    until_ns: int | None
    bets: int
    payout_minor: int
    why: str = ""


class SettlementRolledBack(_MarketEvent, frozen=True, tag="settlement_rolled_back"):
    """The results stand no more: `bets` bets are open again."""

    status: Status
    settlement_no: int
    bets: int
    why: str = ""


FeedStepEvent = (
    Refused
    | MarketOpened
    | OddsSet
    | MarketSuspended
    | MarketResumed
    | MarketHandedOver
    | MarketClosed
    | MarketSettled
    | MarketCancelled
    | StatusSet
    | BetsCancelled
    | CancelRolledBack
    | SettlementRolledBack
)


class FeedApplied(_MarketEvent, frozen=True, tag="feed_applied"):
    """A feed's message was obeyed; one event for each of its steps."""

    source: str
    position: int
    events: tuple[FeedStepEvent, ...]


class OutboxAcked(_Event, frozen=True, tag="outbox_acked"):
    """A shard has applied its settlements up to `upto`; `forgotten` rows left the outbox."""

    shard: int
    upto: int
    forgotten: int


class RateSet(_Event, frozen=True, tag="rate_set"):
    """A currency is worth this much of the base currency from now on."""

    currency: str
    rate_micro: int


class AccountOpened(_Event, frozen=True, tag="account_opened"):
    """An account exists, empty."""

    account_no: int
    currency: str


class Deposited(_Event, frozen=True, tag="deposited"):
    """Money came in; `known` says this ref had been applied before and nothing moved now."""

    account_no: int
    amount_minor: int
    available_minor: int
    ref: str
    known: bool = False


class Withdrawn(_Event, frozen=True, tag="withdrawn"):
    """Money went out; `known` says this ref had been applied before and nothing moved now."""

    account_no: int
    amount_minor: int
    available_minor: int
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
    | MarketCancelled
    | StatusSet
    | BetsCancelled
    | CancelRolledBack
    | SettlementRolledBack
    | FeedApplied
    | OutboxAcked
)
LedgerEvent = Refused | RateSet | AccountOpened | Deposited | Withdrawn
