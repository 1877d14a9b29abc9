"""A provider, the adapter and real markets in one process, without sockets."""

from typing import Any

from actors.messages import KnownMarket
from engine.common.lifecycle import Status
from engine.common.rows import BetResult
from engine.common.units import NS_PER_MS
from gateway.feeds.core.adapter import Received, RecoveryRequest
from gateway.feeds.lsports.adapter import LsportsAdapter, LsportsSettings
from gateway.feeds.lsports.messages import BEGAN_BODY
from gateway.feeds.lsports.trust import TrustSettings
from tests.engine.market.builders import bet, bet_rows
from tests.gateway.feeds.lsports.provider import MATCH, NOW_MS, ODDS, Provider
from tests.gateway.feeds.uof.builders import FeedMarkets

KEY = f"lsports.{MATCH}/lsports_1"
EAGER = LsportsSettings(trust=TrustSettings(every_ms=0))


class Following:
    """Give messages of a provider to an adapter, and carry its updates out on markets."""

    def __init__(self, settings: LsportsSettings = EAGER) -> None:
        self.settings = settings
        self.provider = Provider()
        self.feed = FeedMarkets(LsportsAdapter(settings=settings))  # type: ignore[arg-type]
        self.feed.adapter.resume([], at_ns=NOW_MS * NS_PER_MS)
        self._bets = 0

    @property
    def adapter(self) -> LsportsAdapter:
        return self.feed.adapter  # type: ignore[return-value]

    @property
    def at(self) -> int:
        """Milliseconds since the beginning, by the provider's clock and ours."""
        return self.provider.now_ms - NOW_MS

    def receive(self, *bodies: bytes) -> list[Received]:
        return [self.feed.receive(body, at=self.at) for body in bodies]

    def wait(self, seconds: int) -> Received:
        """Let time pass without a message."""
        self.provider.now_ms += seconds * 1_000
        return self.feed.tick(at=self.at)

    def began(self) -> None:
        """Begin a connection."""
        self.receive(BEGAN_BODY, self.provider.heartbeat())

    def answer(self) -> RecoveryRequest:
        """Answer the last request for a snapshot."""
        request = self.feed.requests[-1]
        self.receive(*self.provider.snapshot_messages(request.request_id, request.after_ms))
        return request

    def opened(self) -> "Following":
        """Begin, and have a match winner on offer."""
        self.receive(BEGAN_BODY, self.provider.fixture())
        self.answer()
        self.receive(self.provider.odds(ODDS))
        assert self.status() is Status.ACTIVE
        return self

    def restarted(self) -> None:
        """Replace the adapter by one that knows nothing but the markets."""
        adapter = LsportsAdapter(settings=self.settings)
        known = [self.known(key) for key in self.feed.numbers]
        self.feed.adapter = adapter  # type: ignore[assignment]
        received = adapter.resume(known, at_ns=(NOW_MS + self.at) * NS_PER_MS)
        self.feed.carry_out(received.actions, at=self.at)

    def known(self, key: str) -> KnownMarket:
        machine, number = self.feed.machine, self.feed.numbers[key]
        image = machine.price_image(number)
        return KnownMarket(
            image=image,
            positions=machine.feed_positions(number),
            results_stand=image.status is Status.SETTLED,
        )

    def status(self, key: str = KEY) -> Status:
        return self.feed.machine.price_image(self.feed.numbers[key]).status

    def odds(self, key: str = KEY) -> dict[str, Any]:
        """Return the odds of every outcome; None: not offered."""
        image = self.feed.machine.price_image(self.feed.numbers[key])
        rows = zip(image.outcomes, image.odds_milli, image.active, strict=True)
        return {name: odds if active else None for name, odds, active in rows}

    def bet(self, outcome: int, odds: int, *, key: str = KEY) -> int:
        """Bet 100; return the reason, 0: accepted."""
        self._bets += 1
        row = bet(self._bets, market=self.feed.numbers[key], outcome=outcome, odds=odds)
        at_ns = self.provider.now_ms * NS_PER_MS
        return int(self.feed.machine.place(bet_rows([row]), at_ns)["reason"][0])

    def paid(self) -> dict[int, tuple[str, int]]:
        """Return the last result and payout of every bet, by its number."""
        return {
            int(row["bet_id"]): (BetResult(int(row["result"])).name, int(row["payout_minor"]))
            for row in self.feed.machine.outbox(shard=0, limit=1_000)
        }
