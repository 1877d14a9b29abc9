"""A message of a feed in progress: its parts for market shells, and how they were answered.

Owns the count of parts. It sends nothing and knows no market.
"""

from collections.abc import Callable


class PendingMessage:
    """A message whose parts are being added, sent and answered.

    Parameters
    ----------
    kind : str
        The message's own name, for counting.
    refused : str
        Why the adapter refused the message; empty when it did not.
    received_s : float
        When the message was received, in seconds of the event loop's clock.
    on_done : callable
        Called once, when every part is answered and no more can be added.
    """

    __slots__ = (
        "_on_done",
        "failed",
        "held",
        "kind",
        "left",
        "parts",
        "received_s",
        "refused",
        "why",
    )

    def __init__(
        self,
        *,
        kind: str,
        refused: str,
        received_s: float,
        on_done: Callable[["PendingMessage"], None],
    ) -> None:
        self.kind = kind
        self.refused = refused
        self.received_s = received_s
        self.parts = 0
        self.left = 1  # until `parts_added`, the adding counts as a part of its own
        self.failed = 0
        self.held = 0  # the number under which a held message is answered
        self.why = ""
        self._on_done: Callable[[PendingMessage], None] | None = on_done

    def add_part(self) -> None:
        """Count one more part that has to be answered."""
        self.parts += 1
        self.left += 1

    def part_done(self, why: str = "") -> None:
        """Count the answer to a part; `why` says why no market obeyed it, empty if one did."""
        if why:
            self.failed += 1
            self.why = self.why or why
        self._one_less()

    def parts_added(self) -> None:
        """Note that no more parts will be added."""
        self._one_less()

    def _one_less(self) -> None:
        self.left -= 1
        if self.left == 0 and self._on_done is not None:
            # Dropped, as it holds what holds this message: a cycle would leave both to the
            # garbage collector, whose work on them cost a feed an eighth of its processor time.
            on_done, self._on_done = self._on_done, None
            on_done(self)

    @property
    def done(self) -> bool:
        """Say whether every part is answered."""
        return self.left == 0

    @property
    def verdict(self) -> str:
        """Why the message had no effect; empty when any part of it was obeyed."""
        if self.refused or not self.parts or self.failed < self.parts:
            return self.refused
        return self.why
