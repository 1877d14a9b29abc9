"""End a part's process at once when its journal breaks or has another writer.

Owns the one reaction to a failed write or sync, and to a lock that is held. After a failed write
the state in memory may be ahead of the disk, and nothing derived from it may leave the process;
recovery starts from the disk. Never repairs or retries anything.
"""

import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn

from actors.exit_codes import EXIT_JOURNAL_BROKEN, EXIT_LOCK_HELD
from persistence.disk import LockHeldError
from persistence.journal import JournalBrokenError, JournalClosedError

ExitProcess = Callable[[int], None]
"""Ends the process with an exit code, or in embedded use only the part; does not return."""


class FailStop:
    """A block that ends the process when, inside it, the journal breaks or its lock is held.

    May be entered any number of times, also within itself. A class, as a generator costs each
    bet's calls a microsecond more.

    Parameters
    ----------
    name : str
        The part's name, for the message on stderr.
    exit_process : callable
        Called with EXIT_JOURNAL_BROKEN or EXIT_LOCK_HELD. When it returns, as a test's stand-in
        does, the block raises what it met.
    note : callable or None
        Called with the reason before the process ends.
    """

    __slots__ = ("_exit_process", "_name", "_note")

    def __init__(
        self, name: str, exit_process: ExitProcess, note: Callable[[str], None] | None = None
    ) -> None:
        self._name = name
        self._exit_process = exit_process
        self._note = note

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the process if the block ended with one of the two errors.

        A call that comes after its part has closed the journal is no reason to: the part ends
        already, and may have a process with others.
        """
        if isinstance(error, JournalClosedError):
            return
        if isinstance(error, JournalBrokenError):
            self._say(f"{error}; the process ends, recovery is from disk", error)
            self._exit_process(EXIT_JOURNAL_BROKEN)
        elif isinstance(error, LockHeldError):
            self._say(f"{error}; the process ends and may be started again", error)
            self._exit_process(EXIT_LOCK_HELD)

    def _say(self, text: str, error: Exception) -> None:
        sys.stderr.write(f"{self._name}: {text}\n")
        sys.stderr.flush()
        if self._note is not None:
            self._note(str(error))


def exit_at_once(code: int) -> NoReturn:
    """End the process without running handlers, flushing buffers or finalizing objects."""
    os._exit(code)
