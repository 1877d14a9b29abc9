"""Bytes of the Unified Odds Feed to typed messages, or to an error that names field and bound.

Owns what is well formed. The parser is told to trust nothing: UTF-8 only, no document type (so no
entities, however they are meant), no network, no huge trees; bytes, elements and attributes are
bounded before anything is built of them. What is not known is ignored; what is known must fit.
"""

import re
from collections.abc import Callable, Iterator
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import Final

from lxml import etree

from engine.common.units import DEAD_HEAT_DEN_MAX
from gateway.feeds.uof.messages import (
    CARDS_MAX,
    MARKET_ID_MAX,
    MS_MAX,
    NO_PRODUCT,
    PRODUCT_MAX,
    REQUEST_ID_MAX,
    SCORE_MAX,
    Alive,
    AnyMessage,
    BetCancel,
    BetSettlement,
    BetStop,
    FixtureChange,
    MarketName,
    MarketOdds,
    MarketSettled,
    MarketVoided,
    OddsChange,
    OutcomeOdds,
    OutcomeSettled,
    PeriodScore,
    ProductDown,
    RollbackBetCancel,
    RollbackBetSettlement,
    SnapshotComplete,
    SourceBegan,
    SportEventStatus,
)

UOF_BYTES_MAX: Final = 1 << 21
ELEMENTS_MAX: Final = 1 << 15
ATTRIBUTES_MAX: Final = 32
"""Attributes of one element."""
TEXT_CHARS_MAX: Final = 256
"""Characters of one attribute that is read."""
ODDS_MAX: Final = 1_000_000
"""Decimal odds above this are taken for nonsense, not for a long shot."""
GROUPS_MAX: Final = 32

