"""A bet path over real shells in this process, through peers that fail on purpose."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from actors.messages import MarketControl, MarketRoute, ShellRoute, ShellState, encode
from actors.peer import Peer, PeerDiedError, PeerRefusedError
from actors.routes import Routes, account_shell_name
from engine.common.acceptance import AcceptancePatch, SetAcceptance
from engine.common.commands import SuspendMarket
from engine.common.ids import AccountNo, MarketNo, check_bet_ref
from engine.common.reasons import Reason
from engine.common.rows import BET, DECISION, SlipState
from gateway.bets.path import BetPath
from gateway.bets.slip_reader import SlipReader
from gateway.bets.slip_ticket import SlipBetAnswer, SlipTicket
from gateway.bets.ticket import BetAnswer, BetWait, Ticket
from gateway.market_limits import LimitRules, LimitsSettings
from gateway.messages.slips import BetLines, Leg, PlaceSlip
from gateway.settings import GatewaySettings
from tests.faults.faulty_disk import FaultyDisk
from tests.gateway.bookmaker import SHARDS, Bookmaker, open_bookmaker
from tests.gateway.price_gateway import until

ACCOUNT = 7
MARKETS = {4: ("market-b", "cup-2/1x2")}
"""A market beside the bookmaker's, so that a slip can have legs of three events."""
DOUBLE = ((1, 0, 2_500), (3, 0, 2_500))
"""Market, outcome and odds seen of two legs of two events, at two shells."""


