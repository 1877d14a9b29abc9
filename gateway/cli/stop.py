"""`overround stop`: end the system of a data folder, also when its `serve` was killed.

Owns the arguments, the order in which processes are ended, and the exit code.
"""

import argparse
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

from actors.exit_codes import EXIT_DONE, EXIT_FAILED
from gateway.cli.arguments import add_command
from gateway.cli.terminal import say
from gateway.configuration.config import Config

if TYPE_CHECKING:
    from gateway.cli.arguments import Commands

STOPPED_S: Final = 60.0
"""How long `serve` may take to stop in good order."""
KILLED_S: Final = 10.0
KILL_ROUNDS: Final = 3


def add(commands: "Commands") -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "stop",
        "stop the engine of the data folder, also what a killed `serve` has left",
        epilog="With the same settings as `serve`. What was answered is on disk at any instant.",
    )
    parser.set_defaults(run=run)


def run(_args: argparse.Namespace, config: Config) -> int:
    """Stop what runs on the data folder; return 0 when nothing runs there any more."""
    return uvloop.run(_stop(config))


async def _stop(config: Config) -> int:
    from actors.serve_lock import end_process, holders, serving_process  # noqa: PLC0415 - loads journals

    folder = Path(config.data_dir)
    if not folder.is_dir():
        say(f"{folder}: no such folder")
        return EXIT_FAILED
    joined = True
    serving = serving_process(folder)
    if serving is not None:
        say(f"stopping process {serving}, which serves {folder}")
        if not await end_process(serving, signal.SIGTERM, within_s=STOPPED_S):
            say(f"process {serving} does not stop; kill it, and run this command again")
            return EXIT_FAILED
    elif config.cluster.address:
        joined = await _stop_left(config)
    for _ in range(KILL_ROUNDS):  # a shell may have been started while others were killed
        for pid, lock in holders(folder).items():
            say(f"killing process {pid}, which holds {lock.parent}")
            await end_process(pid, signal.SIGKILL, within_s=KILLED_S)
    if holders(folder):
        say(f"{folder}: a process still holds it")
        return EXIT_FAILED
    if not joined:
        say(f"no process holds {folder}; gateways in that cluster may run until it ends")
        return EXIT_FAILED
    say(f"nothing runs on {folder}")
    return EXIT_DONE


async def _stop_left(config: Config) -> bool:
    """Stop the actors in a cluster that outlived their `serve`; False when it is not reached."""
    from actors.ray_classes import ClusterError  # noqa: PLC0415 - loads Ray's checks
    from gateway.configuration.system import system_of  # noqa: PLC0415 - loads the engine and Ray

    system = system_of(config, feeds=())
    try:
        for name in await system.stop_left():
            say(f"stopped {name}")
    except (OSError, ClusterError) as error:
        say(f"the cluster at {config.cluster.address} cannot be joined: {error}")
        return False
    finally:
        await system.stop()
    return True
