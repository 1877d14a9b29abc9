"""The adapter opens, follows and refuses markets as the exchange's stream states."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.acceptance import SetFeedDelay
from engine.common.commands import (
    OutcomeResult,
    SetStatus,
    SettleMarket,
)
from engine.common.ids import parse_market_key
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS
from gateway.feeds.exchange.adapter import ExchangeAdapter
from gateway.feeds.exchange.settings import ExchangeSettings
from tests.gateway.feeds.exchange.builders import definition, mcm, quoted, runner
from tests.gateway.feeds.exchange.following import (
    EAGER,
    KEY,
    Following,
    M,
    delays,
    statuses,
    steps,
    updates,
)

# --- opening and following ------------------------------------------------------------------------


def test_first_prices_open_the_market_with_its_names_and_fair_probabilities() -> None:
    (update,) = updates(Following().open())
    assert update.key == KEY
    assert str(parse_market_key(update.key)) == KEY
    assert update.new_market is not None
    assert update.new_market.outcomes == ("Horse 1", "Horse 2", "Horse 3")
    assert update.mark is not None
    assert (update.mark.source, update.mark.position) == ("exchange/odds", 1_000)
    assert update.mark.digest != 0
    assert update.steps == (SetStatus(market_no=0, status=Status.ACTIVE),)
    assert update.fair is not None
    assert update.fair.probabilities == pytest.approx((0.5, 0.3, 0.2), abs=0.02)
    assert sum(update.fair.probabilities) == pytest.approx(1.0)


def test_market_that_never_had_prices_gets_no_update_even_when_it_closes() -> None:
    following = Following()
    assert following.change().actions == ()
    assert following.change(status="SUSPENDED").actions == ()
    following.status(1, "WINNER")
    assert following.change(status="CLOSED").actions == ()


def test_moves_below_move_min_are_not_sent_and_larger_ones_are() -> None:
    following = Following()
    following.open()
    resized = quoted(1, 0.5)
    resized["batb"][0][2] *= 1.05
    assert following.change(resized).actions == ()
    (update,) = updates(following.change(quoted(1, 0.52), quoted(2, 0.28)))
    assert (update.steps, update.fair is not None) == ((), True)


def test_step_after_a_move_below_move_min_is_sent_with_the_latest_prices() -> None:
    following = Following(version=1)
    (opened,) = updates(following.open())
    assert following.change(quoted(1, 0.501), quoted(2, 0.299)).actions == ()
    (update,) = updates(following.change(version=2))
    assert [step.status for step in update.steps if isinstance(step, SetStatus)] == [
        Status.SUSPENDED,
        Status.ACTIVE,
    ]
    assert update.fair is not None
    assert opened.fair is not None
    assert update.fair.probabilities[0] > opened.fair.probabilities[0]
    assert update.fair.probabilities[1] < opened.fair.probabilities[1]


def test_moves_within_every_ms_wait_and_the_tick_sends_the_last_with_its_own_mark() -> None:
    following = Following(ExchangeSettings(every_ms=5_000))
    following.open()

    def money_to_lay(size: float) -> dict[str, Any]:
        return {**quoted(1, 0.5), "batl": [[0, 2.1, size]]}

    assert following.change(money_to_lay(5.0)).actions == ()
    assert following.change(money_to_lay(0.5)).actions == ()
    assert following.adapter.tick(at_ns=following.at_ns).actions == ()
    following.pt += 3_000
    (update,) = updates(following.adapter.tick(at_ns=following.at_ns))
    assert update.fair is not None
    assert update.fair.probabilities[0] == pytest.approx(1 / 2.1, abs=0.01)
    assert update.mark is not None
    assert update.mark.position == 3_000
    assert following.adapter.tick(at_ns=following.at_ns).actions == ()


def test_suspension_and_reopening_follow_the_exchange() -> None:
    following = Following()
    following.open()
    assert statuses(following.change(status="SUSPENDED", version=2)) == [
        (Status.SUSPENDED, "exchange: SUSPENDED")
    ]
    assert following.change(quoted(1, 0.6), quoted(2, 0.2)).actions == ()
    back = following.change(status="OPEN", version=3)
    assert statuses(back) == [(Status.ACTIVE, "")]
    fair = updates(back)[0].fair
    assert fair is not None
    assert fair.probabilities[0] == pytest.approx(0.6, abs=0.02)


def test_inactive_market_is_inactive_here() -> None:
    following = Following()
    following.open()
    assert statuses(following.change(status="INACTIVE")) == [(Status.INACTIVE, "")]


def test_version_that_rose_while_open_suspends_and_reopens_the_market() -> None:
    following = Following()
    following.open()
    assert [status for status, _ in statuses(following.change(version=2))] == [
        Status.SUSPENDED,
        Status.ACTIVE,
    ]
    assert following.change(version=2).actions == ()


def test_turn_in_play_suspends_until_new_prices_arrive() -> None:
    following = Following()
    following.open()
    turned = following.change(quoted(1, 0.6), quoted(2, 0.2), inPlay=True, betDelay=5, version=2)
    assert statuses(turned) == [(Status.SUSPENDED, "turned in-play")]
    assert delays(turned) == [5_000]
    assert statuses(following.change(quoted(1, 0.58))) == [(Status.ACTIVE, "")]


def test_each_change_of_the_exchanges_delay_is_sent_once_and_bounded() -> None:
    following = Following()
    assert delays(following.open()) == []
    assert delays(following.change(betDelay=5)) == [5_000]
    assert delays(following.change(betDelay=5, version=2)) == []
    assert delays(following.change(betDelay=3_600)) == [30_000]
    assert delays(following.change(betDelay=0)) == [0]


def test_a_market_that_opens_in_play_has_its_delay_before_it_takes_bets() -> None:
    (update,) = updates(Following(inPlay=True, betDelay=8).open())
    assert [type(step) for step in update.steps] == [SetFeedDelay, SetStatus]


def test_a_delay_waits_for_the_newest_message_when_the_stream_is_repeated() -> None:
    following = Following()
    following.open()
    slow = mcm({"id": M, "marketDefinition": definition(*following.runners, betDelay=5)}, pt=2_000)
    quick = mcm({"id": M, "marketDefinition": definition(*following.runners, betDelay=1)}, pt=3_000)
    following.pt = 3_000
    assert [delays(following.receive(body)) for body in (slow, quick, slow, quick)] == [
        [5_000],
        [1_000],
        [],
        [],
    ]


def test_market_whose_prices_disappear_is_suspended() -> None:
    following = Following()
    following.open()
    gone = {"id": 1, "batb": [[0, 0, 0]], "ltp": 0}
    assert statuses(following.change(gone)) == [(Status.SUSPENDED, "no fair price")]


def test_each_market_of_one_message_gets_its_own_key() -> None:
    adapter = ExchangeAdapter(feed="betfair")
    changes = [
        {
            "id": name,
            "marketDefinition": definition(runner(1), runner(2), marketType=kind),
            "rc": [quoted(1, 0.6), quoted(2, 0.4)],
        }
        for name, kind in (("1.1", "MATCH_ODDS"), ("1.2", "TO_QUALIFY"))
    ]
    keys = [update.key for update in updates(adapter.receive(mcm(*changes, pt=1), at_ns=1))]
    assert keys == [
        "betfair.77.202311142200/match_odds?market=1.1",
        "betfair.77.202311142200/to_qualify?market=1.2",
    ]
    assert all(adapter.owns(key) for key in keys)
    assert not adapter.owns("exchange.77.202311142200/win?market=1.1")


# --- refused markets ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"bettingType": "LINE"}, "betting type LINE"),
        ({"bettingType": "ASIAN_HANDICAP_DOUBLE_LINE"}, "ODDS alone is followed"),
        ({"marketType": "EACH_WAY"}, "two results in one bet"),
        ({"eventId": "no id at all"}, "market key"),
        ({"eventId": ""}, "no event or no runners"),
        ({"marketType": ""}, "market key"),
    ],
)
def test_market_that_is_not_followed_is_refused_once_with_its_reason(
    fields: dict[str, Any], why: str
) -> None:
    following = Following(**fields)
    first = following.change(quoted(1, 0.5), quoted(2, 0.5))
    assert why in first.refused
    assert (first.actions, following.adapter.counts.markets_refused) == ((), 1)
    repeated = following.change(quoted(1, 0.5), version=2)
    assert (repeated.refused, repeated.actions) == ("", ())
    assert following.adapter.counts.markets_refused == 1
    assert following.adapter.passed_over()["markets refused"] == 1


def test_equal_runner_names_get_the_id_appended_and_names_are_bounded() -> None:
    following = Following()
    following.runners = [
        runner(1, name="The Draw"),
        runner(2, name=" The  Draw\x00"),
        runner(3, name="x" * 99),
    ]
    new_market = updates(following.open())[0].new_market
    assert new_market is not None
    assert new_market.outcomes == ("The Draw (1)", "The Draw (2)", "x" * 64)


def test_runner_names_that_stay_equal_are_replaced_by_ids() -> None:
    following = Following()
    following.runners = [runner(1, name="A"), runner(2, name="A"), runner(3, name="A (1)")]
    new_market = updates(following.open())[0].new_market
    assert new_market is not None
    assert new_market.outcomes == ("1", "2", "3")


def test_runner_listed_twice_is_refused() -> None:
    following = Following()
    following.runners = [runner(1), runner(1)]
    assert "listed twice" in following.change(quoted(1, 0.5)).refused


def test_runners_without_names_are_named_by_their_ids() -> None:
    following = Following()
    following.runners = [runner(i) for i in (1, 2, 3)]
    new_market = updates(following.open())[0].new_market
    assert new_market is not None
    assert new_market.outcomes == ("1", "2", "3")


def test_runner_added_after_creation_suspends_the_market_and_results_still_settle_it() -> None:
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


# --- any sequence of messages ---------------------------------------------------------------------

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
def test_active_markets_are_open_and_priced_and_no_update_is_repeated(
    messages: list[tuple[str, list[str], list[float | None], bool, int, str | None, int | None]],
) -> None:
    adapter = ExchangeAdapter(settings=EAGER)
    sent: SetStatus | None = None
    for pt, message in enumerate(messages, start=1):
        status, found, probabilities, in_play, version, ct, health = message
        runners = [runner(i, one) for i, one in enumerate(found)]
        fields = {"status": status, "inPlay": in_play, "version": version}
        moved = [quoted(i, p) for i, p in enumerate(probabilities) if p is not None]
        market = {"id": M, "marketDefinition": definition(*runners, **fields), "rc": moved}
        extra = {"ct": ct} if ct else {}
        body = mcm(market, pt=pt, **extra, **({"status": health} if health else {}))
        received = adapter.receive(body, at_ns=pt * NS_PER_MS)
        for step in steps(received):
            if isinstance(step, SetStatus):
                sent = step
        if sent is not None and sent.status == Status.ACTIVE:
            assert (status, health) == ("OPEN", None)
        for update in updates(received):
            assert update.steps or update.fair
            if update.fair is not None:
                assert sum(update.fair.probabilities) == pytest.approx(1.0)
        assert adapter.receive(body, at_ns=pt * NS_PER_MS).actions == () or in_play


@pytest.mark.parametrize(
    ("fields", "sport", "phase"),
    [
        ({}, "race", "prematch"),
        ({"eventTypeId": "1", "inPlay": True}, "football", "live"),
        ({"eventTypeId": "4"}, "event_type_4", "prematch"),
        ({"eventTypeId": ""}, "", "prematch"),
    ],
)
def test_market_is_created_with_the_sport_of_its_event_type(
    fields: dict[str, Any], sport: str, phase: str
) -> None:
    new_market = updates(Following(**fields).open())[0].new_market
    assert new_market is not None
    assert (new_market.sport, new_market.phase) == (sport, phase)
