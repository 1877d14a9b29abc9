"""Durable machines: decide, append, sync, and only then answer.

Owns the calls that change a market shell's or an account shard's state and their answers when the
disk is full or the journal damaged. The rules of betting are the machines' own; the order of a
change and the commands are in `persistence.commit`.

A crash at any instant loses no answer that was sent. A decision in progress may exist after
recovery; no answer to it was sent, and a bet of the same id gets it as the answer.
"""

import time
from pathlib import Path
from typing import Final, Self

import numpy as np

from engine.common.commands import LedgerCommand, MarketCommand
from engine.common.events import LedgerEvent, MarketEvent
from engine.common.ids import ShardNo
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import (
    BET,
    CHARGE,
    DECISION,
    RESERVATION,
    RESERVED,
    SETTLEMENT,
    SLIP_BET,
    Rows,
    SlipState,
)
from engine.common.units import Nanos
from engine.ledger.ledger import LedgerMachine
from engine.market.market import MarketMachine
from persistence.commit import Clock, Durable, DurableState, Progress
from persistence.disk import Disk
from persistence.journal import JournalOptions
from persistence.records import (
    Kind,
    bets_bytes,
    decode_ledger_commands,
    decode_market_commands,
    encode_bets,
    encode_charges,
    encode_exchange,
    encode_settlements,
    exchange_bytes,
    exchange_kind,
)
from persistence.recovery import LedgerReplay, MarketReplay

__all__ = ["DurableLedger", "DurableMarkets", "DurableState", "NotAppliedError"]

_NO_SLIP_BETS: Final[Rows] = np.zeros(0, SLIP_BET)


