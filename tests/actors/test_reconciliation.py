"""The comparison of bets with slips and totals, on rows made here."""

import numpy as np
from msgspec.structs import replace

from actors.reconciliation import (
    DIFFERENCES_SHOWN_MAX,
    ShardSlips,
    charge_differences,
    compare_bets_and_slips,
    settlement_differences,
)
from engine.common.ids import bet_id
from engine.common.reasons import Reason
from engine.common.rows import (
    CHARGE,
    SETTLEMENT,
    SLIP_BET,
    BetResult,
    Rows,
    SlipKind,
    SlipState,
)
from engine.common.views import LedgerTotals
from engine.ledger.rows import SLIP
from engine.market.book import BET_RECORD

STAKE_MINOR = 100


def bets(*bet_ids: int, reason: Reason = Reason.ACCEPTED) -> Rows:
    rows: Rows = np.zeros(len(bet_ids), BET_RECORD)
    rows["bet_id"] = bet_ids
    rows["stake_minor"] = STAKE_MINOR
    rows["reason"] = reason
    return rows


def shard_slips(
    *states: SlipState, number: int = 0, booked: int | None = None, quiet: bool = True
) -> ShardSlips:
    """Return a shard whose slips have these states; `booked` is a wrong total at stake."""
    rows: Rows = np.zeros(len(states), SLIP)
    rows["bet_id"] = [bet_id(shard=number, serial=serial + 1) for serial in range(len(states))]
    rows["stake_minor"] = STAKE_MINOR
    rows["state"] = states
    at_stake = STAKE_MINOR * states.count(SlipState.ACCEPTED) if booked is None else booked
    pending = STAKE_MINOR * states.count(SlipState.PENDING)
    total = LedgerTotals(
        currency="EUR",
        external_minor=-at_stake - pending,
        available_minor=0,
        pending_minor=pending,
        at_stake_minor=at_stake,
        owed_minor=0,
        house_minor=0,
    )
    currencies = np.zeros(len(rows), np.uint32)
    return ShardSlips(number, rows, np.zeros(0, SLIP_BET), currencies, [total], quiet)


def test_accepted_bets_with_equal_slips_agree() -> None:
    shards = [shard_slips(SlipState.ACCEPTED, SlipState.REFUSED), shard_slips(number=1)]
    refused = bets(bet_id(shard=0, serial=2), reason=Reason.MARKET_CLOSED)
    report = compare_bets_and_slips(
        bets=np.concatenate([bets(bet_id(shard=0, serial=1)), refused]), shards=shards
    )
    assert report.agree
    assert (report.market_bets, report.slips, report.accepted, report.in_flight) == (2, 2, 1, 0)


def test_a_bet_accepted_by_two_shells_is_found() -> None:
    twice = bets(1, 1)
    report = compare_bets_and_slips(bets=twice, shards=[shard_slips(SlipState.ACCEPTED)])
    assert report.differences == ("bet 1: accepted by two shells",)


def test_a_bet_whose_slip_was_made_after_the_slips_were_read_is_in_flight() -> None:
    report = compare_bets_and_slips(bets=bets(1, 2), shards=[shard_slips(SlipState.ACCEPTED)])
    assert report.agree
    assert report.in_flight == 1


def test_a_pending_bet_that_its_market_accepted_is_in_flight() -> None:
    report = compare_bets_and_slips(bets=bets(1), shards=[shard_slips(SlipState.PENDING)])
    assert report.agree
    assert report.in_flight == 1


def test_a_bet_of_a_shard_that_does_not_exist_is_a_difference() -> None:
    stray = int(bet_id(shard=9, serial=1))
    report = compare_bets_and_slips(bets=bets(stray), shards=[shard_slips()])
    assert report.differences == (f"bet {stray}: accepted by its market, unknown to its account",)


def test_totals_that_differ_from_the_slips_are_found_in_a_quiet_shard_only() -> None:
    for quiet, found in ((True, 1), (False, 0)):
        shard = shard_slips(SlipState.ACCEPTED, booked=250, quiet=quiet)
        report = compare_bets_and_slips(bets=bets(1), shards=[shard])
        assert report.differences_found == found
        assert report.quiet is quiet
        if quiet:
            (difference,) = report.differences
            assert difference == "shard 0: at_stake_minor is 250 EUR, its slips add up to 100"


