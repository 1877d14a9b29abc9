"""Slips: posted or voided once, settled, settled again, opened again, and debts."""

from functools import partial
from random import Random

import numpy as np
import pytest
from msgspec import structs

from engine.common.commands import Deposit, Withdraw
from engine.common.events import Deposited, Withdrawn
from engine.common.ids import BET_EPOCH_MAX
from engine.common.reasons import Reason
from engine.common.rows import (
    FLAG_KNOWN,
    BetResult,
    Rows,
    SlipState,
)
from engine.common.rules import RULES
from engine.common.units import (
    BALANCE_MINOR_MAX,
    ODDS_MILLI_MAX,
    PAYOUT_MINOR_MAX,
    STAKE_MINOR_MAX,
)
from engine.ledger.ledger import LedgerMachine
from engine.ledger.rows import DISPUTES_MAX, HOLDING_MINOR_MAX, SETTLEMENTS_MAX
from tests.engine.ledger.builders import (
    NO_VERDICTS,
    SHARD,
    bet,
    funded,
    money,
    reopening,
    reservation,
    reserve,
    resolve,
    settle,
    settlement,
    verdict,
)


def test_an_accepted_bet_moves_from_pending_to_at_stake_at_the_odds_given():
    ledger = funded()
    reserve(ledger, reservation())
    resolve(ledger, verdict(bet(1), odds_milli=2_750))
    slip = ledger.slip_by_id(bet(1))
    assert (slip.state, slip.odds_milli, slip.reason) == (SlipState.ACCEPTED, 2_750, 0)
    assert money(ledger) == (900, 0, 100, 0)


def test_a_refused_bet_returns_its_stake_and_keeps_the_reason():
    ledger = funded()
    reserve(ledger, reservation())
    refusal = verdict(bet(1), Reason.STAKE_OVER_LIMIT, odds_milli=2_400, stake_max_minor=60)
    resolve(ledger, refusal)
    assert money(ledger) == (1_000, 0, 0, 0)
    answer = reserve(ledger, reservation())[0]
    assert answer["flags"] == FLAG_KNOWN
    assert (answer["bet_id"], answer["state"]) == (bet(1), SlipState.REFUSED)
    assert (answer["reason"], answer["stake_max_minor"]) == (Reason.STAKE_OVER_LIMIT, 60)
    assert answer["odds_milli"] == 2_400
    slip = ledger.slip(account_no=7, ref="a")
    assert (slip.reason, slip.stake_max_minor) == (Reason.STAKE_OVER_LIMIT, 60)


@pytest.mark.parametrize("first", [Reason.ACCEPTED, Reason.FENCED])
@pytest.mark.parametrize("second", [Reason.ACCEPTED, Reason.MARKET_SUSPENDED])
def test_a_pending_slip_is_resolved_once(first, second):
    ledger = funded()
    reserve(ledger, reservation())
    resolve(ledger, verdict(bet(1), first))
    before = ledger.state_hash()
    resolve(ledger, verdict(bet(1), second, odds_milli=9_000, stake_max_minor=5))
    assert ledger.state_hash() == before
    ledger.check()


@pytest.mark.parametrize("unknown", [0, bet(2), bet(0x7FFF) + (1 << 48), 1, (1 << 64) - 1])
def test_a_verdict_for_a_bet_of_another_shard_changes_nothing(unknown):
    ledger = funded()
    reserve(ledger, reservation())
    before = ledger.state_hash()
    resolve(ledger, verdict(unknown), verdict(unknown, Reason.FENCED))
    assert ledger.state_hash() == before


@pytest.mark.parametrize("unknown", [0, bet(2), bet(0x7FFF) + (1 << 48), 1, (1 << 64) - 1])
def test_a_settlement_of_a_bet_that_was_never_given_is_a_dispute(unknown):
    ledger = funded()
    reserve(ledger, reservation())
    before, totals = money(ledger), ledger.totals()
    assert settle(ledger, settlement(unknown, 250))["bet_id"].tolist() == [unknown]
    assert ledger.disputes()["bet_id"].tolist() == [unknown]
    assert (money(ledger), ledger.totals()) == (before, totals)
    assert len(settle(ledger, settlement(unknown, 250))) == 0, "it is held already"
    assert len(settle(ledger, settlement(unknown, 100, number=2))) == 1
    assert ledger.disputes()["payout_minor"].tolist() == [100], "the latest of a bet is held"
    ledger.check()
    assert LedgerMachine.load(ledger.dump()).state_hash() == ledger.state_hash()


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
    reserve(ledger, reservation())
    resolve(ledger, verdict(bet(1)))
    applied = settle(ledger, settlement(bet(1), payout_minor, result=result))
    assert applied["bet_id"].tolist() == [bet(1)]
    assert money(ledger) == (900 + payout_minor, 0, 0, 0)
    totals = ledger.totals()[0]
    assert (totals.house_minor, totals.external_minor) == (house_minor, -1_000)
    slip = ledger.slip_by_id(bet(1))
    assert (slip.state, slip.result, slip.payout_minor) == (SlipState.SETTLED, result, payout_minor)


