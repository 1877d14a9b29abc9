"""What is kept for a scope reaches every market of it, later ones too, each until it answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from actors.desk_limits import DeskLimits
from actors.messages import (
    MarketRoute,
    ShellRoute,
    ShellState,
    decode_market_control,
    encode,
)
from actors.peer import LocalPeer, PeerRefusedError, PeerTimeoutError
from actors.routes import Routes
from engine.common.acceptance import Acceptance, AcceptancePatch, SetAcceptance
from engine.common.commands import Limits, LimitsPatch, SetLimits
from engine.common.events import AcceptanceSet, LimitsSet, Refused
from engine.common.ids import MarketNo, parse_market_key
from engine.common.reasons import Reason
from engine.desk.kept_limits import KeptLimits, LimitsDocument, ScopedLimits
from engine.desk.scopes import Scope
from engine.watch.rules import Place

KEYS = ["cup-1/1x2", "cup-1/total?total=2.5", "cup-2/1x2"]
SMALL = LimitsPatch(stake_minor_max=100)

Answer = Exception | bytes | Reason


class Shell:
    """A market shell that answers as it is told, and then takes every limit."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.given: list[tuple[MarketNo, LimitsPatch]] = []
        """In calls that were not refused."""
        self.delays: list[tuple[MarketNo, object]] = []
        self.by = ""

    def control(self, payload: bytes) -> bytes:
        request = decode_market_control(payload)
        self.by = request.by
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, bytes):
            return answer
        if isinstance(answer, Reason):
            return encode([Refused(reason=answer, message="")] * len(request.commands))
        events: list[LimitsSet | AcceptanceSet] = []
        for each in request.commands:
            if isinstance(each, SetLimits):
                self.given.append((each.market_no, each.limits))
                events.append(LimitsSet(market_no=each.market_no, version=2, limits=Limits()))
            elif isinstance(each, SetAcceptance):
                self.delays.append((each.market_no, each.acceptance.delay_ms))
                events.append(
                    AcceptanceSet(market_no=each.market_no, version=2, acceptance=Acceptance())
                )
        return encode(events)


class House:
    """A desk's limits, with all markets on one shell."""

    def __init__(self, shell: Shell, limits: ScopedLimits) -> None:
        self.limits = limits
        self.full_for = 0
        """Writes for which the disk has no room."""
        self.in_play: list[str] = []
        self.routes = Routes(shards=1)
        route = ShellRoute(name="a", kind="market", generation=1, state=ShellState.SERVING)
        self.routes.update(
            version=1, shells=[route], markets=(), peers={"a": LocalPeer(shell, name="a")}
        )
        self.desk = DeskLimits(
            limits=lambda: self.limits,
            place_of=self.place_of,
            in_play=lambda fixture: fixture in self.in_play,
            routes=self.routes,
            write=self.write,
        )

    def place_of(self, number: MarketNo) -> Place:
        key = parse_market_key(self.routes.markets[number].key)
        return Place(key.fixture, number, key.type, "football", "cup")

    def write(self, *documents: LimitsDocument) -> bool:
        if self.full_for:
            self.full_for -= 1
            return False
        for document in documents:
            self.limits.apply(document)
        return True

    def create(self, *keys: str) -> None:
        first = len(self.routes.markets) + 1
        markets = [
            MarketRoute(market_no=MarketNo(first + at), key=key, shell="a")
            for at, key in enumerate(keys)
        ]
        self.routes.update(version=2, shells=(), markets=markets, peers={})
        self.desk.refresh(market.market_no for market in markets)

    def keep(self, scope: Scope, limits: LimitsPatch, **parts: AcceptancePatch) -> int:
        kept = KeptLimits(scope=scope, limits=limits, by="risk:bo", **parts)
        self.write(self.limits.keep(kept))  # type: ignore[arg-type]
        return self.desk.changed(scope)

    def kick_off(self, fixture: str, *numbers: int) -> None:
        self.in_play.append(fixture)
        self.desk.refresh(map(MarketNo, numbers))

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not done():
                await asyncio.sleep(0.001)


@asynccontextmanager
async def house_of(
    shell: Shell, *keys: str, limits: ScopedLimits | None = None
) -> AsyncIterator[House]:
    house = House(shell, ScopedLimits() if limits is None else limits)
    house.create(*keys)
    house.desk.start()
    try:
        yield house
    finally:
        house.desk.stop()


