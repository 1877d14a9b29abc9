"""Recordings: the messages of a feed out of a file or a folder, in their order.

Owns how a recording is unpacked and cut into messages: JSON lines of an exchange's stream, XML
messages of the Unified Odds Feed (one a file, or one a line), plain or packed with gzip or bzip2,
which are known by their content and not by their names. Never reads what a message means beyond
the time it carries, and never holds more of a file than one message and one piece.

A folder is all its files, by name; an exchange's files are merged by their times, since each holds
another market of the same hours. A file that ends too early gives what could be read, and then says
so: nothing of a recording is lost because its end is.
"""

import asyncio
import bz2
import heapq
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

MESSAGE_BYTES_MAX: Final = 16 << 20
"""A longer message ends the reading of its file, with an error."""
FILES_MAX: Final = 100_000
"""Files of one folder; with more the folder is refused."""
MERGED_MAX: Final = 256
"""Files that are read side by side; an exchange's folder with more is refused."""
EXCHANGE: Final = "exchange"
UOF: Final = "uof"

_PIECE_BYTES: Final = 1 << 18
_BATCH: Final = 512
"""Messages one visit to the reading thread brings back."""
_SPACE: Final = b" \t\r\n\xef\xbb\xbf"
_TIME_OF: Final = {
    EXCHANGE: re.compile(rb'"pt"\s*:\s*(\d{1,16})\b'),
    UOF: re.compile(rb'\btimestamp="(\d{1,16})"'),
}
_XML_ROOT: Final = re.compile(rb"(?:<[?!][^>]*>\s*)*<([A-Za-z_][\w.-]*)")


class RecordingError(Exception):
    """A recording cannot be read; the message names the file."""


class RecordingDamagedError(RecordingError):
    """A file breaks off or holds what it should not; what came before was delivered.

    Parameters
    ----------
    path : Path
        The file.
    offset : int
        Bytes of its unpacked content that were read before it.
    why : str
        What is wrong.
    """

    def __init__(self, path: Path, offset: int, why: str) -> None:
        super().__init__(f"{path}: {why}, after {offset} bytes")
        self.path = path
        self.offset = offset


class Recorded(NamedTuple):
    """One message, the source's own time of it in milliseconds where it has one, and its file."""

    body: bytes
    at_ms: int | None
    path: Path


def kind_of(path: Path) -> str:
    """Return what a recording holds, ``exchange`` or ``uof``, by its first file's first byte.

    Raises
    ------
    RecordingError
        When there is nothing there, or nothing known.
    """
    for first in _files(path):
        try:
            head = next(_pieces(first), b"").lstrip(_SPACE)[:1]
        except RecordingDamagedError:
            head = b""
        if head == b"{":
            return EXCHANGE
        if head == b"<":
            return UOF
        break
    raise RecordingError(f"{path}: neither JSON lines nor XML")


async def messages(path: Path, *, kind: str = "") -> AsyncIterator[Recorded]:
    """Give a recording's messages in their order, read ahead in a thread.

    Parameters
    ----------
    path : Path
        A file, or a folder of files.
    kind : str
        ``exchange`` or ``uof``; empty: as it looks.

    Raises
    ------
    RecordingError
        When it cannot be read at all.
    RecordingDamagedError
        After the last message that could be read.
    """
    reading = await asyncio.to_thread(read_messages, path, kind=kind)
    while batch := await asyncio.to_thread(_next_batch, reading):
        for recorded in batch:
            if isinstance(recorded, RecordingError):
                raise recorded
            yield recorded


def _next_batch(reading: Iterator[Recorded]) -> list[Recorded | RecordingError]:
    batch: list[Recorded | RecordingError] = []
    try:
        for recorded in reading:
            batch.append(recorded)
            if len(batch) == _BATCH:
                break
    except RecordingError as error:
        batch.append(error)
    return batch


def read_messages(path: Path, *, kind: str = "") -> Iterator[Recorded]:
    """Give a recording's messages in their order as they are asked for (see `messages`)."""
    kind = kind or kind_of(path)
    if kind not in _TIME_OF:
        raise RecordingError(f"{path}: kind {kind!r} is neither {EXCHANGE} nor {UOF}")
    files = _files(path)
    if kind == EXCHANGE and len(files) > MERGED_MAX:
        raise RecordingError(f"{path}: {len(files)} files, and {MERGED_MAX} can be merged")
    return _all_files(files, kind)


def _all_files(files: list[Path], kind: str) -> Iterator[Recorded]:
    damage: list[RecordingDamagedError] = []
    readings = [_sound_part(file, kind, damage) for file in files]
    if kind == EXCHANGE:
        yield from heapq.merge(*readings, key=lambda recorded: recorded.at_ms or 0)
    else:
        for reading in readings:
            yield from reading
    if damage:
        raise damage[0]


