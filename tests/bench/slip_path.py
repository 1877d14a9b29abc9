"""Measure slips of several legs through the whole system: placed over WebSocket, and settled.

Slips and singles take turns, so that both share the machine's load.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import uvloop

from actors.messages import BATCH_ROWS_MAX, decode_totals
from actors.routes import account_shell_name
from actors.system import System
from engine.common.commands import CloseMarket, OutcomeResult, SettleMarket
from engine.common.ids import MarketNo, ShardNo
from engine.common.rows import (
    BET,
    DECISION,
    FLAG_HEAD,
    FLAG_LEG,
    FLAG_LEG_OF_SLIP,
    LEG_RESERVATION,
    RESERVATION,
    RESERVED,
    SLIP_BET,
    Rows,
    SlipState,
)
from engine.slips.structure import SlipBet, bet_rows
from tests.bench.live import ACCOUNTS, bet_urls, drive, pids_by_kind, running, token
from tests.bench.table import Row, cost_text
from tests.bench.wire import IN_FLIGHT, MARKETS, Load, load_plan

LEGS = 3
RUNS = 3
SLIPS = 40_000
BETS = 100_000
LONE_BETS = 1_000
SETTLED_SLIPS = 100_000
SETTLED_RUNS = 3
SLIPS_A_CALL = BATCH_ROWS_MAX // (LEGS + 1)
STAKE_MINOR = 1_000
POLL_S = 0.002
SETTLED_WITHIN_S = 120.0


def slips_over_the_wire() -> list[Row]:
    """Drive accumulators of three legs and singles in turn, under load and one at a time."""

    async def measure() -> list[Row]:
        async with running(markets=MARKETS) as system:
            return [*await _throughput(system), *await _lone(system)]

    return uvloop.run(measure())


async def _throughput(system: System) -> list[Row]:
    urls, pids = bet_urls(system), await pids_by_kind(system)
    slips, singles = Load(pids), Load(pids)
    for legs in (1, LEGS):  # connections, kernels, journals
        await drive(replace(load_plan(urls, run=f"w{legs}"), legs=legs, bets=SLIPS // 2))
    for run in range(RUNS):
        await slips.run(replace(load_plan(urls, run=f"a{run}"), legs=LEGS, bets=SLIPS))
        await singles.run(replace(load_plan(urls, run=f"s{run}"), bets=BETS))
    slips.check_accepted()
    singles.check_accepted()
    return [
        Row(
            f"durable accumulators of {LEGS} legs over WebSocket",
            "slips/s",
            statistics.median(slips.rates),
            statistics.median(singles.rates),
            "singles on the same system, in turn",
            "higher",
            0.5,
            "ratio",
            f"{ACCOUNTS} connections, {IN_FLIGHT} in flight each, legs on {LEGS} of {MARKETS} "
            f"market shells, 1 account shard, 1 gateway, wallet included; the reservation and "
            f"every leg are synced before the answer; {SLIPS:,} slips, {BETS:,} singles a run, "
            f"median of {RUNS}; latency under this load p50 "
            f"{slips.median_ms('p50_ms'):.1f} ms, p99 {slips.median_ms('p99_ms'):.1f} ms, of "
            f"singles {singles.median_ms('p50_ms'):.1f} and {singles.median_ms('p99_ms'):.1f}; "
            f"{cost_text(slips.us_a_bet(), a='slip')}; of singles: {cost_text(singles.us_a_bet())}",
            slips.rates,
            singles.rates,
        )
    ]


async def _lone(system: System) -> list[Row]:
    plan = replace(
        load_plan(bet_urls(system), run=""), tokens=[token(1)], in_flight=1, bets=LONE_BETS
    )
    ours: list[float] = []
    reference: list[float] = []
    await drive(replace(plan, run="lw", legs=LEGS))
    for run in range(RUNS):
        for legs, samples in ((LEGS, ours), (1, reference)):
            result = await drive(replace(plan, run=f"l{run}{legs}", legs=legs))
            assert result.answers == {"accepted": result.bets}, result.answers
            samples.append(result.p50_ms)
    return [
        Row(
            f"acknowledgement p50 of an accumulator of {LEGS} legs, one in flight",
            "ms",
            statistics.median(ours),
            statistics.median(reference),
            "a single on the same system, in turn",
            "lower",
            1.6,
            "ratio",
            f"1 connection, legs on {LEGS} of {MARKETS} market shells, {LONE_BETS:,} per run, "
            f"median of {RUNS}; both are synced twice before the answer: the reservation, then the "
            f"bet or at the same time the legs",
            ours,
            reference,
        )
    ]


# --- settlement -----------------------------------------------------------------------------------


def legs_settled() -> list[Row]:
    """Settle markets full of legs, and as many singles, to the last credited account."""

    async def measure(legs: int) -> float:
        async with running(markets=MARKETS) as system:
            count = SETTLED_SLIPS * LEGS // legs
            await _fill(system, slips=count, legs=legs)
            return count * legs / await _settle(system)

    ours: list[float] = []
    reference: list[float] = []
    for _ in range(SETTLED_RUNS):
        ours.append(uvloop.run(measure(LEGS)))
        reference.append(uvloop.run(measure(1)))
    return [
        Row(
            "legs of slips settled, end to end",
            "legs/s",
            statistics.median(ours),
            statistics.median(reference),
            "as many singles on a system of the same kind, in turn",
            "higher",
            200_000,
            "ours",
            f"from the results of {MARKETS} markets, given at once, until the accounts have "
            f"applied all settlements and the markets know it: markets and account shard journaled "
            f"and synced, in portions of the reconciler's default size; {SETTLED_SLIPS:,} "
            f"accumulators of {LEGS} legs, 1 account shard, {ACCOUNTS} accounts, a third of the "
            f"legs won; median of {SETTLED_RUNS}",
            ours,
            reference,
        )
    ]


async def _fill(system: System, *, slips: int, legs: int) -> None:
    """Let markets and account hold slips: accumulators, or singles where they have one leg."""
    rng = np.random.default_rng(7)
    account = system.peer(account_shell_name(ShardNo(0)))
    verdicts = b""
    a_call = SLIPS_A_CALL if legs > 1 else BATCH_ROWS_MAX
    for first in range(0, slips, a_call):
        count = min(a_call, slips - first)
        reservations, bets = _reservations(first, count, legs, rng)
        arguments = (
            (reservations.tobytes(), bets.tobytes()) if legs > 1 else (reservations.tobytes(),)
        )
        raw = await account.ask("exchange", verdicts, *arguments)
        verdicts = await _place(system, reservations, np.frombuffer(raw, RESERVED))
    await account.ask("exchange", verdicts, b"")


def _reservations(first: int, count: int, legs: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Return the reservations of slips, and their SLIP_BET rows; of singles where `legs` is 1."""
    rows_each = legs + 1 if legs > 1 else 1
    rows: Rows = np.zeros(count * rows_each, RESERVATION)
    rows["account_no"] = np.repeat(np.arange(first, first + count) % ACCOUNTS, rows_each)
    rows["odds_milli"] = 2_500
    rows["outcome"] = rng.integers(0, 3, len(rows))
    own = rows[::rows_each]
    own["stake_minor"] = STAKE_MINOR
    digits = np.char.zfill(np.arange(first, first + count).astype(np.bytes_), 8)
    own["ref"][:, 0] = np.ascontiguousarray(digits, "S8").view("<u8")
    markets = rng.permuted(np.tile(np.arange(1, MARKETS + 1), (count, 1)), axis=1)[:, :legs]
    bets: Rows = np.zeros(0, SLIP_BET)
    if legs == 1:
        rows["market_no"] = markets[:, 0]
        return rows, bets
    shapes = rows.view(LEG_RESERVATION)
    for leg in range(legs):
        part = shapes[leg + 1 :: rows_each]
        part["market_no"], part["event"], part["position"] = markets[:, leg], leg, leg
        part["flags"] = FLAG_LEG_OF_SLIP
    own["flags"], own["market_no"], own["outcome"], own["odds_milli"] = FLAG_HEAD, 1, legs, 0
    bet = SlipBet(stake_minor=STAKE_MINOR, sizes=(legs,), positions=tuple(range(legs)))  # type: ignore[arg-type]
    return rows, np.repeat(bet_rows([bet]), count)