def test_a_repeated_or_lower_settlement_number_is_skipped():
    ledger = funded()
    reserve(ledger, reservation())
    resolve(ledger, verdict(bet(1)))
    two = settlement(bet(1), 250, number=2)
    applied = settle(ledger, two, two, settlement(bet(1), 999, number=1))
    assert applied.tobytes() == two.tobytes()
    before = ledger.state_hash()
    assert len(settle(ledger, two, settlement(bet(1), 0, number=0))) == 0
    assert ledger.state_hash() == before
    assert money(ledger) == (1_150, 0, 0, 0)


def test_a_higher_settlement_number_reverses_and_replaces_the_payout():
    ledger = funded()
    reserve(ledger, reservation())
    resolve(ledger, verdict(bet(1)))
    settle(ledger, settlement(bet(1), 0, number=1, result=BetResult.LOST))
    settle(ledger, settlement(bet(1), 250, number=2))
    assert money(ledger) == (1_150, 0, 0, 0)
    settle(ledger, settlement(bet(1), 100, number=3, result=BetResult.CANCELLED))
    assert money(ledger) == (1_000, 0, 0, 0)
    slip = ledger.slip_by_id(bet(1))
    assert (slip.settlement_no, slip.result) == (3, BetResult.CANCELLED)


def test_a_settlement_of_a_pending_bet_posts_it_first_at_the_reserved_odds():
    ledger = funded()
    reserve(ledger, reservation(odds_milli=2_500))
    settle(ledger, settlement(bet(1), 260))
    assert money(ledger) == (1_160, 0, 0, 0)
    slip = ledger.slip_by_id(bet(1))
    assert (slip.state, slip.odds_milli, slip.reason) == (SlipState.SETTLED, 2_500, 0)
    assert len(ledger.pending_before(at_ns=99, limit=9)) == 0


@pytest.mark.parametrize("late", [Reason.ACCEPTED, Reason.FENCED])
def test_a_verdict_after_the_settlement_changes_nothing(late):
    ledger = funded()
    reserve(ledger, reservation())
    settle(ledger, settlement(bet(1), 260))
    before = ledger.state_hash()
    resolve(ledger, verdict(bet(1), late, odds_milli=2_600))
    assert ledger.state_hash() == before


def test_a_settlement_of_a_refused_bet_moves_no_money_and_is_a_dispute():
    ledger = funded()
    reserve(ledger, reservation())
    resolve(ledger, verdict(bet(1), Reason.ODDS_CHANGED))
    assert len(settle(ledger, settlement(bet(1), 250))) == 1
    assert ledger.disputes()["bet_id"].tolist() == [bet(1)]
    assert money(ledger) == (1_000, 0, 0, 0)
    old = LedgerMachine(shard=SHARD, rules=1)
    assert len(old.settle(settlement(bet(1), 250), 5)) == len(old.disputes()) == 0


def test_no_settlement_is_taken_while_the_disputes_are_at_their_bound():
    ledger = funded()
    reserve(ledger, reservation())
    for first in range(0, DISPUTES_MAX, SETTLEMENTS_MAX):
        numbers = range(first, min(first + SETTLEMENTS_MAX, DISPUTES_MAX))
        unknown = np.repeat(settlement(0, 1), len(numbers))
        unknown["bet_id"] = [bet(100 + number) for number in numbers]
        assert len(ledger.settle(unknown, 5)) == len(numbers)
    before = ledger.state_hash()
    with pytest.raises(ValueError, match=f"{DISPUTES_MAX} settlements are in dispute"):
        settle(ledger, settlement(bet(1), 250))
    assert ledger.state_hash() == before


