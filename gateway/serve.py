"""`overround serve`: the whole system until it is interrupted.

Owns the start from settings and the words on the terminal, nothing durable. SIGINT and SIGTERM end
it in good order, also while it still starts; SIGHUP gives quarantined shells a new process.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from actors.directory import DirectoryMismatchError
from actors.messages import ShellState
from actors.peer import PeerError
from actors.system import GatewayPart, System, SystemSettings
from gateway.config import Config, gateway_settings
from gateway.gateway import Gateway
from gateway.opening import Opening, load_opening, open_books
from gateway.tokens import load_key, load_secret
from persistence.chain import JournalDamagedError
from persistence.disk import LockHeldError

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130
_LOOK_S: Final = 1.0

_START_ERRORS: Final = (
    OSError,  # a port, the disk, a cluster that cannot be reached
    PeerError,
    LockHeldError,
    JournalDamagedError,
    DirectoryMismatchError,
)
"""What a start may meet that is no defect of ours: told in one line, with exit code 1."""


def system_of(config: Config) -> System:
    """Return the system that a configuration describes, not yet started.

    Raises
    ------
    SecretError
        The signing secret cannot be read, or is too short.
    """
    data_dir = Path(config.data_dir)
    load_key(config.tokens, data_dir=data_dir)
    secret = load_secret(config.tokens, data_dir=data_dir)
    shards = config.supervisor.account_shards
    return System(
        data_dir=config.data_dir,
        settings=SystemSettings(
            cluster=config.cluster,
            supervisor=config.supervisor,
            reconciler=config.reconciler,
            markets=config.markets,
            journal=config.journal,
        ),
        gateways=[
            GatewayPart(
                factory=Gateway,
                arguments={"shards": shards, "secret": secret, "settings": settings},
            )
            for settings in gateway_settings(config)
        ],
    )


def run(opening: Path | None, config: Config) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code.

    Parameters
    ----------
    opening : Path or None
        A file of markets and accounts to begin with.
    config : Config
        All settings.

    Raises
    ------
    ConfigError, SecretError
        The opening file or the signing secret is wrong; nothing was started.
    """
    books = Opening() if opening is None else load_opening(opening)
    system = system_of(config)
    try:
        return asyncio.run(_serve(system, books, config))
    except _START_ERRORS as error:
        sys.stderr.write(f"overround: cannot serve: {error}\n")
        return EXIT_FAILED


async def _serve(system: System, opening: Opening, config: Config) -> int:
    stop, release = asyncio.Event(), asyncio.Event()
    starting = asyncio.ensure_future(_start(system, opening, config))

    def end() -> None:
        stop.set()
        starting.cancel()

    handlers = {signal.SIGINT: end, signal.SIGTERM: end, signal.SIGHUP: release.set}
    _handle(handlers)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        if stop.is_set():
            _say("stopping before the start was over")
            return EXIT_INTERRUPTED
        _handle(handlers)
        _say("serving; interrupt to stop")
        await _watch(system, stop, release)
        _say("stopping; all that was answered is on disk")
        return EXIT_DONE
    finally:
        await system.stop()


def _handle(handlers: Mapping[signal.Signals, Callable[[], None]]) -> None:
    """Install signal handlers; once more after Ray has come with its own, which print stacks."""
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)


async def _start(system: System, opening: Opening, config: Config) -> None:
    """Bring everything up, open the books, and say what is where."""
    await system.start()
    for line in await open_books(system, opening):
        _say(f"refused: {line}")
    for number, (ports, settings) in enumerate(
        zip(system.ports, gateway_settings(config), strict=True)
    ):
        _say(
            f"gateway {number}: bets ws://{settings.bets_host}:{ports['bets']} "
            f"control ws://{settings.control_host}:{ports['control']}"
        )
    for number, route in sorted(system.routes.markets.items()):
        _say(f"market {number}: {route.key} in {route.shell}")


async def _watch(system: System, stop: asyncio.Event, release: asyncio.Event) -> None:
    """Say when a shell goes into quarantine or comes out of it, until it is time to stop."""
    quarantined: dict[str, str] = {}
    while not stop.is_set():
        try:
            statuses = await system.statuses()
            now = {one.name: one.why for one in statuses if one.state is ShellState.QUARANTINED}
            serving = {one.name for one in statuses if one.state is ShellState.SERVING}
            for name, why in now.items():
                if name not in quarantined:
                    _say(f"QUARANTINED {name}: {why}")
            for name in [name for name in quarantined if name in serving]:
                _say(f"{name} serves again")
            quarantined = {
                name: why for name, why in {**quarantined, **now}.items() if name not in serving
            }
            if release.is_set():
                release.clear()
                for name in now:
                    _say(f"releasing {name}")
                    await system.supervisor.ask("release", name)
                    quarantined.pop(name)
        except PeerError as error:
            _say(f"the supervisor does not answer: {error}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_first(stop, release), _LOOK_S)


async def _first(*events: asyncio.Event) -> None:
    """Return when one of the events is set."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
