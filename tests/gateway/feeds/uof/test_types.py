"""The engine's names of the feed's markets and outcomes."""

import pytest

from engine.common.ids import parse_market_key
from engine.common.units import OUTCOMES_MAX
from engine.pricing.sport import SPORTS
from gateway.feeds.uof.market_registry import ListedMarket
from gateway.feeds.uof.messages import MarketName
from gateway.feeds.uof.types import OUTCOME_NAMES, UofMarket, UofTypes

TYPES = UofTypes(("football",))


def found(number, ids, specifiers=""):
    market = TYPES.market("sr:match:5", MarketName(id=number, specifiers=specifiers), ids)
    assert isinstance(market, UofMarket), market
    return market


@pytest.mark.parametrize(
    ("number", "specifiers", "ids", "key", "outcomes"),
    [
        (1, "", "1 2 3", "1x2", ("home", "draw", "away")),
        (10, "", "9 10 11", "double_chance", ("home_or_draw", "home_or_away", "draw_or_away")),
        (11, "", "4 5", "draw_no_bet", ("home", "away")),
        (12, "", "776 778", "home_no_bet", ("draw", "away")),
        (13, "", "780 782", "away_no_bet", ("home", "draw")),
        (8, "goalnr=2", "6 7 8", "next_goal?goalnr=2", ("home", "none", "away")),
        (14, "hcp=0:1", "1711 1712 1713", "european_handicap?hcp=0:1", ("home", "draw", "away")),
        (16, "hcp=-0.25", "1714 1715", "handicap?hcp=-0.25", ("home", "away")),
        (18, "total=2.5", "12 13", "total?total=2.5", ("over", "under")),
        (26, "", "70 72", "odd_even", ("odd", "even")),
        (29, "", "74 76", "both_teams_to_score", ("yes", "no")),
        (30, "", "784 788 790 792", "which_team_to_score",
         ("none", "only_home", "only_away", "both")),
        (52, "", "436 440 438", "highest_scoring_half", ("first", "equal", "second")),
        (55, "", "806 808 810 812", "halves_both_teams_to_score",
         ("no/no", "yes/no", "yes/yes", "no/yes")),
        (60, "", "1 2 3", "first_half_1x2", ("home", "draw", "away")),
    ],
)  # fmt: skip
def test_a_market_that_football_knows_has_its_type_and_its_outcomes_in_order(
    number, specifiers, ids, key, outcomes
):
    market = found(number, ids.split(), specifiers)

    assert market.key == f"sr:match:5/{key}"
    assert market.outcomes == outcomes
    assert [ListedMarket(market, number).outcome_index(name) for name in ids.split()] == list(
        range(len(outcomes))
    )


@pytest.mark.parametrize(
    ("number", "specifiers", "outcome_id", "name"),
    [
        (45, "", "274", "0:0"), (45, "", "276", "1:0"), (45, "", "284", "0:1"),
        (45, "", "290", "3:1"), (45, "", "322", "4:4"), (45, "", "324", "other"),
        (47, "", "418", "home/home"), (47, "", "424", "draw/home"), (47, "", "434", "away/away"),
        (35, "", "78", "home_and_yes"), (35, "", "84", "draw_and_no"),
        (36, "total=2.5", "92", "under_and_yes"), (37, "total=3.5", "796", "home_and_over"),
        (37, "total=3.5", "802", "away_and_under"),
        (15, "variant=sr:winning_margin:3+", "sr:winning_margin:3+:115", "home_by_3+"),
        (15, "variant=sr:winning_margin:3+", "sr:winning_margin:3+:119", "draw"),
        (21, "variant=sr:exact_goals:6+", "sr:exact_goals:6+:74", "6+"),
        (23, "variant=sr:exact_goals:3+", "sr:exact_goals:3+:90", "2"),
        (25, "variant=sr:goal_range:7+", "sr:goal_range:7+:1344", "4-6"),
    ],
)  # fmt: skip
def test_an_outcome_id_has_the_name_that_the_provider_describes(
    number, specifiers, outcome_id, name
):
    market = found(number, [outcome_id], specifiers)
    index = ListedMarket(market, number).outcome_index(outcome_id)

    assert market.sport == "football"
    assert index is not None
    assert market.outcomes[index] == name


def test_every_outcome_name_is_an_outcome_of_some_football_type():
    football = SPORTS["football"]
    values = {"goalnr": "1", "hcp": "0", "score": "0:0", "total": "2.5"}
    names = set()
    for market_type in football.market_types:
        for variant in (None, "sr:winning_margin:3+", "sr:exact_goals:6+", "sr:exact_goals:3+",
                        "sr:exact_goals:2+", "sr:goal_range:7+", "sr:exact_goals:5+",
                        "sr:point_range:6+"):  # fmt: skip
            for chosen in ((), *((key,) for key in values)):
                pairs = [(key, values[key]) for key in chosen]
                pairs += [("variant", variant)] if variant else []
                try:
                    names.update(football.market(market_type, tuple(pairs)).outcomes)
                except ValueError:
                    continue

    assert set(OUTCOME_NAMES.values()) <= names


