"""What lies inside records: the kinds, and one codec for each payload.

Owns the layout of payloads (rows raw, documents in msgpack) and its checks on the way back in.
A change of any is a new `LAYOUT_VERSION`. Never applies anything to a machine.
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
from engine.common.rows import BET, DECISION, RESERVATION, RESERVED, SETTLEMENT, Rows
from persistence.disk import Buffer, Bytes

BY_CHARS_MAX: Final = 128
"""Longest name of who gave a command."""


class Kind(IntEnum):
    """What a payload is. A number is never reused."""

    EPOCH = 1
    """A writer began: who it is, and what it cut from the tail."""
    BETS = 2
    """A batch of bets and what was decided."""
    CONTROL = 3
    """Commands, who gave them, and the events they made."""
    EXCHANGE = 4
    """Verdicts and reservations of an account shard, and the answers to the reservations."""
    SETTLEMENTS = 5
    """Settlements that an account shard applied."""
    SNAPSHOT = 6
    """A whole state; it lies in a file of its own, never in the chain."""
    DOCUMENT = 7
    """A document whose meaning is its writer's own."""


class PayloadError(ValueError):
    """A payload does not have the shape its kind promises."""


class EpochMark(Struct, frozen=True, kw_only=True):
    """Who writes from here on: the machine's name, its shard, and the torn bytes it cut."""

    machine: str
    shard: int = 0
    cut_bytes: int = 0


class MarketControlRecord(Struct, frozen=True, kw_only=True):
    """Commands to markets as they were given, and what came of each."""

    by: str
    commands: tuple[MarketCommand, ...]
    events: tuple[MarketEvent, ...]


class LedgerControlRecord(Struct, frozen=True, kw_only=True):
    """Commands to a ledger as they were given, and what came of each."""

    by: str
    commands: tuple[LedgerCommand, ...]
    events: tuple[LedgerEvent, ...]


class Exchange(NamedTuple):
    """One call of an account shard."""

    verdicts: Rows
    reservations: Rows
    answers: Rows


_COUNTS: Final = struct.Struct("<II")
_BET_AND_DECISION: Final = BET.itemsize + DECISION.itemsize
_RESERVATION_AND_ANSWER: Final = RESERVATION.itemsize + RESERVED.itemsize
_MARK: Final = msgspec.msgpack.Decoder(EpochMark)
_MARKET_CONTROL: Final = msgspec.msgpack.Decoder(MarketControlRecord)
_LEDGER_CONTROL: Final = msgspec.msgpack.Decoder(LedgerControlRecord)
_MARKET_COMMANDS: Final = msgspec.msgpack.Decoder(tuple[MarketCommand, ...])
_LEDGER_COMMANDS: Final = msgspec.msgpack.Decoder(tuple[LedgerCommand, ...])
_ENCODER: Final = msgspec.msgpack.Encoder()


def _raw(rows: Rows) -> memoryview:
    """Return rows as the bytes they are, without a copy where they lie side by side."""
    return np.ascontiguousarray(rows).view(np.uint8).data


def bets_bytes(count: int) -> int:
    """Return the payload's length for a batch of `count` bets."""
    return count * _BET_AND_DECISION


def encode_bets(rows: Rows, decisions: Rows) -> list[Buffer]:
    """Lay out a batch: all bets, then all decisions."""
    return [_raw(rows), _raw(decisions)]


def decode_bets(payload: Bytes) -> tuple[Rows, Rows]:
    """Return views of the bets and of their decisions."""
    count, rest = divmod(len(payload), _BET_AND_DECISION)
    if rest:
        message = f"{len(payload)} bytes are no whole number of bets with decisions"
        raise PayloadError(message)
    split = count * BET.itemsize
    return np.frombuffer(payload[:split], BET), np.frombuffer(payload[split:], DECISION)


def exchange_bytes(*, verdicts: int, reservations: int) -> int:
    """Return the payload's length for an exchange of so many rows."""
    return _COUNTS.size + verdicts * DECISION.itemsize + reservations * _RESERVATION_AND_ANSWER


