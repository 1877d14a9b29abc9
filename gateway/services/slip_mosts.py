"""Ask account shards what slips can be paid at most, whatever becomes of their legs.

Owns nothing but the way to the shards, which work it out, and how many legs are looked up.
"""

import asyncio

import numpy as np

from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes, account_shell_name
from actors.weights import LEGS_WEIGHED_MAX, SLIP_MOST, SLIPS_WEIGHED_IN_CALL_MAX
from engine.common.ids import SHARD_BITS, ShardNo
from engine.common.rows import Bools, Rows, U64s
from engine.common.units import BALANCE_MINOR_MAX


class SlipMosts:
    """What slips can be paid at most.

    Parameters
    ----------
    routes : Routes
        The shards of accounts, and how to call them.
    timeout_s : float
        How long an answer may take.
    """

    def __init__(self, *, routes: Routes, timeout_s: float) -> None:
        self._routes = routes
        self._timeout_s = timeout_s

    async def most(self, bet_ids: U64s) -> Rows | None:
        """Return SLIP_MOST rows of legs, in their order; None where a shard does not answer.

        Past LEGS_WEIGHED_MAX legs nobody is asked: each has the highest balance.
        """
        rows: Rows = np.zeros(len(bet_ids), SLIP_MOST)
        rows["bet_id"], rows["most_minor"] = bet_ids, BALANCE_MINOR_MAX
        if len(bet_ids) > LEGS_WEIGHED_MAX:
            return rows
        shards = bet_ids >> np.uint64(SHARD_BITS)
        asked = [self._ask(ShardNo(no), rows, shards == no) for no in np.unique(shards).tolist()]
        return rows if all(await asyncio.gather(*asked)) else None

    async def _ask(self, shard: ShardNo, rows: Rows, own: Bools) -> bool:
        """Look the legs of one shard up, one call after another; say whether it answered."""
        peer = self._routes.peer(account_shell_name(shard))
        if peer is None:
            return False
        places = np.flatnonzero(own)
        for start in range(0, len(places), SLIPS_WEIGHED_IN_CALL_MAX):
            part = places[start : start + SLIPS_WEIGHED_IN_CALL_MAX]
            bet_ids = np.ascontiguousarray(rows["bet_id"][part]).tobytes()
            try:
                raw = await peer.ask("most_of_slips", bet_ids, timeout_s=self._timeout_s)
            except (PeerError, PeerRefusedError):
                return False
            rows["most_minor"][part] = np.frombuffer(raw, np.int64)
        return True
