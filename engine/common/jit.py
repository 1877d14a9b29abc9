"""Compile numba kernels: one way for all of them, cached on disk.

Owns how a kernel is compiled and what makes its cached machine code stale. Never owns what a kernel
computes.

numba's own cache compares only the file that defines a kernel: after a change of a called kernel or
of a constant in another file it would load the old machine code without a warning. Here a
kernel's cache stamp also holds the stamps of the kernels that it calls and the values of the
constants that it reads from its module (numbers, text, tuples and arrays of them). That relies on
attributes that numba does not document, so this module checks at import that they exist.
"""

from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numba import from_dtype, njit, types
from numba.extending import is_jitted

P = ParamSpec("P")
R = TypeVar("R")

_UNDOCUMENTED: Final = ("disable_compile", "_cache._cache_file._source_stamp")
"""Attributes of a compiled function that this module uses and that numba does not document."""

Row = Any
"""A row inside a kernel: its fields are attributes, and assigning one writes to the array."""


def kernel(
    signature: str | list[str] | Any | None = None,
    *,
    inline: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile a function with numba, releasing the GIL and caching the machine code on disk.

    Parameters
    ----------
    signature
        Signature or signatures to compile at import (or to load from the cache), so that no call
        compiles anything. None compiles at the first call: for kernels that other kernels call.
    inline : bool
        Copy the function into every kernel that calls it, before types are inferred.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        compiled = njit(cache=True, nogil=True, inline="always" if inline else "never")(function)
        if not is_jitted(compiled):  # NUMBA_DISABLE_JIT is set: kernels stay plain functions.
            return function
        _stamp(compiled, function)
        if signature is not None:
            for one in signature if isinstance(signature, list) else [signature]:
                compiled.compile(one)
            compiled.disable_compile()
        return cast(Callable[P, R], compiled)

    return wrap


def rows_type(dtype: "np.dtype[Any]") -> Any:
    """Return numba's type of contiguous rows of a record dtype that a kernel may change."""
    return types.Array(from_dtype(dtype), 1, "C")


def rows_in_type(dtype: "np.dtype[Any]") -> Any:
    """Return numba's type of contiguous rows that a kernel only reads (a message's bytes, say)."""
    return types.Array(from_dtype(dtype), 1, "C", readonly=True)


def _stamp(compiled: Any, function: Callable[..., Any]) -> None:
    """Add to a kernel's cache stamp the stamps of its callees and the values of its constants."""
    parts: list[object] = []
    for name in function.__code__.co_names:
        value: Any = function.__globals__.get(name)
        if is_jitted(value):
            parts.append((name, _cache_file(value)._source_stamp))
        elif isinstance(value, int | float | str | tuple | np.generic):
            parts.append((name, repr(value)))
        elif isinstance(value, np.ndarray):
            parts.append((name, value.dtype.str, value.shape, value.tobytes()))
    file = _cache_file(compiled)
    file._source_stamp = (file._source_stamp, tuple(parts))


def _cache_file(compiled: Any) -> Any:
    """Return the object behind a kernel's on-disk cache."""
    return compiled._cache._cache_file


def _check_numba() -> None:
    """Check that compiled functions have every undocumented attribute that this module uses.

    Raises
    ------
    ImportError
        When one is missing; the message names numba's version and the attribute.
    """
    compiled = njit(cache=True)(_check_numba)
    if not is_jitted(compiled):
        return
    for path in _UNDOCUMENTED:
        value: Any = compiled
        for name in path.split("."):
            if not hasattr(value, name):
                raise ImportError(
                    f"numba {numba.__version__}: a compiled function has no attribute {path} "
                    f"({name} is missing), which engine.common.jit needs to fix signatures and "
                    "to recognise stale machine code"
                )
            value = getattr(value, name)


_check_numba()
