"""A TCP link between two parts of a test that can be cut, or lose what comes back."""

import asyncio
import contextlib


class BreakableLink:
    """Forward a port of its own to another port; with `mute` nothing comes back any more.

    A new connection goes to the port that `target` names then, and is reset when none listens.
    """

    def __init__(self, port: int) -> None:
        self.mute = False
        self.target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "BreakableLink":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        for source, sink in ((reader, back), (onward, writer)):
            task = asyncio.create_task(self._copy(source, sink, to_client=source is onward))
            self._tasks.add(task)

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_client: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if not (to_client and self.mute):
                    writer.write(data)
                    await writer.drain()
        writer.close()
