"""The account shell: one process that holds one shard of accounts, its ledger and its journal.

Owns decoding, the call of the durable ledger, and encoding; never a rule. After the sync, gateways
that watch an account are notified of what its owner cannot know from an answer: settlements, money
in and out, free bets, what offers give, and verdicts that came late.
"""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np

from actors.account_queries import answer_query
from actors.account_shell_reads import AccountShellReads
from actors.failstop import ExitProcess, exit_at_once
from actors.messages import (
    AccountEventKind,
    GrantedFreeBet,
    decode_ledger_control,
    decode_query,
    encode,
)
from actors.peer import PeerRefusedError
from actors.refused_bets import RefusedBets
from actors.shell import rows_of
from actors.slip_changes import SlipsBefore, changes_since, free_bets_granted, slips_before
from engine.common.commands import TIME_NS_MAX
from engine.common.events import Deposited, LedgerEvent, Refused, Withdrawn
from engine.common.ids import BetId, ShardNo
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import (
    CHARGE,
    DECISION,
    RESERVATION,
    RESERVED,
    SETTLEMENT,
    SLIP_BET,
    Rows,
    SlipKind,
    SlipState,
    U64s,
)
from engine.common.units import Nanos
from engine.common.views import Slip
from engine.ledger.account_reads import lines_of
from persistence.commit import Progress
from persistence.disk import Disk, LocalDisk
from persistence.durable import DurableLedger, NotAppliedError
from persistence.journal import JournalOptions

PENDING_MAX: Final = 1 << 16
"""Pending bets of a shard among which those of one account are looked for."""

logger = logging.getLogger("overround.accounts")