def test_a_settlement_that_outruns_the_verdict_carries_its_odds():
    ledger = funded()
    reserve(ledger, reservation(odds_milli=2_000))
    settle(ledger, settlement(bet(1), 240, odds_milli=2_400))
    assert ledger.slip_by_id(bet(1)).odds_milli == 2_400
    resolve(ledger, verdict(bet(1), odds_milli=2_400))
    assert ledger.slip_by_id(bet(1)).odds_milli == 2_400


def test_a_refusal_that_no_market_recorded_does_not_void_a_slip_handed_out_twice():
    for handed_out, state in ((1, SlipState.REFUSED), (2, SlipState.PENDING)):
        ledger = funded()
        for _ in range(handed_out):
            reserve(ledger, reservation())
        resolve(ledger, verdict(bet(1), Reason.DISK_FULL))
        assert ledger.slip_by_id(bet(1)).state == state
        resolve(ledger, verdict(bet(1)))
        expected = SlipState.ACCEPTED if state == SlipState.PENDING else SlipState.REFUSED
        assert ledger.slip_by_id(bet(1)).state == expected


def test_a_recorded_refusal_voids_a_slip_handed_out_twice():
    ledger = funded()
    reserve(ledger, reservation())
    reserve(ledger, reservation())
    resolve(ledger, verdict(bet(1), Reason.FENCED))
    assert ledger.slip_by_id(bet(1)).state == SlipState.REFUSED


def test_a_reservation_in_the_call_of_its_void_is_told_whether_the_void_counted():
    ledger = funded()
    reserve(ledger, reservation())
    (answer,) = ledger.exchange(verdict(bet(1), Reason.DISK_FULL), reservation(), 20)
    assert (answer["state"], answer["reason"]) == (SlipState.REFUSED, Reason.DISK_FULL)


def test_each_epoch_gives_bet_ids_of_a_range_of_its_own():
    ledger = funded()
    given = []
    for epoch in (1, 2, 9):
        ledger.begin_epoch(epoch=epoch, rules=RULES)
        refs = [f"{epoch}-{number}" for number in range(3)]
        given += reserve(ledger, *map(reservation, refs))["bet_id"].tolist()
        ledger.check()
    assert given == [bet(epoch << 27 | n) for epoch in (1, 2, 9) for n in (1, 2, 3)]
    loaded = LedgerMachine.load(ledger.dump())
    for number in given:
        assert loaded.slip_by_id(number).bet_id == ledger.slip_by_id(number).bet_id == number
        after = [each for each in given if each > number]
        pending = ledger.pending_before(at_ns=1 << 62, limit=99, after_bet_id=number)
        assert pending["bet_id"].tolist() == after
    asked = np.array([*given, bet(1), bet(9 << 27 | 4)], np.uint64)
    assert loaded.never_given(asked).tolist() == [bet(1), bet(9 << 27 | 4)]
    assert loaded.slips(4, 3)["bet_id"].tolist() == given[4:7]
    for unknown in (bet(1), bet(1 << 27), bet(1 << 27 | 4), bet(3 << 27 | 1), bet(9 << 27 | 4)):
        assert ledger.slip_by_id(unknown) is None
        pending = ledger.pending_before(at_ns=1 << 62, limit=99, after_bet_id=unknown)
        assert pending["bet_id"].tolist() == [each for each in given if each > unknown]
    with pytest.raises(ValueError, match=f"bet ids have room for {BET_EPOCH_MAX}"):
        ledger.begin_epoch(epoch=BET_EPOCH_MAX + 1, rules=RULES)


def won_and_withdrawn() -> LedgerMachine:
    """Return a ledger whose bettor won 250 on bet 1 and withdrew all but 30."""
    ledger = funded()
    reserve(ledger, reservation())
    resolve(ledger, verdict(bet(1)))
    settle(ledger, settlement(bet(1), 250))
    ledger.apply(Withdraw(account_no=7, amount_minor=1_120, ref="out"), 40)
    assert money(ledger) == (30, 0, 0, 0)
    return ledger


def test_a_reversed_payout_beyond_the_balance_is_owed():
    ledger = won_and_withdrawn()
    settle(ledger, settlement(bet(1), 0, number=2, result=BetResult.LOST))
    assert money(ledger) == (0, 0, 0, 220)
    assert ledger.totals()[0].owed_minor == -220
    assert (
        reserve(ledger, reservation("b", stake_minor=1))[0]["reason"] == Reason.INSUFFICIENT_FUNDS
    )


