"""The messages that clients and gateways exchange: tagged, closed and bounded.

Owns the words of both subprotocols; the bytes are `codec`'s, the behaviour the sessions'. What a
client sends is refused when it has an unknown field or is out of bounds. What a gateway sends
leaves out fields that are at their defaults, and clients must ignore fields they do not know.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from engine.commands import (
    AccountNoField,
    KeyField,
    Limits,
    MarketNoField,
    OddsField,
    RefField,
    StakeField,
    WhyField,
)
from engine.events import MarketEvent
from engine.lifecycle import Status
from engine.rows import BetResult, SlipState
from engine.units import OUTCOMES_MAX
from gateway.exposure_wire import AskExposure, Exposure
from gateway.feeds.wire import (
    AskFeedStats,
    FeedAttach,
    FeedAttached,
    FeedPush,
    FeedPushed,
    FeedStats,
    FeedWish,
    FeedWishDone,
)
from gateway.limits import COMMANDS_MAX, OPEN_BETS_MAX, PAGE_MAX, PLACE_MANY_MAX
from gateway.sure_profit_wire import AskSureProfit, SureProfit
from gateway.trading import TraderCommand
from gateway.wire_base import Asked, FixtureField, IdField, Sent

VersionField = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
OutcomeField = Annotated[int, Meta(ge=0, lt=OUTCOMES_MAX)]
BetIdField = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
PolicyWord = Literal["none", "higher", "any"]

NAMES_MAX: Final = 1_024
"""Names one `subscribe` or `unsubscribe` may carry of each kind."""

POLICY_NUMBERS: Final[dict[str, int]] = {"none": 0, "higher": 1, "any": 2}
STATUS_WORDS: Final[dict[int, str]] = {int(status): status.name.lower() for status in Status}
SLIP_WORDS: Final[dict[int, str]] = {
    SlipState.NONE: "none",
    SlipState.PENDING: "pending",
    SlipState.ACCEPTED: "accepted",
    SlipState.REFUSED: "rejected",
    SlipState.SETTLED: "settled",
}
RESULT_WORDS: Final[dict[int, str]] = {int(result): result.name.lower() for result in BetResult}


# --- from bettors --------------------------------------------------------------------------------


class Place(Asked, frozen=True, kw_only=True, tag="place"):
    """Bet on one outcome, for the token's account; answered by `bet`.

    `ref` is the client's own key of the bet: the same ref with the same content is the same bet
    and gets the same answer, however often and wherever it is sent. `odds_milli` are the odds the
    bettor saw; `policy` says what may happen when they moved (none: refuse, higher: take better
    ones, any: take any).
    """

    ref: RefField
    market: MarketNoField
    outcome: OutcomeField
    stake_minor: StakeField
    odds_milli: OddsField
    policy: PolicyWord = "none"


class Selection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One bet of a `place_many`."""

    ref: RefField
    market: MarketNoField
    outcome: OutcomeField
    stake_minor: StakeField
    odds_milli: OddsField
    policy: PolicyWord = "none"


class PlaceMany(Asked, frozen=True, kw_only=True, tag="place_many"):
    """Place several independent bets; each is answered by a `bet` of its own, in any order."""

    id: IdField = 0
    bets: Annotated[tuple[Selection, ...], Meta(min_length=1, max_length=PLACE_MANY_MAX)]


class AskStatus(Asked, frozen=True, kw_only=True, tag="status"):
    """Ask what became of a bet of the token's account; answered by `slip` (or `error` 606)."""

    id: IdField = 0
    ref: RefField


class AskBalance(Asked, frozen=True, kw_only=True, tag="balance"):
    """Ask for the account's money; answered by `balance`."""

    id: IdField = 0


class AskOpenBets(Asked, frozen=True, kw_only=True, tag="open_bets"):
    """Ask for the bets that are pending or unsettled, oldest first; answered by `open_bets`."""

    id: IdField = 0
    after_bet_id: BetIdField = 0
    limit: Annotated[int, Meta(ge=1, le=OPEN_BETS_MAX)] = OPEN_BETS_MAX


class WatchAccount(Asked, frozen=True, kw_only=True, tag="watch_account"):
    """Begin (or end) to receive `bet_event` and `money_event` of the token's account."""

    id: IdField = 0
    on: bool = True


# --- from everyone -------------------------------------------------------------------------------


