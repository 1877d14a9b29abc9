"""The grid of a fixture: what the house loses by how it ends, and the limit of the worst."""

import random
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    LimitsPatch,
    MarketCommand,
    OpenMarket,
    OutcomeResult,
    RollBackCancel,
    RollBackSettlement,
    SetLimits,
    SetPhaseLimits,
    SettleMarket,
)
from engine.common.events import LimitsSet, Refused
from engine.common.lifecycle import Status
from engine.common.payoff_codes import pack_codes
from engine.common.payoffs import CELLS, Payoffs
from engine.common.reasons import Reason
from engine.common.rows import FLAG_LEG
from engine.common.units import LIMIT_MINOR_MAX
from engine.market.market import MarketMachine
from engine.pricing.football.market_types import market_rules
from engine.pricing.football.score_payoffs import SIDE, score_payoffs
from tests.engine.market import grid_twin
from tests.engine.market.builders import AT_NS, WIDE, bet, charge, create, do, place, won
from tests.engine.market.twin import MarketTwin

SHEETS = (0, 0, 1, -1)
"""The sheets of markets 1 to 4 of fixture f; market 5 is of fixture g."""
OUTCOMES = 3
ODDS = (2_500, 1_501, 10_000)


def draw_codes(seed: int) -> list[list[list[int]]]:
    """Return codes by market, outcome and cell: mostly won or lost, as most markets are."""
    rng = random.Random(seed)
    return [
        [[rng.choice((0, 0, 0, 4, 4, 1, 2, 3)) for _ in range(CELLS)] for _ in range(OUTCOMES)]
        for _ in range(5)
    ]


def grid_machine(codes: list[list[list[int]]], limit: int) -> MarketMachine:
    """Return a machine with the markets open; each has the limit."""
    machine = MarketMachine()
    for number, sheet in enumerate((*SHEETS, 0), start=1):
        rows = np.array(codes[number - 1], np.uint8)
        payoffs = UNSET if sheet < 0 else Payoffs(sheet=sheet, codes=pack_codes(rows))
        fixture = "f" if number < 5 else "g"
        limits = replace(WIDE, fixture_liability_minor_max=limit)
        command = create(number, odds=ODDS, limits=limits, key=f"{fixture}/type{number}")
        do(machine, replace(command, payoffs=payoffs), OpenMarket(market_no=number))
    return machine


def open_markets(machine: MarketMachine, codes) -> list[grid_twin.OpenMarket]:
    """Return what is open of the markets of fixture f, from the views of their books."""
    markets = []
    for number, sheet in enumerate(SHEETS, start=1):
        image = machine.book_image(number)
        stakes, payouts = list(image.stake_minor), list(image.payout_minor)
        ended = image.results_stand or image.prices.status == Status.CANCELLED
        for outcome in range(OUTCOMES):
            if ended or outcome in machine.decided_outcomes(number):
                stakes[outcome] = payouts[outcome] = 0
        markets.append(grid_twin.OpenMarket(stakes, payouts, sheet, codes[number - 1]))
    return markets


def assert_grid(machine: MarketMachine, codes, limit: int) -> None:
    """Compare the grid with the twin's, and the kept sums with those counted from the books."""
    markets = open_markets(machine, codes)
    image = machine.fixture_grid("f")
    assert list(image.loss_minor) == [grid_twin.up(each) for each in grid_twin.losses(markets, 0)]
    assert image.beside_minor == grid_twin.up(grid_twin.beside(markets))
    assert image.worst_minor == grid_twin.up(grid_twin.worst(markets))
    assert (image.markets, image.markets_beside) == (2, 2)
    shown = machine.book_image(1).fixture_worst_minor
    assert shown == (image.worst_minor if limit else None)
    machine.check()


