"""The adapter suspends markets while the stream or its own memory is incomplete."""

from typing import Any

import pytest

from engine.common.commands import (
    Deduction,
    SetStatus,
    SettleMarket,
)
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS
from gateway.feeds.core.adapter import MarketUpdate, Received, RecoveryRequest
from gateway.feeds.exchange.adapter import IMAGE_RETRY_MS, NO_IMAGE, ExchangeAdapter
from gateway.feeds.exchange.messages import MESSAGE_BYTES_MAX
from tests.gateway.feeds.exchange.builders import definition, line, mcm, quoted
from tests.gateway.feeds.exchange.following import (
    KEY,
    Following,
    M,
    closed,
    delays,
    known,
    resumed,
    statuses,
    steps,
    updates,
)

# --- late, silent or broken stream ----------------------------------------------------------------


def beat(following: Following, **fields: Any) -> Received:
    following.pt += 1_000
    return following.receive(mcm(pt=following.pt, ct="HEARTBEAT", **fields))


def test_stream_with_status_503_suspends_every_market_until_the_status_ends() -> None:
    following = Following()
    following.open()
    (update,) = updates(beat(following, status=503))
    assert update.mark is None
    assert update.steps == (
        SetStatus(market_no=0, status=Status.SUSPENDED, why="the exchange says its stream is late"),
    )
    assert beat(following, status=503).actions == ()
    (update,) = updates(beat(following))
    assert update.steps == (SetStatus(market_no=0, status=Status.ACTIVE),)
    assert update.fair is not None


def test_silence_suspends_only_a_stream_that_sends_heartbeats() -> None:
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


def test_new_connection_suspends_until_the_resumed_image_is_complete() -> None:
    following = Following()
    following.open()
    greeted = following.receive(line(op="connection", connectionId="1"))
    assert statuses(greeted) == [(Status.SUSPENDED, "the stream broke off")]
    assert beat(following).actions == ()
    following.pt += 1
    part = mcm({"id": M, "tv": 1}, pt=following.pt, ct="RESUB_DELTA", segmentType="SEG_START")
    assert following.receive(part).actions == ()
    end = mcm({"id": M, "tv": 1}, pt=following.pt, ct="RESUB_DELTA", segmentType="SEG_END")
    assert statuses(following.receive(end)) == [(Status.ACTIVE, "")]


def test_market_missing_from_a_complete_image_is_suspended() -> None:
    following = Following()
    following.open()
    following.pt += 1
    assert statuses(following.receive(mcm(pt=following.pt, ct="SUB_IMAGE"))) == [
        (Status.SUSPENDED, "no longer in the stream")
    ]


def test_failures_and_unknown_operations_are_refused_with_their_reason() -> None:
    adapter = ExchangeAdapter()
    ok = adapter.receive(line(op="status", statusCode="SUCCESS"), at_ns=1)
    assert (ok.kind, ok.refused) == ("status", "")
    failed = line(op="status", statusCode="FAILURE", errorCode="TIMEOUT", errorMessage="slow")
    assert adapter.receive(failed, at_ns=1).refused == "TIMEOUT: slow"
    assert adapter.receive(line(op="ocm", pt=1), at_ns=1).refused == "op 'ocm' is not followed"
    assert adapter.receive(b"{", at_ns=1).refused


# --- restart --------------------------------------------------------------------------------------


def test_restart_suspends_active_markets_and_requests_the_image() -> None:
    following = Following()
    received = resumed(following, known("Horse 1", "Horse 2", "Horse 3"))
    assert statuses(received) == [(Status.SUSPENDED, "the feed restarted")]
    assert updates(received)[0].mark is None
    assert isinstance(received.actions[-1], RecoveryRequest)
    assert following.adapter.uncovered() == {KEY.partition("/")[0]: NO_IMAGE}
    assert statuses(following.open()) == [(Status.ACTIVE, "")]
    assert following.adapter.uncovered() == {}


