"""How feeds fare, as their desks last said: what a gateway shows Prometheus of them.

Owns the last figures of each desk, and asks for new ones every few seconds while somebody reads
them. A reader never waits for a desk: it sees what was said last, and how long ago.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from actors.peer import Peer, PeerError

FIGURES_EVERY_S: Final = 5.0
"""How often a desk is asked, at most."""
READ_WITHIN_S: Final = 120.0
"""Desks are asked for so long after somebody read their figures."""
KINDS_SHOWN_MAX: Final = 64
"""Kinds of messages of a feed with a sample of their own; the later ones are not shown."""

_GAUGES: Final[dict[str, tuple[str, str]]] = {
    "in_hand": ("in_hand", "Messages of a feed that are not obeyed yet"),
    "lag_ms": ("lag_ms", "Age of the oldest message in hand, in milliseconds"),
    "requests": ("requests_open", "Recoveries that the provider is still to be asked for"),
    "markets": ("markets", "Markets of a feed"),
}


class FeedFigures:
    """The last figures of every desk.

    Parameters
    ----------
    peers : mapping
        The desks by the names of their feeds; looked up anew each time.
    timeout_s : float
        How long a desk may take; then its last figures stand.
    """

    def __init__(self, peers: Mapping[str, Peer], *, timeout_s: float) -> None:
        self._peers: Final = peers
        self._timeout_s: Final = timeout_s
        self._said: dict[str, tuple[float, dict[str, Any]]] = {}
        self._read_s = 0.0
        self._asking: asyncio.Task[None] | None = None

    def metrics(self) -> Iterator[Metric]:
        """Yield what is known now, and have it known anew from here on."""
        now_s = asyncio.get_running_loop().time()
        self._read_s = now_s
        if self._asking is None and self._peers:
            self._asking = asyncio.get_running_loop().create_task(self._ask_on())
        messages = CounterMetricFamily(
            "overround_feed_messages", "Messages of a feed, by kind", labels=["feed", "kind"]
        )
        refused = CounterMetricFamily(
            "overround_feed_refused", "Messages of a feed that meant nothing", labels=["feed"]
        )
        age = GaugeMetricFamily(
            "overround_feed_figures_age_seconds",
            "How long ago the feed's desk said the other figures",
            labels=["feed"],
        )
        for feed, (at_s, said) in self._said.items():
            for kind, count in islice(said["kinds"].items(), KINDS_SHOWN_MAX):
                messages.add_metric([feed, kind], count)
            refused.add_metric([feed], said["refused"])
            age.add_metric([feed], now_s - at_s)
        yield from (messages, refused, age)
        for field, (name, text) in _GAUGES.items():
            gauge = GaugeMetricFamily(f"overround_feed_{name}", text, labels=["feed"])
            for feed, (_, said) in self._said.items():
                gauge.add_metric([feed], said[field])
            yield gauge

    def stop(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()

    async def _ask_on(self) -> None:
        """Ask every desk again and again, until nobody has read its figures for long."""
        loop = asyncio.get_running_loop()
        try:
            while loop.time() - self._read_s < READ_WITHIN_S:
                await asyncio.gather(*map(self._ask, list(self._peers)))
                await asyncio.sleep(FIGURES_EVERY_S)
        finally:
            self._asking = None

    async def _ask(self, feed: str) -> None:
        with contextlib.suppress(PeerError):
            said = await self._peers[feed].ask("stats", timeout_s=self._timeout_s)
            self._said[feed] = (asyncio.get_running_loop().time(), said)
