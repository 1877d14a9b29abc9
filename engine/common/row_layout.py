"""Fixed-width rows: one declaration gives the numpy dtype and the `struct.Struct` of a row.

Owns how a declaration becomes both, so that a shell reading an array and a gateway packing single
rows cannot differ. Never names a row of its own: `rows` and the machines declare theirs.
"""

from struct import Struct
from typing import Any, Final

import numpy as np

PAD: Final = "pad"
"""Fields whose names begin so are padding: they carry no value and are always zero."""

_Field = tuple[str, str] | tuple[str, str, tuple[int, ...]]
_CODES: Final = {
    ("u", 1): "B",
    ("u", 2): "H",
    ("u", 4): "I",
    ("u", 8): "Q",
    ("i", 1): "b",
    ("i", 2): "h",
    ("i", 4): "i",
    ("i", 8): "q",
}
"""The code of `struct` for each kind and size of integer."""


def row_dtype(size: int, *fields: _Field) -> np.dtype[Any]:
    """Return the record dtype of these fields in this order; they must add up to `size` bytes."""
    dtype = np.dtype(list(fields))
    assert dtype.itemsize == size, f"{dtype.itemsize} bytes, the layout says {size}"
    assert size % 8 == 0, "rows keep 8-byte alignment"
    return dtype


def row_struct(dtype: np.dtype[Any]) -> Struct:
    """Return what packs and unpacks single rows of a record dtype, byte for byte as numpy does.

    An array field is one value of as many bytes. Padding takes no value: packing writes zeros and
    unpacking skips them.
    """
    assert dtype.names is not None, "a record dtype"
    assert dtype.fields is not None
    codes = []
    for name in dtype.names:
        field = dtype.fields[name][0]
        if name.startswith(PAD):
            codes.append(f"{field.itemsize}x")
        elif field.shape:
            codes.append(f"{field.itemsize}s")
        else:
            codes.append(_CODES[field.kind, field.itemsize])
    layout = Struct("<" + "".join(codes))
    assert layout.size == dtype.itemsize
    return layout