@pytest.mark.parametrize("status", list(Status))
def test_restart_requests_the_image_for_every_market_whose_result_may_have_been_missed(
    status: Status,
) -> None:
    received = resumed(Following(), known("Horse 1", "Horse 2", "Horse 3", status=status))
    requests = [each for each in received.actions if isinstance(each, RecoveryRequest)]
    assert len(requests) == (status not in (Status.SETTLED, Status.CANCELLED))


def test_existing_outcomes_keep_their_order_whatever_the_exchange_sends_first() -> None:
    following = Following()
    resumed(following, known("3", "Horse 1", "Horse 2"))
    fair = updates(following.open())[0].fair
    assert fair is not None
    assert fair.probabilities == pytest.approx((0.2, 0.5, 0.3), abs=0.02)


def test_existing_market_with_other_outcomes_is_never_opened_or_settled() -> None:
    following = Following()
    resumed(following, known("Home", "Away"))
    assert following.open().actions == ()
    received = closed(following, "WINNER", "LOSER", "LOSER")
    assert not [step for step in steps(received) if not isinstance(step, SetStatus)]


def test_withdrawal_before_a_restart_is_dated_by_the_exchange_on_our_clock() -> None:
    following = Following()
    resumed(following, known("Horse 1", "Horse 2", "Horse 3", active=(True, True, False)))
    following.status(3, "REMOVED", adjustmentFactor=50.0, removalDate="1970-01-01T00:00:00.250Z")
    following.change(quoted(1, 0.6), quoted(2, 0.4))
    settle = steps(closed(following, "WINNER", "LOSER", "REMOVED"))[-1]
    assert isinstance(settle, SettleMarket)
    assert settle.deductions == (
        Deduction(until_ns=10_250 * NS_PER_MS, keep_milli=500, of_price=True),
    )


def test_withdrawal_unknown_to_the_existing_market_is_dated_now() -> None:
    following = Following()
    resumed(following, known("Horse 1", "Horse 2", "Horse 3"))
    following.status(3, "REMOVED", adjustmentFactor=50.0, removalDate="1970-01-01T00:00:00.250Z")
    following.change(quoted(1, 0.6), quoted(2, 0.4))
    at_ns = following.at_ns
    settle = steps(closed(following, "WINNER", "LOSER", "REMOVED"))[-1]
    assert isinstance(settle, SettleMarket)
    assert settle.deductions[0].until_ns == at_ns


def test_a_market_is_given_the_delay_again_after_a_restart_with_the_first_new_message() -> None:
    following = Following()
    resumed(following, known("Horse 1", "Horse 2", "Horse 3", positions={"exchange/odds": 1_000}))
    assert delays(following.open()) == [], "the market refuses what it has applied"
    assert delays(following.change(quoted(1, 0.52), quoted(2, 0.28))) == [0]
    assert delays(following.change(quoted(1, 0.5), quoted(2, 0.3))) == []


def test_standing_results_are_sent_again_unless_a_withdrawal_time_is_unknown() -> None:
    for withdrawn, sent in (("LOSER", 1), ("REMOVED", 0)):
        following = Following()
        market = known("Horse 1", "Horse 2", "Horse 3", status=Status.SETTLED, results_stand=True)
        resumed(following, market)
        following.status(3, withdrawn, adjustmentFactor=50.0)
        found = steps(closed(following, "WINNER", "LOSER", withdrawn))
        assert sum(isinstance(step, SettleMarket) for step in found) == sent
        assert following.adapter.counts.deductions_unsure == 1 - sent


def test_difference_without_a_definition_requests_the_image_once_per_retry_interval() -> None:
    adapter = ExchangeAdapter()
    body = mcm({"id": M, "rc": [quoted(1, 0.5)]}, pt=1)
    first = adapter.receive(body, at_ns=1)
    assert first.actions == (RecoveryRequest(producer=0, after_ms=0, request_id=1),)
    assert adapter.receive(body, at_ns=2).actions == ()
    later = adapter.receive(body, at_ns=2 + IMAGE_RETRY_MS * NS_PER_MS)
    assert later.actions == (RecoveryRequest(producer=0, after_ms=0, request_id=IMAGE_RETRY_MS),)


