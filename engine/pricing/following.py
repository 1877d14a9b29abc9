"""Turn a feed's messages about hosted markets into market commands.

Owns two steps: fair probabilities become odds by margin, skew and ladder, and the parts of a marked
message become one FeedUpdate, which a market applies once. Never decides whether a command is
allowed. A market shell imports this module in its constructor (see engine.kernels).
"""

from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from engine.common.commands import (
    FeedStep,
    FeedUpdate,
    MarketCommand,
    Quote,
    SetOdds,
)
from engine.common.events import Refused
from engine.common.ids import MarketNo, parse_market_key
from engine.common.reasons import Reason
from engine.common.units import ODDS_MILLI_MAX, OddsMilli
from engine.market.market import MarketMachine
from engine.market.status_transitions import as_feed_command, without_opening
from engine.pricing.fair_probabilities import Fair, Mark
from engine.pricing.ladder import EXCHANGE
from engine.pricing.quoting import BookFigures, Margin, Quoted, quote
from engine.pricing.skew import Skew

UPDATES_IN_CALL_MAX: Final = 1_024
"""Updates that one call may carry; a caller with more makes several calls."""


class Followed(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One market's part of one message: odds if `fair` is given, then the steps, in this order.

    With a `mark`, odds and steps are one FeedUpdate, which the market applies once. Without a mark
    the steps are applied as often as they are sent, and a step that changes the market's status
    becomes a SetStatus: it neither sets nor releases a trader's hold.
    """

    market_no: MarketNo
    mark: Mark | None = None
    steps: tuple[FeedStep, ...] = ()
    fair: Fair | None = None


class Follow(Struct, frozen=True, kw_only=True):
    """Updates for one shell's markets, in order; their commands are journaled as one record."""

    by: str
    updates: tuple[Followed, ...]
    margin: Margin = Margin()
    skew: Skew | None = None


decode_follow = msgspec.msgpack.Decoder(Follow).decode


def follow_commands(
    request: Follow, machine: MarketMachine
) -> tuple[list[MarketCommand], list[Refused]]:
    """Return the commands for the markets, in order, and a refusal per update that is not priced.

    An update whose probabilities are refused keeps its steps, but none of them opens the market.

    Raises
    ------
    ValueError
        When there are more than `UPDATES_IN_CALL_MAX` updates: a bug of the caller.
    """
    if len(request.updates) > UPDATES_IN_CALL_MAX:
        message = f"{len(request.updates)} updates, at most {UPDATES_IN_CALL_MAX} in one call"
        raise ValueError(message)
    markets, refused = _priced_markets(request, machine)
    odds = _odds(markets, request, machine)
    commands: list[MarketCommand] = []
    for index, update in enumerate(request.updates):
        steps = update.steps
        if index in odds:
            steps = (odds[index], *steps)
        elif update.fair is not None:
            steps = tuple(map(without_opening, steps))
        if update.mark is None:
            commands += map(as_feed_command, steps)
        elif steps:
            commands.append(feed_update(update.market_no, update.mark, steps))
    return commands, refused


def feed_update(market_no: MarketNo, mark: Mark, steps: tuple[FeedStep, ...]) -> FeedUpdate:
    """Return the command by which a market applies a message's steps once."""
    return FeedUpdate(
        market_no=market_no,
        source=mark.source,
        position=mark.position,
        digest=mark.digest,
        steps=steps,
    )


class _PricedMarket:
    """One update's fair probabilities and the market they belong to.

    `index` is the update's index in the request, `quoted` holds the indices of the outcomes to
    quote, and `fault` says why the probabilities are refused, or is empty.
    """

    __slots__ = ("fair", "fault", "index", "market_no", "odds_milli", "quoted", "type")

    def __init__(self, index: int, market_no: MarketNo, fair: Fair, machine: MarketMachine) -> None:
        image = machine.price_image(market_no)
        self.index = index
        self.market_no = market_no
        self.fair = fair
        self.odds_milli = machine.given_delta(market_no).odds_milli
        self.type = parse_market_key(image.key).type
        self.quoted: list[int] = []
        self.fault = ""
        count, given = len(image.outcomes), len(fair.probabilities)
        if given != count or len(fair.active) != count:
            self.fault = f"{image.key} has {count} outcomes, not {given}"
        elif fair.winners < 1 or not all(0.0 <= p <= 1.0 for p in fair.probabilities):
            self.fault = f"{image.key}: probabilities must be from 0 to 1, winners at least 1"
        elif len(fair.odds_milli_max) not in (0, count) or any(m < 0 for m in fair.odds_milli_max):
            self.fault = f"{image.key}: highest odds must be none or {count}, none below 0"
        else:
            self.quoted = [i for i in range(count) if fair.active[i] and fair.probabilities[i] > 0]

    def unchanged_quotes(self) -> list[Quote]:
        """Return a quote for each outcome at the odds that it was given last, not offered."""
        return [
            Quote(outcome=i, odds_milli=milli, active=False)
            for i, milli in enumerate(self.odds_milli)
        ]


def _priced_markets(
    request: Follow, machine: MarketMachine
) -> tuple[list[_PricedMarket], list[Refused]]:
    """Return the markets whose probabilities can be quoted, and the refusals of the others."""
    hosted = frozenset(machine.market_nos())
    markets: list[_PricedMarket] = []
    refused: list[Refused] = []
    for index, update in enumerate(request.updates):
        if update.fair is None:
            continue
        if update.market_no not in hosted:
            message = f"market {update.market_no} is not hosted by this shell"
            refused.append(
                Refused(reason=Reason.MARKET_UNKNOWN, field="market_no", message=message)
            )
            continue
        market = _PricedMarket(index, update.market_no, update.fair, machine)
        if market.fault:
            refused.append(
                Refused(reason=Reason.FIELD_OUT_OF_BOUNDS, field="fair", message=market.fault)
            )
        else:
            markets.append(market)
    return markets, refused


def _odds(
    markets: list[_PricedMarket], request: Follow, machine: MarketMachine
) -> dict[int, SetOdds]:
    """Return each priced update's odds, by the update's index; all are quoted in one pass.

    An outcome that is not offered keeps its odds and takes no part in the book sum.
    """
    quotes = {market.index: market.unchanged_quotes() for market in markets}
    quoted_markets = [market for market in markets if market.quoted]
    if quoted_markets:
        quoted = _quote(quoted_markets, request, machine)
        odds_milli, offered = _bounded(quoted, quoted_markets)
        first = 0
        for market in quoted_markets:
            for k, i in enumerate(market.quoted, start=first):
                quotes[market.index][i] = Quote(
                    outcome=i, odds_milli=odds_milli[k], active=offered[k]
                )
            first += len(market.quoted)
    return {
        market.index: SetOdds(market_no=market.market_no, quotes=tuple(quotes[market.index]))
        for market in markets
    }


def _bounded(quoted: Quoted, markets: list[_PricedMarket]) -> tuple[list[OddsMilli], list[bool]]:
    """Return odds, and which are offered, with no odds above the highest that its market may have.

    Odds above them are shortened to the ladder's next price; where it has none so short, the
    outcome is not offered. Shorter odds only raise a market's book sum.
    """
    if not any(market.fair.odds_milli_max for market in markets):
        return quoted.odds_milli.tolist(), quoted.offered.tolist()
    highest = np.array(
        [
            market.fair.odds_milli_max[i] if market.fair.odds_milli_max else ODDS_MILLI_MAX
            for market in markets
            for i in market.quoted
        ],
        np.int64,
    )
    bounded = EXCHANGE.at_most(highest)
    odds_milli = np.where(quoted.odds_milli > highest, bounded, quoted.odds_milli)
    offered = quoted.offered & (odds_milli > 0)
    return np.where(odds_milli > 0, odds_milli, quoted.odds_milli).tolist(), offered.tolist()


def _quote(markets: list[_PricedMarket], request: Follow, machine: MarketMachine) -> Quoted:
    """Quote the outcomes of all markets that are to be quoted; each has at least one."""
    offsets = np.cumsum([0, *(len(market.quoted) for market in markets)]).astype(np.int64)
    fair = [market.fair.probabilities[i] for market in markets for i in market.quoted]
    figures = None
    if request.skew is not None:
        books = [machine.book_image(market.market_no) for market in markets]
        stakes, payouts = zip(
            *(
                (book.stake_minor[i], book.payout_minor[i])
                for market, book in zip(markets, books, strict=True)
                for i in market.quoted
            ),
            strict=True,
        )
        figures = BookFigures(
            stake_minor=np.array(stakes, np.int64), payout_minor=np.array(payouts, np.int64)
        )
    return quote(
        np.array(fair),
        offsets,
        np.array([float(market.fair.winners) for market in markets]),
        [market.type for market in markets],
        margin=request.margin,
        skew=request.skew,
        figures=figures,
    )
