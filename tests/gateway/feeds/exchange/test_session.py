"""What is said to the exchange, in which order, and how a lost stream is taken up again."""

import json
from typing import Any

import pytest

from gateway.feeds.exchange.session import (
    ANSWER_WITHIN_MS,
    Credentials,
    ExchangeSession,
    Stage,
    Subscription,
    Verdict,
)
from tests.gateway.feeds.exchange.builders import line, mcm

S = 1_000_000_000
GREETING = line(op="connection", connectionId="002-1")
KEYS = Credentials(app_key="key-of-ours", session="token-of-ours")


def session(**words: Any) -> ExchangeSession:
    return ExchangeSession(
        credentials=KEYS, subscription=Subscription(market_filter={"marketIds": ["1.5"]}, **words)
    )


def said(lines: tuple[bytes, ...]) -> list[dict[str, Any]]:
    assert all(sent.endswith(b"\r\n") and sent.count(b"\n") == 1 for sent in lines)
    return [json.loads(sent) for sent in lines]


def subscribed(one: ExchangeSession) -> dict[str, Any]:
    """Bring a session to its subscription; return what it asked for."""
    one.connected(at_ns=0)
    (login,) = said(one.receive(GREETING, at_ns=0).send)
    answer = one.receive(line(op="status", id=login["id"], statusCode="SUCCESS"), at_ns=0)
    (asked,) = said(answer.send)
    return asked


def test_greeting_is_answered_by_authentication_and_success_by_the_subscription() -> None:
    one = session(conflate_ms=250, heartbeat_ms=1_000)
    one.connected(at_ns=0)
    (login,) = said(one.receive(GREETING, at_ns=0).send)
    assert login == {
        "op": "authentication",
        "id": 1,
        "appKey": KEYS.app_key,
        "session": KEYS.session,
    }
    success = line(op="status", id=1, statusCode="SUCCESS", connectionsAvailable=9)
    (asked,) = said(one.receive(success, at_ns=0).send)
    assert asked == {
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
    assert one.connections_available == 9


def test_resumes_by_the_clocks_of_the_last_message() -> None:
    one = session()
    number = subscribed(one)["id"]
    one.receive(mcm(pt=1, id=number, ct="SUB_IMAGE", initialClk="i", clk="a"), at_ns=0)
    one.receive(mcm(pt=2, id=number, clk="b"), at_ns=0)
    one.lost()
    asked = subscribed(one)
    assert (asked["initialClk"], asked["clk"]) == ("i", "b")
    assert not one.complete
    one.receive(mcm(pt=3, id=asked["id"], ct="RESUB_DELTA", clk="c"), at_ns=0)
    assert (one.complete, one.clocks) == (True, ("i", "c"))


def test_image_that_broke_off_is_not_resumed() -> None:
    one = session()
    number = subscribed(one)["id"]
    first = mcm(pt=1, id=number, ct="SUB_IMAGE", initialClk="i", clk="a", segmentType="SEG_START")
    one.receive(first, at_ns=0)
    one.lost()
    assert "clk" not in subscribed(one)


def test_image_without_clocks_is_not_resumed() -> None:
    one = session()
    number = subscribed(one)["id"]
    one.receive(mcm(pt=1, id=number, ct="SUB_IMAGE", clk="a"), at_ns=0)
    one.lost()
    assert "clk" not in subscribed(one)


def test_segmented_image_may_be_resumed_after_its_end() -> None:
    one = session()
    number = subscribed(one)["id"]
    for part in ("SEG_START", "SEG", "SEG_END"):
        body = mcm(pt=1, id=number, ct="SUB_IMAGE", initialClk="i", clk="a", segmentType=part)
        assert one.clocks == ("", "")
        one.receive(body, at_ns=0)
    assert one.clocks == ("i", "a")


def test_clock_the_exchange_does_not_know_is_forgotten_and_the_image_asked_for() -> None:
    one = session()
    number = subscribed(one)["id"]
    one.receive(mcm(pt=1, id=number, ct="SUB_IMAGE", initialClk="i", clk="a"), at_ns=0)
    one.lost()
    number = subscribed(one)["id"]
    failed = line(op="status", id=number, statusCode="FAILURE", errorCode="INVALID_CLOCK")
    answer = one.receive(failed, at_ns=0)
    (asked,) = said(answer.send)
    assert (answer.verdict, "clk" in asked) == (Verdict.CONTINUE, False)
    assert one.receive(failed, at_ns=0).verdict == Verdict.RECONNECT


def test_whole_image_can_be_asked_for_again() -> None:
    one = session()
    assert one.request_image() == ()
    number = subscribed(one)["id"]
    one.receive(mcm(pt=1, id=number, ct="SUB_IMAGE", initialClk="i", clk="a"), at_ns=0)
    (asked,) = said(one.request_image())
    assert "clk" not in asked
    assert not one.receive(mcm(pt=2, id=number, clk="b"), at_ns=0).deliver
    assert one.receive(mcm(pt=2, id=asked["id"], ct="SUB_IMAGE"), at_ns=0).deliver


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
    one = session()
    one.connected(at_ns=0)
    one.receive(GREETING, at_ns=0)
    words = f"no {KEYS.session} for {KEYS.app_key}"
    failed = line(op="status", id=1, statusCode="FAILURE", errorCode=code, errorMessage=words)
    answer = one.receive(failed, at_ns=0)
    assert (answer.verdict, answer.why) == (verdict, f"{code}: no *** for ***")


def test_credentials_are_never_shown() -> None:
    assert "ours" not in f"{KEYS!r} {KEYS}"


def test_silent_exchange_is_given_up_by_heartbeats_and_before_them_by_a_fixed_wait() -> None:
    one = session(heartbeat_ms=2_000)
    one.connected(at_ns=0)
    assert one.tick(at_ns=ANSWER_WITHIN_MS * 1_000_000).verdict == Verdict.CONTINUE
    assert one.tick(at_ns=ANSWER_WITHIN_MS * 1_000_000 + 1).verdict == Verdict.RECONNECT
    number = subscribed(one)["id"]
    one.receive(mcm(pt=1, id=number, ct="SUB_IMAGE", heartbeatMs=1_000), at_ns=20 * S)
    assert one.tick(at_ns=23 * S).verdict == Verdict.CONTINUE
    assert one.tick(at_ns=23 * S + 1).verdict == Verdict.RECONNECT
    one.lost()
    assert one.tick(at_ns=99 * S).verdict == Verdict.CONTINUE


def test_markets_before_the_subscription_and_a_second_greeting_end_the_connection() -> None:
    one = session()
    one.connected(at_ns=0)
    assert one.receive(mcm(pt=1), at_ns=0).verdict == Verdict.RECONNECT
    one.receive(GREETING, at_ns=0)
    assert one.receive(GREETING, at_ns=0).verdict == Verdict.RECONNECT


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"op":5}', line(op="news")])
def test_lines_that_mean_nothing_here_go_on_to_the_feed(body: bytes) -> None:
    one = session()
    subscribed(one)
    answer = one.receive(body, at_ns=0)
    assert (answer.deliver, answer.verdict) == (True, Verdict.CONTINUE)
    assert one.stage == Stage.SUBSCRIBING


@pytest.mark.parametrize(
    "words", [{"conflate_ms": 120_001}, {"heartbeat_ms": 499}, {"heartbeat_ms": 5_001}]
)
def test_paces_out_of_the_exchanges_bounds_are_refused_where_settings_are_read(
    words: dict[str, int],
) -> None:
    import msgspec

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(words, Subscription)
