"""The kinds of records and one codec for each payload.

Owns the layout of payloads (rows as raw bytes, documents as msgpack) and the checks of decoding.
A change of any payload's layout raises `LAYOUT_VERSION`. Never applies a record to a machine.
"""

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from engine.common.commands import LedgerCommand, MarketCommand
from engine.common.events import LedgerEvent, MarketEvent
from engine.common.ids import ShardNo
from engine.common.rows import (
    BET,
    CHARGE,
    DECISION,
    RESERVATION,
    RESERVED,
    SETTLEMENT,
    SETTLEMENT_2,
    SLIP_BET,
    Rows,
    settlements_from_2,
)
from engine.common.rules import RULES_FIRST
from persistence.disk import Buffer, Bytes

BY_CHARS_MAX: Final = 128
"""Longest name of the sender of commands, in characters."""
NO_SHARD: Final = ShardNo(0)
"""Shard number in the mark of a machine that has no shards."""


class Kind(IntEnum):
    """The kind of a payload. A number is never reused."""

    EPOCH = 1
    """A writer's start: its machine and shard, and the torn bytes that it cut."""
    BETS = 2
    """A batch of bets and their decisions."""
    CONTROL = 3
    """Commands, their sender, and their events."""
    EXCHANGE = 4
    """Verdicts and reservations of an account shard, and the answers to the reservations; none of
    the reservations is a slip of several legs."""
    SETTLEMENTS_2 = 5
    """Settlements that an account shard applied, in layouts 1 and 2: they carry no odds."""
    SNAPSHOT = 6
    """A machine's whole state, in a file of its own and never in the chain."""
    DOCUMENT = 7
    """A document that only its writer can interpret."""
    SETTLEMENTS = 8
    """Settlements that an account shard applied or holds as disputes."""
    CLOSE = 9
    """An orderly end: the last record before a new epoch, without a payload."""
    EXCHANGE_SLIPS = 10
    """As EXCHANGE, with the bets of slips of several legs."""
    CHARGES = 11
    """Charges of legs: those that a market applied, or those that an account shard noted as
    applied."""


class PayloadError(ValueError):
    """A payload does not have the layout of its kind, or a command is outside its bounds."""


class EpochMark(Struct, frozen=True, kw_only=True):
    """The writer of the following records: machine, shard, rules, and the torn bytes it cut."""

    machine: str
    shard: ShardNo = NO_SHARD
    cut_bytes: int = 0
    rules: int = RULES_FIRST
    """Version of the rules that the following records obey (see engine.common.rules)."""


class MarketControlRecord(Struct, frozen=True, kw_only=True):
    """Commands to markets, their sender, and one event for each."""

    by: str
    commands: tuple[MarketCommand, ...]
    events: tuple[MarketEvent, ...]


class LedgerControlRecord(Struct, frozen=True, kw_only=True):
    """Commands to a ledger, their sender, and one event for each."""

    by: str
    commands: tuple[LedgerCommand, ...]
    events: tuple[LedgerEvent, ...]


class Exchange(NamedTuple):
    """One call of an account shard: verdicts, reservations, and an answer to each reservation.

    `slip_bets` are the bets of the slips among the reservations, in the order of their heads.
    """

    verdicts: Rows
    reservations: Rows
    slip_bets: Rows
    answers: Rows


_COUNTS: Final = struct.Struct("<II")
_SLIP_COUNTS: Final = struct.Struct("<III4x")
"""Three counts, and zeros so that the rows behind them keep 8-byte alignment."""
_BET_AND_DECISION: Final = BET.itemsize + DECISION.itemsize
_RESERVATION_AND_ANSWER: Final = RESERVATION.itemsize + RESERVED.itemsize
_MARK: Final = msgspec.msgpack.Decoder(EpochMark)
_MARKET_CONTROL: Final = msgspec.msgpack.Decoder(MarketControlRecord)
_LEDGER_CONTROL: Final = msgspec.msgpack.Decoder(LedgerControlRecord)
_MARKET_COMMANDS: Final = msgspec.msgpack.Decoder(tuple[MarketCommand, ...])
_LEDGER_COMMANDS: Final = msgspec.msgpack.Decoder(tuple[LedgerCommand, ...])
_ENCODER: Final = msgspec.msgpack.Encoder()


