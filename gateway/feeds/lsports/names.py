"""Names of LSports' markets here: keys from fixture, market and line, and back.

Owns both directions, and says which keys belong to the feed. A key that this module makes is one
that it knows again after a restart.
"""

import re
from typing import Final, NamedTuple

from engine.common.ids import MalformedIdError, parse_market_key
from gateway.feeds.lsports.reader import FIXTURE_ID_MAX, MARKET_ID_MAX

TYPE_PREFIX: Final = "lsports_"
LINE: Final = "line"
_DECIMAL: Final = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?")
_PLAIN: Final = re.compile(r"[A-Za-z0-9.:+,/-]")
_ESCAPED: Final = re.compile(r"_([0-9a-f]{2})")


class MarketName(NamedTuple):
    """The provider's name of a market: fixture, market id and line (empty: none)."""

    fixture_id: int
    market_id: int
    line: str


def canonical_line(line: str) -> str:
    """Return a line in the one spelling that all its spellings share: 2.50 and +2.5 are 2.5."""
    found = _DECIMAL.fullmatch(line.strip())
    if found is None:
        return line.strip()
    sign, number, fraction = found[1], found[2].lstrip("0") or "0", (found[3] or "").rstrip("0")
    value = f"{number}.{fraction}" if fraction else number
    return f"-{value}" if sign == "-" and value != "0" else value


def market_key(feed: str, name: MarketName) -> str:
    """Return the key of a market.

    Raises
    ------
    MalformedIdError
        When the key is too long.
    """
    specifiers = f"?{LINE}={_escape(name.line)}" if name.line else ""
    text = f"{feed}.{name.fixture_id}/{TYPE_PREFIX}{name.market_id}{specifiers}"
    return str(parse_market_key(text))


def market_name(feed: str, key: str) -> MarketName | None:
    """Return the provider's name of a key; None when the key is not of this feed."""
    try:
        parsed = parse_market_key(key)
    except MalformedIdError:
        return None
    fixture_id = _number(parsed.fixture, f"{feed}.", FIXTURE_ID_MAX)
    market_id = _number(parsed.type, TYPE_PREFIX, MARKET_ID_MAX)
    specifiers = dict(parsed.specifiers)
    line = _unescape(specifiers.pop(LINE, ""))
    if fixture_id is None or market_id is None or specifiers or line is None:
        return None
    name = MarketName(fixture_id, market_id, line)
    return name if market_key(feed, name) == str(parsed) else None


def _number(text: str, prefix: str, maximum: int) -> int | None:
    digits = text.removeprefix(prefix)
    if not text.startswith(prefix) or not (digits.isascii() and digits.isdigit()):
        return None
    number = int(digits)
    return number if 0 < number <= maximum else None


def _escape(line: str) -> str:
    """Write what a specifier cannot hold as an underscore and two hex digits a byte."""
    return "".join(
        one if _PLAIN.fullmatch(one) else "".join(f"_{byte:02x}" for byte in one.encode())
        for one in line
    )


def _unescape(text: str) -> str | None:
    encoded = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text).encode("latin-1", "replace")
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        return None
