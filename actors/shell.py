"""What market and account shells share: a durable machine, or the reason why there is none.

Owns opening (a shell whose journal is damaged starts QUARANTINED instead of raising; one whose disk
fails ends its process, to be started again), the tick, and notifying gateways. What a call may need
is loaded before the journal is opened: a start may take long, a call may not. Never holds a rule,
which is the machine's, and never touches the disk, which is persistence's.
"""

import contextlib
import itertools
import logging
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import numpy as np

from actors.bet_watch import BetWatch
from actors.failstop import ExitProcess, FailStop
from actors.messages import BATCH_ROWS_MAX, ShellHealth, ShellState, encode
from actors.peer import Peer, PeerRefusedError, SubscribedPeer, call_after_gaps
from actors.record_clock import RecordClock
from actors.recovery_progress import ProgressFile, note_end
from actors.road.road import strangers
from engine.common.rows import Rows
from engine.common.units import Nanos
from persistence.commit import Progress
from persistence.disk import DiskError, LockHeldError
from persistence.durable import DurableLedger, DurableMarkets
from persistence.journal import JournalBrokenError

logger = logging.getLogger("overround.shells")

DurableT = TypeVar("DurableT", DurableMarkets, DurableLedger)

WHY_CHARS_MAX: Final = 2_000
"""Longest reason a shell reports for being quarantined."""


