"""One declaration of a row: numpy and `struct` read and write the same bytes."""

import numpy as np
import pytest

from engine.common import rows as shared_rows
from engine.common.row_layout import row_dtype, row_struct
from engine.ledger.rows import ACCOUNT, SLIP, SLIP_2, TRANSFER
from engine.market.book import BET_RECORD, MARKET, OUTCOME

LAYOUTS = {
    "bet": shared_rows.BET,
    "decision": shared_rows.DECISION,
    "reservation": shared_rows.RESERVATION,
    "reserved": shared_rows.RESERVED,
    "settlement": shared_rows.SETTLEMENT,
    "market": MARKET,
    "outcome": OUTCOME,
    "bet record": BET_RECORD,
    "account": ACCOUNT,
    "slip": SLIP,
    "slip of layout 2": SLIP_2,
    "transfer": TRANSFER,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_struct_reads_what_numpy_wrote_and_writes_it_back(name: str) -> None:
    dtype = LAYOUTS[name]
    packer = row_struct(dtype)
    data = np.random.default_rng(7).bytes(dtype.itemsize)
    row = np.frombuffer(data, dtype)[0].copy()
    for field in dtype.names:
        if field.startswith("pad"):
            row[field] = 0
    fields = [field for field in dtype.names if not field.startswith("pad")]
    expected = [row[field].tobytes() if row[field].shape else int(row[field]) for field in fields]
    assert list(packer.unpack(row.tobytes())) == expected
    assert packer.pack(*expected) == row.tobytes()


def test_every_kind_of_integer_keeps_its_extremes() -> None:
    codes = ("<u8", "<i8", "<u4", "<i4", "<u2", "<i2", "u1", "i1")
    dtype = row_dtype(32, *((f"f{code}", code) for code in codes), ("pad", "u1", (2,)))
    kinds = [np.iinfo(code) for code in codes]
    for values in ([int(kind.min) for kind in kinds], [int(kind.max) for kind in kinds]):
        row = np.zeros(1, dtype)
        row[0] = (*values, (0, 0))
        assert row_struct(dtype).pack(*values) == row.tobytes()


def test_a_layout_whose_fields_do_not_add_up_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="12 bytes, the layout says 16"):
        row_dtype(16, ("a", "<u8"), ("b", "<u4"))
    with pytest.raises(AssertionError, match="8-byte alignment"):
        row_dtype(12, ("a", "<u8"), ("b", "<u4"))
