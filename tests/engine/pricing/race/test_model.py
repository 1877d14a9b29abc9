"""Finishing orders: kernels against plain twins, and formulas against simulated races."""

from itertools import permutations
from math import factorial, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.pricing.race.model import (
    RUNNERS_MAX,
    SETS_MAX,
    Floats,
    Order,
    Places,
    RaceModel,
    RaceState,
    forecasts,
    order_chance,
    place_weights,
    places_max,
    tricasts,
)

FIELD = (0.34, 0.22, 0.15, 0.11, 0.08, 0.06, 0.04)
HARVILLE = RaceModel(win=FIELD, order=Order.HARVILLE)


@st.composite
def races(draw: st.DrawFn, most: int = 6) -> RaceModel:
    weights = draw(st.lists(st.floats(0.02, 1.0), min_size=1, max_size=most))
    powers = draw(st.lists(st.floats(0.2, 1.6), max_size=4))
    return RaceModel(
        win=tuple(weight / sum(weights) for weight in weights),
        order=draw(st.sampled_from(Order)),
        powers=(1.0, *powers) if powers else (),
        place_cap=draw(st.none() | st.floats(0.01, 1.0)),
    )


def placed(model: RaceModel, places: int) -> Floats:
    return Places(runners=len(model.win), places=places).chances(np.array(model.win), model)


DISCOUNTS = {
    "measured": (1.0, 0.864, 0.749, 0.642),
    "harville": (1.0,),
    "stern": (1.0, 0.88, 0.81, 0.76, 0.71, 0.67),
    "henery": (1.0, 0.76, 0.62, 0.56, 0.49, 0.44),
}
"""Powers by place: those of 8,231 races; Stern's and Henery's second and third are those of Lo and
Bacon-Shone (1994)."""
CAPS = {"measured": 0.30}


def order_twin(model: RaceModel, order: tuple[int, ...]) -> float:
    """Draw each place among the runners left, in proportion to a power of the chances to win."""
    powers = model.powers or DISCOUNTS[model.order.value]
    cap = model.place_cap
    if cap is None:
        cap = 1.0 if model.powers else CAPS.get(model.order.value, 1.0)
    left = list(range(len(model.win)))
    chance = 1.0
    for place, runner in enumerate(order):
        power = powers[min(place, len(powers) - 1)]
        win = [min(one, cap) if place else one for one in model.win]
        chance *= win[runner] ** power / sum(win[k] ** power for k in left)
        left.remove(runner)
    return chance


@given(model=races())
@settings(max_examples=40, deadline=None)
def test_the_chance_of_a_place_is_the_sum_over_all_orders(model: RaceModel) -> None:
    runners = len(model.win)
    expected = np.zeros((runners, runners))
    for order in permutations(range(runners)):
        chance = order_twin(model, order)
        for place, runner in enumerate(order):
            expected[place, runner] += chance
    for places in range(1, runners + 1):
        assert placed(model, places) == pytest.approx(expected[:places], abs=1e-12)


@given(model=races())
@settings(max_examples=40, deadline=None)
def test_forecasts_and_tricasts_equal_their_plain_twin(model: RaceModel) -> None:
    win, runners = np.array(model.win), range(len(model.win))
    if len(runners) >= 2:
        pairs = forecasts(win, model)
        for order in permutations(runners, 2):
            assert pairs[order] == pytest.approx(order_twin(model, order), rel=1e-12)
        assert pairs.sum() == pytest.approx(1.0)
        assert not pairs.diagonal().any()
    if len(runners) >= 3:
        triples = tricasts(win, model)
        for order in permutations(runners, 3):
            assert triples[order] == pytest.approx(order_twin(model, order), rel=1e-12)
            named = tuple(runner + 1 for runner in order)
            assert order_chance(model, named) == pytest.approx(triples[order], rel=1e-12)
        assert triples.sum() == pytest.approx(1.0)


@given(model=races(most=9))
@settings(max_examples=30, deadline=None)
def test_the_chances_of_each_place_and_of_each_runner_add_up_to_1(model: RaceModel) -> None:
    everywhere = placed(model, len(model.win))
    assert everywhere.sum(axis=0) == pytest.approx(np.ones(len(model.win)))
    assert everywhere.sum(axis=1) == pytest.approx(np.ones(len(model.win)))
    assert everywhere[0] == pytest.approx(model.win)


