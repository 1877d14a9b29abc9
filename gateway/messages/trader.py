"""Messages between traders and gateways: market commands, lists, books and repricing.

Owns schemas only; engine.market decides what a command does.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CloseMarket,
    HandOverMarket,
    Limits,
    MarketNoField,
    OpenMarket,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetLimits,
    SetOdds,
    SettleMarket,
    SuspendMarket,
    WhyField,
)
from engine.common.events import MarketEvent
from gateway.messages.base import Asked, FixtureField, IdField, Sent
from gateway.settings import COMMANDS_MAX, PAGE_MAX

TraderCommand = (
    OpenMarket
    | SetOdds
    | SetLimits
    | SuspendMarket
    | ResumeMarket
    | HandOverMarket
    | CloseMarket
    | SettleMarket
    | CancelMarket
    | CancelBets
    | RollBackCancel
    | RollBackSettlement
)
"""What a control session may ask of a market; creation is the directory's business."""


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
    `skew` (how odds follow the book); docs/pricing.md lists their fields. With `suspend`, the
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
