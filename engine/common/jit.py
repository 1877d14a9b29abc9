"""Compile numba kernels: one way for all of them, cached on disk.

Owns how a kernel is compiled and what makes its cached machine code stale. Never owns what a kernel
computes.

numba's own cache compares only the file that defines a kernel: after a change of a called kernel or
of a constant in another file it would load the old machine code without a warning. Here a
kernel's cache stamp also holds the stamps of the kernels that it calls and the values of the
constants that it reads from its module (numbers, text, enumerations, arrays, record types, and
tuples of these, nested ones too). A kernel that reads a value of any other kind, or a variable of
an enclosing function, is refused. That relies on attributes that numba does not document, so this
module checks at import that they exist.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from enum import Enum
from types import BuiltinFunctionType, CodeType, ModuleType
from typing import Any, Final, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numba import from_dtype, njit, types
from numba.core import event
from numba.extending import is_jitted

from engine.common.kernel_cache import cache_needed, kernel_lock

P = ParamSpec("P")
R = TypeVar("R")

_UNDOCUMENTED: Final = (
    "disable_compile",
    "_cache._cache_file._source_stamp",
    "_cache._cache_file._cache_path",
    "_cache._cache_file._index_name",
)
"""Attributes of a compiled function that this module uses and that numba does not document."""

_POSTPONED: ContextVar[list[tuple[Any, list[Any]]] | None] = ContextVar("_POSTPONED", default=None)
"""Kernels with their signatures whose compilation a caller of `postponed` has taken over."""

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

    Raises
    ------
    KernelCacheError
        At the definition of a kernel, when no folder for the cache can be written, or the machine
        code cannot be stored there.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        with cache_needed():
            compiled = njit(cache=True, nogil=True, inline="always" if inline else "never")(
                function
            )
        if not is_jitted(compiled):  # NUMBA_DISABLE_JIT is set: kernels stay plain functions.
            return function
        _stamp(compiled, function)
        _compile_in_one_process(compiled)
        if signature is not None:
            signatures = signature if isinstance(signature, list) else [signature]
            if (postponed := _POSTPONED.get()) is None:
                _compile(compiled, signatures)
            else:
                postponed.append((compiled, signatures))
        return cast(Callable[P, R], compiled)

    return wrap


@contextlib.contextmanager
def compilations(on_compile: Callable[[str], None]) -> Iterator[None]:
    """Call back with a kernel's name at each beginning of a compilation; one that loads has none.

    For one thread at a time: the call comes in whatever thread compiles.
    """
    with event.install_listener("numba:compile", _CompileListener(on_compile)):
        yield


@contextlib.contextmanager
def compiled_backwards() -> Iterator[None]:
    """Compile the kernels of modules first imported in here when it ends, the last one first.

    For a process that helps another, which compiles the same kernels in their order: they meet in
    the middle. A kernel's callees are compiled before it, and one that another process has taken is
    left to that process. No kernel may be called in here.

    Raises
    ------
    KernelCacheError
        When the machine code cannot be stored.
    """
    waiting: list[tuple[Any, list[Any]]] = []
    token = _POSTPONED.set(waiting)
    try:
        yield
    finally:
        _POSTPONED.reset(token)
    signatures = {id(compiled): its for compiled, its in waiting}
    seen: set[int] = set()
    for compiled, _ in reversed(waiting):
        with cache_needed(), kernel_lock(*_lock_of(compiled), wait=False) as free:
            if free:
                _compile_with_callees(compiled, signatures, seen)


def _compile_with_callees(compiled: Any, signatures: dict[int, list[Any]], seen: set[int]) -> None:
    """Compile what this kernel calls, then the kernel; those without signatures come with a caller.

    A callee must be fixed to its signatures before a caller can ask it for others.
    """
    if id(compiled) in seen:
        return
    seen.add(id(compiled))
    for callee in _callees(compiled.py_func):
        _compile_with_callees(callee, signatures, seen)
    if id(compiled) in signatures:
        _compile(compiled, signatures[id(compiled)])


def _compile(compiled: Any, signatures: list[Any]) -> None:
    """Compile or load these signatures of a kernel, and no other ones ever after."""
    with cache_needed():
        for one in signatures:
            compiled.compile(one)
    compiled.disable_compile()


def _compile_in_one_process(compiled: Any) -> None:
    """Make a process that needs a kernel wait while another one compiles and stores it."""
    compile_signature = compiled.compile

    def compile_alone(signature: Any) -> Any:
        with kernel_lock(*_lock_of(compiled)):
            return compile_signature(signature)

    compiled.compile = compile_alone


def _lock_of(compiled: Any) -> tuple[str, str]:
    """Return the folder and the name that a kernel's lock has."""
    file = _cache_file(compiled)
    return file._cache_path, file._index_name


