"""Load the kernels of a command that starts a system, before anything else of it.

Owns the lines on the terminal: compiling takes minutes, once for a machine and a version, and in
that time nothing else would be seen.
"""

import sys
import time
from typing import Final

from engine.common.kernel_cache import KernelCacheError
from gateway.cli.terminal import say

_FIRST_LINE: Final = "compiling the kernels for this machine on all its cores: some minutes, once"
_SAY_EVERY_S: Final = 15.0


def load_all_kernels() -> bool:
    """Load every kernel, and compile those that this machine has not compiled yet.

    Returns
    -------
    bool
        False when compiled kernels cannot be stored: why, and what to set, is on stderr.
    """
    began = time.monotonic()
    said = 0.0

    def on_compile(kernel: str) -> None:
        nonlocal said
        now = time.monotonic()
        if now >= said + _SAY_EVERY_S:
            say(f"{now - began:.0f} s, at {kernel}" if said else _FIRST_LINE)
            said = now

    try:
        from actors import kernel_helpers  # noqa: PLC0415 - loads numba

        kernel_helpers.load_all_kernels(on_compile)
    except KernelCacheError as error:
        sys.stderr.write(f"overround: {error}\n")
        return False
    if said:
        say(f"kernels compiled in {time.monotonic() - began:.0f} s")
    return True
