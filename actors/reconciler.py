"""Carry settlements to accounts, resolve orphaned stakes, and compare bets with slips.

Owns nothing durable: each step reads from the shells what is left to do, so the reconciler may end
at any instant and be started again. Whatever it delivers may be delivered twice; shells apply it
once. It never decides anything about a bet: the market's verdict does.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from actors.messages import (
    AUDIT_ROWS_MAX,
    MarketControl,
    MarketRoute,
    ShellRoute,
    ShellState,
    decode_market_events,
    decode_totals,
    encode,
)
from actors.peer import Peer, PeerError, PeerRefusedError
from actors.reconciliation import ShardSlips, compare_bets_and_slips
from actors.routes import Routes, account_shell_name
from actors.settings import ReconcilerSettings
from engine.common.commands import AckOutbox
from engine.common.events import OutboxAcked
from engine.common.ids import ShardNo
from engine.common.reasons import UNRECORDED
from engine.common.rows import BET, DECISION, SETTLEMENT, Rows, U32s
from engine.common.units import NS_PER_MS
from engine.ledger.rows import SLIP
from engine.market.book import BET_RECORD

logger = logging.getLogger("overround.reconciler")

BY = "reconciler"
_NOT_NOW = (PeerError, PeerRefusedError)
"""Errors that leave the work to the next step."""
_UNRECORDED = np.array(sorted(UNRECORDED), np.uint16)


class StepReport(Struct, kw_only=True):
    """What one step did, or all steps together."""

    settled: int = 0
    resolved: int = 0
    postponed: int = 0
    """Tasks that met a shell which was down, slow or refused; the next step repeats them."""

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {"settled": self.settled, "resolved": self.resolved, "postponed": self.postponed}


class Reconciler:
    """Bring accounts in line with markets, step by step.

    Parameters
    ----------
    shards : int
        Count of account shards.
    settings : ReconcilerSettings
        Period, portions, deadlines.
    clock : callable
        UTC nanoseconds, for the age of pending stakes.
    """

    def __init__(
        self,
        *,
        shards: int,
        settings: ReconcilerSettings,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._routes = Routes(shards=shards)
        self._settings = settings
        self._clock = clock
        self._timeout_s = settings.call_timeout_ms / 1_000
        self._running: asyncio.Task[None] | None = None
        self._stepping = asyncio.Lock()
        self._report = StepReport()
        self._done = StepReport()

    # --- start and stop --------------------------------------------------------------------------
    def on_routes(
        self,
        version: int,
        shells: Sequence[ShellRoute],
        markets: Sequence[MarketRoute],
        peers: Mapping[str, Peer],
    ) -> None:
        """Apply changed routes."""
        self._routes.update(version=version, shells=shells, markets=markets, peers=peers)

    async def start(self) -> None:
        """Begin to step, once per period."""
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End after the present step."""
        if self._running is not None:
            async with self._stepping:
                self._running.cancel()
            self._running = None

    def done(self) -> dict[str, int]:
        """Return what all steps did so far."""
        return self._done.as_dict()

    async def _run(self) -> None:
        while True:
            await self.step()
            await asyncio.sleep(self._settings.period_ms / 1_000)

    async def step(self) -> dict[str, int]:
        """Carry the settlements of every market shell and resolve the orphans of every account."""
        async with self._stepping:
            self._report = report = StepReport()
            serving = [s for s in self._routes.shells.values() if s.state is ShellState.SERVING]
            markets = [shell.name for shell in serving if shell.kind == "market"]
            accounts = [shell.name for shell in serving if shell.kind == "account"]
            await asyncio.gather(
                *(self._attempt(self._carry_settlements(name)) for name in markets),
                *(self._attempt(self._resolve_orphans(name)) for name in accounts),
            )
            self._done.settled += report.settled
            self._done.resolved += report.resolved
            self._done.postponed += report.postponed
        return report.as_dict()

    async def _attempt(self, task: Awaitable[None]) -> None:
        try:
            await task
        except _NOT_NOW:
            self._report.postponed += 1
        except Exception:  # one shell's defect must not end the tasks of all others
            logger.exception("a task of this step failed; the next step repeats it")
            self._report.postponed += 1

    async def _ask(self, shell: str, method: str, *args: object) -> Any:
        peer = self._routes.peer(shell)
        if peer is None:
            raise PeerError(f"{shell} is down")
        return await peer.ask(method, *args, timeout_s=self._timeout_s)

    # --- settlements -----------------------------------------------------------------------------
    async def _carry_settlements(self, market: str) -> None:
        """Carry one market shell's outbox to its account shards."""
        shards = await self._ask(market, "outbox_shards")
        for shard in shards:
            await self._attempt(self._carry_settlements_to(market, shard))

    async def _carry_settlements_to(self, market: str, shard: ShardNo) -> None:
        """Carry an outbox's settlements to one account shard, portion by portion, in order."""
        limit = self._settings.chunk_rows
        while True:
            data = await self._ask(market, "outbox", shard, limit)
            rows: Rows = np.frombuffer(data, SETTLEMENT)
            if not len(rows):
                return
            await self._ask(account_shell_name(shard), "settle", data)
            # The rows are on the account's disk, so the market may drop them. If this command is
            # lost, the same rows are carried again, and the account applies none of them twice.
            ack = AckOutbox(shard=ShardNo(shard), upto=int(rows["outbox_seq"][-1]))
            raw = await self._ask(market, "control", encode(MarketControl(by=BY, commands=(ack,))))
            (acked,) = decode_market_events(raw)
            if not isinstance(acked, OutboxAcked):
                # The market kept the rows, for example on a full disk: it would give them for ever.
                raise PeerRefusedError(f"{market}: {acked}")
            self._report.settled += len(rows)
            if len(rows) < limit:
                return

    # --- orphans ---------------------------------------------------------------------------------
    async def _resolve_orphans(self, account: str) -> None:
        """Ask the markets about stakes that have been pending for too long, portion by portion.

        Each portion starts behind the last one, so stakes that must wait (their market is down or
        quarantined) do not hold back others.
        """
        before_ns = self._clock() - self._settings.orphan_after_ms * NS_PER_MS
        limit = self._settings.chunk_rows
        after_bet_id = 0
        while True:
            data = await self._ask(account, "pending", before_ns, limit, after_bet_id)
            rows: Rows = np.frombuffer(data, BET)
            by_shell: dict[str, list[int]] = {}
            for i, market_no in enumerate(rows["market_no"].tolist()):
                shell = self._routes.market_shell(market_no)
                if shell is None:
                    # No gateway sends a bet to a market it has no route to, but this copy of the
                    # routes may be older than a gateway's: the stake waits.
                    self._report.postponed += 1
                else:
                    by_shell.setdefault(shell, []).append(i)
            for shell, indices in by_shell.items():
                await self._attempt(self._resolve_at(account, shell, rows[indices]))
            if len(rows) < limit:
                return
            after_bet_id = int(rows["bet_id"][-1])

    async def _resolve_at(self, account: str, market: str, rows: Rows) -> None:
        """Fetch a market shell's verdicts on pending bets and deliver those it has recorded."""
        verdicts: Rows = np.frombuffer(await self._ask(market, "place", rows.tobytes()), DECISION)
        recorded = ~np.isin(verdicts["reason"], _UNRECORDED)
        if not recorded.all():
            self._report.postponed += 1
        if recorded.any():
            await self._ask(account, "resolve", verdicts[recorded].tobytes())
            self._report.resolved += int(recorded.sum())

    # --- comparison ------------------------------------------------------------------------------
    async def compare(self) -> bytes:
        """Compare all bets with all slips; return ReconciliationReport in msgpack.

        Slips are read before bets: every bet whose slip is in force is then in its market already,
        and a bet that a market accepted later is recognised by its serial number.

        Raises
        ------
        PeerError, PeerRefusedError
            When a shell cannot be read.
        """
        shells = self._routes.shells.values()
        accounts = [shell for shell in shells if shell.kind == "account"]
        shards = [await self._slips(shell.name, shell.shard) for shell in accounts]
        pages = [np.zeros(0, BET_RECORD)]
        for shell in shells:
            if shell.kind == "market":
                pages += await self._bets(shell.name)
        return encode(compare_bets_and_slips(bets=np.concatenate(pages), shards=shards))

    async def _slips(self, account: str, shard: ShardNo) -> ShardSlips:
        pages: list[Rows] = []
        currencies: list[U32s] = []
        seqs = set()
        while True:
            start = sum(map(len, pages))
            seq, data, of_slips, totals = await self._ask(
                account, "slips_and_totals", start, AUDIT_ROWS_MAX
            )
            pages.append(np.frombuffer(data, SLIP))
            currencies.append(np.frombuffer(of_slips, np.uint32))
            seqs.add(seq)
            if len(pages[-1]) < AUDIT_ROWS_MAX:
                break
        return ShardSlips(
            shard,
            np.concatenate(pages),
            np.concatenate(currencies),
            decode_totals(totals),
            len(seqs) == 1,
        )

    async def _bets(self, market: str) -> list[Rows]:
        pages: list[Rows] = []
        while not pages or len(pages[-1]) == AUDIT_ROWS_MAX:
            start = sum(map(len, pages))
            data = await self._ask(market, "bets", start, AUDIT_ROWS_MAX)
            pages.append(np.frombuffer(data, BET_RECORD))
        return pages
