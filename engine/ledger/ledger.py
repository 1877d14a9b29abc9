"""The account shard's ledger: a deterministic double-entry machine over rows.

Owns the rules by which money moves between a bettor and the house: reserve (PENDING), post or void,
settle and settle again, deposit, withdraw. Never reads a clock, never does I/O, never decides about
a market. Everything it does follows from what it is given, so a replay gives the same state.

The accounts of the double entry are, per currency, `external` (the world the deposits come from)
and `house`, and per bettor `available`, `pending`, `at_stake` and `owed` (a claim on the bettor,
and so negative). Every movement takes from one what it gives to another; the sum is always zero.

    deposit     external -> balance             reserve     available -> pending
    withdraw    balance -> external             post        pending -> at_stake
    settle      at_stake -> house,              void        pending -> balance
                house -> balance (payout)       reopen      balance -> house -> at_stake

`balance` is one signed figure shown as two: what is positive of it is `available`, what is
negative is `owed`. So a clawback larger than the balance leaves a debt, later credits pay the debt
first, and `available` is never negative.
"""

from typing import Any, assert_never

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
from engine.common.ids import ACCOUNT_NO_MAX, MalformedIdError, check_bet_ref
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import BET, RESERVED, SETTLEMENT, BetResult, Rows, SlipState, U64s
from engine.common.state_hash import state_hash
from engine.common.units import BALANCE_MINOR_MAX, BETS_MAX, RATE_MICRO_MAX
from engine.common.views import Balance, LedgerTotals, Slip
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
    SETTLEMENTS_MAX,
    TRANSFERS_MAX,
    TransferKind,
)
from engine.ledger.tables import LedgerBooks, exact_sum


