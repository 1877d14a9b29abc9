"""Give shells the stops that they have missed: the house's, and those of their markets.

Owns when a stop is sent to which shell. What is to be sent is in the directory, on disk. A shell
that starts gets all of it before it is announced, so it takes no bet that a stop forbids; one that
serves gets it at once, and again until it answers. Never decides what a stop does to a market.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from actors.directory import Directory
from actors.failstop import FailStop
from actors.messages import (
    LedgerControl,
    MarketControl,
    ShellState,
    decode_ledger_events,
    decode_market_events,
    encode,
)
from actors.peer import PeerError
from actors.process_keeper import ShellProcess
from actors.stop_messages import STOPS_IN_CALL_MAX, KeepStops, StopsStatus
from engine.common.acceptance import StopWaiting
from engine.common.events import LedgerEvent, MarketEvent, Refused
from engine.common.house import HouseStop, StartHouse, StopHouse
from engine.common.reasons import Reason
from engine.common.units import Nanos

AGAIN_S: Final = 0.25
"""Seconds between two attempts at shells that serve and do not answer."""
_NOT_TAKEN: Final = frozenset({Reason.DISK_FULL, Reason.QUARANTINED})
"""Refusals of a shell that takes no bet either; it is asked again."""

logger = logging.getLogger("overround.supervisor")


class OwedStops:
    """The stops that shells have not got yet.

    Parameters
    ----------
    directory : Directory
        Keeps them.
    shells : mapping
        The shells, kept by the supervisor.
    commands_max : int
        Most commands of one call.
    timeout_s : float
        Seconds that a shell's answer may take.
    clock_ns : callable
        UTC nanoseconds.
    fail_stop : FailStop
        Ends the process when the directory's journal breaks.
    publish : callable
        Called with the StopsStatus after each change of it.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        shells: Mapping[str, ShellProcess],
        commands_max: int,
        timeout_s: float,
        clock_ns: Callable[[], int],
        fail_stop: FailStop,
        publish: Callable[[StopsStatus], None],
    ) -> None:
        self._directory = directory
        self._shells = shells
        self._commands_max = min(commands_max, STOPS_IN_CALL_MAX)
        self._timeout_s = timeout_s
        self._clock_ns = clock_ns
        self._fail_stop = fail_stop
        self._publish = publish
        self._published = StopsStatus()
        self._stopped: set[tuple[str, int]] = set()
        """The processes that have got the stop of the house: shell and generation."""
        self._giving = 0
        self._given = asyncio.Event()
        self._given.set()
        """Set while no stop of the house is on its way to a shell."""
        self._task: asyncio.Task[None] | None = None

    def status(self) -> StopsStatus:
        """Return what is kept, and which shells have not got it."""
        directory = self._directory
        without: list[str] = []
        if directory.house_stop is not None:
            without = [
                name
                for name, shell in self._shells.items()
                if (name, shell.generation) not in self._stopped
            ]
        owed: dict[str, int] = {}
        for number, stops in directory.owed_stops.items():
            shell = directory.markets[number].shell
            owed[shell] = owed.get(shell, 0) + len(stops)
        return StopsStatus(
            house=directory.house_stop,
            without=tuple(sorted(without)),
            owed=dict(sorted(owed.items())),
        )

    async def keep(self, request: KeepStops) -> StopsStatus:
        """Keep stops, or lift them; return what is kept. They are on disk before the return.

        Once the house is to be started, none of its stops is on its way to a shell any more.
        """
        directory, at_ns = self._directory, Nanos(self._clock_ns())
        with self._fail_stop:
            if isinstance(request.house, StopHouse):
                self._stopped.clear()
                stop = HouseStop(by=request.house.by, why=request.house.why, at_ns=at_ns)
                directory.keep_house_stop(directory.house_stop or stop, at_ns=at_ns)
            elif isinstance(request.house, StartHouse):
                directory.keep_house_stop(None, at_ns=at_ns)
            directory.lift_stops(request.lift, by=request.by, at_ns=at_ns)
            left = directory.owe_stops(request.owe, by=request.by, at_ns=at_ns)
        if isinstance(request.house, StartHouse):
            await self._given.wait()
        self._wake()
        return replace(self._changed(), left=left)

    async def fit_out(self, shell: ShellProcess) -> None:
        """Give a shell what it is owed, before it is announced.

        Raises
        ------
        PeerError
            When it does not answer: it must not serve without its stops.
        """
        await self._give(shell)
        self._changed()
        self._wake()  # one whose disk is full has taken none, and takes bets once it has room

    def stop(self) -> None:
        """Give nothing any more."""
        if self._task is not None:
            self._task.cancel()

    # --- inside ----------------------------------------------------------------------------------

    def _changed(self) -> StopsStatus:
        status = self.status()
        if status != self._published:
            self._published = status
            self._publish(status)
        return status

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._give_all())

    async def _give_all(self) -> None:
        """Give shells that serve what they are owed; one that is down gets it when it starts."""
        while True:
            lacking = [shell for shell in self._shells.values() if self._lacks(shell)]
            if not lacking:
                return
            await asyncio.gather(*map(self._try, lacking))
            self._changed()
            await asyncio.sleep(AGAIN_S)

    async def _try(self, shell: ShellProcess) -> None:
        try:
            await self._give(shell)
        except PeerError as error:
            logger.warning("%s did not answer a stop, which is sent again: %s", shell.name, error)
        except Exception:
            logger.exception("%s failed on a stop, which is sent again", shell.name)

    def _lacks(self, shell: ShellProcess) -> bool:
        """Say whether a shell serves and has not got all stops."""
        if shell.process is None or shell.state is not ShellState.SERVING:
            return False
        directory = self._directory
        if directory.house_stop and (shell.name, shell.generation) not in self._stopped:
            return True
        return any(directory.markets[no].shell == shell.name for no in directory.owed_stops)

    async def _give(self, shell: ShellProcess) -> None:
        if shell.state is not ShellState.SERVING:
            return
        process, stop = (shell.name, shell.generation), self._directory.house_stop
        if stop is not None and process not in self._stopped:
            self._giving += 1
            self._given.clear()
            try:
                event = await self._stop_house(shell, stop)
            finally:
                self._giving -= 1
                if not self._giving:
                    self._given.set()
            if not _is_left(event) and self._directory.house_stop is stop:
                self._stopped.add(process)
        if shell.kind == "market":
            await self._stop_markets(shell)

    async def _stop_house(self, shell: ShellProcess, stop: HouseStop) -> LedgerEvent | MarketEvent:
        if shell.kind == "account":
            order = LedgerControl(by=stop.by, commands=(StopHouse(by=stop.by, why=stop.why),))
            raw = await shell.peer.ask("control", encode(order), timeout_s=self._timeout_s)
            return decode_ledger_events(raw)[0]
        waiting = MarketControl(by=stop.by, commands=(StopWaiting(why=stop.why),))
        raw = await shell.peer.ask("control", encode(waiting), timeout_s=self._timeout_s)
        return decode_market_events(raw)[0]

    async def _stop_markets(self, shell: ShellProcess) -> None:
        """Send the stops of a shell's markets, each person's in their order, and strike them."""
        for by, commands in self._directory.stops_of(shell.name).items():
            for start in range(0, len(commands), self._commands_max):
                part = commands[start : start + self._commands_max]
                order = encode(MarketControl(by=by, commands=tuple(part)))
                raw = await shell.peer.ask("control", order, timeout_s=self._timeout_s)
                events = decode_market_events(raw)
                met = [
                    each for each, event in zip(part, events, strict=True) if not _is_left(event)
                ]
                with self._fail_stop:
                    self._directory.strike_stops(met, by=by, at_ns=Nanos(self._clock_ns()))


def _is_left(event: LedgerEvent | MarketEvent) -> bool:
    """Say whether a shell took no command at all: a market's refusal is its answer."""
    return isinstance(event, Refused) and event.reason in _NOT_TAKEN
