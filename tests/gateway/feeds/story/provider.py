"""The provider's side of recoveries: heartbeats, and the interface that grants what is asked.

It judges its caller: attempts that it answered must keep the limits that it publishes.
"""

import asyncio
from typing import Final

from msgspec.structs import replace

from gateway.feeds.uof.recovery_api import RecoveryApi
from gateway.feeds.uof.settings import PROVIDER_EVENT_RATE, PROVIDER_RATES
from gateway.messages.feed import FeedRequest
from tests.actors.virtual import now_s
from tests.gateway.feeds.story.bookmaker import FEED, FeedBookmaker, now_ns
from tests.gateway.feeds.uof.builders import NOW_MS, alive, snapshot_complete

GRANTED: Final = 202
UNREACHABLE: Final = 0
BEAT_S: Final = 10.0
_RATES: Final = {
    "full": PROVIDER_RATES[-1],
    "after": PROVIDER_RATES[0],
    "event": replace(PROVIDER_EVENT_RATE, requests_max=100, long_requests_max=300),
}
_POLL_S: Final = 0.25


class Provider:
    """One producer of a provider, and the bridge that asks it, which uses the real schedule."""

    def __init__(self, bookmaker: FeedBookmaker) -> None:
        self.beats = False
        self.answers = GRANTED
        self.asked: list[str] = []
        """The addresses of all requests that reached it."""
        self._bookmaker = bookmaker
        self._known: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._answered: dict[str, list[float]] = {}
        self._api = RecoveryApi(
            "https://api.example/v1",
            token="t",
            post=self._post,
            clock_ns=lambda: round(now_s() * 1e9),
            now_s=lambda: now_ns() / 1e9,
        )

    def start(self) -> None:
        for work in (self._beat(), self._poll()):
            self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._check_rates()

    async def _beat(self) -> None:
        while True:
            if self.beats:
                await self._bookmaker.push(alive(at=_since_ms()))
            await asyncio.sleep(BEAT_S)

    async def _poll(self) -> None:
        """Pass the pipeline's requests on, as a bridge does."""
        while True:
            for request in await self._bookmaker.open_requests():
                if request.request_id not in self._known:
                    self._known.add(request.request_id)
                    asked = FeedRequest(
                        feed=FEED,
                        producer=request.producer,
                        after_ms=request.after_ms,
                        request_id=request.request_id,
                        event_id=request.event_id,
                    )
                    work = self._ask(asked)
                    self._tasks.append(asyncio.get_running_loop().create_task(work))
            await asyncio.sleep(_POLL_S)

    async def _ask(self, request: FeedRequest) -> None:
        if not await self._api.request(request):
            self._known.discard(request.request_id)
            return
        await self._bookmaker.request_done(request.producer, request.request_id)
        done = snapshot_complete(at=_since_ms(), request_id=request.request_id)
        await self._bookmaker.push(done)

    async def _post(self, address: str) -> int:
        if self.answers != UNREACHABLE:
            since = "full" if "after=" not in address else "after"
            since = "event" if "/events/" in address else since
            self.asked.append(address)
            self._answered.setdefault(since, []).append(now_s())
        return self.answers

    def _check_rates(self) -> None:
        for since, times in self._answered.items():
            rate = _RATES[since]
            for most, within_ms in (
                (rate.requests_max, rate.within_ms),
                (rate.long_requests_max, rate.long_within_ms),
            ):
                for first, last in zip(times, times[most:], strict=False):
                    assert last - first > within_ms / 1_000, f"{most + 1} attempts: {times}"


def _since_ms() -> int:
    return now_ns() // 1_000_000 - NOW_MS