_DECIMAL: Final = re.compile(r"\d{1,12}(?:\.\d{1,24})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_CLOCK: Final = re.compile(r"(\d{1,3}):([0-5]\d)", re.ASCII)
_EVENT: Final = re.compile(r"[A-Za-z0-9:._-]{1,64}", re.ASCII)
_ENCODING: Final = re.compile(r"encoding\s*=\s*[\"']([^\"']*)[\"']", re.ASCII)
_FORBIDDEN: Final = ("<!DOCTYPE", "<!ENTITY")


class UofMalformedError(ValueError):
    """A message is not one: which, the field, and the rule or bound it breaks."""

    def __init__(self, message: str, field: str, rule: str) -> None:
        super().__init__(f"{message}: {field}: {rule}")
        self.message = message
        self.field = field


def read(body: bytes) -> AnyMessage:
    """Read one message.

    Raises
    ------
    UofMalformedError
        Whatever is wrong with it; nothing else is ever raised.
    """
    root = _parse(body)
    name = _local(root)
    reader = _READERS.get(name)
    if reader is None:
        raise UofMalformedError("message", "root", f"not a message of this feed: {name[:40]!r}")
    return reader(_Fields(name, root))


def _parse(body: bytes) -> etree._Element:
    if not 0 < len(body) <= UOF_BYTES_MAX:
        raise UofMalformedError("message", "bytes", f"from 1 to {UOF_BYTES_MAX}, not {len(body)}")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UofMalformedError("message", "bytes", "not UTF-8") from None
    if any(word in text for word in _FORBIDDEN):
        raise UofMalformedError("message", "document type", "none is taken")
    if text.count("<") > 2 * ELEMENTS_MAX:
        raise UofMalformedError("message", "elements", f"at most {ELEMENTS_MAX}")
    declared = _ENCODING.search(text[:200]) if text.startswith("<?xml") else None
    if declared and declared[1].lower() not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise UofMalformedError("message", "encoding", "must be UTF-8")
    parser: etree.XMLParser[etree._Element] = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        why = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UofMalformedError("message", "xml", why) from None
    return root


def _local(element: etree._Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


class _Fields:
    """The attributes and children of one element, read by name with their bounds."""

    def __init__(self, message: str, element: etree._Element, path: str = "") -> None:
        if len(element.attrib) > ATTRIBUTES_MAX:
            rule = f"at most {ATTRIBUTES_MAX} attributes"
            raise UofMalformedError(message, path or _local(element), rule)
        self._message = message
        self._element = element
        self._path = path

    def fail(self, field: str, rule: str) -> UofMalformedError:
        return UofMalformedError(self._message, self._path + field, rule)

    def optional_text(self, field: str) -> str | None:
        text = self._element.get(field)
        if text is not None and len(text) > TEXT_CHARS_MAX:
            raise self.fail(field, f"at most {TEXT_CHARS_MAX} characters")
        return text

    def text(self, field: str) -> str:
        text = self.optional_text(field)
        if not text:
            raise self.fail(field, "is missing")
        return text

    def optional_whole(self, field: str, low: int, high: int) -> int | None:
        text = self.optional_text(field)
        if text is None or text == "":
            return None
        value = int(text) if _INTEGER.fullmatch(text) else None
        if value is None or not low <= value <= high:
            raise self.fail(field, f"a whole number from {low} to {high}, not {text[:40]!r}")
        return value

    def whole(self, field: str, low: int, high: int) -> int:
        value = self.optional_whole(field, low, high)
        if value is None:
            raise self.fail(field, "is missing")
        return value

    def whole_or(self, field: str, low: int, high: int, default: int) -> int:
        value = self.optional_whole(field, low, high)
        return default if value is None else value

    def decimal(self, field: str, high: int) -> Decimal | None:
        text = self.optional_text(field)
        if text is None or text == "":
            return None
        value = Decimal(text) if _DECIMAL.fullmatch(text) else None
        if value is None or not 0 <= value <= high:
            raise self.fail(field, f"a decimal from 0 to {high}, not {text[:40]!r}")
        return value

    def child(self, name: str) -> "_Fields | None":
        return next(self.children(name), None)

    def children(self, name: str) -> Iterator["_Fields"]:
        for element in self._element:
            if _local(element) == name:
                yield _Fields(self._message, element, f"{self._path}{name}.")


# --- what many messages share --------------------------------------------------------------------

Common = tuple[int, int, int | None]


def _common(fields: _Fields, *, product_needed: bool = True) -> Common:
    product = fields.optional_whole("product", 1, PRODUCT_MAX)
    if product is None and product_needed:
        raise fields.fail("product", "is missing")
    return (
        NO_PRODUCT if product is None else product,
        fields.whole("timestamp", 0, MS_MAX),
        fields.optional_whole("request_id", 0, REQUEST_ID_MAX),
    )


def _event(fields: _Fields) -> str:
    event_id = fields.text("event_id").strip()
    if _EVENT.fullmatch(event_id) is None:
        raise fields.fail("event_id", "1 to 64 of letters, digits, colon, dot, dash, underscore")
    return event_id


def _market_name(fields: _Fields) -> MarketName:
    return MarketName(
        id=fields.whole("id", 0, MARKET_ID_MAX), specifiers=fields.optional_text("specifiers") or ""
    )


def _voided(fields: _Fields) -> MarketVoided:
    return MarketVoided(
        name=_market_name(fields), void_reason=fields.optional_whole("void_reason", 0, 9_999)
    )


def _all_voided(fields: _Fields) -> tuple[MarketVoided, ...]:
    return tuple(_voided(market) for market in fields.children("market"))


# --- odds_change ---------------------------------------------------------------------------------


def _odds_change(fields: _Fields) -> OddsChange:
    product, timestamp, request_id = _common(fields)
    odds, status = fields.child("odds"), fields.child("sport_event_status")
    return OddsChange(
        product=product,
        timestamp=timestamp,
        request_id=request_id,
        event_id=_event(fields),
        status=None if status is None else _sport_event_status(status),
        betting_status=odds.optional_whole("betting_status", 0, 9_999) if odds else None,
        betstop_reason=odds.optional_whole("betstop_reason", 0, 9_999) if odds else None,
        markets=tuple(_market_odds(m) for m in odds.children("market")) if odds else (),
    )


def _market_odds(fields: _Fields) -> MarketOdds:
    return MarketOdds(
        name=_market_name(fields),
        status=fields.whole_or("status", -4, 1, 1),
        favourite=fields.whole_or("favourite", 0, 1, 0) == 1,
        outcomes=tuple(_outcome_odds(outcome) for outcome in fields.children("outcome")),
    )


def _outcome_odds(fields: _Fields) -> OutcomeOdds:
    odds = fields.decimal("odds", ODDS_MAX)
    probability = fields.decimal("probabilities", 1)
    return OutcomeOdds(
        id=fields.text("id"),
        odds_milli=None if odds is None else int((odds * 1000).to_integral_value(ROUND_FLOOR)),
        probability=None if probability is None else float(probability),
        active=fields.whole_or("active", 0, 1, 1) == 1,
    )


def _sport_event_status(fields: _Fields) -> SportEventStatus:
    clock, periods = fields.child("clock"), fields.child("period_scores")
    home_red, away_red = _sent_off(fields.child("statistics"))
    return SportEventStatus(
        status=fields.whole("status", 0, 99),
        match_status=fields.optional_whole("match_status", 0, 99_999),
        home_score=_score(fields, "home_score"),
        away_score=_score(fields, "away_score"),
        clock_s=None if clock is None else _clock_s(clock),
        periods=tuple(_period(p) for p in periods.children("period_score")) if periods else (),
        home_red_cards=home_red,
        away_red_cards=away_red,
    )


def _score(fields: _Fields, field: str) -> int | None:
    """Return a score as a whole number; some sports have halves, which mean nothing to us."""
    value = fields.decimal(field, SCORE_MAX)
    return None if value is None or value != int(value) else int(value)


def _clock_s(fields: _Fields) -> int | None:
    total = None
    for field in ("match_time", "stoppage_time"):
        text = fields.optional_text(field)
        if text is None or text == "":
            continue
        match = _CLOCK.fullmatch(text)
        if match is None:
            raise fields.fail(field, f"minutes and seconds as 75:02, not {text[:40]!r}")
        total = (total or 0) + 60 * int(match[1]) + int(match[2])
    return total


def _period(fields: _Fields) -> PeriodScore:
    return PeriodScore(
        code=fields.whole_or("match_status_code", 0, 99_999, 0),
        home=_score(fields, "home_score") or 0,
        away=_score(fields, "away_score") or 0,
    )


def _sent_off(statistics: _Fields | None) -> tuple[int, int]:
    home = away = 0
    for name in ("red_cards", "yellow_red_cards"):
        cards = statistics.child(name) if statistics else None
        if cards is not None:
            home += cards.whole_or("home", 0, CARDS_MAX, 0)
            away += cards.whole_or("away", 0, CARDS_MAX, 0)
    return home, away


# --- the other kinds -----------------------------------------------------------------------------


def _bet_stop(fields: _Fields) -> BetStop:
    product, timestamp, request_id = _common(fields)
    groups = tuple(group for group in fields.text("groups").split("|") if group)
    if not 0 < len(groups) <= GROUPS_MAX:
        raise fields.fail("groups", f"from 1 to {GROUPS_MAX} names")
    return BetStop(
        product=product,
        timestamp=timestamp,
        request_id=request_id,
        event_id=_event(fields),
        groups=groups,
        market_status=fields.whole_or("market_status", -4, 1, -1),
    )


def _bet_settlement(fields: _Fields) -> BetSettlement:
    product, timestamp, request_id = _common(fields)
    outcomes = fields.child("outcomes")
    return BetSettlement(
        product=product,
        timestamp=timestamp,
        request_id=request_id,
        event_id=_event(fields),
        certainty=fields.whole("certainty", 1, 2),
        markets=tuple(_market_settled(m) for m in outcomes.children("market")) if outcomes else (),
    )


def _market_settled(fields: _Fields) -> MarketSettled:
    return MarketSettled(
        name=_market_name(fields),
        outcomes=tuple(_outcome_settled(outcome) for outcome in fields.children("outcome")),
    )


def _outcome_settled(fields: _Fields) -> OutcomeSettled:
    void = fields.decimal("void_factor", 1) or Decimal(0)
    if 2 * void not in (0, 1, 2):
        raise fields.fail("void_factor", "0, 0.5 or 1")
    dead_heat = fields.decimal("dead_heat_factor", 1)
    return OutcomeSettled(
        id=fields.text("id"),
        result=fields.whole("result", -1, 1),
        void_halves=int(2 * void),
        dead_heat=(1, 1) if dead_heat is None else dead_heat_fraction(dead_heat),
    )


def dead_heat_fraction(factor: Decimal) -> tuple[int, int]:
    """Return the fraction that a decimal factor stands for, such as 1/3 for 0.3333.

    The figure itself where its denominator is small enough; else the simplest fraction that is
    written so when its decimals are cut or rounded; else the nearest.
    """
    exact = Fraction(factor)
    if exact.denominator <= DEAD_HEAT_DEN_MAX:
        return exact.numerator, exact.denominator
    exponent = factor.as_tuple().exponent
    last_digit = Fraction(1, 10 ** min(max(-int(exponent), 0), 24))
    for denominator in range(1, DEAD_HEAT_DEN_MAX + 1):
        numerator = round(exact * denominator)
        if numerator and abs(Fraction(numerator, denominator) - exact) < last_digit:
            return numerator, denominator
    near = exact.limit_denominator(DEAD_HEAT_DEN_MAX)
    return near.numerator, near.denominator


def _bet_cancel(fields: _Fields) -> BetCancel:
    product, timestamp, request_id = _common(fields)
    return BetCancel(
        product=product,
        timestamp=timestamp,
        request_id=request_id,
        event_id=_event(fields),
        start_time=fields.optional_whole("start_time", 0, MS_MAX),
        end_time=fields.optional_whole("end_time", 0, MS_MAX),
        superceded_by=fields.optional_text("superceded_by") or "",
        markets=_all_voided(fields),
    )


def _rollback_bet_cancel(fields: _Fields) -> RollbackBetCancel:
    product, timestamp, request_id = _common(fields, product_needed=False)
    return RollbackBetCancel(
        product=product,
        timestamp=timestamp,
        request_id=request_id,
        event_id=_event(fields),
        start_time=fields.optional_whole("start_time", 0, MS_MAX),
        end_time=fields.optional_whole("end_time", 0, MS_MAX),
        markets=_all_voided(fields),
    )


def _rollback_bet_settlement(fields: _Fields) -> RollbackBetSettlement:
    product, timestamp, request_id = _common(fields, product_needed=False)
    return RollbackBetSettlement(
        product=product,
        timestamp=timestamp,
        request_id=request_id,
        event_id=_event(fields),
        markets=_all_voided(fields),
    )


def _fixture_change(fields: _Fields) -> FixtureChange:
    # The provider's own examples of this message leave its time out.
    return FixtureChange(
        product=fields.whole("product", 1, PRODUCT_MAX),
        timestamp=fields.whole_or("timestamp", 0, MS_MAX, 0),
        request_id=fields.optional_whole("request_id", 0, REQUEST_ID_MAX),
        event_id=_event(fields),
        change_type=fields.optional_whole("change_type", 0, 99),
    )


def _alive(fields: _Fields) -> Alive:
    product, timestamp, _ = _common(fields)
    return Alive(
        product=product, timestamp=timestamp, subscribed=fields.whole("subscribed", 0, 1) == 1
    )


def _snapshot_complete(fields: _Fields) -> SnapshotComplete:
    product, timestamp, request_id = _common(fields)
    return SnapshotComplete(product=product, timestamp=timestamp, request_id=request_id)


def _product_down(fields: _Fields) -> ProductDown:
    product, timestamp, _ = _common(fields)
    return ProductDown(product=product, timestamp=timestamp)


def _source_began(fields: _Fields) -> SourceBegan:
    del fields
    return SourceBegan(product=NO_PRODUCT, timestamp=0)


_READERS: Final[dict[str, Callable[[_Fields], AnyMessage]]] = {
    "odds_change": _odds_change,
    "bet_stop": _bet_stop,
    "bet_settlement": _bet_settlement,
    "bet_cancel": _bet_cancel,
    "rollback_bet_settlement": _rollback_bet_settlement,
    "rollback_bet_cancel": _rollback_bet_cancel,
    "fixture_change": _fixture_change,
    "alive": _alive,
    "snapshot_complete": _snapshot_complete,
    "product_down": _product_down,
    "source_began": _source_began,
}
KINDS: Final = tuple(_READERS)