def encode_exchange(verdicts: Rows, reservations: Rows, answers: Rows) -> list[Buffer]:
    """Lay out an exchange: two counts, verdicts, reservations, answers."""
    counts = _COUNTS.pack(len(verdicts), len(reservations))
    return [counts, _raw(verdicts), _raw(reservations), _raw(answers)]


def decode_exchange(payload: Bytes) -> Exchange:
    """Return views of the three arrays."""
    if len(payload) < _COUNTS.size:
        raise PayloadError("an exchange without its counts")
    verdicts, reservations = _COUNTS.unpack_from(payload)
    if exchange_bytes(verdicts=verdicts, reservations=reservations) != len(payload):
        message = f"{len(payload)} bytes are not {verdicts} verdicts, {reservations} reservations"
        raise PayloadError(message)
    first = _COUNTS.size + verdicts * DECISION.itemsize
    second = first + reservations * RESERVATION.itemsize
    return Exchange(
        np.frombuffer(payload[_COUNTS.size : first], DECISION),
        np.frombuffer(payload[first:second], RESERVATION),
        np.frombuffer(payload[second:], RESERVED),
    )


def encode_settlements(rows: Rows) -> list[Buffer]:
    """Lay out settlements."""
    return [_raw(rows)]


def decode_settlements(payload: Bytes) -> Rows:
    """Return a view of the settlements."""
    if len(payload) % SETTLEMENT.itemsize:
        message = f"{len(payload)} bytes are no whole number of settlements"
        raise PayloadError(message)
    return np.frombuffer(payload, SETTLEMENT)


def encode_commands(commands: Sequence[Any]) -> bytes:
    """Encode commands as a journal keeps them."""
    return _ENCODER.encode(tuple(commands))


def decode_market_commands(data: bytes) -> tuple[MarketCommand, ...]:
    """Read commands back, refusing what is outside its bounds.

    Raises
    ------
    PayloadError
        Naming the field and its bound.
    """
    try:
        return _MARKET_COMMANDS.decode(data)
    except msgspec.MsgspecError as error:
        raise PayloadError(str(error)) from error


def decode_ledger_commands(data: bytes) -> tuple[LedgerCommand, ...]:
    """Read commands back, refusing what is outside its bounds.

    Raises
    ------
    PayloadError
        Naming the field and its bound.
    """
    try:
        return _LEDGER_COMMANDS.decode(data)
    except msgspec.MsgspecError as error:
        raise PayloadError(str(error)) from error


def encode_control(*, by: str, commands: bytes, events: Sequence[Any]) -> bytes:
    """Encode who asked, the commands (encoded already) and their events, as one document."""
    return _ENCODER.encode({"by": by, "commands": msgspec.Raw(commands), "events": tuple(events)})


def decode_market_control(payload: Bytes) -> MarketControlRecord:
    """Read commands to markets and their events."""
    try:
        return _MARKET_CONTROL.decode(payload)
    except msgspec.MsgspecError as error:
        raise PayloadError(str(error)) from error


def decode_ledger_control(payload: Bytes) -> LedgerControlRecord:
    """Read commands to a ledger and their events."""
    try:
        return _LEDGER_CONTROL.decode(payload)
    except msgspec.MsgspecError as error:
        raise PayloadError(str(error)) from error


def encode_epoch(mark: EpochMark) -> bytes:
    """Encode the mark of a writer's start."""
    return _ENCODER.encode(mark)


def decode_epoch(payload: Bytes) -> EpochMark:
    """Read the mark of a writer's start."""
    try:
        return _MARK.decode(payload)
    except msgspec.MsgspecError as error:
        raise PayloadError(str(error)) from error


def same_rows(given: Rows, stored: Rows) -> bool:
    """Say whether two row arrays are the same bytes."""
    if len(given) != len(stored):
        return False
    return bool(np.array_equal(given.view(np.uint64), stored.view(np.uint64)))
