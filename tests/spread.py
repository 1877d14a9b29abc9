"""A whole run of the tests, spread over one process for each core.

A file's tests stay together and in order. Those of `ONE_AFTER_ANOTHER` all go to one process: they
share the session's Ray, or start and kill processes that have deadlines, and mostly wait. The
others only compute, and leave the processor to those whenever they want it.
"""

import os
from collections.abc import Sequence
from typing import Final

from xdist.scheduler.loadfile import LoadFileScheduling

PROCESSES_MAX: Final = 8
"""The longest group of tests takes longer than the others on more."""

ONE_AFTER_ANOTHER: Final = (
    "tests/cluster/",
    "tests/faults/",
    "tests/gateway/cli/",
    "tests/gateway/console/",
    "tests/actors/test_process",
    "tests/gateway/feeds/bridge/",
)
NICENESS: Final = 19
"""Of what only computes; Ray gives its processes 15, and these must not starve them."""
LONGEST_FIRST: Final = (*ONE_AFTER_ANOTHER, "tests/simulator/")
"""What is started before other tests, so that no process is left alone with it at the end."""


def processes_wanted() -> int:
    """Return over how many processes to spread a run."""
    return min(len(os.sched_getaffinity(0)), PROCESSES_MAX)


def place_in(nodeid: str, prefixes: Sequence[str]) -> int:
    """Return which of these beginnings a test's name has; their number when it has none."""
    return next(
        (i for i, prefix in enumerate(prefixes) if nodeid.startswith(prefix)), len(prefixes)
    )


def one_after_another(nodeid: str) -> bool:
    """Return whether a test is one of those that one process runs."""
    return place_in(nodeid, ONE_AFTER_ANOTHER) < len(ONE_AFTER_ANOTHER)


class SpreadScheduling(LoadFileScheduling):
    """Gives whole files to processes, and all of `ONE_AFTER_ANOTHER` to one of them."""

    def _split_scope(self, nodeid: str) -> str:
        if one_after_another(nodeid):
            return "one after another"
        return super()._split_scope(nodeid)
