"""One caller's session: check each message against the role and pass it to its service.

Owns the caller's permissions, the number of bets in flight and the refused messages. A bet takes a
short synchronous path: decode, make a ticket, place it; its answer is encoded into the connection's
buffer later. Slower requests run as a bounded number of tasks. It never decides a bet and never
moves money.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterator
from typing import Any, Final, get_args

from msgspec.structs import replace

from engine.common.reasons import MESSAGES, Reason
from engine.market.status_transitions import as_feed_command
from engine.slips.checks import SlipFault
from gateway.bets.each_way_slips import legs_of
from gateway.bets.slip_ticket import SlipBetAnswer, SlipTicket
from gateway.bets.ticket import BetAnswer, BetWait, Ticket
from gateway.feeds.core.ingress import FeedMessage
from gateway.messages.base import Error, Welcome
from gateway.messages.bet_stream import WatchBets, WatchingBets
from gateway.messages.bettor import (
    POLICY_NUMBERS,
    BetEvent,
    FreeBetEvent,
    MoneyEvent,
    Place,
    PlaceMany,
    Selection,
    WatchAccount,
    Watching,
)
from gateway.messages.fixtures import WatchFixtures
from gateway.messages.market import Subscribe, Subscribed, Unsubscribe
from gateway.messages.protocol import ServerMessage
from gateway.messages.slips import PlaceSlip
from gateway.messages.trader import Control, ListMarkets
from gateway.messages.watching import WatchAlerts, WatchingAlerts
from gateway.net.codec import Codec
from gateway.net.odd_stops import ODD_STOPS, as_message
from gateway.net.output import Output
from gateway.services.price_fanout import Follower
from gateway.session.bet_answers import (
    bet_message,
    rejected_bet,
    rejected_slip,
    slip_message,
    waits_message,
)
from gateway.session.permissions import (
    COMMANDS,
    FLOOR,
    INQUIRIES,
    NOT_AUDITED,
    PERMISSIONS,
    may_not_force,
    only_stops,
    permitted,
)
from gateway.session.queries import QUERIES, Work, account_of, obeyed
from gateway.session.services import Services
from gateway.session.tokens import Claims, Role
from gateway.settings import STOPS_IN_FLIGHT_MAX, CloseCode

logger = logging.getLogger("overround.gateway")

_BET_NS: Final = 10_000
"""Charged for a bet beside its turn: the calls to its shells, and its answer."""
_LINE_NS: Final = 1_000
"""Charged for a line of a slip: its account works out what each line pays, several times."""
_QUERY_NS: Final = 150_000
"""Charged for a query beside its turn: its task, the call to its shell, and its answer."""


class ClientSession:
    """One caller on one connection, after the handshake.

    Parameters
    ----------
    listener : str
        Name of the listener: ``bets``, ``control`` or ``feed``.
    connection : Output
        The connection.
    codec : Codec
        Its subprotocol.
    claims : Claims
        The claims of the verified token.
    services : Services
        The gateway's services.
    now_s : float
        Seconds since 1970, by the clock of the token's expiry.
    """

    __slots__ = (
        "_account",
        "_accounts",
        "_allowed",
        "_bets",
        "_bets_in_flight",
        "_bets_in_flight_max",
        "_codec",
        "_connection",
        "_counters",
        "_decode",
        "_expiry",
        "_followed",
        "_frame",
        "_odd_stops",
        "_place_allowed",
        "_queries",
        "_refused",
        "_services",
        "_use",
        "_use_bets_in_flight_max",
        "_watching",
        "claims",
        "client",
        "follower",
    )

    def __init__(
        self,
        *,
        listener: str,
        connection: Output,
        codec: Codec,
        claims: Claims,
        services: Services,
        now_s: float,
    ) -> None:
        settings = services.settings
        self.claims = claims
        self.client: Hashable = (
            ("identity", claims.identity)
            if claims.account is None
            else ("account", int(claims.account))
        )
        self.follower = Follower(connection=connection, codec=codec)
        self._allowed = PERMISSIONS[listener, claims.role]
        self._place_allowed = Place in self._allowed
        self._account = account_of(claims)
        self._accounts = services.accounts
        self._connection = connection
        self._codec = codec
        self._decode = codec.decode
        self._frame = codec.frame
        self._odd_stops = ODD_STOPS[codec.subprotocol]
        self._services = services
        self._bets = services.bets
        self._bets_in_flight = 0
        self._bets_in_flight_max = settings.session_bets_in_flight_max
        self._use_bets_in_flight_max = settings.account_bets_in_flight_max
        self._counters = services.counters
        self._queries = 0
        self._refused = 0
        self._watching = False
        self._followed = 0
        self._use = services.use_of(claims.account)
        self._use.sessions += 1
        self._expiry = asyncio.get_running_loop().call_later(
            max(0.0, claims.exp - now_s), connection.close, CloseCode.TOKEN_EXPIRED, "token expired"
        )
        self._send(
            Welcome(
                role=claims.role.value,
                sub=claims.sub,
                account=claims.account,
                frame_bytes_max=settings.frame_bytes(listener),
                frames_a_second=settings.frames_a_second,
                bets_in_flight_max=settings.session_bets_in_flight_max,
            )
        )

    def _send(self, message: ServerMessage) -> None:
        self._connection.send(self._frame(message))

    # --- called by the connection ----------------------------------------------------------------

    def on_payload(self, payload: bytes) -> None:
        """Decode one message and pass it to its handler."""
        self._counters.messages += 1
        try:
            message = self._decode(payload)
        except (ValueError, RecursionError) as error:
            self._refuse_payload(error, payload)
            return
        kind = type(message)
        if kind is Place and self._place_allowed:
            self._place(message)  # type: ignore[arg-type]
        elif kind in self._allowed:
            _HANDLERS[kind](self, message)
        else:
            self._deny(message, kind.__struct_config__.tag)  # type: ignore[arg-type]

    def on_over_rate(self, payload: bytes) -> None:
        """Refuse a message over the frame rate, unless it only stops betting.

        The answer is the one that its kind has.
        """
        try:
            message = self._decode(payload)
        except (ValueError, RecursionError) as error:
            self._refuse_payload(error, payload)
            return
        if isinstance(message, Place):
            self._send(rejected_bet(message.ref, Reason.RATE_LIMITED))
        elif isinstance(message, PlaceMany):
            for bet in message.bets:
                self._send(rejected_bet(bet.ref, Reason.RATE_LIMITED))
        elif isinstance(message, PlaceSlip):
            self._send(rejected_slip(message.ref, Reason.RATE_LIMITED))
        elif type(message) in self._allowed and only_stops(message):
            _HANDLERS[type(message)](self, message)
        else:
            self._error(Reason.RATE_LIMITED, message.id, getattr(message, "ref", ""))

    def on_room(self) -> None:
        """Send the odds that are owed."""
        self._connection.work_off(self._services.fanout.catch_up(self.follower))

    def on_lost(self) -> None:
        """Leave every service; bets in flight continue without this session."""
        self._expiry.cancel()
        self._services.fanout.leave(self.follower)
        self._services.accounts.unwatch(self._account, self)
        self._services.feeds.leave(self)
        self._services.bet_stream.leave(self)
        self._services.watching.leave(self)
        self._services.fixtures.watchers.leave(self)
        self._use.sessions -= 1
        self._use.markets_followed -= self._followed
        self._services.forget_use(self.claims.account)

    # --- bets ------------------------------------------------------------------------------------

    def _place(self, bet: Place | Selection) -> None:
        use = self._use
        if (
            self._bets_in_flight >= self._bets_in_flight_max
            or use.bets_in_flight >= self._use_bets_in_flight_max
        ):
            self._services.counters.busy += 1
            self._send(rejected_bet(bet.ref, Reason.BUSY))
            return
        self._bets_in_flight += 1
        use.bets_in_flight += 1
        self._connection.charge(_BET_NS)
        self._bets.place(
            Ticket(
                session=self,
                ref=bet.ref,
                ref_bytes=bet.ref.encode(),
                account_no=self._account,
                market_no=bet.market,
                outcome=bet.outcome,
                stake_minor=bet.stake_minor,
                odds_milli=bet.odds_milli,
                policy=POLICY_NUMBERS[bet.policy],
            )
        )

    def _place_many(self, request: PlaceMany) -> None:
        self._connection.spend(len(request.bets) - 1)
        for bet in request.bets:
            self._place(bet)

    def on_bet_answer(self, ticket: Ticket, answer: BetAnswer) -> None:
        """Send a bet's answer."""
        self._leave_flight(1)
        if self._accounts.watched and answer.state == "accepted":
            self._accounts.posted(self, ticket, answer)
        self._connection.send(self._frame(bet_message(ticket.ref, answer)))

    def on_bet_waits(self, ref: str, wait: BetWait) -> None:
        """Say that a bet waits at its market."""
        self._connection.send(self._frame(waits_message(ref, wait)))

    def _place_slip(self, request: PlaceSlip) -> None:
        legs = legs_of(request)
        self._connection.spend(max(0, legs - 1))
        use = self._use
        if (
            self._bets_in_flight + legs > self._bets_in_flight_max
            or use.bets_in_flight + legs > self._use_bets_in_flight_max
        ):
            self._services.counters.busy += 1
            self._send(rejected_slip(request.ref, Reason.BUSY))
            return
        slip = self._services.slips.read(request, session=self, account_no=self._account)
        if isinstance(slip, SlipFault):
            self._send(rejected_slip(request.ref, slip))
            return
        self._bets_in_flight += legs
        use.bets_in_flight += legs
        self._connection.charge(_BET_NS * (legs + 1) + _LINE_NS * slip.lines)
        self._bets.place_slip(slip)

    def on_slip_answer(self, slip: SlipTicket, answer: SlipBetAnswer) -> None:
        """Send a slip's answer."""
        self._leave_flight(len(slip.legs))
        if self._accounts.watched and answer.state == "accepted":
            self._accounts.slip_posted(self, slip, answer)
        self._send(slip_message(slip, answer))

    def _leave_flight(self, bets: int) -> None:
        self._bets_in_flight -= bets
        use = self._use
        use.bets_in_flight -= bets
        if not use.sessions | use.bets_in_flight:
            self._services.forget_use(self.claims.account)

    # --- queries and commands --------------------------------------------------------------------

    def _ask(self, request: Any) -> None:
        if may_not_force(request, self.claims.role):
            self._deny(request, "force")
        else:
            work = QUERIES[type(request)](self._services, self.claims, request)
            self._query(request, work, stops=only_stops(request))

    def _control(self, request: Control) -> None:
        stops = only_stops(request)
        may = COMMANDS[self.claims.role]
        for command in request.commands:
            if type(command) not in may:
                self._deny(request, str(type(command).__struct_config__.tag))
                return
        if self.claims.role is Role.FEED:
            # A feed's commands neither hold a market for a trader nor release a hold.
            request = replace(request, commands=tuple(map(as_feed_command, request.commands)))
        services, by = self._services, self.claims.identity
        floor = self.claims.role in FLOOR
        work = (services.approvals if floor else services.control).control(by, request)
        self._query(request, work, stops=stops)

    def _list(self, request: ListMarkets) -> None:
        self._send(self._services.control.markets(request))

    def _feed(self, request: FeedMessage) -> None:
        self._services.feeds.take(self, request, self._send)

    def _query(self, request: Any, work: Work, *, stops: bool = False) -> None:
        """Answer a request in a task, or refuse it with BUSY when too many run.

        What only stops betting is not held up by requests that do not.
        """
        number, ref = request.id, getattr(request, "ref", "")
        settings, controls = self._services.settings, Control in self._allowed
        bound = settings.control_in_flight_max if controls else settings.queries_in_flight_max
        if self._queries >= (bound + STOPS_IN_FLIGHT_MAX if stops else bound):
            work.close()
            self._services.counters.busy += 1
            self._error(Reason.BUSY, number, ref)
            return
        if self.claims.role in FLOOR and type(request) not in NOT_AUDITED:
            looks = type(request) in INQUIRIES
            work = self._services.trail.followed(self.claims.identity, request, work, looks=looks)
        self._queries += 1
        self._connection.charge(_QUERY_NS)
        self._services.tasks.spawn(self._answer(number, ref, work))

    async def _answer(self, number: int, ref: str, work: Awaitable[ServerMessage]) -> None:
        try:
            self._send(await work)
        except Exception:  # the service failed unexpectedly; the caller must get an answer
            logger.exception("a request of %s failed", self.claims.identity)
            self._error(Reason.UNAVAILABLE, number, ref)
        finally:
            self._queries -= 1

    # --- subscriptions ---------------------------------------------------------------------------

    def _subscribe(self, request: Subscribe) -> None:
        self._connection.work_off(self._subscribe_steps(request))

    def _subscribe_steps(self, request: Subscribe) -> Iterator[None]:
        fanout, settings = self._services.fanout, self._services.settings
        unknown = yield from fanout.subscribe(
            self.follower,
            request,
            names_max=settings.subscriptions_max,
            markets_max=self._markets_max,
            joined=self._count_followed,
        )
        if unknown is None:
            self._error(Reason.CAPACITY, request.id)
            return
        self._send(
            Subscribed(id=request.id, markets=self._count_followed(), unknown=tuple(unknown))
        )
        yield from fanout.catch_up(self.follower)

    def _markets_max(self) -> int:
        """Return how many markets the session may follow, beside the account's other sessions."""
        settings, others = self._services.settings, self._use.markets_followed - self._followed
        return min(settings.markets_followed_max, settings.account_markets_max - others)

    def _unsubscribe(self, request: Unsubscribe) -> None:
        self._connection.work_off(self._unsubscribe_steps(request))

    def _unsubscribe_steps(self, request: Unsubscribe) -> Iterator[None]:
        yield from self._services.fanout.unsubscribe(self.follower, request)
        self._send(Subscribed(id=request.id, markets=self._count_followed()))

    def _count_followed(self) -> int:
        """Count the markets followed now, for the account's bound."""
        followed = self._services.fanout.followed(self.follower)
        self._use.markets_followed += followed - self._followed
        self._followed = followed
        return followed

    def _watch_account(self, request: WatchAccount) -> None:
        accounts = self._services.accounts
        (accounts.watch if request.on else accounts.unwatch)(self._account, self)
        self._send(Watching(id=request.id, on=request.on))

    def _watch_fixtures(self, request: WatchFixtures) -> None:
        watchers = self._services.fixtures.watchers
        self._send(Watching(id=request.id, on=request.on))
        if request.on:
            watchers.watch(self, self._connection, self._codec.index)
        else:
            watchers.leave(self)

    def _watch_bets(self, request: WatchBets) -> None:
        stream = self._services.bet_stream
        self._send(WatchingBets(id=request.id, on=request.on))
        if request.on:
            stream.watch(self, self._connection, self._codec.index, request)
        else:
            stream.leave(self)

    def _watch_alerts(self, request: WatchAlerts) -> None:
        watching = self._services.watching
        self._send(WatchingAlerts(id=request.id, on=request.on))
        if request.on:
            watching.watch(self, self._connection, self._frame, accounts=self._allowed >= INQUIRIES)
        else:
            watching.leave(self)

    def on_account_event(self, event: BetEvent | MoneyEvent | FreeBetEvent) -> None:
        """Send an account event."""
        self._services.counters.account_events_out += 1
        self._send(event)

    # --- refusals --------------------------------------------------------------------------------

    def _error(self, reason: Reason, number: int, ref: str = "") -> None:
        self._send(Error(code=int(reason), message=MESSAGES[reason], ref=ref, id=number))

    def _refuse_payload(self, error: Exception, payload: bytes) -> None:
        """Refuse what cannot be read whole, except for what of it stops betting."""
        self._services.counters.malformed += 1
        complaint = self._codec.explain(error, payload)
        if not complaint.hostile and Control in self._allowed:
            stops = self._odd_stops.read(payload, complaint)
            if stops is not None and stops.of in self._allowed:
                stops = permitted(stops, self.claims.role)
                work = obeyed(self._services, self.claims, stops)
                self._query(as_message(stops), work, stops=True)
                return
        code, ref = int(complaint.reason), complaint.ref
        self._send(Error(code=code, message=complaint.message, ref=ref, id=complaint.id))
        if complaint.hostile:
            self._connection.close(CloseCode.INVALID_DATA, complaint.message[:100])
        else:
            self._count_refused()

    def _deny(self, message: object, what: str) -> None:
        by = self.claims.identity
        self._services.deny("role", peer=self._connection.peer, who=by, what=what)
        if self.claims.role is not Role.BETTOR:
            self._services.trail.denied(by, message, what)
        self._error(Reason.NOT_PERMITTED, getattr(message, "id", 0), getattr(message, "ref", ""))
        self._count_refused()

    def _count_refused(self) -> None:
        self._refused += 1
        if self._refused >= self._services.settings.refused_messages_max:
            self._connection.close(CloseCode.POLICY_VIOLATION, "too many refused messages")


_HANDLERS: Final[dict[type, Callable[[ClientSession, Any], None]]] = {
    Place: ClientSession._place,
    PlaceMany: ClientSession._place_many,
    PlaceSlip: ClientSession._place_slip,
    WatchAccount: ClientSession._watch_account,
    WatchBets: ClientSession._watch_bets,
    WatchAlerts: ClientSession._watch_alerts,
    WatchFixtures: ClientSession._watch_fixtures,
    Subscribe: ClientSession._subscribe,
    Unsubscribe: ClientSession._unsubscribe,
    Control: ClientSession._control,
    ListMarkets: ClientSession._list,
    **dict.fromkeys(get_args(FeedMessage), ClientSession._feed),
    **dict.fromkeys(QUERIES, ClientSession._ask),
}