class Seen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A market whose image the client holds, and the version it has reached."""

    market: MarketNoField
    version: VersionField


class Subscribe(Asked, frozen=True, kw_only=True, tag="subscribe"):
    """Follow markets by number, by key, by fixture, or all; answered by `subscribed`.

    Each market then sends its `market` image, and `odds` whenever it changes. A market named in
    `seen` sends only `odds`, and that only if it has moved past the version seen. Markets created
    later join by themselves under `fixtures` and `all`.
    """

    id: IdField = 0
    markets: Annotated[tuple[MarketNoField, ...], Meta(max_length=NAMES_MAX)] = ()
    keys: Annotated[tuple[KeyField, ...], Meta(max_length=NAMES_MAX)] = ()
    fixtures: Annotated[tuple[FixtureField, ...], Meta(max_length=NAMES_MAX)] = ()
    all: bool = False
    seen: Annotated[tuple[Seen, ...], Meta(max_length=NAMES_MAX)] = ()


class Unsubscribe(Asked, frozen=True, kw_only=True, tag="unsubscribe"):
    """Stop following; `all` ends every subscription. Answered by `subscribed`."""

    id: IdField = 0
    markets: Annotated[tuple[MarketNoField, ...], Meta(max_length=NAMES_MAX)] = ()
    fixtures: Annotated[tuple[FixtureField, ...], Meta(max_length=NAMES_MAX)] = ()
    all: bool = False


# --- from traders --------------------------------------------------------------------------------


class Control(Asked, frozen=True, kw_only=True, tag="control"):
    """Command markets; answered by `controlled`: one event or refusal for each, in this order.

    Commands on markets of one shell are applied in order and journaled with the token's identity;
    commands on different shells run side by side.
    """

    id: IdField = 0
    commands: Annotated[tuple[TraderCommand, ...], Meta(min_length=1, max_length=COMMANDS_MAX)]


class SuspendAll(Asked, frozen=True, kw_only=True, tag="suspend_all"):
    """Suspend every market, or every market of a fixture; answered by `suspended_all`."""

    id: IdField = 0
    fixture: Annotated[str, Meta(pattern=r"^[A-Za-z0-9:._-]{0,64}\Z")] = ""
    why: WhyField = ""


class Reprice(Asked, frozen=True, kw_only=True, tag="reprice"):
    """Price a fixture's markets anew inside the shells that own them; answered by `controlled`.

    `pricing` is an object of `model` and `state` (of football: rates, dependence, shares; period,
    clock, goals, red cards) and optionally `sport`, `margin` (method, book sums, rounding) and
    `lean` (how odds follow the book); docs/pricing.md lists their fields. With `suspend`, the
    reason, active markets are suspended first; with `resume` the suspended ones take bets again
    afterwards. In each shell all of it is one journal record, so no bet comes in between. The
    answer holds the events of every shell, market by market.
    """

    id: IdField = 0
    fixture: FixtureField
    pricing: Annotated[dict[str, Any], Meta(max_length=5)]
    suspend: WhyField = ""
    resume: bool = False


class ListMarkets(Asked, frozen=True, kw_only=True, tag="list"):
    """Ask for a page of markets by number, after a number; answered by `markets`."""

    id: IdField = 0
    fixture: Annotated[str, Meta(pattern=r"^[A-Za-z0-9:._-]{0,64}\Z")] = ""
    after: Annotated[int, Meta(ge=-1, le=(1 << 32) - 1)] = -1
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 100


class AskBook(Asked, frozen=True, kw_only=True, tag="book"):
    """Ask for a market's image with limits and liability per outcome; answered by `book`."""

    id: IdField = 0
    market: MarketNoField


ClientMessage = (
    Place
    | PlaceMany
    | AskStatus
    | AskBalance
    | AskOpenBets
    | WatchAccount
    | Subscribe
    | Unsubscribe
    | Control
    | SuspendAll
    | Reprice
    | ListMarkets
    | AskBook
    | AskExposure
    | AskSureProfit
    | FeedPush
    | FeedAttach
    | FeedWishDone
    | AskFeedStats
)

# --- to everyone ---------------------------------------------------------------------------------


class Welcome(Sent, frozen=True, kw_only=True, tag="welcome"):
    """The first message of a session: who the gateway takes the client for, and its bounds."""

    role: str
    sub: str
    account: int | None = None
    frame_bytes_max: int
    frames_a_second: int
    bets_in_flight_max: int
    place_many_max: int = PLACE_MANY_MAX


class Error(Sent, frozen=True, kw_only=True, tag="error"):
    """A message was refused; `code` is a reason number, `message` names field and bound.

    `ref` and `id` repeat those of the message when they could be read.
    """

    code: int
    message: str
    ref: str = ""
    id: int = 0


class Subscribed(Sent, frozen=True, kw_only=True, tag="subscribed"):
    """Subscriptions stand; `markets` are followed now, `unknown` names nobody hosts."""

    id: int = 0
    markets: int = 0
    unknown: tuple[str, ...] = ()


class Market(Sent, frozen=True, kw_only=True, tag="market"):
    """A market's whole image; `version` is the sequence number that later `odds` continue."""

    market: int
    key: str
    status: str
    version: int
    outcomes: tuple[str, ...]
    odds_milli: tuple[int, ...]
    active: tuple[bool, ...]


class Odds(Sent, frozen=True, kw_only=True, tag="odds"):
    """A market's moving part in absolute values; versions rise and may skip, none is needed twice.

    A client that holds an equal or later version ignores it.
    """

    market: int
    version: int
    status: str
    odds_milli: tuple[int, ...]
    active: tuple[bool, ...]


# --- to bettors ----------------------------------------------------------------------------------


