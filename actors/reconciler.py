"""Carry settlements and charges, resolve orphaned stakes, and compare bets with slips.

Owns nothing durable: each step reads from the shells what is left to do, so the reconciler may end
at any instant and be started again. Whatever it delivers may be delivered twice; shells apply it
once. It never decides anything about a bet: the market's verdict does.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from msgspec import Struct, structs
from msgspec.structs import replace

from actors.back_off import BackOff
from actors.bet_ages import BetAges
from actors.messages import (
    MarketControl,
    MarketRoute,
    ReconcilerStatus,
    ShellRoute,
    ShellState,
    decode_market_events,
    encode,
)
from actors.peer import Peer, PeerError, PeerRefusedError
from actors.reconciliation import DIFFERENCES_SHOWN_MAX
from actors.routes import Routes, account_shell_name
from actors.running_comparison import RunningComparison
from actors.settings import ReconcilerSettings
from actors.whole_comparison import whole_comparison
from engine.common.commands import AckOutbox
from engine.common.events import OutboxAcked
from engine.common.ids import ShardNo
from engine.common.reasons import UNRECORDED, WAITING
from engine.common.rows import BET, CHARGE, DECISION, SETTLEMENT, Rows

logger = logging.getLogger("overround.reconciler")

BY = "reconciler"
STATUS_EVERY_S: Final = 5.0
"""Longest time between two notifications of the status."""
CHARGE_PORTIONS_MAX: Final = 32
"""Portions of one account's charges that one step reads."""
CHARGES_REST: Final = 3
"""Rest after a step has read an account's charges, as a multiple of the time that the account took:
charges whose market is down are worked out again at each reading, for as long as it is down."""
_NOT_NOW = (PeerError, PeerRefusedError)
"""Errors that leave the work to the next step."""
_UNRECORDED = np.array(sorted(UNRECORDED | WAITING), np.uint16)


class StepReport(Struct, kw_only=True):
    """What one step did, or all steps together."""

    settled: int = 0
    resolved: int = 0
    charged: int = 0
    postponed: int = 0
    """Tasks that met a shell which was down, slow or refused; a later step repeats them."""

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return structs.asdict(self)


class _Work:
    """The work with one shell: its task of the moment, its back-off, and why it fails."""

    def __init__(self, back_off: BackOff) -> None:
        self.back_off = back_off
        self.task: asyncio.Task[None] | None = None
        self.why = ""


class _ChargeTurn:
    """How far an account's charges have been carried in the present turn through all of them."""

    def __init__(self) -> None:
        self.after_bet_id = 0
        self.begun: set[str] = set()
        """Names of the tasks with market shells."""


