"""Odds that a trader lets stand, in a market shell: repricings go on beside them, guards hold."""

from typing import Any

from actors.messages import decode_price_images, encode
from engine.common.commands import CreateMarket, OpenMarket
from engine.common.outcome_marks import OverrideOdds, ReleaseOdds, StandingOdds
from engine.common.reasons import Reason
from engine.pricing.football.market_types import outcome_names
from engine.pricing.football.model import MatchModel, MatchState
from engine.pricing.quoting import Margin
from engine.pricing.repricing import Reprice
from tests.actors.trade import events_of, market_control, market_shell_on, open_market
from tests.faults.faulty_disk import FaultyDisk


def reprice(**fields: Any) -> bytes:
    model, state = MatchModel(home_rate=1.4, away_rate=1.1), MatchState()
    return encode(Reprice(by="feed:test", fixture="cup-1", model=model, state=state, **fields))


def test_repricing_moves_the_other_outcomes_of_a_market_with_a_traders_odds():
    shell = market_shell_on(FaultyDisk())
    created = CreateMarket(
        market_no=1,
        key="cup-1/1x2",
        outcomes=outcome_names("1x2", ()),
        odds_milli=(2_000,) * 3,
    )
    shell.control(market_control(created, OpenMarket(market_no=1)))
    shell.reprice(reprice())
    (model,) = decode_price_images(shell.price_images())
    standing = (StandingOdds(outcome=1, odds_milli=model.odds_milli[1] - 100),)
    shell.control(market_control(OverrideOdds(market_no=1, quotes=standing)))
    shell.reprice(reprice(margin=Margin(book_milli=1_200)))
    (image,) = decode_price_images(shell.price_images())
    assert image.odds_milli[1] == standing[0].odds_milli
    assert image.odds_milli[0] < model.odds_milli[0]
    assert image.odds_milli[2] < model.odds_milli[2]
    shell.control(market_control(ReleaseOdds(market_no=1)))
    (image,) = decode_price_images(shell.price_images())
    assert image.odds_milli[1] < model.odds_milli[1], "those that the model gave meanwhile"


def test_a_shell_writes_its_guard_into_odds_that_stand():
    shell = market_shell_on(FaultyDisk())
    odd = OverrideOdds(market_no=1, quotes=(StandingOdds(outcome=0, odds_milli=20_000),))
    open_market(shell)
    (event,) = events_of(shell.control(market_control(odd)))
    assert event.reason is Reason.ODDS_STEP
