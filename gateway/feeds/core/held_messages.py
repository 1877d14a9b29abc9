"""The messages that a feed's adapter holds, each unanswered until its markets have obeyed.

Owns the numbers under which gateways ask for the answers of held messages. Nothing here is durable:
a message that is held when its adapter or this process ends is not held any more, and its source is
told to send it again. It never carries out an action.
"""

from collections.abc import Sequence
from typing import Final

from gateway.feeds.core.messages import HeldAnswer
from gateway.feeds.core.pending_message import PendingMessage

COPIES_MAX: Final = 4
"""Copies of one message that are held, one for each source that sent it; past it the oldest is held
no more."""
ANSWERS_KEPT_MAX: Final = 8_192
"""Answers that nobody fetched; past it the oldest are dropped, and their messages sent again."""


class HeldMessages:
    """The held messages of one feed.

    Parameters
    ----------
    first_number : int
        Above every number that an earlier process gave.
    """

    def __init__(self, *, first_number: int) -> None:
        self._last: int = first_number
        self._copies: dict[int, list[PendingMessage]] = {}
        self._open: dict[int, None] = {}
        """Numbers that have no answer yet: held, or released and not yet obeyed."""
        self._answers: dict[int, HeldAnswer] = {}
        self.adapter: object = None
        """The adapter that holds them."""

    def __len__(self) -> int:
        return sum(map(len, self._copies.values()))

    def hold(self, number: int, message: PendingMessage) -> None:
        """Hold a message under the adapter's number, and give it one of its own."""
        self.keep(message)
        copies = self._copies.setdefault(number, [])
        copies.append(message)
        while len(copies) > COPIES_MAX:
            del self._open[copies.pop(0).held]

    def keep(self, message: PendingMessage) -> None:
        """Give a message a number under which its answer is asked for; it needs no release."""
        self._last += 1
        message.held = self._last
        self._open[message.held] = None

    def release(self, number: int) -> list[PendingMessage]:
        """Return the copies of a message that is held no more."""
        return self._copies.pop(number, [])

    def done(self, message: PendingMessage) -> None:
        """Keep the answer to a message that was held."""
        number = message.held
        self._open.pop(number, None)
        self._answers[number] = HeldAnswer(
            number=number, kind=message.kind, refused=message.verdict
        )
        while len(self._answers) > ANSWERS_KEPT_MAX:
            del self._answers[next(iter(self._answers))]

    def on_adapter(self, adapter: object) -> None:
        """Hold nothing for an adapter that was replaced: the new one knows none of it."""
        if adapter is self.adapter:
            return
        self.adapter = adapter
        for copies in self._copies.values():
            for message in copies:
                del self._open[message.held]
        self._copies.clear()

    def answers(self, numbers: Sequence[int]) -> list[HeldAnswer]:
        """Return the answers of those among some numbers that have one, each once."""
        return [
            self._answers.pop(number, HeldAnswer(number=number, again=True))
            for number in numbers
            if number not in self._open
        ]
