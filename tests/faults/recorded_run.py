"""A story lived on a faulty disk, with the moments at which its answers were given.

Owns how a life is recorded and how the one after a crash is held against the oracle.
"""

from collections.abc import Sequence
from typing import Any

from persistence.durable import DurableState
from persistence.journal import JournalOptions
from tests.faults.faulty_disk import FaultyDisk
from tests.persistence.command_sequences import TINY, CommandSequence


class RecordedRun:
    """A story told to the end on a disk whose every call is known.

    `snapshots_after` names the steps after which a snapshot is taken.
    """

    def __init__(
        self,
        sequence: CommandSequence[Any],
        *,
        snapshots_after: Sequence[int] = (),
        options: JournalOptions = TINY,
    ) -> None:
        self.sequence = sequence
        self.options = options
        self.disk = FaultyDisk()
        durable = sequence.open(self.disk, options=options)
        self.answered_at = [len(self.disk.trace)]
        """Calls of the disk done when the answer to each step was given; first: the opening."""
        for number in range(len(sequence.steps)):
            sequence.notify(durable, number)
            self.answered_at.append(len(self.disk.trace))
            if number in snapshots_after:
                assert durable.snapshot(at_ns=number)
        durable.close()

    def answered(self, calls: int) -> int:
        """Return how many steps had been answered after so many calls."""
        return sum(calls >= at for at in self.answered_at[1:])

    def check_recovery(self, disk: FaultyDisk, *, calls: int, go_on: bool = False) -> int:
        """Recover from a crash and hold the state against the oracle; return the steps found.

        Everything answered is there; of what was not, the one step under way may be.
        """
        durable = self.sequence.open(disk, options=self.options, now_ns=5)
        assert durable.state is DurableState.SERVING, durable.why
        assert durable.machine is not None
        answered = self.answered(calls)
        hashes = self.sequence.hashes
        found = durable.state_hash()
        assert found in hashes[answered : answered + 2], (calls, answered, durable.recovery)
        steps = hashes.index(found, answered)
        if go_on:
            durable.machine.check()
            self.sequence.send_all(durable, start=steps)
            assert durable.state_hash() == hashes[-1]
            durable.close()
            again = self.sequence.open(disk, options=self.options, now_ns=6)
            assert again.state_hash() == hashes[-1]
            assert again.recovery.torn_bytes == 0
            again.close()
        return steps
