"""One bet on its way through a gateway: what its bettor asked for, its progress and its answer.

Owns the fields; it makes no call and no decision, which are the path's and the shells'. Slips of
several legs have tickets of their own (slip_ticket.py).
"""

from typing import ClassVar, Protocol, final

from msgspec import Struct

from engine.common.ids import AccountNo, BetId, MarketNo, ShardNo
from engine.common.reasons import Reason
from engine.common.units import Minor, OddsMilli


class BetAnswer(Struct, frozen=True, gc=False):
    """The answer to a bet: `state` is accepted, rejected or unknown.

    `until_ms` is until when the offer of a trader may be taken that it makes (UTC), else 0.
    """

    state: str
    bet_id: BetId
    odds_milli: OddsMilli
    reason: Reason
    stake_max_minor: Minor
    until_ms: int = 0


class BetWait(Struct, frozen=True, gc=False):
    """A bet waits: why (DELAYED, REFERRED), for how long at most, and until when (UTC)."""

    bet_id: BetId
    reason: int
    wait_ms: int
    until_ms: int


class BetSession(Protocol):
    """The session that placed a bet and receives its answer, exactly once."""

    def on_bet_answer(self, ticket: "Ticket", answer: BetAnswer) -> None:
        """Send the answer; must not block and must not raise."""
        ...

    def on_bet_waits(self, ref: str, wait: BetWait) -> None:
        """Say that a bet waits, before its answer; must not block and must not raise."""
        ...


def without_figures(state: str, bet_id: BetId, reason: Reason) -> BetAnswer:
    """Return an answer that states neither odds nor a stake."""
    return BetAnswer(state, bet_id, OddsMilli(0), reason, Minor(0))


@final
class Ticket(Struct, kw_only=True, eq=False):
    """One bet on its way: the bettor gave the fields up to `policy`, the path keeps the rest."""

    rows: ClassVar[int] = 1
    """RESERVATION rows that it takes."""
    weight: ClassVar[int] = 1
    flags: ClassVar[int] = 0
    """Of its BET row."""

    session: BetSession
    ref: str
    ref_bytes: bytes
    account_no: AccountNo
    market_no: MarketNo
    outcome: int
    stake_minor: Minor
    odds_milli: OddsMilli
    policy: int
    received_s: float = 0.0
    shard: ShardNo = ShardNo(0)
    shell: str = ""
    """The market's shell."""
    bet_id: BetId = BetId(0)
    rate_micro: int = 0
    factor_milli: int = 0
    sends: int = 0
    """How often the market may have received it; past 1, only a recorded verdict counts."""
    verdict: bytes = b""
    """The DECISION row of a refusal, which the account must confirm before it is an answer."""
    answered: bool = False
    waits: bool = False
    """Whether it has waited at its market; then `WaitingTickets` keeps its deadline."""
    wait_no: int = 0
