"""End bets that wait at their markets, which account shards have let pass before a stop.

Owns one command to every market shell. Which stop it follows is the caller's.
"""

import asyncio

from actors.messages import MarketControl, decode_market_events, encode
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.acceptance import StopWaiting
from engine.common.events import WaitingStopped


async def stop_waiting(
    routes: Routes, by: str, command: StopWaiting, *, timeout_s: float
) -> tuple[str, ...]:
    """Refuse what waits in every market shell; return the shells that did not answer."""
    names = sorted(shell.name for shell in routes.shells.values() if shell.kind == "market")
    payload = encode(MarketControl(by=by, commands=(command,)))
    done = await asyncio.gather(*(_stop(routes, name, payload, timeout_s) for name in names))
    return tuple(name for name, stopped in zip(names, done, strict=True) if not stopped)


async def _stop(routes: Routes, shell: str, payload: bytes, timeout_s: float) -> bool:
    peer = routes.peer(shell)
    if peer is None:
        return False
    try:
        raw = await peer.ask("control", payload, timeout_s=timeout_s)
    except (PeerError, PeerRefusedError):
        return False
    return all(isinstance(event, WaitingStopped) for event in decode_market_events(raw))
