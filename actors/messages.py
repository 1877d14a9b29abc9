"""Messages between shells, supervisor, reconciler and gateways, besides rows of bets.

Owns the internal msgpack messages; never those of the public protocol, which are the gateway's.
All parts run the same release, so internal messages carry no version.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from actors.weights import Allowance
from engine.common.commands import CreateMarket, LedgerCommand, Limits, MarketCommand
from engine.common.events import LedgerEvent, MarketEvent, Refused
from engine.common.fixtures import Fixture, FixtureChange
from engine.common.house import HouseStop
from engine.common.ids import AccountNo, MarketNo, ShardNo
from engine.common.previews import Preview, PreviewCommand
from engine.common.reasons import Reason
from engine.common.units import Nanos
from engine.common.views import (
    Balance,
    BookImage,
    EarlyStanding,
    FreeBetView,
    GridImage,
    LedgerTotals,
    OfferView,
    PriceDelta,
    PriceImage,
    Slip,
    StakesImage,
)

BATCH_ROWS_MAX: Final = 4_096
"""Most rows of one call between parts; a caller with more rows makes more calls."""

AUDIT_ROWS_MAX: Final = 131_072
"""Rows of bets or slips in one page of an audit."""


class ShellState(StrEnum):
    """Whether a shell serves calls."""

    STARTING = "starting"
    SERVING = "serving"
    QUARANTINED = "quarantined"
    """Its journal is damaged or its restart budget is spent: it answers reads, refuses the rest."""
    DOWN = "down"


class MarketControl(Struct, frozen=True, kw_only=True):
    """Commands for one shell's markets, applied in order, journaled as one record.

    `by` is the identity that sent them, for example ``trader:anna`` or ``feed:uof``. With an
    `allowance`, those that decide money are refused together where they pass it.
    """

    by: str
    commands: tuple[MarketCommand, ...]
    allowance: Allowance | None = None


class LedgerControl(Struct, frozen=True, kw_only=True):
    """Commands for one account shard, applied in order, journaled as one record."""

    by: str
    commands: tuple[LedgerCommand, ...]


class StatusQuery(Struct, frozen=True, kw_only=True, tag_field="q", tag="status"):
    """Query one bet by its ref; the answer is a Slip or None."""

    account_no: AccountNo
    ref: str


class BalanceQuery(Struct, frozen=True, kw_only=True, tag_field="q", tag="balance"):
    """Query an account's balance; the answer is a Balance or None.

    Its free bets are the newest ones, or those before the number `before_free_bet`.
    """

    account_no: AccountNo
    before_free_bet: int = 0


class OpenBetsQuery(Struct, frozen=True, kw_only=True, tag_field="q", tag="open_bets"):
    """Query the pending and the unsettled accepted bets: Slips, oldest first, after a bet id.

    At most `limit` slips; the one with which they have more than `parts_max` legs and bets is the
    last one.
    """

    account_no: AccountNo
    after_bet_id: int = 0
    limit: int = 100
    parts_max: int = 1_024


class HistoryQuery(Struct, frozen=True, kw_only=True, tag_field="q", tag="history"):
    """Query the settled bets, newest first, before a bet id; the answer is a SlipPage.

    It is None when the account does not have the bet that the page is before. At most `limit`
    slips, and no slip with which they would have more than `parts_max` legs and bets.
    """

    account_no: AccountNo
    before_bet_id: int = 0
    limit: int = 100
    parts_max: int = 1_024


class HouseQuery(Struct, frozen=True, kw_only=True, tag_field="q", tag="house"):
    """Query whether the house is stopped in this shard; the answer is a HouseStop or None."""


class AccountViewQuery(Struct, frozen=True, kw_only=True, tag_field="q", tag="view"):
    """Query an account as traders see it; the answer is an AccountView or None."""

    account_no: AccountNo


class AccountTotalsQuery(Struct, frozen=True, kw_only=True, tag_field="q", tag="totals"):
    """Query a page of an account's totals since a time, the newest bets first: AccountTotals.

    It is None when the account does not have the bet that the page is before.
    """

    account_no: AccountNo
    since_ns: int = 0
    before_bet_id: int = 0


class ExposedQuery(Struct, frozen=True, kw_only=True, tag_field="q", tag="exposed"):
    """Query the accounts on which the house can lose most; the answer is ExposedAccounts."""

    limit: int


AccountQuery = (
    StatusQuery
    | BalanceQuery
    | OpenBetsQuery
    | HistoryQuery
    | AccountViewQuery
    | AccountTotalsQuery
    | HouseQuery
    | ExposedQuery
)


class ShellHealth(Struct, frozen=True, kw_only=True):
    """A shell's answer to the supervisor's tick."""

    name: str
    state: ShellState
    pid: int
    epoch: int
    seq: int
    markets: int = 0
    bets: int = 0
    found_seq: int = 0
    """The last record that the process found when it started."""
    journal_bytes: int = 0
    journal_segments: int = 0
    unsnapshotted_bytes: int = 0
    """Bytes journaled since the last snapshot was begun."""
    snapshot_seq: int = 0
    """The last record of the newest snapshot, 0 for none."""
    snapshot_ns: Nanos = Nanos(0)
    snapshot_bytes: int = 0
    snapshot_trouble: str = ""
    """Why the last snapshot was not written, empty if it was."""
    recovered_bets: int = 0
    recovery_ms: float = 0.0
    clock_jumps: int = 0
    """Jumps of the wall clock that the shell has seen."""
    clock_behind_ms: int = 0
    """How far the wall clock is behind the last record's time."""
    road_strangers: int = 0
    """Connections to the process that were closed out because they did not prove to belong here."""
    house_stopped: int = 0
    """Whether an account shard reserves no bet because the house is stopped."""
    disputes: int = 0
    """Settlements that an account shard holds because it had refused the bet or never knew it."""
    ids_reused: int = 0
    """Bets that a market shell refused since its start because another bet had their id."""
    charges_unfit: int = 0
    """Charges that a market shell received since its start of legs that it never accepted."""
    why: str = ""


