"""Rows as `struct` packs them for the bet path: pinned formats, and the bytes that numpy reads."""

from struct import Struct

import numpy as np
import pytest

from engine.common.rows import (
    BET,
    BET_ROW,
    DECISION,
    DECISION_ROW,
    RESERVATION,
    RESERVATION_ROW,
    RESERVED,
    RESERVED_ROW,
)

REF = b"0123456789abcdefghijklmnopqrstuv"
CASES = {
    "reservation": (
        RESERVATION_ROW,
        RESERVATION,
        "<32sqIIiHBB",
        (REF, 101, 7, 42, 2_500, 2, 1, 0),
        (
            "ref", "stake_minor", "account_no", "market_no", "odds_milli",
            "outcome", "policy", "flags",
        ),
    ),
    "reserved": (
        RESERVED_ROW,
        RESERVED,
        "<QqiiHBB4x",
        (1 << 50, -1, 2_500, 1_000_000, 603, 3, 1),
        ("bet_id", "stake_max_minor", "odds_milli", "rate_micro", "reason", "state", "flags"),
    ),
    "bet": (
        BET_ROW,
        BET,
        "<QqIIiiHBB4x",
        ((1 << 62) + 5, 101, 7, 42, 2_500, 999_999, 2, 1, 1),
        (
            "bet_id", "stake_minor", "account_no", "market_no", "odds_milli",
            "rate_micro", "outcome", "policy", "flags",
        ),
    ),
    "decision": (
        DECISION_ROW,
        DECISION,
        "<QqiHH",
        ((1 << 62) + 5, 77, 2_500, 704, 1),
        ("bet_id", "stake_max_minor", "odds_milli", "reason", "flags"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_struct_writes_the_bytes_that_the_dtype_reads(name: str) -> None:
    layout, dtype, pinned, values, fields = CASES[name]
    data = Struct(pinned).pack(*values)
    assert layout.pack(*values) == data
    assert layout.unpack(data) == values
    row = np.frombuffer(data, dtype)[0]
    for field, value in zip(fields, values, strict=True):
        read = row[field].tobytes() if field == "ref" else int(row[field])
        assert read == value, field
