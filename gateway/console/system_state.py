"""What the gateways say of themselves: readiness and metrics, by their plain pages.

Owns the requests and how the answers are read. The pages are the operator's, and need no token.
"""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from gateway.services.readiness import Readiness

TIMEOUT_S: Final = 2.0
PAGE_BYTES_MAX: Final = 4 << 20
SAMPLES_MAX: Final = 2_000


class Sample(NamedTuple):
    """One sample of a gateway's metrics."""

    gateway: str
    name: str
    labels: str
    value: float
    help: str


class GatewayState(NamedTuple):
    """One gateway: its readiness, or why it gave none, and its samples."""

    url: str
    readiness: Readiness | None
    why: str
    samples: tuple[Sample, ...]


async def gateway_state(control_url: str) -> GatewayState:
    """Ask one gateway, by the address of its control listener."""
    return await asyncio.to_thread(_ask, control_url)


def _ask(control_url: str) -> GatewayState:
    base = control_url.replace("ws://", "http://", 1).replace("wss://", "https://", 1)
    try:
        readiness = msgspec.json.decode(_get(f"{base}/readyz"), type=Readiness)
        samples = tuple(_samples(base, _get(f"{base}/metrics").decode()))
    except (OSError, ValueError) as error:
        return GatewayState(base, None, str(error), ())
    return GatewayState(base, readiness, "", samples)


def _get(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT_S) as answer:
            return bytes(answer.read(PAGE_BYTES_MAX))
    except urllib.error.HTTPError as error:
        return bytes(error.read(PAGE_BYTES_MAX))  # 503 has the same document


def _samples(gateway: str, text: str) -> Iterator[Sample]:
    count = 0
    for family in text_string_to_metric_families(text):
        if family.type == "histogram":
            continue
        for sample in family.samples:
            count += 1
            if count > SAMPLES_MAX:
                return
            labels = ", ".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            yield Sample(gateway, sample.name, labels, float(sample.value), family.documentation)


def facts(state: GatewayState) -> dict[str, Any]:
    """Return a gateway's readiness as texts."""
    ready = state.readiness
    if ready is None:
        return {"state": f"\u26a0 no answer: {state.why}"[:120]}
    shells = ", ".join(f"{count} {name}" for name, count in sorted(ready.shells.items()))
    return {
        "state": "\u25cf ready" if ready.ready else "\u26a0 not ready",
        "markets": ready.markets,
        "without": ready.markets_without_prices,
        "stale": ready.markets_stale,
        "shells": shells,
        "quarantined": ", ".join(ready.quarantined),
        "alarms": ", ".join(ready.alarms),
        "down": ", ".join(ready.parts_down),
        "clocks": f"{ready.clock_jumps} jumps, {ready.clocks_behind} behind",
        "routes": ready.routes_version,
    }
