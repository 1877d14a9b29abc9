"""Signed tokens: who is calling, in which role, until when.

Owns issue and verification (JWT, HS256 and nothing else). A token is a bearer credential: whoever
holds it may use it, and again, until it expires; keep them short. It never decides what a role
may do (see `connection`), and the secret never leaves this file's objects.
"""

import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import jwt
import msgspec
from msgspec import Meta, Struct

from engine.common.commands import AccountNoField

ALGORITHM: Final = "HS256"
ISSUER: Final = "overround"
SECRET_BYTES_MIN: Final = 32
TOKEN_CHARS_MAX: Final = 2_048
EXPIRES_S_MAX: Final = 366 * 86_400

SubjectField = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._@-]{1,48}\Z")]


class Role(StrEnum):
    """What kind of caller a token stands for."""

    BETTOR = "bettor"
    TRADER = "trader"
    FEED = "feed"
    QUANT = "quant"


class TokenError(Exception):
    """A token is not to be trusted; the message says why and never quotes it."""


class SecretError(Exception):
    """The signing secret is missing, unreadable or too short."""


class TokenSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the signing secret comes from and how long tokens last.

    `secret` wins over `secret_file`; with neither, the data folder's own file is used, and made
    on first need.
    """

    secret: str = ""
    secret_file: str = ""
    expires_s: Annotated[int, Meta(ge=1, le=EXPIRES_S_MAX)] = 86_400

    def __repr__(self) -> str:
        """Show everything but the secret."""
        shown = "***" if self.secret else ""
        return (
            f"TokenSettings(secret={shown!r}, secret_file={self.secret_file!r}, "
            f"expires_s={self.expires_s})"
        )


class Claims(Struct, frozen=True, kw_only=True):
    """What a verified token says; callers other than bettors may have no account."""

    sub: SubjectField
    role: Role
    exp: Annotated[int, Meta(ge=0)]
    account: AccountNoField | None = None

    @property
    def identity(self) -> str:
        """The caller as the journal names it: role and subject."""
        return f"{self.role.value}:{self.sub}"


class TokenKey:
    """The secret that signs and verifies.

    Parameters
    ----------
    secret : bytes
        At least 32 bytes.

    Raises
    ------
    SecretError
        When the secret is shorter.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SECRET_BYTES_MIN:
            raise SecretError(f"token secret: at least {SECRET_BYTES_MIN} bytes")
        self._secret = secret

    def issue(
        self, *, role: Role, sub: str, now_s: int, expires_s: int, account: int | None = None
    ) -> str:
        """Sign a token that is good for `expires_s` seconds from `now_s`.

        Raises
        ------
        TokenError
            When a claim is out of its bounds, or a bettor has no account.
        """
        document: dict[str, Any] = {"sub": sub, "role": str(role), "exp": now_s + expires_s}
        if account is not None:
            document["account"] = account
        _claims(document)
        document["iss"] = ISSUER
        return jwt.encode(document, self._secret, algorithm=ALGORITHM)

    def verify(self, token: str, *, now_s: float) -> Claims:
        """Return what a token says.

        Raises
        ------
        TokenError
            Not a token, another algorithm, a wrong signature, expired, or claims out of bounds.
        """
        if len(token) > TOKEN_CHARS_MAX:
            raise TokenError(f"token: at most {TOKEN_CHARS_MAX} characters")
        try:
            # The clock is the caller's, so that expiry has one meaning all through a session.
            document = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                options={
                    "require": ["exp", "sub", "iss"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise TokenError(f"token: {type(error).__name__}") from error
        claims = _claims(document)
        if claims.exp <= now_s:
            raise TokenError("token: expired")
        return claims


def _claims(document: dict[str, Any]) -> Claims:
    try:
        claims = msgspec.convert(document, Claims)
    except msgspec.ValidationError as error:
        raise TokenError(f"token: {error}") from error
    if claims.role is Role.BETTOR and claims.account is None:
        raise TokenError("token: a bettor needs an account")
    return claims


def load_secret(settings: TokenSettings, *, data_dir: Path) -> bytes:
    """Return the signing secret: from the settings, their file, or the data folder's own file.

    Raises
    ------
    SecretError
        When the named file cannot be read.
    """
    if settings.secret:
        return settings.secret.encode()
    if settings.secret_file:
        return _read(Path(settings.secret_file))
    own = data_dir / "token.secret"
    if not own.exists():
        _create(own)
    return _read(own)


def load_key(settings: TokenSettings, *, data_dir: Path) -> TokenKey:
    """Return what signs and verifies tokens.

    Raises
    ------
    SecretError
        When the named file cannot be read or the secret is too short.
    """
    return TokenKey(load_secret(settings, data_dir=data_dir))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise SecretError(f"token secret: {path}: {error.strerror or error}") from error


def _create(path: Path) -> None:
    """Write a fresh secret that only its owner may read; another process may win the race."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        fresh.touch(mode=0o600, exist_ok=False)
        fresh.write_text(secrets.token_urlsafe(48), encoding="ascii")
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    except OSError as error:
        raise SecretError(f"token secret: {path}: {error.strerror or error}") from error
