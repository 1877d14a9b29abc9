"""Lines of bets: what traders are shown of one bet, of a slip, or of a leg, as fixed-width rows.

Owns the layout, and how a market's verdict on a bet becomes a line. Lines pass from shells to
gateways and are never stored.
"""

from typing import Any, Final

import numpy as np

from engine.common.reasons import WAITING
from engine.common.row_layout import row_dtype
from engine.common.rows import FLAG_LEG, Rows, SlipKind, SlipState
from engine.common.units import payout_minor

BET_LINE: Final = row_dtype(
    120,
    ("ref", "<u8", (4,)),
    ("bet_id", "<u8"),
    ("stake_minor", "<i8"),
    ("payout_minor", "<i8"),
    ("paid_minor", "<i8"),
    ("stake_max_minor", "<i8"),
    ("at_ns", "<i8"),
    ("account_no", "<u4"),
    ("market_no", "<u4"),
    ("odds_milli", "<i4"),
    ("odds_seen_milli", "<i4"),
    ("rate_micro", "<i4"),
    ("settlement_no", "<u4"),
    ("outcome", "<u2"),
    ("reason", "<u2"),
    ("kind", "u1"),
    ("state", "u1"),
    ("result", "u1"),
    ("policy", "u1"),
    ("legs", "u1"),
    ("pad", "u1"),
    ("factor_milli", "<u2"),
    ("corrected_milli", "<i4"),
)
"""A bet as its account or its market has it. `kind` is a SlipKind and `state` a SlipState; amounts
are in the account's currency, whose unit is worth `rate_micro` millionths of base currency.

`payout_minor` is what the bet pays if it wins: at the odds accepted, of a refused bet at the odds
seen. Of a slip it is the most that the slip can still pay, of a leg that of its charge.
`factor_milli` is the account's factor of the market's limits at the decision, 0 for 1.000 and where
only the account speaks. `paid_minor` is what a settled bet was paid. Only an account knows `ref`,
`paid_minor`, `result`, `legs` and `settlement_no`; a bet that its account refused has no id, and is
kept in memory alone. Only a market knows `corrected_milli`: the odds at which a correction settles
the bet, -1 where it voids the bet, 0 for none.
"""
_WAITING: Final = np.array(sorted(WAITING), np.uint16)
_OF_BET: Final = (
    "bet_id", "stake_minor", "account_no", "market_no", "rate_micro", "outcome", "policy",
    "factor_milli",
)  # fmt: skip
_OF_DECISION: Final = ("stake_max_minor", "odds_milli", "reason")


def lines_of_decisions(bets: Rows, decisions: Rows, at_ns: Any) -> Rows:
    """Return BET and DECISION rows of the same bets as BET_LINE rows, decided at these times."""
    lines: Rows = np.zeros(len(bets), BET_LINE)
    for name in _OF_BET:
        lines[name] = bets[name]
    for name in _OF_DECISION:
        lines[name] = decisions[name]
    lines["odds_seen_milli"] = bets["odds_milli"]
    lines["at_ns"] = at_ns
    return with_verdicts(lines, bets["flags"])


def with_verdicts(lines: Rows, flags: Any) -> Rows:
    """Fill what follows from a market's verdicts on bets: state, kind, payout; return the lines.

    A fence that refused its bet is a line like any other: no bet of its id will be accepted.
    """
    refused, waits = lines["reason"] > 0, np.isin(lines["reason"], _WAITING)
    lines["state"] = np.where(refused, SlipState.REFUSED, SlipState.ACCEPTED)
    lines["state"][waits] = SlipState.PENDING
    lines["stake_max_minor"][waits] = 0  # of these a decision has the time that is left
    lines["kind"] = np.where(flags & FLAG_LEG, SlipKind.LEG, SlipKind.SINGLE)
    odds_milli: Any = np.where(refused, lines["odds_seen_milli"], lines["odds_milli"])
    stake_minor: Any = lines["stake_minor"]
    lines["payout_minor"] = payout_minor(stake_minor, odds_milli.astype(np.int64))
    return lines
