"""A house with bet builders: a whole system with its gateways, in this process or on Ray."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from actors.messages import decode_book_images
from actors.settings import (
    DeskSettings,
    MarketShellSettings,
    ReconcilerSettings,
    SupervisorSettings,
)
from actors.system import System
from actors.system_parts import GatewayPart, SystemSettings
from engine.common.commands import (
    CreateMarket,
    Deposit,
    Limits,
    MarketCommand,
    OpenMarket,
    OutcomeResult,
    SettleMarket,
)
from engine.common.events import Refused
from engine.common.views import BookImage
from engine.pricing.football.market_types import outcome_names
from engine.pricing.football.model import MatchModel, MatchState
from gateway.app import Gateway
from gateway.client import Builder, BuilderLeg, connect, connect_control
from gateway.market_limits import LimitsSettings
from gateway.session.tokens import Role, TokenKey
from gateway.settings import GatewaySettings

SECRET = b"a secret of tests, thirty-two bytes and more"
BALANCE_MINOR = 1_000_000
FIXTURE = "cup-7"
TYPES = (
    "1x2",
    "total?total=2.5",
    "both_teams_to_score",
    "first_half_1x2",
    "first_half_total?total=0.5",
    "handicap?hcp=-0.5",
    "draw_no_bet",
    "second_half_total?total=1.5",
)
"""The fixture's markets, numbered from 1."""
MODEL = MatchModel(home_rate=1.6, away_rate=1.2)
KICKED_OFF = MatchState()
WON, LOST = OutcomeResult(won=True), OutcomeResult(won=False)
VOID = OutcomeResult(won=False, void_halves=2)


def market_no(market_type: str) -> int:
    return 1 + TYPES.index(market_type)


def leg(text: str) -> BuilderLeg:
    """Return a leg such as ``total?total=2.5 over``."""
    market_type, name = text.split(" ")
    names = outcome_names(market_type.partition("?")[0], specifiers_of(market_type))
    return BuilderLeg(market=market_no(market_type), outcome=names.index(name))


def specifiers_of(market_type: str) -> tuple[tuple[str, str], ...]:
    pairs = market_type.partition("?")[2]
    return tuple(tuple(pair.split("=")) for pair in pairs.split("|") if pair)  # type: ignore[misc]


class House:
    """A running system with an open, priced football fixture and two funded accounts."""

    def __init__(self, system: System) -> None:
        self.system = system

    def bettor(self, *, account: int = 7, gateway: int = 0) -> Any:
        url = f"ws://127.0.0.1:{self.system.ports[gateway]['bets']}"
        return connect(url, token=self._token(Role.BETTOR, account))

    def trader(self, *, gateway: int = 0, role: Role = Role.TRADER, sub: str = "") -> Any:
        url = f"ws://127.0.0.1:{self.system.ports[gateway]['control']}"
        return connect_control(url, token=self._token(role, None, sub))

    def _token(self, role: Role, account: int | None, sub: str = "") -> str:
        return TokenKey(SECRET).issue(
            role=role,
            sub=sub or role.value,
            account=account,
            now_s=int(time.time()),
            expires_s=3_600,
        )

    async def price(self, state: MatchState | None = None, *, model: MatchModel = MODEL) -> None:
        """Reprice the fixture through the control listener."""
        pricing = {"model": msgspec.to_builtins(model), "state": msgspec.to_builtins(state or {})}
        async with self.trader() as trader:
            await trader.reprice(FIXTURE, pricing)

    async def command(self, *commands: MarketCommand) -> None:
        events = await self.system.control(commands)
        assert not [event for event in events if isinstance(event, Refused)], events

    async def settle(self, market_type: str, *results: OutcomeResult) -> None:
        await self.command(SettleMarket(market_no=market_no(market_type), results=results))

    async def book(self, number: int) -> BookImage:
        await self.system.refresh()
        shell = self.system.routes.market_shell(number)
        assert shell is not None
        raw = await self.system.peer(shell).ask("book_images", [number])
        (image,) = decode_book_images(raw)
        return image

    async def carry(self) -> None:
        """Carry settlements to the accounts."""
        await self.system.reconciler.ask("step")

    async def create(self) -> None:
        markets = [
            CreateMarket(
                market_no=number,
                key=f"{FIXTURE}/{text}",
                outcomes=(names := outcome_names(text.partition("?")[0], specifiers_of(text))),
                odds_milli=(3_000,) * len(names),
                limits=Limits(stake_minor_max=20_000),
                override=True,
            )
            for number, text in enumerate(TYPES, start=1)
        ]
        answers = await self.system.create_markets(markets)
        assert all(answer.route for answer in answers)
        await self.command(*(OpenMarket(market_no=market.market_no) for market in markets))
        await self.system.open_accounts([7, 8], currency="EUR")
        deposits = [Deposit(account_no=no, amount_minor=BALANCE_MINOR, ref="d") for no in (7, 8)]
        await self.system.deposit(deposits)


def accepted(answer: Builder) -> Builder:
    assert answer.reason == 0, answer
    assert (answer.status, answer.offered) == ("active", True), answer
    return answer


@asynccontextmanager
async def open_house(
    folder: Path,
    *,
    embedded: bool = True,
    gateways: int = 1,
    priced: bool = True,
    create: bool = True,
    limits: LimitsSettings | None = None,
    ports: Sequence[int] = (),
    markets: MarketShellSettings | None = None,
    supervisor: SupervisorSettings | None = None,
    desk: DeskSettings | None = None,
    **gateway: Any,
) -> AsyncIterator[House]:
    parts = []
    for number in range(gateways):
        port = ports[number] if ports else 0
        settings = GatewaySettings(
            bets_host="127.0.0.1", bets_port=port, control_port=0, feed_port=0, **gateway
        )
        arguments = {"shards": 2, "secret": SECRET, "settings": settings}
        if desk is not None:
            arguments["desk"] = desk
        if limits is not None:
            arguments["limits"] = limits
        parts.append(GatewayPart(factory=Gateway, arguments=arguments))
    system = System(
        data_dir=str(folder),
        settings=SystemSettings(
            supervisor=supervisor or SupervisorSettings(markets_per_actor=len(TYPES)),
            markets=markets or MarketShellSettings(),
            reconciler=ReconcilerSettings(period_ms=50),
        ),
        gateways=parts,
        embedded=embedded,
    )
    async with system:
        house = House(system)
        if create:
            await house.create()
        if priced:
            await house.price()
        yield house
        report = await system.compare_bets_and_slips()
        assert report.agree, report.differences
