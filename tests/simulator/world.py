"""A simulated bookmaker: every part of the system on its real classes, and a story that it plays.

Owns the parts that a system restarts (supervisor, reconciler, gateways) as `actors.system` does,
the beginning and the end of a run, and what each step does. The rules are the system's own, and the
judgement is the auditor's.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from actors.messages import (
    CreateMarkets,
    LedgerControl,
    MarketControl,
    ShellState,
    decode_ledger_events,
    decode_market_answers,
    decode_shell_statuses,
    encode,
)
from actors.peer import PeerError
from actors.process import PartSpec
from actors.settings import MarketShellSettings, SupervisorSettings
from actors.supervisor import Supervisor
from engine.common.commands import (
    CreateMarket,
    Deposit,
    Limits,
    OpenAccount,
    OpenMarket,
    SetRate,
)
from engine.common.events import Refused
from engine.common.payout_bounds import SetCombinationBound, SetPayoutBound
from gateway.feeds.core.pipeline import FeedPipeline
from tests.simulator.clients import NOW_S, SECRET, Clients
from tests.simulator.disk import SimulatedDisk
from tests.simulator.event_loop import SimulatedLoop
from tests.simulator.feed import FEED, StoryAdapter, message_of
from tests.simulator.house_calls import HouseCalls
from tests.simulator.network import CallFault, Network
from tests.simulator.offers import offers_of
from tests.simulator.plant import Plant
from tests.simulator.processes import Clock, SimulatedLauncher, SimulatedProcess
from tests.simulator.rest import what_waits
from tests.simulator.road import Wires
from tests.simulator.settings import (
    CURRENCIES,
    FOLDER,
    GATEWAY,
    JOURNAL,
    PIPELINE,
    RECONCILER,
    RESTART_S,
    SETTLE_S,
    SUPERVISOR,
    currency_of,
)
from tests.simulator.sockets import VirtualServer
from tests.simulator.story import (
    AnyStep,
    AskMoney,
    AskSlip,
    ChangeAccount,
    ChangeHouse,
    Command,
    DecideReferral,
    DisturbCalls,
    DropClient,
    FailDisk,
    FeedMessage,
    FillDisk,
    Freeze,
    Kill,
    KillInWrite,
    MoveClock,
    MoveMoney,
    PlaceBet,
    PlaceSlip,
    StopTogether,
    Story,
)

OPEN_PAYOUTS = 5
"""How many times its first balance an account's open bets may pay."""


