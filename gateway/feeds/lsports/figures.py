"""Read single figures of LSports' JSON: numbers that may come as text, prices, times.

Owns how each is read and when it is unreadable. A figure is given as its raw JSON, so that a figure
that cannot be read never costs the rest of its message.
"""

import re
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Raw

from engine.common.units import NS_PER_MS, ODDS_MILLI_MAX, ODDS_MILLI_MIN
from gateway.feeds.lsports.messages import PRICE_REFUSED

NONE: Final = Raw(b"")
"""A figure that a message does not have."""
SECONDS_MAX: Final = 100_000_000_000
"""A timestamp below this is in seconds: as milliseconds it would be of 1973 at the latest."""
_ABSENT: Final = (b"", b"null", b'""')
_WHOLE: Final = re.compile(rb'"?\s*([+-]?\d{1,19})\s*"?')
_DECIMAL: Final = re.compile(rb'"?\s*\+?(\d{1,12})(?:\.(\d{1,24}))?\s*"?')
_NUMBER: Final = re.compile(rb"-?\d{1,32}(?:\.\d{1,24})?")
_TIME: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2})(?:\.(\d{1,12}))?(Z|[+-]\d{2}:\d{2})?"
)


def absent(raw: Raw) -> bool:
    """Say whether a message says nothing of a figure."""
    return bytes(raw) in _ABSENT


def whole(raw: Raw) -> int | None:
    """Return a whole number, given as a number or as text; None when it is neither."""
    found = _WHOLE.fullmatch(bytes(raw))
    return int(found[1]) if found else None


def text(raw: Raw) -> str:
    """Return a text, or a number as its digits; empty when it is neither."""
    if absent(raw):
        return ""
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        digits = bytes(raw)
        return digits.decode() if _NUMBER.fullmatch(digits) else ""


def price_milli(raw: Raw) -> int | None:
    """Return a price in thousandths, rounded down; None when it cannot be read.

    A price outside our bounds is `PRICE_REFUSED`: the provider sends 1 where it offers nothing.
    """
    found = _DECIMAL.fullmatch(bytes(raw))
    if found is None:
        return None
    milli = int(found[1]) * 1_000 + int((found[2] or b"")[:3].ljust(3, b"0"))
    return milli if ODDS_MILLI_MIN <= milli <= ODDS_MILLI_MAX else PRICE_REFUSED


def timestamp_ms(raw: Raw) -> int | None:
    """Return a timestamp in milliseconds; the provider gave it in seconds at one time."""
    number = whole(raw)
    if number is None or number <= 0:
        return None
    return number * 1_000 if number < SECONDS_MAX else number


def time_ns(raw: Raw) -> int | None:
    """Return a moment in nanoseconds, given in ISO 8601 or as a timestamp; None: unreadable."""
    milliseconds = timestamp_ms(raw)
    if milliseconds is not None:
        return milliseconds * NS_PER_MS
    found = _TIME.fullmatch(text(raw))
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(found[1] + (found[3] or "Z"))
    except ValueError:
        return None
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return seconds * 1_000_000_000 + int((found[2] or "")[:9].ljust(9, "0"))
