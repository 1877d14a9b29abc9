"""Turn one market of an odds_change into quotes or fair probabilities.

Owns which of the feed's figures can be offered, and the removal of the feed's margin. It never adds
a margin and never opens a market.
"""

from math import inf
from typing import Final

from msgspec import Struct

from engine.common.commands import Quote
from engine.common.ids import parse_market_key
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN, OddsMilli
from engine.pricing.book_bounds import BOOK_MAX, BOOK_MIN
from gateway.feeds.core.adapter import Fair
from gateway.feeds.uof.margin_policy import THEIRS, MarginRule
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
    passed_over: tuple[tuple[str, str], ...] = ()
    """Why parts of the message were passed over, and which outcome: empty for the market."""
    offers_any: bool = False
    """Whether some outcome is offered."""


def market_quotes(
    listed: ListedMarket,
    market: MarketOdds,
    *,
    rule: MarginRule = THEIRS,
    methods: tuple[str, ...] = (),
) -> MarketQuotes:
    """Return what one message, which lists all current outcomes, offers of a market.

    An outcome of the market that the message does not list is no longer offered. An outcome of the
    message that the market does not have is passed over, because a market's outcomes never change.
    An outcome whose odds are outside `ODDS_MILLI_MIN` to `ODDS_MILLI_MAX` is not offered. A market
    whose odds add up to a book below `BOOK_MIN`, as odds in thousandths do, offers no outcome.

    Parameters
    ----------
    listed : ListedMarket
        The market.
    market : MarketOdds
        Its element in the message.
    rule : MarginRule
        Whose margin the odds hold. The feed's odds are taken where the rule wants others but an
        outcome on offer has no probability, or they do not add up to the winners, and where no
        margin can be taken off the feed's odds.
    """
    outcomes: list[OutcomeOdds | None] = [None] * len(listed.market.outcomes)
    unknown: list[tuple[str, str]] = []
    for outcome in market.outcomes:
        index = listed.outcome_index(outcome.id)
        if index is None:
            unknown.append(("outcome never seen", outcome.id))
        else:
            outcomes[index] = outcome
    passed_over = tuple(unknown)
    if rule.from_probabilities:
        fair = _fair(listed, outcomes, rule)
        if fair is None and rule.from_odds:
            fair = _fair_of_odds(listed, outcomes, rule, methods)
        if fair is not None:
            return MarketQuotes(fair=fair, passed_over=passed_over, offers_any=True)
        passed_over = (*passed_over, ("no probabilities", ""))
    if _book(listed, outcomes) < BOOK_MIN:
        quotes = [
            Quote(outcome=index, odds_milli=OddsMilli(milli), active=False)
            for index, milli in enumerate(listed.odds_milli)
        ]
        return MarketQuotes(quotes=tuple(quotes), passed_over=(*passed_over, ("no book", "")))
    odds_milli = list(listed.odds_milli)
    quotes = []
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


def _book(listed: ListedMarket, outcomes: list[OutcomeOdds | None]) -> float:
    """Return the book per winner that the feed's odds add up to.

    Infinite where it is not known: where an outcome has no odds or is not on offer, or the type is
    not ours, since another may have no winner at all.
    """
    winners = listed.market.winners
    book = 0.0
    for outcome in outcomes:
        if outcome is None or not outcome.active or outcome.odds_milli is None:
            return inf
        book += 1_000 / max(outcome.odds_milli, ODDS_MILLI_MIN)
    return book / winners if winners else inf


def _fair(
    listed: ListedMarket, outcomes: list[OutcomeOdds | None], rule: MarginRule
) -> Fair | None:
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
    winners = rule.winners or listed.market.winners or 1.0
    if winners != int(winners) or abs(total - winners) > SUM_GAP_MAX * winners:
        return None
    return _spread(chances, active, int(winners))


def _fair_of_odds(
    listed: ListedMarket,
    outcomes: list[OutcomeOdds | None],
    rule: MarginRule,
    methods: tuple[str, ...],
) -> Fair | None:
    """Return the probabilities that the feed's odds hold a margin over; None when not known.

    Every outcome of the market must have odds, offered or not, and together they must hold a
    margin from nothing to `BOOK_MAX`: odds that are missing, or a wrong number of winners, would
    make every other outcome too likely or not likely enough.
    """
    winners = rule.winners or listed.market.winners
    odds = [
        outcome.odds_milli / 1_000
        for outcome in outcomes
        if outcome is not None
        and outcome.odds_milli is not None
        and ODDS_MILLI_MIN <= outcome.odds_milli <= ODDS_MILLI_MAX
    ]
    if winners is None or winners != int(winners) or len(odds) < len(outcomes):
        return None
    if not 1.0 <= sum(1.0 / one for one in odds) / winners <= BOOK_MAX:
        return None
    # Imported only where it is used: the module imports the kernels of margins.
    from engine.pricing.margin import MarginSolved, removal_by, remove_by_type  # noqa: PLC0415

    market_type = parse_market_key(listed.market.key).type
    solved = remove_by_type(
        odds, market_type=market_type, removal=removal_by(methods), winners=int(winners)
    )
    active = [outcome is not None and outcome.active for outcome in outcomes]
    if not isinstance(solved, MarginSolved) or not any(active):
        return None
    chances = [
        chance if offered else 0.0 for chance, offered in zip(solved.values, active, strict=True)
    ]
    return _spread(chances, active, int(winners))


def _spread(chances: list[float], active: list[bool], winners: int) -> Fair | None:
    """Return the probabilities of the outcomes on offer, adding up to the winners.

    An outcome that is not offered may still win. Its probability is spread over the others, which
    shortens their odds and so never costs the bookmaker.
    """
    scale = winners / sum(chances)
    chances = [chance * scale for chance in chances]
    if max(chances) >= 1.0:
        return None
    return Fair(probabilities=tuple(chances), active=tuple(active), winners=winners)