def test_a_deposit_pays_what_is_owed_first():
    ledger = won_and_withdrawn()
    settle(ledger, settlement(bet(1), 0, number=2, result=BetResult.LOST))
    event = ledger.apply(Deposit(account_no=7, amount_minor=200, ref="x"), 50)
    assert event.available_minor == 0
    assert money(ledger) == (0, 0, 0, 20)
    assert ledger.apply(Deposit(account_no=7, amount_minor=50, ref="y"), 51).available_minor == 30
    assert money(ledger) == (30, 0, 0, 0)


def test_a_debt_leaves_room_for_a_deposit_to_the_bound():
    ledger = won_and_withdrawn()
    settle(ledger, settlement(bet(1), 0, number=2, result=BetResult.LOST))
    most = Deposit(account_no=7, amount_minor=BALANCE_MINOR_MAX, ref="most")
    assert ledger.apply(most, 50).available_minor == BALANCE_MINOR_MAX - 220
    assert money(ledger) == (BALANCE_MINOR_MAX - 220, 0, 0, 0)


def test_a_returned_stake_and_a_payout_pay_what_is_owed_first():
    ledger = won_and_withdrawn()
    reserve(ledger, reservation("b", stake_minor=10), reservation("c", stake_minor=20))
    settle(ledger, settlement(bet(1), 220, number=2))
    assert money(ledger) == (0, 30, 0, 30)
    resolve(ledger, verdict(bet(2), Reason.FENCED))
    assert money(ledger) == (0, 20, 0, 20)
    settle(ledger, settlement(bet(3), 50))
    assert money(ledger) == (30, 0, 0, 0)


def test_a_payout_reversed_and_settled_again_leaves_no_debt():
    ledger = won_and_withdrawn()
    settle(ledger, settlement(bet(1), 0, number=2), settlement(bet(1), 250, number=3))
    assert money(ledger) == (30, 0, 0, 0)


def test_a_payout_over_the_balance_bound_is_credited_and_only_deposits_are_refused():
    ledger = funded(amount_minor=BALANCE_MINOR_MAX)
    reserve(ledger, reservation(stake_minor=STAKE_MINOR_MAX, odds_milli=10_000_000))
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


def open_ids(ledger: LedgerMachine, account_no: int = 7) -> list[int]:
    return [slip.bet_id for slip in ledger.open_slips(account_no=account_no)]


@pytest.mark.parametrize("payout_minor", [0, 100, 250])
def test_a_bet_opened_again_is_as_before_its_settlement(payout_minor):
    ledger = funded()
    reserve(ledger, reservation())
    resolve(ledger, verdict(bet(1), odds_milli=2_750))
    before = ledger.slip_by_id(bet(1)), money(ledger), ledger.totals()
    settle(ledger, settlement(bet(1), payout_minor))
    row = reopening(bet(1))
    assert settle(ledger, row).tobytes() == row.tobytes()
    slip = ledger.slip_by_id(bet(1))
    assert (slip.state, slip.result) == (SlipState.ACCEPTED, BetResult.NONE)
    assert (slip.payout_minor, slip.settlement_no) == (0, 2)
    assert (structs.replace(slip, settlement_no=0), money(ledger), ledger.totals()) == before
    assert open_ids(ledger) == [bet(1)]
    assert len(settle(ledger, settlement(bet(1), 250, number=2))) == 0
    settle(ledger, settlement(bet(1), 275, number=3))
    assert money(ledger) == (1_175, 0, 0, 0)


def test_a_bet_opened_again_before_its_settlement_arrives_only_takes_the_number():
    ledger = funded()
    reserve(ledger, reservation())
    resolve(ledger, verdict(bet(1)))
    assert len(settle(ledger, reopening(bet(1), number=2))) == 1
    assert money(ledger) == (900, 0, 100, 0)
    assert ledger.slip_by_id(bet(1)).settlement_no == 2
    assert len(settle(ledger, settlement(bet(1), 250, number=1), reopening(bet(1)))) == 0
    settle(ledger, settlement(bet(1), 0, number=3, result=BetResult.LOST))
    assert money(ledger) == (900, 0, 0, 0)


@pytest.mark.parametrize("late", [Reason.ACCEPTED, Reason.FENCED])
def test_a_pending_bet_opened_again_is_posted_and_a_late_verdict_changes_nothing(late):
    ledger = funded()
    reserve(ledger, reservation())
    settle(ledger, reopening(bet(1)))
    assert money(ledger) == (900, 0, 100, 0)
    assert len(ledger.pending_before(at_ns=99, limit=9)) == 0
    before = ledger.state_hash()
    resolve(ledger, verdict(bet(1), late, odds_milli=2_600))
    assert ledger.state_hash() == before


