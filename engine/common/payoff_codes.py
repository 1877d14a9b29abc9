"""The bytes of payoffs: two codes in each, and their check.

Owns how codes are packed; never what a code means.
"""

from typing import Final

import numpy as np

from engine.common.payoffs import CELLS, PACKED_BYTES, SHEETS, Payoff, Payoffs
from engine.common.rows import U8s

_HIGH: Final = 4
_LOW_MASK: Final = 15


def pack_codes(codes: U8s) -> bytes:
    """Return codes, a row of `CELLS` for each outcome, as `Payoffs.codes` holds them."""
    return (codes[:, 0::2] | codes[:, 1::2] << _HIGH).astype(np.uint8).tobytes()


def unpack_codes(codes: bytes) -> U8s:
    """Return the codes of each outcome as a row of `CELLS`."""
    packed = np.frombuffer(codes, np.uint8).reshape(-1, PACKED_BYTES)
    rows = np.empty((len(packed), CELLS), np.uint8)
    rows[:, 0::2], rows[:, 1::2] = packed & _LOW_MASK, packed >> _HIGH
    return rows


def payoffs_fault(payoffs: Payoffs, *, outcomes: int) -> str:
    """Return why payoffs do not fit a market with so many outcomes, or an empty text."""
    if not 0 <= payoffs.sheet < SHEETS:
        return f"sheet: 0 to {SHEETS - 1}"
    if len(payoffs.codes) != PACKED_BYTES * outcomes:
        return f"codes: {PACKED_BYTES} bytes for each outcome"
    if np.any(unpack_codes(payoffs.codes) > Payoff.WON):
        return f"codes: 0 to {int(Payoff.WON)}"
    return ""
