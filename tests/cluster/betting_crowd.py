"""Bettors on a gateway's bet path in the test's own event loop, and looks at the processes behind.

Owns no assertion about a result, which is each test's.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from actors.messages import ShellState, ShellStatus
from actors.peer import PeerError
from actors.system import System
from engine.common.commands import CreateMarket, Deposit, Limits, OpenMarket
from engine.common.reasons import Reason
from gateway.bets.path import BetPath
from gateway.bets.ticket import BetAnswer, Ticket
from gateway.settings import GatewaySettings

DEADLINE_S = 120.0
"""Far longer than anything here takes; only a failure waits so long."""
COLD_START_S = 150.0
"""The same where processes may compile every kernel first, two or more at once."""


async def until(condition: Callable[[], Any], *, within_s: float = DEADLINE_S) -> None:
    """Check a condition every 10 ms until it holds; fail at the deadline."""
    deadline = time.monotonic() + within_s
    while True:
        holds = condition()
        if asyncio.iscoroutine(holds):
            holds = await holds
        if holds:
            return
        assert time.monotonic() < deadline, "the deadline has passed"
        await asyncio.sleep(0.01)


async def open_funded_markets(
    system: System, *, markets: int = 1, accounts: int = 40, **limits: int
) -> list[int]:
    """Create and open markets and fund accounts; return the markets' numbers."""
    commands = [
        CreateMarket(
            market_no=0,
            key=f"cup-1/1x2?n={number}",
            outcomes=("home", "draw", "away"),
            odds_milli=(2_000, 3_000, 4_000),
            limits=Limits(**limits),
        )
        for number in range(markets)
    ]
    answers = await system.create_markets(commands)
    numbers = [answer.route.market_no for answer in answers if answer.route is not None]
    assert len(numbers) == markets
    # A shell that was killed or given up while it started is not waited for by the call above.
    await until(lambda: all_serve(system), within_s=COLD_START_S)
    await system.control([OpenMarket(market_no=no) for no in numbers])
    await system.open_accounts(range(accounts), currency="EUR")
    await system.deposit(
        [Deposit(account_no=no, amount_minor=10_000_000, ref="first") for no in range(accounts)]
    )
    return numbers


async def all_serve(system: System) -> bool:
    """Return whether every shell serves, by the routes of this moment."""
    routes = await system.refresh()
    return all(shell.state is ShellState.SERVING for shell in routes.shells.values())


async def spare(system: System) -> int:
    """Wait until an idle process is ready to take a dead market shell's place; return its pid."""
    found = 0

    async def is_ready() -> bool:
        nonlocal found
        found = await system.supervisor.ask("spare_pid")
        return found > 0

    await until(is_ready, within_s=COLD_START_S)
    return found


async def status(system: System, shell: str) -> ShellStatus:
    (found,) = [s for s in await system.statuses() if s.name == shell]
    return found


async def serves_again(system: System, before: ShellStatus) -> bool:
    """Return whether a later process of the shell serves."""
    now = await status(system, before.name)
    assert now.state is not ShellState.QUARANTINED, now
    return now.generation > before.generation and now.state is ShellState.SERVING


class Crowd:
    """Places bets, keeps every answer by ref, and follows the supervisor's routes meanwhile."""

    def __init__(self, system: System, **settings: int) -> None:
        self.answers: dict[str, BetAnswer] = {}
        self.tickets: dict[str, Ticket] = {}
        self._system = system
        self._path = BetPath(
            routes=system.routes,
            settings=GatewaySettings(**settings),
            suspect=lambda shell: system.supervisor.notify("suspect", shell),
        )
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._following = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._following is not None
        self._following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._following
        await self._path.close()

    async def _follow(self) -> None:
        while True:
            version = self._system.routes.version
            with contextlib.suppress(PeerError):  # a test may kill the supervisor too
                await self._system.refresh()
            if self._system.routes.version != version:
                self._path.wake()
            await asyncio.sleep(0.02)

    def on_bet_answer(self, ticket: Ticket, answer: BetAnswer) -> None:
        assert ticket.ref not in self.answers, "a bet is answered once"
        self.answers[ticket.ref] = answer

    def place(
        self,
        ref: str,
        *,
        account_no: int,
        market_no: int,
        stake_minor: int = 100,
        odds_milli: int = 2_000,
    ) -> None:
        ticket = Ticket(
            session=self,
            ref=ref,
            ref_bytes=ref.encode(),
            account_no=account_no,
            market_no=market_no,
            outcome=0,
            stake_minor=stake_minor,
            odds_milli=odds_milli,
            policy=0,
        )
        self.tickets[ref] = ticket
        self._path.place(ticket)

    async def all_answered(self) -> None:
        await until(lambda: len(self.answers) == len(self.tickets))

    def count(self, reason: Reason) -> int:
        return sum(a.reason is reason and a.state != "unknown" for a in self.answers.values())


def descendants(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue  # the process has ended since it was listed
        for child in children:
            found += descendants(int(child))
    return found


def market_shell_pids() -> set[int]:
    """Return the processes of market shells, idle spares included."""
    found = set()
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::MarketShell"):
                found.add(pid)
    return found
