"""A journal of layout 1 replays to its golden hash for good; a newer layout is left alone."""

import json
import shutil
import sys
import zlib
from pathlib import Path

import pytest

from persistence.chain import JournalNewerError, segment_paths
from persistence.disk import LocalDisk
from persistence.durable import DurableState
from persistence.frames import HEADER_BYTES, LAYOUT_VERSION
from persistence.inspect import verify
from persistence.recovery import replay_hash
from persistence.snapshot import SCHEMA_VERSION, snapshot_path, snapshot_paths
from tests.golden.journal_v1 import FOLDER, HASHES, OPTIONS, live
from tests.persistence.stories import STORIES

GOLDEN = json.loads(HASHES.read_text())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the golden journals, for opening writes."""
    shutil.copytree(FOLDER, tmp_path / "copy")
    return tmp_path / "copy"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "lock")


@pytest.mark.parametrize("name", STORIES)
def test_the_golden_journal_replays_to_its_golden_hash(name: str, copy: Path) -> None:
    assert replay_hash(FOLDER / name) == GOLDEN[name]
    durable = STORIES[name].open(LocalDisk(), folder=copy / name, options=OPTIONS)
    assert durable.state is DurableState.SERVING
    assert durable.recovery.snapshot_seq > 0
    assert durable.state_hash() == GOLDEN[name]
    durable.close()
    for path in snapshot_paths(LocalDisk(), copy / name):
        path.unlink()
    durable = STORIES[name].open(LocalDisk(), folder=copy / name, options=OPTIONS)
    assert durable.state_hash() == GOLDEN[name]
    durable.close()


@pytest.mark.parametrize("name", STORIES)
def test_the_same_life_writes_the_golden_bytes_today(name: str, tmp_path: Path) -> None:
    assert live(name, tmp_path / name) == GOLDEN[name]
    assert names(tmp_path / name) == names(FOLDER / name)
    for each in names(FOLDER / name):
        assert (tmp_path / name / each).read_bytes() == (FOLDER / name / each).read_bytes(), each


@pytest.mark.parametrize("name", STORIES)
def test_a_record_of_a_newer_layout_is_refused_cleanly(name: str, copy: Path, capsys) -> None:
    path = segment_paths(LocalDisk(), copy / name)[-1]
    data = bytearray(path.read_bytes())
    data[4] = LAYOUT_VERSION + 1
    end = HEADER_BYTES + int.from_bytes(data[8:12], "little")
    end += -end % 8
    crc = zlib.crc32(data[HEADER_BYTES:end], zlib.crc32(data[: HEADER_BYTES - 4]))
    data[HEADER_BYTES - 4 : HEADER_BYTES] = crc.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(JournalNewerError, match="layout version 2; this release reads 1"):
        replay_hash(copy / name)
    durable = STORIES[name].open(LocalDisk(), folder=copy / name, options=OPTIONS)
    assert durable.state is DurableState.QUARANTINED
    assert f"{path} at byte 0: written in layout version 2" in durable.why
    assert path.read_bytes() == bytes(data)
    assert not verify(copy / name, out=sys.stdout, progress=False)
    assert "written in layout version 2" in capsys.readouterr().out


@pytest.mark.parametrize("name", STORIES)
def test_a_snapshot_of_a_newer_schema_is_refused_and_no_older_one_hides_it(
    name: str, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = STORIES[name]
    with monkeypatch.context() as patch:
        patch.setattr("persistence.snapshot.SCHEMA_VERSION", SCHEMA_VERSION + 1)
        durable = story.open(LocalDisk(), folder=copy / name, options=OPTIONS)
        assert durable.snapshot(at_ns=9)
        seq = durable.seq
        durable.close()
    durable = story.open(LocalDisk(), folder=copy / name, options=OPTIONS)
    assert durable.state is DurableState.QUARANTINED
    where = snapshot_path(copy / name, seq=seq)
    assert f"{where} at byte 0: written in schema 2; this release reads 1" in durable.why
