"""Which changed odds a slip takes, of each leg or of what the whole slip pays."""

import pytest

from engine.common.reasons import Reason
from tests.gateway.bets.path_shells import BetPathShells
from tests.gateway.bookmaker import BALANCE_MINOR

POLICIES = {
    ("none", "legs", 2_400): Reason.LEG_REFUSED,
    ("higher", "legs", 2_400): Reason.ACCEPTED,
    ("higher", "legs", 2_600): Reason.LEG_REFUSED,
    ("any", "legs", 2_600): Reason.ACCEPTED,
    ("none", "combined", 2_400): Reason.ODDS_CHANGED,
    ("none", "combined", 2_500): Reason.ACCEPTED,
    ("higher", "combined", 2_400): Reason.ACCEPTED,
    ("higher", "combined", 2_600): Reason.ODDS_WORSE,
    ("any", "combined", 2_600): Reason.ACCEPTED,
}
"""By policy, what it is over and the odds seen of a leg that is at 2,500: the slip's reason."""


@pytest.mark.parametrize("case", POLICIES)
async def test_a_policy_holds_for_the_legs_or_for_the_whole(
    shells: BetPathShells, case: tuple[str, str, int]
) -> None:
    policy, over, seen = case
    shells.place_slip("p", ((1, 0, seen), (3, 0, 2_500)), policy=policy, policy_over=over)
    answer = await shells.bettor.slip_answer("p")
    assert answer.reason is POLICIES[case]
    accepted = answer.reason is Reason.ACCEPTED
    assert shells.available_minor() == BALANCE_MINOR - 500 * accepted


async def test_combined_odds_that_are_the_same_pass_though_both_legs_moved(
    shells: BetPathShells,
) -> None:
    legs = ((1, 0, 2_000), (4, 0, 3_125))  # 2,500 and 2,500 now: 6.25 before and after
    shells.place_slip("c", legs, policy="none", policy_over="combined")
    assert (await shells.bettor.slip_answer("c")).state == "accepted"
