"""The golden journals, one folder for each layout; each was written once and is never changed.

Every later release must read these bytes and reach the hashes in `hashes.json` beside them. The
release of the layout computed those hashes; a later release computes them by dumping its state in
that layout. `python -m tests.golden.journals` writes the journals of the current layout, which is
right only before the release that introduces the layout. No current code can write older layouts.
"""

import json
import shutil
from pathlib import Path
from typing import Final

from persistence.disk import LocalDisk
from persistence.frames import LAYOUT_VERSION
from persistence.journal import JournalOptions
from tests.persistence.slip_sequences import SEQUENCES_4

FOLDERS: Final = {
    layout: Path(__file__).parent / f"journals_v{layout}" for layout in range(1, LAYOUT_VERSION + 1)
}
OPTIONS: Final = JournalOptions(segment_bytes=8_192, allocate_bytes=1, snapshot_aside=False)
SNAPSHOT_AFTER: Final = {"markets": 47, "ledger": 29}
"""The step after which the one snapshot is taken: it holds windows, deductions and positions, legs
and their charges, a slip that is settled and one that is refused, offers, free bets, a lead that a
leg was paid at, a withdrawal, outcomes that are held or have odds that stand, and corrections."""


def hashes(layout: int) -> dict[str, str]:
    """Return the golden state hashes of a layout's journals, by machine name."""
    golden: dict[str, str] = json.loads((FOLDERS[layout] / "hashes.json").read_text())
    return golden


def write_journal(name: str, folder: Path) -> str:
    """Run a sequence in a folder, with one snapshot and one restart; return the state hash."""
    sequence = SEQUENCES_4[name]
    durable = sequence.open(LocalDisk(), folder=folder, options=OPTIONS)
    for number in range(len(sequence.steps)):
        sequence.run_step(durable, number)
        if number == SNAPSHOT_AFTER[name]:
            assert durable.snapshot(at_ns=7)
            durable.close()
            durable = sequence.open(LocalDisk(), folder=folder, options=OPTIONS, now_ns=2)
    durable.close()
    return durable.state_hash()


def write_golden_journals() -> None:
    """Write the golden journals of the current layout and their hashes."""
    folder = FOLDERS[LAYOUT_VERSION]
    shutil.rmtree(folder, ignore_errors=True)
    golden = {}
    for name in SEQUENCES_4:
        golden[name] = write_journal(name, folder / name)
        (folder / name / "lock").unlink()
    (folder / "hashes.json").write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    write_golden_journals()
