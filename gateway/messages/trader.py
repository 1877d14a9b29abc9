"""Messages between traders and gateways: market commands, lists, books and repricing.

Owns schemas only; engine.market decides what a command does.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from engine.common.acceptance import Acceptance, AcceptanceCommand
from engine.common.book_result import BookResult
from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CloseMarket,
    HandOverMarket,
    Limits,
    MarketNoField,
    OpenMarket,
    ResetSource,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetLimits,
    SetOdds,
    SettleMarket,
    SuspendMarket,
    WhyField,
)
from engine.common.corrections import CorrectionCommand
from engine.common.early import BeginPlay, PayEarly
from engine.common.events import MarketEvent
from engine.common.ids import MarketNo
from engine.common.outcome_marks import OutcomeCommand
from engine.common.previews import ExpectedMarket
from engine.common.units import Minor
from gateway.messages.base import FixtureField, FromClient, FromGateway, IdField, Stale, enumerated
from gateway.messages.market import STATUS_NAMES, StatusWord
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
    | BeginPlay
    | PayEarly
    | ResetSource
    | OutcomeCommand
    | CorrectionCommand
    | AcceptanceCommand
)
"""The commands of a control session; it cannot create markets, the directory does."""


class Control(FromClient, frozen=True, kw_only=True, tag="control"):
    """Command markets; answered by `controlled`: one event or refusal per command, in order.

    Commands on markets of one shell are applied in order and journaled with the token's identity;
    commands on different shells run concurrently. Of a message that breaks this schema, what stops
    betting (`suspend_market`, `suspend_outcomes`, `hand_over_market`, `close_market`,
    `cancel_market`) is obeyed when its market can be read, with `why` shortened, and `controlled`
    refuses every other command of it. A `close_market` or `cancel_market` with an unknown field
    suspends its market, and so does a `suspend_outcomes` whose outcomes cannot be read. A command
    by which bets are paid is refused (955) where its market is not as `expected` any more.
    """

    id: IdField = 0
    commands: Annotated[tuple[TraderCommand, ...], Meta(min_length=1, max_length=COMMANDS_MAX)]
    expected: Annotated[tuple[ExpectedMarket, ...], Meta(max_length=COMMANDS_MAX)] = ()


class SuspendAll(FromClient, frozen=True, kw_only=True, tag="suspend_all"):
    """Suspend every market, or every market of a fixture; answered by `suspended_all`.

    The stop is the sender's: beside it stand those of others, and a market takes bets again when
    the last is undone. It is obeyed too when it has unknown fields, or a `why` that is too long and
    is shortened.
    """

    id: IdField = 0
    fixture: Annotated[str, Meta(pattern=r"^[A-Za-z0-9:._-]{0,64}\Z")] = ""
    why: WhyField = ""


class ResumeAll(FromClient, frozen=True, kw_only=True, tag="resume_all"):
    """Undo the sender's `suspend_all` for every market, or those of a fixture; see `resumed_all`.

    Only markets that the sender's `suspend_all` holds are resumed, and only to what they were: a
    market that somebody else has stopped stays stopped, whether before or after, and one whose feed
    has stopped it waits for its feed. A head trader undoes everybody's `suspend_all` with `force`.
    """

    id: IdField = 0
    fixture: Annotated[str, Meta(pattern=r"^[A-Za-z0-9:._-]{0,64}\Z")] = ""
    force: bool = False


class Reprice(FromClient, frozen=True, kw_only=True, tag="reprice"):
    """Reprice a fixture's markets inside the shells that own them; answered by `controlled`.

    `pricing` is an object of `model` and `state` (of football: rates, dependence, shares; period,
    clock, goals, red cards) and optionally `sport`, `margin` (method, book sums, rounding) and
    `skew` (how odds follow the book); docs/pricing.md lists their fields. With a `suspend` reason,
    active markets are suspended first; with `resume`, suspended markets are resumed afterwards. In
    each shell all of it is one journal record, so no bet comes in between. The answer holds the
    events of every shell, market by market. Where the repricing is refused, its `suspend` is obeyed
    all the same, as a `suspend_all` of the fixture.
    """

    id: IdField = 0
    fixture: FixtureField
    pricing: Annotated[dict[str, Any], Meta(max_length=5)]
    suspend: WhyField = ""
    resume: bool = False


class ListMarkets(FromClient, frozen=True, kw_only=True, tag="list"):
    """Ask for a page of markets with numbers above `after`; answered by `markets`."""

    id: IdField = 0
    fixture: Annotated[str, Meta(pattern=r"^[A-Za-z0-9:._-]{0,64}\Z")] = ""
    after: Annotated[int, Meta(ge=-1, le=(1 << 32) - 1)] = -1
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 100


class AskBook(FromClient, frozen=True, kw_only=True, tag="book"):
    """Ask for a market's image with limits and liability per outcome; answered by `book`."""

    id: IdField = 0
    market: MarketNoField


