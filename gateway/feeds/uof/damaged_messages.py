"""Read what a malformed message still says, so that what stops betting in it is obeyed.

Owns, for every field of every message, what is done when it cannot be read: a figure that stops
nothing is dropped; a figure that decides whether betting goes on is read as the value that stops
it; a market that cannot be read is left out and named as lost; where not even that is possible, the
whole event is lost. The strict reader stays the only definition of the fields: a damaged message is
repaired field by field until that reader takes it. It never decides what a lost part does.
"""

import re
from collections.abc import Mapping
from typing import Final
from xml.etree.ElementTree import Element

from msgspec import Struct
from msgspec.structs import replace

from gateway.feeds.uof.bet_stop_groups import ALL
from gateway.feeds.uof.grammar import are_specifiers, is_event_id
from gateway.feeds.uof.messages import (
    MARKET_ID_MAX,
    NO_PRODUCT,
    PRODUCT_MAX,
    TIMESTAMP_MS_MAX,
    UNREADABLE_STATUS,
    Alive,
    AnyMessage,
    BetCancel,
    BetSettlement,
    BetStop,
    FixtureChange,
    MarketName,
    OddsChange,
    ProductDown,
    RollbackBetCancel,
    RollbackBetSettlement,
    SnapshotComplete,
    SubscriptionStarted,
)
from gateway.feeds.uof.xml import read_root
from gateway.feeds.uof.xml_fields import UofMalformedError, fields_of, local_name, parse

REPAIRS_MAX: Final = 64
"""Fields of one message that are repaired; past it the whole event of the message is lost."""

_READ_AS: Final[Mapping[tuple[str, str], str]] = {
    (OddsChange.kind, "odds.betting_status"): "0",
    (OddsChange.kind, "odds.market.status"): "-1",
    (OddsChange.kind, "odds.market.outcome.active"): "0",
    (BetStop.kind, "groups"): ALL,
    (BetSettlement.kind, "certainty"): "1",
    (Alive.kind, "subscribed"): "0",
    (ProductDown.kind, "timestamp"): "0",
}
"""What stands for an unreadable field that decides whether betting goes on, or is required."""
_DROPPED: Final[Mapping[str, tuple[str, ...]]] = {
    OddsChange.kind: (
        "request_id",
        "sport_event_status.clock.stoppage_time_announced",
        "odds.betstop_reason",
        "odds.market.favourite",
        "odds.market.cashout_status",
        "odds.market.outcome.odds",
        "odds.market.outcome.probabilities",
    ),
    BetStop.kind: ("request_id", "market_status"),
    BetSettlement.kind: ("request_id", "outcomes.market.void_reason"),
    BetCancel.kind: ("request_id", "superceded_by", "market.void_reason"),
    RollbackBetSettlement.kind: ("request_id", "market.void_reason"),
    RollbackBetCancel.kind: ("request_id", "market.void_reason"),
    FixtureChange.kind: ("request_id", "timestamp"),
    Alive.kind: ("request_id",),
    SnapshotComplete.kind: (),
    ProductDown.kind: ("request_id",),
    SubscriptionStarted.kind: (),
}
"""Fields that stop nothing. Every other field is needed: without it, its market is lost, or else
its event."""
_STATUS: Final = "sport_event_status"
_INTERRUPTED: Final = -1
_REPORTING: Final[Mapping[str, int]] = {"0": 0, "1": 1}
_PRODUCER_STOPS: Final = (Alive.kind, ProductDown.kind)

_ROOT: Final = re.compile(rb"<(?:[\w.-]{1,64}:)?([a-z_]{1,40})[\s/>]")
_EVENT_TEXT: Final = re.compile(rb"""\bevent_id\s*=\s*["']\s*([\w:.-]{1,64})\s*["']""")
_PRODUCT_TEXT: Final = re.compile(rb"""\bproduct\s*=\s*["']\s*(\d{1,3})\s*["']""", re.ASCII)
_TIMESTAMP_TEXT: Final = re.compile(rb"""\btimestamp\s*=\s*["']\s*(\d{1,16})\s*["']""", re.ASCII)


class LostPart(Struct, frozen=True, kw_only=True):
    """A part of a message that could not be read: some of an event's markets, or all of them.

    `product` is NO_PRODUCT and `timestamp` 0 where they could not be read. `markets` None: any of
    the event's markets may have been meant, but those that the rest of the message names.
    """

    event_id: str
    product: int = NO_PRODUCT
    timestamp: int = 0
    markets: tuple[MarketName, ...] | None = None


class DamagedMessage(Struct, frozen=True, kw_only=True):
    """What could be read of a malformed message.

    `message` is None when nothing of it can be obeyed, `lost` when nothing of it was lost but the
    `dropped` fields, by their names.
    """

    message: AnyMessage | None = None
    lost: LostPart | None = None
    dropped: tuple[str, ...] = ()


def read_damaged(body: bytes) -> DamagedMessage:
    """Read what a body still says that the strict reader refuses; never raise."""
    try:
        root = parse(body)
    except UofMalformedError:
        return _unparsed(body)
    return _Repairs(root).read()


