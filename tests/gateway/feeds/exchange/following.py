"""Feed an exchange adapter one change after another, and take its updates apart."""

from typing import Any

from engine.common.acceptance import SetFeedDelay
from engine.common.commands import (
    FeedStep,
    SetStatus,
)
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS
from engine.common.views import PriceImage
from gateway.feeds.core.adapter import KnownMarket, MarketUpdate, Received
from gateway.feeds.exchange.adapter import ExchangeAdapter
from gateway.feeds.exchange.settings import ExchangeSettings
from tests.gateway.feeds.exchange.builders import definition, mcm, quoted, runner

M = "1.5"
KEY = "exchange.77.202311142200/win?market=1.5"
EAGER = ExchangeSettings(every_ms=0)


class Following:
    """An adapter fed one change after another, a second apart."""

    def __init__(self, settings: ExchangeSettings = EAGER, **fields: Any) -> None:
        self.adapter = ExchangeAdapter(settings=settings)
        self.pt = 0
        self.fields = fields
        self.runners = [runner(i, name=f"Horse {i}") for i in (1, 2, 3)]

    @property
    def at_ns(self) -> int:
        """Our clock is ten seconds ahead of the exchange's."""
        return (self.pt + 10_000) * NS_PER_MS

    def receive(self, body: bytes) -> Received:
        return self.adapter.receive(body, at_ns=self.at_ns)

    def change(self, *moved: dict[str, Any], **fields: Any) -> Received:
        self.pt += 1_000
        market = {"id": M, **({"rc": list(moved)} if moved else {})}
        if fields or self.pt == 1_000:
            self.fields |= fields
            market["marketDefinition"] = definition(*self.runners, **self.fields)
        return self.receive(mcm(market, pt=self.pt))

    def open(self) -> Received:
        return self.change(quoted(1, 0.5), quoted(2, 0.3), quoted(3, 0.2))

    def status(self, number: int, status: str, **fields: Any) -> None:
        self.runners[number - 1] |= {"status": status, **fields}


def updates(received: Received) -> list[MarketUpdate]:
    assert received.refused == ""
    return [action for action in received.actions if isinstance(action, MarketUpdate)]


def steps(received: Received) -> list[FeedStep]:
    return [step for update in updates(received) for step in update.steps]


def statuses(received: Received) -> list[tuple[Status, str]]:
    return [(one.status, one.why) for one in steps(received) if isinstance(one, SetStatus)]


def delays(received: Received) -> list[int]:
    return [one.delay_ms for one in steps(received) if isinstance(one, SetFeedDelay)]


def closed(following: Following, *found: str) -> Received:
    for number, status in enumerate(found, start=1):
        following.status(number, status)
    return following.change(status="CLOSED")


def known(*outcomes: str, status: Status = Status.ACTIVE, **fields: Any) -> KnownMarket:
    image = PriceImage(
        market_no=4,
        key=KEY,
        status=status,
        version=1,
        outcomes=outcomes,
        odds_milli=(2_000,) * len(outcomes),
        active=fields.pop("active", (True,) * len(outcomes)),
    )
    return KnownMarket(image=image, **fields)


def resumed(following: Following, market: KnownMarket) -> Received:
    return following.adapter.resume([market], at_ns=following.at_ns)
