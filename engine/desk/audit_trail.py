"""The audit trail: who asked for what, and what came of it, newest lines in memory.

Owns the shape of a line, the bound of lines in memory and the search over them. The journals of
markets and accounts hold what happened; this trail says who sent each request, refused ones and
denials among them.
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Final

from msgspec import Struct

from engine.common.units import Nanos

LINES_KEPT_MAX: Final = 100_000
"""Lines in memory, of some 500 bytes each; older ones stay in the journal."""
SOURCES_KEPT_MAX: Final = 1_024
"""Processes whose last line is remembered, the latest ones."""
SLICE_LINES: Final = 500
"""Lines that a search looks at before others may have their turn: some milliseconds of work."""
REQUEST_CHARS_MAX: Final = 1_000
RESULT_CHARS_MAX: Final = 400


class AuditLine(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One request of a person or program on the control listener, after its answer.

    `what` is the message's type, or its single command's; `about` names markets, fixtures, accounts
    or proposals, as the request did. `request` is its text in JSON; of a long one the lines that
    follow have the rest.
    """

    at_ns: Nanos
    by: str
    what: str
    about: str = ""
    request: str = ""
    result: str = ""
    refused: bool = False
    gateway: str = ""


class LinesAdded(Struct, frozen=True, kw_only=True, tag_field="doc", tag="lines_added"):
    """Lines of one process, in order: `first` is the number that it gave the first of them.

    The same lines may come again when an answer was lost; those that the trail has are left out.
    """

    source: str
    first: int
    lines: tuple[AuditLine, ...]


class NumberedLine(Struct, frozen=True, kw_only=True, gc=False):
    """A line and its place in the trail."""

    number: int
    line: AuditLine


class AuditQuery(Struct, frozen=True, kw_only=True):
    """Which lines are wanted; an empty text and a 0 stand for any."""

    by: str = ""
    what: str = ""
    text: str = ""
    refused: bool = False
    from_ns: int = 0
    until_ns: int = 0
    before: int = 0


class AuditTrail:
    """The newest lines."""

    def __init__(self) -> None:
        self._lines: deque[AuditLine] = deque(maxlen=LINES_KEPT_MAX)
        self._last_of: dict[str, int] = {}
        self.count = 0
        """Lines so far, those that are out of memory included."""

    def fresh(self, added: LinesAdded) -> LinesAdded | None:
        """Return what of a document the trail does not have yet; None for nothing."""
        known = self._last_of.get(added.source, 0) - added.first + 1
        if known <= 0:
            return added
        lines = added.lines[known:]
        first = added.first + known
        return LinesAdded(source=added.source, first=first, lines=lines) if lines else None

    def apply(self, added: LinesAdded) -> None:
        """Append fresh lines, in their order; the oldest leave memory past the bound."""
        self._last_of.pop(added.source, None)
        self._last_of[added.source] = added.first + len(added.lines) - 1
        if len(self._last_of) > SOURCES_KEPT_MAX:
            del self._last_of[next(iter(self._last_of))]
        self._lines.extend(added.lines)
        self.count += len(added.lines)

    @property
    def first(self) -> int:
        """The number of the oldest line in memory."""
        return self.count - len(self._lines) + 1

    def search(self, query: AuditQuery) -> Iterator[list[NumberedLine]]:
        """Yield the lines that match, newest first, a list for each `SLICE_LINES` looked at.

        `text` is sought in every text, in any case. Lines may be added between two lists; the
        search is over those that were there when it began.
        """
        first, end = self.first, self.count + 1
        if query.before:
            end = max(first, min(end, query.before))
        lines = tuple(islice(self._lines, end - first))
        for stop in range(end, first, -SLICE_LINES):
            start = max(first, stop - SLICE_LINES)
            numbered = zip(
                range(stop - 1, start - 1, -1),
                reversed(lines[start - first : stop - first]),
                strict=True,
            )
            yield list(_matching(query, numbered))


def _matching(query: AuditQuery, lines: Iterator[tuple[int, AuditLine]]) -> Iterator[NumberedLine]:
    text = query.text.casefold()
    for number, line in lines:
        if query.from_ns and line.at_ns < query.from_ns:
            continue
        if query.until_ns and line.at_ns >= query.until_ns:
            continue
        if query.refused and not line.refused:
            continue
        if query.by not in line.by or query.what not in line.what:
            continue
        if text and not any(text in each.casefold() for each in _texts(line)):
            continue
        yield NumberedLine(number=number, line=line)


def _texts(line: AuditLine) -> tuple[str, ...]:
    return (line.by, line.what, line.about, line.request, line.result)
