"""Bets that wait at their market: out a delay, or for a trader; and the offers that traders made.

Owns which bets wait and until when, which rules of acceptance the markets have, and which offers
may still be taken. A bet that waits has no record yet and is in no book. Never decides one.

A stop of a market or of an outcome ends the offers on it, as it ends delayed bets: what it stopped
for may have changed the odds, and an offer is past the limits. So do odds that fall below the offer
and below those beside which it was made. None is made during a stop. Offers end with their window
too, with the stop of the house, the block of their account, and the betting on their market.
The rules of a market stand after its betting, since a settlement may be rolled back; there is one
for a market at most, and no bet is slowed by those of markets that are over.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from sortedcontainers import SortedSet

from engine.common.acceptance import (
    BETS_WAITING_MAX,
    DELAY_MS_MAX,
    PERMITS_MAX,
    REFERRAL_MS_MAX,
    Acceptance,
)
from engine.common.ids import ACCOUNT_NO_MAX, MARKET_NO_MAX, SHARD_BITS, BetId, ShardNo
from engine.common.lifecycle import BET_REFUSAL
from engine.common.reasons import WAITING, Reason
from engine.common.row_layout import row_dtype
from engine.common.rows import BET, FLAG_FENCE, Bools, Rows, U32s
from engine.common.state_hash import Reader, pack_rows
from engine.common.units import (
    NS_PER_MS,
    ODDS_MILLI_MAX,
    ODDS_MILLI_MIN,
    OUTCOMES_MAX,
    STAKE_MINOR_MAX,
    Minor,
    Nanos,
)
from engine.market.book import Book

WAITING_BET: Final = row_dtype(
    64,
    *[(name, BET[name].str) for name in BET.names or ()],
    ("due_ns", "<i8"),
    ("at_ns", "<i8"),
    ("reason", "<u2"),
    ("why", "<u2"),
    ("stopped", "<u2"),
    ("pad_2", "<u2"),
)
"""A bet that waits: its BET row, when it is decided at the latest, when it began to wait (a delayed
one anew with a new writer), the reason (DELAYED or REFERRED), the limit that it is over (0: none),
and the refusal that a stop meanwhile gave it (0: none)."""

REFERRAL: Final = row_dtype(
    64,
    ("bet_id", "<u8"),
    ("stake_minor", "<i8"),
    ("at_ns", "<i8"),
    ("account_no", "<u4"),
    ("market_no", "<u4"),
    ("odds_milli", "<i4"),
    ("rate_micro", "<i4"),
    ("now_milli", "<i4"),
    ("left_ms", "<u4"),
    ("outcome", "<u2"),
    ("factor_milli", "<u2"),
    ("why", "<u2"),
    ("pad", "u1", (10,)),
)
"""A bet that waits for a trader, as the floor is shown it: `now_milli` are its outcome's odds now,
`left_ms` how long it still waits."""

DUE_MAX: Final = 1_024
"""Bets that are handed out to be decided by one call: some 60 ms of their shell."""
_RULE_HIGHS: Final = {
    "delay_ms": DELAY_MS_MAX,
    "referral_ms": REFERRAL_MS_MAX,
    "referral_minor_from": STAKE_MINOR_MAX,
    "feed_delay_ms": DELAY_MS_MAX,
}
_RULE_FIELDS: Final = ("market_no", *_RULE_HIGHS)
_PERMIT_FIELDS: Final = (
    "account_no", "market_no", "outcome", "stake_minor", "odds_milli", "until_ns", "floor_milli",
)  # fmt: skip
_SAME: Final = tuple(
    name for name in BET.names or () if name not in ("flags", "factor_milli", "pad")
)


AT_ONCE: Final = Acceptance()


class Permit(NamedTuple):
    """What a trader offered an account on an outcome: one bet, up to this stake, at these odds."""

    stake_minor: Minor
    odds_milli: int
    until_ns: Nanos
    floor_milli: int
    """The lowest odds of its outcome with which it stands: the offer's, or those of then."""


PermitKey = tuple[int, int, int]
"""Account, slot of the market, outcome."""


