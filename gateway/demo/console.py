"""The traders' console of a demo: served while the match is played, with a link that logs in.

Owns when it is served and what is said of it. The match does not depend on it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from actors.system import System
from gateway.configuration.config import Config
from gateway.console.keeper import ConsoleMissingError, check_installed, console_of


@asynccontextmanager
async def open_console(
    system: System,
    config: Config,
    *,
    token: str,
    second: str,
    wanted: bool,
    log: Callable[[str], None],
) -> AsyncIterator[None]:
    """Serve the console meanwhile, where it is wanted and its package is installed.

    The token `second` is a settler's, who approves what the first person proposes.
    """
    if not wanted:
        yield
        return
    try:
        check_installed()
    except ConsoleMissingError as error:
        log(str(error))
        yield
        return
    keeper = console_of(system, config, say=log)
    await keeper.start()
    # A browser does not send this part of an address, and the token is of this run only.
    log(f"console {keeper.url}/login#token={token}")
    log(f"second person, to approve: {keeper.url}/login#token={second}")
    try:
        yield
    finally:
        await keeper.stop()
