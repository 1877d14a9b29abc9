"""Errors of damaged journals keep their text and attributes in another process."""

import pickle
from pathlib import Path

import pytest

from persistence.chain import JournalDamagedError, JournalNewerError


@pytest.mark.parametrize("kind", [JournalDamagedError, JournalNewerError])
def test_an_error_of_damage_survives_pickling(
    kind: type[JournalDamagedError],
) -> None:
    error = kind(path=Path("shells/a/1.journal"), offset=80, reason="the checksum is wrong")
    unpickled = pickle.loads(pickle.dumps(error))
    assert type(unpickled) is kind
    assert str(unpickled) == str(error) == "shells/a/1.journal at byte 80: the checksum is wrong"
    assert (unpickled.path, unpickled.offset, unpickled.reason) == (
        error.path,
        error.offset,
        error.reason,
    )
