"""The settings of a simulated world: the system's own bounds and deadlines, shortened.

Owns the numbers. Deadlines keep their order, so that in a few simulated seconds everything happens
that a bookmaker sees in a bad week.
"""

from pathlib import Path

from actors.settings import ReconcilerSettings
from gateway.feeds.core.pipeline import PipelineSettings
from gateway.settings import GatewaySettings
from persistence.journal import JournalOptions

FOLDER = Path("/simulated")
CURRENCIES = {"EUR": 1_000_000, "KRW": 6_123, "GBP": 1_170_001}
"""Rates of the currencies; an account's is chosen by its number."""
SETTLE_S = 30.0
"""Longest time that a healed world may need until every bet is resolved."""
RESTART_S = 0.25
JOURNAL = JournalOptions(
    segment_bytes=64 << 10, allocate_bytes=64, snapshot_bytes=96 << 10, snapshot_aside=False
)
GATEWAY = GatewaySettings(
    bets_host="127.0.0.1",
    bets_port=0,
    control_port=0,
    feed_port=0,
    bet_deadline_ms=1_000,
    call_timeout_ms=350,
    control_timeout_ms=700,
)
SUPERVISOR = {
    "tick_ms": 200,
    "tick_deadline_ms": 600,
    "start_deadline_ms": 3_000,
    "backoff_min_ms": 20,
    "backoff_max_ms": 200,
    "restarts_max": 12,
    "restart_window_ms": 5_000,
    "recoveries_max": 8,
    "spare_process": False,
}
RECONCILER = ReconcilerSettings(
    period_ms=200, orphan_after_ms=2_500, chunk_rows=64, call_timeout_ms=700
)


def currency_of(account: int) -> str:
    """Return an account's currency: three of four are in the base currency."""
    return ("EUR", "EUR", "EUR", "KRW", "EUR", "EUR", "GBP", "EUR")[account % 8]


PIPELINE = PipelineSettings(call_timeout_ms=350)
