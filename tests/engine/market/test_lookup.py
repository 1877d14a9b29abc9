"""Bets are looked up by their ids without a change of the book."""

import numpy as np

from engine.common.ids import bet_id
from engine.common.reasons import Reason
from engine.common.rows import CHARGE, FLAG_KNOWN, FLAG_LEG, FLAG_RELEASED
from tests.engine.market.builders import bet, bet_rows, charge, open_machine, place


def test_recalled_decisions_are_those_given_and_others_are_unknown() -> None:
    machine = open_machine()
    place(machine, bet(1), bet(2, odds=2_400), bet(3, shard=4))
    before = machine.state_hash()
    ids = [bet_id(shard=shard, serial=serial) for shard, serial in ((0, 2), (0, 9), (4, 3))]
    rows = machine.recall(np.array(ids, np.uint64))
    assert rows["bet_id"].tolist() == ids
    assert rows["reason"].tolist() == [Reason.ODDS_CHANGED, Reason.BET_UNKNOWN, Reason.ACCEPTED]
    assert rows["odds_milli"].tolist() == [2_500, 0, 2_500]
    assert rows["flags"].tolist() == [FLAG_KNOWN, 0, FLAG_KNOWN]
    assert machine.state_hash() == before


def test_the_highest_bet_id_of_each_shard_is_known() -> None:
    machine = open_machine()
    assert machine.highest_bet_ids() == {}
    place(machine, bet(5), bet(2), bet(3, shard=4, stake=1_000_000_000))
    assert machine.highest_bet_ids() == {
        0: bet_id(shard=0, serial=5),
        4: bet_id(shard=4, serial=3),
    }


def test_a_malformed_bet_id_is_the_highest_of_a_shard_that_no_system_has() -> None:
    machine = open_machine()
    rows = bet_rows([bet(1), bet(2)])
    rows["bet_id"][1] = 2**64 - 1
    assert machine.place(rows, 5)["reason"].tolist() == [
        Reason.ACCEPTED,
        Reason.FIELD_OUT_OF_BOUNDS,
    ]
    assert machine.highest_bet_ids() == {0: bet_id(shard=0, serial=1), 2**16 - 1: 2**64 - 1}


def test_the_present_charges_of_legs_are_looked_up_by_id_and_those_of_no_other_bet() -> None:
    machine = open_machine(odds=(2_000, 2_000), markets=2)
    legs = [bet(serial, odds=2_000, market=1 + serial % 2, flags=FLAG_LEG) for serial in (1, 2, 3)]
    place(machine, *legs, bet(4, odds=2_000))
    assert charge(machine, 1, 300, number=3, market=2)
    assert charge(machine, 3, 0, number=1, market=2, flags=FLAG_RELEASED)
    before = machine.state_hash()
    ids = np.array([bet_id(shard=0, serial=serial) for serial in (9, 4, 3, 2, 1)], np.uint64)
    found = machine.charges_of(ids)
    assert found.dtype == CHARGE
    names = ["bet_id", "stake_minor", "market_no", "charge_no", "flags"]
    assert found[names].tolist() == [(ids[2], 0, 2, 1, FLAG_RELEASED), (ids[4], 300, 2, 3, 0)]
    assert len(machine.charges_of(ids[::-2])) == 2, "also of ids with gaps in memory"
    assert machine.state_hash() == before
