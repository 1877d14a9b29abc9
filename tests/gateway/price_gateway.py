"""A gateway on real sockets without shells; tests publish prices to it in their place."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from actors.messages import MarketRoute, ShellRoute, ShellState, encode
from actors.peer import Peer
from actors.settings import DeskSettings
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.views import PriceDelta, PriceImage
from gateway.app import Gateway
from gateway.client import connect
from gateway.market_limits import LimitsSettings
from gateway.session.tokens import Role, TokenKey
from gateway.settings import GatewaySettings

SECRET = b"a secret of tests, thirty-two bytes and more"
SHARDS = 2
NOW_S = 1_800_000_000
# So long that only what never happens reaches it, on the slowest machine too.
WAIT_S = 30.0

KEY = TokenKey(SECRET)


def token(
    role: Role = Role.BETTOR, *, account: int | None = 7, expires_s: int = 3_600, sub: str = ""
) -> str:
    if role is not Role.BETTOR:
        account = None
    sub = sub or f"{role.value}-1"
    return KEY.issue(role=role, sub=sub, account=account, now_s=NOW_S, expires_s=expires_s)


def image(
    market_no: int,
    *,
    version: int = 1,
    key: str | None = None,
    odds: Sequence[int] = (2_500, 3_100),
) -> PriceImage:
    return PriceImage(
        market_no=market_no,
        key=key or f"cup-{market_no // 10}/market?no={market_no}",
        status=Status.ACTIVE,
        version=version,
        outcomes=tuple(f"outcome {i}" for i in range(len(odds))),
        odds_milli=tuple(odds),
        active=(True,) * len(odds),
    )


def delta(
    market_no: int,
    *,
    version: int,
    odds: Sequence[int] = (2_400, 3_200),
    status: Status = Status.ACTIVE,
) -> PriceDelta:
    return PriceDelta(
        market_no=market_no,
        version=version,
        status=status,
        odds_milli=tuple(odds),
        active=(True,) * len(odds),
    )


class PriceGateway:
    """The gateway, its ports, and methods that act for shells and supervisor."""

    def __init__(self, gateway: Gateway, ports: dict[str, int]) -> None:
        self.gateway = gateway
        self.ports = ports

    @property
    def bets_url(self) -> str:
        return f"ws://127.0.0.1:{self.ports['bets']}"

    @property
    def control_url(self) -> str:
        return f"ws://127.0.0.1:{self.ports['control']}"

    def create(self, *images: PriceImage) -> None:
        self.gateway.on_created(encode(list(images)))

    def change(self, *deltas: PriceDelta) -> None:
        self.gateway.on_prices(encode(list(deltas)))

    def route(
        self,
        *,
        version: int,
        shell: str,
        peer: Peer,
        kind: str,
        generation: int = 1,
        state: ShellState = ShellState.SERVING,
        markets: Sequence[PriceImage] = (),
    ) -> None:
        self.gateway.on_routes(
            version,
            [ShellRoute(name=shell, kind=kind, generation=generation, state=state)],
            [MarketRoute(market_no=m.market_no, key=m.key, shell=shell) for m in markets],
            {shell: peer},
        )


@asynccontextmanager
async def open_price_gateway(
    *,
    clock_s: Callable[[], float] = lambda: NOW_S,
    work_clock_ns: Callable[[], int] = time.perf_counter_ns,
    limits: LimitsSettings | None = None,
    desk: DeskSettings | None = None,
    **changes: Any,
) -> AsyncIterator[PriceGateway]:
    settings = GatewaySettings(
        **{
            "bets_host": "127.0.0.1",
            "bets_port": 0,
            "control_port": 0,
            "feed_port": 0,
            "close_linger_ms": 200,
            **changes,
        }
    )
    gateway = Gateway(
        name="gateway-0",
        shards=SHARDS,
        secret=SECRET,
        settings=settings,
        desk=desk,
        clock_s=clock_s,
        work_clock_ns=work_clock_ns,
        limits=limits,
    )
    ports = await gateway.start()
    try:
        yield PriceGateway(gateway, ports)
    finally:
        await gateway.stop()


async def serves_an_honest_client(system: PriceGateway) -> bool:
    """Return whether a new client's bet is answered."""
    async with connect(system.bets_url, token=token(account=99)) as client:
        bet = await client.place(ref="ok", market=404, outcome=0, stake_minor=1, odds_milli=2_000)
        return bet.reason == Reason.MARKET_UNKNOWN


async def until(holds: Callable[[], bool | Awaitable[bool]], *, wait_s: float = WAIT_S) -> None:
    """Return when a condition holds; fail when it does not within `wait_s`."""
    async with asyncio.timeout(wait_s):
        while True:
            now = holds()
            if isinstance(now, bool):
                if now:
                    return
            elif await now:
                return
            await asyncio.sleep(0.002)
