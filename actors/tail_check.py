"""Find the records that a shell has lost, by what its counterparts know of it.

Owns the comparison that a shell passes before it serves. An account's journal holds which bets a
market accepted, a market's journal holds which bet ids an account shard gave, and the directory
holds where each journal ended: a journal whose end was cut away, by a disk that lied, a restore or
a person, is valid by itself, and only the others can tell. Never changes a shell.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from actors.messages import AUDIT_ROWS_MAX
from actors.peer import Peer
from engine.common.ids import MarketNo, ShardNo
from engine.common.rows import DECISION, FLAG_KNOWN, Rows


async def missing_at_market(
    market: Peer,
    market_nos: Sequence[MarketNo],
    *,
    accounts: Mapping[ShardNo, Peer],
    timeout_s: float,
) -> str:
    """Return which bets of its accounts a market shell does not have; empty when it has all.

    Each account is read before the market: a bet in force was decided by its market earlier.

    Raises
    ------
    PeerError, PeerRefusedError
        When a shell cannot be read.
    """
    missing: list[int] = []
    compared = 0
    for account in accounts.values():
        after = 0
        while True:
            page = await account.ask(
                "in_force", list(market_nos), after, AUDIT_ROWS_MAX, timeout_s=timeout_s
            )
            if page:
                decisions = await market.ask("recall", page, timeout_s=timeout_s)
                rows: Rows = np.frombuffer(decisions, DECISION)
                missing += rows["bet_id"][rows["flags"] & FLAG_KNOWN == 0].tolist()
                compared += len(rows)
                after = int(rows["bet_id"][-1])
            if len(page) < 8 * AUDIT_ROWS_MAX:
                break
    if not missing:
        return ""
    return (
        f"the end of the journal is missing: {len(missing)} of {compared} bets that its accounts "
        f"hold as accepted are not in it, the first is bet {min(missing)}"
    )


async def missing_at_account(
    account: Peer, shard: ShardNo, *, markets: Mapping[str, Peer], timeout_s: float
) -> str:
    """Return which bet ids that an account shard gave its journal does not have; empty for none.

    Each market is read before the account: bet ids only rise.

    Raises
    ------
    PeerError, PeerRefusedError
        When a shell cannot be read.
    """
    for name, market in markets.items():
        known = (await market.ask("highest_bet_ids", timeout_s=timeout_s)).get(shard, 0)
        last = await account.ask("last_bet_id", timeout_s=timeout_s)
        if known > last:
            return (
                f"the end of the journal is missing: {name} has decided bet {known}, "
                f"the last one here is {last}"
            )
    return ""


def missing_records(*, found_seq: int, ended_seq: int) -> str:
    """Return how many records are missing of a journal that ended in order at `ended_seq`."""
    if found_seq >= ended_seq:
        return ""
    return (
        f"the end of the journal is missing: it ended in order at record {ended_seq}, "
        f"and its last record now is {found_seq}"
    )
