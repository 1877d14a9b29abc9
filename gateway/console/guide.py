"""What to do about an alert or a shell in quarantine: sections of documents, as they are shown.

Owns which section belongs to which kind of rule, and how the text is cut into parts. The texts are
those of docs/watching.md and docs/operations.md; the package has both as links.
"""

import re
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

WATCHING: Final = "watching.md"
OPERATIONS: Final = "operations.md"
QUARANTINE: Final = "Quarantine, and release"
_HEADINGS: Final[dict[str, str]] = {
    "identical": "Identical bets",
    "syndicate": "Syndicates",
    "closing_value": "Closing-line value",
    "no_bet_stop": "No bet-stop",
}
"""The heading of a kind's section, where it is not its name in words."""


def heading_of(kind: str) -> str:
    """Return the heading of the section about a kind of rule."""
    return _HEADINGS.get(kind, kind.replace("_", " ").capitalize())


_NUMBERED: Final = re.compile(r"\d+\. ")


class Part(NamedTuple):
    """A piece of a section: its tag, and its text without marks."""

    tag: str
    text: str


@cache
def sections(document: str = WATCHING) -> dict[str, tuple[Part, ...]]:
    """Return the parts of each section of a document, by its heading."""
    found: dict[str, tuple[Part, ...]] = {}
    text = Path(__file__).with_name(document).read_text(encoding="utf-8")
    for section in text.split("\n## ")[1:]:
        heading, _, body = section.partition("\n")
        found[heading.strip()] = tuple(_parts(body))
    return found


def _parts(body: str) -> list[Part]:
    """Return a section's paragraphs, list items, and tables and code as they are."""
    parts: list[Part] = []
    for number, piece in enumerate(body.split("```")):
        if number % 2:  # between two fences
            parts.append(Part("pre", piece.partition("\n")[2].rstrip()))
        else:
            for block in piece.split("\n\n"):
                parts += _block(block.strip("\n"))
    return parts


def _block(block: str) -> list[Part]:
    """Return the parts of a text without an empty line."""
    if block.startswith(("|", "    ")):
        return [Part("pre", block)]
    items: list[tuple[str, str]] = []
    for line in block.split("\n"):
        if line.startswith("- "):
            items.append(("li", line[2:]))
        elif _NUMBERED.match(line):
            items.append(("p", line))
        elif line.strip() and items:
            tag, text = items[-1]
            items[-1] = tag, f"{text} {line.strip()}"
        elif line.strip():
            items.append(("p", line.strip()))
    return [Part(tag, _plain(text)) for tag, text in items]


def _plain(text: str) -> str:
    """Return a text without marks of emphasis and code, and links by their names."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"(\*\*|\*|`)([^*`]+)\1", r"\2", text)
