"""An account shard takes so many settlements, verdicts and charges at once as it can work out."""

from math import comb

import numpy as np
import pytest

from engine.common.rows import Rows
from engine.ledger.charges import LINES_IN_PAGE_MAX
from engine.ledger.ledger import LedgerMachine
from engine.ledger.portions import LINES_AT_ONCE_MAX
from tests.engine.ledger.builders import NO_VERDICTS, funded, reservation, settlement, verdict
from tests.engine.ledger.slip_builders import (
    Leg,
    LineBet,
    SlipRequest,
    accumulator,
    leg_refunded,
    leg_settlement,
)

LEGS, SIZE = 42, 3
LINES = comb(LEGS, SIZE)
"""11,480 lines: three such slips pass the bound, two do not."""
COUNT = 7
assert 2 * LINES < LINES_AT_ONCE_MAX == LINES_IN_PAGE_MAX < 3 * LINES


def systems(ledger: LedgerMachine) -> list[SlipRequest]:
    """Place slips of very many lines, one after another."""
    legs = [Leg(2_001 + place, market_no=1 + place) for place in range(LEGS)]
    requests = [SlipRequest(legs, [LineBet(1, (SIZE,))], LINES, ref=f"s{i}") for i in range(COUNT)]
    for request in requests:
        request.hold_all(ledger)
    return requests


@pytest.fixture(scope="module")
def held() -> tuple[LedgerMachine, list[SlipRequest]]:
    ledger = funded(amount_minor=10_000_000)
    return ledger, systems(ledger)


def of_leg(requests: list[SlipRequest], place: int) -> Rows:
    rows: Rows = np.concatenate([leg_settlement(each.leg(place), 1_000) for each in requests])
    return rows


def test_settlements_of_slips_with_very_many_lines_are_taken_in_portions(held):
    ledger, requests = held
    rows = of_leg(requests, 0)
    assert ledger.settled_at_once(rows) == 3
    assert ledger.settled_at_once(rows[:3]) == 3
    assert ledger.settled_at_once(rows[6:]) == 1
    assert ledger.settled_at_once(rows[:0]) == 0
    received = np.frombuffer(rows[:1].tobytes(), rows.dtype)
    assert ledger.settled_at_once(received) == 1, "read-only, as a shell receives them"


def test_verdicts_count_a_slip_once_for_all_its_legs(held):
    ledger, requests = held
    by_slip = [verdict(each.leg(place)) for each in requests for place in range(LEGS)]
    assert ledger.resolved_at_once(np.concatenate(by_slip)) == 2 * LEGS + 37
    last = [verdict(each.leg(LEGS - 1)) for each in requests]
    assert ledger.resolved_at_once(np.concatenate(last)) == COUNT


def test_singles_unknown_bets_and_slips_of_few_lines_are_taken_all_at_once():
    ledger = funded(amount_minor=1_000_000)
    answers = ledger.exchange(
        NO_VERDICTS,
        np.concatenate([reservation(f"b{i}", stake_minor=1) for i in range(100)]),
        1,
    )
    request = accumulator(2_000, 2_000)
    request.hold_all(ledger)
    ids = [*answers["bet_id"].tolist(), request.leg(0), request.leg(1), 999, request.bet_id]
    rows = np.concatenate([settlement(bet_id, 0) for bet_id in ids])
    assert ledger.settled_at_once(rows) == len(rows)
    assert ledger.resolved_at_once(np.concatenate([verdict(bet_id) for bet_id in ids])) == len(ids)


def test_a_page_of_open_slips_ends_with_the_one_that_passes_its_legs_and_bets(held):
    ledger, requests = held
    parts = LEGS + 1  # a slip's legs and its bet
    for parts_max, slips in ((1, 1), (parts - 1, 1), (parts, 2), (2 * parts, 3), (10_000, COUNT)):
        page = ledger.open_slips(account_no=7, limit=99, parts_max=parts_max)
        assert [slip.bet_id for slip in page] == [each.bet_id for each in requests[:slips]]
    assert len(ledger.open_slips(account_no=7, limit=2, parts_max=10_000)) == 2


def test_charges_of_slips_with_very_many_lines_come_in_pages_and_none_is_left_out():
    ledger = funded(amount_minor=10_000_000)
    requests = systems(ledger)
    ledger.settle(np.concatenate([leg_settlement(each.leg(1), 2_002) for each in requests]), 1)
    found: list[int] = []
    pages = after = 0
    while True:
        page = ledger.charges(after_bet_id=after, limit=4_096)
        assert len(page.rows) <= 3 * (LEGS - 1)
        found += page.rows["bet_id"].tolist()
        pages, after = pages + 1, page.next_after
        if not after:
            break
    assert pages == 3
    assert found == [each.leg(place) for each in requests for place in range(LEGS) if place != 1]


def test_pages_without_a_charge_lead_on_to_those_behind_them():
    """A refund changes no running stake: the slips are looked at, and none of them is due."""
    ledger = funded(amount_minor=10_000_000)
    requests = systems(ledger)
    rows = [leg_refunded(each.leg(0)) for each in requests[:-1]]
    ledger.settle(np.concatenate([*rows, leg_settlement(requests[-1].leg(0), 2_001)]), 1)
    page = ledger.charges(limit=4_096)
    assert (len(page.rows), page.next_after) == (0, requests[2].leg(LEGS - 1))
    page = ledger.charges(limit=4_096, after_bet_id=page.next_after)
    assert (len(page.rows), page.next_after) == (0, requests[5].leg(LEGS - 1))
    page = ledger.charges(limit=4_096, after_bet_id=page.next_after)
    assert (len(page.rows), page.next_after) == (LEGS - 1, 0)
    assert len(ledger.charges(limit=4_096).rows) == LEGS - 1, "the others have left the queue"
