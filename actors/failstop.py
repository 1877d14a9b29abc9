"""What a part does when its journal breaks, or is another's: it ends its process at once.

Owns the one reaction to a write or sync that failed, and to a lock that is held. The state in
memory may be ahead of the disk then, and nothing derived from it may leave the process; recovery
starts from the disk.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

from actors.exit_codes import EXIT_JOURNAL_BROKEN, EXIT_LOCK_HELD
from persistence.disk import LockHeldError
from persistence.journal import JournalBrokenError

ExitProcess = Callable[[int], None]
"""Ends the process, or in embedded use the part's life; does not return."""


@contextlib.contextmanager
def fail_stop(name: str, exit_process: ExitProcess) -> Iterator[None]:
    """End the process when the journal breaks, or turns out to have a writer, inside the block."""
    try:
        yield
    except JournalBrokenError as error:
        sys.stderr.write(f"{name}: {error}; the process ends, recovery is from disk\n")
        sys.stderr.flush()
        exit_process(EXIT_JOURNAL_BROKEN)
        raise
    except LockHeldError as error:
        sys.stderr.write(f"{name}: {error}; the process ends, and may be started again\n")
        sys.stderr.flush()
        exit_process(EXIT_LOCK_HELD)
        raise


def leave(code: int) -> None:
    """End the process with no handler, flush or finalizer in between."""
    os._exit(code)
