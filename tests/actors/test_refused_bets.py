"""Bets that accounts refused: the newest are remembered, as lines."""

import numpy as np

from actors.refused_bets import REFUSED_KEPT_MAX, RefusedBets
from engine.common.ids import AccountNo
from engine.common.rows import RESERVED, Rows, SlipKind, SlipState
from engine.ledger.accounts import ref_u64s
from tests.engine.ledger.builders import NO_VERDICTS, funded, reservation
from tests.engine.ledger.slip_builders import accumulator


def exchanged(*reservations: Rows) -> tuple[Rows, Rows]:
    rows = np.concatenate(reservations)
    return rows, funded(amount_minor=150).exchange(NO_VERDICTS, rows, 10)


def test_refused_singles_are_remembered_with_what_would_have_passed() -> None:
    refused = RefusedBets()
    refused.note(
        *exchanged(
            reservation("a"), reservation("b", stake_minor=70), reservation("c", account_no=8)
        ),
        at_ns=12,
    )
    (line,) = refused.of(AccountNo(7), ref=None, limit=9)
    assert line["ref"].tolist() == ref_u64s("b").tolist()
    fields = ["bet_id", "stake_minor", "stake_max_minor", "reason", "state", "at_ns", "market_no"]
    assert line[fields].tolist() == (0, 70, 50, 602, SlipState.REFUSED, 12, 1)
    assert (line["payout_minor"], line["rate_micro"]) == (175, 1_000_000)
    assert refused.of(AccountNo(8), ref=None, limit=9)["reason"].tolist() == [601]


def test_a_refused_slip_is_one_line() -> None:
    request = accumulator(2_000, 3_000, stake_minor=151)
    answers = request.send(funded(amount_minor=150))
    refused = RefusedBets()
    refused.note(request.rows(), answers, 12)
    (line,) = refused.of(AccountNo(7), ref=None, limit=9)
    assert (line["kind"], line["legs"], line["stake_minor"]) == (SlipKind.HEAD, 2, 151)
    assert (line["market_no"], line["outcome"], line["odds_milli"]) == (0, 0, 0)


def test_the_newest_come_first_and_replace_the_oldest() -> None:
    refused = RefusedBets()
    total = REFUSED_KEPT_MAX + 5
    for start in range(0, total, 900):
        numbers = range(start, min(start + 900, total))
        rows = np.concatenate([reservation("r", market_no=number) for number in numbers])
        answers: Rows = np.zeros(len(rows), RESERVED)
        answers["reason"] = 602
        refused.note(rows, answers, 12)
    found = refused.of(AccountNo(7), ref=None, limit=total)["market_no"].tolist()
    assert found == list(range(total - 1, 4, -1))
    assert refused.of(AccountNo(7), ref=ref_u64s("r"), limit=1)["market_no"][0] == total - 1
    assert len(refused.of(AccountNo(7), ref=ref_u64s("s"), limit=1)) == 0
