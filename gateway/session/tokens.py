"""Issue and verify signed tokens, which name a caller, a role and an expiry.

Owns issue and verification (JWT, HS256 and nothing else). A token is a bearer credential: its
holder may use it any number of times until it expires, so lifetimes should be short. It never
decides what a role may do (gateway.session.permissions does), and the secret never leaves the
objects of this module.
"""

import re
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import jwt
import msgspec
from msgspec import Meta, Struct

from engine.common.commands import AccountNoField
from engine.common.ids import AccountNo

ALGORITHM: Final = "HS256"
ISSUER: Final = "overround"
SECRET_BYTES_MIN: Final = 32
TOKEN_CHARS_MAX: Final = 2_048
EXPIRES_S_MAX: Final = 366 * 86_400

SubjectField = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._@-]{1,48}\Z")]


class Role(StrEnum):
    """The kind of caller that a token names."""

    BETTOR = "bettor"
    FEED = "feed"
    QUANT = "quant"
    VIEWER = "viewer"
    TRADER = "trader"
    HEAD_TRADER = "head_trader"
    SETTLER = "settler"
    RISK = "risk"
    CASHIER = "cashier"
    AUDITOR = "auditor"


class TokenError(Exception):
    """A token is refused; the message says why and never quotes the token."""


class SecretError(Exception):
    """The signing secret is missing, unreadable or too short."""


class TokenSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Source of the signing secret, and lifetime of tokens.

    `secret` takes precedence over `secret_file`; with neither, a file in the data folder is used,
    and created when it is missing.
    """

    secret: str = ""
    secret_file: str = ""
    expires_s: Annotated[int, Meta(ge=1, le=EXPIRES_S_MAX)] = 86_400

    def __repr__(self) -> str:
        """Show every field except the secret."""
        shown = "***" if self.secret else ""
        return (
            f"TokenSettings(secret={shown!r}, secret_file={self.secret_file!r}, "
            f"expires_s={self.expires_s})"
        )


class Claims(Struct, frozen=True, kw_only=True):
    """The claims of a verified token; only a bettor must have an account."""

    sub: SubjectField
    role: Role
    exp: Annotated[int, Meta(ge=0)]
    nbf: Annotated[float, Meta(ge=0)] | None = None
    account: AccountNoField | None = None

    @property
    def identity(self) -> str:
        """The caller's name in the journal: role and subject."""
        return f"{self.role.value}:{self.sub}"


class TokenKey:
    """Sign and verify tokens with one secret.

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
        self, *, role: Role, sub: str, now_s: int, expires_s: int, account: AccountNo | None = None
    ) -> str:
        """Sign a token that expires `expires_s` seconds after `now_s`.

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
        """Return the claims of a token.

        Raises
        ------
        TokenError
            Not a token, another algorithm, a wrong signature, expired, not valid yet, or claims out
            of bounds; the text names the claim or the setting.
        """
        if len(token) > TOKEN_CHARS_MAX:
            raise TokenError(f"token: at most {TOKEN_CHARS_MAX} characters")
        try:
            # Times are checked below against the caller's clock, which also ends the session.
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
            raise TokenError(_refusal_text(error)) from error
        claims = _claims(document)
        if claims.exp <= now_s:
            raise TokenError("token: claim exp: expired")
        if claims.nbf is not None and now_s < claims.nbf:
            raise TokenError("token: claim nbf: not valid yet")
        return claims


_REFUSALS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (
        jwt.InvalidSignatureError,
        "the signature is wrong: it was made with another secret than the gateway's "
        "(settings tokens.secret, tokens.secret_file)",
    ),
    (jwt.InvalidAlgorithmError, f"the algorithm (alg) is not {ALGORITHM}"),
    (jwt.InvalidIssuerError, f"claim iss: not {ISSUER}"),
    (jwt.InvalidAudienceError, "claim aud: a token for an audience is not taken here"),
    (jwt.InvalidTokenError, "not a JWT, or with a header or claim that cannot be read"),
)
"""Texts of the errors of the JWT library, the more special ones first."""


def _refusal_text(error: Exception) -> str:
    """Return what is wrong with a token, in words that name the claim or the setting."""
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"token: claim {error.claim}: missing"
    for kind, text in _REFUSALS:
        if isinstance(error, kind):
            return f"token: {text}"
    return f"token: {_REFUSALS[-1][1]}"


def _claims(document: dict[str, Any]) -> Claims:
    try:
        claims = msgspec.convert(document, Claims)
    except msgspec.ValidationError as error:
        raise TokenError(f"token: {_claim_text(error)}") from error
    if claims.role is Role.BETTOR and claims.account is None:
        raise TokenError("token: claim account: missing, and a bettor needs an account")
    return claims


_MISSING: Final = re.compile(r"Object missing required field `(?P<claim>\w+)`")
_IN_CLAIM: Final = re.compile(r"(?P<what>.*) - at `\$\.(?P<claim>\w+)`", re.DOTALL)


def _claim_text(error: msgspec.ValidationError) -> str:
    """Return an error of the claims with the name of the claim first."""
    missing = _MISSING.match(str(error))
    if missing is not None:
        return f"claim {missing['claim']}: missing"
    found = _IN_CLAIM.match(str(error))
    return str(error) if found is None else f"claim {found['claim']}: {found['what']}"


def load_secret(settings: TokenSettings, *, data_dir: Path) -> bytes:
    """Return the signing secret: from the settings, their file, or the data folder's file.

    Raises
    ------
    SecretError
        When the named file cannot be read.
    """
    if settings.secret:
        return settings.secret.encode()
    if settings.secret_file:
        return _read(Path(settings.secret_file))
    path = data_dir / "token.secret"
    if not path.exists():
        _create(path)
    return _read(path)


def load_key(settings: TokenSettings, *, data_dir: Path) -> TokenKey:
    """Return the key that signs and verifies tokens.

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
    """Write a new secret with mode 0600, unless another process has written one meanwhile."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        temporary.touch(mode=0o600, exist_ok=False)
        temporary.write_text(secrets.token_urlsafe(48), encoding="ascii")
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    except OSError as error:
        raise SecretError(f"token secret: {path}: {error.strerror or error}") from error
