"""Each-way from the house: terms, place odds and settlements, over gateway, supervisor and shells.

The figures are those of the worked settlements in the rules of bookmakers: 10 each-way at 7/4, a
fifth of the odds.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from actors.settings import MarketShellSettings, SupervisorSettings
from engine.common.commands import (
    CancelBets,
    CreateMarket,
    Deduction,
    Limits,
    OpenMarket,
    Quote,
    ResumeMarket,
    RollBackSettlement,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.pricing.race.model import RaceState
from engine.pricing.race.terms import RULE_4, deduction_milli
from engine.pricing.sport import SportBoard
from gateway.client import EachWay, Leg, PlaceTerms, RefusedError, accumulator
from gateway.configuration.config import ConfigError, load_config
from tests.gateway.builder_house import BALANCE_MINOR, VOID, House, open_house

RUNNERS = 8
NAMES = tuple(f"horse {number}" for number in range(1, RUNNERS + 1))
WIN, OTHER = MarketNo(101), MarketNo(102)
KEYS = {WIN: "ascot-1/win", OTHER: "ascot-2/win"}
ODDS = (2_750, 3_333, 6_000, 9_000, 13_000, 21_000, 34_000, 51_000)
STAKE_MINOR = 1_000
LATER_NS = 4_000_000_000_000_000_000


async def open_races(house: House) -> None:
    markets = [
        CreateMarket(
            market_no=number, key=key, outcomes=NAMES, odds_milli=ODDS, override=True,
            limits=Limits(stake_minor_max=100_000, payout_minor_max=10_000_000),
        )
        for number, key in KEYS.items()
    ]  # fmt: skip
    answers = await house.system.create_markets(markets)
    assert all(answer.route for answer in answers)
    await house.command(*(OpenMarket(market_no=number) for number in KEYS))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = SupervisorSettings(markets_per_actor=16)
    async with open_house(tmp_path, priced=False, supervisor=settings) as opened:
        await open_races(opened)
        yield opened


def leg(terms: EachWay, *, runner: int = 1, market: MarketNo = WIN, odds: int = 0) -> Leg:
    return Leg(
        market=market,
        outcome=runner - 1,
        odds_milli=odds or ODDS[runner - 1],
        each_way=PlaceTerms(places=terms.places, odds_num=terms.odds_num, odds_den=terms.odds_den),
    )


async def finish(
    house: House, place: MarketNo, positions: tuple[int, ...], *, keep_milli: int = 1_000
) -> None:
    """Settle win and place market by an order of finish, with what is kept of winnings."""
    state = RaceState(positions=positions)
    deductions = ()
    if keep_milli < 1_000:
        deductions = (Deduction(until_ns=LATER_NS, keep_milli=keep_milli),)
    for number in (WIN, place):
        key = (await house.book(number)).prices.key
        results = SportBoard("race", [key], names={key: NAMES}).results(state)[key]
        await house.command(SettleMarket(market_no=number, results=results, deductions=deductions))
    await house.carry()


async def test_terms_are_those_of_the_runners_and_place_odds_follow_the_win_odds(
    house: House,
) -> None:
    async with house.bettor() as client:
        terms = await client.each_way(WIN)
        assert (terms.reason, terms.key) == (0, "ascot-1/each_way?fraction=1/5|places=3")
        assert (terms.places, terms.odds_num, terms.odds_den) == (3, 1, 5)
        # A fifth of what each pays beside the stake, rounded down to a thousandth.
        assert terms.odds_milli == (1_350, 1_466, 2_000, 2_600, 3_400, 5_000, 7_600, 11_000)
        assert (terms.status, terms.active) == ("active", (True,) * RUNNERS)
        assert (await client.each_way(WIN)).market == terms.market
        quote = Quote(outcome=0, odds_milli=3_000)
        await house.command(SetOdds(market_no=WIN, quotes=(quote,)))
        again = await client.each_way(WIN)
        assert again.odds_milli == (1_400, *terms.odds_milli[1:])
        await house.command(SuspendMarket(market_no=WIN))
        assert (await house.book(terms.market)).prices.status is Status.SUSPENDED
        await house.command(ResumeMarket(market_no=WIN))
        assert (await house.book(terms.market)).prices.status is Status.ACTIVE


@pytest.mark.parametrize(
    ("place", "deducted_at", "payout_minor"),
    [(1, 0, 4_100), (2, 0, 1_350), (1, 2_750, 3_364), (2, 2_750, 1_227), (4, 0, 0)],
)
async def test_the_worked_figures_of_10_each_way_at_7_to_4(
    house: House, place: int, deducted_at: int, payout_minor: int
) -> None:
    kept = 1_000
    if deducted_at:  # printed as 33.65 and 12.28: 21.375 and 12.275, each bet rounded down
        deducted = deduction_milli(RULE_4, odds_milli=deducted_at)
        assert deducted == 350  # 35p in the pound
        kept -= deducted
    async with house.bettor() as client:
        terms = await client.each_way(WIN)
        slip = await client.place_slip(ref="e", legs=[leg(terms)], bets=[accumulator(STAKE_MINOR)])
        assert (slip.state, slip.stake_minor, slip.lines) == ("accepted", 2 * STAKE_MINOR, 2)
        shown = await client.status("e")
        assert [each.market for each in shown.legs] == [WIN, terms.market]
        assert [each.odds_milli for each in shown.legs] == [2_750, 1_350]
        order = list(range(1, RUNNERS + 1))
        order[0], order[place - 1] = order[place - 1], order[0]
        positions = tuple(order.index(runner) + 1 for runner in range(1, RUNNERS + 1))
        await finish(house, terms.market, positions, keep_milli=kept)
        shown = await client.status("e")
        assert (shown.state, shown.payout_minor) == ("settled", payout_minor)
        assert [each.result for each in shown.legs] == [
            "won" if place == 1 else "lost",
            "won" if place <= 3 else "lost",
        ]
        balance = (await client.balance()).available_minor
        assert balance == BALANCE_MINOR - 2 * STAKE_MINOR + payout_minor


async def test_an_each_way_double_is_two_doubles(house: House) -> None:
    async with house.bettor() as client:
        legs = [leg(await client.each_way(no), market=no) for no in (WIN, OTHER)]
        slip = await client.place_slip(ref="d", legs=legs, bets=[accumulator(100)])
        assert (slip.state, slip.stake_minor, slip.lines, len(slip.legs)) == ("accepted", 200, 2, 4)
        shown = await client.status("d")
        assert [bet.positions for bet in shown.bets] == [(0, 1), (2, 3)]


async def test_a_withdrawn_runner_is_withdrawn_to_be_placed_and_changes_the_terms(
    house: House,
) -> None:
    async with house.bettor() as client:
        terms = await client.each_way(WIN)
        for ref, runner in (("a", 1), ("b", 8)):
            slip = await client.place_slip(
                ref=ref, legs=[leg(terms, runner=runner)], bets=[accumulator(100)]
            )
            assert slip.state == "accepted"
        await house.command(SettleMarket(market_no=WIN, results=(VOID,), outcomes=(RUNNERS - 1,)))
        await house.carry()
        assert (await client.status("b")).payout_minor == 200  # both parts refunded
        book = (await house.book(terms.market)).prices
        assert (book.status, book.active[-1]) == (Status.SUSPENDED, False)
        fewer = await client.each_way(WIN)
        assert (fewer.places, fewer.odds_num, fewer.odds_den) == (2, 1, 4)
        assert fewer.odds_milli[0] == 1_437
        refused = await client.place_slip(ref="c", legs=[leg(terms)], bets=[accumulator(100)])
        assert (refused.state, refused.reason) == ("rejected", Reason.LEG_REFUSED)
        assert refused.legs[1].reason == Reason.MARKET_SUSPENDED
        taken = await client.place_slip(ref="f", legs=[leg(fewer)], bets=[accumulator(100)])
        assert taken.state == "accepted"
        await house.command(RollBackSettlement(market_no=WIN, outcomes=(RUNNERS - 1,)))
        await house.carry()
        assert (await client.status("b")).state == "accepted"


async def test_earlier_bets_bear_the_houses_deductions_for_a_runner_that_is_withdrawn(
    tmp_path: Path,
) -> None:
    """The figures of 10 each-way at 7/4 after 35p, as above; nobody states a deduction."""
    markets = MarketShellSettings(deductions=("*=tattersalls",))
    settings = SupervisorSettings(markets_per_actor=16)
    async with open_house(tmp_path, priced=False, supervisor=settings, markets=markets) as house:
        await open_races(house)
        async with house.bettor() as client:
            terms = await client.each_way(WIN)
            await client.place_slip(ref="e", legs=[leg(terms)], bets=[accumulator(STAKE_MINOR)])
            gone = SetOdds(market_no=WIN, quotes=(Quote(outcome=2, odds_milli=2_750),))
            await house.command(gone)
            await house.command(SettleMarket(market_no=WIN, results=(VOID,), outcomes=(2,)))
            fewer = await client.each_way(WIN)
            await client.place_slip(ref="l", legs=[leg(fewer)], bets=[accumulator(STAKE_MINOR)])
            state = RaceState(withdrawn=(3,), positions=(1, 2, 0, 3, 4, 5, 6, 7))
            for number in (fewer.market, terms.market, WIN):
                key = (await house.book(number)).prices.key
                results = SportBoard("race", [key], names={key: NAMES}).results(state)[key]
                await house.command(SettleMarket(market_no=number, results=results))
            await house.carry()
            assert (await client.status("e")).payout_minor == 3_364
            late = (await client.status("l")).payout_minor
            assert late == 2_750 + STAKE_MINOR * fewer.odds_milli[0] // 1_000
            for number in (terms.market, WIN):
                await house.command(RollBackSettlement(market_no=number))
                key = (await house.book(number)).prices.key
                results = SportBoard("race", [key], names={key: NAMES}).results(state)[key]
                await house.command(SettleMarket(market_no=number, results=results))
            await house.carry()
            assert (await client.status("e")).payout_minor == 3_364, "settled again, it is the same"


async def test_a_race_is_settled_by_its_order_of_finish_with_dead_heats(house: House) -> None:
    """DAZN Bet's help 9775118959517: of 10.00 to be placed at 5.000, joint third of two has 25.00.

    And 3 that tie for first: each has a third of its win (betdaq 360017086559: 60 at 6.0, 120).
    """
    async with house.bettor() as client, house.trader() as trader:
        terms = await client.each_way(WIN)
        await house.command(SetOdds(market_no=WIN, quotes=(Quote(outcome=2, odds_milli=6_000),)))
        for ref, runner, odds in (("third", 6, 21_000), ("first", 3, 6_000), ("gone", 8, 51_000)):
            slip = await client.place_slip(
                ref=ref, legs=[leg(terms, runner=runner, odds=odds)], bets=[accumulator(1_000)]
            )
            assert slip.state == "accepted", slip
        for order, name in (
            ([["horse 1"], ["horse 9"]], "horse 9"),
            ([["horse 1"], ["horse 2", "horse 1"]], "horse 1"),
        ):
            with pytest.raises(RefusedError, match=name):
                await trader.settle_race(WIN, order)
        ordered = [["horse 1"], ["horse 2"], ["horse 5", "horse 6"]]
        events = await trader.settle_race(WIN, ordered, withdrawn=["horse 8"])
        assert [event.market_no for event in events] == [WIN, terms.market]
        await house.carry()
        assert (await client.status("third")).payout_minor == 2_500
        assert (await client.status("first")).payout_minor == 0
        assert (await client.status("gone")).payout_minor == 2_000
        await trader.settle_race(WIN, [["horse 3", "horse 4", "horse 6"]], withdrawn=["horse 8"])
        await house.carry()
        assert (await client.status("first")).payout_minor == 2_000 + 2_000  # placed in full
        assert (await client.status("third")).payout_minor == 7_000 + 5_000


async def test_a_window_that_refunds_a_runner_refunds_its_places(house: House) -> None:
    async with house.bettor() as client:
        terms = await client.each_way(WIN)
        await client.place_slip(ref="a", legs=[leg(terms)], bets=[accumulator(100)])
        off = SetOdds(market_no=WIN, quotes=(Quote(outcome=0, odds_milli=2_750, active=False),))
        await house.command(off, CancelBets(market_no=WIN, outcomes=(0,)))
        await house.carry()
        shown = await client.status("a")
        assert (shown.payout_minor, [each.result for each in shown.legs]) == (
            200,
            ["cancelled"] * 2,
        )
        assert (await client.each_way(WIN)).places == 2  # seven runners are left


async def test_terms_that_no_market_pays_are_refused(house: House) -> None:
    async with house.bettor() as client:
        terms = await client.each_way(WIN)
        made_up = msgspec.structs.replace(terms, odds_den=1)
        refused = await client.place_slip(ref="x", legs=[leg(made_up)], bets=[accumulator(100)])
        assert (refused.state, refused.reason) == ("rejected", Reason.NO_PLACE_TERMS)
        mixed = [leg(terms), Leg(market=OTHER, outcome=0, odds_milli=ODDS[0])]
        refused = await client.place_slip(ref="y", legs=mixed, bets=[accumulator(100)])
        assert refused.reason == Reason.NO_PLACE_TERMS
        moved = await client.place_slip(
            ref="z", legs=[leg(terms, odds=2_500)], bets=[accumulator(100)]
        )
        assert [each.reason for each in moved.legs] == [Reason.ODDS_CHANGED] * 2
        football = await client.each_way(MarketNo(1))
        assert football.reason == Reason.MARKET_UNKNOWN
        assert (await client.balance()).available_minor == BALANCE_MINOR


async def test_a_fixtures_terms_are_its_tables_and_a_small_field_has_none(tmp_path: Path) -> None:
    markets = MarketShellSettings(each_way=("ascot-1=9:3:1/5", "*=5:4:1/3,20:0"))
    settings = SupervisorSettings(markets_per_actor=16)
    async with open_house(tmp_path, priced=False, supervisor=settings, markets=markets) as house:
        await open_races(house)
        async with house.bettor() as client:
            assert (await client.each_way(WIN)).reason == Reason.NO_PLACE_TERMS
            other = await client.each_way(OTHER)
            assert (other.places, other.odds_num, other.odds_den) == (4, 1, 3)


@pytest.mark.parametrize("text", ["standard", "*=8:3", "*=8:0:1/5", "*=8:3:1/5,8:2:1/4", "*=x"])
def test_a_malformed_table_is_refused_when_settings_are_read(text: str) -> None:
    for name in ("each_way", "deductions"):
        env = {f"OVERROUND_MARKETS__{name.upper()}": f'["{text}"]'}
        with pytest.raises(ConfigError, match=rf"markets.{name}\[1\]"):
            load_config(env=env)


async def test_place_markets_are_followed_again_after_a_restart(tmp_path: Path) -> None:
    settings = SupervisorSettings(markets_per_actor=16)
    async with open_house(tmp_path, priced=False, supervisor=settings) as house:
        await open_races(house)
        async with house.bettor() as client:
            terms = await client.each_way(WIN)
    async with open_house(tmp_path, priced=False, create=False, supervisor=settings) as house:
        await house.command(SetOdds(market_no=WIN, quotes=(Quote(outcome=0, odds_milli=3_000),)))
        async with house.bettor() as client:
            again = await client.each_way(WIN)
            assert (again.market, again.odds_milli[0]) == (terms.market, 1_400)
