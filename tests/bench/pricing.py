"""Measure football prices, calibration and margins, beside penaltyblog on the same inputs.

Every measure first checks that both sides give the same answers; its conditions state the largest
difference, and what penaltyblog computes otherwise or not at all. Where ours is the kernel alone on
packed inputs, another measure has the whole Python call.
"""

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from msgspec.structs import replace

from engine.pricing.football.builder.cells import LEG_SETS
from engine.pricing.football.builder.compiled_builders import JointCells
from engine.pricing.football.builder.layout import PATTERN
from engine.pricing.football.builder.legs import parse_leg
from engine.pricing.football.builder.selection import canonical_legs
from engine.pricing.football.builder.sets_nb import chances_nb
from engine.pricing.football.catalogue import full_board
from engine.pricing.football.compiled_markets import CompiledMarkets
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.model import (
    MEASURED_PROCESS,
    MatchModel,
    MatchState,
    Period,
    pack_model,
    pack_state,
)
from engine.pricing.football.model_nb import price_board_nb
from engine.pricing.football.rates import Rates, rates_from_1x2
from engine.pricing.football.scratch import take_scratch
from engine.pricing.margin import Method, remove_margins
from engine.pricing.sport import SportBoard
from engine.pricing.tennis.sport import FORM_SD, TennisModel, TennisState
from simulations.score.tennis import match_board
from tests.bench.table import Row, median_of

RUNS = 7
TENNIS_POINTS = 40
ABSENT = "penaltyblog is not installed: make bench installs it"
AGAINST = "penaltyblog 1.13 (grid and properties)"
TOTALS = [quarters / 4 for quarters in range(5, 19)]
HANDICAPS = [quarters / 4 for quarters in range(-8, 9)]
KEYS = (
    "m/1x2",
    "m/both_teams_to_score",
    *(f"m/total?total={line:g}" for line in TOTALS),
    *(f"m/handicap?hcp={line:g}" for line in HANDICAPS),
)
PRICES = 3 + 1 + 2 * len(TOTALS) + 2 * len(HANDICAPS)
BOARD_PRICES_MIN = 200
MARKETS = 10_000
BUILDERS = {
    5: ("1a,8c1,18b6.5,26a,60b", 20.0),
    12: ("8c2,8a3,9a,10a,16b-2.5,19b4.5,27b,63b,68b3.5,69a0.5,90a1.5,92b2.5", 20.0),
}
"""The codes of a builder's legs by their number, and the goal in microseconds."""


def penaltyblog() -> Any:
    """Return the reference; where it is not installed, print how to install it and return None."""
    if find_spec("penaltyblog") is None:
        print(ABSENT)
        return None
    import penaltyblog as reference

    return reference


def seconds(call: Callable[[], object], *, calls: int) -> float:
    """Return the mean seconds per call."""
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls


def match_models(count: int, *, seed: int = 7, dependence: float = 0.0) -> list[MatchModel]:
    """Return the models of different matches, drawn with a seed."""
    rng = np.random.default_rng(seed)
    return [
        MatchModel(home_rate=home, away_rate=away, dependence=dependence)
        for home, away in rng.uniform(0.6, 2.6, (count, 2)).tolist()
    ]


def reference_prices(reference: Any, model: MatchModel) -> list[float]:
    """Price the 66 outcomes by penaltyblog: one call of its grid for both sides of a line."""
    grid = reference.models.create_dixon_coles_grid(
        model.home_rate, model.away_rate, model.dependence
    )
    prices = [*grid.home_draw_away, grid.btts_yes]
    for line in TOTALS:
        under, push, over = grid.totals(line)
        prices += [over / (1.0 - push), under / (1.0 - push)]
    for line in HANDICAPS:
        chances = grid.asian_handicap_probs("home", line)
        at_risk = 1.0 - chances["push"]
        prices += [chances["win"] / at_risk, chances["lose"] / at_risk]
    return prices


def our_prices(board: FixtureBoard, model: MatchModel) -> np.ndarray:
    """Price the same 66 outcomes; our "no" to both teams scoring is left out, as it has none."""
    fair = board.fair(model, MatchState())
    return np.concatenate((fair[:4], fair[5:]))


