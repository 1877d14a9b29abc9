"""Load the kernels before they are needed: what a process calls later is compiled by then.

Owns which modules hold the kernels of a market shell, and of all processes. Never says when to load
them: whoever starts shells loads all of them first, so that a machine compiles each kernel once,
and a shell loads its own before it answers a call.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

from engine.common.jit import compilations, compiled_backwards

SHELL_MODULES: Final = (
    "engine.market.market",
    "engine.pricing.following",
    "engine.pricing.repricing",
    "engine.pricing.football.sport",
    "engine.pricing.football.score_payoffs",
    "engine.pricing.tennis.sport",
    "engine.pricing.basketball.sport",
    "engine.pricing.race.sport",
    "engine.pricing.generic",
)
"""What a market shell calls, whatever sport it is told to price."""
ALL_MODULES: Final = (
    "engine.ledger.ledger",
    "engine.ledger.audit",
    "engine.slips.lines_nb",
    "engine.slips.owed_nb",
    *SHELL_MODULES,
    "engine.pricing.football.calibration",
    "engine.pricing.football.lead",
    "engine.pricing.football.rates",
    "engine.pricing.tennis.calibration",
    "engine.pricing.basketball.calibration",
)
"""Every kernel: those of gateways, feed pipelines and audits too."""


def load_kernels(
    modules: Sequence[str] = ALL_MODULES, *, on_compile: Callable[[str], None] | None = None
) -> None:
    """Load kernels from the cache, and compile those that it lacks; in one thread at a time.

    From a full cache it takes some 2 s of processor time, imports included, and without one about
    240; a kernel that another process compiles at the moment is waited for.

    Parameters
    ----------
    modules : sequence of str
        What to load.
    on_compile : callable, optional
        Called with a kernel's name whenever one must be compiled, before that begins.

    Raises
    ------
    KernelCacheError
        When a kernel that was compiled cannot be stored.
    """
    with compilations(on_compile or _ignore):
        for module in modules:
            import_module(module)


def help_to_compile() -> None:
    """Compile kernels for a process that is loading all of them, from the other end.

    For a process of its own, which calls no kernel.

    Raises
    ------
    KernelCacheError
        When a kernel that was compiled cannot be stored.
    """
    with compiled_backwards():
        for module in ALL_MODULES:
            import_module(module)


def _ignore(_: str) -> None:
    pass
