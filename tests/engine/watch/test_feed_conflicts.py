"""What feeds state differently is found once, until they agree or a person decides."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from engine.common.commands import OutcomeResult
from engine.common.fixtures import FixtureState
from engine.common.ids import MarketNo
from engine.common.stated_matches import PRICED, StatedMatch, match_differs
from engine.common.stated_results import StatedOutcome, StatedResult, differing
from engine.watch.facts import MatchSeen, ResultsSeen
from engine.watch.feed_conflicts import FeedConflictDetector, FeedConflictRule
from tests.engine.watch.streams import FIXTURE, MARKET, ns

WON, LOST, VOID = (
    OutcomeResult(won=True),
    OutcomeResult(won=False),
    OutcomeResult(won=False, void_halves=2),
)
RESULTS = st.dictionaries(st.integers(0, 2), st.sampled_from([WON, LOST, VOID]), max_size=3)


def stated(
    feed: str, results: dict[int, OutcomeResult], *, cancelled: bool = False
) -> StatedResult:
    named = tuple(StatedOutcome(outcome=at, result=one) for at, one in sorted(results.items()))
    return StatedResult(feed=feed, results=named, cancelled=cancelled)


def seen(at_s: float, *statements: StatedResult) -> ResultsSeen:
    return ResultsSeen(ns(at_s), FIXTURE, MARKET, statements)


@given(st.lists(RESULTS, max_size=3))
def test_outcomes_differ_where_two_feeds_have_two_results_of_them(
    of_feeds: list[dict[int, OutcomeResult]],
) -> None:
    statements = [stated(f"f{at}", results) for at, results in enumerate(of_feeds)]
    expected = [
        outcome
        for outcome in range(3)
        for of_outcome in [[each[outcome] for each in of_feeds if outcome in each]]
        if any(one != other for one in of_outcome for other in of_outcome)
    ]
    assert all(differing(order) == expected for order in permutations(statements))


def test_a_cancellation_is_a_refund_of_what_others_name() -> None:
    cancelled = stated("b", {}, cancelled=True)
    assert differing([stated("a", {0: VOID}), cancelled]) == []
    assert differing([stated("a", {0: VOID, 1: WON}), cancelled]) == [1]
    assert differing([cancelled, stated("c", {}, cancelled=True)]) == []


def test_a_conflict_is_found_once_and_again_after_it_was_over() -> None:
    detector = FeedConflictDetector(FeedConflictRule())
    home, away = stated("a", {0: WON, 1: LOST}), stated("b", {0: LOST, 1: WON})
    assert not list(detector.see(seen(0.0, home, stated("b", {0: WON}))))
    (found,) = detector.see(seen(1.0, home, away))
    assert (found.subject, found.market_no, found.outcome) == ("market 7", MarketNo(7), 0)
    assert found.figures == {
        "outcomes": 2,
        "a: outcome 0 won": 1.0,
        "a: outcome 1 won": 0.0,
        "b: outcome 0 won": 0.0,
        "b: outcome 1 won": 1.0,
    }
    assert not list(detector.see(seen(2.0, home, stated("b", {}, cancelled=True))))
    assert not list(detector.see(seen(3.0)))
    (again,) = detector.see(seen(4.0, stated("a", {0: VOID}), away))
    assert again.figures["a: outcome 0 refunded"] == 1.0


# --- matches --------------------------------------------------------------------------------------

LIVE, ENDED = FixtureState.LIVE, FixtureState.ENDED
STATED = st.builds(
    StatedMatch,
    source=st.sampled_from(["a", "b", "c"]),
    state=st.sampled_from([None, FixtureState.SCHEDULED, LIVE]),
    score=st.sampled_from([None, (0, 0), (1, 0)]),
)


def match(source: str, **said: object) -> StatedMatch:
    return StatedMatch(source=source, **said)  # type: ignore[arg-type]


def match_seen(at_s: float, *statements: StatedMatch) -> MatchSeen:
    return MatchSeen(ns(at_s), FIXTURE, statements)


@given(st.lists(STATED, max_size=3))
def test_a_match_differs_where_two_sources_state_two_things(stated: list[StatedMatch]) -> None:
    pairs = [(one, other) for one in stated for other in stated]
    expected = tuple(
        name
        for name in ("state", "score")
        if any(
            None not in (getattr(one, name), getattr(other, name))
            and getattr(one, name) != getattr(other, name)
            for one, other in pairs
        )
    )
    assert all(match_differs(order) == expected for order in permutations(stated))


def test_nobody_prices_what_is_over() -> None:
    feed, priced = match("a", state=LIVE, score=(2, 1)), match(PRICED, score=(1, 1))
    assert match_differs([feed, priced]) == ("score",)
    assert match_differs([match("a", state=ENDED, score=(2, 1)), priced]) == ()


def test_a_match_is_found_when_its_sources_have_differed_for_too_long() -> None:
    detector = FeedConflictDetector(FeedConflictRule(differ_s_max=30))
    first, late = match("a", state=LIVE, score=(1, 0)), match("b", score=(0, 0))
    assert not list(detector.see(match_seen(0.0, first, late)))
    assert not list(detector.check(ns(30.0)))
    assert not list(detector.see(match_seen(30.0, first, match("b", score=(1, 0)))))
    assert not list(detector.check(ns(90.0)))
    assert not list(detector.see(match_seen(100.0, first, late)))
    assert not list(detector.see(match_seen(120.0, match("a", state=LIVE, score=(2, 0)), late)))
    (found,) = detector.check(ns(130.001))
    assert (found.subject, found.fixture, found.market_no) == (f"fixture {FIXTURE}", FIXTURE, 0)
    assert found.figures == {
        "differ_ms": 30_001,
        "a: home": 2,
        "a: away": 0,
        "a: live": 1.0,
        "b: home": 0,
        "b: away": 0,
    }
    assert not list(detector.check(ns(500.0)))
