"""One account shard and three market shells on disks of their own, and slips driven by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from actors.account_shell import AccountShell
from actors.market_shell import MarketShell
from actors.messages import (
    BalanceQuery,
    MarketRoute,
    ReconciliationReport,
    ShellRoute,
    ShellState,
    decode_balance,
    decode_book_images,
    decode_reconciliation_report,
    encode,
)
from actors.reconciler import Reconciler
from actors.routes import account_shell_name
from actors.settings import ReconcilerSettings
from engine.common.commands import OutcomeResult, SettleMarket
from engine.common.ids import ShardNo
from engine.common.reasons import UNRECORDED
from engine.common.rows import (
    BET,
    DECISION,
    FLAG_HEAD,
    FLAG_LEG,
    FLAG_LEG_OF_SLIP,
    LEG_RESERVATION,
    RESERVATION,
    RESERVED,
    SLIP_BET,
    BetResult,
    Rows,
    SlipState,
)
from engine.common.views import BookImage
from persistence.journal import JournalOptions
from tests.actors.stand_ins import UnreliablePeer
from tests.actors.trade import (
    bets_of,
    fund,
    market_control,
    open_market,
    reservations,
    slip,
)
from tests.actors.virtual import run_virtual
from tests.faults.faulty_disk import FaultyDisk

SECOND_NS = 1_000_000_000
ACCOUNT_NO = 2
ACCOUNT = account_shell_name(ShardNo(0))
MARKET_NOS = (1, 2, 3)
"""Each in a shell of its own; odds are 2.000, 3.000 and 4.000 on its three outcomes."""
OPTIONS = JournalOptions(allocate_bytes=1, snapshot_aside=False)
FUNDS_MINOR = 1_000_000


def market_name(market_no: int) -> str:
    return f"market-{market_no:05d}"


def slip_bet(stake_minor: int, sizes: Sequence[int], *, of: int, bankers: int = 0) -> Rows:
    """Return one bet over the first positions, `sizes` of those that are no bankers in a line."""
    row: Rows = np.zeros(1, SLIP_BET)
    row["stake_minor"] = stake_minor
    row["sizes"] = sum(1 << size for size in sizes)
    row["positions"] = (1 << of) - 1
    row["bankers"] = bankers
    return row


class SlipRequest:
    """A slip on its way: its rows, and what a gateway knows of it.

    Parameters
    ----------
    ref : str
        The bettor's reference.
    bets : sequence of Rows
        SLIP_BET rows.
    stake_minor : int
        The stake of all lines.
    market_nos : sequence of int
        The market of each leg; each leg is the home outcome at 2.000, of an event of its own.
    """

    def __init__(
        self, ref: str, bets: Sequence[Rows], *, stake_minor: int, market_nos: Sequence[int]
    ) -> None:
        self.ref = ref
        self.bets: Rows = np.concatenate(bets)
        head: Rows = np.zeros(1, RESERVATION)
        head["ref"] = np.array([ref], "S32").view("<u8").reshape(-1, 4)
        head["account_no"] = ACCOUNT_NO
        head["stake_minor"] = stake_minor
        head["outcome"], head["market_no"] = len(market_nos), len(self.bets)
        head["flags"] = FLAG_HEAD
        legs: Rows = np.zeros(len(market_nos), LEG_RESERVATION)
        legs["market_no"] = market_nos
        legs["event"] = legs["position"] = np.arange(len(market_nos))
        legs["account_no"] = ACCOUNT_NO
        legs["odds_milli"] = 2_000
        legs["flags"] = FLAG_LEG_OF_SLIP
        self.rows: Rows = np.concatenate([head, legs.view(RESERVATION)])
        self.answers: Rows = np.zeros(0, RESERVED)
        self.verdicts: Rows = np.zeros(0, DECISION)

    @property
    def state(self) -> SlipState:
        return SlipState(int(self.answers["state"][0]))

    def legs(self) -> Rows:
        """Return the BET rows that a gateway sends to the legs' markets."""
        reserved = self.answers[1:]
        rows: Rows = np.zeros(len(reserved), BET)
        for field in ("account_no", "market_no", "odds_milli", "outcome", "policy"):
            rows[field] = self.rows[field][1:]
        rows["bet_id"] = reserved["bet_id"]
        rows["rate_micro"] = reserved["rate_micro"]
        rows["stake_minor"] = reserved["stake_max_minor"]
        rows["flags"] = FLAG_LEG
        return rows


