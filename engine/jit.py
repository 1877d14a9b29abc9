"""The one door to numba: compile a kernel for a fixed signature, cached on disk.

Owns how kernels are compiled, so that every one is compiled the same way; never what they compute.
"""

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def kernel(
    signature: str | Sequence[str] | Any | None = None,  # noqa: ANN401 - numba types carry no stubs
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
        options = {"cache": True, "nogil": True, "inline": "always" if inline else "never"}
        compiled = njit(**options) if signature is None else njit(signature, **options)
        return cast(Callable[P, R], compiled(function))

    return wrap
