"""How slips are read: defaults, names, events, faults, and the shares of what bets may pay."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import MarketRoute
from actors.routes import Routes
from engine.common.ids import AccountNo
from engine.common.reasons import Reason
from engine.common.rows import FLAG_EACH_WAY, FLAG_HEAD, RESERVATION, SLIP_BET, Policy, Rows
from engine.slips.checks import SlipFault
from engine.slips.structure import ACCUMULATOR, EQUAL_SIZES, FULL_COVERS
from gateway.bets.rows import slip_rows
from gateway.bets.slip_reader import SlipReader
from gateway.bets.slip_ticket import SlipTicket
from gateway.market_limits import LimitRules, LimitsSettings
from gateway.messages.bettor import NamedBet
from gateway.messages.slips import SLIP_POLICY_NUMBERS, BetLines, Leg, PlaceSlip, PlaceTerms
from gateway.settings import GatewaySettings

FIXTURES = 30
SECOND = 100
"""Market n is the first of fixture n, and market SECOND + n its second one."""


def reader(*, limits: dict[str, Any] | None = None, **settings: Any) -> SlipReader:
    routes = Routes(shards=1)
    markets = [
        MarketRoute(market_no=no + more, key=f"cup-{no}/{kind}", shell=f"market-{no % 3}")
        for no in range(FIXTURES)
        for more, kind in ((0, "1x2"), (SECOND, "total?total=2.5"))
    ]
    routes.update(version=1, shells=[], markets=markets, peers={})
    return SlipReader(
        routes=routes,
        settings=GatewaySettings(**settings),
        limits=LimitRules(LimitsSettings(**(limits or {}))),
    )


READER = reader()


def read(
    markets: Sequence[int], *bets: BetLines, by: SlipReader = READER, **fields: Any
) -> SlipTicket | SlipFault:
    odds = fields.pop("odds", [2_000] * len(markets))
    positions = fields.pop("positions", [None] * len(markets))
    legs = tuple(
        Leg(market=no, outcome=0, odds_milli=each, position=position)
        for no, each, position in zip(markets, odds, positions, strict=True)
    )
    request = PlaceSlip(ref="s", legs=legs, bets=bets, **fields)
    return by.read(request, session=None, account_no=AccountNo(7))  # type: ignore[arg-type]


def ticket(*args: Any, **fields: Any) -> SlipTicket:
    slip = read(*args, **fields)
    assert isinstance(slip, SlipTicket), slip
    return slip


def rows(slip: SlipTicket) -> Rows:
    return np.frombuffer(slip.bets, SLIP_BET)


def test_names_of_the_protocol_are_those_of_the_rules() -> None:
    names = {*FULL_COVERS, *EQUAL_SIZES, ACCUMULATOR}
    assert set(NamedBet.__args__) == names  # type: ignore[attr-defined]


def test_a_bet_with_a_stake_alone_is_one_line_of_all_legs() -> None:
    slip = ticket([1, 2, 3], BetLines(stake_minor=500))
    assert (slip.lines, slip.stake_minor) == (1, 500)
    assert rows(slip)["sizes"].tolist() == [1 << 3]
    assert rows(slip)["positions"].tolist() == [0b111]


LINES = {
    "trixie": (3, 4), "patent": (3, 7), "yankee": (4, 11), "lucky15": (4, 15),
    "canadian": (5, 26), "lucky31": (5, 31), "heinz": (6, 57), "lucky63": (6, 63),
    "super_heinz": (7, 120), "goliath": (8, 247),
}  # fmt: skip
"""Legs and lines by name: the table of the Managed Trading Services."""


@pytest.mark.parametrize("name", LINES)
def test_a_named_bet_has_the_lines_of_its_name_and_needs_its_number_of_legs(name: Any) -> None:
    legs, lines = LINES[name]
    slip = ticket(range(legs), BetLines(stake_minor=10, name=name))
    assert (slip.lines, slip.stake_minor) == (lines, 10 * lines)
    fault = read(range(legs + 1), BetLines(stake_minor=10, name=name))
    assert isinstance(fault, SlipFault)
    assert (fault.reason, fault.field) == (Reason.SIZE_OUT_OF_BOUNDS, "bets[0].name")
    assert f"{name} needs {legs} positions that are no bankers, not {legs + 1}" in fault.message


def test_a_banker_does_not_count_for_a_name() -> None:
    slip = ticket(range(4), BetLines(stake_minor=10, name="trixie", bankers=(3,)))
    assert slip.lines == 4
    assert rows(slip)["sizes"].tolist() == [0b1100]


def test_ways_are_alternatives_for_one_position() -> None:
    slip = ticket([1, 2, 3], BetLines(stake_minor=10), positions=[0, 1, 1])
    assert (slip.lines, slip.stake_minor) == (2, 20)
    assert [leg.position for leg in slip.legs] == [0, 1, 1]


def test_events_are_numbered_by_the_first_leg_of_each_fixture() -> None:
    slip = ticket([5, 2, SECOND + 5, 9, SECOND + 2], BetLines(stake_minor=1, name="doubles"))
    assert [leg.event for leg in slip.legs] == [0, 1, 0, 2, 1]
    assert [leg.shell for leg in slip.legs] == [
        "market-2", "market-2", "market-2", "market-0", "market-2",
    ]  # fmt: skip
    assert slip.lines == 10 - 2


@pytest.mark.parametrize(("of", "policy"), SLIP_POLICY_NUMBERS.items())
def test_a_policy_over_the_combined_odds_lets_legs_take_any(of: Any, policy: int) -> None:
    name, over = of
    slip = ticket([1, 2], BetLines(stake_minor=1), policy=name, policy_over=over)
    assert slip.policy == policy
    combined = policy in (Policy.COMBINED_NONE, Policy.COMBINED_HIGHER)
    assert {leg.policy for leg in slip.legs} == {Policy.ANY if combined else policy}


ONE = BetLines(stake_minor=1)
FAULTS: dict[str, tuple[list[int], list[BetLines], dict[str, Any], Reason, str]] = {
    "no legs": ([], [ONE], {}, Reason.NO_SELECTION, "legs: at least 1"),
    "no legs for a name": (
        [], [BetLines(stake_minor=1, name="trixie")], {}, Reason.NO_SELECTION, "legs: at least 1",
    ),
    "too many legs": (
        list(range(21)), [ONE], {}, Reason.LEGS_OVER_BOUND, "legs: at most 20, not 21",
    ),
    "no bets": ([1, 2], [], {}, Reason.NO_LINE, "bets: at least 1"),
    "a market that no shell hosts": (
        [1, 99], [ONE], {}, Reason.MARKET_UNKNOWN, "legs[1].market: no such market",
    ),
    "a selection twice": (
        [1, 1], [ONE], {}, Reason.SELECTION_REPEATED, "legs[1]: the selection of legs[0]",
    ),
    "an accumulator of one event": (
        [1, 2, SECOND + 1], [ONE], {}, Reason.LEGS_SHARE_EVENT, "legs[0] and legs[2] are of one",
    ),
    "bankers of one event": (
        [1, SECOND + 1, 3, 4], [BetLines(stake_minor=1, sizes=(1,), bankers=(0, 1))], {},
        Reason.LEGS_SHARE_EVENT, "legs[0] and legs[1] are of one",
    ),
    "a position of no leg": (
        [1, 2], [BetLines(stake_minor=1, positions=(0, 5))], {}, Reason.POSITION_UNKNOWN,
        "bets[0].positions[1]: 5 is not a leg's position",
    ),
    "a banker outside": (
        [1, 2, 3], [BetLines(stake_minor=1, positions=(0, 1), bankers=(2,))], {},
        Reason.POSITION_UNKNOWN, "bets[0].bankers[0]: 2 is not among the bet's positions",
    ),
    "a size too large": (
        [1, 2], [ONE, BetLines(stake_minor=1, sizes=(3,))], {}, Reason.SIZE_OUT_OF_BOUNDS,
        "bets[1].sizes[0]: 1 to 2",
    ),
    "a name and sizes": (
        [1, 2, 3], [BetLines(stake_minor=1, sizes=(2,), name="trixie")], {},
        Reason.SIZE_OUT_OF_BOUNDS, "bets[0].sizes: none with a name",
    ),
    "trebles of two": (
        [1, 2], [BetLines(stake_minor=1, name="trebles")], {}, Reason.SIZE_OUT_OF_BOUNDS,
        "bets[0].name: trebles needs more positions",
    ),
    "a leg in no bet": (
        [1, 2, 3], [BetLines(stake_minor=1, positions=(0, 1))], {}, Reason.NO_LINE,
        "legs[2]: no bet has a line with this leg",
    ),
    "too many lines": (
        list(range(20)), [BetLines(stake_minor=1, sizes=(6,))], {}, Reason.LINES_OVER_BOUND,
        "bets[0]: at most 20000 in all",
    ),
    "a stake beyond amounts": (
        [1, 2], [BetLines(stake_minor=600_000_000, sizes=(1,))], {}, Reason.AMOUNT_OUT_OF_BOUNDS,
        "bets: at most 1000000000 on all lines",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_names_its_field_and_bound(case: str) -> None:
    markets, bets, fields, reason, text = FAULTS[case]
    fault = read(markets, *bets, **fields)
    assert isinstance(fault, SlipFault)
    assert fault.reason is reason
    assert text in f"{fault.field}: {fault.message}"


def test_settings_bound_legs_bets_and_lines() -> None:
    few = reader(slip_legs_max=2, slip_bets_max=1, slip_lines_max=3)
    for markets, bets, reason in (
        ([1, 2, 3], [ONE], Reason.LEGS_OVER_BOUND),
        ([1, 2], [ONE, ONE], Reason.BETS_OVER_BOUND),
    ):
        fault = read(markets, *bets, by=few)
        assert isinstance(fault, SlipFault)
        assert fault.reason is reason
    few = reader(slip_lines_max=3)
    assert isinstance(read([1, 2, 3], BetLines(stake_minor=1, name="doubles"), by=few), SlipTicket)
    fault = read([1, 2, 3], BetLines(stake_minor=1, name="trixie"), by=few)
    assert isinstance(fault, SlipFault)
    assert fault.reason is Reason.LINES_OVER_BOUND
    many = reader(slip_legs_max=63)
    assert isinstance(read(range(25), ONE, by=many), SlipTicket)


def test_a_structure_that_is_remembered_decides_nothing_but_lines() -> None:
    limits = {"slip_payout_minor_max": 700, "tiers": ("1=cup-1",), "slip_payouts": ("1=300",)}
    by = reader(limits=limits)
    double = BetLines(stake_minor=1, name="doubles")
    slips = [
        ticket(markets, double, by=by, policy=policy)
        for markets in ([1, 2, 3], [4, 5, 6])
        for policy in ("none", "any")
    ]
    assert [rows(slip)["payout_minor_max"].tolist() for slip in slips] == [[300]] * 2 + [[700]] * 2
    assert [[leg.market_no for leg in slip.legs] for slip in slips][1:3] == [[1, 2, 3], [4, 5, 6]]
    assert [slip.policy for slip in slips] == [0, 2, 0, 2]
    other = ticket([1, 2, SECOND + 2], double, by=by)
    assert (other.lines, slips[0].lines) == (2, 3)
    again = read([1, 2, 2], double, by=by)
    assert isinstance(again, SlipFault)
    assert again.reason is Reason.SELECTION_REPEATED
    for stake in range(1, 600):
        assert ticket([1, 2], BetLines(stake_minor=stake), by=by).stake_minor == stake
    assert ticket([1, 2, 3], double, by=by).lines == 3


def test_the_only_bet_of_a_slip_may_pay_what_the_slip_may() -> None:
    limits = {"slip_payout_minor_max": 700, "tiers": ("1=cup-1",), "slip_payouts": ("1=300",)}
    of_tiers = reader(limits=limits)
    assert rows(ticket([2, 3], ONE, by=of_tiers))["payout_minor_max"].tolist() == [700]
    assert rows(ticket([1, 3], ONE, by=of_tiers))["payout_minor_max"].tolist() == [300]


def pays(sizes: Sequence[int], stake_minor: int, odds: Sequence[int]) -> int:
    """Return what a bet over all legs pays if they win, each line rounded down once."""
    return sum(
        int(stake_minor * prod((Fraction(each, 1_000) for each in line), start=Fraction(1)))
        for size in sizes
        for line in combinations(odds, size)
    )


@given(
    odds=st.lists(st.integers(1_001, 50_000), min_size=2, max_size=5),
    stakes=st.lists(st.tuples(st.integers(1, 10_000), st.integers(1, 2)), min_size=2, max_size=4),
    allowed_minor=st.integers(1, 10_000_000),
)
def test_shares_of_bets_add_up_to_what_the_slip_may_pay_and_pass_what_does(
    odds: list[int], stakes: list[tuple[int, int]], allowed_minor: int
) -> None:
    bets = [BetLines(stake_minor=stake, sizes=(size,)) for stake, size in stakes]
    by = reader(limits={"slip_payout_minor_max": allowed_minor})
    shares = rows(ticket(range(len(odds)), *bets, by=by, odds=odds))["payout_minor_max"].tolist()
    paid = [pays([size], stake, odds) for stake, size in stakes]
    assert all(share >= 1 for share in shares)
    assert sum(shares) <= max(allowed_minor, len(shares))
    within = [pay <= share for pay, share in zip(paid, shares, strict=True)]
    assert all(within) == (sum(paid) <= allowed_minor)


def test_a_place_at_a_fraction_of_the_win_odds_is_sold_beside_the_win_alone() -> None:
    by = reader()
    keys = {
        401: "ascot-1/win",
        402: "ascot-1/each_way?fraction=1/5|places=3",
        403: "ascot-1/each_way?places=3",
    }
    by._routes.update(
        version=2,
        shells=[],
        markets=[MarketRoute(market_no=no, key=key, shell="market-1") for no, key in keys.items()],
        peers={},
    )
    fault = read([1, 402], BetLines(stake_minor=9), by=by)
    assert isinstance(fault, SlipFault)
    assert (fault.reason, fault.field) == (Reason.NO_PLACE_TERMS, "legs[1].market")
    assert len(ticket([1, 403], BetLines(stake_minor=9), by=by).legs) == 2
    terms = PlaceTerms(places=3, odds_den=5)
    leg = Leg(market=401, outcome=0, odds_milli=2_750, each_way=terms)
    request = PlaceSlip(ref="s", legs=(leg,), bets=(BetLines(stake_minor=9),))
    slip = by.read(request, session=None, account_no=AccountNo(7))  # type: ignore[arg-type]
    assert isinstance(slip, SlipTicket), slip
    assert [each.market_no for each in slip.legs] == [401, 402]
    heads = [
        np.frombuffer(slip_rows(each), RESERVATION)["flags"][0]
        for each in (slip, ticket([1, 403], BetLines(stake_minor=9), by=by))
    ]
    assert heads == [FLAG_HEAD | FLAG_EACH_WAY, FLAG_HEAD], "which legs a free bet's odds are of"


def test_a_leg_to_win_and_the_one_to_be_placed_count_once() -> None:
    by = reader(slip_legs_max=3)
    keys = {401 + at: f"ascot-{at}/win" for at in range(4)}
    keys |= {501 + at: f"ascot-{at}/each_way?fraction=1/5|places=3" for at in range(4)}
    routes = [MarketRoute(market_no=no, key=key, shell="market-1") for no, key in keys.items()]
    by._routes.update(version=2, shells=[], markets=routes, peers={})
    terms = PlaceTerms(places=3, odds_den=5)
    legs = [
        Leg(market=401 + at, outcome=0, odds_milli=2_750, each_way=terms)  # type: ignore[arg-type]
        for at in range(4)
    ]

    def answer(legs: Sequence[Leg]) -> SlipTicket | SlipFault:
        request = PlaceSlip(ref="s", legs=tuple(legs), bets=(ONE,))
        return by.read(request, session=None, account_no=AccountNo(7))  # type: ignore[arg-type]

    slip = answer(legs[:3])
    assert isinstance(slip, SlipTicket), slip
    assert (len(slip.legs), slip.lines) == (6, 2)
    fault = answer(legs)
    assert isinstance(fault, SlipFault)
    assert (fault.reason, fault.message) == (Reason.LEGS_OVER_BOUND, "at most 3 each-way, not 4")
    plain = [Leg(market=each.market, outcome=0, odds_milli=2_750) for each in legs]
    fault = answer(plain)
    assert isinstance(fault, SlipFault), "the bound of other slips is as it was"
    assert (fault.reason, fault.message) == (Reason.LEGS_OVER_BOUND, "at most 3, not 4")
