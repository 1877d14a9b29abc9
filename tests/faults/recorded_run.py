"""A sequence of commands run on a faulty disk, with the disk call at which each answer was given.

Owns the recording of a run and the comparison of a recovered state with the oracle.
"""

from collections.abc import Sequence
from typing import Any

from engine.common.rules import RULES
from persistence.durable import DurableState
from persistence.journal import JournalOptions
from tests.faults.faulty_disk import FaultyDisk
from tests.persistence.command_sequences import TINY, CommandSequence, hash_of


class RecordedRun:
    """A sequence run to its end on a disk that records every call.

    Parameters
    ----------
    sequence : CommandSequence
        The steps to run.
    snapshots_after : sequence of int, optional
        Steps after which a snapshot is taken.
    options : JournalOptions, optional
        The journal's options.
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
        """Disk calls made before the answer to each step was given; first: before step 0."""
        for number in range(len(sequence.steps)):
            sequence.run_step(durable, number)
            self.answered_at.append(len(self.disk.trace))
            if number in snapshots_after:
                assert durable.snapshot(at_ns=number)
        durable.close()

    def answered(self, calls: int) -> int:
        """Return how many steps were answered within the first `calls` disk calls."""
        return sum(calls >= at for at in self.answered_at[1:])

    def check_recovery(self, disk: FaultyDisk, *, calls: int, go_on: bool = False) -> int:
        """Recover after a crash, compare the state with the oracle, and return the steps found.

        Every answered step must be found; the step in progress at the crash may be found. With
        `go_on` the rest of the sequence is run on the recovered machine, and then recovered.
        """
        durable = self.sequence.open(disk, options=self.options, now_ns=5)
        assert durable.state is DurableState.SERVING, durable.why
        assert durable.machine is not None
        assert durable.machine.rules == RULES, "hashes leave the rules out"
        answered = self.answered(calls)
        hashes = self.sequence.hashes
        found = hash_of(durable)
        assert found in hashes[answered : answered + 2], (calls, answered, durable.recovery)
        steps = hashes.index(found, answered)
        if go_on:
            durable.machine.check()
            self.sequence.run(durable, start=steps)
            assert hash_of(durable) == hashes[-1]
            durable.close()
            reopened = self.sequence.open(disk, options=self.options, now_ns=6)
            assert hash_of(reopened) == hashes[-1]
            assert reopened.recovery.torn_bytes == 0
            reopened.close()
        return steps
