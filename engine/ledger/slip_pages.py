"""Pages of an account's bets: the open ones, oldest first, and the settled ones, newest first.

Owns where a page begins and ends. Never changes a slip.
"""

from typing import Final

import numpy as np

from engine.common.ids import AccountNo, BetId
from engine.common.rows import SlipKind
from engine.common.views import Slip, SlipPage
from engine.ledger.open_slips_nb import open_slots_nb
from engine.ledger.slip_chains_nb import SETTLED, slots_in_states_nb
from engine.ledger.tables import LedgerTables
from engine.ledger.views import slip_at, slips_at

HISTORY_STEPS_MAX: Final = 4_096
"""Bets of any state that one page of settled bets looks at, so that no page holds its shard up for
long: each is a row somewhere in memory, some 0.1 microseconds."""


def open_slips(
    tables: LedgerTables,
    account_no: AccountNo,
    *,
    after_bet_id: BetId,
    limit: int,
    parts_max: int,
) -> list[Slip]:
    """Return an account's slips that are PENDING or ACCEPTED, by rising bet id.

    Parameters
    ----------
    account_no : AccountNo
        The account; one that is not in this shard has no slips.
    after_bet_id : BetId
        The last bet id of the page before: only higher ids are listed.
    limit : int
        The highest number of slips to return.
    parts_max : int
        The slip with which more legs and bets of slips than these are returned is the last one.
    """
    account = tables.account_slot(account_no)
    if account < 0:
        return []
    slots = np.empty(max(0, min(limit, tables.slips_len)), np.uint32)
    first = int(tables.accounts["open_first"][account])
    count = open_slots_nb(tables.slips, first, after_bet_id, slots)
    return slips_at(tables, slots[:count].tolist(), parts_max=parts_max)


def settled_slips(
    tables: LedgerTables,
    account_no: AccountNo,
    *,
    before_bet_id: BetId,
    limit: int,
    parts_max: int,
) -> SlipPage | None:
    """Return an account's SETTLED slips, by falling bet id, and where the next page begins.

    A page can be short, and even empty, although others follow: it looks at HISTORY_STEPS_MAX
    slips of any state at most. Each slip that is settled at the first page, and stays so, is on one
    page.

    Parameters
    ----------
    account_no : AccountNo
        The account; one that is not in this shard has no slips.
    before_bet_id : BetId
        Where the page before ended, 0 for the first page: only lower ids are listed. There is
        no page (None) before a bet that the account does not have.
    limit : int
        The highest number of slips to return, at least 1.
    parts_max : int
        The page ends before a slip with which it would have more legs and bets of slips.
    """
    assert limit > 0
    first = chain_begin(tables, account_no, before_bet_id=before_bet_id)
    if first is None:
        return None
    slots = np.empty(min(limit, HISTORY_STEPS_MAX), np.uint32)
    count, last = slots_in_states_nb(
        tables.slips,
        tables.chains.earlier,
        first,
        1 << SETTLED,
        HISTORY_STEPS_MAX,
        parts_max,
        slots,
    )
    return SlipPage(
        slips=[slip_at(tables, slot) for slot in slots[:count].tolist()],
        before_bet_id=bet_before(tables, last),
    )


def chain_begin(tables: LedgerTables, account_no: AccountNo, *, before_bet_id: BetId) -> int | None:
    """Return one more than the slot of an account's newest bet, or of that before one; 0: none.

    None when the account does not have the bet that it is to be before.
    """
    account, chains = tables.account_slot(account_no), tables.chains
    if not before_bet_id:
        return int(chains.newest[account]) if 0 <= account < len(chains.newest) else 0
    slot = tables.slot_of_bet(before_bet_id)
    if slot < 0 or not _has_bet(tables, account, slot):
        return None
    return int(chains.earlier[slot])


def bet_before(tables: LedgerTables, last: int) -> BetId:
    """Return the bet id that the next page is before; `last` is its slot and one, 0 for none."""
    return BetId(int(tables.slips["bet_id"][last - 1])) if last else BetId(0)


def _has_bet(tables: LedgerTables, account: int, slot: int) -> bool:
    row = tables.slips[slot]
    return bool(row["account"] == account and row["kind"] != SlipKind.LEG)
