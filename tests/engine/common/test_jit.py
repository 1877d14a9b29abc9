"""Compilation of kernels: fixed signatures, cache stamps, and the check of numba's internals."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np
import pytest

from engine.common import index_nb, units_nb
from engine.common.index import empty_table
from engine.common.jit import kernel
from engine.common.lifecycle import BET_REFUSAL, Status
from engine.market import figures_nb, judge_nb, place_nb


def stamp_of(compiled: object) -> str:
    return repr(compiled._cache._cache_file._source_stamp)


def test_cache_stamp_of_a_kernel_holds_the_stamps_of_the_kernels_it_calls() -> None:
    assert stamp_of(index_nb.mix_nb) in stamp_of(index_nb.find_nb)
    assert stamp_of(index_nb.seek_nb) in stamp_of(place_nb.find_rows_nb)
    assert stamp_of(place_nb.decide_nb) in stamp_of(place_nb.decide_all_nb)
    assert stamp_of(judge_nb.stake_max_nb) in stamp_of(place_nb.decide_all_nb)
    assert stamp_of(units_nb.payout_minor_nb) in stamp_of(place_nb.decide_all_nb)
    assert stamp_of(units_nb.payout_minor_nb) in stamp_of(figures_nb.audit_nb)


def test_cache_stamp_of_a_kernel_holds_the_constants_it_reads() -> None:
    stamp = stamp_of(place_nb.decide_all_nb)
    assert "('_STAKE_OVER_LIMIT', '302')" in stamp
    refusals = tuple(str(int(BET_REFUSAL[Status(number)])) for number in range(-5, 2))
    assert f"('_REFUSALS', {refusals})" in stamp


WEIGHTS = np.array([1, 2], np.int64)
NAME = "a"


def test_cache_stamp_changes_with_tuples_arrays_and_text() -> None:
    def weigh_nb() -> int:
        return WEIGHTS[0] if NAME == "a" else WEIGHTS[1]

    before = stamp_of(kernel()(weigh_nb))
    WEIGHTS[1] = 3
    after = stamp_of(kernel()(weigh_nb))
    assert before != after
    assert "('NAME', \"'a'\")" in after


class Colour(IntEnum):
    RED = 1
    BLUE = 2


class Green(IntEnum):
    RED = 3


@kernel()
def first_nb(value: int) -> int:
    return value + 1


@kernel()
def second_nb(value: int) -> int:
    return value + 2


CONSTANT: Any = 0


def stamp_with(constant: Any) -> str:
    """Return the stamp of a kernel that reads a module's constant."""
    global CONSTANT  # noqa: PLW0603 - a kernel's constants are its module's
    CONSTANT = constant

    def read_nb() -> Any:
        return CONSTANT

    return stamp_of(kernel()(read_nb))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1, 2),
        (1.0, 2.0),
        (True, 1),
        ("a", "b"),
        (b"a", b"b"),
        (np.uint64(1), np.int64(1)),
        (Colour.RED, Colour.BLUE),
        (Colour, Green),
        ((1, 2), (1, 3)),
        ((1, (2, (3, "a"))), (1, (2, (3, "b")))),
        ((Colour.RED, (Colour.RED,)), (Colour.RED, (Colour.BLUE,))),
        ((np.arange(2_000),), (np.append(np.arange(1_999), 7),)),
        ((np.zeros(4_000),), (np.eye(1, 4_000, 2_000)[0],)),
        (np.dtype([("a", "<i8")]), np.dtype([("a", "<i4")])),
        (np.zeros(1, [("a", "<i8")]), np.zeros(1, [("b", "<i8")])),
        (numba.int64, numba.int32),
        (first_nb, second_nb),
        ((1, first_nb), (1, second_nb)),
    ],
)
def test_cache_stamp_changes_with_every_kind_of_constant(before: Any, after: Any) -> None:
    assert stamp_with(before) == stamp_with(before)
    assert stamp_with(before) != stamp_with(after)


def test_cache_stamp_changes_with_the_constants_of_a_callee_of_a_callee() -> None:
    def stamp(tolerance: int) -> str:
        inner = {"TOLERANCE": (0, (tolerance,)), "__name__": __name__, "__file__": __file__}

        def compiled(source: str, name: str) -> Any:
            made = FunctionType(compile(source, __file__, "exec").co_consts[0], inner, name)
            inner[name] = kernel()(made)
            return inner[name]

        compiled("def low_nb(): return TOLERANCE[1][0]", "low_nb")
        compiled("def middle_nb(): return low_nb()", "middle_nb")
        return stamp_of(compiled("def high_nb(): return middle_nb()", "high_nb"))

    assert stamp(1) == stamp(1)
    assert stamp(1) != stamp(2)


@pytest.mark.parametrize("constant", [{"a": 1}, [1], {1}, object(), (1, [2])])
def test_a_kernel_that_reads_what_has_no_fingerprint_is_refused(constant: Any) -> None:
    with pytest.raises(TypeError, match=r"read_nb: CONSTANT.*has no fingerprint"):
        stamp_with(constant)


def test_a_kernel_that_reads_a_variable_of_an_enclosing_function_is_refused() -> None:
    limit = 3

    def bounded_nb(value: int) -> int:
        return min(value, limit)

    with pytest.raises(TypeError, match="limit"):
        kernel()(bounded_nb)


def test_kernel_with_a_signature_compiles_nothing_else() -> None:
    with pytest.raises(TypeError, match="No matching definition"):
        index_nb.fill_nb(empty_table(1), [1.0], 0, 1)


