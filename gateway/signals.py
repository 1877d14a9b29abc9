"""Take the signals that stop or steer a command, in a thread of their own.

Owns the signal mask of the process while a command runs. Ray installs handlers in the process that
starts it, and they print stacks of C++. A signal that is blocked in every thread and taken by
sigwait runs no handler, whoever installs one. Enter `TakenSignals` before modules that start
threads (numpy, Ray) are imported: a thread inherits the mask of its creator. A forked process gets
the mask from before; one that `subprocess` starts without `preexec_fn` runs no hook of the fork and
inherits the blocked signals, so start with one what is to be stopped by them.
"""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Self

from actors.exit_codes import EXIT_INTERRUPTED

STOPS: Final = frozenset({signal.SIGINT, signal.SIGTERM})
"""Signals that stop a command."""
_TAKEN: Final = STOPS | {signal.SIGHUP}

_masks_before: Final[list[set[signal.Signals]]] = []
"""The mask that a forked process is to have, while this process blocks more; else empty."""


def _restore_mask_in_child() -> None:
    if _masks_before:
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks_before[0])


os.register_at_fork(after_in_child=_restore_mask_in_child)


class TakenSignals:
    """SIGINT, SIGTERM and SIGHUP of this process; a context manager.

    Outside of `handled`, each ends the process at once with EXIT_INTERRUPTED, except for a SIGHUP
    that the process was started to ignore (`nohup`).
    """

    def __init__(self) -> None:
        self._receive: Callable[[signal.Signals], None] = _end_process
        self._closed = False
        self._thread = threading.Thread(target=self._take, name="signals", daemon=True)

    def __enter__(self) -> Self:
        _masks_before.append(set(map(signal.Signals, signal.pthread_sigmask(signal.SIG_BLOCK, ()))))
        signal.pthread_sigmask(signal.SIG_BLOCK, _TAKEN)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        assert self._thread.ident is not None, "started"
        signal.pthread_kill(self._thread.ident, signal.SIGTERM)
        self._thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks_before.pop())

    @contextlib.contextmanager
    def handled(self, handlers: Mapping[signal.Signals, Callable[[], object]]) -> Iterator[None]:
        """Call the handler of each signal in the running event loop.

        A signal without a handler ends the process at once, as outside.
        """
        loop = asyncio.get_running_loop()

        def receive(number: signal.Signals) -> None:
            handler = handlers.get(number)
            if handler is None:
                _end_process(number)
            else:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(handler)

        self._receive = receive
        try:
            yield
        finally:
            self._receive = _end_process

    def _take(self) -> None:
        while True:
            number = signal.Signals(signal.sigwait(_TAKEN))
            if self._closed:
                return
            self._receive(number)


def _end_process(number: signal.Signals) -> None:
    if number in STOPS or signal.getsignal(number) is not signal.SIG_IGN:
        os._exit(EXIT_INTERRUPTED)
