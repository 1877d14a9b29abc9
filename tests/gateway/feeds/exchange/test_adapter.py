"""An exchange's stream leads to what markets are told, and to nothing that it did not say."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.commands import (
    Deduction,
    FeedStep,
    OutcomeResult,
    RollBackSettlement,
    SetStatus,
    SettleMarket,
)
from engine.common.ids import parse_market_key
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS
from engine.common.views import PriceImage
from gateway.feeds.core.adapter import KnownMarket, MarketUpdate, Received, RecoveryRequest
from gateway.feeds.exchange.adapter import IMAGE_RETRY_MS, ExchangeAdapter, ExchangeSettings
from tests.gateway.feeds.exchange.builders import definition, line, mcm, quoted, runner

M = "1.5"
KEY = "exchange.77/win?market=1.5"
EAGER = ExchangeSettings(every_ms=0)


class Following:
    """An adapter fed one change after another, a second apart."""

    def __init__(self, settings: ExchangeSettings = EAGER, **words: Any) -> None:
        self.adapter = ExchangeAdapter(settings=settings)
        self.pt = 0
        self.words = words
        self.runners = [runner(i, name=f"Horse {i}") for i in (1, 2, 3)]

    @property
    def at_ns(self) -> int:
        """Our clock is ten seconds ahead of the exchange's."""
        return (self.pt + 10_000) * NS_PER_MS

    def say(self, body: bytes) -> Received:
        return self.adapter.receive(body, at_ns=self.at_ns)

    def change(self, *moved: dict[str, Any], **words: Any) -> Received:
        self.pt += 1_000
        market = {"id": M, **({"rc": list(moved)} if moved else {})}
        if words or self.pt == 1_000:
            self.words |= words
            market["marketDefinition"] = definition(*self.runners, **self.words)
        return self.say(mcm(market, pt=self.pt))

    def open(self) -> Received:
        return self.change(quoted(1, 0.5), quoted(2, 0.3), quoted(3, 0.2))

    def status(self, number: int, status: str, **words: Any) -> None:
        self.runners[number - 1] |= {"status": status, **words}


def tells(received: Received) -> list[MarketUpdate]:
    assert received.refused == ""
    return [action for action in received.actions if isinstance(action, MarketUpdate)]


def steps(received: Received) -> list[FeedStep]:
    return [step for notify in tells(received) for step in notify.steps]


def statuses(received: Received) -> list[tuple[Status, str]]:
    return [(one.status, one.why) for one in steps(received) if isinstance(one, SetStatus)]


# --- opening and following ------------------------------------------------------------------------


def test_first_prices_open_the_market_with_its_names_and_fair_chances() -> None:
    (notify,) = tells(Following().open())
    assert notify.key == KEY
    assert str(parse_market_key(notify.key)) == KEY
    assert notify.new_market is not None
    assert notify.new_market.outcomes == ("Horse 1", "Horse 2", "Horse 3")
    assert notify.mark is not None
    assert (notify.mark.source, notify.mark.position) == ("exchange/odds", 1_000)
    assert notify.mark.digest != 0
    assert notify.steps == (SetStatus(market_no=0, status=Status.ACTIVE),)
    assert notify.fair is not None
    assert notify.fair.probabilities == pytest.approx((0.5, 0.3, 0.2), abs=0.02)
    assert sum(notify.fair.probabilities) == pytest.approx(1.0)


def test_market_without_prices_is_told_nothing_and_closing_it_neither() -> None:
    following = Following()
    assert following.change().actions == ()
    assert following.change(status="SUSPENDED").actions == ()
    following.status(1, "WINNER")
    assert following.change(status="CLOSED").actions == ()


def test_small_moves_are_not_told_and_larger_ones_are() -> None:
    following = Following()
    following.open()
    nudged = quoted(1, 0.5)
    nudged["batb"][0][2] *= 1.05
    assert following.change(nudged).actions == ()
    (notify,) = tells(following.change(quoted(1, 0.52), quoted(2, 0.28)))
    assert (notify.steps, notify.fair is not None) == ((), True)


