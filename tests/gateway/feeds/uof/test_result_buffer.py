"""The order in which held messages with results are released, and their bound."""

from msgspec.structs import replace

from engine.common.commands import RollBackSettlement
from gateway.feeds.core.adapter import MARKET_NO_LATER, Hold, Mark, MarketUpdate, Release
from gateway.feeds.core.clock import LiveClock
from gateway.feeds.uof.early_results import EarlyResults
from gateway.feeds.uof.market_registry import MarketRegistry
from gateway.feeds.uof.messages import BetCancel, MarketName, MarketVoided
from gateway.feeds.uof.passed_over import PassedOver
from gateway.feeds.uof.producers import Producers
from gateway.feeds.uof.result_buffer import ResultBuffer
from gateway.feeds.uof.results import Results
from gateway.feeds.uof.settings import WatchSettings
from gateway.feeds.uof.types import UofTypes
from tests.gateway.feeds.uof.builders import EVENT


def result(position: int, key: str = "f/1x2") -> tuple[MarketUpdate, ...]:
    mark = Mark(source="uof:1/result", position=position)
    step = RollBackSettlement(market_no=MARKET_NO_LATER)
    return (MarketUpdate(key=key, mark=mark, steps=(step,)),)


def test_messages_are_released_by_timestamp_and_by_arrival_within_one():
    buffer = ResultBuffer()
    held = [result(9), result(8, "f/b"), result(8, "f/a")]
    for number, updates in enumerate(held, start=1):
        assert buffer.hold(1, updates) == [Hold(number=number)]
    assert len(buffer) == 3

    assert buffer.release(1) == [
        Release(number=2, updates=held[1]),
        Release(number=3, updates=held[2]),
        Release(number=1, updates=held[0]),
    ]
    assert buffer.release(1) == []
    assert len(buffer) == 0


def test_one_producers_messages_are_released_without_the_others():
    buffer = ResultBuffer()
    buffer.hold(1, result(1))
    buffer.hold(3, result(2))

    assert buffer.release(3) == [Release(number=2, updates=result(2))]
    assert buffer.release(1) == [Release(number=1, updates=result(1))]


def test_a_message_that_comes_again_while_it_is_held_has_the_number_of_the_first():
    buffer = ResultBuffer()
    buffer.hold(1, result(9))
    buffer.hold(1, result(8))

    assert buffer.hold(1, result(9)) == [Hold(number=1)]
    assert len(buffer) == 2
    assert [release.number for release in buffer.release(1)] == [2, 1]
    assert buffer.hold(1, result(9)) == [Hold(number=3)]


def test_a_message_that_comes_again_with_other_steps_is_held_once_as_it_came_first():
    buffer = ResultBuffer()
    (first,) = result(5)
    buffer.hold(1, (first,))
    again = replace(first, steps=(*first.steps, *first.steps))

    assert buffer.hold(1, (again,)) == [Hold(number=1)]
    assert buffer.release(1) == [Release(number=1, updates=(first,))]


def test_past_the_bound_the_oldest_of_the_producer_with_most_messages_is_released():
    buffer = ResultBuffer(messages_max=3)
    buffer.hold(3, result(1))
    buffer.hold(1, result(9))
    buffer.hold(1, result(5))

    assert buffer.hold(1, result(7)) == [
        Hold(number=4),
        Release(number=3, updates=result(5)),
    ]
    assert (len(buffer), buffer.released_early) == (3, 1)
    assert buffer.hold(1, result(2)) == [
        Hold(number=5),
        Release(number=5, updates=result(2)),
    ]


def test_a_message_that_is_released_early_is_counted_and_a_late_older_one_sent_all_the_same():
    name = MarketName(id=1)
    registry = MarketRegistry(UofTypes(("football",)), prematch=(3,))
    registry.add(EVENT, name, ("1", "2", "3"))
    passed_over = PassedOver()
    results = Results(
        "uof",
        registry=registry,
        producers=Producers(WatchSettings()),
        buffer=ResultBuffer(messages_max=2),
        early=EarlyResults(),
        clock=LiveClock(),
        passed_over=passed_over,
    )

    released: list[list[int]] = []
    for at_ms in (8, 7, 9, 6):
        voided = (MarketVoided(name=name),)
        message = BetCancel(product=1, timestamp=at_ms, event_id=EVENT, markets=voided)
        actions = results.on_result(message, digest=0)
        updates = [each for one in actions if isinstance(one, Release) for each in one.updates]
        released.append([each.mark.position for each in updates if each.mark])

    assert released == [[], [], [7], [6]]
    assert passed_over.counts == {"result released early": 2}
