"""Find bets for the trading floor, and tell one bet's whole story.

Owns which shells are asked, and the words of a story. Never changes anything but that an account
that is asked about pending bets is brought the verdicts on them, as its bettor's question does.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np

from actors.messages import BalanceQuery, StatusQuery, encode
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes, account_shell_name
from engine.common.bet_lines import BET_LINE
from engine.common.ids import AccountNo, BetId, MarketNo, shard_of_bet
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import Rows, SlipKind, SlipState, U64s
from engine.common.units import Minor, Nanos, OddsMilli
from engine.common.views import Balance, PriceImage, Slip
from gateway.messages.base import Error, Stale
from gateway.messages.bet_lines import BetLine
from gateway.messages.bet_lookup import (
    AskBetStory,
    BetStory,
    FindBets,
    FoundBets,
    MarketSide,
    StoryLine,
)
from gateway.messages.bettor import SlipView
from gateway.messages.protocol import ServerMessage
from gateway.services.accounts import Accounts
from gateway.services.bet_views import (
    bet_lines,
    money_text,
    odds_text,
    policy_text,
    refusal_in_full,
)
from gateway.services.price_fanout import Fanout
from gateway.services.slip_views import slip_view
from gateway.settings import GatewaySettings

_STATES: Final = {
    "pending": SlipState.PENDING,
    "accepted": SlipState.ACCEPTED,
    "rejected": SlipState.REFUSED,
    "settled": SlipState.SETTLED,
}
_ALL_STATES: Final = sum(1 << state for state in _STATES.values())
_NONE: Final[Rows] = np.zeros(0, BET_LINE)

_decode_slip: Final = msgspec.msgpack.Decoder(Slip | None).decode
_decode_balance: Final = msgspec.msgpack.Decoder(Balance | None).decode


class _NoAnswerError(Exception):
    """A shell that was needed did not answer."""


class BetLookup:
    """Bets as the floor looks them up.

    Parameters
    ----------
    routes : Routes
        The shells, and how to call them.
    accounts : Accounts
        Brings an account the verdicts on its pending bets.
    fanout : Fanout
        Names of markets and outcomes.
    settings : GatewaySettings
        How long an answer may take.
    """

    def __init__(
        self, *, routes: Routes, accounts: Accounts, fanout: Fanout, settings: GatewaySettings
    ) -> None:
        self._routes = routes
        self._accounts = accounts
        self._fanout = fanout
        self._timeout_s = settings.control_timeout_ms / 1_000

    # --- finding ---------------------------------------------------------------------------------

    async def find(self, request: FindBets) -> ServerMessage:
        """Return the bets that are asked for."""
        fault = _fault(request)
        if fault:
            return _error(Reason.MALFORMED, request.id, fault)
        try:
            if request.market is not None:
                return await self._of_market(request, request.market)
            if request.bet_id is None and request.ref is None:
                assert request.account is not None, "_fault refuses a request that names nothing"
                return await self._of_account(request, request.account)
            shell, rows = await self._one(request)
        except _NoAnswerError:
            return _error(Reason.UNAVAILABLE, request.id)
        if not len(rows):
            return _error(Reason.BET_UNKNOWN, request.id)
        return FoundBets(id=request.id, bets=bet_lines(rows), stale=self._stale(shell))

    async def _one(self, request: FindBets | AskBetStory) -> tuple[str, Rows]:
        """Return a bet's lines by its id, or by account and ref, and its account's shell."""
        if request.bet_id is not None:
            shard = shard_of_bet(BetId(request.bet_id))
            if shard >= self._routes.shards:
                return "", _NONE
            shell = account_shell_name(shard)
            return shell, await self._rows(shell, "bet_lines", request.bet_id)
        assert request.account is not None
        shell = self._routes.account_shell(request.account)
        return shell, await self._rows(shell, "bet_lines_of_ref", request.account, request.ref)

    async def _of_account(self, request: FindBets, account_no: AccountNo) -> ServerMessage:
        shell = self._routes.account_shell(account_no)
        states = _states(request)
        rows, before = await self._page(
            shell, "account_bets", account_no, states, request.before_bet_id, request.limit
        )
        if before < 0:
            return _error(Reason.BET_UNKNOWN, request.id, "before_bet_id")
        unbooked = _NONE
        if not request.before_bet_id and states >> SlipState.REFUSED & 1:
            unbooked = await self._rows(shell, "refused_bets", account_no, request.limit)
        return FoundBets(
            id=request.id,
            bets=bet_lines(rows),
            unbooked=bet_lines(unbooked),
            before_bet_id=BetId(before),
            stale=self._stale(shell),
        )

    async def _of_market(self, request: FindBets, market_no: MarketNo) -> ServerMessage:
        shell = self._routes.market_shell(market_no)
        if shell is None:
            return _error(Reason.MARKET_UNKNOWN, request.id)
        rows, before = await self._page(
            shell,
            "market_bets",
            market_no,
            -1 if request.outcome is None else request.outcome,
            _states(request),
            request.before_bet_id,
            request.limit,
        )
        if before < 0:
            return _error(Reason.BET_UNKNOWN, request.id, "before_bet_id")
        return FoundBets(
            id=request.id,
            bets=bet_lines(rows),
            before_bet_id=BetId(before),
            stale=self._stale(shell),
        )

    # --- a story ---------------------------------------------------------------------------------

    async def story(self, request: AskBetStory) -> ServerMessage:
        """Return all that is known of one bet without reading a journal."""
        fault = _fault(request)
        if fault:
            return _error(Reason.MALFORMED, request.id, fault)
        try:
            shell, rows = await self._one(request)
            if len(rows) and (rows["state"] == SlipState.PENDING).any():
                await self._accounts.catch_up(AccountNo(int(rows["account_no"][0])))
                shell, rows = await self._one(request)
        except _NoAnswerError:
            return _error(Reason.UNAVAILABLE, request.id)
        if not len(rows):
            return _error(Reason.BET_UNKNOWN, request.id)
        bet, *_ = lines = bet_lines(rows)
        currency = await self._currency(shell, bet.account)
        slip = await self._slip(shell, bet) if bet.bet_id else None
        decided = rows[rows["kind"] != SlipKind.HEAD]
        sides, stale = await self._sides(decided if bet.bet_id else _NONE)
        return BetStory(
            id=request.id,
            account=bet.account,
            currency=currency,
            bet=bet,
            slip=slip,
            markets=sides,
            story=tuple(_story(lines, sides, slip, shell=shell, currency=currency)),
            stale=self._stale(shell) or stale,
        )

    async def _currency(self, shell: str, account_no: AccountNo) -> str:
        try:
            raw = await self._ask(shell, "query", encode(BalanceQuery(account_no=account_no)))
        except _NoAnswerError:
            return ""
        money = _decode_balance(raw)
        return "" if money is None else money.currency

    async def _slip(self, shell: str, bet: BetLine) -> SlipView | None:
        query = StatusQuery(account_no=bet.account, ref=bet.ref)
        try:
            slip = _decode_slip(await self._ask(shell, "query", encode(query)))
        except _NoAnswerError:
            return None
        return None if slip is None else slip_view(slip, stale=self._stale(shell))

    async def _sides(self, rows: Rows) -> tuple[tuple[MarketSide, ...], Stale]:
        """Return what the markets of a single or of a slip's legs have decided."""
        shells = [self._routes.market_shell(no) or "" for no in rows["market_no"].tolist()]
        found: dict[int, Rows] = {}
        stale: Stale = ""
        for shell in dict.fromkeys(each for each in shells if each):
            bet_ids: U64s = rows["bet_id"][[each == shell for each in shells]]
            stale = stale or self._stale(shell)
            try:
                lines = await self._rows(shell, "bet_lines", bet_ids.tobytes())
            except _NoAnswerError:
                continue
            found.update(zip(lines["bet_id"].tolist(), lines, strict=True))
        return tuple(self._side(row, found.get(int(row["bet_id"]))) for row in rows), stale

    def _side(self, row: Rows, record: Rows | None) -> MarketSide:
        number, outcome = MarketNo(int(row["market_no"])), int(row["outcome"])
        topic = self._fanout.topics.get(number)
        image: PriceImage | None = None if topic is None else topic.prices
        names = () if image is None else image.outcomes
        key, name = ("" if topic is None else topic.key), dict(enumerate(names)).get(outcome, "")
        if record is None:
            return MarketSide(
                bet_id=BetId(int(row["bet_id"])),
                market=number,
                key=key,
                outcome=outcome,
                name=name,
                known=False,
            )
        return MarketSide(
            bet_id=BetId(int(record["bet_id"])),
            market=number,
            key=key,
            outcome=outcome,
            name=name,
            state="rejected" if record["reason"] else "accepted",
            stake_minor=Minor(int(record["stake_minor"])),
            odds_seen_milli=OddsMilli(int(record["odds_seen_milli"])),
            odds_milli=OddsMilli(int(record["odds_milli"])),
            policy=policy_text(int(record["policy"])),
            reason=int(record["reason"]),
            stake_max_minor=Minor(int(record["stake_max_minor"])),
            at_ns=Nanos(int(record["at_ns"])),
            corrected_odds_milli=OddsMilli(max(0, int(record["corrected_milli"]))),
            void=bool(record["corrected_milli"] < 0),
        )

    # --- asking ----------------------------------------------------------------------------------

    async def _rows(self, shell: str, method: str, *args: object) -> Rows:
        rows: Rows = np.frombuffer(await self._ask(shell, method, *args), BET_LINE)
        return rows

    async def _page(self, shell: str, method: str, *args: object) -> tuple[Rows, int]:
        data, before = await self._ask(shell, method, *args)
        return np.frombuffer(data, BET_LINE), before

    async def _ask(self, shell: str, method: str, *args: object) -> Any:
        peer = self._routes.peer(shell)
        if peer is None:
            raise _NoAnswerError
        try:
            return await peer.ask(method, *args, timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError) as error:
            raise _NoAnswerError from error

    def _stale(self, shell: str) -> Stale:
        return "quarantined" if shell in self._routes.quarantined else ""


