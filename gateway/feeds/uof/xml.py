"""Read the bytes of one Unified Odds Feed message into its type.

Owns which fields each message has, and their bounds. An unknown element or attribute is ignored; a
known one must fit its bound, or the whole message is refused with an error that names the field and
the bound. It never decides what a message does to a market.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Final
from xml.etree.ElementTree import Element

from msgspec import UNSET, UnsetType

from engine.common.units import DEAD_HEAT_DEN_MAX
from gateway.feeds.uof.grammar import EVENT_ID_RULE, is_event_id
from gateway.feeds.uof.messages import (
    CARDS_MAX,
    MARKET_ID_MAX,
    NO_CERTAINTY,
    NO_PRODUCT,
    PRODUCT_MAX,
    REQUEST_ID_MAX,
    SCORE_MAX,
    TIMESTAMP_MS_MAX,
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
    SportEventStatus,
    SubscriptionStarted,
)
from gateway.feeds.uof.xml_fields import (
    Fields,
    UofMalformedError,
    fields_of,
    local_name,
    parse,
)

ODDS_MAX: Final = 1_000_000
"""Largest decimal odds accepted; higher odds are taken for an error of the provider."""
GROUPS_MAX: Final = 32
"""Groups of one bet_stop; a bet_stop of more groups is one of all groups."""

_CLOCK: Final = re.compile(r"(\d{1,3})(?::([0-5]\d))?", re.ASCII)
_SCORES: Final = {str(score): score for score in range(256)}
"""Scores by their usual texts; any other text is read as a decimal."""


def read(body: bytes) -> AnyMessage:
    """Read one message.

    Raises
    ------
    UofMalformedError
        When anything is wrong with the body; no other exception is raised.
    """
    return read_root(parse(body))


def read_root(root: Element) -> AnyMessage:
    """Read one message from its root element; raises as `read` does."""
    name = local_name(root)
    reader = _READERS.get(name)
    if reader is None:
        raise UofMalformedError("message", "root", f"not a message of this feed: {name[:40]!r}")
    return reader(fields_of(root, name))


# --- fields that several messages share ----------------------------------------------------------

_Common = tuple[int, int, int | None]
"""Product, timestamp and request id."""


def _common(fields: Fields, *, product_required: bool = True) -> _Common:
    product = fields.optional_integer("product", 1, PRODUCT_MAX)
    if product is None and product_required:
        raise fields.error("product", "is missing")
    return (
        NO_PRODUCT if product is None else product,
        fields.integer("timestamp", 0, TIMESTAMP_MS_MAX),
        fields.optional_integer("request_id", 0, REQUEST_ID_MAX),
    )


def _event(fields: Fields) -> str:
    event_id = fields.text("event_id").strip()
    if not is_event_id(event_id):
        raise fields.error("event_id", EVENT_ID_RULE)
    return event_id


def _market_name(fields: Fields) -> MarketName:
    return MarketName(
        id=fields.integer("id", 0, MARKET_ID_MAX),
        specifiers=fields.optional_text("specifiers") or "",
    )


def _voided(fields: Fields) -> MarketVoided:
    outcomes = fields.children("outcome")
    return MarketVoided(
        name=_market_name(fields),
        void_reason=fields.optional_integer("void_reason", 0, 9_999),
        outcome_ids=tuple(each.text("id") for each in outcomes) if outcomes else UNSET,
    )


def _all_voided(fields: Fields) -> tuple[MarketVoided, ...]:
    return tuple(map(_voided, fields.children("market")))


# --- odds_change ---------------------------------------------------------------------------------


def _odds_change(fields: Fields) -> OddsChange:
    product, timestamp, request_id = _common(fields)
    odds, status = fields.child("odds"), fields.child("sport_event_status")
    return OddsChange(
        product=product,
        timestamp=timestamp,
        request_id=request_id,
        event_id=_event(fields),
        status=None if status is None else _sport_event_status(status),
        betting_status=odds.optional_integer("betting_status", 0, 9_999) if odds else None,
        betstop_reason=odds.optional_integer("betstop_reason", 0, 9_999) if odds else None,
        markets=tuple(map(_market_odds, odds.children("market"))) if odds else (),
    )


def _market_odds(fields: Fields) -> MarketOdds:
    outcomes = fields.children("outcome")
    # Few markets have any: most messages are read without looking for them.
    metadata = fields.child("market_metadata") if len(fields.element) > len(outcomes) else None
    return MarketOdds(
        name=_market_name(fields),
        # Missing it means open; empty it is damaged.
        status=fields.integer("status", -4, 1) if "status" in fields.attributes else 1,
        favourite=fields.integer_or("favourite", 0, 1, 0) == 1,
        cashout=fields.optional_integer("cashout_status", -2, 1),
        next_betstop=(
            metadata.optional_integer("next_betstop", 0, TIMESTAMP_MS_MAX) if metadata else None
        ),
        outcomes=tuple(map(_outcome_odds, outcomes)),
    )


def _outcome_odds(fields: Fields) -> OutcomeOdds:
    return OutcomeOdds(
        odds_milli=fields.odds_milli("odds", ODDS_MAX),
        id=fields.text("id"),
        probability=fields.real("probabilities", 1),
        active=fields.flag_or("active", default=True),
    )


def _sport_event_status(fields: Fields) -> SportEventStatus:
    clock, periods = fields.child("clock"), fields.child("period_scores")
    home_red, away_red = _sent_off(fields.child("statistics"))
    return SportEventStatus(
        status=fields.integer("status", 0, 99),
        match_status=fields.optional_integer("match_status", 0, 99_999),
        home_score=_score(fields, "home_score"),
        away_score=_score(fields, "away_score"),
        clock_s=None if clock is None else _clock_s(clock, "match_time", "stoppage_time"),
        announced_s=_announced_s(clock),
        periods=tuple(map(_period, periods.children("period_score"))) if periods else (),
        home_red_cards=home_red,
        away_red_cards=away_red,
        reporting=fields.optional_integer("reporting", -1, 1),
    )


def _score(fields: Fields, field: str) -> int | None:
    """Return a score; None for a score that is no whole number, as in sports with half points."""
    known = _SCORES.get(fields.attributes.get(field, ""))
    if known is not None:
        return known
    value = fields.decimal(field, SCORE_MAX)
    return None if value is None or value != int(value) else int(value)


def _announced_s(clock: Fields | None) -> int | UnsetType:
    announced_s = None if clock is None else _clock_s(clock, "stoppage_time_announced")
    return UNSET if announced_s is None else announced_s


def _clock_s(fields: Fields, *names: str) -> int | None:
    """Return the sum of some times of a clock; None where it gives none of them."""
    total = None
    for field in names:
        text = fields.optional_text(field)
        if text is None or text == "":
            continue
        match = _CLOCK.fullmatch(text)
        if match is None:
            rule = f"must be minutes or minutes:seconds such as 75:02, not {text[:40]!r}"
            raise fields.error(field, rule)
        total = (total or 0) + 60 * int(match[1]) + int(match[2] or 0)
    return total


def _period(fields: Fields) -> PeriodScore:
    return PeriodScore(
        code=fields.integer_or("match_status_code", 0, 99_999, 0),
        home=_score(fields, "home_score") or 0,
        away=_score(fields, "away_score") or 0,
    )


def _sent_off(statistics: Fields | None) -> tuple[int, int]:
    home = away = 0
    for name in ("red_cards", "yellow_red_cards"):
        cards = statistics.child(name) if statistics else None
        if cards is not None:
            home += cards.integer_or("home", 0, CARDS_MAX, 0)
            away += cards.integer_or("away", 0, CARDS_MAX, 0)
    return home, away


# --- other messages ------------------------------------------------------------------------------


def _bet_stop(fields: Fields) -> BetStop:
    product, timestamp, request_id = _common(fields)
    groups = tuple(group for group in fields.text("groups").split("|") if group)
    if not 0 < len(groups) <= GROUPS_MAX:
        raise fields.error("groups", f"must hold 1 to {GROUPS_MAX} names")
    return BetStop(
        product=product,
        timestamp=timestamp,
        request_id=request_id,
        event_id=_event(fields),
        groups=groups,
        market_status=fields.integer_or("market_status", -4, 1, -1),
    )


def _bet_settlement(fields: Fields) -> BetSettlement:
    product, timestamp, request_id = _common(fields)
    outcomes = fields.child("outcomes")
    return BetSettlement(
        product=product,
        timestamp=timestamp,
        request_id=request_id,
        event_id=_event(fields),
        certainty=fields.integer_or("certainty", 1, 2, NO_CERTAINTY),
        markets=tuple(map(_market_settled, outcomes.children("market"))) if outcomes else (),
    )


def _market_settled(fields: Fields) -> MarketSettled:
    return MarketSettled(
        name=_market_name(fields),
        outcomes=tuple(map(_outcome_settled, fields.children("outcome"))),
        void_reason=fields.optional_integer("void_reason", 0, 9_999),
    )


def _outcome_settled(fields: Fields) -> OutcomeSettled:
    void = fields.decimal("void_factor", 1) or Decimal(0)
    if 2 * void not in (0, 1, 2):
        raise fields.error("void_factor", "must be 0, 0.5 or 1")
    dead_heat = fields.decimal("dead_heat_factor", 1)
    return OutcomeSettled(
        id=fields.text("id"),
        result=fields.integer("result", -1, 1),
        void_halves=int(2 * void),
        dead_heat=(1, 1) if dead_heat is None else dead_heat_fraction(dead_heat),
    )


def dead_heat_fraction(factor: Decimal) -> tuple[int, int]:
    """Return the fraction that a decimal factor stands for, such as 1/3 for 0.3333.

    The exact fraction when its denominator is at most `DEAD_HEAT_DEN_MAX`; else the fraction of the
    smallest denominator that is cut or rounded to the same decimals; else the nearest fraction.
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