class WaitingBets:
    """The bets that wait at the markets of one machine, and what makes bets wait.

    Parameters
    ----------
    book : Book
        Read for the numbers, states and offers of markets.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self.rules: dict[int, Acceptance] = {}
        """How markets take bets, by slot, where it is not at once."""
        self.permits: dict[PermitKey, Permit] = {}
        self._bets: dict[int, Rows] = {}
        """By bet id: an array of one WAITING_BET row."""
        self._of_slot: dict[int, dict[int, None]] = {}
        self._due: SortedSet = SortedSet()
        """Due time and bet id; a time of 0 for a bet that was stopped."""
        self._noted: dict[int, tuple[Reason, list[bool]]] = {}
        """What was noted last of the markets on which bets wait; no part of the state."""
        self._watched: U32s | None = None
        self._over: set[int] = set()
        """Slots with rules of markets whose betting has ended; no part of the state."""

    def __len__(self) -> int:
        return len(self._bets)

    def concern(self, rows: Rows) -> Bools | None:
        """Return which rows are of markets where bets wait or could; None where none is."""
        if not (self.rules or self._bets or self.permits):
            return None
        if self._watched is None:
            slots = {*self.rules} - self._over
            slots |= {*self._of_slot, *(slot for _, slot, _ in self.permits)}
            self._watched = self._book.markets["market_no"][sorted(slots)]
        concerned: Bools = np.isin(rows["market_no"], self._watched)
        return concerned if concerned.any() else None

    def of(self, slot: int) -> Acceptance:
        """Return how a market takes bets."""
        return self.rules.get(slot, AT_ONCE)

    def set_rules(self, slot: int, acceptance: Acceptance) -> None:
        """Let a market take bets so from now on."""
        self.rules.pop(slot, None)
        self._over.discard(slot)
        if acceptance != AT_ONCE:
            self.rules[slot] = acceptance
        self._watched = None

    # --- bets -------------------------------------------------------------------------------------

    def get(self, bet_id: int) -> Rows | None:
        """Return a bet that waits, as an array of one row."""
        return self._bets.get(bet_id)

    def add(
        self, row: Rows, slot: int, *, at_ns: Nanos, wait_ms: int, reason: Reason, why: int = 0
    ) -> Rows:
        """Let a bet wait, given as an array of one BET row; return its row."""
        bet: Rows = np.zeros(1, WAITING_BET)
        for name in BET.names or ():
            bet[name] = row[name]
        bet["due_ns"], bet["at_ns"] = at_ns + wait_ms * NS_PER_MS, at_ns
        bet["reason"], bet["why"] = reason, why
        self._put(bet, slot)
        return bet

    def _put(self, bet: Rows, slot: int) -> None:
        bet_id = int(bet["bet_id"][0])
        assert bet_id not in self._bets
        assert len(self._bets) < BETS_WAITING_MAX
        self._bets[bet_id] = bet
        if slot not in self._of_slot:
            self._of_slot[slot] = {}
            if slot not in self.rules:
                self._watched = None
        self._of_slot[slot][bet_id] = None
        self._due.add(_due_of(bet))

    def remove(self, bet_id: int, slot: int) -> None:
        """Let a bet go, to be decided."""
        bet = self._bets.pop(bet_id)
        self._due.remove(_due_of(bet))
        own = self._of_slot[slot]
        del own[bet_id]
        if not own:
            del self._of_slot[slot]
            self._noted.pop(slot, None)
            if slot not in self.rules:
                self._watched = None

    def note_stops(self, slot: int, refusal: Reason) -> None:
        """Note what a market's bets would get now by its status and by what it offers.

        A bet that would be refused is, also when the stop ends before its time. Only one that waits
        for a trader goes on waiting while the market is suspended. `refusal` is what a bet on the
        market gets by its status.
        """
        if slot in self.rules and (refusal in _OVER) != (slot in self._over):
            self._over ^= {slot}
            self._watched = None
        if any(key[1] == slot for key in self.permits):
            self._end_offers(slot, refusal)
        own = self._of_slot.get(slot)
        if own is None:
            return
        offered = self._book.offered(slot)
        if self._noted.get(slot) == (refusal, offered):
            return  # what has come since was judged by the same
        self._noted[slot] = refusal, offered
        for bet_id in own:
            bet = self._bets[bet_id]
            if bet["stopped"][0]:
                continue
            reason = refusal
            if reason is Reason.ACCEPTED and not offered[int(bet["outcome"][0])]:
                reason = Reason.OUTCOME_INACTIVE
            if bet["reason"][0] == Reason.REFERRED and reason in _A_WHILE:
                continue
            if reason is not Reason.ACCEPTED:
                self._note_stop(bet, reason)

    def stop(self, reason: Reason, account_no: int | None) -> int:
        """Note that no bet is taken now, or none of an account; return how many waiting ones end.

        A bet that is stopped already keeps its reason. Offers end with it.
        """
        self._keep_permits(lambda key, _: account_no not in (None, key[0]))
        ended = 0
        for bet in self._bets.values():
            if not bet["stopped"][0] and account_no in (None, bet["account_no"][0]):
                self._note_stop(bet, reason)
                ended += 1
        return ended

    def _note_stop(self, bet: Rows, reason: Reason) -> None:
        self._due.remove(_due_of(bet))
        bet["stopped"] = reason
        self._due.add(_due_of(bet))

    def wait_anew(self, at_ns: Nanos) -> None:
        """Let each delayed bet wait for its whole delay again from a time on."""
        for bet in self._bets.values():
            if bet["stopped"][0] or bet["reason"][0] != Reason.DELAYED:
                continue
            due_ns = at_ns + int(bet["due_ns"][0] - bet["at_ns"][0])
            if due_ns > bet["due_ns"][0]:
                self._due.remove(_due_of(bet))
                bet["due_ns"], bet["at_ns"] = due_ns, at_ns
                self._due.add(_due_of(bet))

    def still(self, rows: Rows, at_ns: Nanos) -> Bools | None:
        """Return which BET rows are of bets that wait and are not due; None where none is."""
        if not self._bets:
            return None
        found = np.zeros(len(rows), np.bool_)
        for at, bet_id in enumerate(rows["bet_id"].tolist()):
            bet = self._bets.get(bet_id)
            if bet is not None and not bet["stopped"][0] and at_ns < bet["due_ns"][0]:
                found[at] = same_bet(rows[at : at + 1], bet)
        return found if found.any() else None

    def highest_bet_ids(self) -> dict[ShardNo, BetId]:
        """Return the highest id of a bet that waits, by account shard."""
        highest: dict[ShardNo, BetId] = {}
        for bet_id in sorted(self._bets):
            highest[ShardNo(bet_id >> SHARD_BITS)] = BetId(bet_id)
        return highest

    def due(self, at_ns: Nanos) -> Rows:
        """Return BET rows of bets that are to be decided at a time, in their order.

        At most `DUE_MAX`, so that no call takes long: the next one has those behind them.
        """
        bets: list[Rows] = []
        for due_ns, bet_id in self._due:
            if due_ns > at_ns or len(bets) == DUE_MAX:
                break
            bets.append(self._bets[bet_id])
        return as_bets(np.concatenate(bets)) if bets else np.zeros(0, BET)

    def referrals(self, at_ns: Nanos) -> Rows:
        """Return the bets that wait for a trader, as REFERRAL rows, those due first in front."""
        bets = [self._bets[bet_id] for _, bet_id in self._due]
        waiting = [bet for bet in bets if bet["reason"][0] == Reason.REFERRED]
        lines: Rows = np.zeros(len(waiting), REFERRAL)
        if not waiting:
            return lines
        found = np.concatenate(waiting)
        for name in REFERRAL.names or ():
            if name in (WAITING_BET.names or ()) and name != "pad":
                lines[name] = found[name]
        slots = {no: slot for slot in self._of_slot for no in [self._book.market_no(slot)]}
        lines["now_milli"] = [
            self._book.odds_milli(slots[number])[outcome]
            for number, outcome in zip(
                found["market_no"].tolist(), found["outcome"].tolist(), strict=True
            )
        ]
        lines["left_ms"] = np.maximum(0, -((at_ns - found["due_ns"]) // NS_PER_MS))
        return lines

    # --- offers -----------------------------------------------------------------------------------

    def permit(self, row: Rows, slot: int, at_ns: Nanos) -> PermitKey | None:
        """Return the key of the offer that a bet takes, if there is one."""
        key = (int(row["account_no"][0]), slot, int(row["outcome"][0]))
        permit = self.permits.get(key)
        if permit is None or at_ns > permit.until_ns:
            return None
        same = int(row["odds_milli"][0]) == permit.odds_milli
        return key if same and int(row["stake_minor"][0]) <= permit.stake_minor else None

    def add_permit(self, key: PermitKey, permit: Permit, at_ns: Nanos) -> bool:
        """Let an account take an offer; False at the bound. A later one replaces an earlier."""
        self.forget_offers(at_ns)
        self._watched = None
        if key not in self.permits and len(self.permits) >= PERMITS_MAX:
            return False
        self.permits[key] = permit
        return True

    def forget_offers(self, at_ns: Nanos) -> None:
        """Forget the offers whose window has ended."""
        if self.permits:
            self._keep_permits(lambda _, permit: permit.until_ns >= at_ns)

    def _end_offers(self, slot: int, refusal: Reason) -> None:
        """End a market's offers on which no bet is taken now, or whose odds have fallen."""
        offered, odds_milli = self._book.offered(slot), self._book.odds_milli(slot)
        self._keep_permits(
            lambda key, permit: (
                key[1] != slot
                or (
                    refusal is Reason.ACCEPTED
                    and offered[key[2]]
                    and odds_milli[key[2]] >= permit.floor_milli
                )
            )
        )

    def _keep_permits(self, stands: Callable[[PermitKey, Permit], bool]) -> None:
        kept = {key: permit for key, permit in self.permits.items() if stands(key, permit)}
        if len(kept) < len(self.permits):
            self.permits, self._watched = kept, None

    def take_permit(self, key: PermitKey) -> None:
        """Note that an offer was taken."""
        del self.permits[key]
        self._watched = None

    # --- state as a document ----------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Return the canonical form: rules, bets and offers, each in one order."""
        number = self._book.market_no
        bets = [self._bets[bet_id] for bet_id in sorted(self._bets)]
        return {
            "acceptance": [
                [int(number(slot)), *(getattr(rule, name) for name in _RULE_HIGHS)]
                for slot, rule in sorted(self.rules.items())
            ],
            "waiting": pack_rows(np.concatenate(bets)) if bets else b"",
            "permits": [
                [key[0], int(number(key[1])), key[2], *permit]
                for key, permit in sorted(self.permits.items())
            ],
        }

    @staticmethod
    def load(book: Book, reader: Reader) -> "WaitingBets":
        """Return what `dump` returned; a ValueError names what is wrong."""
        waiting = WaitingBets(book)
        numbers = book.markets["market_no"][: book.markets_len].tolist()
        slots = {number: slot for slot, number in enumerate(numbers)}
        last = -1
        for item in reader.items("acceptance"):
            each = _reader(item, _RULE_FIELDS, "acceptance")
            acceptance = Acceptance(
                **{
                    name: Minor(each.integer(name, low=0, high=high))
                    for name, high in _RULE_HIGHS.items()
                }
            )
            slot = _slot(each, slots)
            if slot <= last or acceptance == AT_ONCE:
                raise each.fail("market_no", "out of order, or taken at once")
            waiting.rules[slot], last = acceptance, slot
            if BET_REFUSAL[book.status(slot)] in _OVER:
                waiting._over.add(slot)
        last = 0
        for bet in reader.rows("waiting", WAITING_BET, high=BETS_WAITING_MAX):
            slot = slots.get(int(bet["market_no"]), -1)
            fault = _bet_fault(bet, slot, book)
            if fault or int(bet["bet_id"]) <= last:
                raise reader.fail("waiting", fault or "out of order")
            last = int(bet["bet_id"])
            waiting._put(np.array([bet], WAITING_BET), slot)
        for item in reader.items("permits"):
            each = _reader(item, _PERMIT_FIELDS, "permits")
            key = (
                each.integer("account_no", low=0, high=ACCOUNT_NO_MAX),
                _slot(each, slots),
                each.integer("outcome", low=0, high=OUTCOMES_MAX - 1),
            )
            if waiting.permits and key <= next(reversed(waiting.permits)):
                raise each.fail("account_no", "out of order")
            waiting.permits[key] = Permit(
                Minor(each.integer("stake_minor", low=1, high=STAKE_MINOR_MAX)),
                each.integer("odds_milli", low=ODDS_MILLI_MIN, high=ODDS_MILLI_MAX),
                Nanos(each.integer("until_ns", low=0, high=(1 << 63) - 1)),
                each.integer("floor_milli", low=ODDS_MILLI_MIN, high=ODDS_MILLI_MAX),
            )
        if len(waiting.permits) > PERMITS_MAX:
            raise reader.fail("permits", f"more than {PERMITS_MAX}")
        return waiting

    def check(self) -> None:
        """Assert that the bets, their order and their markets agree."""
        assert len(self._bets) <= BETS_WAITING_MAX
        assert list(self._due) == sorted(_due_of(bet) for bet in self._bets.values())
        for slot, own in self._of_slot.items():
            for bet_id in own:
                bet = self._bets[bet_id]
                assert bet["bet_id"][0] == bet_id
                assert not _bet_fault(bet[0], slot, self._book)
        assert sum(map(len, self._of_slot.values())) == len(self._bets)
        assert all(rule != Acceptance() for rule in self.rules.values())
        over = {slot for slot in self.rules if BET_REFUSAL[self._book.status(slot)] in _OVER}
        assert self._over & {*self.rules} == over
        for (_, slot, outcome), permit in self.permits.items():
            assert BET_REFUSAL[self._book.status(slot)] is Reason.ACCEPTED
            assert self._book.offered(slot)[outcome]
            assert self._book.odds_milli(slot)[outcome] >= permit.floor_milli


