"""The cap at fair: its plain twin, and no arbitrage on what it has capped."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.commands import Quote
from engine.pricing.arbitrage.search import find_arbitrage
from engine.pricing.fair_cap import cap_at_fair
from engine.pricing.football.axes import Scope
from engine.pricing.football.catalogue import full_board
from engine.pricing.football.compiled_markets import CompiledMarkets
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.model import MatchModel, MatchState, Period
from engine.pricing.ladder import LADDERS, Band, Ladder
from engine.pricing.quoting import BookFigures, Margin, Shortfall, quote
from engine.pricing.skew import LogOddsSkew
from tests.engine.pricing.arbitrage.boards import RESULT_MARKETS
from tests.engine.pricing.football.settlement_twin import needs_order, scope_of
from tests.engine.pricing.football.strategies import models, states

PRICES = {
    "exchange": [
        *range(1_010, 2_000, 10), *range(2_000, 3_000, 20), *range(3_000, 4_000, 50),
        *range(4_000, 6_000, 100), *range(6_000, 10_000, 200), *range(10_000, 20_000, 500),
        *range(20_000, 30_000, 1_000), *range(30_000, 50_000, 2_000),
        *range(50_000, 100_000, 5_000), *range(100_000, 1_000_001, 10_000),
    ],
    "cents": [
        *range(1_010, 10_000, 10), *range(10_000, 100_000, 100), *range(100_000, 1_000_001, 1_000)
    ],
    "fine": [
        *range(1_001, 5_000), *range(5_000, 20_000, 10), *range(20_000, 100_000, 100),
        *range(100_000, 10_000_001, 1_000),
    ],
}  # fmt: skip
"""The odds of each ladder, stated anew for the twin."""


def skewed(
    fair: Sequence[float], book: float, nudges: Sequence[float], ladder: Ladder
) -> tuple[Any, Any]:
    """Quote each probability at a book sum, changed by a nudge of its own."""
    odds_milli, offered = np.zeros(len(fair), np.int64), np.zeros(len(fair), np.bool_)
    for k, (probability, nudge) in enumerate(zip(fair, nudges, strict=True)):
        quoted = probability * book * (1.0 + nudge)
        odds_milli[k] = ladder.odds_milli(min(quoted, 0.999999))
        offered[k] = 1e-4 <= probability < 1.0 and quoted < 0.999
    return odds_milli, offered


def board_of(keys: Sequence[str], odds_milli: Any, offered: Any) -> dict[str, Sequence[Quote]]:
    """Return the quotes of each market from the odds of all outcomes."""
    return {
        market.key: [
            Quote(outcome=k - market.first, odds_milli=int(odds_milli[k]), active=bool(offered[k]))
            for k in range(market.first, market.last)
        ]
        for market in CompiledMarkets(keys).markets
    }


def priced(keys: Sequence[str], model: MatchModel, state: MatchState) -> tuple[Any, Any]:
    """Return all fair probabilities, and the index of each market's first."""
    compiled = CompiledMarkets(keys)
    return FixtureBoard(keys).fair(model, state).copy(), compiled.offsets


def capped_twin(
    fair: Sequence[float], offsets: Sequence[int], odds: list[int], offered: list[bool],
    prices: list[int],
) -> None:  # fmt: skip
    """Cap odds at fair by the definition, with a search of the whole ladder."""

    def longest(quoted: float) -> int | None:
        return max(
            (price for price in prices if price * quoted <= 1000 * (1 + 1e-12)), default=None
        )

    for first, last in pairwise(offsets):
        quoted = {k: 1000 / odds[k] for k in range(first, last) if offered[k]}
        for k in list(quoted):
            if odds[k] * fair[k] > 1000 * (1 + 1e-12):
                price = longest(fair[k])
                odds[k] = price or prices[0]
                if price is None:
                    offered[k] = False
                    del quoted[k]
        excess = sum(1000 / odds[k] - quoted[k] for k in quoted)
        margins = {k: max(1000 / odds[k] - fair[k], 0.0) for k in quoted}
        if excess <= 0 or sum(margins.values()) <= 0:
            continue
        kept = max(1 - excess / sum(margins.values()), 0.0)
        for k, margin in margins.items():
            if margin > 0:
                odds[k] = max(odds[k], longest(fair[k] + margin * kept) or 0)


