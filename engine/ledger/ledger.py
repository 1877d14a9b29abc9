"""The account shard's ledger: a deterministic double-entry machine over rows.

Owns the rules by which money moves between a bettor and the house: reserve (PENDING), post or void,
settle and settle again, deposit, withdraw. Never reads a clock, never does I/O and never decides a
bet on a market. The same input in the same order gives the same state, so a replay does too.

The accounts of the double entry are `external` (where deposits come from) and `house` for each
currency, and `available`, `pending`, `at_stake` and `owed` (a claim on the bettor, so negative) for
each bettor, and one for each offer. Every movement debits one account and credits another; the sum
is always zero.

    deposit     external -> balance             reserve     available -> pending
    withdraw    balance -> external             post        pending -> at_stake
    settle      at_stake -> house,              void        pending -> balance
                house -> balance (payout)       reopen      balance -> house -> at_stake
    offer       offer -> balance (what it gives, or takes back)

`balance` is one signed figure kept as two: its positive part is `available`, its negative part is
`owed`. So a reversed payout larger than the balance leaves a debt, later credits pay the debt
first, and `available` is never negative.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from engine.common.commands import LedgerCommand
from engine.common.events import LedgerEvent
from engine.common.house import HouseStop
from engine.common.ids import BET_EPOCH_MAX, AccountNo, BetId, ShardNo
from engine.common.reasons import Reason
from engine.common.rows import (
    BET,
    FLAG_UNMARKED,
    RESERVED,
    SLIP_BET,
    Rows,
    SlipState,
    U64s,
)
from engine.common.rules import RULES, RULES_FIRST
from engine.common.state_hash import state_hash
from engine.common.units import BETS_MAX, Nanos
from engine.common.views import Balance, EarlyStanding, LedgerTotals, OfferView, Slip, SlipPage
from engine.ledger import slip_pages, views
from engine.ledger.account_reads import AccountReads
from engine.ledger.accounts import apply_command, ref_u64s
from engine.ledger.audit import due_fault, first_fault, row_fault
from engine.ledger.audit_offers import offer_faults
from engine.ledger.charges import ChargePage, apply_charged, due_charges
from engine.ledger.exchanging import make_room, reserve, resolve
from engine.ledger.ledger_nb import drop_resolved_nb, pending_bets_nb
from engine.ledger.portions import resolved_at_once, settled_at_once
from engine.ledger.rows import ACCOUNTS_MAX, LEDGER_LAYOUT, TRANSFERS_MAX
from engine.ledger.settling import apply_settlements
from engine.ledger.slip_reads import SlipReads
from engine.ledger.standing_early import standing_early
from engine.ledger.tables import LedgerTables

NO_SLIP_BETS: Final[Rows] = np.zeros(0, SLIP_BET)
_NO_BET: Final = BetId(0)
"""Below every bet id: a first page starts after it."""


class LedgerMachine(SlipReads):
    """One account shard's ledger.

    Parameters
    ----------
    shard : ShardNo
        The shard's number: the upper bits of every bet id that it gives.
    slips_max, accounts_max, transfers_max : int
        Bounds of the ledger; CAPACITY refuses what would pass one.
    rules : int
        Version of the rules (see engine.common.rules).
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
    is a dispute.
    """

    def __init__(
        self,
        *,
        shard: ShardNo,
        slips_max: int = BETS_MAX,
        accounts_max: int = ACCOUNTS_MAX,
        transfers_max: int = TRANSFERS_MAX,
        ref_seed: int = 0,
        rules: int = RULES,
    ) -> None:
        self._tables = LedgerTables(
            shard=shard,
            slips_max=slips_max,
            accounts_max=accounts_max,
            transfers_max=transfers_max,
        )
        self._tables.ref_seed = np.uint64(ref_seed)
        self._tables.rules = rules

    @property
    def rules(self) -> int:
        """Version of the rules that decide from now on."""
        return self._tables.rules

    def begin_epoch(
        self,
        *,
        epoch: int,
        rules: int,
        at_ns: Nanos | None = None,  # noqa: ARG002 - markets use it
    ) -> None:
        """Begin the epoch of a new writer, whose rules may be newer; they are never older.

        From rules 2 on each epoch has a range of bet ids of its own, above those of all earlier
        epochs: a bet id that a lost record gave is not given again.

        Parameters
        ----------
        epoch : int
            The number of the writer's start, as in the EPOCH record of its journal.
        rules : int
            Version of the writer's rules (see engine.common.rules).

        Raises
        ------
        ValueError
            When the epoch does not fit a bet id.
        """
        assert self._tables.rules <= rules <= RULES
        self._tables.rules = rules
        if rules == RULES_FIRST:
            return
        if epoch > BET_EPOCH_MAX:
            raise ValueError(f"epoch {epoch}: bet ids have room for {BET_EPOCH_MAX}")
        self._tables.epoch = epoch

    # --- rows ------------------------------------------------------------------------------------

    def exchange(
        self, verdicts: Rows, reservations: Rows, at_ns: Nanos, slip_bets: Rows = NO_SLIP_BETS
    ) -> Rows:
        """Post or void the slips that the verdicts name, then reserve stakes.

        A slip of several legs is posted when the last of its legs is accepted, unless what it pays
        at the accepted odds breaks its policy or a bet's bound; it is refused with the first leg
        that is. Legs that markets hold for a refused slip become RELEASED.

        Parameters
        ----------
        verdicts : DECISION rows
            Reason 0 posts a PENDING slip and any other reason voids it, once; a verdict on a slip
            that is not PENDING changes nothing. The slip keeps odds, reason and stake_max. A
            refusal that no market recorded (UNRECORDED) does not void a shared slip.
        reservations : RESERVATION rows
            A known ref with the same content is answered with its slip (FLAG_KNOWN), also within
            one batch; the answer tells what became of a verdict in the same call. A PENDING slip
            that is handed out again becomes shared. A head (FLAG_HEAD) is followed by its legs
            (LEG_RESERVATION); a slip is reserved, or refused, with all of them.
        at_ns : Nanos
            Time of the reservations.
        slip_bets : SLIP_BET rows
            The bets of the heads, in the order of the heads; `lines` are not read.

        Returns
        -------
        Rows
            RESERVED rows, one for each reservation, in order. A refusal makes no slip, changes
            nothing and is not recorded: the ref may be used again. A refusal for the stake, for
            what a bet can pay or for funds states the highest stake that would have passed. The
            answer to a leg that is PENDING states what its market must be charged.
        """
        tables = self._tables
        resolve(tables, verdicts, at_ns)
        answers: Rows = np.empty(len(reservations), RESERVED)
        if len(reservations) == 0:
            return answers
        make_room(tables, len(reservations))
        first, before = tables.next_bet_id(), tables.slips_len
        reserve(
            tables,
            reservations,
            slip_bets,
            answers,
            first=first,
            slips_max=tables.slips_max,
            at_ns=at_ns,
        )
        if tables.slips_len > before:
            tables.note_new(first, slot=before)
        return answers

    def recall(
        self, reservations: Rows, *, otherwise: Reason, slip_bets: Rows = NO_SLIP_BETS
    ) -> Rows:
        """Answer reservations from the recorded slips and change nothing.

        Returns
        -------
        Rows
            RESERVED rows: the answer of `exchange` for a known ref, with FLAG_UNMARKED if its slip
            is PENDING; a refusal with the reason `otherwise` for any other.
        """
        answers: Rows = np.empty(len(reservations), RESERVED)
        tables, never = self._tables, Nanos(0)
        reserve(tables, reservations, slip_bets, answers, first=0, slips_max=0, at_ns=never)
        fresh = (answers["state"] == SlipState.NONE) & (answers["reason"] == Reason.CAPACITY)
        answers["reason"][fresh] = otherwise
        answers["flags"][answers["state"] == SlipState.PENDING] |= FLAG_UNMARKED
        return answers

    def settle(self, rows: Rows, at_ns: Nanos) -> Rows:
        """Pay out settled slips, each pair of bet and settlement number once.

        A higher settlement number reverses the earlier payout and replaces it. A lower or equal
        number is skipped. A PENDING slip is posted first, at the row's odds: the settlement proves
        that the market accepted the bet, and a verdict that arrives later changes nothing. A row
        without a result (BetResult.NONE) opens the bet again: the payout is reversed, into debt if
        necessary, and the stake is at stake again.

        A settlement of a refused slip, or of a bet id that this shard never gave, and a row that
        cannot come from a market (payout, odds or result outside their bounds, a payout without a
        result) moves no money and is held as a dispute: market and account disagree, and a person
        must find out why. (Up to rules 1 such rows were skipped.)

        A leg's row gives the fraction of the stake that the leg gives back. A slip is then owed the
        sum of its lines, each its stake times the fractions of its legs, rounded down, and is paid
        as soon as no open leg can change that; a later change is paid, or reversed, as a
        difference. Settlements of RELEASED legs are skipped.

        Returns
        -------
        Rows
            The SETTLEMENT rows that took effect, applied or disputed, in order.

        Raises
        ------
        ValueError
            When the batch is longer than SETTLEMENTS_MAX or DISPUTES_MAX disputes are held; nothing
            has changed.
        """
        return apply_settlements(self._tables, rows, at_ns)

    def settled_at_once(self, rows: Rows) -> int:
        """Return how many of some settlements, from the first on, one call should apply.

        At least one, and all of them unless slips of very many lines are among them: `settle`
        takes any number, but what it takes at once holds the shard up.
        """
        return settled_at_once(self._tables, rows)

    def resolved_at_once(self, verdicts: Rows) -> int:
        """Return how many of some verdicts, from the first on, one call should apply.

        As `settled_at_once`: the verdict that posts a slip may have to work out all its lines.
        """
        return resolved_at_once(self._tables, verdicts)

    def charges(self, *, after_bet_id: BetId = _NO_BET, limit: int) -> ChargePage:
        """Return a page of the charges that legs' markets must be told, of legs after a bet.

        An open leg is charged what runs on it by its slip's lines: the stakes of those without a
        lost leg, times what their settled legs give back. A leg that its market holds for a refused
        slip is charged nothing (FLAG_RELEASED). A charge is returned until `charged` notes it.

        Returns
        -------
        ChargePage
            At most `limit` CHARGE rows by rising bet id, fewer where slips have very many lines.
        """
        return due_charges(self._tables, after_bet_id=after_bet_id, limit=limit)

    def charged(self, rows: Rows) -> Rows:
        """Note charges (CHARGE rows) that markets have applied; return those that were new.

        A number not above the leg's last one, or that no `charges` returned, changes nothing.
        """
        return apply_charged(self._tables, rows)

    @property
    def disputes_len(self) -> int:
        """Number of settlements in dispute."""
        return len(self._tables.disputes)

    def is_disputed(self, bet_id: int, settlement_no: int) -> bool:
        """Return whether a settlement of a bet is the one held in dispute."""
        held = self._tables.disputes.get(bet_id)
        return held is not None and int(held["settlement_no"][0]) == settlement_no

    def disputes(self) -> Rows:
        """Return the settlements in dispute, by bet id: SETTLEMENT rows."""
        return self._tables.used_disputes()

    # --- commands --------------------------------------------------------------------------------

    def apply(self, command: LedgerCommand, at_ns: Nanos, *, by: str = "") -> LedgerEvent:
        """Apply a command that `by` sent, or refuse it with a reason and change nothing."""
        return apply_command(self._tables, command, at_ns, by=by)

    @property
    def house_stop(self) -> HouseStop | None:
        """Who has stopped the house, or None while it takes bets."""
        return self._tables.house_stop

    # --- reading ---------------------------------------------------------------------------------

    def balance(self, account_no: AccountNo, *, before_free_bet: int = 0) -> Balance | None:
        """Return an account's money, or None when the account is not in this shard."""
        return views.balance(self._tables, account_no, before_free_bet=before_free_bet)

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
        slot = self._tables.slot_of_bet(bet_id)
        return views.slip_at(self._tables, slot) if slot >= 0 else None

    def open_slips(
        self,
        *,
        account_no: AccountNo,
        after_bet_id: BetId = _NO_BET,
        limit: int = 100,
        parts_max: int = BETS_MAX,
    ) -> list[Slip]:
        """Return a page of an account's open slips (see `slip_pages.open_slips`)."""
        return slip_pages.open_slips(
            self._tables, account_no, after_bet_id=after_bet_id, limit=limit, parts_max=parts_max
        )

    def settled_slips(
        self,
        *,
        account_no: AccountNo,
        before_bet_id: BetId = _NO_BET,
        limit: int = 100,
        parts_max: int = BETS_MAX,
    ) -> SlipPage | None:
        """Return a page of an account's settled slips (see `slip_pages.settled_slips`)."""
        return slip_pages.settled_slips(
            self._tables, account_no, before_bet_id=before_bet_id, limit=limit, parts_max=parts_max
        )

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
        # The queue is rid of resolved slips here and when it must grow: a verdict costs nothing.
        tables = self._tables
        tables.pending_len = drop_resolved_nb(tables.pending, tables.pending_len, tables.slips)
        pending = tables.pending[: tables.pending_len]
        pending = pending[np.searchsorted(pending, np.uint32(tables.slots_up_to(after_bet_id))) :]
        bets: Rows = np.empty(max(0, min(limit, len(pending))), BET)
        count = pending_bets_nb(pending, len(pending), tables.slips, at_ns, bets)
        return bets[:count]

    def totals(self) -> list[LedgerTotals]:
        """Return the totals of each currency, in the order in which rates were first set."""
        return views.totals(self._tables)

    def offers(self) -> list[OfferView]:
        """Return every offer, by its number, with what its account has given so far."""
        return views.offers(self._tables)

    def offer_faults(self, start: int, stop: int) -> tuple[U64s, int]:
        """Return which of some slips' offers gave otherwise (see `audit_offers.offer_faults`)."""
        return offer_faults(self._tables, start, stop)

    def standing_early(self, market_nos: Sequence[int]) -> list[EarlyStanding]:
        """Return the open legs in some markets under early payouts (see `standing_early`)."""
        return standing_early(self._tables, market_nos)

    @property
    def floor(self) -> AccountReads:
        """What traders ask of the accounts and bets of this shard."""
        return AccountReads(self._tables)

    # --- state as a whole ------------------------------------------------------------------------

    def dump(self, *, layout: int = LEDGER_LAYOUT) -> dict[str, Any]:
        """Return the whole state as plain values, as a release of this `layout` had them."""
        return self._tables.dump(layout=layout)

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
        tables.rebuild_due()
        machine = cls(shard=tables.shard)
        machine._tables = tables
        return machine

    def state_hash(self, *, layout: int = LEDGER_LAYOUT) -> str:
        """Return the hash of the canonical dump: equal for equal state, however it arose."""
        return state_hash(self.dump(layout=layout))

    def check(self) -> None:
        """Assert every invariant: recomputed money, chains, hash tables, slips and charges."""
        tables = self._tables
        fault = row_fault(tables) or first_fault(tables) or due_fault(tables)
        assert not fault, fault
