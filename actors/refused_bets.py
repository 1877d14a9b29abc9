"""The newest bets that an account shard refused, which no journal records, as lines for traders.

Owns how many are remembered. They are lost with the process. Never decides and never answers a
bettor.
"""

from typing import Any, Final

import numpy as np

from engine.common.bet_lines import BET_LINE
from engine.common.ids import AccountNo
from engine.common.rows import (
    FLAG_HEAD,
    FLAG_LEG_OF_SLIP,
    Rows,
    SlipKind,
    SlipState,
    U64s,
)
from engine.common.units import Nanos, payout_minor

REFUSED_KEPT_MAX: Final = 4_096
"""Refused bets that one shard's process remembers; a newer one replaces the oldest."""
_NONE: Final = int(SlipState.NONE)
_NO_LINES: Final[Rows] = np.zeros(0, BET_LINE)


class RefusedBets:
    """A ring of BET_LINE rows."""

    def __init__(self) -> None:
        self._lines: Rows = np.zeros(REFUSED_KEPT_MAX, BET_LINE)
        self._count = 0

    def note(self, reservations: Rows, answers: Rows, at_ns: Nanos) -> Rows:
        """Remember those of some reservations, just answered, that were refused; return them."""
        refused = answers["state"] == _NONE
        if not refused.any():
            return _NO_LINES
        lines = refused_lines(reservations[refused], answers[refused], at_ns)
        kept = lines[-REFUSED_KEPT_MAX:]
        places = (self._count + np.arange(len(kept))) % REFUSED_KEPT_MAX
        self._lines[places] = kept
        self._count += len(kept)
        return lines

    def of(self, account_no: AccountNo, *, ref: U64s | None, limit: int) -> Rows:
        """Return an account's refused bets, or those with a ref alone, the newest first."""
        kept = min(self._count, REFUSED_KEPT_MAX)
        newest_first = (self._count - 1 - np.arange(kept)) % REFUSED_KEPT_MAX
        lines = self._lines[newest_first]
        own: Any = lines["account_no"] == account_no
        if ref is not None:
            own &= (lines["ref"] == ref).all(axis=1)
        found: Rows = lines[own][:limit]
        return found


def refused_lines(reservations: Rows, answers: Rows, at_ns: Nanos) -> Rows:
    """Return the lines of refused RESERVATION rows, by their RESERVED rows; of slips the heads."""
    whole = reservations["flags"] & FLAG_LEG_OF_SLIP == 0
    asked, answers = reservations[whole], answers[whole]
    head = asked["flags"] & FLAG_HEAD > 0
    lines: Rows = np.zeros(len(asked), BET_LINE)
    for name in ("ref", "stake_minor", "account_no", "policy"):
        lines[name] = asked[name]
    for name in ("stake_max_minor", "rate_micro", "reason"):
        lines[name] = answers[name]
    # A head's row has the numbers of its bets and legs where a single's has its selection.
    lines["kind"] = np.where(head, SlipKind.HEAD, SlipKind.SINGLE)
    lines["legs"] = np.where(head, asked["outcome"], 0)
    for name in ("market_no", "outcome"):
        lines[name] = np.where(head, 0, asked[name])
    odds_milli: Any = np.where(head, 0, asked["odds_milli"])
    stake_minor: Any = asked["stake_minor"]
    lines["odds_milli"] = lines["odds_seen_milli"] = odds_milli
    lines["payout_minor"] = payout_minor(stake_minor, odds_milli.astype(np.int64))
    lines["state"] = SlipState.REFUSED
    lines["at_ns"] = at_ns
    return lines
