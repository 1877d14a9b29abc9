"""What the house does in a story without a gateway: money, changes of accounts, its own stop.

Owns these calls: each is made again until its shell applies or refuses it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from actors.messages import (
    LedgerControl,
    MarketControl,
    decode_ledger_events,
    decode_market_events,
    encode,
)
from engine.common.acceptance import StopWaiting
from engine.common.account_changes import BlockAccount
from engine.common.commands import Deposit, Withdraw
from engine.common.events import Refused
from engine.common.house import StopHouse
from engine.common.reasons import Reason
from tests.simulator.story import ChangeAccount, ChangeHouse, MoveMoney

HouseStep = MoveMoney | ChangeAccount | ChangeHouse


class HouseCalls:
    """The house's calls to account shards and market shells.

    Parameters
    ----------
    ask : callable
        Sends a call to the shard of an account.
    ask_markets : callable
        Sends a call to every market shell, and returns the answers.
    shards : int
        Account shards.
    """

    def __init__(
        self,
        ask: Callable[[int, bytes], Awaitable[Any]],
        ask_markets: Callable[[bytes], Awaitable[list[bytes]]],
        *,
        shards: int,
    ) -> None:
        self.deposits: list[tuple[int, str, int, bool]] = []
        """Transfers that were answered: account, ref, amount, whether applied."""
        self.stops: list[str] = []
        """Stops of the house and blocks that every market shell has answered: their reasons."""
        self._numbers = count(1)
        self._ask = ask
        self._ask_markets = ask_markets
        self._shards = shards
        self._changing = asyncio.Lock()

    async def run(self, step: HouseStep) -> None:
        """Do what a step says."""
        match step:
            case MoveMoney():
                await self._move_money(step)
            case ChangeAccount():
                await self._command(step.change.account_no, step.change)
                if isinstance(step.change, BlockAccount) and step.change.blocked:
                    await self._stop_waiting(account_no=step.change.account_no)
            case ChangeHouse():
                async with self._changing:  # no stop comes after its end
                    for shard in range(self._shards):
                        await self._command(shard, step.change)
                    if isinstance(step.change, StopHouse):
                        await self._stop_waiting()

    async def _stop_waiting(self, **account: int) -> None:
        """End what waits in the market shells, as a gateway does once the accounts know."""
        why = f"stop {next(self._numbers)}"
        command = StopWaiting(why=why, **account)
        payload = encode(MarketControl(by="test", commands=(command,)))
        while True:
            answers = await self._ask_markets(payload)
            if not any(_not_now(event) for raw in answers for event in decode_market_events(raw)):
                break
            await asyncio.sleep(0.1)
        self.stops.append(why)

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
