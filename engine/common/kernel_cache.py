"""What it means that compiled kernels cannot be stored.

Owns the error, apart from what loads numba, so that whoever reports it need not. Never touches the
cache, which is numba's.
"""

import contextlib
from collections.abc import Iterator


class KernelCacheError(RuntimeError):
    """Compiled kernels cannot be stored: every process would compile them anew, for minutes."""


@contextlib.contextmanager
def cache_needed() -> Iterator[None]:
    """Turn errors of a cache that numba cannot write into one error that says what to do.

    Raises
    ------
    KernelCacheError
        When numba finds no folder that it can write, or the disk refuses a file there.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "cannot cache function" not in str(error):
            raise
        raise KernelCacheError(
            "compiled kernels cannot be stored, so every process would compile them anew "
            f"({error}): set NUMBA_CACHE_DIR to a folder that this user can write, with 50 MB free"
        ) from error
