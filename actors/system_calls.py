"""Commands to a running system from the process that started it.

Owns how commands are spread over shells and their answers put in order again. Never starts or
stops a part; system.py does.
"""

import asyncio
from collections.abc import Iterable, Sequence

from actors.messages import (
    FIXTURES_IN_CALL_MAX,
    CreateMarkets,
    FixtureAnswer,
    LedgerControl,
    MarketAnswer,
    MarketControl,
    PutFixtures,
    ReconciliationReport,
    ShellStatus,
    decode_fixture_answers,
    decode_ledger_events,
    decode_market_answers,
    decode_market_events,
    decode_reconciliation_report,
    decode_shell_statuses,
    encode,
)
from actors.peer import Peer, PeerError
from actors.routes import Routes, account_shell_name
from engine.common.commands import (
    CreateMarket,
    Deposit,
    LedgerCommand,
    MarketCommand,
    OpenAccount,
    SetRate,
)
from engine.common.events import LedgerEvent, MarketEvent
from engine.common.fixtures import FixtureChange
from engine.common.ids import AccountNo, ShardNo, shard_of_account
from engine.common.payout_bounds import (
    SetAccountBound,
    SetCombinationBound,
    SetPayoutBound,
    share_of_bound,
)
from engine.common.units import Minor

BY = "system"
_COMMANDS_IN_CALL_MAX = 4_096
_STATUS_TIMEOUT_S = 10.0


