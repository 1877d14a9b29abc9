"""Leads of football matches by a feed: told once, with the right time, and never taken back."""

from collections.abc import Sequence

from engine.common.commands import FeedStep
from engine.common.early import BeginPlay, PayEarly
from engine.common.rows import FLAG_LEG, FLAG_PRE_MATCH
from engine.common.units import NS_PER_MS
from gateway.feeds.core.adapter import MarketUpdate
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.settings import UofSettings
from tests.engine.market.builders import bet, bet_rows
from tests.gateway.feeds.uof.builders import (
    EVENT,
    MATCH_WINNER,
    NOW_MS,
    feed_markets,
    market,
    odds_change,
)

TWO = UofSettings(watch=False, early_lead=2)
KICK_OFF, MINUTE = 60_000, 60_000


def message(home: int, away: int, *, minute: int, request_id: int | None = None) -> bytes:
    """Return the odds of a match with this score, so long after kick-off."""
    status = (
        f'<sport_event_status status="1" match_status="6" home_score="{home}" '
        f'away_score="{away}"><clock match_time="{minute}:00"/></sport_event_status>'
    )
    at = KICK_OFF + minute * MINUTE
    return odds_change(market(1, MATCH_WINNER), at=at, status=status, request_id=request_id)


def steps_of(adapter: UofAdapter, *bodies: bytes) -> list[tuple[FeedStep, ...]]:
    """Return what each message tells about play and leads."""
    return [_steps(adapter.receive(body, at_ns=1 << 62).actions) for body in bodies]


def _steps(actions: Sequence[object]) -> tuple[FeedStep, ...]:
    found = [
        update
        for update in actions
        if isinstance(update, MarketUpdate)
        and any(isinstance(step, BeginPlay | PayEarly) for step in update.steps)
    ]
    assert all(update.mark is None and update.key == f"{EVENT}/1x2" for update in found)
    return tuple(step for update in found for step in update.steps)


def ns(minute: int) -> int:
    return (NOW_MS + KICK_OFF + minute * MINUTE) * NS_PER_MS


BEGAN = BeginPlay(market_no=0, from_ns=ns(0))


def pay(outcome: int, minute: int) -> PayEarly:
    return PayEarly(market_no=0, outcome=outcome, lead=2, until_ns=ns(minute))


def test_a_lead_is_told_once_when_it_is_reached_and_again_after_it_was_lost():
    scores = [(0, 0), (1, 0), (2, 0), (2, 0), (3, 0), (3, 2), (4, 2)]
    bodies = [message(*score, minute=5 * at) for at, score in enumerate(scores)]
    assert steps_of(UofAdapter("uof", TWO), *bodies) == [
        (BEGAN,), (), (pay(0, 10),), (), (), (), (pay(0, 30),),
    ]  # fmt: skip


def test_the_away_side_is_the_third_outcome_and_a_corrected_score_takes_nothing_back():
    bodies = [message(0, away, minute=at) for at, away in enumerate((0, 1, 2, 1))]
    assert steps_of(UofAdapter("uof", TWO), *bodies) == [(BEGAN,), (), (pay(2, 2),), ()]


def test_a_lead_that_stands_when_the_feed_starts_covers_bets_from_before_play_alone():
    assert steps_of(UofAdapter("uof", TWO), message(2, 0, minute=30)) == [(BEGAN, pay(0, 0))]


def test_a_recovery_tells_it_again_with_the_time_of_the_first():
    adapter = UofAdapter("uof", TWO)
    bodies = [message(0, 0, minute=0), message(2, 0, minute=9)]
    steps_of(adapter, *bodies)
    assert steps_of(adapter, message(2, 0, minute=12, request_id=1)) == [(BEGAN, pay(0, 9))]


def test_a_message_that_comes_late_neither_ends_a_lead_nor_begins_one():
    adapter = UofAdapter("uof", TWO)
    steps_of(adapter, message(0, 0, minute=0), message(2, 0, minute=9))
    assert steps_of(adapter, message(1, 0, minute=5), message(2, 0, minute=10)) == [(), ()]


def test_without_the_setting_nothing_is_told():
    bodies = [message(0, 0, minute=0), message(2, 0, minute=1)]
    assert steps_of(UofAdapter("uof", UofSettings(watch=False)), *bodies) == [(), ()]


def test_a_leg_placed_before_play_is_marked_in_its_market_when_the_feed_says_the_lead():
    feed = feed_markets(TWO)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=0), at=0)
    leg = bet_rows([bet(1, odds=2_100, flags=FLAG_LEG)])
    assert feed.machine.place(leg, (NOW_MS + 1) * NS_PER_MS)["reason"][0] == 0
    for minute, score in enumerate(((0, 0), (1, 0), (2, 0), (2, 1))):
        feed.receive(message(*score, minute=minute), at=KICK_OFF + minute * MINUTE)
    rows = feed.machine.outbox(shard=0, limit=9)
    assert [(row["early_lead"], row["early_flags"]) for row in rows] == [(2, FLAG_PRE_MATCH)]
