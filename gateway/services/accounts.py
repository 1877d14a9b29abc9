"""Answer queries about accounts, and push account events to the sessions that watch them.

Owns the list of watching sessions. It never changes money; the account shell owns it.
"""

import asyncio
import contextlib
import itertools
from functools import partial
from typing import Final, Literal, Protocol

import msgspec
import numpy as np

from actors.messages import (
    AccountEventKind,
    AccountQuery,
    BalanceQuery,
    HistoryQuery,
    OpenBetsQuery,
    StatusQuery,
    decode_granted,
    decode_ledger_events,
    encode,
)
from actors.peer import PeerError, PeerRefusedError, call_after_gaps
from actors.routes import Routes
from engine.common.events import Deposited, Withdrawn
from engine.common.ids import AccountNo
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import BET, DECISION, FLAG_KNOWN, Rows, SlipState, U64s
from engine.common.views import Balance, Slip, SlipPage
from gateway.bets.slip_ticket import SlipBetAnswer, SlipTicket
from gateway.bets.ticket import BetAnswer, Ticket
from gateway.messages.base import Error, Stale
from gateway.messages.bettor import (
    AccountRequest,
    AskBalance,
    AskHistory,
    AskOpenBets,
    AskStatus,
    BalanceAnswer,
    BetEvent,
    FreeBetEvent,
    HistoryAnswer,
    MoneyEvent,
    OpenBetsAnswer,
    SlipAnswer,
    SlipView,
)
from gateway.messages.protocol import ServerMessage
from gateway.services.slip_views import (
    accepted_bet,
    accepted_slip,
    free_bet,
    page_of,
    slip_view,
)
from gateway.settings import OPEN_PARTS_MAX, GatewaySettings

CATCH_UP_BETS_MAX: Final = 1_024
"""Pending bets whose verdicts one question of an account brings; more stay pending."""

_decode_slip: Final = msgspec.msgpack.Decoder(Slip | None).decode
_decode_balance: Final = msgspec.msgpack.Decoder(Balance | None).decode
_decode_page: Final = msgspec.msgpack.Decoder(SlipPage | None).decode
_decode_slips: Final = msgspec.msgpack.Decoder(list[Slip]).decode


AccountEvent = BetEvent | MoneyEvent | FreeBetEvent


class Watcher(Protocol):
    """A session that receives the events of an account."""

    def on_account_event(self, event: AccountEvent) -> None:
        """Send one event."""
        ...


