"""What every test of the tree shares: which examples hypothesis tries, and how a run is spread.

A gate must say of a change only what the change did: `make test` tries the same examples at every
run. New ones are tried by `make hunt`, whose seeds rise.
"""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.spread import (
    LONGEST_FIRST,
    NICENESS,
    SpreadScheduling,
    one_after_another,
    place_in,
    processes_wanted,
)

for name, derandomize in (("gate", True), ("hunt", False)):
    settings.register_profile(
        name,
        derandomize=derandomize,
        print_blob=not derandomize,
        # How long an example takes says how busy the machine is, not whether a rule holds.
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("gate")


def pytest_xdist_auto_num_workers() -> int:
    return processes_wanted()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile what this machine has not compiled yet, before several processes need it."""
    if session.config.option.numprocesses and not hasattr(session.config, "workerinput"):
        from actors.kernel_helpers import load_all_kernels

        load_all_kernels()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SpreadScheduling:
    config.option.loadscopereorder = False
    return SpreadScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let tests that have deadlines go first, in a run that is spread."""
    if hasattr(item.config, "workerinput") and not one_after_another(item.nodeid):
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check that tests which need a process of their own are known; begin with what takes longest.

    Raises
    ------
    pytest.UsageError
        When a test with a mark that says so is in no place that is run one after another.
    """
    for item in items:
        marked = item.get_closest_marker("cluster") or item.get_closest_marker("faults")
        if marked and not one_after_another(item.nodeid):
            raise pytest.UsageError(f"{item.nodeid}: name its folder in tests/spread.py")
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place_in(item.nodeid, LONGEST_FIRST))
