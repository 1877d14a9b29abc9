"""Fixed-width rows that travel between shells and lie in journals: one numpy dtype each.

Owns the layouts. They are bytes on disk and on the wire between actors: little-endian, explicit
offsets, and a change of one is a new journal version.
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.void]
"""A one-dimensional array of one of the record dtypes below."""

U64s = npt.NDArray[np.uint64]
U32s = npt.NDArray[np.uint32]
I64s = npt.NDArray[np.int64]
I32s = npt.NDArray[np.int32]
U8s = npt.NDArray[np.uint8]


class Policy(IntEnum):
    """What a bettor allows when the odds moved between seeing and placing."""

    NONE = 0
    HIGHER = 1
    ANY = 2


class SlipState(IntEnum):
    """Where a bet stands in its account's books."""

    NONE = 0
    """No slip exists: the reservation itself was refused."""
    PENDING = 1
    """Stake reserved, the market has not been heard yet."""
    ACCEPTED = 2
    REFUSED = 3
    SETTLED = 4


class BetResult(IntEnum):
    """How a bet ended, in the words a bettor reads."""

    NONE = 0
    WON = 1
    LOST = 2
    REFUNDED = 3
    HALF_WON = 4
    HALF_LOST = 5
    CANCELLED = 6


FLAG_FENCE: Final = 1
"""On a BET row: do not decide; report what was decided, or refuse the id for good (FENCED)."""
FLAG_KNOWN: Final = 1
"""On a DECISION or RESERVED row: this repeats an earlier answer."""

_Field = tuple[str, str] | tuple[str, str, tuple[int, ...]]


def row_dtype(size: int, *fields: _Field) -> np.dtype[Any]:
    """Return the record dtype of these fields in this order; they must add up to `size` bytes."""
    dtype = np.dtype(list(fields))
    assert dtype.itemsize == size, f"{dtype.itemsize} bytes, the layout says {size}"
    assert size % 8 == 0, "rows keep 8-byte alignment"
    return dtype


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
"""A bet on its way to a market: the odds are those the bettor saw."""

DECISION: Final = row_dtype(
    24,
    ("bet_id", "<u8"),
    ("stake_max_minor", "<i8"),
    ("odds_milli", "<i4"),
    ("reason", "<u2"),
    ("flags", "<u2"),
)
"""A market's verdict: odds accepted (or current), reason 0 for accepted, highest stake that
would have passed (0: none). The same row is the verdict an account shard is told."""

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
"""A bet on its way to an account shard: `ref` is the client's key, NUL-padded to 32 bytes."""

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
"""A shard's answer to a reservation, in the order asked: `state` is a SlipState, FLAG_KNOWN says
the ref was seen before (same content), and odds, reason and stake_max then repeat its verdict."""

SETTLEMENT: Final = row_dtype(
    32,
    ("bet_id", "<u8"),
    ("payout_minor", "<i8"),
    ("outbox_seq", "<u8"),
    ("settlement_no", "<u4"),
    ("result", "u1"),
    ("pad", "u1", (3,)),
)
"""One bet's outcome, ferried from a market's outbox to the account shard that gave the bet id."""
