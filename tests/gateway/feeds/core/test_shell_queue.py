"""Queues to a real market shell: order, pace, repeated calls and parts that no record can hold."""

import asyncio
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from actors.market_shell import MarketShell
from actors.messages import MarketControl, MarketRoute, ShellRoute, ShellState, encode
from actors.peer import LocalPeer, Peer, PeerDiedError
from actors.routes import Routes
from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CreateMarket,
    FeedStep,
    SetStatus,
    SuspendMarket,
)
from engine.common.events import Refused
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.units import OUTCOMES_MAX
from engine.pricing.fair_probabilities import Fair, Mark
from engine.pricing.following import Followed
from engine.pricing.quoting import Margin
from engine.pricing.repricing import Reprice
from gateway.feeds.core.pending_message import PendingMessage
from gateway.feeds.core.shell_queue import ShellQueues, Task
from tests.actors.trade import market_shell_on
from tests.actors.virtual import now_s, run_virtual
from tests.faults.faulty_disk import FaultyDisk

MARKETS = 512
"""So many of the largest markets, priced by one call, fill more than a record."""
EVEN = Fair(probabilities=(1 / OUTCOMES_MAX,) * OUTCOMES_MAX, active=(True,) * OUTCOMES_MAX)
ACTIVE, SUSPENDED = (
    SetStatus(market_no=1, status=status) for status in (Status.ACTIVE, Status.SUSPENDED)
)


def shell_with(*commands: CreateMarket) -> MarketShell:
    shell = market_shell_on(FaultyDisk())
    shell.control(encode(MarketControl(by="trader:test", commands=commands)))
    return shell


def wide_shell() -> MarketShell:
    names = tuple(f"o{number}" for number in range(OUTCOMES_MAX))
    return shell_with(
        *[
            CreateMarket(
                market_no=number,
                key=f"cup-{number}/outright",
                outcomes=names,
                odds_milli=(2_000,) * OUTCOMES_MAX,
            )
            for number in range(1, MARKETS + 1)
        ]
    )


def one_market() -> MarketShell:
    return shell_with(CreateMarket(market_no=1, key="cup/x", outcomes=("a",), odds_milli=(2_000,)))


class FaultyPeer:
    """A shell's peer whose calls take a second, and fail as the list of faults says."""

    def __init__(self, shell: MarketShell, *faults: str) -> None:
        self.name = "a"
        self.faults = list(faults)
        self.starts_s: list[float] = []
        self.methods: list[str] = []
        self._peer = LocalPeer(shell, name="a")

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        self.starts_s.append(now_s())
        self.methods.append(method)
        fault = self.faults.pop(0) if self.faults else ""
        await asyncio.sleep(1.0)
        if fault == "call lost":
            raise PeerDiedError("the call was lost")
        if fault == "unreadable":
            raise ValueError("the call cannot be decoded")
        if fault in ("disk_full", "busy"):
            return encode([Refused(reason=Reason[fault.upper()])])
        if fault == "quarantined":
            return encode([Refused(reason=Reason.QUARANTINED, message="under inspection")])
        answer = await self._peer.ask(method, *args, timeout_s=timeout_s)
        if fault == "answer lost":
            raise PeerDiedError("the answer was lost")
        return answer

    def notify(self, method: str, /, *args: Any) -> None:
        self._peer.notify(method, *args)


class Queues:
    """Queues to one shell, and what they called back."""

    def __init__(
        self,
        peer: Peer,
        *,
        pace_s: float = 0.0,
        updates_in_call_max: int = MARKETS,
        late_messages_max: int = 512,
    ) -> None:
        self.suspected: list[str] = []
        self.rooms = 0
        self.back: list[str] = []
        self.answers: list[tuple[str, int]] = []
        """The answer to each part, and how often the shell had come back by then."""
        self.routes = Routes(shards=1)
        route = ShellRoute(name="a", kind="market", generation=1, state=ShellState.SERVING)
        self.routes.update(version=1, shells=[route], markets=(), peers={"a": peer})
        self.queues = ShellQueues(
            by="feed:test",
            routes=self.routes,
            margin=Margin(),
            skew=None,
            updates_in_call_max=updates_in_call_max,
            queue_updates_max=3,
            late_messages_max=late_messages_max,
            pace_s=pace_s,
            timeout_s=1.0,
            suspect=self.suspected.append,
            on_room=self._on_room,
            on_back=self.back.append,
        )

    def _on_room(self) -> None:
        self.rooms += 1

    def _on_done(self, verdict: asyncio.Future[str], message: PendingMessage) -> None:
        self.answers.append((message.verdict, len(self.back)))
        verdict.set_result(message.verdict)

    async def send(self, *updates: Followed | Reprice) -> list[str]:
        """Return for each update why it was not obeyed, once all are answered."""
        loop = asyncio.get_running_loop()
        verdicts = [loop.create_future() for _ in updates]
        for update, verdict in zip(updates, verdicts, strict=True):
            message = PendingMessage(
                kind="odds",
                refused="",
                received_s=0.0,
                on_done=partial(self._on_done, verdict),
            )
            message.add_part()
            self.queues.add("a", Task(message, update))
            message.parts_added()
        return list(await asyncio.gather(*verdicts))


