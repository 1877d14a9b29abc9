"""That random feeds do no harm, and that the oracle would say so if they did."""

import pytest
from msgspec.structs import replace

from engine.common.ids import AccountNo, BetId, MarketNo
from engine.common.rows import BetResult, SlipState
from engine.common.units import Minor, Nanos, OddsMilli
from engine.common.views import Slip
from tests.feed_soak.house import STAKE_MINOR, Record, Wager
from tests.feed_soak.messages import EVENTS, Message
from tests.feed_soak.oracle import faults
from tests.feed_soak.runner import run_story, story_text
from tests.feed_soak.story import Delivery, Restart, make_story

SEEDS = 60
EVENT = EVENTS[0]
OPENED = Message(kind="odds_change", event=EVENT, at_ms=1_000, statuses={0: 1})
STOPPED = Message(kind="bet_stop", event=EVENT, at_ms=2_000)
HOME_WON = Message(kind="bet_settlement", event=EVENT, at_ms=3_000, winners={0: 0})
CANCELLED = Message(kind="bet_cancel", event=EVENT, at_ms=3_000, touched=(0,))
ROLLED_BACK = Message(kind="rollback_bet_settlement", event=EVENT, at_ms=4_000, touched=(0,))


def delivered(*messages: Message, damaged: str = "") -> list[Delivery]:
    return [Delivery(message=one, body=one.render(), damaged=damaged) for one in messages]


def story_of(deliveries: list[Delivery], *, after: int, paid: int = -1) -> Record:
    """Return a story with one accepted bet on the first outcome, paid or (-1) open."""
    wager = Wager(
        ref="bet", market=(EVENT, 0), outcome=0, after=after, accepted=True, odds_milli=2_000
    )
    slip = Slip(
        bet_id=BetId(1),
        ref="bet",
        account_no=AccountNo(1),
        market_no=MarketNo(1),
        outcome=0,
        stake_minor=STAKE_MINOR,
        odds_milli=OddsMilli(2_000),
        state=SlipState.ACCEPTED if paid < 0 else SlipState.SETTLED,
        reason=0,
        stake_max_minor=Minor(0),
        placed_at_ns=Nanos(0),
        result=BetResult.NONE,
        payout_minor=Minor(max(0, paid)),
        settlement_no=0,
    )
    return Record(deliveries=deliveries, wagers=[wager], slips={"bet": slip})


@pytest.mark.parametrize("first", range(1, SEEDS + 1, 10))
def test_no_bet_is_taken_after_a_stop_and_every_bet_is_paid(first: int):
    for seed in range(first, first + 10):
        story = make_story(seed)
        outcome = run_story(story)
        assert not outcome.faults, f"{outcome.faults[0]} in\n{story_text(story)}"


def test_every_disturbance_comes_up():
    played = [make_story(seed) for seed in range(1, SEEDS + 1)]
    deliveries = [delivery for story in played for delivery in story.deliveries]

    assert {one.restart for one in deliveries} == {None, *Restart}
    assert {one.damaged for one in deliveries} > {"", "cut", "timestamp", "status", "odds"}
    assert len({one.message.kind for one in deliveries}) == 6
    assert make_story(3) == make_story(3)


@pytest.mark.parametrize(
    ("deliveries", "after"),
    [
        (delivered(OPENED, STOPPED), 2),
        (delivered(STOPPED, OPENED), 2),
        (delivered(OPENED, HOME_WON), 2),
        (delivered(OPENED) + delivered(STOPPED, damaged="timestamp"), 2),
        (delivered(OPENED) + delivered(STOPPED, damaged="cut"), 2),
        ([], 0),
    ],
    ids=["stop", "stop before older odds", "result", "damaged time", "cut stop", "never opened"],
)
def test_the_oracle_sees_a_bet_after_a_stop(deliveries: list[Delivery], after: int):
    found = faults(story_of(deliveries, after=after))

    assert any("was accepted after" in fault for fault in found)


@pytest.mark.parametrize(("kept", "claims"), [("timestamp=", False), ("product=", True)])
def test_a_message_cut_short_stops_as_of_its_time_where_that_can_be_read(kept: str, claims: bool):
    (cut,) = delivered(replace(STOPPED, at_ms=OPENED.at_ms - 1), damaged="cut")
    end = cut.body.index('"', cut.body.index(kept) + len(kept) + 1) + 1
    cut = replace(cut, body=cut.body[:end])

    assert bool(faults(story_of([*delivered(OPENED), cut], after=2))) is claims


def in_row(message: Message, row: int, damaged: str, value: str) -> list[Delivery]:
    """Return the message's delivery with an attribute of one market's element replaced."""
    (delivery,) = delivered(message)
    return [replace(delivery, damaged=damaged, value=value, element="market", row=row)]


CLOSED_ALL = replace(STOPPED, kind="odds_change", statuses={0: 0, 1: -1, 2: -1})
OPENED_ALL = replace(STOPPED, kind="odds_change", statuses={0: 1, 1: 1, 2: 1})