def _sound_part(path: Path, kind: str, damage: list[RecordingDamagedError]) -> Iterator[Recorded]:
    """Give what can be read of a file, and note what is wrong with the rest."""
    try:
        yield from _file(path, kind)
    except RecordingDamagedError as error:
        damage.append(error)


def _files(path: Path) -> list[Path]:
    try:
        if path.is_file():
            return [path]
        entries = sorted(path.iterdir())
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from error
    files = [entry for entry in entries if entry.is_file() and not entry.name.startswith(".")]
    if not files:
        raise RecordingError(f"{path}: no files")
    if len(files) > FILES_MAX:
        raise RecordingError(f"{path}: {len(files)} files, and {FILES_MAX} at most are read")
    return files


def _file(path: Path, kind: str) -> Iterator[Recorded]:
    lines = _lines(path)
    if kind == UOF:
        lines = _documents(path, lines)
    time_of = _TIME_OF[kind]
    for line in lines:
        body = line.strip(_SPACE)
        if body:
            found = time_of.search(body)
            yield Recorded(body, int(found[1]) if found else None, path)


def _documents(path: Path, lines: Iterator[bytes]) -> Iterator[bytes]:
    """Give XML messages: each line that is whole by itself, else the file as one."""
    first = next((line for line in lines if line.strip(_SPACE)), b"")
    if _is_whole(first.strip(_SPACE)):
        yield first
        yield from lines
        return
    parts, size = [first], len(first)
    for line in lines:
        parts.append(line)
        size += len(line)
        if size > MESSAGE_BYTES_MAX:
            raise RecordingDamagedError(path, size, f"message over {MESSAGE_BYTES_MAX} bytes")
    yield b"".join(parts)


def _is_whole(line: bytes) -> bool:
    """Say whether a line is a whole XML message: its root element ends where the line does."""
    root = _XML_ROOT.match(line)
    if root is None:
        return False
    closing = b"</" + root[1] + b">"
    alone = line.endswith(b"/>") and line.find(b"<", root.end()) < 0
    return alone or line.endswith(closing)


def _lines(path: Path) -> Iterator[bytes]:
    """Give a file's lines with their ends; one the file breaks off in is not given."""
    read, held = 0, bytearray()
    for piece in _pieces(path):
        read += len(piece)
        if b"\n" not in piece:
            held += piece
        else:
            *whole, rest = piece.split(b"\n")
            whole[0] = bytes(held) + whole[0]
            held = bytearray(rest)
            for line in whole:
                if len(line) > MESSAGE_BYTES_MAX:
                    raise _too_long(path, read)
                yield line + b"\n"
        if len(held) > MESSAGE_BYTES_MAX:
            raise _too_long(path, read)
    if held:
        yield bytes(held)


def _too_long(path: Path, offset: int) -> RecordingDamagedError:
    return RecordingDamagedError(path, offset, f"message over {MESSAGE_BYTES_MAX} bytes")


def _pieces(path: Path) -> Iterator[bytes]:
    """Give a file's unpacked content, a bounded piece at a time, whatever it was packed with."""
    read = 0
    try:
        with path.open("rb") as file:
            head = file.read(3)
            file.seek(0)
            unpacked = _raw(file)
            if head[:2] == b"\x1f\x8b":
                unpacked = _gunzip(unpacked)
            elif head == b"BZh":
                unpacked = _bunzip(unpacked)
            for piece in unpacked:
                read += len(piece)
                yield piece
    except EOFError as error:
        raise RecordingDamagedError(path, read, "ends before its packing does") from error
    except zlib.error as error:
        raise RecordingDamagedError(path, read, f"damaged: {error}") from error
    except OSError as error:
        raise RecordingDamagedError(path, read, f"damaged: {error.strerror or error}") from error


def _raw(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece


def _gunzip(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack gzip, member after member; zeros after the last are padding."""
    unpacker = zlib.decompressobj(wbits=31)
    begun = False
    for piece in packed:
        rest = piece
        while rest:
            if unpacker.eof:
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                unpacker, begun = zlib.decompressobj(wbits=31), False
            begun = True
            unpacked = unpacker.decompress(rest, _PIECE_BYTES)
            rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            if unpacked:
                yield unpacked
    if begun and not unpacker.eof:
        if last := unpacker.flush():
            yield last
        if not unpacker.eof:
            raise EOFError


def _bunzip(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack bzip2, stream after stream."""
    unpacker = bz2.BZ2Decompressor()
    for piece in packed:
        rest = piece
        while rest or not (unpacker.needs_input or unpacker.eof):
            if unpacker.eof:
                unpacker = bz2.BZ2Decompressor()
            unpacked = unpacker.decompress(rest, _PIECE_BYTES)
            rest = unpacker.unused_data if unpacker.eof else b""
            if unpacked:
                yield unpacked
    if not unpacker.eof:
        raise EOFError
