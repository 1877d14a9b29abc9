"""Report what a feed says of its fixtures to the supervisor, which keeps it in the directory.

Owns the reports that wait: of each fixture the newest. A report is repeated until the supervisor
answers; no message of the feed waits for one.
"""

import asyncio
import logging
import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

from actors.back_off import BackOff
from actors.messages import (
    FIXTURES_IN_CALL_MAX,
    PutFixtures,
    decode_fixture_answers,
    encode,
)
from actors.peer import Peer, PeerError, PeerRefusedError
from engine.common.fixtures import FIXTURE_TEXT_CHARS_MAX, FeedDescription
from engine.common.reasons import MESSAGES

logger = logging.getLogger("overround.feeds")

REPORTS_WAITING_MAX: Final = 16_384
"""Fixtures whose report waits; past it the oldest is dropped and counted."""
_TIMEOUT_S: Final = 10.0
_RETRY_S: Final = 0.25
_RETRY_S_MAX: Final = 5.0
_NO_ID: Final = re.compile(r"[^A-Za-z0-9:._-]+")


def shown_text(text: str) -> str:
    """Return a provider's text as a fixture's name may be: printable, on one line, not too long."""
    return "".join(filter(str.isprintable, text)).strip()[:FIXTURE_TEXT_CHARS_MAX]


def category_id(text: str) -> str:
    """Return a provider's name of a sport or a competition as an id."""
    return _NO_ID.sub("_", text.lower())[:FIXTURE_TEXT_CHARS_MAX].strip("_")


class FixtureReports:
    """The descriptions of one feed on their way to the supervisor.

    Parameters
    ----------
    by : str
        The feed's name in the directory.
    supervisor : Peer
        Keeps what is known of fixtures.
    """

    def __init__(self, *, by: str, supervisor: Peer) -> None:
        self.dropped = 0
        """Reports that were dropped because too many waited."""
        self._by = by
        self._supervisor = supervisor
        self._changed = asyncio.Event()
        self._waiting: dict[str, FeedDescription] = {}
        self._running: asyncio.Task[None] | None = None

    def set_supervisor(self, supervisor: Peer) -> None:
        """Report to this supervisor from now on."""
        self._supervisor = supervisor
        self._changed.set()

    def add(self, descriptions: Iterable[FeedDescription]) -> None:
        """Report descriptions; of a fixture whose report waits, the newest counts."""
        for description in descriptions:
            self._waiting[description.patch.fixture] = description
        while len(self._waiting) > REPORTS_WAITING_MAX:
            del self._waiting[next(iter(self._waiting))]
            self.dropped += 1
        if self._waiting and self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Report nothing more."""
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> None:
        clock_s = asyncio.get_running_loop().time
        back_off = BackOff(_RETRY_S, _RETRY_S_MAX, clock_s=clock_s)
        try:
            while self._waiting:
                part = dict(islice(self._waiting.items(), FIXTURES_IN_CALL_MAX))
                self._changed.clear()
                try:
                    await self._report(list(part.values()))
                except (PeerError, PeerRefusedError) as error:
                    logger.warning("%s: fixtures are not described yet: %s", self._by, error)
                    back_off.failed()
                    await back_off.wait(self._changed)
                    continue
                except Exception:
                    # The supervisor could not read the call; others' fixtures must not wait for it.
                    logger.exception("%s: the supervisor cannot read a report", self._by)
                for name, description in part.items():
                    if self._waiting.get(name) is description:
                        del self._waiting[name]
        finally:
            self._running = None

    async def _report(self, descriptions: list[FeedDescription]) -> None:
        payload = encode(PutFixtures(by=self._by, changes=tuple(descriptions)))
        raw = await self._supervisor.ask("put_fixtures", payload, timeout_s=_TIMEOUT_S)
        answers = decode_fixture_answers(raw)
        for description, answer in zip(descriptions, answers, strict=True):
            if answer.refused is not None:
                why = answer.refused.message or MESSAGES[answer.refused.reason]
                logger.warning("%s: %s: %s", self._by, description.patch.fixture, why)
