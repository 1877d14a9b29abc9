"""Load the kernels of a command that starts a system, before anything else of it.

Owns the lines on the terminal: compiling takes minutes, once for a machine and a version, and in
that time nothing else would be seen.
"""

import sys
import time
from typing import Final

from engine.common.kernel_cache import KernelCacheError
from gateway.cli.terminal import say

_FIRST_LINE: Final = "compiling the kernels for this machine: about four minutes, once"
_SAY_EVERY_S: Final = 15.0


def load_all_kernels() -> bool:
    """Load every kernel, and compile those that this machine has not compiled yet.

    Returns
    -------
    bool
        False when compiled kernels cannot be stored: why, and what to set, is on stderr.
    """
    compiled: list[str] = []
    began = time.monotonic()
    say_next = 0.0

    def on_compile(kernel: str) -> None:
        nonlocal say_next
        if time.monotonic() >= say_next:
            say(f"{len(compiled)} kernels compiled so far" if compiled else _FIRST_LINE)
            say_next = time.monotonic() + _SAY_EVERY_S
        compiled.append(kernel)

    try:
        from engine.kernels import load_kernels  # noqa: PLC0415 - loads numba

        load_kernels(on_compile=on_compile)
    except KernelCacheError as error:
        sys.stderr.write(f"overround: {error}\n")
        return False
    if compiled:
        say(f"{len(compiled)} kernels compiled in {time.monotonic() - began:.0f} s")
    return True
