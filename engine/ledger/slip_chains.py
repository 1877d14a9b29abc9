"""The chains of accounts' bets in memory: from any bet of an account to the one before it.

Owns how the chains grow, and their audit. They follow from the rows of the slips, and are in no
dump. Never reads a slip's state: engine.ledger.slip_pages does.
"""

import numpy as np

from engine.common.rows import Rows
from engine.ledger.growth import copied, grown_size
from engine.ledger.slip_chains_nb import link_slips_nb


class SlipChains:
    """One chain for each account of a shard, of its singles and heads.

    Attributes
    ----------
    newest : array of uint32
        For each account's slot one more than the slot of its newest bet, 0 for none.
    earlier : array of uint32
        For each slip's slot one more than the slot of the same account's bet before it, 0 for none;
        0 for a leg.
    """

    def __init__(self) -> None:
        self.newest = np.zeros(0, np.uint32)
        self.earlier = np.zeros(0, np.uint32)
        self._linked = 0

    def link(self, slips: Rows, slips_len: int, *, accounts_len: int) -> None:
        """Append the slips that were made since the last call to their accounts' chains."""
        if accounts_len > len(self.newest):
            self.newest = copied(self.newest, grown_size(len(self.newest), accounts_len))
        if slips_len > len(self.earlier):
            self.earlier = copied(self.earlier, grown_size(len(self.earlier), slips_len))
        link_slips_nb(slips, self._linked, slips_len, self.newest, self.earlier)
        self._linked = slips_len

    def fault(self, slips: Rows, slips_len: int, *, accounts_len: int) -> str:
        """Link all slips anew; return the first one that is linked otherwise, or an empty text."""
        right = SlipChains()
        right.link(slips, slips_len, accounts_len=accounts_len)
        linked = self.earlier[:slips_len] == right.earlier[:slips_len]
        if not linked.all():
            return f"slips: row {int(np.argmin(linked))} is not behind its account's one before it"
        newest, expected = self.newest[:accounts_len], right.newest[:accounts_len]
        if not np.array_equal(newest, expected[: len(newest)]) or expected[len(newest) :].any():
            return "slips: the chains do not begin at the accounts' newest"
        return ""
