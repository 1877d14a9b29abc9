"""Accounts and bets as traders see them, against a recount of all slips in plain Python."""

from itertools import islice

import numpy as np
import pytest

from engine.common.commands import Deposit, OpenAccount, SetRate
from engine.common.ids import AccountNo
from engine.common.payout_bounds import SetAccountBound, SetPayoutBound
from engine.common.rows import BetResult, Rows, SlipKind, SlipState
from engine.ledger.account_reads import AccountReads
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import (
    bet,
    funded,
    reservation,
    reserve,
    resolve,
    settle,
    settlement,
    verdict,
)
from tests.engine.ledger.random_slips import ACCOUNTS, slip_turns
from tests.engine.ledger.slip_builders import accumulator, leg_lost, leg_settlement
from tests.engine.ledger.test_free_bets import free_double, granted
from tests.engine.ledger.test_slips_properties import feed

NAMES = ("settled", "turnover_minor", "paid_minor", "offers_minor", "open", "pending", "refused")


@pytest.fixture(scope="module")
def played() -> LedgerMachine:
    ledger = LedgerMachine(shard=3)
    for turn in islice(slip_turns(15, ledger), 200):
        feed(ledger, turn)
    return ledger


def own_slips(ledger: LedgerMachine, account_no: int) -> list[Rows]:
    """Return an account's singles and heads, newest first."""
    slips = ledger.slips()
    own = slips[(slips["account_no"] == account_no) & (slips["kind"] != SlipKind.LEG)]
    return list(own[::-1])


def added_up(reads: AccountReads, account_no: int, *, since_ns: int, steps_max: int) -> list[int]:
    sums, before = [0] * len(NAMES), 0
    while True:
        page = reads.totals(
            AccountNo(account_no), since_ns=since_ns, before_bet_id=before, steps_max=steps_max
        )
        sums = [total + getattr(page, name) for total, name in zip(sums, NAMES, strict=True)]
        before = page.before_bet_id
        if not before:
            return sums


