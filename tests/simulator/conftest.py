"""Play stories beside whatever earlier tests have left in memory."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _frozen_heap() -> Iterator[None]:
    """Keep the collector from reading what other tests have left.

    A story makes objects by the hundred thousand. Each full collection also read all modules and
    reports of the session, which took four fifths of a story's time at the end of a whole run.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
