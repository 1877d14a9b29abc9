"""Updates by which one market follows others of its shell.

Owns their form: a message of a source, as a feed's are, so that they neither set nor end a trader's
hold. Never decides what a market needs.
"""

import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from engine.common.commands import FeedStep, FeedUpdate
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS, Nanos
from engine.market.market import MarketMachine

STOPPED: Final = (Status.INACTIVE, Status.SUSPENDED, Status.HANDED_OVER)
"""The statuses in which a market may be opened again."""
_encode: Final = msgspec.msgpack.Encoder().encode


class FollowingUpdates:
    """The updates of one source.

    Parameters
    ----------
    source : str
        What the markets follow.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._count = 0

    def of(
        self, machine: MarketMachine, number: MarketNo, steps: Sequence[FeedStep], at_ns: Nanos
    ) -> FeedUpdate:
        """Return steps as one message; the digest tells those of one millisecond apart."""
        self._count += 1
        content = (machine.price_delta(number).version, self._count, tuple(steps))
        return FeedUpdate(
            market_no=number,
            source=self._source,
            position=at_ns // NS_PER_MS,
            steps=tuple(steps),
            digest=zlib.crc32(_encode(content)),
        )
