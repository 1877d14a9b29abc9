"""Whose margin the odds of a market hold: the provider's or ours, as set for its type.

Owns the rules and how they are written. A market that our model prices is no matter of theirs.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

_TYPES_MAX: Final = 1 << 14
"""Types whose rule is kept; past it all are looked up again."""


class MarginRule(NamedTuple):
    """How odds are made of what the provider gives of a market."""

    from_probabilities: bool = False
    from_odds: bool = False
    """Take the provider's margin off its odds where it gives no probabilities."""
    winners: int | None = None


THEIRS: Final = MarginRule()
PROBABILITIES: Final = MarginRule(from_probabilities=True)


class MarginPolicy:
    """The rules of one feed.

    Parameters
    ----------
    rules : Sequence[str]
        Rules as `MarginRuleText` of the settings; the first that matches a type holds.
    default : MarginRule
        What holds where none matches.
    """

    def __init__(self, rules: Sequence[str], *, default: MarginRule) -> None:
        self._rules: Final = [_read_rule(text) for text in rules]
        self._default: Final = default
        self._by_type: dict[str, MarginRule] = {}

    def rule_of(self, market_key: str) -> MarginRule:
        """Return what holds for a market."""
        if not self._rules:
            return self._default
        market_type = market_key.partition("/")[2].partition("?")[0]
        rule = self._by_type.get(market_type)
        if rule is None:
            if len(self._by_type) >= _TYPES_MAX:
                self._by_type.clear()
            found = (rule for pattern, rule in self._rules if fnmatchcase(market_type, pattern))
            rule = self._by_type[market_type] = next(found, self._default)
        return rule


def _read_rule(text: str) -> tuple[str, MarginRule]:
    pattern, _, policy = text.partition("=")
    name, _, winners = policy.partition(" ")
    if name == "ours":
        return pattern, MarginRule(
            from_probabilities=True, from_odds=True, winners=int(winners) if winners else None
        )
    return pattern, PROBABILITIES if name == "probabilities" else THEIRS
