"""Reports of suspected shells: one shell is reported at most once in each interval."""

import asyncio
from typing import Any

from actors.peer import PeerDiedError
from gateway.suspected_shells import REPORT_EVERY_S, SuspectedShells
from tests.actors.virtual import run_virtual


class SupervisorStub:
    """A supervisor's peer that keeps the reports, or is gone."""

    name = "supervisor"

    def __init__(self) -> None:
        self.reports: list[str] = []
        self.gone = False

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        raise NotImplementedError

    def notify(self, method: str, /, *args: Any) -> None:
        if self.gone:
            raise PeerDiedError("supervisor")
        assert method == "suspect"
        self.reports += args


def test_a_shell_is_reported_at_once_and_then_once_in_each_interval() -> None:
    async def main() -> None:
        supervisor = SupervisorStub()
        suspected = SuspectedShells(supervisor)
        for _ in range(5):
            suspected.report("market-a")
        assert supervisor.reports == ["market-a"]
        suspected.report("market-b")
        assert supervisor.reports == ["market-a", "market-b"]
        await asyncio.sleep(REPORT_EVERY_S - 0.01)
        suspected.report("market-a")
        assert len(supervisor.reports) == 2
        await asyncio.sleep(0.02)
        suspected.report("market-a")
        assert supervisor.reports[2:] == ["market-a"]

    run_virtual(main())


def test_reports_without_a_supervisor_are_dropped_and_go_to_a_new_one() -> None:
    async def main() -> None:
        suspected = SuspectedShells(None)
        suspected.report("market-a")
        supervisor = SupervisorStub()
        supervisor.gone = True
        suspected.supervisor = supervisor
        suspected.report("market-a")
        await asyncio.sleep(REPORT_EVERY_S)
        supervisor.gone = False
        suspected.report("market-a")
        assert supervisor.reports == ["market-a"]

    run_virtual(main())
