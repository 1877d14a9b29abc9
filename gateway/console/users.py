"""Who is logged in: a control session for each token, so that journals name the true author.

Owns the sessions of users and their bounds. A token is kept in memory only while its user has a
screen open, and is never logged.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from gateway.client import ControlSession, ReconnectingClient, ReconnectSettings
from gateway.client import stay_connected_control as connect
from gateway.messages.base import Welcome
from gateway.messages.bet_stream import WatchBets
from gateway.session.permissions import FLOOR, PERMISSIONS
from gateway.session.tokens import Role

IDLE_S: Final = 60.0
"""Seconds after its last screen that a user's session is kept."""


class UsersFullError(Exception):
    """As many tokens are in use as the settings allow."""


class NotOfTheFloorError(Exception):
    """A token's role is not one of the trading floor's."""

    def __init__(self, role: str) -> None:
        floor = ", ".join(sorted(FLOOR))
        super().__init__(f"role {role} is not of the trading floor; these are: {floor}")


class User:
    """One token's session and its screens."""

    def __init__(self, client: ReconnectingClient[ControlSession], welcome: Welcome) -> None:
        self.client = client
        self.sub = welcome.sub
        self.role = welcome.role
        self.screens = 0
        self.idle_since_s = 0.0

    @property
    def session(self) -> ControlSession:
        """The present session.

        Raises
        ------
        ConnectionLostError
            There is none now.
        """
        return self.client.session

    @property
    def ended(self) -> bool:
        """Whether the gateway has refused the token for good, as one that has expired."""
        return self.client.state.phase == "ended"

    @property
    def may_command(self) -> bool:
        """Whether the role may command markets; the gateway decides, this only shapes the page."""
        return self.role not in ("viewer", "auditor")

    @property
    def sees_bets(self) -> bool:
        """Whether the role may see single bettors' bets as they come."""
        return WatchBets in PERMISSIONS["control", Role(self.role)]


class Users:
    """Sessions by token.

    Parameters
    ----------
    users_max : int
        Tokens in use at once.
    urls : callable
        Returns the gateways' control addresses now.
    """

    def __init__(self, *, users_max: int, urls: Callable[[], Sequence[str]]) -> None:
        self._users_max = users_max
        self._urls = urls
        self._users: dict[bytes, User] = {}
        self._lock = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._users)

    async def of(self, token: str) -> User:
        """Return the user of a token, with a session that is open or opens again by itself.

        Raises
        ------
        HandshakeRefusedError, ConnectionLostError
            The gateway refused the token, or cannot be reached.
        NotOfTheFloorError
            Its role has no place at the console.
        UsersFullError
            Too many tokens are in use.
        """
        name = hashlib.sha256(token.encode()).digest()
        async with self._lock:
            user = self._users.get(name)
            if user is not None and not user.ended:
                return user
            if user is None and len(self._users) >= self._users_max:
                raise UsersFullError(f"console.users_max: {self._users_max} tokens are in use")
            settings = ReconnectSettings(longest_s=2.0)
            client = await connect(*self._urls(), token=token, settings=settings)
            welcome = client.session.welcome
            if welcome.role not in FLOOR:
                await client.close()
                raise NotOfTheFloorError(welcome.role)
            self._users[name] = User(client, welcome)
            return self._users[name]

    async def close_idle(self, now_s: float) -> None:
        """Close the sessions of users that have had no screen for a while."""
        for name, user in list(self._users.items()):
            if user.screens:
                user.idle_since_s = 0.0
            elif not user.idle_since_s:
                user.idle_since_s = now_s
            elif now_s - user.idle_since_s > IDLE_S:
                del self._users[name]
                await user.client.close()

    async def close(self) -> None:
        """Close every session."""
        for user in self._users.values():
            await user.client.close()
        self._users.clear()
