"""Bets that wait: out a market's delay, or for a trader; and what traders offer instead."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.acceptance import (
    AcceptReferral,
    DeclineReferral,
    OfferReferral,
    SetFeedDelay,
    StopWaiting,
)
from engine.common.commands import (
    CancelMarket,
    CloseMarket,
    FeedUpdate,
    Limits,
    MarketCommand,
    OpenMarket,
    Quote,
    ResumeMarket,
    RollBackSettlement,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import (
    AcceptanceSet,
    FeedApplied,
    ReferralDecided,
    Refused,
    WaitingStopped,
)
from engine.common.ids import bet_id
from engine.common.outcome_marks import ResumeOutcomes, SuspendOutcomes
from engine.common.reasons import Reason
from engine.common.rows import BET, FLAG_FENCE, FLAG_KNOWN, FLAG_LEG, FLAG_PERMITTED, Policy
from engine.common.units import NS_PER_MS
from engine.market.market import MarketMachine
from tests.engine.market.builders import (
    AT_NS,
    SMALL,
    WIDE,
    Bet,
    acceptance,
    bet,
    bet_rows,
    do,
    open_machine,
    won,
)

DELAYED, REFERRED = Reason.DELAYED, Reason.REFERRED


def waiting_machine(*, limits: Limits = WIDE, markets: int = 1, **figures: int) -> MarketMachine:
    machine = open_machine(limits=limits, markets=markets)
    do(machine, acceptance(**figures))
    return machine


def answers(machine: MarketMachine, *bets: Bet, ms: int = 0) -> list[tuple[Reason, int]]:
    """Place bets so long after the start; return reason and `stake_max_minor` of each."""
    decisions = machine.place(bet_rows(bets), AT_NS + ms * NS_PER_MS)
    machine.check()
    pairs = zip(decisions["reason"].tolist(), decisions["stake_max_minor"].tolist(), strict=True)
    return [(Reason(reason), figure) for reason, figure in pairs]


def released(machine: MarketMachine, *, ms: int) -> list[tuple[int, Reason]]:
    """Place what is due so long after the start; return serial and reason of each."""
    rows = machine.due(AT_NS + ms * NS_PER_MS)
    decisions = machine.place(rows, AT_NS + ms * NS_PER_MS)
    machine.check()
    pairs = zip(rows["bet_id"].tolist(), decisions["reason"].tolist(), strict=True)
    return [(int(number) & 0xFFFF, Reason(reason)) for number, reason in pairs]


def event(machine: MarketMachine, command: MarketCommand, *, ms: int = 0) -> Any:
    found = machine.apply(command, AT_NS + ms * NS_PER_MS)
    machine.check()
    return found


def accept(serial: int, market: int = 1) -> AcceptReferral:
    return AcceptReferral(market_no=market, bet_id=bet_id(shard=0, serial=serial))


def offer(serial: int, *, stake: int, odds: int, window_ms: int = 30_000) -> OfferReferral:
    return OfferReferral(
        market_no=1,
        bet_id=bet_id(shard=0, serial=serial),
        stake_minor=stake,
        odds_milli=odds,
        window_ms=window_ms,
    )


# --- delay ----------------------------------------------------------------------------------------


def test_a_delayed_bet_is_decided_at_its_time_and_is_in_no_book_before() -> None:
    machine = waiting_machine(delay_ms=5_000)
    assert answers(machine, bet(1)) == [(DELAYED, 5_000)]
    assert machine.bets_len == 0
    assert answers(machine, bet(1), ms=4_999) == [(DELAYED, 1)]
    assert released(machine, ms=4_999) == []
    assert released(machine, ms=5_000) == [(1, Reason.ACCEPTED)]
    (record,) = machine.bets()
    assert record["at_ns"] == AT_NS + 5_000 * NS_PER_MS
    assert answers(machine, bet(1), ms=9_000) == [(Reason.ACCEPTED, 0)]


def test_a_bet_that_its_market_refuses_now_does_not_wait() -> None:
    machine = waiting_machine(delay_ms=5_000, limits=SMALL)
    assert answers(machine, bet(1, odds=2_600), bet(2, stake=1_001), bet(3, outcome=9)) == [
        (Reason.ODDS_CHANGED, 0),
        (Reason.STAKE_OVER_LIMIT, 1_000),
        (Reason.OUTCOME_UNKNOWN, 0),
    ]
    assert machine.bets_len == 3


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        ((SuspendMarket(market_no=1), ResumeMarket(market_no=1)), Reason.MARKET_SUSPENDED),
        ((CancelMarket(market_no=1),), Reason.MARKET_CANCELLED),
        ((CloseMarket(market_no=1),), Reason.MARKET_CLOSED),
        (
            (
                SuspendOutcomes(market_no=1, outcomes=(0,)),
                ResumeOutcomes(market_no=1, outcomes=(0,)),
            ),
            Reason.OUTCOME_INACTIVE,
        ),
        (
            (
                FeedUpdate(
                    market_no=1,
                    source="feed",
                    position=1,
                    digest=1,
                    steps=(SuspendMarket(market_no=1), ResumeMarket(market_no=1)),
                ),
            ),
            Reason.MARKET_SUSPENDED,
        ),
    ],
    ids=["market", "cancelled", "closed", "outcome", "one message of a feed"],
)
def test_a_stop_during_the_delay_refuses_the_bet_also_when_it_has_ended(
    commands: tuple[MarketCommand, ...], reason: Reason
) -> None:
    machine = waiting_machine(delay_ms=5_000)
    answers(machine, bet(1))
    for command in commands:
        assert not isinstance(event(machine, command, ms=10), Refused)
    assert released(machine, ms=10) == [(1, reason)]
    assert answers(machine, bet(1), ms=9_000) == [(reason, 0)]


def test_a_stop_of_another_outcome_or_market_refuses_nothing() -> None:
    machine = waiting_machine(delay_ms=5_000, markets=2)
    answers(machine, bet(1))
    do(machine, SuspendOutcomes(market_no=1, outcomes=(1,)), SuspendMarket(market_no=2))
    assert released(machine, ms=5_000) == [(1, Reason.ACCEPTED)]


@pytest.mark.parametrize(
    ("policy", "odds", "reason"),
    [
        (Policy.NONE, 2_600, Reason.ODDS_CHANGED),
        (Policy.HIGHER, 2_600, Reason.ACCEPTED),
        (Policy.HIGHER, 2_400, Reason.ODDS_WORSE),
        (Policy.ANY, 2_400, Reason.ACCEPTED),
    ],
)
def test_odds_that_moved_against_the_policy_refuse_at_the_end(
    policy: Policy, odds: int, reason: Reason
) -> None:
    machine = waiting_machine(delay_ms=5_000)
    answers(machine, bet(1, policy=policy))
    do(machine, SetOdds(market_no=1, quotes=(Quote(outcome=0, odds_milli=odds),)))
    assert released(machine, ms=5_000) == [(1, reason)]
    assert machine.bets()[0]["odds_milli"] == odds


def test_a_fence_leaves_a_bet_that_waits_alone() -> None:
    """The reconciler asks for it so; only the market's own sequence ends the wait."""
    machine = waiting_machine(delay_ms=5_000)
    answers(machine, bet(1))
    assert answers(machine, bet(1, flags=FLAG_FENCE), ms=1_000) == [(DELAYED, 4_000)]
    assert answers(machine, bet(2, flags=FLAG_FENCE)) == [(Reason.FENCED, 0)]
    assert released(machine, ms=5_000) == [(1, Reason.ACCEPTED)]


