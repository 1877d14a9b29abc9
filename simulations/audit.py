"""Audit markets against accounts: recompute payouts from decisions, slips and results.

Owns its own arithmetic on purpose: it shares no code with the machines that it checks. Never
changes anything, and never stops at the first difference: it counts all of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.common.commands import OutcomeResult
from engine.common.rows import Rows, SlipState
from engine.common.units import OUTCOMES_MAX, Minor
from engine.common.views import LedgerTotals

Ints = npt.NDArray[np.int64]

DIFFERENCES_SHOWN_MAX: Final = 5
"""Bet ids listed for each kind of difference; all bets are counted."""
UNKNOWN: Final = -1
"""Expected payout of a bet for which none is known; it equals no payout."""


class Audit(NamedTuple):
    """The figures of all bets, money in minor units, and the differences found.

    `turnover_minor` is the sum of the stakes of accepted bets, `payout_minor` the sum of all
    payouts; `refusals` counts refused bets by reason number.
    """

    bets: int
    accepted: int
    turnover_minor: Minor
    payout_minor: Minor
    refusals: dict[int, int]
    differences: tuple[str, ...]

    @property
    def hold_minor(self) -> int:
        """Turnover less payouts: what the bookmaker keeps."""
        return self.turnover_minor - self.payout_minor

    @property
    def hold(self) -> float:
        """The share of the turnover that the bookmaker keeps, 0 without turnover."""
        return self.hold_minor / self.turnover_minor if self.turnover_minor else 0.0


def audit(
    records: Rows,
    slips: Rows,
    results: Mapping[int, Sequence[OutcomeResult]] | None = None,
    *,
    expected_payouts_minor: Mapping[int, int] | None = None,
) -> Audit:
    """Compare the markets' decisions with the accounts' slips, bet by bet.

    Parameters
    ----------
    records : Rows
        BET_RECORD rows of all markets (``MarketMachine.bets``), in any order.
    slips : Rows
        SLIP rows of all account shards (``LedgerMachine.slips``), in any order.
    results : mapping, optional
        Results by market number. If given, every accepted bet must be settled with the payout
        computed from the result alone: without cancelled windows and deductions.
    expected_payouts_minor : mapping, optional
        The payout of every accepted bet by bet id, in minor units, for markets with deductions or
        cancelled windows (see `simulations.expected_payouts`). If given, it replaces `results`.

    Returns
    -------
    Audit
        Turnover and refusals from the markets' records, payouts from the accounts' slips.
    """
    records = records[np.argsort(records["bet_id"], kind="stable")]
    slips = slips[np.argsort(slips["bet_id"], kind="stable")]
    accepted = records["reason"] == 0
    found: list[str] = []
    _compare_ids(found, records, slips)
    _, at_record, at_slip = np.intersect1d(records["bet_id"], slips["bet_id"], return_indices=True)
    decided, booked = records[at_record], slips[at_slip]
    _compare_bets(found, decided, booked)
    expected = None
    if expected_payouts_minor is not None:
        ids = decided["bet_id"].tolist()
        expected = np.array([expected_payouts_minor.get(bet, UNKNOWN) for bet in ids], np.int64)
    elif results is not None:
        expected = _payouts(decided, results)
    if expected is not None:
        settled = booked["state"] == SlipState.SETTLED
        wrong = _stands(booked) & (~settled | (booked["payout_minor"] != expected))
        _add(found, "unsettled or paid another amount than expected", booked["bet_id"][wrong])

    reasons, counts = np.unique(records["reason"][~accepted], return_counts=True)
    return Audit(
        bets=len(records),
        accepted=int(accepted.sum()),
        turnover_minor=Minor(_exact_sum(records["stake_minor"][accepted])),
        payout_minor=Minor(_exact_sum(slips["payout_minor"])),
        refusals=dict(zip(reasons.tolist(), counts.tolist(), strict=True)),
        differences=tuple(found),
    )


def _compare_ids(found: list[str], records: Rows, slips: Rows) -> None:
    """Add bets that are missing, repeated or pending; both arrays are sorted by bet id."""
    _add(found, "decided twice", _repeated(records["bet_id"]))
    _add(found, "booked twice", _repeated(slips["bet_id"]))
    _add(found, "decided but not booked", np.setdiff1d(records["bet_id"], slips["bet_id"]))
    _add(found, "booked but not decided", np.setdiff1d(slips["bet_id"], records["bet_id"]))
    _add(found, "still pending", slips["bet_id"][slips["state"] == SlipState.PENDING])


def _compare_bets(found: list[str], decided: Rows, booked: Rows) -> None:
    """Add bets whose record and slip differ, and slips paid although refused or open."""
    for field in ("account_no", "market_no", "outcome", "stake_minor", "odds_milli", "reason"):
        _add(found, f"{field} differs", decided["bet_id"][decided[field] != booked[field]])
    stands = _stands(booked)
    disputed = stands != (decided["reason"] == 0)
    _add(found, "accepted by the market or by the account alone", decided["bet_id"][disputed])
    paid = booked["payout_minor"] != 0
    _add(found, "paid although refused", booked["bet_id"][~stands & paid])
    unsettled = booked["state"] == SlipState.ACCEPTED
    _add(found, "paid although unsettled", booked["bet_id"][unsettled & paid])


def _stands(booked: Rows) -> npt.NDArray[np.bool_]:
    """Return which slips are accepted bets, settled or not."""
    return np.isin(booked["state"], (SlipState.ACCEPTED, SlipState.SETTLED))


def sums_to_zero(totals: Sequence[LedgerTotals]) -> bool:
    """Return whether each currency's six totals add up to zero."""
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
    """Return each bet's payout in minor units, rounded down once; `UNKNOWN` without a result."""
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
        return np.full(len(bets), UNKNOWN, np.int64)
    stake, odds = bets["stake_minor"].astype(np.int64), bets["odds_milli"].astype(np.int64)
    winnings = stake * odds * won[at] * num[at] * (2 - void[at])
    refund = 1_000 * den[at] * stake * void[at]
    payouts: Ints = np.asarray((winnings + refund) // (2_000 * den[at]), np.int64)
    payouts[table[at] != wanted] = UNKNOWN
    return payouts


def _repeated(ids: npt.NDArray[Any]) -> npt.NDArray[Any]:
    repeated: npt.NDArray[Any] = ids[1:][ids[1:] == ids[:-1]]
    return repeated


def _add(found: list[str], difference: str, bets: npt.NDArray[Any]) -> None:
    """Add a difference with its number of bets and the first of their ids, if there are any."""
    if len(bets):
        shown = ", ".join(str(bet) for bet in bets[:DIFFERENCES_SHOWN_MAX].tolist())
        more = ", ..." if len(bets) > DIFFERENCES_SHOWN_MAX else ""
        found.append(f"{difference}: {len(bets)} bets ({shown}{more})")


def _exact_sum(amounts: npt.NDArray[Any]) -> int:
    return sum(amounts.tolist())
