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
Bools = npt.NDArray[np.bool_]


class Policy(IntEnum):
    """Which change of the odds a bettor accepts between seeing the odds and placing the bet."""

    NONE = 0
    """Any change refuses the bet."""
    HIGHER = 1
    """Only higher odds are taken."""
    ANY = 2
    """The current odds are taken."""
    COMBINED_NONE = 3
    """Of a slip: legs take the current odds, but any change of what the slip pays if all its legs
    win refuses it."""
    COMBINED_HIGHER = 4
    """Of a slip: legs take the current odds, but the slip must not pay less if all its legs win."""


class SlipState(IntEnum):
    """State of a bet's slip at its account."""

    NONE = 0
    """No slip exists: the reservation itself was refused."""
    PENDING = 1
    """The stake is reserved and the market's verdict has not arrived."""
    ACCEPTED = 2
    REFUSED = 3
    SETTLED = 4
    RELEASED = 5
    """Of a leg: its market accepted it, and the slip was refused for another leg."""


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


class SlipKind(IntEnum):
    """What a row of an account's slips is."""

    SINGLE = 0
    """A bet on one selection, with its own stake and reference."""
    HEAD = 1
    """A slip of several legs: the reference, the stake of all its lines and what it was paid. Its
    legs are the rows behind it."""
    LEG = 2
    """One selection of a slip, which its market decides and settles as it does a bet."""


