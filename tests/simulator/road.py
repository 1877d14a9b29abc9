"""The road of a simulated world: its real connections, on wires that carry bytes in memory.

Owns the wires: bytes of one direction arrive in order, in pieces and late; a wire breaks when
either process ends, when the story disturbs a call, and now and then for no reason. What was sent
before a break arrives or is lost, as the delays have it. Never knows what the bytes mean.
"""

import asyncio
import zlib
from collections.abc import Callable
from typing import Any

from actors.road.address import RoadAddress
from actors.road.peer import RoadPeer
from actors.road.road import Road, RoadSettings
from tests.simulator.disk import ProcessEndedError
from tests.simulator.event_loop import PART, Part
from tests.simulator.network import CallFault, Network, SimulatedPeer
from tests.simulator.sockets import WORLD

_SETTINGS = RoadSettings(secret=b"the secret of a simulated world")
_BREAKS_IN_1024 = 2
"""After how many writes in 1,024 a wire breaks for no reason."""
_PIECES_IN_1024 = 256
"""How many writes in 1,024 arrive in two pieces."""


class Wires:
    """Every wire of a simulated world.

    Parameters
    ----------
    network : Network
        Whose delays and chances the wires have.
    dialled : callable
        Given the caller's protocol of every new wire; a planted defect changes it.
    """

    def __init__(self, network: Network, dialled: Callable[[Any], None]) -> None:
        self.network = network
        self.writes = 0
        self.breaks = 0
        self._dialled = dialled
        self._ends: dict[Part, list[WireEnd]] = {}
        self._faults: dict[tuple[Part, Part], CallFault] = {}

    async def join(self, part: Part, target: object) -> RoadAddress:
        """Let a part, to which this code belongs, be called over the road and call others."""
        if part.road is None:
            part.road = Road(part.name, _SETTINGS, dial=self._dial)
            await part.road.serve(target)
        address: RoadAddress = part.road.server.address
        return address

    def end(self, part: Part) -> None:
        """Break every wire of a process that has ended."""
        for end in self._ends.pop(part, ()):
            end.break_off()

    def disturb(self, callee: Part, fault: CallFault) -> None:
        """Have a fault meet the next bytes of the running part to another."""
        caller = PART.get()
        assert caller is not None
        self._faults[caller, callee] = fault

    def take_fault(self, end: "WireEnd") -> CallFault | None:
        """Return the fault that meets what an end sends now."""
        if not self._faults:
            return None
        return self._faults.pop((end.part, end.other.part), None)

    async def _dial(self, address: RoadAddress, protocol: asyncio.BaseProtocol) -> None:
        caller = PART.get()
        assert caller is not None
        salt = zlib.crc32(f"{caller.name} to {address.part}".encode())
        await asyncio.sleep(self.network.delay_s(salt))
        listening = self.network.loop.unix_names.get(address.socket_name)
        if listening is None or listening.part.ended:
            raise ConnectionRefusedError(f"{address.part} is not there")
        self._dialled(protocol)
        near = WireEnd(self, caller, protocol, salt)
        far = WireEnd(self, listening.part, listening.factory(), salt ^ 0x5555)
        near.other, far.other = far, near
        for end in (near, far):
            self._ends.setdefault(end.part, []).append(end)
            end.soon(end.protocol.connection_made, end)


