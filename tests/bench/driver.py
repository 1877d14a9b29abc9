"""Make load: connections that keep a number of bets in flight, or send bets at a mean pace.

Runs as a process of its own. It drives the gateway and the echo server through the same
`gateway.client`, with the same encoding, decoding and bookkeeping. It reads a JSON plan from
standard input and prints a JSON result.
"""

import asyncio
import itertools
import json
import os
import random
import sys
import time
from dataclasses import asdict, dataclass, field

import uvloop

from gateway.client import BettorSession, Leg, SlipBet, accumulator, connect
from gateway.messages.bettor import Bet, Place
from gateway.messages.slips import PlaceSlip
from tests.bench.processor_time import seconds_by_kind

CLIENT = "client"
REF_CHARS = 16
"""Every ref has this length, so that the reference server can copy it by position."""
SLIPS_DRAWN = 256
"""Legs of slips that a connection draws before the load, and places in random order."""
BETS = (accumulator(1_000),)


@dataclass(frozen=True)
class Plan:
    """The servers to drive, one after another for each token, the markets, and the load."""

    urls: list[str]
    tokens: list[str]
    markets: list[int]
    in_flight: int
    bets: int
    run: str
    outcomes: int = 3
    seed: int = 7
    legs: int = 1
    """Legs of what is placed: 1 for bets on one selection, more for accumulators on as many
    different markets."""
    pace_s: float = 0.0
    """Mean seconds between two bets of a connection, exponential; 0 keeps `in_flight` instead."""
    pids: dict[str, list[int]] = field(default_factory=dict)
    """Processes whose processor time is read before and after the load, by kind."""


@dataclass
class Result:
    """The bets, seconds, latencies (from sending a bet to its answer) and answers of a load."""

    bets: int = 0
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)
    processor_s: dict[str, float] = field(default_factory=dict)
    """Processor time of each kind of process during the load, the client's included."""


def a_bet(*, ref: str, market: int, outcome: int) -> Place:
    """Return a bet that every bench market accepts; its encoded size varies by two bytes."""
    return Place(ref=ref, market=market, outcome=outcome, stake_minor=1_000, odds_milli=2_500)


class Bettor:
    """One connection's bets: the next one is sent on an answer, or when it is due."""

    def __init__(self, session: BettorSession, plan: Plan, *, number: int, share: int) -> None:
        self._session = session
        self._plan = plan
        self._rng = random.Random(plan.seed + number)
        self._prefix = f"{plan.run}{number:04d}"
        self._left = share
        self._sent = 0
        self._open: dict[str, float] = {}
        self.latencies_s: list[float] = []
        self.answers: dict[str, int] = {}
        self.done = asyncio.get_running_loop().create_future()
        self._slips = [self._drawn_legs() for _ in range(SLIPS_DRAWN)] if plan.legs > 1 else []
        session.on_bet = session.on_slip = self._on_bet

    def start(self) -> None:
        """Send the first bets."""
        if self._plan.pace_s:
            self._schedule()
            return
        for _ in range(min(self._plan.in_flight, self._left)):
            self._send()

    def _schedule(self) -> None:
        """Schedule the next bet, whether or not the earlier ones are answered."""
        if self._left > 0:
            pause_s = self._rng.expovariate(1 / self._plan.pace_s)
            asyncio.get_running_loop().call_later(pause_s, self._send_due)

    def _send_due(self) -> None:
        self._send()
        self._schedule()

    def _send(self) -> None:
        self._sent += 1
        self._left -= 1
        ref = f"{self._prefix}{self._sent:0{REF_CHARS - len(self._prefix)}d}"
        self._open[ref] = time.perf_counter()
        rng = self._rng
        if self._plan.legs > 1:
            self._send_slip(ref)
            return
        self._session.send_place(
            a_bet(
                ref=ref,
                market=rng.choice(self._plan.markets),
                outcome=int(rng.random() * self._plan.outcomes),
            )
        )

    def _send_slip(self, ref: str) -> None:
        legs = self._slips[int(self._rng.random() * SLIPS_DRAWN)]
        self._session.send_place_slip(PlaceSlip(ref=ref, legs=legs, bets=BETS))

    def _drawn_legs(self) -> tuple[Leg, ...]:
        plan, rng = self._plan, self._rng
        return tuple(
            Leg(market=market, outcome=int(rng.random() * plan.outcomes), odds_milli=2_500)
            for market in rng.sample(plan.markets, plan.legs)
        )

    def _on_bet(self, bet: Bet | SlipBet) -> None:
        self.latencies_s.append(time.perf_counter() - self._open.pop(bet.ref))
        key = bet.state if bet.reason == 0 else f"{bet.state} {bet.reason}"
        self.answers[key] = self.answers.get(key, 0) + 1
        if self._left > 0:
            if not self._plan.pace_s:
                self._send()
        elif not self._open:
            self.done.set_result(None)


async def drive(plan: Plan) -> Result:
    """Open every connection, run the load and close; only the load is timed."""
    sessions = [
        await connect(url, token=token)
        for url, token in zip(itertools.cycle(plan.urls), plan.tokens, strict=False)
    ]
    share = plan.bets // len(sessions)
    bettors = [
        Bettor(session, plan, number=number, share=share) for number, session in enumerate(sessions)
    ]
    pids = {**plan.pids, CLIENT: [os.getpid()]}
    used_s = seconds_by_kind(pids)
    started = time.perf_counter()
    for bettor in bettors:
        bettor.start()
    lost = [asyncio.ensure_future(session.wait_lost()) for session in sessions]
    all_done = asyncio.gather(*(bettor.done for bettor in bettors))
    await asyncio.wait([all_done, *lost], return_when=asyncio.FIRST_COMPLETED)
    for task in lost:
        if task.done():
            raise task.result()
        task.cancel()
    result = Result(bets=share * len(sessions), seconds=time.perf_counter() - started)
    result.processor_s = {
        kind: seconds - used_s[kind] for kind, seconds in seconds_by_kind(pids).items()
    }
    latencies = sorted(value for bettor in bettors for value in bettor.latencies_s)
    result.p50_ms = latencies[len(latencies) // 2] * 1_000
    result.p99_ms = latencies[len(latencies) * 99 // 100] * 1_000
    for bettor in bettors:
        for key, count in bettor.answers.items():
            result.answers[key] = result.answers.get(key, 0) + count
    for session in sessions:
        await session.close()
    return result


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(drive(Plan(**json.load(sys.stdin)))))))
