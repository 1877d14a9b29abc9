"""Canonical documents of a machine's state: their hash, and the checked reading of their fields.

Owns what equal state means: the same document of ints, strings, bytes, booleans, None, lists and
dicts with string keys, independent of how arrays grew and of the order of insertion. Never knows
what a document describes.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from engine.common.rows import Rows

HASH_BYTES: Final = 16
_NUMBER_BYTES: Final = 16


class BytesDigest:
    """Stand in a document for a long, growing run of bytes by the digest of those bytes.

    The state hash of a document is the same with the bytes as with their digest, so a machine whose
    past records never change hashes each record once.
    """

    def __init__(self) -> None:
        self._hasher = blake2b(digest_size=HASH_BYTES)
        self._bytes = 0

    def extend(self, data: bytes | memoryview) -> None:
        """Append bytes to the run."""
        self._hasher.update(data)
        self._bytes += len(data)

    def __len__(self) -> int:
        return self._bytes

    def digest(self) -> bytes:
        """Return the digest of the run so far."""
        return self._hasher.copy().digest()


def state_hash(document: object) -> str:
    """Return the blake2b-128 of a document in hex, equal for equal documents.

    Every value is hashed with a tag and its length, a dict by sorted keys and bytes by their own
    digest, so that no two documents give the hash function the same bytes.
    """
    hasher = blake2b(digest_size=HASH_BYTES)
    _feed(document, hasher.update)
    return hasher.hexdigest()


def _feed(value: object, update: Callable[[bytes], None]) -> None:
    if value is None or isinstance(value, bool):
        update({None: b"n", False: b"f", True: b"t"}[value])
    elif isinstance(value, int):
        update(b"i" + int(value).to_bytes(_NUMBER_BYTES, "little", signed=True))
    elif isinstance(value, str):
        text = value.encode()
        update(b"s" + len(text).to_bytes(_NUMBER_BYTES, "little") + text)
    elif isinstance(value, bytes):
        digest = blake2b(value, digest_size=HASH_BYTES).digest()
        update(b"b" + len(value).to_bytes(_NUMBER_BYTES, "little") + digest)
    elif isinstance(value, BytesDigest):
        update(b"b" + len(value).to_bytes(_NUMBER_BYTES, "little") + value.digest())
    elif isinstance(value, list | tuple):
        update(b"l" + len(value).to_bytes(_NUMBER_BYTES, "little"))
        for item in value:
            _feed(item, update)
    elif isinstance(value, dict):
        update(b"d" + len(value).to_bytes(_NUMBER_BYTES, "little"))
        for key in sorted(value):
            _feed(key, update)
            _feed(value[key], update)
    else:
        raise TypeError(f"a canonical document holds no {type(value).__name__}")


def pack_rows(rows: Rows) -> bytes:
    """Return rows as bytes; record dtypes are little-endian."""
    return rows.tobytes()


class Reader:
    """Read and check a document's fields; a ValueError names the first field that does not fit.

    Parameters
    ----------
    document : object
        The document; anything but a dict is an error.
    name : str
        Name of the document in messages: ``markets`` gives ``markets.version``.
    """

    def __init__(self, document: object, *, name: str) -> None:
        if not isinstance(document, dict):
            raise ValueError(f"{name}: not a map")
        self._document: dict[str, Any] = document
        self._name = name

    def fail(self, field: str, why: str) -> ValueError:
        """Return the error for a field that does not fit."""
        return ValueError(f"{self._name}.{field}: {why}")

    def only(self, *fields: str) -> None:
        """Refuse a document that has other fields than these or lacks one of them."""
        for field in fields:
            if field not in self._document:
                raise self.fail(field, "missing")
        for field in sorted(map(str, self._document)):
            if field not in fields:
                raise self.fail(field, "unknown field")

    def integer(self, field: str, *, low: int, high: int) -> int:
        """Return an integer between two bounds, both included."""
        value = self._document.get(field)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(field, f"not an integer from {low} to {high}")
        return value

    def integer_or_none(self, field: str, *, low: int, high: int) -> int | None:
        """Return an integer between two bounds, both included, or None when the field is None."""
        if self._document.get(field) is None:
            return None
        return self.integer(field, low=low, high=high)

    def boolean(self, field: str) -> bool:
        """Return a boolean."""
        value = self._document.get(field)
        if not isinstance(value, bool):
            raise self.fail(field, "not a boolean")
        return value

    def text(self, field: str) -> str:
        """Return a string."""
        value = self._document.get(field)
        if not isinstance(value, str):
            raise self.fail(field, "not a string")
        return value

    def items(self, field: str, *, count: int | None = None) -> list[Any]:
        """Return a list, of `count` items when that is given."""
        value = self._document.get(field)
        if not isinstance(value, list | tuple):
            raise self.fail(field, "not a list")
        if count is not None and len(value) != count:
            raise self.fail(field, f"{len(value)} items, not {count}")
        return list(value)

    def texts(self, field: str, *, count: int | None = None) -> list[str]:
        """Return a list of strings."""
        values = self.items(field, count=count)
        if not all(isinstance(value, str) for value in values):
            raise self.fail(field, "not a list of strings")
        return values

    def rows(self, field: str, dtype: "np.dtype[Any]", *, high: int | None = None) -> Rows:
        """Return a writable copy of rows, at most `high` of them."""
        value = self._document.get(field)
        if not isinstance(value, bytes | bytearray | memoryview):
            raise self.fail(field, "not bytes")
        if len(value) % dtype.itemsize:
            raise self.fail(field, f"{len(value)} bytes, not a multiple of {dtype.itemsize}")
        if high is not None and len(value) // dtype.itemsize > high:
            raise self.fail(field, f"more than {high} rows")
        return np.frombuffer(value, dtype).copy()