class SystemCalls:
    """Commands to the shells of a system, by its present routes.

    Parameters
    ----------
    shards : int
        Count of account shards.
    """

    def __init__(self, *, shards: int) -> None:
        self.routes = Routes(shards=shards)
        self._supervisor: Peer | None = None
        self._reconciler: Peer | None = None

    @property
    def supervisor(self) -> Peer:
        """The supervisor, once started."""
        assert self._supervisor is not None, "started"
        return self._supervisor

    @property
    def reconciler(self) -> Peer:
        """The reconciler, once started."""
        assert self._reconciler is not None, "started"
        return self._reconciler

    async def refresh(self) -> Routes:
        """Fetch the present routes and return them."""
        version, shells, markets, peers = await self.supervisor.ask("routes")
        self.routes.update(version=version, shells=shells, markets=markets, peers=peers)
        return self.routes

    async def create_markets(
        self, markets: Iterable[CreateMarket], *, by: str = BY
    ) -> list[MarketAnswer]:
        """Place and create markets; the answers come in order, and repeating a call is harmless."""
        request = CreateMarkets(by=by, markets=tuple(markets))
        answer = await self.supervisor.ask("create_markets", encode(request))
        await self.refresh()
        return decode_market_answers(answer)

    async def put_fixtures(
        self, changes: Iterable[FixtureChange], *, by: str = BY
    ) -> list[FixtureAnswer]:
        """Change what is known of fixtures; the answers come in order."""
        listed = list(changes)
        answers: list[FixtureAnswer] = []
        for start in range(0, len(listed), FIXTURES_IN_CALL_MAX):
            part = tuple(listed[start : start + FIXTURES_IN_CALL_MAX])
            request = encode(PutFixtures(by=by, changes=part))
            answers += decode_fixture_answers(await self.supervisor.ask("put_fixtures", request))
        return answers

    async def control(
        self, commands: Iterable[MarketCommand], *, by: str = BY
    ) -> list[MarketEvent]:
        """Send commands to the shells that host their markets, one call per shell, in parallel.

        Returns
        -------
        list of MarketEvent
            In the order of the commands.

        Raises
        ------
        KeyError
            When a command's market has no route.
        PeerError
            When a shell is down or does not answer.
        """
        listed = list(commands)
        by_shell: dict[str, list[int]] = {}
        for i, command in enumerate(listed):
            shell = self.routes.market_shell(command.market_no)  # type: ignore[union-attr]
            if shell is None:
                raise KeyError(f"no route to the market of {command}")
            by_shell.setdefault(shell, []).append(i)
        events: list[MarketEvent | None] = [None] * len(listed)

        async def send(shell: str, indices: list[int]) -> None:
            payload = MarketControl(by=by, commands=tuple(listed[i] for i in indices))
            answer = await self.peer(shell).ask("control", encode(payload))
            for i, event in zip(indices, decode_market_events(answer), strict=True):
                events[i] = event

        await asyncio.gather(*(send(*item) for item in by_shell.items()))
        return [event for event in events if event is not None]

    async def open_accounts(
        self, account_nos: Iterable[AccountNo], *, currency: str, rate_micro: int = 1_000_000
    ) -> list[LedgerEvent]:
        """Set a currency's rate, then open accounts in it; an account that exists is refused."""
        for shard in range(self.routes.shards):
            await self._ledger(ShardNo(shard), [SetRate(currency=currency, rate_micro=rate_micro)])
        return await self._ledger_commands(
            [OpenAccount(account_no=no, currency=currency) for no in account_nos]
        )

    async def set_payout_bounds(
        self, open_payout_minor_max: Minor, combination_payout_minor_max: Minor
    ) -> None:
        """Set the house's bounds of what open bets can pay, in all shards.

        That of each account's open bets, and that of the open slips with the same selections: each
        shard counts its own slips, so each gets its share of the bound. 0 is no bound.
        """
        shards = self.routes.shards
        share_minor = share_of_bound(combination_payout_minor_max, shards=shards)
        commands: list[LedgerCommand] = [
            SetPayoutBound(open_payout_minor_max=open_payout_minor_max),
            SetCombinationBound(combination_payout_minor_max=share_minor),
        ]
        for shard in range(shards):
            await self._ledger(ShardNo(shard), commands)

    async def bound_accounts(self, bounds: Iterable[SetAccountBound]) -> list[LedgerEvent]:
        """Give accounts bounds of their own of what their open bets can pay."""
        return await self._ledger_commands(list(bounds))

    async def deposit(self, deposits: Iterable[Deposit]) -> list[LedgerEvent]:
        """Pay money into accounts; a deposit whose ref is known is not paid twice."""
        return await self._ledger_commands(list(deposits))

    async def statuses(self) -> list[ShellStatus]:
        """Return the status of every shell."""
        return decode_shell_statuses(
            await self.supervisor.ask("status", timeout_s=_STATUS_TIMEOUT_S)
        )

    async def compare_bets_and_slips(self) -> ReconciliationReport:
        """Compare all markets' bets with all accounts' slips."""
        return decode_reconciliation_report(await self.reconciler.ask("compare"))

    def peer(self, shell: str) -> Peer:
        """Return how to call a shell.

        Raises
        ------
        PeerError
            While the shell has no running process, by the routes that were fetched last.
        """
        peer = self.routes.peer(shell)
        if peer is None:
            raise PeerError(f"{shell} is down")
        return peer

    async def _ledger_commands(
        self, commands: Sequence[OpenAccount | Deposit | SetAccountBound]
    ) -> list[LedgerEvent]:
        by_shard: dict[ShardNo, list[int]] = {}
        for i, command in enumerate(commands):
            shard = shard_of_account(command.account_no, shards=self.routes.shards)
            by_shard.setdefault(shard, []).append(i)
        events: dict[int, LedgerEvent] = {}
        for shard, indices in by_shard.items():
            for start in range(0, len(indices), _COMMANDS_IN_CALL_MAX):
                part = indices[start : start + _COMMANDS_IN_CALL_MAX]
                answered = await self._ledger(shard, [commands[i] for i in part])
                events.update(zip(part, answered, strict=True))
        return [events[i] for i in range(len(commands))]

    async def _ledger(self, shard: ShardNo, commands: Sequence[LedgerCommand]) -> list[LedgerEvent]:
        shell = account_shell_name(shard)
        payload = LedgerControl(by=BY, commands=tuple(commands))
        return decode_ledger_events(await self.peer(shell).ask("control", encode(payload)))
