"""What a damaged journal's finder says is heard by whoever asked, in whatever process."""

import pickle
from pathlib import Path

import pytest

from persistence.chain import JournalDamagedError, JournalNewerError


@pytest.mark.parametrize("kind", [JournalDamagedError, JournalNewerError])
def test_damage_is_told_to_another_process_in_the_same_words(
    kind: type[JournalDamagedError],
) -> None:
    error = kind(path=Path("shells/a/1.journal"), offset=80, reason="the checksum does not fit")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error) == "shells/a/1.journal at byte 80: the checksum does not fit"
    assert (again.path, again.offset, again.reason) == (error.path, error.offset, error.reason)