def widest_gap(reference: Any, board: FixtureBoard, models: list[MatchModel]) -> float:
    """Return the largest difference of a probability between the two over some matches."""
    return max(
        float(np.abs(our_prices(board, model) - reference_prices(reference, model)).max())
        for model in models
    )


def kernel_seconds(compiled: CompiledMarkets, models: list[MatchModel], state: MatchState) -> float:
    """Return the seconds per kernel call on packed inputs."""
    packed = [pack_model(model) for model in models]
    at = pack_state(state)
    arrays = (compiled.terms, take_scratch(), compiled.features, compiled.chances, compiled.fair)

    def price_all() -> None:
        for model in packed:
            price_board_nb(model, at, compiled.wanted, *arrays)

    return seconds(price_all, calls=200) / len(models)


def fixture_prices() -> list[Row]:
    """Measure the prices of 66 outcomes of a fixture, and of larger boards."""
    reference = penaltyblog()
    if reference is None:
        return []
    board, compiled = FixtureBoard(KEYS), CompiledMarkets(KEYS)
    dependent, independent = match_models(40, dependence=-0.1), match_models(40)
    same = widest_gap(reference, board, independent)
    swapped = widest_gap(reference, board, dependent)
    assert same < 1e-7, same
    state = MatchState()

    def kernel() -> float:
        return 1 / kernel_seconds(compiled, dependent, state)

    def call() -> float:
        call_s = seconds(lambda: [board.fair(model, state) for model in dependent], calls=100)
        return len(dependent) / call_s

    def theirs() -> float:
        call_s = seconds(lambda: [reference_prices(reference, m) for m in dependent], calls=1)
        return len(dependent) / call_s

    ref_median, ref_samples = median_of(theirs, runs=RUNS)
    conditions = (
        f"1x2, both to score, totals and handicaps in quarter steps; {len(dependent)} matches, "
        f"dependence -0.1, median of {RUNS}; probabilities differ by at most {same:.0e} at "
        f"dependence 0 (its grid ends at 15 goals) and by {swapped:.3f} at -0.1, where it swaps "
        f"1:0 and 0:1; one of its calls serves both sides of a line"
    )
    rows = []
    for measure, goal, name, how in (
        (kernel, 500, f"{PRICES} prices of a fixture", "kernel"),
        (call, 250, f"{PRICES} prices of a fixture, from Python objects", "board.fair"),
    ):
        ours_median, samples = median_of(measure, runs=RUNS)
        rows.append(
            Row(
                name, "fixtures/s", ours_median, ref_median, AGAINST, "higher", goal, "ratio",
                f"{how}; {conditions}", samples, ref_samples,
            )
        )  # fmt: skip
    return [*rows, *whole_board(1e6 / ref_median)]


def whole_board(reference_us: float) -> list[Row]:
    """Measure the kernel on the first markets of the default board, and on all of them."""
    model = MatchModel(home_rate=1.6, away_rate=1.3, dependence=-0.1)
    level = MatchState(period=Period.FIRST_HALF, clock_s=600)
    ahead = level.scored(side="home")
    keys = full_board("m", model=model)
    sizes = np.cumsum([len(market.rules.outcomes) for market in CompiledMarkets(keys).markets])
    head = keys[: int(np.searchsorted(sizes, BOARD_PRICES_MIN)) + 1]
    rows = []
    process = replace(model, **MEASURED_PROCESS, draw_factor=1.05)
    for priced, compiled, goal, kind in (
        (model, CompiledMarkets(head), 5.0, "its first markets"),
        (model, CompiledMarkets(keys), 10.0, "all of it"),
        (process, CompiledMarkets(keys), 40.0, "all of it, scoring that depends on the score"),
    ):
        board = FixtureBoard([market.key for market in compiled.markets])

        def both(board: FixtureBoard = board, priced: MatchModel = priced) -> None:
            board.fair(priced, level)
            board.fair(priced, ahead)

        def kernel(compiled: CompiledMarkets = compiled, priced: MatchModel = priced) -> float:
            return 1e6 * kernel_seconds(compiled, [priced] * 20, level)

        median, samples = median_of(kernel, runs=RUNS)
        call_us = 0.5e6 * seconds(both, calls=5_000)
        rows.append(
            Row(
                f"probabilities of a board of {compiled.outcomes} prices"
                f"{', of the goal process' if priced is process else ''}",
                "us",
                median,
                reference_us,
                f"penaltyblog on {PRICES} of them",
                "lower",
                goal,
                "ours",
                f"the default board, {kind}: {len(compiled.markets)} markets with both halves, "
                f"combinations and the order of goals, one kernel call in play, median of {RUNS}; "
                f"{call_us:.1f} us for the Python call with another state each time",
                samples,
            )
        )
    return rows


