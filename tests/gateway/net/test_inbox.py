"""Received bytes are joined once a frame, not once a read."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.net.inbox import Inbox


def test_long_frame_is_joined_once_when_it_is_whole() -> None:
    inbox = Inbox()
    inbox.put(b"head")
    assert inbox.fill()
    inbox.take(0, need=1_000_000)
    start = inbox.data
    for _ in range(999_995):
        inbox.put(b"x")
        assert not inbox.fill()
    assert inbox.data is start
    inbox.put(b"y")
    assert inbox.fill()
    assert inbox.data == b"head" + b"x" * 999_995 + b"y"


@given(
    reads=st.lists(st.binary(min_size=1, max_size=20), max_size=30),
    frames=st.lists(st.integers(1, 25), max_size=30),
)
def test_frames_cut_from_any_reads_are_the_stream(reads: list[bytes], frames: list[int]) -> None:
    inbox, cut, wanted = Inbox(), bytearray(), iter(frames)
    need = next(wanted, 1)
    inbox.need = need
    for read in reads:
        inbox.put(read)
        while inbox.fill():
            cut += inbox.data[inbox.at : inbox.at + need]
            at, need = inbox.at + need, next(wanted, 1)
            inbox.take(at, need=need)
    stream = b"".join(reads)
    assert bytes(cut) == stream[: len(cut)]
    assert inbox.size == len(stream) - len(cut) < need
