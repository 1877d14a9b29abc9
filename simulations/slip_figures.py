"""Figures of slips of several legs: how many, what was staked and what was paid.

Owns this summary of an account's rows. Never checks them: the audit does.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from engine.common.rows import Rows, SlipKind, SlipState
from engine.common.units import Minor


class SlipFigures(NamedTuple):
    """The slips of several legs; money in minor units.

    `legs` are those of the accepted slips, `released` those of refused slips that their markets had
    accepted. `leg_refusals` counts refused slips by the reason of the first leg that was refused.
    """

    accepted: int
    refused: int
    turnover_minor: Minor
    payout_minor: Minor
    legs: int
    released: int
    leg_refusals: Mapping[int, int]

    def share_of(self, turnover_minor: Minor) -> float:
        """Return the share of a turnover that is theirs, 0 without turnover."""
        return self.turnover_minor / turnover_minor if turnover_minor else 0.0


def slip_figures(slips: Rows) -> SlipFigures:
    """Add up the slips of several legs among SLIP rows of accounts."""
    heads = slips[slips["kind"] == SlipKind.HEAD]
    stand = np.isin(heads["state"], (SlipState.ACCEPTED, SlipState.SETTLED))
    legs = np.sort(slips[slips["kind"] == SlipKind.LEG], order="bet_id")
    refused = legs[legs["state"] == SlipState.REFUSED]
    _, first = np.unique(refused["bet_id"] - refused["legs"], return_index=True)
    reasons, counts = np.unique(refused["reason"][first], return_counts=True)
    return SlipFigures(
        accepted=int(stand.sum()),
        refused=int((heads["state"] == SlipState.REFUSED).sum()),
        turnover_minor=Minor(sum(heads["stake_minor"][stand].tolist())),
        payout_minor=Minor(sum(heads["payout_minor"][stand].tolist())),
        legs=int(heads["legs"][stand].sum()),
        released=int((legs["state"] == SlipState.RELEASED).sum()),
        leg_refusals=dict(zip(reasons.tolist(), counts.tolist(), strict=True)),
    )
