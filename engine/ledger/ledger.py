"""The account shard's ledger: a deterministic double-entry machine over rows.

Owns the rules by which money moves between a bettor and the house: reserve (PENDING), post or void,
settle and settle again, deposit, withdraw. Never reads a clock, never does I/O and never decides a
bet on a market. The same input in the same order gives the same state, so a replay does too.

The accounts of the double entry are `external` (where deposits come from) and `house` for each
currency, and `available`, `pending`, `at_stake` and `owed` (a claim on the bettor, so negative) for
each bettor. Every movement debits one account and credits another; the sum is always zero.

    deposit     external -> balance             reserve     available -> pending
    withdraw    balance -> external             post        pending -> at_stake
    settle      at_stake -> house,              void        pending -> balance
                house -> balance (payout)       reopen      balance -> house -> at_stake

`balance` is one signed figure kept as two: its positive part is `available`, its negative part is
`owed`. So a reversed payout larger than the balance leaves a debt, later credits pay the debt
first, and `available` is never negative.
"""

from typing import Any, Final, assert_never

import numpy as np

from engine.common.commands import Deposit, LedgerCommand, OpenAccount, SetRate, Withdraw
from engine.common.events import (
    AccountOpened,
    Deposited,
    LedgerEvent,
    RateSet,
    Refused,
    Withdrawn,
)
from engine.common.ids import (
    ACCOUNT_NO_MAX,
    AccountNo,
    BetId,
    MalformedIdError,
    ShardNo,
    check_bet_ref,
)
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import BET, RESERVED, SETTLEMENT, Rows, SlipState, U64s
from engine.common.state_hash import state_hash
from engine.common.units import (
    BALANCE_MINOR_MAX,
    BETS_MAX,
    RATE_MICRO_MAX,
    Minor,
    Nanos,
)
from engine.common.views import Balance, LedgerTotals, Slip
from engine.ledger import views
from engine.ledger.audit import first_fault, row_fault
from engine.ledger.ledger_nb import (
    drop_resolved_nb,
    impossible_settlement_nb,
    open_slots_nb,
    pending_bets_nb,
    reserve_nb,
    resolve_nb,
    settle_nb,
    transfer_nb,
)
from engine.ledger.rows import (
    ACCOUNTS_MAX,
    CURRENCIES_MAX,
    HOLDINGS,
    SETTLEMENTS_MAX,
    TRANSFERS_MAX,
    TransferKind,
)
from engine.ledger.tables import LedgerTables

_NO_BET: Final = BetId(0)
"""Below every bet id: a first page starts after it."""