cases = {
    "model": models(),
    "state": states(),
    "book": st.floats(0.98, 1.12),
    "ladder": st.sampled_from(sorted(PRICES)),
    "nudges": st.lists(st.floats(-0.25, 0.25), min_size=24, max_size=24),
}
KEYS = (*RESULT_MARKETS, "m/total?total=2.5")


def drawn_case(
    model: MatchModel, state: MatchState, book: float, ladder: str, nudges: list[float]
) -> tuple[Any, Any, Any, Any]:
    fair, offsets = priced(KEYS, model, state)
    odds_milli, offered = skewed(fair, book, nudges, LADDERS[ladder])
    return fair, offsets, odds_milli, offered


@given(**cases)
@settings(max_examples=80, deadline=None)
def test_the_cap_equals_its_plain_twin(
    model: MatchModel, state: MatchState, book: float, ladder: str, nudges: list[float]
) -> None:
    fair, offsets, odds_milli, offered = drawn_case(model, state, book, ladder, nudges)
    odds, active = odds_milli.tolist(), offered.tolist()
    capped_twin(fair.tolist(), offsets.tolist(), odds, active, PRICES[ladder])
    cap_at_fair(fair, offsets, odds_milli, offered, ladder=LADDERS[ladder])
    assert (odds_milli.tolist(), offered.tolist()) == (odds, active)


@given(**cases)
@settings(max_examples=60, deadline=None)
def test_capped_odds_hold_no_arbitrage(
    model: MatchModel, state: MatchState, book: float, ladder: str, nudges: list[float]
) -> None:
    fair, offsets, odds_milli, offered = drawn_case(model, state, book, ladder, nudges)
    cap_at_fair(fair, offsets, odds_milli, offered, ladder=LADDERS[ladder])
    plan = find_arbitrage(board_of(KEYS, odds_milli, offered))
    # Odds that are fair to the last digit of a float may win by its rounding.
    assert plan is None or plan.return_micro == 1_000_000, plan


@given(**cases)
@settings(max_examples=80, deadline=None)
def test_odds_are_capped_at_fair_on_the_ladder_and_no_book_sum_falls(
    model: MatchModel, state: MatchState, book: float, ladder: str, nudges: list[float]
) -> None:
    fair, offsets, odds_milli, offered = drawn_case(model, state, book, ladder, nudges)
    before, was_offered = odds_milli.copy(), offered.copy()
    above = int((was_offered & (before * fair > 1000.0 * (1 + 1e-12))).sum())
    assert cap_at_fair(fair, offsets, odds_milli, offered, ladder=LADDERS[ladder]) == above
    assert not (offered & ~was_offered).any()
    assert (odds_milli[~was_offered] == before[~was_offered]).all()
    assert np.isin(odds_milli, PRICES[ladder]).all()
    assert (odds_milli[offered] * fair[offered] <= 1000.0 * (1 + 1e-9)).all()
    for first, last in pairwise(offsets):
        still_offered = [k for k in range(first, last) if offered[k]]
        assert sum(1000.0 / odds_milli[k] for k in still_offered) >= sum(
            1000.0 / before[k] for k in still_offered
        ) * (1.0 - 1e-9)
    twice, offered_twice = odds_milli.copy(), offered.copy()
    assert cap_at_fair(fair, offsets, twice, offered_twice, ladder=LADDERS[ladder]) == 0
    assert (twice == odds_milli).all()
    assert (offered_twice == offered).all()


def test_skewed_odds_are_often_an_arbitrage_without_the_cap_and_never_with_it() -> None:
    """Each outcome is skewed on its own by up to 8 per cent, at a margin of 3 per cent."""
    rng = np.random.default_rng(20240611)
    before = after = 0
    for _ in range(120):
        home, away = rng.uniform(0.5, 2.5, 2)
        model = MatchModel(home_rate=float(home), away_rate=float(away))
        fair, offsets = priced(KEYS, model, MatchState())
        ladder = list(LADDERS.values())[int(rng.integers(3))]
        nudges = rng.uniform(-0.08, 0.08, len(fair)).tolist()
        odds_milli, offered = skewed(fair, 1.03, nudges, ladder)
        before += find_arbitrage(board_of(KEYS, odds_milli, offered)) is not None
        cap_at_fair(fair, offsets, odds_milli, offered, ladder=ladder)
        after += find_arbitrage(board_of(KEYS, odds_milli, offered)) is not None
    assert before > 60
    assert after == 0


