"""A provider of another kind behind the same adapter protocol, told as stories."""

from collections.abc import Callable

import pytest

from gateway.feeds.lsports.adapter import LsportsSettings
from gateway.feeds.lsports.messages import BEGAN_BODY
from gateway.feeds.lsports.trust import TrustSettings
from tests.gateway.feeds.lsports.provider import MATCH, ODDS, Provider
from tests.gateway.feeds.story.bookmaker import FEED
from tests.gateway.feeds.story.player import play
from tests.gateway.feeds.story.steps import (
    Message,
    Repeats,
    Story,
    bet,
    offers,
    restart,
    says,
    stands,
    status,
    story,
    wait,
)

KEY = f"{FEED}.{MATCH}/lsports_1"
UNWATCHED = LsportsSettings(watch=False)
WATCHED = LsportsSettings(trust=TrustSettings(every_ms=0))
BEGAN = Message(lambda _at_ms, _moments: BEGAN_BODY, "", None)
"""What the bridge says when it has a new connection."""
LOST, WON, REFUND, HALF_LOST, HALF_WON = 1, 2, 3, 4, 5


class Telling:
    """A story's provider, which a story begins anew."""

    def __init__(self) -> None:
        self._now_ms = 0
        self._provider = Provider()

    def begins(self) -> Message:
        """Begin: the match is in progress."""

        def make(provider: Provider) -> bytes:
            self._provider = Provider(clock_ms=lambda: self._now_ms)
            return self._provider.fixture()

        return self.change(make)

    def change(self, make: Callable[[Provider], bytes], *, refused: str | None = None) -> Message:
        """Return a change of the provider's, told when it is made."""

        def write(at_ms: int, _: object) -> bytes:
            self._now_ms = at_ms
            return make(self._provider)

        return Message(write, "", refused)

    def misses(self, make: Callable[[Provider], bytes]) -> Message:
        """Return a change whose message is lost: a heartbeat comes in its place."""

        def lose(provider: Provider) -> bytes:
            make(provider)
            return provider.heartbeat()

        return self.change(lose)

    def answers(self) -> Repeats:
        """Return the snapshot that was requested."""

        def write(at_ms: int, request_id: int, after_ms: int) -> list[bytes]:
            self._now_ms = at_ms
            return self._provider.snapshot_messages(request_id, after_ms)

        return Repeats(write)


provider = Telling()
change = provider.change
ON = (provider.begins(), change(lambda it: it.odds(ODDS)))


def settled(**by_name: int) -> Message:
    names = {"home": "1", "draw": "X", "away": "2"}
    results = {names[name]: number for name, number in by_name.items()}
    return change(lambda it: it.settle(results))