def test_an_id_of_another_bet_is_refused_whether_that_one_waits_or_is_recorded() -> None:
    machine = waiting_machine(delay_ms=5_000)
    answers(machine, bet(1))
    assert answers(machine, bet(1, stake=99)) == [(Reason.BET_ID_REUSED, 0)]
    released(machine, ms=5_000)
    assert answers(machine, bet(1, stake=99), ms=6_000) == [(Reason.BET_ID_REUSED, 0)]


def test_a_full_disk_answers_a_bet_that_waits_as_before() -> None:
    machine = waiting_machine(delay_ms=5_000)
    answers(machine, bet(1))
    rows = bet_rows([bet(1), bet(2)])
    decisions = machine.repeat(rows, otherwise=Reason.DISK_FULL, at_ns=AT_NS)
    assert decisions["reason"].tolist() == [DELAYED, Reason.DISK_FULL]


def test_a_leg_waits_out_the_delay_and_for_no_trader() -> None:
    machine = waiting_machine(delay_ms=2_000, referral_ms=60_000, limits=SMALL)
    assert answers(machine, bet(1, flags=FLAG_LEG), bet(2, stake=1_001, flags=FLAG_LEG)) == [
        (DELAYED, 2_000),
        (Reason.STAKE_OVER_LIMIT, 1_000),
    ]


