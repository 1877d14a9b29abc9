"""The outbox's bound: markets settled again and again while no account shard acknowledges."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.commands import AckOutbox, CancelBets, RollBackCancel, SettleMarket
from engine.common.events import OutboxAcked
from engine.market.market import MarketMachine
from engine.market.outbox import ROWS_PER_BET_MAX
from tests.engine.market.builders import AT_NS, bet, do, open_machine, place, won

BETS = 12
steps = st.lists(
    st.one_of(
        st.tuples(st.just("settle"), st.integers(1, 3), st.integers(0, 2)),
        st.tuples(st.just("cancel"), st.integers(1, 3), st.integers(0, 1)),
        st.tuples(st.just("ack"), st.integers(0, 1), st.integers(0, 30)),
        st.tuples(st.just("load"), st.just(0), st.just(0)),
    ),
    min_size=5,
    max_size=60,
)


def machine_with_bets(*, rules: int = 2) -> MarketMachine:
    machine = open_machine(markets=3, rules=rules)
    place(machine, *[bet(at, market=1 + at % 3, shard=at % 2) for at in range(1, BETS + 1)])
    return machine


def settle_again(machine: MarketMachine, market: int, winner: int) -> None:
    """Settle a market by another result than the one that stands, if any."""
    machine.apply(
        SettleMarket(market_no=market, results=won(*(at == winner for at in range(3)))), 5
    )


def waiting(machine: MarketMachine, shard: int) -> list[tuple[int, int, int, int, int]]:
    rows = machine.outbox(shard=shard, limit=1 << 20)
    names = ["outbox_seq", "bet_id", "settlement_no", "payout_minor", "result"]
    return list(zip(*(rows[name].tolist() for name in names), strict=True))


@settings(max_examples=150, deadline=None)
@given(steps=steps)
def test_the_outbox_stays_within_its_bound_and_the_newest_rows_are_those_of_an_unbounded_one(
    steps: list[tuple[str, int, int]],
) -> None:
    """Under the first rules the outbox drops nothing, so it tells what must be left."""
    bounded, unbounded = machine_with_bets(), machine_with_bets(rules=1)
    for action, first, second in steps:
        numbers = [row[0] for row in waiting(bounded, first)] if action == "ack" else []
        for machine in (bounded, unbounded):
            if action == "settle":
                settle_again(machine, first, second)
            elif action == "cancel":
                kind = CancelBets if second else RollBackCancel
                machine.apply(kind(market_no=first, from_ns=AT_NS), 5)
            elif numbers:
                upto = numbers[min(second, len(numbers) - 1)]
                assert isinstance(machine.apply(AckOutbox(shard=first, upto=upto), 5), OutboxAcked)
        if action == "load":
            data = msgspec.msgpack.encode(bounded.dump())
            bounded = MarketMachine.load(msgspec.msgpack.decode(data))
        bounded.check()
        for shard in (0, 1):
            rows, every = waiting(bounded, shard), waiting(unbounded, shard)
            assert len(rows) <= ROWS_PER_BET_MAX * BETS
            assert set(rows) <= set(every)
            newest = {row[1]: row for row in every}
            assert {row[1]: row for row in rows} == newest


def test_a_market_settled_a_thousand_times_keeps_two_rows_per_bet_at_most() -> None:
    machine = machine_with_bets()
    for at in range(1_000):
        settle_again(machine, 1, at % 3)
    for shard in (0, 1):
        rows = waiting(machine, shard)
        assert 0 < len(rows) <= ROWS_PER_BET_MAX * BETS
        assert rows[-1][2] == 1_000
    assert machine.outbox_shards() == [0, 1]


def test_an_acknowledgement_up_to_a_dropped_row_drops_the_rows_before_it() -> None:
    machine = machine_with_bets()
    for at in range(20):
        settle_again(machine, 1, at % 3)
    numbers = [row[0] for row in waiting(machine, 0)]
    gap = next(number for number in range(1, numbers[-1]) if number not in numbers)
    do(machine, AckOutbox(shard=0, upto=gap))
    assert [row[0] for row in waiting(machine, 0)] == [one for one in numbers if one > gap]
    do(machine, AckOutbox(shard=0, upto=numbers[-1]))
    assert waiting(machine, 0) == []
    machine.check()


@pytest.mark.parametrize("numbers", [(1, 1), (2, 1), (0, 3), (1, 2)])
def test_rows_whose_numbers_do_not_rise_to_the_next_are_not_loaded(
    numbers: tuple[int, int],
) -> None:
    machine = open_machine()
    place(machine, bet(1), bet(2))
    for at in range(2):
        settle_again(machine, 1, at)
    do(machine, AckOutbox(shard=0, upto=2))
    document = machine.dump()
    (queue,) = document["outbox"]
    rows = machine.outbox(shard=0, limit=9)
    assert rows["outbox_seq"].tolist() == [3, 4]
    rows["outbox_seq"] = numbers
    with pytest.raises(ValueError, match="rows: numbers do not rise to next_seq"):
        MarketMachine.load(document | {"outbox": [queue | {"rows": rows.tobytes()}]})