def test_moves_wait_their_turn_and_the_last_is_told_by_the_tick_under_its_own_mark() -> None:
    following = Following(ExchangeSettings(every_ms=5_000))
    following.open()
    assert following.change(quoted(1, 0.55), quoted(2, 0.25)).actions == ()
    assert following.change(quoted(1, 0.6), quoted(2, 0.2)).actions == ()
    assert following.adapter.tick(at_ns=following.at_ns).actions == ()
    following.pt += 3_000
    (notify,) = tells(following.adapter.tick(at_ns=following.at_ns))
    assert notify.fair is not None
    assert notify.fair.probabilities[0] == pytest.approx(0.6, abs=0.02)
    assert notify.mark is not None
    assert notify.mark.position == 3_000
    assert following.adapter.tick(at_ns=following.at_ns).actions == ()


def test_suspension_and_return_follow_the_exchange() -> None:
    following = Following()
    following.open()
    assert statuses(following.change(status="SUSPENDED", version=2)) == [
        (Status.SUSPENDED, "exchange: SUSPENDED")
    ]
    assert following.change(quoted(1, 0.6), quoted(2, 0.2)).actions == ()
    back = following.change(status="OPEN", version=3)
    assert statuses(back) == [(Status.ACTIVE, "")]
    fair = tells(back)[0].fair
    assert fair is not None
    assert fair.probabilities[0] == pytest.approx(0.6, abs=0.02)


def test_inactive_market_is_inactive_here() -> None:
    following = Following()
    following.open()
    assert statuses(following.change(status="INACTIVE")) == [(Status.INACTIVE, "")]


def test_suspension_that_nobody_saw_is_told_by_the_version_that_rose() -> None:
    following = Following()
    following.open()
    assert [status for status, _ in statuses(following.change(version=2))] == [
        Status.SUSPENDED,
        Status.ACTIVE,
    ]
    assert following.change(version=2).actions == ()


def test_turn_in_play_suspends_until_prices_come_under_it() -> None:
    following = Following()
    following.open()
    turned = following.change(quoted(1, 0.6), quoted(2, 0.2), inPlay=True, betDelay=5, version=2)
    assert statuses(turned) == [(Status.SUSPENDED, "turned in-play")]
    assert following.adapter.bet_delay_s(M) == 5
    assert statuses(following.change(quoted(1, 0.58))) == [(Status.ACTIVE, "")]


def test_prices_that_vanish_suspend_the_market() -> None:
    following = Following()
    following.open()
    gone = {"id": 1, "batb": [[0, 0, 0]], "ltp": 0}
    assert statuses(following.change(gone)) == [(Status.SUSPENDED, "no fair price")]


def test_several_markets_of_one_message_are_told_apart() -> None:
    adapter = ExchangeAdapter(feed="betfair")
    changes = [
        {
            "id": name,
            "marketDefinition": definition(runner(1), runner(2), marketType=kind),
            "rc": [quoted(1, 0.6), quoted(2, 0.4)],
        }
        for name, kind in (("1.1", "MATCH_ODDS"), ("1.2", "TO_QUALIFY"))
    ]
    keys = [notify.key for notify in tells(adapter.receive(mcm(*changes, pt=1), at_ns=1))]
    assert keys == ["betfair.77/match_odds?market=1.1", "betfair.77/to_qualify?market=1.2"]
    assert all(adapter.owns(key) for key in keys)
    assert not adapter.owns("exchange.77/win?market=1.1")


# --- what is not followed -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"bettingType": "LINE"}, "betting type LINE"),
        ({"bettingType": "ASIAN_HANDICAP_DOUBLE_LINE"}, "ODDS alone is followed"),
        ({"marketType": "EACH_WAY"}, "two results in one bet"),
        ({"eventId": "no id at all"}, "market key"),
        ({"eventId": ""}, "no event or no runners"),
        ({"marketType": ""}, "market key"),
    ],
)
def test_what_is_not_followed_is_refused_once_with_its_reason(
    words: dict[str, Any], why: str
) -> None:
    following = Following(**words)
    first = following.change(quoted(1, 0.5), quoted(2, 0.5))
    assert why in first.refused
    assert (first.actions, following.adapter.counts.markets_refused) == ((), 1)
    again = following.change(quoted(1, 0.5), version=2)
    assert (again.refused, again.actions) == ("", ())
    assert following.adapter.counts.markets_refused == 1
    assert following.adapter.passed_over()["markets refused"] == 1