def update(
    market_no: int, source: str, *steps: FeedStep, position: int = 1, fair: Fair | None = None
) -> Followed:
    return Followed(
        market_no=market_no,
        mark=Mark(source=source, position=position),
        steps=steps,
        fair=fair,
    )


def test_updates_that_fill_more_than_one_record_are_sent_in_several_calls() -> None:
    async def main() -> None:
        shell = wide_shell()
        it = Queues(LocalPeer(shell, name="a"))
        numbers = range(1, MARKETS + 1)
        updates = [
            update(no, "wide/odds", SetStatus(market_no=no, status=Status.ACTIVE), fair=EVEN)
            for no in numbers
        ]
        assert await it.send(*updates) == [""] * MARKETS
        assert it.queues.stats.calls > 1
        assert it.queues.stats.applied == MARKETS
        assert it.queues.stats.refused == {}
        image: Any = shell._machine().price_image(MARKETS)
        assert image.status is Status.ACTIVE
        assert min(image.odds_milli) > 2_000

    run_virtual(main())


def test_an_update_that_no_record_or_market_can_hold_is_refused_with_the_reason() -> None:
    async def main() -> None:
        it = Queues(LocalPeer(wide_shell(), name="a"))
        step = CancelBets(market_no=1)
        sources = [update(1, f"feed-{number}", step) for number in range(33)]
        assert await it.send(*sources[:32]) == [""] * 32
        assert await it.send(sources[32]) == ["32 sources a market at most"]
        assert it.queues.stats.refused["capacity"] == 1

    run_virtual(main())


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(
    "step", [SUSPENDED, SuspendMarket(market_no=1, why="w" * 80), CancelMarket(market_no=1)]
)
def test_the_stop_of_an_update_that_a_market_cannot_hold_is_obeyed(
    step: FeedStep, alone: bool
) -> None:
    async def main() -> None:
        shell = wide_shell()
        it = Queues(LocalPeer(shell, name="a"))
        sources = [update(1, f"feed-{number}", ACTIVE) for number in range(32)]
        await it.send(*sources)
        assert shell._machine().price_image(1).status is Status.ACTIVE
        others = [] if alone else [update(2, "feed", SetStatus(market_no=2, status=Status.ACTIVE))]
        await it.send(update(1, "one more", step), *others)
        assert shell._machine().price_image(1).status is Status.SUSPENDED
        if others:
            assert shell._machine().price_image(2).status is Status.ACTIVE
        assert await it.send(update(1, "one more", ACTIVE)) == ["32 sources a market at most"]
        assert shell._machine().price_image(1).status is Status.SUSPENDED

    run_virtual(main())


@pytest.mark.parametrize("fault", ["call lost", "disk_full"])
def test_a_stop_is_repeated_until_the_shell_that_could_not_read_the_rest_obeys(fault: str) -> None:
    async def main() -> None:
        shell = one_market()
        peer = FaultyPeer(shell, "", "unreadable", fault, "unreadable")
        it = Queues(peer)
        await it.send(update(1, "a", ACTIVE))
        assert await it.send(update(1, "a", SUSPENDED, position=2)) == [
            "a defect: the shell could not read it"
        ]
        assert shell._machine().price_image(1).status is Status.SUSPENDED
        assert len(peer.methods) == 5

    run_virtual(main())


