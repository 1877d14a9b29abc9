"""Calls of parts in this process, local processes, and the watch on real ones."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from actors.exit_codes import EXIT_JOURNAL_BROKEN
from actors.failstop import ExitProcess
from actors.local import LocalLauncher, LocalProcess
from actors.peer import LocalPeer, PeerDiedError, PeerTimeoutError
from actors.process import PartSpec, PidfdMissingError, PidWatch, check_pidfd
from tests.actors.virtual import run_virtual


class Part:
    def __init__(self, *, exit_process: ExitProcess | None = None) -> None:
        self.exit_process = exit_process
        self.abandoned = 0
        self.noted: list[int] = []

    def double(self, number: int) -> int:
        return 2 * number

    async def slow(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    def note(self, number: int) -> None:
        self.noted.append(number)

    def end(self) -> None:
        assert self.exit_process is not None
        self.exit_process(EXIT_JOURNAL_BROKEN)

    def abandon(self) -> None:
        self.abandoned += 1


def spawn_part() -> LocalProcess:
    return LocalLauncher().spawn(PartSpec(name="part", generation=1, factory=Part, arguments={}))


def test_a_local_peer_answers_and_times_out() -> None:
    async def main() -> None:
        peer = LocalPeer(Part(), name="part")
        assert await peer.ask("double", 4) == 8
        assert await peer.ask("slow", 1.0, timeout_s=2.0) == "done"
        with pytest.raises(PeerTimeoutError, match=r"part\.slow: 2\.0 s passed"):
            await peer.ask("slow", 60.0, timeout_s=2.0)

    run_virtual(main())


def test_notifications_of_one_caller_arrive_in_order() -> None:
    async def main() -> None:
        part = Part()
        peer = LocalPeer(part, name="part")
        for number in range(5):
            peer.notify("note", number)
        await asyncio.sleep(0.1)
        assert part.noted == list(range(5))

    run_virtual(main())


def test_a_killed_local_process_abandons_its_part_once_and_answers_no_more() -> None:
    async def main() -> None:
        local_process = spawn_part()
        local_process.kill()
        local_process.kill()
        await local_process.wait_gone()
        assert local_process.target.abandoned == 1
        with pytest.raises(PeerDiedError):
            await local_process.peer.ask("double", 1)

    run_virtual(main())


def test_a_frozen_local_process_answers_when_it_is_thawed() -> None:
    async def main() -> None:
        local_process = spawn_part()
        local_process.freeze()
        with pytest.raises(PeerTimeoutError, match=r"part\.double: 1\.0 s passed"):
            await local_process.peer.ask("double", 1, timeout_s=1.0)
        waiting = asyncio.ensure_future(local_process.peer.ask("double", 1))
        await asyncio.sleep(1)
        assert not waiting.done()
        local_process.thaw()
        assert await waiting == 2

    run_virtual(main())


def test_a_part_that_ends_its_process_ends_only_its_local_process() -> None:
    async def main() -> None:
        local_process = spawn_part()
        with pytest.raises(PeerDiedError, match=f"code {EXIT_JOURNAL_BROKEN}"):
            await local_process.peer.ask("end")
        assert local_process.ended

    run_virtual(main())


async def test_a_stopped_process_is_killed_and_reported_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        watch = PidWatch(child.pid)
        child.send_signal(signal.SIGSTOP)
        gone = asyncio.ensure_future(watch.wait_gone())
        await asyncio.sleep(0)
        assert not gone.done()
        watch.kill()
        await asyncio.wait_for(gone, 30)
        watch.kill()
        watch.close()
    finally:
        child.kill()
        child.wait()


async def test_a_kill_after_the_end_is_no_error() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    watch = PidWatch(child.pid)
    child.communicate(b"\n")  # ended and reaped, before the event loop was notified
    watch.kill()
    await asyncio.wait_for(watch.wait_gone(), 1)


async def test_a_watch_on_a_reaped_process_reports_it_gone_at_once() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    watch = PidWatch(child.pid)
    await asyncio.wait_for(watch.wait_gone(), 1)
    watch.kill()


def test_the_pidfd_check_passes_here() -> None:
    check_pidfd()


def test_a_python_without_pidfd_is_refused_with_the_missing_function() -> None:
    with pytest.raises(PidfdMissingError, match=r"Linux 5\.3 .*; this Python has no pidfd_send"):
        check_pidfd(signal_module=SimpleNamespace())


def test_a_kernel_without_pidfd_is_refused_with_its_error() -> None:
    def pidfd_open(_: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    with pytest.raises(PidfdMissingError, match=r"pidfd_open failed: .*not implemented"):
        check_pidfd(os_module=SimpleNamespace(pidfd_open=pidfd_open))
