"""Stops that shells have not got: kept in the directory, and given before a shell is announced."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import directory as directory_module
from actors.directory import Directory
from actors.local import LocalProcess
from actors.messages import (
    HouseQuery,
    MarketControl,
    decode_house_stop,
    decode_market_events,
    decode_price_images,
    encode,
)
from actors.peer import LocalPeer, PeerDiedError
from actors.process import PartSpec
from actors.stop_messages import KeepStops, StopsStatus, decode_stops_status
from engine.common.commands import (
    OpenMarket,
    ResumeMarket,
    ResumeWithAll,
    SuspendMarket,
    SuspendWithAll,
)
from engine.common.events import Refused
from engine.common.house import StartHouse, StopHouse
from engine.common.lifecycle import Status
from engine.common.outcome_marks import ResumeOutcomes, SuspendOutcomes
from engine.common.reasons import Reason
from persistence.disk import LocalDisk
from persistence.journal import JournalOptions
from tests.actors.supervised import MARKET, SupervisedShells
from tests.actors.trade import market
from tests.actors.virtual import run_virtual
from tests.faults.faulty_disk import FaultyDisk

ACCOUNTS = "account-000"
PEOPLE = ("trader:anna", "trader:bob", "head_trader:anna")
STOP_HOUSE = KeepStops(by="trader:anna", house=StopHouse(by="trader:anna", why="attack"))


def open_directory(disk: FaultyDisk | LocalDisk, folder: Path) -> Directory:
    return Directory.open(folder, disk=disk, at_ns=1, options=JournalOptions(), account_shards=1)


# --- what is owed -----------------------------------------------------------------------------

numbers = st.integers(1, 3)
outcomes = st.sampled_from([(0,), (1,), (0, 1)])
stops = st.one_of(
    st.builds(SuspendWithAll, market_no=numbers, why=st.sampled_from(["", "goal"])),
    st.builds(SuspendMarket, market_no=numbers),
    st.builds(SuspendOutcomes, market_no=numbers, outcomes=outcomes),
)
liftings = st.one_of(
    st.builds(ResumeWithAll, market_no=numbers, force=st.sampled_from([msgspec.UNSET, True])),
    st.builds(ResumeMarket, market_no=numbers),
    st.builds(OpenMarket, market_no=numbers),
    st.builds(ResumeOutcomes, market_no=numbers, outcomes=outcomes | st.just(())),
)
steps = st.tuples(st.sampled_from(["owe", "owe", "lift", "strike"]), st.sampled_from(PEOPLE))


def ends(lifting: Any, by: str, stop: Any, whose: str) -> bool:
    """Say whether a command ends a stop of its market, in the words of the decision record."""
    of_outcomes = isinstance(stop, SuspendOutcomes)
    own = whose.split(":")[1] == by.split(":")[1]
    if isinstance(lifting, ResumeOutcomes):
        return of_outcomes and (
            lifting.outcomes == () or any(each in stop.outcomes for each in lifting.outcomes)
        )
    if of_outcomes:
        return False
    if isinstance(lifting, ResumeWithAll):
        return isinstance(stop, SuspendWithAll) and (lifting.force is True or own)
    return isinstance(stop, SuspendMarket) or own


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(steps, stops, liftings), max_size=12))
def test_what_is_owed_is_what_was_neither_given_nor_lifted_also_after_a_restart(
    given_steps,
) -> None:
    disk, folder = FaultyDisk(), Path("/directory")
    directory = open_directory(disk, folder)
    directory.place([market(f"{n}/1x2") for n in "abc"], shells=[MARKET] * 3, by="", at_ns=2)
    model: dict[tuple[Any, ...], tuple[str, Any]] = {}
    for (what, by), stop, lifting in given_steps:
        key = (by, type(stop), stop.market_no, getattr(stop, "outcomes", ()))
        if what == "owe":
            assert directory.owe_stops([stop], by=by, at_ns=3) == 0
            model[key] = by, stop
        elif what == "strike":
            directory.strike_stops([stop], by=by, at_ns=3)
            model.pop(key, None)
        else:
            directory.lift_stops([lifting], by=by, at_ns=3)
            model = {
                key: (whose, each)
                for key, (whose, each) in model.items()
                if each.market_no != lifting.market_no or not ends(lifting, by, each, whose)
            }
    expected = sorted(map(repr, model.values()))
    for _ in range(2):
        owed = directory.stops_of(MARKET)
        assert sorted(repr((by, each)) for by, own in owed.items() for each in own) == expected
        assert directory._owed_len == len(model)
        directory.close()
        directory = open_directory(disk, folder)
    directory.close()


def test_a_person_lifts_their_own_owed_stop_in_another_role() -> None:
    directory = open_directory(FaultyDisk(), Path("/directory"))
    directory.place([market("a/1x2")], shells=[MARKET], by="", at_ns=2)
    for by in ("trader:anna", "trader:bob"):
        directory.owe_stops([SuspendWithAll(market_no=1)], by=by, at_ns=3)
    directory.lift_stops([ResumeWithAll(market_no=1)], by="head_trader:anna", at_ns=4)
    assert list(directory.stops_of(MARKET)) == ["trader:bob"]
    directory.close()


def test_stops_past_the_bound_or_of_no_market_are_said_to_be_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = open_directory(LocalDisk(), tmp_path)
    directory.place([market("a/1x2"), market("b/1x2")], shells=[MARKET] * 2, by="", at_ns=2)
    monkeypatch.setattr(directory_module, "OWED_STOPS_MAX", 1)
    both = [SuspendWithAll(market_no=no) for no in (1, 2, 9)]
    assert directory.owe_stops(both, by="trader:anna", at_ns=3) == 2
    directory.withdraw([1], at_ns=4)
    assert directory.stops_of(MARKET) == {}
    assert directory.owe_stops(both[1:2], by="trader:anna", at_ns=5) == 0
    directory.close()


def test_a_full_disk_keeps_no_stop_from_being_kept() -> None:
    disk = FaultyDisk()
    directory = open_directory(disk, Path("/directory"))
    directory.place([market("a/1x2")], shells=[MARKET], by="", at_ns=2)
    disk.space_left = 0
    assert directory.owe_stops([SuspendWithAll(market_no=1)], by="trader:anna", at_ns=3) == 0
    assert directory.stops_of(MARKET) == {"trader:anna": [SuspendWithAll(market_no=1)]}


# --- who gets it ------------------------------------------------------------------------------


async def keep(system: SupervisedShells, request: KeepStops) -> StopsStatus:
    return decode_stops_status(await system.supervisor.keep_stops(encode(request)))


async def house_is_stopped(system: SupervisedShells) -> bool:
    peer = system.local_process(ACCOUNTS).peer
    return decode_house_stop(await peer.ask("query", encode(HouseQuery()))) is not None


async def status(system: SupervisedShells) -> Status:
    (image,) = decode_price_images(await system.local_process().peer.ask("price_images", None))
    return image.status


async def open_market(system: SupervisedShells) -> None:
    await system.create(market("a/1x2"))
    order = encode(MarketControl(by="test", commands=(OpenMarket(market_no=1),)))
    (event,) = decode_market_events(await system.local_process().peer.ask("control", order))
    assert not isinstance(event, Refused)


async def owe_while_down(system: SupervisedShells) -> None:
    """Have a stop of the market owed while its shell is down, and let the shell start then."""
    begin, let = system.launcher.begin, asyncio.Event()

    async def begin_when_let(spec: PartSpec) -> LocalProcess:
        await let.wait()
        return await begin(spec)

    system.launcher.begin = begin_when_let  # type: ignore[method-assign]
    system.local_process().kill()
    await system.until(lambda: system.routes.peer(MARKET) is None)
    await keep(system, KeepStops(by=PEOPLE[0], owe=(SuspendWithAll(market_no=1),)))
    let.set()


def test_the_stop_of_the_house_reaches_every_process_from_now_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            assert (await keep(system, STOP_HOUSE)).without == (ACCOUNTS,)
            await system.until(lambda: not system.supervisor._stops.status().without)
            assert await house_is_stopped(system)
        async with SupervisedShells(tmp_path) as system:
            assert await house_is_stopped(system)
            assert (await keep(system, KeepStops(by=""))).house is not None
            await keep(system, KeepStops(by="head:eve", house=StartHouse()))
            assert (await keep(system, KeepStops(by=""))).house is None

    run_virtual(main())


def test_a_frozen_shell_gets_its_stop_when_it_answers_or_is_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await open_market(system)
            stop = KeepStops(by="trader:anna", owe=(SuspendWithAll(market_no=1, why="goal"),))
            system.local_process().freeze()
            assert (await keep(system, stop)).owed == {MARKET: 1}
            await system.until_serving(generation=2)
            assert await status(system) is Status.SUSPENDED
            assert (await keep(system, KeepStops(by=""))).owed == {}

    run_virtual(main())


def test_a_shell_is_not_announced_before_it_has_its_stops(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await open_market(system)
            seen: list[Status] = []

            async def poll() -> None:
                while not seen:
                    if (peer := system.routes.peer(MARKET)) is not None:
                        (image,) = decode_price_images(await peer.ask("price_images", None))
                        seen.append(image.status)
                    await asyncio.sleep(0)

            await owe_while_down(system)
            await poll()
            assert seen == [Status.SUSPENDED]

    run_virtual(main())


def test_a_shell_that_starts_on_a_full_disk_gets_its_stops_once_there_is_room(
    tmp_path: Path,
) -> None:
    full = encode([Refused(reason=Reason.DISK_FULL, message="")])

    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await open_market(system)
            refused = 0

            def fill_disk(process: LocalProcess) -> None:
                control = process.target.control

                def refuse_twice(payload: bytes) -> bytes:
                    nonlocal refused
                    refused += 1
                    return full if refused <= 2 else control(payload)

                process.target.control = refuse_twice

            system.launcher.on_start = fill_disk
            await owe_while_down(system)
            await system.until_serving(generation=2)
            assert await status(system) is Status.ACTIVE
            await system.until(lambda: not system.supervisor._stops.status().owed)
            assert await status(system) is Status.SUSPENDED
            assert refused == 3

    run_virtual(main())


def test_a_gateway_is_sent_what_is_owed_and_when_it_was_given(tmp_path: Path) -> None:
    class Gateway:
        def __init__(self) -> None:
            self.stops: list[StopsStatus] = []

        def on_stops(self, payload: bytes) -> None:
            self.stops.append(decode_stops_status(payload))

        def on_routes(self, *_: object) -> None:
            pass

    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            gateway = Gateway()
            await system.supervisor.add_gateway("gateway-0", LocalPeer(gateway, name="gateway-0"))
            await keep(system, STOP_HOUSE)
            await system.until(lambda: len(gateway.stops) == 3)
            assert [each.without for each in gateway.stops] == [(), (ACCOUNTS,), ()]
            assert [each.house is not None for each in gateway.stops] == [False, True, True]

    run_virtual(main())


def test_a_supervisor_that_has_not_started_keeps_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(PeerDiedError):
            await keep(SupervisedShells(tmp_path), STOP_HOUSE)

    run_virtual(main())