bets = st.tuples(
    st.integers(1, 5),
    st.integers(0, OUTCOMES - 1),
    st.one_of(st.integers(1, 900), st.just(10**9)),
    st.sampled_from((1_000_000, 1_000_000, 333_333, 7_000_001)),
    st.booleans(),
)
charges = st.tuples(st.just("charge"), st.integers(0, 9), st.integers(0, 900), st.booleans())
commands = st.builds(
    lambda make, number: make(number),
    st.sampled_from(
        (
            lambda number: SettleMarket(market_no=number, results=won(True, False, False)),
            lambda number: SettleMarket(
                market_no=number, results=(OutcomeResult(won=False),), outcomes=(1,)
            ),
            lambda number: RollBackSettlement(market_no=number),
            lambda number: CancelMarket(market_no=number),
            lambda number: CancelBets(market_no=number, outcomes=(0,)),
            lambda number: RollBackCancel(market_no=number),
            lambda number: RollBackCancel(market_no=number, outcomes=(0,)),
            lambda number: OpenMarket(market_no=number),
        )
    ),
    st.integers(1, 5),
)
steps = st.lists(
    st.one_of(bets, bets, bets, bets, charges, commands, st.sampled_from((0, 400, 3_000))),
    max_size=18,
)


def assert_bet(machine: MarketMachine, codes, limit: int, serial: int, drawn) -> None:
    """Place a bet, and assert that the limit refuses what the twin says and offers its stake."""
    number, outcome, stake, rate, leg = drawn
    markets = open_markets(machine, codes)
    one = bet(
        serial, stake=stake, market=number, outcome=outcome, odds=ODDS[outcome], rate=rate,
        flags=FLAG_LEG if leg else 0,
    )  # fmt: skip
    adds = MarketTwin([], WIDE)

    def passes(tried: int) -> bool:
        again = (one[0], tried, *one[2:])
        base, payout = adds.base_of(again), adds.payout_of(again, ODDS[outcome])
        within = adds.limited_stake(again) <= 10**9
        return within and not grid_twin.is_over(markets, limit, number - 1, (outcome, base, payout))

    ((reason, _, offered, _),) = place(machine, one)
    if reason not in (Reason.ACCEPTED, Reason.FIXTURE_LIABILITY) or number == 5:
        return
    assert (reason == Reason.ACCEPTED) == passes(stake)
    if reason == Reason.FIXTURE_LIABILITY:
        highest = grid_twin.highest_stake(passes, 10**9)
        smallest = 0 if leg else 1
        assert offered == (highest if adds.base_of((0, highest, *one[2:])) >= smallest else 0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 5), limit=st.sampled_from((0, 700, 3_000)), stream=steps)
def test_the_grid_and_its_limit_are_those_of_the_twin(seed: int, limit: int, stream) -> None:
    codes, serials = draw_codes(seed), count(1)
    machine = grid_machine(codes, limit)
    for step in stream:
        if isinstance(step, int):
            limit = step
            for number in range(1, 5):
                patch = LimitsPatch(fixture_liability_minor_max=limit)
                event = machine.apply(SetLimits(market_no=number, limits=patch), AT_NS)
                if isinstance(event, Refused):
                    return  # betting on it has ended, so its limit stays
        elif isinstance(step, MarketCommand):
            machine.apply(step, AT_NS)
        elif step[0] == "charge":
            _, place_of, stake, released = step
            legs = machine.bets()[machine.bets()["flags"] == FLAG_LEG]
            legs = legs[legs["reason"] == Reason.ACCEPTED]
            if len(legs):
                leg = legs[place_of % len(legs)]
                charge(
                    machine, int(leg["bet_id"]), 0 if released else stake, number=next(serials),
                    market=int(leg["market_no"]), flags=int(released),
                )  # fmt: skip
        else:
            assert_bet(machine, codes, limit, next(serials), step)
        assert_grid(machine, codes, limit)
    loaded = MarketMachine.load(machine.dump())
    loaded.check()
    assert loaded.state_hash() == machine.state_hash()
    assert loaded.fixture_grid("f") == machine.fixture_grid("f")


