"""The opening file on a real system in this process: it begins things, and never undoes any."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.messages import decode_book_images, decode_price_images, decode_totals
from actors.peer import LocalPeer
from actors.settings import SupervisorSettings
from actors.system import System
from actors.system_parts import GatewayPart, SystemSettings
from engine.common.commands import HandOverMarket, Limits, SuspendMarket
from engine.common.fixtures import FixturePatch, HandDescription
from engine.common.lifecycle import Status
from gateway.app import Gateway
from gateway.configuration.config import ConfigError
from gateway.configuration.opening import (
    Opening,
    OpeningAccount,
    OpeningDeposit,
    OpeningMarket,
    open_books,
)
from gateway.configuration.opening_file import load_opening
from gateway.market_limits import LimitsSettings
from gateway.settings import GatewaySettings
from persistence.journal import JournalOptions
from tests.gateway.price_gateway import until
from tests.gateway.raw_client import tcp

OPENING = load_opening(Path(__file__).parents[3] / "docs" / "example-opening.toml")
ACCOUNT = OPENING.accounts[0].account


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    settings = SystemSettings(
        journal=JournalOptions(allocate_bytes=65_536),
        supervisor=SupervisorSettings(markets_per_actor=1),
    )
    async with System(data_dir=str(tmp_path), settings=settings, embedded=True) as running:
        yield running


async def statuses(system: System) -> list[Status]:
    found = []
    for number, route in sorted(system.routes.markets.items()):
        raw = await system.peer(route.shell).ask("price_images", [number])
        found += [image.status for image in decode_price_images(raw)]
    return found


def kill(system: System, shell: str) -> None:
    """End a shell's process: the next call to it fails until its supervisor has started another."""
    peer = system.peer(shell)
    assert isinstance(peer, LocalPeer)
    peer._process.kill()  # type: ignore[attr-defined]


async def money_minor(system: System) -> list[int]:
    """Return what the bettors of each currency have, from the ledgers' totals."""
    found = []
    for shard in range(system.routes.shards):
        shell = system.peer(system.routes.account_shell(shard))
        totals = decode_totals(await shell.ask("totals"))
        found += [one.available_minor for one in totals if one.available_minor]
    return found


async def test_opening_creates_opens_and_funds(system: System) -> None:
    assert await open_books(system, OPENING, limits=LimitsSettings()) == []
    assert await statuses(system) == [Status.ACTIVE] * 3
    assert await money_minor(system) == [100_000]


async def test_fixtures_of_the_file_are_described_where_nobody_has_said_otherwise(
    system: System, tmp_path: Path
) -> None:
    moved = HandDescription(patch=FixturePatch(fixture="wc22-64", start_ms=7))
    await system.put_fixtures([moved], by="trader:anna")
    for _ in range(2):
        assert await open_books(system, OPENING, limits=LimitsSettings()) == []
    (answer,) = await system.put_fixtures([moved], by="trader:anna")
    assert answer.fixture is not None
    assert (answer.fixture.start_ms, answer.fixture.sides) == (7, ("Argentina", "France"))
    assert (answer.fixture.competition, answer.fixture.version) == ("wc22", 2)


def test_every_fault_of_a_fixture_is_named(tmp_path: Path) -> None:
    file = tmp_path / "opening.toml"
    file.write_text(
        """
        fixtures = [
            {fixture = "a", start_ms = -1},
            {fixture = "a/b"},
            {fixture = "c", owner = "trader:anna"},
            {fixture = "d"},
            {fixture = "d"},
        ]
        """
    )
    with pytest.raises(ConfigError) as error:
        load_opening(file)
    lines = str(error.value).splitlines()
    assert [line.partition(": ")[2].partition(":")[0].partition(" ")[0] for line in lines] == [
        "fixtures[0].start_ms",
        "fixtures[1].fixture",
        "fixtures[2]",
        "fixtures[4].fixture",
    ], lines


