"""The callee of the reference of two processes: write and sync a file for each read of a socket.

It knows nothing of bets, frames or checks: what is left is what two processes and their syncs cost
on this machine. It runs as a process of its own on uvloop, prints a line when it listens, and
serves until it is terminated.
"""

import asyncio
import sys
from typing import cast

import uvloop

from tests.bench.echo_server import SyncedFile


class SyncConnection(asyncio.Protocol):
    """One caller, which sends again only once it is answered."""

    def __init__(self, file: SyncedFile) -> None:
        self._file = file

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Sync the file, then send the bytes back."""
        self._file.write_and_sync()
        self._transport.write(data)


async def main(socket: str, path: str) -> None:
    """Serve on a Unix socket."""
    file = SyncedFile(path)
    loop = asyncio.get_running_loop()
    await loop.create_unix_server(lambda: SyncConnection(file), socket)
    print("listening", flush=True)
    await asyncio.Future()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
