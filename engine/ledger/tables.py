"""The account shard's books as arrays: accounts, transfers, slips, and the indices over them.

Owns the memory: how the arrays grow, how a row is found by what identifies it, and the canonical
dump and its careful reading. Never moves money and never refuses a bet (LedgerMachine does).
"""

from typing import Any, Final

import numpy as np

from engine.common.ids import ACCOUNT_NO_MAX, SHARD_BITS, SHARD_NO_MAX
from engine.common.index import empty_table, grown_table
from engine.common.rows import Rows, SlipState, U64s
from engine.common.state_hash import Reader, pack_rows
from engine.common.units import BETS_MAX, RATE_MICRO_MAX
from engine.ledger.index_nb import (
    find_account_nb,
    find_by_ref_nb,
    index_accounts_nb,
    index_refs_nb,
)
from engine.ledger.rows import (
    ACCOUNT,
    ACCOUNTS_MAX,
    CURRENCIES_MAX,
    LEDGER_LAYOUT,
    SLIP,
    TRANSFER,
    TRANSFERS_MAX,
)

ROWS_MIN: Final = 256
"""Rows an array begins with, and the least it grows by."""
FIELDS: Final = (
    "layout",
    "shard",
    "slips_max",
    "accounts_max",
    "transfers_max",
    "currencies",
    "rates_micro",
    "external_minor",
    "house_minor",
    "accounts",
    "transfers",
    "slips",
)
"""What a dump holds."""


