"""The order in which results that were kept back are sent, and their bound."""

from engine.common.commands import RollBackSettlement
from gateway.feeds.core.adapter import MARKET_NO_LATER, Mark, MarketUpdate
from gateway.feeds.core.clock import LiveClock
from gateway.feeds.uof.market_registry import MarketRegistry
from gateway.feeds.uof.messages import BetCancel, MarketName, MarketVoided
from gateway.feeds.uof.passed_over import PassedOver
from gateway.feeds.uof.producers import Producers
from gateway.feeds.uof.result_buffer import ResultBuffer
from gateway.feeds.uof.results import Results
from gateway.feeds.uof.settings import WatchSettings
from gateway.feeds.uof.types import UofTypes
from tests.gateway.feeds.uof.builders import EVENT


def result(position: int, key: str = "f/1x2") -> MarketUpdate:
    mark = Mark(source="uof:1/result", position=position)
    return MarketUpdate(key=key, mark=mark, steps=(RollBackSettlement(market_no=MARKET_NO_LATER),))


def test_results_are_released_by_timestamp_and_by_arrival_within_one():
    buffer = ResultBuffer()
    kept = [result(9), result(8, "f/b"), result(8, "f/a")]
    for update in kept:
        assert buffer.keep(1, update) == []
    assert len(buffer) == 3

    assert buffer.release(1) == [kept[1], kept[2], kept[0]]
    assert buffer.release(1) == []
    assert len(buffer) == 0


def test_one_producers_results_are_released_without_the_others():
    buffer = ResultBuffer()
    buffer.keep(1, result(1))
    buffer.keep(3, result(2))

    assert buffer.release(3) == [result(2)]
    assert buffer.release(1) == [result(1)]


def test_a_result_past_the_bound_releases_the_results_of_every_producer():
    buffer = ResultBuffer(results_max=2)
    assert buffer.keep(1, result(9)) == buffer.keep(3, result(1)) == []

    assert buffer.keep(1, result(7)) == [result(7), result(9), result(1)]
    assert (len(buffer), buffer.overflows) == (0, 1)
    assert buffer.keep(1, result(2)) == []


def test_results_past_the_bound_are_sent_at_once():
    name = MarketName(id=1)
    registry = MarketRegistry(UofTypes(("football",)), prematch=(3,))
    registry.add(EVENT, name, ("1", "2", "3"))
    results = Results(
        "uof",
        registry=registry,
        producers=Producers(WatchSettings()),
        buffer=ResultBuffer(results_max=2),
        clock=LiveClock(),
        passed_over=PassedOver(),
    )

    sent = [
        results.on_bet_cancel(
            BetCancel(
                product=1, timestamp=at_ms, event_id=EVENT, markets=(MarketVoided(name=name),)
            ),
            digest=0,
        )
        for at_ms in (9, 8, 7)
    ]

    positions = [[update.mark.position for update in one if update.mark] for one in sent]
    assert positions == [[], [], [7, 8, 9]]
