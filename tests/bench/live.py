"""Run the system to measure: real Ray, real sockets, funded accounts, open markets."""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from msgspec.structs import replace

from actors.settings import ClusterSettings, ReconcilerSettings, SupervisorSettings
from actors.system import System
from actors.system_parts import FeedPart, GatewayPart, SystemSettings
from engine.common.commands import Deposit
from gateway.app import Gateway
from gateway.configuration.config import Config, load_config
from gateway.session.tokens import Role, TokenKey
from gateway.settings import GatewaySettings
from tests.bench.core import market_commands
from tests.bench.driver import Plan, Result
from tests.bench.exchange_parse import VARIABLE

SECRET = b"a secret of the bench alone, 32 bytes or more"
ACCOUNTS = 50
WAYS = (True, False)
"""The settings `road` of the cluster, where a measure compares both ways between processes."""
FUNDS_MINOR = 100_000_000_000
_PART_KINDS = {"gateway": "gateways", "feed": "feed pipelines"}
_SHELL_KINDS = {"account": "account shards", "market": "market shells"}
OTHERS = "supervisor and reconciler"


def token(account: int, *, role: Role = Role.BETTOR) -> str:
    """Return a token for a bettor, or for another role."""
    return TokenKey(SECRET).issue(
        role=role,
        sub=f"bench-{account}",
        account=account if role is Role.BETTOR else None,
        now_s=int(time.time()),
        expires_s=7_200,
    )


WIDE = GatewaySettings(
    bets_host="127.0.0.1",
    bets_port=0,
    control_port=0,
    feed_port=0,
    frames_a_second=1_000_000,
    frames_burst=1_000_000,
)
"""Free ports of loopback, and no bound on the rate of a connection's bets."""


def environments_config() -> Config:
    """Return the settings that the environment holds, the bench's own variable aside."""
    return load_config(env={name: os.environ[name] for name in os.environ if name != VARIABLE})


def cluster_of(*, road: bool | None = None) -> ClusterSettings:
    """Return the environment's settings of the cluster, with another way between processes."""
    settings = environments_config().cluster
    return settings if road is None else replace(settings, road=road)


@asynccontextmanager
async def running(
    *,
    markets: int,
    markets_per_actor: int = 1,
    gateways: int = 1,
    shards: int = 1,
    settings: GatewaySettings = WIDE,
    feeds: Sequence[FeedPart] = (),
    road: bool | None = None,
) -> AsyncIterator[System]:
    """Start a system in a new folder on this disk, and stop it afterwards.

    Its processes call one another as `road` says, else as the environment does.
    """
    with tempfile.TemporaryDirectory(dir=".", prefix="bench-") as folder:
        system = System(
            data_dir=folder,
            settings=SystemSettings(
                cluster=cluster_of(road=road),
                supervisor=SupervisorSettings(
                    account_shards=shards, markets_per_actor=markets_per_actor
                ),
                reconciler=ReconcilerSettings(),
            ),
            gateways=[
                GatewayPart(
                    factory=Gateway,
                    arguments={"shards": shards, "secret": SECRET, "settings": settings},
                )
            ]
            * gateways,
            feeds=feeds,
        )
        async with system:
            commands = market_commands(markets)
            await system.create_markets(commands[0::2])  # type: ignore[arg-type]
            await system.control(commands[1::2])
            await system.open_accounts(range(ACCOUNTS), currency="EUR")
            await system.deposit(
                Deposit(account_no=account, amount_minor=FUNDS_MINOR, ref="bench")
                for account in range(ACCOUNTS)
            )
            yield system


async def drive(plan: Plan) -> Result:
    """Run the load in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.driver",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate(json.dumps(asdict(plan)).encode())
    if process.returncode:
        raise RuntimeError("the load driver failed; its error output is above")
    return Result(**json.loads(out))


async def pids_by_kind(system: System) -> dict[str, list[int]]:
    """Return the process ids of all parts of a system, by kind."""
    pids: dict[str, list[int]] = {}
    for name, pid in system.pids().items():
        pids.setdefault(_PART_KINDS.get(name.partition("-")[0], OTHERS), []).append(pid)
    for shell in await system.statuses():
        if shell.health is not None:
            pids.setdefault(_SHELL_KINDS[shell.kind], []).append(shell.health.pid)
    return pids


def bet_urls(system: System) -> list[str]:
    """Return the address of each gateway's bets listener."""
    return [f"ws://127.0.0.1:{ports['bets']}" for ports in system.ports]


def feed_url(system: System) -> str:
    """Return the address of the first gateway's feed listener."""
    return f"ws://127.0.0.1:{system.ports[0]['feed']}"


@dataclass(frozen=True)
class EchoServer:
    """A running reference server."""

    url: str
    pid: int


@asynccontextmanager
async def sync_server(path: str) -> AsyncIterator[str]:
    """Run a process that syncs a file for the reference server; yield its socket's path."""
    socket = f"{path}.socket"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.sync_server",
        socket,
        path,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        yield socket
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def echo_server(*synced: str) -> AsyncIterator[EchoServer]:
    """Run the reference server; before it answers, it syncs the named files one after another.

    A name that is a socket is that of a `sync_server`.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.echo_server", *synced, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        yield EchoServer(url=f"ws://127.0.0.1:{port}", pid=process.pid)
    finally:
        process.terminate()
        await process.wait()