class AccountShell(AccountShellReads):
    """A shard of accounts and its journal, as other processes call them.

    Parameters
    ----------
    name : str
        The shell's name.
    folder : str
        Its journal's folder, which no other process writes to.
    shard : int
        The shard's number.
    options : JournalOptions
        Sizes of segments and snapshots.
    quarantine : str
        When not empty, why the journal must not be opened.
    epoch_min : int
        The lowest epoch that this process may begin (see `DurableLedger.open`).
    disk, clock, exit_process
        The journal's disk, a clock in UTC nanoseconds, and what ends the process.
    progress : str
        When not empty, the file to which the count of recovered records is written.
    """

    def __init__(
        self,
        *,
        name: str,
        folder: str,
        shard: ShardNo,
        options: JournalOptions,
        quarantine: str = "",
        epoch_min: int = 0,
        disk: Disk | None = None,
        clock: Callable[[], int] = time.time_ns,
        exit_process: ExitProcess = exit_at_once,
        progress: str = "",
    ) -> None:
        self._watched: dict[str, dict[int, None]] = {}
        self._refused = RefusedBets()

        def open_durable(at_ns: Nanos, progress: Progress | None) -> DurableLedger:
            return DurableLedger.open(
                Path(folder),
                shard=shard,
                disk=disk or LocalDisk(),
                at_ns=at_ns,
                options=options,
                progress=progress,
                epoch_min=epoch_min,
            )

        super().__init__(
            name=name,
            open_durable=open_durable,
            quarantine=quarantine,
            clock=clock,
            exit_process=exit_process,
            progress=progress,
        )

    # --- bets ------------------------------------------------------------------------------------
    def exchange(self, verdicts: bytes, reservations: bytes, slip_bets: bytes = b"") -> bytes:
        """Post or void earlier bets, then reserve stakes; all is on disk before the return.

        Verdicts that a quarantined shell or a full disk does not take are not lost: their bets stay
        pending, and the reconciler asks the market again.

        Parameters
        ----------
        verdicts, reservations, slip_bets : bytes
            DECISION rows, RESERVATION rows, and SLIP_BET rows of the heads among the reservations.

        Returns
        -------
        bytes
            RESERVED rows, one for each reservation, in order.
        """
        try:
            return self._exchange(
                rows_of(verdicts, DECISION),
                rows_of(reservations, RESERVATION),
                rows_of(slip_bets, SLIP_BET),
            )
        except NotAppliedError:
            return b""

    def recall(self, reservations: bytes, slip_bets: bytes = b"") -> bytes:
        """Answer reservations (as for `exchange`) from the recorded slips, and book nothing.

        Returns
        -------
        bytes
            RESERVED rows as of `exchange`: BET_UNKNOWN for a ref that was never booked; QUARANTINED
            for one that is not found in quarantine, as its record may lie behind the damage; a
            PENDING slip has FLAG_UNMARKED.
        """
        otherwise = Reason.BET_UNKNOWN if self._serving() else Reason.QUARANTINED
        rows, bets = rows_of(reservations, RESERVATION), rows_of(slip_bets, SLIP_BET)
        return self._machine().recall(rows, otherwise=otherwise, slip_bets=bets).tobytes()

    def resolve(self, verdicts: bytes) -> int:
        """Post or void bets whose verdict had been lost, and notify their owners; return how many.

        They are the first ones of the rows; those behind the bound of one call stay pending.

        Raises
        ------
        PeerRefusedError
            When nothing was applied: quarantined, or the disk is full.
        """
        rows = rows_of(verdicts, DECISION)
        self._healthy()
        rows = rows[: self._machine().resolved_at_once(rows)]
        before = self._before(rows["bet_id"])
        try:
            self._exchange(rows, np.zeros(0, RESERVATION), np.zeros(0, SLIP_BET))
        except NotAppliedError as error:
            raise PeerRefusedError(f"{self.name}: {error}") from error
        self._push_changes(AccountEventKind.RESOLVED, rows["bet_id"], before)
        return len(rows)

    def settle(self, rows: bytes) -> int:
        """Apply settlements, each once, and notify the owners; return how many were dealt with.

        They are the first ones of the rows: all of them, unless they are of slips with very many
        lines. At the return they are on disk, so the sender may forget them. A settlement of a
        refused or unknown bet is held as a dispute, logged, and counted in the health.

        Raises
        ------
        PeerRefusedError
            When nothing was applied: quarantined, or the disk is full.
        """
        settlements = rows_of(rows, SETTLEMENT)
        durable = self._healthy()
        settlements = settlements[: self._machine().settled_at_once(settlements)]
        before = self._before(settlements["bet_id"])
        with self._fail_stop:
            try:
                applied = durable.settle(settlements, self._clock())
            except NotAppliedError as error:
                raise PeerRefusedError(f"{self.name}: {error}") from error
        self._push_changes(AccountEventKind.SETTLED, self._without_disputed(applied), before)
        return len(settlements)

    def _without_disputed(self, applied: Rows) -> U64s:
        """Return the bet ids of settlements that were applied; log those held as disputes."""
        machine = self._machine()
        bet_ids: U64s = applied["bet_id"]
        if not machine.disputes_len:
            return bet_ids
        numbers = applied["settlement_no"].tolist()
        disputed = np.array(list(map(machine.is_disputed, bet_ids.tolist(), numbers)), np.bool_)
        for row in applied[disputed]:
            text = "%s: settlement %d of bet %d is held in dispute, see `overround audit`"
            logger.error(text, self.name, row["settlement_no"], row["bet_id"])
        return bet_ids[~disputed]

    def charges(self, after_bet_id: int, limit: int) -> tuple[bytes, int]:
        """Return what legs' markets must be told to charge, as CHARGE rows; none in quarantine.

        Rows are sorted by bet id. The number is the bet id behind which the next page begins, 0
        when there is none.
        """
        if self._serving() is None:
            return b"", 0
        page = self._machine().charges(after_bet_id=BetId(after_bet_id), limit=limit)
        return page.rows.tobytes(), page.next_after

    def charged(self, rows: bytes) -> int:
        """Note charges (CHARGE rows) that their markets have applied; return how many were new.

        Raises
        ------
        PeerRefusedError
            When nothing was noted: quarantined, or the disk is full.
        """
        charges = rows_of(rows, CHARGE)
        durable = self._healthy()
        with self._fail_stop:
            try:
                return len(durable.charged(charges, self._clock()))
            except NotAppliedError as error:
                raise PeerRefusedError(f"{self.name}: {error}") from error

    def pending(self, upto_bet_id: int, limit: int, after_bet_id: int = 0) -> bytes:
        """Return pending bets with ids up to one, as BET rows that fence; none in quarantine.

        Rows are sorted by bet id; the next page is requested with the last page's last id.
        """
        if self._serving() is None:
            return b""
        rows = self._machine().pending_before(
            at_ns=Nanos(TIME_NS_MAX), limit=limit, after_bet_id=BetId(after_bet_id)
        )
        # As u64: beside a Python int NumPy compares in float64, and takes ids over 2**53 for equal.
        count = int(np.searchsorted(rows["bet_id"], np.uint64(upto_bet_id), "right"))
        return rows[:count].tobytes()

    def pending_of(self, account_no: int, limit: int) -> bytes:
        """Return an account's oldest pending bets as BET rows, at most `limit`."""
        rows = self._machine().pending_before(at_ns=Nanos(TIME_NS_MAX), limit=PENDING_MAX)
        own: Rows = rows[rows["account_no"] == account_no][:limit]
        return own.tobytes()

    def _exchange(self, verdicts: Rows, reservations: Rows, slip_bets: Rows) -> bytes:
        durable = self._serving()
        if durable is None:
            answers = np.zeros(len(reservations), RESERVED)
            answers["reason"] = Reason.QUARANTINED
            return answers.tobytes()
        with self._fail_stop:
            at_ns = self._clock()
            waiting = self._waiting_heads(verdicts["bet_id"]) if self._bet_watch else None
            answers = durable.exchange(verdicts, reservations, at_ns, slip_bets)
        refused = self._refused.note(reservations, answers, at_ns)
        if waiting is not None:
            self._show_bets(refused, waiting)
        return answers.tobytes()

    def _waiting_heads(self, bet_ids: U64s) -> U64s:
        """Return the heads that wait for verdicts, of the legs among some bets."""
        slips = self._machine().slips_of(bet_ids)
        legs = slips[slips["kind"] == SlipKind.LEG]
        heads = self._machine().slips_of(np.unique(legs["bet_id"] - legs["legs"]))
        waiting: U64s = heads["bet_id"][heads["state"] == SlipState.PENDING]
        return waiting

    def _show_bets(self, refused: Rows, waiting: U64s) -> None:
        """Notify gateways that watch bets of refusals here, and of slips that are decided now.

        Singles, and legs of slips, are shown by their markets.
        """
        heads = lines_of(self._machine().slips_of(waiting))
        decided = heads[heads["state"] != SlipState.PENDING]
        lines = np.concatenate((refused, decided)) if len(decided) else refused
        if len(lines):
            self._bet_watch.send(self._gateways, len(lines), "on_bet_lines", lines.tobytes())

    # --- accounts --------------------------------------------------------------------------------
    def control(self, payload: bytes) -> bytes:
        """Apply LedgerControl in order as one record; return list[LedgerEvent]; both in msgpack."""
        request = decode_ledger_control(payload)
        durable = self._serving()
        if durable is None:
            message = f"{MESSAGES[Reason.QUARANTINED]} ({self.why})"
            refused = Refused(reason=Reason.QUARANTINED, message=message)
            return encode([refused for _ in request.commands])
        with self._fail_stop:
            events = durable.control(request.by, request.commands, self._clock())
        self._push_credits(events)
        granted = free_bets_granted(self._machine(), events, self._is_watched)
        self._push(AccountEventKind.GRANTED, granted)
        return encode(events)

    def query(self, payload: bytes) -> bytes:
        """Answer an AccountQuery (see `answer_query`) in msgpack.

        Raises
        ------
        PeerRefusedError
            When nothing could be recovered; and in quarantine for a bet that is not found: its
            record may lie behind the damage, and the answer None would have it placed twice.
        """
        answer, unsure = answer_query(self._machine(), decode_query(payload))
        if unsure:
            self._healthy()
        return encode(answer)

    # --- watching --------------------------------------------------------------------------------
    def watch(self, gateway: str, account_nos: list[int]) -> None:
        """Notify a gateway of these accounts' events too, until `unwatch` or the gateway's end."""
        self._watched.setdefault(gateway, {}).update(dict.fromkeys(account_nos))

    def unwatch(self, gateway: str, account_nos: list[int]) -> None:
        """Stop notifying a gateway of these accounts' events."""
        watched = self._watched.get(gateway, {})
        for account_no in account_nos:
            watched.pop(account_no, None)

    def _before(self, bet_ids: U64s) -> SlipsBefore | None:
        """Return the slips that have legs among some bets before a change; None if nobody watches.

        The change then tells their owners what it changed.
        """
        if not any(self._watched.values()):
            return None
        return slips_before(self._machine(), bet_ids, self._is_watched)

    def _is_watched(self, account_no: int) -> bool:
        return any(account_no in watched for watched in self._watched.values())

    def _push_changes(
        self, kind: AccountEventKind, bet_ids: U64s, before: SlipsBefore | None
    ) -> None:
        """Notify gateways of what changed singles (`kind`) and slips."""
        if before is None:
            return
        machine = self._machine()
        events = changes_since(machine, kind, bet_ids, before, self._is_watched)
        for each, ids in events.items():
            found = map(machine.slip_by_id, map(BetId, ids))
            self._push(each, [slip for slip in found if slip is not None])

    def _push_credits(self, events: Iterable[LedgerEvent]) -> None:
        moved = [e for e in events if isinstance(e, Deposited | Withdrawn) and not e.known]
        self._push(AccountEventKind.CREDITED, moved)

    def _push(
        self,
        kind: AccountEventKind,
        of: Iterable[Slip | Deposited | Withdrawn | GrantedFreeBet],
    ) -> None:
        """Send each gateway the events of the accounts it watches."""
        events = list(of)
        for name, gateway in self._gateways.items():
            watched = self._watched.get(name, {})
            relevant = [event for event in events if event.account_no in watched]
            if relevant:
                gateway.notify("on_account_events", encode(relevant), kind.value)

    # --- inside ----------------------------------------------------------------------------------
    def _counts(self) -> dict[str, int]:
        durable = self._durable
        if durable is None or durable.machine is None:
            return {}
        machine = durable.machine
        stopped = int(machine.house_stop is not None)
        return {
            "bets": machine.slips_len,
            "disputes": machine.disputes_len,
            "house_stopped": stopped,
        }
