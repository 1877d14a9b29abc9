"""The ledger's rules, one test each: reserve, post, void, settle, settle again."""

import numpy as np
import pytest

from engine.commands import Deposit, OpenAccount, SetRate, Withdraw
from engine.events import Deposited, Refused, Withdrawn
from engine.ledger import LedgerMachine
from engine.ledger_rows import SETTLEMENTS_MAX
from engine.reasons import Reason
from engine.rows import (
    FLAG_FENCE,
    FLAG_KNOWN,
    RESERVATION,
    SETTLEMENT,
    BetResult,
    Policy,
    Rows,
    SlipState,
)
from engine.units import BALANCE_MINOR_MAX, PAYOUT_MINOR_MAX, STAKE_MINOR_MAX
from tests.engine.ledger_make import (
    NO_VERDICTS,
    NO_WISHES,
    bet,
    funded,
    money,
    reserve,
    resolve,
    rows,
    settle,
    settlement,
    verdict,
    wish,
)

# --- reserve -------------------------------------------------------------------------------------


def test_a_reservation_moves_the_stake_from_available_to_pending():
    ledger = funded()
    answer = reserve(ledger, wish(stake_minor=300))[0]
    assert answer["bet_id"] == bet(1)
    assert (answer["state"], answer["reason"], answer["flags"]) == (SlipState.PENDING, 0, 0)
    assert (answer["odds_milli"], answer["rate_micro"]) == (2_500, 1_000_000)
    assert money(ledger) == (700, 300, 0, 0)


def test_bet_ids_rise_by_one_and_carry_the_shard():
    ledger = funded()
    answers = reserve(ledger, wish("a"), wish("b", account_no=99), wish("c"))
    assert answers["bet_id"].tolist() == [bet(1), 0, bet(2)]
    assert ledger.slips()["bet_id"].tolist() == [bet(1), bet(2)]


def test_the_same_ref_with_the_same_content_gives_the_same_slip():
    ledger = funded()
    first = reserve(ledger, wish())[0]
    again = reserve(ledger, wish(), at_ns=99)[0]
    assert again["bet_id"] == first["bet_id"]
    assert again["flags"] == FLAG_KNOWN
    assert again["state"] == SlipState.PENDING
    assert money(ledger) == (900, 100, 0, 0)


def test_the_same_ref_twice_in_one_batch_is_one_slip():
    ledger = funded()
    answers = reserve(ledger, wish(), wish("b"), wish())
    assert answers["bet_id"].tolist() == [bet(1), bet(2), bet(1)]
    assert answers["flags"].tolist() == [0, 0, FLAG_KNOWN]
    assert money(ledger) == (800, 200, 0, 0)


def test_the_same_bet_a_hundred_times_over_restarts_is_one_bet():
    ledger = funded()
    answers = []
    for i in range(20):
        answers += reserve(ledger, *[wish()] * 5, at_ns=i).tolist()
        if i % 7 == 3:
            ledger = LedgerMachine.load(ledger.dump())
        if i == 9:
            resolve(ledger, verdict(bet(1), odds_milli=2_400))
    assert ledger.slips_len == 1
    assert {answer[0] for answer in answers} == {bet(1)}
    assert [answer[-2] for answer in answers] == [0] + [FLAG_KNOWN] * 99
    assert len({answer[:-2] for answer in answers[50:]}) == 1
    assert money(ledger) == (900, 0, 100, 0)


def test_one_ref_on_two_accounts_is_two_bets():
    ledger = funded(accounts=(7, 8))
    answers = reserve(ledger, wish(account_no=7), wish(account_no=8))
    assert answers["bet_id"].tolist() == [bet(1), bet(2)]


