"""What an account shell answers without changing anything: slips, totals, offers, lines of bets.

Owns the encoding of these answers. Never books, never journals and never notifies a gateway.
"""

import numpy as np

from actors.messages import AUDIT_ROWS_MAX, encode
from actors.refused_bets import RefusedBets
from actors.shell import Shell
from actors.weights import SLIPS_WEIGHED_IN_CALL_MAX
from engine.common.ids import AccountNo, BetId
from engine.common.rows import CHARGE, Rows, SlipKind
from engine.ledger.accounts import ref_u64s
from engine.ledger.ledger import LedgerMachine
from persistence.durable import DurableLedger


class AccountShellReads(Shell[DurableLedger]):
    """The reads of a shard's accounts."""

    _refused: RefusedBets

    # --- slips -----------------------------------------------------------------------------------
    def in_force(self, market_nos: list[int], after_bet_id: int, limit: int) -> bytes:
        """Return ids (u64) of accepted and settled bets of some markets, after one, by rising id.

        At most `limit` ids; the next page is requested with the last page's last id.
        """
        after = BetId(after_bet_id)
        bet_ids = self._machine().in_force(market_nos=market_nos, after_bet_id=after, limit=limit)
        return bet_ids.tobytes()

    def never_given(self, bet_ids: bytes) -> bytes:
        """Return those of some bet ids (u64) that this shard never gave."""
        machine = self._healthy().machine
        assert machine is not None
        return machine.never_given(np.frombuffer(bet_ids, np.uint64)).tobytes()

    def last_bet_id(self) -> int:
        """Return the highest bet id given so far, 0 for none."""
        return self._machine().last_bet_id

    def charged_legs(self, bet_ids: bytes) -> bytes:
        """Return what the markets of legs among some bets (u64 ids) are known to have applied.

        As CHARGE rows, one of each leg whose market was told of a charge.
        """
        legs = self._machine().slips_of(np.frombuffer(bet_ids, np.uint64))
        legs = legs[legs["charge_no"] * (legs["kind"] == SlipKind.LEG) > 0]
        rows: Rows = np.zeros(len(legs), CHARGE)
        for name in ("bet_id", "market_no", "charge_no"):
            rows[name] = legs[name]
        rows["stake_minor"] = legs["charged_minor"]
        return rows.tobytes()

    def most_of_slips(self, bet_ids: bytes) -> bytes:
        """Return what the slips of some legs (u64 ids) can be paid at most, in base currency: i64s.

        One that this shard does not know has the highest balance.
        """
        if len(bet_ids) > 8 * SLIPS_WEIGHED_IN_CALL_MAX:
            raise ValueError(f"{len(bet_ids) // 8} legs, {SLIPS_WEIGHED_IN_CALL_MAX} in one call")
        return self._machine().most_minor(np.frombuffer(bet_ids, np.uint64)).tobytes()

    def slips(self, start: int = 0, limit: int = AUDIT_ROWS_MAX) -> bytes:
        """Return slips in order of creation, as SLIP rows, from the `start`-th on."""
        return self._machine().slips(start, limit).tobytes()

    def slips_and_totals(self, start: int, limit: int) -> tuple[int, bytes, bytes, bytes]:
        """Return, of one instant: the journal's seq, a page of slips, their currencies, totals.

        A slip's currency (u32) is its index in the totals.
        """
        currencies = self._machine().slip_currencies(start, limit)
        return (
            self._reading().seq,
            self.slips(start, limit),
            currencies.tobytes(),
            self.totals(),
        )

    def slip_bets(self, start: int = 0, limit: int = AUDIT_ROWS_MAX) -> bytes:
        """Return bets of slips in order of creation, as SLIP_BET rows, from the `start`-th on."""
        return self._machine().slip_bets(start, limit).tobytes()

    # --- totals and offers -----------------------------------------------------------------------
    def totals(self) -> bytes:
        """Return list[LedgerTotals] in msgpack: each currency's totals, which sum to zero."""
        return encode(self._machine().totals())

    def offers(self) -> bytes:
        """Return list[OfferView] in msgpack: every offer, and what its account has given here."""
        return encode(self._machine().offers())

    def offer_faults(self, start: int, stop: int) -> tuple[bytes, int]:
        """Return which of some slips' offers gave otherwise than their rules say, as u64 bet ids.

        The slips are the `start`-th up to the `stop`-th. The number is the one up to which they
        were looked at: fewer at a time where slips have very many lines.
        """
        bet_ids, at = self._machine().offer_faults(start, stop)
        return bet_ids.tobytes(), at

    def standing_early(self, market_nos: list[int]) -> bytes:
        """Return list[EarlyStanding] in msgpack: open legs in some markets under early payouts."""
        return encode(self._machine().standing_early(market_nos))

    # --- for traders -----------------------------------------------------------------------------
    def account_bets(
        self, account_no: int, states: int, before_bet_id: int, limit: int
    ) -> tuple[bytes, int]:
        """Return a page of an account's bets in some states (bits), newest first, as BET_LINE rows.

        The number is the bet that the next page is before, 0 when there is none, and -1 where the
        account does not have the bet that this page is to be before.
        """
        page = self._machine().floor.bets(
            AccountNo(account_no), states=states, before_bet_id=BetId(before_bet_id), limit=limit
        )
        return (b"", -1) if page is None else (page[0].tobytes(), page[1])

    def bet_lines(self, bet_id: int) -> bytes:
        """Return a bet as BET_LINE rows: a single's, or a slip's and its legs'; none if unknown."""
        return self._machine().floor.bet(BetId(bet_id)).tobytes()

    def bet_lines_of_ref(self, account_no: int, ref: str) -> bytes:
        """Return an account's bet by its ref as BET_LINE rows; else its newest refusal, or none."""
        number, machine = AccountNo(account_no), self._machine()
        slip = machine.slip(account_no=number, ref=ref)
        if slip is not None:
            return machine.floor.bet(slip.bet_id).tobytes()
        key = ref_u64s(ref)
        return b"" if key is None else self._refused.of(number, ref=key, limit=1).tobytes()

    def refused_bets(self, account_no: int, limit: int) -> bytes:
        """Return bets that an account refused since this process started, as BET_LINE rows.

        The newest come first; the shard remembers the newest REFUSED_KEPT_MAX of all accounts.
        """
        return self._refused.of(AccountNo(account_no), ref=None, limit=limit).tobytes()

    # --- inside ----------------------------------------------------------------------------------
    def _machine(self) -> LedgerMachine:
        machine = self._reading().machine
        assert machine is not None, "_reading refuses without a machine"
        return machine
