"""The metrics of feeds that a gateway shows Prometheus: the last statistics of each pipeline.

Owns the last statistics of each pipeline, and polls for new ones every few seconds while metrics
are read. A reader never waits for a pipeline: it is shown what was received last, and how old that
is.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from actors.peer import Peer, PeerError

POLL_EVERY_S: Final = 5.0
"""Seconds between two polls of a pipeline."""
POLL_AFTER_READ_S: Final = 120.0
"""Seconds after a reading for which pipelines are still polled."""
KINDS_SHOWN_MAX: Final = 64
"""Kinds of messages of a feed with a sample of their own; later kinds are not shown."""
REASONS_SHOWN_MAX: Final = 128
"""Reasons for which parts of a feed's messages were passed over, each with a sample of its own."""

_GAUGES: Final[dict[str, tuple[str, str]]] = {
    "in_hand": ("in_hand", "Messages of a feed that are not obeyed yet"),
    "lag_ms": ("lag_ms", "Age of the oldest message that is not obeyed yet, in milliseconds"),
    "requests": ("requests_open", "Recoveries that the provider is still to be asked for"),
    "markets": ("markets", "Markets of a feed"),
    "shells_behind": ("shells_behind", "Market shells that do not answer and miss messages"),
}


class FeedMetrics:
    """The last statistics of every pipeline as Prometheus metrics.

    Parameters
    ----------
    peers : mapping
        The pipelines by the names of their feeds; read anew each time.
    timeout_s : float
        How long a pipeline may take to answer; then its last statistics stand.
    """

    def __init__(self, peers: Mapping[str, Peer], *, timeout_s: float) -> None:
        self._peers: Final = peers
        self._timeout_s: Final = timeout_s
        self._stats: dict[str, tuple[float, dict[str, Any]]] = {}
        self._read_s = 0.0
        self._polling: asyncio.Task[None] | None = None

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are known now, and have pipelines polled from now on."""
        now_s = asyncio.get_running_loop().time()
        self._read_s = now_s
        if self._polling is None and self._peers:
            self._polling = asyncio.get_running_loop().create_task(self._poll())
        messages = CounterMetricFamily(
            "overround_feed_messages", "Messages of a feed, by kind", labels=["feed", "kind"]
        )
        refused = CounterMetricFamily(
            "overround_feed_refused", "Messages of a feed that had no effect", labels=["feed"]
        )
        passed_over = CounterMetricFamily(
            "overround_feed_passed_over",
            "Parts of messages that had no use or could not be read, by reason",
            labels=["feed", "reason"],
        )
        missed = CounterMetricFamily(
            "overround_feed_shell_missed",
            "Parts of messages that a market shell missed because it did not answer",
            labels=["feed", "shell"],
        )
        waiting = GaugeMetricFamily(
            "overround_feed_shell_waiting",
            "Parts of messages that wait for a market shell",
            labels=["feed", "shell"],
        )
        age = GaugeMetricFamily(
            "overround_feed_figures_age_seconds",
            "Age of the other figures of a feed, since its pipeline sent them",
            labels=["feed"],
        )
        for feed, (at_s, stats) in self._stats.items():
            for kind, count in islice(stats["kinds"].items(), KINDS_SHOWN_MAX):
                messages.add_metric([feed, kind], count)
            refused.add_metric([feed], stats["refused"])
            for reason, count in islice(stats["passed_over"].items(), REASONS_SHOWN_MAX):
                passed_over.add_metric([feed, reason], count)
            for shell, count in stats["shells_missed"].items():
                missed.add_metric([feed, shell], count)
            for shell, count in stats["shells_waiting"].items():
                waiting.add_metric([feed, shell], count)
            age.add_metric([feed], now_s - at_s)
        yield from (messages, refused, passed_over, missed, waiting, age)
        for field, (name, text) in _GAUGES.items():
            gauge = GaugeMetricFamily(f"overround_feed_{name}", text, labels=["feed"])
            for feed, (_, stats) in self._stats.items():
                gauge.add_metric([feed], stats[field])
            yield gauge

    def stop(self) -> None:
        """Poll no more."""
        if self._polling is not None:
            self._polling.cancel()

    async def _poll(self) -> None:
        """Poll every pipeline until `POLL_AFTER_READ_S` after the last reading."""
        loop = asyncio.get_running_loop()
        try:
            while loop.time() - self._read_s < POLL_AFTER_READ_S:
                await asyncio.gather(*map(self._ask, list(self._peers)))
                await asyncio.sleep(POLL_EVERY_S)
        finally:
            self._polling = None

    async def _ask(self, feed: str) -> None:
        with contextlib.suppress(PeerError):
            stats = await self._peers[feed].ask("stats", timeout_s=self._timeout_s)
            self._stats[feed] = (asyncio.get_running_loop().time(), stats)