def test_a_repricing_of_more_markets_than_a_call_holds_suspends_them_all() -> None:
    async def main() -> None:
        markets = [
            CreateMarket(
                market_no=number,
                key=f"cup/total?total={number}.5",
                outcomes=("over", "under"),
                odds_milli=(2_000, 2_000),
            )
            for number in (1, 2, 3)
        ]
        shell = shell_with(*markets)
        it = Queues(LocalPeer(shell, name="a"))
        it.routes.update(
            version=2,
            shells=(),
            markets=[MarketRoute(market_no=m.market_no, key=m.key, shell="a") for m in markets],
            peers={},
        )
        active = [SetStatus(market_no=number, status=Status.ACTIVE) for number in (1, 2, 3)]
        await it.send(*[update(step.market_no, "a", step) for step in active])
        shell._settings = replace(shell._settings, commands_max=2)
        reprice = Reprice(
            by="feed:test",
            fixture="cup",
            sport="football",
            model={"home_rate": 1.5, "away_rate": 1.2},
            state={},
            mark=Mark(source="p", position=1),
            suspend="goal",
        )
        assert await it.send(reprice) == ["3 commands, at most 2 in one call"]
        images = [shell._machine().price_image(number) for number in (1, 2, 3)]
        assert [image.status for image in images] == [Status.SUSPENDED] * 3

    run_virtual(main())


@pytest.mark.parametrize("fault", ["call lost", "answer lost", "disk_full", "busy"])
def test_a_call_is_repeated_with_growing_delays_until_the_shell_obeys(fault: str) -> None:
    async def main() -> None:
        shell = one_market()
        peer = FaultyPeer(shell, *[fault] * 3)
        it = Queues(peer, pace_s=60.0)
        first, second = update(1, "a", ACTIVE), update(1, "a", SUSPENDED, position=2)
        assert await it.send(first, second) == ["", ""]
        assert peer.starts_s == pytest.approx([0.0, 1.02, 2.06, 3.14])
        assert shell._machine().price_image(1).status is Status.SUSPENDED
        assert it.queues.stats.retries == 3
        assert it.suspected == (["a"] * 3 if fault.endswith("lost") else [])

    run_virtual(main())


def test_a_call_that_cannot_be_read_is_split_and_a_loss_in_between_skips_no_part() -> None:
    async def main() -> None:
        shell = one_market()
        peer = FaultyPeer(shell, "unreadable", "call lost")
        it = Queues(peer)
        updates = [update(1, source, ACTIVE) for source in "abc"]
        assert await it.send(*updates) == [""] * 3
        assert len(peer.starts_s) == 3
        assert (it.queues.stats.applied, it.queues.stats.refused) == (3, {})

    run_virtual(main())


def test_a_repricing_is_a_call_of_its_own_between_the_updates_around_it() -> None:
    async def main() -> None:
        shell = one_market()
        peer = FaultyPeer(shell)
        it = Queues(peer)
        reprice = Reprice(
            by="feed:test",
            fixture="cup",
            sport="football",
            model={"home_rate": 1.5, "away_rate": 1.2},
            state={},
            mark=Mark(source="p", position=1),
        )
        updates = [update(1, source, ACTIVE) for source in "abc"]
        assert await it.send(*updates[:2], reprice, updates[2]) == [""] * 4
        assert peer.methods == ["follow", "reprice", "follow"]
        assert it.queues.stats.applied == 3

    run_virtual(main())


def test_a_shell_that_serves_again_is_called_at_once() -> None:
    async def main() -> None:
        peer = FaultyPeer(one_market(), *["call lost"] * 10)
        it = Queues(peer)
        sending = asyncio.ensure_future(it.send(update(1, "a", ACTIVE)))
        await asyncio.sleep(10.5)
        count = len(peer.starts_s)
        assert peer.starts_s[-1] == pytest.approx(9.26), "the next call is due at 11.26"
        it.queues.on_shell("a", ShellState.STARTING)
        await asyncio.sleep(0.05)
        assert len(peer.starts_s) == count
        it.queues.on_shell("a", ShellState.SERVING)
        await asyncio.sleep(0.05)
        assert peer.starts_s[-1] == pytest.approx(10.55)
        await sending

    run_virtual(main())


