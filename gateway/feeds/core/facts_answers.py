"""Answer questions about a fixture's markets from what the feeds' pipelines know of them.

Owns how often pipelines are asked: bettors may ask as well, and a pipeline's first duty is its
feed. One question at a time is passed on, no more than one every `PACE_S`, and an answer serves
`KEPT_S` long for whoever asks the same. Past `QUESTIONS_MAX` waiting ones a question is refused as
BUSY. It never reads what a market is worth.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from actors.peer import Peer, PeerError
from engine.common.reasons import MESSAGES, Reason
from gateway.feeds.core.messages import decode_facts
from gateway.messages.base import Error
from gateway.messages.feed import AskFeedFacts, FeedFacts

QUESTIONS_MAX: Final = 64
PACE_S: Final = 0.01
KEPT_S: Final = 1.0
KEPT_MAX: Final = 1_024

Send = Callable[[Any], None]


class FactsAnswers:
    """The questions of one gateway's sessions.

    Parameters
    ----------
    peers : mapping
        The pipelines by the names of their feeds; read anew each time.
    timeout_s : float
        How long a pipeline may take to answer.
    """

    def __init__(self, peers: Mapping[str, Peer], *, timeout_s: float) -> None:
        self._peers: Final = peers
        self._timeout_s: Final = timeout_s
        self._waiting: deque[tuple[AskFeedFacts, Send]] = deque()
        self._kept: OrderedDict[tuple[str, str, str], tuple[float, FeedFacts]] = OrderedDict()
        self._running: asyncio.Task[None] | None = None

    def take(self, message: AskFeedFacts, send: Send) -> None:
        """Take a question, or refuse it; `send` sends the answer."""
        if len(self._waiting) >= QUESTIONS_MAX:
            _refuse(message, send, Reason.BUSY)
            return
        self._waiting.append((message, send))
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                message, send = self._waiting.popleft()
                asked = await self._answer(message, send)
                if asked:
                    await asyncio.sleep(PACE_S)
        finally:
            self._running = None

    async def _answer(self, message: AskFeedFacts, send: Send) -> bool:
        """Answer a question; return whether a pipeline was asked."""
        question = message.feed, message.fixture, message.after
        now_s = asyncio.get_running_loop().time()
        kept = self._kept.get(question)
        if kept is not None and now_s - kept[0] < KEPT_S:
            send(replace(kept[1], id=message.id))
            return False
        try:
            peer = self._peers[message.feed]
            raw = await peer.ask("facts", message.fixture, message.after, timeout_s=self._timeout_s)
        except PeerError:
            _refuse(message, send, Reason.UNAVAILABLE)
            return True
        markets, more = decode_facts(raw)
        answer = FeedFacts(
            id=message.id,
            feed=message.feed,
            fixture=message.fixture,
            markets=tuple(markets),
            more=more,
        )
        self._kept[question] = now_s, answer
        self._kept.move_to_end(question)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        send(answer)
        return True


def _refuse(message: AskFeedFacts, send: Send, reason: Reason) -> None:
    send(Error(code=int(reason), message=MESSAGES[reason], id=message.id))