class ShellStatus(Struct, frozen=True, kw_only=True):
    """A shell as its supervisor knows it; `health` is the shell's last answer to a tick.

    `outage_ms` is the length of the last outage, from its discovery until the shell served again;
    `folder` holds the shell's journal and snapshots.
    """

    name: str
    kind: str
    generation: int
    state: ShellState
    folder: str = ""
    restarts: int = 0
    outage_ms: float = 0.0
    why: str = ""
    health: ShellHealth | None = None


class ShellRoute(Struct, frozen=True, kw_only=True):
    """One shell as callers know it; `generation` rises with every process of the shell."""

    name: str
    kind: str  # "market" or "account"
    generation: int
    state: ShellState
    shard: ShardNo = ShardNo(0)
    clock_jumps: int = 0
    clock_behind: bool = False
    """Whether its records keep a time that the wall clock has not reached."""


class AccountEventKind(StrEnum):
    """The kind of a gateway's `on_account_events(payload, kind)`, and the type of its payload."""

    RESOLVED = "resolved"
    """list[Slip]: the reconciler delivered the verdict of bets whose answer had been lost."""
    SETTLED = "settled"
    """list[Slip]: a settlement or resettlement was booked, or a bet is ACCEPTED again."""
    CREDITED = "credited"
    """list[LedgerEvent]: a deposit or a withdrawal was booked."""
    OFFER_CHANGED = "offer_changed"
    """list[Slip]: what the offer of a slip gives has changed, and what the slip is paid has not."""
    GRANTED = "granted"
    """list[GrantedFreeBet]: an account was granted a free bet."""


class GrantedFreeBet(Struct, frozen=True, kw_only=True):
    """A free bet that an account was granted just now."""

    account_no: AccountNo
    free_bet: FreeBetView


class MarketRoute(Struct, frozen=True, kw_only=True):
    """Which shell hosts a market."""

    market_no: MarketNo
    key: str
    shell: str


class MarketAnswer(Struct, frozen=True, kw_only=True):
    """The answer for one market of a CreateMarkets: its route, or why there is none."""

    key: str
    route: MarketRoute | None = None
    refused: Refused | None = None


class ShellPreview(Struct, frozen=True, kw_only=True):
    """What a command would do to its market's bets, or why it would be refused.

    `seq` is the last record of the shell's journal at that instant. `refused` counts only where
    there is no `preview`. To what the preview says is moved comes what `legs` (LEG_TIMES rows) do.
    """

    seq: int = 0
    preview: Preview | None = None
    refused: Refused = Refused(reason=Reason.UNAVAILABLE)
    legs: bytes = b""


