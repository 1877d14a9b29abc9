"""Processes that help to compile: none without need, and none that outlives what it helps."""

import os
import subprocess
import sys
from pathlib import Path

from actors import kernel_helpers
from actors.exit_codes import EXIT_INTERRUPTED

HELP = "from actors.kernel_helpers import help_until_done; help_until_done()"


def test_a_helper_ends_with_what_it_helps(tmp_path: Path) -> None:
    helper = subprocess.Popen(
        [sys.executable, "-c", HELP],
        env={**os.environ, "PYTHONPATH": os.getcwd(), "NUMBA_CACHE_DIR": str(tmp_path)},
        stdin=subprocess.PIPE,
    )
    assert helper.stdin is not None
    helper.stdin.close()
    assert helper.wait(120) == EXIT_INTERRUPTED


NOTHING_TO_COMPILE = """
import resource
from actors.kernel_helpers import load_all_kernels
load_all_kernels()
assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss == 0
"""


def test_loading_from_a_full_cache_starts_no_process() -> None:
    kernel_helpers.load_all_kernels()
    subprocess.run([sys.executable, "-c", NOTHING_TO_COMPILE], check=True, timeout=120)