def test_names_that_are_alike_are_told_apart_by_id_and_bounded() -> None:
    following = Following()
    following.runners = [
        runner(1, name="The Draw"),
        runner(2, name=" The  Draw\x00"),
        runner(3, name="x" * 99),
    ]
    new_market = tells(following.open())[0].new_market
    assert new_market is not None
    assert new_market.outcomes == ("The Draw (1)", "The Draw (2)", "x" * 64)


def test_names_that_stay_alike_even_so_give_way_to_ids() -> None:
    following = Following()
    following.runners = [runner(1, name="A"), runner(2, name="A"), runner(3, name="A (1)")]
    new_market = tells(following.open())[0].new_market
    assert new_market is not None
    assert new_market.outcomes == ("1", "2", "3")


def test_runner_listed_twice_is_refused() -> None:
    following = Following()
    following.runners = [runner(1), runner(1)]
    assert "listed twice" in following.change(quoted(1, 0.5)).refused


def test_runners_without_names_go_by_their_ids() -> None:
    following = Following()
    following.runners = [runner(i) for i in (1, 2, 3)]
    new_market = tells(following.open())[0].new_market
    assert new_market is not None
    assert new_market.outcomes == ("1", "2", "3")


def test_runner_that_joins_late_suspends_the_market_for_good_and_results_still_count() -> None:
    following = Following()
    following.open()
    following.runners.append(runner(4))
    assert statuses(following.change(version=2)) == [
        (Status.SUSPENDED, "a runner joined after the market was made")
    ]
    for number in (1, 2, 3):
        following.status(number, "LOSER")
    following.status(4, "WINNER")
    (settle,) = steps(following.change(status="CLOSED"))
    assert isinstance(settle, SettleMarket)
    assert settle.results == (OutcomeResult(won=False),) * 3


# --- results --------------------------------------------------------------------------------------


def closed(following: Following, *found: str) -> Received:
    for number, status in enumerate(found, start=1):
        following.status(number, status)
    return following.change(status="CLOSED")


def test_closing_stops_bets_and_settles_in_the_lane_of_results() -> None:
    following = Following()
    following.open()
    stop, settle = tells(closed(following, "LOSER", "WINNER", "LOSER"))
    assert stop.steps == (SetStatus(market_no=0, status=Status.SUSPENDED, why="closed"),)
    assert settle.mark is not None
    assert stop.mark is not None
    assert (settle.mark.source, settle.mark.position) == ("exchange/result", 2_000)
    assert settle.mark.digest == stop.mark.digest
    lost, won = OutcomeResult(won=False), OutcomeResult(won=True)
    assert settle.steps == (SettleMarket(market_no=0, results=(lost, won, lost)),)
    assert closed(following, "LOSER", "WINNER", "LOSER").actions == ()


def test_corrected_results_are_settled_again_and_a_reopened_market_is_rolled_back() -> None:
    following = Following()
    following.open()
    closed(following, "LOSER", "WINNER", "LOSER")
    (again,) = steps(closed(following, "WINNER", "LOSER", "LOSER"))
    assert isinstance(again, SettleMarket)
    for number in (1, 2, 3):
        following.status(number, "ACTIVE")
    back = tells(following.change(status="SUSPENDED"))
    assert isinstance(back[0].steps[0], RollBackSettlement)
    assert back[0].mark is not None
    assert back[0].mark.source == "exchange/result"
    assert statuses(following.change(quoted(1, 0.5), status="OPEN")) == [(Status.ACTIVE, "")]


def test_closing_without_results_stops_bets_and_settles_nothing() -> None:
    following = Following()
    following.open()
    received = following.change(status="CLOSED")
    assert statuses(received) == [
        (Status.SUSPENDED, "runner 1 is ACTIVE: closed without its result")
    ]
    assert len(steps(received)) == 1
    assert following.adapter.counts.results_refused == 1


# --- withdrawals ----------------------------------------------------------------------------------


def test_withdrawn_runner_is_off_at_once_and_the_others_are_priced_again() -> None:
    following = Following(ExchangeSettings(every_ms=60_000))
    following.open()
    following.status(3, "REMOVED", adjustmentFactor=20.0)
    (notify,) = tells(following.change(quoted(1, 0.62), quoted(2, 0.38), version=1))
    assert notify.fair is not None
    assert notify.fair.active == (True, True, False)
    assert notify.fair.probabilities == pytest.approx((0.62, 0.38, 0.0), abs=0.02)


