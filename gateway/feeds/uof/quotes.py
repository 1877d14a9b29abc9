"""Turn one market of an odds_change into quotes or fair probabilities.

Owns which of the feed's figures can be offered. It never adds a margin and never opens a market.
"""

from typing import Final

from msgspec import Struct

from engine.common.commands import Quote
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN, OddsMilli
from gateway.feeds.core.adapter import Fair
from gateway.feeds.uof.market_registry import ListedMarket
from gateway.feeds.uof.messages import MarketOdds, OutcomeOdds

SUM_GAP_MAX: Final = 0.02
"""Largest relative difference between the sum of a market's probabilities and its winners."""


class MarketQuotes(Struct, frozen=True, kw_only=True, gc=False):
    """What one message offers of one market: quotes, or fair probabilities, or neither."""

    quotes: tuple[Quote, ...] = ()
    fair: Fair | None = None
    odds_milli: list[int] = []
    """The market's odds after the message; empty unless the quotes are the feed's odds."""
    passed_over: tuple[str, ...] = ()
    """Why parts of the message were passed over, one reason per part."""
    offers_any: bool = False
    """Whether some outcome is offered."""


def market_quotes(listed: ListedMarket, market: MarketOdds, *, from_odds: bool) -> MarketQuotes:
    """Return what one message, which lists all current outcomes, offers of a market.

    An outcome of the market that the message does not list is no longer offered. An outcome of the
    message that the market does not have is passed over, because a market's outcomes never change.
    An outcome whose odds are outside `ODDS_MILLI_MIN` to `ODDS_MILLI_MAX` is not offered.

    Parameters
    ----------
    listed : ListedMarket
        The market.
    market : MarketOdds
        Its element in the message.
    from_odds : bool
        Take the feed's odds. When false, take its probabilities; the odds are still taken when an
        outcome on offer has no probability, or the probabilities do not add up to the winners.
    """
    outcomes: list[OutcomeOdds | None] = [None] * len(listed.market.outcomes)
    unknown = 0
    for outcome in market.outcomes:
        index = listed.outcome_index(outcome.id)
        if index is None:
            unknown += 1
        else:
            outcomes[index] = outcome
    passed_over = ("outcome never seen",) * unknown
    if not from_odds:
        fair = _fair(listed, outcomes)
        if fair is not None:
            return MarketQuotes(fair=fair, passed_over=passed_over, offers_any=True)
        passed_over = (*passed_over, "no probabilities")
    odds_milli = list(listed.odds_milli)
    quotes: list[Quote] = []
    offers_any = False
    for index, given in enumerate(outcomes):
        active = False
        if given is not None and given.odds_milli is not None:
            milli: int = given.odds_milli
            if ODDS_MILLI_MIN <= milli <= ODDS_MILLI_MAX:
                active = given.active
                offers_any = offers_any or active
            else:
                milli = ODDS_MILLI_MIN if milli < ODDS_MILLI_MIN else ODDS_MILLI_MAX
            odds_milli[index] = milli
        quotes.append(Quote(outcome=index, odds_milli=OddsMilli(odds_milli[index]), active=active))
    return MarketQuotes(
        quotes=tuple(quotes),
        odds_milli=odds_milli,
        passed_over=passed_over,
        offers_any=offers_any,
    )


def _fair(listed: ListedMarket, outcomes: list[OutcomeOdds | None]) -> Fair | None:
    """Return fair probabilities of the outcomes on offer; None when the message gives none."""
    active = [outcome is not None and outcome.active for outcome in outcomes]
    chances = [
        (outcome.probability or 0.0) if outcome is not None and outcome.active else 0.0
        for outcome in outcomes
    ]
    if not any(active) or any(
        offered and not chance for offered, chance in zip(active, chances, strict=True)
    ):
        return None
    total = sum(outcome.probability or 0.0 for outcome in outcomes if outcome is not None)
    winners = listed.market.winners or 1.0
    if winners != int(winners) or abs(total - winners) > SUM_GAP_MAX * winners:
        return None
    # An outcome that is not offered may still win. Its probability is spread over the others, which
    # shortens their odds and so never costs the bookmaker.
    scale = winners / sum(chances)
    chances = [chance * scale for chance in chances]
    if max(chances) >= 1.0:
        return None
    return Fair(probabilities=tuple(chances), active=tuple(active), winners=int(winners))
