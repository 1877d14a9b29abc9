"""Measure the traders' console with a floor's load: what it costs, how late it is, what bets lose.

Bets are driven before there is a console, while its screens are open, and after it has ended. Odds
all over the markets change meanwhile, in all three. Everything shares the machine: the system, the
console, the screens' sockets, the bettors, and the trader whose odds change.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import uvloop

from actors.system import System
from engine.common.commands import CreateMarket, MarketCommand, OpenMarket
from engine.common.fixtures import FixtureState
from engine.common.ids import MarketNo
from engine.common.units import OddsMilli
from gateway.client import connect_control
from gateway.console.keeper import ConsoleKeeper
from gateway.session.tokens import Role, TokenKey
from gateway.settings import ConsoleSettings
from tests.bench import console_screens, price_changes
from tests.bench.core import WIDE
from tests.bench.driver import Plan
from tests.bench.live import ACCOUNTS, SECRET, bet_urls, pids_by_kind, running, token
from tests.bench.processor_time import processor_seconds, resident_bytes
from tests.bench.table import Row, cost_text, quantile
from tests.bench.wire import Load

FIXTURES: Final = int(os.environ.get("BENCH_CONSOLE_FIXTURES", "300"))
MARKETS_EACH: Final = 133
MARKETS: Final = FIXTURES * MARKETS_EACH
A_PROCESS: Final = 10_000
"""Markets of one shell: with the usual 512 two cores would share 78 processes."""
CHANGES_A_SECOND: Final = 1_000
FLOORS, FIXTURE_PAGES = 4, 14
SCREENS: Final = FLOORS + FIXTURE_PAGES + 2
BETS_A_SECOND: Final = 1_000
PACED_BETS: Final = 10_000
FULL_BETS: Final = 60_000
IN_FLIGHT: Final = 16
RUNS: Final = 2
"""Blocks of bets before the console, with it, and after it."""
PROBE_S: Final = 0.2
PROBED_S: Final = PACED_BETS / BETS_A_SECOND
SETTLE_S: Final = 10.0 + MARKETS / 1_000
"""Seconds in which a new console takes every market's odds and book."""
SCREENS_S: Final = 5.0
CREATED_AT_ONCE: Final = 2_000
GOAL_MS: Final = 300.0


def traders_console() -> list[Row]:
    """Measure the console on one system."""
    return uvloop.run(_measure())


async def _measure() -> list[Row]:
    async with running(markets=0, markets_per_actor=A_PROCESS) as system:
        await _create(system)
        run = _Run(system, await pids_by_kind(system))
        async with _prices_change(system) as changes:
            await run.full("w", warm_up=True)
            await run.paced("w", warm_up=True)
            for number in range(RUNS):
                await run.full(f"b{number}")
                await run.paced(f"b{number}")
            async with _console(system) as keeper:
                await run.with_console(keeper)
            for number in range(RUNS):
                await run.full(f"a{number}")
                await run.paced(f"a{number}")
    return run.rows(changes)


