"""Race markets: their outcomes, the chance of each, and their results by finishing positions."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.commands import OutcomeResult
from engine.common.units import OUTCOMES_MAX
from engine.pricing.quoting import Margin
from engine.pricing.race.model import Order, RaceModel, RaceState, order_chance
from engine.pricing.race.sport import SPORT
from engine.pricing.sport import SPORTS, MarketTypeError, SportBoard, outcome_names

EIGHT = RaceModel(win=(0.3, 0.2, 0.15, 0.1, 0.1, 0.06, 0.05, 0.04))
KEYS = (
    "r/win?runners=8", "r/place?places=2|runners=8", "r/place?places=3|runners=8",
    "r/each_way?places=3|runners=8", "r/forecast?runners=8", "r/reverse_forecast?runners=8",
    "r/tricast?runners=8", "r/reverse_tricast?runners=8",
)  # fmt: skip
WINNERS = (1, 2, 3, 3, 1, 1, 1, 1)
RULES: dict[str, tuple[str, int, int | None]] = {
    "win": ("placed", 1, 1),
    "place": ("placed", 1, None),
    "each_way": ("placed", 1, None),
    "forecast": ("in order", 2, 2),
    "reverse_forecast": ("any order", 2, 2),
    "tricast": ("in order", 3, 3),
    "reverse_tricast": ("any order", 3, 3),
}
"""Each market type: what wins, runners per outcome, and the places (None: a specifier)."""
LOST, VOID = OutcomeResult(won=False), OutcomeResult(won=False, void_halves=2)


def won(num: int = 1, den: int = 1) -> OutcomeResult:
    return OutcomeResult(won=True, dead_heat_num=num, dead_heat_den=den)


def settle(
    market_type: str, specifiers: str, positions: Sequence[int], withdrawn: tuple[int, ...] = ()
) -> dict[str, OutcomeResult] | None:
    """Settle a market and return each outcome's result by its name."""
    pairs = tuple(tuple(pair.split("=")) for pair in specifiers.split("|")) if specifiers else ()
    given = tuple(sorted((*pairs, ("runners", str(len(positions))))))
    market = SPORT.market(market_type, given)  # type: ignore[arg-type]
    state = RaceState(withdrawn=withdrawn, positions=tuple(positions))
    results = SPORT.results(market, state)
    return None if results is None else dict(zip(market.outcomes, results, strict=True))


# --- prices --------------------------------------------------------------------------------------


def test_race_is_a_registered_sport_with_its_outcome_names() -> None:
    assert SPORTS["race"] is SPORT
    assert set(SPORT.market_types) == set(RULES)
    assert outcome_names(SPORT, "forecast", (("runners", "3"),)) == (
        "1-2", "1-3", "2-1", "2-3", "3-1", "3-2",
    )  # fmt: skip
    assert outcome_names(SPORT, "reverse_tricast", (("runners", "4"),)) == (
        "1+2+3", "1+2+4", "1+3+4", "2+3+4",
    )  # fmt: skip


@pytest.mark.parametrize("order", Order)
def test_the_chances_of_a_market_add_up_to_its_winners(order: Order) -> None:
    board = SportBoard("race", KEYS)
    model = RaceModel(win=EIGHT.win, order=order)
    for state in (RaceState(), RaceState(withdrawn=(1, 5))):
        probabilities = board.probabilities(model, state)
        for key, winners in zip(KEYS, WINNERS, strict=True):
            assert sum(probabilities[key]) == pytest.approx(winners), key
    assert probabilities[KEYS[0]][0] == probabilities[KEYS[4]][0] == 0.0


