"""Errors of the client library: what a caller sees when a request has no answer.

Owns the exceptions and their text. A refusal of a bet is no error: it is the bet's answer.
"""

from engine.common.reasons import Reason
from gateway.messages.base import Error


class GatewayError(Exception):
    """Base of the errors of this library."""


class HandshakeRefusedError(GatewayError):
    """The gateway did not open a session; `status` is the HTTP status, 0 when there was none."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}" if status else message)
        self.status = status


class ConnectionLostError(GatewayError):
    """The session ended; the outcome of open requests is unknown. `code` is the close code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"connection lost: {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class RefusedError(GatewayError):
    """The gateway refused a message before any market or account received it."""

    def __init__(self, error: Error) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.reason = Reason(error.code)
        self.error = error


class BoundReachedError(GatewayError):
    """A bound of this library is reached: nothing was sent. The message names it."""

    def __init__(self, what: str, bound: int) -> None:
        super().__init__(f"{what}: at most {bound}")
        self.bound = bound


class UnresolvedError(GatewayError):
    """The outcome of a bet is still unknown: place it again with the same ref, or ask `status`."""

    def __init__(self, ref: str, why: str) -> None:
        super().__init__(f"bet {ref} may or may not be booked: {why}")
        self.ref = ref
