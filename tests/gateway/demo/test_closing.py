"""The demo's closing checks pass on sound books, and each fails on its own kind of error."""

import numpy as np
import pytest

from actors.system import System
from engine.common.commands import CreateMarket, Deposit
from engine.common.reasons import Reason
from engine.common.rows import SlipKind, SlipState
from engine.ledger.rows import SLIP
from engine.market.book import BET_RECORD
from gateway.demo.answers import Answers, ReceivedAnswer, ReceivedSlip, reason_text
from gateway.demo.closing import (
    Check,
    ClosedBooks,
    close_books,
    contradicted_answers,
    contradicted_slips,
    refusal_lines,
    same_as_journal,
    settled_and_paid,
    slips_paid,
)
from simulations.audit import Audit
from simulations.slip_figures import SlipFigures

SHELL = "market-00000"


@pytest.fixture
async def system(tmp_path):
    async with System(data_dir=str(tmp_path), embedded=True) as running:
        market = CreateMarket(
            market_no=0, key="x/1x2", outcomes=("a", "b"), odds_milli=(2_000, 2_000)
        )
        (answer,) = await running.create_markets([market])
        assert answer.refused is None
        await running.open_accounts([1, 2], currency="EUR")
        await running.deposit([Deposit(account_no=1, amount_minor=500, ref="first")])
        yield running


async def closed(system, tmp_path, received=None):
    answers = Answers()
    answers.bets |= received or {}
    return await close_books(
        system,
        data_dir=tmp_path,
        results={},
        received=answers,
        currency="EUR",
    )


def passed(books):
    return [check.passed for check in books.checks]


async def test_sound_books_pass_all_checks(system, tmp_path):
    books = await closed(system, tmp_path)
    assert books.sound
    assert len(books.checks) == 5
    lines = books.lines()
    assert "check passed  the ledger sums to zero" in "\n".join(lines)
    assert "bettors 5.00 = paid in 5.00" in "\n".join(lines)
    assert lines[1] == "turnover  0.00 EUR"


async def test_markets_without_bets_leave_nothing_to_settle(system):
    assert await settled_and_paid(system, deadline_s=30.0) == ""


async def test_answer_that_contradicts_the_book_fails_the_second_check(system, tmp_path):
    received = {77: ReceivedAnswer(accepted=True, odds_milli=2_000, reason=0)}
    books = await closed(system, tmp_path, received)
    assert passed(books) == [True, False, True, True, True]
    assert "first bet 77" in books.checks[1].detail
    assert not books.sound


async def test_journal_with_a_flipped_bit_fails_the_third_check(system, tmp_path):
    for path in (tmp_path / "shells" / SHELL).iterdir():
        if path.stat().st_size <= 256:
            continue
        data = bytearray(path.read_bytes())
        data[150] ^= 1
        path.write_bytes(data)
    books = await closed(system, tmp_path)
    assert passed(books) == [True, True, False, True, True]
    assert SHELL in books.checks[2].detail
    assert str(books.checks[2]).startswith("FAILED  replaying every journal")


async def test_running_market_equals_its_journal(system, tmp_path):
    same, state_hash = await same_as_journal(system, SHELL, tmp_path)
    assert same
    assert state_hash == await system.peer(SHELL).ask("state_hash")


def records(*rows):
    made = np.zeros(len(rows), BET_RECORD)
    for row, (bet_id, odds, reason) in zip(made, rows, strict=True):
        row["bet_id"], row["odds_milli"], row["reason"] = bet_id, odds, reason
    return made


@pytest.mark.parametrize(
    ("answer", "agrees"),
    [
        (ReceivedAnswer(accepted=True, odds_milli=2_500, reason=0), True),
        (ReceivedAnswer(accepted=True, odds_milli=2_400, reason=0), False),
        (ReceivedAnswer(accepted=False, odds_milli=2_500, reason=403), False),
    ],
)
def test_acceptance_must_be_in_the_book_at_its_odds(answer, agrees):
    assert (contradicted_answers(records((1, 2_500, 0)), {1: answer}) == []) is agrees


@pytest.mark.parametrize(
    ("answer", "agrees"),
    [
        (ReceivedAnswer(accepted=False, odds_milli=9, reason=403), True),
        (ReceivedAnswer(accepted=True, odds_milli=2_500, reason=0), False),
    ],
)
def test_refusal_must_be_a_refusal_in_the_book(answer, agrees):
    assert (contradicted_answers(records((1, 2_500, 403)), {1: answer}) == []) is agrees


