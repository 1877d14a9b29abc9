"""The bets of one step of a headless match as rows: reservations, and then bets for the markets.

Owns the layout of a batch: singles first, then each slip's head and its legs. Never decides a bet.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.common.rows import (
    BET,
    FLAG_HEAD,
    FLAG_LEG,
    FLAG_LEG_OF_SLIP,
    LEG_RESERVATION,
    RESERVATION,
    SLIP_BET,
    Policy,
    Rows,
    SlipState,
)
from engine.slips.checks import CheckedSlip, check_slip
from simulations.crowd import Orders
from simulations.crowd_slips import SlipOrder

BETS_MAX: Final = 10_000_000
"""Bets of one simulated match."""
_TENS: Final = 10 ** np.arange(7, -1, -1)
"""Powers of ten that give the eight decimal digits of a bet's ref."""

assert BETS_MAX < 10**8


class _PlacedSlip(NamedTuple):
    account_no: int
    slip: SlipOrder
    checked: CheckedSlip


class Batch:
    """Bets to be placed together.

    Parameters
    ----------
    first_ref : int
        The number that is the ref of the first bet; the others follow.
    """

    def __init__(self, first_ref: int = 0) -> None:
        self._first_ref = first_ref
        self._slips: list[_PlacedSlip] = []
        self._orders: list[tuple[Orders, npt.NDArray[np.uint32]]] = []
        self._reservations: Rows = np.zeros(0, RESERVATION)

    @property
    def next_ref(self) -> int:
        """The number of the ref after the last bet's."""
        singles = sum(len(accounts) for _, accounts in self._orders)
        return self._first_ref + singles + len(self._slips)

    def add_orders(self, orders: Orders, accounts: npt.NDArray[np.uint32]) -> None:
        """Add singles, each with its account."""
        self._orders.append((orders, accounts))

    def add_slip(self, slip: SlipOrder, account_no: int) -> None:
        """Add a slip of several legs."""
        checked = check_slip(slip.legs, slip.bets)
        assert isinstance(checked, CheckedSlip), (slip, checked)
        self._slips.append(_PlacedSlip(account_no, slip, checked))

    def rows(self) -> tuple[Rows, Rows]:
        """Return the RESERVATION rows, and the SLIP_BET rows of the slips."""
        parts = [_single_rows(orders, accounts) for orders, accounts in self._orders]
        parts += [_slip_rows(placed) for placed in self._slips]
        rows: Rows = np.concatenate([np.zeros(0, RESERVATION), *parts])
        own = rows["flags"] != FLAG_LEG_OF_SLIP
        numbers = np.arange(self._first_ref, self.next_ref)[:, np.newaxis]
        digits = (numbers // _TENS % 10 + ord("0")).astype(np.uint8)
        rows["ref"][own, 0] = digits.view("<u8")[:, 0]
        self._reservations = rows
        bets = [placed.checked.rows for placed in self._slips]
        return rows, np.concatenate([np.zeros(0, SLIP_BET), *bets])

    def refusals(self, answers: Rows) -> dict[int, int]:
        """Return how many bets the account refused, by reason; a slip of several legs is one."""
        own = self._reservations["flags"] != FLAG_LEG_OF_SLIP
        refused = answers["reason"][own & (answers["reason"] != 0)]
        reasons, counts = np.unique(refused, return_counts=True)
        return dict(zip(reasons.tolist(), counts.tolist(), strict=True))

    def bets(self, answers: Rows) -> Rows:
        """Return the BET rows of what the account has reserved: singles, and the legs of slips."""
        asked = self._reservations
        sent = (answers["state"] == SlipState.PENDING) & (asked["flags"] != FLAG_HEAD)
        asked, answers = asked[sent], answers[sent]
        bets: Rows = np.zeros(len(answers), BET)
        for field in ("bet_id", "rate_micro"):
            bets[field] = answers[field]
        for field in ("stake_minor", "account_no", "market_no", "odds_milli", "outcome", "policy"):
            bets[field] = asked[field]
        legs = asked["flags"] == FLAG_LEG_OF_SLIP
        bets["stake_minor"][legs] = answers["stake_max_minor"][legs]
        bets["flags"][legs] = FLAG_LEG
        return bets


def _single_rows(orders: Orders, accounts: npt.NDArray[np.uint32]) -> Rows:
    rows: Rows = np.zeros(len(accounts), RESERVATION)
    rows["account_no"] = accounts
    for field in ("market_no", "outcome", "stake_minor", "odds_milli", "policy"):
        rows[field] = getattr(orders, field)
    return rows


def _slip_rows(placed: _PlacedSlip) -> Rows:
    """Return the reservations of a slip: its head, then its legs."""
    slip = placed.slip
    rows: Rows = np.zeros(1 + len(slip.legs), RESERVATION)
    rows["account_no"] = placed.account_no
    head = rows[0]
    head["stake_minor"] = placed.checked.stake_minor
    head["market_no"], head["outcome"] = len(slip.bets), len(slip.legs)
    head["policy"], head["flags"] = slip.policy, FLAG_HEAD
    legs = rows[1:].view(LEG_RESERVATION)
    legs["policy"] = slip.policy if slip.policy <= Policy.ANY else Policy.ANY
    legs["flags"] = FLAG_LEG_OF_SLIP
    for row, leg in zip(legs, slip.legs, strict=True):
        row["event"], row["position"] = leg.event, leg.position
        row["market_no"], row["outcome"] = leg.market_no, leg.outcome
        row["odds_milli"] = leg.odds_milli
    return rows