class CreateMarkets(Struct, frozen=True, kw_only=True):
    """Markets to place and create; a `market_no` of 0 lets the directory choose a number.

    A key that exists is answered with its route, so the same request may be sent again. With
    `beside`, the number of a market, all of them go to that market's shell, as those that follow it
    must. `account_no` is the account that asked for bet builders, None where no bettor did.
    """

    by: str
    markets: tuple[CreateMarket, ...]
    beside: MarketNo = MarketNo(0)
    account_no: AccountNo | None = None


FIXTURES_IN_CALL_MAX: Final = 256
"""Changes of one PutFixtures, and fixtures of one page to a gateway; more go in several calls."""


class PutFixtures(Struct, frozen=True, kw_only=True):
    """Changes of fixtures, applied in order and journaled together; `by` is whose they are."""

    by: str
    changes: Annotated[tuple[FixtureChange, ...], Meta(max_length=FIXTURES_IN_CALL_MAX)]


class FixtureAnswer(Struct, frozen=True, kw_only=True):
    """The fixture after a change, and the fields that it could not set; or why it was refused."""

    fixture: Fixture | None = None
    kept: tuple[str, ...] = ()
    refused: Refused | None = None


class BuilderRequest(Struct, frozen=True, kw_only=True, tag_field="of", tag="builder"):
    """Ask a market shell for the bet builder of some legs: its hosted markets and their outcomes.

    `by` is the identity that asks.
    """

    by: str
    legs: tuple[tuple[MarketNo, int], ...]


class PlaceMarketRequest(Struct, frozen=True, kw_only=True, tag_field="of", tag="place"):
    """Ask a market shell for the place market of a hosted win market, at the terms of now."""

    by: str
    market_no: MarketNo


DerivedRequest = BuilderRequest | PlaceMarketRequest


class DerivedAnswer(Struct, frozen=True, kw_only=True):
    """The market that follows others as asked, or why there is none.

    `market_no` is 0 where the market is not created yet: then `outcomes` are those to create,
    `limits` the least of the markets that it follows, and `live` says whether the match has begun.
    `legs` of a builder are the canonical ones, or those that a refusal names; `implied` those that
    add nothing to the others. `image` is the market as it is, and of a market that is not created
    nothing. `places`, `odds_num` and `odds_den` are a place market's terms.
    """

    key: str = ""
    market_no: MarketNo = MarketNo(0)
    outcomes: tuple[str, ...] = ()
    outcome: int = 0
    places: int = 0
    odds_num: int = 0
    odds_den: int = 0
    legs: tuple[tuple[MarketNo, int], ...] = ()
    implied: tuple[tuple[MarketNo, int], ...] = ()
    image: PriceImage | None = None
    limits: Limits = Limits()
    live: bool = False
    reason: Reason = Reason.ACCEPTED
    message: str = ""


class KnownMarket(Struct, frozen=True, kw_only=True):
    """A market that a feed has updated, with its last position of each source.

    `results_stand` says that the market's results are in force, `decided` which outcomes have a
    result while others have none.
    """

    image: PriceImage
    positions: dict[str, int] = {}
    results_stand: bool = False
    decided: tuple[int, ...] = ()


class ReconcilerStatus(Struct, frozen=True, kw_only=True):
    """What the reconciler has done, and what it cannot do now."""

    settled: int = 0
    resolved: int = 0
    charged: int = 0
    """Charges of legs of slips that were carried to the legs' markets."""
    postponed: int = 0
    compared: int = 0
    """Bets and slips compared with their counterparts since the reconciler started."""
    differences: tuple[str, ...] = ()
    """Differences found by those comparisons, the first ones."""
    differences_found: int = 0
    troubles: tuple[str, ...] = ()
    """Shells whose work fails now, each with the number of failures in a row and the reason."""
    house_stopped: int = 0
    """Account shards that reserve no bet because the house is stopped; the supervisor adds it."""
    disputes: int = 0
    """Settlements in dispute, in all account shards; the supervisor adds it."""
    ids_reused: int = 0
    """Bets refused because another bet had their id; the supervisor adds it."""
    charges_unfit: int = 0
    """Charges of legs that their market never accepted; the supervisor adds it."""
    road_strangers: int = 0
    """Connections that shells closed out as strangers'; the supervisor adds it."""


