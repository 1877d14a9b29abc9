"""The desk reprices fixtures whose clock runs, and those of which a shell took no repricing."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from actors.desk_quotes import DeskQuotes
from actors.messages import MarketRoute, ShellRoute, ShellState, encode
from actors.peer import LocalPeer, PeerRefusedError, PeerTimeoutError
from actors.routes import Routes
from engine.common.events import Refused
from engine.common.ids import MarketNo, parse_market_key
from engine.common.reasons import Reason
from engine.common.units import Nanos
from engine.desk.kept_inputs import Inputs, KeptInputs
from engine.desk.kept_margins import KeptMargin, Margins
from engine.desk.scopes import Scope
from engine.watch.rules import Place

STANDING = KeptInputs(fixture="cup-0", sport="football", model={"home_rate": 1.5}, state={})
RUNNING = replace(STANDING, fixture="cup-1", state={"clock_s": 0}, since_ns=Nanos(1))

Answer = Exception | bytes


class Shell:
    """A market shell that answers repricings as it is told, and then takes them all."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.repriced: list[str] = []
        """Fixtures, those of calls that failed included."""
        self.pricing: dict[str, Any] = {}
        """What the last call said."""

    def reprice(self, payload: bytes) -> bytes:
        self.pricing = msgspec.msgpack.decode(payload)
        self.repriced.append(self.pricing["fixture"])
        answer = self.answers.pop(0) if self.answers else encode([])
        if isinstance(answer, Exception):
            raise answer
        return answer


class Quotes:
    """The desk's repricing of kept inputs, each fixture with one market on each shell."""

    def __init__(self, *kept: KeptInputs, shells: dict[str, Shell], period_s: float = 0.0) -> None:
        self.inputs = Inputs()
        self.margins = Margins()
        for each in kept:
            self.inputs.apply(self.inputs.keep(each))  # type: ignore[arg-type]
        routes = Routes(shards=1)
        self.markets = [
            MarketRoute(market_no=MarketNo(10 * f + s), key=f"{each.fixture}/t{s}", shell=name)
            for f, each in enumerate(kept, start=1)
            for s, name in enumerate(shells)
        ]
        routes.update(
            version=1,
            shells=[
                ShellRoute(name=name, kind="market", generation=1, state=ShellState.SERVING)
                for name in shells
            ],
            markets=self.markets,
            peers={name: LocalPeer(shell, name=name) for name, shell in shells.items()},
        )
        self.quotes = DeskQuotes(
            inputs=lambda: self.inputs,
            margins=lambda: self.margins,
            place_of=self.place_of,
            routes=routes,
            clock_ns=lambda: 1,
            period_s=period_s,
        )

    def place_of(self, what: MarketNo | str) -> Place:
        if isinstance(what, str):
            return Place(what, sport="football")
        key = parse_market_key(self.markets[[m.market_no for m in self.markets].index(what)].key)
        return Place(key.fixture, what, key.type, "football")

    async def run_until(self, done: Callable[[], Any]) -> None:
        self.quotes.start()
        async with asyncio.timeout(30):
            while not done():
                await asyncio.sleep(0)


FAILURES = {
    "no answer": PeerTimeoutError("5 s passed"),
    "nothing done": PeerRefusedError("quarantined"),
    "its own failure": KeyError("of the shell's own"),
    "no msgpack": b"\xc1",
    "another schema": encode([{"type": "of a later version"}]),
    "disk full": encode([Refused(reason=Reason.DISK_FULL, message="")]),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=list(FAILURES))
async def test_a_fixture_whose_clock_stands_is_repriced_until_every_shell_took_it(
    failure: Answer,
) -> None:
    failing, other = Shell(failure, failure), Shell()
    quotes = Quotes(STANDING, RUNNING, shells={"a": failing, "b": other})
    repriced = await quotes.quotes.reprice("cup-0")
    assert repriced.refused == 1
    await quotes.run_until(lambda: other.repriced.count("cup-1") == 5)
    quotes.quotes.stop()
    assert failing.repriced.count("cup-0") == other.repriced.count("cup-0")
    assert failing.repriced[:2] == ["cup-0"] * 2
    assert 2 <= failing.repriced.count("cup-0") <= 3, "it is done, and the clock stands"


async def test_a_refusal_of_the_odds_is_an_answer() -> None:
    shell = Shell(encode([Refused(reason=Reason.ODDS_STEP, message="")]))
    quotes = Quotes(STANDING, RUNNING, shells={"a": shell})
    await quotes.quotes.reprice("cup-0")
    await quotes.run_until(lambda: shell.repriced.count("cup-1") == 5)
    assert shell.repriced.count("cup-0") == 1


async def test_what_fails_of_one_fixture_ends_no_other() -> None:
    shell = Shell()
    unfit = replace(RUNNING, fixture="cup-0", state={"clock_s": "no number"})
    quotes = Quotes(unfit, RUNNING, shells={"a": shell})
    await quotes.run_until(lambda: shell.repriced.count("cup-1") == 5)
    assert "cup-0" not in shell.repriced


async def test_what_is_released_is_owed_no_more() -> None:
    shell = Shell(*[PeerTimeoutError("5 s passed")] * 2)
    quotes = Quotes(STANDING, RUNNING, shells={"a": shell})
    await quotes.quotes.reprice("cup-0")
    quotes.inputs.apply(quotes.inputs.release("cup-0", by="trader:anna", at_ns=2))  # type: ignore[arg-type]
    await quotes.run_until(lambda: shell.repriced.count("cup-1") == 5)
    assert shell.repriced.count("cup-0") == 1


async def test_each_market_has_the_margin_of_the_most_specific_scope() -> None:
    shell = Shell()
    quotes = Quotes(STANDING, shells={"a": shell, "b": Shell()})
    for scope, book_milli in (
        (Scope(), 1_090),
        (Scope(fixture="cup-0", market_no=MarketNo(11)), 1_020),
    ):
        kept = KeptMargin(scope=scope, margin={"book_milli": book_milli})
        quotes.margins.apply(quotes.margins.keep(kept))  # type: ignore[arg-type]
    await quotes.quotes.reprice("cup-0")
    assert shell.pricing["margin"] == {"book_milli": 1_090}
    assert shell.pricing["apart"] == [
        {"market_nos": [11], "margin": {"book_milli": 1_020}, "skew": None}
    ]
    quotes.inputs.apply(quotes.inputs.keep(replace(STANDING, margin={"book_milli": 1_040})))  # type: ignore[arg-type]
    await quotes.quotes.reprice("cup-0")
    assert shell.pricing["margin"] == {"book_milli": 1_040}, "the inputs' own is of the fixture"


async def test_a_changed_margin_is_not_kept_waiting_by_the_period() -> None:
    shell = Shell()
    quotes = Quotes(STANDING, RUNNING, shells={"a": shell}, period_s=3_600.0)
    assert quotes.quotes.reprice_touched(Scope(fixture="cup-0")) == 1
    assert quotes.quotes.reprice_touched(Scope(sport="tennis")) == 0
    await quotes.run_until(lambda: "cup-0" in shell.repriced)
    quotes.quotes.stop()
