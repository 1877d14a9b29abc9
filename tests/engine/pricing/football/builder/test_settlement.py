"""Builders are settled by their legs, whatever order these come in."""

from itertools import permutations, product

import pytest

from engine.common.commands import OutcomeResult
from engine.pricing.football.builder.settlement import BuilderResult, VoidRule, settle

W = OutcomeResult(won=True)
L = OutcomeResult(won=False)
V = OutcomeResult(won=False, void_halves=2)


@pytest.mark.parametrize(
    ("legs", "rule", "result", "paid"),
    [
        ((W, W, W), VoidRule.VOID_ALL, W, (0, 1, 2)),
        ((W, L, W), VoidRule.VOID_ALL, L, (0, 1, 2)),
        ((None, L, None), VoidRule.VOID_ALL, L, (0, 1, 2)),
        ((W, None), VoidRule.VOID_ALL, None, (0, 1)),
        ((W, V), VoidRule.VOID_ALL, V, (0, 1)),
        ((L, V), VoidRule.VOID_ALL, V, (0, 1)),
        ((None, V), VoidRule.VOID_ALL, V, (0, 1)),
        ((L, V), VoidRule.LOST_FIRST, L, (0, 1)),
        ((W, V), VoidRule.LOST_FIRST, V, (0, 1)),
        ((None, V), VoidRule.LOST_FIRST, None, (0, 1)),
        ((W, V, W), VoidRule.DROP, W, (0, 2)),
        ((W, V, L), VoidRule.DROP, L, (0, 1, 2)),
        ((None, V), VoidRule.DROP, None, (0, 1)),
        ((V, V), VoidRule.DROP, V, (0, 1)),
    ],
)
def test_a_builder_is_what_its_legs_and_the_void_rule_make_it(
    legs: tuple[OutcomeResult | None, ...],
    rule: VoidRule,
    result: OutcomeResult | None,
    paid: tuple[int, ...],
) -> None:
    assert settle(legs, rule=rule) == BuilderResult(result, paid)


@pytest.mark.parametrize("rule", VoidRule)
def test_the_order_of_legs_changes_nothing(rule: VoidRule) -> None:
    for legs in product((W, L, V, None), repeat=3):
        assert len({settle(order, rule=rule).result for order in permutations(legs)}) == 1


def test_a_void_leg_voids_the_builder_unless_another_rule_is_chosen() -> None:
    assert settle((W, V)).result == V


@pytest.mark.parametrize(
    "part",
    [OutcomeResult(won=True, void_halves=1), OutcomeResult(won=False, void_halves=1),
     OutcomeResult(won=True, dead_heat_den=2)],
)  # fmt: skip
def test_a_leg_won_in_part_is_refused(part: OutcomeResult) -> None:
    with pytest.raises(ValueError, match="never in part"):
        settle((W, part))
