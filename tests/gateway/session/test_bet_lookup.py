"""Bets found by id, ref, account and market, and one bet's story, over real sockets."""

from typing import Any

import pytest

from actors.routes import account_shell_name
from engine.common.commands import OutcomeResult, SetLimits
from engine.common.reasons import Reason
from gateway.client import Leg, Limits, RefusedError, accumulator
from tests.gateway.bookmaker import Bookmaker, bettor, head_trader

BET = {"market": 1, "outcome": 0, "stake_minor": 500, "odds_milli": 2_500}
LOST, WON = OutcomeResult(won=False), OutcomeResult(won=True)
DOUBLE = [Leg(market=1, outcome=0, odds_milli=2_500), Leg(market=3, outcome=1, odds_milli=3_200)]


async def placed(bookmaker: Bookmaker) -> dict[str, Any]:
    """Place bets of two accounts; return the answers by ref."""
    answers = {}
    async with bettor(bookmaker) as client, bettor(bookmaker, account=8) as other:
        for ref, changes in (
            ("won", {}),
            ("over", {"stake_minor": 10_001}),
            ("moved", {"odds_milli": 2_400}),
            ("other", {"market": 3}),
            ("poor", {"stake_minor": 99_001}),
        ):
            answers[ref] = await client.place(ref=ref, **BET | changes)
        answers["theirs"] = await other.place(
            ref="theirs", **BET | {"outcome": 1, "odds_milli": 3_200}
        )
    return answers


def refs(found: Any) -> list[str]:
    return [line.ref for line in found.bets]


async def test_a_bet_is_found_by_its_id_and_by_account_and_ref(bookmaker: Bookmaker) -> None:
    bets = await placed(bookmaker)
    async with head_trader(bookmaker) as control:
        by_id = await control.find_bets(bet_id=bets["won"].bet_id)
        by_ref = await control.find_bets(account=7, ref="won")
        assert by_id.bets == by_ref.bets
        (line,) = by_id.bets
        assert (line.account, line.market, line.stake_minor, line.payout_minor) == (
            7,
            1,
            500,
            1_250,
        )
        assert (line.state, line.ref, line.kind) == ("accepted", "won", "single")


async def test_an_accounts_bets_are_paged_and_told_by_state(bookmaker: Bookmaker) -> None:
    await placed(bookmaker)
    async with head_trader(bookmaker) as control:
        first = await control.find_bets(account=7, limit=3)
        assert refs(first) == ["other", "moved", "over"]
        rest = await control.find_bets(account=7, limit=3, before_bet_id=first.before_bet_id)
        assert (refs(rest), rest.before_bet_id, rest.unbooked) == (["won"], 0, ())
        refused = await control.find_bets(account=7, states=["rejected"])
        assert refs(refused) == ["moved", "over"]
        (poor,) = refused.unbooked
        assert (poor.ref, poor.bet_id, poor.reason) == ("poor", 0, Reason.INSUFFICIENT_FUNDS)
        assert (await control.find_bets(account=7, states=["accepted"])).unbooked == ()


async def test_a_markets_bets_are_found_by_outcome_and_state(bookmaker: Bookmaker) -> None:
    bets = await placed(bookmaker)
    async with head_trader(bookmaker) as control:
        every = await control.find_bets(market=1)
        ids = [bets[ref].bet_id for ref in ("theirs", "moved", "over", "won")]
        assert [line.bet_id for line in every.bets] == ids
        assert [line.account for line in every.bets] == [8, 7, 7, 7]
        on_draw = await control.find_bets(market=1, outcome=1)
        assert [line.bet_id for line in on_draw.bets] == ids[:1]
        taken = await control.find_bets(market=1, states=["accepted"])
        assert [line.bet_id for line in taken.bets] == [ids[0], ids[3]]


def texts(story: Any) -> list[str]:
    return [line.text for line in story.story]


async def test_the_story_says_which_check_refused_a_bet_and_by_how_much(
    bookmaker: Bookmaker,
) -> None:
    bets = await placed(bookmaker)
    async with head_trader(bookmaker) as control:
        over = await control.bet_story(bets["over"].bet_id)
        assert over.markets[0].name == "home"
        why = "STAKE_OVER_LIMIT (302): the stake is over the limit for one bet: 100.01 EUR was "
        why += "asked, to win 250.02 EUR in all; 100.00 EUR would have passed"
        assert texts(over) == [
            f"account 7 reserved 100.01 EUR for a single, bet {over.bet.bet_id}, ref over",
            f"market 1 cup-0/1x2 refused outcome 0 (home): {why}",
            f"100.01 EUR went back to the account: {why}",
        ]
        moved = await control.bet_story(account=7, ref="moved")
        assert texts(moved)[1].endswith(
            "ODDS_CHANGED (431): the odds have moved: "
            "the bettor saw 2.400, the market offered 2.500"
        )
        poor = await control.bet_story(account=7, ref="poor")
        assert (poor.slip, poor.markets) == (None, ())
        assert texts(poor) == [
            "account 7 refused it, and booked nothing: INSUFFICIENT_FUNDS (602): the balance does "
            "not cover the stake: 990.01 EUR was asked, to win 2,475.02 EUR in all; 990.00 EUR "
            "would have passed"
        ]


