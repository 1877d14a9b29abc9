"""A process that places bets durably until it is killed.

The tests that kill real processes start it with a folder. It recovers the folder, places batch
after batch, and writes the number of each answered batch as one line to its output.
"""

import sys
from pathlib import Path

import numpy as np

from persistence.disk import LocalDisk
from persistence.durable import DurableMarkets
from persistence.journal import JournalOptions
from tests.persistence.command_sequences import MARKETS, bets

BATCH = 16
OPTIONS = JournalOptions(segment_bytes=1 << 16, allocate_bytes=1 << 14, snapshot_bytes=1 << 17)


def opened(folder: Path) -> DurableMarkets:
    """Recover the folder; create and open its market if the folder is new."""
    durable = DurableMarkets.open(folder, disk=LocalDisk(), at_ns=1, options=OPTIONS)
    if durable.machine is not None and not durable.machine.market_nos():
        MARKETS.run_step(durable, 0)
    return durable


def batch(number: int) -> np.ndarray:
    """Return batch `number`, always with the same bets."""
    return bets(*range(1 + number * BATCH, 1 + (number + 1) * BATCH), stake_minor=100 - BATCH)


def run(folder: Path) -> None:
    """Place batch after batch, beginning with the last recorded one, which was perhaps answered."""
    durable = opened(folder)
    assert durable.machine is not None
    number = max(0, durable.machine.bets_len // BATCH - 1)
    while True:
        durable.place(batch(number), 1_000 + number)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1


if __name__ == "__main__":
    run(Path(sys.argv[1]))