async def _place(system: System, reservations: Rows, answers: Rows) -> bytes:
    """Let the markets decide what an account has reserved; return the verdicts."""
    sent = reservations["flags"] != FLAG_HEAD
    assert (answers["state"] == SlipState.PENDING).all(), np.unique(answers["reason"])
    asked, given = reservations[sent], answers[sent]
    bets: Rows = np.zeros(len(given), BET)
    for field in ("bet_id", "rate_micro"):
        bets[field] = given[field]
    for field in ("stake_minor", "account_no", "market_no", "odds_milli", "outcome"):
        bets[field] = asked[field]
    legs = asked["flags"] == FLAG_LEG_OF_SLIP
    bets["stake_minor"][legs] = given["stake_max_minor"][legs]
    bets["flags"][legs] = FLAG_LEG

    async def decide(number: int) -> bytes:
        shell = system.routes.market_shell(MarketNo(number))
        assert shell is not None
        own = bets[bets["market_no"] == number]
        decided: bytes = await system.peer(shell).ask("place", own.tobytes())
        assert not np.frombuffer(decided, DECISION)["reason"].any()
        return decided

    return b"".join(await asyncio.gather(*(decide(n) for n in range(1, MARKETS + 1))))


async def _settle(system: System) -> float:
    """Settle every market; return the seconds until accounts have all settlements.

    A slip with a lost leg is settled before its other legs are: the outboxes tell of those.
    """
    won, lost = OutcomeResult(won=True), OutcomeResult(won=False)
    numbers = [MarketNo(number) for number in range(1, MARKETS + 1)]
    await system.control([CloseMarket(market_no=number) for number in numbers])
    account = system.peer(account_shell_name(ShardNo(0)))
    began = time.perf_counter()
    await system.control(
        [SettleMarket(market_no=number, results=(won, lost, lost)) for number in numbers]
    )
    while time.perf_counter() - began < SETTLED_WITHIN_S:
        (totals,) = decode_totals(await account.ask("totals"))
        if totals.at_stake_minor == 0 and not await _outboxes(system, numbers):
            took_s = time.perf_counter() - began
            assert totals.pending_minor == 0
            return took_s
        await asyncio.sleep(POLL_S)
    raise TimeoutError("not every account was credited in time")


async def _outboxes(system: System, numbers: Sequence[MarketNo]) -> bool:
    """Say whether a market has settlements that its accounts have not applied."""
    for number in numbers:
        shell = system.routes.market_shell(number)
        assert shell is not None
        if await system.peer(shell).ask("outbox_shards"):
            return True
    return False