def test_deductions_name_the_moments_we_saw_and_the_product_of_what_came_later() -> None:
    following = Following()
    following.open()
    following.status(3, "REMOVED", adjustmentFactor=20.0)
    following.change(version=2)
    first_ns = following.at_ns
    following.change(quoted(1, 0.6), quoted(2, 0.4))
    following.status(2, "REMOVED", adjustmentFactor=37.5)
    following.change(version=3)
    second_ns = following.at_ns
    settle = steps(closed(following, "WINNER", "REMOVED", "REMOVED"))[-1]
    assert isinstance(settle, SettleMarket)
    assert settle.deductions == (
        Deduction(until_ns=first_ns, keep_milli=500, of_price=True),
        Deduction(until_ns=second_ns, keep_milli=625, of_price=True),
    )
    assert [result.void_halves for result in settle.results] == [0, 2, 2]


def test_place_market_takes_deductions_off_the_winnings() -> None:
    following = Following(marketType="PLACE")
    following.open()
    following.status(3, "REMOVED", adjustmentFactor=2.0)
    following.change(version=2)
    at_ns = following.at_ns
    settle = steps(closed(following, "WINNER", "LOSER", "REMOVED"))[-1]
    assert isinstance(settle, SettleMarket)
    assert settle.deductions == (Deduction(until_ns=at_ns, keep_milli=980),)


def test_runner_that_is_reinstated_costs_nobody_anything() -> None:
    following = Following()
    following.open()
    following.status(3, "REMOVED", adjustmentFactor=20.0)
    following.change(version=2)
    following.status(3, "ACTIVE")
    following.change(version=3)
    settle = steps(closed(following, "WINNER", "LOSER", "LOSER"))[-1]
    assert isinstance(settle, SettleMarket)
    assert settle.deductions == ()


# --- a stream in doubt ----------------------------------------------------------------------------


def beat(following: Following, **words: Any) -> Received:
    following.pt += 1_000
    return following.say(mcm(pt=following.pt, ct="HEARTBEAT", **words))


def test_late_stream_suspends_every_market_until_it_says_it_is_well() -> None:
    following = Following()
    following.open()
    (notify,) = tells(beat(following, status=503))
    assert notify.mark is None
    assert notify.steps == (
        SetStatus(market_no=0, status=Status.SUSPENDED, why="the exchange says its stream is late"),
    )
    assert beat(following, status=503).actions == ()
    (notify,) = tells(beat(following))
    assert notify.steps == (SetStatus(market_no=0, status=Status.ACTIVE),)
    assert notify.fair is not None


def test_silent_stream_suspends_only_once_it_is_known_to_send_heartbeats() -> None:
    following = Following()
    following.open()
    following.pt += 10**9
    assert following.adapter.tick(at_ns=following.at_ns).actions == ()
    beat(following, heartbeatMs=1_000)
    following.pt += 3_000
    assert following.adapter.tick(at_ns=following.at_ns).actions == ()
    following.pt += 1
    assert statuses(following.adapter.tick(at_ns=following.at_ns)) == [
        (Status.SUSPENDED, "the exchange is silent")
    ]
    assert following.adapter.tick(at_ns=following.at_ns).actions == ()
    assert statuses(beat(following)) == [(Status.ACTIVE, "")]


def test_new_connection_suspends_until_all_that_was_missed_is_told() -> None:
    following = Following()
    following.open()
    greeted = following.say(line(op="connection", connectionId="1"))
    assert statuses(greeted) == [(Status.SUSPENDED, "the stream broke off")]
    assert beat(following).actions == ()
    following.pt += 1
    part = mcm({"id": M, "tv": 1}, pt=following.pt, ct="RESUB_DELTA", segmentType="SEG_START")
    assert following.say(part).actions == ()
    end = mcm({"id": M, "tv": 1}, pt=following.pt, ct="RESUB_DELTA", segmentType="SEG_END")
    assert statuses(following.say(end)) == [(Status.ACTIVE, "")]


def test_market_that_a_whole_image_leaves_out_is_suspended() -> None:
    following = Following()
    following.open()
    following.pt += 1
    assert statuses(following.say(mcm(pt=following.pt, ct="SUB_IMAGE"))) == [
        (Status.SUSPENDED, "no longer in the stream")
    ]


