"""Define the fair probabilities of one market, and a message's position in its feed.

Owns two structures that feeds, shells and pricing exchange. Imports no kernel, so that a process
that only forwards them does not wait for kernels to load.
"""

from msgspec import Struct


class Mark(Struct, frozen=True, kw_only=True, gc=False):
    """A message's position in its feed, as a market remembers it (see FeedUpdate).

    `source` names feed, producer and channel, such as ``uof:1/odds`` and ``uof:1/result``: within a
    source, a later position overrules an earlier one. Positions are the feed's own times, in
    milliseconds; `digest` (crc32 of the message) distinguishes messages of one millisecond.
    """

    source: str
    position: int
    digest: int = 0


class Fair(Struct, frozen=True, kw_only=True, gc=False):
    """Fair probabilities of a market's outcomes, in order; the market shell makes odds of them.

    `winners` is how many outcomes win: 2 for double chance, the number of places for a place
    market. An outcome that is not `active` has probability 0 and is not offered. No odds are above
    the `odds_milli_max` of their outcome, whatever margin, skew and ladder give; empty: no bounds.
    """

    probabilities: tuple[float, ...]
    active: tuple[bool, ...]
    winners: int = 1
    odds_milli_max: tuple[int, ...] = ()
