"""Read the bytes of one message of LSports' feed.

Owns the tolerance of the reading: a figure that cannot be read is dropped and named, a bet, market
or event that cannot be read makes what holds it doubtful, and of a body that cannot be read at all
the fixtures' ids are still found. It never decides what a message does.
"""

import re
from typing import Final

import msgspec
from msgspec import Raw, Struct

from engine.common.units import NS_PER_MS
from gateway.feeds.lsports.figures import (
    NONE,
    absent,
    price_milli,
    text,
    time_ns,
    timestamp_ms,
    whole,
)
from gateway.feeds.lsports.messages import (
    BET_STATUSES,
    FIXTURE_STATUSES,
    KINDS,
    PRICE_REFUSED,
    SETTLEMENTS,
    SNAPSHOT,
    SNAPSHOT_ENDED,
    SOURCE_BEGAN,
    SUBSCRIPTION_STATUSES,
    SUSPENDED,
    UNREADABLE_STATUS,
    BetPart,
    EventPart,
    MarketPart,
    Message,
    Unreadable,
)

FIXTURE_ID_MAX: Final = (1 << 63) - 1
MARKET_ID_MAX: Final = (1 << 31) - 1
ODD_FIGURES_MAX: Final = 1_000
"""Odd figures of one message that are named; the others are dropped without a name."""
_FIXTURE_IDS: Final = re.compile(rb'"FixtureId"\s*:\s*"?(\d{1,19})\b')
_UNTIMED: Final = 0


class _Header(Struct, rename="pascal"):
    type: Raw = NONE
    msg_seq: Raw = NONE
    server_timestamp: Raw = NONE
    creation_date: Raw = NONE
    request_id: Raw = NONE
    events: Raw = NONE


class _KeepAlive(Struct):
    active_event: list[Raw] | None = msgspec.field(default=None, name="ActiveEvent")
    active_events: list[Raw] | None = msgspec.field(default=None, name="ActiveEvents")


class _Body(Struct, rename="pascal"):
    events: list[Raw] | None = None
    keep_alive: _KeepAlive | None = None


class _Envelope(Struct, rename="pascal"):
    header: _Header
    body: _Body | None = None
    keep_alive: _KeepAlive | None = None


class _Named(Struct, rename="pascal"):
    name: Raw = NONE


class _Subscription(Struct, rename="pascal"):
    status: Raw = NONE


class _Scoreboard(Struct, rename="pascal"):
    status: Raw = NONE


class _Fixture(Struct, rename="pascal"):
    status: Raw = NONE
    sport: _Named | None = None
    subscription: _Subscription | None = None


class _Livescore(Struct, rename="pascal"):
    scoreboard: _Scoreboard | None = None


class _Event(Struct, rename="pascal"):
    fixture_id: Raw = NONE
    fixture: Raw = NONE
    livescore: Raw = NONE
    markets: list[Raw] | None = None


class _Market(Struct, rename="pascal"):
    id: Raw = NONE
    bets: list[Raw] | None = None


class _Bet(Struct, rename="pascal"):
    id: Raw = NONE
    name: Raw = NONE
    player_name: Raw = NONE
    line: Raw = NONE
    base_line: Raw = NONE
    status: Raw = NONE
    price: Raw = NONE
    settlement: Raw = NONE
    last_update: Raw = NONE


_decode_envelope: Final = msgspec.json.Decoder(_Envelope).decode
_decode_event: Final = msgspec.json.Decoder(_Event).decode
_decode_fixture: Final = msgspec.json.Decoder(_Fixture).decode
_decode_livescore: Final = msgspec.json.Decoder(_Livescore).decode
_decode_market: Final = msgspec.json.Decoder(_Market).decode
_decode_bet: Final = msgspec.json.Decoder(_Bet).decode
_ERRORS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read(body: bytes) -> Message | Unreadable:
    """Return a message, or what can be known of one that cannot be read; never raise."""
    try:
        envelope = _decode_envelope(body)
    except _ERRORS as error:
        return Unreadable(fixture_ids=_fixture_ids(body), why=str(error)[:200])
    kind = whole(envelope.header.type)
    if kind is None:
        return Unreadable(fixture_ids=_fixture_ids(body), why="Header.Type: not a number")
    ms = timestamp_ms(envelope.header.server_timestamp)
    if ms is None:
        created_ns = time_ns(envelope.header.creation_date)
        ms = _UNTIMED if created_ns is None else created_ns // NS_PER_MS
    if not ms and kind in KINDS and kind not in (SNAPSHOT, SOURCE_BEGAN, SNAPSHOT_ENDED):
        why = "Header.ServerTimestamp: not a time"
        return Unreadable(fixture_ids=_fixture_ids(body), why=why)
    return _MessageReader().message(envelope, kind, ms)


def _fixture_ids(body: bytes) -> tuple[int, ...]:
    """Return the fixtures that a body names, each once, whatever else is in it."""
    found = map(int, _FIXTURE_IDS.findall(body))
    return tuple(dict.fromkeys(each for each in found if 0 < each <= FIXTURE_ID_MAX))


