"""Every published settlement, by the kernel and by the twin, in either order of its legs."""

import numpy as np
import pytest

from engine.slips.owed_nb import WORK_I64S, owed_nb
from tests.engine.slips import twin
from tests.engine.slips.published import PUBLISHED
from tests.engine.slips.settled import Published, minor
from tests.engine.slips.twin import TwinBet, TwinLeg, columns_of, rows_of


def owed(legs: list[TwinLeg], bets: list[TwinBet]) -> int:
    work = np.empty(WORK_I64S, np.int64)
    return owed_nb(*columns_of(legs), len(legs), rows_of(bets), 0, len(bets), work)


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case.what)
def test_a_slip_is_paid_what_is_published(case: Published) -> None:
    legs, bets = case.twin_legs(), case.twin_bets()
    assert owed(legs, bets) == minor(case.paid), case.source
    assert twin.owed(legs, bets) == minor(case.paid), case.source
    assert owed(legs[::-1], bets) == minor(case.paid), case.source


def test_there_are_settlements_of_every_kind_and_each_has_a_source() -> None:
    assert len(PUBLISHED) >= 60
    assert all(case.source for case in PUBLISHED)
