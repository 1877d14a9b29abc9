"""Run the system that settings describe until a signal ends it.

Owns the order of start and stop, what each signal does, and the lines on the terminal, and nothing
durable. SIGINT and SIGTERM stop the system in good order, or at once while it still starts. SIGHUP
gives quarantined shells a new process.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import uvloop

from actors.directory import DirectoryMismatchError
from actors.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED
from actors.failstop import exit_at_once
from actors.messages import ShellState
from actors.peer import Peer, PeerError
from actors.process import PidfdMissingError
from actors.ray_classes import ClusterError
from actors.system import System
from gateway.cli.terminal import say
from gateway.configuration.config import Config, gateway_settings
from gateway.configuration.opening import Opening, open_books
from gateway.configuration.opening_file import load_opening
from gateway.configuration.system import system_of
from gateway.console.keeper import console_of
from gateway.signals import TakenSignals
from persistence.chain import JournalDamagedError
from persistence.disk import LockHeldError

_STATUS_PERIOD_S: Final = 1.0
"""Seconds between two questions to the supervisor for the states of the shells."""

_START_ERRORS: Final = (
    OSError,  # a port, the disk, a cluster that cannot be reached
    PeerError,
    LockHeldError,
    JournalDamagedError,
    DirectoryMismatchError,
    ClusterError,
    PidfdMissingError,
)
"""Errors of the surroundings, not of the code: one line on the terminal and exit code 1."""


def serve(
    opening: Path | None, config: Config, signals: TakenSignals, *, console: bool = False
) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code.

    Parameters
    ----------
    opening : Path or None
        A file of markets and accounts to begin with.
    config : Config
        All settings.
    signals : TakenSignals
        The signals of this process.
    console : bool
        Whether the traders' console is served too.

    Raises
    ------
    ConfigError, SecretError
        The opening file or the signing secret is wrong; nothing was started.
    """
    to_open = Opening() if opening is None else load_opening(opening, limits=config.limits)
    system = system_of(config)
    try:
        return uvloop.run(_serve(system, to_open, config, signals, console=console))
    except _START_ERRORS as error:
        hint = "; `overround stop` ends it" if "is held by another" in str(error) else ""
        sys.stderr.write(f"overround: cannot serve: {error}{hint}\n")
        return EXIT_FAILED


async def _serve(
    system: System, opening: Opening, config: Config, signals: TakenSignals, *, console: bool
) -> int:
    """Start, watch, and stop when a signal comes.

    A stop before the start is over kills what has been started and ends this process at once: a
    start of Ray cannot be cancelled.
    """
    stop, release = asyncio.Event(), asyncio.Event()
    stopping = asyncio.create_task(stop.wait())
    keeper = console_of(system, config, say=say) if console else None
    handlers = {signal.SIGINT: stop.set, signal.SIGTERM: stop.set, signal.SIGHUP: release.set}
    with signals.handled(handlers):
        try:
            starting = asyncio.create_task(_start(system, opening, config))
            await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                say("stopping before the start was over")
                system.end_at_once()
                exit_at_once(EXIT_INTERRUPTED)
            starting.result()
            if keeper is not None:
                await keeper.start()
                say(f"console {keeper.url}; log in with a token of `overround token`")
            say("serving; interrupt to stop")
            watching = asyncio.create_task(_watch(system, config, release))
            head_lost = asyncio.create_task(system.head_lost.wait())
            await asyncio.wait([watching, stopping, head_lost], return_when=asyncio.FIRST_COMPLETED)
            if head_lost.done():
                say(f"{system.head_why}; all processes end, start again: nothing is lost")
                system.end_at_once()
                exit_at_once(EXIT_FAILED)
            head_lost.cancel()
            if watching.done():
                watching.result()
            watching.cancel()
            say("stopping; all that was answered is on disk")
            return EXIT_DONE
        finally:
            stopping.cancel()
            if keeper is not None:
                await keeper.stop()
            await system.stop()


async def _start(system: System, opening: Opening, config: Config) -> None:
    """Start the system, apply the opening file, and print where everything is."""
    system.opening = True
    await system.start()
    for line in await open_books(system, opening, limits=config.limits):
        say(f"refused: {line}")
    system.opened()
    for line in _gateway_lines(system, config):
        say(line)
    for feed in system.feeds:
        say(f"feed {feed}: its pipeline takes messages")
    for number, route in sorted(system.routes.markets.items()):
        say(f"market {number}: {route.key} in {route.shell}")


def _gateway_lines(system: System, config: Config) -> list[str]:
    """Return where each gateway listens now."""
    return [
        f"gateway {number}: bets ws://{settings.bets_host}:{ports['bets']} "
        f"control ws://{settings.control_host}:{ports['control']} "
        f"feed ws://{settings.feed_host}:{ports['feed']}"
        for number, (ports, settings) in enumerate(
            zip(system.ports, gateway_settings(config), strict=True)
        )
    ]


async def _watch(system: System, config: Config, release: asyncio.Event) -> None:
    """Print changes of quarantine and of gateways' ports; release shells on SIGHUP."""
    said: dict[str, str] = {}
    listening = _gateway_lines(system, config)
    while True:
        before, listening = listening, _gateway_lines(system, config)
        for line in (line for line in listening if line not in before):
            say(f"restarted: {line}")
        try:
            if release.is_set():
                release.clear()
                await _release(system.supervisor, said)
                said = dict.fromkeys(said, "")
            for shell in await system.statuses():
                if shell.state is ShellState.QUARANTINED and said.get(shell.name) != shell.why:
                    say(f"QUARANTINED {shell.name}: {shell.why}")
                    said[shell.name] = shell.why
                elif shell.state is ShellState.SERVING and shell.name in said:
                    say(f"{shell.name} serves again")
                    del said[shell.name]
        except PeerError as error:
            say(f"the supervisor does not answer: {error}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(release.wait(), _STATUS_PERIOD_S)


async def _release(supervisor: Peer, names: Iterable[str]) -> None:
    """Release shells side by side: one that fails, or takes long, keeps no other back."""

    async def release(name: str) -> None:
        say(f"releasing {name}")
        try:
            await supervisor.ask("release", name)
        except PeerError as error:
            say(f"{name} is not released: {error}")

    await asyncio.gather(*map(release, names))