class PartsStatus(Struct, frozen=True, kw_only=True):
    """What every gateway is told of the parts that are no shells."""

    down: dict[str, str] = {}
    """Why a part does not run at this moment, by its name."""
    ports: dict[str, dict[str, int]] = {}
    """Where each gateway listens now: the port of each listener, by the gateway's name."""
    opening: bool = False
    """Whether the opening file is still being applied."""


class ReconciliationReport(Struct, frozen=True, kw_only=True):
    """The result of comparing markets' bets with accounts' slips, bet by bet.

    `in_flight` counts bets whose verdict has not reached their account yet, and charges of legs
    that have not reached the legs' markets: neither agreement nor difference. `quiet` says that no
    shard changed while its slips were read; only then are `at_stake_minor` and `pending_minor`
    compared with the slips. `differences` describes the first few of `differences_found`
    differences.
    """

    market_bets: int
    slips: int
    accepted: int
    in_flight: int
    differences: tuple[str, ...]
    differences_found: int
    totals: tuple[LedgerTotals, ...]
    sums_to_zero: bool
    quiet: bool

    @property
    def agree(self) -> bool:
        """Whether every accepted bet has an equal slip, and every currency's totals sum to zero."""
        return self.differences_found == 0 and self.sums_to_zero


encode = msgspec.msgpack.Encoder().encode
decode_market_control = msgspec.msgpack.Decoder(MarketControl).decode
decode_ledger_control = msgspec.msgpack.Decoder(LedgerControl).decode
decode_preview_command = msgspec.msgpack.Decoder(PreviewCommand).decode
decode_shell_preview = msgspec.msgpack.Decoder(ShellPreview).decode
decode_market_events = msgspec.msgpack.Decoder(list[MarketEvent]).decode
decode_ledger_events = msgspec.msgpack.Decoder(list[LedgerEvent]).decode
decode_granted = msgspec.msgpack.Decoder(list[GrantedFreeBet]).decode
decode_query = msgspec.msgpack.Decoder(AccountQuery).decode
decode_house_stop = msgspec.msgpack.Decoder(HouseStop | None).decode
decode_price_images = msgspec.msgpack.Decoder(list[PriceImage]).decode
decode_price_deltas = msgspec.msgpack.Decoder(list[PriceDelta]).decode
decode_book_images = msgspec.msgpack.Decoder(list[BookImage]).decode
decode_stakes_images = msgspec.msgpack.Decoder(list[StakesImage]).decode
decode_grid_image = msgspec.msgpack.Decoder(GridImage | None).decode
decode_health = msgspec.msgpack.Decoder(ShellHealth).decode
decode_shell_statuses = msgspec.msgpack.Decoder(list[ShellStatus]).decode
decode_create_markets = msgspec.msgpack.Decoder(CreateMarkets).decode
decode_derived_request = msgspec.msgpack.Decoder(DerivedRequest).decode
decode_derived_answer = msgspec.msgpack.Decoder(DerivedAnswer).decode
decode_put_fixtures = msgspec.msgpack.Decoder(PutFixtures).decode
decode_fixture_answers = msgspec.msgpack.Decoder(list[FixtureAnswer]).decode
decode_fixtures = msgspec.msgpack.Decoder(list[Fixture]).decode
decode_market_answers = msgspec.msgpack.Decoder(list[MarketAnswer]).decode
decode_slips = msgspec.msgpack.Decoder(list[Slip]).decode
decode_slip = msgspec.msgpack.Decoder(Slip | None).decode
decode_balance = msgspec.msgpack.Decoder(Balance | None).decode
decode_known_markets = msgspec.msgpack.Decoder(list[KnownMarket]).decode
decode_parts_status = msgspec.msgpack.Decoder(PartsStatus).decode
decode_offers = msgspec.msgpack.Decoder(list[OfferView]).decode
decode_standing_early = msgspec.msgpack.Decoder(list[EarlyStanding]).decode
decode_totals = msgspec.msgpack.Decoder(list[LedgerTotals]).decode
decode_reconciler_status = msgspec.msgpack.Decoder(ReconcilerStatus).decode
decode_reconciliation_report = msgspec.msgpack.Decoder(ReconciliationReport).decode