def slip_rows(*, state=SlipState.SETTLED, payout_minor=350):
    """Return a slip of two legs on markets 3 and 5, with the bet ids 10, 11 and 12."""
    rows = np.zeros(3, SLIP)
    rows["bet_id"] = (10, 11, 12)
    rows["kind"] = (SlipKind.HEAD, SlipKind.LEG, SlipKind.LEG)
    rows["state"] = state
    rows["legs"] = (2, 1, 2)
    rows["market_no"], rows["odds_milli"] = (0, 3, 5), (0, 2_000, 1_750)
    rows["payout_minor"][0] = payout_minor
    return rows


ANSWER = ReceivedSlip(True, 0, (3, 5), (2_000, 1_750))


@pytest.mark.parametrize(
    ("answer", "agrees"),
    [
        (ANSWER, True),
        (ReceivedSlip(True, 0, (3, 5), (2_000, 1_800)), False),
        (ReceivedSlip(True, 0, (3, 6), (2_000, 1_750)), False),
        (ReceivedSlip(False, 210, (3, 5), (2_000, 1_750)), False),
    ],
)
def test_accepted_slip_stands_at_the_odds_of_its_answer(answer, agrees):
    assert (contradicted_slips(slip_rows(), {10: answer}) == []) is agrees


def test_refused_slip_must_not_stand_and_an_accepted_one_must_be_there():
    refused = slip_rows(state=SlipState.REFUSED, payout_minor=0)
    assert contradicted_slips(refused, {10: ReceivedSlip(False, 210, (3, 5), (1, 1))}) == []
    assert contradicted_slips(refused, {10: ANSWER}) != []
    (found,) = contradicted_slips(slip_rows(), {10: ANSWER, 11: ANSWER, 77: ANSWER})
    assert found == "2 answers on slips differ from what is booked, first slip 11"


@pytest.mark.parametrize(
    ("state", "payout_minor", "owed_minor", "right"),
    [
        (SlipState.SETTLED, 350, 350, True),
        (SlipState.SETTLED, 350, 351, False),
        (SlipState.SETTLED, 350, -1, False),
        (SlipState.ACCEPTED, 350, 350, False),
        (SlipState.REFUSED, 0, 350, True),
        (SlipState.REFUSED, 350, 350, False),
    ],
)
def test_slip_is_paid_what_its_lines_are_owed(state, payout_minor, owed_minor, right):
    head = slip_rows(state=state, payout_minor=payout_minor)[:1]
    check = slips_paid(head, [owed_minor])
    assert check.passed is right
    assert right or "first slip 10" in check.detail


def test_slips_are_in_the_closing_figures():
    figures = Audit(3, 2, 1_000, 400, {}, ())
    slips = SlipFigures(2, 1, 600, 200, 5, 1, {})
    (line,) = [
        line
        for line in ClosedBooks(audit=figures, slips=slips, checks=(), currency="EUR").lines()
        if line.startswith("slips")
    ]
    assert line == (
        "slips     2 of the bets, with 5 legs: 6.00 EUR staked (60.0% of turnover), 2.00 paid"
    )


NO_SLIPS = SlipFigures(0, 0, 0, 0, 0, 0, {})


def test_one_failed_check_makes_the_books_unsound():
    figures = Audit(3, 2, 1_000, 400, {403: 1}, ())
    good = Check(name="a", passed=True, detail="b")
    bad = Check(name="c", passed=False, detail="d")
    assert ClosedBooks(audit=figures, slips=NO_SLIPS, checks=(good,), currency="EUR").sound
    books = ClosedBooks(audit=figures, slips=NO_SLIPS, checks=(good, bad), currency="EUR")
    assert not books.sound
    assert books.lines()[-1] == "check FAILED  c (d)"
    assert books.lines()[3] == "hold      6.00 EUR (60.0% of turnover)"


def test_refusals_are_listed_by_count_with_their_reason():
    figures = Audit(3, 0, 0, 0, {403: 2, 704: 1_500}, ())
    lines = refusal_lines(figures, NO_SLIPS)
    assert lines == ["1,500  outcome liability", "2      market suspended"]
    assert reason_text(Reason.STAKE_OVER_LIMIT) == "stake over limit"


def test_refused_slips_are_listed_with_what_their_legs_were_refused_for():
    figures = Audit(9, 0, 0, 0, {Reason.MARKET_SUSPENDED: 2, Reason.LEG_REFUSED: 7}, ())
    legs = {Reason.MARKET_SUSPENDED: 2, Reason.OUTCOME_LIABILITY: 5}
    slips = NO_SLIPS._replace(leg_refusals=legs)
    assert refusal_lines(figures, slips) == [
        "7  leg refused: outcome liability 5, market suspended 2",
        "2  market suspended",
    ]
