"""Commands a market or a ledger obeys: imperative, frozen, bounded, tagged for journal and wire.

Owns what may be asked. Whether it is allowed is the state machines' business. Bounds are checked
where bytes become commands (decoding refuses what does not fit, naming field and bound).
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.ids import ACCOUNT_NO_MAX, MARKET_KEY_BYTES_MAX, MARKET_NO_MAX, SHARD_NO_MAX
from engine.common.lifecycle import Status
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
)

WHY_CHARS_MAX: Final = 80
NAME_CHARS_MAX: Final = 64
DEDUCTIONS_MAX: Final = 16
"""Deductions of one settlement: non-runners declared at different times."""
STEPS_MAX: Final = 16
"""Commands that one message of a feed brings to one market."""
DIGEST_MAX: Final = (1 << 32) - 1
CANCEL_WINDOWS_MAX: Final = 64
"""Windows of cancelled bets that may stand in one market; past it CAPACITY refuses another."""
SOURCES_MAX: Final = 32
"""Sources one market may be told by; past it CAPACITY refuses the messages of another."""
TIME_NS_MAX: Final = (1 << 63) - 1

MarketNoField = Annotated[int, Meta(ge=0, le=MARKET_NO_MAX)]
AccountNoField = Annotated[int, Meta(ge=0, le=ACCOUNT_NO_MAX)]
OddsField = Annotated[int, Meta(ge=ODDS_MILLI_MIN, le=ODDS_MILLI_MAX)]
StakeField = Annotated[int, Meta(ge=1, le=STAKE_MINOR_MAX)]
LimitField = Annotated[int, Meta(ge=0, le=LIMIT_MINOR_MAX)]
AmountField = Annotated[int, Meta(ge=1, le=BALANCE_MINOR_MAX)]
NameField = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
WhyField = Annotated[str, Meta(max_length=WHY_CHARS_MAX)]
TimeField = Annotated[int, Meta(ge=0, le=TIME_NS_MAX)]
"""Nanoseconds since 1970, UTC."""
KeyField = Annotated[str, Meta(min_length=3, max_length=MARKET_KEY_BYTES_MAX)]
RefField = Annotated[str, Meta(pattern=r"^[!-~]{1,32}\Z")]
CurrencyField = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a market may take, in minor units of the book's base currency.

    `outcome_liability_minor_max` bounds each outcome's liability and `market_liability_minor_max`
    the worst outcome's; a bet is checked against the book as it would be with the bet in it.
    """

    stake_minor_min: StakeField = 1
    stake_minor_max: StakeField = 1_000_000
    payout_minor_max: LimitField = 100_000_000
    outcome_liability_minor_max: LimitField = 500_000_000
    market_liability_minor_max: LimitField = 500_000_000


class Quote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One outcome's new odds, and whether it is offered."""

    outcome: Annotated[int, Meta(ge=0, lt=OUTCOMES_MAX)]
    odds_milli: OddsField
    active: bool = True


