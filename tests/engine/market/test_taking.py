"""What a trader cannot have taken past a market's limits: odds of before a goal, and too much."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from engine.common.acceptance import HouseCap
from engine.common.commands import CloseMarket, Quote, SetOdds, SuspendMarket
from engine.common.events import ReferralDecided, Refused
from engine.common.outcome_marks import SuspendOutcomes
from engine.common.reasons import Reason
from engine.common.units import LIMIT_MINOR_MAX, STAKE_MINOR_MAX
from engine.market.market import MarketMachine
from tests.engine.market.builders import SMALL, acceptance, bet, do, open_machine
from tests.engine.market.test_waiting import accept, answers, event, offer, waiting_machine

NO_CAP = HouseCap(
    stake_minor_max=STAKE_MINOR_MAX,
    payout_minor_max=LIMIT_MINOR_MAX,
    outcome_liability_minor_max=LIMIT_MINOR_MAX,
    market_liability_minor_max=LIMIT_MINOR_MAX,
)


def referred_machine(*, stake: int = 5_000, odds_now: int = 2_500, **fields: int) -> MarketMachine:
    """Return a machine where bet 1 waits for a trader, with the odds of its outcome now."""
    machine = waiting_machine(referral_ms=60_000, limits=SMALL)
    answers(machine, bet(1, stake=stake, **fields))
    set_odds(machine, odds_now)
    return machine


def set_odds(machine: MarketMachine, odds: int) -> None:
    quote = Quote(outcome=0, odds_milli=odds)
    do(machine, SetOdds(market_no=1, quotes=(quote,), override=True))


def refusal(machine: MarketMachine, command: Any) -> tuple[Reason, str]:
    before = machine.state_hash()
    refused = event(machine, command)
    assert isinstance(refused, Refused), refused
    assert machine.state_hash() == before, "the bet goes on waiting"
    return refused.reason, refused.field


# --- odds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [accept, lambda serial: offer(serial, stake=3_000, odds=2_500)])
@pytest.mark.parametrize(
    ("seen", "now", "taken"),
    [
        (UNSET, 2_500, True),
        (UNSET, 2_501, True),
        (UNSET, 2_499, False),
        (2_500, 1_100, False),
        (1_100, 1_100, True),
        (1_101, 1_100, False),
        (2_600, 2_500, False),
    ],
)
def test_nobody_takes_the_odds_of_before_a_fall_that_he_has_not_seen(
    make: Any, seen: Any, now: int, taken: bool
) -> None:
    machine = referred_machine(odds_now=now)
    command = replace(make(1), now_milli=seen)
    if taken:
        assert isinstance(event(machine, command), ReferralDecided)
    else:
        assert refusal(machine, command) == (Reason.ODDS_CHANGED, "now_milli")


@pytest.mark.parametrize(
    ("now", "odds", "made"),
    [(2_500, 2_500, True), (2_500, 2_501, False), (2_700, 2_700, True), (2_700, 2_701, False),
     (2_500, 10_000_000, False), (2_000, 2_500, True)],
)  # fmt: skip
def test_nobody_is_offered_more_than_he_asked_for_or_than_there_is(
    now: int, odds: int, made: bool
) -> None:
    machine = referred_machine(odds_now=now)
    command = replace(offer(1, stake=3_000, odds=odds), now_milli=now)
    if made:
        assert isinstance(event(machine, command), ReferralDecided)
    else:
        assert refusal(machine, command) == (Reason.FIELD_OUT_OF_BOUNDS, "odds_milli")


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        (SuspendMarket(market_no=1), Reason.MARKET_SUSPENDED),
        (SuspendOutcomes(market_no=1, outcomes=(0,)), Reason.OUTCOME_INACTIVE),
    ],
)
def test_no_offer_is_made_where_no_bet_is_taken(stop: Any, reason: Reason) -> None:
    """Whoever makes one during a stop does so by odds that are about to change."""
    machine = referred_machine()
    do(machine, stop)
    assert refusal(machine, offer(1, stake=3_000, odds=2_300)) == (reason, "bet_id")


@settings(max_examples=40)
@given(
    asked=st.sampled_from([2_300, 2_500]),
    now=st.integers(2_000, 2_600),
    later=st.lists(st.integers(1_900, 2_700), max_size=4),
)
def test_an_offer_ends_where_the_odds_fall_below_it_and_below_those_beside_which_it_was_made(
    asked: int, now: int, later: list[int]
) -> None:
    machine = referred_machine(odds_now=now)
    event(machine, replace(offer(1, stake=3_000, odds=asked), now_milli=now))
    made = asked <= max(2_500, now)
    stands = made
    for odds in later:
        set_odds(machine, odds)
        machine = MarketMachine.load(machine.dump())
        stands = stands and odds >= min(asked, now)
    assert len(machine.dump()["permits"]) == int(stands)


def test_what_has_ended_stays_ended() -> None:
    machine = referred_machine()
    event(machine, offer(1, stake=3_000, odds=2_300))
    do(machine, CloseMarket(market_no=1))
    assert machine.dump()["permits"] == []


# --- the house cap --------------------------------------------------------------------------------


def base(amount: int, rate: int, *, up: bool) -> int:
    """Convert an amount to base currency, by the millionth, in whole numbers."""
    return -(-amount * rate // 1_000_000) if up else amount * rate // 1_000_000


@settings(max_examples=60)
@given(
    rate=st.sampled_from([1_000_000, 333_333, 1_500_000]),
    factor=st.sampled_from([0, 100, 5_000]),
    caps=st.tuples(st.integers(1, 9_000), *[st.integers(1, 25_000)] * 3),
    offered=st.none() | st.tuples(st.integers(1, 5_000), st.integers(1_100, 2_500)),
)
def test_a_trader_takes_nothing_that_a_market_at_the_house_cap_would_refuse(
    rate: int, factor: int, caps: tuple[int, ...], offered: tuple[int, int] | None
) -> None:
    machine = open_machine(limits=SMALL)
    answers(machine, bet(9, stake=700), bet(8, stake=900, outcome=1, odds=3_200))
    do(machine, acceptance(referral_ms=60_000, referral_minor_from=1))
    answers(machine, bet(1, stake=5_000, rate=rate, factor=factor))
    cap = HouseCap(**dict(zip(HouseCap.__struct_fields__, caps, strict=True)))
    stake, odds = offered or (5_000, 2_500)
    command = accept(1) if offered is None else offer(1, stake=stake, odds=odds)
    found = event(machine, replace(command, cap=cap))

    taken = 700 + 900 + base(stake, rate, up=False)
    won = base(stake * odds // 1_000 - stake, rate, up=True)
    home = 700 * 2_500 // 1_000 + base(stake, rate, up=False) + won
    within = (
        base(stake, rate, up=True) <= caps[0]
        and base(stake * odds // 1_000, rate, up=True) <= caps[1]
        and home - taken <= caps[2]
        and max(home, 900 * 3_200 // 1_000) - taken <= caps[3]
    )
    assert isinstance(found, ReferralDecided) == within, (found, taken, home)
    if not within:
        assert (found.reason, found.field) == (Reason.LIMIT_OVER_CAP, "bet_id")


def test_no_cap_refuses_nothing() -> None:
    machine = referred_machine(stake=5_000)
    assert isinstance(event(machine, replace(accept(1), cap=NO_CAP)), ReferralDecided)
