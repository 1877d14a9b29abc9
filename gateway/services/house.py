"""Stop and start the house in every account shard, and tell where it is stopped.

Owns the fan-out to the shards, and no state: each shard keeps the stop. It never sends a command
twice: a shard without an answer is named.
"""

import asyncio
from typing import NamedTuple

from actors.messages import HouseQuery, decode_house_stop, encode
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes, account_shell_name
from engine.common.events import HouseStarted, HouseStopped
from engine.common.house import HouseCommand, HouseStop, StartHouse, StopHouse
from engine.common.ids import ShardNo
from engine.common.units import Nanos
from gateway.messages.house import AskHouse, House, HouseRequest, StartTheHouse, StopTheHouse
from gateway.messages.protocol import ServerMessage
from gateway.services.ledger_control import ledger_command
from gateway.services.waiting_stop import WaitingStops
from gateway.settings import GatewaySettings


class _Shard(NamedTuple):
    """What one shard has answered; `known` is False where it has not."""

    known: bool
    stop: HouseStop | None = None


class HouseService:
    """The stop of the house.

    Parameters
    ----------
    routes : Routes
        The account shards, and how to call them.
    settings : GatewaySettings
        How long an answer may take.
    """

    def __init__(self, *, routes: Routes, settings: GatewaySettings) -> None:
        self._routes = routes
        self._timeout_s = settings.control_timeout_ms / 1_000
        self._waiting = WaitingStops(routes=routes, settings=settings)

    async def answer(self, by: str, request: HouseRequest) -> ServerMessage:
        """Stop or start the house, or say whether it is stopped."""
        names = [account_shell_name(ShardNo(shard)) for shard in range(self._routes.shards)]
        if isinstance(request, AskHouse):
            calls = [self._ask(name) for name in names]
        else:
            order: HouseCommand = StartHouse()
            if isinstance(request, StopTheHouse):
                order = StopHouse(by=by, why=request.why)
            calls = [self._command(name, by, order) for name in names]
        shards = await asyncio.gather(*calls)
        stops = [shard.stop for shard in shards if shard.stop is not None]
        first = min(stops, key=lambda stop: stop.at_ns, default=None)
        missing = [name for name, shard in zip(names, shards, strict=True) if not shard.known]
        if isinstance(request, StopTheHouse):
            # After the accounts, which let nothing pass any more that could begin to wait.
            missing += await self._waiting.stop(by, why=request.why)
        elif isinstance(request, StartTheHouse):
            self._waiting.lift()
        return House(
            id=request.id,
            stopped=len(stops),
            shards=len(names),
            by="" if first is None else first.by,
            why="" if first is None else first.why,
            since_ns=Nanos(0) if first is None else first.at_ns,
            missing=tuple(missing),
        )

    async def _command(self, shell: str, by: str, command: HouseCommand) -> _Shard:
        event = await ledger_command(self._routes, shell, by, command, timeout_s=self._timeout_s)
        if isinstance(event, HouseStopped):
            return _Shard(known=True, stop=HouseStop(by=event.by, why=event.why, at_ns=event.at_ns))
        return _Shard(known=isinstance(event, HouseStarted))

    async def _ask(self, shell: str) -> _Shard:
        peer = self._routes.peer(shell)
        if peer is None:
            return _Shard(known=False)
        try:
            raw = await peer.ask("query", encode(HouseQuery()), timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError):
            return _Shard(known=False)
        return _Shard(known=True, stop=decode_house_stop(raw))
