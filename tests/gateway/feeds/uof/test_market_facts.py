"""What the feed says of its markets besides odds and results, and people's names of outcomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.commands import OUTCOME_CHARS_MAX
from gateway.feeds.core.settings import UofFeedSettings
from gateway.feeds.factory import adapter_of
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.outcome_names import (
    NAME_CHARS_MAX,
    NAMES_MAX,
    OutcomeNames,
    OutcomeNamesError,
    read_outcome_names,
)
from gateway.messages.feed import MarketFacts
from tests.gateway.feeds.uof.builders import (
    EVENT,
    HOME_WON,
    MATCH_WINNER,
    NOW_MS,
    bet_settlement,
    correction,
    feed_markets,
    market,
    odds_change,
    settled,
)

MARKET = f"{EVENT}/1x2"


def sent(*bodies):
    feed = feed_markets()
    for body in bodies:
        feed.receive(body)
    return feed


def facts(feed):
    return {one.key: one for one in feed.adapter.facts(EVENT)}


def quoted(attributes, *, at, children=""):
    text = odds_change(market(1, MATCH_WINNER, children=children), at=at)
    return text.replace(b'<market id="1"', b'<market id="1" ' + attributes.encode())


def test_favourite_cash_out_and_next_bet_stop_are_those_of_the_newest_message():
    stop = f'<market_metadata next_betstop="{NOW_MS + 90_000}"/>'
    feed = sent(quoted('favourite="1" cashout_status="1"', at=1, children=stop))
    assert facts(feed)[MARKET] == MarketFacts(
        key=MARKET, favourite=True, cashout=1, next_betstop_ms=NOW_MS + 90_000
    )

    feed.receive(quoted('cashout_status="-2"', at=3))
    feed.receive(quoted('favourite="1" cashout_status="-1"', at=2))

    assert facts(feed)[MARKET] == MarketFacts(
        key=MARKET, cashout=-2, next_betstop_ms=NOW_MS + 90_000
    )


@pytest.mark.parametrize("cashout", ["2", "-3", "x", "1.5"])
def test_a_cash_out_flag_that_cannot_be_read_is_dropped_and_the_odds_are_taken(cashout):
    feed = sent(quoted(f'cashout_status="{cashout}"', at=1))

    assert feed.image("1x2").odds_milli == (2100, 3400, 3600)
    assert facts(feed)[MARKET] == MarketFacts(key=MARKET)


def cancelled(at):
    return correction("bet_cancel", 1, at=at, reason='void_reason="12"')


def reason(body):
    return body.replace(b'<market id="1">', b'<market id="1" void_reason="7">')


VOIDED = {
    "of a cancellation": ((cancelled(2),), 12),
    "that the cancellation does not say": ((correction("bet_cancel", 1, at=2),), 0),
    "of a cancellation that is rolled back": (
        (cancelled(2), correction("rollback_bet_cancel", 1, at=3)),
        0,
    ),
    "of a settlement": ((reason(bet_settlement(settled(1, HOME_WON), at=2)),), 7),
    "of a settlement that is rolled back": (
        (
            reason(bet_settlement(settled(1, HOME_WON), at=2)),
            correction("rollback_bet_settlement", 1, at=3),
        ),
        0,
    ),
}


@pytest.mark.parametrize("case", VOIDED)
def test_the_void_reason_is_kept(case):
    messages, void_reason = VOIDED[case]

    feed = sent(odds_change(market(1, MATCH_WINNER), at=1), *messages)

    assert facts(feed)[MARKET].void_reason == void_reason


def test_an_unknown_fixture_has_no_facts():
    assert sent(odds_change(market(1, MATCH_WINNER), at=1)).adapter.facts("sr:match:9") == []


# --- names ---------------------------------------------------------------------------------------

DOCUMENTS = {
    "variant.xml": """<market_descriptions><market id="21" variant="sr:exact_goals:4+"><outcomes>
        <outcome id="sr:exact_goals:4+:60" name="0"/><outcome id="1" name="{$competitor1}"/>
        </outcomes></market></market_descriptions>""",
    "texts.xml": """<d xmlns="http://schemas.sportradar.com/sportsapi/v1/unified"><outcomes>
        <outcome id="pre:outcometext:5982" name="Dakar"/></outcomes></d>""",
    "player.xml": """<player_profile><player id="sr:player:17" name="Vos, Anna"/>
        <player id="sr:player:18" name="Berg, Ida"/></player_profile>""",
    "fixture.xml": """<fixture id="sr:match:7" name="not an outcome"><competitors>
        <competitor id="sr:competitor:33" name="Home &amp; Co"/></competitors></fixture>""",
}


@pytest.fixture
def documents(tmp_path):
    for name, text in DOCUMENTS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tuple(str(tmp_path / name) for name in DOCUMENTS)


def test_names_of_players_texts_variants_and_teams_are_read_from_the_providers_documents(documents):
    names = read_outcome_names(documents)

    outcomes = (
        "sr:exact_goals:4+:60", "pre:outcometext:5982", "sr:player:17", "sr:competitor:33",
        "sr:player:17,sr:player:18", "sr:player:17,sr:player:99", "1", "sr:match:7",
    )  # fmt: skip
    assert names.of_outcomes(outcomes) == {
        "sr:exact_goals:4+:60": "0",
        "pre:outcometext:5982": "Dakar",
        "sr:player:17": "Vos, Anna",
        "sr:competitor:33": "Home & Co",
        "sr:player:17,sr:player:18": "Vos, Anna / Berg, Ida",
    }
    assert len(names) == 5


@pytest.mark.parametrize("length", [64, 65, 200, 201])
def test_ids_as_long_as_a_market_takes_have_names(tmp_path, length):
    ids = ",".join(f"sr:competitor:{number:05}" for number in range(20))[:length]
    path = tmp_path / "names.xml"
    outcomes = f'<outcome id="{ids}" name="All of them"/><outcome id="sr:player:1" name="Vos"/>'
    path.write_text(f"<outcomes>{outcomes}</outcomes>", encoding="utf-8")

    names = read_outcome_names([str(path)])

    named = {ids: "All of them"} if length <= OUTCOME_CHARS_MAX else {}
    assert names.of_outcomes([ids, "sr:player:1"]) == {**named, "sr:player:1": "Vos"}


def test_an_adapter_names_its_outcomes_by_the_files_of_its_settings(documents):
    adapter = adapter_of("uof", UofFeedSettings(names=documents, watch=False))()
    assert isinstance(adapter, UofAdapter)
    players = (("sr:player:17", "2.5"), ("sr:player:99", "3.5"))

    adapter.receive(odds_change(market(40, players), at=1), at_ns=NOW_MS * 1_000_000)

    (found,) = adapter.facts(EVENT)
    assert found == MarketFacts(key=f"{EVENT}/uof_40", names={"sr:player:17": "Vos, Anna"})


@pytest.mark.parametrize(
    ("text", "why"), [(None, "No such file"), ("<a><b></a>", "mismatched tag"), ("", "no element")]
)
def test_a_file_that_cannot_be_read_is_refused_with_its_path(tmp_path, text, why):
    path = tmp_path / "names.xml"
    if text is not None:
        path.write_text(text, encoding="utf-8")

    with pytest.raises(OutcomeNamesError, match=rf"^names: {path}: .*{why}"):
        read_outcome_names([str(path)])


@given(st.lists(st.tuples(st.integers(0, 20), st.text(min_size=1, max_size=300)), max_size=60))
def test_the_first_name_of_an_id_counts_and_long_ones_are_cut(given_names):
    names = OutcomeNames((f"sr:player:{number}", name) for number, name in given_names)

    first = {}
    for number, name in given_names:
        first.setdefault(f"sr:player:{number}", name[:NAME_CHARS_MAX])
    assert names.of_outcomes(list(first)) == first


def test_names_past_their_bound_are_left_out():
    names = OutcomeNames((f"sr:player:{number}", "x") for number in range(NAMES_MAX + 10))

    assert len(names) == NAMES_MAX
