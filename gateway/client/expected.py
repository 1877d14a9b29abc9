"""Keep the futures of the answers that a session expects, by the ref of what was placed.

Owns the futures, several of one ref in the order of their sendings. It never sends anything.
"""

import asyncio
from collections import deque
from typing import Generic, TypeVar

A = TypeVar("A")


class Expected(Generic[A]):
    """Answers of one kind that have not come; `open` is their number."""

    def __init__(self) -> None:
        self.open = 0
        self._next: dict[str, asyncio.Future[A]] = {}
        self._later: dict[str, deque[asyncio.Future[A]]] = {}

    def add(self, ref: str) -> "asyncio.Future[A]":
        """Return the future of the answer to a sending of a ref."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self.open += 1
        if ref in self._next:
            self._later.setdefault(ref, deque()).append(future)
        else:
            self._next[ref] = future
        return future

    def take(self, ref: str) -> "asyncio.Future[A] | None":
        """Take out the future that the next answer of a ref belongs to."""
        future = self._next.pop(ref, None)
        if future is not None:
            self.open -= 1
            later = self._later.get(ref)
            if later is not None:
                self._next[ref] = later.popleft()
                if not later:
                    del self._later[ref]
        return future

    def take_all(self) -> "list[asyncio.Future[A]]":
        """Take out all futures: no answer comes any more."""
        futures = [*self._next.values(), *(one for later in self._later.values() for one in later)]
        self._next.clear()
        self._later.clear()
        self.open = 0
        return futures
