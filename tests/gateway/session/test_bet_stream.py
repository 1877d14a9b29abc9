"""Bets as they are shown to sessions that watch them, over real sockets."""

import asyncio
from typing import Any

import pytest

from actors.routes import account_shell_name
from engine.common.account_changes import BlockAccount, SetAccountFactor
from engine.common.reasons import Reason
from gateway.client import Leg, RefusedError, accumulator
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, bettor, trader

BET = {"market": 1, "outcome": 0, "stake_minor": 500, "odds_milli": 2_500}
DOUBLE = [Leg(market=1, outcome=0, odds_milli=2_500), Leg(market=3, outcome=1, odds_milli=3_200)]


async def shown(watching: Any, count: int) -> list[Any]:
    """Return the next lines that a session is shown, at least `count` of them."""
    lines: list[Any] = []
    async with asyncio.timeout(30):
        async for seen in watching.bets_seen():
            assert seen.missed == 0
            lines += seen.bets
            if len(lines) >= count:
                return lines
    raise AssertionError("the session ended")


async def test_every_decided_bet_is_shown_with_its_figures(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker, role=Role.AUDITOR) as auditor, bettor(bookmaker) as client:
        assert (await auditor.watch_bets()).on
        taken = await client.place(ref="a", **BET)
        await client.place(ref="b", **BET | {"stake_minor": 10_001})
        await client.place(ref="c", **BET | {"stake_minor": 99_999})
        lines = {line.stake_minor: line for line in await shown(auditor, 3)}
        assert sorted(lines) == [500, 10_001, 99_999]
        one, over, poor = lines[500], lines[10_001], lines[99_999]
        assert (one.bet_id, one.account, one.market, one.outcome) == (taken.bet_id, 7, 1, 0)
        assert (one.state, one.odds_milli, one.payout_minor) == ("accepted", 2_500, 1_250)
        assert one.at_ns > 0
        assert (over.state, over.reason, over.stake_max_minor) == ("rejected", 302, 10_000)
        assert (poor.state, poor.reason, poor.bet_id, poor.ref) == ("rejected", 602, 0, "c")


async def test_a_slip_is_shown_whole_and_by_its_legs(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as watching, bettor(bookmaker) as client:
        await watching.watch_bets()
        slip = await client.place_slip(ref="d", legs=DOUBLE, bets=[accumulator(500)])
        await client.place_slip(
            ref="e", legs=[DOUBLE[0], Leg(market=3, outcome=1, odds_milli=9_000)],
            bets=[accumulator(400)],
        )  # fmt: skip
        # A verdict on a slip that is accepted as seen travels with a later call.
        await client.place(ref="f", **BET)
        lines = await shown(watching, 7)
        assert sorted(line.kind for line in lines) == ["leg"] * 4 + ["single"] + ["slip"] * 2
        whole = {line.bet_id: line for line in lines if line.kind == "slip"}
        assert whole[slip.bet_id].state == "accepted"
        assert (whole[slip.bet_id].legs, whole[slip.bet_id].payout_minor) == (2, 4_000)
        (refused,) = [line for line in whole.values() if line.state == "rejected"]
        assert (refused.reason, refused.stake_minor) == (Reason.LEG_REFUSED, 400)


STAKES = {
    500: {},
    1_000: {"outcome": 1, "odds_milli": 3_200},
    600: {"market": 3},
    100: {"market": 2, "odds_milli": 1_900},
    5_000: {},
    99_999: {},
}
"""Bets of account 7 by their stakes; account 8, which is blocked, tries one of 700."""


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"stake_minor_min": 501}, {600, 700, 1_000, 5_000, 99_999}),
        ({"stake_minor_min": 500, "states": ["accepted"]}, {500, 600, 1_000, 5_000}),
        ({"payout_minor_min": 3_200, "states": ["accepted"]}, {1_000, 5_000}),
        ({"payout_minor_min": 3_201, "states": ["accepted"]}, {5_000}),
        ({"accounts": [8]}, {700}),
        ({"markets": [3]}, {600}),
        ({"fixtures": ["cup-0"], "states": ["accepted"]}, {100, 500, 1_000, 5_000}),
        ({"types": ["total"]}, {100}),
        ({"fixtures": ["cup-1"], "types": ["total"]}, set()),
        ({"reasons": [602, 610]}, {700, 99_999}),
        ({"states": ["rejected"], "accounts": [7]}, {99_999}),
        ({"kinds": ["slip"]}, set()),
        ({"factor_milli_min": 1_001}, {100, 500, 600, 1_000, 5_000}),
        ({"factor_milli_max": 2_499}, {700, 99_999}),
        ({"factor_milli_min": 2_500, "factor_milli_max": 2_500, "markets": [3]}, {600}),
    ],
)
async def test_a_filter_shows_what_passes_all_its_parts(
    bookmaker: Bookmaker, asked: dict[str, Any], expected: set[int]
) -> None:
    bookmaker.ledger(8, BlockAccount(account_no=8))
    bookmaker.ledger(7, SetAccountFactor(account_no=7, factor_milli=2_500))
    async with (
        trader(bookmaker) as filtered,
        trader(bookmaker) as everything,
        bettor(bookmaker) as client,
        bettor(bookmaker, account=8) as blocked,
    ):
        await filtered.watch_bets(**asked)
        await everything.watch_bets()
        for stake, changes in STAKES.items():
            await client.place(ref=f"b{stake}", **BET | {"stake_minor": stake} | changes)
        await blocked.place(ref="b700", **BET | {"stake_minor": 700})
        every = await shown(everything, 7)
        assert sorted(line.stake_minor for line in every) == sorted([*STAKES, 700])
        # In each turn the session that watches longer is sent its lines first.
        await filtered.watch_bets(on=False)
        seen = filtered.received.unread_bets_seen()
        assert {line.stake_minor for each in seen for line in each.bets} == expected


async def test_nothing_is_asked_of_shells_while_nobody_watches(bookmaker: Bookmaker) -> None:
    shells = ["market-a", "market-b", account_shell_name(0), account_shell_name(1)]

    def watched() -> list[bool]:
        return [bool(bookmaker.processes[name].target._bet_watch) for name in shells]

    async with bettor(bookmaker) as client:
        async with trader(bookmaker) as watching:
            assert watched() == [False] * 4
            await watching.watch_bets()
            await client.place(ref="a", **BET)
            await shown(watching, 1)
            assert watched() == [True] * 4
            await watching.watch_bets(on=False)
            await client.place(ref="b", **BET)
            assert watched() == [False] * 4
            await watching.watch_bets()
            bookmaker.kill_shell("market-a")
            bookmaker.start_shell("market-a")
            answer = await client.place(ref="c", **BET)
            (line,) = await shown(watching, 1)
            assert line.bet_id == answer.bet_id
        await client.place(ref="d", **BET)
        assert watched() == [False] * 4


async def test_who_may_not_see_single_bettors_may_not_watch(bookmaker: Bookmaker) -> None:
    for role in (Role.QUANT, Role.VIEWER):
        async with trader(bookmaker, role=role) as reader:
            with pytest.raises(RefusedError) as denied:
                await reader.watch_bets()
            assert denied.value.reason is Reason.NOT_PERMITTED