_A_WHILE: Final = frozenset(
    {Reason.MARKET_SUSPENDED, Reason.MARKET_INACTIVE, Reason.OUTCOME_INACTIVE}
)
_OVER: Final = frozenset({Reason.MARKET_SETTLED, Reason.MARKET_CANCELLED, Reason.MARKET_CLOSED})
"""What a bet gets whose market's betting has ended."""


def same_bet(row: Rows, bet: Rows) -> bool:
    """Return whether a BET row has the content of a bet that waits; both are arrays of one row."""
    return all(row[name][0] == bet[name][0] for name in _SAME)


def as_bets(waiting: Rows) -> Rows:
    """Return the BET rows of WAITING_BET rows."""
    rows: Rows = np.zeros(len(waiting), BET)
    for name in BET.names or ():
        rows[name] = waiting[name]
    return rows


def _due_of(bet: Rows) -> tuple[int, int]:
    return (0 if bet["stopped"][0] else int(bet["due_ns"][0])), int(bet["bet_id"][0])


def _reader(item: object, fields: tuple[str, ...], name: str) -> Reader:
    if not isinstance(item, list | tuple) or len(item) != len(fields):
        raise ValueError(f"{name}: not a list of {len(fields)} figures")
    return Reader(dict(zip(fields, item, strict=True)), name=name)


def _slot(reader: Reader, slots: dict[int, int]) -> int:
    number = reader.integer("market_no", low=0, high=MARKET_NO_MAX)
    if number not in slots:
        raise reader.fail("market_no", f"no market {number}")
    return slots[number]


def _bet_fault(bet: Any, slot: int, book: Book) -> str:
    """Return why a WAITING_BET row cannot be one; empty where it can."""
    if slot < 0 or book.market_no(slot) != bet["market_no"]:
        return "of a market that is not here"
    if bet["outcome"] >= book.markets[slot]["outcomes"]:
        return "of an outcome that its market does not have"
    if bet["reason"] not in list(WAITING) or bet["flags"] & FLAG_FENCE:
        return "neither delayed nor referred"
    if not bet["at_ns"] <= bet["due_ns"]:
        return "due before it came"
    return ""
