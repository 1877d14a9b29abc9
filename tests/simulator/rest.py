"""Say what a healed world still has to do before it is at rest.

Owns the question alone: the world waits, the auditor judges.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulator.world import World

_ALL = (1 << 62, 1)
"""The arguments of `pending` that ask whether there is any."""


def what_waits(world: "World") -> str:
    """Return what still has to happen, or an empty text."""
    if any(not task.done() for task in world.tasks):
        return "a feed's message or a transfer is not answered"
    for name, process in world.parts.items():
        if process.ended or process.callee.target is None:
            return f"{name} is down"
        if name in world.ports and world.ports[name]["bets"] not in world.loop.ports:
            return f"{name} does not listen"
    for name, process in world.launcher.processes.items():
        if process.ended or process.callee.target is None:
            return f"{name} is down"
        waits = _shell_waits(name, process.callee.target)
        if waits:
            return f"{name} {waits}"
    return ""


def _shell_waits(name: str, shell: Any) -> str:
    if shell.why:
        return f"does not serve: {shell.why}"
    if name.startswith("market"):
        if len(shell._durable.machine._waiting):
            return "has bets that wait"
        return "has settlements to send" if shell.outbox_shards() else ""
    if len(shell.pending(*_ALL)):
        return "has pending bets"
    return "has charges to carry" if len(shell.charges(0, 1)[0]) else ""