def _bet_cancel(fields: Fields) -> BetCancel:
    product, timestamp, request_id = _common(fields)
    return BetCancel(
        product=product,
        timestamp=timestamp,
        request_id=request_id,
        event_id=_event(fields),
        start_time=fields.optional_integer("start_time", 0, TIMESTAMP_MS_MAX),
        end_time=fields.optional_integer("end_time", 0, TIMESTAMP_MS_MAX),
        superceded_by=fields.optional_text("superceded_by") or "",
        markets=_all_voided(fields),
    )


def _rollback_bet_cancel(fields: Fields) -> RollbackBetCancel:
    product, timestamp, request_id = _common(fields, product_required=False)
    return RollbackBetCancel(
        product=product,
        timestamp=timestamp,
        request_id=request_id,
        event_id=_event(fields),
        start_time=fields.optional_integer("start_time", 0, TIMESTAMP_MS_MAX),
        end_time=fields.optional_integer("end_time", 0, TIMESTAMP_MS_MAX),
        markets=_all_voided(fields),
    )


def _rollback_bet_settlement(fields: Fields) -> RollbackBetSettlement:
    product, timestamp, request_id = _common(fields, product_required=False)
    return RollbackBetSettlement(
        product=product,
        timestamp=timestamp,
        request_id=request_id,
        event_id=_event(fields),
        markets=_all_voided(fields),
    )


