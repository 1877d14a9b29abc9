"""The rows of a ledger: one numpy dtype each, and their bounds.

Owns the layouts and the meaning of the small numbers in them. Rows are the bytes of a ledger's
snapshot and of its state hash: changing a layout is a new layout version. Never changes a row.
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np

from engine.common.row_layout import row_dtype
from engine.common.rows import Rows, SlipState
from engine.common.units import BALANCE_MINOR_MAX, BETS_MAX, PAYOUT_MINOR_MAX, payout_minor

LEDGER_LAYOUT: Final = 3
"""Version of the dump; older ones are loaded, a newer one is refused. Layout 1 had no rules, no
disputes and no `shared`, layout 2 no slips of several legs and no bounds of payouts."""

ACCOUNTS_MAX: Final = 1 << 24
"""Accounts one shard may hold; past it OpenAccount is refused with CAPACITY."""
TRANSFERS_MAX: Final = 1 << 26
"""Deposits and withdrawals one shard may record; past it they are refused with CAPACITY."""
CURRENCIES_MAX: Final = 256
"""Currencies one shard may have; past it SetRate is refused with CAPACITY."""
ALL_SLIP_BETS_MAX: Final = 1 << 26
"""Bets of slips one shard may hold; past it a slip of several legs is refused with CAPACITY."""
SETTLEMENTS_MAX: Final = 1 << 18
"""Settlements in one batch; a longer batch is an error and changes nothing."""
HOLDING_MINOR_MAX: Final = 1 << 62
"""A settlement of an account that holds or owes more is a dispute: no real account can."""

assert HOLDING_MINOR_MAX + SETTLEMENTS_MAX * PAYOUT_MINOR_MAX < 1 << 63
assert BALANCE_MINOR_MAX < HOLDING_MINOR_MAX
assert max(BETS_MAX, TRANSFERS_MAX, ACCOUNTS_MAX) < 1 << 27, "an index entry has 27 bits of slot"
assert CURRENCIES_MAX <= 1 << 8, "an account has one byte for its currency's slot"


class TransferKind(IntEnum):
    """Direction of a transfer."""

    DEPOSIT = 1
    WITHDRAWAL = 2


_MONEY_FIELDS: Final = (
    ("available_minor", "<i8"),
    ("pending_minor", "<i8"),
    ("at_stake_minor", "<i8"),
    ("owed_minor", "<i8"),
    ("account_no", "<u4"),
)
_CHAIN_FIELDS: Final = (("open_first", "<u4"), ("open_last", "<u4"))

ACCOUNT_2: Final = row_dtype(48, *_MONEY_FIELDS, ("currency", "<u4"), *_CHAIN_FIELDS)
"""An account of layouts 1 and 2."""

ACCOUNT: Final = row_dtype(
    64,
    *_MONEY_FIELDS,
    ("currency", "u1"),
    ("blocked", "u1"),
    ("factor_milli", "<u2"),
    *_CHAIN_FIELDS,
    ("open_payout_minor", "<i8"),
    ("open_payout_minor_max", "<i8"),
)
"""An account. It is one row and not a column per figure: accounts are read in random order, and a
row is one line of the processor's cache. `currency` is a slot. `open_first` and `open_last` are one
more than the slots of the account's oldest and newest open slip, 0 for none.

`open_payout_minor` is the open payout: the sum, over the open slips, of the most that each can
still pay. `open_payout_minor_max` is the account's own bound of it in base currency, 0 for the
house's. An account that is `blocked` (1) gets no new slip. Markets multiply
their limits of one bet by `factor_milli` thousandths for it; 0 is 1.000."""

HOLDINGS: Final = ("available_minor", "pending_minor", "at_stake_minor")
"""The figures of an account that add up, less `owed_minor`, to what the account holds."""

_SINGLE_FIELDS: Final = (
    ("bet_id", "<u8"),
    ("stake_minor", "<i8"),
    ("stake_max_minor", "<i8"),
    ("payout_minor", "<i8"),
    ("placed_at_ns", "<i8"),
    ("account", "<u4"),
    ("account_no", "<u4"),
    ("market_no", "<u4"),
    ("settlement_no", "<u4"),
    ("odds_milli", "<i4"),
    ("odds_seen_milli", "<i4"),
    ("rate_micro", "<i4"),
    ("open_next", "<u4"),
    ("open_prev", "<u4"),
    ("outcome", "<u2"),
    ("reason", "<u2"),
    ("policy", "u1"),
    ("state", "u1"),
    ("result", "u1"),
    ("shared", "u1"),
)
_REF: Final = ("ref", "<u8", (4,))

SLIP_2: Final = row_dtype(120, *_SINGLE_FIELDS, ("pad", "u1", (4,)), _REF)
"""A slip of layouts 1 and 2: a single."""

SLIP: Final = row_dtype(
    144,
    *_SINGLE_FIELDS,
    ("kind", "u1"),
    ("legs", "u1"),
    ("event", "u1"),
    ("position", "u1"),
    _REF,
    ("charged_minor", "<i8"),
    ("back_den", "<u4"),
    ("bets_first", "<u4"),
    ("charge_no", "<u4"),
    ("bets", "u1"),
    ("held", "u1"),
    ("offer", "<u2"),
)
"""A bet slip; slips lie in the order of their bet ids. `odds_milli` are the odds of the verdict,
and before the verdict those of the reservation. `odds_seen_milli` stay those of the reservation,
which tells a repeated ref from a reused one. `open_next` and `open_prev` chain an account's open
slips (PENDING, ACCEPTED) by rising bet id, as slots plus one; a slip that is not open, and a leg,
has 0 in both. `settlement_no` is the last number applied: an ACCEPTED slip with a number was opened
again, before or after the shard applied the settlement. `shared` is 1 when the slip was handed out
again while it was PENDING: another sender may have sent the bet, so only a recorded verdict can
void it.

