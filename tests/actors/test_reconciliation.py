"""The comparison of bets with slips and totals, on rows made here."""

import numpy as np
from msgspec.structs import replace

from actors.reconciliation import DIFFERENCES_SHOWN_MAX, ShardSlips, compare_bets_and_slips
from engine.common.ids import bet_id
from engine.common.reasons import Reason
from engine.common.rows import Rows, SlipState
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
    return ShardSlips(number, rows, np.zeros(len(rows), np.uint32), [total], quiet)


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
