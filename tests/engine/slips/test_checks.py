"""The first fault of a slip, with its reason, the part at fault and the bound."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace

from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from engine.common.units import ODDS_MILLI_MAX, STAKE_MINOR_MAX, Minor, OddsMilli
from engine.slips.checks import CheckedSlip, SlipBounds, SlipFault, check_slip
from engine.slips.structure import Leg, SlipBet
from tests.engine.slips.strategies import slips
from tests.engine.slips.twin import TwinBet, TwinLeg, lines_of


def leg(at: int, event: int | None = None, **changes: Any) -> Leg:
    """Return a leg on a market of its own, of an event of its own unless one is given."""
    fields: dict[str, Any] = {
        "market_no": MarketNo(100 + at),
        "outcome": 1,
        "odds_milli": OddsMilli(2_000),
        "event": at if event is None else event,
        "position": at,
    }
    return Leg(**{**fields, **changes})


def legs_apart(count: int) -> list[Leg]:
    return [leg(position) for position in range(count)]


def bet(count: int, *sizes: int, **changes: Any) -> SlipBet:
    """Return a bet over so many positions; without sizes it is an accumulator."""
    fields: dict[str, Any] = {
        "stake_minor": Minor(100),
        "sizes": sizes or (count,),
        "positions": tuple(range(count)),
    }
    return SlipBet(**{**fields, **changes})


def fault_of(
    legs: Sequence[Leg], bets: Sequence[SlipBet], **bounds: int
) -> tuple[Reason, str, str]:
    found = check_slip(legs, bets, bounds=SlipBounds(**bounds))
    assert isinstance(found, SlipFault)
    return found


def test_a_slip_without_a_fault_is_counted() -> None:
    legs = [*legs_apart(3), leg(2, market_no=MarketNo(7))]
    bets = [bet(3), bet(3, 1, 2, stake_minor=Minor(10), bankers=()), bet(3, 1, bankers=(0,))]
    checked = check_slip(legs, bets)
    assert isinstance(checked, CheckedSlip)
    assert checked.lines == (2, 4 + 5, 3)
    assert checked.stake_minor == 2 * 100 + 9 * 10 + 3 * 100
    assert checked.charges_minor == (200 + 40 + 300, 200 + 40 + 100, 100 + 30 + 100, 100 + 30 + 100)
    assert checked.rows["positions"].tolist() == [7, 7, 7]


def test_a_slip_has_a_leg_and_a_bet() -> None:
    assert fault_of([], [bet(1)]) == (Reason.NO_SELECTION, "legs", "at least 1")
    assert fault_of(legs_apart(1), []) == (Reason.NO_LINE, "bets", "at least 1")


def test_twenty_legs_are_allowed_and_as_many_as_the_bounds_say() -> None:
    assert isinstance(check_slip(legs_apart(20), [bet(20)]), CheckedSlip)
    assert fault_of(legs_apart(21), [bet(21)]) == (
        Reason.LEGS_OVER_BOUND,
        "legs",
        "at most 20, not 21",
    )
    most = SlipBounds(legs=63)
    assert isinstance(check_slip(legs_apart(63), [bet(63)], bounds=most), CheckedSlip)


def test_fifty_bets_are_allowed() -> None:
    assert isinstance(check_slip(legs_apart(2), [bet(2)] * 50), CheckedSlip)
    assert fault_of(legs_apart(2), [bet(2)] * 51) == (
        Reason.BETS_OVER_BOUND,
        "bets",
        "at most 50, not 51",
    )


def test_lines_of_all_bets_together_are_bounded() -> None:
    eight = legs_apart(8)
    goliath = bet(8, 2, 3, 4, 5, 6, 7, 8)
    assert isinstance(check_slip(eight, [goliath], bounds=SlipBounds(lines=247)), CheckedSlip)
    assert fault_of(eight, [bet(8), goliath], lines=247) == (
        Reason.LINES_OVER_BOUND,
        "bets[1]",
        "at most 247 in all",
    )
    assert fault_of(legs_apart(20), [bet(20, 10)])[:2] == (Reason.LINES_OVER_BOUND, "bets[0]")


def test_legs_of_all_lines_together_are_bounded() -> None:
    """The 4,845 lines of 4 of 20 have 19,380 legs."""
    legs, lines = legs_apart(20), bet(20, 4)
    assert isinstance(check_slip(legs, [lines] * 2), CheckedSlip)
    assert fault_of(legs, [lines] * 3) == (
        Reason.LINES_OVER_BOUND,
        "bets[2]",
        "at most 50000 legs in all lines together",
    )


def test_bets_that_together_take_too_long_to_count_are_refused() -> None:
    """The 2**8 lines of 8 of 16 on 8 events take 5,540 steps: some choices have no line left."""
    legs = [leg(at, event=at // 2) for at in range(16)]
    assert isinstance(check_slip(legs, [bet(16, 8)]), CheckedSlip)
    assert fault_of(legs, [bet(16, 8)] * 50) == (
        Reason.LINES_OVER_BOUND,
        "bets[11]",
        "at most 20000 in all, found in 65536 steps",
    )


def test_a_selection_stands_once() -> None:
    legs = [leg(0), leg(1), leg(2, market_no=MarketNo(100))]
    assert fault_of(legs, [bet(3)]) == (
        Reason.SELECTION_REPEATED,
        "legs[2]",
        "the selection of legs[0]",
    )
    other = [leg(0), leg(0, market_no=MarketNo(100), outcome=2)]
    assert isinstance(check_slip(other, [bet(1)]), CheckedSlip)


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"odds_milli": OddsMilli(1_000)}, Reason.ODDS_OUT_OF_BOUNDS, "legs[1].odds_milli"),
        (
            {"odds_milli": OddsMilli(ODDS_MILLI_MAX + 1)},
            Reason.ODDS_OUT_OF_BOUNDS,
            "legs[1].odds_milli",
        ),
        ({"position": 63}, Reason.FIELD_OUT_OF_BOUNDS, "legs[1].position"),
        ({"position": -1}, Reason.FIELD_OUT_OF_BOUNDS, "legs[1].position"),
        ({"event": 63}, Reason.FIELD_OUT_OF_BOUNDS, "legs[1].event"),
    ],
)
def test_a_leg_has_bounds(changes: dict[str, Any], reason: Reason, field: str) -> None:
    assert fault_of([leg(0), replace(leg(1), **changes)], [bet(2)])[:2] == (reason, field)


@pytest.mark.parametrize(
    ("changes", "reason", "field", "message"),
    [
        ({"stake_minor": 0}, Reason.STAKE_TOO_SMALL, "stake_minor", "at least 1"),
        (
            {"stake_minor": STAKE_MINOR_MAX + 1},
            Reason.AMOUNT_OUT_OF_BOUNDS,
            "stake_minor",
            f"at most {STAKE_MINOR_MAX}",
        ),
        ({"payout_minor_max": -1}, Reason.AMOUNT_OUT_OF_BOUNDS, "payout_minor_max", "at least 0"),
        ({"positions": ()}, Reason.POSITION_UNKNOWN, "positions", "at least 1"),
        (
            {"positions": (0, 5)},
            Reason.POSITION_UNKNOWN,
            "positions[1]",
            "5 is not a leg's position",
        ),
        ({"positions": (0, 1, 0)}, Reason.POSITION_UNKNOWN, "positions[2]", "given twice"),
        (
            {"positions": (0, 1), "bankers": (2,)},
            Reason.POSITION_UNKNOWN,
            "bankers[0]",
            "2 is not among the bet's positions",
        ),
        ({"bankers": (1, 1)}, Reason.POSITION_UNKNOWN, "bankers[1]", "given twice"),
        ({"sizes": ()}, Reason.SIZE_OUT_OF_BOUNDS, "sizes", "at least 1"),
        (
            {"sizes": (1, 4)},
            Reason.SIZE_OUT_OF_BOUNDS,
            "sizes[1]",
            "1 to 3, the positions that are no bankers",
        ),
        (
            {"sizes": (0,)},
            Reason.SIZE_OUT_OF_BOUNDS,
            "sizes[0]",
            "1 to 3, the positions that are no bankers",
        ),
        (
            {"sizes": (3,), "bankers": (0,)},
            Reason.SIZE_OUT_OF_BOUNDS,
            "sizes[0]",
            "0 to 2, the positions that are no bankers",
        ),
        ({"sizes": (2, 3, 2)}, Reason.SIZE_OUT_OF_BOUNDS, "sizes[2]", "given twice"),
    ],
)
def test_a_bet_has_bounds(
    changes: dict[str, Any], reason: Reason, field: str, message: str
) -> None:
    bets = [bet(3), bet(3, **changes)]
    assert fault_of(legs_apart(3), bets) == (reason, f"bets[1].{field}", message)


def test_bankers_alone_are_a_bet() -> None:
    checked = check_slip(legs_apart(2), [bet(2, 0, bankers=(0, 1))])
    assert isinstance(checked, CheckedSlip)
    assert checked.lines == (1,)


SHARED = (
    Reason.LEGS_SHARE_EVENT,
    "legs[2]",
    "legs[0] and legs[2] are of one event, so bets[0] has no line with legs[2]",
)


def test_an_accumulator_of_two_legs_of_one_event_names_both() -> None:
    assert fault_of([leg(0), leg(1), leg(2, event=0)], [bet(3)]) == SHARED


def test_bankers_of_one_event_are_named() -> None:
    legs = [leg(0), leg(1), leg(2, event=0), leg(3)]
    assert fault_of(legs, [bet(4, 1, bankers=(2, 0))]) == SHARED


def test_an_accumulator_whose_ways_share_an_event_with_another_leg_is_refused() -> None:
    legs = [leg(0), leg(1), leg(1, event=0, market_no=MarketNo(9))]
    assert fault_of(legs, [bet(2)]) == SHARED


def test_ways_of_one_event_are_named_wherever_they_stand() -> None:
    legs = [leg(0), leg(0, event=1, market_no=MarketNo(9)), leg(1, event=0)]
    why = "legs[0] and legs[2] are of one event, so bets[0] has no line with legs[0]"
    assert fault_of(legs, [bet(2)]) == (Reason.LEGS_SHARE_EVENT, "legs[0]", why)


def test_an_accumulator_of_ways_leaves_out_the_lines_of_two_legs_of_one_event() -> None:
    other = leg(0, event=1, market_no=MarketNo(8))
    legs = [leg(0), other, leg(1, event=1, market_no=MarketNo(9)), leg(1, event=2)]
    checked = check_slip(legs, [bet(2)])
    assert isinstance(checked, CheckedSlip)
    assert checked.lines == (3,)


def test_alternatives_of_one_position_may_be_of_one_event() -> None:
    legs = [leg(0), leg(0, outcome=2), leg(1)]
    checked = check_slip(legs, [bet(2)])
    assert isinstance(checked, CheckedSlip)
    assert checked.lines == (2,)


def test_a_system_leaves_out_lines_of_two_legs_of_one_event() -> None:
    checked = check_slip([leg(0), leg(1), leg(2, event=0)], [bet(3, 2)])
    assert isinstance(checked, CheckedSlip)
    assert checked.lines == (2,)


def test_a_system_that_has_no_line_left_is_refused() -> None:
    legs = [leg(0), leg(1, event=0), leg(2, event=0)]
    why = "legs of one event leave it no line"
    assert fault_of(legs, [bet(3, 2)]) == (Reason.NO_LINE, "bets[0]", why)


def test_each_leg_is_in_a_line() -> None:
    why = "no bet has a line with this leg"
    assert fault_of(legs_apart(3), [bet(2)]) == (Reason.NO_LINE, "legs[2]", why)
    legs = [leg(0), leg(1), leg(2), leg(3, event=1)]
    assert fault_of(legs, [bet(4, 1, bankers=(1,))]) == (Reason.NO_LINE, "legs[3]", why)


def test_the_stake_of_all_lines_is_bounded() -> None:
    stakes = bet(3, 1, stake_minor=STAKE_MINOR_MAX // 3)
    assert isinstance(check_slip(legs_apart(3), [stakes]), CheckedSlip)
    bound = f"at most {STAKE_MINOR_MAX} on all lines"
    assert fault_of(legs_apart(3), [stakes, bet(3, stake_minor=2)]) == (
        Reason.AMOUNT_OUT_OF_BOUNDS,
        "bets",
        bound,
    )


@given(slips())
def test_a_slip_that_is_checked_comes_to_what_an_enumeration_says(
    slip: tuple[list[TwinLeg], list[TwinBet]],
) -> None:
    twins, bets = slip
    legs = [leg(each.position, each.event, market_no=at) for at, each in enumerate(twins)]
    given_bets = [
        SlipBet(
            stake_minor=Minor(each.stake_minor),
            sizes=tuple(each.sizes),
            positions=tuple(each.positions),
            bankers=tuple(each.bankers),
        )
        for each in bets
    ]
    checked = check_slip(legs, given_bets)
    lines = [list(lines_of(twins, each)) for each in bets]
    stake_minor = sum(each.stake_minor * len(of) for each, of in zip(bets, lines, strict=True))
    if isinstance(checked, SlipFault):
        assert checked.reason in {
            Reason.LEGS_SHARE_EVENT,
            Reason.NO_LINE,
            Reason.AMOUNT_OUT_OF_BOUNDS,
        }
        assert (checked.reason == Reason.AMOUNT_OUT_OF_BOUNDS) == (checked.field == "bets")
        return
    assert checked.lines == tuple(map(len, lines))
    assert checked.stake_minor == stake_minor <= STAKE_MINOR_MAX
    assert checked.charges_minor == tuple(
        sum(
            each.stake_minor * sum(at in line for line in of)
            for each, of in zip(bets, lines, strict=True)
        )
        for at in range(len(legs))
    )
