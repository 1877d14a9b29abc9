"""Kill the process of the demo's busiest market, and check what its successor holds.

Owns the kill, the wait for the successor and the comparison with the journal and with the legs of
slips that bettors know to be held. It restarts nothing: the supervisor does.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from actors.messages import ShellState, ShellStatus, decode_health
from actors.peer import PeerError, PeerRefusedError
from actors.system import System
from engine.common.ids import MarketNo
from engine.common.rows import FLAG_LEG, Rows
from gateway.demo.answers import Answers
from gateway.demo.closing import Check, market_records, same_as_journal
from gateway.demo.view_model import SceneUpdater
from simulations.trader import RESULT

RECOVERY_POLL_S: Final = 0.01
RECOVERY_DEADLINE_S: Final = 90.0
RETRY_S: Final = 0.25


class KillFailedError(Exception):
    """The market's process could not be killed; the message says why."""


class MarketKill:
    """The death of one market's process, and what came back.

    Parameters
    ----------
    system : System
        Running.
    data_dir : Path
        Where its journals are.
    market_no : int
        The market: the match result's.
    show : SceneUpdater
        Where each step is shown.
    draw : callable
        Called when the picture has changed.
    """

    def __init__(
        self,
        system: System,
        *,
        data_dir: Path,
        market_no: MarketNo,
        show: SceneUpdater,
        draw: Callable[[], None],
    ) -> None:
        self._system = system
        self._data_dir = data_dir
        self._market_no = market_no
        self._show = show
        self._draw = draw

    async def run(self, answers: Answers) -> Check:
        """Kill the process, wait for its successor, and compare it with journal and answers."""
        show = self._show
        await self._system.refresh()
        shell = self._system.routes.market_shell(self._market_no)
        assert shell is not None, "the market has been created"
        before = await self._status(shell)
        assert before.health is not None, "it has been serving"
        held = answers.legs_held(self._market_no)
        os.kill(before.health.pid, signal.SIGKILL)
        show.log(
            f"{RESULT}: process {before.health.pid} killed (SIGKILL) while bets arrive", "kill"
        )
        took_s = await self._await_successor(shell, before)
        show.scene.recovery = f"{RESULT} was down for {took_s:.2f} s"
        await self._system.refresh()
        health = decode_health(await self._system.peer(shell).ask("tick"))
        show.log(
            f"{RESULT}: back after {took_s:.2f} s as process {health.pid}; "
            f"{health.recovered_bets:,} bets replayed in {health.recovery_ms:.0f} ms",
            "back",
        )
        same, text, lost = await self._compare(shell, held)
        text = f"hash {text[:16]} is its journal's" if same else f"NOT its journal's: {text}"
        show.log(f"{RESULT}: state {text}", "back" if same else "kill")
        show.scene.recovery += f", state {text}"
        legs = f"{len(held):,} legs of slips held" if not lost else f"{lost:,} legs of slips LOST"
        detail = f"down for {took_s:.2f} s, {health.recovered_bets:,} bets, {legs}, {text}"
        return Check(
            name=f"the killed {RESULT} market came back whole",
            passed=same and not lost,
            detail=detail,
        )

    async def _await_successor(self, shell: str, before: ShellStatus) -> float:
        """Wait until another process serves; return the seconds that it took."""
        show, loop = self._show, asyncio.get_running_loop()
        killed_s = loop.time()
        show.scene.outage, show.down_no = f"{RESULT} is down", self._market_no
        self._draw()
        async with asyncio.timeout(RECOVERY_DEADLINE_S):
            while True:
                now = await self._status(shell)
                took_s = loop.time() - killed_s
                if now.state is ShellState.SERVING and now.generation != before.generation:
                    break
                show.scene.outage = f"{RESULT} is down: {took_s:.1f} s"
                await asyncio.sleep(RECOVERY_POLL_S)
        show.scene.outage, show.down_no = "", 0
        return took_s

    async def _compare(self, shell: str, held: Sequence[int]) -> tuple[bool, str, int]:
        """Compare the successor with its journal, and return how many legs it has lost.

        On a busy machine it may miss a tick and be replaced as well; then the next one is compared.
        """
        async with asyncio.timeout(RECOVERY_DEADLINE_S):
            while True:
                try:
                    same, text = await same_as_journal(self._system, shell, self._data_dir)
                    return same, text, legs_lost(await market_records(self._system, shell), held)
                except (PeerError, PeerRefusedError):
                    await asyncio.sleep(RETRY_S)
                    await self._system.refresh()

    async def _status(self, shell: str) -> ShellStatus:
        for status in await self._system.statuses():
            if status.name == shell:
                return status
        raise KillFailedError(f"the supervisor does not know {shell}")


def legs_lost(records: Rows, held: Sequence[int]) -> int:
    """Return how many of the legs that bettors know to be held a market has no record of."""
    legs = records[(records["reason"] == 0) & (records["flags"] & FLAG_LEG != 0)]
    return len(set(held).difference(legs["bet_id"].tolist()))