def test_kernel_without_a_signature_compiles_at_its_first_call() -> None:
    @kernel()
    def double_nb(value: int) -> int:
        return 2 * value

    assert double_nb(21) == 42


KERNELS = """
from engine.common.jit import kernel

@kernel()
def twice_nb(value):
    return 2 * value

@kernel("int64(int64)")
def four_times_nb(value):
    return twice_nb(twice_nb(value))
"""


def define_kernels(source: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Define the kernels of a file in a new process, and print the names of those it compiles."""
    program = (
        "from engine.common.jit import compilations\n"
        f"source = {str(source)!r}\n"
        f"with compilations(print): exec(compile({KERNELS!r}, source, 'exec'))"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_each_compilation_is_named_and_a_second_process_has_none(tmp_path: Path) -> None:
    source, cache = tmp_path / "kernels.py", str(tmp_path / "cache")
    source.write_text(KERNELS)
    first = define_kernels(source, NUMBA_CACHE_DIR=cache)
    assert first.stdout.split() == ["__main__.four_times_nb", "__main__.twice_nb"], first.stderr
    second = define_kernels(source, NUMBA_CACHE_DIR=cache)
    assert (second.returncode, second.stdout) == (0, "")


def test_no_kernel_is_compiled_by_two_processes(tmp_path: Path) -> None:
    source, cache = tmp_path / "kernels.py", str(tmp_path / "cache")
    source.write_text(KERNELS)
    with ThreadPoolExecutor(3) as threads:
        starts = [threads.submit(define_kernels, source, NUMBA_CACHE_DIR=cache) for _ in range(3)]
    compiled = [name for start in starts for name in start.result().stdout.split()]
    assert sorted(compiled) == ["__main__.four_times_nb", "__main__.twice_nb"]


HELPER = """
import multiprocessing
from engine.common.jit import _lock_of, compilations, compiled_backwards, kernel
from engine.common.kernel_cache import kernel_lock

processes = multiprocessing.get_context("fork")
held, done = processes.Event(), processes.Event()

def hold(folder, name):
    with kernel_lock(folder, name):
        held.set()
        done.wait()

def say(name):
    print(name.removeprefix("__main__."))

with compilations(say), compiled_backwards():
    @kernel("int64(int64)")
    def first_nb(value):
        return value + 1

    @kernel("int64(int64)")
    def taken_nb(value):
        return value + 2

    @kernel()
    def between_nb(value):
        return first_nb(value)

    @kernel("int64(int64)")
    def caller_nb(value):
        return between_nb(value > 0)

    @kernel("int64(int64)")
    def last_nb(value):
        return value + 3

    other = processes.Process(target=hold, args=_lock_of(taken_nb))
    other.start()
    held.wait()
done.set()
"""


def test_a_helper_compiles_from_the_end_callees_first_and_leaves_what_another_has(
    tmp_path: Path,
) -> None:
    source = tmp_path / "kernels.py"
    source.write_text(HELPER)
    done = subprocess.run(
        [sys.executable, str(source)],
        env={**os.environ, "PYTHONPATH": os.getcwd(), "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["last_nb", "first_nb", "caller_nb", "between_nb"]


def test_a_cache_that_cannot_be_written_is_refused_with_advice() -> None:
    nowhere = Path("/proc/self/none")
    done = define_kernels(
        nowhere / "kernels.py",
        NUMBA_CACHE_DIR=str(nowhere),
        XDG_CACHE_HOME=str(nowhere),
        HOME=str(nowhere),
    )
    assert done.returncode == 1
    assert (
        "engine.common.kernel_cache.KernelCacheError: compiled kernels cannot be stored"
        in done.stderr
    )
    assert "set NUMBA_CACHE_DIR to a folder that this user can write" in done.stderr


def import_with(change: str) -> subprocess.CompletedProcess[str]:
    """Import engine.common.jit in a new process after a change of numba."""
    return subprocess.run(
        [sys.executable, "-c", f"{change}\nimport engine.common.jit"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


REMOVALS = {
    "disable_compile": """
from numba.core.dispatcher import Dispatcher, _DispatcherBase
for kind in (Dispatcher, _DispatcherBase):
    if "disable_compile" in vars(kind):
        delattr(kind, "disable_compile")
""",
    "_cache": """
from numba.core.dispatcher import Dispatcher
enable_caching = Dispatcher.enable_caching
def enable_and_remove(self):
    enable_caching(self)
    del self._cache
Dispatcher.enable_caching = enable_and_remove
""",
    "_cache_file": """
from numba.core import caching
init = caching.FunctionCache.__init__
def init_and_remove(self, function):
    init(self, function)
    del self._cache_file
caching.FunctionCache.__init__ = init_and_remove
""",
    "_source_stamp": """
from numba.core import caching
init = caching.IndexDataCacheFile.__init__
def init_and_remove(self, *args, **kwargs):
    init(self, *args, **kwargs)
    del self._source_stamp
caching.IndexDataCacheFile.__init__ = init_and_remove
""",
}


@pytest.mark.parametrize("attribute", REMOVALS)
def test_import_names_numba_s_version_and_the_attribute_that_is_missing(attribute: str) -> None:
    result = import_with(REMOVALS[attribute])
    assert result.returncode == 1
    assert f"ImportError: numba {numba.__version__}: " in result.stderr
    assert f"({attribute} is missing)" in result.stderr


def test_import_succeeds_with_the_installed_numba_and_without_compilation() -> None:
    assert import_with("").returncode == 0
    disabled = import_with("import os; os.environ['NUMBA_DISABLE_JIT'] = '1'")
    assert disabled.returncode == 0, disabled.stderr