class SlipShells:
    """One account shard, three market shells with one market each, and the reconciler."""

    def __init__(self, **settings: int) -> None:
        self.now_ns = 1_000 * SECOND_NS
        self.steady_ns = 0
        """Of the clock that nobody sets."""
        names = (ACCOUNT, *map(market_name, MARKET_NOS))
        self.disks = {name: FaultyDisk() for name in names}
        self.shells: dict[str, Any] = {}
        self.peers: dict[str, UnreliablePeer] = {}
        for name in names:
            self._open(name)
        for number in MARKET_NOS:
            open_market(self.market(number), market_no=number, key=f"cup-{number}/1x2")
        fund(self.account, [ACCOUNT_NO], amount_minor=FUNDS_MINOR)
        self.settings = ReconcilerSettings(**settings)
        self.reconciler = self._new_reconciler()

    # --- processes -------------------------------------------------------------------------------
    def clock(self) -> int:
        return self.now_ns

    def _open(self, name: str, *, quarantine: str = "") -> None:
        arguments: Any = {
            "name": name,
            "folder": f"/{name}",
            "options": OPTIONS,
            "quarantine": quarantine,
            "disk": self.disks[name],
            "clock": self.clock,
        }
        self.shells[name] = (
            AccountShell(shard=ShardNo(0), **arguments)
            if name == ACCOUNT
            else MarketShell(**arguments)
        )
        self.peers[name] = UnreliablePeer(self.shells[name], name=name)

    @property
    def account(self) -> AccountShell:
        shell: AccountShell = self.shells[ACCOUNT]
        return shell

    def market(self, market_no: int) -> MarketShell:
        shell: MarketShell = self.shells[market_name(market_no)]
        return shell

    def kill(self, name: str, *, quarantine: str = "") -> None:
        """Kill a shell at this instant and start it again from what its disk holds."""
        disk = self.disks[name]
        self.disks[name] = disk.killed(calls=len(disk.trace))
        self.shells[name].abandon()
        self._open(name, quarantine=quarantine)
        self.notify_routes()

    def fill_disk(self, name: str) -> FaultyDisk:
        """Kill a shell and start it on a disk without room for a record; return the disk."""
        self.shells[name].abandon()
        used = {path: data.rstrip(b"\0") for path, data in self.disks[name].files().items()}
        whole = {path: data + bytes(-len(data) % 8) for path, data in used.items()}
        disk = self.disks[name] = FaultyDisk.of(whole)
        self._open(name)
        self.notify_routes()
        disk.capacity = sum(map(len, disk.files().values()))
        return disk

    def kill_reconciler(self) -> None:
        self.reconciler = self._new_reconciler()

    def _new_reconciler(self) -> Reconciler:
        self.reconciler = Reconciler(
            shards=1,
            settings=self.settings,
            clock_s=lambda: self.steady_ns / SECOND_NS,
        )
        self.notify_routes()
        return self.reconciler

    def notify_routes(self, *, down: str = "") -> None:
        """Tell the reconciler which shells serve: all but one."""
        shells = [
            ShellRoute(
                name=name,
                kind="account" if name == ACCOUNT else "market",
                generation=1,
                state=ShellState.DOWN if name == down else ShellState.SERVING,
            )
            for name in self.shells
        ]
        markets = [
            MarketRoute(market_no=no, key=f"cup-{no}/1x2", shell=market_name(no))
            for no in MARKET_NOS
        ]
        self.reconciler.on_routes(1, shells, markets, self.peers)

    def step(self) -> dict[str, int]:
        return run_virtual(self.reconciler.step())

    def advance(self, seconds: float) -> None:
        """Let time pass after a step, in which the reconciler learns of the bets made so far."""
        self.step()
        self.now_ns += int(seconds * SECOND_NS)
        self.steady_ns += int(seconds * SECOND_NS)

    def finish(self) -> None:
        """Let the reconciler do all there is to do, orphans included."""
        self.advance(11)
        for _ in range(4):
            self.step()

    # --- slips -----------------------------------------------------------------------------------
    def reserve(self, request: SlipRequest) -> None:
        """Send a slip to its account, with the verdicts that its gateway has."""
        recorded = request.verdicts[~np.isin(request.verdicts["reason"], list(UNRECORDED))]
        raw = self.account.exchange(
            recorded.tobytes(), request.rows.tobytes(), request.bets.tobytes()
        )
        request.answers = np.frombuffer(raw, RESERVED)

    def hold(self, request: SlipRequest, market_no: int) -> int:
        """Let a market decide its leg of a slip; return the reason."""
        legs = request.legs()
        raw = self.market(market_no).place(legs[legs["market_no"] == market_no].tobytes())
        decisions = np.frombuffer(raw, DECISION)
        request.verdicts = np.concatenate([request.verdicts, decisions])
        return int(decisions["reason"][0])

    def place(self, request: SlipRequest) -> SlipRequest:
        """Place a slip from the reservation to the post."""
        self.reserve(request)
        for number in request.legs()["market_no"].tolist():
            self.hold(request, number)
        self.reserve(request)
        return request

    def bet(self, ref: str, *, market_no: int) -> Rows:
        """Place a single of 100 on the home outcome and return its BET row."""
        requests = reservations([ref], account_no=ACCOUNT_NO, market_no=market_no)
        bets = bets_of(requests, self.account.exchange(b"", requests.tobytes()))
        self.account.exchange(self.market(market_no).place(bets.tobytes()), b"")
        return bets

    def pending(self) -> Rows:
        """Return the BET rows of everything that waits for a verdict."""
        rows: Rows = np.frombuffer(self.account.pending(self.account.last_bet_id(), 100), BET)
        return rows

    def settle(self, market_no: int, *, home: BetResult = BetResult.WON) -> None:
        """Settle a market: its home outcome won, lost or was refunded."""
        halves = {BetResult.REFUNDED: 2, BetResult.HALF_WON: 1}.get(home, 0)
        won = home in (BetResult.WON, BetResult.HALF_WON)
        results = (
            OutcomeResult(won=won, void_halves=halves),
            OutcomeResult(won=home is BetResult.LOST),
            OutcomeResult(won=False),
        )
        command = SettleMarket(market_no=market_no, results=results)
        self.market(market_no).control(market_control(command))

    def slip(self, ref: str) -> Any:
        return slip(self.account, ref, account_no=ACCOUNT_NO)

    def book(self, market_no: int) -> list[BookImage]:
        return decode_book_images(self.market(market_no).book_images([market_no]))

    def available_minor(self) -> int:
        balance = decode_balance(self.account.query(encode(BalanceQuery(account_no=ACCOUNT_NO))))
        assert balance is not None
        return balance.available_minor

    def compare(self) -> ReconciliationReport:
        return decode_reconciliation_report(run_virtual(self.reconciler.compare()))


def treble(ref: str = "s", *, stake_minor: int = 100) -> SlipRequest:
    """Return an accumulator of a leg in each market."""
    return SlipRequest(
        ref, [slip_bet(stake_minor, [3], of=3)], stake_minor=stake_minor, market_nos=MARKET_NOS
    )


def trixie(ref: str = "s", *, line_minor: int = 10) -> SlipRequest:
    """Return the four lines of three selections: three doubles and the treble."""
    return SlipRequest(
        ref,
        [slip_bet(line_minor, [2, 3], of=3)],
        stake_minor=4 * line_minor,
        market_nos=MARKET_NOS,
    )
