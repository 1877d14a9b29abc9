"""The limits that a house's rules give the markets of one kind before a match and in play.

Owns nothing but the value: whoever has the rules makes it, and the markets' shell applies it.
"""

from msgspec import Struct

from engine.common.commands import Limits, WhyField


class PhaseLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits by phase, and why these: which rules give those in play."""

    prematch: Limits
    live: Limits
    why: WhyField = ""
