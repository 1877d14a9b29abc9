"""What is known of a slip's legs, and when its account is asked, by a clock that the test sets."""

import asyncio

import numpy as np
import pytest

from actors.back_off import BackOff
from engine.common.reasons import Reason
from engine.common.rows import (
    DECISION,
    DECISION_ROW,
    FLAG_KNOWN,
    RESERVED_ROW,
    SLIP_BET,
    SlipState,
)
from engine.common.units import OddsMilli
from gateway.bets.queues import drop_answered, take_batch
from gateway.bets.slip_gathering import SlipGathering
from gateway.bets.slip_ticket import LegTicket, ReservedFields, SlipBetAnswer, SlipTicket
from gateway.bets.ticket import Ticket
from gateway.call_queue import CallQueue

DEADLINE_S = 4.0
SEEN_MILLI, MOVED_MILLI = 2_500, 2_600


def slip_of(legs: int = 2) -> SlipTicket:
    slip = SlipTicket(
        session=None,  # type: ignore[arg-type]
        ref="s",
        ref_bytes=b"s",
        account_no=7,
        shard=1,
        bets=np.zeros(1, SLIP_BET).tobytes(),
        stake_minor=500,
        lines=1,
        policy=0,
    )
    legs = tuple(
        LegTicket(
            slip=slip,
            account_no=7,
            market_no=at,
            outcome=0,
            odds_milli=SEEN_MILLI,
            policy=0,
            event=at,
            position=at,
            shell="market-a",
        )
        for at in range(legs)
    )
    slip.take_legs(legs)
    return slip


def reserved(
    bet_id: int, *, state: SlipState = SlipState.PENDING, flags: int = 0
) -> ReservedFields:
    row = RESERVED_ROW.pack(bet_id, 500, SEEN_MILLI, 1_000_000, 0, state, flags, 0)
    return RESERVED_ROW.unpack(row)


