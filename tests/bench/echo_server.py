"""The reference server: websockets' own asyncio server, which answers bets without decoding them.

It answers each frame with a prepared answer of the gateway's size, into which it copies the bet's
ref by position, so that the same client code can drive it. Before it answers, it writes and syncs
each file that is named on its command line, one after another; where the name is that of a Unix
socket, it asks the process behind it to (see `sync_server`). It runs as a process of its own on
uvloop without compression, prints its port, and serves until it is terminated.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self, cast

import uvloop
from websockets.asyncio.server import ServerConnection, serve

from gateway.messages.base import MSGPACK_SUBPROTOCOL, Welcome
from gateway.messages.bettor import Bet, Place
from gateway.net.codec import MSGPACK
from tests.bench.driver import REF_CHARS, a_bet

_MARK = "r" * REF_CHARS
_FILE_BYTES = 1 << 22
_RECORD = os.urandom(200)


class Synced(Protocol):
    """What is synced before an answer."""

    async def append(self) -> None:
        """Return when a record is on the disk."""
        ...


class SyncedFile:
    """A file whose blocks are written once beforehand, as a journal's are."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_CREAT | os.O_WRONLY)
        self._at = 0
        os.pwrite(self._fd, bytes(_FILE_BYTES), 0)
        os.fsync(self._fd)

    async def append(self) -> None:
        """Write a record and sync it in this process."""
        self.write_and_sync()

    def write_and_sync(self) -> None:
        """Write a record after the last one and sync it; at the end of the file, begin again."""
        os.pwrite(self._fd, _RECORD, self._at)
        os.fdatasync(self._fd)
        self._at = (self._at + len(_RECORD)) % (_FILE_BYTES - len(_RECORD))


class RemoteFile(asyncio.Protocol):
    """A file that a process behind a Unix socket writes and syncs."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[None] | None = None

    @classmethod
    async def connect(cls, path: str) -> Self:
        """Connect to the process."""
        loop = asyncio.get_running_loop()
        _, remote = await loop.create_unix_connection(cls, path)
        return remote

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take the answer."""
        assert self._answer is not None
        self._answer.set_result(None)

    async def append(self) -> None:
        """Send a record and wait for the answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(_RECORD)
        await self._answer


def answer_template() -> tuple[bytes, bytes]:
    """Return the bytes before and after the ref in an accepted bet's answer."""
    answer = Bet(ref=_MARK, state="accepted", bet_id=(1 << 40) + 1, odds_milli=2_500)
    before, _, after = MSGPACK.encode(answer).partition(_MARK.encode())
    return before, after


async def handler(connection: ServerConnection, files: Sequence[Synced]) -> None:
    """Send the welcome that a client waits for, then sync the files and answer for every frame."""
    welcome = Welcome(
        role="bettor",
        sub="bench",
        account=1,
        frame_bytes_max=16_384,
        frames_a_second=1_000_000,
        bets_in_flight_max=16_384,
    )
    await connection.send(MSGPACK.encode(welcome))
    place: Place = a_bet(ref=_MARK, market=1, outcome=0)
    start = MSGPACK.encode(place).index(_MARK.encode())
    stop = start + REF_CHARS
    before, after = answer_template()
    async for message in connection:
        assert isinstance(message, bytes)
        for file in files:
            await file.append()
        await connection.send(before + message[start:stop] + after)


async def main(paths: Sequence[str]) -> None:
    """Serve on a free loopback port."""
    files: list[Synced] = [
        await RemoteFile.connect(path) if Path(path).is_socket() else SyncedFile(path)
        for path in paths
    ]
    async with serve(
        lambda connection: handler(connection, files),
        "127.0.0.1",
        0,
        compression=None,
        subprotocols=[MSGPACK_SUBPROTOCOL],  # type: ignore[list-item]
    ) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
