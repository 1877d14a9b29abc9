"""The feed end to end: bets, results and recoveries on markets that obey a whole match."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.lifecycle import Status
from engine.common.rows import BetResult
from tests.engine.market.builders import bet, bet_rows
from tests.gateway.feeds.uof.builders import (
    EVENT,
    HOME_WON,
    NOW_MS,
    NS,
    THREE_WAY,
    TOTAL,
    UNWATCHED,
    WATCHED,
    Trader,
    about,
    alive,
    bet_settlement,
    bet_stop,
    floor,
    market,
    odds_change,
    settled,
    snapshot_complete,
    total,
)

DRAWN = (("1", 'result="0"'), ("2", 'result="1"'), ("3", 'result="0"'))


def bet_at(house: Trader, serial: int, *, at: int, outcome: int = 0, odds: int = 2100) -> int:
    """Bet on the match winner `at` milliseconds after NOW_MS; return the reason."""
    number = house.numbers[f"{EVENT}/1x2"]
    rows = bet_rows([bet(serial, market=number, outcome=outcome, odds=odds)])
    return int(house.machine.place(rows, (NOW_MS + at) * NS)["reason"][0])


def resolved(house: Trader) -> list[tuple[int, str, int]]:
    """Return what every bet has come to by now: its serial, its result and its payout."""
    last: dict[int, tuple[str, int]] = {}
    for row in house.machine.outbox(shard=0, limit=1_000):
        serial = int(row["bet_id"])
        last[serial] = (BetResult(int(row["result"])).name, int(row["payout_minor"]))
    return [(serial, *said) for serial, said in sorted(last.items())]


def opened() -> Trader:
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=0))
    return house


def test_bets_in_a_cancelled_window_are_refunded_and_the_others_are_settled():
    house = opened()
    assert [bet_at(house, serial, at=100 * serial) for serial in (1, 2, 3, 4)] == [0, 0, 0, 0]

    house.hear(
        about(
            "bet_cancel", 1, at=500, more=f'start_time="{NOW_MS + 200}" end_time="{NOW_MS + 400}"'
        )
    )
    house.hear(bet_settlement(settled(1, HOME_WON), at=600))

    assert resolved(house) == [
        (1, "WON", 210), (2, "CANCELLED", 100), (3, "CANCELLED", 100), (4, "WON", 210),
    ]  # fmt: skip


def test_an_end_alone_reaches_back_and_a_start_alone_forward():
    before, after = opened(), opened()
    for house in (before, after):
        for serial in (1, 2):
            bet_at(house, serial, at=100 * serial)

    before.hear(about("bet_cancel", 1, at=500, more=f'end_time="{NOW_MS + 200}"'))
    after.hear(about("bet_cancel", 1, at=500, more=f'start_time="{NOW_MS + 200}"'))

    assert resolved(before) == [(1, "CANCELLED", 100)]
    assert resolved(after) == [(2, "CANCELLED", 100)]


def test_a_cancellation_after_the_settlement_refunds_and_its_roll_back_pays_again():
    house = opened()
    bet_at(house, 1, at=100)
    house.hear(bet_settlement(settled(1, HOME_WON), at=200))

    house.hear(about("bet_cancel", 1, at=300))
    assert resolved(house) == [(1, "CANCELLED", 100)]
    house.hear(about("rollback_bet_cancel", 1, at=400))

    assert resolved(house) == [(1, "WON", 210)]


def test_a_settlement_rolled_back_leaves_bets_open_and_a_new_one_settles_them():
    house = opened()
    bet_at(house, 1, at=100)
    house.hear(bet_settlement(settled(1, HOME_WON), at=200))
    house.hear(about("rollback_bet_settlement", 1, at=300))
    assert resolved(house) == [(1, "NONE", 0)]

    house.hear(bet_settlement(settled(1, DRAWN), at=400, certainty=2))

    assert resolved(house) == [(1, "LOST", 0)]


def test_a_scouted_result_that_is_confirmed_pays_once():
    house = opened()
    bet_at(house, 1, at=100)
    house.hear(bet_settlement(settled(1, HOME_WON), at=200, certainty=1))
    sent = len(house.machine.outbox(shard=0, limit=100))

    house.hear(bet_settlement(settled(1, HOME_WON), at=300, certainty=2))

    assert len(house.machine.outbox(shard=0, limit=100)) == sent


def test_a_dead_heat_of_three_pays_a_third():
    house = floor()
    runners = [(f"sr:competitor:{n}", "6.0") for n in range(1, 5)]
    house.hear(odds_change(market(40, runners), at=0))
    number = house.numbers[f"{EVENT}/uof_40"]
    rows = bet_rows([bet(1, market=number, stake=6_000, odds=6_000)])
    assert house.machine.place(rows, (NOW_MS + 1) * NS)["reason"].tolist() == [0]
    tied = 'result="1" dead_heat_factor="0.3333"'
    results = [(name, tied) for name, _ in runners[:3]] + [(runners[3][0], 'result="0"')]

    house.hear(bet_settlement(settled(40, results), at=2))

    assert resolved(house) == [(1, "WON", 12_000)]


def test_no_bet_is_taken_after_a_bet_stop():
    house = opened()
    assert bet_at(house, 1, at=1) == 0

    house.hear(bet_stop(at=2))

    assert bet_at(house, 2, at=3) != 0


# --- recovery ------------------------------------------------------------------------------------

PREMATCH = (
    odds_change(market(1, THREE_WAY), total(), at=10, product=3),
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
    about("bet_cancel", 1, at=75, more=f'end_time="{NOW_MS + 35}"'),
    bet_settlement(
        settled(18, (("12", 'result="1"'), ("13", 'result="0"')), specifiers="total=2.5"), at=82
    ),
    bet_settlement(settled(1, DRAWN), at=90),
    about("rollback_bet_settlement", 1, at=95),
    bet_settlement(settled(1, HOME_WON), at=97, certainty=2),
)
IN_ORDER = sorted(
    (*PREMATCH, *LIVE, *RESULTS), key=lambda body: int(body.split(b'timestamp="')[1].split(b'"')[0])
)


def played(bodies):
    house = floor(UNWATCHED)
    for body in bodies:
        house.hear(body)
    return house


def again(body):
    return body.replace(b' product="', b' request_id="5" product="', 1)


def test_the_match_ends_as_the_feed_told_it():
    house = played(IN_ORDER)

    assert house.status("1x2") is house.status(TOTAL) is Status.SETTLED
    assert house.image("1x2").odds_milli == (1200, 6500, 15_000)


@given(st.lists(st.tuples(st.integers(0, len(IN_ORDER) - 1), st.integers(0, 40)), max_size=25))
@settings(max_examples=60, deadline=None)
def test_what_is_recovered_again_in_between_changes_nothing(repeats):
    bodies = [(place, 0, body) for place, body in enumerate(IN_ORDER)]
    for which, delay in repeats:
        # A repetition comes some time after the message itself.
        bodies.append((which + delay, 1, again(IN_ORDER[which])))
    bodies.sort(key=lambda entry: entry[:2])

    house = played(body for _, _, body in bodies)
    plain = played(IN_ORDER)

    assert house.state() == plain.state()
    numbers = list(house.numbers.values())
    for number in numbers:
        assert (
            house.machine.book_image(number).settlement_no
            == plain.machine.book_image(number).settlement_no
        )


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_odds_that_were_missed_and_come_in_any_order_leave_markets_as_if_none_had_been(data):
    order = data.draw(st.permutations((*PREMATCH[:2], *LIVE)))

    house = played(order)

    plain = played((*PREMATCH[:2], *LIVE))
    assert house.state() == plain.state()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_recovery_among_news_settles_every_bet_as_if_nothing_had_been_missed(data):
    plain, house = floor(WATCHED), floor(WATCHED)
    for one in (plain, house):
        one.recover(at=0)
        one.hear(odds_change(market(1, THREE_WAY), total(), at=1), at=1)
        for serial, at in ((1, 20), (2, 50)):
            bet_at(one, serial, at=at)
    for body in RESULTS:
        plain.hear(body, at=100)
    house.tick(at=30_000)
    house.hear(alive(at=31_000), at=31_000)
    request = house.asked[-1].request_id

    missed = [again(body) for body in RESULTS]
    for body in data.draw(st.permutations([*missed, *RESULTS[2:]])):
        house.hear(body, at=31_001)
    house.hear(snapshot_complete(at=31_002, request_id=request), at=31_002)

    assert resolved(house) == resolved(plain) == [(1, "CANCELLED", 100), (2, "WON", 210)]
