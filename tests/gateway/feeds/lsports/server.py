"""The provider on real sockets: its messages over a WebSocket, its snapshots over HTTP."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from gateway.feeds.lsports.credentials import PackageCredentials
from tests.gateway.feeds.certificate import Certificate
from tests.gateway.feeds.lsports.provider import Provider

KEYS = PackageCredentials(package_id=4321, user="user-of-ours", password="password-of-ours")


class ProviderServer:
    """One provider for any number of connections; messages are lost where nobody is connected."""

    def __init__(self, provider: Provider, certificate: Certificate | None = None) -> None:
        self.provider = provider
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*certificate)
        self.connections: list[ServerConnection] = []
        self.accepted = 0
        self.snapshots: list[dict[str, Any]] = []
        """The bodies of the requests for a snapshot."""
        self.refusing: list[int] = []
        """Statuses with which the next requests for a snapshot are answered."""
        self.losing = False
        """Whether messages are lost on the way."""
        self._server: Server
        self._http: asyncio.Server

    @property
    def socket_url(self) -> str:
        scheme = "ws" if self._tls is None else "wss"
        return f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self._http.sockets[0].getsockname()[1]}"

    async def send(self, *bodies: bytes) -> None:
        """Send messages to everyone who is connected."""
        for body in bodies if not self.losing else ():
            for connection in self.connections:
                await connection.send(body.decode())

    async def drop(self) -> None:
        """Break every connection, without a closing handshake."""
        for connection in list(self.connections):
            connection.transport.abort()

    # --- WebSocket -------------------------------------------------------------------------------

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Authorization") != KEYS.basic():
            return connection.respond(401, "no such user")
        return None

    async def _carry(self, connection: ServerConnection) -> None:
        self.accepted += 1
        self.connections.append(connection)
        try:
            await connection.wait_closed()
        finally:
            self.connections.remove(connection)

    # --- HTTP ------------------------------------------------------------------------------------

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                int(line.partition(":")[2])
                for line in head.splitlines()
                if line.lower().startswith("content-length:")
            )
            asked = json.loads(await reader.readexactly(length))
            status, body = self._snapshot(head, asked)
            writer.write(
                f"HTTP/1.1 {status} answer\r\nContent-Length: {len(body)}\r\n"
                "Connection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        finally:
            writer.close()

    def _snapshot(self, head: str, asked: dict[str, Any]) -> tuple[int, bytes]:
        if self.refusing:
            return self.refusing.pop(0), b""
        assert head.startswith("POST /InPlay/GetEvents ")
        credentials = (asked["PackageId"], asked["UserName"], asked["Password"])
        if credentials != (KEYS.package_id, KEYS.user, KEYS.password):
            return 401, b""
        self.snapshots.append(asked)
        events = self.provider.snapshot(asked.get("Timestamp", 0) * 1_000)
        answer = {"Header": {"HttpStatusCode": 200}, "Body": events}
        return 200, json.dumps(answer).encode()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["ProviderServer"]:
        async with serve(
            self._carry,
            "127.0.0.1",
            0,
            ssl=self._tls,
            process_request=self._check,
            compression=None,
        ) as self._server:
            self._http = await asyncio.start_server(self._answer, "127.0.0.1", 0)
            try:
                yield self
            finally:
                self._http.close()
