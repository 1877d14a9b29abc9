"""Start the console's process, keep it running, and tell it where the gateways are.

Owns the process and its restarts. It reads nothing from it but its standard error, and depends on
nothing of it: a console that cannot start is tried again and changes nothing else.
"""

import asyncio
import contextlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from actors.back_off import BackOff
from gateway.configuration.config import Config, gateway_settings
from gateway.console.briefing import Briefing, encode
from gateway.net.held_ports import hold_port, port_of
from gateway.session.tokens import Role, TokenKey, load_key
from gateway.settings import ConsoleSettings

if TYPE_CHECKING:
    from actors.system import System

PACKAGE: Final = "nicegui"
SUBJECT: Final = "console"
_BRIEF_S: Final = 1.0
"""Seconds between two looks at the gateways' addresses."""
_FIRST_S: Final = 0.5
_LONGEST_S: Final = 30.0
_STOP_S: Final = 5.0
_ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")
"""Variables that the process gets: the signing secret may be among the others."""


class ConsoleMissingError(RuntimeError):
    """The package that the console needs is not installed; the message says which, and how."""

    def __init__(self) -> None:
        super().__init__(
            f"console: the package {PACKAGE} is not installed; "
            "install it with: pip install 'overround[console]'"
        )


def check_installed() -> None:
    """Raise when the console's package is missing.

    Raises
    ------
    ConsoleMissingError
        It is.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise ConsoleMissingError


class ConsoleKeeper:
    """Keep one console process.

    Parameters
    ----------
    settings : ConsoleSettings
        Where it listens.
    key : TokenKey
        Signs the console's own token.
    expires_s : int
        Lifetime of that token; a new one is sent when half of it has passed.
    data_dir : Path
        The system's data folder.
    control : callable
        Returns the addresses of the control listeners now.
    say : callable
        Called with a line for the terminal.
    """

    def __init__(
        self,
        settings: ConsoleSettings,
        *,
        key: TokenKey,
        expires_s: int,
        data_dir: Path,
        control: Callable[[], Sequence[str]],
        say: Callable[[str], None],
    ) -> None:
        # Every process of the console is to listen on the same port, and nobody else meanwhile.
        self._held = None if settings.port else hold_port(settings.host)
        port = settings.port if self._held is None else port_of(self._held)
        self._settings = replace(settings, port=port)
        self._key = key
        self._expires_s = expires_s
        self._folder = data_dir / "console"
        self._control = control
        self._say = say
        self._back_off = BackOff(_FIRST_S, _LONGEST_S)
        self._keeping: asyncio.Task[None] | None = None
        self.process: asyncio.subprocess.Process | None = None
        self.restarts = 0

    @property
    def url(self) -> str:
        """Where the console is."""
        return f"http://{self._settings.host}:{self._settings.port}"

    async def start(self) -> None:
        """Begin to keep the process; it may not listen yet when this returns."""
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End the process."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._held is not None:
            self._held.close()

    async def _keep(self) -> None:
        while True:
            began_s = time.monotonic()
            code = await self._run()
            if time.monotonic() - began_s > _LONGEST_S:
                self._back_off.succeeded()
            wait_s = self._back_off.failed()
            self._say(f"the console ended with {code}; it starts again in {wait_s:.1f} s")
            self.restarts += 1
            await asyncio.sleep(wait_s)

    async def _run(self) -> int:
        """Run one process to its end, and return its exit code."""
        self._folder.mkdir(parents=True, exist_ok=True)
        process = self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.console",
            stdin=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            start_new_session=True,  # an interrupt of the terminal is the system's to handle
        )
        briefing = asyncio.create_task(self._brief(process))
        try:
            return await process.wait()
        finally:
            briefing.cancel()
            await asyncio.gather(briefing, return_exceptions=True)
            await _end(process)

    async def _brief(self, process: asyncio.subprocess.Process) -> None:
        """Send the first briefing, and another whenever addresses or token are to change."""
        assert process.stdin is not None, "the process has a pipe"
        sent: tuple[str, ...] = ()
        renew_s = 0.0
        with contextlib.suppress(ConnectionError):
            while True:
                control = tuple(self._control())
                if control and (control != sent or time.monotonic() >= renew_s):
                    sent, renew_s = control, time.monotonic() + self._expires_s / 2
                    process.stdin.write(encode(self._briefing(control)))
                    await process.stdin.drain()
                await asyncio.sleep(_BRIEF_S)

    def _briefing(self, control: tuple[str, ...]) -> Briefing:
        token = self._key.issue(
            role=Role.AUDITOR, sub=SUBJECT, now_s=int(time.time()), expires_s=self._expires_s
        )
        return Briefing(
            control=control, token=token, folder=str(self._folder), settings=self._settings
        )


def console_of(system: "System", config: Config, *, say: Callable[[str], None]) -> ConsoleKeeper:
    """Return the keeper of a system's console; nothing is started yet.

    Raises
    ------
    SecretError
        The signing secret cannot be used.
    """
    data_dir = Path(config.data_dir)

    def control() -> list[str]:
        return [
            f"ws://{_reachable(settings.control_host)}:{ports['control']}"
            for ports, settings in zip(system.ports, gateway_settings(config), strict=True)
            if ports
        ]

    return ConsoleKeeper(
        config.console,
        key=load_key(config.tokens, data_dir=data_dir),
        expires_s=config.tokens.expires_s,
        data_dir=data_dir,
        control=control,
        say=say,
    )


def _reachable(host: str) -> str:
    """Return an address of this machine that a listener on `host` can be reached at."""
    return "127.0.0.1" if host in ("", "0.0.0.0") else host  # noqa: S104 - compared, not bound


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process: its input ends, and it has some seconds."""
    if process.returncode is not None:
        return
    assert process.stdin is not None, "the process has a pipe"
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()