def test_harvilles_formula_in_three_runners() -> None:
    """.5, .3, .2: the second favourite is second with .5 * .3/.5 + .2 * .3/.8."""
    model = RaceModel(win=(0.5, 0.3, 0.2), order=Order.HARVILLE)
    assert order_chance(model, (1, 2)) == pytest.approx(0.3)
    assert order_chance(model, (3, 2, 1)) == pytest.approx(0.2 * 0.3 / 0.8)
    assert placed(model, 2)[1, 1] == pytest.approx(0.3 + 0.075)


def test_forty_runners_have_tricasts_and_five_places() -> None:
    rng = np.random.default_rng(7)
    win = rng.dirichlet(np.ones(RUNNERS_MAX))
    model = RaceModel(win=tuple((win / win.sum()).tolist()), order=Order.HENERY)
    triples = tricasts(np.array(model.win), model)
    five = placed(model, 5)
    assert places_max(RUNNERS_MAX) == 5
    assert five.sum(axis=1) == pytest.approx(np.ones(5))
    assert five[1] == pytest.approx(forecasts(np.array(model.win), model).sum(axis=0))
    assert five[2] == pytest.approx(triples.sum(axis=(0, 1)))


def test_the_number_of_places_is_bounded_by_the_sets_of_runners() -> None:
    assert [places_max(runners) for runners in (1, 2, 17, 18, 40)] == [1, 2, 17, 9, 5]
    assert SETS_MAX == 2**17
    with pytest.raises(ValueError, match="from 1 to 5 of 40 runners"):
        Places(runners=40, places=6)


# --- simulated races -----------------------------------------------------------------------------


def share(order: Floats, *runners: int) -> float:
    """Return the share of the simulated races in which these runners are first, second, ..."""
    return float(np.all(order[:, : len(runners)] == runners, axis=1).mean())


def test_harville_is_the_order_of_exponential_times() -> None:
    rng = np.random.default_rng(20240601)
    count = 200_000
    times = rng.exponential(size=(count, len(FIELD))) / np.array(FIELD)
    order = np.argsort(times, axis=1)
    for named in ((0,), (1, 0), (0, 1, 2), (3, 0, 5), (6, 5, 4)):
        chance = order_chance(HARVILLE, tuple(runner + 1 for runner in named))
        assert share(order, *named) == pytest.approx(chance, abs=5 * sqrt(chance / count))
    four = placed(HARVILLE, 4)
    for runner in range(len(FIELD)):
        for place in range(4):
            assert float((order[:, place] == runner).mean()) == pytest.approx(
                four[place, runner], abs=0.006
            )


SHAPE = 4
GRID = 2_001


def gamma_race(rates: Floats) -> tuple[Floats, Floats, Floats]:
    """Return densities and survivals of gamma times of shape 4 on a grid, and the grid."""
    times = np.linspace(0.0, 16.0 * SHAPE / float(rates.max()), GRID)
    scaled = times[None, :] * rates[:, None]
    terms = [scaled**k / factorial(k) for k in range(SHAPE)]
    survival = np.exp(-scaled) * sum(terms)
    density = rates[:, None] * np.exp(-scaled) * scaled ** (SHAPE - 1) / factorial(SHAPE - 1)
    return density, survival, times


def normal_race(means: Floats) -> tuple[Floats, Floats, Floats]:
    """Return densities and survivals of normal times of variance 1 on a grid, and the grid."""
    times = np.linspace(float(means.min()) - 8.0, float(means.max()) + 8.0, GRID)
    density = np.exp(-0.5 * (times[None, :] - means[:, None]) ** 2) / sqrt(2.0 * np.pi)
    step = times[1] - times[0]
    cumulative = np.cumsum(density, axis=1) * step - 0.5 * density * step
    return density, 1.0 - cumulative, times


