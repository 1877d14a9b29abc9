"""Race markets: what their outcomes are, how likely each is, and how positions settle them."""

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
from engine.pricing.race.sport import SPORT, TYPES, Kind
from engine.pricing.sport import SPORTS, MarketTypeError, SportBoard, outcome_names

EIGHT = RaceModel(win=(0.3, 0.2, 0.15, 0.1, 0.1, 0.06, 0.05, 0.04))
KEYS = (
    "r/win?runners=8", "r/place?places=2|runners=8", "r/place?places=3|runners=8",
    "r/each_way?places=3|runners=8", "r/forecast?runners=8", "r/reverse_forecast?runners=8",
    "r/tricast?runners=8", "r/reverse_tricast?runners=8",
)  # fmt: skip
WINNERS = (1, 2, 3, 3, 1, 1, 1, 1)
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


def test_races_are_a_sport_of_the_registry() -> None:
    assert SPORTS["race"] is SPORT
    assert outcome_names(SPORT, "forecast", (("runners", "3"),)) == (
        "1-2", "1-3", "2-1", "2-3", "3-1", "3-2",
    )  # fmt: skip
    assert outcome_names(SPORT, "reverse_tricast", (("runners", "4"),)) == (
        "1+2+3", "1+2+4", "1+3+4", "2+3+4",
    )  # fmt: skip


@pytest.mark.parametrize("order", Order)
def test_a_markets_chances_add_up_to_its_winners(order: Order) -> None:
    board = SportBoard("race", KEYS)
    model = RaceModel(win=EIGHT.win, order=order)
    for state in (RaceState(), RaceState(withdrawn=(1, 5))):
        probabilities = board.probabilities(model, state)
        for key, winners in zip(KEYS, WINNERS, strict=True):
            assert sum(probabilities[key]) == pytest.approx(winners), key
    assert probabilities[KEYS[0]][0] == probabilities[KEYS[4]][0] == 0.0