class LedgerBooks:
    """Everything an account shard knows.

    Slips, transfers and accounts are only ever appended; a slot, once given, is for good. What is
    not in the dump (tables and their seed, the queue of pending slots, spare room) changes no
    answer and follows from what is.
    """

    def __init__(
        self, *, shard: int, slips_max: int, accounts_max: int, transfers_max: int
    ) -> None:
        assert 0 <= shard <= SHARD_NO_MAX
        assert 0 <= slips_max <= BETS_MAX
        assert 0 <= accounts_max <= ACCOUNTS_MAX
        assert 0 <= transfers_max <= TRANSFERS_MAX
        self.shard = shard
        self.slips_max = slips_max
        self.accounts_max = accounts_max
        self.transfers_max = transfers_max
        self.bet_id_first = shard << SHARD_BITS | 1
        self.ref_seed = np.uint64(0)
        self.currencies: list[str] = []
        self.rates_micro = np.zeros(CURRENCIES_MAX, np.int32)
        self.external_minor: list[int] = []
        self.house_minor: list[int] = []
        self.accounts: Rows = np.zeros(ROWS_MIN, ACCOUNT)
        self.accounts_len = 0
        self.account_table = empty_table()
        self.transfers: Rows = np.zeros(ROWS_MIN, TRANSFER)
        self.transfers_len = 0
        self.transfer_table = empty_table()
        self.slips: Rows = np.zeros(ROWS_MIN, SLIP)
        self.slips_len = 0
        self.slip_table = empty_table()
        self.pending = np.zeros(ROWS_MIN, np.uint32)
        self.pending_len = 0

    # --- finding ---------------------------------------------------------------------------------

    def account_slot(self, account_no: int) -> int:
        """Return an account's slot, or a negative number."""
        if not 0 <= account_no <= ACCOUNT_NO_MAX:
            return -1
        return find_account_nb(self.account_table, self.accounts, account_no)

    def transfer_slot(self, *, account: int, ref: U64s) -> int:
        """Return the slot of an account's transfer of this ref, or a negative number."""
        account_no = int(self.accounts["account_no"][account])
        return find_by_ref_nb(
            self.transfer_table, self.ref_seed, self.transfers, account, account_no, ref
        )

    def slip_slot(self, *, account: int, ref: U64s) -> int:
        """Return the slot of an account's slip of this ref, or a negative number."""
        account_no = int(self.accounts["account_no"][account])
        return find_by_ref_nb(self.slip_table, self.ref_seed, self.slips, account, account_no, ref)

    def live_accounts(self) -> Rows:
        """Return the accounts there are, as a view."""
        return self.accounts[: self.accounts_len]

    def live_transfers(self) -> Rows:
        """Return the transfers there are, as a view."""
        return self.transfers[: self.transfers_len]

    def live_slips(self) -> Rows:
        """Return the slips there are, as a view."""
        return self.slips[: self.slips_len]

    # --- growing ---------------------------------------------------------------------------------

    # An array grows in place where nobody holds a view of it: the allocator then moves pages and
    # not bytes, and the pause is that of the new rows alone. The call must stand on the attribute
    # itself, since numpy counts references to be sure.

    def make_room_for_slips(self, count: int) -> None:
        """See to it that `count` more slips fit, up to the bound."""
        needed = min(self.slips_len + count, self.slips_max)
        if needed > len(self.slips):
            size = _grown_size(len(self.slips), needed)
            try:
                self.slips.resize(size)
            except ValueError:
                self.slips = _copied(self.slips, size)
        self.slip_table = grown_table(self.slip_table, needed)
        needed = self.pending_len + count
        if needed > len(self.pending):
            size = _grown_size(len(self.pending), needed)
            self.pending = np.concatenate(
                (self.pending, np.zeros(size - len(self.pending), np.uint32))
            )

    def add_account(self) -> int:
        """Return the slot of a new, zeroed account; `index_account` follows when it is filled."""
        if self.accounts_len == len(self.accounts):
            size = _grown_size(self.accounts_len, self.accounts_len + 1)
            self.accounts = _copied(self.accounts, size)
        self.account_table = grown_table(self.account_table, self.accounts_len + 1)
        self.accounts_len += 1
        return self.accounts_len - 1

    def index_account(self, slot: int) -> None:
        """Enter an account under its number."""
        twin = index_accounts_nb(self.account_table, self.accounts, slot, slot + 1)
        assert twin < 0, "account numbers are unique"

    def add_transfer(self) -> int:
        """Return the slot of a new, zeroed transfer; `index_transfer` follows when it is filled."""
        if self.transfers_len == len(self.transfers):
            size = _grown_size(self.transfers_len, self.transfers_len + 1)
            try:
                self.transfers.resize(size)
            except ValueError:
                self.transfers = _copied(self.transfers, size)
        self.transfer_table = grown_table(self.transfer_table, self.transfers_len + 1)
        self.transfers_len += 1
        return self.transfers_len - 1

    def index_transfer(self, slot: int) -> None:
        """Enter a transfer under its account and ref."""
        twin = index_refs_nb(
            self.transfer_table, self.ref_seed, self.transfers, slot, slot + 1, self.accounts
        )
        assert twin < 0, "an account's transfer refs are unique"

    # --- dump and load ---------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Return the canonical document of plain values.

        House and external amounts are decimal text: as sums over a shard they may pass 64 bits.
        """
        return {
            "layout": LEDGER_LAYOUT,
            "shard": self.shard,
            "slips_max": self.slips_max,
            "accounts_max": self.accounts_max,
            "transfers_max": self.transfers_max,
            "currencies": list(self.currencies),
            "rates_micro": [int(rate) for rate in self.rates_micro[: len(self.currencies)]],
            "external_minor": [str(amount) for amount in self.external_minor],
            "house_minor": [str(amount) for amount in self.house_minor],
            "accounts": pack_rows(self.live_accounts()),
            "transfers": pack_rows(self.live_transfers()),
            "slips": pack_rows(self.live_slips()),
        }

    @classmethod
    def load(cls, document: object) -> "LedgerBooks":
        """Read a dump's fields; what the rows say to one another is the audit's to check.

        The tables are empty until `rebuild`.

        Raises
        ------
        ValueError
            When a field is missing, unknown or of the wrong shape; the message names it.
        """
        reader = Reader(document, name="ledger")
        reader.only(*FIELDS)
        reader.integer("layout", low=LEDGER_LAYOUT, high=LEDGER_LAYOUT)
        books = cls(
            shard=reader.integer("shard", low=0, high=SHARD_NO_MAX),
            slips_max=reader.integer("slips_max", low=0, high=BETS_MAX),
            accounts_max=reader.integer("accounts_max", low=0, high=ACCOUNTS_MAX),
            transfers_max=reader.integer("transfers_max", low=0, high=TRANSFERS_MAX),
        )
        books.currencies = reader.texts("currencies")
        count = len(books.currencies)
        if count > CURRENCIES_MAX or len(dict.fromkeys(books.currencies)) != count:
            raise reader.fail("currencies", f"more than {CURRENCIES_MAX}, or one twice")
        rates = reader.items("rates_micro", count=count)
        if not all(type(rate) is int and 1 <= rate <= RATE_MICRO_MAX for rate in rates):
            raise reader.fail("rates_micro", f"not integers of 1 to {RATE_MICRO_MAX}")
        books.rates_micro[:count] = rates
        books.external_minor = _amounts(reader, "external_minor", count)
        books.house_minor = _amounts(reader, "house_minor", count)
        books.accounts = reader.rows("accounts", ACCOUNT, high=books.accounts_max)
        books.accounts_len = len(books.accounts)
        books.transfers = reader.rows("transfers", TRANSFER, high=books.transfers_max)
        books.transfers_len = len(books.transfers)
        books.slips = reader.rows("slips", SLIP, high=books.slips_max)
        books.slips_len = len(books.slips)
        return books

    def rebuild(self) -> str:
        """Build what follows from the rows, once they are known to be sound in themselves.

        Returns
        -------
        str
            Empty, or which row repeats an earlier one's identity.
        """
        self.account_table = empty_table(self.accounts_len)
        self.transfer_table = empty_table(self.transfers_len)
        self.slip_table = empty_table(self.slips_len)
        pending = np.flatnonzero(self.live_slips()["state"] == SlipState.PENDING)
        self.pending = pending.astype(np.uint32)
        self.pending_len = len(pending)
        twin = index_accounts_nb(self.account_table, self.accounts, 0, self.accounts_len)
        if twin >= 0:
            return f"accounts: row {twin} repeats an account number"
        twin = index_refs_nb(
            self.transfer_table, self.ref_seed, self.transfers, 0, self.transfers_len, self.accounts
        )
        if twin >= 0:
            return f"transfers: row {twin} repeats an account's ref"
        twin = index_refs_nb(
            self.slip_table, self.ref_seed, self.slips, 0, self.slips_len, self.accounts
        )
        if twin >= 0:
            return f"slips: row {twin} repeats an account's ref"
        return ""


def exact_sum(amounts_minor: Any) -> int:
    """Return a sum of 64-bit amounts that may itself need more than 64 bits."""
    return (int((amounts_minor >> 32).sum()) << 32) + int((amounts_minor & 0xFFFFFFFF).sum())


def _grown_size(size: int, needed: int) -> int:
    return max(needed, size + max(size // 4, ROWS_MIN))


def _copied(rows: Rows, size: int) -> Rows:
    larger: Rows = np.zeros(size, rows.dtype)
    larger[: len(rows)] = rows
    return larger


def _amounts(reader: Reader, field: str, count: int) -> list[int]:
    amounts = reader.texts(field, count=count)
    try:
        numbers = [int(amount) for amount in amounts]
    except ValueError:
        numbers = []
    if [str(number) for number in numbers] != amounts:
        raise reader.fail(field, "not decimal numbers in their shortest form")
    return numbers