def _fault(request: FindBets | AskBetStory) -> str:
    """Return the field that does not fit the others, or an empty text."""
    by_id, by_ref = request.bet_id is not None, request.ref is not None
    market = request.market if isinstance(request, FindBets) else None
    if by_ref and request.account is None:
        return "account: a ref is looked for within its account"
    if by_id + (request.account is not None) + (market is not None) != 1:
        return "bet_id: one of a bet, an account and a market is looked for"
    if isinstance(request, FindBets) and request.outcome is not None and market is None:
        return "outcome: of a market alone"
    if isinstance(request, AskBetStory) and not by_id and not by_ref:
        return "ref: a story is one bet's"
    return ""


def _states(request: FindBets) -> int:
    """Return the states that are asked for, as bits."""
    return sum({1 << _STATES[state] for state in request.states}) or _ALL_STATES


def _story(
    lines: tuple[BetLine, ...],
    sides: tuple[MarketSide, ...],
    slip: SlipView | None,
    *,
    shell: str,
    currency: str,
) -> Iterator[StoryLine]:
    """Yield the steps of a bet in words."""
    bet, *legs = lines
    stake = money_text(bet.stake_minor, currency)
    who = f"account {bet.account}"
    if not bet.bet_id:
        yield StoryLine(
            text=f"{who} refused it, and booked nothing: {refusal_in_full(bet, currency=currency)}",
            where=shell,
            at_ns=bet.at_ns,
        )
        return
    what = f"a slip of {bet.legs} legs" if bet.legs else "a single"
    text = f"{who} reserved {stake} for {what}, bet {bet.bet_id}, ref {bet.ref}"
    yield StoryLine(text=text, where=shell, at_ns=bet.at_ns)
    by_id = {each.bet_id: each for each in (legs or [bet])}
    for side in sides:
        yield _decision(side, by_id[side.bet_id], currency=currency)
    yield from _ends(bet, slip, shell=shell, currency=currency)


