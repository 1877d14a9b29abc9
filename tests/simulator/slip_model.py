"""What an account's journal says of one slip of several legs, read with plain lists and fractions.

Owns an account of the slip's decision and of what it is owed, step by step: it is refused by its
first refused leg, accepted when every leg is held, and then owed what stands for its legs. Takes
the arithmetic of lines from the oracle of expected payouts, and nothing from the engine.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from engine.common.reasons import Reason
from simulations.expected_slips import Leg, SlipBet, owed_minor, potential_minor

PENDING, ACCEPTED, REFUSED, SETTLED, RELEASED = 1, 2, 3, 4, 5
_STAKE_BACK = (3, 6)
"""Results of a leg that was refunded, or cancelled."""
_HALF_LOST = 5
_HELD = (ACCEPTED, SETTLED)
_ONE = 1_000_000
_COMBINED_NONE, _COMBINED_HIGHER = 3, 4


@dataclass
class LegModel:
    """One leg of a slip, by the journal of its account."""

    bet_id: int
    market: int
    outcome: int
    odds_seen: int
    event: int
    position: int
    odds: int = 0
    state: int = PENDING
    reason: int = 0
    back: Fraction | None = None
    result: int = 0
    settlement_no: int = 0
    charged: int = 0
    charge_no: int = 0
    early_lead: int = 0
    pre_match: bool = False

    def mark(self, lead: int, *, pre_match: bool) -> None:
        """Keep a lead that its market told, if it is the largest so far."""
        if lead > self.early_lead:
            self.early_lead, self.pre_match = lead, self.pre_match or pre_match


@dataclass
class SlipModel:
    """A bet of the shard, by its journal: a single, or a slip with its legs."""

    account: int
    stake: int
    seq: int
    state: int = PENDING
    reason: int = 0
    shared: bool = False
    """Whether it was handed out more than once: an unrecorded refusal is then no verdict."""
    payout: int = 0
    settlement_no: int = 0
    policy: int = 0
    rate: int = _ONE
    """Millionths of base currency for one unit of the account's, at its reservation."""
    bets: tuple[SlipBet, ...] = ()
    payouts_max: tuple[int, ...] = ()
    """The most that each bet may pay, 0 for no bound."""
    legs: list[LegModel] = field(default_factory=list)
    offer: int = 0
    """The number of the offer that it took, also by the free bet that pays its stake."""
    free_bet: int = 0
    named: tuple[int, bool] = (0, False)
    """What it asked for: the number of an offer, or of a free bet."""
    added: int = 0
    """What the offer has given beside the payout."""
    odds: int = 0
    """Of a single: seen, and from its verdict on accepted."""
    decided_seq: int = 0
    """The record that accepted or refused a slip of several legs."""

    def shape(self) -> list[Leg]:
        """Return the legs as the oracle wants them."""
        return [Leg(leg.position, leg.event, leg.back) for leg in self.legs]

    def convert_bounds(self, rate_micro: int) -> None:
        """Convert the bounds, which are in base currency: the most that is worth no more."""
        self.rate = rate_micro
        self.payouts_max = tuple(
            most and max(most * 1_000_000 // rate_micro, 1) if rate_micro else most
            for most in self.payouts_max
        )

    def payable(self) -> int:
        """Return the most that the bet can still pay."""
        if self.state not in (PENDING, ACCEPTED):
            return 0
        if not self.legs:
            return self.stake * self.odds // 1_000
        odds = [leg.odds_seen if self.state == PENDING else leg.odds for leg in self.legs]
        backs = [
            Fraction(each, 1_000) if self.state == PENDING or leg.back is None else leg.back
            for leg, each in zip(self.legs, odds, strict=True)
        ]
        return potential_minor(self.shape(), self.bets, backs)

    def selections(self) -> frozenset[tuple[int, int]]:
        """Return what the slip is a bet on, however its lines combine it."""
        return frozenset((leg.market, leg.outcome) for leg in self.legs)

    def payable_base(self) -> int:
        """Return the most that it can still pay in base currency, rounded up."""
        return -(-self.payable() * self.rate // _ONE)

    def hold(
        self, leg: LegModel, odds: int, room: Callable[["SlipModel"], tuple[int, Reason]]
    ) -> int:
        """Hold a leg that its market accepted; return what the account gets back by that.

        `room` says what the slip may pay beside other open bets, and why it may pay no more.
        """
        leg.odds = odds
        leg.state = RELEASED if self.state == REFUSED else ACCEPTED
        if self.state != PENDING or any(each.state not in _HELD for each in self.legs):
            return 0
        self.reason = self.refusal(room)
        if not self.reason:
            self.state = ACCEPTED
            return self.owe()
        return self._refuse()

    def drop(self, leg: LegModel, reason: int) -> int:
        """Refuse a leg, and by the first one the slip; return what the account gets back."""
        leg.state, leg.reason = REFUSED, reason
        if self.state != PENDING:
            return 0
        self.reason = int(Reason.LEG_REFUSED)
        return self._refuse()

    def _refuse(self) -> int:
        self.state = REFUSED
        for leg in self.legs:
            leg.state = RELEASED if leg.state in _HELD else leg.state
        return self.stake

    def refusal(self, room: Callable[["SlipModel"], tuple[int, Reason]]) -> int:
        """Return why the slip is refused although its markets hold each of its legs, or 0."""
        seen = [Fraction(leg.odds_seen, 1_000) for leg in self.legs]
        taken = [Fraction(leg.odds, 1_000) for leg in self.legs]
        before = potential_minor(self.shape(), self.bets, seen)
        now = potential_minor(self.shape(), self.bets, taken)
        if self.policy == _COMBINED_NONE and now != before:
            return int(Reason.ODDS_CHANGED)
        if self.policy == _COMBINED_HIGHER and now < before:
            return int(Reason.ODDS_WORSE)
        for bet, most in zip(self.bets, self.payouts_max, strict=True):
            if most and potential_minor(self.shape(), [bet], taken) > most:
                return int(Reason.PAYOUT_OVER_CAP)
        most, reason = room(self)
        return int(reason) if now > before and now > most else 0

    def settle(self, leg: LegModel, back: Fraction | None, result: int, number: int) -> int:
        """Apply what stands for a leg; return by how much the account's balance changes."""
        leg.back, leg.result, leg.settlement_no = back, result, number
        leg.state = ACCEPTED if back is None else SETTLED
        return self.owe() if self.state in _HELD else 0

    def owe(self) -> int:
        """Bring the payout in line with what stands; return the difference."""
        owed = owed_minor(self.shape(), self.bets)
        before = self.payout
        self.state, self.payout = (ACCEPTED, 0) if owed is None else (SETTLED, owed)
        return self.payout - before

    def result(self) -> str:
        """Return how the slip ended, in words."""
        if self.state != SETTLED:
            return "none"
        if all(leg.result in _STAKE_BACK for leg in self.legs):
            return "refunded"
        in_part = any(leg.result == _HALF_LOST for leg in self.legs)
        if self.payout and in_part and self.payout < self.stake:
            return "half_lost"
        return "won" if self.payout else "lost"

    def with_backs(self, backs: list[Fraction | None]) -> "SlipModel":
        """Return the slip as it stands with other results of its legs."""
        legs = [replace(leg, back=back) for leg, back in zip(self.legs, backs, strict=True)]
        return replace(self, legs=legs)
