"""Ask a costly question once for everybody who wants its answer at about the same time.

Owns the question that is under way and the last answer, for its lifetime: twenty screens that look
each second cost what one does. It never knows what is asked.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SharedAnswer(Generic[T]):
    """One question and its answer.

    Parameters
    ----------
    ask : callable
        Asks it anew; what it raises, everybody who waits for it gets.
    lifetime_s : float
        Seconds after the start of the question for which its answer serves others.
    """

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, T]], *, lifetime_s: float) -> None:
        self._ask = ask
        self._lifetime_s = lifetime_s
        self._asking: asyncio.Task[T] | None = None
        self._asked_s = 0.0

    async def get(self) -> T:
        """Return the answer, asked for `lifetime_s` ago at most or still under way."""
        loop = asyncio.get_running_loop()
        asking = self._asking
        if asking is None or (asking.done() and loop.time() - self._asked_s > self._lifetime_s):
            self._asked_s = loop.time()
            asking = self._asking = loop.create_task(self._ask())
        return await asyncio.shield(asking)