def exact(density: Floats, survival: Floats, times: Floats) -> tuple[Floats, Floats, Floats]:
    """Integrate over the times the chances to be first, first two, and first three in order."""
    runners, step = len(density), times[1] - times[0]
    nobody = np.prod(survival, axis=0)
    first = np.zeros(runners)
    second = np.zeros((runners, runners))
    third = np.zeros((runners, runners, runners))
    for i in range(runners):
        others = np.prod(np.delete(survival, i, axis=0), axis=0)
        first[i] = (density[i] * others).sum() * step
        for j in range(runners):
            if j == i:
                continue
            others = np.prod(np.delete(survival, [i, j], axis=0), axis=0)
            second[i, j] = (density[j] * (1.0 - survival[i]) * others).sum() * step
            ahead = np.cumsum(density[j] * (1.0 - survival[i])) * step
            for k in range(runners):
                if k not in (i, j):
                    others = np.prod(np.delete(survival, [i, j, k], axis=0), axis=0)
                    third[i, j, k] = (density[k] * ahead * others).sum() * step
    assert nobody[-1] < 1e-6
    return first, second, third


CHECKED = {
    Order.STERN: (gamma_race, np.array((1.45, 1.25, 1.1, 1.0, 0.92, 0.85, 0.78, 0.7))),
    Order.HENERY: (normal_race, np.array((-0.75, -0.45, -0.2, 0.0, 0.15, 0.3, 0.5, 0.7))),
}


@pytest.mark.parametrize("order", CHECKED)
def test_discounted_orders_are_nearer_the_exact_ones_than_harvilles(order: Order) -> None:
    """The discount is an approximation; the bounds are its errors summed over pairs and triples."""
    race, parameters = CHECKED[order]
    first, second, third = exact(*race(parameters))
    assert first.sum() == pytest.approx(1.0, abs=2e-3)
    win = first / first.sum()
    discounted = RaceModel(win=tuple(win.tolist()), order=order)
    plain = RaceModel(win=tuple(win.tolist()), order=Order.HARVILLE)

    def gap(exactly: Floats, model: RaceModel) -> float:
        priced = forecasts(win, model) if exactly.ndim == 2 else tricasts(win, model)
        return float(np.abs(priced - exactly).sum())

    for exactly, near in ((second, 0.012), (third, 0.03)):
        assert gap(exactly, discounted) < near
        assert gap(exactly, plain) > 4.0 * gap(exactly, discounted)


@pytest.mark.parametrize("order", CHECKED)
def test_the_exact_integrals_agree_with_simulated_races(order: Order) -> None:
    race, parameters = CHECKED[order]
    first, second, third = exact(*race(parameters))
    rng = np.random.default_rng(8)
    count = 150_000
    shape = (count, len(parameters))
    times = (
        rng.gamma(SHAPE, size=shape) / parameters
        if order is Order.STERN
        else parameters + rng.normal(size=shape)
    )
    run = np.argsort(times, axis=1)
    for named, chance in (
        ((0,), first[0]), ((7,), first[7]), ((0, 1), second[0, 1]), ((6, 2), second[6, 2]),
        ((0, 1, 2), third[0, 1, 2]), ((2, 0, 5), third[2, 0, 5]),
    ):  # fmt: skip
        assert share(run, *named) == pytest.approx(chance, abs=5 * sqrt(chance / count) + 2e-4)


def test_a_favourite_is_placed_less_often_than_by_harville() -> None:
    """The discounts correct Harville: a favourite that does not win is often further back."""
    by_order = {
        order: float(placed(RaceModel(win=FIELD, order=order), 3).sum(axis=0)[0]) for order in Order
    }
    assert by_order[Order.HARVILLE] > by_order[Order.STERN] > by_order[Order.MEASURED]
    assert by_order[Order.STERN] > by_order[Order.HENERY]


def simulated_fields(concentration: float) -> list[Floats]:
    """Return chances to win in fields of 8 to 14 runners whose favourite has more than .35."""
    rng = np.random.default_rng(12)
    fields: list[Floats] = []
    while len(fields) < 120:
        win = rng.dirichlet(np.full(int(rng.integers(8, 15)), concentration))
        if win.max() > 0.35 and win.min() > 1e-6:
            fields.append(win)
    return fields


