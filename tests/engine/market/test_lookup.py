"""Bets are looked up by their ids without a change of the book."""

import numpy as np

from engine.common.ids import bet_id
from engine.common.reasons import Reason
from engine.common.rows import FLAG_KNOWN
from tests.engine.market.builders import bet, bet_rows, open_machine, place


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
