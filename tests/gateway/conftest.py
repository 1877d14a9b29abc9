"""The bookmaker that most gateway tests use."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.bookmaker import Bookmaker, open_bookmaker


@pytest.fixture
async def bookmaker(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    """A bookmaker; at the end of the test every currency must sum to zero."""
    async with open_bookmaker(tmp_path) as bookmaker:
        yield bookmaker
        bookmaker.check()
