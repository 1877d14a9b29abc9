"""One slip on its way through a gateway: its legs, what is known of them, and its answer.

Owns the fields, and what an account's answer to a slip means. It makes no call and no decision,
which are the path's and the shells'.
"""

from collections.abc import Sequence
from typing import ClassVar, Final, Protocol, final

from msgspec import Struct

from engine.common.ids import AccountNo, BetId, MarketNo, ShardNo
from engine.common.reasons import Reason
from engine.common.rows import FLAG_KNOWN, FLAG_LEG, FLAG_UNMARKED, SlipState
from engine.common.units import Minor, OddsMilli
from gateway.bets.ticket import BetWait

LINES_OF_A_ROW: Final = 64
"""Lines of slips that count as a row of a call to an account: else one call with some sixty slips
of thousands of lines would hold up all bets behind it for half a second."""

ReservedFields = tuple[BetId, Minor, OddsMilli, int, int, int, int, int]
"""A RESERVED row, unpacked: bet id, stake_max, odds, rate, reason, state, flags."""

_NONE: Final = int(SlipState.NONE)
_PENDING: Final = int(SlipState.PENDING)
_REFUSED: Final = int(SlipState.REFUSED)
_BOOKED: Final = frozenset({int(SlipState.ACCEPTED), int(SlipState.SETTLED)})


class LegResult(Struct, frozen=True, gc=False):
    """What became of one leg; `stake_max_minor` is its market's highest stake after a refusal.

    The reason is UNKNOWN where the market has not decided, which it need not for a slip that is
    refused for another leg.
    """

    bet_id: BetId = BetId(0)
    odds_milli: OddsMilli = OddsMilli(0)
    reason: Reason = Reason.ACCEPTED
    stake_max_minor: Minor = Minor(0)


class SlipBetAnswer(Struct, frozen=True, kw_only=True, gc=False):
    """The answer to a slip: `state` is accepted, rejected or unknown.

    `legs` is empty where nothing is known of them.
    """

    state: str
    bet_id: BetId = BetId(0)
    reason: Reason = Reason.ACCEPTED
    stake_max_minor: Minor = Minor(0)
    legs: tuple[LegResult, ...] = ()


class SlipSession(Protocol):
    """The session that placed a slip and receives its answer, exactly once."""

    def on_slip_answer(self, slip: "SlipTicket", answer: SlipBetAnswer) -> None:
        """Send the answer; must not block and must not raise."""
        ...

    def on_bet_waits(self, ref: str, wait: BetWait) -> None:
        """Say that a leg waits at its market; must not block and must not raise."""
        ...


@final
class LegTicket(Struct, kw_only=True, eq=False):
    """One leg on its way to its market, whose queue takes it for a bet like any other."""

    weight: ClassVar[int] = 1
    flags: ClassVar[int] = FLAG_LEG
    verdict: ClassVar[bytes] = b""
    """None of its own: the slip asks its account for all legs together."""

    slip: "SlipTicket"
    account_no: AccountNo
    market_no: MarketNo
    outcome: int
    odds_milli: OddsMilli
    policy: int
    event: int
    position: int
    shell: str
    """The market's shell."""
    bet_id: BetId = BetId(0)
    stake_minor: Minor = Minor(0)
    """What the slip charges to the market, by the account's word."""
    rate_micro: int = 0
    factor_milli: int = 0
    sends: int = 0
    """How often the market may have received it; past 1, only a recorded verdict counts."""
    answered: bool = False
    """Whether it need not be sent (again): the slip is answered, or its account is asked."""
    wait_no: int = 0

    @property
    def shard(self) -> ShardNo:
        """Its account's shard."""
        return self.slip.shard


