"""Account and market shells in one process, and the reconciler between them, for tests."""

from actors.account_shell import AccountShell
from actors.market_shell import MarketShell
from actors.messages import (
    MarketRoute,
    ReconciliationReport,
    ShellRoute,
    ShellState,
    decode_reconciliation_report,
    decode_totals,
)
from actors.reconciler import Reconciler
from actors.routes import account_shell_name
from actors.settings import ReconcilerSettings
from engine.common.commands import SuspendMarket
from engine.common.events import Refused
from engine.common.reasons import Reason
from engine.common.rows import Rows, SlipState
from persistence.journal import JournalOptions
from tests.actors.stand_ins import UnreliablePeer
from tests.actors.trade import (
    bets_of,
    events_of,
    fund,
    market_control,
    open_market,
    reservations,
    settle_home,
    slip,
)
from tests.actors.virtual import run_virtual
from tests.faults.faulty_disk import FaultyDisk

SECOND_NS = 1_000_000_000
MARKET = "market-00000"
OPTIONS = JournalOptions(allocate_bytes=1, snapshot_aside=False)


class ReconciledShells:
    """Two account shards, one market shell with two markets, and the reconciler between them."""

    def __init__(self, **settings: int) -> None:
        self.now_ns = 1_000 * SECOND_NS
        self.steady_ns = 0
        """Of the clock that nobody sets."""
        self.market_disk = FaultyDisk()
        self.accounts = [
            AccountShell(
                name=account_shell_name(shard),
                folder="/account",
                shard=shard,
                options=OPTIONS,
                disk=FaultyDisk(),
                clock=self.clock,
            )
            for shard in range(2)
        ]
        self.market = self.open_market_shell()
        open_market(self.market, market_no=1)
        open_market(self.market, market_no=2, key="cup-1/other")
        fund(self.accounts[0], range(0, 20, 2))
        fund(self.accounts[1], range(1, 20, 2))
        self.reconciler = Reconciler(
            shards=2,
            settings=ReconcilerSettings(**settings),
            clock_s=lambda: self.steady_ns / SECOND_NS,
        )
        self.peers = {s.name: UnreliablePeer(s, name=s.name) for s in (*self.accounts, self.market)}
        self.notify_routes()

    def clock(self) -> int:
        return self.now_ns

    def open_market_shell(self, *, quarantine: str = "") -> MarketShell:
        return MarketShell(
            name=MARKET,
            folder="/market",
            options=OPTIONS,
            quarantine=quarantine,
            disk=self.market_disk,
            clock=self.clock,
        )

    def notify_routes(self, *, market_state: ShellState = ShellState.SERVING) -> None:
        shells = [
            ShellRoute(
                name=shell.name,
                kind="account",
                generation=1,
                state=ShellState.SERVING,
                shard=shard,
            )
            for shard, shell in enumerate(self.accounts)
        ]
        shells.append(ShellRoute(name=MARKET, kind="market", generation=1, state=market_state))
        markets = [
            MarketRoute(market_no=1, key="cup-1/1x2", shell=MARKET),
            MarketRoute(market_no=2, key="cup-1/other", shell=MARKET),
        ]
        self.reconciler.on_routes(1, shells, markets, self.peers)

    def restart_market(self, *, quarantine: str = "") -> None:
        self.market.abandon()
        self.market = self.open_market_shell(quarantine=quarantine)
        self.peers[MARKET] = UnreliablePeer(self.market, name=MARKET)
        self.notify_routes()

    def fill_market_disk(self) -> None:
        """Leave the market's journal no room for another record."""
        self.market_disk.capacity = sum(map(len, self.market_disk.files().values()))
        command = market_control(SuspendMarket(market_no=2))
        while not isinstance(event := events_of(self.market.control(command))[0], Refused):
            pass
        assert event.reason is Reason.DISK_FULL

    def reserve(self, *refs: str, account_no: int = 2, market_no: int = 1) -> Rows:
        """Reserve stakes and return the BET rows that a gateway sends on."""
        requests = reservations(refs, account_no=account_no, market_no=market_no)
        return bets_of(requests, self.accounts[account_no % 2].exchange(b"", requests.tobytes()))

    def bet(self, *refs: str, account_no: int = 2, market_no: int = 1) -> Rows:
        """Place bets from the reservation to the posted verdict."""
        bets = self.reserve(*refs, account_no=account_no, market_no=market_no)
        self.accounts[account_no % 2].exchange(self.market.place(bets.tobytes()), b"")
        return bets

    def step(self) -> dict[str, int]:
        return run_virtual(self.reconciler.step())

    def compare(self) -> ReconciliationReport:
        return decode_reconciliation_report(run_virtual(self.reconciler.compare()))

    def advance(self, seconds: float) -> None:
        """Let time pass after a step, in which the reconciler learns of the bets made so far."""
        self.step()
        self.now_ns += int(seconds * SECOND_NS)
        self.steady_ns += int(seconds * SECOND_NS)

    def state(self, ref: str, *, account_no: int = 2) -> SlipState:
        found = slip(self.accounts[account_no % 2], ref, account_no=account_no)
        state: SlipState = found.state
        return state

    def house_minor(self) -> int:
        totals = [t for shell in self.accounts for t in decode_totals(shell.totals())]
        return sum(total.house_minor for total in totals)


def trade_and_settle(shells: ReconciledShells) -> int:
    """Place five bets in each shard, settle all as won; return the house's loss."""
    for number in range(5):
        shells.bet(f"even-{number}", account_no=2)
        shells.bet(f"odd-{number}", account_no=3)
    shells.market.control(market_control(settle_home()))
    return 10 * 100
