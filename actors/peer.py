"""How one part of the system calls another: ask and await, or tell and forget.

Owns the calling convention and its failures. `LocalPeer` runs the callee in this process
(tests, notebooks, embedded use); the cluster's own kind lives beside Ray. A call is never retried
here: where money moves, re-sending is the caller's decision, with the same ids.
"""

import asyncio
from typing import Any, Protocol


class PeerError(Exception):
    """A call has no answer. Whether the callee ran it is unknown."""


class PeerDiedError(PeerError):
    """The callee's process is gone, or went while it held the call."""


class PeerTimeoutError(PeerError):
    """No answer within the time allowed; the callee may still run the call."""


class PeerRefusedError(Exception):
    """The callee did nothing and nothing changed: it is quarantined or its disk is full.

    Not a PeerError: there is an answer, and it is that the work stays with the caller.
    """


class Peer(Protocol):
    """A part of the system that answers by method name."""

    @property
    def name(self) -> str:
        """Unique name of the part, stable across its restarts."""
        ...

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        """Call and await the answer; raises PeerDiedError or PeerTimeoutError."""
        ...

    def notify(self, method: str, /, *args: Any) -> None:
        """Call and forget: no answer, no error, no order against `ask`."""
        ...


class LocalPeer:
    """A peer in this very process: methods run on the caller's event loop, in call order."""

    def __init__(self, target: object, *, name: str) -> None:
        self._target = target
        self._name = name
        self._sent: set[asyncio.Task[Any]] = set()

    @property
    def name(self) -> str:
        """Name given at construction."""
        return self._name

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        """Run the method; a coroutine is awaited for at most `timeout_s`."""
        answer = getattr(self._target, method)(*args)
        if asyncio.iscoroutine(answer):
            try:
                return await asyncio.wait_for(answer, timeout_s)
            except TimeoutError as error:
                raise PeerTimeoutError(f"{self._name}.{method}: {timeout_s} s passed") from error
        return answer

    def notify(self, method: str, /, *args: Any) -> None:
        """Run the method soon; its answer is dropped."""
        task = asyncio.get_running_loop().create_task(self.ask(method, *args))
        self._sent.add(task)
        task.add_done_callback(self._sent.discard)
