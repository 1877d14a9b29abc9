"""Say how the shells are, as their supervisor knows them, and what the reconciler has done.

Owns the question to the supervisor, asked once for all. It changes nothing.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from actors.messages import (
    ReconcilerStatus,
    ShellState,
    ShellStatus,
    decode_shell_statuses,
)
from actors.peer import Peer, PeerError, PeerRefusedError
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import NS_PER_MS
from gateway.messages.base import Error
from gateway.messages.protocol import ServerMessage
from gateway.messages.shells import (
    SHELLS_SHOWN_MAX,
    AskShells,
    Reconciliation,
    ShellLine,
    Shells,
)
from gateway.services.shared_answers import SharedAnswer

LIFETIME_S: Final = 0.5
"""Seconds for which an answer serves others."""


class ShellService:
    """The shells, from one gateway.

    Parameters
    ----------
    supervisor : callable
        Returns the supervisor, None without one.
    reconciliation : callable
        Returns the reconciler's status as it was last known.
    timeout_s : float
        Seconds that the supervisor's answer may take.
    """

    def __init__(
        self,
        *,
        supervisor: Callable[[], Peer | None],
        reconciliation: Callable[[], ReconcilerStatus],
        timeout_s: float,
    ) -> None:
        self._supervisor = supervisor
        self._reconciliation = reconciliation
        self._timeout_s = timeout_s
        self._answer = SharedAnswer(self._ask, lifetime_s=LIFETIME_S)

    async def answer(self, request: AskShells) -> ServerMessage:
        """Return the shells, as of `LIFETIME_S` ago at most; UNAVAILABLE without a supervisor."""
        statuses = await self._answer.get()
        if statuses is None:
            reason = Reason.UNAVAILABLE
            return Error(code=int(reason), message=MESSAGES[reason], id=request.id)
        statuses.sort(key=lambda one: (one.state is ShellState.SERVING, one.name))
        return Shells(
            id=request.id,
            shells=tuple(map(shell_line, statuses[:SHELLS_SHOWN_MAX])),
            states=dict(sorted(Counter(one.state.value for one in statuses).items())),
            reconciliation=reconciliation_of(self._reconciliation()),
        )

    async def _ask(self) -> list[ShellStatus] | None:
        supervisor = self._supervisor()
        if supervisor is None:
            return None
        try:
            raw = await supervisor.ask("status", timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError):
            return None
        return decode_shell_statuses(raw)


def shell_line(status: ShellStatus) -> ShellLine:
    """Return a shell's status as a message."""
    line = {
        "name": status.name,
        "kind": status.kind,
        "state": status.state.value,
        "why": status.why,
        "folder": status.folder,
        "restarts": status.restarts,
        "outage_ms": round(status.outage_ms),
    }
    health = status.health
    if health is None:
        return ShellLine(**line)  # type: ignore[arg-type]
    return ShellLine(
        **line,  # type: ignore[arg-type]
        pid=health.pid,
        markets=health.markets,
        bets=health.bets,
        seq=health.seq,
        journal_bytes=health.journal_bytes,
        journal_segments=health.journal_segments,
        unsnapshotted_bytes=health.unsnapshotted_bytes,
        snapshot_seq=health.snapshot_seq,
        snapshot_ms=health.snapshot_ns // NS_PER_MS,
        snapshot_bytes=health.snapshot_bytes,
        snapshot_trouble=health.snapshot_trouble,
        recovered_bets=health.recovered_bets,
        recovery_ms=round(health.recovery_ms),
        clock_jumps=health.clock_jumps,
        clock_behind_ms=health.clock_behind_ms,
        disputes=health.disputes,
    )


def reconciliation_of(status: ReconcilerStatus) -> Reconciliation:
    """Return the reconciler's status as a message."""
    return Reconciliation(
        settled=status.settled,
        resolved=status.resolved,
        charged=status.charged,
        postponed=status.postponed,
        compared=status.compared,
        differences=status.differences,
        differences_found=status.differences_found,
        troubles=status.troubles,
        disputes=status.disputes,
        ids_reused=status.ids_reused,
        charges_unfit=status.charges_unfit,
    )
