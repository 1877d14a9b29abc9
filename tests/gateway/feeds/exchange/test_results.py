"""Runner statuses give results, and reduction factors deductions, by the exchange's rules."""

from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.commands import DEDUCTIONS_MAX, OutcomeResult
from gateway.feeds.exchange.messages import MarketDefinition
from gateway.feeds.exchange.results import Removal, ResultRules, deductions, results
from tests.gateway.feeds.exchange.builders import definition, runner

RULES = ResultRules()
WON = OutcomeResult(won=True)
LOST = OutcomeResult(won=False)
VOID = OutcomeResult(won=False, void_halves=2)


def closed(*statuses: str, **fields: Any) -> MarketDefinition:
    runners = [runner(i, status) for i, status in enumerate(statuses)]
    return msgspec.convert(definition(*runners, status="CLOSED", **fields), MarketDefinition)


def settled(*statuses: str, **fields: Any) -> tuple[OutcomeResult, ...] | str:
    return results(closed(*statuses, **fields), range(len(statuses)), rules=RULES)


def test_winner_wins_losers_lose_and_withdrawn_are_refunded() -> None:
    found = settled("LOSER", "WINNER", "REMOVED", "REMOVED_VACANT", "HIDDEN", "LOSER")
    assert found == (LOST, WON, VOID, VOID, VOID, LOST)


def test_placed_wins_in_a_place_market_and_loses_in_a_win_market() -> None:
    statuses = ("WINNER", "PLACED", "LOSER")
    assert settled(*statuses, marketType="PLACE", numberOfWinners=2) == (WON, WON, LOST)
    assert settled(*statuses) == (WON, LOST, LOST)


@pytest.mark.parametrize("winners", [2, 3, 64])
def test_more_winners_than_the_one_expected_share_a_dead_heat(winners: int) -> None:
    found = settled(*["WINNER"] * winners, "LOSER", numberOfWinners=1)
    tied = OutcomeResult(won=True, dead_heat_num=1, dead_heat_den=winners)
    assert found == (*[tied] * winners, LOST)


@pytest.mark.parametrize("market_type", ["PLACE", "OTHER_PLACE", "TOP_5_FINISH", "WIN"])
@pytest.mark.parametrize(("winners", "expected"), [(3, 2), (6, 5), (66, 65)])
def test_tie_for_the_last_of_several_places_is_refused_in_every_type(
    market_type: str, winners: int, expected: int
) -> None:
    statuses = (*["WINNER"] * winners, "LOSER")
    found = settled(*statuses, marketType=market_type, numberOfWinners=expected)
    text = f"{winners} winners for {expected} places: the exchange does not say which of them tied"
    assert found == text


@pytest.mark.parametrize("expected", [0, 65, 70])
def test_many_winners_are_no_dead_heat_where_as_many_may_win(expected: int) -> None:
    statuses = (*["WINNER"] * 65, "LOSER")
    found = settled(*statuses, marketType="MAKE_THE_CUT", numberOfWinners=expected)
    assert found == (*[WON] * 65, LOST)


def test_placed_is_no_result_where_several_win_and_the_type_is_not_a_place_market() -> None:
    found = settled("WINNER", "PLACED", "LOSER", marketType="TOP_5_FINISH", numberOfWinners=2)
    assert found == "PLACED in a TOP_5_FINISH market: it is not known whether that wins"


def test_runner_that_is_still_active_leaves_the_market_without_result() -> None:
    assert settled("WINNER", "ACTIVE") == "runner 1 is ACTIVE: closed without its result"


def test_dead_heat_past_the_largest_denominator_is_refused() -> None:
    assert "65 winners" in settled(*["WINNER"] * 65)


def test_race_without_runners_left_is_refunded() -> None:
    assert settled("REMOVED", "REMOVED") == (VOID, VOID)


def test_outcome_that_the_exchange_no_longer_lists_leaves_no_result() -> None:
    assert results(closed("WINNER"), [0, 9], rules=RULES) == (
        "runner 9 is ACTIVE: closed without its result"
    )


# --- deductions -----------------------------------------------------------------------------------


def deducted(*removals: tuple[int, int], place: bool = False) -> list[tuple[int, int, bool]]:
    seen = {i: Removal(at_ns, factor) for i, (at_ns, factor) in enumerate(removals)}
    found = deductions(seen, place=place, rules=RULES)
    return [(one.until_ns, one.keep_milli, one.of_price) for one in found]


def test_one_withdrawal_reduces_the_price_by_its_factor() -> None:
    assert deducted((50, 2_500)) == [(50, 750, True)]


def test_withdrawal_in_a_place_market_reduces_the_winnings() -> None:
    assert deducted((50, 2_500), place=True) == [(50, 750, False)]


def test_earlier_bets_are_reduced_by_every_later_withdrawal() -> None:
    assert deducted((20, 555), (10, 714)) == [(10, 877, True), (20, 945, True)]


def test_withdrawals_of_one_time_are_one_deduction() -> None:
    assert deducted((10, 1_000), (10, 2_000)) == [(10, 720, True)]


def test_small_factors_are_not_applied_in_a_win_market_but_are_in_a_place_market() -> None:
    assert deducted((10, 249)) == []
    assert deducted((10, 250)) == [(10, 975, True)]
    assert deducted((10, 249), place=True) == [(10, 975, False)]
    assert deducted((10, 0), place=True) == []


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(250, 10_000)), max_size=DEDUCTIONS_MAX))
def test_each_deduction_is_the_product_of_its_own_and_all_later_ones(
    removals: list[tuple[int, int]],
) -> None:
    found = deducted(*removals)
    assert [one[0] for one in found] == sorted({at_ns for at_ns, _ in removals})
    for until_ns, keep_milli, _ in found:
        exact = Fraction(1_000)
        for at_ns, factor in removals:
            if at_ns >= until_ns:
                exact *= Fraction(10_000 - factor, 10_000)
        assert abs(keep_milli - exact) <= Fraction(1, 2)


def test_past_the_bound_the_cheapest_withdrawals_are_left_out() -> None:
    removals = [(at_ns, 300 + at_ns) for at_ns in range(1, DEDUCTIONS_MAX + 3)]
    found = deducted(*removals)
    assert len(found) == DEDUCTIONS_MAX
    assert found[0][0] == 3