@final
class SlipTicket(Struct, kw_only=True, eq=False):
    """One slip on its way: the bettor gave the fields up to `each_way`, the path keeps the rest."""

    session: SlipSession
    ref: str
    ref_bytes: bytes
    account_no: AccountNo
    legs: tuple[LegTicket, ...] = ()
    """None once it is answered."""
    rows: int = 1
    """RESERVATION rows that it takes: its head and its legs."""
    bets: bytes
    """SLIP_BET rows."""
    stake_minor: Minor
    """The stake of all lines."""
    lines: int
    policy: int
    offer: int = 0
    free_bet: int = 0
    """The number of the free bet that pays the stake; a slip has no offer beside it."""
    each_way: bool = False
    """Whether the second half of the legs are those of the first half, to be placed."""
    shard: ShardNo = ShardNo(0)
    received_s: float = 0.0
    bet_id: BetId = BetId(0)
    undecided: int = 0
    """Legs that go to their markets and are not decided yet."""
    decisions: list[bytes] = []
    """DECISION rows of legs that the account has not been sent."""
    held_as_seen: int = 0
    """Legs in `decisions` that were accepted at the odds that the bettor saw."""
    refused: bool = False
    """Whether `decisions` has a refusal."""
    undecidable: bool = False
    """Whether a refusal of a leg does not count, since no market recorded it and the leg was sent
    more than once."""
    verdict: bytes = b""
    """The DECISION rows of its legs, which the account must take before it has the answer."""
    answered: bool = False
    waits: bool = False
    """Whether a leg has waited at its market; then `WaitingTickets` keeps its deadline."""

    def take_legs(self, legs: tuple[LegTicket, ...]) -> None:
        """Have these legs, which name the slip as theirs."""
        self.legs = legs
        self.rows = 1 + len(legs)

    def let_go(self) -> None:
        """Forget the legs of an answered slip.

        Slip and legs name each other, so that only the garbage collector would free them.
        """
        self.leave_markets()
        self.legs = ()

    @property
    def weight(self) -> int:
        """Rows that cost its account as much as it does: some of its lines cost as much as one."""
        return self.rows + self.lines // LINES_OF_A_ROW

    def leave_markets(self) -> None:
        """Let the queues of markets drop the legs that were not sent yet."""
        for leg in self.legs:
            leg.answered = True


def accepted_as_seen(slip: SlipTicket) -> SlipBetAnswer:
    """Return the answer to a slip of which every leg is held at the odds that the bettor saw."""
    legs = tuple([LegResult(bet_id=leg.bet_id, odds_milli=leg.odds_milli) for leg in slip.legs])
    return SlipBetAnswer(state="accepted", bet_id=slip.bet_id, legs=legs)


def answer_of(
    slip: SlipTicket, head: ReservedFields, legs: Sequence[ReservedFields]
) -> SlipBetAnswer | None:
    """Return what an account's answer means to the bettor; None when legs go to their markets.

    The legs then know their bet ids, charges and rates. Those that their account holds already are
    not `undecided`.
    """
    bet_id, stake_max_minor, _, _, reason, state, flags, _ = head
    if state == _PENDING:
        if slip.verdict or flags & FLAG_UNMARKED:
            # The account did not take the verdicts for the end: a leg's does not count, or its
            # market has not decided. Or it cannot note that it hands the slip out again.
            return SlipBetAnswer(state="unknown", bet_id=bet_id, reason=Reason.UNKNOWN)
        _take_ids(slip, head, legs)
        if slip.undecided:
            return None
        return SlipBetAnswer(state="unknown", bet_id=bet_id, reason=Reason.UNKNOWN)
    if state == _NONE and reason == Reason.QUARANTINED:
        # The account cannot say whether an earlier sending of the ref was booked.
        return SlipBetAnswer(state="unknown", reason=Reason.UNKNOWN)
    if state == _NONE and reason == Reason.BET_UNKNOWN:
        # A leg's market is in quarantine, and no earlier sending of the ref was booked.
        return SlipBetAnswer(state="rejected", reason=Reason.QUARANTINED)
    return SlipBetAnswer(
        state="accepted" if state in _BOOKED else "rejected",
        bet_id=bet_id,
        reason=Reason(reason),
        stake_max_minor=stake_max_minor if reason else Minor(0),
        legs=() if state == _NONE else tuple(map(_leg_result, legs)),
    )


def _take_ids(slip: SlipTicket, head: ReservedFields, legs: Sequence[ReservedFields]) -> None:
    slip.bet_id, _, _, _, _, _, slip_flags, _ = head
    undecided = 0
    for leg, row in zip(slip.legs, legs, strict=True):
        leg.bet_id, leg.stake_minor, _, leg.rate_micro, _, state, flags, leg.factor_milli = row
        leg.answered = decided = state != _PENDING
        undecided += not decided
        if (flags | slip_flags) & FLAG_KNOWN:
            # Another ticket, here or at another gateway, may have sent it or be about to.
            leg.sends = max(leg.sends, 1)
    slip.undecided = undecided


def _leg_result(row: ReservedFields) -> LegResult:
    bet_id, stake_max_minor, odds_milli, _, reason, state, *_ = row
    refused = state == _REFUSED
    return LegResult(
        bet_id=bet_id,
        odds_milli=odds_milli,
        reason=Reason.UNKNOWN if state == _PENDING else Reason(reason),
        stake_max_minor=stake_max_minor if refused else Minor(0),
    )