class NotAppliedError(RuntimeError):
    """The call changed nothing, in quarantine or on a full disk; retry it later."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(MESSAGES[reason])
        self.reason = reason


class DurableMarkets(Durable[MarketMachine, MarketCommand, MarketEvent]):
    """Markets whose every decision is on disk before its answer is returned."""

    _decode_commands = staticmethod(decode_market_commands)

    @staticmethod
    def _apply(
        machine: MarketMachine, command: MarketCommand, at_ns: Nanos, _: str, /
    ) -> MarketEvent:
        return machine.apply(command, at_ns)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        disk: Disk,
        at_ns: Nanos,
        options: JournalOptions | None = None,
        clock: Clock = time.perf_counter_ns,
        progress: Progress | None = None,
    ) -> Self:
        """Recover the markets of a folder; a new folder has none.

        A damaged journal does not raise: the result is QUARANTINED and `why` holds the reason.

        Parameters
        ----------
        folder : Path
            Holds the journal and the snapshots; created if missing.
        disk : Disk
            Does all input and output.
        at_ns : Nanos
            Time of the start, nanoseconds UTC.
        options : JournalOptions, optional
            Sizes of segments and of the room allocated ahead, and when snapshots are taken.
        clock : Clock
            Measures how long the recovery takes.
        progress : Progress, optional
            Called with the count of replayed records at each of them.

        Raises
        ------
        LockHeldError
            If another process writes in this folder.
        JournalBrokenError, DiskError
            If the disk fails.
        """
        durable = cls(folder, disk=disk, options=options or JournalOptions())
        durable._recover(MarketReplay, at_ns=at_ns, clock=clock, progress=progress)
        return durable

    def place(self, rows: Rows, at_ns: Nanos) -> Rows:
        """Decide a batch of bets, durably.

        Parameters
        ----------
        rows : BET rows
            At most 262,144 (`RECORD_BYTES_MAX`).
        at_ns : Nanos
            Time of the decisions, nanoseconds UTC.

        Returns
        -------
        Rows
            DECISION rows in the same order. QUARANTINED and DISK_FULL are not recorded. On a full
            disk a bet that is recorded still gets its decision: a refusal would be taken for the
            answer to it where a call was doubled on its way, and its stake be given back. In
            quarantine it may have been accepted when it was sent earlier.

        Raises
        ------
        ValueError
            If the batch is larger; nothing has changed.
        JournalBrokenError
            If a write or sync failed, now or earlier; the process must end.
        """
        assert rows.dtype == BET
        refusal = self._refusal(bets_bytes(len(rows)), at_ns=at_ns) if len(rows) else None
        if refusal is Reason.DISK_FULL and self.machine is not None:
            return self.machine.repeat(rows, otherwise=refusal, at_ns=Nanos(at_ns))
        if refusal is not None or len(rows) == 0:
            decisions: Rows = np.zeros(len(rows), DECISION)
            decisions["bet_id"] = rows["bet_id"]
            decisions["odds_milli"] = rows["odds_milli"]
            decisions["reason"] = refusal or 0
            return decisions
        with self._deciding() as machine:
            decisions = machine.place(rows, Nanos(at_ns))
            self._commit(Kind.BETS, at_ns=at_ns, parts=encode_bets(rows, decisions))
        return decisions

    def charge(self, rows: Rows, at_ns: Nanos) -> Rows:
        """Apply charges of legs, durably; rows that change nothing are not journaled.

        Parameters
        ----------
        rows : CHARGE rows
            What slips charge their legs from now on.
        at_ns : Nanos
            Time of the call, nanoseconds UTC.

        Returns
        -------
        Rows
            The CHARGE rows that this call applied, now journaled. The others were known, or belong
            to no leg that was accepted here. So the caller may note all rows as applied.

        Raises
        ------
        NotAppliedError
            If the journal is quarantined or the disk full: no row may be noted as applied.
        JournalBrokenError
            If a write or sync failed, now or earlier; the process must end.
        """
        assert rows.dtype == CHARGE
        if len(rows) == 0:
            return rows
        refusal = self._refusal(rows.nbytes, at_ns=at_ns)
        if refusal is not None:
            raise NotAppliedError(refusal)
        with self._deciding() as machine:
            applied = machine.charge(rows, Nanos(at_ns))
            if len(applied):
                self._commit(Kind.CHARGES, at_ns=at_ns, parts=encode_charges(applied))
        return applied


class DurableLedger(Durable[LedgerMachine, LedgerCommand, LedgerEvent]):
    """An account shard whose every transfer is on disk before its answer is returned."""

    _decode_commands = staticmethod(decode_ledger_commands)

    @staticmethod
    def _apply(
        machine: LedgerMachine, command: LedgerCommand, at_ns: Nanos, by: str, /
    ) -> LedgerEvent:
        return machine.apply(command, at_ns, by=by)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        shard: ShardNo,
        disk: Disk,
        at_ns: Nanos,
        options: JournalOptions | None = None,
        clock: Clock = time.perf_counter_ns,
        progress: Progress | None = None,
        epoch_min: int = 0,
    ) -> Self:
        """Recover a shard's ledger; a new folder has an empty one.

        A damaged journal (or another shard's journal) does not raise: the result is QUARANTINED
        and `why` holds the reason.

        Parameters
        ----------
        folder, disk, at_ns, options, clock, progress
            See `DurableMarkets.open`.
        shard : ShardNo
            The shard's number.
        epoch_min : int
            The lowest epoch to begin: no start may give the bet ids of an earlier one, also when
            the journal has lost all records of that one.

        Raises
        ------
        LockHeldError
            If another process writes in this folder.
        JournalBrokenError, DiskError
            If the disk fails.
        """
        durable = cls(folder, disk=disk, options=options or JournalOptions())
        durable._recover(
            lambda: LedgerReplay(shard=shard),
            at_ns=at_ns,
            clock=clock,
            progress=progress,
            epoch_min=epoch_min,
        )
        return durable

    def exchange(
        self,
        verdicts: Rows,
        reservations: Rows,
        at_ns: Nanos,
        slip_bets: Rows = _NO_SLIP_BETS,
    ) -> Rows:
        """Apply verdicts and reserve stakes, durably, as one record.

        Parameters
        ----------
        verdicts : DECISION rows
            The markets' decisions on stakes reserved earlier.
        reservations : RESERVATION rows
            Stakes to reserve: of singles, and of heads with their legs behind them.
        at_ns : Nanos
            Time of the call, nanoseconds UTC.
        slip_bets : SLIP_BET rows
            The bets of the slips among the reservations, in the order of their heads.

        Returns
        -------
        Rows
            RESERVED rows, one for each reservation, in order. On a full disk a known ref still
            gets its first answer: with the answer "not booked" its bet would be placed twice.

        Raises
        ------
        NotAppliedError
            If the journal is quarantined or the disk full and there are only verdicts: an empty
            answer would mean that they were applied. With reservations, their refusals mean that
            the verdicts were not applied either.
        JournalBrokenError
            If a write or sync failed, now or earlier; the process must end.
        """
        assert verdicts.dtype == DECISION
        assert reservations.dtype == RESERVATION
        assert slip_bets.dtype == SLIP_BET
        if len(verdicts) == 0 and len(reservations) == 0:
            return np.zeros(0, RESERVED)
        room = exchange_bytes(
            verdicts=len(verdicts), reservations=len(reservations), slip_bets=len(slip_bets)
        )
        refusal = self._refusal(room, at_ns=at_ns)
        if refusal is not None:
            if len(reservations) == 0:
                raise NotAppliedError(refusal)
            if refusal is Reason.DISK_FULL and self.machine is not None:
                return self.machine.recall(reservations, otherwise=refusal, slip_bets=slip_bets)
            answers: Rows = np.zeros(len(reservations), RESERVED)
            answers["odds_milli"] = reservations["odds_milli"]
            answers["reason"] = refusal
            answers["state"] = SlipState.NONE
            return answers
        with self._deciding() as machine:
            answers = machine.exchange(verdicts, reservations, Nanos(at_ns), slip_bets)
            parts = encode_exchange(verdicts, reservations, slip_bets, answers)
            self._commit(exchange_kind(slip_bets), at_ns=at_ns, parts=parts)
        return answers

    def settle(self, rows: Rows, at_ns: Nanos) -> Rows:
        """Apply settlements, durably; rows that change nothing are skipped and not journaled.

        Parameters
        ----------
        rows : SETTLEMENT rows
            Settlements from the markets' outboxes.
        at_ns : Nanos
            Time of the call, nanoseconds UTC.

        Returns
        -------
        Rows
            The SETTLEMENT rows that this call applied or holds in dispute, now journaled. The other
            rows were known: a settlement of the same bet with their number or a higher one was
            applied or disputed before. So the caller may acknowledge all rows.

        Raises
        ------
        NotAppliedError
            If the journal is quarantined or the disk full: no row may be acknowledged.
        ValueError
            If the batch is too long or the disputes are at their bound; nothing has changed.
        JournalBrokenError
            If a write or sync failed, now or earlier; the process must end.
        """
        assert rows.dtype == SETTLEMENT
        if len(rows) == 0:
            return rows
        refusal = self._refusal(rows.nbytes, at_ns=at_ns)
        if refusal is not None:
            raise NotAppliedError(refusal)
        with self._deciding(unchanged_by=(ValueError,)) as machine:
            applied = machine.settle(rows, Nanos(at_ns))
            if len(applied):
                self._commit(Kind.SETTLEMENTS, at_ns=at_ns, parts=encode_settlements(applied))
        return applied

    def charged(self, rows: Rows, at_ns: Nanos) -> Rows:
        """Note charges that markets have applied, durably; known ones are not journaled.

        Parameters
        ----------
        rows : CHARGE rows
            As `LedgerMachine.charges` gave them.
        at_ns : Nanos
            Time of the call, nanoseconds UTC.

        Returns
        -------
        Rows
            The CHARGE rows that were new here, now journaled.

        Raises
        ------
        NotAppliedError
            If the journal is quarantined or the disk full; the same charges will be carried again.
        JournalBrokenError
            If a write or sync failed, now or earlier; the process must end.
        """
        assert rows.dtype == CHARGE
        if len(rows) == 0:
            return rows
        refusal = self._refusal(rows.nbytes, at_ns=at_ns)
        if refusal is not None:
            raise NotAppliedError(refusal)
        with self._deciding() as machine:
            noted = machine.charged(rows)
            if len(noted):
                self._commit(Kind.CHARGES, at_ns=at_ns, parts=encode_charges(noted))
        return noted