class OutcomeResult(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an outcome ended, in the Unified Odds Feed's three figures.

    `void_halves` is the void factor in halves (0, 1, 2); the dead-heat factor is the fraction
    `dead_heat_num / dead_heat_den`, exact, so that a third of a stake is a third.
    """

    won: bool
    void_halves: Annotated[int, Meta(ge=0, le=2)] = 0
    dead_heat_num: Annotated[int, Meta(ge=0, le=DEAD_HEAT_DEN_MAX)] = 1
    dead_heat_den: Annotated[int, Meta(ge=1, le=DEAD_HEAT_DEN_MAX)] = 1


class Deduction(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What winning bets placed before a time lose, because an outcome was withdrawn then.

    `keep_milli` thousandths are kept: of the winnings, as a bookmaker's Rule 4 has it, or of the
    whole price (`of_price`), as an exchange reduces the odds of a win market. A bet takes the
    first deduction whose `until_ns` lies after it, so each holds all that came later as well. A
    price is never reduced below what returns the stake.
    """

    until_ns: TimeField
    keep_milli: Annotated[int, Meta(ge=0, le=1_000)]
    of_price: bool = False


class _Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """Base of every command: the field `do` carries its name."""


# --- markets -----------------------------------------------------------------------------------


class CreateMarket(_Command, frozen=True, tag="create_market", omit_defaults=True):
    """Create a market, INACTIVE, with its outcomes in order, first odds and limits.

    With `offered` false no outcome can be bet on, whatever the market's status, until its odds are
    set: for markets whose first odds nobody means. It is written only where it is false, so that
    journals without such markets stay readable to earlier releases.
    """

    market_no: MarketNoField
    key: KeyField
    outcomes: Annotated[tuple[NameField, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    odds_milli: Annotated[tuple[OddsField, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    limits: Limits = Limits()
    offered: bool = True


class OpenMarket(_Command, frozen=True, tag="open_market"):
    """Begin to take bets."""

    market_no: MarketNoField


class SetOdds(_Command, frozen=True, tag="set_odds"):
    """Set the odds of some or all outcomes, at once."""

    market_no: MarketNoField
    quotes: Annotated[tuple[Quote, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]


class SetLimits(_Command, frozen=True, tag="set_limits"):
    """Replace a market's limits; bets taken earlier stand."""

    market_no: MarketNoField
    limits: Limits


class SuspendMarket(_Command, frozen=True, tag="suspend_market"):
    """Stop taking bets for a while; odds stay visible.

    Given by itself, and not as a step of a feed's message, it also HOLDS the market: no feed makes
    it ACTIVE until it is opened, resumed or handed over by such a command. A market that a feed has
    suspended already (or deactivated, or handed over), or that was created for it without an offer,
    is held where it stands: the event's version is then unchanged.
    """

    market_no: MarketNoField
    why: WhyField = ""


class ResumeMarket(_Command, frozen=True, tag="resume_market"):
    """Take bets again after a suspension.

    A market that is held but that a feed has deactivated or handed over meanwhile is let go where
    it stands, which StatusSet then tells: it is the feed's again to make ACTIVE.
    """

    market_no: MarketNoField


class HandOverMarket(_Command, frozen=True, tag="hand_over_market"):
    """Suspend a pre-match market until the live producer's odds come."""

    market_no: MarketNoField


class CloseMarket(_Command, frozen=True, tag="close_market"):
    """End betting for good; the result is awaited.

    Given by itself it also HOLDS the market, as a settlement or cancellation by itself does: if a
    feed settles it and takes that back, a trader alone makes it ACTIVE.
    """

    market_no: MarketNoField


class SettleMarket(_Command, frozen=True, tag="settle_market"):
    """Settle every outcome; settling again with other results reverses and replaces.

    `deductions` stand in the order of their times, each later than the one before it.
    """

    market_no: MarketNoField
    results: Annotated[tuple[OutcomeResult, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    deductions: Annotated[tuple[Deduction, ...], Meta(max_length=DEDUCTIONS_MAX)] = ()


class CancelMarket(_Command, frozen=True, tag="cancel_market"):
    """Void the market: every bet is refunded."""

    market_no: MarketNoField
    why: WhyField = ""


class SetStatus(_Command, frozen=True, tag="set_status"):
    """Bring a market to a status, by whichever move the life cycle allows; idempotent.

    Only ACTIVE, INACTIVE, SUSPENDED and HANDED_OVER can be set so, and only while betting may come.
    A market that a trader stopped is HELD: it becomes ACTIVE again by OpenMarket or ResumeMarket
    alone, and MARKET_HELD refuses to set it so.
    """

    market_no: MarketNoField
    status: Status
    why: WhyField = ""


class CancelBets(_Command, frozen=True, tag="cancel_bets"):
    """Refund the bets placed in a window, whatever became or becomes of the market.

    The window reaches from `from_ns` up to but not including `until_ns`; None is open. Whatever
    its end, it covers only bets that were accepted before this command was obeyed: no bet is born
    void. The market's status does not change, and a later settlement leaves these bets refunded. A
    window that stands is refused with WINDOW_KNOWN, so that a command sent twice cancels no bet
    that came between; bets accepted since are cancelled by naming another window.
    """

    market_no: MarketNoField
    from_ns: TimeField | None = None
    until_ns: TimeField | None = None
    why: WhyField = ""


class RollBackCancel(_Command, frozen=True, tag="roll_back_cancel"):
    """Take back the cancellation of just this window; its bets stand as if it had never been.

    Without a window it also takes back CancelMarket: the market is SETTLED again where results
    stand, else SUSPENDED. What a trader cancelled whole no feed takes back: MARKET_HELD refuses it.
    """

    market_no: MarketNoField
    from_ns: TimeField | None = None
    until_ns: TimeField | None = None
    why: WhyField = ""


class RollBackSettlement(_Command, frozen=True, tag="roll_back_settlement"):
    """Take back the results: payouts are reversed, bets are open again, the market SUSPENDED."""

    market_no: MarketNoField
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
)


class FeedUpdate(_Command, frozen=True, tag="feed_update"):
    """Obey what one message of a feed says of this market, once.

    The market remembers, for each `source`, the highest position obeyed and the digests of the
    messages that stood there, in its journal: a lower position, or the same with a known digest,
    is refused with FEED_POSITION_KNOWN and changes nothing. Every step names this market; a step
    that is refused does not stop those after it, except that after odds that were refused the
    market is suspended where a step would have opened it.
    """

    market_no: MarketNoField
    source: NameField
    position: TimeField
    steps: Annotated[tuple[FeedStep, ...], Meta(min_length=1, max_length=STEPS_MAX)]
    digest: Annotated[int, Meta(ge=0, le=DIGEST_MAX)] = 0


class AckOutbox(_Command, frozen=True, tag="ack_outbox"):
    """Forget the settlements a shard has applied, up to and including a sequence number."""

    shard: Annotated[int, Meta(ge=0, le=SHARD_NO_MAX)]
    upto: Annotated[int, Meta(ge=0)]


MarketCommand = (
    CreateMarket
    | OpenMarket
    | SetOdds
    | SetLimits
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
    | FeedUpdate
    | AckOutbox
)

# --- ledger ------------------------------------------------------------------------------------


class SetRate(_Command, frozen=True, tag="set_rate"):
    """Set what one unit of a currency is worth in base currency, in millionths."""

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


LedgerCommand = SetRate | OpenAccount | Deposit | Withdraw
