"""Which market shells do not answer a pipeline, and which have missed parts of its messages.

Owns what is known of such shells: the last failure, whether one is *behind*, the markets whose stop
it missed, and counts. A shell that is behind has missed parts, and is sent none until its markets
are suspended and the provider repeats what it missed. It sends nothing and keeps no part.

Bounds: of a shell that is behind its markets at most, each once.
"""

from collections.abc import Iterable
from typing import Final

from engine.common.ids import MarketNo

SHELLS_SHOWN_MAX: Final = 64
"""Shells that statistics name: those for which most parts wait, or that missed most."""


class LateShells:
    """The shells of one pipeline of which the last call failed, and those that are behind."""

    def __init__(self) -> None:
        self.failed: dict[str, bool] = {}
        """Shells whose last call must be repeated; True: they answered that they have no room."""
        self.behind: dict[str, bool] = {}
        """Shells that are behind; False: one is quarantined, and is asked nothing until it is said
        to serve."""
        self._missed: dict[str, int] = {}
        self._stopped: dict[str, dict[MarketNo, None]] = {}

    def back(self, shell: str) -> list[MarketNo]:
        """Note that a shell that was behind answers again; return the markets to be stopped."""
        del self.behind[shell]
        self.failed.pop(shell, None)
        return list(self._stopped.pop(shell, ()))

    def missed(self, shell: str, parts: int) -> None:
        """Count parts that a shell missed."""
        self._missed[shell] = self._missed.get(shell, 0) + parts

    def missed_stops(self, shell: str, markets: Iterable[MarketNo]) -> None:
        """Note markets whose stop a shell missed: they are stopped as soon as it answers."""
        self._stopped.setdefault(shell, {}).update(dict.fromkeys(markets))

    def missed_most(self) -> dict[str, int]:
        """Return the shells that missed most parts since the pipeline began, and how many."""
        return most(self._missed)


def most(counts: dict[str, int]) -> dict[str, int]:
    """Return the highest of some counts: `SHELLS_SHOWN_MAX` at most."""
    if len(counts) <= SHELLS_SHOWN_MAX:
        return dict(counts)
    named = sorted(counts, key=counts.__getitem__, reverse=True)[:SHELLS_SHOWN_MAX]
    return {shell: counts[shell] for shell in named}
