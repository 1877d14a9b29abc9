"""Which service answers each request that runs as a task, and by whose name it asks.

Owns the table and nothing else. A session runs these within its bound of requests in flight; a
request that needs the session itself (bets, subscriptions, commands of feeds) is a method of it.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final, get_args

from engine.common.ids import AccountNo
from gateway.messages.account_bounds import BoundAccount
from gateway.messages.account_view import FloorAccountRequest
from gateway.messages.approvals import ApprovalRequest
from gateway.messages.arbitrage import AskArbitrage
from gateway.messages.audit import AskAuditTrail
from gateway.messages.bet_lookup import AskBetStory, FindBets
from gateway.messages.bettor import AccountRequest
from gateway.messages.boards import CreationRequest
from gateway.messages.books import AskBooks
from gateway.messages.builders import BuildBet
from gateway.messages.corrections import AskPreview
from gateway.messages.each_way import AskEachWay
from gateway.messages.exposed_accounts import AskExposedAccounts
from gateway.messages.exposure import AskExposure
from gateway.messages.fixtures import FixtureChangeRequest, FixtureQuestion
from gateway.messages.house import HouseRequest, StopTheHouse
from gateway.messages.inputs import InputsRequest
from gateway.messages.kept_limits import KeptLimitsRequest
from gateway.messages.margins import MarginRequest
from gateway.messages.offers import OfferRequest
from gateway.messages.protocol import ServerMessage
from gateway.messages.races import SettleRace
from gateway.messages.referrals import AskReferrals
from gateway.messages.scopes import ScopeRequest, SuspendScope
from gateway.messages.settlement_work import AskSettlementWork
from gateway.messages.shells import AskShells
from gateway.messages.trader import AskBook, Reprice, ResumeAll, SuspendAll
from gateway.messages.watching import WatchingRequest
from gateway.net.odd_stops import OddStop, OddStopHouse, OddSuspendScope
from gateway.session.permissions import INQUIRIES, PERMISSIONS
from gateway.session.services import Services
from gateway.session.tokens import Claims, Role

Work = Coroutine[Any, Any, ServerMessage]
Query = Callable[[Services, Claims, Any], Work]


def account_of(claims: Claims) -> AccountNo:
    """Return a caller's account; -1, which no account has, for a caller without one."""
    return AccountNo(-1) if claims.account is None else claims.account


def _ask_account(services: Services, claims: Claims, request: AccountRequest) -> Work:
    return services.accounts.answer(account_of(claims), request)


def _build_bet(services: Services, claims: Claims, request: BuildBet) -> Work:
    return services.builders.build(account_of(claims), claims.identity, request)


def _each_way(services: Services, claims: Claims, request: AskEachWay) -> Work:
    return services.each_way.terms(claims.identity, request)


def _suspend_all(services: Services, claims: Claims, request: SuspendAll) -> Work:
    return services.control.suspend_all(claims.identity, request)


def _resume_all(services: Services, claims: Claims, request: ResumeAll) -> Work:
    return services.control.resume_all(claims.identity, request)


def _settle_race(services: Services, claims: Claims, request: SettleRace) -> Work:
    return services.approvals.settle_race(claims.identity, request)


def _inputs(services: Services, claims: Claims, request: InputsRequest) -> Work:
    return services.inputs.answer(claims.identity, request)


def _margins(services: Services, claims: Claims, request: MarginRequest) -> Work:
    return services.margins.answer(claims.identity, request)


def _kept_limits(services: Services, claims: Claims, request: KeptLimitsRequest) -> Work:
    return services.kept_limits.answer(claims.identity, request)


def _settlement_work(services: Services, _: Claims, request: AskSettlementWork) -> Work:
    return services.settlement_work.answer(request)


def _shells(services: Services, _: Claims, request: AskShells) -> Work:
    return services.shells.answer(request)


def _exposed_accounts(services: Services, _: Claims, request: AskExposedAccounts) -> Work:
    return services.exposed_accounts.answer(request)


def _approvals(services: Services, claims: Claims, request: ApprovalRequest) -> Work:
    return services.approvals.answer(claims.identity, request)


def _reprice(services: Services, claims: Claims, request: Reprice) -> Work:
    return services.control.reprice(claims.identity, request, fed=claims.role is Role.FEED)


def _book(services: Services, _: Claims, request: AskBook) -> Work:
    return services.books.book(request)


def _books(services: Services, _: Claims, request: AskBooks) -> Work:
    return services.books.books(request)


