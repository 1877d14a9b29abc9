"""A shell is dead for longer than its messages can wait: stops of others are obeyed, results kept.

Each feed has two markets in a shell each. The first one's shell dies and misses odds and
its result; the bet stop of the second is obeyed meanwhile. When the shell is back, the first market
takes no bet until the provider has repeated what it missed, and is settled as script.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

import pytest

from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.rows import SlipState
from gateway.feeds.core.adapter import RecoveryRequest
from gateway.feeds.core.messages import decode_requests
from gateway.feeds.core.pipeline import PipelineSettings
from gateway.feeds.core.shell_queue import MISSED
from gateway.feeds.exchange.adapter import ExchangeAdapter, ExchangeSettings
from gateway.feeds.lsports.adapter import LsportsAdapter, LsportsSettings
from gateway.feeds.lsports.messages import BEGAN_BODY
from gateway.feeds.lsports.trust import TrustSettings
from gateway.feeds.uof.adapter import UofAdapter
from tests.actors.virtual import run_virtual
from tests.gateway.feeds.exchange.builders import definition, mcm, quoted, runner
from tests.gateway.feeds.lsports.provider import ODDS, Provider
from tests.gateway.feeds.story.bookmaker import (
    FEED,
    FeedBookmaker,
    now_ns,
    open_feed_bookmaker,
)
from tests.gateway.feeds.uof.builders import (
    HOME_WON,
    MATCH_WINNER,
    NOW_MS,
    WATCHED,
    alive,
    bet_settlement,
    market,
    odds_change,
    settled,
    snapshot_complete,
)

MESSAGES_MAX = 16
"""Half of them may wait for a dead shell."""


def at() -> int:
    """Return milliseconds since the beginning."""
    return now_ms() - NOW_MS


def now_ms() -> int:
    return now_ns() // 1_000_000


class Script(Protocol):
    """What one provider says, each time anew: of the market that misses it, and of the other."""

    missing: str
    other: str

    def adapter(self) -> Any: ...

    def opened(self) -> list[bytes]:
        """Return what begins a feed and asks for a recovery."""
        ...

    def odds(self) -> Iterable[bytes]:
        """Return odds of both."""
        ...

    def odds_missed(self) -> bytes: ...

    def result_missed(self) -> bytes: ...

    def stop(self) -> bytes: ...

    def repeated(self, request: RecoveryRequest) -> list[bytes]:
        """Return what the provider repeats."""
        ...


class UofScript:
    missing, other = "sr:match:77001/1x2", "sr:match:77002/1x2"

    def __init__(self) -> None:
        self._result: Callable[..., bytes] | None = None

    def adapter(self) -> Any:
        return UofAdapter(FEED, WATCHED)

    def opened(self) -> list[bytes]:
        return [alive(at=at())]

    def odds(self) -> Iterable[bytes]:
        yield self.odds_missed()
        yield self._odds(1)

    def odds_missed(self) -> bytes:
        return odds_change(market(1, MATCH_WINNER), at=at())

    def result_missed(self) -> bytes:
        self._result = partial(bet_settlement, settled(1, HOME_WON), at=at())
        return self._result()

    def stop(self) -> bytes:
        return self._odds(-1)

    def repeated(self, request: RecoveryRequest) -> list[bytes]:
        number = request.request_id
        results = [] if self._result is None else [self._result(request_id=number)]
        return [*results, snapshot_complete(at=at(), request_id=number)]

    def _odds(self, status: int) -> bytes:
        one = market(1, MATCH_WINNER, status=status)
        return odds_change(one, at=at(), event=self.other.partition("/")[0])


class LsportsScript:
    missing, other = f"{FEED}.1/lsports_1", f"{FEED}.2/lsports_1"

    def __init__(self) -> None:
        self._provider = Provider(clock_ms=now_ms)

    def adapter(self) -> Any:
        settings = LsportsSettings(trust=TrustSettings(every_ms=0))
        return LsportsAdapter(feed=FEED, settings=settings)

    def opened(self) -> list[bytes]:
        it = self._provider
        known = [it.fixture(number) for number in (1, 2) if number not in it.fixtures]
        return [BEGAN_BODY, *known, it.heartbeat()] if known else [it.heartbeat()]

    def odds(self) -> Iterable[bytes]:
        return [self._provider.odds(ODDS, fixture=number) for number in (1, 2)]

    def odds_missed(self) -> bytes:
        return self._provider.odds({"1": f"2.{at() % 80 + 10}"}, fixture=1)

    def result_missed(self) -> bytes:
        return self._provider.settle({"1": 2, "X": 1, "2": 1}, fixture=1)

    def stop(self) -> bytes:
        return self._provider.suspend(fixture=2)

    def repeated(self, request: RecoveryRequest) -> list[bytes]:
        return self._provider.snapshot_messages(request.request_id, request.after_ms)


class ExchangeScript:
    missing, other = (
        f"{FEED}.77.202311142200/win?market=1.5",
        f"{FEED}.77.202311142200/win?market=1.6",
    )

    def __init__(self) -> None:
        self._statuses = {"1.5": "OPEN", "1.6": "OPEN"}
        self._version = 1
        self._chance = 0.5

    def adapter(self) -> Any:
        return ExchangeAdapter(feed=FEED, settings=ExchangeSettings())

    def opened(self) -> list[bytes]:
        return []

    def odds(self) -> Iterable[bytes]:
        yield mcm(*map(self._market, self._statuses), pt=now_ms(), ct="SUB_IMAGE")

    def odds_missed(self) -> bytes:
        self._chance = 0.9 - self._chance
        return mcm({"id": "1.5", "rc": [quoted(1, self._chance)]}, pt=now_ms())

    def result_missed(self) -> bytes:
        return self._change("1.5", "CLOSED")

    def stop(self) -> bytes:
        return self._change("1.6", "SUSPENDED")

    def repeated(self, request: RecoveryRequest) -> list[bytes]:
        return list(self.odds())

    def _change(self, name: str, status: str) -> bytes:
        self._statuses[name] = status
        self._version += 1
        one = {"id": name, "marketDefinition": self._market(name)["marketDefinition"]}
        return mcm(one, pt=now_ms())

    def _market(self, name: str) -> dict[str, Any]:
        status = self._statuses[name]
        states = ("WINNER", "LOSER") if status == "CLOSED" else ("ACTIVE", "ACTIVE")
        runners = [runner(number, state) for number, state in enumerate(states, 1)]
        fields = {"status": status, "version": self._version}
        prices = [quoted(1, 0.5), quoted(2, 0.5)]
        return {
            "id": name,
            "img": True,
            "marketDefinition": definition(*runners, **fields),
            "rc": [] if status == "CLOSED" else prices,
        }


class Listener:
    """A bookmaker that hears what a provider says, and answers its requests when asked to."""

    def __init__(self, it: FeedBookmaker, script: Script) -> None:
        self.it = it
        self._script = script
        self._sending: list[asyncio.Future[Any]] = []

    def send(self, *bodies: bytes) -> None:
        """Give the pipeline messages, and do not wait until they are obeyed."""
        self._sending += [asyncio.ensure_future(self.it.push(body)) for body in bodies]

    async def answered(self) -> list[Any]:
        return await asyncio.gather(*self._sending)

    async def recover(self) -> None:
        """Answer the open request as soon as there is one."""
        pipeline = self.it.pipeline
        self.send(*self._script.opened())
        async with asyncio.timeout(60.0):
            while not (requests := decode_requests(pipeline.requests())):
                await asyncio.sleep(0.1)
        for request in requests:
            pipeline.request_done(request.producer, request.request_id)
            self.send(*self._script.repeated(request))

    async def status(self, key: str) -> Status:
        return (await self.it.images())[key].status

    async def bet(self, ref: str, key: str) -> Reason:
        image = (await self.it.images())[key]
        decision = await self.it.place(
            ref, image, 0, stake=1_000, odds=image.odds_milli[0], account=2
        )
        return Reason(int(decision["reason"]))


async def opened(it: FeedBookmaker, script: Script) -> Listener:
    """Have both markets on offer, with a bet on the first."""
    listener = Listener(it, script)
    if script.opened():
        await listener.recover()
    listener.send(*script.odds())
    await listener.answered()
    for key in (script.missing, script.other):
        assert await listener.status(key) is Status.ACTIVE
    assert await listener.bet("A", script.missing) is Reason.ACCEPTED
    return listener


@pytest.mark.parametrize("restart", [False, True], ids=["", "and the pipeline restarts"])
@pytest.mark.parametrize("make_script", [UofScript, LsportsScript, ExchangeScript])
def test_a_dead_shell_holds_back_no_stop_and_loses_no_result(
    make_script: Callable[[], Script], restart: bool
) -> None:
    async def main() -> None:
        script = make_script()
        settings = PipelineSettings(messages_max=MESSAGES_MAX)
        async with open_feed_bookmaker(script.adapter, settings) as it:
            listener = await opened(it, script)
            shell = await it.shell_of(script.missing)
            revive = it.kill(shell)
            for _ in range(2 * MESSAGES_MAX):
                await asyncio.sleep(0.01)
                listener.send(script.odds_missed())
            listener.send(script.result_missed(), script.stop())
            other = await it.shell_of(script.other)
            await asyncio.sleep(3.0)
            market_no = it.system.routes.market_no_by_key[script.other]
            target = it.system.launcher.processes[other].target
            assert target._machine().price_image(market_no).status is Status.SUSPENDED
            async with asyncio.timeout(60.0):
                answers = await listener.answered()
            assert answers[-2].refused == f"{shell}: {MISSED}"
            if restart:
                await it.restart_pipeline()
            revive()
            async with asyncio.timeout(60.0):
                while shell not in await serving(it):
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            assert await listener.status(script.missing) is Status.SUSPENDED
            assert await listener.bet("B", script.missing) is Reason.MARKET_SUSPENDED
            await listener.recover()
            await asyncio.sleep(3.0)
            assert await listener.status(script.missing) is Status.SETTLED
            assert await listener.status(script.other) is Status.SUSPENDED
            slip = await it.slip(2, "A")
            assert slip.state is SlipState.SETTLED
            assert slip.payout_minor > 1_000, "home has won"

    run_virtual(main())


async def serving(it: FeedBookmaker) -> list[str]:
    """Return the market shells that answer."""
    return [one.name for one in await it._market_shells() if one.state.name == "SERVING"]
