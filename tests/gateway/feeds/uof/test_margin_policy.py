"""Whose margin the odds of a market hold, by rules for its type."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.commands import SetOdds
from engine.common.lifecycle import Status
from engine.pricing.book_bounds import BOOK_MAX, BOOK_MIN
from engine.pricing.margin import Method, remove_margin
from gateway.feeds.core.settings import UofFeedSettings
from gateway.feeds.uof.margin_policy import (
    PROBABILITIES,
    THEIRS,
    MarginPolicy,
    MarginRule,
)
from gateway.feeds.uof.market_registry import ListedMarket
from gateway.feeds.uof.messages import MarketName, MarketOdds, OutcomeOdds
from gateway.feeds.uof.quotes import market_quotes
from gateway.feeds.uof.settings import UofSettings
from gateway.feeds.uof.types import UofMarket
from tests.gateway.feeds.uof.builders import (
    EVENT,
    MATCH_WINNER,
    OVER_UNDER,
    TOTAL,
    feed_markets,
    market,
    odds_change,
    steps,
    total,
    updates,
)

OURS = MarginRule(from_probabilities=True, from_odds=True)
CHANCES = (("1", 'odds="2.10" probabilities="0.45"'), ("2", 'odds="3.40" probabilities="0.28"'))
CHANCES = (*CHANCES, ("3", 'odds="3.60" probabilities="0.27"'))


def test_the_first_rule_that_matches_a_type_holds():
    rules = ("total=theirs", "uof_4?=ours 3", "uof_*=probabilities")
    policy = MarginPolicy(rules, default=OURS)

    found = [
        policy.rule_of(f"{EVENT}/{market_type}")
        for market_type in ("total?total=2.5", "uof_41", "uof_400", "1x2")
    ]

    three = MarginRule(from_probabilities=True, from_odds=True, winners=3)
    assert found == [THEIRS, three, PROBABILITIES, OURS]


@pytest.mark.parametrize(
    "rule", ["total", "total=mine", "=ours", "total=ours 0", "total=ours 100", "T=ours", "a" * 65]
)
def test_a_malformed_rule_is_refused_with_its_field(rule):
    with pytest.raises(msgspec.ValidationError, match=r"\$\.margins\[1\]"):
        msgspec.convert({"margins": ["uof_*=theirs", rule]}, UofFeedSettings)


def test_more_rules_than_64_are_refused():
    with pytest.raises(msgspec.ValidationError, match="length <= 64"):
        msgspec.convert({"margins": ["uof_*=theirs"] * 65}, UofFeedSettings)


def sent(rules, *markets, price_from="odds"):
    feed = feed_markets(UofSettings(watch=False, margins=rules, price_from=price_from))
    return feed.receive(odds_change(*markets, at=1))


def fairs(received):
    return {
        update.key.partition("/")[2]: update.fair
        and [round(p, 3) for p in update.fair.probabilities]
        for update in updates(received)
    }


def test_rules_change_what_price_from_says_for_their_types():
    one = market(1, CHANCES)

    assert fairs(sent((), one, total())) == {"1x2": None, "total?total=2.5": None}
    assert fairs(sent(("1x2=probabilities",), one, total())) == {
        "1x2": [0.45, 0.28, 0.27],
        "total?total=2.5": None,
    }
    received = sent(("1x2=theirs",), one, total(), price_from="probabilities")
    assert fairs(received) == {"1x2": None, "total?total=2.5": None}
    assert [type(step) for step in steps(received)].count(SetOdds) == 2


def test_ours_takes_the_margin_off_the_feeds_odds_where_it_gives_no_probabilities():
    received = sent(("*=ours",), market(1, CHANCES), total())

    assert fairs(received) == {"1x2": [0.45, 0.28, 0.27], "total?total=2.5": [0.507, 0.493]}
    assert not any(isinstance(step, SetOdds) for step in steps(received))


@pytest.mark.parametrize(
    ("rule", "outcomes"),
    [
        ("uof_41=ours", (("a", "1.9"), ("b", "1.9"))),
        ("uof_41=ours 2", (("a", "1.9"), ("b", "1.9"))),
        ("uof_41=ours 1", (("a", "2.1"), ("b", "2.1"))),
        ("uof_41=ours 1", (("a", "1.3"), ("b", "1.3"))),
        ("uof_41=ours 1", (("a", "1.9"), ("b", 'active="1"'))),
        ("uof_41=ours 1", (("a", 'odds="1.9" active="0"'), ("b", 'odds="1.9" active="0"'))),
    ],
    ids=["winners unknown", "too few", "no margin", "too much", "odds missing", "none offered"],
)
def test_the_feeds_odds_are_taken_where_no_margin_can_be_taken_off(rule, outcomes):
    feed = feed_markets(UofSettings(watch=False, margins=(rule,)))

    received = feed.receive(odds_change(market(41, outcomes), at=1))

    assert fairs(received) == {"uof_41": None}
    assert feed.adapter.passed_over() == {"no probabilities": 1}
    assert any(isinstance(step, SetOdds) for step in steps(received))


def test_an_outcome_of_an_unknown_type_is_offered_at_our_margin_where_its_winners_are_given():
    received = sent(("uof_41=ours 1",), market(41, (("a", "1.9"), ("b", "1.9"))))

    assert fairs(received) == {"uof_41": [0.5, 0.5]}


IN_THOUSANDTHS = (("1", "2100"), ("2", "3400"), ("3", "3600"))


@pytest.mark.parametrize("rule", ["*=theirs", "*=ours", "*=probabilities"])
def test_odds_of_a_book_that_nobody_offers_are_not_offered(rule):
    """Odds in thousandths, which are themselves in bounds, add up to a book of 0.001."""
    feed = feed_markets(UofSettings(watch=False, margins=(rule,)))
    feed.receive(odds_change(market(1, MATCH_WINNER), total(outcomes=OVER_UNDER), at=1))
    feed.receive(odds_change(market(1, IN_THOUSANDTHS), total(outcomes=OVER_UNDER), at=2))

    assert feed.status("1x2") is Status.SUSPENDED
    assert not any(feed.image("1x2").active)
    assert feed.status(TOTAL) is Status.ACTIVE
    assert feed.adapter.passed_over()["no book"] == 1
    feed.receive(odds_change(market(1, MATCH_WINNER), at=3))
    assert feed.status("1x2") is Status.ACTIVE


@given(
    odds=st.lists(st.integers(1_001, 10_000_000), min_size=2, max_size=5),
    winners=st.sampled_from((1.0, 2.0, None)),
    missing=st.booleans(),
)
def test_all_outcomes_are_offered_unless_their_odds_add_up_to_no_book(odds, winners, missing):
    names = tuple(str(number) for number in range(len(odds) + missing))
    listed = ListedMarket(UofMarket(f"{EVENT}/uof_41", "", names, winners), 41)
    given_odds = tuple(OutcomeOdds(id=str(n), odds_milli=milli) for n, milli in enumerate(odds))

    found = market_quotes(listed, MarketOdds(name=MarketName(id=41), outcomes=given_odds))

    known = winners is not None and not missing
    is_book = not known or sum(1_000 / milli for milli in odds) / winners >= BOOK_MIN
    assert found.offers_any == is_book
    assert [quote.active for quote in found.quotes[: len(odds)]] == [is_book] * len(odds)
    assert (("no book", "") in found.passed_over) == (not is_book)


_ODDS = st.integers(1_001, 50_000)


@given(st.lists(st.tuples(_ODDS, st.booleans()), min_size=2, max_size=8), st.integers(1, 3))
def test_odds_made_of_odds_are_fair_and_never_longer_than_their_book_allows(outcomes, winners):
    names = tuple(str(number) for number in range(len(outcomes)))
    listed = ListedMarket(UofMarket(f"{EVENT}/uof_41", "", names, None), 41)
    given_odds = tuple(
        OutcomeOdds(id=name, odds_milli=milli, active=active)
        for name, (milli, active) in zip(names, outcomes, strict=True)
    )
    rule = MarginRule(from_probabilities=True, from_odds=True, winners=winners)

    found = market_quotes(
        listed, MarketOdds(name=MarketName(id=41), outcomes=given_odds), rule=rule
    ).fair

    book = sum(1_000 / milli for milli, _ in outcomes) / winners
    if found is None:
        return
    assert 1.0 <= book <= BOOK_MAX
    assert sum(found.probabilities) == pytest.approx(winners)
    assert found.winners == winners
    assert found.active == tuple(active for _, active in outcomes)
    everything = all(found.active)
    for (milli, active), chance in zip(outcomes, found.probabilities, strict=True):
        assert (chance > 0) == active
        # Fair odds are no shorter than the odds with a margin, unless others are not offered.
        assert not (active and everything) or 1_000 / milli >= chance - 1e-9


def test_the_margin_comes_off_lopsided_two_way_odds_in_equal_parts():
    listed = ListedMarket(UofMarket(f"{EVENT}/uof_41", "", ("a", "b"), None), 41)
    odds = (OutcomeOdds(id="a", odds_milli=1_100), OutcomeOdds(id="b", odds_milli=6_500))
    rule = MarginRule(from_probabilities=True, from_odds=True, winners=1)

    found = market_quotes(listed, MarketOdds(name=MarketName(id=41), outcomes=odds), rule=rule).fair

    assert found is not None
    half = (1 / 1.1 + 1 / 6.5 - 1) / 2
    assert found.probabilities == pytest.approx((1 / 1.1 - half, 1 / 6.5 - half))


def test_a_market_type_may_lose_its_margin_by_a_method_of_the_settings():
    settings = UofSettings(watch=False, margins=("*=ours",), methods=("1x2=power",))
    feed = feed_markets(settings)
    odds = tuple((str(n), f'odds="{each}"') for n, each in ((1, 2.1), (2, 3.4), (3, 3.6)))

    received = feed.receive(odds_change(market(1, odds), at=1))

    solved = remove_margin((2.1, 3.4, 3.6), method=Method.POWER)
    other = remove_margin((2.1, 3.4, 3.6), method=Method.ODDS_RATIO)
    (found,) = fairs(received).values()
    assert found == [round(chance, 3) for chance in solved.values]
    assert found != [round(chance, 3) for chance in other.values]


def test_markets_of_the_feeds_own_odds_are_as_before():
    assert sent((), market(1, MATCH_WINNER), total(outcomes=OVER_UNDER)) == sent(
        ("*=theirs",), market(1, MATCH_WINNER), total(outcomes=OVER_UNDER)
    )
