"""Compare all bets of all markets with all slips of all accounts, once.

Owns which shells are read, in which order and in which pages. The comparison itself is in
reconciliation and slip_payouts. Never decides who is right.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from actors.messages import AUDIT_ROWS_MAX, ReconciliationReport, decode_totals
from actors.reconciliation import ShardSlips, charge_differences, compare_bets_and_slips
from actors.routes import Routes
from actors.slip_payouts import SlipCheck, in_portions
from engine.common.ids import ShardNo
from engine.common.rows import CHARGE, SLIP_BET, Rows, SlipKind, U32s
from engine.ledger.rows import SLIP
from engine.market.book import BET_RECORD

Ask = Callable[..., Awaitable[Any]]
"""Asks a shell by name: ``await ask(shell, method, *args)``."""


async def whole_comparison(routes: Routes, ask: Ask) -> ReconciliationReport:
    """Compare all bets with all slips.

    Slips are read before bets and charges: every bet whose slip is in force is then in its market
    already, and a bet that a market accepted later is recognised by its serial number.

    Raises
    ------
    PeerError, PeerRefusedError
        When a shell cannot be read.
    """
    shells = routes.shells.values()
    accounts = [shell for shell in shells if shell.kind == "account"]
    shards = [await _slips(ask, shell.name, shell.shard) for shell in accounts]
    bets = [np.zeros(0, BET_RECORD)]
    for shell in shells:
        if shell.kind == "market":
            bets += await _pages(ask, shell.name, "bets", BET_RECORD)
    found: list[str] = []
    waiting = 0
    for shard in shards:
        checked = await in_portions(SlipCheck(shard.slips, shard.bets), len(shard.slips))
        found += checked.differences
        waiting += checked.waiting
        found += await _charge_differences(routes, ask, shard.slips)
    return compare_bets_and_slips(
        bets=np.concatenate(bets), shards=shards, further=found, charges_waiting=waiting
    )


async def _slips(ask: Ask, account: str, shard: ShardNo) -> ShardSlips:
    pages: list[Rows] = []
    currencies: list[U32s] = []
    seqs = set()
    while True:
        start = sum(map(len, pages))
        seq, data, of_slips, totals = await ask(account, "slips_and_totals", start, AUDIT_ROWS_MAX)
        pages.append(np.frombuffer(data, SLIP))
        currencies.append(np.frombuffer(of_slips, np.uint32))
        seqs.add(seq)
        if len(pages[-1]) < AUDIT_ROWS_MAX:
            break
    return ShardSlips(
        shard,
        np.concatenate(pages),
        np.concatenate(await _pages(ask, account, "slip_bets", SLIP_BET)),
        np.concatenate(currencies),
        decode_totals(totals),
        len(seqs) == 1,
    )


async def _charge_differences(routes: Routes, ask: Ask, slips: Rows) -> list[str]:
    """Compare what an account knows to be charged for its legs with what their markets charge."""
    legs = slips[slips["kind"] == SlipKind.LEG]
    market_nos, at = np.unique(legs["market_no"], return_inverse=True)
    shells = np.array([routes.market_shell(number) or "" for number in market_nos.tolist()])
    found: list[str] = []
    for shell in dict.fromkeys(shells.tolist()):
        own = legs[(shells == shell)[at]]
        for start in range(0, len(own), AUDIT_ROWS_MAX) if shell else ():
            page = own[start : start + AUDIT_ROWS_MAX]
            data = await ask(shell, "charges_of", page["bet_id"].tobytes())
            found += charge_differences(page, np.frombuffer(data, CHARGE))
    return found


async def _pages(ask: Ask, shell: str, method: str, dtype: "np.dtype[Any]") -> list[Rows]:
    """Return all rows that a method gives by start and limit."""
    pages: list[Rows] = []
    while not pages or len(pages[-1]) == AUDIT_ROWS_MAX:
        data = await ask(shell, method, sum(map(len, pages)), AUDIT_ROWS_MAX)
        pages.append(np.frombuffer(data, dtype))
    return pages
