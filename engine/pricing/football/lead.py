"""The chances of a lead: what paying a bet at a lead costs, for one model and one match state.

Owns the typed interface of the kernel. Never knows a bet or an offer.
"""

from math import floor
from typing import NamedTuple

import numpy as np

from engine.common.early import LEAD_GOALS_MAX
from engine.common.units import Minor
from engine.pricing.football.goal_process_nb import PRICED
from engine.pricing.football.lead_nb import LEAD_COLUMNS, LEAD_SCRATCH, lead_chances_nb
from engine.pricing.football.model import MatchModel, MatchState, pack_model, pack_state


class LeadChances(NamedTuple):
    """The chances of one side, from now on and in ninety minutes."""

    reached: float
    """It is ahead by the lead at some moment; 1 when it is now."""
    reached_not_won: float
    """It is ahead by the lead at some moment, and does not win: what paying a bet on it at the lead
    costs for one unit of payout."""
    won: float
    """It wins, as the board of the same model and state has it."""


def lead_chances(
    model: MatchModel, state: MatchState, *, lead: int
) -> tuple[LeadChances, LeadChances] | None:
    """Return the chances of home and of away to lead by so many goals.

    Leads before now are not known from the state: whoever paid at one knows that.

    Parameters
    ----------
    model : MatchModel
        Rates, dependence and intensity of the match.
    state : MatchState
        Period, clock, goals and red cards so far.
    lead : int
        Goals, 1 to `LEAD_GOALS_MAX`.

    Returns
    -------
    tuple of LeadChances, or None
        None when the model gives the score chance 0 (Dixon and Coles' dependence can do that).

    Raises
    ------
    ValueError
        When the lead is out of bounds.
    """
    if not 1 <= lead <= LEAD_GOALS_MAX:
        raise ValueError(f"lead: 1 to {LEAD_GOALS_MAX} goals, not {lead}")
    chances = np.zeros((2, LEAD_COLUMNS))
    code = lead_chances_nb(
        pack_model(model), pack_state(state), lead, np.zeros(LEAD_SCRATCH), chances
    )
    if code != PRICED:
        return None
    home, away = chances.tolist()
    return LeadChances(*home), LeadChances(*away)


def early_cost(
    model: MatchModel | None,
    state: MatchState,
    *,
    lead: int,
    outcome: int,
    payout_minor: int,
    marked_payout_minor: int,
) -> Minor | None:
    """Return what paying bets on a side early is expected to cost from now on, rounded down.

    Parameters
    ----------
    model : MatchModel or None
        The model; without one there is no expectation.
    state : MatchState
        Period, clock, goals and red cards so far.
    lead : int
        The lead at which bets are paid.
    outcome : int
        The side as an outcome of the full-time result: 0 home, 2 away.
    payout_minor, marked_payout_minor : int
        What the bets pay that have not reached the lead, and those that have.

    Returns
    -------
    Minor or None
        None also for a draw, a lead that is not priced, and a score of chance 0.
    """
    if model is None or outcome not in (0, 2) or lead > LEAD_GOALS_MAX:
        return None
    sides = lead_chances(model, state, lead=lead)
    if sides is None:
        return None
    side = sides[outcome // 2]
    return Minor(
        floor(payout_minor * side.reached_not_won + marked_payout_minor * (1.0 - side.won))
    )
