"""What shells, supervisor, reconciler and gateways say to one another besides rows of bets.

Owns the msgpack documents of the inside; the outside's messages are the gateway's. Each side is
the same release, so these carry no version.
"""

from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from engine.commands import LedgerCommand, MarketCommand
from engine.events import LedgerEvent, MarketEvent
from engine.views import BookImage, PriceDelta, PriceImage

BATCH_ROWS_MAX: Final = 4_096
"""Rows one call between parts may carry; a caller with more makes more calls."""


class ShellState(StrEnum):
    """What a shell will do for a caller."""

    STARTING = "starting"
    SERVING = "serving"
    QUARANTINED = "quarantined"
    """Its journal is damaged in the middle: it answers reads and refuses the rest."""
    DOWN = "down"


class MarketControl(Struct, frozen=True, kw_only=True):
    """Commands for one shell's markets, applied in order, journaled as one record.

    `by` is the identity that asked, for example ``trader:anna`` or ``feed:uof``.
    """

    by: str
    commands: tuple[MarketCommand, ...]


class LedgerControl(Struct, frozen=True, kw_only=True):
    """Commands for one account shard, applied in order, journaled as one record."""

    by: str
    commands: tuple[LedgerCommand, ...]


class StatusQuery(Struct, frozen=True, kw_only=True, tag_field="q", tag="status"):
    """What became of a bet? Answered with a Slip or None."""

    account_no: int
    ref: str


class BalanceQuery(Struct, frozen=True, kw_only=True, tag_field="q", tag="balance"):
    """How much has an account? Answered with a Balance or None."""

    account_no: int


class OpenBetsQuery(Struct, frozen=True, kw_only=True, tag_field="q", tag="open_bets"):
    """Which bets are pending or accepted and unsettled? Slips, oldest first, after a bet id."""

    account_no: int
    after_bet_id: int = 0
    limit: int = 100


AccountQuery = StatusQuery | BalanceQuery | OpenBetsQuery


class ShellHealth(Struct, frozen=True, kw_only=True):
    """A shell's answer to the supervisor's tick."""

    name: str
    state: ShellState
    pid: int
    epoch: int
    seq: int
    markets: int = 0
    bets: int = 0
    journal_bytes: int = 0
    recovered_bets: int = 0
    recovery_ms: float = 0.0
    why: str = ""


class ShellRoute(Struct, frozen=True, kw_only=True):
    """One shell as callers know it; `generation` rises with every process started for it."""

    name: str
    kind: str  # "market" or "account"
    generation: int
    state: ShellState
    shard: int = 0


class MarketRoute(Struct, frozen=True, kw_only=True):
    """Where a market lives."""

    market_no: int
    key: str
    shell: str


encode = msgspec.msgpack.Encoder().encode
decode_market_control = msgspec.msgpack.Decoder(MarketControl).decode
decode_ledger_control = msgspec.msgpack.Decoder(LedgerControl).decode
decode_market_events = msgspec.msgpack.Decoder(list[MarketEvent]).decode
decode_ledger_events = msgspec.msgpack.Decoder(list[LedgerEvent]).decode
decode_query = msgspec.msgpack.Decoder(AccountQuery).decode
decode_price_images = msgspec.msgpack.Decoder(list[PriceImage]).decode
decode_price_deltas = msgspec.msgpack.Decoder(list[PriceDelta]).decode
decode_book_images = msgspec.msgpack.Decoder(list[BookImage]).decode
decode_health = msgspec.msgpack.Decoder(ShellHealth).decode
