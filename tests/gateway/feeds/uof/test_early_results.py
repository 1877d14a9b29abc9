"""What came before a market's odds is remembered within bounds, or said to be forgotten."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.early_results import EarlyPart, EarlyResults
from gateway.feeds.uof.messages import BetCancel, MarketName, MarketVoided
from tests.gateway.feeds.uof.builders import (
    EVENT,
    HOME_WON,
    MATCH_WINNER,
    NOW_MS,
    UNWATCHED,
    WATCHED,
    bet_settlement,
    bet_stop,
    correction,
    feed_markets,
    market,
    odds_change,
    settled,
)


def part(at_ms: int, number: int = 1) -> EarlyPart:
    voided = MarketVoided(name=MarketName(id=number))
    message = BetCancel(product=1, timestamp=at_ms, event_id=EVENT, markets=(voided,))
    return EarlyPart(message, voided, 0)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 50)), max_size=40),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_a_part_is_kept_once_in_order_or_the_memory_says_that_it_may_be_forgotten(
    given_parts: list[tuple[int, int]], markets_max: int, parts_max: int
) -> None:
    early = EarlyResults(markets_max=markets_max, parts_max=parts_max)
    for number, at_ms in given_parts:
        early.add((EVENT, number, ()), part(at_ms, number))

    assert len(early) <= markets_max
    for number in range(5):
        kept = [one.message.timestamp for one in early.take((EVENT, number, ()))]
        sent = {at_ms for given_number, at_ms in given_parts if given_number == number}
        assert kept == sorted(set(kept))
        assert len(kept) <= parts_max
        assert all(at_ms <= early.forgotten_ms for at_ms in sent - set(kept))
        assert not early.take((EVENT, number, ()))


ENDS = {
    "result": lambda at: bet_settlement(settled(1, HOME_WON), at=at),
    "stop": lambda at: bet_stop(at=at),
    "cancel": lambda at: correction("bet_cancel", 1, at=at),
    "roll-back": lambda at: correction("rollback_bet_settlement", 1, at=at),
    "odds": lambda at: odds_change(market(1, MATCH_WINNER), at=at),
    "restart": None,
}


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(list(ENDS)), st.integers(1, 12)), max_size=10))
def test_in_every_order_a_market_is_open_only_by_odds_that_nothing_newer_ended(
    messages: list[tuple[str, int]],
) -> None:
    feed = feed_markets()
    odds_ms, ended_ms, result_ms = [0], [0], 0
    for kind, at in messages:
        make = ENDS[kind]
        if make is None:
            if feed.numbers:
                continue  # what markets remember is told of in test_restart
            feed.adapter = UofAdapter("uof", UNWATCHED)
            feed.adapter.resume((), at_ns=(NOW_MS + 12) * NS_PER_MS)
            continue
        if kind in ("result", "cancel", "roll-back"):
            if at < result_ms and feed.numbers:
                continue  # outside of a recovery a producer's results come in order
            result_ms = max(result_ms, at)
        was_open = bool(feed.numbers) and feed.status("1x2") is Status.ACTIVE
        feed.receive(make(at), at=12)
        if was_open and kind in ("cancel", "roll-back"):
            continue  # neither closes a market
        (odds_ms if kind == "odds" else ended_ms).append(at)

    if feed.numbers and feed.status("1x2") is Status.ACTIVE:
        assert max(odds_ms) >= max(ended_ms)


def test_results_of_a_recovery_are_applied_in_the_order_of_their_times_though_odds_came_between():
    feed = feed_markets(WATCHED)
    feed.receive(bet_settlement(settled(1, HOME_WON), at=5))
    feed.receive(odds_change(market(1, MATCH_WINNER), at=3))
    feed.receive(correction("bet_cancel", 1, at=4, attributes=f'end_time="{NOW_MS}"'))
    feed.recover(at=6)

    kinds = [type(event).__name__ for event in feed.events]
    assert kinds.index("BetsCancelled") < kinds.index("MarketSettled")
    assert feed.status("1x2") is Status.SETTLED
