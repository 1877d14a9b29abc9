"""Every message is read into its type, or refused with the field and the bound it breaks."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.common.units import DEAD_HEAT_DEN_MAX
from gateway.feeds.uof.messages import (
    SUBSCRIPTION_STARTED,
    Alive,
    BetCancel,
    BetSettlement,
    BetStop,
    FixtureChange,
    OddsChange,
    ProductDown,
    RollbackBetCancel,
    RollbackBetSettlement,
    SnapshotComplete,
    SubscriptionStarted,
)
from gateway.feeds.uof.xml import GROUPS_MAX, KINDS, dead_heat_fraction, read
from gateway.feeds.uof.xml_fields import (
    ATTRIBUTES_MAX,
    DEPTH_MAX,
    ELEMENTS_MAX,
    TEXT_CHARS_MAX,
    UOF_BYTES_MAX,
    UofMalformedError,
)
from tests.gateway.feeds.uof.builders import (
    MATCH_WINNER,
    OVER_UNDER,
    alive,
    bet_settlement,
    bet_stop,
    correction,
    market,
    odds_change,
    settled,
    snapshot_complete,
)

LIVE = (
    '<sport_event_status status="1" match_status="7" home_score="2" away_score="1">'
    '<clock match_time="45:00" stoppage_time="2:30"/><period_scores>'
    '<period_score match_status_code="6" number="1" home_score="1" away_score="1"/>'
    '<period_score match_status_code="7" number="2" home_score="1" away_score="0"/>'
    '</period_scores><statistics><red_cards home="1" away="0"/>'
    '<yellow_red_cards home="1" away="2"/></statistics></sport_event_status>'
)
SAMPLES = (
    odds_change(
        market(1, MATCH_WINNER),
        market(18, OVER_UNDER, specifiers="total=2.5", children="<market_metadata/>"),
        at=1,
        status=LIVE,
        odds='betting_status="3"',
        request_id=9,
    ),
    bet_stop(at=2, groups="score|1st_half", attributes='market_status="0"'),
    bet_settlement(
        settled(1, (("1", 'result="1" dead_heat_factor="0.3333"'), ("2", 'result="0"'))), at=3
    ),
    correction(
        "bet_cancel", 1, at=4, attributes='start_time="5" end_time="9"', reason='void_reason="12"'
    ),
    correction("rollback_bet_settlement", 1, at=5),
    correction("rollback_bet_cancel", 1, at=6),
    b'<fixture_change event_id="sr:match:1" product="3" change_type="3" timestamp="7"/>',
    alive(at=8),
    snapshot_complete(at=9, request_id=77),
    b'<product_down product="1" timestamp="10"/>',
    b"<source_began/>",
)


def test_every_kind_of_message_is_read_into_its_own_type():
    kinds = [type(read(body)) for body in SAMPLES]

    assert kinds == [
        OddsChange, BetStop, BetSettlement, BetCancel, RollbackBetSettlement, RollbackBetCancel,
        FixtureChange, Alive, SnapshotComplete, ProductDown,
            SubscriptionStarted,
    ]  # fmt: skip
    assert len(kinds) == len(KINDS)


def test_an_odds_change_is_read_field_by_field():
    message = read(SAMPLES[0])

    assert isinstance(message, OddsChange)
    assert (message.product, message.request_id, message.betting_status) == (1, 9, 3)
    one, total = message.markets
    assert [(o.id, o.odds_milli) for o in one.outcomes] == [("1", 2100), ("2", 3400), ("3", 3600)]
    assert (total.name.id, total.name.specifiers, total.status) == (18, "total=2.5", 1)
    status = message.status
    assert status is not None
    assert (status.home_score, status.away_score, status.clock_s) == (2, 1, 47 * 60 + 30)
    assert (status.home_red_cards, status.away_red_cards) == (2, 2)
    assert [(p.code, p.home, p.away) for p in status.periods] == [(6, 1, 1), (7, 1, 0)]


def test_a_market_without_status_is_active_and_an_outcome_without_odds_has_none():
    body = odds_change(market(1, (("1", 'active="0"'),), status=None), at=1)

    message = read(body)

    assert isinstance(message, OddsChange)
    assert message.markets[0].status == 1
    assert message.markets[0].outcomes[0].odds_milli is None
    assert not message.markets[0].outcomes[0].active


@pytest.mark.parametrize(
    ("text", "odds_milli", "probability"),
    [
        ('odds="1.0049" probabilities="8.97094E-4"', 1004, 8.97094e-4),
        ('odds="200.0" probabilities="7.2E-9"', 200_000, 7.2e-9),
        ('odds="1" probabilities="1"', 1000, 1.0),
        ('odds="0" probabilities="0"', 0, 0.0),
        ('odds="1.9999999" probabilities="0.5"', 1999, 0.5),
    ],
)
def test_odds_are_rounded_down_to_thousandths_and_exponents_are_read(text, odds_milli, probability):
    message = read(odds_change(market(1, (("1", text),)), at=1))

    assert isinstance(message, OddsChange)
    assert message.markets[0].outcomes[0].odds_milli == odds_milli
    assert message.markets[0].outcomes[0].probability == probability


@pytest.mark.parametrize(
    ("factor", "fraction"),
    [
        ("0.5", (1, 2)), ("0.3333", (1, 3)), ("0.33", (1, 3)), ("0.6667", (2, 3)),
        ("0.666", (2, 3)), ("0.25", (1, 4)), ("0.4", (2, 5)), ("0.1429", (1, 7)),
        ("0.0909091", (1, 11)), ("1", (1, 1)), ("1.0", (1, 1)), ("0", (0, 1)),
    ],
)  # fmt: skip
def test_a_dead_heat_factor_is_the_simplest_fraction_with_its_decimals(factor, fraction):
    assert dead_heat_fraction(Decimal(factor)) == fraction


@given(st.integers(1, DEAD_HEAT_DEN_MAX), st.integers(4, 8))
def test_a_share_of_a_dead_heat_is_found_from_any_number_of_decimals(tied, digits):
    exact = Decimal(1) / tied
    step = Decimal(1).scaleb(-digits)

    assert dead_heat_fraction(exact.quantize(step)) == (1, tied)


@pytest.mark.parametrize(
    ("body", "message", "field"),
    [
        (b"", "message", "bytes"),
        (b"<alive" + b" " * UOF_BYTES_MAX + b"/>", "message", "bytes"),
        (b"\xff\xfe<\x00", "message", "bytes"),
        (b"<alive", "message", "xml"),
        (b"plain text", "message", "xml"),
        (b"<weather/>", "message", "root"),
        (b'<!DOCTYPE alive [<!ENTITY a "b">]><alive product="1"/>', "message", "document type"),
        (b'<?xml version="1.0" encoding="latin-1"?><alive/>', "message", "encoding"),
        (b"<odds_change>" + b"<a/>" * (2 * ELEMENTS_MAX), "message", "elements"),
        (b"<alive>" * 300 + b"</alive>" * 300, "message", "xml"),
        (b'<alive timestamp="1" subscribed="1"/>', "alive", "product"),
        (b'<alive product="0" timestamp="1" subscribed="1"/>', "alive", "product"),
        (b'<alive product="1" timestamp="-1" subscribed="1"/>', "alive", "timestamp"),
        (b'<alive product="1" timestamp="1e9" subscribed="1"/>', "alive", "timestamp"),
        (b'<alive product="1" timestamp="99999999999999" subscribed="1"/>', "alive", "timestamp"),
        (b'<alive product="1" timestamp="1" subscribed="2"/>', "alive", "subscribed"),
        (b'<alive product="1" timestamp="1"/>', "alive", "subscribed"),
        (b'<bet_stop product="1" timestamp="1" event_id="a/b"/>', "bet_stop", "groups"),
        (odds_change(at=1, event="a/b"), "odds_change", "event_id"),
        (b'<bet_stop product="1" timestamp="1" event_id="a" groups="|"/>', "bet_stop", "groups"),
        (bet_stop(at=1, groups="|".join(["all"] * (GROUPS_MAX + 1))), "bet_stop", "groups"),
        (
            bet_stop(at=1, groups="x" * (TEXT_CHARS_MAX + 1)),
            "bet_stop",
            "groups",
        ),
        (bet_settlement(at=1, certainty=3), "bet_settlement", "certainty"),
        (
            bet_settlement(settled(1, (("1", 'result="1" void_factor="0.3"'),)), at=1),
            "bet_settlement",
            "outcomes.market.outcome.void_factor",
        ),
        (
            bet_settlement(settled(1, (("1", 'result="2"'),)), at=1),
            "bet_settlement",
            "outcomes.market.outcome.result",
        ),
        (
            bet_settlement(settled(1, (("1", 'result="1" dead_heat_factor="1.5"'),)), at=1),
            "bet_settlement",
            "outcomes.market.outcome.dead_heat_factor",
        ),
        (odds_change(market(1, status=2), at=1), "odds_change", "odds.market.status"),
        *(
            (
                odds_change(market(1, (("1", f'odds="{bad}"'),)), at=1),
                "odds_change",
                "odds.market.outcome.odds",
            )
            for bad in ("NaN", "inf", "-1.5", "1e99", "1,5", "0x10", "1_000", "\u0661.5")
        ),
        (
            odds_change(market(1, (("1", 'probabilities="1.01"'),)), at=1),
            "odds_change",
            "odds.market.outcome.probabilities",
        ),
        (  # the nearest float is 1.0
            odds_change(market(1, (("1", 'probabilities="1.000000000000000000001"'),)), at=1),
            "odds_change",
            "odds.market.outcome.probabilities",
        ),
        (odds_change(market(1, (("", "1.5"),)), at=1), "odds_change", "odds.market.outcome.id"),
        (
            odds_change(at=1, status='<sport_event_status status="1"><clock match_time="5:7"/>'
                        "</sport_event_status>"),
            "odds_change",
            "sport_event_status.clock.match_time",
        ),
    ],
)  # fmt: skip
def test_a_value_outside_its_bound_is_refused_with_message_and_field(body, message, field):
    with pytest.raises(UofMalformedError) as refused:
        read(body)

    assert (refused.value.message, refused.value.field) == (message, field)


def test_too_many_attributes_are_refused():
    many = " ".join(f'a{n}="1"' for n in range(ATTRIBUTES_MAX + 1))

    with pytest.raises(UofMalformedError, match="attributes"):
        read(f"<alive {many}/>".encode())


@pytest.mark.parametrize(("deep", "wide"), [(DEPTH_MAX, 1), (3, 2 * DEPTH_MAX)])
def test_elements_as_deep_as_allowed_are_read_however_many_stand_side_by_side(deep, wide):
    inside = ("<a>" * (deep - 2) + "<b/>" + "</a>" * (deep - 2)) * wide

    assert isinstance(read(f"<source_began>{inside}</source_began>".encode()), SubscriptionStarted)


def test_an_element_deeper_than_allowed_is_refused():
    inside = "<a>" * (DEPTH_MAX - 1) + "<b/>" + "</a>" * (DEPTH_MAX - 1)

    with pytest.raises(UofMalformedError, match=f"at most {DEPTH_MAX} elements deep"):
        read(f"<source_began>{inside}</source_began>".encode())


def test_a_billion_laughs_document_is_refused():
    lines = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    body = f'<!DOCTYPE a [<!ENTITY l0 "ha">{lines}]><alive product="&l9;"/>'.encode()

    with pytest.raises(UofMalformedError, match="document type"):
        read(body)


def test_unknown_elements_and_attributes_are_ignored():
    body = b'<alive product="1" timestamp="5" subscribed="1" mood="good"><x y="z"/></alive>'

    assert read(body) == Alive(product=1, timestamp=5, subscribed=True)


def test_a_namespace_and_a_byte_order_mark_change_nothing():
    body = b'\xef\xbb\xbf<alive xmlns="urn:x" product="1" timestamp="5" subscribed="0"/>'

    assert read(body) == Alive(product=1, timestamp=5, subscribed=False)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_random_bytes_raise_nothing_else(body):
    assume(SUBSCRIPTION_STARTED not in body)  # the one message without attributes
    with pytest.raises(UofMalformedError):
        read(body)


@given(
    st.sampled_from(SAMPLES),
    st.lists(
        st.tuples(st.integers(0, 2_000), st.binary(max_size=6), st.integers(0, 8)), max_size=4
    ),
)
@settings(max_examples=400, deadline=None)
def test_a_changed_message_is_read_or_refused_and_raises_nothing_else(body, edits):
    for at, new, drop in edits:
        place = at % (len(body) + 1)
        body = body[:place] + new + body[place + drop :]

    with contextlib.suppress(UofMalformedError):
        assert read(body).timestamp >= 0
