"""The greeting: both ends of a connection prove that they know the secret of the system.

Owns the three messages and their keyed hashes; it touches no socket. The caller says which process
it wants to reach, by part and token: a token is drawn anew by every process, so that an old process
of a part can never answer for its successor. Neither end learns the secret, and no message of one
connection serves in another: each hash covers a fresh nonce of either end.
"""

import hashlib
import hmac
import secrets
from typing import Final

import msgspec
from msgspec import Struct

VERSION: Final = 1
NONCE_BYTES: Final = 16
PROOF_BYTES: Final = 32
SECRET_BYTES_MIN: Final = 16
GREETING_BYTES_MAX: Final = 1_024
"""Longest message of a greeting, with its two bytes of length."""
GREETING_S: Final = 5.0
"""Seconds within which a greeting must be over; then the connection is closed."""


class GreetingError(Exception):
    """The other end does not belong to this system, or is another process than the one wanted."""


class Hello(Struct, frozen=True, array_like=True):
    """First, from the caller: which process it wants to reach, and who it says it is."""

    version: int
    part: str
    token: bytes
    caller: str
    nonce: bytes


class Challenge(Struct, frozen=True, array_like=True):
    """Then, from the callee: its proof, and a nonce for the caller's."""

    nonce: bytes
    proof: bytes


class Proof(Struct, frozen=True, array_like=True):
    """Last, from the caller; calls may follow in the same write."""

    proof: bytes


_encode: Final = msgspec.msgpack.Encoder().encode
_hello: Final = msgspec.msgpack.Decoder(Hello).decode
_challenge: Final = msgspec.msgpack.Decoder(Challenge).decode
_proof: Final = msgspec.msgpack.Decoder(Proof).decode


def _sealed(message: Struct) -> bytes:
    payload = _encode(message)
    return len(payload).to_bytes(2, "little") + payload


def _mac(secret: bytes, role: bytes, hello: Hello, nonce: bytes) -> bytes:
    covered = _encode((VERSION, role, hello.part, hello.token, hello.caller, hello.nonce, nonce))
    return hmac.digest(secret, covered, hashlib.sha256)


class _End:
    """What both ends share: the bytes that came, cut into messages."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._came = bytearray()
        self.done = False
        """Whether the other end has proved itself; what follows is frames."""

    def _next(self) -> bytes | None:
        """Return the next whole message, or None while bytes are missing."""
        if len(self._came) < 2:
            return None
        end = 2 + int.from_bytes(self._came[:2], "little")
        if end > GREETING_BYTES_MAX:
            raise GreetingError(f"a message of {end} bytes, at most {GREETING_BYTES_MAX}")
        if len(self._came) < end:
            return None
        message = bytes(self._came[2:end])
        del self._came[:end]
        return message

    def take_rest(self) -> bytes:
        """Return the bytes that came behind the greeting, and keep them no longer."""
        rest = bytes(self._came)
        self._came.clear()
        return rest


class CallerGreeting(_End):
    """The caller's end.

    Parameters
    ----------
    secret : bytes
        The system's secret.
    part, token
        The process to reach.
    caller : str
        Name of the part that calls.
    nonce : bytes, optional
        NONCE_BYTES that were never used before; drawn when left out.
    """

    def __init__(
        self, secret: bytes, *, part: str, token: bytes, caller: str, nonce: bytes = b""
    ) -> None:
        super().__init__(secret)
        nonce = nonce or secrets.token_bytes(NONCE_BYTES)
        self._hello = Hello(VERSION, part, token, caller, nonce)

    def begin(self) -> bytes:
        """Return the first message."""
        return _sealed(self._hello)

    def take(self, data: bytes) -> bytes:
        """Take bytes of the callee; return what to send, empty for nothing yet.

        Raises
        ------
        GreetingError
            When the callee cannot prove itself.
        """
        self._came += data
        message = self._next()
        if message is None:
            return b""
        try:
            challenge = _challenge(message)
        except ValueError as error:
            raise GreetingError(f"no challenge: {error}") from error
        expected = _mac(self._secret, b"callee", self._hello, challenge.nonce)
        if not hmac.compare_digest(challenge.proof, expected):
            raise GreetingError("the callee does not know the secret")
        self.done = True
        return _sealed(Proof(_mac(self._secret, b"caller", self._hello, challenge.nonce)))


class CalleeGreeting(_End):
    """The callee's end.

    Parameters
    ----------
    secret : bytes
        The system's secret.
    part, token
        This process.
    nonce : bytes, optional
        As of CallerGreeting.
    """

    def __init__(self, secret: bytes, *, part: str, token: bytes, nonce: bytes = b"") -> None:
        super().__init__(secret)
        self._part = part
        self._token = token
        self._nonce = nonce or secrets.token_bytes(NONCE_BYTES)
        self._hello: Hello | None = None

    @property
    def caller(self) -> str:
        """Name of the part that calls; empty before its first message."""
        return "" if self._hello is None else self._hello.caller

    def take(self, data: bytes) -> bytes:
        """Take bytes of the caller; return what to send, empty for nothing yet.

        Raises
        ------
        GreetingError
            When the caller cannot prove itself or wants another process. It gets no answer.
        """
        self._came += data
        if self._hello is None:
            message = self._next()
            if message is None:
                return b""
            self._hello = hello = self._checked(message)
            return _sealed(
                Challenge(self._nonce, _mac(self._secret, b"callee", hello, self._nonce))
            )
        message = self._next()
        if message is not None:
            try:
                proof = _proof(message).proof
            except ValueError as error:
                raise GreetingError(f"no proof: {error}") from error
            expected = _mac(self._secret, b"caller", self._hello, self._nonce)
            if not hmac.compare_digest(proof, expected):
                raise GreetingError("the caller does not know the secret")
            self.done = True
        return b""

    def _checked(self, message: bytes) -> Hello:
        try:
            hello = _hello(message)
        except ValueError as error:
            raise GreetingError(f"no hello: {error}") from error
        if hello.version != VERSION or len(hello.nonce) != NONCE_BYTES:
            raise GreetingError(f"version {hello.version} with {len(hello.nonce)} bytes of nonce")
        if hello.part != self._part or not hmac.compare_digest(hello.token, self._token):
            raise GreetingError(f"{hello.caller} wants {hello.part}, another process than this")
        return hello
