"""Fixed-width rows that shells exchange and journals hold, and the small numbers in them.

Owns the layouts: one dtype each, and the `struct.Struct` that follows from it. A row is bytes on
disk and between actors, little-endian and without gaps: changing a layout is a new journal version.
Never fills, reads or checks a row.
"""

from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.common.row_layout import row_dtype, row_struct

Rows = npt.NDArray[np.void]
"""A one-dimensional array of a record dtype, of those below or of a machine's own."""

U64s = npt.NDArray[np.uint64]
U32s = npt.NDArray[np.uint32]
I64s = npt.NDArray[np.int64]
I32s = npt.NDArray[np.int32]
U8s = npt.NDArray[np.uint8]


class Policy(IntEnum):
    """Which change of the odds a bettor accepts between seeing the odds and placing the bet."""

    NONE = 0
    """Any change refuses the bet."""
    HIGHER = 1
    """Only higher odds are taken."""
    ANY = 2
    """The current odds are taken."""


class SlipState(IntEnum):
    """State of a bet's slip at its account."""

    NONE = 0
    """No slip exists: the reservation itself was refused."""
    PENDING = 1
    """The stake is reserved and the market's verdict has not arrived."""
    ACCEPTED = 2
    REFUSED = 3
    SETTLED = 4


class BetResult(IntEnum):
    """How a bet ended, as its bettor is shown it."""

    NONE = 0
    """The bet is open: not settled yet, or opened again by a rollback."""
    WON = 1
    LOST = 2
    REFUNDED = 3
    HALF_WON = 4
    HALF_LOST = 5
    CANCELLED = 6


FLAG_FENCE: Final = 1
"""On a BET row: do not decide. Repeat the decision on this bet id, or refuse the id for good
(FENCED) when there is none."""
FLAG_KNOWN: Final = 1
"""On a DECISION or RESERVED row: the row repeats an earlier answer."""
FLAG_UNMARKED: Final = 2
"""On a RESERVED row, beside FLAG_KNOWN: the slip is PENDING and was not marked as shared, because
nothing can be recorded. No market may be sent it: a refusal without a record could void it."""

BET: Final = row_dtype(
    40,
    ("bet_id", "<u8"),
    ("stake_minor", "<i8"),
    ("account_no", "<u4"),
    ("market_no", "<u4"),
    ("odds_milli", "<i4"),
    ("rate_micro", "<i4"),
    ("outcome", "<u2"),
    ("policy", "u1"),
    ("flags", "u1"),
    ("pad", "<u4"),
)
"""A bet on its way to a market: `odds_milli` are the odds that the bettor saw."""

DECISION: Final = row_dtype(
    24,
    ("bet_id", "<u8"),
    ("stake_max_minor", "<i8"),
    ("odds_milli", "<i4"),
    ("reason", "<u2"),
    ("flags", "<u2"),
)
"""A market's verdict on a bet: the odds accepted (refused: the current odds), the reason (0 is
ACCEPTED) and the highest stake that would have passed (0: none). Account shards receive this row
unchanged."""

RESERVATION: Final = row_dtype(
    56,
    ("ref", "<u8", (4,)),
    ("stake_minor", "<i8"),
    ("account_no", "<u4"),
    ("market_no", "<u4"),
    ("odds_milli", "<i4"),
    ("outcome", "<u2"),
    ("policy", "u1"),
    ("flags", "u1"),
)
"""A bet on its way to an account shard: `ref` is the client's reference, NUL-padded to 32 bytes."""

RESERVED: Final = row_dtype(
    32,
    ("bet_id", "<u8"),
    ("stake_max_minor", "<i8"),
    ("odds_milli", "<i4"),
    ("rate_micro", "<i4"),
    ("reason", "<u2"),
    ("state", "u1"),
    ("flags", "u1"),
    ("pad", "<u4"),
)
"""An account shard's answer to a reservation, in the order of the reservations. `state` is a
SlipState. FLAG_KNOWN means that a reservation with this ref and content came before; odds, reason
and stake_max then repeat the verdict on it."""

SETTLEMENT: Final = row_dtype(
    40,
    ("bet_id", "<u8"),
    ("payout_minor", "<i8"),
    ("outbox_seq", "<u8"),
    ("settlement_no", "<u4"),
    ("odds_milli", "<i4"),
    ("result", "u1"),
    ("pad", "u1", (7,)),
)
"""How one bet ended, sent from a market's outbox to the account shard that gave the bet id.
`odds_milli` are the odds at which the market accepted the bet: a settlement that arrives before the
verdict also carries the verdict. 0 in rows of journals older than layout 3, which had no odds."""

SETTLEMENT_2: Final = row_dtype(
    32,
    ("bet_id", "<u8"),
    ("payout_minor", "<i8"),
    ("outbox_seq", "<u8"),
    ("settlement_no", "<u4"),
    ("result", "u1"),
    ("pad", "u1", (3,)),
)
"""A settlement of layouts 1 and 2."""


def settlements_from_2(rows: Rows) -> Rows:
    """Return settlements of layouts 1 and 2 as SETTLEMENT rows, without odds."""
    return _converted(rows, SETTLEMENT)


def settlements_as_2(rows: Rows) -> Rows:
    """Return settlements as layouts 1 and 2 had them."""
    return _converted(rows, SETTLEMENT_2)


def _converted(rows: Rows, dtype: np.dtype[np.void]) -> Rows:
    converted: Rows = np.zeros(len(rows), dtype)
    for name in SETTLEMENT_2.names or ():
        if name != "pad":
            converted[name] = rows[name]
    return converted


BET_ROW: Final = row_struct(BET)
DECISION_ROW: Final = row_struct(DECISION)
RESERVATION_ROW: Final = row_struct(RESERVATION)
RESERVED_ROW: Final = row_struct(RESERVED)
"""The same rows for `struct`, one row at a time: a `ref` is 32 bytes and padding takes no value."""
