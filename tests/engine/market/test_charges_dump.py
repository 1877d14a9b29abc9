"""Charges in the state's document: round trips, older layouts, and charges that fit no leg."""

import numpy as np
import pytest

from engine.common.commands import CancelBets, SettleMarket
from engine.common.rows import FLAG_LEG, FLAG_RELEASED
from engine.common.units import STAKE_MINOR_MAX
from engine.market.book import BET_RECORD, CHARGED
from engine.market.market import MarketMachine
from tests.engine.market.builders import (
    AT_NS,
    bet,
    charge,
    charge_rows,
    do,
    open_machine,
    place,
    won,
)


def charged_machine() -> MarketMachine:
    """Return a machine with singles, legs with and without charges, and a released leg."""
    machine = open_machine(odds=(2_000, 2_000))
    leg = {"odds": 2_000, "flags": FLAG_LEG}
    place(machine, bet(1, odds=2_000), *[bet(serial, **leg) for serial in (2, 3, 4, 5)])
    place(machine, bet(6, odds=3_000, flags=FLAG_LEG))
    assert charge(machine, 5, 700)
    assert charge(machine, 2, 300, number=4)
    assert charge(machine, 3, flags=FLAG_RELEASED)
    do(machine, SettleMarket(market_no=1, results=won(True, False)), CancelBets(market_no=1))
    machine.check()
    return machine


def test_charges_are_dumped_by_the_records_of_their_legs() -> None:
    rows = np.frombuffer(charged_machine().dump()["charges"], CHARGED)
    assert rows[["record", "charge_no", "stake_minor", "flags"]].tolist() == [
        (1, 4, 300, 0),
        (2, 1, 0, FLAG_RELEASED),
        (4, 1, 700, 0),
    ]


def test_a_loaded_machine_takes_the_charges_that_the_dumped_one_would_take() -> None:
    first = charged_machine()
    second = MarketMachine.load(first.dump())
    for machine in (first, second):
        assert not charge(machine, 2, 5, number=4)
        assert not charge(machine, 3, 5, number=9)
        assert charge(machine, 4, 60)
        assert charge(machine, 5, 80, number=2)
        machine.check()
    assert first.state_hash() == second.state_hash()
    assert first.dump() == second.dump()


@pytest.mark.parametrize("layout", [1, 2, 3])
def test_a_state_without_charges_has_every_older_layout(layout: int) -> None:
    """Its hash is that of the older release, also with legs in it: their records had a flag."""
    machine = open_machine(odds=(2_000, 2_000))
    place(machine, bet(1, odds=2_000), bet(2, odds=2_000, flags=FLAG_LEG))
    old = machine.dump(layout=layout)
    assert "charges" not in old
    loaded = MarketMachine.load(old)
    loaded.begin_epoch(epoch=1, rules=machine.rules)
    assert loaded.dump() == machine.dump()
    assert loaded.dump()["charges"] == b""


@pytest.mark.parametrize("layout", [1, 2, 3])
def test_a_state_with_charges_has_no_older_layout(layout: int) -> None:
    with pytest.raises(AssertionError, match="no older layout holds charges"):
        charged_machine().dump(layout=layout)


def edited(document, at, **values):
    rows = np.frombuffer(document["charges"], CHARGED).copy()
    for name, value in values.items():
        rows[at][name] = value
    return {**document, "charges": rows.tobytes()}


def without_flag(document, at):
    rows = np.frombuffer(document["bets"], BET_RECORD).copy()
    rows[at]["flags"] = 0
    return {**document, "bets": rows.tobytes()}


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        (lambda d: {n: d[n] for n in d if n != "charges"}, "charges", "missing"),
        (lambda d: {**d, "charges": d["charges"] + b"x"}, "charges", "not a multiple"),
        (lambda d: {**d, "charges": d["charges"] * 2}, "charges", "record: out of order"),
        (lambda d: {**d, "charges": d["charges"] * 3}, "charges", "more than 6"),
        (lambda d: edited(d, 0, record=2), "charges", "record: out of order"),
        (lambda d: edited(d, 0, record=0), "charges", "record: not of an accepted leg"),
        (lambda d: edited(d, 2, record=5), "charges", "record: not of an accepted leg"),
        (lambda d: edited(d, 2, record=6), "charges", "record: not of an accepted leg"),
        (lambda d: without_flag(d, 1), "charges", "record: not of an accepted leg"),
        (lambda d: edited(d, 0, charge_no=0), "charges", "charge_no: from 1"),
        (lambda d: edited(d, 0, flags=2), "charges", "flags: no such flag"),
        (lambda d: edited(d, 0, flags=FLAG_RELEASED), "charges", "of a released leg 0"),
        (lambda d: edited(d, 0, stake_minor=-1), "charges", "stake_minor: 0 to"),
        (lambda d: edited(d, 0, stake_minor=STAKE_MINOR_MAX + 1), "charges", "stake_minor: 0 to"),
    ],
)
def test_a_document_with_a_charge_that_fits_no_leg_is_refused(change, field, why) -> None:
    with pytest.raises(ValueError, match=rf"{field}: .*{why}"):
        MarketMachine.load(change(charged_machine().dump()))


def test_a_document_whose_figures_do_not_follow_from_its_charges_is_refused() -> None:
    machine = open_machine(odds=(2_000, 2_000))
    place(machine, bet(1, odds=2_000, flags=FLAG_LEG))
    charge(machine, 1, 300)
    with pytest.raises(ValueError, match="bets: their sums are not the outcomes' payout_minor"):
        MarketMachine.load(edited(machine.dump(), 0, stake_minor=299))


@pytest.mark.parametrize(
    "damage",
    [
        lambda book: book.charges["stake_minor"].__setitem__(0, 301),
        lambda book: book.charges["record"].__setitem__(0, 3),
        lambda book: book.charges["flags"].__setitem__(0, FLAG_RELEASED),
        lambda book: book.charge_table.__setitem__(int(np.flatnonzero(book.charge_table)[0]), 0),
    ],
)
def test_check_finds_damage_to_the_charges(damage) -> None:
    machine = charged_machine()
    damage(machine._book)
    with pytest.raises(AssertionError):
        machine.check()


def test_a_replay_of_the_applied_rows_gives_the_same_state() -> None:
    """What a journal holds: the rows that a call applied, and no other."""
    first, second = (open_machine(odds=(2_000, 2_000)) for _ in range(2))
    for machine in (first, second):
        place(machine, *[bet(serial, odds=2_000, flags=FLAG_LEG) for serial in (1, 2)])
    rows = charge_rows([(1, 5, 1, 2, 0), (1, 6, 1, 1, 0), (9, 5, 1, 1, 0), (2, 0, 1, 1, 1)])
    applied = first.charge(rows, AT_NS)
    assert applied["bet_id"].tolist() == [1, 2]
    assert second.charge(applied, AT_NS).tobytes() == applied.tobytes()
    assert first.state_hash() == second.state_hash()
