"""The credentials of a package at LSports, from the environment.

Owns their names and their form. They are never logged or shown.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

PACKAGE_VARIABLE: Final = "OVERROUND_LSPORTS_PACKAGE"
USER_VARIABLE: Final = "OVERROUND_LSPORTS_USER"
PASSWORD_VARIABLE: Final = "OVERROUND_LSPORTS_PASSWORD"  # noqa: S105 - a name


class LsportsCredentialsError(Exception):
    """Credentials are missing or malformed; the message never holds them."""


class PackageCredentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A package's number, and the user and password that may read it."""

    package_id: Annotated[int, Meta(ge=1, lt=1 << 31)]
    user: Annotated[str, Meta(min_length=1, max_length=256)]
    password: Annotated[str, Meta(min_length=1, max_length=1_024)]

    def __repr__(self) -> str:
        return f"PackageCredentials(package_id={self.package_id}, user=***, password=***)"

    def basic(self) -> str:
        """Return the value of an HTTP header for basic authentication."""
        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()


def read_package_credentials(environ: Mapping[str, str]) -> PackageCredentials:
    """Return the credentials that the environment holds.

    Raises
    ------
    LsportsCredentialsError
        When one is missing or malformed.
    """
    given = {
        "package_id": environ.get(PACKAGE_VARIABLE),
        "user": environ.get(USER_VARIABLE),
        "password": environ.get(PASSWORD_VARIABLE),
    }
    try:
        return msgspec.convert(given, PackageCredentials, strict=False)
    except msgspec.ValidationError:
        names = f"{PACKAGE_VARIABLE}, {USER_VARIABLE} and {PASSWORD_VARIABLE}"
        raise LsportsCredentialsError(f"set {names}") from None
