"""Stand-ins for what surrounds shells: a gateway that records, a clock, a peer that loses calls."""

import asyncio
from typing import Any

from actors.peer import LocalPeer, PeerDiedError, PeerTimeoutError


class RecordingGateway:
    """The peer of a gateway that records every notification: its method and arguments."""

    name = "gateway-0"

    def __init__(self) -> None:
        self.notified: list[tuple[str, Any]] = []

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        raise AssertionError("a shell never asks a gateway")

    def notify(self, method: str, /, *args: Any) -> None:
        self.notified.append((method, *args))


class TickingClock:
    """A clock that advances by 1 ns at every reading."""

    def __init__(self) -> None:
        self.at_ns = 0

    def __call__(self) -> int:
        self.at_ns += 1
        return self.at_ns


class UnreliablePeer(LocalPeer):
    """The peer of a shell that loses calls or answers, runs calls twice, or fails in them.

    `lose_calls` and `lose_answers` hold how many calls of a method are lost; `run_twice`, `fail`
    and `hang` (until `thaw` is set) hold the methods concerned. `methods` records every call.
    """

    def __init__(self, target: object, *, name: str) -> None:
        super().__init__(target, name=name)
        self.lose_answers: dict[str, int] = {}
        self.lose_calls: dict[str, int] = {}
        self.run_twice: set[str] = set()
        self.fail: set[str] = set()
        self.hang: set[str] = set()
        self.thaw = asyncio.Event()
        self.methods: list[str] = []

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        self.methods.append(method)
        await asyncio.sleep(0)  # other tasks run meanwhile, as they do during a real call
        if method in self.hang:
            await self.thaw.wait()
        if self.lose_calls.get(method, 0) > 0:
            self.lose_calls[method] -= 1
            raise PeerDiedError(f"{self.name}.{method}: the call is lost")
        if method in self.fail:
            raise ZeroDivisionError(f"{self.name}.{method}: a defect")
        answer = await super().ask(method, *args, timeout_s=timeout_s)
        if method in self.run_twice:
            answer = await super().ask(method, *args, timeout_s=timeout_s)
        if self.lose_answers.get(method, 0) > 0:
            self.lose_answers[method] -= 1
            raise PeerTimeoutError(f"{self.name}.{method}: the answer is lost")
        return answer
