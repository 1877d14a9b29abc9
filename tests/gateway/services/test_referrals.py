"""Bets that wait, over real sockets: out a delay, or for a trader who decides them."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from msgspec import UNSET

from actors.routes import account_shell_name
from engine.common.acceptance import AcceptancePatch
from engine.common.commands import LimitsPatch, Quote
from engine.common.events import ReferralDecided, Refused
from engine.common.ids import ShardNo
from engine.common.reasons import Reason
from engine.common.rows import DECISION
from engine.common.units import NS_PER_MS, Minor, OddsMilli
from gateway.client import (
    BettorSession,
    ControlSession,
    ReconnectSettings,
    RefusedError,
    accumulator,
    stay_connected,
)
from gateway.market_limits import LimitsSettings
from gateway.messages.bettor import Bet, BetWaits
from gateway.messages.scopes import MarketScope
from gateway.messages.slips import Leg, SlipBet
from tests.engine.market.builders import bet, bet_rows
from tests.gateway.bookmaker import (
    BALANCE_MINOR,
    Bookmaker,
    bettor,
    head_trader,
    open_bookmaker,
    trader,
)
from tests.gateway.price_gateway import token, until

ODDS = 2_500
LONG_MS = 600_000


@pytest.fixture
async def bookmaker(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    async with open_bookmaker(tmp_path) as system:
        yield system


class Waits:
    """The bets of a session that wait, as its bettor hears of them."""

    def __init__(self, session: BettorSession) -> None:
        self.received: list[BetWaits] = []
        session.on_bet_waits = self.received.append

    async def first(self) -> BetWaits:
        await until(lambda: bool(self.received))
        return self.received[0]


def place(session: BettorSession, ref: str, *, stake: int = 100) -> "asyncio.Future[Bet]":
    return session.place_nowait(ref=ref, market=1, outcome=0, stake_minor=stake, odds_milli=ODDS)


async def available(session: BettorSession) -> int:
    return (await session.balance()).available_minor


async def test_a_delayed_bet_is_pending_and_then_decided(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control, bettor(bookmaker) as session:
        waits = Waits(session)
        await control.set_acceptance(1, AcceptancePatch(delay_ms=150))
        assert (await control.book(1)).acceptance.delay_ms == 150
        placed = place(session, "a")
        wait = await waits.first()
        assert (wait.ref, wait.reason) == ("a", Reason.DELAYED)
        assert 0 < wait.wait_ms <= 150
        assert not placed.done()
        assert await available(session) == BALANCE_MINOR - 100
        bet = await placed
        assert (bet.state, bet.bet_id, bet.odds_milli) == ("accepted", wait.bet_id, ODDS)
        assert len(waits.received) == 1


async def test_a_suspension_refuses_what_waits_before_its_time(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control, bettor(bookmaker) as session:
        waits = Waits(session)
        await control.set_acceptance_of(
            MarketScope(fixture="cup-0"), AcceptancePatch(delay_ms=30_000)
        )
        placed = place(session, "a")
        await waits.first()
        await control.suspend(1, why="goal")
        await control.resume(1)
        bet = await placed
        assert (bet.state, Reason(bet.reason)) == ("rejected", Reason.MARKET_SUSPENDED)
        assert await available(session) == BALANCE_MINOR


async def test_a_bet_waits_through_the_restart_of_its_shell_and_the_loss_of_its_session(
    bookmaker: Bookmaker,
) -> None:
    async with trader(bookmaker) as control:
        await control.set_acceptance(1, AcceptancePatch(referral_ms=LONG_MS))
        await control.set_limits(1, LimitsPatch(stake_minor_max=1_000))
        async with bettor(bookmaker) as session:
            waits = Waits(session)
            place(session, "a", stake=5_000)
            first = await waits.first()
        bookmaker.kill_shell("market-a")
        bookmaker.start_shell("market-a")
        async with bettor(bookmaker) as session:
            waits = Waits(session)
            placed = place(session, "a", stake=5_000)
            again = await waits.first()
            assert again.bet_id == first.bet_id
            assert again.wait_ms <= first.wait_ms
            status = await session.status("a")
            assert status is not None
            assert status.state == "pending"
            decided = await control.accept_referral(1, again.bet_id, why="known customer")
            assert isinstance(decided, ReferralDecided)
            assert (await placed).state == "accepted"


async def test_a_trader_sees_what_waits_and_declines_it(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control, bettor(bookmaker) as session:
        waits = Waits(session)
        await control.set_acceptance(
            1, AcceptancePatch(referral_ms=LONG_MS, referral_minor_from=2_000)
        )
        placed = place(session, "a", stake=2_000)
        wait = await waits.first()
        assert wait.reason == Reason.REFERRED
        referred = await control.referrals()
        (line,) = referred.bets
        assert (line.bet_id, line.account, line.key) == (wait.bet_id, 7, "cup-0/1x2")
        assert (line.stake_minor, line.odds_milli, line.now_milli) == (2_000, ODDS, ODDS)
        assert 0 < line.left_ms <= LONG_MS
        decided = await control.decline_referral(1, line.bet_id, why="too much")
        assert isinstance(decided, ReferralDecided)
        bet = await placed
        assert (bet.state, Reason(bet.reason)) == ("rejected", Reason.REFERRAL_DECLINED)
        assert await available(session) == BALANCE_MINOR
        again = await control.decline_referral(1, line.bet_id)
        assert isinstance(again, Refused)
        assert again.reason is Reason.REFERRAL_UNKNOWN


async def test_an_offer_of_another_stake_and_other_odds_is_the_bettors_to_take(
    bookmaker: Bookmaker,
) -> None:
    async with trader(bookmaker) as control, bettor(bookmaker) as session:
        waits = Waits(session)
        await control.set_acceptance(1, AcceptancePatch(referral_ms=LONG_MS))
        await control.set_limits(1, LimitsPatch(stake_minor_max=1_000))
        placed = place(session, "a", stake=9_000)
        wait = await waits.first()
        await control.offer_referral(1, wait.bet_id, stake_minor=4_000, odds_milli=2_300)
        offered = await placed
        assert Reason(offered.reason) is Reason.REOFFERED
        assert (offered.stake_max_minor, offered.odds_milli) == (4_000, 2_300)
        assert 0 < offered.until_ms <= time.time_ns() // NS_PER_MS + 30_000
        assert (await place(session, "a", stake=9_000)).until_ms > 0
        taken = await session.place(
            ref="b", market=1, outcome=0, stake_minor=4_000, odds_milli=2_300
        )
        assert (taken.state, taken.odds_milli) == ("accepted", 2_300)
        assert await available(session) == BALANCE_MINOR - 4_000
        assert (await place(session, "a", stake=9_000)).until_ms == 0


async def test_neither_a_bet_nor_an_offer_is_taken_at_the_odds_of_before_a_goal(
    bookmaker: Bookmaker,
) -> None:
    async with trader(bookmaker) as control, bettor(bookmaker) as session:
        waits = Waits(session)
        await control.set_acceptance(1, AcceptancePatch(referral_ms=LONG_MS))
        await control.set_limits(1, LimitsPatch(stake_minor_max=1_000))
        offered, waiting = place(session, "a", stake=5_000), place(session, "b", stake=5_000)
        await until(lambda: len(waits.received) == 2)
        first, second = (wait.bet_id for wait in waits.received)
        (line, _) = (await control.referrals()).bets
        await control.offer_referral(1, first, stake_minor=5_000, odds_milli=ODDS)
        assert Reason((await offered).reason) is Reason.REOFFERED
        shorter = Quote(outcome=0, odds_milli=1_100)
        await control.set_odds(1, [shorter], override=True)
        for seen in (UNSET, line.now_milli):
            refused = await control.accept_referral(1, second, now_milli=seen)
            assert isinstance(refused, Refused)
            assert (refused.reason, refused.field) == (Reason.ODDS_CHANGED, "now_milli")
        taken = await place(session, "c", stake=5_000)
        assert (taken.state, taken.odds_milli) == ("rejected", 1_100)
        assert not waiting.done()
        await control.accept_referral(1, second, now_milli=OddsMilli(1_100))
        assert ((await waiting).state, (await waiting).odds_milli) == ("accepted", ODDS)


@pytest.mark.parametrize("way", ["accept", "offer"])
async def test_no_trader_takes_a_bet_past_the_house_cap(tmp_path: Path, way: str) -> None:
    limits = LimitsSettings(cap_stake_minor_max=Minor(6_000), cap_payout_minor_max=Minor(12_500))
    async with (
        open_bookmaker(tmp_path, limits=limits) as system,
        trader(system) as control,
        bettor(system) as session,
    ):
        waits = Waits(session)
        await control.set_acceptance(1, AcceptancePatch(referral_ms=LONG_MS))
        await control.set_limits(1, LimitsPatch(stake_minor_max=1_000))
        placed = place(session, "a", stake=5_001)
        bet_id = (await waits.first()).bet_id
        if way == "accept":
            refused = await control.accept_referral(1, bet_id)
        else:
            refused = await control.offer_referral(1, bet_id, stake_minor=5_001, odds_milli=ODDS)
        assert isinstance(refused, Refused)
        assert (refused.reason, refused.field) == (Reason.LIMIT_OVER_CAP, "bet_id")
        assert not placed.done()
        await control.offer_referral(1, bet_id, stake_minor=5_000, odds_milli=ODDS)
        assert Reason((await placed).reason) is Reason.REOFFERED


async def test_an_offer_is_made_though_its_market_does_not_say_how_long(
    bookmaker: Bookmaker,
) -> None:
    async with trader(bookmaker) as control, bettor(bookmaker) as session:
        waits = Waits(session)
        await control.set_acceptance(1, AcceptancePatch(referral_ms=LONG_MS))
        await control.set_limits(1, LimitsPatch(stake_minor_max=1_000))
        placed = place(session, "a", stake=9_000)
        wait = await waits.first()
        await control.offer_referral(1, wait.bet_id, stake_minor=4_000, odds_milli=2_300)
        await placed
        bookmaker.kill_shell("market-a")
        again = await place(session, "a", stake=9_000)
        assert (Reason(again.reason), again.until_ms) == (Reason.REOFFERED, 0)


async def test_a_slip_waits_for_its_delayed_leg(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control, bettor(bookmaker) as session:
        waits = Waits(session)
        await control.set_acceptance(1, AcceptancePatch(delay_ms=150))
        legs = [Leg(market=number, outcome=0, odds_milli=ODDS) for number in (1, 3)]
        slip = await session.place_slip(ref="s", legs=legs, bets=[accumulator(500)])
        assert isinstance(slip, SlipBet)
        assert slip.state == "accepted"
        (wait,) = waits.received
        assert (wait.ref, wait.reason, wait.bet_id) == ("s", Reason.DELAYED, slip.bet_id)


async def test_a_slip_with_a_refused_leg_does_not_wait_for_the_other(
    bookmaker: Bookmaker,
) -> None:
    async with trader(bookmaker) as control, bettor(bookmaker) as session:
        await control.set_acceptance(1, AcceptancePatch(delay_ms=30_000))
        await control.suspend(3)
        legs = [Leg(market=number, outcome=0, odds_milli=ODDS) for number in (1, 3)]
        slip = await session.place_slip(ref="s", legs=legs, bets=[accumulator(500)])
        assert (slip.state, Reason(slip.reason)) == ("rejected", Reason.LEG_REFUSED)
        assert await available(session) == BALANCE_MINOR


async def test_a_client_that_reconnects_waits_as_long_as_the_bet_does(
    bookmaker: Bookmaker,
) -> None:
    settings = ReconnectSettings(silent_s=0.1, within_s=0.2)
    async with (
        trader(bookmaker) as control,
        stay_connected(bookmaker.bets_url, token=token(account=7), settings=settings) as client,
    ):
        await control.set_acceptance(
            1, AcceptancePatch(referral_ms=LONG_MS, referral_minor_from=2_000)
        )
        placed = asyncio.ensure_future(
            client.place(
                ref="a", market=1, outcome=0, stake_minor=2_000, odds_milli=ODDS, resolve=True
            )
        )
        await until(lambda: seen(control))
        _, pending = await asyncio.wait({placed}, timeout=1.0)
        assert pending, "it waits past the bounds of silence and of the whole"
        await control.accept_referral(1, (await control.referrals()).bets[0].bet_id)
        assert (await placed).state == "accepted"


async def seen(control: ControlSession) -> bool:
    return (await control.referrals()).waiting == 1


async def test_a_stop_of_the_house_ends_what_waits(bookmaker: Bookmaker) -> None:
    async with head_trader(bookmaker) as control, bettor(bookmaker) as session:
        waits = Waits(session)
        await control.set_acceptance(1, AcceptancePatch(delay_ms=30_000))
        placed = place(session, "a")
        await waits.first()
        assert (await control.stop_house(why="breach")).missing == ()
        assert Reason((await placed).reason) is Reason.HOUSE_STOPPED
        assert await available(session) == BALANCE_MINOR


async def test_a_bet_that_was_on_its_way_at_the_stop_ends_too(tmp_path: Path) -> None:
    """It was reserved before, and comes to its market behind the first command."""
    async with (
        open_bookmaker(tmp_path, bet_deadline_ms=200) as bookmaker,
        head_trader(bookmaker) as control,
    ):
        await control.set_acceptance(1, AcceptancePatch(delay_ms=30_000))
        await control.stop_house(why="breach")
        row = bet_rows([bet(1, market=1, odds=ODDS)]).tobytes()

        def reason() -> int:
            shell = bookmaker.markets("market-a")
            return int(np.frombuffer(shell.place(row), DECISION)["reason"][0])

        assert reason() == Reason.DELAYED
        await until(lambda: reason() == Reason.HOUSE_STOPPED)


async def test_the_block_of_an_account_ends_what_waits_of_it(bookmaker: Bookmaker) -> None:
    async with head_trader(bookmaker) as control, bettor(bookmaker) as session:
        waits = Waits(session)
        await control.set_acceptance(1, AcceptancePatch(delay_ms=30_000))
        placed = place(session, "a")
        await waits.first()
        bookmaker.kill_shell("market-b")
        blocked = await control.block_account(7, why="under review")
        assert blocked.missing == ("market-b",)
        assert Reason((await placed).reason) is Reason.ACCOUNT_BLOCKED


async def test_a_bet_that_a_trader_takes_is_shown_to_those_who_watch(
    bookmaker: Bookmaker,
) -> None:
    async with trader(bookmaker) as control, bettor(bookmaker) as session:
        await control.watch_bets()
        waits = Waits(session)
        await control.set_acceptance(
            1, AcceptancePatch(referral_ms=LONG_MS, referral_minor_from=2_000)
        )
        placed = place(session, "a", stake=2_000)
        wait = await waits.first()
        await control.accept_referral(1, wait.bet_id)
        assert (await placed).state == "accepted"
        states: list[str] = []
        async for seen in control.bets_seen():
            states += [line.state for line in seen.bets if line.bet_id == wait.bet_id]
            if "accepted" in states:
                break
        assert states == ["pending", "accepted"]


async def test_a_slip_whose_account_is_silent_is_unknown_after_a_wait(tmp_path: Path) -> None:
    """A stop ends the wait of its leg, and then nobody says how the slip ends."""
    async with (
        open_bookmaker(tmp_path, bet_deadline_ms=300) as bookmaker,
        trader(bookmaker) as control,
        bettor(bookmaker) as session,
    ):
        waits = Waits(session)
        await control.set_acceptance(1, AcceptancePatch(delay_ms=30_000))
        legs = [Leg(market=number, outcome=0, odds_milli=ODDS) for number in (1, 3)]
        placed = session.place_slip_nowait(ref="s", legs=legs, bets=[accumulator(500)])
        await waits.first()
        bookmaker.kill_shell(account_shell_name(ShardNo(1)))
        await control.suspend(1)
        assert (await placed).state == "unknown"


async def test_the_figures_have_bounds_that_are_named(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control:
        with pytest.raises(RefusedError, match="delay_ms"):
            await control.set_acceptance(1, AcceptancePatch(delay_ms=30_001))
        with pytest.raises(RefusedError, match="acceptance"):
            await control.set_acceptance_of(MarketScope(house=True), AcceptancePatch())
