"""Recordings are read in order, however they are compressed, and damage is located."""

import bz2
import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.feeds.bridge import recordings
from gateway.feeds.bridge.recordings import (
    EXCHANGE,
    MERGED_MAX,
    UOF,
    Recorded,
    RecordingDamagedError,
    RecordingError,
    kind_of,
    messages,
    read_messages,
)
from tests.gateway.feeds.exchange.builders import recording

LINES = recording(seed=1, messages=700)
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda content: content,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "members": lambda content: gzip.compress(content[:5_000]) + gzip.compress(content[5_000:]),
    "padded": lambda content: gzip.compress(content) + b"\0" * 512,
    "streams": lambda content: bz2.compress(content[:5_000]) + bz2.compress(content[5_000:]),
}
PACKED = pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def sound_part(path: Path) -> tuple[list[Recorded], RecordingDamagedError]:
    """Return the readable messages of a damaged recording, and the damage."""
    found: list[Recorded] = []
    with pytest.raises(RecordingDamagedError) as caught:
        found.extend(read_messages(path))
    return found, caught.value


def reading(path: Path) -> tuple[list[bytes], RecordingDamagedError | None]:
    found: list[bytes] = []
    try:
        found.extend(one.body for one in read_messages(path, kind=EXCHANGE))
    except RecordingDamagedError as error:
        return found, error
    return found, None


@PACKED
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_lines_are_read_whatever_the_compression(
    tmp_path: Path, pack: Callable[[bytes], bytes], end: bytes
) -> None:
    path = written(tmp_path / "recording.of-any-name", pack(end.join(LINES)))
    assert kind_of(path) == EXCHANGE
    found = list(read_messages(path))
    assert [one.body for one in found] == LINES
    assert found[0].at_ms == 1_700_000_000_000
    assert all(one.at_ms is not None and one.path == path for one in found)


async def test_messages_are_read_ahead_in_batches(tmp_path: Path) -> None:
    path = written(tmp_path / "a", b"\n".join(LINES))
    assert [one.body async for one in messages(path)] == LINES


async def test_damage_is_raised_after_the_last_sound_message(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gz", gzip.compress(b"\n".join(LINES))[:-3_000])
    found: list[bytes] = []

    async def read() -> None:
        async for one in messages(path):
            found.append(one.body)  # noqa: PERF401 - the messages before the damage are needed

    with pytest.raises(RecordingDamagedError, match=r"a\.gz: the compressed data is truncated"):
        await read()
    assert 0 < len(found) < len(LINES)
    assert found == LINES[: len(found)]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
@given(cut=st.floats(0.0, 0.999))
@settings(max_examples=25, deadline=None)
def test_truncated_file_yields_its_complete_messages_and_the_place_of_the_end(
    tmp_path_factory: pytest.TempPathFactory, pack: Callable[[bytes], bytes], cut: float
) -> None:
    rng = random.Random(7)
    lines = [b'{"op":"mcm","pt":%d}' % rng.getrandbits(40) for _ in range(2_000)]
    packed = pack(b"\n".join(lines) + b"\n")
    end = max(4, int(len(packed) * cut))
    path = written(tmp_path_factory.mktemp("cut") / "a", packed[:end])
    found, damage = reading(path)
    assert found == lines[: len(found)]
    assert damage is not None
    assert damage.path == path
    assert damage.offset >= sum(len(line) + 1 for line in found)


def test_flipped_byte_in_a_packed_file_is_damage_not_a_crash(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"\n".join(LINES)))
    packed[len(packed) // 2] ^= 0xFF
    found, damage = reading(written(tmp_path / "a", bytes(packed)))
    assert found == LINES[: len(found)]
    assert damage is not None


def test_line_past_its_bound_ends_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "MESSAGE_BYTES_MAX", 1_000)
    path = written(tmp_path / "a", b'{"pt":1}\n' + b"x" * 2_000 + b'\n{"pt":2}\n')
    found, damage = sound_part(path)
    assert [one.body for one in found] == [b'{"pt":1}']
    assert "message over 1000 bytes" in str(damage)


