"""Matches simulated in one process: money is conserved, books agree, a seed repeats its hashes."""

import json
import os
import subprocess
import sys

import msgspec
import pytest

from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.rows import SlipKind, SlipState
from simulations.headless import Headless, Play, play_match
from simulations.slip_figures import SlipFigures
from simulations.timeline import match_by_id, world_cup_2022

FINAL = match_by_id("wc22-64")
SMALL = Play(seed=5, bettors=80, bets=3_000)


def test_a_match_ends_with_sound_books():
    headless = Headless(FINAL, SMALL)
    outcome = headless.run()
    assert outcome.sound, outcome.books.differences
    headless.markets.check()
    headless.ledger.check()
    assert outcome.books.accepted > 1_000
    assert headless.markets.outbox_shards() == []
    assert all(image.status is Status.SETTLED for image in headless._prices())


def test_money_is_conserved_across_ledger_and_books():
    headless = Headless(FINAL, SMALL)
    books = headless.run().books
    (totals,) = headless.ledger.totals()
    assert totals.house_minor == books.hold_minor
    assert totals.pending_minor == totals.at_stake_minor == totals.owed_minor == 0
    assert totals.available_minor == -totals.external_minor - books.hold_minor


def test_slips_of_several_legs_are_about_half_of_the_turnover():
    outcomes = [
        play_match(match, Play(seed=4, bettors=120, bets=2_500))
        for match in list(world_cup_2022().values())[::16]
    ]
    turnover = sum(outcome.books.turnover_minor for outcome in outcomes)
    assert 0.35 < sum(one.slips.turnover_minor for one in outcomes) / turnover < 0.7
    assert all(one.sound for one in outcomes)
    assert all(one.slips.legs > 2 * one.slips.accepted for one in outcomes)
    assert any(one.slips.released for one in outcomes)


def test_matches_beside_are_settled_while_slips_run_on():
    headless = Headless(FINAL, SMALL)
    headless.run()
    slips = headless.ledger.slips()
    heads = slips[slips["kind"] == SlipKind.HEAD]
    assert set(heads["state"].tolist()) <= {SlipState.SETTLED, SlipState.REFUSED}
    legs = slips[(slips["kind"] == SlipKind.LEG) & (slips["state"] == SlipState.SETTLED)]
    # A leg that outlived another was charged again, by what the other gave back.
    assert (legs["charge_no"] > 0).any()
    assert (legs["charged_minor"] > legs["stake_minor"]).any()
    assert (legs["charged_minor"] == 0).any()


def test_without_slips_and_matches_beside_there_is_one_fixture_with_singles():
    headless = Headless(FINAL, Play(seed=5, bettors=80, bets=1_000, beside=0, slips=0.0))
    outcome = headless.run()
    assert outcome.sound
    assert outcome.slips == SlipFigures(0, 0, 0, 0, 0, 0, {})
    assert {image.key.partition("/")[0] for image in headless._prices()} == {FINAL.match}


def test_a_charge_that_a_market_was_not_told_makes_a_match_unsound():
    outcome = play_match(FINAL, Play(seed=5, bettors=20, bets=200))
    assert outcome.sound
    assert not msgspec.structs.replace(outcome, charges_left=1).sound


def test_a_seed_gives_the_same_hashes_and_another_seed_others():
    first, second = play_match(FINAL, SMALL), play_match(FINAL, SMALL)
    other = play_match(FINAL, Play(seed=6, bettors=80, bets=3_000))
    assert first == second
    assert {first.market_hash, first.ledger_hash}.isdisjoint({other.market_hash, other.ledger_hash})


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_hashes_do_not_depend_on_the_interpreters_hash_seed(hash_seed):
    script = (
        "import json; from simulations.headless import *; from simulations.timeline import *;"
        "o = play_match(match_by_id('wc22-64'), Play(seed=5, bettors=80, bets=3_000));"
        "print(json.dumps([o.market_hash, o.ledger_hash]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    here = play_match(FINAL, SMALL)
    assert json.loads(done.stdout) == [here.market_hash, here.ledger_hash]


def test_bets_are_refused_for_suspension_odds_limits_and_balance():
    outcome = play_match(FINAL, Play(seed=1, bettors=400, bets=20_000))
    met = set(outcome.books.refusals) | set(outcome.reserved_refusals)
    assert {
        Reason.MARKET_SUSPENDED,
        Reason.ODDS_CHANGED,
        Reason.STAKE_OVER_LIMIT,
        Reason.INSUFFICIENT_FUNDS,
    } <= met


@pytest.mark.parametrize("match", world_cup_2022().values(), ids=lambda match: match.match)
def test_every_match_of_the_world_cup_can_be_played(match):
    assert play_match(match, Play(seed=2, bettors=30, bets=300, step_s=120)).sound


def test_of_singles_the_bookmaker_keeps_about_the_margin_over_the_tournament():
    singles = Play(seed=1, bets=2_000, beside=0, slips=0.0)
    books = [play_match(m, singles).books for m in world_cup_2022().values()]
    turnover = sum(book.turnover_minor for book in books)
    assert -0.02 < sum(book.hold_minor for book in books) / turnover < 0.12


def test_a_match_without_bets_can_be_played():
    outcome = play_match(match_by_id("wc22-10"), Play(bets=0, bettors=1))
    assert outcome.sound
    assert outcome.books.bets == 0


def test_the_books_of_a_hundred_thousand_bets_agree():
    outcome = play_match(FINAL, Play(seed=3, bettors=2_000, bets=100_000, slips=0.1))
    assert outcome.sound
    assert outcome.books.bets > 80_000