def test_every_markets_chances_are_those_of_the_orders_that_win_it() -> None:
    model = RaceModel(win=(0.4, 0.25, 0.2, 0.1, 0.05), order=Order.HENERY)
    keys = [
        f"r/{name}?" + ("places=2|" if row.places is None else "") + "runners=5"
        for name, row in TYPES.items()
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


def test_a_race_is_quoted_at_its_book() -> None:
    """Stated in docs/pricing.md."""
    keys = ["r/win?runners=8", "r/place?places=3|runners=8"]
    quotes = SportBoard("race", keys).quotes(EIGHT, RaceState(), Margin(book_milli=1_150))
    odds = {key: [quote.odds_milli for quote in row] for key, row in quotes.items()}
    assert odds == {
        keys[0]: [2_960, 4_400, 5_800, 8_600, 8_600, 14_000, 17_000, 21_000],
        keys[1]: [1_340, 1_610, 1_890, 2_440, 2_440, 3_550, 4_100, 4_800],
    }
    assert sum(1000 / each for each in odds[keys[0]]) == pytest.approx(1.15, abs=0.01)
    assert sum(1000 / each for each in odds[keys[1]]) == pytest.approx(3.45, abs=0.03)


@pytest.mark.parametrize(
    ("order", "favourite", "outsider", "forecast", "tricast"),
    [
        (Order.HARVILLE, 0.7266, 0.1462, 0.0857, 0.0257),
        (Order.STERN, 0.6909, 0.1661, 0.0801, 0.0218),
        (Order.HENERY, 0.6542, 0.1888, 0.0745, 0.0183),
    ],
)
def test_the_same_race_has_these_places_by_each_order(
    order: Order, favourite: float, outsider: float, forecast: float, tricast: float
) -> None:
    """Stated in docs/pricing.md."""
    keys = ["r/place?places=3|runners=8", "r/forecast?runners=8", "r/tricast?runners=8"]
    model = RaceModel(win=EIGHT.win, order=order)
    placed, pairs, triples = SportBoard("race", keys).probabilities(model, RaceState()).values()
    assert (placed[0], placed[7]) == pytest.approx((favourite, outsider), abs=5e-5)
    assert (pairs[0], triples[0]) == pytest.approx((forecast, tricast), abs=5e-5)


def test_where_as_many_are_left_as_there_are_places_nothing_is_offered() -> None:
    board = SportBoard("race", ["r/place?places=3|runners=4"])
    model = RaceModel(win=(0.4, 0.3, 0.2, 0.1))
    quotes = board.quotes(model, RaceState(withdrawn=(4,)), Margin())
    assert not any(quote.active for quote in quotes["r/place?places=3|runners=4"])


def test_nothing_has_a_chance_under_a_model_of_another_field_or_of_nobody() -> None:
    board = SportBoard("race", KEYS)
    other = RaceModel(win=(0.5, 0.5))
    assert not any(map(any, board.probabilities(other, RaceState()).values()))
    nobody = RaceState(withdrawn=tuple(range(1, 9)))
    assert not any(map(any, board.probabilities(EIGHT, nobody).values()))
    for left in (1, 2):
        state = RaceState(withdrawn=tuple(range(1, 9 - left)))
        assert sum(board.probabilities(EIGHT, state)["r/win?runners=8"]) == pytest.approx(1.0)


def test_runners_have_the_names_with_which_the_market_was_created() -> None:
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
def test_a_market_that_no_race_has_is_refused(
    market_type: str,
    specifiers: tuple[tuple[str, str], ...],
    names: tuple[str, ...] | None,
    message: str,
) -> None:
    with pytest.raises(MarketTypeError, match=message):
        SPORT.market(market_type, specifiers, names)


def test_of_markets_of_two_fields_the_models_own_are_priced() -> None:
    keys = ("r/win?runners=2", "r/win?runners=8", "r/tricast?runners=8")
    chances = SportBoard("race", keys).probabilities(EIGHT, RaceState())
    assert not any(chances[keys[0]])
    assert chances[keys[1]] == pytest.approx(EIGHT.win)
    assert sum(chances[keys[2]]) == pytest.approx(1.0)


def test_the_largest_fields_fill_a_market_and_not_more() -> None:
    for name, runners in (
        ("forecast", 23), ("reverse_forecast", 32), ("tricast", 9), ("reverse_tricast", 15),
    ):  # fmt: skip
        count = len(outcome_names(SPORT, name, (("runners", str(runners)),)))
        assert 450 < count <= OUTCOMES_MAX


# --- settlement ----------------------------------------------------------------------------------


def test_the_first_few_are_placed_and_the_rest_lose() -> None:
    assert settle("win", "", (2, 1, 3, 0)) == {"1": LOST, "2": won(), "3": LOST, "4": LOST}
    assert settle("place", "places=2", (2, 1, 3, 0)) == {
        "1": won(), "2": won(), "3": LOST, "4": LOST
    }  # fmt: skip


def test_a_dead_heat_shares_the_places_it_reaches() -> None:
    three = settle("win", "", (1, 1, 1, 4))
    assert three == {"1": won(1, 3), "2": won(1, 3), "3": won(1, 3), "4": LOST}
    for_second = settle("place", "places=2", (1, 2, 2, 4))
    assert for_second == {"1": won(), "2": won(1, 2), "3": won(1, 2), "4": LOST}
    for_third = settle("place", "places=3", (1, 2, 2, 4))
    assert for_third == {"1": won(), "2": won(), "3": won(), "4": LOST}
    three_for_two = settle("place", "places=3", (1, 2, 2, 2, 5))
    assert three_for_two is not None
    assert three_for_two["2"] == won(2, 3)


def test_forecasts_share_a_dead_heat_too() -> None:
    first = settle("forecast", "", (1, 1, 3))
    assert first == {
        "1-2": won(1, 2), "1-3": LOST, "2-1": won(1, 2), "2-3": LOST, "3-1": LOST, "3-2": LOST
    }  # fmt: skip
    assert settle("reverse_forecast", "", (1, 1, 3)) == {"1+2": won(), "1+3": LOST, "2+3": LOST}
    second = settle("reverse_forecast", "", (1, 2, 2))
    assert second == {"1+2": won(1, 2), "1+3": won(1, 2), "2+3": LOST}


def test_a_non_runner_is_void_and_so_is_what_names_it() -> None:
    assert settle("win", "", (1, 0, 2), (2,)) == {"1": won(), "2": VOID, "3": LOST}
    forecast = settle("forecast", "", (1, 0, 2), (2,))
    assert forecast == {
        "1-2": VOID, "1-3": won(), "2-1": VOID, "2-3": VOID, "3-1": LOST, "3-2": VOID
    }  # fmt: skip


def test_what_the_result_does_not_settle_is_left_to_a_trader() -> None:
    assert settle("win", "", (0, 0, 0)) is None
    assert settle("forecast", "", (1, 0, 0)) is None
    assert settle("tricast", "", (1, 2, 0, 0)) is None
    assert SPORT.results(SPORT.market("win", (("runners", "3"),)), RaceState()) is None
    six = settle("tricast", "", (1,) * 5)
    assert six is not None
    assert six["1-2-3"] == won(1, 60)
    assert settle("tricast", "", (1,) * 6) is None  # A share of 1 in 120 is no dead heat of ours.


def parted(positions: Sequence[int]) -> list[tuple[int, ...]]:
    """Return every order of finish, each runner's place, to which the dead heats can be parted."""
    groups: dict[int, list[int]] = {}
    for runner, position in enumerate(positions):
        if position:
            groups.setdefault(position, []).append(runner)
    ways = product(*(permutations(groups[position]) for position in sorted(groups)))
    return [tuple(runner for group in way for runner in group) for way in ways]


@given(
    ranks=st.lists(st.integers(0, 4), min_size=3, max_size=5),
    name=st.sampled_from(list(TYPES)),
    places=st.integers(1, 3),
)
@settings(max_examples=150, deadline=None)
def test_a_share_is_the_part_of_all_ways_to_part_a_dead_heat(
    ranks: list[int], name: str, places: int
) -> None:
    """A rank of 0 did not finish; equal ranks ran a dead heat."""
    positions = [1 + sum(0 < one < rank for one in ranks) if rank else 0 for rank in ranks]
    row = TYPES[name]
    specifiers = f"places={places}" if row.places is None else ""
    results = settle(name, specifiers, positions)
    ways = parted(positions)
    if len(ways[0]) < row.named or not any(positions):
        assert results is None
        return
    assert results is not None
    reach = row.places or places
    for outcome, result in results.items():
        picks = [int(text) - 1 for text in outcome.replace("+", "-").split("-")]
        wins = 0
        for way in ways:
            if row.kind is Kind.PLACED:
                wins += picks[0] in way[:reach]
            elif row.kind is Kind.ORDERED:
                wins += list(way[:reach]) == picks
            else:
                wins += sorted(way[:reach]) == picks
        share = Fraction(result.dead_heat_num, result.dead_heat_den) if result.won else 0
        assert share == Fraction(wins, len(ways))
