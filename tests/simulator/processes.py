"""The processes of a simulated world: shells that a supervisor starts, and the other parts.

Owns how a process begins, dies and is frozen, what its disk keeps of it, and its clock. Never
decides when: the supervisor starts shells, and the story kills and freezes.
"""

import asyncio
import os
import random
from collections.abc import Callable, Collection
from typing import Any, NoReturn

from actors.process import PartSpec
from tests.simulator.disk import ProcessEndedError, SimulatedDisk
from tests.simulator.event_loop import Part, SimulatedLoop
from tests.simulator.network import Callee, Network, SimulatedPeer
from tests.simulator.road import WirePeer, Wires
from tests.simulator.sockets import WORLD

_JOIN_S = 5.0
START_S = 0.02
"""How long a process needs until its part is constructed."""
BASE_NS = 1_700_000_000 * 10**9
"""The wall clock at the beginning of every run."""


class Clock:
    """A part's wall clock: virtual time, and by how much the story has moved it."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop
        self.moved_ns = 0
        self._moved_most_ns = 0

    def move(self, by_ns: int) -> None:
        """Have the clock jump."""
        self.moved_ns += by_ns
        self._moved_most_ns = max(self._moved_most_ns, self.moved_ns)

    def catch_up(self) -> None:
        """Set the clock so that no record is later than it: until then no record's time goes on."""
        self.moved_ns = self._moved_most_ns

    def __call__(self) -> int:
        return BASE_NS + int(self._loop.time() * 1e9) + self.moved_ns


class _Target:
    """The part behind a process, and the end of the process from within."""

    def __init__(self, process: "SimulatedProcess", part: Any) -> None:
        self._process = process
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    async def open_road(self) -> Any:
        return await self._process.join_road()

    def end_process(self) -> None:
        self._process.kill()


class SimulatedProcess:
    """A process of a part: the supervisor's view of it (`actors.process.Process`)."""

    def __init__(
        self,
        spec: PartSpec,
        *,
        network: Network,
        wires: Wires | None = None,
        disk: SimulatedDisk | None = None,
        wrap: Callable[[str, Any], Any] = lambda name, part: part,
    ) -> None:
        self.spec = spec
        self.start_ticks = 0
        self.disk = disk
        self.part = Part(spec.name)
        self.part.end_process = self.kill
        self.undead = False
        """A planted defect: the process goes on after its end."""
        self.callee = Callee(spec.name, self.part)
        self.peer: SimulatedPeer | WirePeer = SimulatedPeer(network, self.callee)
        self.target: Any = None
        self.power_loss: random.Random | None = None
        """When set, the process ends by a power loss, which this seeds."""
        self._network = network
        self._wires = wires
        self._wrap = wrap
        self._gone = asyncio.Event()
        network.loop.call_later(START_S, self._construct, context=self.part.context)

    @property
    def ended(self) -> bool:
        return self.part.ended

    def _construct(self) -> None:
        arguments = {**self.spec.arguments, "exit_process": self._on_exit}
        try:
            self.target = self._wrap(self.spec.name, self.spec.factory(**arguments))
        except ProcessEndedError:
            self.kill()
            return
        if self.ended:
            return
        self.callee.target = _Target(self, self.target)
        waiting, self.callee.waiting = self.callee.waiting, []
        for call in waiting:
            self._network.run(self.callee, *call)

    def _on_exit(self, code: int) -> NoReturn:
        self.kill()
        raise ProcessEndedError(f"{self.spec.name}: ended itself with code {code}")

    def attach(self, pid: int) -> None:
        assert pid == os.getpid()

    async def open_road(self) -> None:
        """Let the part be called over the road from now on, if this world has one."""
        if self._wires is not None and isinstance(self.peer, SimulatedPeer):
            address = await self.peer.ask("open_road", timeout_s=_JOIN_S)
            if isinstance(self.peer, SimulatedPeer):
                self.peer = WirePeer(self.peer, address, self._wires)

    async def join_road(self) -> Any:
        """Join the road, in the process's own code; return its address."""
        assert self._wires is not None
        return await self._wires.join(self.part, self.callee.target)

    def kill(self) -> None:
        """End the process between two calls, or in the middle of the one that runs."""
        if self.ended:
            return
        if not self.undead:
            self.callee.end()
            if self._wires is not None:
                self._wires.end(self.part)
            if self.disk is not None:
                self.disk.end_process(power_loss=self.power_loss)
        self._network.loop.call_soon(self._gone.set, context=WORLD)

    def freeze(self) -> None:
        self.part.frozen = True

    def thaw(self) -> None:
        self.part.thaw(self._network.loop)

    async def wait_gone(self) -> None:
        await self._gone.wait()


class SimulatedLauncher:
    """Starts shells' processes, each on the disk and by the clock of its name."""

    def __init__(
        self,
        network: Network,
        wrap: Callable[[str, Any], Any],
        started: Callable[[SimulatedProcess], None],
    ) -> None:
        self.processes: dict[str, SimulatedProcess] = {}
        self.disks: dict[str, SimulatedDisk] = {}
        self.clocks: dict[str, Clock] = {}
        self.make_disk: Callable[[], SimulatedDisk] = SimulatedDisk
        self.wires: Wires | None = None
        self.starts = 0
        self._network = network
        self._wrap = wrap
        self._started = started

    def spawn(self, spec: PartSpec) -> SimulatedProcess:
        self.starts += 1
        name = spec.name
        if name not in self.disks:
            self.disks[name] = self.make_disk()
            self.clocks[name] = Clock(self._network.loop)
        disk = self.disks[name]
        arguments = {**spec.arguments, "disk": disk, "clock": self.clocks[name]}
        process = self.processes[name] = SimulatedProcess(
            PartSpec(
                name=name, generation=spec.generation, factory=spec.factory, arguments=arguments
            ),
            network=self._network,
            wires=self.wires,
            disk=disk,
            wrap=self._wrap,
        )
        self._started(process)
        return process

    @property
    def spare_pid(self) -> int:
        return 0

    async def begin(self, spec: PartSpec) -> SimulatedProcess:
        return self.spawn(spec)

    async def running(self, names: Collection[str]) -> dict[str, tuple[int, SimulatedProcess]]:
        return {
            name: (process.spec.generation, process)
            for name, process in self.processes.items()
            if name in names and not process.ended
        }

    def close(self) -> None:
        return