def test_failure_and_unknown_words_are_refused_with_their_reason() -> None:
    adapter = ExchangeAdapter()
    ok = adapter.receive(line(op="status", statusCode="SUCCESS"), at_ns=1)
    assert (ok.kind, ok.refused) == ("status", "")
    failed = line(op="status", statusCode="FAILURE", errorCode="TIMEOUT", errorMessage="slow")
    assert adapter.receive(failed, at_ns=1).refused == "TIMEOUT: slow"
    assert adapter.receive(line(op="ocm", pt=1), at_ns=1).refused == "op 'ocm' is not followed"
    assert adapter.receive(b"{", at_ns=1).refused


# --- beginning again ------------------------------------------------------------------------------


def known(*outcomes: str, status: Status = Status.ACTIVE, **words: Any) -> KnownMarket:
    image = PriceImage(
        market_no=4,
        key=KEY,
        status=status,
        version=1,
        outcomes=outcomes,
        odds_milli=(2_000,) * len(outcomes),
        active=words.pop("active", (True,) * len(outcomes)),
    )
    return KnownMarket(image=image, **words)


def resumed(following: Following, market: KnownMarket) -> Received:
    return following.adapter.resume([market], at_ns=following.at_ns)


def test_known_markets_that_take_bets_wait_for_the_image_which_is_asked_for() -> None:
    following = Following()
    received = resumed(following, known("Horse 1", "Horse 2", "Horse 3"))
    assert statuses(received) == [(Status.SUSPENDED, "the feed restarted")]
    assert tells(received)[0].mark is None
    assert isinstance(received.actions[-1], RecoveryRequest)
    assert statuses(following.open()) == [(Status.ACTIVE, "")]


def test_known_outcomes_keep_their_order_whatever_the_exchange_sends_first() -> None:
    following = Following()
    resumed(following, known("3", "Horse 1", "Horse 2"))
    fair = tells(following.open())[0].fair
    assert fair is not None
    assert fair.probabilities == pytest.approx((0.2, 0.5, 0.3), abs=0.02)


def test_known_market_of_other_outcomes_is_never_opened_or_settled() -> None:
    following = Following()
    resumed(following, known("Home", "Away"))
    assert following.open().actions == ()
    received = closed(following, "WINNER", "LOSER", "LOSER")
    assert not [step for step in steps(received) if not isinstance(step, SetStatus)]


def test_withdrawal_from_before_the_restart_is_dated_by_the_exchange_on_our_clock() -> None:
    following = Following()
    resumed(following, known("Horse 1", "Horse 2", "Horse 3", active=(True, True, False)))
    following.status(3, "REMOVED", adjustmentFactor=50.0, removalDate="1970-01-01T00:00:00.250Z")
    following.change(quoted(1, 0.6), quoted(2, 0.4))
    settle = steps(closed(following, "WINNER", "LOSER", "REMOVED"))[-1]
    assert isinstance(settle, SettleMarket)
    assert settle.deductions == (
        Deduction(until_ns=10_250 * NS_PER_MS, keep_milli=500, of_price=True),
    )


def test_withdrawal_that_the_market_did_not_know_of_is_dated_now() -> None:
    following = Following()
    resumed(following, known("Horse 1", "Horse 2", "Horse 3"))
    following.status(3, "REMOVED", adjustmentFactor=50.0, removalDate="1970-01-01T00:00:00.250Z")
    following.change(quoted(1, 0.6), quoted(2, 0.4))
    at_ns = following.at_ns
    settle = steps(closed(following, "WINNER", "LOSER", "REMOVED"))[-1]
    assert isinstance(settle, SettleMarket)
    assert settle.deductions[0].until_ns == at_ns


def test_standing_results_are_told_again_but_not_when_moments_are_unsure() -> None:
    for withdrawn, sent in (("LOSER", 1), ("REMOVED", 0)):
        following = Following()
        market = known("Horse 1", "Horse 2", "Horse 3", status=Status.SETTLED, results_stand=True)
        resumed(following, market)
        following.status(3, withdrawn, adjustmentFactor=50.0)
        found = steps(closed(following, "WINNER", "LOSER", withdrawn))
        assert sum(isinstance(step, SettleMarket) for step in found) == sent
        assert following.adapter.counts.deductions_unsure == 1 - sent