def test_the_chance_of_an_outcome_is_the_sum_over_the_orders_that_win_it() -> None:
    model = RaceModel(win=(0.4, 0.25, 0.2, 0.1, 0.05), order=Order.HENERY)
    keys = [
        f"r/{name}?" + ("places=2|" if places is None else "") + "runners=5"
        for name, (_, _, places) in RULES.items()
    ]
    board = SportBoard("race", keys)
    for withdrawn in ((), (2,)):
        left = [runner for runner in range(1, 6) if runner not in withdrawn]
        mass = sum(model.win[runner - 1] for runner in left)
        rest = RaceModel(win=tuple(model.win[k - 1] / mass for k in left), order=model.order)
        expected = {key: [0.0] * len(board.outcomes(key)) for key in keys}
        for order in permutations(range(len(left))):
            chance = order_chance(rest, tuple(runner + 1 for runner in order))
            positions = [0] * 5
            for place, runner in enumerate(order, 1):
                positions[left[runner] - 1] = place
            state = RaceState(withdrawn=withdrawn, positions=tuple(positions))
            for key, results in board.results(state).items():
                for outcome, result in enumerate(results):
                    expected[key][outcome] += chance * result.won
        probabilities = board.probabilities(model, RaceState(withdrawn=withdrawn))
        for key in keys:
            assert probabilities[key] == pytest.approx(expected[key], abs=1e-12), key


def test_a_non_runners_chance_goes_to_the_others_in_proportion() -> None:
    board = SportBoard("race", ["r/win?runners=8"])
    chances = board.probabilities(EIGHT, RaceState(withdrawn=(2,)))["r/win?runners=8"]
    assert chances[1] == 0.0
    assert chances[0] / chances[7] == pytest.approx(0.3 / 0.04)
    quotes = board.quotes(EIGHT, RaceState(withdrawn=(2,)), Margin(book_milli=1_150))
    assert [quote.active for quote in quotes["r/win?runners=8"]] == [True, False, *[True] * 6]


def test_a_race_is_quoted_at_its_book_sum() -> None:
    """Stated in docs/pricing.md."""
    keys = ["r/win?runners=8", "r/place?places=3|runners=8"]
    quotes = SportBoard("race", keys).quotes(EIGHT, RaceState(), Margin(book_milli=1_150))
    odds = {key: [quote.odds_milli for quote in row] for key, row in quotes.items()}
    assert odds == {
        keys[0]: [2_960, 4_400, 5_800, 8_600, 8_600, 14_000, 17_000, 21_000],
        keys[1]: [1_360, 1_620, 1_900, 2_440, 2_440, 3_500, 3_950, 4_700],
    }
    assert sum(1000 / each for each in odds[keys[0]]) == pytest.approx(1.15, abs=0.01)
    assert sum(1000 / each for each in odds[keys[1]]) == pytest.approx(3.45, abs=0.03)


@pytest.mark.parametrize(
    ("order", "favourite", "outsider", "forecast", "tricast"),
    [
        (Order.MEASURED, 0.6817, 0.1718, 0.0793, 0.0209),
        (Order.HARVILLE, 0.7266, 0.1462, 0.0857, 0.0257),
        (Order.STERN, 0.6909, 0.1661, 0.0801, 0.0218),
        (Order.HENERY, 0.6542, 0.1888, 0.0745, 0.0183),
    ],
)
def test_the_places_of_the_documents_example_by_each_order(
    order: Order, favourite: float, outsider: float, forecast: float, tricast: float
) -> None:
    """Stated in docs/pricing.md."""
    keys = ["r/place?places=3|runners=8", "r/forecast?runners=8", "r/tricast?runners=8"]
    model = RaceModel(win=EIGHT.win, order=order)
    placed, pairs, triples = SportBoard("race", keys).probabilities(model, RaceState()).values()
    assert (placed[0], placed[7]) == pytest.approx((favourite, outsider), abs=5e-5)
    assert (pairs[0], triples[0]) == pytest.approx((forecast, tricast), abs=5e-5)


def test_a_place_market_is_not_offered_when_every_runner_left_is_placed() -> None:
    board = SportBoard("race", ["r/place?places=3|runners=4"])
    model = RaceModel(win=(0.4, 0.3, 0.2, 0.1))
    quotes = board.quotes(model, RaceState(withdrawn=(4,)), Margin())
    assert not any(quote.active for quote in quotes["r/place?places=3|runners=4"])