def _fixture_change(fields: Fields) -> FixtureChange:
    # The provider's own examples of fixture_change have no timestamp.
    return FixtureChange(
        product=fields.integer("product", 1, PRODUCT_MAX),
        timestamp=fields.integer_or("timestamp", 0, TIMESTAMP_MS_MAX, 0),
        request_id=fields.optional_integer("request_id", 0, REQUEST_ID_MAX),
        event_id=_event(fields),
        change_type=fields.optional_integer("change_type", 0, 99),
        start_time=fields.optional_integer("start_time", 0, TIMESTAMP_MS_MAX),
    )


def _alive(fields: Fields) -> Alive:
    product, timestamp, _ = _common(fields)
    return Alive(
        product=product, timestamp=timestamp, subscribed=fields.integer("subscribed", 0, 1) == 1
    )


def _snapshot_complete(fields: Fields) -> SnapshotComplete:
    product, timestamp, request_id = _common(fields)
    return SnapshotComplete(product=product, timestamp=timestamp, request_id=request_id)


def _product_down(fields: Fields) -> ProductDown:
    product, timestamp, _ = _common(fields)
    return ProductDown(product=product, timestamp=timestamp)


def _subscription_started(fields: Fields) -> SubscriptionStarted:
    del fields
    return SubscriptionStarted(product=NO_PRODUCT, timestamp=0)


_READERS: Final[dict[str, Callable[[Fields], AnyMessage]]] = {
    OddsChange.kind: _odds_change,
    BetStop.kind: _bet_stop,
    BetSettlement.kind: _bet_settlement,
    BetCancel.kind: _bet_cancel,
    RollbackBetSettlement.kind: _rollback_bet_settlement,
    RollbackBetCancel.kind: _rollback_bet_cancel,
    FixtureChange.kind: _fixture_change,
    Alive.kind: _alive,
    SnapshotComplete.kind: _snapshot_complete,
    ProductDown.kind: _product_down,
    SubscriptionStarted.kind: _subscription_started,
}
KINDS: Final = tuple(_READERS)
"""Every kind of message that can be read."""