def bets_bytes(count: int) -> int:
    """Return the payload's length in bytes for a batch of `count` bets."""
    return count * _BET_AND_DECISION


def encode_bets(rows: Rows, decisions: Rows) -> list[Buffer]:
    """Encode a batch: all bets, then all decisions."""
    return [rows.tobytes(), decisions.tobytes()]


def decode_bets(payload: Bytes) -> tuple[Rows, Rows]:
    """Return views of the bets and of their decisions."""
    count, rest = divmod(len(payload), _BET_AND_DECISION)
    if rest:
        message = f"{len(payload)} bytes are not a whole number of bets with decisions"
        raise PayloadError(message)
    split = count * BET.itemsize
    return np.frombuffer(payload[:split], BET), np.frombuffer(payload[split:], DECISION)


def exchange_bytes(*, verdicts: int, reservations: int, slip_bets: int = 0) -> int:
    """Return the payload's length in bytes for an exchange of so many rows."""
    counts = _SLIP_COUNTS if slip_bets else _COUNTS
    return (
        counts.size
        + verdicts * DECISION.itemsize
        + reservations * _RESERVATION_AND_ANSWER
        + slip_bets * SLIP_BET.itemsize
    )


def exchange_kind(slip_bets: Rows) -> Kind:
    """Return the kind of an exchange's record: without bets of slips it is the one of old."""
    return Kind.EXCHANGE_SLIPS if len(slip_bets) else Kind.EXCHANGE


def encode_exchange(
    verdicts: Rows, reservations: Rows, slip_bets: Rows, answers: Rows
) -> list[Buffer]:
    """Encode an exchange: the counts, verdicts, reservations, bets of slips, answers."""
    counts = _COUNTS.pack(len(verdicts), len(reservations))
    if len(slip_bets):
        counts = _SLIP_COUNTS.pack(len(verdicts), len(reservations), len(slip_bets))
    rows = (verdicts, reservations, slip_bets, answers)
    return [counts, *(each.tobytes() for each in rows)]


def decode_exchange(payload: Bytes, kind: int = Kind.EXCHANGE) -> Exchange:
    """Return views of the verdicts, the reservations, the bets of slips and the answers.

    Raises
    ------
    PayloadError
        When the payload does not hold what its counts say, or has no bets in a record that is
        written for them.
    """
    counts = _SLIP_COUNTS if kind == Kind.EXCHANGE_SLIPS else _COUNTS
    if len(payload) < counts.size:
        number = "three" if kind == Kind.EXCHANGE_SLIPS else "two"
        raise PayloadError(f"the exchange is shorter than its {number} counts")
    verdicts, reservations, slip_bets = (*counts.unpack_from(payload), 0)[:3]
    if kind == Kind.EXCHANGE_SLIPS and (not slip_bets or any(payload[12 : counts.size])):
        raise PayloadError(
            "the exchange of slips has no bets of slips, or no zeros behind its counts"
        )
    size = exchange_bytes(verdicts=verdicts, reservations=reservations, slip_bets=slip_bets)
    if size != len(payload):
        bets = f", {slip_bets} bets of slips" if slip_bets else ""
        message = (
            f"{len(payload)} bytes do not hold {verdicts} verdicts, "
            f"{reservations} reservations{bets}"
        )
        raise PayloadError(message)
    parts: list[Rows] = []
    start = counts.size
    for count, dtype in (
        (verdicts, DECISION),
        (reservations, RESERVATION),
        (slip_bets, SLIP_BET),
        (reservations, RESERVED),
    ):
        end = start + count * dtype.itemsize
        parts.append(np.frombuffer(payload[start:end], dtype))
        start = end
    return Exchange(*parts)


def encode_charges(rows: Rows) -> list[Buffer]:
    """Encode charges of legs."""
    return [rows.tobytes()]


