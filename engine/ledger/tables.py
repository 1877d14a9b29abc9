"""The ledger's tables: arrays of accounts, transfers, slips and their bets, and the hash tables.

Owns the memory: how the arrays grow, how a row is found by its key, and how the tables are dumped
and loaded with checks. Never moves money and never refuses a bet: LedgerMachine does.
"""

from typing import Any, Final

import numpy as np

from engine.common.house import HouseStop
from engine.common.ids import (
    ACCOUNT_NO_MAX,
    SHARD_NO_MAX,
    AccountNo,
    ShardNo,
    bet_id,
    first_serial,
)
from engine.common.index import empty_table, grown_table
from engine.common.payout_bounds import COMBINATION_MINOR_MAX
from engine.common.rows import SETTLEMENT, SLIP_BET, Rows, SlipKind, SlipState, U32s, U64s
from engine.common.rules import RULES, RULES_FIRST
from engine.common.state_hash import Reader, pack_rows
from engine.common.units import (
    BETS_MAX,
    PAYOUT_MINOR_MAX,
    RATE_MICRO_MAX,
    SLIP_BETS_MAX,
    Minor,
    base_amount_minor_max_up,
)
from engine.ledger.account_changes import CHANGES_FIELD, AccountChanges
from engine.ledger.charges_nb import all_due_nb
from engine.ledger.combinations import Combinations
from engine.ledger.dump_fields import STOP_FIELD, read_amounts, read_stop, stop_items
from engine.ledger.growth import ROWS_MIN, copied, grown_size
from engine.ledger.index_nb import (
    find_account_nb,
    find_by_ref_nb,
    index_accounts_nb,
    index_refs_nb,
    slot_of_bet_nb,
)
from engine.ledger.offer_tables import OFFER_FIELDS, OfferTables
from engine.ledger.rows import (
    ACCOUNT,
    ACCOUNT_2,
    ACCOUNTS_MAX,
    ALL_SLIP_BETS_MAX,
    CURRENCIES_MAX,
    DISPUTES_MAX,
    LEDGER_LAYOUT,
    RANGE,
    SETTLEMENTS_MAX,
    SLIP,
    SLIP_2,
    TRANSFER,
    TRANSFERS_MAX,
    accounts_as_2,
    accounts_from_2,
    slips_as_2,
    slips_from_2,
)
from engine.ledger.slip_chains import SlipChains
from engine.ledger.slip_nb import NO_BOUND, new_scratch

