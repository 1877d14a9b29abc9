"""End a part's process at once when its journal breaks or has another writer.

Owns the one reaction to a failed write or sync, and to a lock that is held. After a failed write
the state in memory may be ahead of the disk, and nothing derived from it may leave the process;
recovery starts from the disk. Never repairs or retries anything.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

from actors.exit_codes import EXIT_JOURNAL_BROKEN, EXIT_LOCK_HELD
from persistence.disk import LockHeldError
from persistence.journal import JournalBrokenError

ExitProcess = Callable[[int], None]
"""Ends the process with an exit code, or in embedded use only the part; does not return."""


@contextlib.contextmanager
def fail_stop(
    name: str, exit_process: ExitProcess, note: Callable[[str], None] | None = None
) -> Iterator[None]:
    """End the process when, inside the block, the journal breaks or its lock is held.

    Parameters
    ----------
    name : str
        The part's name, for the message on stderr.
    exit_process : callable
        Called with EXIT_JOURNAL_BROKEN or EXIT_LOCK_HELD.
    note : callable or None
        Called with the reason before the process ends.

    Raises
    ------
    JournalBrokenError, LockHeldError
        When `exit_process` returns, as a test's stand-in does.
    """
    try:
        yield
    except JournalBrokenError as error:
        _say(f"{name}: {error}; the process ends, recovery is from disk", error, note)
        exit_process(EXIT_JOURNAL_BROKEN)
        raise
    except LockHeldError as error:
        _say(f"{name}: {error}; the process ends and may be started again", error, note)
        exit_process(EXIT_LOCK_HELD)
        raise


def _say(line: str, error: Exception, note: Callable[[str], None] | None) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
    if note is not None:
        note(str(error))


def exit_at_once(code: int) -> NoReturn:
    """End the process without running handlers, flushing buffers or finalizing objects."""
    os._exit(code)
