"""Compile kernels in as many processes as there are cores, when the cache lacks any.

Owns the processes that help. Never owns what is compiled, nor who compiles which kernel: each takes
what no other has, under a lock.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Final

from actors.exit_codes import EXIT_INTERRUPTED
from engine.kernels import help_to_compile, load_kernels

HELPERS_MAX: Final = 7
"""More would wait for each other: some kernels take many seconds, and others call them."""

_PROGRAM: Final = "from actors.kernel_helpers import help_until_done; help_until_done()"


def load_all_kernels(on_compile: Callable[[str], None] | None = None) -> None:
    """Load every kernel, and compile those that the cache lacks on all cores.

    A helper that fails costs time only: what it did not compile, this process compiles itself, and
    with the same error, if the kernel or the cache is at fault.

    Parameters
    ----------
    on_compile : callable, optional
        Called with a kernel's name whenever this process must compile one, before that begins.

    Raises
    ------
    KernelCacheError
        When a kernel that was compiled cannot be stored.
    """
    helpers: list[subprocess.Popen[bytes]] = []

    def with_helpers(kernel: str) -> None:
        if not helpers:
            helpers.extend(_start_helper() for _ in range(_helpers_wanted()))
        if on_compile is not None:
            on_compile(kernel)

    try:
        load_kernels(on_compile=with_helpers)
    finally:
        # They have nothing left to do, or this process has been told to stop.
        for helper in helpers:
            helper.kill()
        for helper in helpers:
            helper.communicate()


def help_until_done() -> None:
    """Compile kernels; end at once when whoever holds the other end of stdin has ended."""

    def end_with_loader() -> None:
        sys.stdin.buffer.read()
        os._exit(EXIT_INTERRUPTED)

    threading.Thread(target=end_with_loader, daemon=True).start()
    help_to_compile()


def _helpers_wanted() -> int:
    """Return how many cores this process leaves idle, within the bound."""
    return min(len(os.sched_getaffinity(0)) - 1, HELPERS_MAX)


def _start_helper() -> subprocess.Popen[bytes]:
    """Start a process that finds the same modules as this one."""
    return subprocess.Popen(  # noqa: S603 - this program itself
        [sys.executable, "-c", _PROGRAM],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
