"""Markets are open only while their producer is trusted, and then have their last status."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.common.commands import (
    CancelBets,
    SetStatus,
    SettleMarket,
    SuspendMarket,
)
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS
from gateway.feeds.core.adapter import Hold
from gateway.feeds.uof.messages import SUBSCRIPTION_STARTED
from gateway.feeds.uof.producers import FULL_RECOVERY, State
from tests.gateway.feeds.uof.builders import (
    EVENT,
    HOME_WON,
    MATCH_WINNER,
    NOW_MS,
    TOTAL,
    WATCHED,
    alive,
    bet_settlement,
    bet_stop,
    correction,
    feed_markets,
    market,
    odds_change,
    product_down,
    settled,
    snapshot_complete,
    steps,
    total,
    updates,
)

# --- producers -----------------------------------------------------------------------------------


def test_no_market_opens_before_the_first_recovery_is_complete():
    feed = feed_markets(WATCHED)
    feed.receive(alive(at=0), at=0)
    assert [(r.producer, r.after_ms) for r in feed.requests] == [(1, FULL_RECOVERY)]
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1, request_id=feed.requests[0].request_id))
    assert feed.status("1x2") is Status.SUSPENDED

    feed.complete(feed.requests[0], at=2)

    assert feed.status("1x2") is Status.ACTIVE


def test_silence_suspends_that_producers_markets_only_and_the_recovery_reopens_them():
    feed = feed_markets(WATCHED)
    feed.recover(at=0, product=1)
    feed.recover(at=0, product=3)
    feed.receive(odds_change(market(1, MATCH_WINNER), total(status=-1), at=1, product=1))
    feed.receive(odds_change(market(26, (("70", "1.9"), ("72", "1.9"))), at=1, product=3))
    feed.receive(alive(at=15_000, product=3), at=15_000)

    received = feed.tick(at=21_000)

    assert [update.key for update in updates(received)] == [f"{EVENT}/1x2"]
    assert updates(received)[0].mark is None
    assert feed.adapter.uncovered() == {EVENT: "producer 1 is down"}
    assert feed.status("1x2") is Status.SUSPENDED
    assert feed.status("odd_even") is Status.ACTIVE
    feed.receive(alive(at=30_000), at=30_000)
    feed.receive(odds_change(total(), at=29_000, request_id=feed.requests[-1].request_id))
    assert feed.status(TOTAL) is Status.SUSPENDED
    feed.complete(feed.requests[-1], at=30_001)
    assert feed.status("1x2") is feed.status(TOTAL) is Status.ACTIVE
    assert feed.adapter.uncovered() == {}


def test_after_a_recovery_markets_have_their_last_status():
    feed = feed_markets(WATCHED)
    feed.recover(at=0)
    feed.receive(odds_change(market(1, MATCH_WINNER), total(), at=1))
    feed.tick(at=30_000)
    feed.receive(alive(at=31_000), at=31_000)
    request = feed.requests[-1].request_id
    feed.receive(odds_change(market(1, status=0), at=25_000, request_id=request))
    feed.receive(bet_settlement(
        settled(18, (("12", 'result="1"'), ("13", 'result="0"')), specifiers="total=2.5"),
        at=26_000, request_id=request,
    ))  # fmt: skip

    feed.receive(snapshot_complete(at=31_001, request_id=request))

    assert feed.status("1x2") is Status.INACTIVE
    assert feed.status(TOTAL) is Status.SETTLED


def test_a_new_subscription_suspends_every_market_until_its_producer_is_recovered():
    feed = feed_markets(WATCHED)
    feed.recover(at=0, product=1)
    feed.recover(at=0, product=3)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    earlier = len(feed.requests)

    feed.receive(SUBSCRIPTION_STARTED, at=5_000)

    assert feed.status("1x2") is Status.SUSPENDED
    for product in (1, 3):
        feed.receive(alive(at=10_000, product=product), at=10_000)
    requests = feed.requests[earlier:]
    assert [(r.producer, r.after_ms) for r in requests] == [(1, NOW_MS), (3, NOW_MS)]
    missed = bet_stop(at=4_000, attributes=f'request_id="{requests[0].request_id}"')
    feed.receive(missed, at=10_001)
    for request in requests:
        feed.complete(request, at=10_002)
    assert feed.status("1x2") is Status.SUSPENDED
    feed.receive(odds_change(market(1, MATCH_WINNER), at=10_003))
    assert feed.status("1x2") is Status.ACTIVE


def test_a_recovery_interrupted_by_a_new_subscription_does_not_count():
    feed = feed_markets(WATCHED)
    feed.receive(alive(at=0), at=0)
    interrupted = feed.requests[-1]
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.receive(SUBSCRIPTION_STARTED, at=1_000)

    feed.complete(interrupted, at=1_001)

    assert feed.status("1x2") is Status.SUSPENDED
    feed.recover(at=10_000)
    assert feed.status("1x2") is Status.ACTIVE


def test_product_down_suspends_the_producers_markets():
    feed = feed_markets(WATCHED)
    feed.recover(at=0)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))

    feed.receive(product_down(at=2), at=2)

    assert feed.status("1x2") is Status.SUSPENDED
    assert feed.adapter.producer_states() == {1: State.DOWN}
    feed.receive(odds_change(market(1, MATCH_WINNER, status=-1), at=3))
    assert feed.adapter.uncovered() == {}, "the match's own state has stopped it"


def test_late_heartbeats_suspend_markets_until_one_is_on_time():
    feed = feed_markets(WATCHED)
    feed.recover(at=0)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.receive(alive(at=10_000), at=15_000)
    assert feed.status("1x2") is Status.ACTIVE

    feed.receive(alive(at=12_000), at=33_000)
    assert feed.status("1x2") is Status.SUSPENDED
    feed.receive(alive(at=31_000), at=34_000)

    assert feed.status("1x2") is Status.ACTIVE
    assert len(feed.requests) == 1


def test_results_wait_for_the_recovery_and_are_sent_by_timestamp():
    feed = feed_markets(WATCHED)
    feed.recover(at=0)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.tick(at=30_000)
    feed.receive(alive(at=31_000), at=31_000)
    request = feed.requests[-1].request_id

    for held in (
        bet_settlement(settled(1, HOME_WON), at=32_000),
        correction("bet_cancel", 1, at=25_000, request_id=request),
    ):
        assert [type(action) for action in feed.receive(held).actions] == [Hold]
    received = feed.receive(snapshot_complete(at=33_000, request_id=request))

    positions = [update.mark.position for update in updates(received) if update.mark is not None]
    assert [type(step) for step in steps(received)] == [CancelBets, SettleMarket]
    assert positions == [NOW_MS + 25_000, NOW_MS + 32_000]


def test_a_market_that_a_trader_suspended_is_not_opened_by_a_recovery():
    feed = feed_markets(WATCHED)
    feed.recover(at=0)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    number = feed.numbers[f"{EVENT}/1x2"]
    feed.machine.apply(SuspendMarket(market_no=number, why="by hand"), NOW_MS * NS_PER_MS)
    feed.tick(at=30_000)

    feed.recover(at=31_000)

    assert feed.status("1x2") is Status.SUSPENDED


# --- any sequence of messages --------------------------------------------------------------------


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
@example([("alive", 3, 0), ("odds", 1, -2, 1), ("complete", 3), ("odds", 1, 1, 3)])
@settings(max_examples=120, deadline=None)
def test_no_sequence_of_messages_opens_a_market_of_an_untrusted_producer(messages):
    feed = feed_markets(WATCHED)
    at = 0
    owners: dict[str, int] = {}
    for kind, *values in messages:
        at += values[0] if kind == "wait" else 1
        up = up_producers(feed)
        received = give(feed, kind, values, at=at)
        now_up = up_producers(feed)
        for update in updates(received):
            opens = any(
                isinstance(step, SetStatus) and step.status is Status.ACTIVE
                for step in update.steps
            )
            if update.mark is None:
                assert owners[update.key] in up ^ now_up
            else:
                if kind == "odds":
                    owners[update.key] = values[2]
                owner = owners[update.key]
                assert update.mark.source in (f"uof:{owner}/odds", f"uof:{owner}/taken")
            assert not opens or owners[update.key] in now_up
        for key in feed.numbers:
            if owners[key] not in now_up:
                assert feed.status(key.partition("/")[2]) is not Status.ACTIVE


def up_producers(feed):
    """Return the producers that are up."""
    return {number for number, s in feed.adapter.producer_states().items() if s is State.UP}


def give(feed, kind, values, *, at):
    """Give a feed one message of a sequence, or the time."""
    match kind:
        case "odds":
            number, status, product = values
            body = odds_change(market(number, MATCH_WINNER, status=status), at=at, product=product)
        case "alive":
            body = alive(at=at, product=values[0], subscribed=values[1])
        case "complete":
            own = [r.request_id for r in feed.requests if r.producer == values[0]]
            body = snapshot_complete(at=at, product=values[0], request_id=own[-1] if own else 1)
        case "down":
            body = product_down(at=at, product=values[0])
        case "stop":
            body = bet_stop(at=at, product=values[0])
        case _:
            return feed.tick(at=at)
    return feed.receive(body, at=at)


def test_a_repeated_older_odds_change_does_not_change_the_last_status():
    feed = feed_markets(WATCHED)
    feed.recover(at=0)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=5), at=5)
    feed.receive(odds_change(market(1, MATCH_WINNER, status=-1), at=10), at=10)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=5, request_id=3), at=11)
    feed.tick(at=30_000)

    feed.recover(at=31_000)

    assert feed.status("1x2") is Status.SUSPENDED


def test_without_the_watch_every_producer_is_trusted():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))

    for body in (
        alive(at=2, subscribed=0),
        product_down(at=3),
        snapshot_complete(at=4, request_id=1),
    ):
        assert feed.receive(body).actions == ()
    assert feed.tick(at=100_000).actions == ()
    assert feed.status("1x2") is Status.ACTIVE
    assert feed.adapter.uncovered() == {}


def test_a_recovery_that_ends_late_sends_results_and_opens_nothing():
    feed = feed_markets(WATCHED)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.receive(alive(at=1), at=30_000)
    request = feed.requests[-1].request_id
    feed.receive(correction("bet_cancel", 1, at=2, request_id=request), at=30_000)

    received = feed.receive(snapshot_complete(at=3, request_id=request), at=30_000)

    assert len(updates(received)) == 1
    assert feed.adapter.producer_states() == {1: State.LATE}
    assert feed.status("1x2") is Status.SUSPENDED
