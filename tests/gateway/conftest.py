"""A town to trade in, for the tests that need no special one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.bookmaker import Town, open_town


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """The common town; at the end every currency adds up to zero."""
    async with open_town(tmp_path) as town:
        yield town
        town.check()
