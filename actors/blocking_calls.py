"""Await a call that may block for long, in a thread of its own.

Owns such threads. Neither the event loop nor the end of the process waits for one, as it would for
a thread of asyncio's executor: some calls of Ray block for a minute when its head process is lost.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[[], T]) -> T:
    """Return what a call returns, or raise what it raises; a cancellation lets it run on."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def finish(settle: Callable[[Any], None], outcome: Any) -> None:
        if not answer.done():
            settle(outcome)

    def run() -> None:
        settle: Callable[[Any], None] = answer.set_result
        outcome: Any
        try:
            outcome = call()
        except BaseException as error:
            settle, outcome = answer.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(finish, settle, outcome)

    threading.Thread(target=run, name="blocking call", daemon=True).start()
    return await answer
