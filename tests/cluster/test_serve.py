"""`overround serve` as its users meet it: README's own lines against a real process on Ray."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPENING = ROOT / "docs" / "example-opening.toml"
OVERROUND = Path(sys.executable).with_name("overround")
READY_S = 60.0
ENDED_S = 30.0


class Served:
    """A running `overround serve`, and what it said so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def await_words(self, words: str, *, within_s: float = READY_S) -> re.Match[str]:
        """Return where the pattern is said, once it is."""
        until = time.monotonic() + within_s
        while (found := re.search(words, self.said)) is None:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < until, self.said
            time.sleep(0.05)
        return found

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(ENDED_S)


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not pytest's own: Ray's workers write elsewhere, and this one is gone when the test is.
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
def serve(folder: Path, *words: str | Path) -> Iterator[Served]:
    log = folder / "said.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [OVERROUND, "serve", *words],
            env=environment(folder),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Served(process, log)
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(ENDED_S)


def token(folder: Path, *words: str) -> str:
    return run([OVERROUND, "token", *words], folder=folder)


def run(words: Sequence[str | Path], *, folder: Path, said_to_it: str = "") -> str:
    done = subprocess.run(
        words,
        env=environment(folder),
        input=said_to_it,
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def readme_program(heading: str) -> str:
    """Return the five lines of Python under a heading."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (program,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(program.splitlines()) == 5
    return str(program)


def run_readme(heading: str, served: Served, folder: Path, *, token: str) -> str:
    """Run README's lines, with the port that the system gave in place of the usual one."""
    ports = served.await_words(r"bets ws://\S+:(\d+) control ws://\S+:(\d+)")
    program = (
        readme_program(heading).replace(":8480", f":{ports[1]}").replace(":8481", f":{ports[2]}")
    )
    return run([sys.executable, "-c", program], folder=folder, said_to_it=token)


def test_readme_lines_bet_and_suspend_and_a_second_start_finds_everything(folder: Path) -> None:
    with serve(folder, "--opening", OPENING) as served:
        served.await_words("serving; interrupt to stop")
        assert "market 1: wc22-64/1x2 in " in served.said
        assert "refused" not in served.said
        bettor = token(folder, "--role", "bettor", "--account", "7")
        trader = token(folder, "--role", "trader", "--subject", "you")

        first = run_readme("Connect as a bettor", served, folder, token=bettor)
        assert "state='accepted'" in first
        assert "MarketSuspended(" in (
            suspended := run_readme("Connect as a trader", served, folder, token=trader)
        )
        assert "bets=1, stake_taken_minor=500" in suspended

        assert served.terminate() == 0
        assert served.said.endswith("stopping; all that was answered is on disk\n")
        assert "Traceback" not in served.said

    with serve(folder, "--opening", OPENING) as served:
        served.await_words("serving; interrupt to stop")
        assert "refused" not in served.said
        again = run_readme("Connect as a bettor", served, folder, token=bettor)
        assert again == first, "the same ref is the same bet, with the same answer"
        still = run_readme("Connect as a trader", served, folder, token=trader)
        assert "Refused(" in still, "it is suspended, and the opening file did not reopen it"
        assert "status='suspended'" in still
        assert "bets=1, stake_taken_minor=500" in still
        assert served.terminate() == 0
