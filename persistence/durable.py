"""Machines that forget nothing: decide, append, sync, and only then answer.

Owns the calls that change a market shell's or an account shard's state, and what each answers when
the disk is full or the journal damaged. The rules are the machines', the order of steps `commit`'s.

A crash at any instant loses no answer that was given. A decision under way may be found made after
recovery; it was promised to no one, and the same bet id asks for it again.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from engine.common.commands import FeedUpdate, LedgerCommand, MarketCommand
from engine.common.events import LedgerEvent, MarketEvent, Refused
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import BET, DECISION, RESERVATION, RESERVED, SETTLEMENT, Rows, SlipState
from engine.ledger.ledger import LedgerMachine
from engine.market.market import MarketMachine
from persistence.commit import Clock, Durable, DurableState
from persistence.disk import Disk
from persistence.frames import RECORD_BYTES_MAX
from persistence.journal import JournalOptions
from persistence.records import (
    BY_CHARS_MAX,
    Kind,
    PayloadError,
    bets_bytes,
    decode_ledger_commands,
    decode_market_commands,
    encode_bets,
    encode_commands,
    encode_control,
    encode_exchange,
    encode_settlements,
    exchange_bytes,
)
from persistence.recovery import LedgerReplay, MarketReplay

__all__ = ["DurableLedger", "DurableMarkets", "DurableState", "NotAppliedError"]

EVENT_BYTES: Final = 1_024
"""Room kept for one command's event beyond what the command itself takes."""


