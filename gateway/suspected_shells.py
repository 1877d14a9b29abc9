"""Report shells that do not answer to the supervisor, not more often than it can act.

Owns the time of each shell's last report. It never decides that a shell is dead; the supervisor
does.
"""

import asyncio
import contextlib
from typing import Final

from actors.back_off import BackOff
from actors.peer import Peer, PeerError

REPORT_EVERY_S: Final = 0.25
"""Seconds between two reports of one shell."""


class SuspectedShells:
    """What one part of the system reports of shells.

    Parameters
    ----------
    supervisor : Peer, optional
        Receives the reports (`suspect`); without one they are dropped.
    """

    def __init__(self, supervisor: Peer | None) -> None:
        self.supervisor = supervisor
        self._reports: dict[str, BackOff] = {}

    def report(self, shell: str) -> None:
        """Report a shell, unless its last report was less than `REPORT_EVERY_S` ago."""
        if self.supervisor is None:
            return
        back_off = self._reports.get(shell)
        if back_off is None:
            clock_s = asyncio.get_running_loop().time
            back_off = self._reports[shell] = BackOff(
                REPORT_EVERY_S, REPORT_EVERY_S, clock_s=clock_s
            )
        if not back_off.remaining_s:
            back_off.failed()
            with contextlib.suppress(PeerError):
                self.supervisor.notify("suspect", shell)
