"""Slips of the client library: the usual kinds of bets, and answers that are lost."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.common.commands import Quote, SetOdds
from engine.common.reasons import Reason
from gateway.client import (
    BetLines,
    Leg,
    UnresolvedError,
    accumulator,
    each_way,
    named_bet,
    system,
)
from tests.gateway.bookmaker import BALANCE_MINOR, bettor
from tests.gateway.client.lost_gateway import LostGateway, open_lost_gateway
from tests.gateway.price_gateway import until

LEGS = (Leg(market=1, outcome=0, odds_milli=2_500), Leg(market=3, outcome=0, odds_milli=2_500))
DOUBLE: dict[str, Any] = {"legs": LEGS, "bets": [accumulator(500)]}


def test_the_usual_bets_are_lines_of_their_sizes() -> None:
    assert accumulator(5) == BetLines(stake_minor=5)
    assert accumulator(5, positions=[0, 2]) == BetLines(stake_minor=5, positions=(0, 2))
    assert named_bet("lucky15", 5) == BetLines(stake_minor=5, name="lucky15")
    assert named_bet("trixie", 5, bankers=[3]).bankers == (3,)
    assert system(2, 5, bankers=[0], positions=[0, 1, 2]) == BetLines(
        stake_minor=5, sizes=(2,), bankers=(0,), positions=(0, 1, 2)
    )


def test_each_way_places_every_bet_to_win_and_to_place() -> None:
    place = [Leg(market=no, outcome=0, odds_milli=1_500) for no in (11, 13)]
    legs, bets = each_way(LEGS, place, [accumulator(5), system(1, 7, bankers=[0])])
    assert [leg.market for leg in legs] == [1, 3, 11, 13]
    assert [(bet.stake_minor, bet.positions, bet.bankers) for bet in bets] == [
        (5, (0, 1), ()),
        (5, (2, 3), ()),
        (7, (0, 1), (0,)),
        (7, (2, 3), (2,)),
    ]
    with pytest.raises(ValueError, match="1 place legs for 2 win legs"):
        each_way(LEGS, place[:1], [accumulator(5)])
    with pytest.raises(ValueError, match="positions of their own"):
        each_way(LEGS, [place[0], Leg(market=13, outcome=0, odds_milli=1_500, position=3)], [])


async def shown(system: LostGateway, ref: str) -> Any:
    async with bettor(system.bookmaker) as other:
        return await other.status(ref)


async def has_state(system: LostGateway, ref: str, state: str) -> bool:
    slip = await shown(system, ref)
    return slip is not None and slip.state == state


async def test_a_slip_whose_answer_is_lost_with_the_gateway_is_booked_once(tmp_path: Path) -> None:
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        system.link.mute = True
        placing = asyncio.create_task(client.place_slip(ref="d", **DOUBLE, resolve=True))
        await until(lambda: has_state(system, "d", "accepted"))
        await system.lose()
        await system.replace()
        slip = await placing
        assert (slip.state, slip.final) == ("accepted", True)
        assert [leg.odds_milli for leg in slip.legs] == [2_500, 2_500]
        async with bettor(system.bookmaker) as other:
            assert [each.bet_id for each in (await other.open_bets()).bets] == [slip.bet_id]
            assert (await other.balance()).available_minor == BALANCE_MINOR - 500


async def test_a_refused_slip_whose_answer_is_lost_is_repeated_with_its_legs(
    tmp_path: Path,
) -> None:
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        quote = Quote(outcome=0, odds_milli=2_400)
        system.bookmaker.command(SetOdds(market_no=3, quotes=(quote,)))
        system.link.mute = True
        placing = asyncio.create_task(client.place_slip(ref="d", **DOUBLE, resolve=True))
        await until(lambda: has_state(system, "d", "rejected"))
        system.link.mute = False
        system.link.cut()
        slip = await placing
        assert (slip.state, slip.reason) == ("rejected", Reason.LEG_REFUSED)
        assert [leg.reason for leg in slip.legs] == [0, Reason.ODDS_CHANGED]
        assert slip.legs[1].odds_milli == 2_400


async def test_an_unknown_slip_is_sent_again_until_its_markets_have_decided(tmp_path: Path) -> None:
    async with (
        open_lost_gateway(tmp_path, bet_deadline_ms=100) as system,
        system.client() as client,
    ):
        system.bookmaker.kill_shell("market-b")
        assert (await client.place_slip(ref="d0", **DOUBLE)).state == "unknown"
        placing = asyncio.create_task(client.place_slip(ref="d1", **DOUBLE, resolve=True))
        await until(lambda: has_state(system, "d1", "pending"))
        with pytest.raises(UnresolvedError, match="d2"):
            await client.place_slip(ref="d2", **DOUBLE, resolve=True, within_s=0.3)
        assert not placing.done()
        system.bookmaker.start_shell("market-b")
        assert (await placing).state == "accepted"


async def test_a_slip_and_a_bet_with_answers_of_one_ref_are_not_confused(tmp_path: Path) -> None:
    async with open_lost_gateway(tmp_path) as system, bettor(system.bookmaker) as client:
        placed = [
            client.place_slip_nowait(ref="x", **DOUBLE),
            client.place_nowait(ref="x", market=1, outcome=0, stake_minor=5, odds_milli=2_500),
        ]
        answers = await asyncio.gather(*placed)
        assert [type(answer).__name__ for answer in answers] == ["SlipBet", "Bet"]
        assert sorted(answer.reason for answer in answers) == [0, Reason.BET_REF_REUSED]
