"""The clients of a simulated world: bettors and a trader on real sessions, and what they were told.

Owns the client's end of each connection and the record of every answer with the times around it:
the auditor judges the system by this record. It never decides what to send; the story does.
"""

from typing import Any, NamedTuple

import msgspec

from actors.messages import encode
from engine.common.ids import MarketNo
from gateway.messages.base import Error
from gateway.messages.bettor import (
    AskBalance,
    AskStatus,
    BalanceAnswer,
    Bet,
    BetWaits,
    Place,
    SlipAnswer,
)
from gateway.messages.protocol import ServerMessage
from gateway.messages.referrals import AskReferrals, Referred
from gateway.messages.scopes import MarketScope, ResumeScope, Scoped, SuspendScope
from gateway.messages.slips import BetLines, Leg, SlipBet
from gateway.messages.slips import PlaceSlip as PlaceSlipMessage
from gateway.messages.trader import Control, Controlled
from gateway.session.tokens import Role, TokenKey
from tests.simulator.event_loop import SimulatedLoop
from tests.simulator.processes import BASE_NS
from tests.simulator.referrals import bets_on_offer, decision_on, taken_after_s
from tests.simulator.sockets import (
    VirtualTransport,
    client_frame,
    handshake,
    server_payloads,
)
from tests.simulator.story import Command, DecideReferral, PlaceBet, PlaceSlip, StopTogether

SECRET = b"the secret of a simulated bookmaker, long enough"
KEY = TokenKey(SECRET)
NOW_S = BASE_NS // 10**9

_decode = msgspec.msgpack.Decoder(ServerMessage).decode
_DELAY_S = 0.0004
_HOUSE = MarketScope(house=True)
_STOPS = Role.HEAD_TRADER


class Sent(NamedTuple):
    """A bet that a client sent."""

    at_s: float
    bet: PlaceBet | PlaceSlip


class Received(NamedTuple):
    """An answer about a ref: of a bet (`kind` "bet") or to a question ("status").

    `sent_s` is when the question that it answers was sent: of a bet, the first sending of the ref
    on this connection that had no answer yet.
    """

    at_s: float
    sent_s: float
    kind: str
    account: int
    ref: str
    state: str
    bet_id: int
    odds: int
    reason: int
    final: bool = False
    """Whether no later answer may differ."""
    legs: tuple[tuple[int, int], ...] = ()
    """Of a slip: odds and reason of each leg, as far as they were told."""


class Commanded(NamedTuple):
    """A trader's command and the event that answered it."""

    sent_s: float
    at_s: float
    command: Any
    event: Any


class Waited(NamedTuple):
    """What a client was told of a bet or a slip that waits."""

    account: int
    ref: str
    bet_id: int
    reason: int