def calibration() -> list[Row]:
    """Measure the calibration of rates to 1x2 probabilities; check both against their targets."""
    reference = penaltyblog()
    if reference is None:
        return []
    board = FixtureBoard(["m/1x2"])
    targets = [board.fair(model, MatchState()).tolist() for model in match_models(100, seed=11)]

    def ours() -> float:
        call_s = seconds(
            lambda: [rates_from_1x2(home=h, draw=d, away=a, dependence=0.0) for h, d, a in targets],
            calls=20,
        )
        return len(targets) / call_s

    def expectancy(probabilities: list[float], **options: Any) -> Any:
        return reference.models.goal_expectancy(*probabilities, dc_adj=False, **options)

    def theirs() -> float:
        return len(targets) / seconds(lambda: [expectancy(row) for row in targets], calls=1)

    def missed(home: float, away: float, row: list[float]) -> float:
        model = MatchModel(home_rate=home, away_rate=away)
        return float(np.abs(board.fair(model, MatchState()) - row).max())

    gaps: dict[str, list[float]] = {"ours": [], "theirs": [], "tight": []}
    apart = []
    for row in targets:
        found = rates_from_1x2(home=row[0], draw=row[1], away=row[2], dependence=0.0)
        assert isinstance(found, Rates)
        gaps["ours"].append(missed(found.home, found.away, row))
        answer = expectancy(row)
        gaps["theirs"].append(missed(answer["home_exp"], answer["away_exp"], row))
        tight = expectancy(row, minimizer_options={"ftol": 1e-20, "gtol": 1e-14})
        gaps["tight"].append(missed(tight["home_exp"], tight["away_exp"], row))
        apart.append(max(abs(tight["home_exp"] - found.home), abs(tight["away_exp"] - found.away)))
    ours_median, samples = median_of(ours, runs=RUNS)
    ref_median, ref_samples = median_of(theirs, runs=3)
    return [
        Row(
            "calibration from 1x2",
            "fits/s",
            ours_median,
            ref_median,
            "penaltyblog.goal_expectancy",
            "higher",
            300,
            "ratio",
            f"100 markets without margin; the rates' probabilities miss their targets by at most "
            f"{max(gaps['ours']):.0e} (ours, Newton to 1e-12), {max(gaps['theirs']):.0e} (its "
            f"default, which stops when the Brier score no longer changes) and "
            f"{max(gaps['tight']):.0e} (its with tighter tolerances, whose rates differ from ours "
            f"by at most {max(apart):.0e})",
            samples,
            ref_samples,
        )
    ]


def margins() -> list[Row]:
    """Measure the removal of margins from 10,000 markets by the two methods that need a solver."""
    reference = penaltyblog()
    if reference is None:
        return []
    rng = np.random.default_rng(3)
    true = rng.dirichlet((4.0, 2.5, 3.0), MARKETS).clip(0.02)
    quoted = true / true.sum(axis=1, keepdims=True) * rng.uniform(1.02, 1.10, (MARKETS, 1))
    odds = 1.0 / quoted.clip(None, 0.97)
    flat = np.ascontiguousarray(1.0 / odds).ravel()
    offsets = np.arange(0, flat.size + 1, 3)
    rows = []
    for method, name in ((Method.SHIN, "shin"), (Method.ODDS_RATIO, "odds_ratio")):
        lists = odds.tolist()

        def ours(method: Method = method) -> float:
            winners = np.ones(MARKETS)
            return MARKETS / seconds(
                lambda: remove_margins(flat, offsets, winners=winners, methods=method), calls=3
            )

        def loop(name: str = name, lists: list[list[float]] = lists) -> list[list[float]]:
            implied = reference.implied.calculate_implied
            return [implied(row, method=name).probabilities for row in lists]

        moved = remove_margins(flat, offsets, winners=np.ones(MARKETS), methods=method)
        assert not moved.statuses.any()
        started = time.perf_counter()
        answers = loop()
        elapsed_s = time.perf_counter() - started
        apart = float(np.abs(np.array(answers).ravel() - moved.values).max())
        assert apart < 1e-6, apart
        ours_median, samples = median_of(ours, runs=RUNS)
        rows.append(
            Row(
                f"margin removal, {MARKETS:,} markets of 3, {name.replace('_', ' ')}",
                "markets/s",
                ours_median,
                MARKETS / elapsed_s,
                "penaltyblog calculate_implied in a loop",
                "higher",
                200,
                "ratio",
                f"one call for all markets, sums within 1e-12; answers differ by at most "
                f"{apart:.0e}; median of {RUNS}, the loop once",
                samples,
            )
        )
    return rows