class _Repairs:
    """The repairs of one message, until the strict reader takes it."""

    def __init__(self, root: Element) -> None:
        self._root = root
        self._kind = local_name(root)
        self._parents = {child: parent for parent in root.iter() for child in parent}
        self._dropped: list[str] = []
        self._lost: list[MarketName] = []
        self._lost_without_name = False
        self._status_lost = False
        self._reporting: int | None = None

    def read(self) -> DamagedMessage:
        """Return the repaired message and what it lost."""
        while True:
            try:
                message = read_root(self._root)
            except UofMalformedError as error:
                if len(self._dropped) >= REPAIRS_MAX or not self._repair(error):
                    return self._given_up(error)
                continue
            if self._status_lost and isinstance(message, OddsChange):
                status = replace(UNREADABLE_STATUS, reporting=self._reporting)
                message = replace(message, status=status)
            return DamagedMessage(message=message, lost=self._part(), dropped=self._fields())

    def _repair(self, error: UofMalformedError) -> bool:
        """Repair the field of an error; return False when the message cannot be read without it."""
        element, path = error.element, error.field
        if element is None:
            return False
        attribute = path.rpartition(".")[2]
        self._dropped.append(path)
        stands_for_it = _READ_AS.get((self._kind, path))
        if stands_for_it is not None:
            if path == "odds.market.status":
                self._note_lost(element)
            element.set(attribute, stands_for_it)
            return True
        if path in _DROPPED.get(self._kind, ()) and attribute in element.attrib:
            del element.attrib[attribute]
            return True
        if path.startswith(_STATUS):
            return self._leave_out_status()
        return self._leave_out_market(element)

    def _leave_out_status(self) -> bool:
        for child in [one for one in self._root if local_name(one) == _STATUS]:
            reporting = child.get("reporting")
            if reporting and self._reporting != _INTERRUPTED:
                # Anything but a clear word counts as the one that stops betting.
                self._reporting = _REPORTING.get(reporting, _INTERRUPTED)
            self._root.remove(child)
        self._status_lost = True
        return True

    def _leave_out_market(self, element: Element) -> bool:
        """Leave out the market that an element belongs to; return False when there is none."""
        market: Element | None = element
        while market is not None and local_name(market) != "market":
            market = self._parents.get(market)
        if market is None:
            return False
        self._note_lost(market)
        self._parents[market].remove(market)
        return True

    def _note_lost(self, market: Element) -> None:
        name = _name(market)
        if name is None:
            self._lost_without_name = True
        else:
            self._lost.append(name)

    def _part(self) -> LostPart | None:
        if not (self._lost or self._lost_without_name):
            return None
        markets = None if self._lost_without_name else tuple(self._lost)
        return self._event_part(markets)

    def _event_part(self, markets: tuple[MarketName, ...] | None = None) -> LostPart | None:
        event_id = self._root.get("event_id", "").strip()
        if not is_event_id(event_id):
            return None
        return LostPart(
            event_id=event_id,
            product=self._integer("product", PRODUCT_MAX) or NO_PRODUCT,
            timestamp=self._integer("timestamp", TIMESTAMP_MS_MAX) or 0,
            markets=markets,
        )

    def _integer(self, attribute: str, high: int) -> int | None:
        fields = fields_of(self._root_of_few_attributes(), self._kind)
        try:
            return fields.optional_integer(attribute, 0, high)
        except UofMalformedError:
            return None

    def _root_of_few_attributes(self) -> Element:
        names = ("product", "timestamp")
        return Element("root", {name: self._root.get(name, "") for name in names})

    def _given_up(self, error: UofMalformedError) -> DamagedMessage:
        dropped = self._fields() or (error.field,)
        if self._kind in _PRODUCER_STOPS:
            stops = self._kind == ProductDown.kind or self._root.get("subscribed") != "1"
            product = self._integer("product", PRODUCT_MAX) or NO_PRODUCT
            return DamagedMessage(
                message=_producer_stop(product) if stops else None, dropped=dropped
            )
        return DamagedMessage(lost=self._event_part(), dropped=dropped)

    def _fields(self) -> tuple[str, ...]:
        return tuple(self._dropped)


def _name(market: Element) -> MarketName | None:
    """Return the name of a market element; None when it cannot be read."""
    element = Element("market", {name: market.get(name, "") for name in ("id", "specifiers")})
    fields = fields_of(element, "market")
    try:
        number = fields.integer("id", 0, MARKET_ID_MAX)
        specifiers = fields.optional_text("specifiers") or ""
    except UofMalformedError:
        return None
    return MarketName(id=number, specifiers=specifiers) if are_specifiers(specifiers) else None


def _producer_stop(product: int) -> AnyMessage:
    """Return the message that stops a producer's markets, or all markets where none is named."""
    if product == NO_PRODUCT:
        return SubscriptionStarted(product=NO_PRODUCT, timestamp=0)
    return ProductDown(product=product, timestamp=0)


def _unparsed(body: bytes) -> DamagedMessage:
    """Return what the text of a body says that is no XML, or is more of it than is parsed."""
    event, product = _EVENT_TEXT.search(body), _PRODUCT_TEXT.search(body)
    number = int(product[1]) if product else NO_PRODUCT
    if event and is_event_id(event[1].decode()):
        found = _TIMESTAMP_TEXT.search(body)
        at_ms = int(found[1]) if found else 0
        lost = LostPart(
            event_id=event[1].decode(),
            product=number,
            timestamp=at_ms if at_ms <= TIMESTAMP_MS_MAX else 0,
        )
        return DamagedMessage(lost=lost)
    root = _ROOT.search(body)
    if root and root[1].decode() == ProductDown.kind:
        return DamagedMessage(message=_producer_stop(number))
    return DamagedMessage()