class WireEnd(asyncio.Transport):
    """One process's end of a wire; what has arrived waits here while the process stands still."""

    other: "WireEnd"

    def __init__(self, wires: Wires, part: Part, protocol: Any, salt: int) -> None:
        super().__init__()
        self.part = part
        self.protocol = protocol
        self._wires = wires
        self._loop = wires.network.loop
        self._salt = salt
        self._broken = False
        """Whether whatever is sent from now on is lost."""
        self._closed = False
        self._over = False
        """Whether nothing arrives any more."""
        self._paused = False
        self._wakes = False
        self._arrived = bytearray()
        self._under_way = 0
        self._last_s = 0.0
        """When the last of what was sent arrives."""

    def soon(self, callback: Callable[..., Any], *args: Any) -> None:
        """Run a callback in this end's part."""
        self._loop.call_soon(callback, *args, context=self.part.context)

    # --- the wire --------------------------------------------------------------------------------
    def break_off(self) -> None:
        """Lose what is sent from now on, and let either end learn of it."""
        if self._broken:
            return
        self._wires.breaks += 1
        for end in (self, self.other):
            end._broken = True
            self._loop.call_later(
                self._wires.network.delay_s(end._salt ^ 0xAAAA), end._end, context=WORLD
            )

    def _end(self) -> None:
        self._over = True
        self._wake()

    def _arrive(self, piece: bytes) -> None:
        self._under_way -= len(piece)
        other = self.other
        if not other._over:
            other._arrived += piece
            other._wake()

    def _wake(self) -> None:
        if not self._wakes:
            self._wakes = True
            self.soon(self._read)

    def _read(self) -> None:
        """Give what has arrived to the protocol, then the end; this code belongs to the part."""
        self._wakes = False
        try:
            if self._arrived and not (self._closed or self._paused):
                data = bytes(self._arrived)
                self._arrived.clear()
                self.protocol.data_received(data)
            if self._over and not (self._closed or self._arrived):
                self._closed = True
                self.protocol.connection_lost(None)
        except ProcessEndedError:
            self.part.end_process()

    # --- the process's side ----------------------------------------------------------------------
    def write(self, data: Any) -> None:
        if self._broken:
            return
        network = self._wires.network
        self._wires.writes += 1
        fault = self._wires.take_fault(self)
        kind = None if fault is None else fault.kind
        if kind == "lose call":
            self.break_off()
            return
        now_s = self._loop.time()
        if fault is not None and kind == "delay":
            self._last_s = max(self._last_s, now_s + fault.after_s)
        for number, piece in enumerate(self._pieces(bytes(data))):
            self._under_way += len(piece)
            arrives_s = now_s + network.delay_s(self._salt + number)
            self._last_s = max(self._last_s, arrives_s)
            self._loop.call_at(self._last_s, self._arrive, piece, context=WORLD)
        if kind == "lose answer":
            self._loop.call_at(self._last_s, self.break_off, context=WORLD)
        elif network.rough and network.chance(self._salt ^ 0x3333) < _BREAKS_IN_1024:
            self.break_off()

    def _pieces(self, data: bytes) -> list[bytes]:
        network = self._wires.network
        if not network.jitter or network.chance(self._salt ^ 0x7777) >= _PIECES_IN_1024:
            return [data]
        at = 1 + network.chance(self._salt ^ 0x1111) % max(1, len(data) - 1)
        return [data[:at], data[at:]]

    def abort(self) -> None:
        if not self._closed:
            self._closed = True
            self.soon(self.protocol.connection_lost, None)
            self.break_off()

    def close(self) -> None:
        self.abort()

    def is_closing(self) -> bool:
        return self._closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def get_write_buffer_size(self) -> int:
        return self._under_way

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._wake()

    def is_reading(self) -> bool:
        return not self._paused


class WirePeer(RoadPeer):
    """How one part calls another over the road, and through the network where it does not go.

    A story's fault that meets a call on the road breaks the wire or makes it slow; the second call
    of a doubled one comes through the network.
    """

    def __init__(self, rare: SimulatedPeer, address: RoadAddress, wires: Wires) -> None:
        super().__init__(rare, address)
        self._callee = rare.callee
        self._wires = wires

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        self._disturb(method, args)
        return await super().ask(method, *args, timeout_s=timeout_s)

    def notify(self, method: str, /, *args: Any) -> None:
        self._disturb(method, args)
        super().notify(method, *args)

    @staticmethod
    def here() -> Road | None:
        part = PART.get()
        return None if part is None else part.road

    def _disturb(self, method: str, args: tuple[Any, ...]) -> None:
        if self._road(method) is None:
            return
        network = self._wires.network
        fault = network.take_fault(self._callee.name, method)
        if fault is None:
            return
        if fault.kind == "double":
            network.call_again(self._callee, method, args, after_s=fault.after_s)
        else:
            self._wires.disturb(self._callee.part, fault)