def test_small_file_that_expands_past_the_bound_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "MESSAGE_BYTES_MAX", 1 << 20)
    path = written(tmp_path / "a", gzip.compress(b"{" * (32 << 20)))
    _, damage = sound_part(path)
    assert damage.offset < 2 << 20


# --- Unified Odds Feed ----------------------------------------------------------------------------

DOCUMENT = (
    b'<?xml version="1.0"?>\n<odds_change event_id="m:1" timestamp="%d">\n <a/>\n</odds_change>\n'
)


def test_xml_files_of_a_folder_are_one_message_each_in_the_order_of_names(tmp_path: Path) -> None:
    for name, at_ms in (("b.xml", 5), ("a.xml", 9), (".hidden", 1)):
        written(tmp_path / name, DOCUMENT % at_ms)
    (tmp_path / "folder").mkdir()
    found = list(read_messages(tmp_path))
    assert kind_of(tmp_path) == UOF
    assert [(one.path.name, one.at_ms) for one in found] == [("a.xml", 9), ("b.xml", 5)]
    assert found[0].body == (DOCUMENT % 9).strip()


@pytest.mark.parametrize("head", [b"", b"<?xml version='1.0'?>", b"\xef\xbb\xbf"])
@PACKED
def test_xml_lines_are_one_message_each(
    tmp_path: Path, pack: Callable[[bytes], bytes], head: bytes
) -> None:
    lines = [
        head + b'<alive product="1" timestamp="4"/>',
        b'<bet_stop timestamp="5"><a/><b/></bet_stop>',
        b'<alive product="1"/>',
    ]
    path = written(tmp_path / "log", pack(b"\n".join(lines)))
    found = list(read_messages(path))
    assert [one.at_ms for one in found] == [4, 5, None]
    assert found[1].body == lines[1]


def test_xml_document_past_its_bound_ends_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "MESSAGE_BYTES_MAX", 500)
    path = written(tmp_path / "a.xml", b"<a>\n" + b"<b/>\n" * 200 + b"</a>")
    assert sound_part(path)[0] == []


# --- folders --------------------------------------------------------------------------------------


def test_exchange_files_of_one_folder_are_merged_by_time(tmp_path: Path) -> None:
    written(tmp_path / "a", b'{"pt":1}\n{"pt":5}\n{"pt":6}\n')
    written(tmp_path / "b", gzip.compress(b'{"pt":2}\n{"pt":4}\n'))
    assert [one.at_ms for one in read_messages(tmp_path)] == [1, 2, 4, 5, 6]


def test_damage_in_one_file_leaves_the_messages_of_the_others(tmp_path: Path) -> None:
    written(tmp_path / "a", gzip.compress(b'{"pt":1}\n')[:-4])
    written(tmp_path / "b", b'{"pt":2}\n{"pt":4}\n')
    found, damage = sound_part(tmp_path)
    assert [one.at_ms for one in found] == [1, 2, 4]
    assert damage.path == tmp_path / "a"


def test_path_that_is_no_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        kind_of(tmp_path / "none")
    with pytest.raises(RecordingError, match="no files"):
        kind_of(tmp_path)
    with pytest.raises(RecordingError, match="neither JSON lines nor XML"):
        kind_of(written(tmp_path / "a", b"\x00\x01"))
    with pytest.raises(RecordingError, match="neither JSON lines nor XML"):
        kind_of(written(tmp_path / "a", b""))
    with pytest.raises(RecordingError, match="'morse'"):
        read_messages(tmp_path, kind="morse")


def test_more_files_than_can_be_merged_are_refused(tmp_path: Path) -> None:
    for number in range(MERGED_MAX + 1):
        written(tmp_path / f"{number}", b'{"pt":1}')
    with pytest.raises(RecordingError, match=f"at most {MERGED_MAX} can be merged"):
        read_messages(tmp_path)
