"""One bet on its way through a gateway: what its bettor asked for, its progress and its answer.

Owns the fields; it makes no call and no decision, which are the path's and the shells'.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from engine.common.ids import AccountNo, BetId, MarketNo, ShardNo
from engine.common.reasons import Reason
from engine.common.rows import RESERVATION_ROW
from engine.common.units import Minor, OddsMilli


class BetAnswer(NamedTuple):
    """The answer to a bet: `state` is accepted, rejected or unknown."""

    state: str
    bet_id: BetId
    odds_milli: OddsMilli
    reason: Reason
    stake_max_minor: Minor


class BetSession(Protocol):
    """The session that placed a bet and receives its answer, exactly once."""

    def on_bet_answer(self, ticket: "Ticket", answer: BetAnswer) -> None:
        """Send the answer; must not block and must not raise."""
        ...


class Ticket:
    """One bet on its way: the bettor gave the fields up to `policy`, the path keeps the rest."""

    __slots__ = (
        "account_no",
        "answered",
        "bet_id",
        "market_no",
        "odds_milli",
        "outcome",
        "policy",
        "rate_micro",
        "received_s",
        "ref",
        "ref_bytes",
        "sends",
        "session",
        "shard",
        "stake_minor",
        "void",
    )

    def __init__(
        self,
        *,
        session: BetSession,
        ref: str,
        ref_bytes: bytes,
        account_no: AccountNo,
        market_no: MarketNo,
        outcome: int,
        stake_minor: Minor,
        odds_milli: OddsMilli,
        policy: int,
    ) -> None:
        self.session = session
        self.ref = ref
        self.ref_bytes = ref_bytes
        self.account_no = account_no
        self.market_no = market_no
        self.outcome = outcome
        self.stake_minor = stake_minor
        self.odds_milli = odds_milli
        self.policy = policy
        self.received_s = 0.0
        self.shard = ShardNo(0)
        self.bet_id = BetId(0)
        self.rate_micro = 0
        self.sends = 0
        """How often the market may have received it; past 1, only a recorded verdict counts."""
        self.void = b""
        """The DECISION row of a refusal, which the account must confirm before it is an answer."""
        self.answered = False


def reservation_rows(tickets: Sequence[Ticket]) -> bytes:
    """Return RESERVATION rows, one for each ticket, in order."""
    pack = RESERVATION_ROW.pack
    return b"".join(
        [
            pack(
                t.ref_bytes,
                t.stake_minor,
                t.account_no,
                t.market_no,
                t.odds_milli,
                t.outcome,
                t.policy,
                0,
            )
            for t in tickets
        ]
    )
