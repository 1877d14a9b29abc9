"""`overround bet`: what the journals have of one bet, while they are written and afterwards."""

from pathlib import Path

import pytest

from actors.settings import SupervisorSettings
from engine.common.commands import (
    CreateMarket,
    FeedUpdate,
    Limits,
    OpenMarket,
    OutcomeResult,
    SetStatus,
    SettleMarket,
)
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from gateway.cli.main import main
from gateway.client import Leg, SlipBet, accumulator
from tests.gateway.builder_house import House, open_house

WON, LOST = OutcomeResult(won=True), OutcomeResult(won=False)
NUMBERS = (MarketNo(201), MarketNo(202))


async def _races(house: House) -> None:
    markets = [
        CreateMarket(
            market_no=number, key=f"cup-{number}/1x2", outcomes=("home", "draw", "away"),
            odds_milli=(2_500, 3_200, 2_900), limits=Limits(stake_minor_max=20_000), override=True,
        )
        for number in NUMBERS
    ]  # fmt: skip
    assert all(answer.route for answer in await house.system.create_markets(markets))
    await house.command(*(OpenMarket(market_no=number) for number in NUMBERS))


async def _double(house: House, *, account: int) -> SlipBet:
    legs = [Leg(market=number, outcome=0, odds_milli=2_500) for number in NUMBERS]
    async with house.bettor(account=account) as client:
        slip: SlipBet = await client.place_slip(ref="d1", legs=legs, bets=[accumulator(400)])
        assert slip.state == "accepted"
        return slip


async def test_a_slip_is_shown_from_its_reservation_to_its_payment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = SupervisorSettings(markets_per_actor=1)
    async with open_house(tmp_path, priced=False, supervisor=settings) as house:
        await _races(house)
        first = await _double(house, account=7)
        other = await _double(house, account=8)
        async with house.bettor() as client:
            over = client.place(
                ref="d2", market=201, outcome=0, odds_milli=2_500, stake_minor=10**9
            )
            assert (await over).state == "rejected"
        stop = SetStatus(market_no=NUMBERS[0], status=Status.SUSPENDED, why="bet stop")
        again = SetStatus(market_no=NUMBERS[0], status=Status.ACTIVE)
        for position, step in enumerate((stop, again), start=1):
            await house.command(
                FeedUpdate(market_no=NUMBERS[0], source="x", position=position, steps=(step,))
            )
        for number in NUMBERS:
            await house.command(SettleMarket(market_no=number, results=(WON, LOST, LOST)))
            await house.carry()
        assert main(["bet", "d2", str(tmp_path)]) == 1, "its account refused it, and noted nothing"
        assert "has a bet d2" in capsys.readouterr().err
        assert main(["bet", str(first.bet_id), str(tmp_path)]) == 0
        shown = capsys.readouterr().out
        assert main(["bet", str(first.bet_id + 2), str(tmp_path)]) == 0
        assert capsys.readouterr().out == shown, "a leg's id stands for its slip's"
        head, *lines = shown.splitlines()
        assert head == f"bet {first.bet_id}, ref d1, account 7, 2 legs"
        _in_order(
            lines,
            "CreateMarket(market_no 201",
            "OpenMarket(market_no 201, by ",
            "slip d1: account 7, 2 legs, 1 bets, stake 400",
            "bet: 400 a line of 2 of positions 0+1",
            f"leg {first.bet_id + 1}: account 7, market 201, outcome 0, charge 400 at 2.500",
            "bet stop",
            f"leg {first.bet_id + 1}: WON, gives back 5/2",
            f"leg {first.bet_id + 2}: WON, gives back 5/2",
        )
        assert not any(str(other.bet_id) in line for line in lines)

        assert main(["bet", "d1", str(tmp_path)]) == 0
        by_ref = capsys.readouterr().out
        assert shown in by_ref
        assert f"bet {other.bet_id}, ref d1, account 8, 2 legs" in by_ref

    assert main(["bet", "d1", str(tmp_path)]) == 0
    assert "gives back 5/2" in capsys.readouterr().out, "and when nothing runs"


def _in_order(lines: list[str], *texts: str) -> None:
    at = 0
    for text in texts:
        at = next(i for i, line in enumerate(lines) if i >= at and text in line)


async def test_what_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_house(tmp_path, priced=False):
        for wanted in ("77", "no-such-ref", str(1 << 60), "9" * 40, "é" * 40):
            assert main(["bet", wanted, str(tmp_path)]) == 1
            assert f"has a bet {wanted}" in capsys.readouterr().err
    assert main(["bet", "1", str(tmp_path / "nothing")]) == 1
    assert "no directory found" in capsys.readouterr().err
