"""Stop and start the house in every account shard, and tell where it is stopped.

Owns the fan-out to the shards, and no state: each shard keeps the stop, and the supervisor, which
gives it to a shard that was down before the shard takes bets again. A shard without an answer is
named, and so is the supervisor.
"""

import asyncio
from typing import Final, NamedTuple

from actors.messages import HouseQuery, decode_house_stop, encode
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes, account_shell_name
from engine.common.events import HouseStarted, HouseStopped
from engine.common.house import (
    AUTHOR_CHARS_MAX,
    HouseCommand,
    HouseStop,
    StartHouse,
    StopHouse,
)
from engine.common.ids import AccountNo, ShardNo
from engine.common.units import Nanos
from gateway.messages.house import AskHouse, House, HouseRequest, StartTheHouse, StopTheHouse
from gateway.messages.protocol import ServerMessage
from gateway.services.kept_stops import KeptStops
from gateway.services.ledger_control import ledger_command
from gateway.services.waiting_stop import WaitingStops
from gateway.settings import GatewaySettings

SUPERVISOR: Final = "supervisor"
"""How `missing` names it."""


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
    kept : KeptStops
        Keeps the stop for shells that are down.
    waiting : WaitingStops
        Ends what waits at markets.
    """

    def __init__(
        self, *, routes: Routes, settings: GatewaySettings, kept: KeptStops, waiting: WaitingStops
    ) -> None:
        self._routes = routes
        self._timeout_s = settings.control_timeout_ms / 1_000
        self._kept = kept
        self._waiting = waiting

    async def answer(self, by: str, request: HouseRequest) -> ServerMessage:
        """Stop or start the house, or say whether it is stopped."""
        names = [account_shell_name(ShardNo(shard)) for shard in range(self._routes.shards)]
        kept = True
        if isinstance(request, AskHouse):
            shards = await asyncio.gather(*map(self._ask, names))
        elif isinstance(request, StopTheHouse):
            stop = StopHouse(by=by[:AUTHOR_CHARS_MAX], why=request.why)
            calls = [self._command(name, by, stop) for name in names]
            # At once: a shard that answers stops, whether or not the supervisor does.
            keeping = asyncio.ensure_future(self._kept.keep_house(by, stop))
            shards, kept = await asyncio.gather(*calls), await keeping
        else:
            start = StartHouse()
            # Before the shards: what is kept would stop the next of them that starts.
            kept = await self._kept.keep_house(by, start)
            calls = [self._command(name, by, start) if kept else self._ask(name) for name in names]
            shards = await asyncio.gather(*calls)
        stops = [shard.stop for shard in shards if shard.stop is not None]
        first = min(stops, key=lambda stop: stop.at_ns, default=None)
        missing = [name for name, shard in zip(names, shards, strict=True) if not shard.known]
        missing += [] if kept else [SUPERVISOR]
        if isinstance(request, StopTheHouse):
            # After the accounts, which let nothing pass any more that could begin to wait.
            missing += await self._waiting.stop(by, why=request.why, still=self._is_stopped)
        elif isinstance(request, StartTheHouse) and kept:
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

    def close(self) -> None:
        """Send no stop again."""
        self._waiting.close()

    async def _is_stopped(self, _: AccountNo | None) -> bool:
        """Say whether the house is stopped still, through whichever gateway it was started."""
        stopped = await self._kept.house_stopped()
        if stopped is not None:
            return stopped
        names = [account_shell_name(ShardNo(shard)) for shard in range(self._routes.shards)]
        shards = await asyncio.gather(*map(self._ask, names))
        return any(shard.stop is not None or not shard.known for shard in shards)

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