class Reconciler:
    """Bring accounts in line with markets, step by step.

    The work with each shell is a task of its own, with a back-off of its own: a shell that is slow
    or fails holds up no other. What fails is logged once, shown in the status, and logged again
    when it ends.

    Parameters
    ----------
    shards : int
        Count of account shards.
    settings : ReconcilerSettings
        Period, portions, deadlines.
    clock_s : callable
        Seconds of a clock that nobody sets, for the age of pending stakes.
    """

    def __init__(
        self,
        *,
        shards: int,
        settings: ReconcilerSettings,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._routes = Routes(shards=shards)
        self._settings = settings
        self._clock_s = clock_s
        self._timeout_s = settings.call_timeout_ms / 1_000
        self._running: asyncio.Task[None] | None = None
        self._works: dict[str, _Work] = {}
        self._ages: dict[str, BetAges] = {}
        self._charge_turns: dict[str, _ChargeTurn] = {}
        self._charges_rest_until_s: dict[str, float] = {}
        """By account, the time of the event loop before which its charges are not read again."""
        self._comparison = RunningComparison(
            routes=self._routes, rows=settings.compare_rows, ask=self._ask
        )
        self._listener: Peer | None = None
        self._sent: ReconcilerStatus | None = None
        self._sent_s = 0.0
        self._done = StepReport()
        self._at_once = False

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

    def report_to(self, listener: Peer) -> None:
        """Notify this part (`on_reconciliation`) whenever the status has changed."""
        self._listener, self._sent = listener, None

    async def start(self) -> None:
        """Begin to step, once per period."""
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End after the present tasks."""
        if self._running is not None:
            self._running.cancel()
            self._running = None
        await self._finish()

    def done(self) -> dict[str, int]:
        """Return what all steps did so far."""
        return self._done.as_dict()

    def status(self) -> bytes:
        """Return ReconcilerStatus in msgpack."""
        return encode(self._status())

    def _status(self) -> ReconcilerStatus:
        differences = self._comparison.differences()
        return ReconcilerStatus(
            **self._done.as_dict(),
            compared=self._comparison.compared,
            differences=tuple(differences[:DIFFERENCES_SHOWN_MAX]),
            differences_found=len(differences),
            troubles=tuple(
                f"{name}: {work.back_off.failures} failures in a row: {work.why}"
                for name, work in sorted(self._works.items())
                if work.back_off.failures
            ),
        )

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        compare_s = self._settings.compare_period_ms / 1_000
        compared_s = loop.time()
        while True:
            try:
                self._begin_due()
                if loop.time() >= compared_s + compare_s:
                    compared_s = loop.time()
                    self._begin_slice()
                self._send_status()
            except Exception:  # whatever it is, nobody else carries settlements
                logger.exception("a step failed; the next one follows")
            await asyncio.sleep(self._settings.period_ms / 1_000)

    async def step(self) -> dict[str, int]:
        """Carry the settlements of every market shell and resolve the orphans of every account.

        Returns when every task of this step has ended, whatever its back-off; the counts are those
        of this step.
        """
        before = self._done.as_dict()
        self._at_once = True
        self._begin_due()
        await self._finish()
        self._at_once = False
        return {name: count - before[name] for name, count in self._done.as_dict().items()}

    async def _finish(self) -> None:
        while tasks := [work.task for work in self._works.values() if work.task is not None]:
            await asyncio.wait(tasks)  # a task may begin others

    def _serving(self) -> dict[str, str]:
        """Return the kinds of the shells that serve, by name."""
        shells = self._routes.shells.values()
        return {s.name: s.kind for s in shells if s.state is ShellState.SERVING}

    def _begin_due(self) -> None:
        """Begin the work with every shell that serves, unless it runs or must wait."""
        for name, kind in self._serving().items():
            if kind == "market":
                self._begin(name, partial(self._carry_settlements, name))
            else:
                self._begin(name, partial(self._resolve_orphans, name))
                rest_until_s = self._charges_rest_until_s.get(name, 0.0)
                if self._at_once or asyncio.get_running_loop().time() >= rest_until_s:
                    self._begin(f"charges of {name}", partial(self._carry_charges, name))

    def _begin_slice(self) -> None:
        names = sorted(self._serving())
        if names:
            shell = self._comparison.next_shell(names)
            self._begin(f"comparison of {shell}", partial(self._compare_slice, shell))

    def _begin(self, name: str, task: Callable[[], Awaitable[None]]) -> "asyncio.Task[None] | None":
        """Begin a task and return it; None while it still runs or must wait for its back-off."""
        work = self._works.get(name)
        if work is None:
            period_s = self._settings.period_ms / 1_000
            longest_s = max(self._settings.backoff_max_ms / 1_000, period_s)
            clock_s = asyncio.get_running_loop().time
            work = self._works[name] = _Work(BackOff(period_s, longest_s, clock_s=clock_s))
        if work.task is not None or (work.back_off.remaining_s and not self._at_once):
            return None
        attempt = self._attempt(name, work, task)
        work.task = asyncio.get_running_loop().create_task(attempt)
        return work.task

    async def _attempt(self, name: str, work: _Work, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task; back off if it fails, and say so once."""
        try:
            await task()
        except Exception as error:  # one shell's defect must not end the tasks of all others
            self._done.postponed += 1
            defect = not isinstance(error, _NOT_NOW)
            work.why = repr(error) if defect else str(error)
            if not work.back_off.failures:
                logger.warning("%s: postponed: %s", name, work.why, exc_info=defect)
            work.back_off.failed()
        else:
            if work.back_off.failures:
                logger.warning("%s: goes on after %d failures", name, work.back_off.failures)
            del self._works[name]
        finally:
            work.task = None

    async def _compare_slice(self, shell: str) -> None:
        for difference in await self._comparison.compare(shell):
            logger.error("%s", difference)

    def _send_status(self) -> None:
        """Notify the listener of a changed status, and of one that has not changed now and then.

        The count of the comparison alone is no change. The listener adds what the shells' ticks
        say (see ReconcilerStatus), which comes later than the change here.
        """
        status, now_s = self._status(), asyncio.get_running_loop().time()
        same = self._sent is not None and replace(self._sent, compared=status.compared) == status
        if self._listener is None or (same and now_s < self._sent_s + STATUS_EVERY_S):
            return
        self._sent, self._sent_s = status, now_s
        self._listener.notify("on_reconciliation", encode(status))

    async def _ask(self, shell: str, method: str, *args: object) -> Any:
        peer = self._routes.peer(shell)
        if peer is None:
            raise PeerError(f"{shell} is down")
        return await peer.ask(method, *args, timeout_s=self._timeout_s)

    # --- settlements -----------------------------------------------------------------------------
    async def _carry_settlements(self, market: str) -> None:
        """Carry one market shell's outbox to its account shards, each in a task of its own."""
        begun = set()
        for shard in await self._ask(market, "outbox_shards"):
            carry = partial(self._carry_settlements_to, market, shard)
            name = f"{market} to {account_shell_name(shard)}"
            begun.add(name)
            self._begin(name, carry)
        self._forget(f"{market} to ", begun)

    def _forget(self, prefix: str, needed: set[str]) -> None:
        """Forget failed tasks whose work a gateway did, or a call of which the answer was lost."""
        for name, work in list(self._works.items()):
            if name.startswith(prefix) and name not in needed and work.task is None:
                logger.warning("%s: nothing is left to do", name)
                del self._works[name]

    async def _carry_settlements_to(self, market: str, shard: ShardNo) -> None:
        """Carry an outbox's settlements to one account shard, portion by portion, in order."""
        limit = self._settings.chunk_rows
        while True:
            data = await self._ask(market, "outbox", shard, limit)
            rows: Rows = np.frombuffer(data, SETTLEMENT)
            if not len(rows):
                return
            taken = await self._ask(account_shell_name(shard), "settle", data)
            # These rows are on the account's disk, so the market may drop them. If this command is
            # lost, the same rows are carried again, and the account applies none of them twice.
            ack = AckOutbox(shard=ShardNo(shard), upto=int(rows["outbox_seq"][taken - 1]))
            raw = await self._ask(market, "control", encode(MarketControl(by=BY, commands=(ack,))))
            (acked,) = decode_market_events(raw)
            if not isinstance(acked, OutboxAcked):
                # The market kept the rows, for example on a full disk: it would give them for ever.
                raise PeerRefusedError(f"{market}: {acked}")
            self._done.settled += taken
            if taken == len(rows) < limit:
                return

    # --- orphans ---------------------------------------------------------------------------------
    async def _resolve_orphans(self, account: str) -> None:
        """Ask the markets about stakes that have been pending for too long, portion by portion.

        Each portion starts behind the last one, so stakes that must wait (their market is down or
        quarantined) do not hold back others.
        """
        begun: set[str] = set()
        if upto_bet_id := await self._old_upto(account):
            await self._resolve_upto(account, upto_bet_id, begun)
        self._forget(f"{account} from ", begun)

    async def _old_upto(self, account: str) -> int:
        """Return the highest id of a shard's bets that are old enough to be orphans, 0 for none."""
        if account not in self._ages:
            self._ages[account] = BetAges(self._settings.orphan_after_ms / 1_000)
        ages = self._ages[account]
        if ages.due(self._clock_s()):
            ages.sample(await self._ask(account, "last_bet_id"), self._clock_s())
        return ages.old_upto(self._clock_s())

    async def _resolve_upto(self, account: str, upto_bet_id: int, begun: set[str]) -> None:
        """Ask the markets about the pending stakes up to a bet id; note the tasks begun by name."""
        limit = self._settings.chunk_rows
        after_bet_id = 0
        while True:
            data = await self._ask(account, "pending", upto_bet_id, limit, after_bet_id)
            rows: Rows = np.frombuffer(data, BET)
            prefix = f"{account} from "
            await self._each_market(rows, partial(self._resolve_at, account), prefix, begun)
            if len(rows) < limit:
                return
            after_bet_id = int(rows["bet_id"][-1])

    async def _each_market(
        self,
        rows: Rows,
        work: Callable[[str, Rows], Awaitable[None]],
        prefix: str,
        begun: set[str],
    ) -> None:
        """Do work with each market shell's share of some rows; wait for it, a period at most.

        A shell that takes longer, because it is frozen, holds up no other: while its task runs, no
        other is begun with it, so its rows wait for a later step.

        Parameters
        ----------
        rows : Rows
            Rows with a `market_no`.
        work : callable
            Called with a market shell and its rows, as a task of its own with its own back-off.
        prefix : str
            Of the tasks' names, before the market shell's; names are added to `begun`.
        """
        by_shell: dict[str, list[int]] = {}
        for i, market_no in enumerate(rows["market_no"].tolist()):
            shell = self._routes.market_shell(market_no)
            if shell is None:
                # No gateway sends a bet to a market it has no route to, but this copy of the
                # routes may be older than a gateway's: the row waits.
                self._done.postponed += 1
            else:
                by_shell.setdefault(shell, []).append(i)
        tasks = []
        for shell, indices in by_shell.items():
            begun.add(prefix + shell)
            tasks.append(self._begin(prefix + shell, partial(work, shell, rows[indices])))
        if running := [task for task in tasks if task is not None]:
            await asyncio.wait(running, timeout=self._settings.period_ms / 1_000)

    async def _resolve_at(self, account: str, market: str, rows: Rows) -> None:
        """Fetch a market shell's verdicts on pending bets and deliver those it has recorded."""
        verdicts: Rows = np.frombuffer(await self._ask(market, "place", rows.tobytes()), DECISION)
        recorded = ~np.isin(verdicts["reason"], _UNRECORDED)
        if not recorded.all():
            self._done.postponed += 1
        if recorded.any():
            raw = verdicts[recorded].tobytes()
            self._done.resolved += await self._ask(account, "resolve", raw)

    # --- charges ---------------------------------------------------------------------------------
    async def _carry_charges(self, account: str) -> None:
        """Carry what an account's slips charge their legs to the legs' markets, portion by portion.

        Each portion starts behind the last one, so charges whose market is down or quarantined do
        not hold back others. However many of them wait, a step reads at most CHARGE_PORTIONS_MAX
        portions; the next step goes on behind them, after a rest.
        """
        clock_s = asyncio.get_running_loop().time
        taken_s = 0.0
        turn = self._charge_turns.setdefault(account, _ChargeTurn())
        prefix = f"charges of {account} to "
        limit = self._settings.chunk_rows
        for _ in range(CHARGE_PORTIONS_MAX):
            asked_s = clock_s()
            data, after = await self._ask(account, "charges", turn.after_bet_id, limit)
            taken_s += clock_s() - asked_s
            self._charges_rest_until_s[account] = clock_s() + CHARGES_REST * taken_s
            rows: Rows = np.frombuffer(data, CHARGE)
            await self._each_market(rows, partial(self._charge_at, account), prefix, turn.begun)
            if not after:
                self._forget(prefix, turn.begun)
                del self._charge_turns[account]
                return
            turn.after_bet_id = after

    async def _charge_at(self, account: str, market: str, rows: Rows) -> None:
        """Let a market apply charges, then let the account note that it has.

        Where either call or its answer is lost, the account gives the charge again, or a later one
        of the same leg; the market applies none twice and no earlier one after a later one.
        """
        await self._ask(market, "charge", rows.tobytes())
        await self._ask(account, "charged", rows.tobytes())
        self._done.charged += len(rows)

    # --- comparison ------------------------------------------------------------------------------
    async def compare(self) -> bytes:
        """Compare all bets with all slips; return ReconciliationReport in msgpack.

        Raises
        ------
        PeerError, PeerRefusedError
            When a shell cannot be read.
        """
        return encode(await whole_comparison(self._routes, self._ask))