class FaultyPeer:
    """A shell's peer that can lose calls or answers, garble answers, or refuse in its place."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.name = peer.name
        self.fault: str = ""
        self.faults = 0
        self.calls: list[tuple[str, int]] = []
        self.hold_method = ""
        self.hold_after = self.hold_calls = 0
        self.held = False
        self.may_pass = asyncio.Event()
        self.may_pass.set()

    def hold(self, method: str, *, after: int, calls: int = 1) -> None:
        """Hold some calls of a method, after the next `after` of them, until `release`."""
        self.hold_method, self.hold_after, self.hold_calls = method, after, calls
        self.may_pass.clear()

    def release(self) -> None:
        self.held = False
        self.may_pass.set()

    def fail(self, fault: str, times: int = 1) -> None:
        self.fault, self.faults = fault, times

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        rows = args[1] if method == "exchange" else args[0]
        self.calls.append((method, len(rows)))
        if method == self.hold_method and not self.may_pass.is_set():
            self.hold_after -= 1
            if -self.hold_calls <= self.hold_after < 0:
                self.held = True
                await self.may_pass.wait()
        fault, self.faults = self.fault if self.faults else "", max(0, self.faults - 1)
        if fault == "call lost":
            raise PeerDiedError("the call was lost")
        if fault == "defect":
            raise RuntimeError("the shell has a defect")
        if fault == "disk full":
            return _disk_full(np.frombuffer(args[-1], BET)["bet_id"])
        answer = await self.peer.ask(method, *args, timeout_s=timeout_s)
        if fault == "answer lost":
            raise PeerDiedError("the answer was lost")
        if fault == "garbled":
            return answer[:-8]
        if fault == "disk full after deciding":
            return _disk_full(np.frombuffer(answer, DECISION)["bet_id"])
        return answer

    def notify(self, method: str, /, *args: Any) -> None:
        self.peer.notify(method, *args)


def _disk_full(bet_ids: Any) -> bytes:
    """Return refusals that the market does not record."""
    rows = np.zeros(len(bet_ids), DECISION)
    rows["bet_id"] = bet_ids
    rows["reason"] = Reason.DISK_FULL
    return rows.tobytes()


class Bettor:
    """A session that keeps the answers it receives, by ref."""

    def __init__(self) -> None:
        self.answers: dict[str, list[BetAnswer]] = {}
        self.slip_answers: dict[str, list[SlipBetAnswer]] = {}
        self.waits: list[str] = []
        """Refs of bets and slips that wait at a market."""

    def on_bet_waits(self, ref: str, _: BetWait) -> None:
        self.waits.append(ref)

    def on_bet_answer(self, ticket: Ticket, answer: BetAnswer) -> None:
        self.answers.setdefault(ticket.ref, []).append(answer)

    def on_slip_answer(self, slip: SlipTicket, answer: SlipBetAnswer) -> None:
        self.slip_answers.setdefault(slip.ref, []).append(answer)

    async def answer(self, ref: str) -> BetAnswer:
        await until(lambda: ref in self.answers)
        (only,) = self.answers[ref]
        return only

    async def slip_answer(self, ref: str) -> SlipBetAnswer:
        await until(lambda: ref in self.slip_answers)
        (only,) = self.slip_answers[ref]
        return only


class BetPathShells:
    """A bet path and the shells behind it, each through a peer that can fail."""

    def __init__(
        self, bookmaker: Bookmaker, *, limits: LimitsSettings | None = None, **changes: Any
    ) -> None:
        self.bookmaker = bookmaker
        self.routes = Routes(shards=SHARDS)
        self.peers = {
            name: FaultyPeer(local_process.peer)
            for name, local_process in bookmaker.processes.items()
        }
        self.suspected: list[str] = []
        self.bettor = Bettor()
        self.path = BetPath(
            routes=self.routes,
            settings=GatewaySettings(**{"bet_deadline_ms": 2_000, **changes}),
            suspect=self.suspected.append,
        )
        self.slips = SlipReader(
            routes=self.routes,
            settings=GatewaySettings(),
            limits=LimitRules(limits or LimitsSettings()),
        )
        self.notify(dict.fromkeys(self.peers, ShellState.SERVING))

    def notify(self, states: dict[str, ShellState]) -> None:
        self.routes.update(
            version=self.routes.version + 1,
            shells=[
                ShellRoute(name=name, kind=name.split("-")[0], generation=1, state=state, shard=0)
                for name, state in states.items()
            ],
            markets=[
                MarketRoute(market_no=no, key=key, shell=self.bookmaker.shell_of[no])
                for no, key in self.bookmaker.keys.items()
            ],
            peers=self.peers,
        )
        self.path.wake()

    @property
    def account(self) -> FaultyPeer:
        return self.peers[account_shell_name(ACCOUNT % SHARDS)]

    def another_path(self) -> BetPath:
        """Return the bet path of another gateway in front of the same shells."""
        return BetPath(routes=self.routes, settings=GatewaySettings(bet_deadline_ms=2_000))

    def place(self, ref: str, *, path: BetPath | None = None, **changes: Any) -> None:
        bet = {
            "account_no": ACCOUNT, "market_no": 1, "outcome": 0,
            "stake_minor": 500, "odds_milli": 2_500, "policy": 0,
        }  # fmt: skip
        raw = check_bet_ref(ref)
        (path or self.path).place(
            Ticket(session=self.bettor, ref=ref, ref_bytes=raw, **(bet | changes))
        )

    def slip_ticket(
        self,
        ref: str,
        legs: Sequence[tuple[int, int, int]] = DOUBLE,
        *,
        bets: Sequence[BetLines] = (BetLines(stake_minor=500),),
        **changes: Any,
    ) -> SlipTicket:
        """Return the ticket of a slip, as a session makes it."""
        request = PlaceSlip(
            ref=ref,
            legs=tuple(Leg(market=no, outcome=at, odds_milli=odds) for no, at, odds in legs),
            bets=tuple(bets),
            **changes,
        )
        slip = self.slips.read(request, session=self.bettor, account_no=AccountNo(ACCOUNT))
        assert isinstance(slip, SlipTicket), slip
        return slip

    def place_slip(self, ref: str, *args: Any, path: BetPath | None = None, **changes: Any) -> None:
        (path or self.path).place_slip(self.slip_ticket(ref, *args, **changes))

    def available_minor(self) -> int:
        shell = self.bookmaker.processes[self.account.name].target
        available: int = shell._machine().balance(ACCOUNT).available_minor
        return available

    def suspend(self, market_no: int) -> None:
        self.command(SuspendMarket(market_no=MarketNo(market_no)))

    def delay(self, market_no: int, delay_ms: int) -> None:
        acceptance = AcceptancePatch(delay_ms=delay_ms)
        self.command(SetAcceptance(market_no=MarketNo(market_no), acceptance=acceptance))

    def command(self, command: SuspendMarket | SetAcceptance) -> None:
        """Give a command to the shell of its market."""
        market_no = command.market_no
        payload = encode(MarketControl(by="t", commands=(command,)))
        self.bookmaker.processes[self.bookmaker.shell_of[market_no]].target.control(payload)

    def waiting(self, shell: str) -> int:
        return sum(len(queue.waiting) for queue in self.path._all_queues() if queue.name == shell)

    def market_bets(self, shell: str = "market-a") -> int:
        machine: Any = self.bookmaker.processes[shell].target._machine()
        return int(machine.bets_len)

    def slip(self, ref: str) -> Any:
        shell = self.bookmaker.processes[self.account.name].target
        return shell._machine().slip(account_no=ACCOUNT, ref=ref)

    async def slip_is(self, ref: str, state: SlipState) -> None:
        await until(lambda: (slip := self.slip(ref)) is not None and slip.state == state)


def fill(disk: FaultyDisk, account: Any) -> None:
    """Use up the disk of an account shell, and then what its journal has allocated ahead."""
    disk.capacity = sum(map(len, disk.files().values()))
    verdict = np.zeros(1, DECISION)
    verdict["bet_id"] = 999
    with suppress(PeerRefusedError):
        while True:
            account.resolve(verdict.tobytes())


@asynccontextmanager
async def open_shells(
    folder: Path, *, account_disk: FaultyDisk | None = None, **changes: Any
) -> AsyncIterator[BetPathShells]:
    async with open_bookmaker(folder, markets=MARKETS, account_disk=account_disk) as bookmaker:
        shells = BetPathShells(bookmaker, **changes)
        try:
            yield shells
        finally:
            await shells.path.close()
            bookmaker.check()
