"""Moments as texts that people read: UTC in ISO 8601, to the millisecond.

Owns this one form. Times of records and messages that programs compare stay integers.
"""

from datetime import UTC, datetime

from engine.common.units import Nanos


def utc_text(at_ns: Nanos) -> str:
    """Return a moment (nanoseconds UTC) as ``2026-01-31T12:00:00.125+00:00``."""
    return datetime.fromtimestamp(at_ns / 1e9, tz=UTC).isoformat(timespec="milliseconds")
