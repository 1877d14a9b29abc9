"""Read the recorded messages of a feed from a file or a folder, in order.

Owns how a recording is unpacked and cut into messages: JSON lines of an exchange's stream or of
LSports' feed, or XML messages of the Unified Odds Feed (one per file, or one per line), plain or
compressed with gzip or bzip2. Format and compression are recognised by content, not by file name.
It reads nothing of a message but its time, and holds no more of a file than one message and one
piece.

The files of a folder are read in the order of their names. An exchange's files are merged by time,
because each holds another market of the same hours. A damaged or truncated file yields every
message before the damage, and then an error.
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
"""A longer message ends the reading of its file with an error."""
FILES_MAX: Final = 100_000
"""Files in one folder; a folder with more is refused."""
MERGED_MAX: Final = 256
"""Files that are merged; an exchange's folder with more is refused."""
EXCHANGE: Final = "exchange"
UOF: Final = "uof"
LSPORTS: Final = "lsports"

_PIECE_BYTES: Final = 1 << 18
_BATCH: Final = 512
"""Messages that one call in the reading thread returns."""
_HEAD_BYTES: Final = 256
_SPACE: Final = b" \t\r\n\xef\xbb\xbf"
_TIME_OF: Final = {
    EXCHANGE: re.compile(rb'"pt"\s*:\s*(\d{1,16})\b'),
    UOF: re.compile(rb'\btimestamp="(\d{1,16})"'),
    LSPORTS: re.compile(rb'"ServerTimestamp"\s*:\s*"?(\d{12,16})\b'),
}
_LSPORTS_HEAD: Final = re.compile(rb'\{\s*"Header"\s*:')
_XML_ROOT: Final = re.compile(rb"(?:<[?!][^>]*>\s*)*<([A-Za-z_][\w.-]*)")


class RecordingError(Exception):
    """A recording cannot be read; the message names the file."""


class RecordingDamagedError(RecordingError):
    """A file is truncated or damaged; the messages before the damage were delivered.

    Parameters
    ----------
    path : Path
        The file.
    offset : int
        Bytes of the unpacked content that were read before the damage.
    why : str
        What is wrong.
    """

    def __init__(self, path: Path, offset: int, why: str) -> None:
        super().__init__(f"{path}: {why}, after {offset} bytes")
        self.path = path
        self.offset = offset


class Recorded(NamedTuple):
    """One message, its provider time in milliseconds or None, and the file that holds it."""

    body: bytes
    at_ms: int | None
    path: Path


def kind_of(path: Path) -> str:
    """Return the kind of a recording, ``exchange``, ``lsports`` or ``uof``, by its first bytes.

    Raises
    ------
    RecordingError
        When there is no file, or its content is of neither kind.
    """
    for first in _files(path):
        try:
            head = next(_pieces(first), b"").lstrip(_SPACE)[:_HEAD_BYTES]
        except RecordingDamagedError:
            head = b""
        if head[:1] == b"{":
            return LSPORTS if _LSPORTS_HEAD.match(head) else EXCHANGE
        if head[:1] == b"<":
            return UOF
        break
    raise RecordingError(f"{path}: neither JSON lines nor XML")


async def messages(path: Path, *, kind: str = "") -> AsyncIterator[Recorded]:
    """Yield a recording's messages in order, read ahead in a thread.

    Parameters
    ----------
    path : Path
        A file, or a folder of files.
    kind : str
        ``exchange``, ``lsports`` or ``uof``; empty: recognised by content.

    Raises
    ------
    RecordingError
        When the recording cannot be read at all.
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
    """Yield a recording's messages in order, read on demand (errors as in `messages`)."""
    kind = kind or kind_of(path)
    if kind not in _TIME_OF:
        raise RecordingError(f"{path}: kind {kind!r} is none of {', '.join(_TIME_OF)}")
    files = _files(path)
    if kind == EXCHANGE and len(files) > MERGED_MAX:
        raise RecordingError(f"{path}: {len(files)} files, and at most {MERGED_MAX} can be merged")
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
    """Yield the messages of a file before any damage; append the damage to `damage`."""
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
        raise RecordingError(f"{path}: {len(files)} files, and at most {FILES_MAX} are read")
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
    """Yield one document per line if the first line is a whole document, else the file as one."""
    first = next((line for line in lines if line.strip(_SPACE)), b"")
    if _is_document(first.strip(_SPACE)):
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


def _is_document(line: bytes) -> bool:
    """Say whether a line is a whole XML message: its root element ends at the end of the line."""
    root = _XML_ROOT.match(line)
    if root is None:
        return False
    closing = b"</" + root[1] + b">"
    alone = line.endswith(b"/>") and line.find(b"<", root.end()) < 0
    return alone or line.endswith(closing)


def _lines(path: Path) -> Iterator[bytes]:
    """Yield a file's lines; damage in the middle of a line drops that line."""
    read, partial = 0, bytearray()
    for piece in _pieces(path):
        read += len(piece)
        if b"\n" not in piece:
            partial += piece
        else:
            *complete, rest = piece.split(b"\n")
            complete[0] = bytes(partial) + complete[0]
            partial = bytearray(rest)
            for line in complete:
                if len(line) > MESSAGE_BYTES_MAX:
                    raise _too_long(path, read)
                yield line + b"\n"
        if len(partial) > MESSAGE_BYTES_MAX:
            raise _too_long(path, read)
    if partial:
        yield bytes(partial)


def _too_long(path: Path, offset: int) -> RecordingDamagedError:
    return RecordingDamagedError(path, offset, f"message over {MESSAGE_BYTES_MAX} bytes")


def _pieces(path: Path) -> Iterator[bytes]:
    """Yield a file's unpacked content in bounded pieces, whatever its compression."""
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
        raise RecordingDamagedError(path, read, "the compressed data is truncated") from error
    except zlib.error as error:
        raise RecordingDamagedError(path, read, f"damaged: {error}") from error
    except OSError as error:
        raise RecordingDamagedError(path, read, f"damaged: {error.strerror or error}") from error


def _raw(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece


def _gunzip(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack gzip member by member; zeros after the last one are padding."""
    unpacker = zlib.decompressobj(wbits=31)
    started = False
    for piece in packed:
        rest = piece
        while rest:
            if unpacker.eof:
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                unpacker, started = zlib.decompressobj(wbits=31), False
            started = True
            unpacked = unpacker.decompress(rest, _PIECE_BYTES)
            rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            if unpacked:
                yield unpacked
    if started and not unpacker.eof:
        if last := unpacker.flush():
            yield last
        if not unpacker.eof:
            raise EOFError


def _bunzip(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack bzip2 stream by stream."""
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
