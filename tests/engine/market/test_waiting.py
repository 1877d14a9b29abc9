"""Bets that wait: out a market's delay, or for a trader; and what traders offer instead."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.acceptance import (
    AcceptancePatch,
    AcceptReferral,
    DeclineReferral,
    OfferReferral,
    SetAcceptance,
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
    SetOdds,
    SuspendMarket,
)
from engine.common.events import AcceptanceSet, ReferralDecided, Refused
from engine.common.ids import bet_id
from engine.common.outcome_marks import ResumeOutcomes, SuspendOutcomes
from engine.common.reasons import Reason
from engine.common.rows import BET, FLAG_FENCE, FLAG_KNOWN, FLAG_LEG, FLAG_PERMITTED, Policy, Rows
from engine.common.units import NS_PER_MS
from engine.market.market import MarketMachine
from tests.engine.market.builders import AT_NS, WIDE, Bet, bet, bet_rows, do, open_machine

SMALL = msgspec.structs.replace(WIDE, stake_minor_max=1_000)
DELAYED, REFERRED = Reason.DELAYED, Reason.REFERRED


def acceptance(market: int = 1, **figures: int) -> SetAcceptance:
    return SetAcceptance(market_no=market, acceptance=AcceptancePatch(**figures))  # type: ignore[arg-type]


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
    machine = waiting_machine(
        delay_ms=2_000, referral_ms=60_000, referral_minor_from=1, limits=SMALL
    )
    assert answers(machine, bet(1, flags=FLAG_LEG), bet(2, stake=1_001, flags=FLAG_LEG)) == [
        (DELAYED, 2_000),
        (Reason.STAKE_OVER_LIMIT, 1_000),
    ]


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
    decided = event(machine, accept(2), ms=1_000)
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


def test_an_offer_is_taken_once_within_its_window_and_by_its_account_alone() -> None:
    machine = waiting_machine(referral_ms=60_000, limits=SMALL)
    answers(machine, bet(1, stake=5_000))
    decided = event(machine, offer(1, stake=3_000, odds=2_300))
    assert (decided.reason, decided.stake_minor, decided.odds_milli) == (
        Reason.REOFFERED, 3_000, 2_300,
    )  # fmt: skip
    assert answers(machine, bet(1, stake=5_000)) == [(Reason.REOFFERED, 3_000)]
    others = (
        bet(2, stake=3_000, odds=2_300, account=8),
        bet(3, stake=3_000, odds=2_400),
        bet(4, stake=900, odds=2_300, outcome=1),
    )
    assert [reason for reason, _ in answers(machine, *others, ms=1)] == [Reason.ODDS_CHANGED] * 3
    assert answers(machine, bet(5, stake=3_001, odds=2_300), ms=1) == [(Reason.ODDS_CHANGED, 0)]
    assert answers(machine, bet(6, stake=3_000, odds=2_300), ms=30_000) == [(Reason.ACCEPTED, 0)]
    assert answers(machine, bet(7, stake=3_000, odds=2_300), ms=1) == [(Reason.ODDS_CHANGED, 0)]


def test_an_offer_that_nobody_took_ends_with_its_window() -> None:
    machine = waiting_machine(referral_ms=60_000, limits=SMALL)
    answers(machine, bet(1, stake=5_000))
    event(machine, offer(1, stake=3_000, odds=2_300, window_ms=1_000))
    assert answers(machine, bet(2, stake=3_000, odds=2_300), ms=1_001) == [(Reason.ODDS_CHANGED, 0)]


def test_an_offer_waits_out_the_markets_delay() -> None:
    """Else its bettor could see a goal, and take it before the suspension."""
    machine = waiting_machine(referral_ms=60_000, delay_ms=5_000, limits=SMALL)
    answers(machine, bet(1, stake=5_000))
    event(machine, offer(1, stake=3_000, odds=2_300))
    assert answers(machine, bet(2, stake=3_000, odds=2_300)) == [(DELAYED, 5_000)]
    assert released(machine, ms=5_000) == [(2, Reason.ACCEPTED)]


def test_no_row_that_arrives_is_past_the_limits_by_its_flags() -> None:
    machine = waiting_machine(delay_ms=0, referral_ms=60_000, limits=SMALL)
    assert answers(machine, bet(1, stake=5_000, flags=FLAG_PERMITTED)) == [(REFERRED, 60_000)]
    plain, over = open_machine(limits=SMALL), bet(1, stake=5_000, flags=FLAG_PERMITTED)
    assert answers(plain, over) == [(Reason.STAKE_OVER_LIMIT, 1_000)]


def test_an_offer_of_more_than_was_asked_for_names_the_field() -> None:
    machine = waiting_machine(referral_ms=60_000, limits=SMALL)
    answers(machine, bet(1, stake=5_000))
    refused = event(machine, offer(1, stake=5_001, odds=2_300))
    assert (refused.reason, refused.field) == (Reason.FIELD_OUT_OF_BOUNDS, "stake_minor")


def test_the_patch_changes_the_figures_that_it_names() -> None:
    machine = waiting_machine(delay_ms=5_000, referral_ms=60_000)
    found = event(machine, acceptance(delay_ms=0))
    assert isinstance(found, AcceptanceSet)
    assert (found.acceptance.delay_ms, found.acceptance.referral_ms) == (0, 60_000)
    assert answers(machine, bet(1)) == [(Reason.ACCEPTED, 0)]
    event(machine, acceptance(referral_ms=0))
    assert answers(machine, bet(2)) == [(Reason.ACCEPTED, 0)]


# --- against the rules in plain Python ------------------------------------------------------------

ODDS = (2_500, 3_200, 2_900)
STAKE_MAX = 1_000


@dataclass
class Twin:
    """One market with a limit on the stake alone: what waits, and how each bet ends."""

    delay: int = 0
    referral: int = 0
    large: int = 0
    suspended: bool = False
    waits: dict[int, tuple[Bet, int, str]] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)
    ended: dict[int, tuple[Bet, Reason]] = field(default_factory=dict)

    def place(self, one: Bet, now: int) -> Reason:
        number, stake = one[0], one[1]
        if number in self.waits:
            kept, due, kind = self.waits[number]
            if kept != one:
                return Reason.BET_ID_REUSED
            if number not in self.stopped and now < due:
                return DELAYED if kind == "delay" else REFERRED
            del self.waits[number]
            if number in self.stopped:
                return self.end(one, Reason.MARKET_SUSPENDED)
            if kind == "referral":
                return self.end(one, Reason.REFERRAL_EXPIRED)
            return self.end(one, self.check(one))
        if number in self.ended:
            kept, reason = self.ended[number]
            return reason if kept == one else Reason.BET_ID_REUSED
        reason = self.check(one)
        over = reason is Reason.STAKE_OVER_LIMIT
        if self.referral and (over or (not reason and 0 < self.large <= stake)):
            self.waits[number] = (one, now + self.referral, "referral")
            return REFERRED
        if self.delay and not reason:
            self.waits[number] = (one, now + self.delay, "delay")
            return DELAYED
        return self.end(one, reason)

    def check(self, one: Bet) -> Reason:
        if self.suspended:
            return Reason.MARKET_SUSPENDED
        return Reason.STAKE_OVER_LIMIT if one[1] > STAKE_MAX else Reason.ACCEPTED

    def end(self, one: Bet, reason: Reason) -> Reason:
        self.ended[one[0]] = (one, reason)
        return reason

    def suspend(self) -> None:
        self.suspended = True
        self.stopped |= {number for number, (_, _, kind) in self.waits.items() if kind == "delay"}


SERIAL, STAKE = st.integers(1, 12), st.sampled_from([1, 400, 1_000, 1_001, 5_000])
STEPS = st.one_of(
    st.tuples(st.just("place"), st.lists(st.tuples(SERIAL, STAKE), min_size=1, max_size=4)),
    st.tuples(st.just("delay"), st.sampled_from([0, 2_000, 5_000])),
    st.tuples(st.just("referral"), st.sampled_from([0, 3_000, 9_000])),
    st.tuples(st.just("large"), st.sampled_from([0, 400, 1_000])),
    st.tuples(st.sampled_from(["suspend", "resume", "release", "load"]), st.none()),
    st.tuples(st.sampled_from(["accept", "decline"]), SERIAL),
)


def placed(machine: MarketMachine, rows: Rows, twin: Twin, bets: list[Bet], now: int) -> None:
    decisions = machine.place(rows, AT_NS + now * NS_PER_MS)
    assert decisions["reason"].tolist() == [twin.place(one, now) for one in bets]


@settings(max_examples=150)
@given(st.lists(st.tuples(STEPS, st.integers(0, 4_000)), max_size=25))
def test_bets_wait_as_the_plain_rules_say(steps: list[tuple[tuple[str, Any], int]]) -> None:
    machine, twin, now = open_machine(odds=ODDS, limits=SMALL), Twin(), 0
    for (what, value), passed in steps:
        now += passed
        if what == "place":
            bets = [bet(serial, stake=stake) for serial, stake in value]
            placed(machine, bet_rows(bets), twin, bets, now)
        elif what == "release":
            rows = machine.due(AT_NS + now * NS_PER_MS)
            ready = {n: (0 if n in twin.stopped else d) for n, (_, d, _) in twin.waits.items()}
            order = sorted((due, number) for number, due in ready.items() if due <= now)
            assert rows["bet_id"].tolist() == [number for _, number in order]
            placed(machine, rows, twin, [twin.waits[number][0] for _, number in order], now)
        elif what in ("delay", "referral", "large"):
            setattr(twin, what, value)
            name = {"delay": "delay_ms", "referral": "referral_ms"}.get(what, "referral_minor_from")
            do(machine, acceptance(**{name: value}))
        elif what == "suspend":
            machine.apply(SuspendMarket(market_no=1), AT_NS)
            twin.suspend()
        elif what == "resume":
            machine.apply(ResumeMarket(market_no=1), AT_NS)
            twin.suspended = False
        elif what == "load":
            loaded = MarketMachine.load(machine.dump())
            assert loaded.state_hash() == machine.state_hash()
            machine = loaded
        else:
            decide(machine, twin, what, value, now)
        machine.check()
    assert machine.bets_len == len(twin.ended)
    waits = machine.due(AT_NS + 10**6 * NS_PER_MS)
    assert sorted(waits["bet_id"].tolist()) == sorted(twin.waits)


def decide(machine: MarketMachine, twin: Twin, what: str, serial: int, now: int) -> None:
    number = bet_id(shard=0, serial=serial)
    kind = AcceptReferral if what == "accept" else DeclineReferral
    found = machine.apply(kind(market_no=1, bet_id=number), AT_NS + now * NS_PER_MS)
    one, due, waits = twin.waits.get(number, (bet(serial), 0, ""))
    if waits != "referral" or due <= now:
        assert isinstance(found, Refused)
        assert found.reason is Reason.REFERRAL_UNKNOWN
    elif what == "accept" and twin.suspended:
        assert isinstance(found, Refused)
        assert found.reason is Reason.MARKET_SUSPENDED
    else:
        del twin.waits[number]
        reason = Reason.ACCEPTED if what == "accept" else Reason.REFERRAL_DECLINED
        assert isinstance(found, ReferralDecided)
        assert found.reason is twin.end(one, reason)


def test_a_dump_that_contradicts_itself_is_refused() -> None:
    machine = waiting_machine(delay_ms=5_000, referral_ms=60_000, limits=SMALL)
    answers(machine, bet(1), bet(2, stake=5_000))
    event(machine, offer(2, stake=3_000, odds=2_300))
    good = machine.dump()
    assert MarketMachine.load(good).state_hash() == machine.state_hash()
    for name, value in {
        "acceptance": [[2, 5_000, 0, 0]],
        "waiting": good["waiting"] * 2,
        "permits": [[7, 1, 0, 3_000, 2_300, -1]],
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
