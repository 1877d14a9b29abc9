"""Figures of slips are those of their heads, and of the legs that were released."""

import numpy as np

from engine.common.reasons import Reason
from engine.common.rows import SlipKind, SlipState
from engine.ledger.rows import SLIP
from simulations.slip_figures import SlipFigures, slip_figures


def rows(*fields):
    made = np.zeros(len(fields), SLIP)
    for row, (bet_id, kind, state, stake, payout, legs, reason) in zip(made, fields, strict=True):
        row["bet_id"], row["kind"], row["state"], row["legs"] = bet_id, kind, state, legs
        row["stake_minor"], row["payout_minor"], row["reason"] = stake, payout, reason
    return made


def test_slips_are_counted_by_their_heads():
    figures = slip_figures(
        rows(
            (1, SlipKind.SINGLE, SlipState.SETTLED, 700, 1_400, 0, 0),
            (10, SlipKind.HEAD, SlipState.SETTLED, 100, 350, 2, 0),
            (11, SlipKind.LEG, SlipState.SETTLED, 100, 7, 1, 0),
            (12, SlipKind.LEG, SlipState.SETTLED, 100, 5, 2, 0),
            (20, SlipKind.HEAD, SlipState.ACCEPTED, 400, 0, 3, 0),
            (30, SlipKind.HEAD, SlipState.REFUSED, 900, 0, 2, Reason.LEG_REFUSED),
            (31, SlipKind.LEG, SlipState.RELEASED, 900, 0, 1, 0),
            (32, SlipKind.LEG, SlipState.REFUSED, 900, 0, 2, Reason.OUTCOME_LIABILITY),
        )
    )
    assert figures == SlipFigures(
        accepted=2,
        refused=1,
        turnover_minor=500,
        payout_minor=350,
        legs=5,
        released=1,
        leg_refusals={Reason.OUTCOME_LIABILITY: 1},
    )
    assert figures.share_of(1_000) == 0.5
    assert figures.share_of(0) == 0.0


def test_a_refused_slip_counts_for_the_first_of_its_refused_legs():
    made = rows(
        (32, SlipKind.LEG, SlipState.REFUSED, 900, 0, 2, Reason.ODDS_CHANGED),
        (21, SlipKind.LEG, SlipState.REFUSED, 900, 0, 1, Reason.OUTCOME_LIABILITY),
        (33, SlipKind.LEG, SlipState.REFUSED, 900, 0, 3, Reason.OUTCOME_LIABILITY),
        (11, SlipKind.LEG, SlipState.REFUSED, 900, 0, 1, Reason.OUTCOME_LIABILITY),
    )
    refusals = {Reason.OUTCOME_LIABILITY: 2, Reason.ODDS_CHANGED: 1}
    assert slip_figures(made).leg_refusals == refusals


def test_singles_alone_have_no_slips():
    only = slip_figures(rows((1, SlipKind.SINGLE, SlipState.SETTLED, 700, 1_400, 0, 0)))
    assert only == SlipFigures(0, 0, 0, 0, 0, 0, {})
