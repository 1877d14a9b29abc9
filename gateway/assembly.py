"""Make the services that all sessions of one gateway share.

Owns which service is given what. It starts nothing and keeps nothing.
"""

from actors.routes import Routes
from actors.settings import DeskSettings
from gateway.bets.path import BetPath
from gateway.bets.slip_reader import SlipReader
from gateway.counters import Counters
from gateway.feeds.core.ingress import FeedIngress
from gateway.market_limits import LimitRules
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
from gateway.services.derived_markets import DerivedMarkets
from gateway.services.desk import DeskClient
from gateway.services.each_way import EachWayService
from gateway.services.exposed_accounts import ExposedAccountService
from gateway.services.fixture_control import FixtureService
from gateway.services.floor_accounts import FloorAccounts
from gateway.services.house import HouseService
from gateway.services.inputs import InputsService
from gateway.services.kept_limits import KeptLimitsService
from gateway.services.kept_stops import KeptStops
from gateway.services.margins import MarginService
from gateway.services.offers import OfferService
from gateway.services.price_fanout import Fanout
from gateway.services.referrals import ReferralService
from gateway.services.scopes import ScopeService
from gateway.services.settlement_work import SettlementWork
from gateway.services.shells import ShellService
from gateway.services.waiting_stop import WaitingStops
from gateway.services.watching import WatchingService
from gateway.session.services import Services
from gateway.settings import GatewaySettings
from gateway.suspected_shells import SuspectedShells


def make_services(
    *,
    name: str,
    settings: GatewaySettings,
    desk_settings: DeskSettings,
    routes: Routes,
    counters: Counters,
    fanout: Fanout,
    feeds: FeedIngress,
    limits: LimitRules,
    derived: DerivedMarkets,
    fixtures: FixtureService,
    desk: DeskClient,
    suspected: SuspectedShells,
    kept: KeptStops,
    shells: ShellService,
) -> Services:
    """Return the services of a gateway, each with the parts of it that it needs."""
    bets = BetPath(routes=routes, settings=settings, suspect=suspected.report)
    accounts = Accounts(routes=routes, settings=settings, gateway=name)
    control = ControlService(
        routes=routes, fanout=fanout, settings=settings, limits=limits, counters=counters, kept=kept
    )
    waiting = WaitingStops(routes=routes, settings=settings)
    margins = MarginService(desk=desk, routes=routes)
    timeout_s, catalogue = settings.control_timeout_ms / 1_000, fixtures.catalogue
    return Services(
        settings=settings,
        counters=counters,
        bets=bets,
        slips=SlipReader(routes=routes, settings=settings, limits=limits),
        fanout=fanout,
        accounts=accounts,
        builders=BuilderService(derived, a_minute=settings.builders_a_minute),
        each_way=EachWayService(derived),
        control=control,
        books=BookService(routes=routes, timeout_s=timeout_s),
        offers=OfferService(routes=routes, settings=settings),
        account_bounds=AccountBoundService(routes=routes, settings=settings),
        house=HouseService(routes=routes, settings=settings, kept=kept, waiting=waiting),
        referrals=ReferralService(routes=routes, timeout_s=timeout_s),
        scopes=ScopeService(routes=routes, catalogue=catalogue, fanout=fanout, control=control),
        floor_accounts=FloorAccounts(routes=routes, settings=settings, waiting=waiting),
        bet_lookup=BetLookup(routes=routes, accounts=accounts, fanout=fanout, settings=settings),
        watching=WatchingService(desk=desk),
        bet_stream=BetStream(routes=routes, gateway=name, counters=counters),
        inputs=InputsService(desk=desk, control=control, limits=limits),
        kept_limits=KeptLimitsService(desk=desk, routes=routes, limits=limits),
        margins=margins,
        settlement_work=SettlementWork(
            desk=desk, routes=routes, catalogue=catalogue, fanout=fanout
        ),
        shells=shells,
        exposed_accounts=ExposedAccountService(routes=routes, timeout_s=timeout_s),
        approvals=ApprovalService(control=control, desk=desk, settings=desk_settings),
        trail=AuditTrailService(desk=desk, counters=counters, gateway=name),
        feeds=feeds,
        fixtures=fixtures,
        boards=BoardService(
            routes=routes,
            fanout=fanout,
            limits=limits,
            fixtures=fixtures,
            control=control,
            margins=margins,
            desk=desk,
            supervisor=lambda: suspected.supervisor,
            timeout_s=timeout_s,
        ),
    )