async def test_a_gateway_is_not_ready_before_the_opening_is_applied(tmp_path: Path) -> None:
    arguments = {
        "shards": 2,
        "secret": b"a secret of tests, thirty-two bytes and more",
        "settings": GatewaySettings(bets_port=0, control_port=0, feed_port=0),
    }
    gateways = [GatewayPart(factory=Gateway, arguments=arguments)]
    system = System(data_dir=str(tmp_path), gateways=gateways, embedded=True)
    system.opening = True
    async with system:
        await until(lambda: shows(system, shells={"serving": 2}, opening=True, ready=False))
        assert await open_books(system, OPENING, limits=LimitsSettings()) == []
        assert await shows(system, opening=True, ready=False)
        system.opened()
        await until(lambda: shows(system, opening=False, ready=True))


async def shows(system: System, **fields: Any) -> bool:
    """Return whether the first gateway's readiness page has these fields."""
    async with tcp(system.ports[0]["bets"]) as raw:
        raw.send(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        shown = json.loads((await raw.rest()).partition(b"\r\n\r\n")[2])
    return {name: shown[name] for name in fields} == fields


async def test_limits_are_those_of_the_file_then_of_the_rules_under_the_cap(system: System) -> None:
    limits = LimitsSettings(rules=("tier=1 payout_minor_max=4_000",), tiers=("1=wc22-*",))
    limits = replace(limits, cap_outcome_liability_minor_max=3_000_000)
    assert await open_books(system, OPENING, limits=limits) == []
    raw = await system.peer(system.routes.market_shell(1) or "").ask("book_images", [1])
    (image,) = decode_book_images(raw)
    assert image.limits == Limits(
        stake_minor_max=200_000,
        payout_minor_max=4_000,
        outcome_liability_minor_max=3_000_000,
        market_liability_minor_max=5_000_000,
    )


async def test_accounts_whose_shells_are_down_at_the_start_are_opened(system: System) -> None:
    for shard in range(system.routes.shards):
        kill(system, system.routes.account_shell(shard))
    accounts = replace(OPENING, markets=())
    assert await open_books(system, accounts, limits=LimitsSettings()) == []
    assert await money_minor(system) == [100_000]


async def test_opening_twice_changes_nothing(system: System) -> None:
    await open_books(system, OPENING, limits=LimitsSettings())
    await system.control([SuspendMarket(market_no=1), HandOverMarket(market_no=2)])
    assert await open_books(system, OPENING, limits=LimitsSettings()) == []
    assert await statuses(system) == [Status.SUSPENDED, Status.HANDED_OVER, Status.ACTIVE]
    assert await money_minor(system) == [100_000]


async def test_new_deposit_in_the_file_is_paid_in_once(system: System) -> None:
    await open_books(system, OPENING, limits=LimitsSettings())
    more = OpeningDeposit(account=ACCOUNT, amount_minor=1, ref="more")
    grown = Opening(accounts=OPENING.accounts, deposits=(*OPENING.deposits, more))
    for _ in range(2):
        assert await open_books(system, grown, limits=LimitsSettings()) == []
        assert await money_minor(system) == [100_001]


async def test_what_is_refused_is_said_and_the_rest_is_done(system: System) -> None:
    market = OpeningMarket(key="f/1x2", outcomes=("a", "b"), odds_milli=(2_000, 2_000))
    opening = Opening(
        markets=(
            OpeningMarket(key="no key", outcomes=("a",), odds_milli=(2_000,)),
            OpeningMarket(key="f/x", outcomes=("a", "b"), odds_milli=(2_000,)),
            market,
        ),
        accounts=(OpeningAccount(account=1, deposit_minor=5),),
        deposits=(
            OpeningDeposit(account=2, amount_minor=5, ref="a"),
            OpeningDeposit(account=1, amount_minor=6, ref="opening"),
            OpeningDeposit(account=1, amount_minor=7, ref="b"),
        ),
    )
    refused = await open_books(system, opening, limits=LimitsSettings())
    assert [line.split(":")[0] for line in refused] == [
        "market no key",
        "market f/x",
        "deposit a of account 2",
        "deposit opening of account 1",
    ]
    assert all(len(line.split(": ")[1]) > 5 for line in refused)
    assert await statuses(system) == [Status.ACTIVE]
    assert await money_minor(system) == [12]
