"""LSports' adapter on real markets: what opens a market, what stops it, and what ends a doubt."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.units import NS_PER_MS
from gateway.feeds.core.adapter import ALL_FIXTURES
from gateway.feeds.lsports.adapter import LsportsAdapter, LsportsSettings
from gateway.feeds.lsports.messages import BEGAN_BODY
from tests.gateway.feeds.lsports.following import EAGER, KEY, Following
from tests.gateway.feeds.lsports.provider import (
    MATCH,
    NOW_MS,
    ODDS,
    TOTALS,
    WINNER,
    Provider,
)

UNNUMBERED = LsportsSettings(sequences=False, trust=EAGER.trust)


def changed(body: bytes, old: str, new: str) -> bytes:
    """Return a message with one figure changed."""
    assert old.encode() in body
    return body.replace(old.encode(), new.encode())


# --- odds and stops -------------------------------------------------------------------------------


def test_prices_are_offered_as_they_are_and_each_bet_for_itself() -> None:
    following = Following().opened()
    provider = following.provider
    assert following.odds() == {"1": 2_100, "X": 3_400, "2": 3_600}
    following.receive(provider.odds({"1": "2.25"}))
    assert following.odds() == {"1": 2_250, "X": 3_400, "2": 3_600}
    following.receive(provider.suspend("X"))
    assert following.odds() == {"1": 2_250, "X": None, "2": 3_600}
    assert following.bet(1, 3_400) == Reason.OUTCOME_INACTIVE
    assert following.bet(0, 2_250) == 0
    following.receive(provider.suspend())
    assert following.status() is Status.SUSPENDED
    assert following.bet(0, 2_250) == Reason.MARKET_SUSPENDED


Change = Callable[[Provider], bytes]


@pytest.mark.parametrize(
    "stop",
    [
        lambda provider: provider.suspend(),
        lambda provider: changed(provider.suspend(), '"Price": "2.10"', '"Price": "NaN"'),
        lambda provider: changed(provider.suspend(), '"Status": 2', '"Status": -1'),
        lambda provider: changed(provider.suspend(), '"LastUpdate"', '"LastUpdate": 1, "Last"'),
        lambda provider: changed(provider.suspend(), '"MsgSeq": 2', '"MsgSeq": "two"'),
        lambda provider: changed(provider.suspend(), '"Name": "1"', '"Name": 17'),
        lambda provider: provider.suspend()[:-9],
        lambda provider: changed(provider.suspend(), '"Type": 3', '"Type": "?"'),
        lambda provider: changed(provider.suspend(), '"Bets": [', '"Bets": [7, '),
        lambda provider: changed(provider.suspend(), '"Bets": [', '"Bets": {"x": [').replace(
            b"]}]}]", b"]}}]}]"
        ),
        lambda provider: provider.fixture(status=8),
        lambda provider: provider.fixture(status=3),
        lambda provider: provider.fixture(status=4),
        lambda provider: provider.fixture(status=99),
        lambda provider: provider.fixture(Subscription={"Status": 3}),
        lambda provider: provider.keep_alive(1, 2),
        lambda provider: provider.keep_alive(),
        lambda _: BEGAN_BODY,
    ],
)
def test_what_stops_betting_is_obeyed_however_odd_its_other_figures(stop: Change) -> None:
    following = Following().opened()
    following.receive(stop(following.provider))
    assert following.status() is Status.SUSPENDED
    assert following.bet(0, 2_100) == Reason.MARKET_SUSPENDED


def test_an_odd_price_takes_one_outcome_off_and_is_counted() -> None:
    following = Following().opened()
    following.receive(changed(following.provider.odds(ODDS), '"3.40"', '"abc"'))
    assert following.odds() == {"1": 2_100, "X": None, "2": 3_600}
    assert following.adapter.passed_over() == {"odd figure": 1}


def test_a_fixture_that_goes_on_is_open_again_at_the_newest_odds() -> None:
    following = Following().opened()
    provider = following.provider
    following.receive(provider.fixture(status=8), provider.odds({"1": "1.90"}))
    assert following.status() is Status.SUSPENDED
    following.receive(provider.fixture(status=2))
    assert (following.status(), following.odds()["1"]) == (Status.ACTIVE, 1_900)
    following.receive(provider.keep_alive(5), provider.keep_alive(MATCH))
    assert following.status() is Status.ACTIVE


def test_lines_of_one_market_are_markets_of_their_own_in_every_spelling() -> None:
    following = Following().opened()
    provider = following.provider
    sides = {"Over": "1.90", "Under": "1.95"}
    for line in ("2.5", "3.5"):
        following.receive(provider.odds(sides, market=TOTALS, line=line))
    respelled = changed(
        provider.odds({"Over": "1.50"}, market=TOTALS, line="2.5"), '"2.5"', '"2.50"'
    )
    following.receive(respelled)
    totals = {key: following.odds(key)["Over"] for key in following.feed.numbers if key != KEY}
    name = f"lsports.{MATCH}/lsports_{TOTALS}?line="
    assert totals == {f"{name}2.5": 1_500, f"{name}3.5": 1_900}


def test_two_bets_of_one_name_are_not_offered_and_the_market_beside_is() -> None:
    following = Following().opened()
    message = json.loads(following.provider.odds(ODDS, market=7))
    bets = message["Body"]["Events"][0]["Markets"][0]["Bets"]
    bets.append(bets[0] | {"Id": 1})
    following.receive(json.dumps(message).encode(), following.provider.odds({"1": "1.70"}))
    assert following.odds(f"lsports.{MATCH}/lsports_7")["1"] is None
    assert following.odds()["1"] == 1_700
    assert following.adapter.passed_over() == {"two bets of one name": 1}


def test_a_bet_is_found_by_its_id_where_a_difference_gives_no_name() -> None:
    following = Following().opened()
    following.receive(changed(following.provider.suspend("X"), '"Name": "X", ', ""))
    assert following.odds() == {"1": 2_100, "X": None, "2": 3_600}


def test_a_new_outcome_of_a_market_that_exists_is_passed_over_and_counted() -> None:
    following = Following().opened()
    (received,) = following.receive(following.provider.odds({"Y": "9.00"}))
    assert following.odds() == {"1": 2_100, "X": 3_400, "2": 3_600}
    assert received.refused.startswith("an outcome that the market does not have")
    assert following.adapter.lost() == {}


def test_a_message_that_comes_late_takes_back_nothing_newer() -> None:
    following = Following(UNNUMBERED).opened()
    provider = following.provider
    late, newer = provider.odds({"1": "9.00", "X": "3.30"}), provider.suspend("1")
    following.receive(newer, late)
    assert following.odds() == {"1": None, "X": 3_300, "2": 3_600}


def test_a_settlement_that_comes_late_takes_back_no_correction() -> None:
    following = Following(UNNUMBERED).opened()
    following.bet(0, 2_100)
    provider = following.provider
    late = provider.settle({"1": 2, "X": 1, "2": 1})
    following.receive(provider.settle({"1": 1, "X": 2}), late)
    assert following.paid() == {1: ("LOST", 0)}


# --- doubts and snapshots -------------------------------------------------------------------------


def test_nothing_opens_before_the_first_snapshot() -> None:
    following = Following()
    following.receive(BEGAN_BODY, following.provider.fixture(), following.provider.odds(ODDS))
    assert following.feed.numbers == {}
    assert following.answer().after_ms == 0
    assert (following.status(), following.odds()["1"]) == (Status.ACTIVE, 2_100)


def test_silence_suspends_and_the_snapshot_brings_what_was_missed() -> None:
    following = Following().opened()
    provider = following.provider
    following.wait(20)
    assert following.status() is Status.ACTIVE
    following.wait(1)
    assert following.status() is Status.SUSPENDED
    assert following.adapter.uncovered() == {ALL_FIXTURES: "the provider is silent"}
    provider.odds({"1": "1.50"})
    following.receive(provider.heartbeat())
    assert following.status() is Status.SUSPENDED
    request = following.answer()
    assert 0 < request.after_ms < provider.now_ms - 21_000
    assert (following.status(), following.odds()["1"]) == (Status.ACTIVE, 1_500)


def test_heartbeats_that_come_late_count_as_silence() -> None:
    following = Following().opened()
    late = [following.provider.heartbeat() for _ in range(3)]
    for body in late:
        following.provider.now_ms += 15_000
        following.receive(body)
        following.feed.tick(at=following.at)
    assert following.status() is Status.SUSPENDED


def test_a_gap_in_a_markets_numbers_suspends_its_fixture_until_a_snapshot() -> None:
    following = Following().opened()
    provider = following.provider
    following.receive(provider.odds(ODDS, fixture=9), provider.fixture(9))
    provider.odds({"1": "1.10"})
    following.receive(provider.odds({"2": "9.00"}))
    assert following.status() is Status.SUSPENDED
    assert following.status("lsports.9/lsports_1") is Status.ACTIVE
    assert following.adapter.passed_over() == {"message missing": 1}
    assert [*following.adapter.uncovered()] == [KEY.partition("/")[0]]
    following.answer()
    assert following.adapter.uncovered() == {}
    assert following.odds() == {"1": 1_100, "X": 3_400, "2": 9_000}


def test_after_a_connection_began_the_numbers_begin_anew() -> None:
    following = Following().opened()
    following.provider.odds({"1": "1.10"})
    following.began()
    following.answer()
    following.receive(following.provider.odds({"2": "9.00"}))
    assert following.adapter.passed_over() == {}
    assert following.status() is Status.ACTIVE


def test_numbers_that_count_all_markets_of_a_fixture_are_no_gap() -> None:
    following = Following().opened()
    for number in (2, 4):
        for market in (WINNER, TOTALS):
            body = json.loads(following.provider.odds(ODDS, market=market))
            body["Header"]["MsgSeq"] = number + market - WINNER
            following.receive(json.dumps(body).encode())
    assert following.adapter.passed_over() == {}
    assert following.status() is Status.ACTIVE


def test_a_doubt_that_arises_while_a_snapshot_is_under_way_outlives_it() -> None:
    following = Following().opened()
    following.began()
    first = following.feed.requests[-1]
    pieces = following.provider.snapshot_messages(first.request_id)
    following.receive(BEGAN_BODY, *pieces)
    assert following.status() is Status.SUSPENDED
    assert following.adapter.passed_over()["snapshot of another request"] == 1
    assert following.answer().request_id > first.request_id
    assert following.status() is Status.ACTIVE


def test_a_snapshot_of_which_a_piece_is_lost_is_requested_again() -> None:
    following = Following().opened()
    following.receive(following.provider.odds(ODDS, fixture=9), BEGAN_BODY)
    request = following.feed.requests[-1]
    pieces = following.provider.snapshot_messages(request.request_id)
    following.receive(*pieces[1:])
    assert following.status() is Status.SUSPENDED
    following.answer()
    assert following.status() is Status.ACTIVE


def test_what_changes_while_a_snapshot_is_under_way_is_not_undone_by_it() -> None:
    following = Following().opened()
    provider = following.provider
    following.began()
    request = following.feed.requests[-1]
    old = provider.snapshot_messages(request.request_id)
    following.receive(provider.odds({"1": "1.05"}), provider.suspend("X"), *old)
    assert following.odds() == {"1": 1_050, "X": None, "2": 3_600}


def test_no_snapshot_is_requested_before_the_provider_is_heard() -> None:
    following = Following()
    following.wait(0)
    assert following.feed.requests == []
    following.receive(following.provider.heartbeat())
    assert len(following.feed.requests) == 1


def test_snapshots_are_requested_at_the_providers_pace_until_one_comes() -> None:
    following = Following(LsportsSettings())
    times = []
    following.receive(BEGAN_BODY)
    for second in range(200):
        count = len(following.feed.requests)
        if second in (30, 31, 32):
            following.receive(BEGAN_BODY)
        following.provider.now_ms += 1_000
        following.receive(following.provider.heartbeat())
        times += [second] * (len(following.feed.requests) - count)
    assert len(following.feed.requests) == 4
    assert times == [30, 44, 134]


def test_a_restart_suspends_until_a_whole_snapshot() -> None:
    following = Following().opened()
    following.provider.odds({"1": "1.50"})
    following.restarted()
    assert following.status() is Status.SUSPENDED
    following.receive(following.provider.odds({"X": "4.00"}))
    assert following.status() is Status.SUSPENDED
    assert following.answer().after_ms == 0
    assert following.odds() == {"1": 1_500, "X": 4_000, "2": 3_600}
    assert following.status() is Status.ACTIVE


def test_what_an_earlier_process_obeyed_is_passed_over_after_a_restart() -> None:
    following = Following().opened()
    old = following.provider.odds({"1": "9.00"})
    following.receive(old, following.provider.suspend("1"))
    following.restarted()
    following.receive(old)
    assert following.adapter.passed_over() == {"older than what an earlier process obeyed": 1}


def test_a_message_that_misses_while_its_fixtures_snapshot_is_under_way_needs_another() -> None:
    following = Following().opened()
    provider = following.provider
    following.receive(provider.odds({"1": "1.50"})[:-5])
    first = following.feed.requests[-1]
    pieces = provider.snapshot_messages(first.request_id)
    following.receive(provider.odds({"1": "1.20"})[:-5], *pieces)
    assert following.status() is Status.SUSPENDED
    following.answer()
    assert (following.status(), following.odds()["1"]) == (Status.ACTIVE, 1_200)


def test_a_market_made_by_a_snapshot_is_known_after_a_restart() -> None:
    following = Following()
    following.provider.fixture()
    following.provider.odds(ODDS)
    following.began()
    following.answer()
    assert following.known(KEY).positions
    following.restarted()
    assert following.status() is Status.SUSPENDED


def test_a_message_far_ahead_of_our_clock_outranks_nothing_and_suspends() -> None:
    following = Following().opened()
    provider = following.provider
    ahead = changed(provider.odds({"1": "9.00"}), str(provider.now_ms), str(NOW_MS + 10**9))
    (received,) = following.receive(ahead)
    assert received.refused
    assert following.status() is Status.SUSPENDED
    following.answer()
    following.receive(provider.odds({"1": "2.00"}))
    assert (following.status(), following.odds()["1"]) == (Status.ACTIVE, 2_000)


def test_a_recording_is_followed_without_snapshots() -> None:
    following = Following(LsportsSettings(watch=False))
    provider = following.provider
    provider.odds(ODDS)
    following.receive(provider.fixture(), provider.odds(ODDS))
    following.wait(3_600)
    assert following.status() is Status.ACTIVE
    following.receive(provider.suspend()[:-9])
    assert following.status() is Status.SUSPENDED
    following.receive(provider.odds(ODDS))
    assert following.status() is Status.ACTIVE
    assert following.feed.requests == []


def test_past_its_bound_a_feed_refuses_new_fixtures_and_goes_on_with_the_others() -> None:
    following = Following(LsportsSettings(watch=False, fixtures_max=1))
    provider = following.provider
    first, second = provider.odds(ODDS), provider.odds(ODDS, fixture=9)
    assert [one.refused for one in following.receive(first, second)] == [
        "", "no room for another fixture: 9",
    ]  # fmt: skip
    assert following.adapter.lost() == {"9": "market refused: no room for another fixture"}
    following.receive(provider.settle({"1": 2, "X": 1, "2": 1}), provider.fixture(status=3))
    assert following.receive(provider.odds(ODDS, fixture=9))[0].refused == ""


# --- any bytes -----------------------------------------------------------------------------------


@given(st.binary(max_size=64))
def test_no_bytes_make_the_adapter_raise(body: bytes) -> None:
    adapter = LsportsAdapter(settings=EAGER)
    assert adapter.receive(body, at_ns=NOW_MS * NS_PER_MS).kind
