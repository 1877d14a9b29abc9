"""Change odds all over the markets at a steady pace, until the standard input ends.

Runs as a process of its own, as a trader's program. Reads a JSON plan from the first line of
standard input, and prints how many odds it has changed and how many were refused.
"""

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass
from typing import Final

import uvloop

from engine.common.commands import Quote, SetOdds
from engine.common.events import Refused
from engine.common.ids import MarketNo
from engine.common.units import OddsMilli
from gateway.client import connect_control

PACE_S: Final = 0.05
"""Seconds between two messages, each of which has the changes that are due."""
ODDS: Final = ((1_900, 1_950), (1_850, 2_000), (1_950, 1_900), (2_000, 1_850))
"""Odds of two outcomes; none is a probe's."""


@dataclass(frozen=True)
class Plan:
    """Where, as whom, which markets of two outcomes, and how many changes a second."""

    url: str
    token: str
    markets: list[int]
    a_second: int


async def main() -> None:
    """Change odds until the standard input ends."""
    plan = Plan(**json.loads(sys.stdin.readline()))
    loop = asyncio.get_running_loop()
    ended = loop.run_in_executor(None, sys.stdin.read)
    rng, changed, refused = random.Random(7), 0, 0
    began_s = time.perf_counter()
    async with connect_control(plan.url, token=plan.token) as session:
        while not ended.done():
            due = min(int((time.perf_counter() - began_s) * plan.a_second) - changed, 256)
            commands = []
            for number in rng.sample(plan.markets, max(due, 0)):
                quotes = tuple(
                    Quote(outcome=outcome, odds_milli=OddsMilli(odds))
                    for outcome, odds in enumerate(rng.choice(ODDS))
                )
                commands.append(SetOdds(market_no=MarketNo(number), quotes=quotes))
            if commands:
                events = await session.control(commands)
                refused += sum(isinstance(event, Refused) for event in events)
                changed += len(commands)
            await asyncio.sleep(PACE_S)
    seconds = time.perf_counter() - began_s
    print(json.dumps({"changed": changed, "refused": refused, "seconds": seconds}))


if __name__ == "__main__":
    uvloop.run(main())
