"""Run the system to measure: real Ray, real sockets, funded accounts, open markets."""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from actors.settings import ReconcilerSettings, SupervisorSettings
from actors.system import System
from actors.system_parts import FeedPart, GatewayPart, SystemSettings
from engine.common.commands import Deposit
from gateway.app import Gateway
from gateway.session.tokens import Role, TokenKey
from gateway.settings import GatewaySettings
from tests.bench.core import market_commands
from tests.bench.driver import Plan, Result

SECRET = b"a secret of the bench alone, 32 bytes or more"
ACCOUNTS = 50
SHARDS = 1
FUNDS_MINOR = 100_000_000_000


def token(account: int, *, role: Role = Role.BETTOR) -> str:
    """Return a token for a bettor, or for another role."""
    return TokenKey(SECRET).issue(
        role=role,
        sub=f"bench-{account}",
        account=account if role is Role.BETTOR else None,
        now_s=int(time.time()),
        expires_s=7_200,
    )


@asynccontextmanager
async def running(
    *,
    markets: int,
    markets_per_actor: int = 1,
    settings: GatewaySettings | None = None,
    feeds: Sequence[FeedPart] = (),
) -> AsyncIterator[System]:
    """Start a system on Ray in a new folder on this disk, and stop it afterwards."""
    gateway = settings or GatewaySettings(
        bets_host="127.0.0.1",
        bets_port=0,
        control_port=0,
        feed_port=0,
        frames_a_second=1_000_000,
        frames_burst=1_000_000,
    )
    with tempfile.TemporaryDirectory(dir=".", prefix="bench-") as folder:
        system = System(
            data_dir=folder,
            settings=SystemSettings(
                supervisor=SupervisorSettings(
                    account_shards=SHARDS, markets_per_actor=markets_per_actor
                ),
                reconciler=ReconcilerSettings(),
            ),
            gateways=[
                GatewayPart(
                    factory=Gateway,
                    arguments={"shards": SHARDS, "secret": SECRET, "settings": gateway},
                )
            ],
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


@asynccontextmanager
async def echo_server() -> AsyncIterator[str]:
    """Run the reference server and yield its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.echo_server", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield f"ws://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.terminate()
        await process.wait()


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
