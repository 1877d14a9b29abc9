"""What a market shell in quarantine answers: every bet and command is refused.

Owns the refusals, which no journal records. Never decides when a shell is in quarantine.
"""

import numpy as np

from engine.common.events import Refused
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import DECISION, Rows


def quarantined(why: str) -> Refused:
    """Return the refusal of a command; `why` the shell is in quarantine."""
    message = f"{MESSAGES[Reason.QUARANTINED]} ({why})"
    return Refused(reason=Reason.QUARANTINED, field="", message=message)


def refuse_all(bets: Rows) -> Rows:
    """Return DECISION rows that refuse BET rows."""
    decisions = np.zeros(len(bets), DECISION)
    decisions["bet_id"] = bets["bet_id"]
    decisions["odds_milli"] = bets["odds_milli"]
    decisions["reason"] = Reason.QUARANTINED
    return decisions
