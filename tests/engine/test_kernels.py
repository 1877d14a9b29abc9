"""Which kernels are loaded before a call needs them: all of them, whatever is priced."""

import pkgutil
import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest
from numba.extending import is_jitted

import engine
from engine.kernels import ALL_MODULES, SHELL_MODULES, load_kernels
from engine.pricing.sport import SPORTS


def in_new_process(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


def kernels_of(module: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if is_jitted(value)}


def modules_of_the_engine() -> list[str]:
    return [found.name for found in pkgutil.walk_packages(engine.__path__, "engine.")]


def test_loading_all_kernels_leaves_none_to_any_module_of_the_engine() -> None:
    in_new_process(
        "import sys; from importlib import import_module; from engine.kernels import load_kernels\n"
        "load_kernels(); loaded = set(sys.modules)\n"
        f"for name in {modules_of_the_engine()}: import_module(name)\n"
        "late = [name for name in set(sys.modules) - loaded if name.endswith('_nb')]\n"
        "assert not late, late"
    )


@pytest.mark.parametrize("name", [n for n in modules_of_the_engine() if not n.endswith("_nb")])
def test_python_code_calls_no_kernel_that_is_compiled_at_its_first_call(name: str) -> None:
    """Such a kernel has no signature: only other kernels may call it, and are compiled with it."""
    lazy = [name for name, each in kernels_of(import_module(name)).items() if each._can_compile]
    assert not lazy, lazy


def test_every_sport_is_loaded_by_a_market_shell() -> None:
    modules = {type(sport).__module__ for sport in SPORTS.values()}
    assert modules <= set(SHELL_MODULES) <= set(ALL_MODULES)


def test_kernels_that_are_loaded_are_not_compiled_again() -> None:
    load_kernels()
    compiled: list[str] = []
    load_kernels(on_compile=compiled.append)
    assert not compiled
