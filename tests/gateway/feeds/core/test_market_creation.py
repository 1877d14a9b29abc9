"""Markets in creation: messages that wait for them, and markets that must not wait."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from actors.messages import (
    MarketAnswer,
    MarketRoute,
    ShellRoute,
    ShellState,
    decode_create_markets,
    encode,
)
from actors.peer import LocalPeer, Peer, PeerDiedError
from engine.common.commands import OUTCOME_CHARS_MAX, LimitsPatch, SetLimits
from engine.common.events import Refused
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from gateway.feeds.core import market_creation
from gateway.feeds.core.adapter import Action, MarketUpdate, NewMarket, PriceFixture
from gateway.feeds.core.market_creation import NAME_BYTES_IN_CALL_MAX, MarketCreation
from gateway.feeds.core.pending_message import PendingMessage
from gateway.feeds.core.pipeline import FeedPipeline
from gateway.market_limits import LimitRules, LimitsSettings
from tests.actors.trade import market, market_control, market_shell_on
from tests.actors.virtual import now_s, run_virtual
from tests.faults.faulty_disk import FaultyDisk
from tests.gateway.feeds.feed_system import FeedSystem, open_feed_system
from tests.gateway.feeds.json_feed import JsonAdapter, odds, price


class SlowSupervisor:
    """A supervisor whose calls, or their answers, wait until `go` is set.

    With `creates_first` the markets are created at once and the answer waits; else the call waits.
    """

    name = "supervisor"

    def __init__(self, supervisor: Peer, *, creates_first: bool) -> None:
        self.called = asyncio.Event()
        self.go = asyncio.Event()
        self._supervisor = supervisor
        self._creates_first = creates_first

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        if self._creates_first:
            answer = await self._supervisor.ask(method, *args, timeout_s=timeout_s)
            self.called.set()
            await self.go.wait()
            return answer
        self.called.set()
        await self.go.wait()
        return await self._supervisor.ask(method, *args, timeout_s=timeout_s)

    def notify(self, method: str, /, *args: Any) -> None:
        self._supervisor.notify(method, *args)


def test_existing_markets_are_priced_at_once_while_others_of_the_fixture_are_created(
    tmp_path: Path,
):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds("cup-1/1x2", 1, 0.5, 0.3, 0.2))
            before = (await it.images())["cup-1/1x2"]
            slow = SlowSupervisor(it.system.supervisor, creates_first=False)
            it.pipeline.on_supervisor(slow)
            goal = {"period": 1, "clock_s": 600, "first_half": {"home": 1}}
            new = "cup-1/1x2?half=1"
            ticket = await it.pipeline.accept(
                [
                    odds(new, 2, status=1),
                    price("cup-1", 3, state=goal, suspend="goal", resume=True),
                ]
            )
            await slow.called.wait()
            await asyncio.sleep(0.1)
            after = (await it.images())["cup-1/1x2"]
            assert after.odds_milli[0] < before.odds_milli[0]
            assert after.status is Status.ACTIVE
            slow.go.set()
            await it.pipeline.applied(ticket)
            assert (await it.images())["cup-1/1x2"].odds_milli == after.odds_milli

    run_virtual(main())


def test_an_opened_market_without_odds_has_no_active_outcome(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds("cup-1/1x2", 1, status=1))
            image = (await it.images())["cup-1/1x2"]
            assert (image.status, image.active) == (Status.ACTIVE, (False,) * 3)
            await it.push(odds("cup-1/1x2", 2, 0.5, 0.3, 0.2))
            assert (await it.images())["cup-1/1x2"].active == (True,) * 3

    run_virtual(main())


LIMITS = LimitsSettings(
    rules=("phase=live stake_minor_max=2_000", "type=1x2 stake_minor_max=9_000")
)


def test_a_market_in_play_gets_the_limits_of_play_once_unless_a_trader_has_set_others(
    tmp_path: Path,
):
    async def stakes(it: FeedSystem) -> list[int]:
        shells = [it.local_process(f"market-{number:05d}").target for number in (0, 1)]
        books = [shell._machine().book_image(no) for shell, no in zip(shells, (1, 2), strict=True)]
        return [book.limits.stake_minor_max for book in books]

    async def main():
        keys = ("cup-1/1x2", "cup-2/1x2")
        async with open_feed_system(tmp_path, markets_per_actor=1, limits=LIMITS) as it:
            await it.push(*(odds(key, 1, 0.5, 0.3, 0.2) for key in keys))
            assert await stakes(it) == [9_000, 9_000]
            await it.system.refresh()
            by_trader = SetLimits(market_no=2, limits=LimitsPatch(stake_minor_max=8_000))
            await it.system.control([by_trader])
            await it.push(*(odds(key, 2, 0.5, 0.3, 0.2, phase="live") for key in keys))
            assert await stakes(it) == [2_000, 8_000]
            again = SetLimits(market_no=1, limits=LimitsPatch(stake_minor_max=9_000))
            await it.system.control([again])
            await it.push(odds(keys[0], 3, 0.5, 0.3, 0.2, phase="live"))
            assert await stakes(it) == [9_000, 8_000], "the change of phase is made once"
        async with open_feed_system(tmp_path, markets_per_actor=1, limits=LIMITS) as it:
            await it.push(odds(keys[0], 4, 0.5, 0.3, 0.2, phase="live"))
            assert await stakes(it) == [9_000, 8_000], "once, also after a restart"

    run_virtual(main())


def test_a_market_that_is_in_play_when_it_is_created_has_the_limits_of_play(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path, limits=LIMITS) as it:
            await it.push(odds("cup-1/1x2", 1, 0.5, 0.3, 0.2, phase="live"))
            book = it.local_process("market-00000").target._machine().book_image(1)
            assert book.limits.stake_minor_max == 2_000

    run_virtual(main())


def test_an_update_does_not_overtake_those_that_wait_though_the_route_is_known(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            slow = SlowSupervisor(it.system.supervisor, creates_first=True)
            it.pipeline.on_supervisor(slow)
            first = await it.pipeline.accept([odds("cup-1/1x2", 1, 0.5, 0.3, 0.2)])
            await slow.called.wait()
            await asyncio.sleep(0.1)
            assert "cup-1/1x2" in it.pipeline._routes.market_no_by_key
            second = await it.pipeline.accept([odds("cup-1/1x2", 2, status=-1)])
            await asyncio.sleep(0.1)
            slow.go.set()
            await it.pipeline.applied(first)
            await it.pipeline.applied(second)
            image = (await it.images())["cup-1/1x2"]
            assert image.status is Status.SUSPENDED
            assert image.odds_milli[0] < image.odds_milli[2]
            assert it.pipeline.stats()["steps_refused"] == {}

    run_virtual(main())


def test_a_fixture_s_price_is_delivered_before_a_later_suspension_of_a_new_market(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            slow = SlowSupervisor(it.system.supervisor, creates_first=False)
            it.pipeline.on_supervisor(slow)
            key = "cup-1/1x2"
            messages = [
                odds(key, 1, status=-1),
                price("cup-1", 2, resume=True),
                odds(key, 3, status=-1),
            ]
            ticket = await it.pipeline.accept(messages)
            await slow.called.wait()
            slow.go.set()
            await it.pipeline.applied(ticket)
            assert (await it.images())[key].status is Status.SUSPENDED

    run_virtual(main())


def test_a_fixture_waits_for_all_its_markets_but_not_for_refused_ones(
    tmp_path: Path,
):
    async def main():
        async with open_feed_system(tmp_path, creations_in_call_max=1) as it:
            first, bad, last = "cup-1/1x2", "cup-1/no such type", "cup-1/1x2?half=1"
            answers = await it.push(
                odds(first, 1, status=1),
                odds(bad, 1, status=1),
                odds(last, 1, status=1),
                price("cup-1", 2),
                odds(first, 3, status=-1),
                odds("cup-2/1x2", 1, 0.5, 0.3, 0.2),
            )
            assert [bool(answer.refused) for answer in answers] == [
                False, True, False, False, False, False,
            ]  # fmt: skip
            images = await it.images()
            assert images[first].status is Status.SUSPENDED
            assert images[first].active == (True,) * 3
            assert images["cup-2/1x2"].status is Status.ACTIVE
            assert it.pipeline.stats()["in_hand"] == 0

    run_virtual(main())


class SupervisorStub:
    """A supervisor that creates markets as its script says: a fault, or reasons by key."""

    name = "supervisor"

    def __init__(self, *faults: Exception, reasons: dict[str, Reason] | None = None) -> None:
        self.faults = list(faults)
        self.reasons = reasons or {}
        self.calls: list[tuple[float, list[str]]] = []
        self.created = 0

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        assert method == "create_markets"
        markets = decode_create_markets(args[0]).markets
        self.calls.append((now_s(), [market.key for market in markets]))
        if self.faults:
            raise self.faults.pop(0)
        return encode([self._answer(market.key) for market in markets])

    def _answer(self, key: str) -> MarketAnswer:
        if key in self.reasons:
            return MarketAnswer(key=key, refused=Refused(reason=self.reasons[key]))
        self.created += 1
        route = MarketRoute(market_no=self.created, key=key, shell="a")  # type: ignore[arg-type]
        return MarketAnswer(key=key, route=route)

    def notify(self, method: str, /, *args: Any) -> None:
        raise NotImplementedError


class Creation:
    """A MarketCreation, and what it delivered and answered."""

    def __init__(self, supervisor: SupervisorStub, *, markets_in_call_max: int = 8) -> None:
        self.delivered: list[str] = []
        self.routes: list[str] = []
        self.creation = MarketCreation(
            by="feed:test",
            markets_in_call_max=markets_in_call_max,
            limits=LimitRules(LimitsSettings(rules=("type=1x2 stake_minor_max=777",))),
            on_route=lambda route: self.routes.append(route.key),
            deliver=self._deliver,
        )
        self.creation.set_supervisor(supervisor)

    def _deliver(self, _: PendingMessage, action: Action) -> None:
        assert isinstance(action, MarketUpdate | PriceFixture)
        self.delivered.append(action.key if isinstance(action, MarketUpdate) else action.fixture)

    async def update(
        self, *keys: str, outcomes: tuple[str, ...] = ("home", "draw", "away")
    ) -> Sequence[str]:
        """Return for an update of each key why it was not delivered, empty if it was."""
        loop = asyncio.get_running_loop()
        verdicts = [loop.create_future() for _ in keys]
        for key, verdict in zip(keys, verdicts, strict=True):
            message = PendingMessage(
                kind="odds",
                refused="",
                received_s=0.0,
                on_done=lambda message, verdict=verdict: verdict.set_result(message.verdict),
            )
            message.add_part()
            new_market = NewMarket(outcomes=outcomes)
            self.creation.wait_created(
                message, MarketUpdate(key=key, mark=None, new_market=new_market)
            )
            message.parts_added()
        return await asyncio.gather(*verdicts)


def test_markets_of_one_message_are_created_in_calls_of_a_bounded_size() -> None:
    async def main() -> None:
        supervisor = SupervisorStub()
        it = Creation(supervisor, markets_in_call_max=2)
        keys = [f"cup-{n}/1x2" for n in range(5)]
        assert await it.update(*keys) == [""] * 5
        assert [called for _, called in supervisor.calls] == [keys[:2], keys[2:4], keys[4:]]
        assert it.routes == it.delivered == keys
        assert [it.creation.number_of(key) for key in keys] == [1, 2, 3, 4, 5]

    run_virtual(main())


def test_a_call_carries_only_so_many_bytes_of_names() -> None:
    async def main() -> None:
        supervisor = SupervisorStub()
        it = Creation(supervisor, markets_in_call_max=256)
        names = tuple(f"{n:03}" + "\N{GRINNING FACE}" * (OUTCOME_CHARS_MAX - 3) for n in range(512))
        keys = [f"cup-{n}/1x2" for n in range(24)]
        assert await it.update(*keys, outcomes=names) == [""] * 24
        calls = [len(called) for _, called in supervisor.calls]
        size = sum(len(name.encode()) for name in names)
        assert max(calls) * size <= NAME_BYTES_IN_CALL_MAX
        assert len(calls) < 24
        assert sum(calls) == 24
        assert it.delivered == keys

    run_virtual(main())


def test_a_creation_without_an_answer_is_repeated_and_at_once_for_a_new_supervisor() -> None:
    async def main() -> None:
        gone = SupervisorStub(*[PeerDiedError("supervisor")] * 100)
        it = Creation(gone)
        waiting = asyncio.ensure_future(it.update("cup-1/1x2"))
        await asyncio.sleep(0.6)
        assert [at_s for at_s, _ in gone.calls] == pytest.approx([0.0, 0.25, 0.5])
        supervisor = SupervisorStub()
        it.creation.set_supervisor(supervisor)
        assert await waiting == [""]
        assert [at_s for at_s, _ in supervisor.calls] == pytest.approx([0.6])

    run_virtual(main())


def test_a_call_that_the_supervisor_cannot_read_is_split_and_the_bad_market_refused() -> None:
    async def main() -> None:
        supervisor = SupervisorStub(ValueError("unreadable"), ValueError("unreadable"))
        it = Creation(supervisor)
        bad, good = await it.update("cup-1/bad", "cup-2/1x2")
        assert "defect" in bad
        assert good == ""
        assert [called for _, called in supervisor.calls] == [
            ["cup-1/bad", "cup-2/1x2"], ["cup-1/bad"], ["cup-2/1x2"],
        ]  # fmt: skip

    run_virtual(main())


def test_a_refusal_that_may_pass_is_requested_again_and_one_for_good_is_not() -> None:
    async def main() -> None:
        reasons = {"cup-1/a": Reason.BUSY, "cup-2/a": Reason.FIELD_OUT_OF_BOUNDS}
        supervisor = SupervisorStub(reasons=reasons)
        it = Creation(supervisor)
        first = await it.update("cup-1/a", "cup-2/a")
        assert all(first)
        assert it.delivered == []
        reasons.clear()
        assert await it.update("cup-1/a", "cup-2/a") == ["", first[1]]
        assert it.creation.refused_total == 2

    run_virtual(main())


def test_past_the_bound_the_oldest_refusal_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_creation, "REFUSED_KEPT_MAX", 1)

    async def main() -> None:
        keys = ["cup-1/a", "cup-2/a"]
        supervisor = SupervisorStub(reasons=dict.fromkeys(keys, Reason.FIELD_OUT_OF_BOUNDS))
        it = Creation(supervisor)
        await it.update(*keys)
        await it.update(*keys)
        assert [called for _, called in supervisor.calls] == [keys, ["cup-1/a"]]

    run_virtual(main())


def test_a_fixture_is_priced_by_the_route_that_came_with_a_market_s_creation() -> None:
    async def main() -> None:
        shell = market_shell_on(FaultyDisk())
        shell.control(market_control(market("cup-1/1x2", market_no=1)))
        route = ShellRoute(name="a", kind="market", generation=1, state=ShellState.SERVING)
        pipeline = FeedPipeline(
            name="feed-tiny", feed="tiny", supervisor=SupervisorStub(), make_adapter=JsonAdapter
        )
        pipeline.on_routes(1, [route], [], {"a": LocalPeer(shell, name="a")})
        await pipeline.start()
        await pipeline.push([odds("cup-1/1x2", 1, status=1), price("cup-1", 2)])
        image = shell._machine().price_image(1)
        assert image.status is Status.ACTIVE
        assert image.odds_milli != (2_000, 3_000, 4_000)
        await pipeline.stop()

    run_virtual(main())