EACH = (
    story(
        "odds, a suspension, new odds and a settlement, over restarts of every part",
        *ON,
        offers(KEY, **{"1": 2100, "X": 3400, "2": 3600}),
        bet("A", KEY, "1", 1_000),
        change(lambda it: it.suspend()),
        bet("B", KEY, "1", verdict="MARKET_SUSPENDED"),
        restart("shells"),
        bet("C", KEY, "1", verdict="MARKET_SUSPENDED"),
        change(lambda it: it.odds({"1": "1.60", "X": "3.90", "2": "5.00"})),
        bet("D", KEY, "1", odds_milli=2_100, verdict="ODDS_CHANGED"),
        bet("E", KEY, "2", account=3),
        restart("all"),
        change(lambda it: it.odds({"1": "1.50", "X": "4.00", "2": "6.00"})),
        bet("F", KEY, "X"),
        settled(home=WON, draw=LOST, away=LOST),
        status(KEY, "SETTLED"),
        stands(KEY, {"1": "won"}),
        says(1),
        settings=UNWATCHED,
    ),
    story(
        "refunds, halves and a correction of the result",
        *ON,
        bet("A", KEY, "1", 1_001),
        bet("B", KEY, "X", 1_001),
        bet("C", KEY, "2", 1_001),
        settled(home=HALF_WON, draw=HALF_LOST, away=REFUND),
        stands(KEY, {"1": "half won", "X": "half lost", "2": "void"}),
        settled(home=LOST, draw=WON),
        stands(KEY, {"1": "lost", "X": "won", "2": "void"}),
        restart("pipeline"),
        settled(home=WON, draw=LOST, away=LOST),
        stands(KEY, {"1": "won"}),
        settings=UNWATCHED,
    ),
    story(
        "an outcome with a result is offered no more, and bets are paid when all have one",
        *ON,
        bet("A", KEY, "1"),
        bet("B", KEY, "X"),
        settled(draw=LOST),
        bet("C", KEY, "X", odds_milli=3_400, verdict="OUTCOME_INACTIVE"),
        bet("D", KEY, "1"),
        stands(KEY, rest="open"),
        settled(home=WON, away=LOST),
        stands(KEY, {"1": "won"}),
        settings=UNWATCHED,
    ),
    story(
        "a match whose coverage is lost takes no bets until it is covered again",
        *ON,
        bet("A", KEY, "1"),
        change(lambda it: it.fixture(status=8)),
        bet("B", KEY, "1", verdict="MARKET_SUSPENDED"),
        change(lambda it: it.fixture(status=2)),
        bet("C", KEY, "1"),
        settings=UNWATCHED,
    ),
    story(
        "a message that is lost shows at the next one: no bet is taken before a snapshot",
        BEGAN,
        provider.begins(),
        provider.answers(),
        change(lambda it: it.odds(ODDS)),
        bet("A", KEY, "1"),
        provider.misses(lambda it: it.suspend()),
        bet("B", KEY, "1"),
        change(lambda it: it.odds({"1": "2.00"})),
        bet("C", KEY, "1", verdict="MARKET_SUSPENDED"),
        provider.answers(),
        offers(KEY, **{"1": 2000}),
        bet("D", KEY, "1"),
        bet("E", KEY, "X", odds_milli=3_400, verdict="OUTCOME_INACTIVE"),
        restart("pipeline"),
        bet("F", KEY, "1", verdict="MARKET_SUSPENDED"),
        provider.misses(lambda it: it.settle({"1": LOST, "X": WON, "2": LOST})),
        provider.answers(),
        stands(KEY, {"X": "won"}),
        settings=WATCHED,
    ),
    story(
        "odds of settled bets take no result back, also after a restart; a snapshot does",
        BEGAN,
        provider.begins(),
        provider.answers(),
        change(lambda it: it.odds(ODDS)),
        bet("A", KEY, "1"),
        bet("B", KEY, "2"),
        settled(home=WON, draw=LOST, away=LOST),
        stands(KEY, {"1": "won"}),
        restart("pipeline"),
        change(lambda it: it.odds({"1": "1.50"})),
        status(KEY, "SETTLED"),
        stands(KEY, {"1": "won"}),
        provider.misses(lambda it: it.odds({"X": "3.00", "2": "3.50"})),
        provider.answers(),
        stands(KEY, rest="open"),
        bet("C", KEY, "1"),
        settled(home=LOST, draw=LOST, away=WON),
        stands(KEY, {"2": "won"}),
        settings=WATCHED,
    ),
    story(
        "heartbeats that stop: no bet is taken before the next message and a snapshot",
        BEGAN,
        provider.begins(),
        provider.answers(),
        change(lambda it: it.odds(ODDS)),
        wait(15),
        change(lambda it: it.heartbeat()),
        wait(15),
        bet("A", KEY, "1"),
        wait(8),
        bet("B", KEY, "1", verdict="MARKET_SUSPENDED"),
        change(lambda it: it.heartbeat()),
        bet("C", KEY, "1", verdict="MARKET_SUSPENDED"),
        provider.answers(),
        bet("D", KEY, "1"),
        settled(home=WON, draw=LOST, away=LOST),
        stands(KEY, {"1": "won"}),
        settings=WATCHED,
    ),
    story(
        "a connection that broke: no bet is taken before the snapshot of the next one",
        BEGAN,
        provider.begins(),
        provider.answers(),
        change(lambda it: it.odds(ODDS)),
        bet("A", KEY, "1"),
        BEGAN,
        bet("B", KEY, "1", verdict="MARKET_SUSPENDED"),
        change(lambda it: it.heartbeat()),
        provider.answers(),
        bet("C", KEY, "1"),
        settled(home=WON, draw=LOST, away=LOST),
        stands(KEY, {"1": "won"}),
        settings=WATCHED,
    ),
)


@pytest.mark.parametrize("each", EACH, ids=lambda each: each.title)
def test_the_story_ends_as_it_says(each: Story) -> None:
    play(each)