def _decision(side: MarketSide, line: BetLine, *, currency: str) -> StoryLine:
    """Return what a market decided, in words."""
    what = f"market {side.market}" + (f" {side.key}" if side.key else "")
    on = f"outcome {side.outcome}" + (f" ({side.name})" if side.name else "")
    if not side.known:
        return StoryLine(text=f"{what}: no decision on {on} is known", where=side.key)
    if side.reason:
        asked = msgspec.structs.replace(
            line,
            reason=side.reason,
            message=MESSAGES[Reason(side.reason)],
            odds_milli=side.odds_milli,
            odds_seen_milli=side.odds_seen_milli,
            stake_minor=side.stake_minor,
            stake_max_minor=side.stake_max_minor,
        )
        why = refusal_in_full(asked, currency=currency)
        return StoryLine(text=f"{what} refused {on}: {why}", where=side.key, at_ns=side.at_ns)
    odds, seen = odds_text(side.odds_milli), odds_text(side.odds_seen_milli)
    text = f"{what} accepted {on} at {odds}, seen at {seen} (policy {side.policy})"
    if side.void:
        text += "; a correction has made it void"
    elif side.corrected_odds_milli:
        text += f"; a correction settles it at {odds_text(side.corrected_odds_milli)}"
    return StoryLine(text=text, where=side.key, at_ns=side.at_ns)


def _ends(bet: BetLine, slip: SlipView | None, *, shell: str, currency: str) -> Iterator[StoryLine]:
    """Yield what became of a bet at its account, in words."""
    stake = money_text(bet.stake_minor, currency)
    match bet.state:
        case "pending":
            yield StoryLine(text=f"{stake} waits for a verdict", where=shell)
        case "rejected":
            why = refusal_in_full(bet, currency=currency)
            yield StoryLine(text=f"{stake} went back to the account: {why}", where=shell)
        case "accepted":
            most = money_text(bet.payout_minor, currency)
            again = " again, after a settlement was taken back" if bet.settlement_no else ""
            yield StoryLine(text=f"open{again}: it can pay {most}", where=shell)
        case _:
            paid = money_text(bet.paid_minor, currency)
            text = f"settled as {bet.result}, paid {paid} (settlement {bet.settlement_no})"
            yield StoryLine(text=text, where=shell)
    if slip is not None and slip.offer is not None:
        given = money_text(slip.offer.added_minor, currency)
        text = f"offer {slip.offer.offer} gave {given} beside the payout"
        yield StoryLine(text=text, where=shell)


def _error(reason: Reason, number: int, field: str = "") -> Error:
    message = f"{field}: {MESSAGES[reason]}" if field and ":" not in field else field
    return Error(code=int(reason), message=message or MESSAGES[reason], id=number)