def test_chances_are_0_for_a_model_of_another_field_and_without_runners() -> None:
    board = SportBoard("race", KEYS)
    other = RaceModel(win=(0.5, 0.5))
    assert not any(map(any, board.probabilities(other, RaceState()).values()))
    nobody = RaceState(withdrawn=tuple(range(1, 9)))
    assert not any(map(any, board.probabilities(EIGHT, nobody).values()))
    for left in (1, 2):
        state = RaceState(withdrawn=tuple(range(1, 9 - left)))
        assert sum(board.probabilities(EIGHT, state)["r/win?runners=8"]) == pytest.approx(1.0)


def test_outcomes_have_the_names_the_market_was_created_with() -> None:
    key = "r/place?places=2"
    names = ("Arkle", "Mill House", "Flyingbolt")
    board = SportBoard("race", [key], names={key: names})
    assert board.outcomes(key) == names
    board = SportBoard("race", ["r/forecast"], names={"r/forecast": ("1-2", "2-1")})
    assert board.probabilities(RaceModel(win=(0.7, 0.3)), RaceState()) == {
        "r/forecast": pytest.approx((0.7, 0.3))
    }


@pytest.mark.parametrize(
    ("market_type", "specifiers", "names", "message"),
    [
        ("show", (("runners", "8"),), None, "not in the table"),
        ("win", (), None, "runners, or the outcomes' names"),
        ("win", (("runners", "41"),), None, "runners: from 1 to 40"),
        ("win", (("runners", "0"),), None, "runners: from 1 to 40"),
        ("win", (("places", "2"), ("runners", "8")), None, "specifiers must be: runners"),
        ("win", (("runners", "8"),), ("a", "b"), "number of outcomes fits no field"),
        ("place", (("runners", "8"),), None, "places: from 1 to 8"),
        ("place", (("places", "9"), ("runners", "8")), None, "places: from 1 to 8"),
        ("place", (("places", "6"), ("runners", "40")), None, "places: from 1 to 5"),
        ("forecast", (("runners", "24"),), None, "runners: from 1 to 23"),
        ("forecast", (("runners", "1"),), None, "number of outcomes fits no field"),
        ("forecast", (), ("a", "b"), "outcomes must be 1-2, 2-1"),
        ("forecast", (), ("a", "b", "c"), "number of outcomes fits no field"),
        ("reverse_forecast", (("runners", "33"),), None, "runners: from 1 to 32"),
        ("tricast", (("runners", "10"),), None, "runners: from 1 to 9"),
        ("reverse_tricast", (("runners", "16"),), None, "runners: from 1 to 15"),
    ],
)  # fmt: skip
def test_an_unknown_market_type_or_specifier_is_refused(
    market_type: str,
    specifiers: tuple[tuple[str, str], ...],
    names: tuple[str, ...] | None,
    message: str,
) -> None:
    with pytest.raises(MarketTypeError, match=message):
        SPORT.market(market_type, specifiers, names)


def test_only_markets_of_the_models_field_size_are_priced() -> None:
    keys = ("r/win?runners=2", "r/win?runners=8", "r/tricast?runners=8")
    chances = SportBoard("race", keys).probabilities(EIGHT, RaceState())
    assert not any(chances[keys[0]])
    assert chances[keys[1]] == pytest.approx(EIGHT.win)
    assert sum(chances[keys[2]]) == pytest.approx(1.0)


def test_the_largest_field_of_a_type_fits_one_market() -> None:
    for name, runners in (
        ("forecast", 23), ("reverse_forecast", 32), ("tricast", 9), ("reverse_tricast", 15),
    ):  # fmt: skip
        count = len(outcome_names(SPORT, name, (("runners", str(runners)),)))
        assert 450 < count <= OUTCOMES_MAX


# --- settlement ----------------------------------------------------------------------------------


def test_placed_runners_win_and_the_others_lose() -> None:
    assert settle("win", "", (2, 1, 3, 0)) == {"1": LOST, "2": won(), "3": LOST, "4": LOST}
    assert settle("place", "places=2", (2, 1, 3, 0)) == {
        "1": won(), "2": won(), "3": LOST, "4": LOST
    }  # fmt: skip