@pytest.mark.parametrize(
    ("number", "specifiers", "ids"),
    [
        (18, "total=160.5", ["12", "13"]),
        (199, "variant=sr:correct_score:max:6", ["sr:correct_score:max:6:1302"]),
        (40, "type=live", ["sr:player:1", "sr:player:2"]),
        (21, "variant=sr:exact_goals:9+", ["sr:exact_goals:9+:1"]),
        (1, "", ["1", "2", "99"]),
        (1, "", ["1", "4"]),
        (9999, "a=1|b=2", ["x"]),
    ],
)
def test_any_other_market_keeps_its_market_id_and_its_outcome_ids(number, specifiers, ids):
    market = found(number, ids, specifiers)

    assert parse_market_key(market.key).type == f"uof_{number}"
    assert market.outcomes == tuple(ids)
    assert market.winners is None


@pytest.mark.parametrize(
    ("sport", "number", "specifiers", "ids", "key"),
    [
        ("tennis", 186, "", "4 5", "winner"),
        ("tennis", 188, "hcp=-1.5", "1714 1715", "set_handicap?hcp=-1.5"),
        ("tennis", 204, "setnr=1|total=9.5", "12 13", "set_total_games?setnr=1|total=9.5"),
        ("tennis", 1, "", "1 2 3", "uof_1"),
        ("basketball", 219, "", "4 5", "winner"),
        ("basketball", 225, "total=160.5", "12 13", "total?total=160.5"),
        ("basketball", 18, "total=158.5", "12 13", "regular_total?total=158.5"),
        ("basketball", 235, "quarternr=2", "1 2 3", "quarter_1x2?quarternr=2"),
        ("", 1, "", "1 2 3", "uof_1"),
        ("", 186, "", "4 5", "uof_186"),
    ],
)
def test_a_market_id_has_the_type_of_the_feeds_sport(sport, number, specifiers, ids, key):
    types = UofTypes((sport,) if sport else ())

    market = types.market("sr:match:5", MarketName(id=number, specifiers=specifiers), ids.split())

    assert isinstance(market, UofMarket)
    assert market.key == f"sr:match:5/{key}"
    assert market.sport == ("" if key.startswith("uof_") else sport)
    assert types.market_id(parse_market_key(market.key)) == number
    assert types.existing_market(parse_market_key(market.key), market.outcomes) == market


def test_markets_of_several_sports_never_share_a_key():
    types = UofTypes(("football", "tennis", "basketball"))
    line = "total=22.5"

    named = [
        (MarketName(id=18, specifiers=line), ("12", "13")),
        (MarketName(id=225, specifiers=line), ("12", "13")),
        (MarketName(id=186), ("4", "5")),
        (MarketName(id=219), ("4", "5")),
        (MarketName(id=16, specifiers="hcp=-1.5"), ("1714", "1715")),
        (MarketName(id=223, specifiers="hcp=-1.5"), ("1714", "1715")),
        (MarketName(id=18, specifiers="total=160.5"), ("12", "13")),
    ]
    keys = [str(types.market("sr:match:5", name, ids)[0]) for name, ids in named]

    assert [key.partition("/")[2] for key in keys] == [
        "total?total=22.5", "uof_225?total=22.5", "winner", "uof_219",
        "handicap?hcp=-1.5", "uof_223?hcp=-1.5", "regular_total?total=160.5",
    ]  # fmt: skip
    numbers = [types.market_id(parse_market_key(key)) for key in keys]
    assert numbers == [18, 225, 186, 219, 16, 223, 18]


def test_the_order_of_specifiers_does_not_change_the_key():
    assert found(123, ["1"], "set=2|game=3").key == found(123, ["1"], "game=3|set=2").key


@pytest.mark.parametrize(
    ("specifiers", "ids", "why"),
    [
        ("score=a b", ["1"], "market key"),
        ("score", ["1"], "market key"),
        ("a=1|a=2", ["1"], "market key"),
        ("v=" + "x" * 120, ["1"], "market key"),
        ("", [], "outcomes"),
        ("", ["1", "7", "7"], "outcomes: 7 is listed twice"),
        ("", ["1", "sr:competitor:" * 14 + "12345"], "outcomes: sr:competitor:sr:competitor:"),
        ("", ["x" * 201], f"outcomes: {'x' * 80}... has 201 characters, an id at most 200"),
        ("", [str(n) for n in range(OUTCOMES_MAX + 1)], "outcomes"),
    ],
)
def test_a_market_with_a_malformed_key_or_outcomes_is_refused_with_a_reason(specifiers, ids, why):
    market = TYPES.market("sr:match:5", MarketName(id=7, specifiers=specifiers), ids)

    assert isinstance(market, str)
    assert market.startswith(why)


def test_outcome_ids_of_several_competitors_are_taken_as_they_are():
    ids = ["x" * 65, "sr:competitor:1:" * 12 + "sr:compe", "é" * 200]
    assert [len(one) for one in ids] == [65, 200, 200]
    assert found(7, ids).outcomes == tuple(ids)


def test_an_existing_market_is_the_same_from_its_key():
    for market in (found(1, ["1"]), found(18, ["12"], "total=2.5"), found(40, ["sr:player:1"])):
        key = parse_market_key(market.key)

        assert TYPES.existing_market(key, market.outcomes) == market
    assert TYPES.market_id(parse_market_key("sr:match:5/uof_40")) == 40
    assert TYPES.market_id(parse_market_key("sr:match:5/first_half_total?total=1.5")) == 68
    assert TYPES.market_id(parse_market_key("sr:match:5/uof_x")) is None
    assert TYPES.market_id(parse_market_key("sr:match:5/no_such_type")) is None
