"""Admit or refuse one listener's connections.

Owns the checks of a handshake: token, role and number of sessions. Audits every refusal. It never
checks origin or subprotocol; the connection has done so before.
"""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import MultipleValuesError
from websockets.http11 import Request

from gateway.net.codec import Codec
from gateway.net.connection import Connection
from gateway.services.http_pages import Pages
from gateway.session.permissions import PERMISSIONS
from gateway.session.services import Services
from gateway.session.session import ClientSession
from gateway.session.tokens import Claims, TokenError, TokenKey


class Admission:
    """Admit or refuse one listener's connections."""

    def __init__(
        self,
        *,
        name: str,
        frame_bytes_max: int,
        key: TokenKey,
        services: Services,
        pages: Pages,
        clock_s: Callable[[], float],
    ) -> None:
        self.name = name
        self.frame_bytes_max = frame_bytes_max
        self._key = key
        self._services = services
        self._pages = pages
        self._clock_s = clock_s

    def admit(
        self, connection: Connection, request: Request, codec: Codec
    ) -> ClientSession | tuple[int, str]:
        """Verify the token and open a session, or return the HTTP status and text of a refusal."""
        now_s = self._clock_s()
        try:
            claims = self._key.verify(_token(request), now_s=now_s)
        except TokenError as error:
            self._services.deny("token", peer=connection.peer, who="", what=str(error))
            return 401, f"{error}\n"
        if (self.name, claims.role) not in PERMISSIONS:
            self._services.deny(
                "listener", peer=connection.peer, who=claims.identity, what=self.name
            )
            names = " or ".join(name for name, role in PERMISSIONS if role is claims.role)
            role = claims.role.value
            return 403, f"token: claim role: {role} may use {names}, not {self.name}\n"
        if self._has_all_sessions(claims):
            self._services.deny(
                "sessions", peer=connection.peer, who=claims.identity, what="too many"
            )
            most = self._services.settings.sessions_per_account_max
            text = f"account {claims.account} has {most} sessions, and may have no more: setting "
            return 429, f"{text}gateway.sessions_per_account_max\n"
        return ClientSession(
            listener=self.name,
            connection=connection,
            codec=codec,
            claims=claims,
            services=self._services,
            now_s=now_s,
        )

    def _has_all_sessions(self, claims: Claims) -> bool:
        """Return whether the account has as many sessions as it may."""
        if claims.account is None:
            return False
        use = self._services.use_by_account.get(claims.account)
        return use is not None and use.sessions >= self._services.settings.sessions_per_account_max

    def on_origin_refused(self, connection: Connection, request: Request, why: str) -> None:
        """Audit a handshake that was refused for its origin."""
        origin = ", ".join(request.headers.get_all("Origin"))
        self._services.deny("origin", peer=connection.peer, who=origin[:100], what=why)

    def respond(self, request: Request) -> bytes:
        """Return the HTTP answer to a plain request."""
        return self._pages.respond(request)


def _token(request: Request) -> str:
    """Return the token of a handshake: from the Authorization header, or the query's `token`."""
    try:
        header = request.headers.get("Authorization")
    except MultipleValuesError as error:
        raise TokenError("token: several Authorization headers") from error
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise TokenError("token: Authorization is not Bearer")
        return str(token.strip())
    try:
        query = parse_qs(urlsplit(request.path).query, max_num_fields=8)
    except ValueError as error:
        raise TokenError("token: the query cannot be read") from error
    tokens = query.get("token", [])
    if len(tokens) != 1:
        raise TokenError("token: missing, or given more than once")
    return tokens[0]