class _MessageReader:
    """Read the parts of one message, and note the figures that were dropped."""

    def __init__(self) -> None:
        self._odd: list[str] = []

    def message(self, envelope: _Envelope, kind: int, ms: int) -> Message:
        header, body = envelope.header, envelope.body or _Body()
        events = [self._event(raw) for raw in body.events or ()]
        keep_alive = body.keep_alive or envelope.keep_alive
        active = None
        if keep_alive is not None:
            listed = keep_alive.active_event or keep_alive.active_events or []
            numbers = [whole(raw) for raw in listed]
            active = tuple(each for each in numbers if each is not None)
        return Message(
            type=kind,
            ms=ms,
            sequence=whole(header.msg_seq),
            events=tuple(event for event in events if event is not None),
            active=active,
            request_id=whole(header.request_id) or 0,
            events_total=whole(header.events) or 0,
            odd=tuple(self._odd),
        )

    def _drop(self, field: str, raw: Raw) -> None:
        if len(self._odd) < ODD_FIGURES_MAX:
            self._odd.append(f"{field}: {bytes(raw)[:40].decode(errors='replace')}")

    def _event(self, raw: Raw) -> EventPart | None:
        """Return an event; None when not even its fixture can be read."""
        try:
            event = _decode_event(raw)
            fixture_id = whole(event.fixture_id)
        except _ERRORS:
            ids = _fixture_ids(bytes(raw))
            self._drop("Events", raw)
            return EventPart(fixture_id=ids[0], doubtful=True) if ids else None
        if fixture_id is None or not 0 < fixture_id <= FIXTURE_ID_MAX:
            self._drop("FixtureId", event.fixture_id)
            return None
        markets = [self._market(each) for each in event.markets or ()]
        status, subscription, sport = self._fixture(event)
        return EventPart(
            fixture_id=fixture_id,
            status=status,
            subscription=subscription,
            sport=sport,
            fixture=b"" if absent(event.fixture) else bytes(event.fixture),
            markets=tuple(market for market in markets if market is not None),
            doubtful=None in markets,
        )

    def _fixture(self, event: _Event) -> tuple[int | None, int | None, str]:
        """Return the status of the fixture, of its subscription, and the sport."""
        status = subscription = None
        sport = ""
        try:
            if not absent(event.fixture):
                fixture = _decode_fixture(event.fixture)
                status = self._status(fixture.status)
                if fixture.subscription is not None:
                    subscription = self._one_of(
                        "Subscription.Status", fixture.subscription.status, SUBSCRIPTION_STATUSES
                    )
                sport = text(fixture.sport.name) if fixture.sport is not None else ""
            if not absent(event.livescore) and status is None:
                board = _decode_livescore(event.livescore).scoreboard
                status = None if board is None else self._status(board.status)
        except _ERRORS:
            self._drop("Fixture", event.fixture)
            status = UNREADABLE_STATUS
        return status, subscription, sport

    def _status(self, raw: Raw) -> int | None:
        if absent(raw):
            return None
        status = self._one_of("Fixture.Status", raw, FIXTURE_STATUSES)
        return UNREADABLE_STATUS if status is None else status

    def _one_of(self, field: str, raw: Raw, known: tuple[int, ...]) -> int | None:
        """Return a number of an enumeration; None when it is absent, or odd and dropped."""
        if absent(raw):
            return None
        number = whole(raw)
        if number in known:
            return number
        self._drop(field, raw)
        return None

    def _market(self, raw: Raw) -> MarketPart | None:
        try:
            market = _decode_market(raw)
        except _ERRORS:
            self._drop("Markets", raw)
            return None
        market_id = whole(market.id)
        if market_id is None or not 0 < market_id <= MARKET_ID_MAX:
            self._drop("Market.Id", market.id)
            return None
        bets = [self._bet(each) for each in market.bets or ()]
        return MarketPart(
            market_id=market_id,
            bets=tuple(bet for bet in bets if bet is not None),
            doubtful=None in bets,
        )

    def _bet(self, raw: Raw) -> BetPart | None:
        """Return a bet; None when it cannot be told which one it is."""
        try:
            bet = _decode_bet(raw)
        except _ERRORS:
            self._drop("Bets", raw)
            return None
        bet_id = text(bet.id)
        if not bet_id:
            self._drop("Bet.Id", bet.id)
            return None
        status = self._one_of("Bet.Status", bet.status, BET_STATUSES)
        if status is None and not absent(bet.status):
            status = SUSPENDED  # whatever it was, it did not say that the bet is open
        price = None
        if not absent(bet.price):
            price = price_milli(bet.price)
            if price is None:
                self._drop("Bet.Price", bet.price)
                price = PRICE_REFUSED
        updated_ns = None
        if not absent(bet.last_update):
            updated_ns = time_ns(bet.last_update)
            if updated_ns is None:
                self._drop("Bet.LastUpdate", bet.last_update)
        name, player = text(bet.name), text(bet.player_name)
        return BetPart(
            bet_id=bet_id,
            name=f"{player}: {name}" if player and player != name else name,
            line=text(bet.base_line) or text(bet.line),
            status=status,
            price_milli=price,
            settlement=self._one_of("Bet.Settlement", bet.settlement, SETTLEMENTS),
            updated_ns=updated_ns,
        )
