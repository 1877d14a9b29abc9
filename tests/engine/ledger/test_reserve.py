"""Reservations: the order of the checks, and refs that count once."""

import numpy as np
import pytest

from engine.common.commands import Deposit, OpenAccount, SetRate
from engine.common.reasons import Reason
from engine.common.rows import (
    FLAG_KNOWN,
    RESERVATION,
    Policy,
    SlipState,
)
from engine.common.units import STAKE_MINOR_MAX
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import (
    NO_VERDICTS,
    SHARD,
    bet,
    funded,
    money,
    reservation,
    reserve,
    resolve,
    rows,
    verdict,
)


def test_a_reservation_moves_the_stake_from_available_to_pending():
    ledger = funded()
    answer = reserve(ledger, reservation(stake_minor=300))[0]
    assert answer["bet_id"] == bet(1)
    assert (answer["state"], answer["reason"], answer["flags"]) == (SlipState.PENDING, 0, 0)
    assert (answer["odds_milli"], answer["rate_micro"]) == (2_500, 1_000_000)
    assert money(ledger) == (700, 300, 0, 0)


def test_bet_ids_rise_by_one_and_carry_the_shard():
    ledger = funded()
    answers = reserve(ledger, reservation("a"), reservation("b", account_no=99), reservation("c"))
    assert answers["bet_id"].tolist() == [bet(1), 0, bet(2)]
    assert ledger.slips()["bet_id"].tolist() == [bet(1), bet(2)]


def test_the_same_ref_with_the_same_content_gives_the_same_slip():
    ledger = funded()
    first = reserve(ledger, reservation())[0]
    again = reserve(ledger, reservation(), at_ns=99)[0]
    assert again["bet_id"] == first["bet_id"]
    assert again["flags"] == FLAG_KNOWN
    assert again["state"] == SlipState.PENDING
    assert money(ledger) == (900, 100, 0, 0)


def test_the_same_ref_twice_in_one_batch_is_one_slip():
    ledger = funded()
    answers = reserve(ledger, reservation(), reservation("b"), reservation())
    assert answers["bet_id"].tolist() == [bet(1), bet(2), bet(1)]
    assert answers["flags"].tolist() == [0, 0, FLAG_KNOWN]
    assert money(ledger) == (800, 200, 0, 0)


def test_the_same_bet_a_hundred_times_over_restarts_is_one_bet():
    ledger = funded()
    parts = []
    for i in range(20):
        parts.append(reserve(ledger, *[reservation()] * 5, at_ns=i))
        if i % 7 == 3:
            ledger = LedgerMachine.load(ledger.dump())
        if i == 9:
            resolve(ledger, verdict(bet(1), odds_milli=2_400))
    assert ledger.slips_len == 1
    answers = np.concatenate(parts)
    assert set(answers["bet_id"].tolist()) == {bet(1)}
    assert answers["flags"].tolist() == [0] + [FLAG_KNOWN] * 99
    assert len(set(answers[50:].tolist())) == 1
    assert money(ledger) == (900, 0, 100, 0)


def test_one_ref_on_two_accounts_is_two_bets():
    ledger = funded(accounts=(7, 8))
    answers = reserve(ledger, reservation(account_no=7), reservation(account_no=8))
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
    reserve(ledger, reservation())
    before = ledger.state_hash()
    answer = reserve(ledger, reservation(**other))[0]
    assert answer["reason"] == Reason.BET_REF_REUSED
    assert (answer["bet_id"], answer["state"], answer["flags"]) == (0, SlipState.NONE, 0)
    assert ledger.state_hash() == before


def test_content_of_a_ref_has_the_reserved_odds_also_after_a_verdict_at_other_odds():
    ledger = funded()
    reserve(ledger, reservation(odds_milli=2_500))
    resolve(ledger, verdict(bet(1), odds_milli=2_600))
    again, reused = reserve(ledger, reservation(odds_milli=2_500), reservation(odds_milli=2_600))
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


@pytest.mark.parametrize(("fields", "reason", "stake_max_minor"), REFUSALS)
def test_a_refused_reservation_gives_the_first_reason_and_makes_no_slip(
    fields, reason, stake_max_minor
):
    ledger = funded()
    before = ledger.state_hash()
    answer = reserve(ledger, reservation(**fields))[0]
    assert answer["reason"] == reason
    assert answer["stake_max_minor"] == stake_max_minor
    assert (answer["bet_id"], answer["state"], answer["flags"]) == (0, SlipState.NONE, 0)
    assert ledger.state_hash() == before


def test_a_stake_equal_to_the_available_balance_is_reserved():
    ledger = funded()
    assert reserve(ledger, reservation(stake_minor=1_000))[0]["reason"] == 0
    assert money(ledger) == (0, 1_000, 0, 0)


def test_the_largest_stake_is_reserved_and_no_larger_one_is_offered():
    ledger = funded(amount_minor=10 * STAKE_MINOR_MAX)
    over, largest = reserve(
        ledger,
        reservation(stake_minor=STAKE_MINOR_MAX + 1),
        reservation(stake_minor=STAKE_MINOR_MAX),
    )
    assert over["stake_max_minor"] == STAKE_MINOR_MAX
    assert largest["reason"] == 0


def test_funds_reserved_earlier_in_a_batch_are_not_available_later_in_it():
    ledger = funded()
    answers = reserve(ledger, reservation("a", stake_minor=600), reservation("b", stake_minor=600))
    assert answers["reason"].tolist() == [0, Reason.INSUFFICIENT_FUNDS]
    assert answers[1]["stake_max_minor"] == 400


