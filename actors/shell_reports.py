"""What a supervisor says of its shells: routes for callers, statuses for people.

Owns the translation and nothing else.
"""

from collections.abc import Iterable

from actors.messages import ShellRoute, ShellStatus
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
        restarts=len(shell.restarts),
        outage_ms=shell.outage_ms,
        why=shell.why,
        health=shell.health,
    )