FOOTBALL = {
    "1x2": (1_800, 3_600, 4_500),
    "total?total=2.5": (1_900, 1_900),
    "correct_score": (8_000,) * 26,
    "both_teams_to_score": (1_800, 2_000),
    "first_half_1x2": (2_500, 2_200, 5_000),
    "corners": (1_900, 1_900),
}


def football_machine(limit: int) -> MarketMachine:
    """Return a match's open markets with the payoffs that football's rules give them."""
    machine = MarketMachine()
    for number, (market, odds) in enumerate(FOOTBALL.items(), start=1):
        names: tuple[str, ...] = ("over", "under")
        if market != "corners":
            type_name, _, text = market.partition("?")
            specifiers = (tuple(text.split("=")),) if text else ()
            names = tuple(rule.name for rule in market_rules(type_name, specifiers).outcomes)
        key = f"match/{market}"
        command = create(
            number,
            odds=odds,
            limits=replace(WIDE, fixture_liability_minor_max=limit),
            key=key,
        )
        command = replace(command, outcomes=names, payoffs=score_payoffs(key, names))
        do(machine, command, OpenMarket(market_no=number))
    return machine


def home_wins_bets() -> list:
    """Return bets that all win at 3:1 (home, over, 3:1 exactly, both score)."""
    names = [rule.name for rule in market_rules("correct_score", ()).outcomes]
    return [
        bet(1, stake=1_000, market=1, outcome=0, odds=1_800),
        bet(2, stake=1_000, market=2, outcome=0, odds=1_900),
        bet(3, stake=100, market=3, outcome=names.index("3:1"), odds=8_000),
        bet(4, stake=500, market=4, outcome=0, odds=1_800),
    ]


def test_bets_on_four_markets_pay_together_at_one_score() -> None:
    machine = football_machine(10**9)
    assert {reason for reason, *_ in place(machine, *home_wins_bets())} == {Reason.ACCEPTED}
    image = machine.fixture_grid("match")
    loss = np.array(image.loss_minor).reshape(SIDE, SIDE)
    assert loss[3, 1] == 800 + 900 + 700 + 400 == image.worst_minor == loss.max()
    assert loss[2, 1] == 800 + 900 - 100 + 400
    assert loss[0, 0] == -(1_000 + 1_000 + 100 + 500)
    place(machine, bet(5, stake=200, market=5, odds=2_500), bet(6, stake=300, market=6, odds=1_900))
    image = machine.fixture_grid("match")
    assert (image.beside_minor, image.worst_minor) == (300 + 270, 2_800 + 570)
    assert (image.markets, image.markets_beside) == (4, 2)


def test_a_bet_that_takes_the_worst_score_over_the_limit_is_offered_the_stake_that_passes() -> None:
    machine = football_machine(3_000)
    place(machine, *home_wins_bets())
    over = bet(5, stake=252, market=1, outcome=0, odds=1_800)
    assert place(machine, over) == [(Reason.FIXTURE_LIABILITY, 1_800, 251, 0)], "201 > 200"
    assert place(machine, bet(6, stake=251, market=1, odds=1_800))[0][0] == Reason.ACCEPTED
    assert machine.book_image(1).fixture_worst_minor == 3_000
    assert place(machine, bet(7, stake=2, market=1, odds=1_800))[0][0] == Reason.FIXTURE_LIABILITY
    away = bet(8, stake=5_000, market=1, outcome=2, odds=4_500)
    assert place(machine, away)[0][:1] == (Reason.FIXTURE_LIABILITY,)


