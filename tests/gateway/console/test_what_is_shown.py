"""What pages say of fixtures, alerts and rules, and how forms are read, without a browser."""

from typing import get_args

import msgspec
import pytest

from engine.common.commands import LimitsPatch, OutcomeResult
from engine.common.ids import MarketNo
from engine.common.stated_results import StatedOutcome, StatedResult
from engine.pricing.margin import Method
from engine.pricing.quoting import Margin
from engine.pricing.skew import Skew
from engine.watch.kinds import Kind
from gateway.client import ConnectionLostError
from gateway.console.guide import heading_of, sections
from gateway.console.lines import FixtureView, Line, OddsHistory
from gateway.console.open_alerts import OpenAlerts
from gateway.console.pages.creation import market_of, start_ms
from gateway.console.pages.floor_rows import SOON_S, STATE_NAMES, state_text
from gateway.console.pages.forms import FormError, fields_of, minor_of, read, text_of, values_of
from gateway.console.pages.kept import margin_text
from gateway.console.pages.margins import METHODS, SKEWS, margin_of
from gateway.console.pages.parts import worst_text
from gateway.console.pages.rules import rule_of
from gateway.console.pages.settlement import feeds_text
from gateway.messages.fixtures import FixtureLine
from gateway.messages.margins import KeptMargin
from gateway.messages.market import Market
from gateway.messages.scopes import MarketScope
from gateway.messages.settlement_work import SettlementLine
from gateway.messages.watching import AlertView

START_MS = 1_800_000_000_000
START_S = START_MS / 1_000


def fixture(status: str = "active", **about: object) -> FixtureView:
    image = Market(
        market=1,
        key="cup/1x2",
        status=status,
        version=1,
        outcomes=("home", "away"),
        odds_milli=(2_000, 2_000),
        active=(True, True),
    )
    line = Line(
        number=MarketNo(1),
        key="cup/1x2",
        fixture="cup",
        type="1x2",
        name="1x2",
        image=image,
        odds_history=OddsHistory(2),
    )
    view = FixtureView("cup")
    view.about = FixtureLine(fixture="cup", name="Cup", start_ms=START_MS, **about)
    view.add(line)
    view.count(line)
    return view


def alert(number: int, kind: str = "liability", **fields: object) -> AlertView:
    given = {"severity": "medium", "status": "open", "subject": "x", **fields}
    return AlertView(
        number=number, rule="r", kind=kind, figures={}, first_at="", last_at="", **given
    )


def alerts_of(*alerts: AlertView) -> OpenAlerts:
    def lost() -> None:
        raise ConnectionLostError(1006, "no session")

    found = OpenAlerts(lost)
    found.take(alerts)
    return found


@pytest.mark.parametrize(
    ("at_s", "state"),
    [
        (START_S - SOON_S - 1, "pre-match"),
        (START_S - SOON_S, "soon"),
        (START_S, "soon"),
        (START_S + 1, "due"),
    ],
)
def test_a_fixture_starts_soon_a_quarter_of_an_hour_before(at_s: float, state: str) -> None:
    assert state_text(fixture(), at_s, ()) == STATE_NAMES[state]
    assert state_text(fixture(state="live"), at_s, ()) == STATE_NAMES["active"]


def test_a_feed_is_lost_where_no_other_describes_the_fixture() -> None:
    one = fixture("suspended", state="live", external_ids={"uof": "sr:match:1"})
    assert state_text(one, START_S, {"uof"}) == STATE_NAMES["feed lost"]
    assert state_text(one, START_S, {"other"}) == STATE_NAMES["suspended"]
    two = fixture("suspended", state="live", external_ids={"uof": "1", "lsports": "2"})
    assert state_text(two, START_S, {"uof"}) == STATE_NAMES["suspended"]
    assert state_text(two, START_S, {"uof", "lsports"}) == STATE_NAMES["feed lost"]
    by_itself = fixture("suspended", external_ids={"uof": "1", "ls": "2"}, lost={"uof": "silent"})
    assert state_text(by_itself, START_S, ()) == STATE_NAMES["suspended"]
    assert state_text(by_itself, START_S, {"ls"}) == STATE_NAMES["feed lost"]
    over = fixture("closed", state="ended", external_ids={"uof": "1"})
    assert state_text(over, START_S, {"uof"}) == STATE_NAMES["to settle"]


def test_alerts_are_counted_by_fixture_with_the_sign_of_the_worst() -> None:
    found = alerts_of(
        alert(4, fixture="cup", severity="low"),
        alert(3, fixture="cup", severity="critical", status="investigating"),
        alert(2, fixture="cup", severity="critical", status="resolved"),
        alert(1, kind="feed_lag", subject="feed uof"),
    )
    assert found.of_fixture("cup") == "\u26a0 2"
    assert found.of_fixture("other") == ""
    assert found.lost_feeds == {"uof"}


def test_an_account_keeps_its_flags_until_a_person_says_that_it_was_nothing() -> None:
    found = alerts_of(
        alert(4, kind="closing_value", accounts=(7,), status="resolved"),
        alert(3, kind="syndicate", accounts=(7, 8)),
        alert(2, kind="closing_value", accounts=(9,), status="false_positive"),
    )
    assert found.is_sharp(7)
    assert found.has_pattern(7)
    assert found.has_pattern(8)
    assert not found.is_sharp(8)
    assert not found.is_sharp(9)
    assert found.kinds_of(7) == ["closing_value", "syndicate"]


async def test_without_an_answer_the_last_alerts_stand() -> None:
    found = alerts_of(alert(1, fixture="cup"))
    await found.refresh(100.0)
    assert found.of_fixture("cup") == "\u25b3 1"


