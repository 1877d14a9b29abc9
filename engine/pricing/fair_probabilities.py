"""Fair probabilities of one market, and where the message that brought them stands in its feed.

Owns two small structures that feeds, shells and pricing exchange. Loads no kernel, so that a
process that only passes them on does not wait for pricing.
"""

from msgspec import Struct


class Mark(Struct, frozen=True, kw_only=True):
    """Where a message stands in its feed, as a market remembers it (see FeedUpdate).

    `source` names feed, producer and lane, such as ``uof:1/odds`` and ``uof:1/result``: within a
    source, a later position overrules an earlier one. Positions are the feed's own times, in
    milliseconds, and `digest` (crc32 of the message) tells messages of one millisecond apart.
    """

    source: str
    position: int
    digest: int = 0


class Fair(Struct, frozen=True, kw_only=True):
    """True probabilities of a market's outcomes, in their order; the shell makes odds of them.

    `winners` is how many outcomes win (2 for double chance, the places of a place market);
    an outcome that is not `active` is not offered, and its probability is 0.
    """

    probabilities: tuple[float, ...]
    active: tuple[bool, ...]
    winners: int = 1
