"""A feed for tests: JSON messages, and an adapter that turns each into actions one to one.

{"kind": "odds", "at": 5, "key": "cup-1/1x2", "fair": [0.5, 0.3, 0.2], "status": 1}
{"kind": "result", "at": 9, "key": "cup-1/1x2", "won": 0}
"""

import json
import zlib
from collections.abc import Sequence
from typing import Any

from engine.common.commands import FeedStep, OutcomeResult, SetStatus, SettleMarket
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import (
    MARKET_NO_LATER,
    Action,
    Fair,
    KnownMarket,
    Mark,
    MarketUpdate,
    NewMarket,
    PriceFixture,
    Received,
    RecoveryRequest,
)

OUTCOMES = ("home", "draw", "away")


class JsonAdapter:
    """Read the messages above; keep the markets with which it began and count its ticks."""

    def __init__(self) -> None:
        self.resumed: list[KnownMarket] = []
        self.ticks = 0

    def owns(self, key: str) -> bool:
        return key.startswith("cup-")

    def resume(self, markets: Sequence[KnownMarket], *, at_ns: int) -> Received:
        self.resumed = list(markets)
        return Received(kind="resume")

    def passed_over(self) -> dict[str, int]:
        return {"ticks": self.ticks}

    def lost(self) -> dict[str, str]:
        return {}

    def unopened(self) -> dict[str, str]:
        return {}

    def tick(self, *, at_ns: int) -> Received:
        self.ticks += 1
        return Received(kind="tick")

    def receive(self, body: bytes, *, at_ns: int) -> Received:
        try:
            message = json.loads(body)
            return Received(kind=message["kind"], actions=_actions(message, zlib.crc32(body)))
        except (ValueError, KeyError, TypeError) as error:
            return Received(kind="unreadable", refused=f"not JSON of this feed: {error}"[:80])


def _actions(message: dict[str, Any], digest: int) -> tuple[Action, ...]:
    if message["kind"] == "recover":
        return (RecoveryRequest(producer=1, after_ms=message["at"], request_id=message["request"]),)
    if message["kind"] == "price":
        mark = Mark(source="tiny:1/price", position=message["at"], digest=digest)
        return (
            PriceFixture(
                fixture=message["fixture"],
                mark=mark,
                sport="football",
                model={"home_rate": 1.5, "away_rate": 1.2},
                state=message.get("state", {}),
                suspend=message.get("suspend", ""),
                resume=message.get("resume", False),
            ),
        )
    steps: list[FeedStep] = []
    if "status" in message:
        steps.append(SetStatus(market_no=MARKET_NO_LATER, status=Status(message["status"])))
    if "won" in message:
        results = tuple(OutcomeResult(won=i == message["won"]) for i in range(3))
        steps.append(SettleMarket(market_no=MARKET_NO_LATER, results=results))
    fair = message.get("fair")
    channel = "result" if message["kind"] == "result" else "odds"
    return tuple(
        MarketUpdate(
            key=key,
            mark=Mark(source=f"tiny:1/{channel}", position=message["at"], digest=digest),
            steps=tuple(steps),
            fair=None if fair is None else Fair(probabilities=tuple(fair), active=(True,) * 3),
            new_market=None
            if message.get("no_new_market")
            else NewMarket(outcomes=OUTCOMES, phase=message.get("phase", "prematch")),
        )
        for key in [message["key"], *message.get("more", ())]
    )


def odds(key: str, at: int, *fair: float, status: int | None = 1, **more: Any) -> bytes:
    message: dict[str, Any] = {"kind": "odds", "key": key, "at": at, **more}
    if fair:
        message["fair"] = fair
    if status is not None:
        message["status"] = status
    return json.dumps(message).encode()


def result(key: str, at: int, won: int) -> bytes:
    return json.dumps({"kind": "result", "key": key, "at": at, "won": won}).encode()


def recover(at: int, request: int) -> bytes:
    return json.dumps({"kind": "recover", "at": at, "request": request}).encode()


def price(fixture: str, at: int, **more: Any) -> bytes:
    return json.dumps({"kind": "price", "fixture": fixture, "at": at, **more}).encode()