class Record:
    """What all clients sent and received, in the order of time."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.received: list[Received] = []
        self.commanded: list[Commanded] = []
        self.waited: list[Waited] = []
        self.balances: list[tuple[float, int, BalanceAnswer]] = []
        self.errors: dict[int, int] = {}


class Connection:
    """One client's connection to one gateway, and its requests without an answer."""

    def __init__(
        self, loop: SimulatedLoop, port: int, token: str, *, account: int, record: Record
    ) -> None:
        self.account = account
        self.closed = False
        self._loop = loop
        self._record = record
        self._greeted = False
        self._bets: dict[str, list[float]] = {}
        self._singles: dict[str, PlaceBet] = {}
        self._asked: dict[int, tuple[float, Any]] = {}
        self._number = 0
        self._unsent: list[bytes] = []
        self._transport = VirtualTransport(loop, loop.ports[port], delay_s=_DELAY_S)
        self._transport.on_data = self._received
        self._transport.on_end = self._ended
        self._transport.send(handshake(token))

    def place(self, bet: PlaceBet | PlaceSlip) -> None:
        self._record.sent.append(Sent(self._loop.time(), bet))
        self._bets.setdefault(bet.ref, []).append(self._loop.time())
        if isinstance(bet, PlaceSlip):
            self._send(_slip(bet))
            return
        self._singles[bet.ref] = bet
        self._send(
            Place(
                ref=bet.ref,
                market=bet.market,
                outcome=bet.outcome,
                stake_minor=bet.stake,
                odds_milli=bet.odds,
                policy=bet.policy,
            )
        )

    def _place_if_open(self, bet: PlaceBet) -> None:
        if not self.closed:
            self.place(bet)

    def ask_status(self, ref: str) -> None:
        self._send(AskStatus(id=self._ask(ref), ref=ref))

    def ask_balance(self) -> None:
        self._send(AskBalance(id=self._ask("")))

    def decide(self, step: DecideReferral) -> None:
        """Ask for the bets that wait for a trader; the answer's bet is then decided."""
        self._send(AskReferrals(id=self._ask(step)))

    def command(self, step: Command) -> None:
        self._send(Control(id=self._ask(step.command), commands=(step.command,)))

    def stop_together(self, step: StopTogether) -> None:
        scope = MarketScope(market=MarketNo(step.market)) if step.market else _HOUSE
        number = self._ask(step)
        if step.starts:
            self._send(ResumeScope(id=number, scope=scope, force=step.force))
        else:
            self._send(SuspendScope(id=number, scope=scope, why="together"))

    def hang_up(self) -> None:
        """End the connection from the client's side."""
        self.closed = True
        self._transport.hang_up()

    def _ask(self, what: Any) -> int:
        self._number += 1
        self._asked[self._number] = (self._loop.time(), what)
        return self._number

    def _send(self, message: Any) -> None:
        frame = client_frame(encode(message))
        if self._greeted:
            self._transport.send(frame)
        else:
            self._unsent.append(frame)

    # --- answers -------------------------------------------------------------------------------

    def _ended(self) -> None:
        self.closed = True

    def _received(self, data: bytes) -> None:
        if not self._greeted:
            head, _, data = data.partition(b"\r\n\r\n")
            assert b" 101 " in head, head
            self._greeted = True
            for frame in self._unsent:
                self._transport.send(frame)
        payloads, closed = server_payloads(data)
        self.closed |= closed
        for payload in payloads:
            self._take(_decode(payload))

    def _take(self, message: Any) -> None:
        now_s = self._loop.time()
        record = self._record
        if isinstance(message, Bet):
            record.received.append(
                Received(
                    now_s,
                    self._sent_s(message.ref),
                    "bet",
                    self.account,
                    message.ref,
                    message.state,
                    message.bet_id,
                    message.odds_milli,
                    message.reason,
                    message.final or message.state == "accepted",
                )
            )
            for bet in bets_on_offer(self._singles.get(message.ref), message):
                self._loop.call_later(taken_after_s(message.ref), self._place_if_open, bet)
        elif isinstance(message, BetWaits | Referred | Scoped):
            self._take_wait(message)
        elif isinstance(message, SlipBet):
            record.received.append(
                Received(
                    now_s,
                    self._sent_s(message.ref),
                    "bet",
                    self.account,
                    message.ref,
                    message.state,
                    message.bet_id,
                    0,
                    message.reason,
                    message.final or message.state == "accepted",
                    tuple((leg.odds_milli, leg.reason) for leg in message.legs),
                )
            )
        elif isinstance(message, SlipAnswer):
            sent_s, ref = self._asked.pop(message.id)
            slip = message.slip
            assert slip.ref == ref
            record.received.append(
                Received(
                    now_s,
                    sent_s,
                    "status",
                    self.account,
                    ref,
                    slip.state,
                    slip.bet_id,
                    slip.odds_milli,
                    slip.reason,
                    slip.state != "pending",
                    tuple((leg.odds_milli, leg.reason) for leg in slip.legs),
                )
            )
        elif isinstance(message, Controlled):
            sent_s, command = self._asked.pop(message.id)
            record.commanded.append(Commanded(sent_s, now_s, command, message.events[0]))
        elif isinstance(message, BalanceAnswer):
            record.balances.append((now_s, self.account, message))
        elif isinstance(message, Error):
            record.errors[message.code] = record.errors.get(message.code, 0) + 1
            sent_s, ref = self._asked.pop(message.id, (now_s, ""))
            if isinstance(ref, str) and ref:
                record.received.append(
                    Received(now_s, sent_s, "status", self.account, ref, "none", 0, 0, message.code)
                )

    def _sent_s(self, ref: str) -> float:
        """Return when what an answer on a bet belongs to was sent."""
        sendings = self._bets[ref]
        return sendings.pop(0) if len(sendings) > 1 else sendings[0]

    def _take_wait(self, message: BetWaits | Referred | Scoped) -> None:
        """Note that a bet waits, or decide one of those that wait for a trader."""
        if isinstance(message, BetWaits):
            notice = Waited(self.account, message.ref, message.bet_id, message.reason)
            self._record.waited.append(notice)
            return
        _, step = self._asked.pop(message.id)
        if isinstance(message, Scoped):  # the journals say what came of it
            return
        command = decision_on(step, message)
        if command is not None:
            self.command(Command(at_ms=step.at_ms, command=command, gateway=step.gateway))