def test_difference_without_a_definition_asks_for_the_image_now_and_then() -> None:
    adapter = ExchangeAdapter()
    body = mcm({"id": M, "rc": [quoted(1, 0.5)]}, pt=1)
    first = adapter.receive(body, at_ns=1)
    assert first.actions == (RecoveryRequest(producer=0, after_ms=0, request_id=1),)
    assert adapter.receive(body, at_ns=2).actions == ()
    later = adapter.receive(body, at_ns=2 + IMAGE_RETRY_MS * NS_PER_MS)
    assert later.actions == (RecoveryRequest(producer=0, after_ms=0, request_id=IMAGE_RETRY_MS),)


def test_an_adapter_that_begins_anew_asks_under_numbers_that_were_not_used() -> None:
    body = mcm({"id": M, "rc": [quoted(1, 0.5)]}, pt=1)
    numbers = []
    for local_process in (1, 2, 3):
        adapter = ExchangeAdapter()
        for again in (0, 1):
            at_ns = (local_process * 100 + again * IMAGE_RETRY_MS) * NS_PER_MS
            (asked,) = adapter.receive(body, at_ns=at_ns).actions
            assert isinstance(asked, RecoveryRequest)
            numbers.append(asked.request_id)
    assert len(dict.fromkeys(numbers)) == len(numbers)


def test_market_whose_change_cannot_be_read_is_suspended_until_its_image_comes() -> None:
    following = Following()
    following.open()
    received = following.change({"id": 1, "batb": [[0, 2, -5]]})
    assert "market" in received.refused
    stop, again = received.actions
    assert isinstance(stop, MarketUpdate)
    assert [step.status for step in stop.steps if isinstance(step, SetStatus)] == [Status.SUSPENDED]
    assert isinstance(again, RecoveryRequest)
    assert (again.producer, again.after_ms) == (0, 0)
    assert following.change(quoted(1, 0.5)).actions == ()
    assert statuses(
        following.change(quoted(1, 0.5), quoted(2, 0.3), quoted(3, 0.2), version=1)
    ) == [(Status.ACTIVE, "")]


# --- anything at all ------------------------------------------------------------------------------

STATUS = st.sampled_from(["OPEN", "SUSPENDED", "CLOSED", "INACTIVE", "ODD", ""])
RUNNER = st.sampled_from(["ACTIVE", "WINNER", "LOSER", "PLACED", "REMOVED", "HIDDEN", "ODD"])
CHANCE = st.none() | st.floats(0.02, 0.9)


@given(
    st.lists(
        st.tuples(
            STATUS,
            st.lists(RUNNER, min_size=3, max_size=3),
            st.lists(CHANCE, min_size=3, max_size=3),
            st.booleans(),
            st.integers(0, 3),
            st.sampled_from([None, "SUB_IMAGE", "RESUB_DELTA", "HEARTBEAT"]),
            st.sampled_from([None, 503]),
        ),
        max_size=12,
    )
)
@settings(max_examples=80, deadline=None)
def test_whatever_is_said_active_means_priced_and_open_and_nothing_is_told_twice(
    said: list[tuple[str, list[str], list[float | None], bool, int, str | None, int | None]],
) -> None:
    adapter = ExchangeAdapter(settings=EAGER)
    sent: SetStatus | None = None
    for pt, (status, found, chances, in_play, version, ct, health) in enumerate(said, start=1):
        runners = [runner(i, one) for i, one in enumerate(found)]
        words = {"status": status, "inPlay": in_play, "version": version}
        moved = [quoted(i, p) for i, p in enumerate(chances) if p is not None]
        market = {"id": M, "marketDefinition": definition(*runners, **words), "rc": moved}
        extra = {"ct": ct} if ct else {}
        body = mcm(market, pt=pt, **extra, **({"status": health} if health else {}))
        received = adapter.receive(body, at_ns=pt * NS_PER_MS)
        for step in steps(received):
            if isinstance(step, SetStatus):
                sent = step
        if sent is not None and sent.status == Status.ACTIVE:
            assert (status, health) == ("OPEN", None)
        for notify in tells(received):
            assert notify.steps or notify.fair
            if notify.fair is not None:
                assert sum(notify.fair.probabilities) == pytest.approx(1.0)
        assert adapter.receive(body, at_ns=pt * NS_PER_MS).actions == () or in_play
