"""The gateway's side of held messages: ask their pipeline for answers, and send these to sessions.

Owns which session waits for which held message. It keeps no message: one that is lost with its
pipeline is one that its source is told to send again.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Final

from msgspec import Struct

from actors.peer import Peer, PeerError, PeerRefusedError
from gateway.feeds.core.messages import Answer, HeldAnswer, decode_held_answers
from gateway.messages.feed import FeedPushed, FeedReleased
from gateway.messages.protocol import ServerMessage

logger = logging.getLogger("overround.gateway")

POLL_S: Final = 0.25
"""Time between two questions to a pipeline, asked only while a session waits for an answer."""
ASKED_MAX: Final = 4_096
"""Held messages in one question; the rest is in the next ones."""


class _Waiting(Struct, frozen=True):
    """A held message: who pushed it, and where it stands in the push."""

    session: object
    send: Callable[[ServerMessage], None]
    push_id: int
    index: int


class HeldPushes:
    """The held messages that sessions of a gateway have pushed.

    Parameters
    ----------
    peers : mapping
        The pipelines by the names of their feeds; read anew each time.
    timeout_s : float
        How long a pipeline may take to answer; then it is asked again.
    count : callable
        Counts answered messages, and how many of them were refused.
    """

    def __init__(
        self, peers: Mapping[str, Peer], *, timeout_s: float, count: Callable[..., None]
    ) -> None:
        self._peers: Final = peers
        self._timeout_s: Final = timeout_s
        self._count: Final = count
        self._waiting: dict[str, dict[int, _Waiting]] = {}
        self._polling: dict[str, asyncio.Task[None]] = {}

    def add(
        self,
        feed: str,
        answers: Sequence[Answer],
        *,
        session: object,
        send: Callable[[ServerMessage], None],
        push_id: int,
    ) -> None:
        """Wait for the held ones among the answers to a push."""
        held = {
            answer.held: _Waiting(session=session, send=send, push_id=push_id, index=index)
            for index, answer in enumerate(answers)
            if answer.held
        }
        if not held:
            return
        self._waiting.setdefault(feed, {}).update(held)
        if feed not in self._polling:
            self._polling[feed] = asyncio.get_running_loop().create_task(self._poll(feed))

    def leave(self, session: object) -> None:
        """Forget a session; it sends what is unanswered again."""
        for waiting in self._waiting.values():
            for number in [n for n, one in waiting.items() if one.session is session]:
                del waiting[number]

    async def _poll(self, feed: str) -> None:
        """Ask for answers until no session waits for one."""
        try:
            while self._waiting[feed]:
                await asyncio.sleep(POLL_S)
                numbers = list(islice(self._waiting[feed], ASKED_MAX))
                try:
                    raw = await self._peers[feed].ask("held", numbers, timeout_s=self._timeout_s)
                    self._send(feed, decode_held_answers(raw))
                except (PeerError, PeerRefusedError):
                    continue  # the pipeline's next process says that it holds nothing
                except Exception:  # whatever it is, nobody else asks for these answers
                    logger.exception("feed %s: held messages are not answered yet", feed)
        finally:
            del self._polling[feed]

    def _send(self, feed: str, answers: Sequence[HeldAnswer]) -> None:
        pushes: dict[tuple[int, int], tuple[_Waiting, list[FeedReleased]]] = {}
        for answer in answers:
            waiting = self._waiting[feed].pop(answer.number, None)
            if waiting is None:
                continue  # its session left
            if not answer.again:
                self._count(1, refused=int(bool(answer.refused)))
            key = (id(waiting.session), waiting.push_id)
            pushes.setdefault(key, (waiting, []))[1].append(
                FeedReleased(
                    index=waiting.index,
                    kind=answer.kind,
                    refused=answer.refused,
                    again=answer.again,
                )
            )
        for waiting, released in pushes.values():
            waiting.send(FeedPushed(id=waiting.push_id, released=tuple(released)))
