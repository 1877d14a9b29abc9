"""Commands in words: nothing that a second person approves is left out."""

import re
from typing import get_args

import msgspec
import pytest

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    Deduction,
    OutcomeResult,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.corrections import (
    ChosenBets,
    CorrectedQuote,
    CorrectOdds,
    RestoreBets,
    VoidBets,
)
from engine.common.early import PayEarly
from engine.common.previews import PreviewCommand
from engine.common.withdrawals import Withdrawal
from gateway.console.command_texts import command_text

NAMES = ("home", "draw", "away")
NS = 1_700_000_000_000_000_000
CHOSEN = ChosenBets(
    bet_ids=(77, 78), account_no=55, outcomes=(2,), from_ns=NS, until_ns=NS + 60_000_000_000,
    accepted_before_ns=NS + 123,
)  # fmt: skip
BETS = (
    " from 2023-11-14 22:13:20 UTC until 2023-11-14 22:14:20 UTC on away of account 55, of those "
    "before 2023-11-14 22:13:20.000000123 UTC with ids 77, 78"
)
TEXTS = (
    (
        SettleMarket(
            market_no=1,
            results=(
                OutcomeResult(won=True, dead_heat_num=1, dead_heat_den=2),
                OutcomeResult(won=False, void_halves=1),
                OutcomeResult(won=False, void_halves=2),
            ),
            deductions=(Deduction(until_ns=NS, keep_milli=750),),
            withdrawals=(Withdrawal(outcome=2, until_ns=NS, deduct_milli=250),),
        ),
        "settle: home \u2713 wins 1/2, draw \u2715 loses, half void, away \u2205 void; bets before "
        "2023-11-14 22:13:20 UTC keep 75 % of winnings; away withdrawn 2023-11-14 22:13:20 UTC: "
        "25 % of winnings",
    ),
    (
        SettleMarket(market_no=1, results=(OutcomeResult(won=False),), outcomes=(1,)),
        "settle these outcomes alone: draw \u2715 loses",
    ),
    (CancelMarket(market_no=1, why="off"), "cancel the market: refund every bet; why: off"),
    (
        CancelBets(market_no=1, from_ns=NS, outcomes=(0,), accepted_before_ns=NS, why="late"),
        "cancel bets from 2023-11-14 22:13:20 UTC on home, of those before 2023-11-14 22:13:20 "
        "UTC; why: late",
    ),
    (RollBackCancel(market_no=1, outcomes=(0, 2)), "roll back the cancellation on home, away"),
    (RollBackSettlement(market_no=1, why="wrong"), "roll back the settlement; why: wrong"),
    (VoidBets(market_no=1, bets=CHOSEN), f"void bets{BETS}"),
    (
        CorrectOdds(
            market_no=1, quotes=(CorrectedQuote(outcome=4, odds_milli=9_000_001),), bets=CHOSEN
        ),
        f"correct odds: outcome 4 at 9000.001, of bets{BETS}",
    ),
    (RestoreBets(market_no=1, correction_no=7), "take back correction 7"),
    (
        PayEarly(market_no=1, outcome=0, lead=2, until_ns=NS),
        "pay early: home leads by 2, legs placed before 2023-11-14 22:13:20 UTC",
    ),
)


@pytest.mark.parametrize(("command", "text"), TEXTS)
def test_a_command_in_words(command: PreviewCommand, text: str) -> None:
    assert command_text(command, NAMES) == text


def test_every_command_that_is_proposed_has_words() -> None:
    assert {type(command) for command, _ in TEXTS} == set(get_args(PreviewCommand))


def test_no_choice_of_bets_is_cut() -> None:
    many = VoidBets(market_no=1, bets=ChosenBets(bet_ids=tuple(range(1, 1_001))))
    assert re.findall(r"\d+", command_text(many, NAMES)) == [str(one) for one in range(1, 1_001)]
    assert len(msgspec.json.encode(many)) > 1_000