`kind` is a SlipKind. A slip of several legs is a HEAD and, in the slots behind it, its LEGs.

HEAD: the money. `stake_minor` is that of all lines, `legs` the number of legs, `bets_first` and
`bets` its rows among the bets of slips. `held` counts the legs that their markets have accepted;
`charge_no` rises with each change after which legs are charged otherwise; `settlement_no` rises
with each change of state or payout. `charged_minor` is what the slip adds to its account's open
payout: the most that it can still pay, PENDING at the odds seen, ACCEPTED at the odds accepted and
by what its settled legs give back, else 0. `offer` is the number of the offer that it took, 0 for
none: what the offer gives is in an OFFERED row. `odds_seen_milli` are the odds at which that offer
asks each leg to be taken, 0 for any; `position` is the number of legs that it does not ask that of,
the last ones: those to be placed of an each-way slip. Market, outcome, odds and event are 0.

LEG: no money, no ref, in no chain. `legs` is its place, 1 for the first: the head's slot is the
leg's less `legs`. `stake_minor` is what its market was charged with the bet; `charged_minor` what
that market is known to charge now, by the charge of the number `charge_no`. `held` is the largest
lead that its side has reached, and `bets` the flags of that mark (see SETTLEMENT) and
FLAG_LEG_CORRECTED while it has won at corrected odds. Once settled, `payout_minor / back_den` is
the fraction of the stake that it gives back. A leg of a refused slip that its market
accepted is RELEASED, whatever its market settles."""


def slips_from_2(rows: Rows) -> Rows:
    """Return slips of layouts 1 and 2 as SLIP rows: singles.

    Raises
    ------
    ValueError
        When a row's padding is in use: it now holds what a slip of several legs has.
    """
    if rows["pad"].any():
        raise ValueError(
            f"ledger.slips: padding in use (row {int(rows['pad'].any(axis=1).argmax())})"
        )
    return _single_fields(rows, SLIP)


def slips_as_2(rows: Rows) -> Rows:
    """Return singles as layouts 1 and 2 had them."""
    return _single_fields(rows, SLIP_2)


def accounts_from_2(rows: Rows, slips: Rows) -> Rows:
    """Return accounts of layouts 1 and 2 with the open payout of their slips, all of them singles.

    Slips of accounts that are not among the rows are left out.

    Raises
    ------
    ValueError
        When a currency's slot is beyond all bounds.
    """
    beyond = rows["currency"] >= CURRENCIES_MAX
    if beyond.any():
        raise ValueError(f"ledger.accounts: currency without a rate (row {int(beyond.argmax())})")
    accounts: Rows = np.zeros(len(rows), ACCOUNT)
    for name in ACCOUNT_2.names or ():
        accounts[name] = rows[name]
    open_slips = slips[np.isin(slips["state"], (SlipState.PENDING, SlipState.ACCEPTED))]
    open_slips = open_slips[open_slips["account"] < len(rows)]
    stakes_minor: Any = open_slips["stake_minor"]
    odds_milli: Any = open_slips["odds_milli"].astype(np.int64)
    payouts_minor = payout_minor(stakes_minor, odds_milli)
    np.add.at(accounts["open_payout_minor"], open_slips["account"], payouts_minor)
    return accounts


def accounts_as_2(rows: Rows) -> Rows:
    """Return accounts as layouts 1 and 2 had them."""
    converted: Rows = np.zeros(len(rows), ACCOUNT_2)
    for name in ACCOUNT_2.names or ():
        converted[name] = rows[name]
    return converted


def _single_fields(rows: Rows, dtype: np.dtype[np.void]) -> Rows:
    converted: Rows = np.zeros(len(rows), dtype)
    for name, *_ in (*_SINGLE_FIELDS, _REF):
        converted[name] = rows[name]
    return converted


RANGE: Final = row_dtype(16, ("bet_id", "<u8"), ("slot", "<i8"))
"""A run of slips whose bet ids rise by one: the first bet id and its slot."""

DISPUTES_MAX: Final = 1 << 16
"""Settlements in dispute one shard may hold; past it every settlement is refused until a person has
looked: nothing is skipped. One batch may pass the bound."""

TRANSFER: Final = row_dtype(
    64,
    ("ref", "<u8", (4,)),
    ("amount_minor", "<i8"),
    ("available_minor", "<i8"),
    ("at_ns", "<i8"),
    ("account", "<u4"),
    ("kind", "u1"),
    ("pad", "u1", (3,)),
)
"""A deposit or withdrawal, in the order applied. `available_minor` is the available balance after
it, so that a repeated ref gets the same answer."""