def tennis_boards() -> list[Row]:
    """Measure what the form of the day costs: boards with it beside the same boards without."""
    rows = []
    for best_of in (3, 5):
        board = match_board(best_of)
        state = TennisState(best_of=best_of, serving="home")  # type: ignore[arg-type]
        for _ in range(TENNIS_POINTS):
            state = state.point(to=state.serving or "home")
        certain, formed = (
            TennisModel(home_serve=0.66, away_serve=0.62, form_sd=form_sd)
            for form_sd in (0.0, FORM_SD)
        )

        def call(model: TennisModel, board: SportBoard = board, at: TennisState = state) -> float:
            return 1e6 * seconds(lambda: board.fair(model, at), calls=500)

        ours, samples = median_of(lambda model=formed: call(model), runs=RUNS)  # type: ignore[misc]
        without, others = median_of(lambda model=certain: call(model), runs=RUNS)  # type: ignore[misc]
        rows.append(
            Row(
                f"probabilities of a tennis board of {len(board.fair(formed, state))} prices", "us",
                ours, without, "the same board without a form of the day", "lower", 5.0, "ratio",
                f"best of {best_of}, {TENNIS_POINTS} points played and counted, board.fair from "
                f"Python objects, median of {RUNS}", samples, others,
            )
        )  # fmt: skip
    return rows


def builders() -> list[Row]:
    """Measure the price of a bet builder beside the joint cells of its fixture's state."""
    model = MatchModel(home_rate=1.6, away_rate=1.3, dependence=-0.1)
    state = pack_state(MatchState(period=Period.FIRST_HALF, clock_s=600))
    joint, any_order = JointCells(), np.zeros(PATTERN, np.int64)
    rows = []
    for kind, priced in (
        ("", model),
        (", of the goal process", replace(model, **MEASURED_PROCESS, draw_factor=1.05)),
    ):
        packed = pack_model(priced)

        def fill(packed: Any = packed) -> float:
            return 1e6 * seconds(lambda: joint.fill(packed, state, any_order), calls=200)

        cells_us, cells = median_of(fill, runs=RUNS)
        mass = joint.fill(packed, state, any_order)
        for legs, (codes, goal) in BUILDERS.items():
            kept = canonical_legs(map(parse_leg, codes.split(",")))
            assert len(kept) == legs
            sets = np.array([LEG_SETS.row(leg) for leg in kept], np.int64)
            ends, chance = np.array([0, legs], np.int64), np.zeros(1)

            def price(
                sets: Any = sets, ends: Any = ends, mass: float = mass, chance: Any = chance
            ) -> None:
                chances_nb(LEG_SETS.sets, sets, ends, joint.masses, joint.span_masses, mass, chance)

            def kernel(price: Callable[[], None] = price) -> float:
                return 1e6 * seconds(price, calls=2_000)

            median, samples = median_of(kernel, runs=RUNS)
            assert 0.0 < chance[0] < 1.0
            rows.append(
                Row(
                    f"a bet builder of {legs} legs{kind}", "us", median, cells_us,
                    "the joint cells of the state, once for all builders", "lower", goal, "ours",
                    f"legs {codes}, each a set of 65,536 cells (both sides' goals in both halves), "
                    f"the mass of what they have in common: one kernel call in play, median of "
                    f"{RUNS}", samples, cells,
                )
            )  # fmt: skip
    return rows


def pricing() -> list[Row]:
    """Run the measures of pricing."""
    if penaltyblog() is None:
        return [*tennis_boards(), *builders()]
    return [*fixture_prices(), *calibration(), *margins(), *tennis_boards(), *builders()]
