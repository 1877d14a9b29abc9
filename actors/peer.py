"""How one part of the system calls another: `ask` for an answer, or `notify` without one.

Owns the calling convention and its failures. `LocalPeer` runs the callee in this process (tests,
notebooks, embedded use); the peer of a Ray actor is in cluster.py. Never retries a call: where
money moves, sending again is the caller's decision, with the same ids.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, runtime_checkable


class PeerError(Exception):
    """A call has no answer. Whether the callee ran the call is unknown."""


class PeerDiedError(PeerError):
    """The callee's process, or the connection to it, has ended before the call or during it."""


class PeerTimeoutError(PeerError):
    """No answer came within the time allowed; the callee may still run the call."""


class PeerRefusedError(Exception):
    """The callee did nothing and nothing changed: it is quarantined or its disk is full.

    Not a PeerError: the callee answered, and the work stays with the caller.
    """


class Peer(Protocol):
    """A part of the system whose methods are called by name."""

    @property
    def name(self) -> str:
        """Unique name of the part, the same in all its processes."""
        ...

    def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Awaitable[Any]:
        """Call a method and return its answer, which must be awaited.

        A peer may send the call at once, or when the answer is awaited.

        Raises
        ------
        PeerDiedError
            When the callee's process has ended.
        PeerTimeoutError
            When `timeout_s` passed without an answer.
        """
        ...

    def notify(self, method: str, /, *args: Any) -> None:
        """Call a method and drop its answer and its error; no order against `ask` is promised."""
        ...


@runtime_checkable
class SubscribedPeer(Protocol):
    """A peer whose connection may break, and with it lose notifications."""

    def subscribe(self, on_gap: Callable[[], None]) -> None:
        """Call `on_gap` after notifications may have been lost, once they arrive again."""
        ...

    def unsubscribe(self) -> None:
        """Call nothing any more."""
        ...


def call_after_gaps(peer: Peer, on_gap: Callable[[], None]) -> None:
    """Call `on_gap` after a peer's callee may have missed notifications, where that can happen."""
    if isinstance(peer, SubscribedPeer):
        peer.subscribe(on_gap)


class LocalPeer:
    """A part in this process: its methods run on the caller's event loop, in call order.

    Parameters
    ----------
    target : object
        The part.
    name : str
        The part's name.
    """

    def __init__(self, target: object, *, name: str) -> None:
        self._target = target
        self._name = name
        self._notifications: set[asyncio.Task[Any]] = set()

    @property
    def name(self) -> str:
        """The name given at construction."""
        return self._name

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        """Run the method; a coroutine is awaited for at most `timeout_s`."""
        answer = getattr(self._target, method)(*args)
        if asyncio.iscoroutine(answer):
            try:
                # Not `wait_for`, which loses a cancellation that comes as the call ends.
                async with asyncio.timeout(timeout_s):
                    return await answer
            except TimeoutError as error:
                raise PeerTimeoutError(f"{self._name}.{method}: {timeout_s} s passed") from error
        return answer

    def notify(self, method: str, /, *args: Any) -> None:
        """Run the method in a later turn of the event loop and drop its answer."""
        task = asyncio.get_running_loop().create_task(self.ask(method, *args))
        self._notifications.add(task)
        task.add_done_callback(self._notifications.discard)
