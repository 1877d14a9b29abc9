"""`overround serve` as users run it: README's own lines against a real process on Ray."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from actors.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPENING = ROOT / "docs" / "example-opening.toml"
OVERROUND = Path(sys.executable).with_name("overround")
READY_S = 240.0
ENDED_S = 120.0


class Served:
    """A running `overround serve` and its output so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def wait_for_output(self, pattern: str, *, within_s: float = READY_S) -> re.Match[str]:
        """Return the pattern's match in the output, once there is one."""
        until = time.monotonic() + within_s
        while (found := re.search(pattern, self.output)) is None:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < until, self.output
            time.sleep(0.05)
        return found

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(ENDED_S)


@pytest.fixture
def folder() -> Iterator[Path]:
    # Removed with the test; pytest keeps its own tmp_path after the session.
    with tempfile.TemporaryDirectory(prefix="overround-serve-") as name:
        yield Path(name)


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "OVERROUND_DATA_DIR": str(folder / "data"),
        "OVERROUND_GATEWAY__BETS_PORT": "0",
        "OVERROUND_GATEWAY__CONTROL_PORT": "0",
        "OVERROUND_GATEWAY__FEED_PORT": "0",
    }


@contextmanager
def serve(folder: Path, *arguments: str | Path, **settings: str) -> Iterator[Served]:
    """Run the command in a folder; `settings` go to its environment."""
    log = folder / "output.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [OVERROUND, "serve", *arguments],
            env={**environment(folder), **settings},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
        )
    try:
        yield Served(process, log)
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(ENDED_S)


def token(folder: Path, *arguments: str) -> str:
    return run([OVERROUND, "token", *arguments], folder=folder)


def run(command: Sequence[str | Path], *, folder: Path, stdin: str = "") -> str:
    done = subprocess.run(
        command,
        env=environment(folder),
        input=stdin,
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )
    assert done.returncode == EXIT_DONE, done.stderr
    return done.stdout


def put_packages_of_our_names(folder: Path) -> None:
    """Put packages into the folder that must not be imported in place of ours."""
    for name in ("engine", "persistence", "actors", "gateway", "simulations"):
        package = folder / name
        package.mkdir()
        (package / "__init__.py").write_text("raise ImportError('the wrong package')\n")


def readme_program(heading: str) -> str:
    """Return the few lines of Python under a heading, with the client library of this tree.

    The distribution of the client is installed and run by tests/gateway/client.
    """
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (program,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(program.splitlines()) <= 10
    return str(program).replace("overround_client\n", "gateway.client as overround_client\n", 1)


def run_readme(heading: str, served: Served, folder: Path, *, token: str) -> str:
    """Run README's lines with the ports of this system in place of the default ones."""
    ports = served.wait_for_output(r"bets ws://\S+:(\d+) control ws://\S+:(\d+)")
    program = (
        readme_program(heading).replace(":8480", f":{ports[1]}").replace(":8481", f":{ports[2]}")
    )
    return run([sys.executable, "-c", program], folder=folder, stdin=token)


def test_readme_lines_bet_and_suspend_and_a_second_start_finds_everything(folder: Path) -> None:
    put_packages_of_our_names(folder)
    with serve(folder, "--opening", OPENING) as served:
        served.wait_for_output("serving; interrupt to stop")
        assert "market 1: wc22-64/1x2 in " in served.output
        assert "refused" not in served.output
        assert "the wrong package" not in served.output
        bettor = token(folder, "--role", "bettor", "--account", "7")
        trader = token(folder, "--role", "trader", "--subject", "you")

        first = run_readme("Connect as a bettor", served, folder, token=bettor)
        assert first.count("state='accepted'") == 2, "a single and a double"
        assert "MarketSuspended(" in (
            suspended := run_readme("Connect as a trader", served, folder, token=trader)
        )
        assert "bets=2, stake_taken_minor=1000" in suspended

        assert served.terminate() == EXIT_DONE
        assert served.output.endswith("stopping; all that was answered is on disk\n")
        assert "Traceback" not in served.output

    with serve(folder, "--opening", OPENING) as served:
        served.wait_for_output("serving; interrupt to stop")
        assert "refused" not in served.output
        repeated = run_readme("Connect as a bettor", served, folder, token=bettor)
        assert repeated == first, "the same ref is the same bet, with the same answer"
        second = run_readme("Connect as a trader", served, folder, token=trader)
        assert "Refused(" in second, "the market is suspended, and the opening file did not open it"
        assert "status='suspended'" in second
        assert "bets=2, stake_taken_minor=1000" in second
        assert served.terminate() == EXIT_DONE


def processes(folder: Path) -> dict[int, str]:
    """Return the command lines of the processes that were started for a folder."""
    mark = f"OVERROUND_DATA_DIR={folder / 'data'}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_text(errors="replace")
    return found


@pytest.mark.parametrize(
    ("begun", "number"),
    [
        ("gcs_server", signal.SIGTERM),
        ("raylet_socket_name", signal.SIGINT),
        ("ray::", signal.SIGTERM),
        ("ray::Supervisor", signal.SIGINT),
    ],
)
def test_stop_while_starting_ends_every_process_and_prints_no_stack(
    folder: Path, begun: str, number: signal.Signals
) -> None:
    with serve(folder) as served:
        until = time.monotonic() + READY_S
        while not any(begun in line for line in processes(folder).values()):
            assert served.process.poll() is None, served.output
            assert time.monotonic() < until, served.output
            time.sleep(0.01)
        served.process.send_signal(number)
        assert served.process.wait(ENDED_S) == EXIT_INTERRUPTED
        assert served.output == "stopping before the start was over\n"
        until = time.monotonic() + ENDED_S
        while left := processes(folder):
            assert time.monotonic() < until, left
            time.sleep(0.05)


def test_a_new_port_is_printed_and_a_lost_head_process_of_ray_ends_everything_with_a_word(
    folder: Path,
) -> None:
    with serve(folder, "--opening", OPENING, OVERROUND_CLUSTER__HEAD_DEADLINE_MS="2000") as served:
        served.wait_for_output("serving; interrupt to stop")
        (gateway,) = [pid for pid, line in processes(folder).items() if "ray::Gateway" in line]
        os.kill(gateway, signal.SIGKILL)
        ports = served.wait_for_output(r"restarted: gateway 0: bets ws://\S+:(\d+) control")
        with socket.create_connection(("127.0.0.1", int(ports[1])), timeout=READY_S):
            pass
        (head,) = [pid for pid, line in processes(folder).items() if "gcs_server" in line]
        os.kill(head, signal.SIGKILL)
        assert served.process.wait(ENDED_S) == EXIT_FAILED
        assert "Ray's head process is lost" in served.output
        assert "nothing is lost" in served.output
        until = time.monotonic() + ENDED_S
        while left := processes(folder):
            assert time.monotonic() < until, left
            time.sleep(0.05)
    with serve(folder, "--opening", OPENING) as served:
        served.wait_for_output("serving; interrupt to stop")
        assert served.terminate() == EXIT_DONE
