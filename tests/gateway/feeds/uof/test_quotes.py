"""The fair probabilities that one market of an odds_change gives, and when its odds are taken."""

import pytest

from gateway.feeds.core.adapter import Fair
from gateway.feeds.uof.margin_policy import PROBABILITIES
from gateway.feeds.uof.market_registry import ListedMarket
from gateway.feeds.uof.messages import MarketName, MarketOdds, OutcomeOdds
from gateway.feeds.uof.quotes import MarketQuotes, market_quotes
from gateway.feeds.uof.types import UofMarket, UofTypes

TYPES = UofTypes(("football",))
MATCH_WINNER = MarketName(id=1)


def quoted(*probabilities: float | None, active: tuple[bool, ...] = ()) -> MarketQuotes:
    """Return the quotes of a match winner with odds of 2.0 and some probabilities."""
    ids = ("1", "2", "3")
    market = TYPES.market("sr:match:5", MATCH_WINNER, ids)
    assert isinstance(market, UofMarket)
    outcomes = tuple(
        OutcomeOdds(id=name, odds_milli=2_000, probability=probability, active=offered)
        for name, probability, offered in zip(
            ids, probabilities, active or (True,) * 3, strict=True
        )
    )
    return market_quotes(
        ListedMarket(market, 1),
        MarketOdds(name=MATCH_WINNER, outcomes=outcomes),
        rule=PROBABILITIES,
    )


def fair(quotes: MarketQuotes) -> Fair:
    assert quotes.fair is not None
    assert quotes.quotes == ()
    return quotes.fair


def test_complete_probabilities_are_fair_probabilities():
    assert fair(quoted(0.5, 0.3, 0.2)) == Fair(
        probabilities=(0.5, 0.3, 0.2), active=(True, True, True), winners=1
    )


def test_the_probability_of_an_outcome_that_is_not_offered_is_spread_over_the_others():
    found = fair(quoted(0.5, 0.3, 0.2, active=(True, True, False)))

    assert found.probabilities == pytest.approx((0.625, 0.375, 0.0))
    assert found.active == (True, True, False)


def test_probabilities_within_2_percent_of_the_winners_are_scaled_to_them():
    assert sum(fair(quoted(0.5, 0.3, 0.215)).probabilities) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("probabilities", "active"),
    [
        ((0.5, 0.3, None), (True, True, True)),
        ((0.5, 0.3, 0.23), (True, True, True)),
        ((0.5, 0.3, 0.17), (True, True, True)),
        ((0.5, 0.3, 0.2), (True, False, False)),
        ((0.5, 0.3, 0.2), (False, False, False)),
    ],
    ids=["one missing", "sum too high", "sum too low", "one offered alone", "none offered"],
)
def test_the_odds_are_taken_where_probabilities_are_not_usable(probabilities, active):
    quotes = quoted(*probabilities, active=active)

    assert quotes.fair is None
    assert quotes.passed_over == (("no probabilities", ""),)
    assert [(quote.odds_milli, quote.active) for quote in quotes.quotes] == [
        (2_000, offered) for offered in active
    ]