async def test_the_story_of_a_settled_bet_ends_with_its_payment(bookmaker: Bookmaker) -> None:
    bets = await placed(bookmaker)
    async with head_trader(bookmaker) as control:
        await control.settle(1, [WON, LOST, LOST])
        bookmaker.deliver_settlements()
        story = await control.bet_story(bets["won"].bet_id)
        assert texts(story)[1:] == [
            "market 1 cup-0/1x2 accepted outcome 0 (home) at 2.500, seen at 2.500 (policy none)",
            "settled as won, paid 12.50 EUR (settlement 1)",
        ]
        assert story.slip.payout_minor == 1_250
        assert [line.where for line in story.story] == ["account-001", "cup-0/1x2", "account-001"]
        assert 0 < story.story[0].at_ns <= story.story[1].at_ns


async def test_the_story_of_a_slip_tells_of_each_leg(bookmaker: Bookmaker) -> None:
    bookmaker.command(SetLimits(market_no=3, limits=Limits(stake_minor_max=400)))
    async with head_trader(bookmaker) as control, bettor(bookmaker) as client:
        answer = await client.place_slip(ref="two", legs=DOUBLE, bets=[accumulator(500)])
        assert answer.state == "rejected"
        of_leg = (await control.find_bets(market=3)).bets[0].bet_id
        story = await control.bet_story(of_leg)
        assert (story.bet.kind, story.bet.legs, story.bet.state) == ("slip", 2, "rejected")
        assert [side.state for side in story.markets] == ["accepted", "rejected"]
        text = texts(story)
        assert text[0].startswith("account 7 reserved 5.00 EUR for a slip of 2 legs")
        assert "STAKE_OVER_LIMIT" in text[2]
        assert "would have passed" in text[2]
        assert text[3].startswith("5.00 EUR went back to the account: LEG_REFUSED")
        found = await control.find_bets(bet_id=answer.bet_id)
        assert [line.kind for line in found.bets] == ["slip", "leg", "leg"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({}, Reason.MALFORMED),
        ({"ref": "won"}, Reason.MALFORMED),
        ({"account": 7, "market": 1}, Reason.MALFORMED),
        ({"bet_id": 5, "account": 7}, Reason.MALFORMED),
        ({"account": 7, "outcome": 1}, Reason.MALFORMED),
        ({"bet_id": 5}, Reason.BET_UNKNOWN),
        ({"bet_id": 9 << 48}, Reason.BET_UNKNOWN),
        ({"account": 7, "ref": "none"}, Reason.BET_UNKNOWN),
        ({"account": 7, "before_bet_id": 5}, Reason.BET_UNKNOWN),
        ({"market": 1, "before_bet_id": 5}, Reason.BET_UNKNOWN),
        ({"market": 99}, Reason.MARKET_UNKNOWN),
        ({"market": 1, "limit": 0}, Reason.FIELD_OUT_OF_BOUNDS),
        ({"market": 1, "limit": 101}, Reason.FIELD_OUT_OF_BOUNDS),
    ],
)
async def test_a_search_that_names_nothing_or_too_much_is_refused(
    bookmaker: Bookmaker, asked: dict[str, Any], reason: Reason
) -> None:
    async with head_trader(bookmaker) as control:
        with pytest.raises(RefusedError) as refused:
            await control.find_bets(**asked)
        assert refused.value.reason is reason


async def test_a_shell_that_is_down_is_said_to_be(bookmaker: Bookmaker) -> None:
    bets = await placed(bookmaker)
    async with head_trader(bookmaker) as control:
        bookmaker.kill_shell("market-a")
        story = await control.bet_story(bets["won"].bet_id)
        assert [side.known for side in story.markets] == [False]
        with pytest.raises(RefusedError) as down:
            await control.find_bets(market=1)
        assert down.value.reason is Reason.UNAVAILABLE
        bookmaker.kill_shell(account_shell_name(1))
        with pytest.raises(RefusedError) as down:
            await control.bet_story(bets["won"].bet_id)
        assert down.value.reason is Reason.UNAVAILABLE
        bookmaker.start_shell("market-a")
        bookmaker.start_shell(account_shell_name(1))
