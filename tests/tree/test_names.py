"""One word for one thing: names that were given up do not come back."""

import re

import pytest

from tests.tree.source import definitions, modules, parts_of

GIVEN_UP = {
    "bury": "reap",
    "births": "market_creation",
    "birth": "new_market",
    "deal": "add_part",
    "dealt": "parts_added",
    "door": "listener, admission or ingress",
    "dues": "expected_payouts",
    "errand": "task",
    "habit": "profile",
    "hall": "what the fixture holds",
    "harmonise": "cap_at_fair",
    "harmony": "arbitrage",
    "hear": "receive",
    "hears": "receives",
    "heard": "received",
    "intent": "action",
    "intents": "actions",
    "lane": "queue, or channel",
    "lanes": "queues",
    "lean": "skew",
    "leans": "skews",
    "life": "shell_process",
    "lives": "shell_processes",
    "look": "check_timeouts, poll or refresh",
    "lure": "attraction",
    "manner": "behaviour",
    "manners": "behaviours",
    "news": "message, update or changes",
    "stories": "what the sequences hold",
    "street": "what the fixture holds",
    "tell": "notify",
    "tells": "notifies",
    "told": "sent",
    "town": "what the fixture holds",
    "wish": "request, or reservation",
    "wishes": "requests, or reservations",
    "words": "text, names or message",
}
"""A word that no name may contain, and what is said instead."""
TWO_PARTS = {
    "feed_desk": "pipeline",
    "sure_profit": "arbitrage",
    "life_keeper": "process_keeper",
}
NS_PER_MS_ELSEWHERE = {"ms", "ms_ns"}
TESTS_MAY_SAY = {
    "tells",
    "told",
    "words",
    "life",
    "lives",
    "look",
    "hears",
    "heard",
    "lean",
    "leans",
}
"""In a test's own name these are English; everywhere else they are names of things."""


def given_up(name: str, *, sentence: bool) -> str | None:
    """Return what to say instead of a name, or None where the name may stand."""
    parts = parts_of(name)
    for part in parts:
        if part in GIVEN_UP and not (sentence and part in TESTS_MAY_SAY):
            return f"{name}: not {part!r} but {GIVEN_UP[part]!r}"
    joined = "_".join(parts)
    for pair, instead in TWO_PARTS.items():
        if re.search(rf"(^|_){pair}($|_)", joined):
            return f"{name}: not {pair!r} but {instead!r}"
    if name.lower() in NS_PER_MS_ELSEWHERE and name.isupper():
        return f"{name}: not {name!r} but 'NS_PER_MS' of engine.common.units"
    return None


def test_no_name_contains_a_word_that_was_given_up() -> None:
    found = {
        f"{module.shown}:{definition.line} {why}": None
        for module in modules()
        for definition in definitions(module)
        if (why := given_up(definition.name, sentence=definition.name.startswith("test_")))
    }
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "name", ["FeedDesk", "on_wish", "sure_profit", "LifeKeeper", "MS", "_told"]
)
def test_a_name_that_was_given_up_is_found(name: str) -> None:
    assert given_up(name, sentence=False)


@pytest.mark.parametrize("name", ["lifecycle", "keyword", "overlook_s", "skew", "milliseconds"])
def test_a_name_that_only_resembles_one_may_stand(name: str) -> None:
    assert given_up(name, sentence=False) is None