_FIELDS_1: Final = (
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
_FIELDS_2: Final = (*_FIELDS_1, "rules", "disputes")
FIELDS: Final = {
    1: _FIELDS_1,
    2: _FIELDS_2,
    3: (
        *_FIELDS_2,
        "slip_bets",
        *OFFER_FIELDS,
        "open_payout_minor_max",
        "combination_payout_minor_max",
        CHANGES_FIELD,
        STOP_FIELD,
    ),
}
"""The fields of a dump by its layout."""


class LedgerTables:
    """The state of a ledger, and what follows from it.

    Slips, transfers and accounts are only appended, and a row keeps its slot for good. The dump
    leaves out the hash tables and their seed, the queue of pending slots and spare room: they
    follow from the rest and change no answer.
    """

    def __init__(
        self, *, shard: ShardNo, slips_max: int, accounts_max: int, transfers_max: int
    ) -> None:
        assert 0 <= shard <= SHARD_NO_MAX
        assert 0 <= slips_max <= BETS_MAX
        assert 0 <= accounts_max <= ACCOUNTS_MAX
        assert 0 <= transfers_max <= TRANSFERS_MAX
        self.shard = shard
        self.slips_max = slips_max
        self.accounts_max = accounts_max
        self.transfers_max = transfers_max
        self.epoch = 0
        """The writer's epoch, 0 under rules 1; each epoch has a range of bet ids. It is not part of
        the state: the journal's records hold it."""
        self.rules = RULES_FIRST
        self.ref_seed = np.uint64(0)
        self.currencies: list[str] = []
        self.rates_micro = np.zeros(CURRENCIES_MAX, np.int32)
        self.open_payout_minor_max = Minor(0)
        """The bound of each account's open payout in base currency, 0 for none."""
        self.house_stop: HouseStop | None = None
        self.payouts_max = np.full(CURRENCIES_MAX, NO_BOUND, np.int64)
        """The same by currency slot, in that currency."""
        self.external_minor: list[Minor] = []
        self.house_minor: list[Minor] = []
        self.accounts: Rows = np.zeros(ROWS_MIN, ACCOUNT)
        self.accounts_len = 0
        self.account_table = empty_table()
        self.transfers: Rows = np.zeros(ROWS_MIN, TRANSFER)
        self.transfers_len = 0
        self.transfer_table = empty_table()
        self.slips: Rows = np.zeros(ROWS_MIN, SLIP)
        self.slips_len = 0
        self.slip_table = empty_table()
        self.slip_bets: Rows = np.zeros(0, SLIP_BET)
        """The bets of slips of several legs, in the order of their heads."""
        self.slip_bets_len = 0
        self.changes = AccountChanges()
        self.offers = OfferTables()
        self.combinations = Combinations()
        self.chains = SlipChains()
        self.ranges: Rows = np.zeros(0, RANGE)
        self.disputes: dict[int, Rows] = {}
        """Settlements of refused or unknown bets, by bet id: one SETTLEMENT row each."""
        self.pending = np.zeros(ROWS_MIN, np.uint32)
        self.pending_len = 0
        self.due = np.zeros(0, np.uint32)
        """The queue of heads whose legs' markets may have to be told another charge."""
        self.due_len = np.zeros(1, np.int64)
        """Its length; an array, as kernels append to the queue."""
        self.due_sorted = 0
        """How many entries of the queue are known to rise without repetition."""
        self.scratch = new_scratch()

    # --- finding ---------------------------------------------------------------------------------

    def account_slot(self, account_no: AccountNo) -> int:
        """Return an account's slot, or a negative number."""
        if not 0 <= account_no <= ACCOUNT_NO_MAX:
            return -1
        return find_account_nb(self.account_table, self.accounts, account_no)

    def transfer_slot(self, *, account: int, ref: U64s) -> int:
        """Return the slot of an account's transfer with this ref, or a negative number."""
        account_no = int(self.accounts["account_no"][account])
        return find_by_ref_nb(
            self.transfer_table, self.ref_seed, self.transfers, account, account_no, ref
        )

    def slip_slot(self, *, account: int, ref: U64s) -> int:
        """Return the slot of an account's slip with this ref, or a negative number."""
        account_no = int(self.accounts["account_no"][account])
        return find_by_ref_nb(self.slip_table, self.ref_seed, self.slips, account, account_no, ref)

    def slot_of_bet(self, bet: int) -> int:
        """Return the slot of a bet id, or -1 when this shard never gave it."""
        return slot_of_bet_nb(self.ranges, self.slips, self.slips_len, bet)

    def slots_up_to(self, bet: int) -> int:
        """Return how many slips have this bet id or a lower one."""
        at = int(np.searchsorted(self.ranges["bet_id"], np.uint64(max(bet, 0)), side="right")) - 1
        if at < 0:
            return 0
        beyond = [*self.ranges["slot"].tolist(), self.slips_len][at + 1]
        run = self.ranges[at]
        return min(int(run["slot"]) + bet - int(run["bet_id"]) + 1, int(beyond))

    def next_bet_id(self) -> int:
        """Return the bet id of the next slip."""
        first = bet_id(shard=self.shard, serial=first_serial(self.epoch))
        if not self.slips_len:
            return first
        return max(first, int(self.slips["bet_id"][self.slips_len - 1]) + 1)

    def note_new(self, first: int, *, slot: int) -> None:
        """Note that the slips from a slot on are new and have bet ids from `first` on."""
        self.chains.link(self.slips, self.slips_len, accounts_len=self.accounts_len)
        run = self.ranges[-1] if len(self.ranges) else None
        if run is None or first - int(run["bet_id"]) != slot - int(run["slot"]):
            self.ranges = np.append(self.ranges, np.array([(first, slot)], RANGE))

    def used_accounts(self) -> Rows:
        """Return a view of the accounts in use."""
        return self.accounts[: self.accounts_len]

    def used_transfers(self) -> Rows:
        """Return a view of the transfers in use."""
        return self.transfers[: self.transfers_len]

    def used_slips(self) -> Rows:
        """Return a view of the slips in use."""
        return self.slips[: self.slips_len]

    def waiting_slots(self) -> "np.ndarray[Any, np.dtype[np.intp]]":
        """Return the slots of singles and legs that wait for a market's verdict, rising."""
        slips = self.used_slips()
        waiting = (slips["state"] == SlipState.PENDING) & (slips["kind"] != SlipKind.HEAD)
        return np.flatnonzero(waiting)

    def used_slip_bets(self) -> Rows:
        """Return a view of the bets of slips in use."""
        return self.slip_bets[: self.slip_bets_len]

    def convert_bounds(self) -> None:
        """Convert the bound of open payouts to each currency, after a new rate or a new bound.

        It becomes the largest amount that is worth no more, so that rounding never passes it.
        """
        self.payouts_max[:] = NO_BOUND
        if self.open_payout_minor_max:
            for slot in range(len(self.currencies)):
                rate_micro = int(self.rates_micro[slot])
                self.payouts_max[slot] = base_amount_minor_max_up(
                    self.open_payout_minor_max, rate_micro
                )

    # --- growing ---------------------------------------------------------------------------------

    # An array without views grows in place: the allocator then remaps pages instead of copying
    # bytes, and the pause is that of the new rows alone. `resize` must be called on the attribute
    # itself, since numpy counts references to find out whether there are views.

    def make_room_for_slips(self, count: int) -> None:
        """Make room for `count` more slips, up to the bound."""
        needed = min(self.slips_len + count, self.slips_max)
        if needed > len(self.slips):
            size = grown_size(len(self.slips), needed)
            try:
                self.slips.resize(size)
            except ValueError:
                self.slips = copied(self.slips, size)
        self.slip_table = grown_table(self.slip_table, needed)
        needed = self.pending_len + count
        if needed > len(self.pending):
            size = grown_size(len(self.pending), needed)
            self.pending = np.concatenate(
                (self.pending, np.zeros(size - len(self.pending), np.uint32))
            )

    def make_room_for_slip_bets(self, count: int) -> None:
        """Make room for `count` more bets of slips, and for one slip's that are only tried."""
        needed = self.slip_bets_len + count + SLIP_BETS_MAX
        if needed > len(self.slip_bets):
            size = grown_size(len(self.slip_bets), needed)
            try:
                self.slip_bets.resize(size)
            except ValueError:
                self.slip_bets = copied(self.slip_bets, size)

    def make_room_for_combinations(self, count: int) -> None:
        """Make room for `count` more combinations of open slips."""
        self.combinations.make_room(count, slips=self.slips, seed=self.ref_seed)

    def grow_due(self, count: int) -> None:
        """Make room for `count` more entries of the queue of charges, and for as many as it has.

        So a queue whose entries stay is sorted for half of its entries, not for each batch.
        """
        needed = 2 * (int(self.due_len[0]) + count)
        if needed > len(self.due):
            size = grown_size(len(self.due), needed)
            self.due = np.concatenate((self.due, np.zeros(size - len(self.due), np.uint32)))

    def add_account(self) -> int:
        """Return the slot of a new, zeroed account; call `index_account` when it is filled."""
        if self.accounts_len == len(self.accounts):
            size = grown_size(self.accounts_len, self.accounts_len + 1)
            self.accounts = copied(self.accounts, size)
        self.account_table = grown_table(self.account_table, self.accounts_len + 1)
        self.accounts_len += 1
        return self.accounts_len - 1

    def index_account(self, slot: int) -> None:
        """Enter an account in the hash table by its number."""
        repeated = index_accounts_nb(self.account_table, self.accounts, slot, slot + 1)
        assert repeated < 0, "account numbers are unique"

    def add_transfer(self) -> int:
        """Return the slot of a new, zeroed transfer; call `index_transfer` when it is filled."""
        if self.transfers_len == len(self.transfers):
            size = grown_size(self.transfers_len, self.transfers_len + 1)
            try:
                self.transfers.resize(size)
            except ValueError:
                self.transfers = copied(self.transfers, size)
        self.transfer_table = grown_table(self.transfer_table, self.transfers_len + 1)
        self.transfers_len += 1
        return self.transfers_len - 1

    def index_transfer(self, slot: int) -> None:
        """Enter a transfer in the hash table by its account and ref."""
        repeated = index_refs_nb(
            self.transfer_table, self.ref_seed, self.transfers, slot, slot + 1, self.accounts
        )
        assert repeated < 0, "an account's transfer refs are unique"

    # --- dump and load ---------------------------------------------------------------------------

    def dump(self, *, layout: int = LEDGER_LAYOUT) -> dict[str, Any]:
        """Return the canonical document of plain values, in this layout or an older one.

        House and external amounts are decimal text: sums over a shard may need more than 64 bits.

        Raises
        ------
        ValueError
            When there are slips of several legs, offers, bounds of payouts or changes of accounts,
            which no older layout can hold.
        """
        slips, accounts = self.used_slips(), self.used_accounts()
        if layout < LEDGER_LAYOUT:
            if self.slip_bets_len or len(self.offers.offers) > 1:
                raise ValueError(f"layout {layout} has no slips of several legs and no offers")
            bounds = self.open_payout_minor_max or self.combinations.payout_minor_max
            if bounds or self.changes or self.house_stop:
                raise ValueError(f"layout {layout} has no bounds of payouts, blocks or changes")
            accounts = accounts_as_2(accounts)
            slips = slips_as_2(slips)
        if layout == 1:
            slips["shared"] = 0
        document = {
            "layout": layout,
            "shard": self.shard,
            "slips_max": self.slips_max,
            "accounts_max": self.accounts_max,
            "transfers_max": self.transfers_max,
            "currencies": list(self.currencies),
            "rates_micro": [int(rate) for rate in self.rates_micro[: len(self.currencies)]],
            "external_minor": [str(amount) for amount in self.external_minor],
            "house_minor": [str(amount) for amount in self.house_minor],
            "accounts": pack_rows(accounts),
            "transfers": pack_rows(self.used_transfers()),
            "slips": pack_rows(slips),
        }
        later: dict[str, Any] = {
            "rules": self.rules,
            "disputes": pack_rows(self.used_disputes()),
            "slip_bets": pack_rows(self.used_slip_bets()),
            **self.offers.dump(),
            "open_payout_minor_max": self.open_payout_minor_max,
            "combination_payout_minor_max": self.combinations.payout_minor_max,
            CHANGES_FIELD: self.changes.dump(),
            STOP_FIELD: stop_items(self.house_stop),
        }
        return document | {name: later[name] for name in FIELDS[layout] if name in later}

    def used_disputes(self) -> Rows:
        """Return the settlements in dispute, by bet id."""
        rows = [self.disputes[bet] for bet in sorted(self.disputes)]
        return np.concatenate(rows) if rows else np.zeros(0, SETTLEMENT)

    @classmethod
    def load(cls, document: object) -> "LedgerTables":
        """Read and check a dump's fields; the audit checks the rows against each other.

        The hash tables are empty until `rebuild`.

        Raises
        ------
        ValueError
            When a field is missing, unknown or of the wrong shape; the message names it.
        """
        reader = Reader(document, name="ledger")
        layout = reader.integer("layout", low=1, high=LEDGER_LAYOUT)
        reader.only(*FIELDS[layout])
        tables = cls(
            shard=ShardNo(reader.integer("shard", low=0, high=SHARD_NO_MAX)),
            slips_max=reader.integer("slips_max", low=0, high=BETS_MAX),
            accounts_max=reader.integer("accounts_max", low=0, high=ACCOUNTS_MAX),
            transfers_max=reader.integer("transfers_max", low=0, high=TRANSFERS_MAX),
        )
        tables.currencies = reader.texts("currencies")
        count = len(tables.currencies)
        if count > CURRENCIES_MAX or len(dict.fromkeys(tables.currencies)) != count:
            raise reader.fail("currencies", f"more than {CURRENCIES_MAX}, or one given twice")
        rates = reader.items("rates_micro", count=count)
        if not all(type(rate) is int and 1 <= rate <= RATE_MICRO_MAX for rate in rates):
            raise reader.fail("rates_micro", f"not integers from 1 to {RATE_MICRO_MAX}")
        tables.rates_micro[:count] = rates
        tables.external_minor = read_amounts(reader, "external_minor", count)
        tables.house_minor = read_amounts(reader, "house_minor", count)
        tables.transfers = reader.rows("transfers", TRANSFER, high=tables.transfers_max)
        tables.transfers_len = len(tables.transfers)
        if layout < LEDGER_LAYOUT:
            tables.slips = slips_from_2(reader.rows("slips", SLIP_2, high=tables.slips_max))
            accounts = reader.rows("accounts", ACCOUNT_2, high=tables.accounts_max)
            tables.accounts = accounts_from_2(accounts, tables.slips)
        else:
            tables.accounts = reader.rows("accounts", ACCOUNT, high=tables.accounts_max)
            most = reader.integer("open_payout_minor_max", low=0, high=PAYOUT_MINOR_MAX)
            tables.open_payout_minor_max = Minor(most)
            most = reader.integer("combination_payout_minor_max", low=0, high=COMBINATION_MINOR_MAX)
            tables.combinations.payout_minor_max = Minor(most)
            tables.house_stop = read_stop(reader)
            tables.slips = reader.rows("slips", SLIP, high=tables.slips_max)
            tables.slip_bets = reader.rows("slip_bets", SLIP_BET, high=ALL_SLIP_BETS_MAX)
            tables.offers = OfferTables.load(reader)
            tables.changes = AccountChanges.load(reader, accounts_len=len(tables.accounts))
        tables.accounts_len = len(tables.accounts)
        tables.convert_bounds()
        tables.slips_len = len(tables.slips)
        tables.slip_bets_len = len(tables.slip_bets)
        if layout > 1:
            tables.rules = reader.integer("rules", low=RULES_FIRST, high=RULES)
            disputes = reader.rows("disputes", SETTLEMENT, high=DISPUTES_MAX + SETTLEMENTS_MAX)
            tables.disputes = (
                {int(row["bet_id"][0]): row for row in np.split(disputes, len(disputes))}
                if len(disputes)
                else {}
            )
            if not np.array_equal(tables.used_disputes(), disputes):
                raise reader.fail("disputes", "not one for each bet id, by bet id")
        return tables

    def rebuild(self) -> str:
        """Build the hash tables and the queue of pending slots from rows that `row_fault` passed.

        Returns
        -------
        str
            Empty, or the first row that repeats an earlier row's key.
        """
        self.account_table = empty_table(self.accounts_len)
        self.transfer_table = empty_table(self.transfers_len)
        self.slip_table = empty_table(self.slips_len)
        pending = self.waiting_slots()
        self.pending = pending.astype(np.uint32)
        self.pending_len = len(pending)
        ids = self.used_slips()["bet_id"]
        starts = np.flatnonzero(np.diff(ids, prepend=ids[:1]) != 1)
        self.ranges = np.zeros(len(starts), RANGE)
        self.ranges["bet_id"], self.ranges["slot"] = ids[starts], starts
        self.chains.link(self.slips, self.slips_len, accounts_len=self.accounts_len)
        repeated = index_accounts_nb(self.account_table, self.accounts, 0, self.accounts_len)
        if repeated >= 0:
            return f"accounts: row {repeated} repeats an account number"
        repeated = index_refs_nb(
            self.transfer_table, self.ref_seed, self.transfers, 0, self.transfers_len, self.accounts
        )
        if repeated >= 0:
            return f"transfers: row {repeated} repeats an account's ref"
        repeated = index_refs_nb(
            self.slip_table, self.ref_seed, self.slips, 0, self.slips_len, self.accounts
        )
        if repeated >= 0:
            return f"slips: row {repeated} repeats an account's ref"
        return self.offers.rebuild(seed=self.ref_seed, accounts=self.accounts, slips=self.slips)

    def rebuild_due(self) -> None:
        """Build the queue of charges and the combinations from slips that the audit passed."""
        self.combinations = self.combinations.counted(
            self.slips, self.slips_len, seed=self.ref_seed
        )
        heads = self.due_heads()
        self.due, self.due_sorted = heads, len(heads)
        self.due_len[0] = len(heads)

    def due_heads(self) -> U32s:
        """Return the slots of the heads whose legs must be charged otherwise, rising."""
        heads = np.empty(int(np.count_nonzero(self.used_slips()["charge_no"])), np.uint32)
        count = all_due_nb(self.slips, self.slips_len, self.slip_bets, self.scratch, heads)
        return heads[:count]


def exact_sum(amounts_minor: Any) -> int:
    """Return a sum of 64-bit amounts that may itself need more than 64 bits."""
    return (int((amounts_minor >> 32).sum()) << 32) + int((amounts_minor & 0xFFFFFFFF).sum())