class World:
    """One run."""

    def __init__(self, loop: SimulatedLoop, story: Story, plant: Plant | None = None) -> None:
        self.loop = loop
        self.story = story
        self.layout = story.layout
        self.plant = plant or Plant()
        self.network = Network(loop, rough=story.faults > 0)
        self.network.jitter = self.layout.jitter
        self.wires = Wires(self.network, self.plant.dialled) if self.layout.road else None
        self.launcher = SimulatedLauncher(self.network, self.plant.wrap, self.plant.started)
        self.launcher.wires = self.wires
        self.launcher.make_disk = self.plant.disk
        self.clients = Clients(loop)
        self.ports: dict[str, dict[str, int]] = {}
        self.parts: dict[str, SimulatedProcess] = {}
        self._process_nos: Counter[str] = Counter()
        self.shell_of: dict[int, str] = {}
        self.house = HouseCalls(self._ask_account, self._ask_markets, shards=self.layout.shards)
        self.trouble: list[str] = []
        """Why the run could not be brought to its end."""
        self.steps_done = 0
        self._clock = Clock(loop)
        self._directory_disk = SimulatedDisk()
        self._keepers: list[asyncio.Task[None]] = []
        self.tasks: list[asyncio.Task[None]] = []
        """Messages of feeds and transfers, which are sent until they are answered."""
        self._thaws: dict[str, asyncio.TimerHandle] = {}

    # --- the run ---------------------------------------------------------------------------------

    async def play(self) -> None:
        """Start everything, play the story, heal the world, and bring it to rest."""
        await self._start()
        for step in self.story.steps:
            wait_s = self.begun_s + step.at_ms / 1_000 - self.loop.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            self._do(step)
            self.steps_done += 1
        await self._come_to_rest()

    async def _start(self) -> None:
        layout = self.layout
        await self._keep("supervisor", self._start_supervisor)
        await self._keep("reconciler", self._start_reconciler)
        for number in range(layout.gateways):
            await self._keep(f"gateway-{number}", self._start_gateway)
        await self._keep("feed", self._start_feed)
        markets = [
            CreateMarket(
                market_no=0,
                key=layout.key_of(no + 1),
                outcomes=layout.outcomes_of(no + 1),
                odds_milli=layout.odds,
                limits=Limits(
                    stake_minor_max=layout.stake_max,
                    payout_minor_max=layout.payout_max,
                    outcome_liability_minor_max=layout.outcome_liability_max,
                    market_liability_minor_max=layout.market_liability_max,
                    fixture_liability_minor_max=layout.fixture_liability_max,
                ),
            )
            for no in range(layout.markets)
        ]
        raw = await self._supervisor.ask(
            "create_markets", encode(CreateMarkets(by="test", markets=tuple(markets)))
        )
        for answer in decode_market_answers(raw):
            assert answer.route is not None, answer
            number, shell = answer.route.market_no, answer.route.shell
            self.shell_of[number] = shell
            command = MarketControl(by="test", commands=(OpenMarket(market_no=number),))
            await self._ask_shell(shell, "control", encode(command))
        for account in range(1, layout.accounts + 1):
            currency = currency_of(account)
            commands = (
                SetRate(currency=currency, rate_micro=CURRENCIES[currency]),
                SetPayoutBound(open_payout_minor_max=OPEN_PAYOUTS * layout.balance),
                SetCombinationBound(combination_payout_minor_max=layout.combination_max),
                OpenAccount(account_no=account, currency=currency),
                Deposit(account_no=account, amount_minor=layout.balance, ref="first"),
                *offers_of(account, currency),
            )
            raw = await self._ask_shell(
                self.account_shell(account),
                "control",
                encode(LedgerControl(by="t", commands=commands)),
            )
            assert not any(isinstance(e, Refused) for e in decode_ledger_events(raw))
            self.house.deposits.append((account, "first", layout.balance, True))
        self.begun_s = self.loop.time()

    # --- parts -----------------------------------------------------------------------------------

    async def _keep(self, name: str, start: Callable[[str], Any]) -> None:
        """Start a part, and start it again whenever its process ends."""
        await start(name)
        self._keepers.append(self.loop.create_task(self._restart(name, start)))

    async def _restart(self, name: str, start: Callable[[str], Any]) -> None:
        while True:
            await self.parts[name].wait_gone()
            while True:
                await asyncio.sleep(RESTART_S)
                try:
                    await start(name)
                    break
                except Exception:  # whatever it was, the next start may succeed
                    self.parts[name].kill()

    def _process(self, name: str, factory: type, /, **arguments: Any) -> SimulatedProcess:
        disk = self._directory_disk if name == "supervisor" else None
        spec = PartSpec(name=name, generation=1, factory=factory, arguments=arguments)
        self._process_nos[name] += 1
        self.parts[name] = process = SimulatedProcess(
            spec, network=self.network, wires=self.wires, disk=disk
        )
        return process

    async def _start_supervisor(self, name: str) -> None:
        process = self._process(
            name,
            _without_exit(Supervisor),
            data_dir=str(FOLDER),
            launcher=lambda: self.launcher,
            settings=SupervisorSettings(
                account_shards=self.layout.shards,
                markets_per_actor=self.layout.markets_per_shell,
                **SUPERVISOR,
            ),
            shell_settings=MarketShellSettings(bets_ahead=256),
            journal=JOURNAL,
            cores=2,
            clock=self.loop.time,
            clock_ns=self._clock,
            rng=random.Random(7),
            disk=self._directory_disk,
        )
        await process.open_road()
        await process.peer.ask("start", timeout_s=60)
        self._supervisor = process.peer
        if "reconciler" in self.parts:
            reconciler = self.parts["reconciler"].peer
            no = self._process_nos["reconciler"]
            await _attempt(process.peer.ask("subscribe_routes", "reconciler", reconciler, no))
        for number in range(self.layout.gateways):
            gateway = f"gateway-{number}"
            if gateway in self.parts:
                peer, no = self.parts[gateway].peer, self._process_nos[gateway]
                await _attempt(process.peer.ask("add_gateway", gateway, peer, no, timeout_s=5))
        if "feed" in self.parts:
            feed, no = self.parts["feed"].peer, self._process_nos["feed"]
            await _attempt(process.peer.ask("subscribe_routes", "feed", feed, no, timeout_s=5))
            await _attempt(process.peer.ask("add_feed", FEED, feed, no, timeout_s=5))
            await _attempt(feed.ask("on_supervisor", process.peer, timeout_s=5))

    async def _start_reconciler(self, name: str) -> None:
        process = self._process(
            name,
            _without_exit(self.plant.reconciler),
            shards=self.layout.shards,
            settings=RECONCILER,
            clock_s=self.loop.time,
        )
        no = self._process_nos[name]
        await process.open_road()
        await self._supervisor.ask("subscribe_routes", name, process.peer, no, timeout_s=5)
        await process.peer.ask("start", timeout_s=5)

    async def _start_feed(self, name: str) -> None:
        process = self._process(
            name,
            _without_exit(FeedPipeline),
            name=name,
            feed=FEED,
            supervisor=self._supervisor,
            make_adapter=StoryAdapter,
            settings=PIPELINE,
            clock_ns=self._clock,
        )
        no = self._process_nos[name]
        await process.open_road()
        await self._supervisor.ask("subscribe_routes", name, process.peer, no, timeout_s=5)
        await process.peer.ask("start", timeout_s=5)
        await self._supervisor.ask("add_feed", FEED, process.peer, no, timeout_s=5)

    async def _start_gateway(self, name: str) -> None:
        process = self._process(
            name,
            _without_exit(self.plant.gateway),
            name=name,
            shards=self.layout.shards,
            secret=SECRET,
            settings=GATEWAY,
            supervisor=self._supervisor,
            clock_s=lambda: NOW_S,
            work_clock_ns=lambda: int(self.loop.time() * 1e9),
        )
        no = self._process_nos[name]
        await process.open_road()
        await self._supervisor.ask("add_gateway", name, process.peer, no, timeout_s=5)
        await process.peer.ask("start", timeout_s=5)
        self.ports[name] = {}
        for listener in process.target._listeners:
            server = VirtualServer(listener, owner=process.part)
            self.ports[name][listener.admission.name] = server.port
            self.loop.ports[server.port] = server

    def account_shell(self, account: int) -> str:
        return f"account-{account % self.layout.shards:03d}"

    async def _ask_shell(self, shell: str, method: str, *args: Any) -> Any:
        """Ask a shell until it answers."""
        while True:
            process = self.launcher.processes[shell]
            try:
                return await process.peer.ask(method, *args, timeout_s=0.7)
            except PeerError:
                await asyncio.sleep(0.1)

    # --- steps -----------------------------------------------------------------------------------

    def _do(self, step: AnyStep) -> None:
        match step:
            case PlaceBet() | PlaceSlip():
                connection = self._bettor(step.account, step.gateway)
                if connection is not None:
                    connection.place(step)
            case AskSlip():
                connection = self._bettor(step.account, step.gateway)
                if connection is not None:
                    connection.ask_status(step.ref)
            case AskMoney():
                connection = self._bettor(step.account, step.gateway)
                if connection is not None:
                    connection.ask_balance()
            case DropClient():
                ports = self.ports[f"gateway-{step.gateway}"]
                self.clients.drop(step.account, step.gateway, ports["bets"])
            case Command() | DecideReferral():
                ports = self.ports[f"gateway-{step.gateway}"]
                trader = self.clients.trader(step.gateway, ports["control"])
                if trader is not None:
                    (trader.command if isinstance(step, Command) else trader.decide)(step)
            case StopTogether():
                ports = self.ports[f"gateway-{step.gateway}"]
                person = self.clients.person(step.who, step.gateway, ports["control"])
                if person is not None:
                    person.stop_together(step)
            case FeedMessage():
                self.tasks.append(self.loop.create_task(self._feed(step)))
            case MoveMoney() | ChangeAccount() | ChangeHouse():
                self.tasks.append(self.loop.create_task(self.house.run(step)))
            case _:
                self._disturb(step)

    def _bettor(self, account: int, gateway: int) -> Any:
        return self.clients.bettor(account, gateway, self.ports[f"gateway-{gateway}"]["bets"])

    async def _feed(self, step: FeedMessage) -> None:
        """Push a feed's message to the pipeline until it is obeyed, as a bridge does."""
        body = message_of(self.layout.key_of(step.update.market_no), step.update)
        while True:
            try:
                await self.parts["feed"].peer.ask("push", [body], timeout_s=2)
                return
            except PeerError:
                await asyncio.sleep(0.1)

    async def _ask_account(self, account: int, payload: bytes) -> Any:
        return await self._ask_shell(self.account_shell(account), "control", payload)

    async def _ask_markets(self, payload: bytes) -> list[bytes]:
        shells = sorted(set(self.shell_of.values()))
        return list(
            await asyncio.gather(*(self._ask_shell(name, "control", payload) for name in shells))
        )

    # --- faults ----------------------------------------------------------------------------------

    def _target(self, part: str) -> SimulatedProcess | None:
        process = self.launcher.processes.get(part) or self.parts.get(part)
        return None if process is None or process.ended else process

    def _disturb(self, step: Any) -> None:
        if isinstance(step, DisturbCalls):
            fault = CallFault(step.kind, count=step.count, after_s=step.after_ms / 1_000)
            self.network.add_fault(step.part, step.method, fault)
            return
        disk = self.launcher.disks.get(step.part)
        match step:
            case Kill() | Freeze():
                process = self._target(step.part)
                if process is not None:
                    self._stop_process(process, step)
            case KillInWrite() if disk is not None:
                disk.kill_at_write, disk.torn = step.write, step.torn
            case FillDisk() if disk is not None:
                disk.fill()
                self.loop.call_later(step.for_ms / 1_000, disk.make_room)
            case FailDisk() if disk is not None:
                disk.fail(step.kind)
            case MoveClock() if step.part in self.launcher.clocks:
                self.launcher.clocks[step.part].move(step.by_ms * 1_000_000)

    def _stop_process(self, process: SimulatedProcess, step: Kill | Freeze) -> None:
        if isinstance(step, Freeze):
            process.freeze()
            self.loop.call_later(step.for_ms / 1_000, process.thaw)
            return
        if step.power_loss:
            process.power_loss = random.Random(step.power_loss)
        self._forget_ports(step.part)
        process.kill()

    def _forget_ports(self, part: str) -> None:
        for port in self.ports.get(part, {}).values():
            server = self.loop.ports.pop(port, None)
            if server is not None:
                server.end_connections()

    # --- the end ---------------------------------------------------------------------------------

    async def _come_to_rest(self) -> None:
        """Let every fault end, heal everything, then wait until nothing is left to be done."""
        ends_ms = [step.at_ms + getattr(step, "for_ms", 0.0) for step in self.story.steps]
        last_s = self.begun_s + max(ends_ms, default=0.0) / 1_000
        await asyncio.sleep(max(0.0, last_s - self.loop.time()))
        self._heal()
        deadline_s = self.loop.time() + SETTLE_S
        await asyncio.sleep(GATEWAY.bet_deadline_ms / 1_000 + RECONCILER.orphan_after_ms / 1_000)
        while True:
            self._heal()
            await self._release_quarantined()
            waits = what_waits(self)
            if not waits:
                break
            if self.loop.time() > deadline_s:
                self.trouble.append(f"not at rest after {SETTLE_S:g} s: {waits}")
                return
            await asyncio.sleep(0.1)
        await self._ask_everything()

    def _heal(self) -> None:
        self.network.heal()
        for disk in (*self.launcher.disks.values(), self._directory_disk):
            disk.heal()
        for clock in self.launcher.clocks.values():
            clock.catch_up()
        for process in (*self.launcher.processes.values(), *self.parts.values()):
            process.thaw()

    async def _release_quarantined(self) -> None:
        try:
            raw = await self._supervisor.ask("status", timeout_s=2)
            for status in decode_shell_statuses(raw):
                if status.state is ShellState.QUARANTINED:
                    process = self.launcher.processes[status.name]
                    if "restarts in" not in status.why:
                        self.trouble.append(f"{status.name} is quarantined: {status.why}")
                    await self._supervisor.ask("release", status.name, timeout_s=5)
                    assert process.ended
        except PeerError:
            return

    async def _ask_everything(self) -> None:
        """Have every account ask for each of its refs, once through each gateway."""
        refs = {(sent.bet.account, sent.bet.ref): None for sent in self.clients.record.sent}
        for number in range(self.layout.gateways):
            for asked, (account, ref) in enumerate(refs):
                connection = self._bettor(account, number)
                connection.ask_status(ref)
                if asked % 8 == 7:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
        await asyncio.sleep(2)


def _without_exit(factory: type) -> Any:
    """Return a constructor that also takes `exit_process`, which every process is given."""

    def make(*, exit_process: Any, **arguments: Any) -> Any:
        if factory is Supervisor:
            arguments["exit_process"] = exit_process
        return factory(**arguments)

    return make


async def _attempt(call: Any) -> None:
    """Await a call whose failure the restart of its callee makes up for."""
    try:
        await call
    except PeerError:
        return
