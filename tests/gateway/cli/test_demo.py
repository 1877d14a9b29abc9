"""The demo, run briefly as a command: its checks pass, and it resumes from disk."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.cli import demo as demo_command
from gateway.cli.main import main
from gateway.demo.options import SLIPS
from simulations.crowd import SLIPS_SHARE
from simulations.programme import BESIDE_MAX

CHECKS = (
    "the ledger sums to zero",
    "accounts and markets agree bet by bet",
    "replaying every journal gives the live state's hash",
    "every slip is paid what its lines are owed",
    "markets charge what slips say, and released legs nothing",
)
DEADLINE_S = 300


class Run:
    """One `overround demo` process."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.data_dir = data_dir
        self.log = data_dir.parent / f"{time.monotonic_ns()}.log"
        start = "from gateway.cli.main import main; raise SystemExit(main())"
        command = [sys.executable, "-c", start, "demo", "--plain", "--no-console"]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, "--data-dir", str(data_dir), *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, text: str) -> None:
        deadline_s = time.monotonic() + DEADLINE_S
        while text not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline_s, self.text
            time.sleep(0.05)

    def wait(self) -> int:
        return self.process.wait(DEADLINE_S)

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(DEADLINE_S)

    def progress(self) -> dict:
        (file,) = self.data_dir.glob("run-*/demo.json")
        return json.loads(file.read_text(encoding="utf-8"))


@pytest.fixture
def demo(tmp_path):
    runs = []

    def run(*arguments: str) -> Run:
        runs.append(Run(tmp_path / "demo", *arguments))
        return runs[-1]

    yield run
    for one in runs:
        one.kill()


def figure(text: str, pattern: str) -> int:
    found = re.search(pattern, text)
    assert found is not None, text
    return int(found[1].replace(",", ""))


@pytest.mark.cluster
@pytest.mark.faults
def test_match_with_a_killed_market_ends_with_every_check_passed(demo):
    arguments = ("--speed", "500", "--bettors", "16", "--markets", "6", "--beside", "3")
    run = demo(*arguments, "--markets-per-actor", "2", "--seed", "3")
    assert run.wait() == 0, run.text
    for check in (*CHECKS, "the killed 1x2 market came back whole"):
        assert f"check passed  {check} (" in run.text, run.text
    assert "FAILED" not in run.text
    assert figure(run.text, r"bets +([\d,]+) accepted") > 20
    assert figure(run.text, r"slips +([\d,]+) of the bets, with [\d,]+ legs") > 5
    assert "9 journals" in run.text  # fourteen markets by two, two shards
    assert "legs of slips held, hash " in run.text
    assert "full time: Brazil 4-1 South Korea; slips run on without it" in run.text
    for event in ("kick-off", "GOAL France 81'", "half-time", "1x2: process", "bettors are paid"):
        assert event in run.text
    assert "Argentina 2-2 France after 90 minutes; 3-3 after extra time, 4-2" in run.text
    assert "exposure before the whistle, in EUR: worst " in run.text
    assert run.progress()["closed"]


@pytest.mark.cluster
@pytest.mark.faults
def test_interrupted_match_resumes_from_disk_and_is_played_to_its_end(demo):
    arguments = ("--speed", "400", "--bettors", "8", "--markets", "3", "--kill-minute", "none")
    arguments += ("--markets-per-actor", "3", "--match", "wc22-58", "--beside", "2")
    first = demo(*arguments)
    first.wait_for("GOAL Argentina 35'")
    first.process.send_signal(signal.SIGINT)
    assert first.wait() == 130, first.text
    assert "--resume` plays on" in first.text
    stopped = first.progress()
    assert not stopped["closed"]
    assert stopped["played_s"] > 34 * 60
    resumed = demo(*arguments)
    assert resumed.wait() == 0, resumed.text
    before = figure(resumed.text, r"back from disk: \d+ journals with ([\d,]+) bets")
    assert 0 < before < figure(resumed.text, r"bet by bet \(([\d,]+) bets")
    assert "play goes on at" in resumed.text
    for check in CHECKS:
        assert f"check passed  {check} (" in resumed.text, resumed.text
    assert resumed.progress()["starts"] == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--speed", "0"], "0.1 to 100000"),
        (["--speed", "fast"], "0.1 to 100000"),
        (["--speed", "nan"], "0.1 to 100000"),
        (["--bettors", "-1"], "1 to 2000"),
        (["--bettors", "1e3"], "1 to 2000"),
        (["--markets", "126"], "1 to 125"),
        (["--beside", "5"], "0 to 4"),
        (["--slips", "1.1"], "0 to 1"),
        (["--slips", "half"], "0 to 1"),
        (["--kill-minute", "90"], "1 to 89"),
        (["--until", "0"], "1 to 89"),
        (["--base-port", "65535"], "0 to 65533"),
        (["--seed", "99999999999999999999"], "0 to 2147483648"),
    ],
)
def test_arguments_out_of_bounds_are_refused_with_the_bound(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as left:
        main(["demo", *arguments])
    assert left.value.code == 2
    assert complaint in capsys.readouterr().err


def test_defaults_are_those_of_the_simulations():
    assert (demo_command.BESIDE_MAX, SLIPS) == (BESIDE_MAX, SLIPS_SHARE)


def test_unknown_match_is_refused(tmp_path, capsys):
    assert main(["demo", "--data-dir", str(tmp_path), "--match", "wc22-65"]) == 2
    assert "wc22-01 to wc22-64" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_resume_without_a_run_is_refused(tmp_path, capsys):
    assert main(["demo", "--data-dir", str(tmp_path / "none"), "--resume"]) == 2
    assert "no run to resume" in capsys.readouterr().err
