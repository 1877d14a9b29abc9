"""What a market machine answers of bets: the half of it that its shell calls for each batch.

Owns the documented methods; the way of a batch is in placing.py, which bets wait in waiting.py.
"""

from engine.common.ids import BetId, ShardNo
from engine.common.reasons import Reason
from engine.common.rows import BET, Bools, Rows
from engine.common.units import Nanos
from engine.market.book import Book
from engine.market.lookup import highest_bet_ids
from engine.market.placing import Placing
from engine.market.waiting import WaitingBets


class PlacesBets:
    """What a market machine answers of bets that come, and of those that wait."""

    _placing: Placing
    _waiting: WaitingBets
    _book: Book

    def place(self, rows: Rows, at_ns: Nanos) -> Rows:
        """Decide bets in order, on any of the markets; a repeated bet id gets the same answer.

        A bet may wait (DELAYED, REFERRED; see engine.common.acceptance). It is decided by the first
        call that names it at or after its time: the owner places the bets of `due` before others.

        A known bet id with other content is refused with BET_ID_REUSED: two bets have one id, which
        happens only when an account shard has lost records. The first bet stands.

        Parameters
        ----------
        rows : Rows
            BET rows.
        at_ns : Nanos
            Time of arrival, written into the record of each new bet.

        Returns
        -------
        Rows
            DECISION rows in the same order.
        """
        assert rows.dtype == BET, f"BET rows, not {rows.dtype}"
        return self._placing.place(rows, at_ns)

    def repeat(self, rows: Rows, *, otherwise: Reason, at_ns: Nanos) -> Rows:
        """Repeat what was answered on bets and change nothing.

        DECISION rows in order: with FLAG_KNOWN where the bet is recorded with this content or
        waits, a refusal with the reason `otherwise` for any other.
        """
        return self._placing.repeat(rows, otherwise=otherwise, at_ns=at_ns)

    def still_waiting(self, rows: Rows, at_ns: Nanos) -> Bools | None:
        """Return which BET rows are of bets that wait and are not due; None where none is.

        `place` would repeat their answers and change nothing.
        """
        return self._waiting.still(rows, at_ns)

    def due(self, at_ns: Nanos) -> Rows:
        """Return BET rows of bets that wait and are to be decided at a time, in their order."""
        return self._waiting.due(at_ns)

    def referrals(self, at_ns: Nanos) -> Rows:
        """Return the bets that wait for a trader, as REFERRAL rows, first due in front."""
        return self._waiting.referrals(at_ns)

    def offer_left_ms(self, bet_id: BetId, at_ns: Nanos) -> int:
        """Return for how long what a trader offered in a bet's place may still be taken; 0: not."""
        return self._placing.offer_left_ms(bet_id, at_ns)

    def highest_bet_ids(self) -> dict[ShardNo, BetId]:
        """Return the highest id of a bet that is decided or waits here, by account shard."""
        highest = highest_bet_ids(self._book)
        for shard, bet_id in self._waiting.highest_bet_ids().items():
            highest[shard] = max(bet_id, highest.get(shard, bet_id))
        return highest