class House:
    """A gathering, its clock, and what it has asked, kept and answered."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.asked: list[SlipTicket] = []
        self.kept: list[tuple[int, list[bytes]]] = []
        self.answers: list[SlipBetAnswer] = []
        self.gathering = SlipGathering(
            deadline_s=DEADLINE_S,
            clock_s=lambda: self.now_s,
            ask=self.asked.append,
            keep=lambda shard, verdicts: self.kept.append((shard, list(verdicts))),
            answer=self._answer,
        )

    def _answer(self, slip: SlipTicket, answer: SlipBetAnswer) -> None:
        slip.answered = True
        slip.leave_markets()
        self.answers.append(answer)

    def reserve(self, slip: SlipTicket, *, flags: int = 0) -> list[LegTicket]:
        head = reserved(100, flags=flags)
        rows = [reserved(101 + at, flags=flags) for at in range(len(slip.legs))]
        legs = self.gathering.reserved(slip, head, rows)
        for leg in legs:
            leg.sends += 1
        return legs

    def decide(
        self, leg: LegTicket, reason: Reason = Reason.ACCEPTED, *, odds_milli: int = MOVED_MILLI
    ) -> bytes:
        row = DECISION_ROW.pack(leg.bet_id, 0, odds_milli, reason, 0)
        self.gathering.decided(leg, reason, OddsMilli(odds_milli), row)
        return row


def test_a_slip_held_at_the_odds_seen_is_answered_with_its_last_leg_and_asks_nobody() -> None:
    house, slip = House(), slip_of(3)
    rows = [house.decide(leg, odds_milli=SEEN_MILLI) for leg in house.reserve(slip)]
    (answer,) = house.answers
    assert (answer.state, answer.bet_id, answer.reason) == ("accepted", 100, Reason.ACCEPTED)
    assert [leg.bet_id for leg in answer.legs] == [101, 102, 103]
    assert [leg.odds_milli for leg in answer.legs] == [SEEN_MILLI] * 3
    assert not house.asked
    assert house.kept == [(1, rows)], "the account has them with a later call"


@pytest.mark.parametrize("case", ["one at other odds", "one refused", "one held before"])
def test_the_account_says_how_any_other_slip_ends(case: str) -> None:
    house, slip = House(), slip_of(3)
    first, *others = house.reserve(slip)
    if case == "one held before":
        slip.undecided -= 1
        first.answered = True
    elif case == "one refused":
        house.decide(first, Reason.MARKET_SUSPENDED, odds_milli=SEEN_MILLI)
    else:
        house.decide(first)
    for leg in others:
        house.decide(leg, odds_milli=SEEN_MILLI)
    assert house.asked == [slip]
    assert not house.answers


def test_the_account_is_asked_when_the_last_leg_is_decided_with_every_decision() -> None:
    house, slip = House(), slip_of(3)
    first, *others = house.reserve(slip)
    rows = [house.decide(first)]
    assert not house.asked
    rows += [house.decide(leg) for leg in others]
    assert house.asked == [slip]
    assert slip.verdict == b"".join(rows)
    assert not house.kept


def test_legs_know_their_ids_charges_and_rates_and_one_that_is_held_already_is_not_sent() -> None:
    house, slip = House(), slip_of(2)
    held = reserved(101, state=SlipState.ACCEPTED, flags=FLAG_KNOWN)
    head = reserved(100, flags=FLAG_KNOWN)
    (leg,) = house.gathering.reserved(slip, head, [held, reserved(102, flags=FLAG_KNOWN)])
    assert (leg.bet_id, leg.stake_minor, leg.rate_micro) == (102, 500, 1_000_000)
    house.decide(leg)
    assert house.asked == [slip]
    assert len(slip.verdict) == DECISION.itemsize


def test_a_leg_that_another_ticket_may_have_sent_needs_a_recorded_refusal() -> None:
    house, slip = House(), slip_of()
    legs = house.reserve(slip, flags=FLAG_KNOWN)
    kept = house.decide(legs[0])
    house.decide(legs[1], Reason.DISK_FULL)
    assert [answer.state for answer in house.answers] == ["unknown"]
    assert not house.asked
    assert house.kept == [(1, [kept])]


def test_a_slip_with_a_refused_leg_waits_for_the_others_and_not_to_its_deadline() -> None:
    house, slip = House(), slip_of()
    legs = house.reserve(slip)
    refusal = house.decide(legs[0], Reason.ODDS_CHANGED)
    house.now_s = DEADLINE_S / 2
    house.gathering.check()
    assert not house.asked
    house.now_s = DEADLINE_S * 0.8
    house.gathering.check()
    assert house.asked == [slip]
    assert slip.verdict == refusal
    assert legs[1].answered, "it is not sent any more"


def test_a_refusal_that_comes_late_ends_the_slip_at_once() -> None:
    house, slip = House(), slip_of()
    legs = house.reserve(slip)
    house.now_s = DEADLINE_S * 0.8
    house.gathering.check()
    assert not house.asked
    house.decide(legs[0], Reason.ODDS_CHANGED)
    assert house.asked == [slip]


def test_an_accepted_leg_ends_no_slip_early() -> None:
    house, slip = House(), slip_of()
    legs = house.reserve(slip)
    house.decide(legs[0])
    house.now_s = DEADLINE_S * 0.8
    house.gathering.check()
    assert not house.asked
    assert not house.answers


def test_what_is_decided_after_the_account_was_asked_is_kept_for_it() -> None:
    house, slip = House(), slip_of()
    legs = house.reserve(slip)
    house.decide(legs[0], Reason.ODDS_CHANGED)
    house.now_s = DEADLINE_S * 0.8
    house.gathering.check()
    late = house.decide(legs[1])
    assert house.kept == [(1, [late])]
    assert house.asked == [slip], "once"


def test_a_slip_given_up_leaves_its_decisions_to_its_account_once() -> None:
    house, slip = House(), slip_of()
    legs = house.reserve(slip)
    kept = house.decide(legs[0])
    for _ in range(2):
        house.gathering.give_up(slip)
    assert house.kept == [(1, [kept])]
    assert [answer.state for answer in house.answers] == ["unknown"]
    assert house.answers[0].bet_id == 100
    late = house.decide(legs[1], Reason.MARKET_SUSPENDED)
    assert house.kept == [(1, [kept]), (1, [late])]


def test_a_slip_given_up_while_its_account_is_asked_leaves_its_verdict_to_that_question() -> None:
    house, slip = House(), slip_of()
    for leg in house.reserve(slip):
        house.decide(leg)
    assert house.asked == [slip]
    house.gathering.give_up(slip)
    assert [answer.state for answer in house.answers] == ["unknown"]
    assert not house.kept, "the queue keeps it when it drops the slip"


def test_a_leg_is_counted_once_however_often_it_is_decided() -> None:
    house, slip = House(), slip_of(3)
    legs = house.reserve(slip)
    for _ in range(3):
        house.decide(legs[0])
    assert not house.asked
    house.decide(legs[1])
    house.decide(legs[2])
    assert len(slip.verdict) == 3 * DECISION.itemsize


def single(ref: str, *, verdict: bytes = b"", answered: bool = False) -> Ticket:
    ticket = Ticket(
        session=None,  # type: ignore[arg-type]
        ref=ref,
        ref_bytes=ref.encode(),
        account_no=7,
        market_no=1,
        outcome=0,
        stake_minor=5,
        odds_milli=2_000,
        policy=0,
    )
    ticket.verdict, ticket.answered = verdict, answered
    return ticket


def account_queue() -> CallQueue[Ticket | SlipTicket]:
    return CallQueue(
        "account-000",
        start=lambda _: None,
        back_off=BackOff(1.0, 1.0, clock_s=asyncio.get_running_loop().time),
    )


async def test_slips_of_many_lines_share_a_call_with_few_others() -> None:
    slips = [slip_of(2) for _ in range(9)]
    for slip in slips:
        slip.lines = 20 * 64
    queue = account_queue()
    queue.waiting.extend(slips)
    taken = [
        len(take_batch(queue, rows_max=70, mixed=True, keep_verdict=lambda *_: None))
        for _ in range(4)
    ]
    assert taken == [3, 3, 3, 0], "each weighs as 23 rows"


async def test_the_verdicts_of_answered_tickets_are_kept_wherever_they_wait() -> None:
    kept: list[tuple[int, bytes]] = []
    queue = account_queue()
    slip = slip_of()
    slip.verdict, slip.answered = b"slip", True
    waiting = single("b")
    queue.waiting.extend(
        [single("a", verdict=b"a", answered=True), waiting, slip, single("c", answered=True)]
    )
    drop_answered(queue, keep_verdict=lambda *both: kept.append(both))
    assert kept == [(0, b"a")]
    for mixed in (False, True):
        kept.clear()
        left = list(queue.waiting)
        batch = take_batch(
            queue, rows_max=10, mixed=mixed, keep_verdict=lambda *both: kept.append(both)
        )
        assert batch == [waiting]
        assert kept == [(1, b"slip")]
        queue.waiting.extend(left)
