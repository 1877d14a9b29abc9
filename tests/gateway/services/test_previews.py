"""Previews over the control socket: what is said is what then happens, and saying it does nothing.

One whole system in this process: gateway, market shell, accounts.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors.audit import audit_folder
from engine.common.commands import (
    CancelMarket,
    CreateMarket,
    OpenMarket,
    OutcomeResult,
    SettleMarket,
)
from engine.common.corrections import ChosenBets, CorrectedQuote, CorrectOdds
from engine.common.events import MarketSettled, OddsCorrected
from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from gateway.client import Leg, RefusedError, accumulator
from tests.gateway.builder_house import House, market_no, open_house

RESULT = MarketNo(market_no("1x2"))
OTHER = MarketNo(50)
HOME_WON = (OutcomeResult(won=True), OutcomeResult(won=False), OutcomeResult(won=False))
STAKE_MINOR, ODDS_MILLI = 1_000, 3_000


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, priced=False) as opened:
        yield opened


async def test_a_trader_sees_whom_a_settlement_pays_before_it_is_given(house: House) -> None:
    async with house.bettor(account=7) as seven, house.bettor(account=8) as eight:
        bet = {"market": RESULT, "stake_minor": STAKE_MINOR, "odds_milli": ODDS_MILLI}
        assert (await seven.place(ref="a", outcome=0, **bet)).state == "accepted"
        assert (await eight.place(ref="b", outcome=1, **bet)).state == "accepted"
    settle = SettleMarket(market_no=RESULT, results=HOME_WON)
    async with house.trader() as trader:
        previewed = await trader.preview(settle)
        again, sent = await trader.preview(settle), previewed.preview
        assert (again.seq, again.preview) == (previewed.seq, sent)
        assert (sent.bets, sent.accounts, sent.market_bets) == (2, 2, 2)
        assert (sent.stake_minor, sent.payout_after_minor) == (2_000, 3_000)
        assert (sent.house_now_minor, sent.house_after_minor) == (0, -1_000)
        assert [(one.account_no, one.change_minor) for one in sent.touched] == [(7, 3_000), (8, 0)]
        event = await trader.settle(RESULT, HOME_WON)
        assert isinstance(event, MarketSettled)
        book = await trader.book(RESULT)
        assert book.result.profit_minor == sent.house_after_minor


async def test_a_palpable_error_is_corrected_after_the_settlement_and_the_books_agree(
    tmp_path: Path,
) -> None:
    """3.00 was offered for 1.30: a single and the leg of a double are paid again at 1.30."""
    async with open_house(tmp_path, priced=False) as house:
        await open_another(house)
        async with house.bettor(account=7) as seven, house.bettor(account=8) as eight:
            bet = {"market": RESULT, "outcome": 0, "odds_milli": ODDS_MILLI}
            single = await seven.place(ref="a", stake_minor=STAKE_MINOR, **bet)
            legs = [Leg(**bet), Leg(market=OTHER, outcome=0, odds_milli=ODDS_MILLI)]
            double = await eight.place_slip(ref="b", legs=legs, bets=[accumulator(STAKE_MINOR)])
            assert (single.state, double.state) == ("accepted", "accepted")
            async with house.trader() as trader:
                await correct(house, trader, seven, eight, single.bet_id, double.bet_id)
    report = audit_folder(tmp_path)
    assert report.faults == []
    assert report.books.agree


async def correct(
    house: House, trader: Any, seven: Any, eight: Any, single: int, double: int
) -> None:
    """Settle, then correct the settled bets, and see each account paid anew."""
    for market in (RESULT, OTHER):
        await trader.settle(market, HOME_WON)
    await house.carry()
    assert await paid(seven, eight) == [3_000, 9_000]
    quotes = (CorrectedQuote(outcome=0, odds_milli=1_300),)
    asked = await trader.preview(CorrectOdds(market_no=RESULT, quotes=quotes))
    assert (asked.preview.bets, asked.preview.legs, asked.preview.accounts) == (2, 1, 2)
    event = await trader.correct_odds(RESULT, {0: 1_300}, why="3.00 for 1.30")
    assert isinstance(event, OddsCorrected)
    await house.carry()
    assert await paid(seven, eight) == [1_300, 3_900]
    await trader.void_bets(RESULT, ChosenBets(bet_ids=(single,)))
    # Odds higher than accepted: a leg may give back more than its own odds say.
    await trader.correct_odds(RESULT, {0: 4_000}, bets=ChosenBets(account_no=8))
    await house.carry()
    assert await paid(seven, eight) == [1_000, 12_000]
    sides = [(await trader.bet_story(bet_id=each)).markets for each in (single, double)]
    assert [(each.void, each.corrected_odds_milli) for each in (*sides[0], *sides[1])] == [
        (True, 0),
        (False, 4_000),
        (False, 0),
    ]
    await trader.restore_bets(RESULT, event.settlement_no)
    await house.carry()
    assert await paid(seven, eight) == [1_000, 12_000], "later corrections stand"


async def open_another(house: House) -> None:
    """Open a market of another fixture."""
    market = CreateMarket(
        market_no=OTHER,
        key="cup-8/1x2",
        outcomes=("home", "draw", "away"),
        odds_milli=(ODDS_MILLI,) * 3,
        override=True,
    )
    (answer,) = await house.system.create_markets([market])
    assert answer.route
    await house.command(OpenMarket(market_no=OTHER))


async def paid(*bettors: Any) -> list[int]:
    """Return what each bettor's newest settled bet was paid."""
    pages = [await bettor.history() for bettor in bettors]
    return [page.bets[0].payout_minor for page in pages]


async def test_a_command_that_would_be_refused_is_refused_to_its_preview(house: House) -> None:
    async with house.trader() as trader:
        await trader.cancel(RESULT)
        with pytest.raises(RefusedError) as refused:
            await trader.preview(CancelMarket(market_no=RESULT))
        assert refused.value.reason is Reason.TRANSITION_NOT_ALLOWED
        with pytest.raises(RefusedError) as refused:
            await trader.preview(CancelMarket(market_no=MarketNo(999)))
        assert refused.value.reason is Reason.MARKET_UNKNOWN