@pytest.mark.parametrize("steps_max", [1, 7, 10_000])
def test_totals_are_those_of_a_recount_whatever_the_pages(
    played: LedgerMachine, steps_max: int
) -> None:
    times = sorted(played.slips()["placed_at_ns"].tolist())
    for account_no in (*ACCOUNTS, 99):
        for since_ns in (0, times[len(times) // 2], times[-1] + 1):
            own = [row for row in own_slips(played, account_no) if row["placed_at_ns"] >= since_ns]
            settled = [row for row in own if row["state"] == SlipState.SETTLED]
            counts = [
                sum(row["state"] == state for row in own)
                for state in (SlipState.ACCEPTED, SlipState.PENDING, SlipState.REFUSED)
            ]
            expected = [
                len(settled),
                sum(int(row["stake_minor"]) for row in settled),
                sum(int(row["payout_minor"]) for row in settled),
                0,
                *counts,
            ]
            found = added_up(played.floor, account_no, since_ns=since_ns, steps_max=steps_max)
            assert found == expected
    whole = played.slips()[played.slips()["kind"] != SlipKind.LEG]
    assert all(np.count_nonzero(whole["state"] == state) > 5 for state in (1, 2, 3, 4))


@pytest.mark.parametrize(("won", "given", "paid"), [(False, 300, 0), (True, 0, 1_800)])
def test_what_offers_gave_is_counted_beside_the_payouts(won: bool, given: int, paid: int) -> None:
    """A free bet of 300 at 6.0: lost, its offer has paid the stake; won, it has that back."""
    ledger = granted()
    requests = [
        accumulator(2_000, 3_000, ref="before"),
        free_double(ref="free"),
        accumulator(2_000, 3_000, ref="after"),
    ]
    for request in requests:
        request.hold_all(ledger)
        first = leg_settlement(request.leg(0), 2_000) if won else leg_lost(request.leg(0))
        settle(ledger, first, leg_settlement(request.leg(1), 3_000))
    sums = added_up(ledger.floor, 7, since_ns=0, steps_max=1)
    assert sums == [3, 500, paid + 2 * 600 * won, given, 0, 0, 0]
    free = ledger.floor.bet(requests[1].bet_id)
    assert free["paid_minor"][0] == paid


def test_pages_of_an_accounts_bets_hold_those_in_the_states_once(played: LedgerMachine) -> None:
    for account_no in ACCOUNTS:
        for states in (1 << 2, 1 << 3 | 1 << 4, 0b11110):
            listed, before = [], 0
            while True:
                lines, before = played.floor.bets(
                    AccountNo(account_no), states=states, before_bet_id=before, limit=3
                )
                listed += lines["bet_id"].tolist()
                if not before:
                    break
            own = own_slips(played, account_no)
            assert listed == [int(row["bet_id"]) for row in own if states >> int(row["state"]) & 1]
    assert played.floor.bets(AccountNo(5), states=4, before_bet_id=12, limit=3) is None
    assert played.floor.totals(AccountNo(5), since_ns=0, before_bet_id=12) is None


def test_the_line_of_a_single_says_what_it_pays_or_was_paid() -> None:
    ledger = funded()
    reserve(ledger, reservation("a"), reservation("b"), reservation("c", odds_milli=1_999))
    refusal = verdict(bet(2), 703, odds_milli=2_400, stake_max_minor=40)
    resolve(ledger, verdict(bet(1), odds_milli=2_700), refusal)
    settle(ledger, settlement(bet(3), 199, odds_milli=1_999))
    lines, _ = ledger.floor.bets(AccountNo(7), states=0b11110, before_bet_id=0, limit=9)
    fields = ["bet_id", "state", "odds_milli", "odds_seen_milli", "payout_minor", "paid_minor"]
    assert lines[fields].tolist() == [
        (bet(3), SlipState.SETTLED, 1_999, 1_999, 199, 199),
        (bet(2), SlipState.REFUSED, 2_400, 2_500, 250, 0),
        (bet(1), SlipState.ACCEPTED, 2_700, 2_500, 270, 0),
    ]
    assert lines["result"].tolist() == [BetResult.WON, 0, 0]
    assert lines["stake_max_minor"].tolist() == [0, 40, 0]


def test_a_legs_id_finds_its_slip_with_all_its_legs() -> None:
    ledger = funded()
    request = accumulator(2_000, 3_000)
    request.hold_all(ledger)
    for found in (request.bet_id, request.leg(1)):
        lines = ledger.floor.bet(found)
        assert lines["bet_id"].tolist() == [request.bet_id, request.leg(0), request.leg(1)]
        assert lines["kind"].tolist() == [SlipKind.HEAD, SlipKind.LEG, SlipKind.LEG]
        assert lines["legs"].tolist() == [2, 0, 0]
        assert lines["payout_minor"][0] == 600, "100 at 2.0 and 3.0"
        assert lines["market_no"].tolist() == [0, 1, 2]
    assert len(ledger.floor.bet(bet(9))) == 0


def test_an_account_is_shown_with_the_bound_in_force() -> None:
    ledger = funded()
    assert ledger.floor.account(AccountNo(9)) is None
    assert ledger.floor.account(AccountNo(7)).open_payout_bound_minor is None
    ledger.apply(SetPayoutBound(open_payout_minor_max=800), 2)
    view = ledger.floor.account(AccountNo(7))
    assert (view.open_payout_minor_max, view.house_open_payout_minor_max) == (0, 800)
    assert view.open_payout_bound_minor == 800
    ledger.apply(SetAccountBound(account_no=7, open_payout_minor_max=900), 2)
    view = ledger.floor.account(AccountNo(7))
    assert (view.open_payout_minor_max, view.open_payout_bound_minor) == (900, 900)
    assert (view.balance.available_minor, view.blocked, view.rate_micro) == (1_000, False, 10**6)


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_the_most_exposed_accounts_are_those_of_a_look_at_each(
    played: LedgerMachine, limit: int
) -> None:
    views = [played.floor.account(AccountNo(number)) for number in ACCOUNTS]
    money = {view.balance.account_no: view.balance for view in views if view is not None}
    rates = {view.balance.account_no: view.rate_micro for view in views if view is not None}
    risks = []
    payout_minor: dict[int, int] = {}
    stake_minor: dict[int, int] = {}
    for number, held in money.items():
        staked = held.pending_minor + held.at_stake_minor
        # Rounded up as a whole, by fractions: a unit of the currency is worth rate / 1,000,000.
        risk = -(-(held.open_payout_minor - staked) * rates[number] // 1_000_000)
        if held.open_payout_minor:
            risks.append((-risk, number))
            rate = rates[number]
            payout_minor[rate] = payout_minor.get(rate, 0) + held.open_payout_minor
            stake_minor[rate] = stake_minor.get(rate, 0) + staked
    assert len(risks) > 2
    found = played.floor.exposed(limit)
    expected = sorted(risks)[:limit]
    assert [(-one.at_risk_minor, one.account_no) for one in found.accounts] == expected
    assert found.open == len(risks)
    for sums, answered in (
        (payout_minor, found.open_payout_minor),
        (stake_minor, found.staked_minor),
    ):
        assert answered == sum(-(-total * rate // 1_000_000) for rate, total in sums.items())


def test_exposure_is_compared_in_base_currency_and_says_the_bound_in_force() -> None:
    """100 at 2.500 in euros: 150 at risk; in a currency of 0.8 it is 120."""
    ledger = funded()
    ledger.apply(SetRate(currency="CHF", rate_micro=800_000), 1)
    ledger.apply(OpenAccount(account_no=9, currency="CHF"), 1)
    ledger.apply(Deposit(account_no=9, amount_minor=1_000, ref="d"), 1)
    ledger.apply(SetPayoutBound(open_payout_minor_max=800), 2)
    assert ledger.floor.exposed(5).accounts == ()
    reserve(ledger, reservation("a"), reservation("b", account_no=9))
    resolve(ledger, verdict(bet(1)))
    found = ledger.floor.exposed(5)
    assert [
        (one.account_no, one.currency, one.at_risk_minor, one.open_payout_minor, one.staked_minor)
        for one in found.accounts
    ] == [(7, "EUR", 150, 250, 100), (9, "CHF", 120, 250, 100)]
    assert [one.open_payout_bound_minor for one in found.accounts] == [800, 1_000]
    assert (found.open, found.open_payout_minor, found.staked_minor) == (2, 450, 180)
    settle(ledger, settlement(bet(1), 0))
    assert [one.account_no for one in ledger.floor.exposed(5).accounts] == [9]
