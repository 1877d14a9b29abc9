"""Have the supervisor keep stops that shells did not get, until they have got them.

Owns which commands are stops, and which lift them. The supervisor gives a shell what it is owed
before the shell takes bets again; so a stop outlives this gateway, and is lifted through any.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from actors.messages import encode
from actors.peer import Peer, PeerError, PeerRefusedError
from actors.stop_messages import (
    STOPS_IN_CALL_MAX,
    KeepStops,
    Lifting,
    OwedStop,
    StopsStatus,
    decode_stops_status,
)
from engine.common.events import MarketEvent, Refused
from engine.common.house import AUTHOR_CHARS_MAX, HouseCommand
from engine.common.ids import MarketNo
from engine.common.reasons import Reason

UNSENT: Final = frozenset({Reason.UNKNOWN, Reason.UNAVAILABLE, Reason.BUSY, Reason.DISK_FULL})
"""Refusals after which a stop is owed: its shell may take bets."""
_AGAIN_S: Final = 0.1
"""Seconds between two attempts at a supervisor that does not answer, as while it restarts."""


class KeptStops:
    """The stops that the supervisor keeps, from one gateway.

    Parameters
    ----------
    supervisor : callable
        Returns the supervisor of the moment; None without one: then nothing is kept.
    timeout_s : float
        Seconds within which it must have answered; it may be started again meanwhile.
    """

    def __init__(self, *, supervisor: Callable[[], Peer | None], timeout_s: float) -> None:
        self._supervisor = supervisor
        self._timeout_s = timeout_s
        self.status = StopsStatus()
        """What was last said of shells that have not got a stop."""

    def on_status(self, payload: bytes) -> None:
        """Take what the supervisor says of them."""
        self.status = decode_stops_status(payload)

    async def keep_house(self, by: str, command: HouseCommand) -> bool:
        """Keep that the house is stopped, or that it is started; False without an answer."""
        if self._supervisor() is None:
            return True
        return await self._ask(KeepStops(by=_cut(by), house=command)) is not None

    async def house_stopped(self) -> bool | None:
        """Return whether the house is to be stopped now; None where nobody says."""
        status = None if self._supervisor() is None else await self._ask(KeepStops(by=""))
        return None if status is None else status.house is not None

    async def lift(self, by: str, commands: Sequence[object]) -> None:
        """Have stops kept no more that some of these commands lift, where any is known to be."""
        if self.status.owed:
            await self._lift(by, [each for each in commands if isinstance(each, Lifting)])

    async def keep_unsent(
        self, by: str, commands: Sequence[object], events: Sequence[MarketEvent]
    ) -> int:
        """Have those stops kept that were not answered, and lifted that would have been.

        Of several commands to one market the last counts. Return how many are kept.
        """
        pairs = zip(commands, events, strict=True)
        unsent = [command for command, event in pairs if _is_unsent(event)]
        await self._lift(by, [each for each in unsent if isinstance(each, Lifting)])
        owed: dict[MarketNo, list[OwedStop]] = {}
        for command in unsent:
            if isinstance(command, OwedStop):
                owed.setdefault(command.market_no, []).append(command)
            elif isinstance(command, Lifting):
                owed.pop(command.market_no, None)
        stops, kept = [stop for each in owed.values() for stop in each], 0
        for start in range(0, len(stops), STOPS_IN_CALL_MAX):
            part = tuple(stops[start : start + STOPS_IN_CALL_MAX])
            status = await self._ask(KeepStops(by=_cut(by), owe=part))
            if status is None:
                break
            kept += len(part) - status.left
        return kept

    async def _lift(self, by: str, lifting: Sequence[Lifting]) -> None:
        for start in range(0, len(lifting), STOPS_IN_CALL_MAX):
            part = tuple(lifting[start : start + STOPS_IN_CALL_MAX])
            await self._ask(KeepStops(by=_cut(by), lift=part))

    async def _ask(self, request: KeepStops) -> StopsStatus | None:
        """Ask until the supervisor answers, within the time for it."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._timeout_s
        while True:
            supervisor, left_s = self._supervisor(), until_s - loop.time()
            if supervisor is None or left_s <= 0:
                return None
            try:
                raw = await supervisor.ask("keep_stops", encode(request), timeout_s=left_s)
                return decode_stops_status(raw)
            except (PeerError, PeerRefusedError):
                await asyncio.sleep(min(_AGAIN_S, left_s))


def alarms_of(status: StopsStatus) -> tuple[str, ...]:
    """Return what a person must know of stops that do not hold everywhere."""
    alarms = []
    if status.without:
        alarms.append(f"the house's stop has not reached {', '.join(status.without)}")
    for shell, stops in status.owed.items():
        alarms.append(f"{stops} stops of markets have not reached {shell}")
    return tuple(alarms)


def _is_unsent(event: MarketEvent) -> bool:
    return isinstance(event, Refused) and event.reason in UNSENT


def _cut(by: str) -> str:
    return by[:AUTHOR_CHARS_MAX]
