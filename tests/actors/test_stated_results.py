"""What a market states is compared with its bets; a difference that is planted is named."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audit import _stated_faults
from actors.stated_results import machine_differences
from engine.common.commands import CancelBets, FeedStep, SettleMarket
from engine.common.rows import FLAG_LEG, FLAG_RELEASED, Policy
from engine.market.market import MarketMachine
from tests.engine.market.builders import (
    AT_NS,
    bet,
    bet_rows,
    charge,
    do,
    open_machine,
    place,
    won,
)
from tests.engine.market.test_resolution_twin import ODDS, commands

bets = st.tuples(
    st.integers(1, 1_000),  # the stake
    st.integers(0, 2),
    st.sampled_from((6_000, 333_333, 1_000_000, 1_234_567)),
)


running = st.none() | st.integers(0, 2_000)
"""Of a leg, what it is charged after the step behind it; None: the bet is no leg."""


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(bets, running, commands), max_size=12))
def test_a_market_states_the_result_of_its_bets_after_any_commands(
    steps: Sequence[tuple[tuple[int, int, int], int | None, FeedStep]],
) -> None:
    machine = open_machine(odds=ODDS)
    for at, ((stake, outcome, rate), charged, command) in enumerate(steps):
        flags = 0 if charged is None else FLAG_LEG
        any_odds = {"policy": Policy.ANY, "flags": flags}
        one = bet(at + 1, stake=stake, outcome=outcome, rate=rate, **any_odds)
        machine.place(bet_rows([one]), at)
        machine.apply(command, at)
        for serial, (_, before, _) in enumerate(steps[:at]):
            if before is not None and serial % 2 == at % 2:
                released = FLAG_RELEASED if before == 0 else 0
                charge(machine, serial + 1, before, number=at, flags=released)
        assert list(machine_differences(machine)) == []


def settled_machine() -> MarketMachine:
    """Return a market with a refunded, a paid and a lost bet, which has results."""
    machine = open_machine(odds=(2_000, 2_000))
    late = bet(3, stake=5_000, outcome=0, policy=Policy.ANY)
    place(machine, bet(1, stake=300, odds=2_000), bet(2, stake=900, outcome=1, odds=2_000))
    machine.place(bet_rows([late]), AT_NS + 1)
    do(machine, CancelBets(market_no=1, from_ns=AT_NS + 1))
    do(machine, SettleMarket(market_no=1, results=won(True, False)))
    return machine


@pytest.mark.parametrize(
    ("rows", "field", "shown", "figures"),
    [
        ("outcomes", "stake_minor", "staked_minor", (5_300, 5_301)),
        ("returned", "cancelled_minor", "refunded_minor", (5_000, 5_001)),
        ("returned", "voided_minor", "refunded_minor", (5_000, 5_001)),
        ("returned", "paid_minor", "paid_minor", (600, 601)),
    ],
)
def test_a_planted_difference_is_named_with_both_figures(
    rows: str, field: str, shown: str, figures: tuple[int, int]
) -> None:
    machine = settled_machine()
    assert list(machine_differences(machine)) == []
    table: Any = getattr(machine._book, rows)
    table[field][0] += 1
    found = list(machine_differences(machine))
    key = machine.price_image(1).key
    counted, stated = figures
    assert (
        f"market 1 ({key}): outcome 0: {shown} is stated as {stated}, by its bets it is {counted}"
    ) in found
    assert any(line.startswith(f"market 1 ({key}): {shown} is stated as") for line in found)


def test_a_count_of_bets_that_the_records_do_not_bear_out_is_named() -> None:
    machine = settled_machine()
    machine._book.markets["bets"][0] += 1
    line = next(machine_differences(machine))
    assert line.endswith(": states 4 bets, has 3")


def test_an_audit_names_a_market_that_states_another_result_than_its_bets() -> None:
    machine = settled_machine()
    assert _stated_faults({"market-00000": machine}) == []
    machine._book.returned["paid_minor"][0] += 1
    assert len(_stated_faults({"market-00000": machine})) == 4
