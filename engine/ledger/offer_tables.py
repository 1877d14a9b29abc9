"""A ledger's offers in memory: the rules, the slips that took one, the free bets, the accounts.

Owns how these arrays grow, how a free bet is found by its ref, and how they are dumped and loaded
with checks. Never decides what an offer gives: engine.ledger.offers_given_nb does.
"""

from typing import Any, Final

import numpy as np

from engine.common.index import empty_table, grown_table
from engine.common.offers import OFFER_CHARS_MAX, OFFERS_MAX
from engine.common.rows import Rows, U64s
from engine.common.state_hash import Reader, pack_rows
from engine.common.units import BETS_MAX, Minor
from engine.ledger.growth import copied, grown_size
from engine.ledger.index_nb import find_by_ref_nb, index_refs_nb
from engine.ledger.offer_rows import GRANT, GRANTS_MAX, OFFER, OFFERED
from engine.ledger.offer_uses_nb import OFFER_USE, USES_LEN, count_uses_nb, uses_nb

OFFER_FIELDS: Final = ("offers", "offer_names", "offers_given_minor", "offered", "free_bets")
"""The fields of a dump that hold the offers."""


class OfferTables:
    """The offers of one shard.

    `offers` is by number, whose slot 0 is none. `given_minor` is by number too: what each offer's
    own ledger account has given to bettors, which is the offer's cost. Both grow as offers are set;
    rows are never removed.
    """

    def __init__(self) -> None:
        self.offers: Rows = np.zeros(1, OFFER)
        self.names: list[str] = [""]
        self.given_minor: list[Minor] = [Minor(0)]
        self.offered: Rows = np.zeros(0, OFFERED)
        """Slips that took an offer, in the order of their heads."""
        self.grants: Rows = np.zeros(0, GRANT)
        """Free bets; a free bet's number is its slot plus one."""
        self.grant_table = empty_table()
        self.grants_of: dict[int, list[int]] = {}
        """Numbers of the free bets of each account that has any, by its slot. It follows from the
        rows."""
        self.uses: Rows = np.zeros(0, OFFER_USE)
        """How often accounts have taken offers that bound it. It follows from the rows."""
        self.use_table = empty_table()
        self.ends = np.zeros(3, np.int64)
        """How many slips took an offer, how many free bets there are, and how many rows of uses:
        kernels append."""

    @property
    def store(self) -> tuple[Any, ...]:
        """What the kernels get."""
        return (
            self.offers,
            self.offered,
            self.grants,
            self.ends,
            self.use_table,
            self.uses,
        )

    @property
    def uses_len(self) -> int:
        """Rows of uses."""
        return int(self.ends[USES_LEN])

    @property
    def offered_len(self) -> int:
        """Slips that took an offer."""
        return int(self.ends[0])

    @property
    def grants_len(self) -> int:
        """Free bets, promised ones among them."""
        return int(self.ends[1])

    def used_offered(self) -> Rows:
        """Return a view of the slips that took an offer."""
        return self.offered[: self.offered_len]

    def used_grants(self) -> Rows:
        """Return a view of the free bets."""
        return self.grants[: self.grants_len]

    def is_known(self, number: int) -> bool:
        """Return whether an offer has this number."""
        return 0 < number < len(self.offers) and self.offers["kind"][number] != 0

    # --- growing ---------------------------------------------------------------------------------

    def put_offer(self, number: int, row: Rows, name: str) -> None:
        """Write an offer under its number."""
        if number >= len(self.offers):
            more = number + 1 - len(self.offers)
            self.offers = np.concatenate([self.offers, np.zeros(more, OFFER)])
            self.names += [""] * more
            self.given_minor += [Minor(0)] * more
        self.offers[number] = row[0]
        self.names[number] = name

    def make_room(self, count: int) -> None:
        """Make room for `count` more slips that take an offer, and for what may follow of each."""
        self.offered = _with_room(self.offered, self.offered_len + count)
        self.grants = _with_room(self.grants, self.grants_len + count)
        self._make_room_for_uses(count)

    def _make_room_for_uses(self, count: int) -> None:
        self.uses = _with_room(self.uses, self.uses_len + count)
        self.use_table = grown_table(self.use_table, self.uses_len + count)

    def count_uses(self, slips: Rows) -> None:
        """Count the uses of slips that took an offer with a bound of uses, anew."""
        offered = self.used_offered()
        counted = offered[(offered["uses"] > 0) & (offered["pays"] == 0)]
        self.uses, self.use_table = np.zeros(0, OFFER_USE), empty_table()
        self.ends[USES_LEN] = 0
        self._make_room_for_uses(len(counted))
        owners = np.ascontiguousarray(slips["account"][counted["head"]])
        numbers = np.ascontiguousarray(counted["offer"])
        count_uses_nb(owners, numbers, (self.use_table, self.uses, self.ends))

    def uses_fault(self, slips: Rows) -> str:
        """Count all uses again; return a count that differs, or an empty text."""
        right = OfferTables()
        right.offered, right.ends[0] = self.offered, self.ends[0]
        right.count_uses(slips)
        for one, other in ((self, right), (right, self)):
            for row in one.uses[: one.uses_len]:
                account, number = int(row["account"]), int(row["offer"])
                found = uses_nb(account, number, (other.use_table, other.uses, other.ends))
                if found != row["count"]:
                    return f"offered: account slot {account} has other uses of offer {number}"
        return ""

    def note_grants(self, before: int) -> None:
        """Note to which accounts the free bets from a slot on belong."""
        for slot in range(before, self.grants_len):
            account = int(self.grants["account"][slot])
            self.grants_of.setdefault(account, []).append(slot + 1)

    def grant_slot(self, *, account: int, account_no: int, seed: np.uint64, ref: U64s) -> int:
        """Return the slot of an account's free bet that was granted with this ref, or below 0."""
        return find_by_ref_nb(self.grant_table, seed, self.grants, account, account_no, ref)

    def index_grant(self, slot: int, *, seed: np.uint64, accounts: Rows) -> None:
        """Enter a free bet that was granted in the hash table by its account and ref."""
        self.grant_table = grown_table(self.grant_table, self.grants_len)
        repeated = index_refs_nb(self.grant_table, seed, self.grants, slot, slot + 1, accounts)
        assert repeated < 0, "an account's refs of free bets are unique"

    def add_given(self, given: "np.ndarray[Any, np.dtype[np.int64]]") -> None:
        """Add what offers gave, by number, to their accounts."""
        for number in np.flatnonzero(given).tolist():
            self.given_minor[number] = Minor(self.given_minor[number] + int(given[number]))

    # --- dump and load ---------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Return the fields of a dump."""
        return {
            "offers": pack_rows(self.offers),
            "offer_names": list(self.names),
            "offers_given_minor": [str(amount) for amount in self.given_minor],
            "offered": pack_rows(self.used_offered()),
            "free_bets": pack_rows(self.used_grants()),
        }

    @classmethod
    def load(cls, reader: Reader) -> "OfferTables":
        """Read the fields of a dump; `rebuild` and the audit check the rows.

        Raises
        ------
        ValueError
            When a field is of the wrong shape; the message names it.
        """
        tables = cls()
        tables.offers = reader.rows("offers", OFFER, high=OFFERS_MAX + 1)
        count = len(tables.offers)
        if not count or tables.offers[0].tobytes().strip(b"\0"):
            raise reader.fail("offers", "no empty row 0")
        tables.names = reader.texts("offer_names", count=count)
        known = tables.offers["kind"] > 0
        if [0 < len(name) <= OFFER_CHARS_MAX for name in tables.names] != known.tolist():
            raise reader.fail("offer_names", f"not 1 to {OFFER_CHARS_MAX} characters each")
        texts = reader.texts("offers_given_minor", count=count)
        try:
            tables.given_minor = [Minor(int(text)) for text in texts]
        except ValueError:
            raise reader.fail("offers_given_minor", "not decimal numbers") from None
        tables.offered = reader.rows("offered", OFFERED, high=BETS_MAX)
        tables.grants = reader.rows("free_bets", GRANT, high=GRANTS_MAX)
        tables.ends[:2] = len(tables.offered), len(tables.grants)
        return tables

    def rebuild(self, *, seed: np.uint64, accounts: Rows, slips: Rows) -> str:
        """Build what follows from the rows; return a row that repeats an earlier ref, or ""."""
        self.grant_table = empty_table(self.grants_len)
        repeated = index_refs_nb(self.grant_table, seed, self.grants, 0, self.grants_len, accounts)
        if repeated >= 0:
            return f"free_bets: row {repeated} repeats an account's ref"
        self.grants_of = {}
        self.note_grants(0)
        self.count_uses(slips)
        return ""


def _with_room(rows: Rows, needed: int) -> Rows:
    return rows if needed <= len(rows) else copied(rows, grown_size(len(rows), needed))