class NotAppliedError(RuntimeError):
    """Nothing was applied and nothing is lost: hand it in again later."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(MESSAGES[reason])
        self.reason = reason


class DurableMarkets(Durable[MarketMachine]):
    """Markets whose every decision is on disk before it is answered."""

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        disk: Disk,
        at_ns: int,
        options: JournalOptions | None = None,
        clock: Clock = time.perf_counter_ns,
    ) -> Self:
        """Recover the markets of a folder, or begin with none.

        A damaged journal does not raise: it comes back QUARANTINED with `why`.

        Raises
        ------
        LockHeldError
            When another process writes in this folder.
        JournalBrokenError, DiskError
            When the disk fails.
        """
        durable = cls(folder, disk=disk, options=options or JournalOptions())
        durable._recover(MarketReplay, at_ns=at_ns, clock=clock)
        return durable

    def place(self, rows: Rows, at_ns: int) -> Rows:
        """Decide a batch of bets, durably.

        Parameters
        ----------
        rows : BET rows
            At most 262,144 (`RECORD_BYTES_MAX`).
        at_ns : int
            When, nanoseconds UTC.

        Returns
        -------
        Rows
            DECISION rows in the same order. QUARANTINED and DISK_FULL are not remembered, and say
            nothing of an earlier sending of the same bet.

        Raises
        ------
        JournalBrokenError
            When a write or sync failed, now or before. The process is to end.
        """
        assert rows.dtype == BET
        refusal = self._refusal(bets_bytes(len(rows)), at_ns=at_ns) if len(rows) else None
        if refusal is not None or len(rows) == 0:
            decisions: Rows = np.zeros(len(rows), DECISION)
            decisions["bet_id"] = rows["bet_id"]
            decisions["odds_milli"] = rows["odds_milli"]
            decisions["reason"] = refusal or 0
            return decisions
        with self._deciding() as machine:
            decisions = machine.place(rows, at_ns)
            self._commit(Kind.BETS, at_ns=at_ns, parts=encode_bets(rows, decisions))
        return decisions

    def control(self, by: str, commands: Sequence[MarketCommand], at_ns: int) -> list[MarketEvent]:
        """Obey commands in order, durably, as one record; the answer has an event for each.

        More than one record holds (RECORD_BYTES_MAX) are refused together, with CAPACITY.

        Raises
        ------
        PayloadError
            When a command is outside its bounds; nothing has changed.
        JournalBrokenError
            When a write or sync failed, now or before. The process is to end.
        """
        return _control(self, by, commands, at_ns, decode=decode_market_commands)


class DurableLedger(Durable[LedgerMachine]):
    """An account shard whose every transfer is on disk before it is answered."""

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        shard: int,
        disk: Disk,
        at_ns: int,
        options: JournalOptions | None = None,
        clock: Clock = time.perf_counter_ns,
    ) -> Self:
        """Recover a shard's ledger, or begin with an empty one.

        A damaged journal (or another shard's) does not raise: it comes back QUARANTINED with `why`.

        Raises
        ------
        LockHeldError
            When another process writes in this folder.
        JournalBrokenError, DiskError
            When the disk fails.
        """
        durable = cls(folder, disk=disk, options=options or JournalOptions())
        durable._recover(lambda: LedgerReplay(shard=shard), at_ns=at_ns, clock=clock)
        return durable

    def exchange(self, verdicts: Rows, reservations: Rows, at_ns: int) -> Rows:
        """Apply verdicts and reserve stakes, durably, as one record.

        Returns
        -------
        Rows
            RESERVED rows, one for each reservation, in order. On a full disk a known ref still
            gets its first answer: "nothing was booked" would have its bet placed a second time.

        Raises
        ------
        NotAppliedError
            When the journal is quarantined or the disk full and there are verdicts and nothing
            else: an empty answer would pass for done. Beside reservations their refusals say it.
        JournalBrokenError
            When a write or sync failed, now or before. The process is to end.
        """
        assert verdicts.dtype == DECISION
        assert reservations.dtype == RESERVATION
        if len(verdicts) == 0 and len(reservations) == 0:
            return np.zeros(0, RESERVED)
        room = exchange_bytes(verdicts=len(verdicts), reservations=len(reservations))
        refusal = self._refusal(room, at_ns=at_ns)
        if refusal is not None:
            if len(reservations) == 0:
                raise NotAppliedError(refusal)
            if refusal is Reason.DISK_FULL and self.machine is not None:
                return self.machine.recall(reservations, otherwise=refusal)
            answers: Rows = np.zeros(len(reservations), RESERVED)
            answers["odds_milli"] = reservations["odds_milli"]
            answers["reason"] = refusal
            answers["state"] = SlipState.NONE
            return answers
        with self._deciding() as machine:
            answers = machine.exchange(verdicts, reservations, at_ns)
            parts = encode_exchange(verdicts, reservations, answers)
            self._commit(Kind.EXCHANGE, at_ns=at_ns, parts=parts)
        return answers

    def settle(self, rows: Rows, at_ns: int) -> Rows:
        """Apply settlements, durably; what had been applied before is neither done nor journaled.

        Returns
        -------
        Rows
            The SETTLEMENT rows that were applied now. All others were before: all may be acked.

        Raises
        ------
        NotAppliedError
            When the journal is quarantined or the disk full: nothing may be acked.
        ValueError
            When a row can come from no market; nothing has changed.
        JournalBrokenError
            When a write or sync failed, now or before. The process is to end.
        """
        assert rows.dtype == SETTLEMENT
        if len(rows) == 0:
            return rows
        refusal = self._refusal(rows.nbytes, at_ns=at_ns)
        if refusal is not None:
            raise NotAppliedError(refusal)
        with self._deciding(unchanged_by=(ValueError,)) as machine:
            applied = machine.settle(rows, at_ns)
            if len(applied):
                self._commit(Kind.SETTLEMENTS, at_ns=at_ns, parts=encode_settlements(applied))
        return applied

    def control(self, by: str, commands: Sequence[LedgerCommand], at_ns: int) -> list[LedgerEvent]:
        """Obey commands in order, durably, as one record; the answer has an event for each.

        More than one record holds (RECORD_BYTES_MAX) are refused together, with CAPACITY.

        Raises
        ------
        PayloadError
            When a command is outside its bounds; nothing has changed.
        JournalBrokenError
            When a write or sync failed, now or before. The process is to end.
        """
        return _control(self, by, commands, at_ns, decode=decode_ledger_commands)


def _control(
    durable: Durable[Any],
    by: str,
    commands: Sequence[Any],
    at_ns: int,
    *,
    decode: Callable[[bytes], Sequence[Any]],
) -> list[Any]:
    """Obey commands as one record, or refuse them all alike."""
    encoded = checked_commands(by, commands, decode)
    room = control_bytes(encoded, events=sum(map(_events_of, commands)))
    if room > RECORD_BYTES_MAX:
        return [_refused(Reason.CAPACITY) for _ in commands]
    refusal = durable._refusal(room, at_ns=at_ns) if commands else None
    if refusal is not None or not commands:
        return [_refused(refusal) for _ in commands if refusal is not None]
    with durable._deciding() as machine:
        events = [machine.apply(command, at_ns) for command in commands]
        payload = encode_control(by=by, commands=encoded, events=events)
        durable._commit(Kind.CONTROL, at_ns=at_ns, parts=[payload])
    return events


def _events_of(command: Any) -> int:
    """Return how many events a command makes at most."""
    return 1 + len(command.steps) if isinstance(command, FeedUpdate) else 1


def checked_commands(
    by: str, commands: Sequence[Any], decode: Callable[[bytes], Sequence[Any]]
) -> bytes:
    """Encode commands, sure that a later recovery can read them; raise PayloadError otherwise.

    Commands made in Python were never held to their bounds, and one that is outside them would be
    obeyed now and refused by every recovery after.
    """
    if len(by) > BY_CHARS_MAX:
        raise PayloadError(f"by: at most {BY_CHARS_MAX} characters")
    encoded = encode_commands(commands)
    decode(encoded)
    return encoded


def control_bytes(encoded: bytes, *, events: int) -> int:
    """Return the room a control record may take: an event repeats at most its own command."""
    return 2 * len(encoded) + EVENT_BYTES * (events + 1)


def _refused(reason: Reason) -> Refused:
    return Refused(reason=reason, message=MESSAGES[reason])
