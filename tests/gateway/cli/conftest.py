"""Commands are given time for what they do, and not for compiling kernels before it."""

import pytest

from actors.kernel_helpers import load_all_kernels


@pytest.fixture(scope="session", autouse=True)
def compiled_kernels() -> None:
    """Compile what this machine has not compiled yet, before the first command starts."""
    load_all_kernels()