@pytest.mark.parametrize(
    ("damaged", "claims"),
    [
        (in_row(CLOSED_ALL, 0, "status", "x"), True),
        (in_row(CLOSED_ALL, 1, "status", "1"), True),
        (in_row(CLOSED_ALL, 0, "status", "1"), False),
        (in_row(OPENED_ALL, 0, "status", "x"), True),
        (in_row(CLOSED_ALL, 0, "id", "x"), True),
        (in_row(CLOSED_ALL, 2, "id", "x"), True),
        (in_row(CLOSED_ALL, 0, "id", "12"), False),
        (in_row(replace(CLOSED_ALL, statuses={1: -1}), 1, "id", "x"), True),
        (in_row(replace(CLOSED_ALL, statuses={2: -1}), 2, "id", "+1"), True),
        (in_row(replace(CLOSED_ALL, statuses={0: -1, 2: 1}), 2, "id", "+1"), False),
        (in_row(CLOSED_ALL, 1, "specifiers", ""), True),
    ],
    ids=[
        "status lost",
        "other status",
        "status opens",
        "open status lost",
        "name lost",
        "other name lost",
        "other market",
        "any market",
        "this market",
        "named twice",
        "other specifiers",
    ],
)
def test_the_oracle_knows_what_a_damaged_message_still_stops(damaged: list[Delivery], claims: bool):
    found = faults(story_of(delivered(OPENED) + damaged, after=2))

    assert bool(found) == claims


@pytest.mark.parametrize(
    ("damaged", "claims"),
    [
        (in_row(CANCELLED, 0, "id", "x"), False),
        (in_row(replace(CANCELLED, touched=(0, 2)), 2, "id", "x"), True),
        (in_row(replace(CANCELLED, touched=(2,)), 2, "id", "+1"), False),
        (in_row(replace(CANCELLED, touched=(0, 2)), 2, "id", "+1"), False),
        ([replace(delivered(CANCELLED)[0], damaged="product", value="+1")], True),
        ([replace(delivered(CANCELLED)[0], damaged="product", value="12")], False),
        ([replace(delivered(CANCELLED)[0], damaged="cut")], False),
    ],
    ids=["its name", "other name", "now named", "named twice", "same", "other product", "cut"],
)
def test_the_oracle_knows_when_a_damage_may_change_a_payout(damaged: list[Delivery], claims: bool):
    found = faults(story_of(delivered(OPENED) + damaged, after=1, paid=7))

    assert bool(found) == claims


@pytest.mark.parametrize("sound_first", [True, False])
def test_the_oracle_says_nothing_of_bets_between_two_copies_of_a_cancellation(sound_first: bool):
    two = replace(CANCELLED, touched=(0, 2))
    copies = [*delivered(two), *in_row(two, 2, "id", "x")]
    if not sound_first:
        copies.reverse()
    opened = delivered(OPENED)

    assert not faults(story_of(opened + copies, after=2, paid=STAKE_MINOR))
    assert faults(story_of(opened + copies[:1], after=1, paid=7))


def test_the_oracle_allows_bets_before_a_stop_and_after_newer_odds():
    newer = replace(OPENED, at_ms=2_500)

    assert not faults(story_of(delivered(OPENED, STOPPED), after=1))
    assert not faults(story_of(delivered(OPENED, STOPPED, newer), after=3))
    other = replace(STOPPED, event=EVENTS[1])
    assert not faults(story_of(delivered(OPENED, other), after=2))


@pytest.mark.parametrize(
    ("messages", "right"),
    [
        ((HOME_WON,), 2_000),
        ((replace(HOME_WON, winners={0: 1}),), 0),
        ((CANCELLED,), STAKE_MINOR),
        ((HOME_WON, ROLLED_BACK), -1),
        ((HOME_WON, ROLLED_BACK, replace(HOME_WON, at_ms=5_000, winners={0: 1})), 0),
        ((HOME_WON, replace(CANCELLED, at_ms=3_500)), STAKE_MINOR),
        ((), -1),
    ],
    ids=["won", "lost", "cancelled", "rolled back", "settled anew", "settled, cancelled", "open"],
)
def test_the_oracle_knows_what_a_bet_is_paid(messages: tuple[Message, ...], right: int):
    deliveries = delivered(OPENED, *messages)

    assert not faults(story_of(deliveries, after=1, paid=right))
    assert faults(story_of(deliveries, after=1, paid=right + 1 if right > 0 else 7))


def test_the_oracle_knows_which_bets_a_cancellation_voids():
    again = replace(CANCELLED, at_ms=4_000)
    newer = replace(OPENED, at_ms=3_500)
    newest = replace(OPENED, at_ms=3_600)

    def voided(*messages: Message, after: int, restart: Restart | None = None) -> bool | None:
        """Return whether a bet must be refunded; None: refunded or not, the oracle is content."""
        deliveries = delivered(OPENED, *messages)
        deliveries[-1] = replace(deliveries[-1], restart=restart)
        refunded = not faults(story_of(deliveries, after=after, paid=STAKE_MINOR))
        kept = not faults(story_of(deliveries, after=after))
        assert refunded or kept
        return None if refunded and kept else refunded

    assert voided(CANCELLED, again, after=2) is True
    assert voided(CANCELLED, CANCELLED, after=2) is False
    assert voided(CANCELLED, newer, again, after=3) is True
    assert voided(newer, CANCELLED, after=1) is True
    assert voided(newer, CANCELLED, after=2) is False
    assert voided(newer, newest, CANCELLED, after=2) is False
    assert voided(newer, newest, CANCELLED, after=1) is None
    assert voided(newer, CANCELLED, after=2, restart=Restart.PIPELINE) is None
