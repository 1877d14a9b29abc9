"""The golden journals, one folder a layout: each made once, then kept.

They are the bytes that a later release must still read, to the hashes in `hashes.json` beside them,
which are those that the release of their layout gave: a later one gives them by dumping its state
in that layout. Those of the present layout are made by `python -m tests.golden.journals`; making
them anew is right only before the release that brings the layout. Those of older layouts can be
made by no release that is left.
"""

import json
import shutil
from pathlib import Path
from typing import Final

from persistence.disk import LocalDisk
from persistence.frames import LAYOUT_VERSION
from persistence.journal import JournalOptions
from tests.persistence.command_sequences import SEQUENCES_2

FOLDERS: Final = {
    layout: Path(__file__).parent / f"journals_v{layout}" for layout in range(1, LAYOUT_VERSION + 1)
}
OPTIONS: Final = JournalOptions(segment_bytes=8_192, allocate_bytes=1, snapshot_aside=False)
SNAPSHOT_AFTER: Final = {"markets": 27, "ledger": 6}
"""Steps behind which the one snapshot is taken: with windows, deductions and positions in it."""


def hashes(layout: int) -> dict[str, str]:
    """Return the golden state hashes of a layout's journals, by machine."""
    golden: dict[str, str] = json.loads((FOLDERS[layout] / "hashes.json").read_text())
    return golden


def live(name: str, folder: Path) -> str:
    """Tell a story in a folder, with one snapshot and one restart; return the state hash."""
    sequence = SEQUENCES_2[name]
    durable = sequence.open(LocalDisk(), folder=folder, options=OPTIONS)
    for number in range(len(sequence.steps)):
        sequence.notify(durable, number)
        if number == SNAPSHOT_AFTER[name]:
            assert durable.snapshot(at_ns=7)
            durable.close()
            durable = sequence.open(LocalDisk(), folder=folder, options=OPTIONS, now_ns=2)
    durable.close()
    return durable.state_hash()


def make() -> None:
    """Write the golden journals of the present layout and their hashes."""
    folder = FOLDERS[LAYOUT_VERSION]
    shutil.rmtree(folder, ignore_errors=True)
    golden = {}
    for name in SEQUENCES_2:
        golden[name] = live(name, folder / name)
        (folder / name / "lock").unlink()
    (folder / "hashes.json").write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    make()
