"""What a supervisor says of its shells: routes for callers, statuses for people.

Owns the translation and nothing else.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from actors.messages import ShellRoute, ShellStatus, decode_reconciler_status, encode
from actors.peer import Peer
from actors.process_keeper import ShellProcess, clock_trouble


def shell_route(shell: ShellProcess) -> ShellRoute:
    """Return a shell as callers know it."""
    jumps, behind = clock_trouble(shell.health)
    return ShellRoute(
        name=shell.name,
        kind=shell.kind,
        generation=shell.generation,
        state=shell.state,
        shard=shell.shard,
        clock_jumps=jumps,
        clock_behind=behind,
    )


def peers_of(shells: Iterable[ShellProcess]) -> dict[str, Peer]:
    """Return how to call those of the shells that have a process."""
    return {shell.name: shell.peer for shell in shells if shell.process is not None}


def shell_status(shell: ShellProcess) -> ShellStatus:
    """Return a shell as its supervisor knows it."""
    return ShellStatus(
        name=shell.name,
        kind=shell.kind,
        generation=shell.generation,
        state=shell.state,
        folder=str(shell.arguments.get("folder", "")),
        restarts=len(shell.restarts),
        outage_ms=shell.outage_ms,
        why=shell.why,
        health=shell.health,
    )


def with_healths(payload: bytes, shells: Iterable[ShellProcess]) -> bytes:
    """Return a reconciler's status with what the shells' ticks said: ReconcilerStatus."""
    healths = [shell.health for shell in shells if shell.health is not None]
    status = replace(
        decode_reconciler_status(payload),
        house_stopped=sum(health.house_stopped for health in healths),
        disputes=sum(health.disputes for health in healths),
        ids_reused=sum(health.ids_reused for health in healths),
        charges_unfit=sum(health.charges_unfit for health in healths),
        road_strangers=sum(health.road_strangers for health in healths),
    )
    return encode(status)
