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


def is_event_id(text: str) -> bool:
    """Say whether a text can be the id of an event, and so the fixture of its markets' keys."""
    return _EVENT_ID.fullmatch(text) is not None


def are_specifiers(text: str) -> bool:
    """Say whether a text is ``name=value|name=value``, whether or not we can hold such a market."""
    return _SPECIFIERS.fullmatch(text) is not None
