"""The auditor: rebuilds a book from decisions, slips and results alone, and says what differs.

Owns arithmetic of its own on purpose: it shares no code with the machines that it checks. Never
changes anything, and stops at no difference: it counts them all.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.common.commands import OutcomeResult
from engine.common.rows import Rows, SlipState
from engine.common.units import OUTCOMES_MAX
from engine.common.views import LedgerTotals

Ints = npt.NDArray[np.int64]

DIFFERENCES_SHOWN_MAX: Final = 5
"""Bets of each kind of difference that are named; all are counted."""


class Audit(NamedTuple):
    """A book in figures, money in minor units, and what did not agree.

    `turnover_minor` is staked on accepted bets, `payout_minor` what went back to bettors;
    `refusals` counts decisions by reason number.
    """

    bets: int
    accepted: int
    turnover_minor: int
    payout_minor: int
    refusals: dict[int, int]
    differences: tuple[str, ...]

    @property
    def hold_minor(self) -> int:
        """What the house kept."""
        return self.turnover_minor - self.payout_minor

    @property
    def hold(self) -> float:
        """The part of the turnover that the house kept."""
        return self.hold_minor / self.turnover_minor if self.turnover_minor else 0.0


def audit(
    records: Rows,
    slips: Rows,
    results: Mapping[int, Sequence[OutcomeResult]] | None = None,
    *,
    expected_payouts_minor: Mapping[int, int] | None = None,
) -> Audit:
    """Hold every market's decisions against every account's slips, bet by bet.

    Parameters
    ----------
    records : Rows
        BET_RECORD rows of all markets (``MarketMachine.bets``), any order.
    slips : Rows
        SLIP rows of all account shards (``LedgerMachine.slips``), any order.
    results : mapping, optional
        Results by market number. Where given, every accepted bet must be settled and its payout
        is computed anew, of the result alone: no window was cancelled and nothing deducted.
    dues_minor : mapping, optional
        The same where results alone do not say it (deductions, cancelled windows): what every
        accepted bet is owed, by bet id (see dues).

    Returns
    -------
    Audit
        Turnover and refusals by the markets' books, payouts by the accounts'.
    """
    records = records[np.argsort(records["bet_id"], kind="stable")]
    slips = slips[np.argsort(slips["bet_id"], kind="stable")]
    accepted = records["reason"] == 0
    found: list[str] = []
    _name(found, "decided twice", _repeats(records["bet_id"]))
    _name(found, "booked twice", _repeats(slips["bet_id"]))
    _name(found, "decided but not booked", np.setdiff1d(records["bet_id"], slips["bet_id"]))
    pending = slips["state"] == SlipState.PENDING
    _name(found, "booked but not decided", np.setdiff1d(slips["bet_id"], records["bet_id"]))
    _name(found, "still pending", slips["bet_id"][pending])

    _, at_record, at_slip = np.intersect1d(records["bet_id"], slips["bet_id"], return_indices=True)
    decided, booked = records[at_record], slips[at_slip]
    for field in ("account_no", "market_no", "outcome", "stake_minor", "odds_milli", "reason"):
        unlike = decided[field] != booked[field]
        _name(found, f"{field} differs", decided["bet_id"][unlike])
    stands = np.isin(booked["state"], (SlipState.ACCEPTED, SlipState.SETTLED))
    _name(
        found, "accepted here, refused there", decided["bet_id"][stands != (decided["reason"] == 0)]
    )
    paid = booked["payout_minor"] != 0
    _name(found, "paid on a refusal", booked["bet_id"][~stands & paid])
    _name(found, "paid and open", booked["bet_id"][(booked["state"] == SlipState.ACCEPTED) & paid])
    if results is not None or expected_payouts_minor is not None:
        due = (
            np.array(
                [expected_payouts_minor.get(bet, -1) for bet in decided["bet_id"].tolist()],
                np.int64,
            )
            if expected_payouts_minor is not None
            else _payouts(decided, results or {})
        )
        wrong = stands & ((booked["payout_minor"] != due) | (booked["state"] != SlipState.SETTLED))
        _name(found, "not settled, or not as the results say", booked["bet_id"][wrong])

    reasons, counts = np.unique(records["reason"][~accepted], return_counts=True)
    return Audit(
        bets=len(records),
        accepted=int(accepted.sum()),
        turnover_minor=_exact_sum(records["stake_minor"][accepted]),
        payout_minor=_exact_sum(slips["payout_minor"]),
        refusals=dict(zip(reasons.tolist(), counts.tolist(), strict=True)),
        differences=tuple(found),
    )


def sums_to_zero(totals: Sequence[LedgerTotals]) -> bool:
    """Say whether each currency's six figures add up to nothing."""
    return all(
        one.external_minor
        + one.available_minor
        + one.pending_minor
        + one.at_stake_minor
        + one.owed_minor
        + one.house_minor
        == 0
        for one in totals
    )


def _payouts(bets: Rows, results: Mapping[int, Sequence[OutcomeResult]]) -> Ints:
    """Return what each bet is owed: the one rounding, downwards, is of the whole."""
    keys = [
        (no * OUTCOMES_MAX + n, one) for no, each in results.items() for n, one in enumerate(each)
    ]
    keys.sort(key=lambda pair: pair[0])
    table = np.array([key for key, _ in keys], np.int64)
    won = np.array([one.won for _, one in keys], np.int64)
    void = np.array([one.void_halves for _, one in keys], np.int64)
    num = np.array([one.dead_heat_num for _, one in keys], np.int64)
    den = np.array([one.dead_heat_den for _, one in keys], np.int64)
    wanted = bets["market_no"].astype(np.int64) * OUTCOMES_MAX + bets["outcome"]
    at = np.minimum(np.searchsorted(table, wanted), max(len(table) - 1, 0))
    if not len(table):
        return np.full(len(bets), -1, np.int64)
    stake, odds = bets["stake_minor"].astype(np.int64), bets["odds_milli"].astype(np.int64)
    winnings = stake * odds * won[at] * num[at] * (2 - void[at])
    refund = 1_000 * den[at] * stake * void[at]
    due: Ints = np.asarray((winnings + refund) // (2_000 * den[at]), np.int64)
    due[table[at] != wanted] = -1
    return due


def _repeats(ids: npt.NDArray[Any]) -> npt.NDArray[Any]:
    repeated: npt.NDArray[Any] = ids[1:][ids[1:] == ids[:-1]]
    return repeated


def _name(found: list[str], what: str, bets: npt.NDArray[Any]) -> None:
    if len(bets):
        shown = ", ".join(str(bet) for bet in bets[:DIFFERENCES_SHOWN_MAX].tolist())
        more = ", ..." if len(bets) > DIFFERENCES_SHOWN_MAX else ""
        found.append(f"{what}: {len(bets)} bets ({shown}{more})")


def _exact_sum(amounts: npt.NDArray[Any]) -> int:
    return sum(amounts.tolist())
