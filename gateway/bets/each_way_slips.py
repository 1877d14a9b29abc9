"""Write each-way slips out: legs to win and to be placed, and every bet over each of them.

Owns how terms that a bettor names become place markets and odds. The same message always names the
same markets: the terms are in it, and in the keys of place markets.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from actors.routes import Routes
from engine.common.ids import parse_market_key
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import OddsMilli
from engine.pricing.race.terms import WIN, EachWayTerms, place_key, place_odds_milli
from engine.slips.checks import SlipFault
from engine.slips.each_way import each_way
from engine.slips.structure import Leg, SlipBet
from gateway.messages.slips import BetLines, PlaceSlip
from gateway.messages.slips import Leg as AskedLeg

_NO_MARKET: Final = f"{MESSAGES[Reason.NO_PLACE_TERMS]}: ask `each_way` for those of now"


def is_each_way(request: PlaceSlip) -> bool:
    """Say whether a slip names place terms."""
    for leg in request.legs:  # noqa: SIM110 - every slip is asked, and a generator costs more
        if leg.each_way is not None:
            return True
    return False


def legs_of(request: PlaceSlip) -> int:
    """Return how many legs a slip has when it is written out."""
    return len(request.legs) * (2 if is_each_way(request) else 1)


def written_out(
    request: PlaceSlip, bets: Sequence[SlipBet], routes: Routes
) -> PlaceSlip | SlipFault:
    """Return an each-way slip as a slip of legs to win and legs to be placed.

    The place odds that the bettor saw are those of the terms at the win odds seen.

    Parameters
    ----------
    request : PlaceSlip
        A slip whose every leg names place terms.
    bets : sequence of SlipBet
        Its bets, with their sizes and positions.
    routes : Routes
        The markets by key.
    """
    win: list[Leg] = []
    place: list[Leg] = []
    for at, asked in enumerate(request.legs):
        if asked.each_way is None:
            reason = Reason.NO_PLACE_TERMS
            return SlipFault(reason, f"legs[{at}].each_way", "every leg of the slip, or none")
        terms = EachWayTerms(
            places=asked.each_way.places,
            odds_num=asked.each_way.odds_num,
            odds_den=asked.each_way.odds_den,
        )
        route = routes.markets.get(asked.market)
        if route is None:
            reason = Reason.MARKET_UNKNOWN
            return SlipFault(reason, f"legs[{at}].market", MESSAGES[reason])
        key = parse_market_key(route.key)
        market_no = routes.market_no_by_key.get(str(place_key(key, terms)))
        if key.type != WIN or market_no is None:
            return SlipFault(Reason.NO_PLACE_TERMS, f"legs[{at}].each_way", _NO_MARKET)
        position = at if asked.position is None else asked.position
        odds_milli = place_odds_milli(odds_milli=asked.odds_milli, terms=terms)
        for legs, number, odds in (
            (win, asked.market, asked.odds_milli),
            (place, market_no, OddsMilli(odds_milli)),
        ):
            leg = Leg(
                market_no=number, outcome=asked.outcome, odds_milli=odds, event=0, position=position
            )
            legs.append(leg)
    both, parts = each_way(win, place, bets)
    return replace(request, legs=tuple(map(_asked_leg, both)), bets=tuple(map(_lines, parts)))


def _asked_leg(leg: Leg) -> AskedLeg:
    return AskedLeg(
        market=leg.market_no,
        outcome=leg.outcome,
        odds_milli=leg.odds_milli,
        position=leg.position,
    )


def _lines(bet: SlipBet) -> BetLines:
    return BetLines(
        stake_minor=bet.stake_minor,
        sizes=bet.sizes,
        positions=bet.positions,
        bankers=bet.bankers,
    )
