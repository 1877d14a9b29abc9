"""A `serve` killed in a cluster: the next one takes over what runs, or all of it is stopped."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from actors.exit_codes import EXIT_DONE, EXIT_FAILED
from actors.serve_lock import holders
from tests.cluster.test_serve import OPENING, OVERROUND, Served

pytestmark = pytest.mark.cluster

WAIT_S = 240.0


class Head:
    """A Ray head of its own, and an environment in which commands join it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self.environment = {
            **os.environ,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_USE_UVLOOP": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "OVERROUND_DATA_DIR": str(folder / "data"),
            "OVERROUND_CLUSTER__ADDRESS": self.address,
            "OVERROUND_CLUSTER__HEAD_DEADLINE_MS": "2000",
            # A busy machine must not make a shell look frozen: it would be replaced, not kept.
            "OVERROUND_SUPERVISOR__TICK_DEADLINE_MS": "20000",
            "OVERROUND_SUPERVISOR__RESTART_WINDOW_MS": "200000",
            "OVERROUND_GATEWAY__BETS_PORT": "0",
            "OVERROUND_GATEWAY__CONTROL_PORT": "0",
            "OVERROUND_GATEWAY__FEED_PORT": "0",
        }

    def start(self) -> None:
        ray = Path(sys.executable).with_name("ray")
        command = f"start --head --node-ip-address 127.0.0.1 --port {self.address.split(':')[1]}"
        options = f"--include-dashboard=false --temp-dir {self.folder / 'ray'}"
        subprocess.run(
            [ray, *command.split(), *options.split()],
            env=self.environment,
            check=True,
            capture_output=True,
            timeout=WAIT_S,
        )

    def processes(self) -> dict[int, str]:
        """Return the command lines of everything that was started with this head's token."""
        mark = f"RAY_AUTH_TOKEN={self.environment['RAY_AUTH_TOKEN']}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_text(errors="replace")
        return found

    def parts(self) -> dict[int, str]:
        """Return the processes of our parts, whichever start began them."""
        kinds = "ray::(Supervisor|Reconciler|Gateway|AccountShell|MarketShell)"
        return {pid: line for pid, line in self.processes().items() if re.match(kinds, line)}

    def stop(self) -> tuple[int, str]:
        """Run `overround stop`; return its exit code and what it said."""
        done = subprocess.run(
            [OVERROUND, "stop"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_S * 2,
        )
        return done.returncode, done.stdout

    def kill(self) -> None:
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def head() -> Iterator[Head]:
    with tempfile.TemporaryDirectory(prefix="ovr-", ignore_cleanup_errors=True) as name:
        head = Head(Path(name))
        try:
            head.start()
            yield head
        finally:
            head.kill()


@contextmanager
def serving(head: Head) -> Iterator[Served]:
    """Serve in the head's cluster; the process is killed at the end if it still runs."""
    log = head.folder / f"output-{time.monotonic_ns()}.txt"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [OVERROUND, "serve", "--opening", OPENING],
            env=head.environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=head.folder,
        ) as process,
    ):
        served = Served(process, log)
        try:
            served.wait_for_output("serving; interrupt to stop")
            yield served
        finally:
            process.kill()


def test_next_start_takes_the_shells_over_and_stop_ends_them(head: Head) -> None:
    with serving(head):
        shells = {pid for pid, line in head.parts().items() if "Shell" in line}
        second = subprocess.run(
            [OVERROUND, "serve"],
            env=head.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_S,
        )
        assert second.returncode == EXIT_FAILED
        assert "`overround stop` ends it" in second.stderr
    with serving(head) as taken_over:
        assert "refused" not in taken_over.output
        assert "market 1: wc22-64/1x2 in " in taken_over.output
        now = head.parts()
        assert len(shells & set(now)) >= 3, "two account shards and the markets run on"
        assert sum("Supervisor" in line for line in now.values()) == 1
        assert sum("Gateway" in line for line in now.values()) == 1
    code, said = head.stop()
    assert code == EXIT_DONE, said
    assert "stopped supervisor." in said
    assert not head.parts()


def test_stop_ends_a_serve_that_lives(head: Head) -> None:
    with serving(head) as served:
        code, said = head.stop()
        assert (code, served.process.wait(WAIT_S)) == (EXIT_DONE, EXIT_DONE)
        assert f"stopping process {served.process.pid}" in said
        assert not head.parts()


def kill_head_process(head: Head) -> None:
    (process,) = [pid for pid, line in head.processes().items() if "gcs_server" in line]
    os.kill(process, signal.SIGKILL)


def writers(head: Head) -> set[int]:
    """Return the processes that hold journals; idle shells end with Ray's node process."""
    return set(holders(head.folder / "data"))


def test_stop_ends_the_shells_of_a_killed_serve_whose_head_was_killed_too(head: Head) -> None:
    with serving(head) as served:
        served.process.kill()
        served.process.wait(WAIT_S)
        kill_head_process(head)
        shells = {pid for pid, line in head.parts().items() if "Shell" in line}
        assert shells & writers(head)
    code, said = head.stop()
    assert code == EXIT_FAILED
    assert f"the cluster at {head.address} cannot be joined: no Ray answers" in said
    assert "gateways in that cluster may run until it ends" in said
    assert not writers(head)


def test_a_serve_that_loses_its_head_kills_what_it_runs_and_nothing_is_left_to_stop(
    head: Head,
) -> None:
    with serving(head) as served:
        kill_head_process(head)
        assert served.process.wait(WAIT_S) == EXIT_FAILED
        assert "Ray's head process is lost" in served.output
        until = time.monotonic() + WAIT_S
        # An idle market shell, which holds nothing, ends with Ray's node process only.
        while left := writers(head) | {
            pid for pid, line in head.parts().items() if "MarketShell" not in line
        }:
            assert time.monotonic() < until, {pid: head.processes().get(pid) for pid in left}
            time.sleep(0.05)
