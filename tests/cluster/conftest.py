"""One Ray for the whole session; each test runs a system of its own on it."""

from collections.abc import Iterator

import pytest

from actors.cluster import Cluster
from actors.settings import ClusterSettings


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A local Ray, started for the first test that requires it and ended with the session."""
    running = Cluster(ClusterSettings())
    running.start()
    try:
        yield running
    finally:
        running.stop()
