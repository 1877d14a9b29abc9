"""Hold connections that do nothing but answer pings.

Runs as a process of its own: `idle_clients URL COUNT TOKEN...` shares the connections out over the
tokens, prints a line when all are open, and closes them when its standard input ends.
"""

import asyncio
import sys
from typing import Final

import uvloop

from gateway.client import BettorSession, connect

OPENED_AT_ONCE: Final = 50


async def _open(url: str, token: str) -> BettorSession:
    return await connect(url, token=token)


async def main(url: str, count: int, tokens: list[str]) -> None:
    """Open the connections and hold them."""
    sessions = []
    for first in range(0, count, OPENED_AT_ONCE):
        some = range(first, min(first + OPENED_AT_ONCE, count))
        opened = [_open(url, tokens[number % len(tokens)]) for number in some]
        sessions += await asyncio.gather(*opened)
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for session in sessions:
        assert session.lost is None, session.lost
        await session.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
