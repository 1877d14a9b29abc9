"""The bet path packs rows with `struct`, shells read them with numpy: the same bytes."""

from struct import Struct

import numpy as np
import pytest

from engine.common.rows import BET, DECISION, RESERVATION, RESERVED
from gateway.bets.path import BET_ROW, DECISION_ROW, RESERVATION_ROW, RESERVED_ROW

REF = b"0123456789abcdefghijklmnopqrstuv"
CASES = {
    "reservation": (
        RESERVATION_ROW,
        RESERVATION,
        (REF, 101, 7, 42, 2_500, 2, 1, 0),
        (
            "ref", "stake_minor", "account_no", "market_no", "odds_milli",
            "outcome", "policy", "flags",
        ),
    ),
    "reserved": (
        RESERVED_ROW,
        RESERVED,
        (1 << 50, -1, 2_500, 1_000_000, 603, 3, 1, 0),
        (
            "bet_id", "stake_max_minor", "odds_milli", "rate_micro",
            "reason", "state", "flags", "pad",
        ),
    ),
    "bet": (
        BET_ROW,
        BET,
        ((1 << 62) + 5, 101, 7, 42, 2_500, 999_999, 2, 1, 1, 0),
        (
            "bet_id", "stake_minor", "account_no", "market_no", "odds_milli",
            "rate_micro", "outcome", "policy", "flags", "pad",
        ),
    ),
    "decision": (
        DECISION_ROW,
        DECISION,
        ((1 << 62) + 5, 77, 2_500, 704, 1),
        ("bet_id", "stake_max_minor", "odds_milli", "reason", "flags"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_struct_and_dtype_name_the_same_bytes(name: str) -> None:
    layout, dtype, values, fields = CASES[name]
    assert isinstance(layout, Struct)
    assert layout.size == dtype.itemsize
    row = np.frombuffer(layout.pack(*values), dtype)[0]
    for field, value in zip(fields, values, strict=True):
        read = row[field].tobytes() if field == "ref" else int(row[field])
        assert read == value, field
