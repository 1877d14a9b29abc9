"""The kernels of slips and the oracle, which share no code, agree on every slip."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.common.rows import SLIP_BET
from engine.common.units import STAKE_MINOR_MAX
from engine.slips.lines_nb import LEGS_MAX, STEPS, STEPS_MAX, count_lines_nb
from engine.slips.owed_nb import OPEN, PAYOUT_OVER, WORK_I64S, owed_nb, running_nb
from simulations.expected_slips import Leg, SlipBet, charges_minor, lines_of, owed_minor

OPEN_LEG, LOST, VOID, HALF_LOST = (0, 0), (0, 1), (1, 1), (1, 2)
BACKS = st.one_of(
    st.sampled_from([OPEN_LEG, OPEN_LEG, LOST, VOID, HALF_LOST]),
    st.tuples(st.integers(1_001, 10_000_000), st.just(1_000)),
    st.tuples(st.integers(1, 10**9), st.integers(1, (1 << 32) - 1)),
)
LEGS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([0, 1, 2, 3, 4, 5, 6, 6, 62]), BACKS),
    min_size=1,
    max_size=8,
)
BETS = st.lists(
    st.tuples(
        st.sampled_from([1, 7, 100, 12_345, STAKE_MINOR_MAX]),
        st.sets(st.integers(0, 5), min_size=1),
        st.sets(st.integers(0, 5), max_size=2),
        st.sets(st.integers(1, 6), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=3,
)


@given(legs=LEGS, bets=BETS)
def test_kernels_and_oracle_agree_on_lines_payouts_and_charges(legs, bets) -> None:
    count = len(legs)
    work = np.zeros(WORK_I64S, np.int64)
    positions, events = np.zeros((2, LEGS_MAX), np.uint8)
    nums, dens = np.zeros((2, LEGS_MAX), np.int64)
    for at, (position, event, back) in enumerate(legs):
        positions[at], events[at] = position, event
        nums[at], dens[at] = back
    shape = [Leg.of(position, event, *back) for position, event, back in legs]
    oracle, rows = [], np.zeros(len(bets), SLIP_BET)
    for row, (stake, over, bankers, sizes) in zip(rows, bets, strict=True):
        always = tuple(sorted(bankers & over))
        bet = SlipBet(stake, tuple(sorted(over)), tuple(sorted(sizes)), always)
        oracle.append(bet)
        row["stake_minor"] = stake
        for name in ("positions", "sizes", "bankers"):
            row[name] = sum(1 << bit for bit in getattr(bet, name))
        with_leg = np.zeros(LEGS_MAX, np.int64)
        work[STEPS] = STEPS_MAX
        lines = list(lines_of(shape, bet))
        assert count_lines_nb(positions, events, count, row, with_leg, work) == len(lines)
        assert with_leg[:count].tolist() == [sum(at in one for one in lines) for at in range(count)]

    slip = (positions, events, nums, dens, count, rows, 0, len(rows))
    owed = owed_minor(shape, oracle)
    assert owed_nb(*slip, work) == (OPEN if owed is None else min(owed, PAYOUT_OVER))

    charges = np.full(LEGS_MAX, -7, np.int64)
    running_nb(*slip, charges, work)
    due = [
        -7 if charge is None else min(charge, STAKE_MINOR_MAX)
        for charge in charges_minor(shape, oracle)
    ]
    assert charges[:count].tolist() == due