def test_money_moved_between_two_currencies_is_found_though_the_sums_agree() -> None:
    shard = shard_slips(SlipState.ACCEPTED, SlipState.SETTLED, SlipState.SETTLED)
    shard.slips["payout_minor"][1:] = (250, 0)
    (euro,) = shard.totals
    totals = [replace(euro, house_minor=-150), replace(euro, currency="GBP", at_stake_minor=0)]
    totals[1] = replace(totals[1], house_minor=100)
    sound = shard._replace(currencies=np.array([0, 0, 1], np.uint32), totals=totals)
    assert not compare_bets_and_slips(bets=bets(1, 2, 3), shards=[sound]).differences[1:]
    moved = [replace(totals[0], at_stake_minor=60), replace(totals[1], at_stake_minor=40)]
    report = compare_bets_and_slips(bets=bets(1, 2, 3), shards=[sound._replace(totals=moved)])
    found = [line for line in report.differences if line.startswith("shard")]
    assert found == [
        "shard 0: at_stake_minor is 60 EUR, its slips add up to 100",
        "shard 0: at_stake_minor is 40 GBP, its slips add up to 0",
    ]
    paid = [replace(totals[0], house_minor=-149), replace(totals[1], house_minor=99)]
    report = compare_bets_and_slips(bets=bets(1, 2, 3), shards=[sound._replace(totals=paid)])
    assert sum(line.startswith("shard 0: house_minor") for line in report.differences) == 2


def test_all_differences_are_counted_and_the_first_ones_described() -> None:
    slips = shard_slips(*[SlipState.ACCEPTED] * 30)
    report = compare_bets_and_slips(bets=bets(), shards=[slips])
    assert report.differences_found == 30
    assert len(report.differences) == DIFFERENCES_SHOWN_MAX
    assert not report.agree


def test_an_accepted_bet_whose_slip_is_missing_among_later_ones_is_a_difference() -> None:
    shard = shard_slips(SlipState.ACCEPTED, SlipState.ACCEPTED)
    shard.slips["bet_id"] = (1, 3)
    report = compare_bets_and_slips(bets=bets(1, 2, 3), shards=[shard])
    assert report.differences == ("bet 2: accepted by its market, unknown to its account",)


# --- slips of several legs ------------------------------------------------------------------------


def double(head: SlipState, *legs: SlipState) -> ShardSlips:
    """Return a shard with one slip of two legs, whose bet ids are 2 and 3."""
    shard = shard_slips(head, *legs)
    shard.slips["kind"] = (SlipKind.HEAD, SlipKind.LEG, SlipKind.LEG)
    shard.slips["legs"] = (2, 1, 2)
    (total,) = shard.totals
    at_stake = STAKE_MINOR if head is SlipState.ACCEPTED else 0
    pending = STAKE_MINOR if head is SlipState.PENDING else 0
    totals = [
        replace(
            total,
            at_stake_minor=at_stake,
            pending_minor=pending,
            external_minor=-at_stake - pending,
        )
    ]
    return shard._replace(totals=totals)


def test_legs_pair_with_bets_and_the_head_alone_has_the_money() -> None:
    shard = double(SlipState.ACCEPTED, SlipState.ACCEPTED, SlipState.ACCEPTED)
    report = compare_bets_and_slips(bets=bets(2, 3), shards=[shard])
    assert report.agree, report.differences
    assert (report.slips, report.accepted, report.in_flight) == (1, 2, 0)
    waiting = double(SlipState.PENDING, SlipState.ACCEPTED, SlipState.PENDING)
    report = compare_bets_and_slips(bets=bets(2, 3), shards=[waiting])
    assert report.agree, report.differences
    assert report.in_flight == 1


def test_a_leg_that_its_market_charged_otherwise_at_first_is_found() -> None:
    shard = double(SlipState.ACCEPTED, SlipState.ACCEPTED, SlipState.ACCEPTED)
    shard.slips["stake_minor"][2] = 99
    report = compare_bets_and_slips(bets=bets(2, 3), shards=[shard])
    assert report.differences == ("bet 3: stake_minor is 100 in its market, 99 in its account",)


