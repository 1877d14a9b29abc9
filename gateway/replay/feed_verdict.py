"""What a replay says of the recording's markets: opened, lost, and passed over, with reasons.

Owns these checks and lines, made of the feed's statistics. It asks nobody.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from gateway.demo.closing import Check
from gateway.messages.feed import FeedStats

LINES_MAX: Final = 10
"""Markets of each kind that are listed; how many more there are is said."""


def feed_checks(stats: FeedStats) -> tuple[Check, ...]:
    """Check that the recording opened a market, and that no market of it was lost."""
    first = next(iter(stats.lost.items()), ("", ""))
    found = ": ".join(first) if stats.lost else "none"
    if len(stats.lost) > 1:
        found = f"{len(stats.lost)}, the first {found}"
    return (
        Check(
            name="the recording opens a market",
            passed=stats.opened > 0,
            detail=f"{stats.opened:,} opened",
        ),
        Check(name="no market of the recording is lost", passed=not stats.lost, detail=found),
    )


def feed_lines(stats: FeedStats) -> Iterator[str]:
    """Yield the lines on lost markets, unopened ones, and parts of messages that had no effect."""
    yield from _listed("market lost", stats.lost)
    if not stats.opened or len(stats.unopened) <= LINES_MAX:
        yield from _listed("market never opened", stats.unopened)
    else:
        yield f"markets never opened: {len(stats.unopened):,} or more"
    for reason, count in stats.passed_over.items():
        if count:
            yield f"passed over {count:,} times: {reason}"


def _listed(title: str, whys: dict[str, str]) -> Iterator[str]:
    for market, why in islice(whys.items(), LINES_MAX):
        yield f"{title} {market}: {why}"
    if len(whys) > LINES_MAX:
        yield f"{title}: {len(whys) - LINES_MAX:,} more"
