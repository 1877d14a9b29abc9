"""Gateways that are shown bets as they are decided, and how many lines each may still be sent.

Owns the allowance of each gateway: it lends a number of lines again and again while it takes them,
so a gateway that stands still, or one whose notifications are lost, is sent no more than one
allowance ahead. What is over it is counted and not sent. Never decides and never holds a bet up.
"""

from collections.abc import Mapping
from typing import Any, Final

from actors.peer import Peer

LINES_LENT_MAX: Final = 16_384
"""Lines that one allowance may be of: 2 MB."""


class _Allowance:
    """What one gateway may still be sent, and what it was not sent since the last time."""

    __slots__ = ("left", "missed")

    def __init__(self) -> None:
        self.left = 0
        self.missed = 0


class BetWatch:
    """The gateways that watch the bets of one shell; false while there is none."""

    def __init__(self) -> None:
        self._allowances: dict[str, _Allowance] = {}

    def __bool__(self) -> bool:
        return bool(self._allowances)

    def lend(self, gateway: str, lines: int) -> None:
        """Let a gateway be sent so many lines from now on, whatever is left; 0 ends its watch."""
        if lines <= 0:
            self._allowances.pop(gateway, None)
            return
        self._allowances.setdefault(gateway, _Allowance()).left = min(lines, LINES_LENT_MAX)

    def keep(self, gateways: Mapping[str, Peer]) -> None:
        """Forget the gateways that are not among these."""
        self._allowances = {
            name: allowance for name, allowance in self._allowances.items() if name in gateways
        }

    def send(self, gateways: Mapping[str, Peer], count: int, method: str, *args: Any) -> None:
        """Notify gateways that watch of `count` lines; the first argument is what each missed."""
        for name, allowance in self._allowances.items():
            if count > allowance.left:
                allowance.missed += count
                continue
            missed, allowance.missed = allowance.missed, 0
            allowance.left -= count
            gateways[name].notify(method, missed, *args)
