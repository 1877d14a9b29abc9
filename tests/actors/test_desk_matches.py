"""What feeds state of matches is asked for, compared, and remembered within bounds."""

from actors import desk_matches
from actors.desk_matches import DeskMatches
from actors.messages import encode
from actors.peer import LocalPeer, PeerTimeoutError
from engine.common.fixtures import FixtureState
from engine.common.stated_matches import MatchScore, SaidMatch, SaidPage
from engine.watch.facts import MatchSeen

LIVE = FixtureState.LIVE


class Pipeline:
    """A feed's pipeline, whose memory may be another one after a restart."""

    def __init__(self) -> None:
        self.memory_ns = 1
        self.said: list[SaidMatch] = []
        self.fault: Exception | None = None

    def say(self, score: MatchScore | None, state: FixtureState = LIVE, *, of: str = "cup") -> None:
        self.said.append(SaidMatch(fixture=of, state=state, score=score))

    def said_matches(self, memory_ns: int, after: int) -> bytes:
        if self.fault is not None:
            raise self.fault
        newer = self.said[after if memory_ns == self.memory_ns else 0 :]
        number = len(self.said)
        return encode(SaidPage(memory_ns=self.memory_ns, number=number, matches=tuple(newer)))


class Asked:
    """A desk that asks two feeds, and the facts that it has seen of them."""

    def __init__(self) -> None:
        self.feeds = {"uof": Pipeline(), "backup": Pipeline()}
        self.facts: list[MatchSeen] = []
        self.matches = DeskMatches(see=self.facts.append, clock_ns=lambda: 7)

    async def ask(self) -> list[dict[str, MatchScore | None]]:
        self.facts.clear()
        for name, feed in self.feeds.items():
            await self.matches.ask(name, LocalPeer(feed, name=name))
        return [{one.source: one.score for one in fact.statements} for fact in self.facts]


async def test_what_two_feeds_say_differently_is_seen_until_they_agree() -> None:
    it = Asked()
    it.feeds["uof"].say((1, 0))
    assert await it.ask() == []
    it.feeds["backup"].say((0, 0))
    assert await it.ask() == [{"uof": (1, 0), "backup": (0, 0)}]
    assert [*it.matches.differing] == ["cup"]
    assert [fact.fixture for fact in it.matches.present()] == ["cup"]
    it.feeds["uof"].fault = PeerTimeoutError("2 s passed")
    it.feeds["backup"].say((1, 0))
    assert await it.ask() == [{"uof": (1, 0), "backup": (1, 0)}], "they agree again"
    assert not it.matches.differing
    it.matches.priced("cup", (1, 1))
    assert [*it.matches.differing] == ["cup"]


async def test_a_pipeline_that_restarts_is_asked_for_all_that_it_knows() -> None:
    it = Asked()
    it.feeds["uof"].say((1, 0))
    it.feeds["uof"].say((2, 0))
    it.feeds["backup"].say((2, 0))
    await it.ask()
    it.feeds["uof"].memory_ns = 2
    it.feeds["uof"].said.clear()
    it.feeds["uof"].say((3, 0))
    assert await it.ask() == [{"uof": (3, 0), "backup": (2, 0)}]


async def test_fixtures_and_their_sources_are_bounded(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(desk_matches, "FIXTURES_MAX", 2)
    monkeypatch.setattr(desk_matches, "SOURCES_MAX", 1)
    it = Asked()
    it.feeds["uof"].say((1, 0))
    it.feeds["backup"].say((0, 0))
    assert await it.ask() == [], "of the second source nothing is kept"
    monkeypatch.setattr(desk_matches, "SOURCES_MAX", 2)
    it.feeds["backup"].say((0, 1))
    assert len(await it.ask()) == 1
    it.feeds["uof"].say(None, of="b")
    it.feeds["uof"].say(None, of="c")
    await it.ask()
    assert not it.matches.differing, "it was forgotten"