@pytest.mark.parametrize("concentration", [0.9, 1.2])
def test_strong_favourites_are_placed_as_seldom_as_in_8231_races(concentration: float) -> None:
    """Favourites above .35 were placed .760 where Stern's order said .815."""

    def said(order: Order) -> float:
        chances = []
        for win in simulated_fields(concentration):
            model = RaceModel(win=tuple((win / win.sum()).tolist()), order=order)
            chances.append(placed(model, 3).sum(axis=0)[win.argmax()])
        return float(np.mean(chances))

    assert said(Order.STERN) == pytest.approx(0.815, abs=0.02)
    assert said(Order.STERN) - said(RaceModel(win=(1.0,)).order) == pytest.approx(0.055, abs=0.0125)


def test_a_runner_above_the_cap_counts_as_one_at_the_cap_in_the_further_places() -> None:
    model = RaceModel(win=(0.6, 0.2, 0.2), order=Order.HARVILLE, place_cap=0.2)
    first = (0.6, 0.2, 0.2)
    assert placed(model, 1)[0] == pytest.approx(first)
    assert order_chance(model, (2, 1)) == pytest.approx(0.2 * 0.5)
    assert order_chance(model, (1, 2)) == pytest.approx(0.6 * 0.5)


def test_the_cap_is_a_share_of_the_runners_left() -> None:
    """A withdrawn runner's chance goes to the others before the cap applies."""
    model = RaceModel(win=(0.25, 0.15, 0.10, 0.5))
    left = np.array(model.win[:3])
    assert place_weights(left, model, 2) == pytest.approx(place_weights(2.0 * left, model, 2))
    assert place_weights(left, model, 2)[1, 0] == pytest.approx(0.30**0.864)


# --- models and states ---------------------------------------------------------------------------


def test_the_powers_of_a_model_replace_those_of_its_order() -> None:
    model = RaceModel(win=(0.5, 0.3, 0.2), order=Order.HENERY)
    rows = place_weights(np.array(model.win), model, 8)
    assert rows[1] == pytest.approx(np.array(model.win) ** 0.76)
    assert rows[7] == pytest.approx(rows[5])
    own = RaceModel(win=(0.5, 0.3, 0.2), powers=(1.0, 0.5))
    assert place_weights(np.array(own.win), own, 3)[2] == pytest.approx(np.sqrt(own.win))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"win": ()}, "win: from 1"), ({"win": (0.1,) * 41}, "win: from 1 to 40"),
        ({"win": (0.5, 0.4)}, "add up"), ({"win": (1.0, 0.0)}, "win: each"),
        ({"win": (1.5, -0.5)}, "win: each"), ({"win": (float("nan"), 0.5)}, "win: each"),
        ({"win": (0.5, 0.5), "powers": (0.9,)}, "the first is 1"),
        ({"win": (0.5, 0.5), "powers": (1.0, 0.0)}, "powers: at most"),
        ({"win": (0.5, 0.5), "powers": (1.0,) * 9}, "powers: at most 8"),
        ({"win": (0.5, 0.5), "place_cap": 0.0}, "place_cap: from 0.01"),
        ({"win": (0.5, 0.5), "place_cap": 1.5}, "place_cap: from 0.01 to 1"),
        ({"win": (0.5, 0.5), "place_cap": float("nan")}, "place_cap: from 0.01"),
    ],
)  # fmt: skip
def test_an_impossible_model_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RaceModel(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"withdrawn": (2, 1)}, "withdrawn: each"), ({"withdrawn": (1, 1)}, "withdrawn: each"),
        ({"withdrawn": (0,)}, "withdrawn: runners"), ({"withdrawn": (41,)}, "withdrawn: runners"),
        ({"positions": (2, 3)}, "positions: one more"), ({"positions": (1, 1, 2)}, "one more"),
        ({"positions": (1, 3)}, "one more"), ({"positions": (0,) * 41}, "positions: at most 40"),
        ({"positions": (1, 2), "withdrawn": (2,)}, "runner 2 was withdrawn"),
    ],
)  # fmt: skip
def test_an_impossible_state_is_refused(fields: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RaceState(**fields)


def test_an_order_holds_runners_of_the_race_once_each() -> None:
    for order in ((1, 1), (8,), (0,)):
        with pytest.raises(ValueError, match="different runners from 1 to 7"):
            order_chance(HARVILLE, order)
    assert order_chance(HARVILLE, ()) == 1.0