@pytest.mark.parametrize(
    "other",
    [
        {"stake_minor": 101},
        {"stake_minor": 0},
        {"odds_milli": 2_501},
        {"market_no": 2},
        {"outcome": 1},
        {"policy": Policy.ANY},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_same_ref_with_other_content_is_refused_and_changes_nothing(other):
    ledger = funded()
    reserve(ledger, wish())
    before = ledger.state_hash()
    answer = reserve(ledger, wish(**other))[0]
    assert answer["reason"] == Reason.BET_REF_REUSED
    assert (answer["bet_id"], answer["state"], answer["flags"]) == (0, SlipState.NONE, 0)
    assert ledger.state_hash() == before


def test_content_is_what_was_asked_even_after_other_odds_were_given():
    ledger = funded()
    reserve(ledger, wish(odds_milli=2_500))
    resolve(ledger, verdict(bet(1), odds_milli=2_600))
    again, reused = reserve(ledger, wish(odds_milli=2_500), wish(odds_milli=2_600))
    assert (again["flags"], again["odds_milli"]) == (FLAG_KNOWN, 2_600)
    assert reused["reason"] == Reason.BET_REF_REUSED


REFUSALS = [
    ({"account_no": 99}, Reason.ACCOUNT_UNKNOWN, 0),
    ({"account_no": 99, "stake_minor": 0}, Reason.ACCOUNT_UNKNOWN, 0),
    ({"ref": "", "stake_minor": 0}, Reason.MALFORMED, 0),
    ({"stake_minor": 0}, Reason.STAKE_TOO_SMALL, 1_000),
    ({"stake_minor": -(1 << 63)}, Reason.STAKE_TOO_SMALL, 1_000),
    ({"stake_minor": STAKE_MINOR_MAX + 1}, Reason.AMOUNT_OUT_OF_BOUNDS, 1_000),
    ({"stake_minor": (1 << 63) - 1}, Reason.AMOUNT_OUT_OF_BOUNDS, 1_000),
    ({"stake_minor": 1_001}, Reason.INSUFFICIENT_FUNDS, 1_000),
]


@pytest.mark.parametrize(("what", "reason", "most_minor"), REFUSALS)
def test_a_refused_reservation_makes_no_slip_and_names_the_first_rung(what, reason, most_minor):
    ledger = funded()
    before = ledger.state_hash()
    answer = reserve(ledger, wish(**what))[0]
    assert answer["reason"] == reason
    assert answer["stake_max_minor"] == most_minor
    assert (answer["bet_id"], answer["state"], answer["flags"]) == (0, SlipState.NONE, 0)
    assert ledger.state_hash() == before


def test_a_stake_of_all_that_is_available_passes():
    ledger = funded()
    assert reserve(ledger, wish(stake_minor=1_000))[0]["reason"] == 0
    assert money(ledger) == (0, 1_000, 0, 0)


def test_the_largest_stake_passes_and_no_larger_is_offered():
    ledger = funded(amount_minor=10 * STAKE_MINOR_MAX)
    over, largest = reserve(
        ledger, wish(stake_minor=STAKE_MINOR_MAX + 1), wish(stake_minor=STAKE_MINOR_MAX)
    )
    assert over["stake_max_minor"] == STAKE_MINOR_MAX
    assert largest["reason"] == 0


def test_funds_spent_earlier_in_the_batch_are_gone_for_the_later():
    ledger = funded()
    answers = reserve(ledger, wish("a", stake_minor=600), wish("b", stake_minor=600))
    assert answers["reason"].tolist() == [0, Reason.INSUFFICIENT_FUNDS]
    assert answers[1]["stake_max_minor"] == 400


def test_a_verdict_frees_funds_for_a_reservation_of_the_same_exchange():
    ledger = funded()
    reserve(ledger, wish("a", stake_minor=1_000))
    refusal = verdict(bet(1), Reason.ODDS_CHANGED)
    answer = ledger.exchange(refusal, wish("b", stake_minor=1_000), 20)[0]
    assert (answer["reason"], answer["bet_id"]) == (0, bet(2))


def test_a_refusal_is_not_remembered_and_the_ref_may_try_again():
    ledger = funded()
    assert reserve(ledger, wish(stake_minor=2_000))[0]["reason"] == Reason.INSUFFICIENT_FUNDS
    ledger.apply(Deposit(account_no=7, amount_minor=1_000, ref="more"), 15)
    answer = reserve(ledger, wish(stake_minor=2_000))[0]
    assert (answer["reason"], answer["flags"]) == (0, 0)


def test_a_full_shard_refuses_new_bets_and_still_knows_the_old():
    ledger = funded(slips_max=2)
    answers = reserve(ledger, wish("a"), wish("b"), wish("c"), wish("a"), wish("b", stake_minor=1))
    assert answers["reason"].tolist() == [0, 0, Reason.CAPACITY, 0, Reason.BET_REF_REUSED]
    assert reserve(ledger, wish("c", account_no=99))[0]["reason"] == Reason.CAPACITY
    assert ledger.slips_len == 2
    ledger.check()


def test_the_rate_of_its_day_stays_on_a_slip():
    ledger = funded()
    reserve(ledger, wish("a"))
    ledger.apply(SetRate(currency="EUR", rate_micro=1_100_000), 12)
    answers = reserve(ledger, wish("a"), wish("b"))
    assert answers["rate_micro"].tolist() == [1_000_000, 1_100_000]


def test_rows_straight_out_of_a_message_are_read_in_place():
    ledger = funded()
    frozen = np.frombuffer(rows(wish("a"), wish("b")).tobytes(), RESERVATION)
    assert ledger.exchange(NO_VERDICTS, frozen, 10)["reason"].tolist() == [0, 0]


# --- post and void -------------------------------------------------------------------------------


def test_an_accepted_bet_moves_from_pending_to_at_stake_at_the_odds_given():
    ledger = funded()
    reserve(ledger, wish())
    resolve(ledger, verdict(bet(1), odds_milli=2_750))
    slip = ledger.slip_by_id(bet(1))
    assert (slip.state, slip.odds_milli, slip.reason) == (SlipState.ACCEPTED, 2_750, 0)
    assert money(ledger) == (900, 0, 100, 0)


def test_a_refused_bet_gives_its_stake_back_and_keeps_why():
    ledger = funded()
    reserve(ledger, wish())
    refusal = verdict(bet(1), Reason.STAKE_OVER_LIMIT, odds_milli=2_400, stake_max_minor=60)
    resolve(ledger, refusal)
    assert money(ledger) == (1_000, 0, 0, 0)
    answer = reserve(ledger, wish())[0]
    assert answer["flags"] == FLAG_KNOWN
    assert (answer["bet_id"], answer["state"]) == (bet(1), SlipState.REFUSED)
    assert (answer["reason"], answer["stake_max_minor"]) == (Reason.STAKE_OVER_LIMIT, 60)
    assert answer["odds_milli"] == 2_400
    slip = ledger.slip(account_no=7, ref="a")
    assert (slip.reason, slip.stake_max_minor) == (Reason.STAKE_OVER_LIMIT, 60)


@pytest.mark.parametrize("first", [Reason.ACCEPTED, Reason.FENCED])
@pytest.mark.parametrize("second", [Reason.ACCEPTED, Reason.MARKET_SUSPENDED])
def test_a_pending_transfer_resolves_once(first, second):
    ledger = funded()
    reserve(ledger, wish())
    resolve(ledger, verdict(bet(1), first))
    before = ledger.state_hash()
    resolve(ledger, verdict(bet(1), second, odds_milli=9_000, stake_max_minor=5))
    assert ledger.state_hash() == before
    ledger.check()


@pytest.mark.parametrize("unknown", [0, bet(2), bet(0x7FFF) + (1 << 48), 1, (1 << 64) - 1])
def test_a_verdict_for_a_bet_of_another_shard_changes_nothing(unknown):
    ledger = funded()
    reserve(ledger, wish())
    before = ledger.state_hash()
    resolve(ledger, verdict(unknown), verdict(unknown, Reason.FENCED))
    assert len(settle(ledger, settlement(unknown, 250))) == 0
    assert ledger.state_hash() == before


# --- settle --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "payout_minor", "house_minor"),
    [
        (BetResult.WON, 250, -150),
        (BetResult.LOST, 0, 100),
        (BetResult.REFUNDED, 100, 0),
        (BetResult.HALF_WON, 175, -75),
        (BetResult.HALF_LOST, 50, 50),
        (BetResult.CANCELLED, 100, 0),
    ],
)
def test_a_settlement_pays_out_and_the_house_takes_the_rest(result, payout_minor, house_minor):
    ledger = funded()
    reserve(ledger, wish())
    resolve(ledger, verdict(bet(1)))
    applied = settle(ledger, settlement(bet(1), payout_minor, result=result))
    assert applied["bet_id"].tolist() == [bet(1)]
    assert money(ledger) == (900 + payout_minor, 0, 0, 0)
    totals = ledger.totals()[0]
    assert (totals.house_minor, totals.external_minor) == (house_minor, -1_000)
    slip = ledger.slip_by_id(bet(1))
    assert (slip.state, slip.result, slip.payout_minor) == (SlipState.SETTLED, result, payout_minor)


def test_a_settlement_number_counts_once_and_a_lower_one_not_at_all():
    ledger = funded()
    reserve(ledger, wish())
    resolve(ledger, verdict(bet(1)))
    two = settlement(bet(1), 250, number=2)
    applied = settle(ledger, two, two, settlement(bet(1), 999, number=1))
    assert applied.tobytes() == two.tobytes()
    before = ledger.state_hash()
    assert len(settle(ledger, two, settlement(bet(1), 0, number=0))) == 0
    assert ledger.state_hash() == before
    assert money(ledger) == (1_150, 0, 0, 0)


def test_a_resettlement_reverses_and_replaces():
    ledger = funded()
    reserve(ledger, wish())
    resolve(ledger, verdict(bet(1)))
    settle(ledger, settlement(bet(1), 0, number=1, result=BetResult.LOST))
    settle(ledger, settlement(bet(1), 250, number=2))
    assert money(ledger) == (1_150, 0, 0, 0)
    settle(ledger, settlement(bet(1), 100, number=3, result=BetResult.CANCELLED))
    assert money(ledger) == (1_000, 0, 0, 0)
    slip = ledger.slip_by_id(bet(1))
    assert (slip.settlement_no, slip.result) == (3, BetResult.CANCELLED)


def test_a_settlement_of_a_pending_bet_posts_it_first_at_the_odds_asked():
    ledger = funded()
    reserve(ledger, wish(odds_milli=2_500))
    settle(ledger, settlement(bet(1), 260))
    assert money(ledger) == (1_160, 0, 0, 0)
    slip = ledger.slip_by_id(bet(1))
    assert (slip.state, slip.odds_milli, slip.reason) == (SlipState.SETTLED, 2_500, 0)
    assert len(ledger.pending_before(at_ns=99, limit=9)) == 0


@pytest.mark.parametrize("late", [Reason.ACCEPTED, Reason.FENCED])
def test_a_verdict_after_the_settlement_changes_nothing(late):
    ledger = funded()
    reserve(ledger, wish())
    settle(ledger, settlement(bet(1), 260))
    before = ledger.state_hash()
    resolve(ledger, verdict(bet(1), late, odds_milli=2_600))
    assert ledger.state_hash() == before


def test_a_refused_bet_is_not_settled():
    ledger = funded()
    reserve(ledger, wish())
    resolve(ledger, verdict(bet(1), Reason.ODDS_CHANGED))
    assert len(settle(ledger, settlement(bet(1), 250))) == 0
    assert money(ledger) == (1_000, 0, 0, 0)


def won_and_withdrawn() -> LedgerMachine:
    """An account whose 250 of winnings on bet 1 are gone but for 30, before a clawback."""
    ledger = funded()
    reserve(ledger, wish())
    resolve(ledger, verdict(bet(1)))
    settle(ledger, settlement(bet(1), 250))
    ledger.apply(Withdraw(account_no=7, amount_minor=1_120, ref="out"), 40)
    assert money(ledger) == (30, 0, 0, 0)
    return ledger


def test_a_clawback_beyond_the_balance_is_owed():
    ledger = won_and_withdrawn()
    settle(ledger, settlement(bet(1), 0, number=2, result=BetResult.LOST))
    assert money(ledger) == (0, 0, 0, 220)
    assert ledger.totals()[0].owed_minor == -220
    assert reserve(ledger, wish("b", stake_minor=1))[0]["reason"] == Reason.INSUFFICIENT_FUNDS


def test_a_deposit_pays_what_is_owed_first():
    ledger = won_and_withdrawn()
    settle(ledger, settlement(bet(1), 0, number=2, result=BetResult.LOST))
    event = ledger.apply(Deposit(account_no=7, amount_minor=200, ref="x"), 50)
    assert event.available_minor == 0
    assert money(ledger) == (0, 0, 0, 20)
    assert ledger.apply(Deposit(account_no=7, amount_minor=50, ref="y"), 51).available_minor == 30
    assert money(ledger) == (30, 0, 0, 0)


def test_a_returned_stake_and_a_payout_pay_what_is_owed_first():
    ledger = won_and_withdrawn()
    reserve(ledger, wish("b", stake_minor=10), wish("c", stake_minor=20))
    settle(ledger, settlement(bet(1), 220, number=2))
    assert money(ledger) == (0, 30, 0, 30)
    resolve(ledger, verdict(bet(2), Reason.FENCED))
    assert money(ledger) == (0, 20, 0, 20)
    settle(ledger, settlement(bet(3), 50))
    assert money(ledger) == (30, 0, 0, 0)


def test_a_clawback_put_right_again_leaves_no_debt():
    ledger = won_and_withdrawn()
    settle(ledger, settlement(bet(1), 0, number=2), settlement(bet(1), 250, number=3))
    assert money(ledger) == (30, 0, 0, 0)


def test_a_payout_over_the_balance_bound_is_credited_and_only_deposits_are_refused():
    ledger = funded(amount_minor=BALANCE_MINOR_MAX)
    reserve(ledger, wish(stake_minor=STAKE_MINOR_MAX, odds_milli=10_000_000))
    one = Deposit(account_no=7, amount_minor=1, ref="one")
    assert ledger.apply(one, 12).reason == Reason.BALANCE_OVER_BOUND
    settle(ledger, settlement(bet(1), PAYOUT_MINOR_MAX))
    rich_minor = BALANCE_MINOR_MAX - STAKE_MINOR_MAX + PAYOUT_MINOR_MAX
    assert money(ledger) == (rich_minor, 0, 0, 0)
    assert ledger.apply(one, 40).reason == Reason.BALANCE_OVER_BOUND
    out = Withdraw(account_no=7, amount_minor=BALANCE_MINOR_MAX, ref="out")
    assert isinstance(ledger.apply(out, 41), Withdrawn)
    assert isinstance(ledger.apply(one, 42), Deposited)
    ledger.check()


@pytest.mark.parametrize(
    "impossible",
    [
        settlement(bet(1), -1),
        settlement(bet(1), PAYOUT_MINOR_MAX + 1),
        settlement(bet(1), 0, result=BetResult.NONE),
        settlement(bet(1), 0, result=7),
    ],
    ids=["negative", "too much", "no result", "unknown result"],
)
def test_an_impossible_settlement_is_an_error_before_anything_has_changed(impossible):
    ledger = funded()
    reserve(ledger, wish())
    before = ledger.state_hash()
    with pytest.raises(ValueError, match="settlement row 1 is impossible"):
        settle(ledger, settlement(bet(1), 250), impossible)
    assert ledger.state_hash() == before


def many(count: int, *, payout_minor: int) -> tuple[LedgerMachine, Rows]:
    """A ledger with this many stakes of 1 reserved, and their settlements."""
    ledger = funded(amount_minor=count)
    wishes = np.repeat(wish(stake_minor=1), count)
    wishes["ref"][:, 0] = np.arange(1, count + 1)
    paid = np.repeat(settlement(0, payout_minor), count)
    paid["bet_id"] = ledger.exchange(NO_VERDICTS, wishes, 10)["bet_id"]
    return ledger, paid


def test_a_settlement_batch_has_a_bound():
    ledger, paid = many(SETTLEMENTS_MAX + 1, payout_minor=3)
    before = ledger.state_hash()
    with pytest.raises(ValueError, match=f"at most {SETTLEMENTS_MAX}"):
        ledger.settle(paid, 20)
    assert ledger.state_hash() == before
    assert np.array_equal(ledger.settle(paid[:-1], 20), paid[:-1])
    assert money(ledger) == (3 * SETTLEMENTS_MAX, 1, 0, 0)
    assert ledger.totals()[0].house_minor == -2 * SETTLEMENTS_MAX


def test_no_account_is_paid_until_its_column_overflows():
    ledger, paid = many(2 * SETTLEMENTS_MAX + 1, payout_minor=PAYOUT_MINOR_MAX)
    ledger.settle(paid[:SETTLEMENTS_MAX], 20)
    ledger.settle(paid[SETTLEMENTS_MAX:-1], 20)
    rich_minor = 2 * SETTLEMENTS_MAX * PAYOUT_MINOR_MAX
    assert money(ledger) == (rich_minor, 1, 0, 0)
    before = ledger.state_hash()
    with pytest.raises(ValueError, match="settlement row 0 is impossible"):
        ledger.settle(paid[-1:], 20)
    assert ledger.state_hash() == before
    assert ledger.totals()[0].house_minor == 2 * SETTLEMENTS_MAX - rich_minor


# --- reading -------------------------------------------------------------------------------------


def test_open_slips_come_in_pages_and_only_while_they_are_open():
    ledger = funded(accounts=(7, 8))
    for i in range(6):
        reserve(ledger, wish(f"r{i}"), wish(f"r{i}", account_no=8))
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


def test_slips_pending_too_long_come_oldest_first_as_fences():
    ledger = funded()
    for i in range(5):
        reserve(ledger, wish(f"r{i}", odds_milli=2_000 + i, policy=Policy.HIGHER), at_ns=10 * i)
    resolve(ledger, verdict(bet(2)))
    waiting = ledger.pending_before(at_ns=40, limit=10)
    assert waiting["bet_id"].tolist() == [bet(1), bet(3), bet(4)]
    assert set(waiting["flags"].tolist()) == {FLAG_FENCE}
    assert waiting[1].tolist()[1:] == (100, 7, 1, 2_002, 1_000_000, 0, Policy.HIGHER, 1, 0)
    assert ledger.pending_before(at_ns=41, limit=2)["bet_id"].tolist() == [bet(1), bet(3)]
    assert len(ledger.pending_before(at_ns=0, limit=10)) == 0
    assert len(ledger.pending_before(at_ns=41, limit=0)) == 0
    ledger.check()


def test_a_slip_whose_clock_stood_behind_is_still_found():
    ledger = funded()
    reserve(ledger, wish("a"), at_ns=100)
    reserve(ledger, wish("b"), at_ns=50)
    assert ledger.pending_before(at_ns=60, limit=9)["bet_id"].tolist() == [bet(2)]


def test_what_is_not_there_reads_as_none():
    ledger = funded()
    reserve(ledger, wish())
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
    reserve(ledger, wish(longest), wish("!~"))
    assert ledger.slip_by_id(bet(1)).ref == longest
    assert ledger.slip(account_no=7, ref="!~").bet_id == bet(2)


def test_an_empty_exchange_answers_nothing():
    ledger = funded()
    before = ledger.state_hash()
    assert len(ledger.exchange(NO_VERDICTS, NO_WISHES, 5)) == 0
    assert len(ledger.settle(np.zeros(0, SETTLEMENT), 5)) == 0
    assert ledger.state_hash() == before


def test_each_currency_sums_to_zero_by_itself():
    ledger = funded()
    ledger.apply(SetRate(currency="JPY", rate_micro=6_000), 2)
    ledger.apply(OpenAccount(account_no=8, currency="JPY"), 2)
    ledger.apply(Deposit(account_no=8, amount_minor=50_000, ref="first"), 2)
    answers = reserve(ledger, wish(), wish(account_no=8, stake_minor=9_000))
    assert answers["rate_micro"].tolist() == [1_000_000, 6_000]
    settle(ledger, settlement(bet(2), 0, result=BetResult.LOST))
    money(ledger)
    euro, yen = ledger.totals()
    assert (euro.currency, euro.pending_minor, euro.house_minor) == ("EUR", 100, 0)
    assert (yen.currency, yen.available_minor, yen.house_minor) == ("JPY", 41_000, 9_000)


def test_slips_handed_out_are_a_copy():
    ledger = funded()
    reserve(ledger, wish())
    ledger.slips()["stake_minor"] = 5
    ledger.check()
    assert not isinstance(ledger.apply(Deposit(account_no=7, amount_minor=1, ref="z"), 5), Refused)
