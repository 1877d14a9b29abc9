"""Audit markets against accounts: recompute payouts from decisions, slips and results.

Owns its own arithmetic on purpose: it shares no code with the machines that it checks. Never
changes anything, and never stops at the first difference: it counts all of them.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.common.commands import OutcomeResult
from engine.common.ids import BetId, ShardNo, shard_of_bet
from engine.common.rows import Rows, SlipKind, SlipState
from engine.common.units import OUTCOMES_MAX, Minor
from engine.common.views import LedgerTotals
from simulations.expected_slips import Leg, bet_of_row, owed_minor

Ints = npt.NDArray[np.int64]

DIFFERENCES_SHOWN_MAX: Final = 5
"""Bet ids listed for each kind of difference; all bets are counted."""
UNKNOWN: Final = -1
"""Expected payout of a bet for which none is known; it equals no payout."""


class Audit(NamedTuple):
    """The figures of all bets, money in minor units, and the differences found.

    A slip of several legs is one bet. `turnover_minor` is the sum of the stakes of accepted bets,
    `payout_minor` the sum of all payouts; `refusals` counts refused bets by reason number.
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
    slip_bets: Mapping[ShardNo, Rows] | None = None,
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
    slip_bets : mapping, optional
        With `results`, the SLIP_BET rows of each account shard (``LedgerMachine.slip_bets``), from
        which the payouts of slips of several legs are computed.
    expected_payouts_minor : mapping, optional
        The payout of every accepted bet by bet id, in minor units, for markets with deductions or
        cancelled windows (see `simulations.expected_payouts`). If given, it replaces `results`.

    Returns
    -------
    Audit
        Turnover and refusals from the markets' records, those of slips of several legs and all
        payouts from the accounts' slips.
    """
    records = records[np.argsort(records["bet_id"], kind="stable")]
    slips = slips[np.argsort(slips["bet_id"], kind="stable")]
    heads = slips[slips["kind"] == SlipKind.HEAD]
    own = slips[slips["kind"] != SlipKind.HEAD]
    found: list[str] = []
    _compare_ids(found, records, own)
    _add(found, "booked twice", _repeated(heads["bet_id"]))
    _, at_record, at_slip = np.intersect1d(records["bet_id"], own["bet_id"], return_indices=True)
    decided, booked = records[at_record], own[at_slip]
    _compare_bets(found, decided, booked)
    _compare_legs(found, heads, slips)
    singles = booked["kind"] == SlipKind.SINGLE
    paid = np.concatenate([booked[singles], heads])
    expected: Ints | None = None
    if expected_payouts_minor is not None:
        ids = paid["bet_id"].tolist()
        expected = np.array([expected_payouts_minor.get(bet, UNKNOWN) for bet in ids], np.int64)
    elif results is not None:
        expected = np.concatenate(
            [
                _payouts(decided[singles], results),
                slip_payouts_minor(heads, booked, results, slip_bets or {}),
            ]
        )
    if expected is not None:
        settled = paid["state"] == SlipState.SETTLED
        wrong = _stands(paid) & (~settled | (paid["payout_minor"] != expected))
        _add(found, "unsettled or paid another amount than expected", paid["bet_id"][wrong])
    return _audit_of(records[~np.isin(records["bet_id"], _legs(slips)["bet_id"])], slips, found)


def _audit_of(records: Rows, slips: Rows, found: Sequence[str]) -> Audit:
    """Add up the figures; `records` are those of singles."""
    heads = slips[slips["kind"] == SlipKind.HEAD]
    accepted, stand = records["reason"] == 0, _stands(heads)
    refused = np.concatenate([records["reason"][~accepted], heads["reason"][~stand]])
    reasons, counts = np.unique(refused, return_counts=True)
    money = slips[slips["kind"] != SlipKind.LEG]
    turnover = _exact_sum(records["stake_minor"][accepted])
    return Audit(
        bets=len(records) + len(heads),
        accepted=int(accepted.sum() + stand.sum()),
        turnover_minor=Minor(turnover + _exact_sum(heads["stake_minor"][stand])),
        payout_minor=Minor(_exact_sum(money["payout_minor"])),
        refusals=dict(zip(reasons.tolist(), counts.tolist(), strict=True)),
        differences=tuple(found),
    )


def _legs(slips: Rows) -> Rows:
    legs: Rows = slips[slips["kind"] == SlipKind.LEG]
    return legs


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
    stands, is_leg = _stands(booked), booked["kind"] == SlipKind.LEG
    in_market = stands | (is_leg & (booked["state"] == SlipState.RELEASED))
    disputed = in_market != (decided["reason"] == 0)
    _add(found, "accepted by the market or by the account alone", decided["bet_id"][disputed])
    paid = booked["payout_minor"] != 0
    _add(found, "paid although refused", booked["bet_id"][~stands & paid])
    unsettled = booked["state"] == SlipState.ACCEPTED
    _add(found, "paid although unsettled", booked["bet_id"][unsettled & paid])


def _compare_legs(found: list[str], heads: Rows, slips: Rows) -> None:
    """Add slips of several legs whose legs do not stand as they do, and legs without a slip."""
    legs = _legs(slips)
    of = legs["bet_id"] - legs["legs"]
    at = np.searchsorted(heads["bet_id"], of)
    known = np.isin(of, heads["bet_id"])
    _add(found, "a leg without a slip", legs["bet_id"][~known])
    legs, at = legs[known], at[known]
    apart = _stands(legs) != _stands(heads)[at]
    _add(found, "stands or falls without its slip", legs["bet_id"][apart])
    released = (legs["state"] == SlipState.RELEASED) & (legs["charged_minor"] != 0)
    _add(found, "released and still charged", legs["bet_id"][released])
    counts = np.bincount(at, minlength=len(heads))
    _add(found, "has another number of legs", heads["bet_id"][counts != heads["legs"]])
    _add(found, "still pending", heads["bet_id"][heads["state"] == SlipState.PENDING])
    paid = heads["payout_minor"] != 0
    _add(found, "paid although refused", heads["bet_id"][~_stands(heads) & paid])
    unsettled = heads["state"] == SlipState.ACCEPTED
    _add(found, "paid although unsettled", heads["bet_id"][unsettled & paid])


def slip_payouts_minor(
    heads: Rows,
    slips: Rows,
    results: Mapping[int, Sequence[OutcomeResult]],
    slip_bets: Mapping[ShardNo, Rows],
) -> Ints:
    """Return what each slip of several legs is owed by the results, in minor units.

    Parameters
    ----------
    heads, slips : Rows
        SLIP rows: the heads, and rows among which their legs are.
    results : mapping
        Results by market number.
    slip_bets : mapping
        The SLIP_BET rows of each account shard.

    Returns
    -------
    Ints
        By head; `UNKNOWN` where a leg, its result or the bets are missing.
    """
    legs = {int(row["bet_id"]): row for row in _legs(slips)}
    payouts = np.full(len(heads), UNKNOWN, np.int64)
    for number, head in enumerate(heads):
        bet_id, first = int(head["bet_id"]), int(head["bets_first"])
        rows = [legs.get(bet_id + place) for place in range(1, int(head["legs"]) + 1)]
        bets = slip_bets.get(shard_of_bet(BetId(bet_id)), ())[first : first + int(head["bets"])]
        if None not in rows and len(bets):
            owed = owed_minor([_leg(row, results) for row in rows], map(bet_of_row, bets))
            payouts[number] = UNKNOWN if owed is None else owed
    return payouts


def _leg(row: Any, results: Mapping[int, Sequence[OutcomeResult]]) -> Leg:
    """Return a leg with what it gives back by its market's results."""
    each, back = results.get(int(row["market_no"]), ()), None
    if int(row["outcome"]) < len(each):
        result = each[int(row["outcome"])]
        void = Fraction(result.void_halves, 2)
        tie = Fraction(result.dead_heat_num, result.dead_heat_den)
        odds = Fraction(int(row["odds_milli"]), 1_000)
        back = void + (1 - void) * (odds * tie if result.won else 0)
    return Leg(int(row["position"]), int(row["event"]), back)


def _stands(booked: Rows) -> npt.NDArray[np.bool_]:
    """Return which slips are accepted bets, settled or not."""
    return np.isin(booked["state"], (SlipState.ACCEPTED, SlipState.SETTLED))


def sums_to_zero(totals: Sequence[LedgerTotals]) -> bool:
    """Return whether each currency's seven totals add up to zero."""
    return all(
        one.external_minor
        + one.available_minor
        + one.pending_minor
        + one.at_stake_minor
        + one.owed_minor
        + one.house_minor
        + one.offers_minor
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
