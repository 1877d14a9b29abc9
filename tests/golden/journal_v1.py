"""The golden journals of layout 1: made once by `python -m tests.golden.journal_v1`, then kept.

They are the bytes that a later release must still read, to the hashes in `hashes.json`. Making them
anew is right only when the layout's version rises, or before the first release.
"""

import json
import shutil
from pathlib import Path

from persistence.disk import LocalDisk
from persistence.journal import JournalOptions
from tests.persistence.stories import STORIES

FOLDER = Path(__file__).parent / "journals_v1"
HASHES = FOLDER / "hashes.json"
OPTIONS = JournalOptions(segment_bytes=8_192, allocate_bytes=1, snapshot_aside=False)
SNAPSHOT_AFTER = 6


def live(name: str, folder: Path) -> str:
    """Tell a story in a folder, with one snapshot and one restart; return the state hash."""
    story = STORIES[name]
    durable = story.open(LocalDisk(), folder=folder, options=OPTIONS)
    for number in range(len(story.steps)):
        story.tell(durable, number)
        if number == SNAPSHOT_AFTER:
            assert durable.snapshot(at_ns=7)
            durable.close()
            durable = story.open(LocalDisk(), folder=folder, options=OPTIONS, now_ns=2)
    durable.close()
    return durable.state_hash()


def make() -> None:
    """Write the golden journals and their hashes."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    hashes = {}
    for name in STORIES:
        hashes[name] = live(name, FOLDER / name)
        (FOLDER / name / "lock").unlink()
    HASHES.write_text(json.dumps(hashes, indent=2) + "\n")


if __name__ == "__main__":
    make()
