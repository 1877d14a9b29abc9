"""Bets on markets in quarantine: nothing is booked, and what is recorded is told."""

from pathlib import Path

import pytest

from actors.messages import ShellState
from engine.common.reasons import Reason
from engine.common.rows import SlipState
from tests.gateway.bets.path_shells import BetPathShells, open_shells
from tests.gateway.price_gateway import until


async def test_a_quarantined_market_books_nothing_and_a_quarantined_account_says_unknown(
    shells: BetPathShells,
) -> None:
    shells.notify({"market-a": ShellState.QUARANTINED})
    shells.place("a")
    answer = await shells.bettor.answer("a")
    assert (answer.state, answer.bet_id, answer.reason) == ("rejected", 0, Reason.QUARANTINED)
    assert {method for method, _ in shells.account.calls} == {"recall"}
    assert shells.slip("a") is None
    assert shells.path.in_flight == 0
    shells.notify({"market-a": ShellState.SERVING})
    shells.place("b")
    assert (await shells.bettor.answer("b")).state == "accepted"
    shells.bookmaker.processes[shells.account.name].target.why = "damaged"
    shells.place("b")
    await until(lambda: len(shells.bettor.answers["b"]) == 2)
    assert shells.bettor.answers["b"][1].state == "unknown", "it may lie behind the damage"
    shells.notify({"market-a": ShellState.QUARANTINED})
    shells.place("c")
    assert (await shells.bettor.answer("c")).state == "unknown", "so may this one"


@pytest.mark.parametrize("fault", ["", "call lost", "answer lost", "defect"])
async def test_a_ref_that_is_sent_again_to_a_quarantined_market_is_answered_as_recorded(
    shells: BetPathShells, fault: str
) -> None:
    shells.place("a")
    first = await shells.bettor.answer("a")
    await shells.slip_is("a", SlipState.ACCEPTED)
    shells.place("r", odds_milli=2_400)
    assert (await shells.bettor.answer("r")).reason is Reason.ODDS_CHANGED
    shells.notify({"market-a": ShellState.QUARANTINED})
    shells.account.fail(fault, times=2)
    shells.place("a")
    await until(lambda: len(shells.bettor.answers["a"]) == 2)
    assert shells.bettor.answers["a"][1] == first
    shells.place("r", odds_milli=2_400)
    await until(lambda: len(shells.bettor.answers["r"]) == 2)
    assert shells.bettor.answers["r"][1] == shells.bettor.answers["r"][0]
    shells.place("a", stake_minor=501)
    await until(lambda: len(shells.bettor.answers["a"]) == 3)
    assert shells.bettor.answers["a"][2].reason is Reason.BET_REF_REUSED


async def test_a_pending_ref_that_is_sent_again_to_a_quarantined_market_stays_unknown(
    tmp_path: Path,
) -> None:
    async with open_shells(tmp_path, bet_deadline_ms=200) as shells:
        shells.notify({"market-a": ShellState.DOWN})
        shells.place("a")
        assert (await shells.bettor.answer("a")).state == "unknown"
        shells.bookmaker.processes["market-a"].target.why = "damaged"
        shells.notify({"market-a": ShellState.QUARANTINED})
        shells.place("a")
        await until(lambda: len(shells.bettor.answers["a"]) == 2)
        assert shells.bettor.answers["a"][1].state == "unknown"
        assert shells.slip("a").state == SlipState.PENDING, "the reconciler will say"