def test_each_kind_of_rule_has_its_text() -> None:
    for kind in get_args(Kind):
        parts = sections()[heading_of(kind.__struct_config__.tag)]
        assert any(part.tag == "li" and part.text.startswith("Do: ") for part in parts)
        assert not any("**" in part.text or "](" in part.text for part in parts)


@pytest.mark.parametrize("kind", get_args(Kind), ids=lambda kind: kind.__struct_config__.tag)
def test_a_rule_is_read_as_its_form_was_filled(kind: type) -> None:
    tag = kind.__struct_config__.tag
    defaults = {f"{tag}.{one['name']}": one.get("value", "12") for one in fields_of(kind)}
    rule = rule_of({"name": "a", "kind": tag, "scope.sport": "football", **defaults})
    assert rule.kind_name == tag
    assert values_of(rule.kind, prefix=f"{tag}.") == defaults
    assert rule.scope.sport == "football"


@pytest.mark.parametrize(
    ("text", "minor"), [("5000", 500_000), ("12.5", 1_250), ("0.07", 7), ("1,000.25", 100_025)]
)
def test_an_amount_is_read_as_it_is_written(text: str, minor: int) -> None:
    assert minor_of(text) == minor
    assert minor_of(text_of("x_minor", minor)) == minor


@pytest.mark.parametrize(
    "text", ["", ".", "-1", "1e9", "nan", "\u0665", "1.234", "9" * 16, "<b>", "0x10"]
)
def test_no_amount_is_made_of_another_text(text: str) -> None:
    with pytest.raises(FormError, match="stake max"):
        read(LimitsPatch, {"stake_minor_max": text})


def test_the_margins_form_knows_the_methods_and_skews_of_pricing() -> None:
    assert {margin_of({"margin": "5", "method": name})["margin"]["method"] for name in METHODS} == {
        Method.ODDS_RATIO, Method.PROPORTIONAL, Method.ADDITIVE, Method.POWER, Method.SHIN
    }  # fmt: skip
    assert METHODS["odds ratio"] == Method.ODDS_RATIO
    assert METHODS["shin"] == Method.SHIN
    for kind in get_args(Skew):
        tag = kind.__struct_config__.tag
        assert set(SKEWS[tag]) == set(kind.__struct_fields__)
        filled = {f"{tag}.{one['name']}": one.get("value", "5000") for one in fields_of(kind)}
        said = margin_of({"skew": tag, **filled})["skew"]
        assert msgspec.convert(said, Skew).__class__ is kind


def test_a_margin_in_percent_is_a_book_sum() -> None:
    said = margin_of({"margin": "5.5"})
    assert said == {"margin": {"method": Method.ODDS_RATIO, "book_milli": 1_055}}
    kept = KeptMargin(scope=MarketScope(house=True), **said)
    assert margin_text(kept) == "margin 5.5%, odds ratio"
    full = msgspec.json.decode(msgspec.json.encode(Margin(**said["margin"])))
    assert margin_text(KeptMargin(scope=MarketScope(house=True), margin=full)) == (
        "margin 5.5%, odds ratio"
    )
    assert margin_of({"skew": "not at all"}) == {"skew": None}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"margin": "<b>"},
        {"margin": "-1"},
        {"margin": "5", "method": "none"},
        {"skew": "other"},
        {"skew": "linear", "linear.shift_milli_max": "x"},
    ],
)
def test_no_margin_is_made_of_another_text(values: dict[str, str]) -> None:
    with pytest.raises(FormError):
        margin_of(values)


def test_a_market_by_hand_is_read_as_it_is_written() -> None:
    market = market_of(
        {"key": "cup/winner", "outcomes": "brazil, france", "odds": "2.10, 1.9", "open": "true"}
    )
    assert market.outcomes == ("brazil", "france")
    assert market.odds_milli == (2_100, 1_900)
    assert market.open
    for odds in ("2.10", "2.10, x", ""):
        with pytest.raises(FormError, match="odds"):
            market_of({"key": "cup/winner", "outcomes": "brazil, france", "odds": odds})
    with pytest.raises(FormError, match="key"):
        market_of({"key": "", "outcomes": "a", "odds": "2"})


def test_a_start_is_a_time_of_utc() -> None:
    assert start_ms("2022-12-18 15:00") == 1_671_375_600_000
    with pytest.raises(FormError, match="start"):
        start_ms("tomorrow")


def test_a_conflict_says_what_each_feed_states_of_the_outcomes_that_differ() -> None:
    def states(feed: str, *results: OutcomeResult, cancelled: bool = False) -> StatedResult:
        stated = [StatedOutcome(outcome=at, result=one) for at, one in enumerate(results)]
        return StatedResult(feed=feed, results=tuple(stated), cancelled=cancelled)

    won, lost = OutcomeResult(won=True), OutcomeResult(won=False)
    half = OutcomeResult(won=True, void_halves=1)
    line = SettlementLine(
        market=MarketNo(1),
        key="cup/1x2",
        status="settled",
        differ=(0,),
        statements=(
            states("uof", won, lost),
            states("lsports", lost, lost),
            states("exchange", half),
            states("other", cancelled=True),
        ),
    )
    assert feeds_text(line, 0) == (
        "uof \u2713 wins, lsports \u2715 loses, exchange \u2713 wins, half void, other cancelled"
    )
    assert feeds_text(line, 1) == ""


def test_a_sum_of_worst_cases_says_how_many_books_it_does_not_know() -> None:
    view = fixture()
    assert (view.running, view.unread) == (1, 1)
    assert worst_text(-12_300, unread=0) == "\u2212123"
    assert worst_text(-12_300, unread=view.unread) == "at least \u2212123 (1 books unknown)"
