"""Bet builders as a bettor uses them: gateways, supervisor, shells and journals, over sockets."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.settings import DeskSettings, MarketShellSettings, SupervisorSettings
from engine.common.commands import (
    CancelMarket,
    LimitsPatch,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetLimits,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import Refused
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.pricing.football.model import MatchState, Period, Score
from engine.pricing.quoting import Margin
from engine.pricing.sport import SportBoard
from gateway.client import Builder, BuilderLeg, Leg, accumulator
from gateway.market_limits import LimitsSettings
from tests.gateway.builder_house import (
    BALANCE_MINOR,
    FIXTURE,
    LOST,
    MODEL,
    VOID,
    WON,
    House,
    accepted,
    leg,
    market_no,
    open_house,
)

TWO = [leg("1x2 home"), leg("total?total=2.5 over")]
OTHERS = [leg("both_teams_to_score yes"), leg("total?total=2.5 over")]
THREE = [*TWO, leg("first_half_1x2 draw")]
IN_PLAY = MatchState(period=Period.FIRST_HALF, clock_s=1_200, first_half=Score(home=1, away=0))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


def board_odds(key: str, state: MatchState | None = None) -> int:
    board = SportBoard("football", [key])
    ((quote,),) = board.quotes(MODEL, state or MatchState(), Margin()).values()
    return quote.odds_milli


# --- asking for one ------------------------------------------------------------------------------


async def test_the_same_legs_in_any_order_are_one_market_at_joint_odds(house: House) -> None:
    async with house.bettor() as one, house.bettor(account=8) as other:
        first = accepted(await one.build_bet(THREE))
        assert first.key == f"{FIXTURE}/builder?legs=1a,18a2.5,60b"
        assert first.odds_milli == board_odds(first.key)
        assert [each.market for each in first.legs] == [1, 2, 4]
        again = accepted(await other.build_bet([THREE[2], THREE[0], THREE[1], THREE[0]]))
        assert (again.market, again.key) == (first.market, first.key)


async def test_two_gateways_that_ask_at_once_create_one_market(tmp_path: Path) -> None:
    async with open_house(tmp_path, gateways=2) as house:
        async with house.bettor() as one, house.bettor(account=8, gateway=1) as other:
            answers = await asyncio.gather(
                *(client.build_bet(legs) for client in (one, other) for legs in (TWO, THREE, TWO))
            )
        assert len({answer.market for answer in map(accepted, answers)}) == 2
        await house.system.refresh()
        keys = [route.key for route in house.system.routes.markets.values()]
        assert sum("/builder?" in key for key in keys) == 2


async def test_legs_that_others_imply_add_nothing_and_one_leg_is_its_own_market(
    house: House,
) -> None:
    both = leg("both_teams_to_score yes")
    async with house.bettor() as client:
        own = await client.build_bet([leg("1x2 home"), leg("handicap?hcp=-0.5 home")])
        assert (own.market, own.outcome, own.key) == (1, 0, f"{FIXTURE}/1x2")
        assert own.implied == (leg("handicap?hcp=-0.5 home"),)
        goals = accepted(
            await client.build_bet([both, leg("1x2 draw"), leg("first_half_total?total=0.5 over")])
        )
        assert goals.implied == (both,)  # a draw with a goal is one of each side's


async def test_a_contradiction_names_the_fewest_legs_that_clash(house: House) -> None:
    async with house.bettor() as client:
        refused = await client.build_bet([*THREE, leg("1x2 away")])
        assert refused.reason == Reason.LEGS_CONTRADICT
        assert set(refused.legs) == {leg("1x2 home"), leg("1x2 away")}
        assert not refused.retryable
        assert "1x2 home" in refused.message
        assert refused.market == 0


async def test_legs_that_no_builder_takes_are_refused(house: House) -> None:
    await house.command(SuspendMarket(market_no=market_no("both_teams_to_score")))
    async with house.bettor() as client:
        for last, reason, retryable in (
            (leg("draw_no_bet home"), Reason.LEGS_NOT_JOINED, False),
            (leg("both_teams_to_score yes"), Reason.OUTCOME_INACTIVE, True),
            (BuilderLeg(market=99, outcome=0), Reason.MARKET_UNKNOWN, False),
            (BuilderLeg(market=1, outcome=9), Reason.OUTCOME_UNKNOWN, False),
        ):
            refused = await client.build_bet([TWO[1], last])
            assert (refused.reason, refused.retryable) == (reason, retryable), refused
            assert refused.legs == (last,)


async def test_a_fixture_that_no_model_has_priced_has_no_builder(tmp_path: Path) -> None:
    async with open_house(tmp_path, priced=False) as house, house.bettor() as client:
        refused = await client.build_bet(TWO)
        assert (refused.reason, refused.retryable) == (Reason.UNAVAILABLE, True)


async def test_markets_in_several_shells_are_not_joined(tmp_path: Path) -> None:
    settings = SupervisorSettings(markets_per_actor=1)
    async with open_house(tmp_path, supervisor=settings) as house, house.bettor() as client:
        refused = await client.build_bet(TWO)
        assert refused.reason == Reason.LEGS_NOT_JOINED
        assert "markets_per_actor" in refused.message


@pytest.mark.parametrize(
    "bound", ["builders_per_fixture_max", "builders_per_account_max", "builders_max"]
)
async def test_a_builder_past_the_bounds_is_refused_and_the_others_stay(
    tmp_path: Path, bound: str
) -> None:
    settings = SupervisorSettings(markets_per_actor=8, **{bound: 1})
    async with open_house(tmp_path, supervisor=settings) as house, house.bettor() as client:
        first = accepted(await client.build_bet(TWO))
        refused = await client.build_bet(THREE)
        assert (refused.reason, refused.retryable) == (Reason.CAPACITY, True)
        assert bound in refused.message
        assert accepted(await client.build_bet(TWO)).market == first.market
        await house.settle("1x2", LOST, WON, LOST)  # which loses the builder, and frees its place
        assert accepted(await client.build_bet(OTHERS)).key != first.key
        refused = await client.build_bet([*OTHERS, leg("first_half_1x2 home")])
        assert refused.reason == Reason.CAPACITY
        await house.command(RollBackSettlement(market_no=market_no("1x2")))
        refused = await client.build_bet([*OTHERS, leg("first_half_1x2 home")])
        assert f"{bound}: 2" in refused.message


async def test_one_account_leaves_builders_to_others(tmp_path: Path) -> None:
    settings = SupervisorSettings(markets_per_actor=8, builders_per_account_max=1)
    async with (
        open_house(tmp_path, supervisor=settings) as house,
        house.bettor() as client,
        house.bettor(account=8) as other,
    ):
        accepted(await client.build_bet(TWO))
        assert (await client.build_bet(THREE)).reason == Reason.CAPACITY
        accepted(await other.build_bet(THREE))
        accepted(await client.build_bet(THREE))  # it exists: no place is needed


async def test_an_account_may_ask_so_often_and_another_account_still_may(tmp_path: Path) -> None:
    async with open_house(tmp_path, builders_a_minute=2) as house:
        async with house.bettor() as client, house.bettor(account=8) as other:
            asked = [await client.build_bet(TWO) for _ in range(3)]
            assert [answer.reason for answer in asked] == [0, 0, Reason.RATE_LIMITED]
            accepted(await other.build_bet(TWO))
        async with house.bettor() as client:  # a new session of the account changes nothing
            assert (await client.build_bet(TWO)).reason == Reason.RATE_LIMITED


# --- betting on one ------------------------------------------------------------------------------


async def test_it_is_bet_on_like_any_selection_also_in_a_slip_of_other_fixtures(
    house: House,
) -> None:
    async with house.bettor() as client:
        built = accepted(await client.build_bet(TWO))
        bet = await client.place(
            ref="b", market=built.market, outcome=0, stake_minor=500, odds_milli=built.odds_milli
        )
        assert bet.state == "accepted"
        assert (await client.status("b")).market == built.market
        book = await house.book(built.market)
        assert (book.stake_taken_minor, book.prices.outcomes) == (500, ("yes",))
        assert book.payout_minor == (500 * built.odds_milli // 1_000,)
        assert (await house.book(1)).stake_taken_minor == 0  # one selection, not two
        single = Leg(market=1, outcome=0, odds_milli=(await house.book(1)).prices.odds_milli[0])
        joined = Leg(market=built.market, outcome=0, odds_milli=built.odds_milli)
        slip = await client.place_slip(ref="s", legs=[joined, single], bets=[accumulator(100)])
        assert (slip.state, slip.reason) == ("rejected", Reason.LEGS_SHARE_EVENT)
        slip = await client.place_slip(ref="o", legs=[joined], bets=[accumulator(100)])
        assert slip.state == "accepted"


async def test_its_limits_are_never_above_those_of_a_leg(house: House) -> None:
    async with house.bettor() as client:
        built = accepted(await client.build_bet(TWO))
        # The house's default stake is 100.00, below the legs' 200.00.
        assert (await house.book(built.market)).limits.stake_minor_max == 10_000
        lower = LimitsPatch(stake_minor_max=300)
        await house.command(SetLimits(market_no=2, limits=lower))
        assert (await house.book(built.market)).limits.stake_minor_max == 300
        bet = await client.place(
            ref="b", market=built.market, outcome=0, stake_minor=301, odds_milli=built.odds_milli
        )
        assert (bet.reason, bet.stake_max_minor) == (Reason.STAKE_OVER_LIMIT, 300)


async def test_a_rule_of_the_house_limits_builders_by_their_type(tmp_path: Path) -> None:
    rules = LimitsSettings(rules=("type=builder phase=live stake_minor_max=40",))
    async with open_house(tmp_path, limits=rules) as house, house.bettor() as client:
        before = accepted(await client.build_bet(TWO))
        own = accepted(await client.build_bet([TWO[0], leg("both_teams_to_score yes")]))
        await house.system.refresh()
        await house.command(SetLimits(market_no=own.market, limits=LimitsPatch(stake_minor_max=90)))

        async def stakes(*builders: Builder) -> list[int]:
            return [(await house.book(it.market)).limits.stake_minor_max for it in builders]

        assert await stakes(before, own) == [10_000, 90]
        await house.price(IN_PLAY)  # nobody asks for it again
        assert await stakes(before, own) == [40, 90]
        live = accepted(await client.build_bet(THREE))
        assert await stakes(live) == [40]
        bet = await client.place(
            ref="b",
            market=before.market,
            outcome=0,
            stake_minor=41,
            odds_milli=1_001,
            policy="any",
        )
        assert (bet.reason, bet.stake_max_minor) == (Reason.STAKE_OVER_LIMIT, 40)
        await house.price()  # it had not begun
        assert await stakes(before, own, live) == [10_000, 90, 10_000]


# --- following its legs --------------------------------------------------------------------------


async def test_it_is_repriced_with_its_fixture_in_play_and_takes_bets(house: House) -> None:
    async with house.bettor() as client:
        before = accepted(await client.build_bet(THREE))
        await house.price(IN_PLAY)
        live = accepted(await client.build_bet(THREE))
        assert live.market == before.market
        assert live.odds_milli == board_odds(before.key, IN_PLAY) != before.odds_milli
        new = accepted(await client.build_bet([TWO[0], leg("both_teams_to_score yes")]))
        assert new.odds_milli == board_odds(new.key, IN_PLAY)
        bet = await client.place(
            ref="b", market=new.market, outcome=0, stake_minor=100, odds_milli=new.odds_milli
        )
        assert bet.state == "accepted"


async def test_it_takes_bets_exactly_while_each_leg_does(house: House) -> None:
    async with house.bettor() as client:
        built = accepted(await client.build_bet(TWO))

        async def status() -> Status:
            return (await house.book(built.market)).prices.status

        await house.command(SuspendMarket(market_no=3))  # no leg of it
        assert await status() is Status.ACTIVE
        await house.command(SuspendMarket(market_no=2))
        bet = await client.place(
            ref="b", market=built.market, outcome=0, stake_minor=100, odds_milli=built.odds_milli
        )
        assert bet.reason == Reason.MARKET_SUSPENDED
        await house.command(ResumeMarket(market_no=2))
        assert await status() is Status.ACTIVE
        await house.command(SuspendMarket(market_no=built.market))  # a trader holds it by itself
        await house.command(SuspendMarket(market_no=2), ResumeMarket(market_no=2))
        assert await status() is Status.SUSPENDED
        await house.command(ResumeMarket(market_no=built.market))
        assert await status() is Status.ACTIVE


async def test_it_settles_by_its_legs_and_follows_corrections_and_roll_backs(house: House) -> None:
    async with house.bettor() as client:
        built = accepted(await client.build_bet(TWO))
        await client.place(
            ref="b", market=built.market, outcome=0, stake_minor=1_000, odds_milli=built.odds_milli
        )

        async def slip() -> tuple[str, str, int]:
            await house.carry()
            shown = await client.status("b")
            return (shown.state, shown.result, shown.payout_minor)

        await house.settle("1x2", WON, LOST, LOST)
        assert (await slip())[0] == "accepted"
        await house.settle("total?total=2.5", WON, LOST)
        assert await slip() == ("settled", "won", built.odds_milli)
        await house.settle("1x2", LOST, WON, LOST)  # corrected
        assert await slip() == ("settled", "lost", 0)
        await house.command(RollBackSettlement(market_no=1))
        assert (await slip())[0] == "accepted"
        assert (await house.book(built.market)).prices.status is Status.SUSPENDED
        await house.settle("total?total=2.5", LOST, WON)  # one lost leg decides it
        assert await slip() == ("settled", "lost", 0)
        await house.settle("total?total=2.5", WON, LOST)
        await house.settle("1x2", WON, LOST, LOST)
        assert await slip() == ("settled", "won", built.odds_milli)
        paid = (await client.balance()).available_minor
        assert paid == BALANCE_MINOR - 1_000 + built.odds_milli


@pytest.mark.parametrize(
    ("rule", "lost_and_void"), [("void_all", "refunded"), ("lost_first", "lost")]
)
async def test_a_void_leg_voids_it_by_the_rule_under_which_it_was_created(
    tmp_path: Path, rule: str, lost_and_void: str
) -> None:
    settings = MarketShellSettings(builder_void=rule)  # type: ignore[arg-type]
    async with open_house(tmp_path, markets=settings) as house, house.bettor() as client:
        built = accepted(await client.build_bet(TWO))
        assert built.key.endswith("|void=lost_first") == (rule == "lost_first")
        await client.place(
            ref="b", market=built.market, outcome=0, stake_minor=1_000, odds_milli=built.odds_milli
        )
        await house.command(CancelMarket(market_no=2))
        await house.settle("1x2", WON, LOST, LOST)
        await house.carry()
        assert (await client.status("b")).result == "refunded"
        await house.settle("1x2", LOST, LOST, WON)
        await house.carry()
        assert (await client.status("b")).result == lost_and_void
        await house.command(RollBackCancel(market_no=2))
        await house.settle("1x2", WON, LOST, LOST)
        await house.settle("total?total=2.5", VOID, VOID)
        await house.carry()
        assert (await client.status("b")).result == "refunded"
        assert (await client.balance()).available_minor == BALANCE_MINOR


# --- restarts ------------------------------------------------------------------------------------


async def test_a_restart_brings_it_back_with_its_odds_and_bets(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.bettor() as client:
        built = accepted(await client.build_bet(TWO))
        await client.place(
            ref="b", market=built.market, outcome=0, stake_minor=100, odds_milli=built.odds_milli
        )
    async with (
        open_house(tmp_path, create=False, priced=False) as house,
        house.bettor() as client,
    ):
        again = accepted(await client.build_bet(TWO))
        assert (again.market, again.odds_milli) == (built.market, built.odds_milli)
        refused = await client.build_bet(THREE)  # a new one waits for the next repricing
        assert refused.reason == Reason.UNAVAILABLE
        await house.price()
        accepted(await client.build_bet(THREE))
        await house.settle("1x2", LOST, WON, LOST)
        await house.carry()
        assert (await client.status("b")).result == "lost"


async def test_what_a_builder_is_paid_counts_with_the_leg_that_decides_it(tmp_path: Path) -> None:
    """The last leg's market has no bets: without its builder nothing would be moved."""
    async with open_house(tmp_path, desk=DeskSettings(approval_minor=10_000)) as house:
        async with house.bettor() as bettor:
            built = accepted(await bettor.build_bet(TWO))
            placed = await bettor.place(
                ref="b", market=built.market, outcome=0, stake_minor=5_000,
                odds_milli=built.odds_milli,
            )  # fmt: skip
            assert placed.state == "accepted"
        home = SettleMarket(market_no=MarketNo(market_no("1x2")), results=(WON, LOST, LOST))
        over = SettleMarket(market_no=MarketNo(market_no("total?total=2.5")), results=(WON, LOST))
        pays_minor = 5_000 * built.odds_milli // 1_000
        assert pays_minor > 10_000
        async with house.trader() as trader:
            both = await trader.control([home, over])
            assert [event.reason for event in both if isinstance(event, Refused)] == [
                Reason.APPROVAL_NEEDED
            ] * 2
            (first,) = await trader.control([home])
            assert not isinstance(first, Refused)
            preview = (await trader.preview(over)).preview
            assert (preview.moved_minor, preview.following_markets) == (pays_minor, 1)
            assert [each.key for each in preview.following] == [built.key]
            (second,) = await trader.control([over])
            assert isinstance(second, Refused)
            assert second.reason is Reason.APPROVAL_NEEDED
            assert (await house.book(built.market)).prices.status is Status.SUSPENDED