def test_a_released_leg_without_its_bet_and_a_head_with_a_bet_are_found() -> None:
    shard = double(SlipState.REFUSED, SlipState.RELEASED, SlipState.REFUSED)
    assert compare_bets_and_slips(bets=bets(2), shards=[shard]).agree
    report = compare_bets_and_slips(bets=bets(1), shards=[shard])
    assert set(report.differences) == {
        "bet 1: accepted by its market, unknown to its account",
        "bet 2: stands in its account, not accepted by any market",
    }
    report = compare_bets_and_slips(bets=bets(2, 3), shards=[shard])
    assert report.differences == ("bet 3: accepted by its market, refused in its account",)


def settlements_of(*rows: tuple[int, BetResult, int, int]) -> Rows:
    standing: Rows = np.zeros(len(rows), SETTLEMENT)
    for name, column in zip(
        ("bet_id", "result", "payout_minor", "back_den"), zip(*rows, strict=True), strict=True
    ):
        standing[name] = column
    return standing


def test_a_leg_is_settled_with_the_fraction_that_stands_in_its_market() -> None:
    slips = double(SlipState.ACCEPTED, SlipState.SETTLED, SlipState.ACCEPTED).slips
    slips["result"][1], slips["payout_minor"][1], slips["back_den"][1] = BetResult.WON, 5, 2
    standing = settlements_of((2, BetResult.WON, 5, 2), (3, BetResult.NONE, 0, 0))
    none = np.zeros(0, np.uint64)
    assert settlement_differences(slips, standing, none) == []
    standing["back_den"][0] = 3
    assert settlement_differences(slips, standing, none) == [
        "bet 2: WON with 5/3 back in its market, WON with 5/2 back in its account"
    ]
    assert settlement_differences(slips, standing, np.array([2], np.uint64)) == []
    standing["back_den"][0], standing["early_lead"][1], standing["early_flags"][1] = 2, 2, 1
    assert settlement_differences(slips, standing, none) == [
        "bet 3: a lead of 2, pre-match in its market, a lead of 0, in play in its account"
    ]
    slips["held"][2], slips["bets"][2] = 2, 1
    assert settlement_differences(slips, standing, none) == []
    slips["state"] = (SlipState.REFUSED, SlipState.RELEASED, SlipState.RELEASED)
    assert settlement_differences(slips, standing, none) == [], "its market settles it no more"


def charged(*rows: tuple[int, int, int]) -> Rows:
    found: Rows = np.zeros(len(rows), CHARGE)
    for row, (leg, stake_minor, number) in zip(found, rows, strict=True):
        row["bet_id"], row["stake_minor"], row["charge_no"] = leg, stake_minor, number
    return found


def test_charges_of_one_number_are_equal_and_none_is_lost() -> None:
    legs = double(SlipState.ACCEPTED, SlipState.ACCEPTED, SlipState.ACCEPTED).slips[1:]
    legs["rate_micro"] = 1_000_000
    assert charge_differences(legs, charged()) == []
    assert charge_differences(legs, charged((2, 70, 4))) == [], "its note is on the way"
    legs["charge_no"], legs["charged_minor"] = 5, (60, 80)
    assert charge_differences(legs, charged((3, 80, 5), (2, 60, 5))) == []
    assert charge_differences(legs, charged((3, 80, 5), (2, 90, 6))) == []
    assert charge_differences(legs, charged((2, 61, 5))) == [
        "bet 3: charge 5 was applied by its market, 0 is its last one there",
        "bet 2: its charge is 61 in its market, 60 in its account",
    ]
    assert charge_differences(legs[1:], charged((2, 61, 5), (3, 80, 4))) == [
        "bet 3: charge 5 was applied by its market, 4 is its last one there"
    ]


def test_a_charge_above_the_largest_stake_counts_as_that_in_its_market() -> None:
    legs = double(SlipState.ACCEPTED, SlipState.ACCEPTED, SlipState.ACCEPTED).slips[1:2]
    legs["rate_micro"] = 3_000_000
    legs["charge_no"], legs["charged_minor"] = 1, 1_000_000_000
    assert charge_differences(legs, charged((2, 333_333_333, 1))) == []
    assert len(charge_differences(legs, charged((2, 333_333_334, 1)))) == 1
