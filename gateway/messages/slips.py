"""Messages by which bettors place slips: several legs, and bets on combinations of them.

Owns schemas only; gateway.bets decides what a slip's structure allows. How a slip is shown
afterwards is in gateway.messages.bettor. The bounds here are those of the protocol: a gateway's
settings may allow less, and a slip past them is rejected with a reason of 201 to 209.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from engine.common.commands import MarketNoField, OddsField, RefField, StakeField
from engine.common.ids import BetId
from engine.common.offers import OFFERS_MAX
from engine.common.units import SLIP_BETS_MAX, SLIP_LEGS_MAX, Minor, OddsMilli
from gateway.messages.base import FromClient, FromGateway, OutcomeField
from gateway.messages.bettor import BetWord, FreeBetField, NamedBet, PolicyName

PolicyOver = Literal["legs", "combined"]

SLIP_POLICY_NUMBERS: Final[dict[tuple[str, str], int]] = {
    ("none", "legs"): 0,
    ("higher", "legs"): 1,
    ("any", "legs"): 2,
    ("none", "combined"): 3,
    ("higher", "combined"): 4,
    ("any", "combined"): 2,
}
"""Values of engine.common.rows.Policy by `policy` and `policy_over`."""

OfferField = Annotated[int, Meta(ge=0, le=OFFERS_MAX)]
"""The number of an offer, 0 for none."""
PLACES_MAX: Final = 40
"""Places that one leg's terms may name: as many as a race has runners at most."""
PositionField = Annotated[int, Meta(ge=0, lt=SLIP_LEGS_MAX)]
SizeField = Annotated[int, Meta(ge=0, le=SLIP_LEGS_MAX)]


class PlaceTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Place terms: the first `places` pay `odds_num / odds_den` of what the win odds pay."""

    places: Annotated[int, Meta(ge=1, le=PLACES_MAX)]
    odds_num: Annotated[int, Meta(ge=1, le=100)] = 1
    odds_den: Annotated[int, Meta(ge=1, le=100)] = 5


class Leg(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """One selection of a slip, at the odds that the bettor saw.

    `position` is the place that the leg takes in the lines of bets, its own number in `legs` if it
    is not given. Legs of one position are alternatives (*ways*): each line has one of them.

    With `each_way`, terms as `ask_each_way` gave them, the slip is an each-way one, and so must be
    every leg of it: each bet stands twice with its stake, over the selections to win and over the
    same ones to be placed, at the place odds that the terms give for `odds_milli`. Its answer and
    `status` have the legs to win first, then those to be placed, at positions behind them.
    """

    market: MarketNoField
    outcome: OutcomeField
    odds_milli: OddsField
    position: PositionField | None = None
    each_way: PlaceTerms | None = None


class BetLines(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One bet of a slip: the same stake on each of its lines.

    `positions` are those that it is over, all of the slip if none are given. `bankers`, which must
    be among them, are in every line. `sizes` say how many of the others a line has: with sizes 2
    and 3 of three positions it is a Trixie. A `name` gives the sizes instead, and is refused if the
    positions that are no bankers are not as many as it needs; with neither, a line has them all (an
    accumulator). A line of two legs of one event is left out; in a bet with one line by its sizes,
    it refuses the slip.
    """

    stake_minor: StakeField
    sizes: Annotated[tuple[SizeField, ...], Meta(max_length=SLIP_LEGS_MAX)] = ()
    positions: Annotated[tuple[PositionField, ...], Meta(max_length=SLIP_LEGS_MAX)] = ()
    bankers: Annotated[tuple[PositionField, ...], Meta(max_length=SLIP_LEGS_MAX)] = ()
    name: NamedBet | None = None


class PlaceSlip(FromClient, frozen=True, kw_only=True, tag="place_slip"):
    """Place a slip of several legs, for the token's account; answered by `slip_bet`.

    The stake of all lines is reserved once. The slip is accepted when the market of every leg has
    accepted its leg; if one refuses, nothing is staked. `ref` is as in `place`, and shares its
    names: a slip and a bet of one account never have the same ref.

    `policy` states which changed odds are accepted, `policy_over` of what: `legs` (of each leg by
    itself) or `combined` (of what the slip pays if all its legs win; single odds may move).

    A slip may take one `offer` of the house, by its number, or let a `free_bet` of the account pay
    its stake: then it pays the winnings without the stake. Reasons 611 to 618 say why it cannot.
    """

    ref: RefField
    legs: Annotated[tuple[Leg, ...], Meta(max_length=SLIP_LEGS_MAX)]
    bets: Annotated[tuple[BetLines, ...], Meta(max_length=SLIP_BETS_MAX)]
    policy: PolicyName = "none"
    policy_over: PolicyOver = "legs"
    offer: OfferField = 0
    free_bet: FreeBetField = 0


class LegAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What became of one leg: the odds accepted, or those offered now and why it was refused.

    Reason 903: its market has not decided, and the slip was refused for another leg.
    `stake_max_minor` of a refused leg is the highest stake that its market would have taken; a
    slip stakes on a leg what it stakes on all the lines that hold the leg.
    """

    odds_milli: OddsMilli = OddsMilli(0)
    reason: int = 0
    message: str = ""
    stake_max_minor: Minor = Minor(0)


class SlipBet(FromGateway, frozen=True, kw_only=True, tag="slip_bet"):
    """The answer to a slip: accepted, rejected, or unknown (then ask `status`).

    `final`, `reason`, `message` and `retryable` are as in `bet`. Reason 210 says that a leg was
    refused: `legs`, in the order of the slip's, say which and why. They are empty if no market was
    asked. `stake_minor` is the stake of all `lines`; both are 0 if the slip's structure was
    refused. `stake_max_minor` is the highest stake of all lines that would have passed a refusal
    of the whole slip.
    """

    ref: str
    state: BetWord
    final: bool = False
    bet_id: BetId = BetId(0)
    reason: int = 0
    message: str = ""
    retryable: bool = False
    stake_minor: Minor = Minor(0)
    stake_max_minor: Minor = Minor(0)
    lines: int = 0
    legs: tuple[LegAnswer, ...] = ()
