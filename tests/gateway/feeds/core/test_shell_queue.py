"""A lane before a real shell: what is too much for one record is not lost, and said where it is."""

import asyncio
from typing import Any

from actors.market_shell import MarketShell
from actors.messages import MarketControl, ShellRoute, ShellState, encode
from actors.peer import LocalPeer
from actors.routes import Routes
from engine.common.commands import CancelBets, CreateMarket, FeedStep, SetStatus
from engine.common.lifecycle import Status
from engine.common.units import OUTCOMES_MAX
from engine.pricing.fair_probabilities import Fair, Mark
from engine.pricing.following import Followed
from engine.pricing.quoting import Margin
from gateway.feeds.core.pending_message import PendingMessage
from gateway.feeds.core.shell_queue import ShellQueues, Task
from tests.actors.trade import market_shell_on
from tests.actors.virtual import now_s, run_virtual
from tests.faults.faulty_disk import FaultyDisk

MARKETS = 512
"""So many of the largest markets, priced by one call, fill more than a record."""
EVEN = Fair(probabilities=(1 / OUTCOMES_MAX,) * OUTCOMES_MAX, active=(True,) * OUTCOMES_MAX)


def wide_shell() -> MarketShell:
    shell = market_shell_on(FaultyDisk())
    names = tuple(f"o{number}" for number in range(OUTCOMES_MAX))
    commands = tuple(
        CreateMarket(
            market_no=number,
            key=f"cup-{number}/outright",
            outcomes=names,
            odds_milli=(2_000,) * OUTCOMES_MAX,
        )
        for number in range(1, MARKETS + 1)
    )
    shell.control(encode(MarketControl(by="trader:test", commands=commands)))
    return shell


def lanes_to(
    shell: MarketShell, *, pace_s: float = 0.0, updates_in_call_max: int = MARKETS
) -> ShellQueues:
    routes = Routes(shards=1)
    route = ShellRoute(name="a", kind="market", generation=1, state=ShellState.SERVING)
    peers = {"a": LocalPeer(shell, name="a")}
    routes.update(version=1, shells=[route], markets=(), peers=peers)
    return ShellQueues(
        by="feed:test",
        routes=routes,
        margin=Margin(),
        skew=None,
        updates_in_call_max=updates_in_call_max,
        queue_updates_max=2 * MARKETS,
        pace_s=pace_s,
        timeout_s=1.0,
        suspect=lambda _: None,
        on_room=lambda: None,
        on_missed=lambda: None,
    )


async def told(lanes: ShellQueues, *updates: Followed) -> list[str]:
    """Return for each update why it was not obeyed, once all are answered."""
    done = asyncio.Event()
    left = [len(updates)]

    def on_done(_: PendingMessage) -> None:
        left[0] -= 1
        if not left[0]:
            done.set()

    works = [
        PendingMessage(kind="odds", refused="", received_s=0.0, on_done=on_done) for _ in updates
    ]
    for work, update in zip(works, updates, strict=True):
        work.add_part()
        lanes.add("a", Task(work, update))
        work.parts_added()
    await done.wait()
    return [work.verdict for work in works]


def said(market_no: int, source: str, *steps: FeedStep, fair: Fair | None = None) -> Followed:
    return Followed(
        market_no=market_no, mark=Mark(source=source, position=1), steps=steps, fair=fair
    )


def test_updates_that_fill_more_than_one_record_become_several() -> None:
    async def main() -> None:
        shell = wide_shell()
        lanes = lanes_to(shell)
        numbers = range(1, MARKETS + 1)
        updates = [
            said(no, "wide/odds", SetStatus(market_no=no, status=Status.ACTIVE), fair=EVEN)
            for no in numbers
        ]
        assert await told(lanes, *updates) == [""] * MARKETS
        assert lanes.stats.applied == MARKETS
        assert lanes.stats.refused == {}
        image: Any = shell._machine().price_image(MARKETS)
        assert image.status is Status.ACTIVE
        assert min(image.odds_milli) > 2_000

    run_virtual(main())


def test_what_no_record_or_market_has_room_for_is_answered_with_its_reason() -> None:
    async def main() -> None:
        shell = wide_shell()
        lanes = lanes_to(shell)
        step = CancelBets(market_no=1)
        sources = [said(1, f"feed-{number}", step) for number in range(33)]
        answers = await told(lanes, *sources[:32])
        assert answers == [""] * 32
        assert await told(lanes, sources[32]) == ["32 sources a market at most"]
        assert lanes.stats.refused["capacity"] == 1

    run_virtual(main())


ACTIVE, SHUT = (
    SetStatus(market_no=1, status=status) for status in (Status.ACTIVE, Status.SUSPENDED)
)


def one_market() -> MarketShell:
    shell = market_shell_on(FaultyDisk())
    create = CreateMarket(market_no=1, key="cup/x", outcomes=("a",), odds_milli=(2_000,))
    shell.control(encode(MarketControl(by="trader:test", commands=(create,))))
    return shell


async def paced(*later: FeedStep) -> float:
    """Return how long updates take, by the clock, of which a call takes one."""
    lanes = lanes_to(one_market(), pace_s=60.0, updates_in_call_max=1)
    began_s = now_s()
    tasks = [
        asyncio.create_task(told(lanes, said(1, source, step)))
        for source, step in zip("abc", (ACTIVE, *later), strict=False)
    ]
    await asyncio.gather(*tasks)
    lanes.stop()
    return now_s() - began_s


def test_an_update_behind_another_keeps_the_pace() -> None:
    assert run_virtual(paced(ACTIVE)) == 60.0
    assert run_virtual(paced(SHUT, ACTIVE)) == 60.0


def test_what_stops_betting_keeps_no_pace_and_takes_along_what_waits() -> None:
    assert run_virtual(paced(SHUT)) == 0.0
    assert run_virtual(paced(ACTIVE, SHUT)) == 0.0
