"""A whole run of the tests, spread over one process for each core.

A file's tests stay together and in order. Those of `ONE_AFTER_ANOTHER` all go to one process: they
share the session's Ray, or start and kill processes that have deadlines, and mostly wait. A run
that is told which files to run is not spread: its tests come in their order, and their output.
"""

import os
from collections.abc import Sequence
from typing import Final

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

PROCESSES_MAX: Final = 8
"""The longest group of tests takes longer than the others on more."""

ONE_AFTER_ANOTHER: Final = (
    "tests/cluster/",
    "tests/faults/",
    "tests/gateway/cli/",
    "tests/actors/test_process",
    "tests/gateway/feeds/bridge/",
)
LONGEST_FIRST: Final = (*ONE_AFTER_ANOTHER, "tests/simulator/")
"""What is started before other tests, so that no process is left alone with it at the end."""


def processes_wanted(config: pytest.Config) -> int:
    """Return over how many processes to spread this run; 0 when it stays in one."""
    chosen = config.args_source is not pytest.Config.ArgsSource.TESTPATHS
    if chosen or config.option.numprocesses is not None or config.option.usepdb:
        return 0
    cores = len(os.sched_getaffinity(0))
    return min(cores, PROCESSES_MAX) if cores > 1 else 0


def place_in(nodeid: str, prefixes: Sequence[str]) -> int:
    """Return which of these beginnings a test's name has; their number when it has none."""
    return next(
        (i for i, prefix in enumerate(prefixes) if nodeid.startswith(prefix)), len(prefixes)
    )


class SpreadScheduling(LoadFileScheduling):
    """Gives whole files to processes, and all of `ONE_AFTER_ANOTHER` to one of them."""

    def _split_scope(self, nodeid: str) -> str:
        if place_in(nodeid, ONE_AFTER_ANOTHER) < len(ONE_AFTER_ANOTHER):
            return "one after another"
        return super()._split_scope(nodeid)