def _slip(step: PlaceSlip) -> PlaceSlipMessage:
    """Return the message that places a slip."""
    return PlaceSlipMessage(
        ref=step.ref,
        legs=tuple(
            Leg(market=leg.market, outcome=leg.outcome, odds_milli=leg.odds, position=leg.position)
            for leg in step.legs
        ),
        bets=tuple(
            BetLines(
                stake_minor=bet.stake,
                sizes=bet.sizes,
                positions=bet.positions,
                bankers=bet.bankers,
            )
            for bet in step.bets
        ),
        policy=step.policy,
        policy_over=step.over,
        offer=step.offer,
        free_bet=step.free_bet,
    )


class Clients:
    """Every client: one connection for each account and gateway, opened when it is needed."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.record = Record()
        self._loop = loop
        self._open: dict[tuple[int, int, int], Connection] = {}
        self._tokens: dict[int, str] = {}

    def bettor(self, account: int, gateway: int, port: int) -> Connection | None:
        """Return the account's connection to a gateway; None when nobody listens."""
        return self._connection(account, gateway, port)

    def trader(self, gateway: int, port: int) -> Connection | None:
        """Return the trader's connection to a gateway's control port."""
        return self._connection(-1, gateway, port)

    def person(self, who: int, gateway: int, port: int) -> Connection | None:
        """Return the connection of somebody who stops markets with others."""
        return self._connection(-1 - who, gateway, port)

    def drop(self, account: int, gateway: int, port: int) -> None:
        connection = self._open.pop((account, gateway, port), None)
        if connection is not None:
            connection.hang_up()

    def _connection(self, account: int, gateway: int, port: int) -> Connection | None:
        key = (account, gateway, port)
        connection = self._open.get(key)
        if connection is None or connection.closed:
            if port not in self._loop.ports:
                return None
            connection = self._open[key] = Connection(
                self._loop, port, self._token(account), account=account, record=self.record
            )
        return connection

    def _token(self, account: int) -> str:
        if account not in self._tokens:
            role = Role.BETTOR if account >= 0 else Role.TRADER if account == -1 else _STOPS
            named = {Role.BETTOR: f"bettor-{account}", Role.TRADER: "trader"}
            self._tokens[account] = KEY.issue(
                role=role,
                sub=named.get(role, f"person-{-1 - account}"),
                account=account if role is Role.BETTOR else None,
                now_s=NOW_S,
                expires_s=10**7,
            )
        return self._tokens[account]
