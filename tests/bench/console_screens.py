"""Open screens of the console as browsers do, without drawing, and time what reaches them.

Runs as a process of its own. A screen loads a page, opens the page's socket, and acknowledges what
it receives every three seconds; it executes no script. A probe is a trader's command that gives a
market odds which no other market has: a screen shows it when a message with these odds arrives, and
a plain control session beside the screens when it has them. Reads JSON lines from standard input,
a `Plan` first and then for how many seconds to probe, and prints a JSON line for each. It has the
lowest priority, since screens are drawn on people's own machines.
"""

import asyncio
import itertools
import json
import os
import re
import sys
import time
import urllib.request
from dataclasses import asdict, dataclass, field
from typing import Final
from urllib.parse import urlencode

import uvloop
from websockets.asyncio.client import ClientConnection, connect

from engine.common.commands import Quote
from engine.common.ids import MarketNo
from engine.common.units import OddsMilli
from gateway.client import ControlSession, connect_control
from gateway.console.guard import COOKIE
from gateway.messages.market import Market

ACK_S: Final = 3.0
OPEN_S: Final = 30.0
LATE_S: Final = 5.0
"""Seconds after the last probe in which it may still arrive."""
PROBE_ODDS: Final = range(2_501, 3_000)
"""Odds of probes, in thousandths; nothing else of the bench has them."""
_CLIENT_ID: Final = re.compile(r"['\"]client_id['\"]:\s*['\"]([^'\"]+)['\"]")
_SHOWN: Final = re.compile(r'\\"(?:odds|one)\\":([0-9]+)')


@dataclass(frozen=True)
class Plan:
    """The console, its screens by path, each with a person's token, and the probes."""

    console: str
    screens: list[tuple[str, str]]
    control: str
    trader: str
    markets: list[int]
    """Markets that are probed in turn; their first outcome gets the odds."""
    probe_s: float


@dataclass
class Result:
    """Milliseconds from a probe's command to the screens, by kind of page, and to the session."""

    screens_ms: dict[str, list[float]] = field(default_factory=dict)
    session_ms: list[float] = field(default_factory=list)
    probes: int = 0
    missing: int = 0
    """Probes that no screen showed."""
    messages: int = 0
    bytes: int = 0


class Probes:
    """Probes that are under way, and what has been seen of them."""

    def __init__(self) -> None:
        self.began_s: dict[int, float] = {}
        self.seen: set[int] = set()
        self.result = Result()

    def begin(self, odds_milli: int) -> None:
        """Note that a command is sent now."""
        self.began_s[odds_milli] = time.perf_counter()
        self.result.probes += 1

    def shown(self, kind: str, odds_milli: int) -> None:
        """Note that a screen shows a probe now."""
        took_s = time.perf_counter() - self.began_s[odds_milli]
        self.seen.add(odds_milli)
        self.result.screens_ms.setdefault(kind, []).append(took_s * 1_000)

    def on_price(self, market: Market) -> None:
        """Note that the plain session has a probe now."""
        began_s = self.began_s.get(market.odds_milli[0])
        if began_s is not None:
            self.result.session_ms.append((time.perf_counter() - began_s) * 1_000)


class Screen:
    """One open page."""

    def __init__(self, probes: Probes, path: str) -> None:
        self.kind = path.strip("/").partition("/")[0] or "floor"
        self._probes = probes
        self._path = path
        self._had: set[int] = set()
        self._messages = 0
        self._client = ""
        self.opened = asyncio.Event()

    async def open(self, console: str, token: str) -> None:
        """Load the page and open its socket; return when the socket is closed."""
        cookie = {"Cookie": f"{COOKIE}={token}"}
        request = urllib.request.Request(f"{console}{self._path}", headers=cookie)
        with await asyncio.to_thread(urllib.request.urlopen, request, timeout=30) as answer:
            found = _CLIENT_ID.search(answer.read().decode())
        assert found is not None, f"{self._path}: no page of the console"
        self._client = found[1]
        query = urlencode(
            {
                "EIO": "4", "transport": "websocket", "client_id": self._client,
                "next_message_id": "0", "implicit_handshake": "true", "tab_id": self._client,
                "document_id": self._client,
            }
        )  # fmt: skip
        url = f"{console.replace('http', 'ws', 1)}/_nicegui_ws/socket.io/?{query}"
        async with connect(url, additional_headers=cookie, max_size=None) as socket:
            await socket.send("40")
            self.opened.set()
            acknowledging = asyncio.create_task(self._acknowledge(socket))
            try:
                async for message in socket:
                    assert isinstance(message, str)
                    await self._take(socket, message)
            finally:
                acknowledging.cancel()

    async def _take(self, socket: ClientConnection, message: str) -> None:
        if message == "2":
            await socket.send("3")
            return
        if not message.startswith("42"):
            return
        self._messages += 1
        self._probes.result.messages += 1
        self._probes.result.bytes += len(message)
        for text in _SHOWN.findall(message):
            odds_milli = int(text)
            if odds_milli in self._probes.began_s and odds_milli not in self._had:
                self._had.add(odds_milli)
                self._probes.shown(self.kind, odds_milli)

    async def _acknowledge(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(ACK_S)
            what = {"client_id": self._client, "next_message_id": self._messages}
            await socket.send(f"42{json.dumps(['ack', what])}")


async def probe(
    session: ControlSession,
    probes: Probes,
    plan: Plan,
    odds: "itertools.cycle[int]",
    seconds: float,
) -> Result:
    """Send probes at their pace for some seconds; return what was seen of them."""
    probes.result = Result()
    probes.seen.clear()
    until_s = time.perf_counter() + seconds
    for market in itertools.cycle(plan.markets):
        if time.perf_counter() >= until_s:
            break
        odds_milli = next(odds)
        probes.begin(odds_milli)
        quote = Quote(outcome=0, odds_milli=OddsMilli(odds_milli))
        await session.set_odds(MarketNo(market), [quote], override=True)
        await asyncio.sleep(plan.probe_s)
    for _ in range(100):
        if len(probes.seen) == probes.result.probes:
            break
        await asyncio.sleep(LATE_S / 100)
    probes.result.missing = probes.result.probes - len(probes.seen)
    return probes.result


async def main() -> None:
    """Open the screens, and probe whenever a line says for how long."""
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    plan = Plan(**json.loads(await lines.readline()))
    probes, odds = Probes(), itertools.cycle(PROBE_ODDS)
    async with connect_control(plan.control, token=plan.trader) as session:
        session.on_price = probes.on_price
        await session.subscribe(markets=[MarketNo(number) for number in plan.markets])
        opened = []
        for path, token in plan.screens:  # one after another, as people log in
            screen = Screen(probes, path)
            opened.append(asyncio.ensure_future(screen.open(plan.console, token)))
            async with asyncio.timeout(OPEN_S):
                await screen.opened.wait()
        print(json.dumps(len(opened)), flush=True)
        while line := await lines.readline():
            result = await probe(session, probes, plan, odds, float(line))
            for one in opened:
                if one.done():
                    raise RuntimeError(f"a screen was closed: {one.exception()}")
            print(json.dumps(asdict(result)), flush=True)
        for one in opened:
            one.cancel()


if __name__ == "__main__":
    os.nice(19)
    uvloop.run(main())