async def test_limits_are_given_to_markets_that_are_there_and_to_those_that_come() -> None:
    shell = Shell()
    async with house_of(shell, *KEYS) as house:
        assert house.keep(Scope(fixture="cup-1"), SMALL) == 2
        await house.until(lambda: len(shell.given) == 2)
        house.create("cup-1/odd_even", "cup-2/odd_even", "cup-1/builder?legs=a.0+b.0")
        await house.until(lambda: len(shell.given) == 3)
        assert house.keep(Scope(sport="football", market_type="1x2"), SMALL) == 6
        await house.until(lambda: len(shell.given) == 4)
    assert [number for number, _ in shell.given] == [1, 2, 4, 3]
    assert shell.by == "desk:risk:bo"


async def test_delays_are_given_with_limits_and_those_of_play_from_the_kick_off_on() -> None:
    shell = Shell(Reason.DISK_FULL)
    async with house_of(shell, *KEYS) as house:
        house.keep(
            Scope(fixture="cup-1"),
            SMALL,
            acceptance=AcceptancePatch(delay_ms=500),
            acceptance_in_play=AcceptancePatch(delay_ms=5_000),
        )
        await house.until(lambda: len(house.limits.given) == 2)
        assert shell.given == [(1, SMALL), (2, SMALL)]
        assert shell.delays == [(1, 500), (2, 500)]
        house.kick_off("cup-1", 1, 2)
        await house.until(lambda: len(shell.delays) == 4)
        house.create("cup-1/odd_even")
        await house.until(lambda: len(house.limits.given) == 3)
    assert shell.given == [(1, SMALL), (2, SMALL), (4, SMALL)], "limits are given once"
    assert shell.delays[2:] == [(1, 5_000), (2, 5_000), (4, 5_000)]


async def test_a_new_process_gives_again_what_has_changed_alone() -> None:
    first, second = Shell(), Shell()
    async with house_of(first, *KEYS) as house:
        house.keep(Scope(), SMALL)
        await house.until(lambda: len(house.limits.given) == 3)
    async with house_of(second, *KEYS, limits=house.limits) as again:
        again.create("cup-3/1x2")
        await again.until(lambda: len(again.limits.given) == 4)
    assert second.given == [(4, SMALL)]


@pytest.mark.parametrize(
    "failure",
    [
        PeerTimeoutError("2 s passed"),
        PeerRefusedError("quarantined"),
        KeyError("of the shell's own"),
        b"\xc1",
        Reason.DISK_FULL,
    ],
    ids=["no answer", "nothing done", "its own failure", "no msgpack", "disk full"],
)
async def test_a_market_is_asked_until_it_answers(failure: Answer) -> None:
    shell = Shell(failure)
    async with house_of(shell, *KEYS) as house:
        house.keep(Scope(), SMALL)
        await house.until(lambda: len(house.limits.given) == 3)
    assert [number for number, _ in shell.given] == [1, 2, 3]


async def test_a_refusal_is_an_answer_and_a_full_disk_of_the_desk_is_none() -> None:
    shell = Shell(Reason.TRANSITION_NOT_ALLOWED)
    async with house_of(shell, *KEYS) as house:
        house.full_for = 0
        house.keep(Scope(), SMALL)
        await house.until(lambda: len(house.limits.given) == 3)
        assert shell.given == []
        house.limits.apply(house.limits.keep(KeptLimits(scope=Scope(), limits=SMALL)))  # type: ignore[arg-type]
        house.full_for = 1
        house.create("cup-4/1x2")
        await house.until(lambda: len(house.limits.given) == 4)
    assert shell.given == [(4, SMALL)] * 2, "sent again, which changes nothing more"


async def test_a_market_that_its_shell_does_not_know_yet_is_looked_at_again_when_shown() -> None:
    shell = Shell(Reason.MARKET_UNKNOWN)
    async with house_of(shell, KEYS[0]) as house:
        house.keep(Scope(), SMALL)
        await house.until(lambda: not shell.answers)
        house.desk.refresh([MarketNo(1)])
        await house.until(lambda: len(house.limits.given) == 1)
    assert shell.given == [(1, SMALL)]
