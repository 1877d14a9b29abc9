"""Our numbers of the provider's markets and outcomes are those that it publishes."""

import re

import pytest

from engine.common.ids import parse_market_key
from engine.pricing.sport import SPORTS
from gateway.feeds.uof.messages import MarketName
from gateway.feeds.uof.types import OUTCOME_NAMES, UofMarket, UofTypes
from tests.gateway.feeds.uof.published import NOT_NAMED, OTHER_VARIANTS, PUBLISHED, UNCHECKED

NUMBERED = [
    (sport, market_type, number)
    for sport in PUBLISHED
    for market_type, number in SPORTS[sport].market_types.items()
    if number is not None
]
_SCOPES = {
    "1st half": "first_half", "2nd half": "second_half", "overtime": "extra_time",
    "goal": "next_goal", "will there be a tiebreak": "tiebreak",
}  # fmt: skip


def test_every_number_of_our_types_is_published() -> None:
    ours = {(sport, number) for sport, _, number in NUMBERED}
    assert ours == {(sport, number) for sport, rows in PUBLISHED.items() for number in rows}


@pytest.mark.parametrize(("sport", "market_type", "number"), NUMBERED)
def test_a_number_means_what_our_type_means(sport: str, market_type: str, number: int) -> None:
    """The words of our type are those of the published name, in the order of either."""
    published = PUBLISHED[sport][number]
    name = published.name.lower().replace(" (incl. overtime)", "")
    scope, dash, rest = name.partition(" - ")
    if sport == "football" and dash:
        assert market_type.startswith(f"{_SCOPES[scope]}_"), name
        market_type = market_type.removeprefix(f"{_SCOPES[scope]}_")
        name = rest
    if published.specifiers.startswith("goalnr="):
        assert market_type == f"next_{name.replace(' & ', '_')}"
        return
    if name == "handicap" and ":" in published.specifiers:
        assert market_type == "european_handicap"
        return
    said = re.sub(r"[^a-z0-9]+", " ", name.replace("1st/2nd half", "halves")).split()
    ours_text = market_type
    for ours_part, short in (
        ("first_half", "1st_half"), ("second_half", "2nd_half"),
        ("half_time_full_time", "halftime_fulltime"),
    ):  # fmt: skip
        ours_text = ours_text.replace(ours_part, short)
    ours = [word for word in ours_text.split("_") if word != "regular"]
    fillers = {"to", "a", "win", "will", "there", "be", "winner", "two", "match", "flex"}
    assert set(said) - fillers == set(ours) - fillers, (said, ours)


@pytest.mark.parametrize(("sport", "market_type", "number"), NUMBERED)
def test_published_outcomes_make_a_market_of_our_type(
    sport: str, market_type: str, number: int
) -> None:
    published = PUBLISHED[sport][number]
    types = UofTypes((sport,))
    name = MarketName(id=number, specifiers=published.specifiers)
    if (sport, number) in UNCHECKED:
        assert not published.outcomes
        return
    market = types.market("sr:match:5", name, published.outcomes)
    assert isinstance(market, UofMarket)
    if (sport, number) in NOT_NAMED:
        assert parse_market_key(market.key).type == f"uof_{number}"
        assert not set(published.outcomes) & set(OUTCOME_NAMES)
        return
    assert parse_market_key(market.key).type == market_type
    assert len(market.outcomes) == len(published.outcomes)
    assert {OUTCOME_NAMES[one] for one in published.outcomes} == set(market.outcomes)


def test_every_outcome_id_of_our_table_is_published() -> None:
    published = {
        outcome
        for rows in PUBLISHED.values()
        for market in rows.values()
        for outcome in market.outcomes
    }
    published.update(outcome for ids in OTHER_VARIANTS.values() for outcome in ids)
    assert set(OUTCOME_NAMES) <= published


@pytest.mark.parametrize(("number", "specifiers"), OTHER_VARIANTS)
def test_further_variants_make_a_market_of_our_type(number: int, specifiers: str) -> None:
    ids = OTHER_VARIANTS[number, specifiers]
    market = UofTypes(("football",)).market(
        "sr:match:5", MarketName(id=number, specifiers=specifiers), ids
    )
    assert isinstance(market, UofMarket)
    assert market.sport == "football"
    assert [OUTCOME_NAMES[one] for one in ids] == list(market.outcomes)


def test_overtimes_next_goal_and_handicap_are_not_its_rest_and_its_next_goal() -> None:
    """114 is which team wins the rest of overtime, which has no type here."""
    types = UofTypes(("football",))
    for number, specifiers, ids, expected in (
        (114, "score=0:0", ("1", "2", "3"), "uof_114"),
        (115, "goalnr=1", ("6", "7", "8"), "extra_time_next_goal"),
        (117, "hcp=0.5", ("1714", "1715"), "extra_time_handicap"),
    ):
        market = types.market("sr:match:5", MarketName(id=number, specifiers=specifiers), ids)
        assert isinstance(market, UofMarket)
        assert parse_market_key(market.key).type == expected