FLAG_FENCE: Final = 1
"""On a BET row: do not decide. Repeat the decision on this bet id, or refuse the id for good
(FENCED) when there is none."""
FLAG_LEG: Final = 2
"""On a BET row and on the record of its decision: the bet is a leg of a slip. Its stake is what the
slip charges to the market, its settlement is a fraction, and a CHARGE may change the stake."""
FLAG_PERMITTED: Final = 4
"""On a bet inside of its market, and on its record: a trader took it past the market's limits, at
the odds that it names. A market clears the flag of any row that arrives with it."""
FLAG_HEAD: Final = 1
"""On a RESERVATION row: the head of a slip. `stake_minor` is the stake of all lines, `outcome` the
number of legs, whose rows follow, and `market_no` the number of SLIP_BET rows. `odds_milli` is the
number of the offer that the slip takes, 0 for none."""
FLAG_LEG_OF_SLIP: Final = 2
"""On a RESERVATION row: a leg of the head before it; see LEG_RESERVATION."""
FLAG_FREE_BET: Final = 4
"""On a RESERVATION row, beside FLAG_HEAD: `odds_milli` names a free bet that pays the stake, not an
offer."""
FLAG_EACH_WAY: Final = 8
"""On a RESERVATION row, beside FLAG_HEAD: the second half of the legs are those of the first, to be
placed, at odds that follow from theirs. A free bet's conditions are for the first half alone."""
FLAG_RELEASED: Final = 1
"""On a CHARGE row: the slip was refused, so that its leg no longer stands."""
FLAG_PRE_MATCH: Final = 1
"""In `early_flags` of a SETTLEMENT row: the leg was accepted before play began."""
FLAG_CORRECTED: Final = 1
"""In `flags` of a SETTLEMENT row: the bet has won, at corrected odds and not at those accepted."""
FLAG_LEG_CORRECTED: Final = 2
"""In `bets` of a leg's SLIP row, beside the flags of its mark: as FLAG_CORRECTED."""
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
    ("factor_milli", "<u2"),
    ("pad", "<u2"),
)
"""A bet on its way to a market: `odds_milli` are the odds that the bettor saw. `factor_milli` is
its account's factor of the limits of one bet, in thousandths; 0 is 1.000, as in older journals."""

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
unchanged. While the bet waits (DELAYED, REFERRED) the row is no verdict, and `stake_max_minor` is
how long it still waits at most, in milliseconds. Of a bet REOFFERED, odds and stake are the offer.
"""

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

LEG_RESERVATION: Final = row_dtype(
    56,
    ("event", "u1"),
    ("position", "u1"),
    ("pad", "u1", (30,)),
    ("stake_minor", "<i8"),
    ("account_no", "<u4"),
    ("market_no", "<u4"),
    ("odds_milli", "<i4"),
    ("outcome", "<u2"),
    ("policy", "u1"),
    ("flags", "u1"),
)
"""The same bytes for a leg: `event` is the number, within the slip, of the event that is bet on,
`position` the place in the slip's lines that the leg can take (several legs of one position are
alternatives). `stake_minor` is 0: the account works out what the leg is charged."""

SLIP_BET: Final = row_dtype(
    48,
    ("stake_minor", "<i8"),
    ("payout_minor_max", "<i8"),
    ("sizes", "<u8"),
    ("positions", "<u8"),
    ("bankers", "<u8"),
    ("lines", "<u4"),
    ("pad", "<u4"),
)
"""One bet of a slip: `stake_minor` on each of its lines. `positions` are the positions it is over
(bit p: position p), `bankers` those of them that are in every line, and `sizes` how many of the
others a line has (bit k: k of them). `payout_minor_max` is the most it may pay, 0 for no bound;
`lines` is the number of lines, which the account works out."""

CHARGE: Final = row_dtype(
    32,
    ("bet_id", "<u8"),
    ("stake_minor", "<i8"),
    ("market_no", "<u4"),
    ("charge_no", "<u4"),
    ("flags", "u1"),
    ("pad", "u1", (7,)),
)
"""What a slip charges its leg's market from now on: the stake that runs on the leg. `charge_no`
rises with each change; a market applies a number once and no lower one after it."""

LEG_TIMES: Final = row_dtype(16, ("bet_id", "<u8"), ("times_milli", "<i8"))
"""A leg that moves so many thousandths of what its slip can be paid at most."""

RESERVED: Final = row_dtype(
    32,
    ("bet_id", "<u8"),
    ("stake_max_minor", "<i8"),
    ("odds_milli", "<i4"),
    ("rate_micro", "<i4"),
    ("reason", "<u2"),
    ("state", "u1"),
    ("flags", "u1"),
    ("factor_milli", "<u2"),
    ("pad", "<u2"),
)
"""An account shard's answer to a reservation, in the order of the reservations. `state` is a
SlipState. FLAG_KNOWN means that a reservation with this ref and content came before; odds, reason
and stake_max then repeat the verdict on it. `factor_milli` is the account's present factor, which
a BET row takes; 0 is 1.000."""

SETTLEMENT: Final = row_dtype(
    40,
    ("bet_id", "<u8"),
    ("payout_minor", "<i8"),
    ("outbox_seq", "<u8"),
    ("settlement_no", "<u4"),
    ("odds_milli", "<i4"),
    ("result", "u1"),
    ("early_lead", "u1"),
    ("early_flags", "u1"),
    ("flags", "u1"),
    ("back_den", "<u4"),
)
"""How one bet ended, sent from a market's outbox to the account shard that gave the bet id.
`odds_milli` are the odds at which the market accepted the bet: a settlement that arrives before the
verdict also carries the verdict. 0 in rows of journals older than layout 3, which had no odds. With
FLAG_CORRECTED in `flags` the bet has won at other odds, which the payout alone shows.

For a leg of a slip `payout_minor / back_den` is the fraction of the stake that the leg gives back,
in lowest terms (odds of 2.500 that won: 5/2; refunded: 1/1; lost: 0/1). `back_den` is 0 when the
leg is open again, and for every single.

`early_lead` is the largest lead that the leg's side has reached after the leg was placed, 0 for
none, and `early_flags` says when it was placed (see PayEarly). Neither depends on the result, and
neither is taken back by a later row."""

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
SLIP_BET_ROW: Final = row_struct(SLIP_BET)
"""The same rows for `struct`, one row at a time: a `ref` is 32 bytes and padding takes no value."""
