"""Each-way terms and deductions: published worked settlements, paid out by a market."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.common import withdrawals
from engine.common.commands import (
    DEDUCTIONS_MAX,
    CreateMarket,
    Deduction,
    OpenMarket,
    OutcomeResult,
    SettleMarket,
)
from engine.common.ids import MarketKey, parse_market_key
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN, Nanos
from engine.common.withdrawals import DEDUCTION_MILLI_MAX
from engine.market.deductions import accumulated
from engine.market.market import MarketMachine
from engine.pricing.race.model import RaceState
from engine.pricing.race.sport import SPORT
from engine.pricing.race.terms import (
    HANDICAP,
    RULE_4,
    STANDARD,
    EachWayBet,
    EachWayTerms,
    deduction_milli,
    each_way_terms,
    place_key,
    place_odds_milli,
    read_deductions,
    read_table,
    terms_of,
)
from tests.engine.market.builders import AT_NS, WIDE, bet, do, place


class Withdrawal(NamedTuple):
    """When a runner is withdrawn, and at which odds."""

    at_ns: int
    odds_milli: int


def deductions(withdrawn: Sequence[Withdrawal]) -> tuple[Deduction, ...]:
    return accumulated(
        withdrawals.Withdrawal(
            outcome=at,
            until_ns=Nanos(each.at_ns),
            deduct_milli=deduction_milli(RULE_4, odds_milli=each.odds_milli),
        )
        for at, each in enumerate(withdrawn)
    )


FIFTH = EachWayTerms(places=3, odds_den=5)
RUNNERS = ("runners", "8")


def paid(
    market_type: str,
    *,
    odds_milli: int,
    stake_minor: int,
    positions: tuple[int, ...],
    places: int | None = None,
    withdrawn: tuple[Withdrawal, ...] = (),
) -> int:
    """Bet on runner 1 in a market of its own, settle it by the positions, and return the payout."""
    specifiers = (RUNNERS,) if places is None else (("places", str(places)), RUNNERS)
    market = SPORT.market(market_type, specifiers)
    machine = MarketMachine()
    key = f"r/{market_type}?" + "|".join(f"{name}={value}" for name, value in specifiers)
    results = SPORT.results(market, RaceState(positions=positions))
    assert results is not None
    do(
        machine,
        CreateMarket(
            market_no=1,
            key=key,
            outcomes=market.outcomes,
            odds_milli=(odds_milli,) * 8,
            limits=WIDE,
        ),
        OpenMarket(market_no=1),
    )
    assert place(machine, bet(1, stake=stake_minor, odds=odds_milli))[0][0] == 0
    do(machine, SettleMarket(market_no=1, results=results, deductions=deductions(withdrawn)))
    return int(machine.outbox(shard=0, limit=1)["payout_minor"][0])


def each_way(positions: tuple[int, ...], withdrawn: tuple[Withdrawal, ...] = ()) -> list[int]:
    """Return the payouts, in cents, of both parts of 10.00 each-way at 7/4, a fifth, 3 places."""
    return [
        paid(
            part.market_type,
            odds_milli=part.odds_milli,
            stake_minor=part.stake_minor,
            positions=positions,
            places=int(dict(part.specifiers)["places"]) if part.specifiers else None,
            withdrawn=withdrawn,
        )
        for part in EachWayBet(stake_minor=1_000, odds_milli=2_750, terms=FIFTH).parts()
    ]


FIRST, SECOND = (1, 2, 3, 4, 5, 6, 7, 8), (2, 1, 3, 4, 5, 6, 7, 8)
AT_7_4 = Withdrawal(at_ns=AT_NS + 1, odds_milli=2_750)


def test_ten_each_way_at_7_4_a_fifth_pays_41_when_it_wins_and_13_50_when_second() -> None:
    assert each_way(FIRST) == [2_750, 1_350]
    assert each_way(SECOND) == [0, 1_350]


def test_the_same_bet_after_a_deduction_of_35_per_cent_pays_33_65_and_12_28_before_rounding() -> (
    None
):
    """The parts pay 21.375 and 12.275; they are two bets, and each payout is rounded down."""
    assert deduction_milli(RULE_4, odds_milli=AT_7_4.odds_milli) == 350
    assert each_way(FIRST, (AT_7_4,)) == [2_137, 1_227]
    assert each_way(SECOND, (AT_7_4,)) == [0, 1_227]
    exact = [10.0 * (1.0 + profit * 0.65) for profit in (1.75, 0.35)]
    assert sum(exact) == pytest.approx(33.65)
    assert exact[1] == pytest.approx(12.275)


def test_ten_at_8_1_after_25p_of_rule_4_returns_70() -> None:
    at_3_1 = Withdrawal(at_ns=AT_NS + 1, odds_milli=4_000)
    assert deduction_milli(RULE_4, odds_milli=4_000) == 250
    assert paid(
        "win", odds_milli=9_000, stake_minor=1_000, positions=FIRST, withdrawn=(at_3_1,)
    ) == 7_000  # fmt: skip


def test_sixty_at_6_in_a_dead_heat_of_three_pays_120() -> None:
    tied = (1, 1, 1, 4, 5, 6, 7, 8)
    assert paid("win", odds_milli=6_000, stake_minor=6_000, positions=tied) == 12_000


# --- each-way terms ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runners", "standard", "handicap"),
    [
        (4, None, None), (5, (2, 4), (2, 4)), (7, (2, 4), (2, 4)), (8, (3, 5), (3, 5)),
        (12, (3, 5), (3, 4)), (15, (3, 5), (3, 4)), (16, (3, 5), (4, 4)), (40, (3, 5), (4, 4)),
    ],
)  # fmt: skip
def test_each_way_terms_depend_on_the_number_of_runners(
    runners: int, standard: tuple[int, int] | None, handicap: tuple[int, int] | None
) -> None:
    for table, expected in ((STANDARD, standard), (HANDICAP, handicap)):
        terms = each_way_terms(table, runners=runners)
        assert (None if terms is None else (terms.places, terms.odds_den)) == expected
    assert each_way_terms((), runners=runners) is None


@given(
    odds=st.integers(ODDS_MILLI_MIN, ODDS_MILLI_MAX), num=st.integers(1, 5), den=st.integers(5, 9)
)
def test_place_odds_are_a_fraction_of_the_winnings_rounded_down(
    odds: int, num: int, den: int
) -> None:
    placed = place_odds_milli(
        odds_milli=odds, terms=EachWayTerms(places=2, odds_num=num, odds_den=den)
    )
    assert ODDS_MILLI_MIN <= placed <= odds
    if placed > ODDS_MILLI_MIN:
        assert 0 <= (odds - 1_000) * num - (placed - 1_000) * den < den


# --- deductions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("odds_milli", "deducted"),
    [
        (1_010, 900), (1_111, 900), (1_120, 850), (1_200, 800), (1_250, 800), (1_300, 750),
        (1_330, 700), (1_400, 700), (1_500, 650), (1_533, 650), (1_615, 600), (1_800, 550),
        (1_910, 500), (2_000, 450), (2_200, 450), (2_250, 400), (2_500, 400), (2_750, 350),
        (3_250, 300), (4_000, 250), (4_330, 200), (5_000, 200), (5_500, 150), (6_500, 150),
        (7_000, 100), (10_000, 100), (11_000, 50), (15_000, 50), (15_500, 0), (101_000, 0),
    ],
)  # fmt: skip
def test_the_scale_of_rule_4(odds_milli: int, deducted: int) -> None:
    assert deduction_milli(RULE_4, odds_milli=odds_milli) == deducted


def test_a_bookmakers_own_scale_may_be_in_any_order() -> None:
    scale = tuple(replace(row, deduct_milli=row.deduct_milli // 2) for row in reversed(RULE_4))
    assert deduction_milli(scale, odds_milli=2_750) == 175


def test_a_deduction_counts_later_withdrawals_and_is_at_most_90p() -> None:
    withdrawn = (
        Withdrawal(at_ns=300, odds_milli=4_000),
        Withdrawal(at_ns=100, odds_milli=1_500),
        Withdrawal(at_ns=200, odds_milli=50_000),
        Withdrawal(at_ns=300, odds_milli=11_000),
    )
    assert deductions(withdrawn) == (
        Deduction(until_ns=100, keep_milli=1_000 - DEDUCTION_MILLI_MAX),
        Deduction(until_ns=300, keep_milli=700),
    )
    assert deductions(()) == ()
    assert deductions((Withdrawal(at_ns=1, odds_milli=20_000),)) == ()


@given(
    withdrawn=st.lists(
        st.builds(
            Withdrawal,
            at_ns=st.integers(1, 20),
            odds_milli=st.integers(ODDS_MILLI_MIN, 30_000),
        ),
        max_size=6,
    ),
    at_ns=st.integers(0, 21),
)
def test_deductions_equal_the_sum_over_later_withdrawals(
    withdrawn: list[Withdrawal], at_ns: int
) -> None:
    expected = sum(
        deduction_milli(RULE_4, odds_milli=one.odds_milli) for one in withdrawn if one.at_ns > at_ns
    )
    rows = deductions(withdrawn)
    times = [one.until_ns for one in rows]
    assert times == sorted(dict.fromkeys(times))
    kept = next((one.keep_milli for one in rows if at_ns < one.until_ns), 1_000)
    assert kept == 1_000 - min(expected, DEDUCTION_MILLI_MAX)


def test_of_more_deductions_than_a_settlement_holds_the_smallest_are_left_out() -> None:
    many = [Withdrawal(at_ns=at, odds_milli=12_000) for at in range(1, 18)]
    rows = deductions(many)
    assert len(rows) == DEDUCTIONS_MAX
    assert (rows[0].keep_milli, rows[-1].keep_milli) == (1_000 - 17 * 50, 1_000 - 2 * 50)


@pytest.mark.parametrize("text", ["2_750:350", "900:10", "2750:901", "2750:1,2750:2", "rule4", ""])
def test_a_malformed_table_of_deductions_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text.split(",", maxsplit=1)[0])[:-1])):
        read_deductions(text)


def test_a_table_of_deductions_is_read_by_name_or_by_rows() -> None:
    assert (read_deductions("tattersalls"), read_deductions("none")) == (RULE_4, None)
    own = read_deductions("2750:350,10000:50")
    assert own is not None
    assert [deduction_milli(own, odds_milli=odds) for odds in (2_750, 2_751, 10_001)] == [
        350,
        50,
        0,
    ]


def test_losers_and_non_runners_have_no_deduction() -> None:
    lost = (2, 1, 3, 4, 5, 6, 7, 8)
    assert (
        paid("win", odds_milli=9_000, stake_minor=1_000, positions=lost, withdrawn=(AT_7_4,)) == 0
    )
    market = SPORT.market("win", (RUNNERS,))
    state = RaceState(withdrawn=(1,), positions=(0, 1, 2, 3, 4, 5, 6, 7))
    results = SPORT.results(market, state)
    assert results is not None
    assert results[0] == OutcomeResult(won=False, void_halves=2)


# --- the house's place markets -------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 100), st.integers(1, 100), st.booleans())
def test_a_place_market_names_its_win_market_and_its_terms(
    places: int, num: int, den: int, with_runners: bool
) -> None:
    terms = EachWayTerms(places=places, odds_num=num, odds_den=den)
    win = MarketKey("r:1", "win", (("runners", "8"),) if with_runners else ())
    key = parse_market_key(str(place_key(win, terms)))
    assert terms_of(key) == (win, terms)
    assert terms_of(win) is None
    assert terms_of(MarketKey("r", "each_way", (("places", "3"),))) is None


@pytest.mark.parametrize(
    ("text", "by_runners"),
    [
        ("standard", {4: None, 7: (2, 1, 4), 8: (3, 1, 5)}),
        ("5:2:1/4,12:0,16:4:2/9", {4: None, 5: (2, 1, 4), 12: None, 40: (4, 2, 9)}),
    ],
)
def test_a_table_is_read_from_text(text: str, by_runners: dict[int, Any]) -> None:
    for runners, expected in by_runners.items():
        terms = each_way_terms(read_table(text), runners=runners)
        found = None if terms is None else (terms.places, terms.odds_num, terms.odds_den)
        assert found == expected
