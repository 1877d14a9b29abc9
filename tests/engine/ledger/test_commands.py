"""The ledger's commands: rates, accounts, and transfers whose refs count once."""

import numpy as np
import pytest

from engine.common.commands import Deposit, OpenAccount, OpenMarket, SetRate, Withdraw
from engine.common.events import AccountOpened, Deposited, RateSet, Refused, Withdrawn
from engine.common.reasons import Reason
from engine.common.units import BALANCE_MINOR_MAX, RATE_MICRO_MAX
from engine.ledger.ledger import LedgerMachine
from engine.ledger.rows import CURRENCIES_MAX
from engine.ledger.tables import exact_sum
from tests.engine.ledger.builders import SHARD, funded, money, reservation, reserve


def test_no_currency_has_a_rate_until_one_is_set():
    ledger = LedgerMachine(shard=SHARD)
    opening = OpenAccount(account_no=7, currency="EUR")
    refused = ledger.apply(opening, 1)
    assert (refused.reason, refused.field) == (Reason.FIELD_OUT_OF_BOUNDS, "currency")
    assert ledger.apply(SetRate(currency="EUR"), 2) == RateSet(currency="EUR", rate_micro=1_000_000)
    assert ledger.apply(opening, 3) == AccountOpened(account_no=7, currency="EUR")
    assert money(ledger) == (0, 0, 0, 0)


def test_an_account_number_is_opened_once():
    ledger = funded()
    for currency in ("EUR", "GBP"):
        refused = ledger.apply(OpenAccount(account_no=7, currency=currency), 5)
        assert refused.reason == Reason.ACCOUNT_EXISTS


@pytest.mark.parametrize("account_no", [-1, 1 << 32, 1 << 70])
def test_an_account_number_outside_its_bounds_is_refused(account_no):
    ledger = funded()
    refused = ledger.apply(OpenAccount(account_no=account_no, currency="EUR"), 5)
    assert (refused.reason, refused.field) == (Reason.FIELD_OUT_OF_BOUNDS, "account_no")


def test_the_lowest_and_highest_account_numbers_are_two_accounts():
    ledger = funded(accounts=(0, (1 << 32) - 1))
    assert reserve(ledger, reservation(account_no=0))[0]["reason"] == 0
    assert money(ledger, 0) == (900, 100, 0, 0)
    assert money(ledger, (1 << 32) - 1) == (1_000, 0, 0, 0)


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "E1R", "ÄÖÜ"])
def test_a_malformed_currency_is_refused(currency):
    refused = LedgerMachine(shard=SHARD).apply(SetRate(currency=currency), 1)
    assert (refused.reason, refused.field) == (Reason.MALFORMED, "currency")


@pytest.mark.parametrize("rate_micro", [0, -1, RATE_MICRO_MAX + 1])
def test_a_rate_outside_its_bounds_is_refused(rate_micro):
    refused = LedgerMachine(shard=SHARD).apply(SetRate(currency="EUR", rate_micro=rate_micro), 1)
    assert (refused.reason, refused.field) == (Reason.FIELD_OUT_OF_BOUNDS, "rate_micro")


def test_a_currency_past_the_bound_is_refused_and_known_ones_change_their_rate():
    ledger = LedgerMachine(shard=SHARD)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    codes = [f"X{a}{b}" for a in letters for b in letters][: CURRENCIES_MAX + 1]
    events = [ledger.apply(SetRate(currency=code, rate_micro=5), 1) for code in codes]
    assert [type(event) for event in events] == [RateSet] * CURRENCIES_MAX + [Refused]
    assert events[-1].reason == Reason.CAPACITY
    assert ledger.apply(SetRate(currency=codes[0], rate_micro=6), 2).rate_micro == 6
    ledger.check()


def test_a_deposit_and_a_withdrawal_change_the_balance_and_external():
    ledger = funded(amount_minor=1_000)
    out = ledger.apply(Withdraw(account_no=7, amount_minor=400, ref="out"), 5)
    assert out == Withdrawn(account_no=7, amount_minor=400, available_minor=600, ref="out")
    into = ledger.apply(Deposit(account_no=7, amount_minor=50, ref="in"), 6)
    assert into == Deposited(account_no=7, amount_minor=50, available_minor=650, ref="in")
    assert money(ledger) == (650, 0, 0, 0)
    assert ledger.totals()[0].external_minor == -650


@pytest.mark.parametrize("command", [Deposit, Withdraw])
def test_a_repeated_transfer_ref_moves_no_money_and_gets_the_first_answer(command):
    ledger = funded()
    transfer = command(account_no=7, amount_minor=300, ref="t")
    first = ledger.apply(transfer, 5)
    ledger.apply(Deposit(account_no=7, amount_minor=11, ref="later"), 6)
    before = ledger.state_hash()
    again = ledger.apply(transfer, 7)
    assert ledger.state_hash() == before
    assert (first.known, again.known) == (False, True)
    assert again.available_minor == first.available_minor
    restarted = LedgerMachine.load(ledger.dump())
    assert restarted.apply(transfer, 8) == again