class LedgerMachine:
    """One shard's ledger.

    Parameters
    ----------
    shard : int
        The shard's number: the upper bits of every bet id it gives out.
    slips_max, accounts_max, transfers_max : int
        How much it may hold; what would pass a bound is refused with CAPACITY.
    ref_seed : int
        64 bits that scatter the references which bettors choose, secret to them. It is no part of
        the state: no answer and no hash depends on it, and a shard may take a new one each start.

    Notes
    -----
    No currency exists from the start, the base currency as little as any other: SetRate comes
    first (RATE_MICRO_ONE for the base), then OpenAccount, then money.

    BALANCE_MINOR_MAX bounds what may be *deposited*: a deposit that would lift an account's whole
    holding (available + pending + at stake - owed) over it is refused with BALANCE_OVER_BOUND. A
    payout or a returned stake is money owed to the bettor and is always credited, past the bound if
    need be; the columns have room for more than every payout a shard can remember to make at once
    (HOLDING_MINOR_MAX), and a settlement past that is an error before anything has changed.
    """

    def __init__(
        self,
        *,
        shard: int,
        slips_max: int = BETS_MAX,
        accounts_max: int = ACCOUNTS_MAX,
        transfers_max: int = TRANSFERS_MAX,
        ref_seed: int = 0,
    ) -> None:
        self._books = LedgerBooks(
            shard=shard,
            slips_max=slips_max,
            accounts_max=accounts_max,
            transfers_max=transfers_max,
        )
        self._books.ref_seed = np.uint64(ref_seed)

    # --- the hot path ----------------------------------------------------------------------------

    def exchange(self, verdicts: Rows, reservations: Rows, at_ns: int) -> Rows:
        """Post or void what the verdicts name, then reserve.

        Parameters
        ----------
        verdicts : DECISION rows
            Reason 0 posts, any other voids, each PENDING slip once; a verdict for any other slip
            changes nothing. Odds, reason and stake_max are kept on the slip.
        reservations : RESERVATION rows
            A ref that is known with the same content gives its slip again (FLAG_KNOWN), also within
            one batch.
        at_ns : int
            When the slips were placed.

        Returns
        -------
        Rows
            RESERVED rows, one for each reservation, in order. A refusal makes no slip, changes
            nothing and is not remembered: the same ref may try again. Refused for its stake or for
            funds, it says the highest stake that would have passed.
        """
        books = self._books
        resolve_nb(verdicts, books.slips, books.slips_len, books.accounts, books.bet_id_first)
        answers: Rows = np.empty(len(reservations), RESERVED)
        if len(reservations) == 0:
            return answers
        self._make_room(len(reservations))
        slips_len = self._reserve(reservations, answers, slips_max=books.slips_max, at_ns=at_ns)
        books.pending_len += slips_len - books.slips_len
        books.slips_len = slips_len
        return answers

    def recall(self, reservations: Rows, *, otherwise: Reason) -> Rows:
        """Answer reservations from what is remembered, changing nothing.

        Returns
        -------
        Rows
            RESERVED rows: for a known ref what `exchange` would answer, else a refusal with the
            reason `otherwise`.
        """
        answers: Rows = np.empty(len(reservations), RESERVED)
        self._reserve(reservations, answers, slips_max=0, at_ns=0)
        fresh = (answers["state"] == SlipState.NONE) & (answers["reason"] == Reason.CAPACITY)
        answers["reason"][fresh] = otherwise
        return answers

    def _reserve(self, reservations: Rows, answers: Rows, *, slips_max: int, at_ns: int) -> int:
        books = self._books
        return reserve_nb(
            reservations,
            answers,
            books.slips,
            books.slips_len,
            books.accounts,
            books.account_table,
            books.slip_table,
            books.ref_seed,
            books.rates_micro,
            books.pending,
            books.pending_len,
            books.bet_id_first,
            slips_max,
            at_ns,
        )

    def settle(self, rows: Rows, at_ns: int) -> Rows:  # noqa: ARG002 - every step carries its time
        """Pay out settled slips, each (bet, settlement number) once.

        A higher number reverses the earlier payout and replaces it; a lower or equal one, a bet of
        another shard and a refused slip are skipped. A slip that is still PENDING is posted first,
        at the odds it asked for: the settlement proves that the market accepted it, and the verdict
        that comes too late changes nothing. A row without a result (BetResult.NONE) opens the bet
        again: the payout is reversed, into debt if need be, and the stake is at stake once more.

        Returns
        -------
        Rows
            The SETTLEMENT rows that were applied now, in order.

        Raises
        ------
        ValueError
            When the batch is longer than SETTLEMENTS_MAX or a row cannot come from a market
            (payout or result outside its bounds, a payout without a result); nothing has changed.
        """
        books = self._books
        if len(rows) > SETTLEMENTS_MAX:
            raise ValueError(f"{len(rows)} settlements in a batch, at most {SETTLEMENTS_MAX}")
        live = (books.slips, books.slips_len, books.accounts, books.bet_id_first)
        bad = impossible_settlement_nb(rows, *live)
        if bad >= 0:
            raise ValueError(f"settlement row {bad} is impossible: {rows[bad]}")
        applied: Rows = np.empty(len(rows), SETTLEMENT)
        house_minor = np.zeros(len(books.currencies), np.int64)
        count = settle_nb(rows, applied, *live, house_minor)
        for currency, change_minor in enumerate(house_minor.tolist()):
            books.house_minor[currency] += change_minor
        return applied[:count]

    def _make_room(self, count: int) -> None:
        """Make room for slips; the queue of pending slots is cleared of others before it grows."""
        books = self._books
        if books.pending_len + count > len(books.pending):
            books.pending_len = drop_resolved_nb(books.pending, books.pending_len, books.slips)
        books.make_room_for_slips(count)

    # --- commands --------------------------------------------------------------------------------

    def apply(self, command: LedgerCommand, at_ns: int) -> LedgerEvent:
        """Obey a command, or refuse it with a reason and change nothing."""
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
        """Set a currency's rate for the bets to come; the rate is written on each slip."""
        books = self._books
        code = command.currency
        if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
            return _refused(Reason.MALFORMED, "currency", "a currency is three capital letters")
        if not 1 <= command.rate_micro <= RATE_MICRO_MAX:
            return _refused(Reason.FIELD_OUT_OF_BOUNDS, "rate_micro", f"1 to {RATE_MICRO_MAX}")
        if code not in books.currencies:
            if len(books.currencies) == CURRENCIES_MAX:
                return _refused(Reason.CAPACITY, "currency", f"at most {CURRENCIES_MAX}")
            books.currencies.append(code)
            books.external_minor.append(0)
            books.house_minor.append(0)
        books.rates_micro[books.currencies.index(code)] = command.rate_micro
        return RateSet(currency=code, rate_micro=command.rate_micro)

    def _open_account(self, command: OpenAccount) -> LedgerEvent:
        books = self._books
        if not 0 <= command.account_no <= ACCOUNT_NO_MAX:
            return _refused(Reason.FIELD_OUT_OF_BOUNDS, "account_no", f"0 to {ACCOUNT_NO_MAX}")
        if books.account_slot(command.account_no) >= 0:
            return _refused(Reason.ACCOUNT_EXISTS, "account_no")
        if command.currency not in books.currencies:
            return _refused(Reason.FIELD_OUT_OF_BOUNDS, "currency", "this currency has no rate")
        if books.accounts_len == books.accounts_max:
            return _refused(Reason.CAPACITY, "account_no", f"at most {books.accounts_max}")
        slot = books.add_account()
        books.accounts["account_no"][slot] = command.account_no
        books.accounts["currency"][slot] = books.currencies.index(command.currency)
        books.index_account(slot)
        return AccountOpened(account_no=command.account_no, currency=command.currency)

    def _transfer(self, command: Deposit | Withdraw, kind: TransferKind, at_ns: int) -> LedgerEvent:
        """Move money across the border; a ref that is known answers first, and as it did then."""
        books = self._books
        amount_minor = command.amount_minor
        ref = ref_u64s(command.ref)
        if ref is None:
            return _refused(Reason.MALFORMED, "ref", "1 to 32 printable characters, no space")
        account = books.account_slot(command.account_no)
        known = books.transfer_slot(account=account, ref=ref) if account >= 0 else -1
        if known >= 0:
            row = books.transfers[known]
            if (row["kind"], row["amount_minor"]) != (kind, amount_minor):
                return _refused(Reason.TRANSFER_REF_REUSED, "ref")
            return _transferred(command, int(row["available_minor"]), known=True)
        if not 1 <= amount_minor <= BALANCE_MINOR_MAX:
            return _refused(
                Reason.AMOUNT_OUT_OF_BOUNDS, "amount_minor", f"1 to {BALANCE_MINOR_MAX}"
            )
        if account < 0:
            return _refused(Reason.ACCOUNT_UNKNOWN, "account_no")
        if books.transfers_len == books.transfers_max:
            return _refused(Reason.CAPACITY, "ref", f"at most {books.transfers_max}")
        change_minor = amount_minor if kind == TransferKind.DEPOSIT else -amount_minor
        figures = books.accounts[account]
        holding_minor = sum(
            int(figures[name]) for name in ("available_minor", "pending_minor", "at_stake_minor")
        ) - int(figures["owed_minor"])
        if holding_minor + change_minor > BALANCE_MINOR_MAX and change_minor > 0:
            return _refused(Reason.BALANCE_OVER_BOUND, "amount_minor")
        if int(figures["available_minor"]) + change_minor < 0 and change_minor < 0:
            return _refused(Reason.INSUFFICIENT_FUNDS, "amount_minor")
        transfer_nb(books.accounts, account, change_minor)
        books.external_minor[int(figures["currency"])] -= change_minor
        slot = books.add_transfer()
        row = books.transfers[slot]
        row["ref"] = ref
        row["amount_minor"] = amount_minor
        row["available_minor"] = figures["available_minor"]
        row["at_ns"] = at_ns
        row["account"] = account
        row["kind"] = kind
        books.index_transfer(slot)
        return _transferred(command, int(figures["available_minor"]), known=False)

    # --- reading ---------------------------------------------------------------------------------

    def balance(self, account_no: int) -> Balance | None:
        """Return an account's money, or None for an account that is not here."""
        account = self._books.account_slot(account_no)
        if account < 0:
            return None
        row = self._books.accounts[account]
        return Balance(
            account_no=account_no,
            currency=self._books.currencies[int(row["currency"])],
            available_minor=int(row["available_minor"]),
            pending_minor=int(row["pending_minor"]),
            at_stake_minor=int(row["at_stake_minor"]),
            owed_minor=int(row["owed_minor"]),
        )

    def slip(self, *, account_no: int, ref: str) -> Slip | None:
        """Return an account's slip by the bettor's own reference, or None."""
        words = ref_u64s(ref)
        account = self._books.account_slot(account_no)
        if words is None or account < 0:
            return None
        slot = self._books.slip_slot(account=account, ref=words)
        return self._slip_at(slot) if slot >= 0 else None

    def slip_by_id(self, bet_id: int) -> Slip | None:
        """Return a slip by its bet id, or None when this shard never gave it out."""
        slot = bet_id - self._books.bet_id_first
        return self._slip_at(slot) if 0 <= slot < self._books.slips_len else None

    def open_slips(self, *, account_no: int, after_bet_id: int = 0, limit: int = 100) -> list[Slip]:
        """Return an account's slips that are PENDING or ACCEPTED, by rising bet id.

        Parameters
        ----------
        account_no : int
            Whose slips; an account that is not here has none.
        after_bet_id : int
            Where the page before ended: only later bets are listed.
        limit : int
            Slips at most.
        """
        books = self._books
        account = books.account_slot(account_no)
        if account < 0:
            return []
        slots = np.empty(max(0, min(limit, books.slips_len)), np.uint32)
        first = int(books.accounts["open_first"][account])
        count = open_slots_nb(books.slips, first, after_bet_id, slots)
        return [self._slip_at(slot) for slot in slots[:count].tolist()]

    def pending_before(self, *, at_ns: int, limit: int, after_bet_id: int = 0) -> Rows:
        """Return slips PENDING since before `at_ns` as BET rows, fences all, oldest first.

        The rows go to the market as they are: it repeats its verdict, or refuses the bet for good.

        Parameters
        ----------
        at_ns : int
            Slips placed at or after this are left out.
        limit : int
            Rows at most.
        after_bet_id : int
            Where the page before ended: only later bets are listed.
        """
        # Slots queue up as slips are made and leave when a look finds them resolved: each look
        # costs what is pending and what came since the last, and no verdict pays for the queue.
        books = self._books
        books.pending_len = drop_resolved_nb(books.pending, books.pending_len, books.slips)
        live = books.pending[: books.pending_len]
        after_slot = after_bet_id - books.bet_id_first
        live = live[np.searchsorted(live, after_slot, side="right") :] if after_slot >= 0 else live
        bets: Rows = np.empty(max(0, min(limit, len(live))), BET)
        count = pending_bets_nb(live, len(live), books.slips, at_ns, bets)
        return bets[:count]

    def totals(self) -> list[LedgerTotals]:
        """Return each currency's books, in the order their rates were first set."""
        books = self._books
        accounts = books.live_accounts()
        totals = []
        for currency, code in enumerate(books.currencies):
            own = accounts[accounts["currency"] == currency]
            totals.append(
                LedgerTotals(
                    currency=code,
                    external_minor=books.external_minor[currency],
                    available_minor=exact_sum(own["available_minor"]),
                    pending_minor=exact_sum(own["pending_minor"]),
                    at_stake_minor=exact_sum(own["at_stake_minor"]),
                    owed_minor=-exact_sum(own["owed_minor"]),
                    house_minor=books.house_minor[currency],
                )
            )
        return totals

    @property
    def slips_len(self) -> int:
        """How many slips there are."""
        return self._books.slips_len

    def slips(self) -> Rows:
        """Return a copy of all slips (SLIP rows of engine.ledger_rows), by rising bet id."""
        return self._books.live_slips().copy()

    def _slip_at(self, slot: int) -> Slip:
        row = self._books.slips[slot]
        ref = row["ref"].tobytes().rstrip(b"\0").decode("ascii", "backslashreplace")
        return Slip(
            bet_id=int(row["bet_id"]),
            ref=ref,
            account_no=int(row["account_no"]),
            market_no=int(row["market_no"]),
            outcome=int(row["outcome"]),
            stake_minor=int(row["stake_minor"]),
            odds_milli=int(row["odds_milli"]),
            state=SlipState(int(row["state"])),
            reason=int(row["reason"]),
            stake_max_minor=int(row["stake_max_minor"]),
            placed_at_ns=int(row["placed_at_ns"]),
            result=BetResult(int(row["result"])),
            payout_minor=int(row["payout_minor"]),
            settlement_no=int(row["settlement_no"]),
        )

    # --- state as a whole ------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Return the whole state as a canonical document of plain values."""
        return self._books.dump()

    @classmethod
    def load(cls, document: object, *, ref_seed: int = 0) -> "LedgerMachine":
        """Make a machine of a dump.

        Parameters
        ----------
        document : object
            What `dump` returned, here or elsewhere.
        ref_seed : int
            As for a new machine; not necessarily that of the machine which was dumped.

        Raises
        ------
        ValueError
            When a field does not fit, or the rows contradict one another; the message names where.
        """
        books = LedgerBooks.load(document)
        books.ref_seed = np.uint64(ref_seed)
        fault = row_fault(books) or books.rebuild() or first_fault(books)
        if fault:
            raise ValueError(f"ledger.{fault}")
        machine = cls(shard=books.shard)
        machine._books = books
        return machine

    def state_hash(self) -> str:
        """Return the hash of the canonical dump: equal for equal state, whatever its history."""
        return state_hash(self.dump())

    def check(self) -> None:
        """Assert every invariant: money recomputed from slips and transfers, chains and indices."""
        fault = row_fault(self._books) or first_fault(self._books)
        assert not fault, fault


def ref_u64s(ref: str) -> U64s | None:
    """Return a reference as the four words of a row, or None when it is malformed."""
    try:
        data = check_bet_ref(ref)
    except MalformedIdError:
        return None
    return np.frombuffer(data.ljust(32, b"\0"), "<u8")


def _refused(reason: Reason, field: str, message: str = "") -> Refused:
    return Refused(reason=reason, field=field, message=message or MESSAGES[reason])


def _transferred(command: Deposit | Withdraw, available_minor: int, *, known: bool) -> LedgerEvent:
    event = Deposited if isinstance(command, Deposit) else Withdrawn
    return event(
        account_no=command.account_no,
        amount_minor=command.amount_minor,
        available_minor=available_minor,
        ref=command.ref,
        known=known,
    )
