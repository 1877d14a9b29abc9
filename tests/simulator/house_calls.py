"""What the house does in a story without a gateway: money, changes of accounts, its own stop.

Owns these calls: each is made again until its shard applies or refuses it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from actors.messages import LedgerControl, decode_ledger_events, encode
from engine.common.commands import Deposit, Withdraw
from engine.common.events import Refused
from engine.common.reasons import Reason
from tests.simulator.story import ChangeAccount, ChangeHouse, MoveMoney

HouseStep = MoveMoney | ChangeAccount | ChangeHouse


class HouseCalls:
    """The house's calls to account shards; `ask` sends one to the shard of an account."""

    def __init__(self, ask: Callable[[int, bytes], Awaitable[Any]], *, shards: int) -> None:
        self.deposits: list[tuple[int, str, int, bool]] = []
        """Transfers that were answered: account, ref, amount, whether applied."""
        self._ask = ask
        self._shards = shards
        self._changing = asyncio.Lock()

    async def run(self, step: HouseStep) -> None:
        """Do what a step says."""
        match step:
            case MoveMoney():
                await self._move_money(step)
            case ChangeAccount():
                await self._command(step.change.account_no, step.change)
            case ChangeHouse():
                async with self._changing:  # no stop comes after its end
                    for shard in range(self._shards):
                        await self._command(shard, step.change)

    async def _move_money(self, step: MoveMoney) -> None:
        make = Deposit if step.amount > 0 else Withdraw
        command = make(account_no=step.account, amount_minor=abs(step.amount), ref=step.ref)
        event = await self._command(step.account, command)
        applied = not isinstance(event, Refused)
        self.deposits.append((step.account, step.ref, step.amount, applied))

    async def _command(self, account: int, command: Any) -> Any:
        """Send a command to an account's shard until it is applied or refused; return its event."""
        payload = encode(LedgerControl(by="test", commands=(command,)))
        while True:
            (event,) = decode_ledger_events(await self._ask(account, payload))
            if not _not_now(event):
                return event
            await asyncio.sleep(0.1)


def _not_now(event: Any) -> bool:
    return isinstance(event, Refused) and event.reason in (
        Reason.QUARANTINED,
        Reason.DISK_FULL,
        Reason.BUSY,
    )