def test_a_shell_that_is_down_is_not_called_but_suspected_and_looked_for_again() -> None:
    async def main() -> None:
        peer = FaultyPeer(one_market())
        it = Queues(peer)
        down = ShellRoute(name="a", kind="market", generation=1, state=ShellState.DOWN)
        it.routes.update(version=2, shells=[down], markets=(), peers={})
        sending = asyncio.ensure_future(it.send(update(1, "a", ACTIVE)))
        await asyncio.sleep(5.0)
        assert (peer.starts_s, it.queues.stats.calls) == ([], 0)
        assert it.queues.waiting == 1
        serving = ShellRoute(name="a", kind="market", generation=2, state=ShellState.SERVING)
        it.routes.update(version=3, shells=[serving], markets=(), peers={})
        assert await sending == [""]

    run_virtual(main())


def test_a_quarantined_shell_refuses_and_its_serving_again_is_reported_once() -> None:
    async def main() -> None:
        it = Queues(FaultyPeer(one_market(), "quarantined"))
        updates = [update(1, "a", ACTIVE), update(1, "b", ACTIVE)]
        assert await it.send(*updates) == ["under inspection"] * 2
        it.queues.on_shell("a", ShellState.QUARANTINED)
        assert it.back == []
        for _ in range(2):
            it.queues.on_shell("a", ShellState.SERVING)
        assert it.back == ["a"]

    run_virtual(main())


def test_a_queue_is_full_at_its_bound_until_parts_are_answered() -> None:
    async def main() -> None:
        it = Queues(FaultyPeer(one_market()))
        sending = asyncio.ensure_future(it.send(*[update(1, source, ACTIVE) for source in "ab"]))
        await asyncio.sleep(0.5)
        assert (it.queues.full, it.queues.waiting) == (False, 2)
        later = asyncio.ensure_future(it.send(update(1, "c", ACTIVE)))
        await asyncio.sleep(0.1)
        assert it.queues.full, "parts of the call in flight count too"
        assert it.rooms == 0
        await sending
        assert (it.queues.full, it.queues.waiting) == (False, 1)
        assert it.rooms > 0
        await later

    run_virtual(main())


def starts_s(*later: tuple[float, FeedStep], updates_in_call_max: int = MARKETS) -> list[float]:
    """Return when calls of 1 s start at a pace of 60 s: one at 0 s, and updates sent later."""

    async def main() -> list[float]:
        peer = FaultyPeer(one_market())
        it = Queues(peer, pace_s=60.0, updates_in_call_max=updates_in_call_max)

        async def send(number: int, at_s: float, step: FeedStep) -> None:
            await asyncio.sleep(at_s)
            await it.send(update(1, f"source {number}", step))

        sent = [(0.0, ACTIVE), *later]
        await asyncio.gather(*(send(number, *each) for number, each in enumerate(sent)))
        it.queues.stop()
        return [start - peer.starts_s[0] for start in peer.starts_s]

    return run_virtual(main())


def test_an_update_behind_another_keeps_the_pace() -> None:
    assert starts_s((0.5, ACTIVE)) == [0.0, 60.0]
    assert starts_s((0.5, SUSPENDED), (1.5, ACTIVE)) == [0.0, 1.0, 61.0]


def test_an_update_that_stops_betting_and_those_before_it_keep_no_pace() -> None:
    assert starts_s((0.5, SUSPENDED)) == [0.0, 1.0]
    assert starts_s((0.5, ACTIVE), (0.6, SUSPENDED)) == [0.0, 1.0]


def test_as_many_updates_as_fill_a_call_keep_no_pace() -> None:
    two = ((0.5, ACTIVE), (0.6, ACTIVE))
    assert starts_s(*two, updates_in_call_max=3) == [0.0, 60.0]
    assert starts_s(*two, updates_in_call_max=2) == [0.0, 1.0]
    assert starts_s(*two, (0.7, ACTIVE), updates_in_call_max=2) == [0.0, 1.0, 61.0]


def test_a_stopped_queue_calls_no_more() -> None:
    async def main() -> None:
        peer = FaultyPeer(one_market(), "call lost")
        it = Queues(peer)
        sending = asyncio.ensure_future(it.send(update(1, "a", ACTIVE)))
        await asyncio.sleep(0.5)
        it.queues.stop()
        await asyncio.sleep(60.0)
        assert len(peer.starts_s) == 1
        assert it.queues.waiting == 1
        sending.cancel()

    run_virtual(main())