def test_a_new_writer_lets_delayed_bets_wait_anew_and_referrals_not() -> None:
    """A stop that came while there was no writer must still find them."""
    machine = waiting_machine(delay_ms=5_000, referral_ms=9_000, limits=SMALL)
    answers(machine, bet(1), bet(2, stake=5_000))
    loaded = MarketMachine.load(machine.dump())
    loaded.begin_epoch(epoch=2, rules=machine.rules)
    assert loaded.state_hash() == machine.state_hash()
    loaded.begin_epoch(epoch=2, rules=machine.rules, at_ns=AT_NS + 6_000 * NS_PER_MS)
    assert released(loaded, ms=9_000) == [(2, Reason.REFERRAL_EXPIRED)]
    assert released(loaded, ms=10_999) == []
    do(loaded, SuspendMarket(market_no=1))
    assert released(loaded, ms=10_999) == [(1, Reason.MARKET_SUSPENDED)]


def test_a_stop_of_the_house_or_of_an_account_ends_what_waits() -> None:
    machine = waiting_machine(delay_ms=5_000, referral_ms=60_000, limits=SMALL, markets=2)
    do(machine, acceptance(market=2, delay_ms=5_000))
    answers(machine, bet(1), bet(2, stake=5_000, account=8), bet(3, market=2))
    assert event(machine, StopWaiting(account_no=8)) == WaitingStopped(bets=1)
    assert released(machine, ms=1) == [(2, Reason.ACCOUNT_BLOCKED)]
    assert event(machine, StopWaiting(why="breach")) == WaitingStopped(bets=2)
    assert event(machine, StopWaiting()) == WaitingStopped(bets=0)
    assert released(machine, ms=1) == [(1, Reason.HOUSE_STOPPED), (3, Reason.HOUSE_STOPPED)]


def test_an_account_that_lost_its_end_is_noticed_by_a_bet_that_waits() -> None:
    machine = waiting_machine(delay_ms=5_000)
    answers(machine, bet(7, shard=3))
    assert machine.highest_bet_ids() == {3: bet_id(shard=3, serial=7)}


# --- referral -------------------------------------------------------------------------------------


def test_a_bet_over_a_limit_waits_for_a_trader_who_takes_it_whole() -> None:
    machine = waiting_machine(referral_ms=60_000, limits=SMALL)
    assert answers(machine, bet(1), bet(2, stake=5_000)) == [
        (Reason.ACCEPTED, 0),
        (REFERRED, 60_000),
    ]
    (waits,) = machine.referrals(AT_NS + 20_000 * NS_PER_MS)
    assert (waits["why"], waits["stake_minor"]) == (Reason.STAKE_OVER_LIMIT, 5_000)
    assert (waits["now_milli"], waits["left_ms"]) == (2_500, 40_000)
    do(machine, SetOdds(market_no=1, quotes=(Quote(outcome=0, odds_milli=2_000),)))
    seen = msgspec.structs.replace(accept(2), now_milli=2_000)
    decided = event(machine, seen, ms=1_000)
    assert isinstance(decided, ReferralDecided)
    assert (decided.reason, decided.stake_minor, decided.odds_milli) == (0, 5_000, 2_500)
    assert answers(machine, bet(2, stake=5_000), ms=2_000) == [(Reason.ACCEPTED, 0)]
    assert machine.bets()[1]["flags"] == FLAG_PERMITTED
    assert isinstance(event(machine, accept(2)), Refused)


def test_the_first_bet_that_fills_a_limit_sends_the_next_to_a_trader() -> None:
    """In one batch: each bet is judged by the book with those before it."""
    limits = msgspec.structs.replace(WIDE, outcome_liability_minor_max=3_000)
    machine = waiting_machine(referral_ms=60_000, limits=limits)
    found = answers(machine, *(bet(serial, stake=900) for serial in (1, 2, 3, 4)))
    accepted = Reason.ACCEPTED
    assert [reason for reason, _ in found] == [accepted, accepted, REFERRED, REFERRED]