class Controlled(FromGateway, frozen=True, kw_only=True, tag="controlled"):
    """The result of each command; a `refused` one changed nothing, unless its reason is UNKNOWN."""

    id: int = 0
    events: tuple[MarketEvent, ...] = ()


class SuspendedAll(FromGateway, frozen=True, kw_only=True, tag="suspended_all"):
    """How many markets the sender's stop holds since now, and how many have no change.

    `unchanged` were stopped by the sender before, or take no bets that anything could start.
    `failed` names up to a thousand without an answer, which may be suspended. Of all of these
    `owed` are kept: their shells get the stop before they take bets again.
    """

    id: int = 0
    suspended: int = 0
    unchanged: int = 0
    failed: tuple[int, ...] = ()
    owed: int = 0


class ResumedAll(FromGateway, frozen=True, kw_only=True, tag="resumed_all"):
    """The result of `resume_all` for each market that it was sent to.

    `resumed` accept bets again. `released` lose the sender's stop and keep their status: their feed
    has stopped them, a trader holds them by themselves, or betting has ended. `kept` stay stopped
    since the stops of `others` stand, of whom up to a hundred are named; of stops past seven in one
    market the name is `several`. `unchanged` were not suspended by a `suspend_all`. `failed` names
    up to a thousand without an answer, which may have resumed.
    """

    id: int = 0
    resumed: int = 0
    released: int = 0
    unchanged: int = 0
    failed: tuple[int, ...] = ()
    kept: int = 0
    others: tuple[str, ...] = ()


class MarketLine(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One market of a list; version -1 when its prices have not arrived yet."""

    market: MarketNo
    key: str
    shell: str
    status: Annotated[str, enumerated(("", *STATUS_NAMES.values()))] = ""
    version: int = -1
    stale: Stale = ""


class Markets(FromGateway, frozen=True, kw_only=True, tag="markets"):
    """A page of markets; with `more`, there are markets with higher numbers."""

    id: int = 0
    markets: tuple[MarketLine, ...] = ()
    more: bool = False


class Book(FromGateway, frozen=True, kw_only=True, tag="book"):
    """A market's odds and its book, in base currency.

    `stake_minor[i]` was taken on outcome i; `liability_minor[i]` is what the house pays if outcome
    i wins, less all stakes taken. Cancelled bets count in none of these figures; `bets` counts
    them, and `windows` the windows in which bets are cancelled. `results[i]` is what outcome i has
    brought (staked, refunded, paid, profit) and `result` their sum. Only a trader can resume a
    market that is `held`: those of `stopped_by` have suspended it with others, and with
    `held_alone` a trader has stopped it by itself. A trader holds the outcomes of `outcome_held`,
    and the odds of those of `overridden` stand until they are released; `due_odds_milli` are the
    odds that each outcome would then have. `results_stand` says that bets are settled, also where
    the market was cancelled later. `fixture_worst_minor` is what the house loses on the whole
    fixture at its worst score, as `fixture_liability_minor_max` counts it; missing where no market
    of it has that limit.
    `acceptance` says whether bets are delayed or referred. A `stale` book is what the market's
    damaged journal still gives: bets may be missing from every figure.
    """

    id: int = 0
    market: MarketNo
    key: str
    status: StatusWord
    version: int
    outcomes: tuple[str, ...]
    odds_milli: tuple[int, ...]
    active: tuple[bool, ...]
    limits: Limits
    bets: int
    stake_taken_minor: Minor
    payout_minor: tuple[int, ...]
    liability_minor: tuple[int, ...]
    stake_minor: tuple[int, ...] = ()
    settlement_no: int = 0
    held: bool = False
    results_stand: bool = False
    windows: int = 0
    stale: Stale = ""
    results: tuple[BookResult, ...] = ()
    result: BookResult = BookResult()
    fixture_worst_minor: int | None = None
    outcome_held: tuple[bool, ...] = ()
    overridden: tuple[bool, ...] = ()
    due_odds_milli: tuple[int, ...] = ()
    acceptance: Acceptance = Acceptance()
    stopped_by: tuple[str, ...] = ()
    held_alone: bool = False
