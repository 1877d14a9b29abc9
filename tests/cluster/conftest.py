"""One Ray for the whole session; each test runs a system of its own on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.cluster import Cluster
from actors.kernel_helpers import load_all_kernels
from actors.settings import ClusterSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def compiled_kernels() -> None:
    """Compile what this machine has not compiled yet, before a deadline of any test runs."""
    load_all_kernels()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A local Ray, started for the first test that requires it and ended with the session.

    Its processes find the parts that tests define: the folder is not on their path by itself.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(ROOT))
        running = Cluster(ClusterSettings())
        running.start()
        try:
            yield running
        finally:
            running.stop()
