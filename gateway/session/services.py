"""Hold what all sessions of one gateway share: settings, counters, services, background tasks.

Owns the audit line of every denial. It never holds the state of a single session.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import msgspec

from gateway.bets.path import BetPath
from gateway.bets.slip_reader import SlipReader
from gateway.counters import Counters
from gateway.feeds.core.ingress import FeedIngress
from gateway.services.account_bounds import AccountBoundService
from gateway.services.accounts import Accounts
from gateway.services.approvals import ApprovalService
from gateway.services.audit_trail import AuditTrailService
from gateway.services.bet_lookup import BetLookup
from gateway.services.bet_stream import BetStream
from gateway.services.board_creation import BoardService
from gateway.services.books import BookService
from gateway.services.builders import BuilderService
from gateway.services.control import ControlService
from gateway.services.each_way import EachWayService
from gateway.services.exposed_accounts import ExposedAccountService
from gateway.services.fixture_control import FixtureService
from gateway.services.floor_accounts import FloorAccounts
from gateway.services.house import HouseService
from gateway.services.inputs import InputsService
from gateway.services.kept_limits import KeptLimitsService
from gateway.services.margins import MarginService
from gateway.services.offers import OfferService
from gateway.services.price_fanout import Fanout
from gateway.services.referrals import ReferralService
from gateway.services.scopes import ScopeService
from gateway.services.settlement_work import SettlementWork
from gateway.services.shells import ShellService
from gateway.services.watching import WatchingService
from gateway.settings import GatewaySettings

logger = logging.getLogger("overround.gateway")
audit_log = logging.getLogger("overround.audit")


class TaskGroup:
    """Background tasks, referenced until they end; an exception in one is logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the background."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a background task failed", exc_info=task.exception())

    def cancel(self) -> None:
        """Cancel every task that has not ended."""
        for task in list(self._tasks):
            task.cancel()


class ClientUse:
    """What all sessions of one account use of this gateway now."""

    __slots__ = ("bets_in_flight", "markets_followed", "sessions")

    def __init__(self) -> None:
        self.sessions = 0
        self.bets_in_flight = 0
        self.markets_followed = 0


class Services:
    """The parts of a gateway that every session uses.

    Parameters
    ----------
    settings : GatewaySettings
        Bounds.
    counters : Counters
        Counts of messages and denials.
    bets : BetPath
        Places bets.
    slips : SlipReader
        Checks slips.
    fanout : Fanout
        Prices and subscriptions.
    accounts : Accounts
        Queries and events of accounts.
    builders : BuilderService
        Bet builders.
    each_way : EachWayService
        Place terms of races.
    control : ControlService
        Commands and lists of markets.
    books : BookService
        Books of markets.
    offers : OfferService
        Offers to customers.
    account_bounds : AccountBoundService
        Answers traders who bound single accounts.
    inputs : InputsService
        Model inputs that the desk keeps.
    kept_limits : KeptLimitsService
        Limits that the desk keeps by scope.
    margins : MarginService
        Margins and skews that the desk keeps by scope.
    settlement_work : SettlementWork
        Lists what is to be settled.
    exposed_accounts : ExposedAccountService
        Accounts on which the house can lose most.
    shells : ShellService
        How the shells are.
    approvals : ApprovalService
        Commands of the floor that may need a second person.
    trail : AuditTrailService
        The audit trail of the floor's requests.
        Accounts as the floor sees and blocks them.
    bet_lookup : BetLookup
        Finds bets for the floor.
    bet_stream : BetStream
        Shows bets to the floor as they are decided.
    house : HouseService
        Stops and starts the house.
    watching : WatchingService
        Rules that watch, and alerts.
    referrals : ReferralService
        Bets that wait for a trader.
    scopes : ScopeService
        Commands by scope.
    feeds : FeedIngress
        Messages of feeds.
    fixtures : FixtureService
        Fixtures and the catalogue.
    boards : BoardService
        Creation of markets.
    """

    def __init__(
        self,
        *,
        settings: GatewaySettings,
        counters: Counters,
        bets: BetPath,
        slips: SlipReader,
        fanout: Fanout,
        accounts: Accounts,
        builders: BuilderService,
        each_way: EachWayService,
        control: ControlService,
        books: BookService,
        offers: OfferService,
        account_bounds: AccountBoundService,
        inputs: InputsService,
        kept_limits: KeptLimitsService,
        margins: MarginService,
        settlement_work: SettlementWork,
        shells: ShellService,
        exposed_accounts: ExposedAccountService,
        approvals: ApprovalService,
        trail: AuditTrailService,
        floor_accounts: FloorAccounts,
        bet_lookup: BetLookup,
        bet_stream: BetStream,
        house: HouseService,
        watching: WatchingService,
        referrals: ReferralService,
        scopes: ScopeService,
        feeds: FeedIngress,
        fixtures: FixtureService,
        boards: BoardService,
    ) -> None:
        self.settings = settings
        self.counters = counters
        self.bets = bets
        self.slips = slips
        self.fanout = fanout
        self.accounts = accounts
        self.builders = builders
        self.each_way = each_way
        self.control = control
        self.books = books
        self.offers = offers
        self.account_bounds = account_bounds
        self.inputs = inputs
        self.kept_limits = kept_limits
        self.margins = margins
        self.settlement_work = settlement_work
        self.shells = shells
        self.exposed_accounts = exposed_accounts
        self.approvals = approvals
        self.trail = trail
        self.floor_accounts = floor_accounts
        self.bet_lookup = bet_lookup
        self.bet_stream = bet_stream
        self.house = house
        self.watching = watching
        self.referrals = referrals
        self.scopes = scopes
        self.feeds = feeds
        self.fixtures = fixtures
        self.boards = boards
        self.tasks = TaskGroup()
        self.use_by_account: dict[int, ClientUse] = {}

    def use_of(self, account: int | None) -> ClientUse:
        """Return what an account uses; a caller without an account has a record of its own."""
        if account is None:
            return ClientUse()
        return self.use_by_account.setdefault(account, ClientUse())

    def forget_use(self, account: int | None) -> None:
        """Forget the record of an account that uses nothing any more."""
        use = None if account is None else self.use_by_account.get(account)
        if account is not None and use is not None and not use.sessions | use.bets_in_flight:
            del self.use_by_account[account]

    def deny(self, kind: str, *, peer: str, who: str, what: str) -> None:
        """Count a denial and write its audit line."""
        self.counters.deny(kind)
        line = {"event": "denied", "kind": kind, "peer": peer, "who": who, "what": what[:200]}
        audit_log.warning(msgspec.json.encode(line).decode())