class _Run:
    """One run: loads of bets with and without the console, and what the console used."""

    def __init__(self, system: System, pids: dict[str, list[int]]) -> None:
        self._system = system
        self._paced = {with_console: Load(pids) for with_console in (False, True)}
        self._full = {with_console: Load(pids) for with_console in (False, True)}
        self._pids = pids
        self._used: list[float] = []
        self._used_alone = 0.0
        self._alone_mib = self._mib = 0.0
        self._probed: dict[str, list[console_screens.Result]] = {"paced": [], "full": []}

    async def full(self, run: str, *, warm_up: bool = False, console: bool = False) -> None:
        """Drive a block of bets as fast as it goes."""
        load = Load(self._pids) if warm_up else self._full[console]
        await load.run(self._plan(run))
        load.check_accepted()

    async def paced(self, run: str, *, warm_up: bool = False, console: bool = False) -> None:
        """Drive a block of bets at a mean pace."""
        load = Load(self._pids) if warm_up else self._paced[console]
        pace_s = ACCOUNTS / BETS_A_SECOND
        await load.run(replace(self._plan(f"p{run}"), bets=PACED_BETS, pace_s=pace_s))
        load.check_accepted()

    def _plan(self, run: str) -> Plan:
        return Plan(
            urls=bet_urls(self._system),
            tokens=[token(account) for account in range(ACCOUNTS)],
            markets=[number + 1 for number in _first_markets()],
            in_flight=IN_FLIGHT,
            bets=FULL_BETS,
            run=run,
        )

    async def with_console(self, keeper: ConsoleKeeper) -> None:
        """Drive bets while screens are open, and read what the console's process uses."""
        assert keeper.process is not None
        pid = keeper.process.pid
        await asyncio.sleep(SETTLE_S)
        used_s, began_s = processor_seconds(pid), time.monotonic()
        await asyncio.sleep(SCREENS_S)
        self._used_alone = (processor_seconds(pid) - used_s) / (time.monotonic() - began_s)
        self._alone_mib = resident_bytes(pid) / (1 << 20)
        async with _screens(self._system, keeper) as ask:
            await asyncio.sleep(SCREENS_S)
            for number in range(RUNS):
                for pace, drive in (("paced", self.paced), ("full", self.full)):
                    used_s, began_s = processor_seconds(pid), time.monotonic()
                    probing = asyncio.ensure_future(ask(PROBED_S))
                    await drive(f"c{number}", console=True)
                    if pace == "paced":
                        took_s = time.monotonic() - began_s
                        self._used.append((processor_seconds(pid) - used_s) / took_s)
                    self._probed[pace].append(await probing)
            self._mib = resident_bytes(pid) / (1 << 20)

    def rows(self, changes: dict[str, Any]) -> list[Row]:
        """Return the rows of the table."""
        load = (
            f"{FIXTURES} fixtures, {MARKETS:,} markets in {-(-MARKETS // A_PROCESS)} shells, "
            f"{changes['changed'] / changes['seconds']:,.0f} odds changed a second "
            f"({changes['refused']} refused), {SCREENS} screens of as many traders ({FLOORS} "
            f"floors, {FIXTURE_PAGES} fixtures, risk, ticker) over sockets without a browser; "
            f"{os.cpu_count()} cores for all, load average {os.getloadavg()[1]:.0f} in five minutes"
        )
        with_console, without = self._paced[True], self._paced[False]
        full, full_without = self._full[True], self._full[False]
        return [
            self._screen_row("paced", f"{BETS_A_SECOND:,} bets a second", (GOAL_MS, "ours"), load),
            self._screen_row("full", "as many bets as go", (2.0, "ratio"), load),
            Row(
                "processor time of the console's process", "ms/s",
                statistics.median(self._used) * 1_000, self._used_alone * 1_000,
                "the same process before a screen is open", "lower", 500.0, "ours", load,
                [one * 1_000 for one in self._used],
            ),
            Row(
                "memory of the console's process", "MiB", self._mib, self._alone_mib,
                "the same process before a screen is open", "lower", 500.0, "ours", load,
            ),
            Row(
                f"bet p99 at {BETS_A_SECOND:,} a second beside the console", "ms",
                with_console.median_ms("p99_ms"), without.median_ms("p99_ms"),
                "without a console, before and after it", "lower", 1.1, "ratio",
                f"{load}; p50 {with_console.median_ms('p50_ms'):.2f} ms, without "
                f"{without.median_ms('p50_ms'):.2f}; {PACED_BETS:,} bets a block",
                [one.p99_ms for one in with_console.results],
                [one.p99_ms for one in without.results],
            ),
            Row(
                "durable bets over WebSocket beside the console", "bets/s",
                statistics.median(full.rates), statistics.median(full_without.rates),
                "without a console, before and after it", "higher", 0.9, "ratio",
                f"{load}; {ACCOUNTS} connections, {IN_FLIGHT} in flight each, {FULL_BETS:,} bets a "
                f"block on {FIXTURES} markets; {cost_text(full.us_a_bet())}; without a console: "
                f"{cost_text(full_without.us_a_bet())}",
                full.rates, full_without.rates,
            ),
        ]  # fmt: skip

    def _screen_row(self, pace: str, bets: str, goal: tuple[float, str], load: str) -> Row:
        """Return how late screens are beside bets at one pace."""
        shown: dict[str, list[float]] = {}
        probed = self._probed[pace]
        for result in probed:
            for kind, some in result.screens_ms.items():
                shown.setdefault(kind, []).extend(some)
        every = [ms for some in shown.values() for ms in some]
        session = [ms for result in probed for ms in result.session_ms]
        kinds = ", ".join(
            f"{kind} p50 {quantile(some, 0.5):.0f} ms, p99 {quantile(some, 0.99):.0f} ms"
            for kind, some in sorted(shown.items())
        )
        sent_kib = sum(one.bytes for one in probed) / (PROBED_S * len(probed) * SCREENS * 1_024)
        return Row(
            f"a market's new odds on a trader's screen, p99, {bets}", "ms",
            quantile(every, 0.99), quantile(session, 0.99),
            "the same odds at a plain control session", "lower", *goal,
            f"from before the command that the journal writes; {load}; "
            f"{sum(one.probes for one in probed)} odds, {len(every):,} times on a screen, "
            f"{sum(one.missing for one in probed)} on none; {kinds}; plain session p50 "
            f"{quantile(session, 0.5):.0f} ms; to each screen {sent_kib:.0f} KiB a second",
            every[:: max(len(every) // 200, 1)], session[:: max(len(session) // 200, 1)],
        )  # fmt: skip


# --- what runs beside the bets -------------------------------------------------------------------


def _first_markets() -> list[int]:
    """Return each fixture's first market, which probes change; the next one takes bets."""
    return [1 + fixture * MARKETS_EACH for fixture in range(FIXTURES)]


def _market(number: int) -> CreateMarket:
    """Return what creates a market: two of each fixture have three outcomes, the others two."""
    fixture, place = divmod(number - 1, MARKETS_EACH)
    name = f"bench-{fixture}"
    if place < 2:
        return CreateMarket(
            market_no=MarketNo(number), key=f"{name}/{('1x2', 'first_half_1x2')[place]}",
            outcomes=("home", "draw", "away"), odds_milli=(OddsMilli(2_500),) * 3, limits=WIDE,
        )  # fmt: skip
    return CreateMarket(
        market_no=MarketNo(number), key=f"{name}/total?total={place}.5",
        outcomes=("over", "under"), odds_milli=(OddsMilli(1_900), OddsMilli(1_950)), limits=WIDE,
    )  # fmt: skip


async def _create(system: System) -> None:
    """Create and open all markets, and describe their fixtures."""
    for first in range(1, MARKETS + 1, CREATED_AT_ONCE):
        numbers = range(first, min(first + CREATED_AT_ONCE, MARKETS + 1))
        await system.create_markets(map(_market, numbers))
        opened: list[MarketCommand] = [OpenMarket(market_no=MarketNo(no)) for no in numbers]
        await system.control(opened)
    async with connect_control(_control_url(system), token=token(0, role=Role.TRADER)) as trader:
        for fixture in range(FIXTURES):
            await trader.set_fixture(
                f"bench-{fixture}", sport="football", competition=f"league-{fixture % 20}",
                sides=(f"Home {fixture}", f"Away {fixture}"), state=FixtureState.LIVE,
            )  # fmt: skip


def _control_url(system: System) -> str:
    return f"ws://127.0.0.1:{system.ports[0]['control']}"


@asynccontextmanager
async def _prices_change(system: System) -> AsyncIterator[dict[str, Any]]:
    """Have odds change all over; at the end there is how many in the mapping that is yielded."""
    taken = {first + beside for first in _first_markets() for beside in (0, 1)}
    plan = price_changes.Plan(
        url=_control_url(system),
        token=token(1, role=Role.TRADER),
        markets=[number for number in range(1, MARKETS + 1) if number not in taken],
        a_second=CHANGES_A_SECOND,
    )
    process = await _beside("tests.bench.price_changes", asdict(plan))
    counts: dict[str, Any] = {}
    try:
        yield counts
    finally:
        assert process.stdin is not None
        process.stdin.close()
        out, _ = await process.communicate()
        counts.update(json.loads(out or b"{}"))


@asynccontextmanager
async def _console(system: System) -> AsyncIterator[ConsoleKeeper]:
    """Run a console for the system."""
    with tempfile.TemporaryDirectory(dir=".", prefix="bench-") as folder:
        keeper = ConsoleKeeper(
            ConsoleSettings(port=0),
            key=TokenKey(SECRET),
            expires_s=7_200,
            data_dir=Path(folder),
            control=lambda: [_control_url(system)],
            say=print,
        )
        await keeper.start()
        try:
            await _answers(keeper.url)
            yield keeper
        finally:
            await keeper.stop()


async def _answers(url: str) -> None:
    """Wait until the console's process takes connections."""
    host, _, port = url.rpartition("/")[2].partition(":")
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            return


@asynccontextmanager
async def _screens(system: System, keeper: ConsoleKeeper) -> AsyncIterator[Any]:
    """Open the screens; yield what probes for some seconds and returns what was seen."""
    fixtures = [index * FIXTURES // FIXTURE_PAGES for index in range(FIXTURE_PAGES)]
    paths = [*["/"] * FLOORS, *[f"/fixture/bench-{one}" for one in fixtures], "/risk", "/ticker"]
    plan = console_screens.Plan(
        console=keeper.url,
        screens=[
            (path, token(100 + number, role=Role.TRADER)) for number, path in enumerate(paths)
        ],
        control=_control_url(system),
        trader=token(2, role=Role.TRADER),
        markets=[1 + one * MARKETS_EACH for one in fixtures],
        probe_s=PROBE_S,
    )
    process = await _beside("tests.bench.console_screens", asdict(plan))
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    async def ask(seconds: float) -> console_screens.Result:
        stdin.write(f"{seconds}\n".encode())
        line = await stdout.readline()
        if not line:
            raise RuntimeError("the screens' process failed; its error output is above")
        return console_screens.Result(**json.loads(line))

    try:
        await stdout.readline()
        yield ask
    finally:
        stdin.close()
        await process.wait()


async def _beside(module: str, plan: dict[str, Any]) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, limit=1 << 24,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(json.dumps(plan).encode() + b"\n")
    return process
