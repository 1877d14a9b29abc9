"""What a command that starts a system says of kernels, before it starts anything."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actors.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED
from gateway.cli.kernels import load_all_kernels

UNWRITABLE = """
from numba.core import caching
def refuse(self):
    raise OSError("read-only file system")
caching._CacheLocator.ensure_cache_path = refuse
"""
SERVE = "from gateway.cli.main import main; import sys; sys.exit(main(['serve']))"


def test_kernels_that_are_compiled_already_are_not_mentioned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert load_all_kernels()
    assert capsys.readouterr() == ("", "")


def test_a_first_start_says_that_it_compiles_and_can_be_interrupted(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    with subprocess.Popen(
        [sys.executable, "-c", SERVE],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == EXIT_INTERRUPTED
    assert said == "compiling the kernels for this machine on all its cores: some minutes, once\n"
    deadline_s = time.monotonic() + 60
    with contextlib.suppress(ProcessLookupError):  # raised when no process that helped is left
        while True:
            os.killpg(process.pid, 0)
            assert time.monotonic() < deadline_s
            time.sleep(0.05)


def test_a_start_that_cannot_store_compiled_kernels_ends_with_advice(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNWRITABLE + SERVE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (EXIT_FAILED, "")
    assert done.stderr.startswith("overround: compiled kernels cannot be stored")
    assert "NUMBA_CACHE_DIR" in done.stderr
