"""The border at which a defect is planted: one hook for each piece of the system.

Owns the hooks, which here change nothing. The defects are in `plants`.
"""

from typing import Any

from actors.reconciler import Reconciler
from gateway.app import Gateway
from tests.simulator.disk import SimulatedDisk
from tests.simulator.processes import SimulatedProcess


class Plant:
    """A deliberate defect: each hook replaces one piece of the system, here by itself."""

    gateway: type = Gateway
    reconciler: type = Reconciler

    def wrap(self, name: str, part: Any) -> Any:
        """Return what stands for a shell."""
        return part

    def disk(self) -> SimulatedDisk:
        """Return a new shell's disk."""
        return SimulatedDisk()

    def dialled(self, connection: Any) -> None:
        """Take the caller's end of a new connection of the road."""

    def started(self, process: SimulatedProcess) -> None:
        """Take a shell's new process."""