class Bet(Sent, frozen=True, kw_only=True, tag="bet"):
    """The answer to a placed bet: accepted, rejected, or unknown (then ask `status`).

    `reason` and `message` say why not; `retryable` whether the same selection may pass later or
    with changed stake or odds; `stake_max_minor` is the highest stake that would have passed and
    `odds_milli` the odds accepted, or now offered.
    """

    ref: str
    state: str
    bet_id: int = 0
    odds_milli: int = 0
    reason: int = 0
    message: str = ""
    retryable: bool = False
    stake_max_minor: int = 0


class SlipView(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One bet as its account's books hold it: pending, accepted, rejected or settled."""

    bet_id: int
    ref: str
    market: int
    outcome: int
    stake_minor: int
    odds_milli: int
    state: str
    placed_at_ns: int = 0
    reason: int = 0
    message: str = ""
    stake_max_minor: int = 0
    result: str = "none"
    payout_minor: int = 0
    settlement_no: int = 0


class SlipAnswer(Sent, frozen=True, kw_only=True, tag="slip"):
    """What became of a bet."""

    id: int = 0
    slip: SlipView


class BalanceAnswer(Sent, frozen=True, kw_only=True, tag="balance"):
    """The account's money, split by what may be done with it."""

    id: int = 0
    account: AccountNoField
    currency: str
    available_minor: int
    pending_minor: int = 0
    at_stake_minor: int = 0
    owed_minor: int = 0


class OpenBetsAnswer(Sent, frozen=True, kw_only=True, tag="open_bets"):
    """A page of open bets; `more` when the next page is not empty (ask after the last bet id)."""

    id: int = 0
    bets: tuple[SlipView, ...] = ()
    more: bool = False


class Watching(Sent, frozen=True, kw_only=True, tag="watching"):
    """Whether the account's events come from now on."""

    id: int = 0
    on: bool = False


class BetEvent(Sent, frozen=True, kw_only=True, tag="bet_event"):
    """Something happened to a bet of a watched account.

    `posted`: accepted, placed by another session on this gateway. `resolved`: the verdict of a bet
    whose answer had been lost. `settled`: paid, lost or refunded; a `settlement_no` above 1
    replaces an earlier settlement. `reopened`: a settlement was taken back with what it paid, and
    the bet is accepted as before. Events may be lost with a process; `status` is the truth.
    """

    event: Literal["posted", "resolved", "settled", "reopened"]
    slip: SlipView


class MoneyEvent(Sent, frozen=True, kw_only=True, tag="money_event"):
    """Money came into a watched account, or left it; `balance` is the truth."""

    event: Literal["deposited", "withdrawn"]
    amount_minor: int
    available_minor: int
    ref: str = ""


# --- to traders ----------------------------------------------------------------------------------


class Controlled(Sent, frozen=True, kw_only=True, tag="controlled"):
    """What each command did; `refused` events changed nothing, unless their reason is UNKNOWN."""

    id: int = 0
    events: tuple[MarketEvent, ...] = ()


class SuspendedAll(Sent, frozen=True, kw_only=True, tag="suspended_all"):
    """How many markets were suspended, how many took no bets anyway, and which did not answer."""

    id: int = 0
    suspended: int = 0
    unchanged: int = 0
    failed: tuple[int, ...] = ()


class MarketLine(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One market of a list; version -1 when its prices have not arrived yet."""

    market: int
    key: str
    shell: str
    status: str = ""
    version: int = -1


class Markets(Sent, frozen=True, kw_only=True, tag="markets"):
    """A page of markets; `more` when there are higher numbers."""

    id: int = 0
    markets: tuple[MarketLine, ...] = ()
    more: bool = False


class Book(Sent, frozen=True, kw_only=True, tag="book"):
    """A market's prices and, in base currency, the book behind them.

    `stake_minor[i]` was taken on outcome i; `liability_minor[i]` is what the house pays if it wins,
    less all stakes taken. A market that is `held` opens by a trader's word alone. `results_stand`
    says that bets are settled, also where the market was cancelled later; `windows` of cancelled
    bets are refunded.
    """

    id: int = 0
    market: int
    key: str
    status: str
    version: int
    outcomes: tuple[str, ...]
    odds_milli: tuple[int, ...]
    active: tuple[bool, ...]
    limits: Limits
    bets: int
    stake_taken_minor: int
    payout_minor: tuple[int, ...]
    liability_minor: tuple[int, ...]
    stake_minor: tuple[int, ...] = ()
    settlement_no: int = 0
    held: bool = False
    results_stand: bool = False
    windows: int = 0


ServerMessage = (
    Welcome
    | Error
    | Subscribed
    | Market
    | Odds
    | Bet
    | SlipAnswer
    | BalanceAnswer
    | OpenBetsAnswer
    | Watching
    | BetEvent
    | MoneyEvent
    | Controlled
    | SuspendedAll
    | Markets
    | Book
    | Exposure
    | SureProfit
    | FeedPushed
    | FeedAttached
    | FeedWish
    | FeedStats
)
