"""`overround stop`: whatever holds a data folder is ended, and nothing else."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.exit_codes import EXIT_DONE, EXIT_FAILED
from actors.serve_lock import holders, serving_process

HOLD = """
import sys, time
from pathlib import Path
from persistence.disk import LocalDisk
path = Path(sys.argv[1])
path.parent.mkdir(parents=True, exist_ok=True)
lock = LocalDisk().lock(path)
print("held", flush=True)
time.sleep(600)
"""


@contextmanager
def holding(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold a lock file in another process."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def stop(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [Path(sys.executable).with_name("overround"), "stop"],
        env={"OVERROUND_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    code, said = stop(tmp_path / "none")
    assert (code, said) == (EXIT_FAILED, f"{tmp_path / 'none'}: no such folder\n")


def test_nothing_to_stop_is_said(tmp_path: Path) -> None:
    assert stop(tmp_path) == (EXIT_DONE, f"nothing runs on {tmp_path}\n")


def test_process_that_serves_gets_a_signal_to_stop(tmp_path: Path) -> None:
    with holding(tmp_path / "serve.lock") as serving:
        assert serving_process(tmp_path) == serving.pid
        code, said = stop(tmp_path)
        assert serving.wait() == -15
    assert code == EXIT_DONE
    assert f"stopping process {serving.pid}, which serves {tmp_path}" in said
    assert serving_process(tmp_path) is None


@pytest.mark.parametrize("lock", ["directory/lock", "shells/market-1/lock"])
def test_process_that_holds_a_journal_and_that_nobody_serves_is_killed(
    tmp_path: Path, lock: str
) -> None:
    with holding(tmp_path / lock) as left:
        assert holders(tmp_path) == {left.pid: tmp_path / lock}
        code, said = stop(tmp_path)
        assert left.wait() == -9
    assert code == EXIT_DONE
    assert f"killing process {left.pid}, which holds {(tmp_path / lock).parent}" in said


def test_the_supervisor_is_killed_before_the_shells_that_it_would_start_again(
    tmp_path: Path,
) -> None:
    with (
        holding(tmp_path / "shells" / "market-1" / "lock") as shell,
        holding(tmp_path / "directory" / "lock") as supervisor,
    ):
        assert list(holders(tmp_path)) == [supervisor.pid, shell.pid]
        code, said = stop(tmp_path)
    assert code == EXIT_DONE
    assert said.index(f"process {supervisor.pid}") < said.index(f"process {shell.pid}")


def test_processes_of_another_folder_within_are_left_alone(tmp_path: Path) -> None:
    with holding(tmp_path / "demo" / "run-1" / "shells" / "market-1" / "lock") as other:
        assert stop(tmp_path) == (EXIT_DONE, f"nothing runs on {tmp_path}\n")
        assert other.poll() is None
