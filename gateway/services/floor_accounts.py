"""Answer the trading floor about one account: its money, its bounds, its totals; and block it.

Owns nothing but the way to the account's shard, which decides and keeps all of it.
"""

from typing import Final

import msgspec

from actors.messages import AccountQuery, AccountTotalsQuery, AccountViewQuery, encode
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.account_changes import BlockAccount, SetAccountFactor
from engine.common.account_views import AccountTotals, AccountView
from engine.common.events import AccountBlocked, AccountFactorSet, Refused
from engine.common.ids import AccountNo
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import Minor
from gateway.messages.account_view import (
    AccountChangeView,
    AccountInfo,
    AskAccount,
    BlockPut,
    FactorPut,
    FloorAccountRequest,
    PutBlock,
    PutFactor,
    Totals,
)
from gateway.messages.base import Error
from gateway.messages.protocol import ServerMessage
from gateway.services.ledger_control import NO_ANSWER, error_of, ledger_command
from gateway.services.slip_views import free_bet
from gateway.services.waiting_stop import WaitingStops
from gateway.settings import GatewaySettings

TOTALS_PAGES_MAX: Final = 64
"""Pages of an account's totals that one request adds up: 4 million bets."""

_decode_view: Final = msgspec.msgpack.Decoder(AccountView | None).decode
_decode_totals: Final = msgspec.msgpack.Decoder(AccountTotals | None).decode


class FloorAccounts:
    """Accounts as the floor sees and changes them.

    Parameters
    ----------
    routes : Routes
        The account shards, and how to call them.
    settings : GatewaySettings
        How long an answer may take.
    waiting : WaitingStops
        Ends what waits of a blocked account.
    """

    def __init__(self, *, routes: Routes, settings: GatewaySettings, waiting: WaitingStops) -> None:
        self._routes = routes
        self._timeout_s = settings.control_timeout_ms / 1_000
        self._waiting = waiting

    async def answer(self, by: str, request: FloorAccountRequest) -> ServerMessage:
        """Answer a request of somebody on the floor."""
        if isinstance(request, PutBlock | PutFactor):
            return await self._change(by, request)
        return await self._account(request)

    async def _account(self, request: AskAccount) -> ServerMessage:
        number = request.account
        raw = await self._query(number, AccountViewQuery(account_no=number))
        if raw is None:
            return _error(Reason.UNAVAILABLE, request.id)
        view = _decode_view(raw)
        if view is None:
            return _error(Reason.ACCOUNT_UNKNOWN, request.id)
        totals, complete = await self._totals(request)
        money = view.balance
        shell = self._routes.account_shell(number)
        return AccountInfo(
            id=request.id,
            account=number,
            currency=money.currency,
            rate_micro=view.rate_micro,
            blocked=view.blocked,
            factor_milli=view.factor_milli,
            available_minor=money.available_minor,
            pending_minor=money.pending_minor,
            at_stake_minor=money.at_stake_minor,
            owed_minor=money.owed_minor,
            open_payout_minor=money.open_payout_minor,
            open_payout_minor_max=view.open_payout_minor_max,
            house_open_payout_minor_max=view.house_open_payout_minor_max,
            open_payout_bound_minor=view.open_payout_bound_minor,
            free_bets=tuple(map(free_bet, money.free_bets)),
            before_free_bet=money.before_free_bet,
            since_ns=request.since_ns,
            totals=totals,
            complete=complete,
            changes=tuple(
                AccountChangeView(
                    field=each.field.value,
                    before=each.before,
                    after=each.after,
                    at_ns=each.at_ns,
                    by=each.by,
                    why=each.why,
                )
                for each in reversed(view.changes)
            ),
            stale="quarantined" if shell in self._routes.quarantined else "",
        )

    async def _totals(self, request: AskAccount) -> tuple[Totals, bool]:
        """Add up an account's bets, page by page; say whether all of them were."""
        pages: list[AccountTotals] = []
        before = 0
        while len(pages) < TOTALS_PAGES_MAX:
            query = AccountTotalsQuery(
                account_no=request.account, since_ns=request.since_ns, before_bet_id=before
            )
            raw = await self._query(request.account, query)
            page = None if raw is None else _decode_totals(raw)
            if page is None:
                break
            pages.append(page)
            before = page.before_bet_id
            if not before:
                return _summed(pages), True
        return _summed(pages), False

    async def _change(self, by: str, request: PutBlock | PutFactor) -> ServerMessage:
        number, why = request.account, request.why
        command: BlockAccount | SetAccountFactor
        if isinstance(request, PutBlock):
            command = BlockAccount(account_no=number, blocked=request.blocked, why=why)
        else:
            command = SetAccountFactor(
                account_no=number, factor_milli=request.factor_milli, why=why
            )
        shell = self._routes.account_shell(number)
        event = await ledger_command(self._routes, shell, by, command, timeout_s=self._timeout_s)
        match event:
            case AccountBlocked():
                missing: tuple[str, ...] = ()
                if event.blocked:  # what the account let pass before, and waits at its market
                    missing = await self._waiting.stop(
                        by, why=why, still=self._is_blocked, account_no=number
                    )
                else:
                    self._waiting.lift(number)
                return BlockPut(
                    id=request.id, account=number, blocked=event.blocked, missing=missing
                )
            case AccountFactorSet():
                return FactorPut(id=request.id, account=number, factor_milli=event.factor_milli)
        return error_of(event if isinstance(event, Refused) else NO_ANSWER, request.id)

    async def _is_blocked(self, account_no: AccountNo | None) -> bool:
        """Say whether an account is blocked still, through whichever gateway it was unblocked."""
        assert account_no is not None
        raw = await self._query(account_no, AccountViewQuery(account_no=account_no))
        view = None if raw is None else _decode_view(raw)
        return view is None or view.blocked

    async def _query(self, account_no: AccountNo, query: AccountQuery) -> bytes | None:
        peer = self._routes.peer(self._routes.account_shell(account_no))
        if peer is None:
            return None
        try:
            answer: bytes = await peer.ask("query", encode(query), timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError):
            return None
        return answer


def _summed(pages: list[AccountTotals]) -> Totals:
    turnover_minor = sum(page.turnover_minor for page in pages)
    paid_minor = sum(page.paid_minor for page in pages)
    offers_minor = sum(page.offers_minor for page in pages)
    return Totals(
        settled=sum(page.settled for page in pages),
        turnover_minor=Minor(turnover_minor),
        paid_minor=Minor(paid_minor),
        offers_minor=Minor(offers_minor),
        profit_minor=Minor(turnover_minor - paid_minor - offers_minor),
        open=sum(page.open for page in pages),
        pending=sum(page.pending for page in pages),
        refused=sum(page.refused for page in pages),
    )


def _error(reason: Reason, number: int) -> Error:
    return Error(code=int(reason), message=MESSAGES[reason], id=number)
