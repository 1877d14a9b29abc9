"""An exchange of the tests' own on a real TLS socket, playing one part on each connection."""

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
    """One accepted connection, seen from the exchange."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.name = str(writer.get_extra_info("peername")[1])

    async def heard(self) -> dict[str, Any]:
        sent = await self.reader.readuntil(b"\r\n")
        words: dict[str, Any] = json.loads(sent)
        return words

    async def say(self, body: bytes) -> None:
        self.writer.write(body + b"\r\n")
        await self.writer.drain()

    async def welcome(self) -> dict[str, Any]:
        """Greet, let in, and return the subscription that is asked for."""
        await self.say(line(op="connection", connectionId=self.name))
        login = await self.heard()
        assert (login["appKey"], login["session"]) == (KEYS.app_key, KEYS.session)
        await self.say(line(op="status", id=login["id"], statusCode="SUCCESS"))
        asked = await self.heard()
        await self.say(line(op="status", id=asked["id"], statusCode="SUCCESS"))
        return asked


Part = Callable[[Peer], Awaitable[None]]


@contextlib.asynccontextmanager
async def exchange(certificate: Certificate, *parts: Part) -> AsyncIterator[int]:
    """A TLS server that plays one part on each connection; yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    to_play = list(parts)
    failures: list[BaseException] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await to_play.pop(0)(Peer(reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
    assert failures == []


def refusing(code: str) -> Part:
    """Return the part of an exchange that lets nobody in, and says their own words back."""

    async def refuse(peer: Peer) -> None:
        await peer.say(line(op="connection", connectionId=peer.name))
        login = await peer.heard()
        words = f"{login['session']} is not known"
        await peer.say(
            line(op="status", id=1, statusCode="FAILURE", errorCode=code, errorMessage=words)
        )

    return refuse
