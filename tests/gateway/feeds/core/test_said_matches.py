"""A feed's memory of matches tells each asker what is new, in any pages and after its restart."""

from functools import partial
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.common.fixtures import FixtureState
from engine.common.stated_matches import SaidMatch, SaidPage
from gateway.feeds.core import said_matches
from gateway.feeds.core.said_matches import SaidMatches
from gateway.feeds.exchange.adapter import ExchangeAdapter
from gateway.feeds.exchange.settings import ExchangeSettings
from tests.gateway.feeds.exchange.test_repeated_messages import WINDOW
from tests.gateway.feeds.feed_system import FeedSystem, open_feed_system

LIVE, SCHEDULED, ENDED = FixtureState.LIVE, FixtureState.SCHEDULED, FixtureState.ENDED
SAID = st.tuples(
    st.sampled_from(["m1", "m2", "m3"]),
    st.sampled_from([None, SCHEDULED, LIVE, ENDED]),
    st.sampled_from([None, (0, 0), (1, 0), (0, 1)]),
    st.booleans(),
)


@given(st.lists(SAID, max_size=20))
def test_who_asks_now_and_then_knows_what_was_said_last(said) -> None:
    memory, number, known = SaidMatches(), 0, {}
    last = {}
    for fixture, state, score, asked in said:
        memory.take(fixture, state, score)
        before = last.get(fixture, SaidMatch(fixture=fixture))
        back = state is SCHEDULED and before.state in (LIVE, ENDED)
        stands = before.state if state is None or back else state
        last[fixture] = SaidMatch(fixture=fixture, state=stands, score=score or before.score)
        if asked:
            number, newer = memory.after(number)
            known |= {one.fixture: one for one in newer}
            assert memory.after(number) == (number, [])
    _, newer = memory.after(number)
    known |= {one.fixture: one for one in newer}
    expected = {fixture: one for fixture, one in last.items() if one != SaidMatch(fixture=fixture)}
    assert known == expected
    assert {one.fixture: one for one in memory.after(0)[1]} == expected


def test_an_answer_and_the_memory_are_bounded(monkeypatch) -> None:
    monkeypatch.setattr(said_matches, "MATCHES_MAX", 3)
    monkeypatch.setattr(said_matches, "MATCHES_IN_ANSWER_MAX", 2)
    memory = SaidMatches()
    for number in range(4):
        memory.take(f"m{number}", LIVE, None)
    number, first = memory.after(0)
    assert [one.fixture for one in first] == ["m1", "m2"]
    assert [one.fixture for one in memory.after(number)[1]] == ["m3"]


def asked(system: FeedSystem, memory_ns: int, after: int) -> SaidPage:
    return msgspec.msgpack.decode(system.pipeline.said_matches(memory_ns, after), type=SaidPage)


async def test_a_pipeline_tells_what_is_new_and_everything_to_who_knows_another_memory(
    tmp_path: Path,
) -> None:
    adapter = partial(ExchangeAdapter, feed="tiny", settings=ExchangeSettings(every_ms=0))
    async with open_feed_system(tmp_path, make_adapter=adapter, markets_per_actor=8) as system:
        await system.push(*WINDOW)
        page = asked(system, 0, 9)
        match = SaidMatch(fixture="tiny.77.202311142200", state=SCHEDULED)
        assert page.matches == (match,)
        assert asked(system, page.memory_ns, page.number).matches == ()
        assert asked(system, page.memory_ns + 1, page.number) == page
    async with open_feed_system(tmp_path, markets_per_actor=8) as system:
        assert asked(system, 0, 0).matches == (), "an adapter that remembers none"
