"""Find the records that a shell has lost, by what its counterparts know of it.

Owns the comparison that a shell passes before it serves. An account's journal holds which bets a
market accepted, a market's journal holds which bet ids an account shard gave, and the directory
holds where each journal ended: a journal whose end was cut away, by a disk that lied, a restore or
a person, is valid by itself, and only the others can tell. Never changes a shell, except that it
quarantines the one that lost records.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from msgspec.structs import replace

from actors.directory import Directory
from actors.messages import AUDIT_ROWS_MAX, ShellState
from actors.peer import Peer, PeerError, PeerRefusedError
from actors.process_keeper import ShellProcess
from actors.settings import SupervisorSettings
from engine.common.ids import MarketNo, ShardNo
from engine.common.rows import CHARGE, DECISION, FLAG_KNOWN, Rows, U64s

_LEGS_IN_CALL: Final = 16_384
"""Bets among which an account looks for legs in one call: bets wait for the call."""


class TailCheck:
    """Compare each shell that comes up with its counterparts that serve, in both directions.

    A counterpart that does not answer now is not waited for: the pair is compared when it comes up.

    Parameters
    ----------
    shells : mapping
        All shells, by name; the owner adds to it.
    directory : Directory
        Where journals ended, and which markets a shell hosts.
    settings : SupervisorSettings
        The deadline of a call, and which shells serve despite a loss.
    """

    def __init__(
        self,
        *,
        shells: Mapping[str, ShellProcess],
        directory: Directory,
        settings: SupervisorSettings,
    ) -> None:
        self._shells = shells
        self._directory = directory
        self._settings = settings
        self._timeout_s = settings.tick_deadline_ms / 1_000
        self._uncompared: dict[str, dict[str, None]] = {}
        """Market shells that came up while an account shell did not answer, by its name."""

    async def check(self, shell: ShellProcess) -> None:
        """Quarantine a shell whose journal has lost its end, before any bet reaches it.

        A counterpart that turns out to have lost its end is quarantined as well, while it runs.
        """
        if shell.state is not ShellState.SERVING or shell.health is None:
            return
        ended_seq = self._directory.last_seqs.get(shell.name, 0)
        why = missing_records(found_seq=shell.health.found_seq, ended_seq=ended_seq)
        if not why:
            compare = self._account_check if shell.kind == "account" else self._market_check
            why = await compare(shell)
        if why and await self._quarantine(shell, why):
            shell.health = replace(shell.health, state=ShellState.QUARANTINED, why=why)
            shell.state = ShellState.QUARANTINED

    async def _quarantine(self, shell: ShellProcess, why: str) -> bool:
        """Quarantine a shell unless it is to serve despite its loss; return whether it was."""
        if shell.name in self._settings.serve_despite_loss:
            return False
        await shell.peer.ask("quarantine", why, timeout_s=self._timeout_s)
        return True

    async def _account_check(self, account: ShellProcess) -> str:
        """Return what an account shell has lost; check the markets that came up without it."""
        late = self._uncompared.pop(account.name, {})
        why = ""
        for market in self._serving("market"):
            try:
                here = {market.name: market.peer}
                why = why or await missing_at_account(
                    account.peer, account.shard, markets=here, timeout_s=self._timeout_s
                )
                if market.name in late:
                    lost = await self._missing_at_market(market, account)
                    if lost:
                        await self._quarantine(market, lost)
            except (PeerError, PeerRefusedError):
                if market.name in late:
                    self._note_uncompared(market, account)
        return why

    async def _market_check(self, market: ShellProcess) -> str:
        """Return what a market shell has lost; quarantine accounts that lost what it knows."""
        why = ""
        for account in [shell for shell in self._shells.values() if shell.kind == "account"]:
            if account.state is not ShellState.SERVING:
                self._note_uncompared(market, account)
                continue
            try:
                lost = await missing_at_account(
                    account.peer,
                    account.shard,
                    markets={market.name: market.peer},
                    timeout_s=self._timeout_s,
                )
                if lost:
                    await self._quarantine(account, lost)
                why = why or await self._missing_at_market(market, account)
            except (PeerError, PeerRefusedError):
                self._note_uncompared(market, account)
        return why

    async def _missing_at_market(self, market: ShellProcess, account: ShellProcess) -> str:
        placed = self._directory.markets.items()
        return await missing_at_market(
            market.peer,
            [number for number, each in placed if each.shell == market.name],
            accounts={account.shard: account.peer},
            timeout_s=self._timeout_s,
        )

    def _serving(self, kind: str) -> list[ShellProcess]:
        return [
            shell
            for shell in self._shells.values()
            if shell.kind == kind and shell.state is ShellState.SERVING
        ]

    def _note_uncompared(self, market: ShellProcess, account: ShellProcess) -> None:
        self._uncompared.setdefault(account.name, {})[market.name] = None


async def missing_at_market(
    market: Peer,
    market_nos: Sequence[MarketNo],
    *,
    accounts: Mapping[ShardNo, Peer],
    timeout_s: float,
) -> str:
    """Return which bets of its accounts a market shell does not have; empty when it has all.

    Each account is read before the market: a bet in force was decided by its market earlier.

    Raises
    ------
    PeerError, PeerRefusedError
        When a shell cannot be read.
    """
    missing: list[int] = []
    uncharged: list[int] = []
    compared = 0
    for account in accounts.values():
        after = 0
        while True:
            page = await account.ask(
                "in_force", list(market_nos), after, AUDIT_ROWS_MAX, timeout_s=timeout_s
            )
            if page:
                decisions = await market.ask("recall", page, timeout_s=timeout_s)
                rows: Rows = np.frombuffer(decisions, DECISION)
                missing += rows["bet_id"][rows["flags"] & FLAG_KNOWN == 0].tolist()
                compared += len(rows)
                after = int(rows["bet_id"][-1])
                uncharged += await _uncharged(account, market, rows["bet_id"], timeout_s=timeout_s)
            if len(page) < 8 * AUDIT_ROWS_MAX:
                break
    if missing:
        return (
            f"the end of the journal is missing: {len(missing)} of {compared} bets that its "
            f"accounts hold as accepted are not in it, the first is bet {min(missing)}"
        )
    if uncharged:
        return (
            f"the end of the journal is missing: {len(uncharged)} charges that its accounts hold "
            f"as applied are not in it, the first is of bet {min(uncharged)}"
        )
    return ""


async def _uncharged(account: Peer, market: Peer, bet_ids: U64s, *, timeout_s: float) -> list[int]:
    """Return the legs among some bets of which a market has not the charge it once applied."""
    lost: list[int] = []
    for start in range(0, len(bet_ids), _LEGS_IN_CALL):
        page = bet_ids[start : start + _LEGS_IN_CALL].tobytes()
        raw = await account.ask("charged_legs", page, timeout_s=timeout_s)
        applied: Rows = np.frombuffer(raw, CHARGE)
        if not len(applied):
            continue
        raw = await market.ask("charges_of", applied["bet_id"].tobytes(), timeout_s=timeout_s)
        present: Rows = np.frombuffer(raw, CHARGE)
        numbers = dict(zip(present["bet_id"].tolist(), present["charge_no"].tolist(), strict=True))
        lost += [
            bet
            for bet, number in zip(
                applied["bet_id"].tolist(), applied["charge_no"].tolist(), strict=True
            )
            if numbers.get(bet, 0) < number
        ]
    return lost


async def missing_at_account(
    account: Peer, shard: ShardNo, *, markets: Mapping[str, Peer], timeout_s: float
) -> str:
    """Return which bet ids that an account shard gave its journal does not have; empty for none.

    Each market is read before the account: bet ids only rise.

    Raises
    ------
    PeerError, PeerRefusedError
        When a shell cannot be read.
    """
    for name, market in markets.items():
        known = (await market.ask("highest_bet_ids", timeout_s=timeout_s)).get(shard, 0)
        last = await account.ask("last_bet_id", timeout_s=timeout_s)
        if known > last:
            return (
                f"the end of the journal is missing: {name} has decided bet {known}, "
                f"the last one here is {last}"
            )
    return ""


def missing_records(*, found_seq: int, ended_seq: int) -> str:
    """Return how many records are missing of a journal that ended in order at `ended_seq`."""
    if found_seq >= ended_seq:
        return ""
    return (
        f"the end of the journal is missing: it ended in order at record {ended_seq}, "
        f"and its last record now is {found_seq}"
    )
