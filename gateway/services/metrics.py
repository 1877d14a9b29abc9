"""Render a gateway's counters and gauges for Prometheus.

Owns the names and help texts of the samples. Samples are made only when they are scraped, in a
registry of the gateway's own, so that the process's other metrics stay out. It never counts;
gateway.counters does.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.bets.stats import BetStats, latency_edges_s
from gateway.counters import Counters

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKET_STEP: Final = 8
"""Buckets per rendered bucket: Prometheus gets one bucket per octave."""


_COUNTS: Final[dict[str, str]] = {
    "sessions_opened": "Sessions opened",
    "handshakes_refused": "WebSocket handshakes refused",
    "http_requests": "Plain HTTP requests",
    "messages": "Messages received in sessions, bets included",
    "malformed": "Messages outside the schemas",
    "rate_limited": "Messages refused for their rate",
    "busy": "Requests refused because too many were in flight",
    "slow_closed": "Connections closed because they did not read",
    "work_turns": "Turns given to connections to handle what they sent",
    "work_rests": "Rests of clients that had used their share of the gateway's time",
    "prices_in": "Price changes received from market shells",
    "odds_out": "Odds and images sent to subscribers",
    "odds_conflated": "Odds held back from a slow subscriber and replaced by later ones",
    "images_healed": "Market images fetched because a change did not fit the one held",
    "account_events_out": "Bet events sent to their owners",
    "bets_shown": "Bets shown to sessions that watch bets",
    "bets_shown_frames": "Messages of bets shown that were encoded; equal filters share them",
    "bets_missed": "Bets that sessions which watch bets were told to have missed",
    "control_commands": "Market commands received on control sessions",
    "feed_messages": "Messages of feeds answered, those refused included",
    "feed_refused": "Messages of feeds without effect",
    "audit_lines_dropped": "Lines of the audit trail dropped while the desk was down",
}


class GatewayMetrics(Collector):
    """Samples of one gateway.

    Parameters
    ----------
    counters : Counters
        The plain counts.
    bets : BetStats
        The bet path's answers and latencies.
    gauges : callable
        Returns the present values by name: connections, bets_in_flight and so on.
    feeds : callable
        Returns the metrics of feeds, from the last figures of their pipelines.
    """

    def __init__(
        self,
        *,
        counters: Counters,
        bets: BetStats,
        gauges: Callable[[], dict[str, int]],
        feeds: Callable[[], Iterable[Metric]],
    ) -> None:
        self._counters = counters
        self._bets = bets
        self._gauges = gauges
        self._feeds = feeds
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def render(self) -> bytes:
        """Return all samples in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families; called by the registry."""
        for name, text in _COUNTS.items():
            yield CounterMetricFamily(
                f"overround_gateway_{name}", text, value=getattr(self._counters, name)
            )
        for name, value in self._gauges().items():
            yield GaugeMetricFamily(f"overround_gateway_{name}", name.replace("_", " "), value)
        denied = CounterMetricFamily(
            "overround_gateway_denied", "Denials by kind; each has an audit line", labels=["kind"]
        )
        for kind, count in self._counters.denied.items():
            denied.add_metric([kind], count)
        yield denied
        closed = CounterMetricFamily(
            "overround_gateway_closed", "Connections closed by code", labels=["code"]
        )
        for code, count in self._counters.close_codes.items():
            closed.add_metric([str(code)], count)
        yield closed
        yield from self._bet_metrics()
        yield from self._feeds()

    def _bet_metrics(self) -> Iterator[Metric]:
        answers = CounterMetricFamily(
            "overround_bets_answered", "Bets answered, by reason", labels=["reason"]
        )
        for reason, count in self._bets.answers.items():
            answers.add_metric([reason.name.lower()], count)
        answers.add_metric(["timed_out"], self._bets.unknown)
        yield answers
        counts = self._bets.latency_counts
        edges = latency_edges_s()
        buckets: list[tuple[str, float]] = [
            (f"{edges[i]:.6g}", float(counts[: i + 1].sum()))
            for i in range(_BUCKET_STEP - 1, len(edges), _BUCKET_STEP)
        ]
        buckets.append(("+Inf", float(counts.sum())))
        yield HistogramMetricFamily(
            "overround_bet_ack_seconds",
            "Seconds from a bet's arrival to its answer",
            buckets=buckets,
            sum_value=self._bets.latency_sum_s,
        )