def test_a_verdict_frees_funds_for_a_reservation_of_the_same_exchange():
    ledger = funded()
    reserve(ledger, reservation("a", stake_minor=1_000))
    refusal = verdict(bet(1), Reason.ODDS_CHANGED)
    answer = ledger.exchange(refusal, reservation("b", stake_minor=1_000), 20)[0]
    assert (answer["reason"], answer["bet_id"]) == (0, bet(2))


def test_the_ref_of_a_refused_reservation_may_be_used_again():
    ledger = funded()
    assert reserve(ledger, reservation(stake_minor=2_000))[0]["reason"] == Reason.INSUFFICIENT_FUNDS
    ledger.apply(Deposit(account_no=7, amount_minor=1_000, ref="more"), 15)
    answer = reserve(ledger, reservation(stake_minor=2_000))[0]
    assert (answer["reason"], answer["flags"]) == (0, 0)


def test_a_full_shard_refuses_new_bets_and_answers_known_refs():
    ledger = funded(slips_max=2)
    answers = reserve(
        ledger,
        reservation("a"),
        reservation("b"),
        reservation("c"),
        reservation("a"),
        reservation("b", stake_minor=1),
    )
    assert answers["reason"].tolist() == [0, 0, Reason.CAPACITY, 0, Reason.BET_REF_REUSED]
    assert reserve(ledger, reservation("c", account_no=99))[0]["reason"] == Reason.CAPACITY
    assert ledger.slips_len == 2
    ledger.check()


def test_a_slip_keeps_the_rate_of_its_reservation():
    ledger = funded()
    reserve(ledger, reservation("a"))
    ledger.apply(SetRate(currency="EUR", rate_micro=1_100_000), 12)
    answers = reserve(ledger, reservation("a"), reservation("b"))
    assert answers["rate_micro"].tolist() == [1_000_000, 1_100_000]


def test_read_only_rows_of_a_message_are_accepted():
    ledger = funded()
    frozen = np.frombuffer(rows(reservation("a"), reservation("b")).tobytes(), RESERVATION)
    assert ledger.exchange(NO_VERDICTS, frozen, 10)["reason"].tolist() == [0, 0]


def ref_hashes(account_no: np.ndarray, ref: np.ndarray) -> np.ndarray:
    """Return the index's hashes of many refs (rows of four u64s), in numpy."""

    def mix(value: np.ndarray) -> np.ndarray:
        value = (value ^ (value >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        value = (value ^ (value >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
        return value ^ (value >> np.uint64(33))

    hashed = mix(account_no.astype(np.uint64))
    for column in range(4):
        spread = (hashed << np.uint64(6)) + (hashed >> np.uint64(2))
        hashed = mix(hashed ^ (ref[:, column] + np.uint64(0x9E3779B97F4A7C15) + spread))
    return hashed


def colliding(account_no: np.ndarray, ref: np.ndarray) -> tuple[int, int]:
    """Return two rows whose hashes have one upper half, which is all that a table keeps."""
    halves = ref_hashes(account_no, ref) >> np.uint64(32)
    order = np.argsort(halves, kind="stable")
    same = np.flatnonzero(np.diff(halves[order]) == 0)
    assert len(same), "among so many refs two have one upper half"
    return int(order[same[0]]), int(order[same[0] + 1])


@pytest.mark.parametrize("part", range(4))
def test_refs_with_one_hash_are_two_bets(part):
    refs = np.ones((300_000, 4), np.uint64)
    refs[:, part] = np.arange(1, len(refs) + 1)
    pair = list(colliding(np.full(len(refs), 7), refs))
    ledger = funded()
    reservations = np.repeat(reservation(), 2)
    reservations["ref"] = refs[pair]
    assert ledger.exchange(NO_VERDICTS, reservations, 10)["bet_id"].tolist() == [bet(1), bet(2)]
    assert ledger.exchange(NO_VERDICTS, reservations, 11)["bet_id"].tolist() == [bet(1), bet(2)]
    ledger.check()


def test_one_ref_of_two_accounts_with_one_hash_is_two_bets():
    numbers = np.arange(300_000)
    refs = np.ones((len(numbers), 4), np.uint64)
    pair = list(colliding(numbers, refs))
    ledger = funded(accounts=pair)
    reservations = np.repeat(reservation(), 2)
    reservations["ref"], reservations["account_no"] = 1, pair
    assert ledger.exchange(NO_VERDICTS, reservations, 10)["bet_id"].tolist() == [bet(1), bet(2)]
    ledger.check()


def test_answers_and_state_hash_do_not_depend_on_the_ref_seed():
    plain = funded()
    seeded = LedgerMachine.load(plain.dump(), ref_seed=(1 << 64) - 1)
    fresh = LedgerMachine(shard=SHARD, ref_seed=1 << 63)
    for command in (
        SetRate(currency="EUR"),
        OpenAccount(account_no=7, currency="EUR"),
        Deposit(account_no=7, amount_minor=1_000, ref="first"),
    ):
        fresh.apply(command, 1)
    for ledger in (plain, seeded, fresh):
        answers = reserve(ledger, reservation("a"), reservation("b"), reservation("a"))
        assert answers["bet_id"].tolist() == [bet(1), bet(2), bet(1)]
        assert ledger.slip(account_no=7, ref="b").bet_id == bet(2)
        ledger.check()
    assert plain.state_hash() == seeded.state_hash() == fresh.state_hash()