def test_runners_in_a_dead_heat_share_the_places_they_reach() -> None:
    three = settle("win", "", (1, 1, 1, 4))
    assert three == {"1": won(1, 3), "2": won(1, 3), "3": won(1, 3), "4": LOST}
    for_second = settle("place", "places=2", (1, 2, 2, 4))
    assert for_second == {"1": won(), "2": won(1, 2), "3": won(1, 2), "4": LOST}
    for_third = settle("place", "places=3", (1, 2, 2, 4))
    assert for_third == {"1": won(), "2": won(), "3": won(), "4": LOST}
    three_for_two = settle("place", "places=3", (1, 2, 2, 2, 5))
    assert three_for_two is not None
    assert three_for_two["2"] == won(2, 3)


def test_forecasts_share_a_dead_heat() -> None:
    first = settle("forecast", "", (1, 1, 3))
    assert first == {
        "1-2": won(1, 2), "1-3": LOST, "2-1": won(1, 2), "2-3": LOST, "3-1": LOST, "3-2": LOST
    }  # fmt: skip
    assert settle("reverse_forecast", "", (1, 1, 3)) == {"1+2": won(), "1+3": LOST, "2+3": LOST}
    second = settle("reverse_forecast", "", (1, 2, 2))
    assert second == {"1+2": won(1, 2), "1+3": won(1, 2), "2+3": LOST}


def test_outcomes_with_a_non_runner_are_void() -> None:
    assert settle("win", "", (1, 0, 2), (2,)) == {"1": won(), "2": VOID, "3": LOST}
    forecast = settle("forecast", "", (1, 0, 2), (2,))
    assert forecast == {
        "1-2": VOID, "1-3": won(), "2-1": VOID, "2-3": VOID, "3-1": LOST, "3-2": VOID
    }  # fmt: skip


def test_a_result_that_does_not_decide_a_market_leaves_it_unsettled() -> None:
    assert settle("win", "", (0, 0, 0)) is None
    assert settle("forecast", "", (1, 0, 0)) is None
    assert settle("tricast", "", (1, 2, 0, 0)) is None
    assert SPORT.results(SPORT.market("win", (("runners", "3"),)), RaceState()) is None
    six = settle("tricast", "", (1,) * 5)
    assert six is not None
    assert six["1-2-3"] == won(1, 60)
    assert settle("tricast", "", (1,) * 6) is None  # A share of 1 in 120 is no dead heat of ours.


def finishing_orders(positions: Sequence[int]) -> list[tuple[int, ...]]:
    """Return all orders of finish that break the dead heats; an order lists runners from 0."""
    groups: dict[int, list[int]] = {}
    for runner, position in enumerate(positions):
        if position:
            groups.setdefault(position, []).append(runner)
    ways = product(*(permutations(groups[position]) for position in sorted(groups)))
    return [tuple(runner for group in way for runner in group) for way in ways]


@given(
    ranks=st.lists(st.integers(0, 4), min_size=3, max_size=5),
    name=st.sampled_from(list(RULES)),
    places=st.integers(1, 3),
)
@settings(max_examples=150, deadline=None)
def test_a_share_is_the_fraction_of_all_ways_to_break_the_dead_heats(
    ranks: list[int], name: str, places: int
) -> None:
    """A rank of 0 did not finish; equal ranks ran a dead heat."""
    positions = [1 + sum(0 < one < rank for one in ranks) if rank else 0 for rank in ranks]
    wins_by, per_outcome, fixed_places = RULES[name]
    specifiers = f"places={places}" if fixed_places is None else ""
    results = settle(name, specifiers, positions)
    ways = finishing_orders(positions)
    if len(ways[0]) < per_outcome or not any(positions):
        assert results is None
        return
    assert results is not None
    reach = fixed_places or places
    for outcome, result in results.items():
        picks = [int(text) - 1 for text in outcome.replace("+", "-").split("-")]
        wins = 0
        for way in ways:
            if wins_by == "placed":
                wins += picks[0] in way[:reach]
            elif wins_by == "in order":
                wins += list(way[:reach]) == picks
            else:
                wins += sorted(way[:reach]) == picks
        share = Fraction(result.dead_heat_num, result.dead_heat_den) if result.won else 0
        assert share == Fraction(wins, len(ways))
