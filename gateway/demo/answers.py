"""The answers that bettors received, as they are later compared with the books.

Owns these records and their counts. Never sends or asks anything.
"""

from collections import Counter
from collections.abc import Collection

from msgspec import Struct

from engine.common.reasons import Reason
from engine.common.units import Minor
from gateway.messages.bettor import Bet, SlipView
from gateway.messages.slips import SlipBet


class ReceivedAnswer(Struct, frozen=True):
    """The answer that a bettor received for a bet."""

    accepted: bool
    odds_milli: int
    reason: int


class ReceivedSlip(Struct, frozen=True):
    """The answer that a bettor received for a slip of several legs, with what each leg is on.

    `odds_milli` are those at which the legs of an accepted slip stand.
    """

    accepted: bool
    reason: int
    market_nos: tuple[int, ...]
    odds_milli: tuple[int, ...]


class Answers:
    """All answers of a crowd.

    Attributes
    ----------
    counts : Counter
        Answers by what they say.
    bets, slips : dict
        The answers by bet id, of bets and of slips of several legs.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.bets: dict[int, ReceivedAnswer] = {}
        self.slips: dict[int, ReceivedSlip] = {}
        self.slips_accepted = 0
        self.slips_staked_minor = Minor(0)

    @property
    def answered(self) -> int:
        """All answers together."""
        return self.counts.total()

    def count(self, what: str) -> None:
        """Count an answer that names no bet."""
        self.counts[what] += 1

    def add_bet(self, bet: Bet) -> None:
        """Add the answer to a bet."""
        accepted = bet.state == "accepted"
        self.count("accepted" if accepted else reason_text(Reason(bet.reason)))
        if bet.bet_id:
            self.bets[bet.bet_id] = ReceivedAnswer(accepted, bet.odds_milli, bet.reason)

    def add_slip(self, slip: SlipBet, market_nos: tuple[int, ...]) -> None:
        """Add the answer to a slip whose legs are on these markets."""
        accepted = slip.state == "accepted"
        self.count("accepted" if accepted else _slip_text(slip))
        odds_milli = tuple(leg.odds_milli for leg in slip.legs)
        if slip.bet_id:
            self.slips[slip.bet_id] = ReceivedSlip(accepted, slip.reason, market_nos, odds_milli)
        if accepted:
            self._accept_slip(slip.stake_minor)

    def add_status(self, view: SlipView) -> None:
        """Add a bet or slip whose answer was lost and that stands, as its account shows it."""
        if view.legs:
            self.slips[view.bet_id] = ReceivedSlip(
                accepted=True,
                reason=0,
                market_nos=tuple(leg.market for leg in view.legs),
                odds_milli=tuple(leg.odds_milli for leg in view.legs),
            )
            self._accept_slip(view.stake_minor)
        else:
            self.bets[view.bet_id] = ReceivedAnswer(
                accepted=True, odds_milli=view.odds_milli, reason=0
            )

    def accepted_on(self, market_nos: Collection[int]) -> int:
        """Return how many accepted slips have a leg on one of some markets."""
        return sum(
            slip.accepted and any(number in market_nos for number in slip.market_nos)
            for slip in self.slips.values()
        )

    def legs_held(self, market_no: int) -> list[int]:
        """Return the bet ids of the legs on a market of which bettors know that it holds them."""
        return [
            bet_id + place
            for bet_id, slip in self.slips.items()
            if slip.accepted
            for place, number in enumerate(slip.market_nos, start=1)
            if number == market_no
        ]

    def _accept_slip(self, stake_minor: Minor) -> None:
        self.slips_accepted += 1
        self.slips_staked_minor = Minor(self.slips_staked_minor + stake_minor)


def reason_text(reason: Reason) -> str:
    """Return a reason's name with spaces."""
    return reason.name.lower().replace("_", " ")


def _slip_text(slip: SlipBet) -> str:
    """Return why a slip was not accepted: by the first leg that was refused, if one was."""
    refused = next((leg.reason for leg in slip.legs if leg.reason), 0)
    if slip.reason == Reason.LEG_REFUSED and refused:
        return f"leg: {reason_text(Reason(refused))}"
    return reason_text(Reason(slip.reason))