def _exposure(services: Services, _: Claims, request: AskExposure) -> Work:
    return services.control.exposure(request)


def _arbitrage(services: Services, _: Claims, request: AskArbitrage) -> Work:
    return services.control.arbitrage(request)


def _bound_account(services: Services, claims: Claims, request: BoundAccount) -> Work:
    return services.account_bounds.put(claims.identity, request)


def _house(services: Services, claims: Claims, request: HouseRequest) -> Work:
    return services.house.answer(claims.identity, request)


def _preview(services: Services, _: Claims, request: AskPreview) -> Work:
    return services.control.previews.answer(request)


def _floor_accounts(services: Services, claims: Claims, request: FloorAccountRequest) -> Work:
    return services.floor_accounts.answer(claims.identity, request)


def _find_bets(services: Services, _: Claims, request: FindBets) -> Work:
    return services.bet_lookup.find(request)


def _bet_story(services: Services, _: Claims, request: AskBetStory) -> Work:
    return services.bet_lookup.story(request)


def _offers(services: Services, claims: Claims, request: OfferRequest) -> Work:
    return services.offers.answer(claims.identity, request)


def _change_fixture(services: Services, claims: Claims, request: FixtureChangeRequest) -> Work:
    return services.fixtures.change(claims.identity, request)


def _create(services: Services, claims: Claims, request: CreationRequest) -> Work:
    return services.boards.create(claims.identity, request)


def _fixtures(services: Services, claims: Claims, request: FixtureQuestion) -> Work:
    return services.fixtures.answer(request, for_bettors=claims.role is Role.BETTOR)


def _audit_trail(services: Services, _: Claims, request: AskAuditTrail) -> Work:
    return services.trail.search(request)


def _scope(services: Services, claims: Claims, request: ScopeRequest) -> Work:
    return services.scopes.answer(claims.identity, request)


def _referrals(services: Services, _: Claims, request: AskReferrals) -> Work:
    return services.referrals.answer(request)


def obeyed(services: Services, claims: Claims, stops: OddStop) -> Work:
    """Return what runs the stops of a message that cannot be read whole."""
    if isinstance(stops, OddStopHouse):
        return services.house.answer(claims.identity, StopTheHouse(id=stops.id, why=stops.why))
    if isinstance(stops, OddSuspendScope):
        request = SuspendScope(id=stops.id, scope=stops.scope, why=stops.why)
        return services.scopes.answer(claims.identity, request)
    if claims.role is Role.FEED:
        return services.control.obey(claims.identity, stops, fed=True)
    return services.approvals.obey(claims.identity, stops)


def _watching(services: Services, claims: Claims, request: WatchingRequest) -> Work:
    accounts = PERMISSIONS["control", claims.role] >= INQUIRIES
    return services.watching.answer(claims.identity, request, accounts=accounts)


QUERIES: Final[dict[type, Query]] = {
    BuildBet: _build_bet,
    AskEachWay: _each_way,
    SuspendAll: _suspend_all,
    ResumeAll: _resume_all,
    SettleRace: _settle_race,
    Reprice: _reprice,
    AskBook: _book,
    AskBooks: _books,
    AskExposure: _exposure,
    AskArbitrage: _arbitrage,
    BoundAccount: _bound_account,
    AskPreview: _preview,
    AskSettlementWork: _settlement_work,
    AskShells: _shells,
    AskExposedAccounts: _exposed_accounts,
    AskAuditTrail: _audit_trail,
    **dict.fromkeys(get_args(WatchingRequest), _watching),
    AskReferrals: _referrals,
    FindBets: _find_bets,
    AskBetStory: _bet_story,
    **dict.fromkeys(get_args(FloorAccountRequest), _floor_accounts),
    **dict.fromkeys(get_args(HouseRequest), _house),
    **dict.fromkeys(get_args(ScopeRequest), _scope),
    **dict.fromkeys(get_args(AccountRequest), _ask_account),
    **dict.fromkeys(get_args(OfferRequest), _offers),
    **dict.fromkeys(get_args(ApprovalRequest), _approvals),
    **dict.fromkeys(get_args(InputsRequest), _inputs),
    **dict.fromkeys(get_args(MarginRequest), _margins),
    **dict.fromkeys(get_args(KeptLimitsRequest), _kept_limits),
    **dict.fromkeys(get_args(FixtureChangeRequest), _change_fixture),
    **dict.fromkeys(get_args(FixtureQuestion), _fixtures),
    **dict.fromkeys(get_args(CreationRequest), _create),
}
"""What answers each request."""
