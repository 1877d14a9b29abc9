"""One thread with an event loop, in which a part runs whatever way its calls come.

Owns the thread. Calls of Ray come on threads of Ray and wait in the loop's queue behind those of
the road, so the part's methods never run at the same time.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


class WorkThread:
    """A running event loop in a thread of its own, until the process ends."""

    def __init__(self, name: str) -> None:
        self._loop = uvloop.new_event_loop()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Run a function in the thread and return what it returns, or raise what it raises."""
        outcome: Future[T] = Future()

        def run() -> None:
            try:
                outcome.set_result(function(*args))
            except BaseException as error:
                outcome.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return outcome.result()

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread's loop; return what it returns, or raise what it raises."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
