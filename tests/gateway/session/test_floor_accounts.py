"""Accounts as the trading floor sees and blocks them, over real sockets."""

from pathlib import Path

import pytest

from actors.routes import account_shell_name
from engine.common.account_changes import BlockAccount
from engine.common.commands import OutcomeResult
from engine.common.reasons import Reason
from gateway.client import Leg, RefusedError, accumulator
from gateway.session.tokens import Role
from persistence.chain import ChainReader
from persistence.disk import LocalDisk
from persistence.records import Kind, decode_ledger_control
from tests.gateway.bookmaker import (
    BALANCE_MINOR,
    SHARDS,
    Bookmaker,
    bettor,
    head_trader,
    trader,
)

BET = {"market": 1, "outcome": 0, "stake_minor": 500, "odds_milli": 2_500}
LOST, WON = OutcomeResult(won=False), OutcomeResult(won=True)


async def test_a_blocked_account_is_refused_until_it_is_unblocked(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker, role=Role.RISK) as risk, bettor(bookmaker) as client:
        for _ in range(2):
            answer = await risk.block_account(7, why="two cards")
            assert (answer.account, answer.blocked) == (7, True)
        refused = await client.place(ref="a1", **BET)
        assert (refused.reason, refused.final) == (Reason.ACCOUNT_BLOCKED, False)
        assert not refused.retryable
        assert not (await risk.block_account(7, blocked=False)).blocked
        assert (await client.place(ref="a1", **BET)).state == "accepted"
        changes = [(c.field, c.before, c.after, c.why) for c in (await risk.account(7)).changes]
        assert changes == [("blocked", 1, 0, ""), ("blocked", 0, 1, "two cards")]


async def test_a_factor_scales_what_a_market_lets_an_account_stake(bookmaker: Bookmaker) -> None:
    """The market takes 10,000 of a bet: by 0.25 it is 2,500, by 3 it is 30,000."""
    async with trader(bookmaker, role=Role.RISK) as risk, bettor(bookmaker) as client:
        answer = await risk.set_account_factor(7, factor_milli=250, why="late bets")
        assert (answer.account, answer.factor_milli) == (7, 250)
        over = await client.place(ref="a", **BET | {"stake_minor": 2_501})
        assert (over.reason, over.stake_max_minor) == (Reason.STAKE_OVER_LIMIT, 2_500)
        assert (await client.place(ref="b", **BET | {"stake_minor": 2_500})).state == "accepted"
        await risk.set_account_factor(7, factor_milli=3_000)
        assert (await client.place(ref="c", **BET | {"stake_minor": 30_000})).state == "accepted"
        over = await client.place(ref="d", **BET | {"stake_minor": 30_001})
        assert (over.reason, over.stake_max_minor) == (Reason.STAKE_OVER_LIMIT, 30_000)
        assert (await client.place(ref="a", **BET | {"stake_minor": 2_501})).bet_id == (
            await client.status("a")
        ).bet_id, "a bet that was refused stays refused"
        info = await risk.account(7)
        assert info.factor_milli == 3_000
        assert [(c.before, c.after) for c in info.changes] == [(250, 3_000), (1_000, 250)]
        found = await risk.find_bets(market=1)
        assert [line.factor_milli for line in found.bets] == [3_000, 3_000, 250, 250]


async def test_a_factor_scales_the_legs_of_a_slip(bookmaker: Bookmaker) -> None:
    legs = [Leg(market=1, outcome=0, odds_milli=2_500), Leg(market=3, outcome=0, odds_milli=2_500)]
    async with trader(bookmaker, role=Role.RISK) as risk, bettor(bookmaker) as client:
        await risk.set_account_factor(7, factor_milli=10)
        over = await client.place_slip(ref="a", legs=legs, bets=[accumulator(101)])
        assert {leg.reason for leg in over.legs} == {Reason.STAKE_OVER_LIMIT}
        taken = await client.place_slip(ref="b", legs=legs, bets=[accumulator(100)])
        assert taken.state == "accepted"


