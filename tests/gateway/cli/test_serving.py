"""What `serve` does at a hangup: it releases every quarantined shell."""

from typing import Any

import pytest

from actors.peer import PeerDiedError
from gateway.cli import serving


class SupervisorStub:
    """A supervisor's peer that fails to release one shell."""

    name = "supervisor"

    def __init__(self, fails: str) -> None:
        self.fails = fails
        self.released: list[str] = []

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        assert (method, timeout_s) == ("release", None)
        (shell,) = args
        if shell == self.fails:
            raise PeerDiedError("its process has ended")
        self.released.append(shell)

    def notify(self, method: str, /, *args: Any) -> None:
        raise NotImplementedError


async def test_a_shell_that_cannot_be_released_keeps_no_other_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    supervisor = SupervisorStub("market-00000")
    await serving._release(supervisor, ["market-00000", "account-001"])
    assert supervisor.released == ["account-001"]
    said = capsys.readouterr().out.splitlines()
    assert "market-00000 is not released: its process has ended" in said