class Accounts:
    """Queries and events of all accounts.

    Parameters
    ----------
    routes : Routes
        The shells of accounts, and how to call them.
    settings : GatewaySettings
        How long an answer may take.
    gateway : str
        This gateway's name, under which it subscribes to events at shells.
    """

    def __init__(self, *, routes: Routes, settings: GatewaySettings, gateway: str) -> None:
        self._routes = routes
        self._timeout_s = settings.call_timeout_ms / 1_000
        self._gateway = gateway
        self._watchers: dict[AccountNo, dict[Watcher, None]] = {}

    # --- queries ---------------------------------------------------------------------------------

    async def answer(self, account_no: AccountNo, request: AccountRequest) -> ServerMessage:
        """Answer what a bettor asks his account."""
        match request:
            case AskStatus():
                return await self._status(account_no, request)
            case AskBalance():
                return await self._balance(account_no, request)
            case AskOpenBets():
                return await self._open_bets(account_no, request)
            case AskHistory():
                return await self._history(account_no, request)

    async def _status(self, account_no: AccountNo, request: AskStatus) -> ServerMessage:
        """Return the state of a bet, by its ref."""
        raw = await self._query(account_no, StatusQuery(account_no=account_no, ref=request.ref))
        if raw is None:
            return _unavailable(request.id, request.ref)
        slip = _decode_slip(raw)
        if slip is not None and slip.state is SlipState.PENDING:
            await self.catch_up(account_no)
            raw = await self._query(account_no, StatusQuery(account_no=account_no, ref=request.ref))
            slip = slip if raw is None else _decode_slip(raw)
        if slip is None:
            return _error(Reason.BET_UNKNOWN, request.id, request.ref)
        return SlipAnswer(id=request.id, slip=slip_view(slip, stale=self._stale(account_no)))

    async def _balance(self, account_no: AccountNo, request: AskBalance) -> ServerMessage:
        """Return an account's balance."""
        query = BalanceQuery(account_no=account_no, before_free_bet=request.before_free_bet)
        raw = await self._query(account_no, query)
        if raw is None:
            return _unavailable(request.id)
        money = _decode_balance(raw)
        if money is not None and money.pending_minor:
            await self.catch_up(account_no)
            raw = await self._query(account_no, query)
            money = money if raw is None else _decode_balance(raw)
        if money is None:
            return _error(Reason.ACCOUNT_UNKNOWN, request.id)
        return BalanceAnswer(
            id=request.id,
            account=money.account_no,
            currency=money.currency,
            available_minor=money.available_minor,
            pending_minor=money.pending_minor,
            at_stake_minor=money.at_stake_minor,
            owed_minor=money.owed_minor,
            free_bets=tuple(map(free_bet, money.free_bets)),
            before_free_bet=money.before_free_bet,
            stale=self._stale(account_no),
        )

    async def _open_bets(self, account_no: AccountNo, request: AskOpenBets) -> ServerMessage:
        """Return a page of open bets; the query asks for one more, which sets `more`.

        So does the bound of legs and bets: the account ends with the slip that passes it.
        """
        query = OpenBetsQuery(
            account_no=account_no,
            after_bet_id=request.after_bet_id,
            limit=request.limit + 1,
            parts_max=OPEN_PARTS_MAX,
        )
        raw = await self._query(account_no, query)
        if raw is None:
            return _unavailable(request.id)
        slips = _decode_slips(raw)
        if any(slip.state is SlipState.PENDING for slip in slips):
            await self.catch_up(account_no)
            slips = _decode_slips(await self._query(account_no, query) or raw)
        stale = self._stale(account_no)
        page = page_of(slips, limit=request.limit)
        return OpenBetsAnswer(
            id=request.id,
            bets=tuple(slip_view(slip, stale=stale) for slip in page),
            more=len(slips) > len(page),
            stale=stale,
        )

    async def _history(self, account_no: AccountNo, request: AskHistory) -> ServerMessage:
        """Return a page of settled bets."""
        query = HistoryQuery(
            account_no=account_no,
            before_bet_id=request.before_bet_id,
            limit=request.limit,
            parts_max=OPEN_PARTS_MAX,
        )
        raw = await self._query(account_no, query)
        if raw is None:
            return _unavailable(request.id)
        page = _decode_page(raw)
        if page is None:
            message = f"before_bet_id: {MESSAGES[Reason.BET_UNKNOWN]}"
            return Error(code=int(Reason.BET_UNKNOWN), message=message, id=request.id)
        stale = self._stale(account_no)
        return HistoryAnswer(
            id=request.id,
            bets=tuple(slip_view(slip, stale=stale) for slip in page.slips),
            before_bet_id=page.before_bet_id,
            stale=stale,
        )

    def _stale(self, account_no: AccountNo) -> Stale:
        """Return why an account's figures may not be whole."""
        shell = self._routes.account_shell(account_no)
        return "quarantined" if shell in self._routes.quarantined else ""

    async def _query(self, account_no: AccountNo, query: AccountQuery) -> bytes | None:
        peer = self._routes.peer(self._routes.account_shell(account_no))
        if peer is None:
            return None
        try:
            answer: bytes = await peer.ask("query", encode(query), timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError):
            return None
        return answer

    async def catch_up(self, account_no: AccountNo) -> None:
        """Bring an account the verdicts on its pending bets that its markets have recorded.

        A verdict travels to the account after the bettor's answer, so without this a bettor who
        asks at once would be told less than the answer said. A shell that does not answer leaves
        its own bets pending: the reconciler brings their verdicts.
        """
        account = self._routes.peer(self._routes.account_shell(account_no))
        if account is None:
            return
        limit, timeout_s = CATCH_UP_BETS_MAX, self._timeout_s
        with contextlib.suppress(PeerError, PeerRefusedError):
            data = await account.ask("pending_of", account_no, limit, timeout_s=timeout_s)
            shells = self._by_market_shell(np.frombuffer(data, BET))
            verdicts = await asyncio.gather(*itertools.starmap(self._recall, shells.items()))
            if any(verdicts):
                await account.ask("exchange", b"".join(verdicts), b"", timeout_s=timeout_s)

    async def _recall(self, shell: str, bet_ids: U64s) -> bytes:
        """Return the verdicts that one market shell has recorded; none if it does not answer."""
        market = self._routes.peer(shell)
        if market is None:
            return b""
        try:
            data = await market.ask("recall", bet_ids.tobytes(), timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError):
            return b""
        rows: Rows = np.frombuffer(data, DECISION)
        return rows[rows["flags"] & FLAG_KNOWN > 0].tobytes()

    def _by_market_shell(self, bets: Rows) -> dict[str, U64s]:
        shells = [self._routes.market_shell(no) or "" for no in bets["market_no"].tolist()]
        return {
            shell: bets["bet_id"][[each == shell for each in shells]]
            for shell in dict.fromkeys(shells)
            if shell
        }

    # --- events ----------------------------------------------------------------------------------

    def watch(self, account_no: AccountNo, watcher: Watcher) -> None:
        """Begin to send an account's events to a session."""
        watchers = self._watchers.setdefault(account_no, {})
        if not watchers:
            self._notify(self._routes.account_shell(account_no), "watch", [account_no])
        watchers[watcher] = None

    def unwatch(self, account_no: AccountNo, watcher: Watcher) -> None:
        """Stop sending an account's events to a session."""
        watchers = self._watchers.get(account_no)
        if watchers is None or watcher not in watchers:
            return
        del watchers[watcher]
        if not watchers:
            del self._watchers[account_no]
            self._notify(self._routes.account_shell(account_no), "unwatch", [account_no])

    def watch_again(self, shell: str) -> None:
        """Subscribe again to the watched accounts of a shell that may not know of them."""
        numbers = [no for no in self._watchers if self._routes.account_shell(no) == shell]
        if numbers:
            self._notify(shell, "watch", numbers)

    def _notify(self, shell: str, method: str, account_nos: list[AccountNo]) -> None:
        peer = self._routes.peer(shell)
        if peer is not None:
            call_after_gaps(peer, partial(self.watch_again, shell))
            peer.notify(method, self._gateway, account_nos)

    def publish(self, payload: bytes, kind: str) -> None:
        """Send a shell's events to the sessions that watch their accounts."""
        if kind == AccountEventKind.CREDITED:
            for event in decode_ledger_events(payload):
                if isinstance(event, Deposited | Withdrawn) and not event.known:
                    self._send(event.account_no, _money_event(event))
            return
        if kind == AccountEventKind.GRANTED:
            for given in decode_granted(payload):
                granted = FreeBetEvent(event="granted", free_bet=free_bet(given.free_bet))
                self._send(given.account_no, granted)
            return
        for slip in _decode_slips(payload):
            self._send(
                slip.account_no, BetEvent(event=_event_name(kind, slip), slip=slip_view(slip))
            )

    def posted(self, placer: Watcher, ticket: Ticket, answer: BetAnswer) -> None:
        """Send a bet just accepted to the account's other watching sessions on this gateway."""
        if self._has_others(ticket.account_no, placer):
            self._send_posted(ticket.account_no, placer, accepted_bet(ticket, answer))

    def slip_posted(self, placer: Watcher, slip: SlipTicket, answer: SlipBetAnswer) -> None:
        """Send a slip just accepted to the account's other watching sessions on this gateway."""
        if self._has_others(slip.account_no, placer):
            self._send_posted(slip.account_no, placer, accepted_slip(slip, answer))

    def _has_others(self, account_no: AccountNo, placer: Watcher) -> bool:
        watchers = self._watchers.get(account_no)
        return watchers is not None and not (len(watchers) == 1 and placer in watchers)

    def _send_posted(self, account_no: AccountNo, placer: Watcher, slip: SlipView) -> None:
        event = BetEvent(event="posted", slip=slip)
        for watcher in self._watchers[account_no]:
            if watcher is not placer:
                watcher.on_account_event(event)

    @property
    def watched(self) -> int:
        """Number of watched accounts."""
        return len(self._watchers)

    def _send(self, account_no: AccountNo, event: AccountEvent) -> None:
        for watcher in self._watchers.get(account_no, {}):
            watcher.on_account_event(event)


def _event_name(
    kind: str, slip: Slip
) -> Literal["resolved", "settled", "reopened", "offer_changed"]:
    if kind == AccountEventKind.OFFER_CHANGED:
        return "offer_changed"
    if kind != AccountEventKind.SETTLED:
        return "resolved"
    return "settled" if slip.state is SlipState.SETTLED else "reopened"


def _money_event(event: Deposited | Withdrawn) -> MoneyEvent:
    return MoneyEvent(
        event="deposited" if isinstance(event, Deposited) else "withdrawn",
        amount_minor=event.amount_minor,
        available_minor=event.available_minor,
        ref=event.ref,
    )


def _error(reason: Reason, number: int, ref: str = "") -> Error:
    return Error(code=int(reason), message=MESSAGES[reason], ref=ref, id=number)


def _unavailable(number: int, ref: str = "") -> Error:
    return _error(Reason.UNAVAILABLE, number, ref)
