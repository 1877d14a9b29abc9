"""The load: connections that keep a fixed number of bets in flight, or send them at a fixed pace.

In a process of its own.

Drives gateway and echo server alike through `gateway.client`: the same encoding, decoding and
bookkeeping. Reads a JSON plan on standard input, prints a JSON result.
"""

import asyncio
import json
import random
import sys
import time
from dataclasses import asdict, dataclass, field

import uvloop

from gateway.client import BettorSession, connect
from gateway.messages.bettor import Bet, Place

REF_CHARS = 16
"""Every ref has this length, so that the reference server can find it by position."""


@dataclass(frozen=True)
class Plan:
    """What to drive, and how hard."""

    url: str
    tokens: list[str]
    markets: list[int]
    in_flight: int
    bets: int
    run: str
    outcomes: int = 3
    seed: int = 7
    pace_s: float = 0.0
    """Mean seconds between two bets of a connection, drawn as by chance; 0 keeps `in_flight`."""


@dataclass
class Result:
    """What came of it; latencies are those of every bet, send to answer."""

    bets: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)


def a_bet(*, ref: str, market: int, outcome: int) -> Place:
    """Return a bet that every bench market accepts; its size on the wire varies by two bytes."""
    return Place(ref=ref, market=market, outcome=outcome, stake_minor=1_000, odds_milli=2_500)


class Bettor:
    """One connection: as soon as an answer comes, the next bet leaves."""

    def __init__(self, session: BettorSession, plan: Plan, *, number: int, share: int) -> None:
        self._session = session
        self._plan = plan
        self._rng = random.Random(plan.seed + number)
        self._prefix = f"{plan.run}{number:03d}"
        self._left = share
        self._sent = 0
        self._open: dict[str, float] = {}
        self.latencies_s: list[float] = []
        self.answers: dict[str, int] = {}
        self.done = asyncio.get_running_loop().create_future()
        session.on_bet = self._on_bet

    def start(self) -> None:
        """Send the first bets."""
        if self._plan.pace_s:
            self._later()
            return
        for _ in range(min(self._plan.in_flight, self._left)):
            self._send()

    def _later(self) -> None:
        """Send the next bet when it is due, whatever became of those before it."""
        if self._left > 0:
            pause_s = self._rng.expovariate(1 / self._plan.pace_s)
            asyncio.get_running_loop().call_later(pause_s, self._due)

    def _due(self) -> None:
        self._send()
        self._later()

    def _send(self) -> None:
        self._sent += 1
        self._left -= 1
        ref = f"{self._prefix}{self._sent:0{REF_CHARS - len(self._prefix)}d}"
        self._open[ref] = time.perf_counter()
        rng = self._rng
        self._session.send_place(
            a_bet(
                ref=ref,
                market=rng.choice(self._plan.markets),
                outcome=int(rng.random() * self._plan.outcomes),
            )
        )

    def _on_bet(self, bet: Bet) -> None:
        self.latencies_s.append(time.perf_counter() - self._open.pop(bet.ref))
        key = bet.state if bet.reason == 0 else f"{bet.state} {bet.reason}"
        self.answers[key] = self.answers.get(key, 0) + 1
        if self._left > 0:
            if not self._plan.pace_s:
                self._send()
        elif not self._open:
            self.done.set_result(None)


async def drive(plan: Plan) -> Result:
    """Open every connection, run the load, close; only the load is timed."""
    sessions = [await connect(plan.url, token=token) for token in plan.tokens]
    share = plan.bets // len(sessions)
    bettors = [
        Bettor(session, plan, number=number, share=share) for number, session in enumerate(sessions)
    ]
    cpu_s = time.process_time()
    started = time.perf_counter()
    for bettor in bettors:
        bettor.start()
    lost = [asyncio.ensure_future(session.wait_lost()) for session in sessions]
    everyone = asyncio.gather(*(bettor.done for bettor in bettors))
    await asyncio.wait([everyone, *lost], return_when=asyncio.FIRST_COMPLETED)
    for task in lost:
        if task.done():
            raise task.result()
        task.cancel()
    result = Result(bets=share * len(sessions), seconds=time.perf_counter() - started)
    result.cpu_s = time.process_time() - cpu_s
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
