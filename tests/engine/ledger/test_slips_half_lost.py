"""How a slip with a half lost leg shows that it ended."""

import pytest

from engine.common.rows import BetResult
from tests.engine.ledger.builders import settle
from tests.engine.ledger.slip_builders import accumulator, leg_settlement
from tests.engine.ledger.test_slips_settle import LOST, SETTLED, VOID, head, held, won


@pytest.mark.parametrize(
    ("other", "paid_minor", "result"),
    [
        (VOID, 50, "HALF_LOST"),
        (won(3_000), 150, "WON"),
        (won(2_000), 100, "WON"),
        (LOST, 0, "LOST"),
    ],
)
def test_a_slip_with_a_half_lost_leg_is_half_lost_where_it_pays_less_than_its_stake(
    other: tuple[int, int], paid_minor: int, result: str
):
    request = accumulator(2_000, 3_000)
    ledger = held(request)
    half = leg_settlement(request.leg(0), 1, 2, result=BetResult.HALF_LOST)
    name = {VOID: BetResult.REFUNDED, LOST: BetResult.LOST}.get(other, BetResult.WON)
    settle(ledger, half, leg_settlement(request.leg(1), *other, result=name))
    assert head(ledger, request) == (SETTLED, BetResult[result], paid_minor, 1)
    ledger.check()