async def test_a_block_and_its_author_outlast_the_process(
    bookmaker: Bookmaker, tmp_path: Path
) -> None:
    name = account_shell_name(7 % 2)
    async with head_trader(bookmaker) as control:
        await control.block_account(7)
        before = await control.account(7)
        bookmaker.kill_shell(name)
        (folder,) = tmp_path.rglob(name)
        controls = [
            decode_ledger_control(record.payload)
            for record in ChainReader(LocalDisk(), folder)
            if record.kind == Kind.CONTROL
        ]
        assert controls[-1].commands == (BlockAccount(account_no=7),)
        assert controls[-1].by == before.changes[0].by
        assert controls[-1].by.startswith("head_trader:")
        bookmaker.start_shell(name)
        after = await control.account(7)
        assert (after.blocked, after.changes) == (True, before.changes)


async def test_an_account_shows_its_money_and_what_the_house_has_earned(
    bookmaker: Bookmaker,
) -> None:
    async with head_trader(bookmaker) as control, bettor(bookmaker) as client:
        await client.place(ref="a1", **BET)
        await client.place(ref="a2", **BET | {"outcome": 1, "odds_milli": 3_200})
        await client.place(ref="a3", **BET | {"market": 3})
        await client.place(ref="a4", **BET | {"odds_milli": 2_400})
        await control.settle(1, [WON, LOST, LOST])
        bookmaker.deliver_settlements()
        info = await control.account(7)
        money = (info.available_minor, info.at_stake_minor, info.open_payout_minor)
        assert money == (BALANCE_MINOR - 1_500 + 1_250, 500, 1_250)
        totals = info.totals
        counts = (totals.settled, totals.open, totals.pending, totals.refused)
        assert counts == (2, 1, 0, 1)
        assert (totals.turnover_minor, totals.paid_minor, totals.profit_minor) == (
            1_000,
            1_250,
            -250,
        )
        assert (info.currency, info.blocked, info.complete, info.stale) == ("EUR", False, True, "")
        found = await control.find_bets(account=7)
        later = max(line.at_ns for line in found.bets) + 1
        assert (await control.account(7, since_ns=later)).totals == type(totals)()


async def test_who_may_not_block_and_what_cannot_be_shown_is_refused(
    bookmaker: Bookmaker,
) -> None:
    async with head_trader(bookmaker) as control:
        for asked in (control.account(9), control.block_account(9)):
            with pytest.raises(RefusedError) as nobody:
                await asked
            assert nobody.value.reason is Reason.ACCOUNT_UNKNOWN
        bookmaker.kill_shell(account_shell_name(1))
        for asked in (control.account(7), control.block_account(7)):
            with pytest.raises(RefusedError) as down:
                await asked
            assert down.value.reason is Reason.UNAVAILABLE
        bookmaker.start_shell(account_shell_name(1))
    async with trader(bookmaker, role=Role.VIEWER) as viewer:
        with pytest.raises(RefusedError) as unseen:
            await viewer.account(7)
        assert unseen.value.reason is Reason.NOT_PERMITTED
    for role in (Role.TRADER, Role.CASHIER, Role.SETTLER):
        async with trader(bookmaker, role=role) as floor:
            assert (await floor.account(7)).account == 7
            with pytest.raises(RefusedError) as denied:
                await floor.block_account(7)
            assert denied.value.reason is Reason.NOT_PERMITTED
            with pytest.raises(RefusedError):
                await floor.set_account_factor(7, factor_milli=500)


async def test_the_floor_sees_on_which_accounts_the_house_can_lose_most(
    bookmaker: Bookmaker,
) -> None:
    async with (
        trader(bookmaker) as control,
        bettor(bookmaker) as one,
        bettor(bookmaker, account=8) as other,
        trader(bookmaker, role=Role.VIEWER) as viewer,
    ):
        await one.place(ref="a", **BET)
        await other.place(ref="a", **BET | {"stake_minor": 900})
        found = await control.exposed_accounts()
        assert [(line.account, line.at_risk_minor) for line in found.accounts] == [
            (8, 1_350), (7, 750),
        ]  # fmt: skip
        assert (found.open, found.open_payout_minor, found.staked_minor) == (2, 3_500, 1_400)
        assert found.missing == ()
        assert len((await control.exposed_accounts(limit=1)).accounts) == 1
        with pytest.raises(RefusedError) as refused:
            await viewer.exposed_accounts()
        assert refused.value.reason is Reason.NOT_PERMITTED
        name = account_shell_name(8 % SHARDS)
        bookmaker.kill_shell(name)
        while not found.missing:  # the answer before serves for a second
            found = await control.exposed_accounts()
        assert found.missing == (name,)
        assert [line.account for line in found.accounts] == [7]
        assert found.open == 1
        bookmaker.start_shell(name)
