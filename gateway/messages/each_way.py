"""Messages by which bettors learn the place terms of a race.

Owns schemas only; market shells have the terms. Slips take them in gateway.messages.slips.
"""

from engine.common.commands import MarketNoField
from engine.common.ids import MarketNo
from gateway.messages.base import FromClient, FromGateway, IdField
from gateway.messages.market import StatusWord


class AskEachWay(FromClient, frozen=True, kw_only=True, tag="ask_each_way"):
    """Ask for the place terms of a win market as they are now; answered by `each_way`."""

    id: IdField = 0
    market: MarketNoField


class EachWay(FromGateway, frozen=True, kw_only=True, tag="each_way"):
    """The terms of a race by the runners left, and the place market that pays them.

    A place among the first `places` pays `odds_num / odds_den` of what the win odds pay beside the
    stake; `odds_milli` are the place odds of each outcome, rounded down to a thousandth. Name the
    terms in the legs of an each-way slip (`place_slip`): a single or a leg on `market` itself is
    refused with 214. Another number of runners has terms of its own, and another place market; bets
    keep those under which they were taken.

    A `reason` other than 0: 214 (NO_PLACE_TERMS) the race has no each-way betting now, 401 no such
    win market, 905 and 909 as in `builder`.
    """

    id: int = 0
    market: MarketNo = MarketNo(0)
    key: str = ""
    places: int = 0
    odds_num: int = 0
    odds_den: int = 0
    odds_milli: tuple[int, ...] = ()
    active: tuple[bool, ...] = ()
    status: StatusWord = "inactive"
    version: int = 0
    reason: int = 0
    message: str = ""
    retryable: bool = False
