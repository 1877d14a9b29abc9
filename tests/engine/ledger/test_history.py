"""Settled bets in pages, newest first: where a page ends, and what pages have together."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.reasons import Reason
from engine.common.rows import BetResult, Rows, SlipKind, SlipState
from engine.ledger.slip_pages import HISTORY_STEPS_MAX
from tests.engine.ledger.builders import (
    NO_VERDICTS,
    bet,
    funded,
    reopening,
    reservation,
    reserve,
    resolve,
    settle,
    settlement,
    verdict,
)
from tests.engine.ledger.history import history
from tests.engine.ledger.slip_builders import (
    accumulator,
    leg_lost,
    leg_reopened,
    leg_settlement,
)


def test_settled_bets_of_one_account_are_listed_newest_first():
    ledger = funded(accounts=(7, 8))
    for i in range(6):
        reserve(ledger, reservation(f"r{i}"), reservation(f"r{i}", account_no=8))
    mine = [bet(serial) for serial in (1, 3, 5, 7, 9, 11)]
    resolve(ledger, verdict(mine[0]), verdict(mine[1], Reason.FENCED), verdict(mine[2]))
    assert history(ledger) == history(ledger, 99) == []
    settle(ledger, settlement(mine[0], 250), settlement(mine[2], 0, result=BetResult.LOST))
    settle(ledger, settlement(mine[5], 100, result=BetResult.CANCELLED), settlement(bet(2), 0))
    ledger.check()
    assert history(ledger) == history(ledger, limit=1) == [mine[5], mine[2], mine[0]]
    page = ledger.settled_slips(account_no=7, before_bet_id=mine[5], limit=1)
    assert [(slip.result, slip.payout_minor) for slip in page.slips] == [(BetResult.LOST, 0)]
    assert page.before_bet_id == mine[2]


def test_a_bet_that_is_opened_again_leaves_and_returns_to_its_place():
    ledger = funded()
    reserve(ledger, *(reservation(f"r{i}") for i in range(3)))
    settle(ledger, *(settlement(bet(serial), 0) for serial in (1, 2, 3)))
    settle(ledger, reopening(bet(2)))
    assert history(ledger) == [bet(3), bet(1)]
    settle(ledger, settlement(bet(2), 0, number=3))
    assert history(ledger) == [bet(3), bet(2), bet(1)]


def test_there_is_no_page_before_a_bet_that_the_account_does_not_have():
    ledger = funded(accounts=(7, 8))
    assert ledger.settled_slips(account_no=7, before_bet_id=bet(1)) is None
    reserve(ledger, reservation(), reservation(account_no=8))
    slip = accumulator(2_000, 2_000)
    slip.send(ledger)
    assert ledger.settled_slips(account_no=7, before_bet_id=bet(1)).slips == []
    assert ledger.settled_slips(account_no=7, before_bet_id=slip.bet_id).slips == []
    for other in (bet(2), slip.leg(0), bet(99), 5):
        assert ledger.settled_slips(account_no=7, before_bet_id=other) is None
    assert ledger.settled_slips(account_no=99, before_bet_id=bet(1)) is None


def test_a_page_looks_at_a_bounded_number_of_bets():
    count = HISTORY_STEPS_MAX + 2
    ledger = funded(amount_minor=count)
    rows = np.repeat(reservation(stake_minor=1), count)
    rows["ref"][:, 0] = np.arange(1, count + 1)
    ledger.exchange(NO_VERDICTS, rows, 10)
    settle(ledger, settlement(bet(1), 2), settlement(bet(2), 0), settlement(bet(3), 0))
    first = ledger.settled_slips(account_no=7)
    assert ([slip.bet_id for slip in first.slips], first.before_bet_id) == ([bet(3)], bet(3))
    rest = ledger.settled_slips(account_no=7, before_bet_id=first.before_bet_id)
    assert [slip.bet_id for slip in rest.slips] == [bet(2), bet(1)]
    assert rest.before_bet_id == 0


def test_a_page_ends_before_a_slip_with_too_many_legs_and_bets():
    ledger = funded()
    for ref in "abc":
        slip = accumulator(2_000, 2_000, ref=ref)
        slip.hold_all(ledger)
        settle(ledger, leg_settlement(slip.leg(0), 0, 1))
    for parts_max, sizes in ((2, [1, 1, 1]), (5, [1, 1, 1]), (6, [2, 1]), (9, [3])):
        before, found = 0, []
        while before or not found:
            page = ledger.settled_slips(account_no=7, before_bet_id=before, parts_max=parts_max)
            found.append(len(page.slips))
            before = page.before_bet_id
        assert found == sizes, "each slip has two legs and one bet"


def settled_ids(slips: Rows, account_no: int) -> set[int]:
    own = (slips["account_no"] == account_no) & (slips["kind"] != SlipKind.LEG)
    return set(slips["bet_id"][own & (slips["state"] == SlipState.SETTLED)].tolist())


class Betting:
    """Two accounts that place bets and slips, which are settled and opened again at random."""

    def __init__(self, seed: int) -> None:
        self.ledger = funded(accounts=(7, 8), amount_minor=1_000_000)
        self.random = Random(seed)
        self.bets: list[int] = []
        self.number = 0

    def step(self) -> None:
        self.number += 1
        random, ref = self.random, f"r{self.number}"
        if random.random() < 0.4:
            slip = accumulator(2_000, 2_000, ref=ref, account_no=random.choice((7, 7, 8)))
            slip.hold_all(self.ledger)
            self.bets.append(slip.leg(0))
        elif random.random() < 0.4:
            single = reservation(ref, account_no=random.choice((7, 7, 8)))
            self.bets += reserve(self.ledger, single)["bet_id"].tolist()
        else:
            number = self.number
            for each in random.sample(self.bets, min(len(self.bets), 3)):
                end = random.choice((leg_lost, leg_lost, leg_reopened))
                settle(self.ledger, end(each, number=number))


@given(
    seed=st.integers(0, 1 << 32),
    limit=st.integers(1, 4),
    parts_max=st.integers(0, 9),
    between=st.integers(0, 3),
)
def test_no_bet_is_on_two_pages_and_none_that_stays_settled_on_no_page(
    seed: int, limit: int, parts_max: int, between: int
) -> None:
    betting = Betting(seed)
    for _ in range(30):
        betting.step()
    ledger = betting.ledger
    always = settled_ids(ledger.slips(), 7)
    ever = set(always)
    found: list[int] = []
    before = 0
    while True:
        page = ledger.settled_slips(
            account_no=7, before_bet_id=before, limit=limit, parts_max=parts_max
        )
        assert len(page.slips) <= limit
        found += [slip.bet_id for slip in page.slips]
        before = page.before_bet_id
        if not before:
            break
        for _ in range(between):
            betting.step()
            now = settled_ids(ledger.slips(), 7)
            always &= now
            ever |= now
    assert found == sorted(set(found), reverse=True)
    assert always <= set(found) <= ever


@pytest.mark.parametrize("chain", ["newest", "earlier"])
def test_the_audit_finds_a_chain_that_misses_a_bet(chain: str) -> None:
    ledger = funded(accounts=(7, 8))
    reserve(ledger, *(reservation(f"r{i}", account_no=no) for i, no in enumerate((7, 8, 7, 8))))
    ledger.check()
    links = getattr(ledger._tables.chains, chain)
    links[links > 0] -= 1
    with pytest.raises(
        AssertionError, match=r"slips: (row 2 is not behind|the chains do not begin)"
    ):
        ledger.check()
