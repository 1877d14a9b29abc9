"""A leg that a bettor knows to be held must be in the records of the market that came back."""

import numpy as np

from engine.common.reasons import Reason
from engine.common.rows import FLAG_LEG
from engine.market.book import BET_RECORD
from gateway.demo.market_kill import legs_lost


def test_a_leg_without_an_accepted_record_of_a_leg_is_lost():
    records = np.zeros(4, BET_RECORD)
    records["bet_id"] = (11, 12, 13, 14)
    records["flags"] = (FLAG_LEG, FLAG_LEG, 0, FLAG_LEG)
    records["reason"] = (0, Reason.MARKET_SUSPENDED, 0, 0)
    assert legs_lost(records, [11, 14]) == 0
    assert legs_lost(records, []) == 0
    assert legs_lost(records, [11, 12]) == 1  # it was refused
    assert legs_lost(records, [13, 15]) == 2  # one is a single, one is not there
