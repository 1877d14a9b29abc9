"""What ends a part's process, and what does not."""

import pytest

from actors.exit_codes import EXIT_JOURNAL_BROKEN, EXIT_LOCK_HELD
from actors.failstop import FailStop
from persistence.disk import LockHeldError
from persistence.journal import JournalBrokenError, JournalClosedError


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (JournalBrokenError("a sync failed"), [EXIT_JOURNAL_BROKEN]),
        (LockHeldError("held"), [EXIT_LOCK_HELD]),
        (JournalClosedError("closed by its part, which may share its process"), []),
        (ValueError("a defect"), []),
    ],
    ids=["broken", "locked", "closed", "defect"],
)
def test_a_broken_journal_and_a_held_lock_end_the_process_and_nothing_else_does(
    error: Exception, ends: list[int]
) -> None:
    codes: list[int] = []
    with pytest.raises(type(error)), FailStop("market-00000", codes.append):
        raise error
    assert codes == ends