def test_a_bet_that_makes_the_worst_score_no_worse_is_taken_over_the_limit() -> None:
    machine = football_machine(10**9)
    place(machine, *home_wins_bets())
    for number in range(1, 7):
        patch = LimitsPatch(fixture_liability_minor_max=100)
        do(machine, SetLimits(market_no=number, limits=patch))
    assert place(machine, bet(5, stake=1, market=2, odds=1_900))[0][0] == Reason.ACCEPTED, "0 wins"
    assert place(machine, bet(6, stake=2, market=2, odds=1_900))[0][0] == Reason.FIXTURE_LIABILITY
    under = bet(7, stake=500, market=2, outcome=1, odds=1_900)
    assert place(machine, under)[0][0] == Reason.ACCEPTED
    assert machine.book_image(1).fixture_worst_minor == 2_800 - 500


def test_another_market_of_the_fixture_without_the_limit_is_counted_and_never_refused() -> None:
    machine = football_machine(0)
    do(machine, SetLimits(market_no=1, limits=LimitsPatch(fixture_liability_minor_max=500)))
    assert place(machine, bet(1, stake=1_000, market=2, odds=1_900))[0][0] == Reason.ACCEPTED
    assert machine.book_image(3).fixture_worst_minor == 900
    assert place(machine, bet(2, stake=100, odds=1_800))[0][:1] == (Reason.FIXTURE_LIABILITY,)


def test_limits_of_a_phase_begin_and_end_a_grid() -> None:
    machine = football_machine(0)
    place(machine, *home_wins_bets())
    assert machine.book_image(1).fixture_worst_minor is None
    limited = replace(WIDE, fixture_liability_minor_max=5_000)
    event = machine.apply(SetPhaseLimits(market_no=1, before=WIDE, limits=limited), AT_NS)
    assert isinstance(event, LimitsSet)
    assert machine.book_image(2).fixture_worst_minor == 2_800
    do(machine, SetPhaseLimits(market_no=1, before=limited, limits=WIDE))
    assert machine.book_image(2).fixture_worst_minor is None
    machine.check()
    assert machine.fixture_grid("match").worst_minor == 2_800
    assert machine.fixture_grid("other") is None


@pytest.mark.parametrize(
    ("payoffs", "named"),
    [
        (Payoffs(sheet=3, codes=bytes(96)), "sheet: 0 to 2"),
        (Payoffs(sheet=0, codes=bytes(95)), "codes: 32 bytes"),
        (Payoffs(sheet=0, codes=bytes([5] * 96)), "codes: 0 to 4"),
    ],
)
def test_payoffs_that_do_not_fit_are_refused(payoffs: Payoffs, named: str) -> None:
    event = MarketMachine().apply(replace(create(), payoffs=payoffs), AT_NS)
    assert isinstance(event, Refused)
    assert (event.field, event.message[: len(named)]) == ("payoffs", named)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"payoffs": [[3, bytes(96)]]}, "payoffs: sheet"),
        ({"payoffs": [[0, bytes(64)]]}, "payoffs: codes"),
        ({"payoffs": [[0, "codes"]]}, "payoffs: not a sheet"),
        ({"payoffs": [7]}, "payoffs: not a sheet"),
        ({"places": np.array([1, 0], "<i4").tobytes()}, "places"),
        ({"places": np.array([0], "<i4").tobytes()}, "places"),
        ({"places": np.array([-1, -1], "<i4").tobytes()}, "payoffs: given twice"),
        ({"fixture_limits": np.array([-1, 0], "<i8").tobytes()}, "fixture_limits"),
        ({"fixture_limits": np.array([LIMIT_MINOR_MAX + 1] * 2, "<i8").tobytes()}, "fixture_lim"),
        ({"fixture_limits": b""}, "fixture_limits"),
    ],
)
def test_a_dump_with_other_payoffs_is_refused(change: dict, named: str) -> None:
    machine = MarketMachine()
    payoffs = Payoffs(sheet=0, codes=bytes(96))
    do(machine, replace(create(1, key="f/a"), payoffs=payoffs), create(2, key="f/b"))
    with pytest.raises(ValueError, match=f"market_machine.{named}"):
        MarketMachine.load(machine.dump() | change)
