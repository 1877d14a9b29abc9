"""Markets are open only while their producer can be trusted, and stand as they were told last."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.common.commands import (
    CancelBets,
    SetStatus,
    SettleMarket,
    SuspendMarket,
)
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import KnownMarket, RecoveryRequest
from gateway.feeds.uof import results as uof_results
from gateway.feeds.uof.adapter import UofAdapter, UofSettings
from gateway.feeds.uof.messages import SOURCE_BEGAN
from gateway.feeds.uof.producers import FULL, State
from tests.gateway.feeds.uof.builders import (
    EVENT,
    HOME_WON,
    NOW_MS,
    NS,
    THREE_WAY,
    TOTAL,
    WATCHED,
    about,
    alive,
    bet_settlement,
    bet_stop,
    floor,
    market,
    odds_change,
    settled,
    snapshot_complete,
    steps,
    tells,
    total,
)

# --- producers -----------------------------------------------------------------------------------


def test_nothing_opens_before_the_first_recovery_is_complete():
    house = floor(WATCHED)
    house.hear(alive(at=0), at=0)
    assert [(r.producer, r.after_ms) for r in house.asked] == [(1, FULL)]
    house.hear(odds_change(market(1, THREE_WAY), at=1, request_id=house.asked[0].request_id))
    assert house.status("1x2") is Status.SUSPENDED

    house.hear(snapshot_complete(at=2, request_id=house.asked[0].request_id))

    assert house.status("1x2") is Status.ACTIVE


def test_silence_suspends_that_producers_markets_only_and_recovery_reopens_them():
    house = floor(WATCHED)
    house.recover(at=0, product=1)
    house.recover(at=0, product=3)
    house.hear(odds_change(market(1, THREE_WAY), total(status=-1), at=1, product=1))
    house.hear(odds_change(market(26, (("70", "1.9"), ("72", "1.9"))), at=1, product=3))
    house.hear(alive(at=15_000, product=3), at=15_000)

    received = house.tick(at=21_000)

    assert [notify.key for notify in tells(received)] == [f"{EVENT}/1x2"]
    assert tells(received)[0].mark is None
    assert house.status("1x2") is Status.SUSPENDED
    assert house.status("odd_even") is Status.ACTIVE
    house.hear(alive(at=30_000), at=30_000)
    house.hear(odds_change(total(), at=29_000, request_id=house.asked[-1].request_id))
    assert house.status(TOTAL) is Status.SUSPENDED
    house.hear(snapshot_complete(at=30_001, request_id=house.asked[-1].request_id))
    assert house.status("1x2") is house.status(TOTAL) is Status.ACTIVE


def test_after_a_recovery_markets_stand_as_they_were_told_last():
    house = floor(WATCHED)
    house.recover(at=0)
    house.hear(odds_change(market(1, THREE_WAY), total(), at=1))
    house.tick(at=30_000)
    house.hear(alive(at=31_000), at=31_000)
    request = house.asked[-1].request_id
    house.hear(odds_change(market(1, status=0), at=25_000, request_id=request))
    house.hear(bet_settlement(
        settled(18, (("12", 'result="1"'), ("13", 'result="0"')), specifiers="total=2.5"),
        at=26_000, request_id=request,
    ))  # fmt: skip

    house.hear(snapshot_complete(at=31_001, request_id=request))

    assert house.status("1x2") is Status.INACTIVE
    assert house.status(TOTAL) is Status.SETTLED


def test_a_source_that_begins_anew_may_have_missed_something_however_soon_it_is_back():
    house = floor(WATCHED)
    house.recover(at=0, product=1)
    house.recover(at=0, product=3)
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    asked = len(house.asked)

    house.hear(SOURCE_BEGAN, at=5_000)

    assert house.status("1x2") is Status.SUSPENDED
    for product in (1, 3):
        house.hear(alive(at=10_000, product=product), at=10_000)
    assert [(r.producer, r.after_ms) for r in house.asked[asked:]] == [(1, NOW_MS), (3, NOW_MS)]
    stopped = bet_stop(at=4_000, more=f'request_id="{house.asked[asked].request_id}"')
    house.hear(stopped, at=10_001)
    for request in house.asked[asked:]:
        complete = snapshot_complete(
            at=10_002, product=request.producer, request_id=request.request_id
        )
        house.hear(complete, at=10_002)
    assert house.status("1x2") is Status.SUSPENDED
    house.hear(odds_change(market(1, THREE_WAY), at=10_003))
    assert house.status("1x2") is Status.ACTIVE


def test_a_recovery_that_a_source_s_new_beginning_cut_short_does_not_count():
    house = floor(WATCHED)
    house.hear(alive(at=0), at=0)
    cut_short = house.asked[-1].request_id
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    house.hear(SOURCE_BEGAN, at=1_000)

    house.hear(snapshot_complete(at=1_001, request_id=cut_short), at=1_001)

    assert house.status("1x2") is Status.SUSPENDED
    house.recover(at=10_000)
    assert house.status("1x2") is Status.ACTIVE


def test_a_producer_that_says_it_is_down_is_down():
    house = floor(WATCHED)
    house.recover(at=0)
    house.hear(odds_change(market(1, THREE_WAY), at=1))

    down = f'<product_down product="1" timestamp="{NOW_MS + 2}"/>'.encode()
    house.hear(down, at=2)

    assert house.status("1x2") is Status.SUSPENDED
    assert house.adapter.producer_states() == {1: State.DOWN}


def test_odds_that_are_old_when_they_come_close_the_market_until_they_are_not():
    house = floor(WATCHED)
    house.recover(at=0)
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    house.hear(alive(at=10_000), at=15_000)
    assert house.status("1x2") is Status.ACTIVE

    house.hear(alive(at=12_000), at=33_000)
    assert house.status("1x2") is Status.SUSPENDED
    house.hear(alive(at=31_000), at=34_000)

    assert house.status("1x2") is Status.ACTIVE
    assert len(house.asked) == 1


def test_results_wait_for_the_recovery_and_go_out_by_their_times():
    house = floor(WATCHED)
    house.recover(at=0)
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    house.tick(at=30_000)
    house.hear(alive(at=31_000), at=31_000)
    request = house.asked[-1].request_id

    assert house.hear(bet_settlement(settled(1, HOME_WON), at=32_000)).actions == ()
    assert house.hear(about("bet_cancel", 1, at=25_000, request_id=request)).actions == ()
    received = house.hear(snapshot_complete(at=33_000, request_id=request))

    positions = [notify.mark.position for notify in tells(received) if notify.mark is not None]
    assert [type(step) for step in steps(received)] == [CancelBets, SettleMarket]
    assert positions == [NOW_MS + 25_000, NOW_MS + 32_000]


def test_a_market_that_a_trader_holds_is_not_opened_by_a_recovery():
    house = floor(WATCHED)
    house.recover(at=0)
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    number = house.numbers[f"{EVENT}/1x2"]
    house.machine.apply(SuspendMarket(market_no=number, why="mine"), NOW_MS * NS)
    house.tick(at=30_000)

    house.recover(at=31_000)

    assert house.status("1x2") is Status.SUSPENDED


# --- restart -------------------------------------------------------------------------------------


def restarted(house, positions, settings=WATCHED):
    known = [
        KnownMarket(
            image=house.machine.price_image(number),
            positions=heard,
            results_stand=house.machine.price_image(number).status is Status.SETTLED,
        )
        for number, heard in zip(house.numbers.values(), positions, strict=True)
    ]
    adapter = UofAdapter("uof", settings)
    return adapter, adapter.resume(known, at_ns=(NOW_MS + 60_000) * NS)


def test_after_a_restart_open_markets_wait_for_a_recovery():
    house = floor(WATCHED)
    house.recover(at=0)
    house.hear(odds_change(market(1, THREE_WAY), total(status=0), market(40, (("a", "2"),)), at=1))
    heard = {"uof:1/odds": NOW_MS + 1, "else:1/odds": 5}

    adapter, received = restarted(house, [heard] * 3)

    house.adapter = adapter
    house.carry_out(received.actions, NOW_MS * NS)
    assert [notify.key for notify in tells(received)] == [f"{EVENT}/1x2", f"{EVENT}/uof_40"]
    assert house.status("1x2") is Status.SUSPENDED
    house.recover(at=70_000)
    assert 0 < house.asked[-1].after_ms < NOW_MS
    assert house.status("1x2") is house.status("uof_40") is Status.ACTIVE
    assert house.status(TOTAL) is Status.INACTIVE


def test_after_a_restart_it_is_known_who_speaks_for_a_market():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1, product=3))
    house.hear(odds_change(market(1, THREE_WAY), at=2, product=1))
    heard = {"uof:3/odds": NOW_MS + 1, "uof:1/odds": NOW_MS + 2}
    house.adapter, _ = restarted(house, [heard], UofSettings(watch=False))

    house.hear(odds_change(market(1, status=-2), at=3, product=3))

    assert house.status("1x2") is Status.ACTIVE


def test_a_settled_market_is_not_opened_by_a_restart():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    house.hear(bet_settlement(settled(1, HOME_WON), at=2))
    _, received = restarted(house, [{"uof:1/odds": NOW_MS + 1, "uof:1/result": NOW_MS + 2}])

    assert received.actions == ()


def test_markets_of_others_are_not_this_feeds():
    adapter = UofAdapter("uof")

    assert adapter.owns("sr:match:5/1x2")
    assert adapter.owns("vf:match:5/uof_14")
    assert not adapter.owns("wc22-64/1x2")
    assert not adapter.owns("exchange.1.200806927/match_odds")


# --- whatever happens ----------------------------------------------------------------------------


MESSAGES = st.lists(
    st.one_of(
        st.builds(
            lambda number, status, product: ("odds", number, status, product),
            st.sampled_from([1, 60]),
            st.sampled_from([1, 1, 1, 0, -1, -2]),
            st.sampled_from([1, 3]),
        ),
        st.tuples(st.just("alive"), st.sampled_from([1, 3]), st.integers(0, 1)),
        st.tuples(st.just("complete"), st.sampled_from([1, 3])),
        st.tuples(st.just("down"), st.sampled_from([1, 3])),
        st.tuples(st.just("stop"), st.sampled_from([1, 3])),
        st.tuples(st.just("wait"), st.integers(1, 30_000)),
    ),
    max_size=60,
)  # fmt: skip


@given(MESSAGES)
@settings(max_examples=120, deadline=None)
def test_nothing_is_opened_by_a_producer_that_is_down_whatever_happens(messages):
    house = floor(WATCHED)
    at = 0
    for kind, *said in messages:
        at += 1
        up = {number for number, s in house.adapter.producer_states().items() if s is State.UP}
        if kind == "odds":
            number, status, product = said
            body = odds_change(market(number, THREE_WAY, status=status), at=at, product=product)
            received = house.hear(body, at=at)
        elif kind == "alive":
            received = house.hear(alive(at=at, product=said[0], subscribed=said[1]), at=at)
        elif kind == "complete":
            mine = [r.request_id for r in house.asked if r.producer == said[0]]
            body = snapshot_complete(at=at, product=said[0], request_id=mine[-1] if mine else 1)
            received = house.hear(body, at=at)
        elif kind == "down":
            body = f'<product_down product="{said[0]}" timestamp="{NOW_MS + at}"/>'.encode()
            received = house.hear(body, at=at)
        elif kind == "stop":
            received = house.hear(bet_stop(at=at, product=said[0]), at=at)
        else:
            at += said[0]
            received = house.tick(at=at)
        now_up = {n for n, s in house.adapter.producer_states().items() if s is State.UP}
        touched = {"odds": 2, "complete": 0, "down": 0, "stop": 0, "alive": 0}.get(kind)
        for notify in tells(received):
            opens = any(
                isinstance(step, SetStatus) and step.status is Status.ACTIVE
                for step in notify.steps
            )
            owner = _owner(house, notify.key)
            assert not opens or owner in now_up
            if notify.mark is None:
                assert owner in up ^ now_up
            elif touched is not None:
                assert notify.mark.source == f"uof:{said[touched]}/odds"
        for key in house.numbers:
            if _owner(house, key) not in now_up:
                assert house.status(key.partition("/")[2]) is not Status.ACTIVE
        assert all(isinstance(r, RecoveryRequest) for r in house.asked)


def _owner(house, key):
    sources = [
        event.source for event in house.events
        if getattr(event, "source", "") and event.market_no == house.numbers[key]
    ]  # fmt: skip
    if "uof:1/odds" in sources:
        return 1
    return 3 if sources else 0


def test_old_news_that_comes_again_does_not_change_what_was_told_last():
    house = floor(WATCHED)
    house.recover(at=0)
    house.hear(odds_change(market(1, THREE_WAY), at=5), at=5)
    house.hear(odds_change(market(1, THREE_WAY, status=-1), at=10), at=10)
    house.hear(odds_change(market(1, THREE_WAY), at=5, request_id=3), at=11)
    house.tick(at=30_000)

    house.recover(at=31_000)

    assert house.status("1x2") is Status.SUSPENDED


def test_results_past_the_bound_go_out_as_they_are(monkeypatch):
    monkeypatch.setattr(uof_results, "HELD_MAX", 2)
    house = floor(WATCHED)
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    house.hear(about("bet_cancel", 1, at=9, more='end_time="5"'))
    house.hear(about("bet_cancel", 1, at=8, more='end_time="4"'))

    received = house.hear(bet_settlement(settled(1, HOME_WON), at=7))

    assert [notify.mark.position - NOW_MS for notify in tells(received) if notify.mark] == [7, 8, 9]


def test_a_recording_that_is_not_watched_is_trusted_whatever_its_heartbeats_say():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))

    for body in (
        alive(at=2, subscribed=0),
        f'<product_down product="1" timestamp="{NOW_MS + 3}"/>'.encode(),
        snapshot_complete(at=4, request_id=1),
    ):
        assert house.hear(body).actions == ()
    assert house.tick(at=100_000).actions == ()
    assert house.status("1x2") is Status.ACTIVE


def test_a_market_that_is_not_the_feeds_is_left_alone_by_a_restart():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    image = house.machine.price_image(1)
    strangers = [replace(image, key=key) for key in (f"{EVENT}/no_such_type", "no key at all")]

    adapter = UofAdapter("uof")
    received = adapter.resume([KnownMarket(image=one) for one in strangers], at_ns=1)

    assert received.actions == ()
    assert adapter.counts == {"market unknown": 2}


def test_odds_late_at_the_end_of_a_recovery_open_nothing_but_results_go_out():
    house = floor(WATCHED)
    house.hear(odds_change(market(1, THREE_WAY), at=1))
    house.hear(alive(at=1), at=30_000)
    request = house.asked[-1].request_id
    house.hear(about("bet_cancel", 1, at=2, request_id=request), at=30_000)

    received = house.hear(snapshot_complete(at=3, request_id=request), at=30_000)

    assert len(tells(received)) == 1
    assert house.adapter.producer_states() == {1: State.LATE}
    assert house.status("1x2") is Status.SUSPENDED
