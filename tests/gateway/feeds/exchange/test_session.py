"""The messages of a session, their order, and how a lost stream is resumed."""

import json
from typing import Any

import msgspec
import pytest

from engine.common.units import NS_PER_MS
from gateway.feeds.exchange.session import (
    ANSWER_WITHIN_MS,
    Credentials,
    ExchangeSession,
    Stage,
    Subscription,
    Verdict,
)
from tests.gateway.feeds.exchange.builders import line, mcm

NS_PER_S = 1_000_000_000
GREETING = line(op="connection", connectionId="002-1")
KEYS = Credentials(app_key="key-of-ours", session="token-of-ours")


def session(**fields: Any) -> ExchangeSession:
    return ExchangeSession(
        credentials=KEYS, subscription=Subscription(market_filter={"marketIds": ["1.5"]}, **fields)
    )


def decoded(lines: tuple[bytes, ...]) -> list[dict[str, Any]]:
    assert all(sent.endswith(b"\r\n") and sent.count(b"\n") == 1 for sent in lines)
    return [json.loads(sent) for sent in lines]


def subscribed(exchange_session: ExchangeSession) -> dict[str, Any]:
    """Bring a session to its subscription; return the subscription."""
    exchange_session.connected(at_ns=0)
    (login,) = decoded(exchange_session.receive(GREETING, at_ns=0).send)
    answer = exchange_session.receive(
        line(op="status", id=login["id"], statusCode="SUCCESS"), at_ns=0
    )
    (subscription,) = decoded(answer.send)
    return subscription


def test_greeting_leads_to_authentication_and_its_success_to_the_subscription() -> None:
    exchange_session = session(conflate_ms=250, heartbeat_ms=1_000)
    exchange_session.connected(at_ns=0)
    (login,) = decoded(exchange_session.receive(GREETING, at_ns=0).send)
    assert login == {
        "op": "authentication",
        "id": 1,
        "appKey": KEYS.app_key,
        "session": KEYS.session,
    }
    success = line(op="status", id=1, statusCode="SUCCESS", connectionsAvailable=9)
    (subscription,) = decoded(exchange_session.receive(success, at_ns=0).send)
    assert subscription == {
        "op": "marketSubscription",
        "id": 2,
        "marketFilter": {"marketIds": ["1.5"]},
        "marketDataFilter": {
            "fields": ["EX_MARKET_DEF", "EX_BEST_OFFERS_DISP", "EX_LTP", "EX_TRADED_VOL"],
            "ladderLevels": 3,
        },
        "conflateMs": 250,
        "heartbeatMs": 1_000,
        "segmentationEnabled": True,
    }
    assert exchange_session.connections_available == 9


def test_session_resumes_by_the_clocks_of_the_last_message() -> None:
    exchange_session = session()
    number = subscribed(exchange_session)["id"]
    exchange_session.receive(mcm(pt=1, id=number, ct="SUB_IMAGE", initialClk="i", clk="a"), at_ns=0)
    exchange_session.receive(mcm(pt=2, id=number, clk="b"), at_ns=0)
    exchange_session.lost()
    subscription = subscribed(exchange_session)
    assert (subscription["initialClk"], subscription["clk"]) == ("i", "b")
    assert not exchange_session.complete
    exchange_session.receive(mcm(pt=3, id=subscription["id"], ct="RESUB_DELTA", clk="c"), at_ns=0)
    assert (exchange_session.complete, exchange_session.clocks) == (True, ("i", "c"))


def test_incomplete_image_is_not_resumed() -> None:
    exchange_session = session()
    number = subscribed(exchange_session)["id"]
    first = mcm(pt=1, id=number, ct="SUB_IMAGE", initialClk="i", clk="a", segmentType="SEG_START")
    exchange_session.receive(first, at_ns=0)
    exchange_session.lost()
    assert "clk" not in subscribed(exchange_session)


def test_image_without_clocks_is_not_resumed() -> None:
    exchange_session = session()
    number = subscribed(exchange_session)["id"]
    exchange_session.receive(mcm(pt=1, id=number, ct="SUB_IMAGE", clk="a"), at_ns=0)
    exchange_session.lost()
    assert "clk" not in subscribed(exchange_session)


def test_segmented_image_may_be_resumed_after_its_end() -> None:
    exchange_session = session()
    number = subscribed(exchange_session)["id"]
    for part in ("SEG_START", "SEG", "SEG_END"):
        body = mcm(pt=1, id=number, ct="SUB_IMAGE", initialClk="i", clk="a", segmentType=part)
        assert exchange_session.clocks == ("", "")
        exchange_session.receive(body, at_ns=0)
    assert exchange_session.clocks == ("i", "a")


