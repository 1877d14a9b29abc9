"""The bet path that its tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.bets.path_shells import BetPathShells, open_shells


@pytest.fixture
async def shells(tmp_path: Path) -> AsyncIterator[BetPathShells]:
    async with open_shells(tmp_path) as shells:
        yield shells
