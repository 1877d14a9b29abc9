"""The grammar of the provider's names: the ids of events, the specifiers of markets.

Owns two questions, for the reader and for the adapter alike: can a text be the id of an event, and
are specifiers a name that a market can have. It never says whether a market exists.
"""

import re
from typing import Final

EVENT_ID_RULE: Final = "must be a urn such as sr:match:-1, of 3 to 64 letters, digits and :._-"
_EVENT_ID: Final = re.compile(r"(?=.{3,64}\Z)[A-Za-z0-9._-]+(?::[A-Za-z0-9._-]+)+", re.ASCII)
"""Every event id of the provider is a urn. Its colon keeps the keys of its markets apart from those
of other feeds and of markets that people make."""
_SPECIFIERS: Final = re.compile(r"(?:[^=|\x00-\x20]+=[^=|\x00-\x1f]*(?:\||\Z))*")


_NUMBER: Final = re.compile(r"([+-]?)0*(\d+)(?:\.(\d*?)0*)?", re.ASCII)
_TEXTS: Final = frozenset({"group", "id", "type", "variant", "version"})
"""Specifiers whose values are texts though they may look like numbers."""


def canonical_specifiers(text: str) -> str:
    """Return specifiers in the one spelling that all their spellings share.

    An empty part means nothing (``total=2.5|``), nor do blanks around a name or a value. A number
    has no sign but a minus, no leading zero and no fraction that ends in 0: 2.50 and +2.5 are 2.5,
    2.0 is 2, -0 is 0. What is malformed stays so.
    """
    parts = []
    for part in text.split("|"):
        name, equals, value = part.partition("=")
        name, value = name.strip(), value.strip()
        if name or equals or value:
            number = _NUMBER.fullmatch(value) if name not in _TEXTS else None
            parts.append(f"{name}{equals}{_number(number) if number is not None else value}")
    return "|".join(parts)


def _number(found: re.Match[str]) -> str:
    whole, fraction = found[2], found[3] or ""
    value = f"{whole}.{fraction}" if fraction else whole
    return f"-{value}" if found[1] == "-" and value != "0" else value


def is_event_id(text: str) -> bool:
    """Say whether a text can be the id of an event, and so the fixture of its markets' keys."""
    return _EVENT_ID.fullmatch(text) is not None


def are_specifiers(text: str) -> bool:
    """Say whether a text is ``name=value|name=value``, whether or not we can hold such a market."""
    return _SPECIFIERS.fullmatch(text) is not None
