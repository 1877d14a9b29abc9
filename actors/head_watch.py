"""Notice that Ray's head process is lost.

Owns the questions to it. Without a head nothing that dies is replaced, so the owner of the system
must end it; the watch itself ends nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from actors.blocking_calls import in_thread

logger = logging.getLogger("overround.system")

_EVERY_S: Final = 1.0


class HeadWatch:
    """Ask Ray's head process again and again whether it answers.

    Parameters
    ----------
    ask : callable
        Asks the head; blocks while it does not answer, or raises.
    deadline_s : float
        A head that leaves a question unanswered for so long is lost.
    """

    def __init__(self, ask: Callable[[], None], *, deadline_s: float) -> None:
        self._ask = ask
        self._deadline_s = deadline_s

    async def wait_lost(self) -> str:
        """Return why the head is lost, once it is."""
        while True:
            await asyncio.sleep(_EVERY_S)
            asked = asyncio.ensure_future(in_thread(self._ask))
            done, _ = await asyncio.wait((asked,), timeout=self._deadline_s)
            error = asked.exception() if done else None
            if error is not None or not done:
                what = error or f"no answer for {self._deadline_s:g} s"
                why = f"Ray's head process is lost: {what}"
                logger.error("%s", why)
                return why
