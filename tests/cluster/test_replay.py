"""`overround replay` as users run it: recordings against real processes, to closed books."""

import gzip
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_WRONG_ARGUMENTS
from gateway.feeds.uof.generator import KEYS, FeedGenerator
from simulations.timeline import match_by_id
from tests.gateway.feeds.exchange.builders import definition, mcm, quoted, runner

pytestmark = pytest.mark.cluster

OVERROUND = Path(sys.executable).with_name("overround")
WITHIN_S = 120.0
CHECKS = (
    "the ledger sums to zero",
    "accounts and markets agree bet by bet",
    "replaying every journal gives the live state's hash",
    "every slip is paid what its lines are owed",
    "markets charge what slips say, and released legs nothing",
)


@pytest.fixture
def folder() -> Iterator[Path]:
    # Removed with the test; pytest keeps its own tmp_path after the session.
    with tempfile.TemporaryDirectory(prefix="overround-replay-") as name:
        yield Path(name)


def run_replay(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [OVERROUND, "replay", *arguments, "--plain", "--data-dir", folder / "runs"],
        env={**os.environ, "OVERROUND_DATA_DIR": str(folder / "data")},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def race(messages: int) -> list[bytes]:
    """Return a race's messages: an image of three runners, then changes of their prices."""
    field = definition(*(runner(number) for number in (1, 2, 3)))
    prices = [quoted(number, chance) for number, chance in ((1, 0.5), (2, 0.3), (3, 0.2))]
    first = mcm({"id": "1.5", "marketDefinition": field, "rc": prices, "img": True}, pt=1_000)
    moves = [
        mcm({"id": "1.5", "rc": [quoted(1 + n % 3, 0.2 + (n % 29) / 100)]}, pt=1_000 + 500 * n)
        for n in range(1, messages)
    ]
    return [first, *moves]


def accepted(output: str) -> int:
    """Return how many bets the report counts as accepted."""
    found = re.search(r"^bets +([\d,]+) accepted", output, re.MULTILINE)
    assert found is not None, output
    return int(found[1].replace(",", ""))


def test_a_recorded_match_is_traded_and_settled_and_passes_every_check(folder: Path) -> None:
    path = folder / "final.xml"
    messages = FeedGenerator(match_by_id("wc22-64")).messages()
    path.write_bytes(b"\n".join(messages) + b"\n")
    done = run_replay(folder, path, "--speed", "3000", "--bettors", "12")
    assert done.returncode == EXIT_DONE, done.stdout + done.stderr
    assert f"{len(KEYS)} settled, 0 void" in done.stdout
    assert "1 rollback_bet_settlement" in done.stdout
    for check in CHECKS:
        assert f"check passed  {check}" in done.stdout
    assert accepted(done.stdout) > 20


def slips(output: str) -> int:
    """Return how many accepted slips the report counts."""
    found = re.search(r"^slips +([\d,]+) of the bets", output, re.MULTILINE)
    return int(found[1].replace(",", "")) if found is not None else 0


def test_two_recorded_matches_are_traded_with_accumulators(folder: Path) -> None:
    final = match_by_id("wc22-64")
    beside = replace(match_by_id("wc22-63"), kick_off=final.kick_off)
    messages = [*FeedGenerator(final).messages(), *FeedGenerator(beside, alive=False).messages()]
    messages.sort(key=lambda body: int(re.search(rb'timestamp="(\d+)"', body)[1]))  # type: ignore[index]
    path = folder / "two.xml"
    path.write_bytes(b"\n".join(messages) + b"\n")
    done = run_replay(folder, path, "--speed", "3000", "--bettors", "16", "--slips", "0.8")
    assert done.returncode == EXIT_DONE, done.stdout + done.stderr
    assert f"{2 * len(KEYS)} settled, 0 void" in done.stdout
    for check in CHECKS:
        assert f"check passed  {check}" in done.stdout
    assert slips(done.stdout) > 5


def test_a_race_recorded_to_win_and_to_be_placed_is_bet_on_each_way(folder: Path) -> None:
    path = folder / "race.jsonl"
    names = {number: f"Runner {number}" for number in (1, 2, 3)}
    win = definition(*(runner(number, name=name) for number, name in names.items()))
    placed = win | {"marketType": "PLACE", "numberOfWinners": 2}
    chances = ((1, 0.5), (2, 0.3), (3, 0.2))
    first = mcm(
        {
            "id": "1.5",
            "marketDefinition": win,
            "rc": [quoted(*one) for one in chances],
            "img": True,
        },
        {
            "id": "1.6",
            "marketDefinition": placed,
            "rc": [quoted(number, 1.4 * chance + 0.2) for number, chance in chances],
            "img": True,
        },
        pt=1_000,
    )
    moves = [
        mcm({"id": "1.5", "rc": [quoted(3, 0.15 + (n % 5) / 100)]}, pt=1_000 + 500 * n)
        for n in range(1, 400)
    ]
    path.write_bytes(b"\n".join([first, *moves]) + b"\n")
    done = run_replay(folder, path, "--speed", "40", "--bettors", "12", "--slips", "0.8")
    assert done.returncode == EXIT_DONE, done.stdout + done.stderr
    assert "0 settled, 2 void" in done.stdout
    for check in CHECKS:
        assert f"check passed  {check}" in done.stdout
    assert slips(done.stdout) > 0


def test_a_truncated_recording_is_traded_to_its_end_and_voided(folder: Path) -> None:
    path = folder / "stream.gz"
    whole = gzip.compress(b"\n".join(race(3_000)) + b"\n")
    path.write_bytes(whole[: 3 * len(whole) // 4])
    done = run_replay(folder, path, "--max", "--bettors", "12")
    assert done.returncode == EXIT_DONE, done.stdout + done.stderr
    assert "damaged:" in done.stdout
    assert "0 settled, 1 void" in done.stdout
    for check in CHECKS:
        assert f"check passed  {check}" in done.stdout


def test_a_recording_that_opens_no_market_or_loses_one_fails_and_says_why(folder: Path) -> None:
    path = folder / "silent.jsonl"
    field = definition(*(runner(number) for number in (1, 2, 3)))
    one = {"id": "1.5", "marketDefinition": field, "rc": [quoted(1, 0.5)], "img": True}
    two = {"id": "1.6", "marketDefinition": field | {"eventId": ""}}
    path.write_bytes(b"\n".join(mcm(one, two, pt=1_000 + n) for n in range(40)) + b"\n")
    done = run_replay(folder, path, "--max", "--bettors", "2")
    assert done.returncode == EXIT_FAILED, done.stdout + done.stderr
    assert "check FAILED  the recording opens a market (0 opened)" in done.stdout
    assert (
        "market never opened exchange.77.202311142200/win?market=1.5: no fair price" in done.stdout
    )
    lost = "1.6: market refused: no event or no runners"
    assert f"check FAILED  no market of the recording is lost ({lost})" in done.stdout
    assert f"market lost {lost}" in done.stdout


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"a,b,c\n1,2,3\n", "neither JSON lines nor XML"), (b"", "neither JSON lines nor XML")],
)
def test_a_file_that_is_no_recording_is_refused_before_anything_starts(
    folder: Path, content: bytes, text: str
) -> None:
    path = folder / "notes.csv"
    path.write_bytes(content)
    done = run_replay(folder, path)
    assert done.returncode == EXIT_WRONG_ARGUMENTS
    assert text in done.stderr
    assert not (folder / "runs").exists()


def test_a_missing_recording_is_named(folder: Path) -> None:
    done = run_replay(folder, folder / "absent.gz")
    assert done.returncode == EXIT_WRONG_ARGUMENTS
    assert "absent.gz" in done.stderr


def test_a_recording_without_one_known_message_fails_its_check(folder: Path) -> None:
    path = folder / "strange.xml"
    path.write_bytes(b"<greeting/>\n" * 20)
    done = run_replay(folder, path, "--max", "--bettors", "2")
    assert done.returncode == EXIT_FAILED, done.stdout + done.stderr
    assert "check FAILED  the recording is one of the feed's (20 of 20" in done.stdout
