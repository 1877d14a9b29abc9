"""Bets, results and recoveries on markets that follow a feed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.lifecycle import Status
from engine.common.rows import BetResult
from engine.common.units import NS_PER_MS
from tests.engine.market.builders import bet, bet_rows
from tests.gateway.feeds.uof.builders import (
    EVENT,
    HOME_WON,
    MATCH_WINNER,
    NOW_MS,
    TOTAL,
    UNWATCHED,
    WATCHED,
    FeedMarkets,
    alive,
    bet_settlement,
    bet_stop,
    correction,
    feed_markets,
    market,
    odds_change,
    settled,
    total,
)

DRAWN = (("1", 'result="0"'), ("2", 'result="1"'), ("3", 'result="0"'))


def bet_at(feed: FeedMarkets, serial: int, *, at: int, outcome: int = 0, odds: int = 2100) -> int:
    """Bet on the match winner `at` milliseconds after NOW_MS; return the reason."""
    number = feed.numbers[f"{EVENT}/1x2"]
    rows = bet_rows([bet(serial, market=number, outcome=outcome, odds=odds)])
    return int(feed.machine.place(rows, (NOW_MS + at) * NS_PER_MS)["reason"][0])


def resolved(feed: FeedMarkets) -> list[tuple[int, str, int]]:
    """Return the serial, the result and the payout of every bet, as resolved last."""
    last: dict[int, tuple[str, int]] = {}
    for row in feed.machine.outbox(shard=0, limit=1_000):
        serial = int(row["bet_id"])
        last[serial] = (BetResult(int(row["result"])).name, int(row["payout_minor"]))
    return [(serial, *resolution) for serial, resolution in sorted(last.items())]


def with_match_winner() -> FeedMarkets:
    """Return a feed with an active match winner."""
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=0))
    return feed


def test_bets_in_a_cancelled_window_are_refunded_and_the_others_are_settled():
    feed = with_match_winner()
    assert [bet_at(feed, serial, at=100 * serial) for serial in (1, 2, 3, 4)] == [0, 0, 0, 0]

    feed.receive(
        correction(
            "bet_cancel",
            1,
            at=500,
            attributes=f'start_time="{NOW_MS + 200}" end_time="{NOW_MS + 400}"',
        )
    )
    feed.receive(bet_settlement(settled(1, HOME_WON), at=600))

    assert resolved(feed) == [
        (1, "WON", 210), (2, "CANCELLED", 100), (3, "CANCELLED", 100), (4, "WON", 210),
    ]  # fmt: skip


def test_an_end_time_alone_voids_earlier_bets_and_a_start_time_alone_later_ones():
    before, after = with_match_winner(), with_match_winner()
    for feed in (before, after):
        for serial in (1, 2):
            bet_at(feed, serial, at=100 * serial)

    before.receive(correction("bet_cancel", 1, at=500, attributes=f'end_time="{NOW_MS + 200}"'))
    after.receive(correction("bet_cancel", 1, at=500, attributes=f'start_time="{NOW_MS + 200}"'))

    assert resolved(before) == [(1, "CANCELLED", 100)]
    assert resolved(after) == [(2, "CANCELLED", 100)]


def test_a_cancellation_after_the_settlement_refunds_and_its_roll_back_pays_repeated():
    feed = with_match_winner()
    bet_at(feed, 1, at=100)
    feed.receive(bet_settlement(settled(1, HOME_WON), at=200))

    feed.receive(correction("bet_cancel", 1, at=300))
    assert resolved(feed) == [(1, "CANCELLED", 100)]
    feed.receive(correction("rollback_bet_cancel", 1, at=400))

    assert resolved(feed) == [(1, "WON", 210)]


def test_a_settlement_rolled_back_leaves_bets_open_and_a_new_one_settles_them():
    feed = with_match_winner()
    bet_at(feed, 1, at=100)
    feed.receive(bet_settlement(settled(1, HOME_WON), at=200))
    feed.receive(correction("rollback_bet_settlement", 1, at=300))
    assert resolved(feed) == [(1, "NONE", 0)]

    feed.receive(bet_settlement(settled(1, DRAWN), at=400, certainty=2))

    assert resolved(feed) == [(1, "LOST", 0)]


def test_a_result_of_certainty_1_that_certainty_2_confirms_pays_once():
    feed = with_match_winner()
    bet_at(feed, 1, at=100)
    feed.receive(bet_settlement(settled(1, HOME_WON), at=200, certainty=1))
    sent = len(feed.machine.outbox(shard=0, limit=100))

    feed.receive(bet_settlement(settled(1, HOME_WON), at=300, certainty=2))

    assert len(feed.machine.outbox(shard=0, limit=100)) == sent


def test_a_dead_heat_of_three_pays_a_third():
    feed = feed_markets()
    competitors = [(f"sr:competitor:{n}", "6.0") for n in range(1, 5)]
    feed.receive(odds_change(market(40, competitors), at=0))
    number = feed.numbers[f"{EVENT}/uof_40"]
    rows = bet_rows([bet(1, market=number, stake=6_000, odds=6_000)])
    assert feed.machine.place(rows, (NOW_MS + 1) * NS_PER_MS)["reason"].tolist() == [0]
    tied = 'result="1" dead_heat_factor="0.3333"'
    results = [(name, tied) for name, _ in competitors[:3]] + [(competitors[3][0], 'result="0"')]

    feed.receive(bet_settlement(settled(40, results), at=2))

    assert resolved(feed) == [(1, "WON", 12_000)]


def test_no_bet_is_accepted_after_a_bet_stop():
    feed = with_match_winner()
    assert bet_at(feed, 1, at=1) == 0

    feed.receive(bet_stop(at=2))

    assert bet_at(feed, 2, at=3) != 0


# --- recovery ------------------------------------------------------------------------------------

PREMATCH = (
    odds_change(market(1, MATCH_WINNER), total(), at=10, product=3),
    odds_change(market(1, (("1", "2.2"), ("2", "3.3"), ("3", "3.5"))), at=20, product=3),
    odds_change(market(1, status=-2), total(status=-2), at=40, product=3),
)
LIVE = (
    odds_change(market(1, (("1", "1.8"), ("2", "3.9"), ("3", "5.0"))), at=30),
    odds_change(total(outcomes=(("12", "1.7"), ("13", "2.1"))), at=50),
    bet_stop(at=60),
    odds_change(market(1, (("1", "1.3"), ("2", "5.5"), ("3", "11.0"))), total(), at=70),
    odds_change(total(status=-3), at=80),
    odds_change(market(1, (("1", "1.2"), ("2", "6.5"), ("3", "15.0")), status=0), at=85),
)
RESULTS = (
    correction("bet_cancel", 1, at=75, attributes=f'end_time="{NOW_MS + 35}"'),
    bet_settlement(
        settled(18, (("12", 'result="1"'), ("13", 'result="0"')), specifiers="total=2.5"), at=82
    ),
    bet_settlement(settled(1, DRAWN), at=90),
    correction("rollback_bet_settlement", 1, at=95),
    bet_settlement(settled(1, HOME_WON), at=97, certainty=2),
)
IN_ORDER = sorted(
    (*PREMATCH, *LIVE, *RESULTS), key=lambda body: int(body.split(b'timestamp="')[1].split(b'"')[0])
)


def markets_after(bodies):
    """Return the markets of a feed after some messages."""
    feed = feed_markets(UNWATCHED)
    for body in bodies:
        feed.receive(body)
    return feed


def repeated(body):
    """Return a message as a recovery repeats it."""
    return body.replace(b' product="', b' request_id="5" product="', 1)


def test_a_match_in_order_ends_settled_at_the_feeds_last_odds():
    feed = markets_after(IN_ORDER)

    assert feed.status("1x2") is feed.status(TOTAL) is Status.SETTLED
    assert feed.image("1x2").odds_milli == (1200, 6500, 15_000)


@given(st.lists(st.tuples(st.integers(0, len(IN_ORDER) - 1), st.integers(0, 40)), max_size=25))
@settings(max_examples=60, deadline=None)
def test_messages_repeated_by_a_recovery_change_nothing(repeats):
    bodies = [(index, 0, body) for index, body in enumerate(IN_ORDER)]
    for index, delay in repeats:
        # A repetition comes some time after the message itself.
        bodies.append((index + delay, 1, repeated(IN_ORDER[index])))
    bodies.sort(key=lambda entry: entry[:2])

    feed = markets_after(body for _, _, body in bodies)
    in_order = markets_after(IN_ORDER)

    assert feed.state() == in_order.state()
    numbers = list(feed.numbers.values())
    for number in numbers:
        assert (
            feed.machine.book_image(number).settlement_no
            == in_order.machine.book_image(number).settlement_no
        )


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_odds_in_any_order_leave_markets_as_odds_in_order_do(data):
    order = data.draw(st.permutations((*PREMATCH[:2], *LIVE)))

    feed = markets_after(order)

    in_order = markets_after((*PREMATCH[:2], *LIVE))
    assert feed.state() == in_order.state()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_results_of_a_recovery_among_new_ones_settle_every_bet_as_results_in_order_do(data):
    in_order, feed = feed_markets(WATCHED), feed_markets(WATCHED)
    for one in (in_order, feed):
        one.recover(at=0)
        one.receive(odds_change(market(1, MATCH_WINNER), total(), at=1), at=1)
        for serial, at in ((1, 20), (2, 50)):
            bet_at(one, serial, at=at)
    for body in RESULTS:
        in_order.receive(body, at=100)
    feed.tick(at=30_000)
    feed.receive(alive(at=31_000), at=31_000)
    request = feed.requests[-1]

    missed = [repeated(body) for body in RESULTS]
    for body in data.draw(st.permutations([*missed, *RESULTS[2:]])):
        feed.receive(body, at=31_001)
    feed.complete(request, at=31_002)

    assert resolved(feed) == resolved(in_order) == [(1, "CANCELLED", 100), (2, "WON", 210)]