def test_the_other_outcomes_give_back_what_a_cap_adds_to_the_book_sum() -> None:
    """At a book of 104 per cent a skew moved home to 2.24 where 2.10 is fair; away gives way."""
    fair = np.array((1 / 2.1, 0.3, 0.7 - 1 / 2.1))
    odds_milli = np.array((2_240, 3_150, 3_600), np.int64)
    offered = np.ones(3, np.bool_)
    book = float((1000.0 / odds_milli).sum())
    assert cap_at_fair(fair, np.array((0, 3), np.int64), odds_milli, offered) == 1
    assert odds_milli[0] == 2_100
    assert odds_milli[1] >= 3_150
    assert odds_milli[2] > 3_600
    assert book <= float((1000.0 / odds_milli).sum()) < book + 0.01


def test_an_outcome_with_fair_odds_below_the_ladder_is_withdrawn() -> None:
    fair = np.array((0.995, 0.005))
    odds_milli, offered = np.array((1_010, 100_000), np.int64), np.ones(2, np.bool_)
    assert cap_at_fair(fair, np.array((0, 2), np.int64), odds_milli, offered) == 1
    assert offered.tolist() == [False, True]
    assert odds_milli.tolist() == [1_010, 100_000]


def test_a_full_board_without_margin_holds_no_arbitrage_after_the_cap() -> None:
    """Rounded to the nearest odds without the cap, the same board is an arbitrage."""
    model = MatchModel(home_rate=1.5, away_rate=1.2, dependence=-0.05)
    keys = [
        key
        for key in full_board("m", model=model)
        if scope_of(key) is Scope.REGULAR and not needs_order(key)
    ]  # fmt: skip
    fair, offsets = priced(keys, model, MatchState(period=Period.PRE_MATCH))
    odds_milli, offered = skewed(fair, 1.0, [0.0] * len(fair), LADDERS["exchange"])
    assert find_arbitrage(board_of(keys, odds_milli, offered)) is not None
    cap_at_fair(fair, offsets, odds_milli, offered)
    assert find_arbitrage(board_of(keys, odds_milli, offered)) is None


# --- on a board ----------------------------------------------------------------------------------


def lopsided(outcomes: int, seed: int) -> BookFigures:
    """Return a book with large payouts on some outcomes and none on others."""
    rng = np.random.default_rng(seed)
    payout = rng.integers(0, 3, outcomes) * 400_000
    return BookFigures(stake_minor=payout // 3, payout_minor=payout)


def test_a_skewed_board_holds_no_arbitrage_unless_its_margin_turns_the_cap_off() -> None:
    """Every market is skewed by its own book."""
    board = FixtureBoard(RESULT_MARKETS)
    skew = LogOddsSkew(scale_minor=1_000_000, log_odds_milli_max=400)
    model = MatchModel(home_rate=1.5, away_rate=1.2)
    outcomes = sum(len(board.outcomes(key)) for key in RESULT_MARKETS)
    found = {True: 0, False: 0}
    for seed in range(20):
        for capped in found:
            margin = Margin(book_milli=1_030, capped=capped)
            quoted = board.quotes(model, MatchState(), margin, skew, lopsided(outcomes, seed))
            found[capped] += find_arbitrage(quoted) is not None
    assert found[False] > 10
    assert found[True] == 0


def test_a_book_sum_that_the_cap_moves_out_of_its_limits_is_a_shortfall() -> None:
    """Odds of 10 are skewed to 30; so coarse a ladder has no odds to give the book sum back."""
    ladder = Ladder(first_milli=1_100, bands=(Band(1_200, 100), Band(31_200, 10_000)))
    fair, offsets = np.array((0.9, 0.1)), np.array((0, 2), np.int64)
    skew = LogOddsSkew(scale_minor=1_000, log_odds_milli_max=1_500)
    figures = BookFigures(
        stake_minor=np.array((1_000, 0), np.int64), payout_minor=np.array((9_000, 0), np.int64)
    )
    shortfalls = {}
    for capped in (False, True):
        margin = Margin(book_milli=1_010, book_within_milli=60, capped=capped)
        quoted = quote(
            fair, offsets, np.array((1.0,)), ("win",), margin=margin, ladder=ladder, skew=skew,
            figures=figures,
        )  # fmt: skip
        shortfalls[capped] = Shortfall(int(quoted.shortfalls[0])), quoted.odds_milli.tolist()
    assert shortfalls == {
        False: (Shortfall.NONE, [1_100, 31_200]),
        True: (Shortfall.BOOK, [1_100, 1_200]),
    }