def test_a_refused_bet_is_not_opened_again():
    ledger = funded()
    reserve(ledger, reservation())
    resolve(ledger, verdict(bet(1), Reason.ODDS_CHANGED))
    settle(ledger, reopening(bet(1)))
    assert ledger.slip_by_id(bet(1)).state == SlipState.REFUSED
    assert money(ledger) == (1_000, 0, 0, 0)


def test_a_payout_reversed_by_opening_the_bet_again_is_owed():
    ledger = won_and_withdrawn()
    settle(ledger, reopening(bet(1)))
    assert money(ledger) == (0, 0, 100, 220)
    totals = ledger.totals()[0]
    assert (totals.owed_minor, totals.house_minor) == (-220, 0)
    settle(ledger, settlement(bet(1), 250, number=3))
    assert money(ledger) == (30, 0, 0, 0)


@pytest.mark.parametrize("seed", range(6))
def test_a_bet_opened_again_is_listed_at_its_place_among_the_open_bets(seed):
    """Two bettors' bets are settled and opened again at random; the audit checks both chains."""
    random = Random(seed)
    count = 40
    ledger = funded(accounts=(7, 8), amount_minor=10_000)
    owners = [random.choice((7, 7, 8)) for _ in range(count)]
    reserve(ledger, *(reservation(f"r{i}", account_no=no) for i, no in enumerate(owners)))
    is_open = dict.fromkeys(range(count), True)
    for number in range(1, 200):
        i = random.randrange(count)
        is_open[i] = not is_open[i] if random.random() < 0.9 else is_open[i]
        row = reopening if is_open[i] else partial(settlement, payout_minor=0)
        settle(ledger, row(bet(1 + i), number=number))
        ledger.check()
        for no in (7, 8):
            own = [bet(1 + k) for k in range(count) if is_open[k] and owners[k] == no]
            assert open_ids(ledger, no) == own


@pytest.mark.parametrize(
    "impossible",
    [
        settlement(bet(1), -1),
        settlement(bet(1), PAYOUT_MINOR_MAX + 1),
        settlement(bet(1), 1, result=BetResult.NONE),
        settlement(bet(1), 0, result=7),
        settlement(bet(1), 0, odds_milli=-1),
        settlement(bet(1), 0, odds_milli=1_000),
        settlement(bet(1), 0, odds_milli=ODDS_MILLI_MAX + 1),
    ],
    ids=[
        "negative",
        "too much",
        "paid while open",
        "unknown result",
        "negative odds",
        "odds too low",
        "odds too high",
    ],
)
def test_an_impossible_settlement_is_a_dispute_and_stops_no_other(impossible):
    ledger = funded()
    reserve(ledger, reservation(), reservation("b"))
    assert len(settle(ledger, impossible, settlement(bet(2), 250))) == 2
    assert ledger.disputes()["bet_id"].tolist() == [bet(1)]
    assert money(ledger) == (1_050, 100, 0, 0), "the stake of bet 1 is still pending"
    ledger.check()


def many(count: int, *, payout_minor: int) -> tuple[LedgerMachine, Rows]:
    """Return a ledger with this many stakes of 1 reserved, and their settlements."""
    ledger = funded(amount_minor=count)
    reservations = np.repeat(reservation(stake_minor=1), count)
    reservations["ref"][:, 0] = np.arange(1, count + 1)
    paid = np.repeat(settlement(0, payout_minor), count)
    paid["bet_id"] = ledger.exchange(NO_VERDICTS, reservations, 10)["bet_id"]
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


def test_an_account_over_the_holding_bound_is_not_settled_but_disputed():
    ledger, paid = many(2 * SETTLEMENTS_MAX + 1, payout_minor=PAYOUT_MINOR_MAX)
    ledger.settle(paid[:SETTLEMENTS_MAX], 20)
    ledger.settle(paid[SETTLEMENTS_MAX:-1], 20)
    available_minor, pending_minor, *_ = money(ledger)
    assert HOLDING_MINOR_MAX < available_minor <= HOLDING_MINOR_MAX + PAYOUT_MINOR_MAX
    settled = available_minor // PAYOUT_MINOR_MAX
    assert ledger.disputes_len == 2 * SETTLEMENTS_MAX - settled
    assert pending_minor == len(paid) - settled
    assert ledger.totals()[0].house_minor == settled - available_minor
