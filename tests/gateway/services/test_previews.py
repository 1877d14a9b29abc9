"""Previews over the control socket: what is said is what then happens, and saying it does nothing.

One whole system in this process: gateway, market shell, accounts.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.common.commands import CancelMarket, OutcomeResult, SettleMarket
from engine.common.events import MarketSettled
from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from gateway.client import RefusedError
from tests.gateway.builder_house import House, market_no, open_house

RESULT = MarketNo(market_no("1x2"))
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


async def test_a_command_that_would_be_refused_is_refused_to_its_preview(house: House) -> None:
    async with house.trader() as trader:
        await trader.cancel(RESULT)
        with pytest.raises(RefusedError) as refused:
            await trader.preview(CancelMarket(market_no=RESULT))
        assert refused.value.reason is Reason.TRANSITION_NOT_ALLOWED
        with pytest.raises(RefusedError) as refused:
            await trader.preview(CancelMarket(market_no=MarketNo(999)))
        assert refused.value.reason is Reason.MARKET_UNKNOWN
