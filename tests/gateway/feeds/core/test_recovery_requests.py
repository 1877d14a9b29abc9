"""Recovery requests: the latest of each producer is kept until it is done, and sent to gateways."""

from typing import Any

from gateway.feeds.core.adapter import RecoveryRequest
from gateway.feeds.core.messages import decode_request, decode_requests
from gateway.feeds.core.recovery_requests import REQUESTS_MAX, RecoveryRequests


class GatewayStub:
    """A gateway's peer that keeps the requests it was sent."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.received: list[tuple[str, int, int]] = []

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        raise NotImplementedError

    def notify(self, method: str, /, *args: Any) -> None:
        assert method == "on_feed_request"
        feed, payload = args
        request = decode_request(payload)
        self.received.append((feed, request.producer, request.request_id))


def request(producer: int, request_id: int) -> RecoveryRequest:
    return RecoveryRequest(producer=producer, after_ms=1_000, request_id=request_id)


def kept(requests: RecoveryRequests) -> list[tuple[int, int]]:
    return [(r.producer, r.request_id) for r in decode_requests(requests.encoded())]


def test_a_later_request_replaces_its_producer_s_earlier_one() -> None:
    requests = RecoveryRequests("uof")
    for producer, request_id in ((1, 10), (3, 30), (1, 11)):
        requests.add(request(producer, request_id))
    assert kept(requests) == [(3, 30), (1, 11)]
    assert len(requests) == 2


def test_only_the_request_that_was_made_is_forgotten() -> None:
    requests = RecoveryRequests("uof")
    requests.add(request(1, 11))
    requests.done(1, 10)
    requests.done(2, 11)
    assert kept(requests) == [(1, 11)]
    requests.done(1, 11)
    assert kept(requests) == []


def test_past_the_bound_the_oldest_request_is_dropped() -> None:
    requests = RecoveryRequests("uof")
    for producer in range(REQUESTS_MAX + 1):
        requests.add(request(producer, 7))
    assert [producer for producer, _ in kept(requests)] == list(range(1, REQUESTS_MAX + 1))


def test_gateways_receive_open_requests_when_they_come_and_later_ones_at_once() -> None:
    requests = RecoveryRequests("uof")
    requests.add(request(1, 10))
    first, second = GatewayStub("gateway-0"), GatewayStub("gateway-1")
    requests.on_gateways(1, [first])
    requests.on_gateways(2, [second])
    requests.on_gateways(1, [first])
    requests.add(request(3, 30))
    assert first.received == [("uof", 1, 10)]
    assert second.received == [("uof", 1, 10), ("uof", 3, 30)]


def test_the_request_of_an_event_replaces_no_other_and_goes_first_when_there_are_too_many():
    requests = RecoveryRequests("uof")
    requests.add(RecoveryRequest(producer=1, after_ms=0, request_id=1))
    for number in range(REQUESTS_MAX):
        requests.add(
            RecoveryRequest(
                producer=1, after_ms=0, request_id=2 + number, event_id=f"sr:match:{number}"
            )
        )

    open_ids = [each.request_id for each in decode_requests(requests.encoded())]
    assert open_ids == [1, *range(3, REQUESTS_MAX + 2)]
    requests.done(1, 5)
    assert 5 not in [each.request_id for each in decode_requests(requests.encoded())]
    assert len(requests) == REQUESTS_MAX - 1
