"""An exchange for tests on a real TLS socket; each connection runs the next of its scripts."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from gateway.feeds.exchange.session import Credentials
from tests.gateway.feeds.certificate import Certificate
from tests.gateway.feeds.exchange.builders import line

KEYS = Credentials(app_key="key-of-ours", session="token-of-ours")


class Peer:
    """The exchange's side of one accepted connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.name = str(writer.get_extra_info("peername")[1])

    async def receive(self) -> dict[str, Any]:
        sent = await self.reader.readuntil(b"\r\n")
        message: dict[str, Any] = json.loads(sent)
        return message

    async def send(self, body: bytes) -> None:
        self.writer.write(body + b"\r\n")
        await self.writer.drain()

    async def accept(self) -> dict[str, Any]:
        """Greet, authenticate, and return the subscription that is requested."""
        await self.send(line(op="connection", connectionId=self.name))
        login = await self.receive()
        assert (login["appKey"], login["session"]) == (KEYS.app_key, KEYS.session)
        await self.send(line(op="status", id=login["id"], statusCode="SUCCESS"))
        subscription = await self.receive()
        await self.send(line(op="status", id=subscription["id"], statusCode="SUCCESS"))
        return subscription


Script = Callable[[Peer], Awaitable[None]]


@contextlib.asynccontextmanager
async def exchange(certificate: Certificate, *scripts: Script) -> AsyncIterator[int]:
    """Run a TLS server whose n-th connection runs the n-th script; yield its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    waiting = list(scripts)
    failures: list[BaseException] = []

    async def run_script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await waiting.pop(0)(Peer(reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(run_script, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
    assert failures == []


def refusing(code: str) -> Script:
    """Return a script that refuses the login and repeats its session token in the error."""

    async def refuse(peer: Peer) -> None:
        await peer.send(line(op="connection", connectionId=peer.name))
        login = await peer.receive()
        text = f"{login['session']} is not known"
        await peer.send(
            line(op="status", id=1, statusCode="FAILURE", errorCode=code, errorMessage=text)
        )

    return refuse
