"""Named bets, events numbered within a slip, and bets as rows."""

import pytest

from engine.common.units import Minor
from engine.slips.lines_nb import LEGS_MAX
from engine.slips.structure import (
    ACCUMULATOR,
    EQUAL_SIZES,
    FULL_COVERS,
    SlipBet,
    bet_rows,
    event_numbers,
    named_sizes,
)


@pytest.mark.parametrize(
    ("name", "positions", "sizes"),
    [
        ("accumulator", 1, (1,)),
        ("accumulator", 63, (63,)),
        ("singles", 5, (1,)),
        ("doubles", 3, (2,)),
        ("trebles", 3, (3,)),
        ("trixie", 3, (2, 3)),
        ("patent", 3, (1, 2, 3)),
        ("yankee", 4, (2, 3, 4)),
        ("lucky15", 4, (1, 2, 3, 4)),
        ("canadian", 5, (2, 3, 4, 5)),
        ("lucky31", 5, (1, 2, 3, 4, 5)),
        ("heinz", 6, (2, 3, 4, 5, 6)),
        ("lucky63", 6, (1, 2, 3, 4, 5, 6)),
        ("super_heinz", 7, (2, 3, 4, 5, 6, 7)),
        ("goliath", 8, (2, 3, 4, 5, 6, 7, 8)),
    ],
)
def test_a_named_bet_has_its_sizes(name: str, positions: int, sizes: tuple[int, ...]) -> None:
    assert named_sizes(name, positions) == sizes


@pytest.mark.parametrize(
    ("name", "positions"),
    [("yankee", 3), ("yankee", 5), ("goliath", 7), ("doubles", 1), ("trebles", 2), ("singles", 0)],
)
def test_a_named_bet_over_another_number_of_positions_has_no_sizes(
    name: str, positions: int
) -> None:
    assert named_sizes(name, positions) == ()


def test_no_bet_has_an_unknown_name() -> None:
    with pytest.raises(KeyError):
        named_sizes("round_robin", 3)
    names = [ACCUMULATOR, *EQUAL_SIZES, *FULL_COVERS]
    assert len(set(names)) == len(names)


def test_events_are_numbered_by_first_appearance() -> None:
    assert event_numbers(["b", "a", "b", "c", "a"]) == (0, 1, 0, 2, 1)


def test_a_bet_becomes_a_row_of_bits() -> None:
    bet = SlipBet(
        stake_minor=Minor(250),
        sizes=(0, 2, LEGS_MAX),
        positions=(0, 1, 62),
        bankers=(62,),
        payout_minor_max=Minor(9_000),
    )
    (row,) = bet_rows([bet])
    assert row["stake_minor"] == 250
    assert row["payout_minor_max"] == 9_000
    assert row["sizes"] == 1 | 1 << 2 | 1 << 63
    assert row["positions"] == 1 | 1 << 1 | 1 << 62
    assert row["bankers"] == 1 << 62
    assert row["lines"] == 0