def test_request_ids_do_not_repeat_after_a_restart() -> None:
    body = mcm({"id": M, "rc": [quoted(1, 0.5)]}, pt=1)
    numbers = []
    for local_process in (1, 2, 3):
        adapter = ExchangeAdapter()
        for attempt in (0, 1):
            at_ns = (local_process * 100 + attempt * IMAGE_RETRY_MS) * NS_PER_MS
            (request,) = adapter.receive(body, at_ns=at_ns).actions
            assert isinstance(request, RecoveryRequest)
            numbers.append(request.request_id)
    assert len(dict.fromkeys(numbers)) == len(numbers)


def test_market_with_a_malformed_change_is_suspended_until_its_image_arrives() -> None:
    following = Following()
    following.open()
    received = following.change({"id": 1, "batb": [[0, 2, -5]]})
    assert "market" in received.refused
    stop, request = received.actions
    assert isinstance(stop, MarketUpdate)
    assert [step.status for step in stop.steps if isinstance(step, SetStatus)] == [Status.SUSPENDED]
    assert isinstance(request, RecoveryRequest)
    assert (request.producer, request.after_ms) == (0, 0)
    assert following.change(quoted(1, 0.5)).actions == ()
    assert statuses(
        following.change(quoted(1, 0.5), quoted(2, 0.3), quoted(3, 0.2), version=1)
    ) == [(Status.ACTIVE, "")]


@pytest.mark.parametrize(
    "body",
    [
        b'{"op":"mcm","pt":5,"mc":[{"id":"1.',
        b"\xff",
        b'{"op":"mcm","mc":[]}',
        mcm({"id": "x" * 1_000}, pt=5),
        b'{"op":"mcm","pt":5,"x":"' + b"x" * MESSAGE_BYTES_MAX + b'"}',
    ],
    ids=["breaks off", "no text", "no time", "no id", "too long"],
)
def test_a_message_that_cannot_be_read_holds_all_markets_until_the_next_image(body: bytes) -> None:
    following = Following()
    following.open()
    received = following.receive(body)
    assert received.refused
    stop, request = received.actions
    assert isinstance(stop, MarketUpdate)
    assert [step.status for step in stop.steps if isinstance(step, SetStatus)] == [Status.SUSPENDED]
    assert isinstance(request, RecoveryRequest)
    assert statuses(following.change(quoted(1, 0.4))) == [], "still held"


def test_a_message_from_the_future_holds_all_markets_until_the_next_image() -> None:
    following = Following()
    following.open()
    future_ms = following.pt + 10 * 365 * 86_400_000
    received = following.receive(mcm({"id": M, "rc": [quoted(1, 0.9)]}, pt=future_ms))
    assert "pt" in received.refused
    suspended = [a for a in received.actions if isinstance(a, MarketUpdate)]
    assert [(u.mark, [s.status for s in u.steps]) for u in suspended] == [
        (None, [Status.SUSPENDED])
    ]
    assert [type(a) for a in received.actions if not isinstance(a, MarketUpdate)] == [
        RecoveryRequest
    ]
    again = following.receive(mcm({"id": M, "rc": [quoted(1, 0.9)]}, pt=future_ms))
    assert again.actions == (), "the image is requested already"
    assert statuses(following.change(quoted(1, 0.4))) == [], "still held"
    following.pt += 1_000
    image = mcm(
        {
            "id": M,
            "img": True,
            "marketDefinition": definition(*following.runners),
            "rc": [quoted(1, 0.5), quoted(2, 0.3), quoted(3, 0.2)],
        },
        pt=following.pt,
        ct="SUB_IMAGE",
    )
    assert statuses(following.receive(image)) == [(Status.ACTIVE, "")]


def test_a_position_ahead_of_our_clock_outranks_no_image_after_a_restart() -> None:
    following = Following()
    future_ms = 10 * 365 * 86_400_000
    resumed(
        following, known("Horse 1", "Horse 2", "Horse 3", positions={"exchange/odds": future_ms})
    )
    following.pt = 120_000
    following.change(quoted(1, 0.5), quoted(2, 0.3), quoted(3, 0.2), bettingType="ODDS")
    following.pt += 120_000
    assert steps(following.change(quoted(1, 0.4)))
