"""The one door to numba: compile a kernel for a fixed signature, cached on disk.

Owns how kernels are compiled, so that every one is compiled the same way, and what makes a cached
one stale; never what they compute.

numba's own cache looks at the file a kernel stands in and at nothing else: change a leaf or a
constant in another file and yesterday's machine code is loaded without a word. Here a kernel's
cache is stamped with everything it was compiled from: its file, the kernels it calls (each with
its own stamp) and the numbers it reads from its module.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from numba import from_dtype, njit, types

P = ParamSpec("P")
R = TypeVar("R")

Row = Any
"""A row inside a kernel: its fields are attributes, and writing one writes the array."""


def kernel(
    signature: str | list[str] | Any | None = None,
    *,
    inline: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile a function with numba, releasing the GIL and caching the machine code on disk.

    Parameters
    ----------
    signature
        Signature or signatures to compile at import (loaded from the cache when it is there), so
        that nothing is ever compiled in the hot path. None compiles at the first call: for the
        leaves that other kernels call.
    inline : bool
        Ask LLVM's front to inline the function at every call.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        compiled = njit(cache=True, nogil=True, inline="always" if inline else "never")(function)
        _stamp(compiled, function)
        if signature is not None and hasattr(compiled, "disable_compile"):
            for one in signature if isinstance(signature, list) else [signature]:
                compiled.compile(one)
            compiled.disable_compile()
        return cast(Callable[P, R], compiled)

    return wrap


def rows_type(dtype: "np.dtype[Any]") -> Any:
    """Return the type of contiguous rows of a record dtype that a kernel may change."""
    return types.Array(from_dtype(dtype), 1, "C")


def rows_in_type(dtype: "np.dtype[Any]") -> Any:
    """Return the type of contiguous rows that a kernel only reads (bytes off a journal, say)."""
    return types.Array(from_dtype(dtype), 1, "C", readonly=True)


def _stamp(compiled: Any, function: Callable[..., Any]) -> None:
    """Add to a kernel's cache stamp the stamps of its leaves and the values of its constants."""
    file = _cache_file(compiled)
    if file is None:
        return
    parts: list[object] = []
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        leaf = _cache_file(value)
        if leaf is not None:
            parts.append((name, leaf._source_stamp))
        elif isinstance(value, int | float | np.generic):
            parts.append((name, repr(value)))
    file._source_stamp = (file._source_stamp, tuple(parts))


def _cache_file(compiled: Any) -> Any:
    """Return the object behind a kernel's on-disk cache; None when it is not a compiled kernel."""
    return getattr(getattr(compiled, "_cache", None), "_cache_file", None)