class _CompileListener(event.Listener):
    """Passes on the names of kernels whose compilation begins."""

    def __init__(self, on_compile: Callable[[str], None]) -> None:
        self._on_compile = on_compile

    def on_start(self, started: Any) -> None:
        function = started.data["dispatcher"].py_func
        self._on_compile(f"{function.__module__}.{function.__qualname__}")

    def on_end(self, ended: Any) -> None:
        pass


def rows_type(dtype: "np.dtype[Any]") -> Any:
    """Return numba's type of contiguous rows of a record dtype that a kernel may change."""
    return types.Array(from_dtype(dtype), 1, "C")


def rows_in_type(dtype: "np.dtype[Any]") -> Any:
    """Return numba's type of contiguous rows that a kernel only reads (a message's bytes, say)."""
    return types.Array(from_dtype(dtype), 1, "C", readonly=True)


def _stamp(compiled: Any, function: Callable[..., Any]) -> None:
    """Add to a kernel's cache stamp the stamps of its callees and the values of its constants.

    Raises
    ------
    TypeError
        When the kernel depends on something whose change its cached machine code would not show:
        a variable of an enclosing function, or a value of a kind that has no fingerprint.
    """
    parts: list[object] = []
    for code in _codes(function.__code__):
        if code is function.__code__ and code.co_freevars:
            names = ", ".join(code.co_freevars)
            raise TypeError(
                f"{function.__qualname__}: {names}: a kernel is cached, so its "
                "constants must be its module's"
            )
        for name in code.co_names:
            if name in function.__globals__:
                value = function.__globals__[name]
                parts.append((name, _fingerprint(value, f"{function.__qualname__}: {name}")))
    file = _cache_file(compiled)
    file._source_stamp = (file._source_stamp, tuple(parts))


def _callees(function: Callable[..., Any]) -> Iterator[Any]:
    """Yield the kernels whose names a kernel reads."""
    for code in _codes(function.__code__):
        for name in code.co_names:
            if name in function.__globals__ and is_jitted(value := function.__globals__[name]):
                yield value


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a function's code and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _fingerprint(value: Any, where: str) -> object:
    """Return what changes whenever a value that a kernel reads changes.

    Modules, functions written in C and numba's types do not change without a change of a package,
    with whose version numba's cache ends.
    """
    if is_jitted(value):
        callee = value.py_func
        return callee.__module__, callee.__qualname__, _cache_file(value)._source_stamp
    if isinstance(value, tuple):
        return tuple(_fingerprint(item, f"{where}[{i}]") for i, item in enumerate(value))
    if isinstance(value, Enum | int | float | str | bytes | np.generic | None):
        return repr(value)
    if isinstance(value, np.ndarray):
        return value.dtype.descr, value.shape, value.tobytes()
    if isinstance(value, np.dtype):
        return repr(value.descr)
    if isinstance(value, type) and issubclass(value, Enum):
        return tuple(repr(member) for member in value)
    if isinstance(value, ModuleType | BuiltinFunctionType | types.Type | np.ufunc):
        return repr(value)
    raise TypeError(
        f"{where}: a {type(value).__name__} has no fingerprint, so cached machine code would "
        "not show its change"
    )


def _cache_file(compiled: Any) -> Any:
    """Return the object behind a kernel's on-disk cache."""
    return compiled._cache._cache_file


def _check_numba() -> None:
    """Check that compiled functions have every undocumented attribute that this module uses.

    Raises
    ------
    ImportError
        When one is missing; the message names numba's version and the attribute.
    KernelCacheError
        When no folder for the cache can be written.
    """
    with cache_needed():
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