class LedgerMachine:
    """One account shard's ledger.

    Parameters
    ----------
    shard : ShardNo
        The shard's number: the upper bits of every bet id that it gives.
    slips_max, accounts_max, transfers_max : int
        Bounds of the ledger; CAPACITY refuses what would pass one.
    ref_seed : int
        A 64-bit seed of the hashes of refs, unknown to bettors, who choose the refs. It is not part
        of the state: no answer and no state hash depends on it, and every start may use a new one.

    Notes
    -----
    A new ledger has no currency, not even the base currency: SetRate comes first (RATE_MICRO_ONE
    for the base currency), then OpenAccount, then money.

    BALANCE_MINOR_MAX bounds *deposits*: BALANCE_OVER_BOUND refuses a deposit that would raise an
    account's holding (available + pending + at stake - owed) over it. A payout or a returned stake
    is the bettor's money and is always credited, also past the bound. The columns have room for
    more than all payouts that a shard can make at once (HOLDING_MINOR_MAX); a settlement past that
    is an error and changes nothing.
    """

    def __init__(
        self,
        *,
        shard: ShardNo,
        slips_max: int = BETS_MAX,
        accounts_max: int = ACCOUNTS_MAX,
        transfers_max: int = TRANSFERS_MAX,
        ref_seed: int = 0,
    ) -> None:
        self._tables = LedgerTables(
            shard=shard,
            slips_max=slips_max,
            accounts_max=accounts_max,
            transfers_max=transfers_max,
        )
        self._tables.ref_seed = np.uint64(ref_seed)

    # --- rows ------------------------------------------------------------------------------------

    def exchange(self, verdicts: Rows, reservations: Rows, at_ns: Nanos) -> Rows:
        """Post or void the slips that the verdicts name, then reserve stakes.

        Parameters
        ----------
        verdicts : DECISION rows
            Reason 0 posts a PENDING slip and any other reason voids it, once; a verdict on a slip
            that is not PENDING changes nothing. The slip keeps odds, reason and stake_max.
        reservations : RESERVATION rows
            A known ref with the same content is answered with its slip (FLAG_KNOWN), also within
            one batch.
        at_ns : Nanos
            Time of the reservations.

        Returns
        -------
        Rows
            RESERVED rows, one for each reservation, in order. A refusal makes no slip, changes
            nothing and is not recorded: the ref may be used again. A refusal for the stake or for
            funds states the highest stake that would have passed.
        """
        tables = self._tables
        resolve_nb(verdicts, tables.slips, tables.slips_len, tables.accounts, tables.bet_id_first)
        answers: Rows = np.empty(len(reservations), RESERVED)
        if len(reservations) == 0:
            return answers
        self._make_room(len(reservations))
        slips_len = self._reserve(reservations, answers, slips_max=tables.slips_max, at_ns=at_ns)
        tables.pending_len += slips_len - tables.slips_len
        tables.slips_len = slips_len
        return answers

    def recall(self, reservations: Rows, *, otherwise: Reason) -> Rows:
        """Answer reservations from the recorded slips and change nothing.

        Returns
        -------
        Rows
            RESERVED rows: the answer of `exchange` for a known ref, a refusal with the reason
            `otherwise` for any other.
        """
        answers: Rows = np.empty(len(reservations), RESERVED)
        self._reserve(reservations, answers, slips_max=0, at_ns=Nanos(0))
        fresh = (answers["state"] == SlipState.NONE) & (answers["reason"] == Reason.CAPACITY)
        answers["reason"][fresh] = otherwise
        return answers

    def _reserve(self, reservations: Rows, answers: Rows, *, slips_max: int, at_ns: Nanos) -> int:
        tables = self._tables
        return reserve_nb(
            reservations,
            answers,
            tables.slips,
            tables.slips_len,
            tables.accounts,
            tables.account_table,
            tables.slip_table,
            tables.ref_seed,
            tables.rates_micro,
            tables.pending,
            tables.pending_len,
            tables.bet_id_first,
            slips_max,
            at_ns,
        )

    def settle(self, rows: Rows, at_ns: Nanos) -> Rows:  # noqa: ARG002 - every step has its time
        """Pay out settled slips, each pair of bet and settlement number once.

        A higher settlement number reverses the earlier payout and replaces it. A lower or equal
        number, a bet of another shard and a refused slip are skipped. A PENDING slip is posted
        first, at the odds of its reservation: the settlement proves that the market accepted the
        bet, and a verdict that arrives later changes nothing. A row without a result
        (BetResult.NONE) opens the bet again: the payout is reversed, into debt if necessary, and
        the stake is at stake again.

        Returns
        -------
        Rows
            The SETTLEMENT rows that were applied, in order.

        Raises
        ------
        ValueError
            When the batch is longer than SETTLEMENTS_MAX or a row cannot come from a market
            (payout or result outside its bounds, a payout without a result); nothing has changed.
        """
        tables = self._tables
        if len(rows) > SETTLEMENTS_MAX:
            raise ValueError(f"{len(rows)} settlements in a batch, at most {SETTLEMENTS_MAX}")
        state = (tables.slips, tables.slips_len, tables.accounts, tables.bet_id_first)
        impossible = impossible_settlement_nb(rows, *state)
        if impossible >= 0:
            raise ValueError(f"settlement row {impossible} is impossible: {rows[impossible]}")
        applied: Rows = np.empty(len(rows), SETTLEMENT)
        house_minor = np.zeros(len(tables.currencies), np.int64)
        count = settle_nb(rows, applied, *state, house_minor)
        for currency, change_minor in enumerate(house_minor.tolist()):
            tables.house_minor[currency] = Minor(tables.house_minor[currency] + change_minor)
        return applied[:count]

    def _make_room(self, count: int) -> None:
        """Make room for slips; resolved slots leave the queue of pending slots before it grows."""
        tables = self._tables
        if tables.pending_len + count > len(tables.pending):
            tables.pending_len = drop_resolved_nb(tables.pending, tables.pending_len, tables.slips)
        tables.make_room_for_slips(count)

    # --- commands --------------------------------------------------------------------------------

    def apply(self, command: LedgerCommand, at_ns: Nanos) -> LedgerEvent:
        """Apply a command, or refuse it with a reason and change nothing."""
        match command:
            case SetRate():
                return self._set_rate(command)
            case OpenAccount():
                return self._open_account(command)
            case Deposit():
                return self._transfer(command, TransferKind.DEPOSIT, at_ns)
            case Withdraw():
                return self._transfer(command, TransferKind.WITHDRAWAL, at_ns)
            case _:
                assert_never(command)

    def _set_rate(self, command: SetRate) -> LedgerEvent:
        """Set a currency's rate for later bets; each slip keeps the rate of its reservation."""
        tables = self._tables
        code = command.currency
        if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
            return _refused(Reason.MALFORMED, "currency", "a currency is three capital letters")
        if not 1 <= command.rate_micro <= RATE_MICRO_MAX:
            return _refused(Reason.FIELD_OUT_OF_BOUNDS, "rate_micro", f"1 to {RATE_MICRO_MAX}")
        if code not in tables.currencies:
            if len(tables.currencies) == CURRENCIES_MAX:
                return _refused(Reason.CAPACITY, "currency", f"at most {CURRENCIES_MAX}")
            tables.currencies.append(code)
            tables.external_minor.append(Minor(0))
            tables.house_minor.append(Minor(0))
        tables.rates_micro[tables.currencies.index(code)] = command.rate_micro
        return RateSet(currency=code, rate_micro=command.rate_micro)

    def _open_account(self, command: OpenAccount) -> LedgerEvent:
        tables = self._tables
        if not 0 <= command.account_no <= ACCOUNT_NO_MAX:
            return _refused(Reason.FIELD_OUT_OF_BOUNDS, "account_no", f"0 to {ACCOUNT_NO_MAX}")
        if tables.account_slot(command.account_no) >= 0:
            return _refused(Reason.ACCOUNT_EXISTS, "account_no")
        if command.currency not in tables.currencies:
            return _refused(Reason.FIELD_OUT_OF_BOUNDS, "currency", "this currency has no rate")
        if tables.accounts_len == tables.accounts_max:
            return _refused(Reason.CAPACITY, "account_no", f"at most {tables.accounts_max}")
        slot = tables.add_account()
        tables.accounts["account_no"][slot] = command.account_no
        tables.accounts["currency"][slot] = tables.currencies.index(command.currency)
        tables.index_account(slot)
        return AccountOpened(account_no=command.account_no, currency=command.currency)

    def _transfer(
        self, command: Deposit | Withdraw, kind: TransferKind, at_ns: Nanos
    ) -> LedgerEvent:
        """Deposit or withdraw; a known ref is checked first and gets its earlier answer."""
        tables = self._tables
        amount_minor = command.amount_minor
        ref = ref_u64s(command.ref)
        if ref is None:
            return _refused(Reason.MALFORMED, "ref", "1 to 32 printable characters, no space")
        account = tables.account_slot(command.account_no)
        known = tables.transfer_slot(account=account, ref=ref) if account >= 0 else -1
        if known >= 0:
            row = tables.transfers[known]
            if (row["kind"], row["amount_minor"]) != (kind, amount_minor):
                return _refused(Reason.TRANSFER_REF_REUSED, "ref")
            return _transferred(command, Minor(int(row["available_minor"])), known=True)
        if not 1 <= amount_minor <= BALANCE_MINOR_MAX:
            return _refused(
                Reason.AMOUNT_OUT_OF_BOUNDS, "amount_minor", f"1 to {BALANCE_MINOR_MAX}"
            )
        if account < 0:
            return _refused(Reason.ACCOUNT_UNKNOWN, "account_no")
        if tables.transfers_len == tables.transfers_max:
            return _refused(Reason.CAPACITY, "ref", f"at most {tables.transfers_max}")
        change_minor = amount_minor if kind == TransferKind.DEPOSIT else Minor(-amount_minor)
        reason = self._funds_reason(account, change_minor)
        if reason is not None:
            return _refused(reason, "amount_minor")
        available_minor = self._move(account, change_minor)
        slot = tables.add_transfer()
        row = tables.transfers[slot]
        row["ref"] = ref
        row["amount_minor"] = amount_minor
        row["available_minor"] = available_minor
        row["at_ns"] = at_ns
        row["account"] = account
        row["kind"] = kind
        tables.index_transfer(slot)
        return _transferred(command, available_minor, known=False)

    def _funds_reason(self, account: int, change_minor: Minor) -> Reason | None:
        """Return why an account's balance refuses a deposit (positive) or withdrawal (negative)."""
        figures = self._tables.accounts[account]
        holding_minor = sum(int(figures[name]) for name in HOLDINGS) - int(figures["owed_minor"])
        if holding_minor + change_minor > BALANCE_MINOR_MAX and change_minor > 0:
            return Reason.BALANCE_OVER_BOUND
        if int(figures["available_minor"]) + change_minor < 0 and change_minor < 0:
            return Reason.INSUFFICIENT_FUNDS
        return None

    def _move(self, account: int, change_minor: Minor) -> Minor:
        """Move money between an account and `external`; return the available balance after it."""
        tables = self._tables
        transfer_nb(tables.accounts, account, change_minor)
        figures = tables.accounts[account]
        currency = int(figures["currency"])
        tables.external_minor[currency] = Minor(tables.external_minor[currency] - change_minor)
        return Minor(int(figures["available_minor"]))

    # --- reading ---------------------------------------------------------------------------------

    def balance(self, account_no: AccountNo) -> Balance | None:
        """Return an account's money, or None when the account is not in this shard."""
        return views.balance(self._tables, account_no)

    def slip(self, *, account_no: AccountNo, ref: str) -> Slip | None:
        """Return an account's slip by the bettor's ref, or None."""
        key = ref_u64s(ref)
        account = self._tables.account_slot(account_no)
        if key is None or account < 0:
            return None
        slot = self._tables.slip_slot(account=account, ref=key)
        return views.slip_at(self._tables, slot) if slot >= 0 else None

    def slip_by_id(self, bet_id: BetId) -> Slip | None:
        """Return a slip by its bet id, or None when this shard never gave that id."""
        slot = bet_id - self._tables.bet_id_first
        return views.slip_at(self._tables, slot) if 0 <= slot < self._tables.slips_len else None

    def open_slips(
        self, *, account_no: AccountNo, after_bet_id: BetId = _NO_BET, limit: int = 100
    ) -> list[Slip]:
        """Return an account's slips that are PENDING or ACCEPTED, by rising bet id.

        Parameters
        ----------
        account_no : AccountNo
            The account; one that is not in this shard has no slips.
        after_bet_id : BetId
            The last bet id of the page before: only higher ids are listed.
        limit : int
            The highest number of slips to return.
        """
        tables = self._tables
        account = tables.account_slot(account_no)
        if account < 0:
            return []
        slots = np.empty(max(0, min(limit, tables.slips_len)), np.uint32)
        first = int(tables.accounts["open_first"][account])
        count = open_slots_nb(tables.slips, first, after_bet_id, slots)
        return [views.slip_at(tables, slot) for slot in slots[:count].tolist()]

    def pending_before(self, *, at_ns: Nanos, limit: int, after_bet_id: BetId = _NO_BET) -> Rows:
        """Return slips PENDING since before `at_ns` as BET rows with FLAG_FENCE, oldest first.

        The market takes the rows unchanged: it repeats its verdict or refuses the bet for good.

        Parameters
        ----------
        at_ns : Nanos
            Slips reserved at or after this time are left out.
        limit : int
            The highest number of rows to return.
        after_bet_id : BetId
            The last bet id of the page before: only higher ids are returned.
        """
        # New slips append their slots to the queue. This method removes the resolved ones, as does
        # a queue that must grow: a call costs the pending slips and the slips made since the last
        # call, and a verdict costs nothing.
        tables = self._tables
        tables.pending_len = drop_resolved_nb(tables.pending, tables.pending_len, tables.slips)
        pending = tables.pending[: tables.pending_len]
        after_slot = after_bet_id - tables.bet_id_first
        if after_slot >= 0:
            pending = pending[np.searchsorted(pending, after_slot, side="right") :]
        bets: Rows = np.empty(max(0, min(limit, len(pending))), BET)
        count = pending_bets_nb(pending, len(pending), tables.slips, at_ns, bets)
        return bets[:count]

    def totals(self) -> list[LedgerTotals]:
        """Return the totals of each currency, in the order in which rates were first set."""
        return views.totals(self._tables)

    @property
    def slips_len(self) -> int:
        """Number of slips."""
        return self._tables.slips_len

    def slips(self) -> Rows:
        """Return a copy of all slips (SLIP rows of engine.ledger.rows), by rising bet id."""
        return self._tables.used_slips().copy()

    # --- state as a whole ------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Return the whole state as a canonical document of plain values."""
        return self._tables.dump()

    @classmethod
    def load(cls, document: object, *, ref_seed: int = 0) -> "LedgerMachine":
        """Make a machine from a dump.

        Parameters
        ----------
        document : object
            A document that `dump` returned.
        ref_seed : int
            As for a new machine; it may differ from that of the dumped machine.

        Raises
        ------
        ValueError
            When a field does not fit or rows contradict each other; the message names the place.
        """
        tables = LedgerTables.load(document)
        tables.ref_seed = np.uint64(ref_seed)
        fault = row_fault(tables) or tables.rebuild() or first_fault(tables)
        if fault:
            raise ValueError(f"ledger.{fault}")
        machine = cls(shard=tables.shard)
        machine._tables = tables
        return machine

    def state_hash(self) -> str:
        """Return the hash of the canonical dump: equal for equal state, however it arose."""
        return state_hash(self.dump())

    def check(self) -> None:
        """Assert every invariant: recomputed money, chains of open slips and hash tables."""
        fault = row_fault(self._tables) or first_fault(self._tables)
        assert not fault, fault


def ref_u64s(ref: str) -> U64s | None:
    """Return a ref as the four u64s of a row, or None when it is malformed."""
    try:
        data = check_bet_ref(ref)
    except MalformedIdError:
        return None
    return np.frombuffer(data.ljust(32, b"\0"), "<u8")


def _refused(reason: Reason, field: str, message: str = "") -> Refused:
    return Refused(reason=reason, field=field, message=message or MESSAGES[reason])


def _transferred(
    command: Deposit | Withdraw, available_minor: Minor, *, known: bool
) -> LedgerEvent:
    event = Deposited if isinstance(command, Deposit) else Withdrawn
    return event(
        account_no=command.account_no,
        amount_minor=command.amount_minor,
        available_minor=available_minor,
        ref=command.ref,
        known=known,
    )