class Shell(Generic[DurableT]):
    """A durable machine behind methods that other processes call.

    Parameters
    ----------
    name : str
        The shell's name.
    open_durable : callable
        Opens the machine and its journal, given the time in UTC nanoseconds and what to call with
        the count of recovered records.
    quarantine : str
        When not empty, why the journal must not be opened at all.
    clock : callable
        UTC nanoseconds. Records never go back in time when it does (see actors.record_clock).
    exit_process : callable
        Ends the process when the journal breaks or has another writer.
    progress : str
        When not empty, the file to which the count of recovered records is written.

    Raises
    ------
    JournalBrokenError, LockHeldError
        When `exit_process` returns, as a test's stand-in does.
    """

    def __init__(
        self,
        *,
        name: str,
        open_durable: Callable[[Nanos, Progress | None], DurableT],
        quarantine: str,
        clock: Callable[[], int],
        exit_process: ExitProcess,
        progress: str,
    ) -> None:
        self.name = name
        self.why = quarantine
        self._clock = RecordClock(
            name, wall_ns=clock, steady_ns=time.monotonic_ns if clock is time.time_ns else None
        )
        self._progress = Path(progress) if progress else None
        note = None if self._progress is None else partial(note_end, self._progress)
        self._fail_stop = FailStop(name, exit_process, note)
        self._gateways: dict[str, Peer] = {}
        self._bet_watch = BetWatch()
        self._durable: DurableT | None = None
        try:
            with self._fail_stop:
                reporter = ProgressFile(self._progress) if self._progress else None
                if reporter is not None:
                    reporter(0)
                self._load_before_calls(reporter)
                if quarantine:
                    return
                self._durable = _opened(open_durable, self._clock(), reporter)
                self._clock.begin_after(self._durable.last_ns)
                self.why = self._durable.why
            for refused in self._durable.recovery.snapshots_refused:
                logger.warning("%s: a snapshot was passed over: %s", name, refused)
        except (JournalBrokenError, LockHeldError):
            # A predecessor that has not ended yet holds the lock, or the disk failed a call. A
            # quarantine would outlast either, so this process ends and the supervisor starts
            # another, within its budget.
            raise
        except Exception as error:  # Ray never calls an actor whose constructor raised
            self.why = quarantine or f"start failed: {error!r}"[:WHY_CHARS_MAX]

    # --- for the supervisor ----------------------------------------------------------------------
    def tick(self) -> bytes:
        """Return ShellHealth in msgpack; called at every tick of the supervisor, as a heartbeat."""
        self._clock()  # so that an idle shell notices a jump as well
        durable = self._durable
        state = ShellState.QUARANTINED if self.why else ShellState.SERVING
        if durable is None:
            health = ShellHealth(
                name=self.name, state=state, pid=os.getpid(), epoch=0, seq=0, why=self.why
            )
        else:
            recovery = durable.recovery
            snapshot_seq, snapshot_ns, snapshot_bytes = durable.last_snapshot
            health = ShellHealth(
                name=self.name,
                state=state,
                pid=os.getpid(),
                epoch=durable.epoch,
                seq=durable.seq,
                found_seq=recovery.last_seq,
                journal_bytes=durable.journal_bytes,
                journal_segments=durable.journal_segments,
                unsnapshotted_bytes=durable.unsnapshotted_bytes,
                snapshot_seq=snapshot_seq,
                snapshot_ns=snapshot_ns,
                snapshot_bytes=snapshot_bytes,
                snapshot_trouble=durable.snapshot_trouble[:WHY_CHARS_MAX],
                recovered_bets=recovery.bets,
                recovery_ms=recovery.ms,
                why=self.why,
                clock_jumps=self._clock.jumps,
                clock_behind_ms=self._clock.behind_ms,
                road_strangers=strangers(),
                **self._counts(),
            )
        return encode(health)

    def set_gateways(self, peers: Sequence[Peer]) -> None:
        """Notify these gateways from now on, and no others."""
        for peer in self._gateways.values():
            if isinstance(peer, SubscribedPeer):
                peer.unsubscribe()
        self._gateways = {peer.name: peer for peer in peers}
        self._bet_watch.keep(self._gateways)
        for peer in peers:
            call_after_gaps(peer, partial(self._on_gap, peer))

    def watch_bets(self, gateway: str, lines: int) -> None:
        """Send a gateway the next lines of bets as they are decided, so many at most; 0: no more.

        A gateway that watches asks again and again, so nothing is lost when it or this shell starts
        anew; what it could not be sent is counted, and told with the next lines.
        """
        if gateway in self._gateways:
            self._bet_watch.lend(gateway, lines)

    def state_hash(self) -> str:
        """Return the hash of the machine's whole state."""
        return self._reading().state_hash()

    def stop(self) -> int:
        """Close the journal with a closing mark; the process may then be ended.

        Returns
        -------
        int
            The journal's last record, 0 where there is no journal or no closing mark.
        """
        last = 0
        if self._durable is not None:
            with contextlib.suppress(JournalBrokenError):
                last = self._durable.end(self._clock())
        self.abandon()
        return last

    def quarantine(self, why: str) -> None:
        """Take nothing from now on, because the journal has lost records; reads are answered."""
        self.why = self.why or why[:WHY_CHARS_MAX]
        logger.error("%s: quarantined: %s", self.name, self.why)

    def abandon(self) -> None:
        """Release journal and lock at once, as the end of the process does."""
        if self._durable is not None:
            self._durable.close()
            self._durable = None
        self.why = self.why or "the shell has been stopped"

    # --- inside ----------------------------------------------------------------------------------
    def _load_kernels(self, on_compile: Callable[[str], None]) -> None:
        """Load the kernels that calls of this kind of shell need."""

    def _load_before_calls(self, reporter: ProgressFile | None) -> None:
        """Load kernels, and report those that are compiled.

        Compiled in a call, they would keep the shell from answering ticks for longer than their
        deadline, and again in each process that replaced it.
        """
        compiled = itertools.count(1)

        def on_compile(_: str) -> None:
            if reporter is not None:
                reporter.compiling(next(compiled))

        self._load_kernels(on_compile)

    def _counts(self) -> dict[str, Any]:
        """Return the counts that a shell of this kind adds to its health."""
        return {}

    def _serving(self) -> DurableT | None:
        """Return the durable machine, or None in quarantine."""
        return None if self.why else self._durable

    def _healthy(self) -> DurableT:
        """Return the durable machine, for work that must not be lost.

        Raises
        ------
        PeerRefusedError
            In quarantine; the caller keeps the work and sends it again later.
        """
        durable = self._serving()
        if durable is None:
            raise PeerRefusedError(f"{self.name}: {self.why}")
        return durable

    def _reading(self) -> DurableT:
        """Return the durable machine, for reads, which a damaged journal still allows.

        Raises
        ------
        PeerRefusedError
            When nothing could be recovered.
        """
        if self._durable is None or self._durable.machine is None:
            raise PeerRefusedError(f"{self.name}: {self.why}")
        return self._durable

    def _on_gap(self, gateway: Peer) -> None:
        """Tell a gateway what it may have missed."""

    def _notify(self, method: str, *args: Any) -> None:
        for gateway in self._gateways.values():
            gateway.notify(method, *args)


def _opened(
    open_durable: Callable[[Nanos, Progress | None], DurableT],
    at_ns: Nanos,
    progress: Progress | None,
) -> DurableT:
    """Open a durable machine; raise JournalBrokenError when any call of the disk fails."""
    try:
        return open_durable(at_ns, progress)
    except DiskError as error:
        raise JournalBrokenError(f"the disk failed during recovery: {error}") from error


def rows_of(data: bytes, dtype: np.dtype[Any], *, rows_max: int = BATCH_ROWS_MAX) -> Rows:
    """Return a view of bytes as rows.

    Raises
    ------
    ValueError
        When the bytes are not a whole number of rows, or more than `rows_max` rows: the caller's
        bug.
    """
    if len(data) > rows_max * dtype.itemsize:
        message = f"{len(data) // dtype.itemsize} rows, at most {rows_max} in one call"
        raise ValueError(message)
    rows: Rows = np.frombuffer(data, dtype)
    return rows