def test_a_large_stake_waits_for_a_trader_within_the_limits_too() -> None:
    machine = waiting_machine(referral_ms=60_000, referral_minor_from=500)
    found = answers(machine, bet(1, stake=499), bet(2, stake=500), bet(3, stake=999, rate=500_000))
    assert [reason for reason, _ in found] == [Reason.ACCEPTED, REFERRED, Reason.ACCEPTED]


def test_no_trader_is_asked_for_better_odds_than_there_are() -> None:
    """Whoever takes any odds states what he likes; a bet that is taken whole is taken at these."""
    machine = waiting_machine(
        referral_ms=60_000, referral_minor_from=500, delay_ms=5_000, limits=SMALL
    )
    invented = {"odds": 900_000, "policy": Policy.ANY}
    found = answers(
        machine, bet(1, stake=5_000, **invented), bet(2, stake=900, **invented), bet(3, **invented)
    )
    assert found == [
        (Reason.STAKE_OVER_LIMIT, 1_000), (Reason.STAKE_OVER_LIMIT, 499), (DELAYED, 5_000),
    ]  # fmt: skip


def test_a_slip_of_one_leg_does_not_escape_the_trader() -> None:
    machine = waiting_machine(referral_ms=60_000, referral_minor_from=500)
    found = answers(machine, bet(1, stake=500, flags=FLAG_LEG), bet(2, stake=499, flags=FLAG_LEG))
    assert found == [(Reason.STAKE_OVER_LIMIT, 499), (Reason.ACCEPTED, 0)]


def test_what_no_trader_decides_is_refused() -> None:
    machine = waiting_machine(referral_ms=60_000, limits=SMALL)
    answers(machine, bet(1, stake=5_000))
    refused = event(machine, accept(1), ms=60_000)
    assert refused.reason is Reason.REFERRAL_UNKNOWN
    assert released(machine, ms=60_000) == [(1, Reason.REFERRAL_EXPIRED)]


def test_a_referral_outlives_a_suspension_and_is_not_taken_in_it() -> None:
    machine = waiting_machine(referral_ms=60_000, limits=SMALL)
    answers(machine, bet(1, stake=5_000), bet(2, stake=5_000))
    do(machine, SuspendMarket(market_no=1))
    assert event(machine, accept(1)).reason is Reason.MARKET_SUSPENDED
    do(machine, ResumeMarket(market_no=1))
    assert event(machine, accept(1)).reason is Reason.ACCEPTED
    do(machine, CloseMarket(market_no=1))
    assert released(machine, ms=0) == [(2, Reason.MARKET_CLOSED)]


def test_a_declined_bet_says_so() -> None:
    machine = waiting_machine(referral_ms=60_000, limits=SMALL)
    answers(machine, bet(1, stake=5_000))
    command = DeclineReferral(market_no=1, bet_id=bet_id(shard=0, serial=1), why="too much")
    decided = event(machine, command)
    assert (decided.reason, decided.why) == (Reason.REFERRAL_DECLINED, "too much")
    assert answers(machine, bet(1, stake=5_000)) == [(Reason.REFERRAL_DECLINED, 0)]


def test_rules_of_a_market_that_is_over_slow_no_bet_and_stand_when_it_is_not() -> None:
    machine = waiting_machine(delay_ms=5_000, markets=2)
    rows = bet_rows([bet(1), bet(2, market=2)])
    assert machine._waiting.concern(rows).tolist() == [True, False]
    event(machine, SettleMarket(market_no=1, results=won(True, False, False)))
    loaded = MarketMachine.load(machine.dump())
    assert machine._waiting.concern(rows) is None
    assert loaded._waiting.concern(rows) is None
    for command in (RollBackSettlement(market_no=1), ResumeMarket(market_no=1)):
        event(machine, command)
    assert answers(machine, bet(1)) == [(DELAYED, 5_000)]


def test_no_row_that_arrives_is_past_the_limits_by_its_flags() -> None:
    machine = waiting_machine(delay_ms=0, referral_ms=60_000, limits=SMALL)
    assert answers(machine, bet(1, stake=5_000, flags=FLAG_PERMITTED)) == [(REFERRED, 60_000)]
    plain, over = open_machine(limits=SMALL), bet(1, stake=5_000, flags=FLAG_PERMITTED)
    assert answers(plain, over) == [(Reason.STAKE_OVER_LIMIT, 1_000)]


