"""A process that places bets durably until it is killed, and says after each batch that it did.

Owns the other side of the tests that kill real processes: run with a folder, it recovers, then
writes one line to its output for every batch that was answered.
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
    """Recover the folder, and make its market when it is new."""
    durable = DurableMarkets.open(folder, disk=LocalDisk(), at_ns=1, options=OPTIONS)
    if durable.machine is not None and not durable.machine.market_nos():
        MARKETS.notify(durable, 0)
    return durable


def batch(number: int) -> np.ndarray:
    """Return the batch of a number: the same bets each time it is asked for."""
    return bets(*range(1 + number * BATCH, 1 + (number + 1) * BATCH), stake_minor=100 - BATCH)


def run(folder: Path) -> None:
    """Place batch after batch, beginning again at the last one, which may have been answered."""
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
