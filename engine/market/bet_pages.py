"""Lines of a market machine's bets for traders: single bets, and pages of one market's.

Owns where a page begins and ends. Never changes a record.
"""

from typing import Final

import numpy as np

from engine.common.bet_lines import BET_LINE, with_verdicts
from engine.common.ids import BetId, MarketNo
from engine.common.rows import Rows, SlipState, U64s
from engine.market.lookup import RecordedBets

PAGE_STEPS_MAX: Final = 65_536
"""Records of any market that one page of a market's bets looks at, so that no page holds its shell
up for long: some 0.5 ms."""
_COPIED: Final = (
    "bet_id", "stake_minor", "stake_max_minor", "at_ns", "account_no", "market_no", "odds_milli",
    "odds_seen_milli", "rate_micro", "outcome", "reason", "policy", "factor_milli",
)  # fmt: skip


def bet_lines(bets: RecordedBets, bet_ids: U64s) -> Rows:
    """Return the BET_LINE rows of those of some bets that are recorded, in their order."""
    places = bets.bet_places(bet_ids)
    return lines_of(bets.bets()[places[places >= 0]])


def market_page(
    bets: RecordedBets,
    market_no: MarketNo,
    *,
    outcome: int | None,
    states: int,
    before_bet_id: BetId,
    limit: int,
    steps_max: int = PAGE_STEPS_MAX,
) -> tuple[Rows, BetId] | None:
    """Return a page of a market's bets, the latest decision first.

    Parameters
    ----------
    bets : RecordedBets
        The machine that hosts the market.
    market_no : MarketNo
        The market.
    outcome : int or None
        The outcome that the bets are on; None for any.
    states : int
        The SlipStates of the bets, as bits: accepted ones, refused ones or both.
    before_bet_id : BetId
        Where the page before ended, 0 for the first page.
    limit : int
        The highest number of lines, at least 1.
    steps_max : int
        Records that are looked at.

    Returns
    -------
    tuple of BET_LINE rows and BetId, or None
        The lines, and the bet that the next page is before, 0 for none. A page may be short, and
        even empty, although others follow. None when no bet has the id that the page is before.
    """
    assert limit > 0
    records = bets.bets()
    end = len(records)
    if before_bet_id:
        end = int(bets.bet_places(np.array([before_bet_id], np.uint64))[0])
        if end < 0:
            return None
    begin = max(0, end - steps_max)
    part = records[begin:end]
    wanted = part["market_no"] == market_no
    if outcome is not None:
        wanted &= part["outcome"] == outcome
    if not states >> SlipState.ACCEPTED & 1:
        wanted &= part["reason"] > 0
    if not states >> SlipState.REFUSED & 1:
        wanted &= part["reason"] == 0
    found = np.flatnonzero(wanted)[::-1]
    last = begin if len(found) <= limit else begin + int(found[limit - 1])
    next_before = BetId(int(records["bet_id"][last])) if last else BetId(0)
    return lines_of(part[found[:limit]]), next_before


def lines_of(records: Rows) -> Rows:
    """Return BET_RECORD rows as BET_LINE rows."""
    lines: Rows = np.zeros(len(records), BET_LINE)
    for name in _COPIED:
        lines[name] = records[name]
    return with_verdicts(lines, records["flags"])