def test_invalid_clock_is_dropped_and_the_image_requested() -> None:
    exchange_session = session()
    number = subscribed(exchange_session)["id"]
    exchange_session.receive(mcm(pt=1, id=number, ct="SUB_IMAGE", initialClk="i", clk="a"), at_ns=0)
    exchange_session.lost()
    number = subscribed(exchange_session)["id"]
    failed = line(op="status", id=number, statusCode="FAILURE", errorCode="INVALID_CLOCK")
    answer = exchange_session.receive(failed, at_ns=0)
    (subscription,) = decoded(answer.send)
    assert (answer.verdict, "clk" in subscription) == (Verdict.CONTINUE, False)
    assert exchange_session.receive(failed, at_ns=0).verdict == Verdict.RECONNECT


def test_image_can_be_requested_again() -> None:
    exchange_session = session()
    assert exchange_session.request_image() == ()
    number = subscribed(exchange_session)["id"]
    exchange_session.receive(mcm(pt=1, id=number, ct="SUB_IMAGE", initialClk="i", clk="a"), at_ns=0)
    (subscription,) = decoded(exchange_session.request_image())
    assert "clk" not in subscription
    assert not exchange_session.receive(mcm(pt=2, id=number, clk="b"), at_ns=0).deliver
    assert exchange_session.receive(
        mcm(pt=2, id=subscription["id"], ct="SUB_IMAGE"), at_ns=0
    ).deliver


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("INVALID_SESSION_INFORMATION", Verdict.CREDENTIALS_REFUSED),
        ("NO_APP_KEY", Verdict.CREDENTIALS_REFUSED),
        ("SUBSCRIPTION_LIMIT_EXCEEDED", Verdict.REQUEST_REFUSED),
        ("INVALID_INPUT", Verdict.REQUEST_REFUSED),
        ("MAX_CONNECTION_LIMIT_EXCEEDED", Verdict.RECONNECT),
        ("TOO_MANY_REQUESTS", Verdict.RECONNECT),
        ("TIMEOUT", Verdict.RECONNECT),
        ("SOMETHING_NEW", Verdict.RECONNECT),
    ],
)
def test_failures_lead_to_their_verdict_without_showing_credentials(
    code: str, verdict: Verdict
) -> None:
    exchange_session = session()
    exchange_session.connected(at_ns=0)
    exchange_session.receive(GREETING, at_ns=0)
    text = f"no {KEYS.session} for {KEYS.app_key}"
    failed = line(op="status", id=1, statusCode="FAILURE", errorCode=code, errorMessage=text)
    answer = exchange_session.receive(failed, at_ns=0)
    assert (answer.verdict, answer.why) == (verdict, f"{code}: no *** for ***")


def test_credentials_are_never_shown() -> None:
    assert "ours" not in f"{KEYS!r} {KEYS}"


def test_silent_exchange_is_left_after_three_heartbeats_or_a_fixed_time_before_streaming() -> None:
    exchange_session = session(heartbeat_ms=2_000)
    exchange_session.connected(at_ns=0)
    assert exchange_session.tick(at_ns=ANSWER_WITHIN_MS * NS_PER_MS).verdict == Verdict.CONTINUE
    assert (
        exchange_session.tick(at_ns=ANSWER_WITHIN_MS * NS_PER_MS + 1).verdict == Verdict.RECONNECT
    )
    number = subscribed(exchange_session)["id"]
    exchange_session.receive(
        mcm(pt=1, id=number, ct="SUB_IMAGE", heartbeatMs=1_000), at_ns=20 * NS_PER_S
    )
    assert exchange_session.tick(at_ns=23 * NS_PER_S).verdict == Verdict.CONTINUE
    assert exchange_session.tick(at_ns=23 * NS_PER_S + 1).verdict == Verdict.RECONNECT
    exchange_session.lost()
    assert exchange_session.tick(at_ns=99 * NS_PER_S).verdict == Verdict.CONTINUE


def test_markets_before_the_subscription_and_a_second_greeting_end_the_connection() -> None:
    exchange_session = session()
    exchange_session.connected(at_ns=0)
    assert exchange_session.receive(mcm(pt=1), at_ns=0).verdict == Verdict.RECONNECT
    exchange_session.receive(GREETING, at_ns=0)
    assert exchange_session.receive(GREETING, at_ns=0).verdict == Verdict.RECONNECT


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"op":5}', line(op="news")])
def test_unknown_lines_are_delivered_to_the_feed(body: bytes) -> None:
    exchange_session = session()
    subscribed(exchange_session)
    answer = exchange_session.receive(body, at_ns=0)
    assert (answer.deliver, answer.verdict) == (True, Verdict.CONTINUE)
    assert exchange_session.stage == Stage.SUBSCRIBING


@pytest.mark.parametrize(
    "fields", [{"conflate_ms": 120_001}, {"heartbeat_ms": 499}, {"heartbeat_ms": 5_001}]
)
def test_rates_outside_the_exchanges_bounds_are_refused(
    fields: dict[str, int],
) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, Subscription)
