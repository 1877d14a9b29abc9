"""Real processes on a real disk: killed at any moment, replayed under several hash seeds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.common.rows import FLAG_KNOWN
from engine.market.market import MarketMachine
from persistence.disk import LockHeldError
from persistence.frames import LAYOUT_VERSION
from tests.faults.bettor_process import BATCH, batch, opened
from tests.golden.journals import FOLDERS, hashes
from tests.persistence.command_sequences import MARKETS, apply, hash_of, replayed

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.faults


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.faults.bettor_process", str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def killed_after(folder: Path, *, answers: int) -> int:
    """Kill a bettor process after so many answers; return the number of its last answered batch."""
    with start(folder) as process:
        assert process.stdout is not None
        for _ in range(answers):
            last = int(process.stdout.readline())
        with pytest.raises(LockHeldError, match=f"process {process.pid}"):
            opened(folder)
        process.kill()
        process.wait(timeout=30)
        rest = process.stdout.read().split(b"\n")
        return int(rest[-2]) if len(rest) > 1 else last


def test_a_killed_process_loses_no_answer_and_doubles_no_bet(tmp_path: Path) -> None:
    for answers in (1, 300, 40):
        last = killed_after(tmp_path, answers=answers)
        durable = opened(tmp_path)
        assert isinstance(durable.machine, MarketMachine)
        found = durable.machine.bets_len // BATCH
        assert found in {last + 1, last + 2}
        oracle = MARKETS.machine()
        apply(oracle, MARKETS.steps[0], at_ns=1_000)
        for number in range(found):
            answers_given = oracle.place(batch(number), 1_000 + number)
        assert hash_of(durable) == hash_of(oracle)
        repeated = durable.place(batch(found - 1), 9)
        assert (repeated["flags"] == FLAG_KNOWN).all()
        repeated["flags"] = answers_given["flags"]
        assert repeated.tobytes() == answers_given.tobytes()
        durable.machine.check()
        durable.close()
    assert replayed(tmp_path) == hash_of(durable)


def test_replay_under_other_hash_seeds_gives_the_golden_hash() -> None:
    folder = FOLDERS[LAYOUT_VERSION]
    script = (
        "import sys; from pathlib import Path; from persistence.recovery import replay_hash;"
        f"[print(replay_hash(Path({str(folder)!r}) / name)) for name in ('markets', 'ledger')]"
    )
    expected = set(hashes(LAYOUT_VERSION).values())
    for seed in ("0", "1", "4242"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", script]
        output = subprocess.check_output(command, cwd=ROOT, env=environment, text=True)
        assert set(output.split()) == expected
