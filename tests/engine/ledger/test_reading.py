"""The views of a ledger: slips, balances, slips pending too long, totals."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.common.commands import Deposit, OpenAccount, SetRate
from engine.common.events import Refused
from engine.common.reasons import Reason
from engine.common.rows import (
    FLAG_FENCE,
    SETTLEMENT,
    BetResult,
    Policy,
)
from tests.engine.ledger.builders import (
    NO_REQUESTS,
    NO_VERDICTS,
    bet,
    funded,
    money,
    reservation,
    reserve,
    resolve,
    settle,
    settlement,
    verdict,
)


def test_open_slips_are_listed_in_pages_while_they_are_open():
    ledger = funded(accounts=(7, 8))
    for i in range(6):
        reserve(ledger, reservation(f"r{i}"), reservation(f"r{i}", account_no=8))
    mine = [bet(serial) for serial in (1, 3, 5, 7, 9, 11)]
    resolve(ledger, verdict(mine[0]), verdict(mine[1], Reason.FENCED), verdict(mine[2]))
    settle(ledger, settlement(mine[2], 0, result=BetResult.LOST), settlement(mine[5], 250))
    ledger.check()

    def page(**kwargs):
        return [slip.bet_id for slip in ledger.open_slips(account_no=7, **kwargs)]

    assert page() == [mine[0], mine[3], mine[4]]
    assert page(limit=2) == [mine[0], mine[3]]
    assert page(after_bet_id=mine[3]) == [mine[4]]
    assert page(after_bet_id=mine[1], limit=1) == [mine[3]]
    assert page(after_bet_id=mine[4]) == page(limit=0) == []
    assert ledger.open_slips(account_no=99) == []


def test_slips_pending_too_long_are_returned_oldest_first_as_fences():
    ledger = funded()
    for i in range(5):
        reserve(
            ledger, reservation(f"r{i}", odds_milli=2_000 + i, policy=Policy.HIGHER), at_ns=10 * i
        )
    resolve(ledger, verdict(bet(2)))
    waiting = ledger.pending_before(at_ns=40, limit=10)
    assert waiting["bet_id"].tolist() == [bet(1), bet(3), bet(4)]
    assert set(waiting["flags"].tolist()) == {FLAG_FENCE}
    assert waiting[1].tolist()[1:] == (100, 7, 1, 2_002, 1_000_000, 0, Policy.HIGHER, 1, 0, 0)
    assert ledger.pending_before(at_ns=41, limit=2)["bet_id"].tolist() == [bet(1), bet(3)]
    rest = ledger.pending_before(at_ns=41, limit=2, after_bet_id=bet(3))
    assert rest["bet_id"].tolist() == [bet(4), bet(5)]
    assert len(ledger.pending_before(at_ns=41, limit=2, after_bet_id=bet(5))) == 0
    assert len(ledger.pending_before(at_ns=0, limit=10)) == 0
    assert len(ledger.pending_before(at_ns=41, limit=0)) == 0
    ledger.check()


def test_a_slip_with_an_earlier_time_than_the_slip_before_it_is_found():
    ledger = funded()
    reserve(ledger, reservation("a"), at_ns=100)
    reserve(ledger, reservation("b"), at_ns=50)
    assert ledger.pending_before(at_ns=60, limit=9)["bet_id"].tolist() == [bet(2)]


def test_unknown_accounts_refs_and_bets_are_none():
    ledger = funded()
    reserve(ledger, reservation())
    assert ledger.balance(99) is None
    assert ledger.balance(-1) is None
    assert ledger.balance(1 << 40) is None
    assert ledger.slip(account_no=7, ref="unknown") is None
    assert ledger.slip(account_no=7, ref="not a ref") is None
    assert ledger.slip(account_no=8, ref="a") is None
    assert ledger.slip_by_id(bet(2)) is None
    assert ledger.slip_by_id(1) is None
    assert ledger.slip_by_id(bet(1)) == ledger.slip(account_no=7, ref="a")


def test_a_slip_shows_the_reference_it_was_given():
    ledger = funded()
    longest = "x" * 32
    reserve(ledger, reservation(longest), reservation("!~"))
    assert ledger.slip_by_id(bet(1)).ref == longest
    assert ledger.slip(account_no=7, ref="!~").bet_id == bet(2)


def test_an_empty_exchange_answers_nothing():
    ledger = funded()
    before = ledger.state_hash()
    assert len(ledger.exchange(NO_VERDICTS, NO_REQUESTS, 5)) == 0
    assert len(ledger.settle(np.zeros(0, SETTLEMENT), 5)) == 0
    assert ledger.state_hash() == before


def test_each_currency_sums_to_zero_by_itself():
    ledger = funded()
    ledger.apply(SetRate(currency="JPY", rate_micro=6_000), 2)
    ledger.apply(OpenAccount(account_no=8, currency="JPY"), 2)
    ledger.apply(Deposit(account_no=8, amount_minor=50_000, ref="first"), 2)
    answers = reserve(ledger, reservation(), reservation(account_no=8, stake_minor=9_000))
    assert answers["rate_micro"].tolist() == [1_000_000, 6_000]
    settle(ledger, settlement(bet(2), 0, result=BetResult.LOST))
    money(ledger)
    euro, yen = ledger.totals()
    assert (euro.currency, euro.pending_minor, euro.house_minor) == ("EUR", 100, 0)
    assert (yen.currency, yen.available_minor, yen.house_minor) == ("JPY", 41_000, 9_000)


def test_returned_slips_are_a_copy():
    ledger = funded()
    reserve(ledger, reservation())
    ledger.slips()["stake_minor"] = 5
    ledger.check()
    assert not isinstance(ledger.apply(Deposit(account_no=7, amount_minor=1, ref="z"), 5), Refused)


@given(
    markets=st.lists(st.integers(1, 4), max_size=12),
    wanted=st.lists(st.integers(1, 5), max_size=4),
    limit=st.integers(1, 5),
    data=st.data(),
)
def test_pages_of_bets_in_force_together_hold_each_once(markets, wanted, limit, data):
    ledger = funded(amount_minor=10_000)
    expected = []
    for serial, market_no in enumerate(markets, start=1):
        reserve(ledger, reservation(f"r{serial}", market_no=market_no))
        state = data.draw(st.sampled_from(["pending", "refused", "accepted", "settled"]))
        if state != "pending":
            reason = Reason.FENCED if state == "refused" else Reason.ACCEPTED
            resolve(ledger, verdict(bet(serial), reason))
        if state == "settled":
            settle(ledger, settlement(bet(serial), 0, result=BetResult.LOST))
        if state in ("accepted", "settled") and market_no in wanted:
            expected.append(bet(serial))
    found = []
    while page := ledger.in_force(
        market_nos=wanted, after_bet_id=found[-1] if found else 0, limit=limit
    ).tolist():
        assert len(page) <= limit
        found += page
    assert found == expected
