"""The demo as a process of its own, with its console on a free port."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

LINK = re.compile(r"console (http://[\d.:]+)/login#token=(\S+)")
SECOND = re.compile(r"second person, to approve: http://[\d.:]+/login#token=(\S+)")
START_S = 240


class DemoRun:
    """A demo that is being played: its console, and the tokens of two people."""

    def __init__(self, url: str, token: str, second: str) -> None:
        self.url = url
        self.token = token
        self.second = second
        """A settler's."""


@asynccontextmanager
async def open_demo(folder: Path, *arguments: str) -> AsyncIterator[DemoRun]:
    """Play the World Cup final until the block ends."""
    start = "from gateway.cli.main import main; raise SystemExit(main())"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST")
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        start,
        "demo",
        "--plain",
        "--data-dir",
        str(folder),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**environment, "OVERROUND_CONSOLE__PORT": "0"},
        limit=1 << 20,
    )
    said: list[str] = []
    linked: asyncio.Future[DemoRun] = asyncio.get_running_loop().create_future()

    async def read() -> None:
        assert process.stdout is not None
        found: re.Match[str] | None = None
        async for raw in process.stdout:
            said.append(raw.decode(errors="replace"))
            found = LINK.search(said[-1]) or found
            second = SECOND.search(said[-1])
            if found is not None and second is not None and not linked.done():
                linked.set_result(DemoRun(found[1], found[2], second[1]))
        if not linked.done():
            linked.set_exception(AssertionError("".join(said[-20:])))

    reading = asyncio.create_task(read())
    try:
        yield await asyncio.wait_for(linked, START_S)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.wait()
        await asyncio.wait([reading])
