"""What a market's outcomes in a message come to: quotes, or fair probabilities to make odds of.

Owns which of the feed's figures can be offered. Never adds a margin and never opens a market.
"""

from typing import Final

from msgspec import Struct

from engine.common.commands import Quote
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN
from gateway.feeds.core.adapter import Fair
from gateway.feeds.uof.market_registry import Listed
from gateway.feeds.uof.messages import MarketOdds, OutcomeOdds

SUM_GAP_MAX: Final = 0.02
"""How far a market's probabilities may be from adding up to its winners."""


class Priced(Struct, frozen=True, kw_only=True):
    """Prices of one market: quotes, or probabilities, or neither."""

    quotes: tuple[Quote, ...] = ()
    fair: Fair | None = None
    odds_milli: list[int] = []
    """The market's odds from now on, where they are the feed's."""
    passed_over: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Whether the market has a price at which some outcome is offered."""
        return self.fair is not None or any(quote.active for quote in self.quotes)


def price(listed: Listed, market: MarketOdds, *, from_odds: bool) -> Priced:
    """Return a market's prices by one message, which lists all its current outcomes.

    An outcome that the market has and the message does not list is offered no more; one that the
    message lists and the market has not is passed over, as markets do not grow. Odds that no
    market may carry are not offered. Without probabilities of every outcome on offer, or with such
    as add up to nothing known, the feed's odds are taken after all.
    """
    outcomes: list[OutcomeOdds | None] = [None] * len(listed.market.outcomes)
    strangers = 0
    for outcome in market.outcomes:
        place = listed.place(outcome.id)
        if place is None:
            strangers += 1
        else:
            outcomes[place] = outcome
    passed_over = ("outcome never seen",) * strangers
    if not from_odds:
        fair = _fair(listed, outcomes)
        if fair is not None:
            return Priced(fair=fair, passed_over=passed_over)
        passed_over = (*passed_over, "no probabilities")
    odds_milli = list(listed.odds_milli)
    quotes: list[Quote] = []
    for place, given in enumerate(outcomes):
        active = False
        if given is not None and given.odds_milli is not None:
            active = given.active and ODDS_MILLI_MIN <= given.odds_milli <= ODDS_MILLI_MAX
            odds_milli[place] = min(max(given.odds_milli, ODDS_MILLI_MIN), ODDS_MILLI_MAX)
        quotes.append(Quote(outcome=place, odds_milli=odds_milli[place], active=active))
    return Priced(quotes=tuple(quotes), odds_milli=odds_milli, passed_over=passed_over)


def _fair(listed: Listed, outcomes: list[OutcomeOdds | None]) -> Fair | None:
    """Return true probabilities; None where the message does not give them."""
    active = [outcome is not None and outcome.active for outcome in outcomes]
    chances = [
        (outcome.probability or 0.0) if outcome is not None and outcome.active else 0.0
        for outcome in outcomes
    ]
    if not any(active) or any(
        on and not chance for on, chance in zip(active, chances, strict=True)
    ):
        return None
    everything = sum(outcome.probability or 0.0 for outcome in outcomes if outcome is not None)
    winners = listed.market.winners or 1.0
    if winners != int(winners) or abs(everything - winners) > SUM_GAP_MAX * winners:
        return None
    # Whoever is not offered may still win; the others are then priced as if he could not, which is
    # no harm to the book.
    scale = winners / sum(chances)
    chances = [chance * scale for chance in chances]
    if max(chances) >= 1.0:
        return None
    return Fair(probabilities=tuple(chances), active=tuple(active), winners=int(winners))
