"""A town to trade in, for the tests that need no special one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.bookmaker import Bookmaker, open_bookmaker


@pytest.fixture
async def bookmaker(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    """The common town; at the end every currency adds up to zero."""
    async with open_bookmaker(tmp_path) as bookmaker:
        yield bookmaker
        bookmaker.check()