def test_a_transfer_ref_with_other_content_is_refused():
    ledger = funded()
    before = ledger.state_hash()
    for other in (
        Deposit(account_no=7, amount_minor=1_001, ref="first"),
        Withdraw(account_no=7, amount_minor=1_000, ref="first"),
        Deposit(account_no=7, amount_minor=0, ref="first"),
    ):
        assert ledger.apply(other, 5).reason == Reason.TRANSFER_REF_REUSED
    assert ledger.state_hash() == before


def test_a_transfer_ref_belongs_to_its_account():
    ledger = funded(accounts=(7, 8))
    for no in (7, 8):
        assert isinstance(
            ledger.apply(Deposit(account_no=no, amount_minor=5, ref="x"), 5), Deposited
        )
    assert money(ledger, 7) == money(ledger, 8) == (1_005, 0, 0, 0)


def test_a_transfer_and_a_bet_may_have_the_same_ref():
    ledger = funded()
    assert reserve(ledger, reservation("first"))[0]["reason"] == 0
    ledger.check()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (Deposit(account_no=7, amount_minor=5, ref=""), Reason.MALFORMED),
        (Deposit(account_no=7, amount_minor=5, ref="two words"), Reason.MALFORMED),
        (Withdraw(account_no=7, amount_minor=5, ref="x" * 33), Reason.MALFORMED),
        (Deposit(account_no=7, amount_minor=0, ref="x"), Reason.AMOUNT_OUT_OF_BOUNDS),
        (Withdraw(account_no=7, amount_minor=-5, ref="x"), Reason.AMOUNT_OUT_OF_BOUNDS),
        (
            Deposit(account_no=7, amount_minor=BALANCE_MINOR_MAX + 1, ref="x"),
            Reason.AMOUNT_OUT_OF_BOUNDS,
        ),
        (Deposit(account_no=9, amount_minor=0, ref="x"), Reason.AMOUNT_OUT_OF_BOUNDS),
        (Deposit(account_no=9, amount_minor=5, ref="x"), Reason.ACCOUNT_UNKNOWN),
        (Withdraw(account_no=-1, amount_minor=5, ref="x"), Reason.ACCOUNT_UNKNOWN),
        (Withdraw(account_no=7, amount_minor=901, ref="x"), Reason.INSUFFICIENT_FUNDS),
        (
            Deposit(account_no=7, amount_minor=BALANCE_MINOR_MAX - 999, ref="x"),
            Reason.BALANCE_OVER_BOUND,
        ),
    ],
)
def test_a_refused_transfer_gives_the_first_reason_and_changes_nothing(command, reason):
    ledger = funded()
    reserve(ledger, reservation())
    before = ledger.state_hash()
    assert ledger.apply(command, 5).reason == reason
    assert ledger.state_hash() == before


def test_the_ref_of_a_refused_transfer_may_be_used_again():
    ledger = funded()
    out = Withdraw(account_no=7, amount_minor=1_500, ref="out")
    assert ledger.apply(out, 5).reason == Reason.INSUFFICIENT_FUNDS
    ledger.apply(Deposit(account_no=7, amount_minor=500, ref="in"), 6)
    assert ledger.apply(out, 7).known is False
    assert money(ledger) == (0, 0, 0, 0)


def test_a_balance_may_be_filled_to_its_bound():
    ledger = funded()
    fill = Deposit(account_no=7, amount_minor=BALANCE_MINOR_MAX - 1_000, ref="fill")
    assert ledger.apply(fill, 5).available_minor == BALANCE_MINOR_MAX
    ledger.check()


def test_thousands_of_accounts_and_transfers_are_all_found():
    ledger = funded(accounts=range(0, 9_000, 3))
    for no in range(0, 9_000, 3):
        assert ledger.balance(no).available_minor == 1_000
        assert ledger.balance(no + 1) is None
    ledger.check()
    assert LedgerMachine.load(ledger.dump()).state_hash() == ledger.state_hash()


def test_accounts_and_transfers_have_bounds():
    ledger = LedgerMachine(shard=SHARD, accounts_max=1, transfers_max=2)
    ledger.apply(SetRate(currency="EUR"), 1)
    ledger.apply(OpenAccount(account_no=7, currency="EUR"), 1)
    refused = ledger.apply(OpenAccount(account_no=8, currency="EUR"), 1)
    assert (refused.reason, refused.field) == (Reason.CAPACITY, "account_no")
    into = [Deposit(account_no=7, amount_minor=5, ref=ref) for ref in "abca"]
    events = [ledger.apply(command, 2) for command in into]
    assert [type(event) for event in events] == [Deposited, Deposited, Refused, Deposited]
    assert events[2].reason == Reason.CAPACITY
    assert money(ledger) == (10, 0, 0, 0)


def test_a_market_command_is_an_assertion_error():
    with pytest.raises(AssertionError):
        funded().apply(OpenMarket(market_no=1), 1)


def test_sums_past_64_bits_are_exact():
    amounts = np.array([(1 << 62), (1 << 62), (1 << 62), -5, -(1 << 33) - 1], np.int64)
    assert exact_sum(amounts) == 3 * (1 << 62) - 5 - (1 << 33) - 1
    assert exact_sum(amounts[:0]) == 0