def decode_charges(payload: Bytes) -> Rows:
    """Return a view of the charges.

    Raises
    ------
    PayloadError
        When the payload is not a whole number of them.
    """
    if len(payload) % CHARGE.itemsize:
        raise PayloadError(f"{len(payload)} bytes are not a whole number of charges")
    rows: Rows = np.frombuffer(payload, CHARGE)
    return rows


def encode_settlements(rows: Rows) -> list[Buffer]:
    """Encode settlements."""
    return [rows.tobytes()]


def decode_settlements(payload: Bytes, kind: int = Kind.SETTLEMENTS) -> Rows:
    """Return the settlements of a record of either kind as SETTLEMENT rows."""
    dtype = SETTLEMENT_2 if kind == Kind.SETTLEMENTS_2 else SETTLEMENT
    if len(payload) % dtype.itemsize:
        message = f"{len(payload)} bytes are not a whole number of settlements"
        raise PayloadError(message)
    rows: Rows = np.frombuffer(payload, dtype)
    return settlements_from_2(rows) if kind == Kind.SETTLEMENTS_2 else rows


def encode_commands(commands: Sequence[Any]) -> bytes:
    """Encode commands as a journal holds them."""
    return _ENCODER.encode(tuple(commands))


def decode_market_commands(data: bytes) -> tuple[MarketCommand, ...]:
    """Decode commands to markets, checking every bound.

    Raises
    ------
    PayloadError
        With the field and its bound.
    """
    try:
        return _MARKET_COMMANDS.decode(data)
    except msgspec.MsgspecError as error:
        raise PayloadError(str(error)) from error


def decode_ledger_commands(data: bytes) -> tuple[LedgerCommand, ...]:
    """Decode commands to a ledger, checking every bound.

    Raises
    ------
    PayloadError
        With the field and its bound.
    """
    try:
        return _LEDGER_COMMANDS.decode(data)
    except msgspec.MsgspecError as error:
        raise PayloadError(str(error)) from error


def encode_control(*, by: str, commands: bytes, events: Sequence[Any]) -> bytes:
    """Encode the sender, the commands (already encoded) and their events as one document."""
    return _ENCODER.encode({"by": by, "commands": msgspec.Raw(commands), "events": tuple(events)})


def decode_market_control(payload: Bytes) -> MarketControlRecord:
    """Decode commands to markets and their events; those of layouts 1 to 3 under today's names."""
    try:
        return _MARKET_CONTROL.decode(payload)
    except msgspec.MsgspecError as error:
        try:
            return _older_market_control(payload)
        except msgspec.MsgspecError:
            raise PayloadError(str(error)) from error


def _older_market_control(payload: Bytes) -> MarketControlRecord:
    """Decode a record whose events have the field `payouts_check` as `payout_minor`."""
    document = msgspec.msgpack.decode(payload)
    match document:
        case {"events": [*events]}:
            renamed = {**document, "events": [_with_payouts_check(event) for event in events]}
            return msgspec.convert(renamed, MarketControlRecord)
    raise msgspec.ValidationError("no events")


def _with_payouts_check(event: Any) -> Any:
    match event:
        case {"events": [*events]}:
            return {**event, "events": [_with_payouts_check(each) for each in events]}
        case {"payout_minor": figure, **others}:
            return {**others, "payouts_check": figure}
    return event


def decode_ledger_control(payload: Bytes) -> LedgerControlRecord:
    """Decode commands to a ledger and their events."""
    try:
        return _LEDGER_CONTROL.decode(payload)
    except msgspec.MsgspecError as error:
        raise PayloadError(str(error)) from error


def encode_epoch(mark: EpochMark) -> bytes:
    """Encode a writer's mark."""
    return _ENCODER.encode(mark)


def decode_epoch(payload: Bytes) -> EpochMark:
    """Decode a writer's mark."""
    try:
        return _MARK.decode(payload)
    except msgspec.MsgspecError as error:
        raise PayloadError(str(error)) from error


def same_rows(given: Rows, stored: Rows) -> bool:
    """Return whether two row arrays have the same bytes."""
    if len(given) != len(stored):
        return False
    return bool(np.array_equal(given.view(np.uint64), stored.view(np.uint64)))