def test_the_patch_changes_the_figures_that_it_names() -> None:
    machine = waiting_machine(delay_ms=5_000, referral_ms=60_000)
    found = event(machine, acceptance(delay_ms=0))
    assert isinstance(found, AcceptanceSet)
    assert (found.acceptance.delay_ms, found.acceptance.referral_ms) == (0, 60_000)
    assert answers(machine, bet(1)) == [(Reason.ACCEPTED, 0)]
    event(machine, acceptance(referral_ms=0))
    assert answers(machine, bet(2)) == [(Reason.ACCEPTED, 0)]


SAID = st.tuples(st.sampled_from(["feed", "hand"]), st.sampled_from([0, 1_000, 5_000, 30_000]))


@given(st.lists(SAID, max_size=10))
def test_a_delay_that_a_person_set_holds_over_the_feeds_until_it_is_the_feeds_again(
    said: list[tuple[str, int]],
) -> None:
    machine, delay_ms, feeds_ms = open_machine(), 0, 0
    for position, (who, given_ms) in enumerate(said, start=1):
        if who == "hand":
            delay_ms = given_ms
            do(machine, acceptance(delay_ms=given_ms))
        else:
            delay_ms, feeds_ms = given_ms if delay_ms == feeds_ms else delay_ms, given_ms
            step = SetFeedDelay(market_no=1, delay_ms=given_ms, why="the exchange's delay")
            source = FeedUpdate(market_no=1, source="ex", position=position, steps=(step,))
            applied = machine.apply(source, AT_NS)
            assert isinstance(applied, FeedApplied)
            assert isinstance(applied.events[0], AcceptanceSet)
        machine = MarketMachine.load(machine.dump())
        found = machine.book_image(1).acceptance
        assert (found.delay_ms, found.feed_delay_ms) == (delay_ms, feeds_ms)
    reason = Reason.DELAYED if delay_ms else Reason.ACCEPTED
    assert answers(machine, bet(1)) == [(reason, delay_ms)]


def test_a_market_whose_betting_has_ended_takes_no_delay_of_its_feed() -> None:
    machine = open_machine()
    do(machine, CloseMarket(market_no=1))
    assert isinstance(event(machine, SetFeedDelay(market_no=1, delay_ms=5_000)), Refused)


def test_a_dump_that_contradicts_itself_is_refused() -> None:
    machine = waiting_machine(delay_ms=5_000, referral_ms=60_000, limits=SMALL)
    answers(machine, bet(1), bet(2, stake=5_000))
    event(machine, offer(2, stake=3_000, odds=2_300))
    good = machine.dump()
    assert MarketMachine.load(good).state_hash() == machine.state_hash()
    for name, value in {
        "acceptance": [[2, 5_000, 0, 0, 0]],
        "waiting": good["waiting"] * 2,
        "permits": [[7, 1, 0, 3_000, 2_300, -1, 2_300]],
    }.items():
        with pytest.raises(ValueError, match=name):
            MarketMachine.load({**good, name: value})


def test_rows_of_other_markets_pass_beside() -> None:
    machine = waiting_machine(delay_ms=5_000, markets=2)
    bets = (bet(1, market=2), bet(2), bet(3, market=2), bet(4, market=99), bet(5))
    assert [reason for reason, _ in answers(machine, *bets)] == [
        Reason.ACCEPTED, DELAYED, Reason.ACCEPTED, Reason.MARKET_UNKNOWN, DELAYED,
    ]  # fmt: skip
    assert answers(machine, bet(3, market=2))[0][0] is Reason.ACCEPTED
    assert machine.place(bet_rows([bet(3, market=2)]), AT_NS)["flags"][0] == FLAG_KNOWN
    assert machine.place(np.zeros(0, BET), AT_NS).size == 0


def test_an_opened_market_takes_bets_at_once() -> None:
    machine = open_machine()
    assert answers(machine, bet(1)) == [(Reason.ACCEPTED, 0)]
    assert not isinstance(machine.apply(OpenMarket(market_no=1), AT_NS), AcceptanceSet)
