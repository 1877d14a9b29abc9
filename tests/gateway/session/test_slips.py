"""Slips end to end: gateway, shells and journals, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.common.commands import OutcomeResult
from engine.common.ids import BetId, MarketNo
from engine.common.reasons import MESSAGES, SLIP_MESSAGES, Reason
from engine.common.rows import RESERVED_ROW, BetResult, SlipState
from engine.common.units import Minor, Nanos, OddsMilli
from engine.common.views import Slip, SlipBetView, SlipLegView
from gateway.bets.rows import bet_rows, reserve_arguments
from gateway.bets.slip_ticket import SlipTicket, answer_of
from gateway.client import (
    Leg,
    RefusedError,
    accumulator,
    connect_control,
    each_way,
    named_bet,
    system,
)
from gateway.messages.bettor import BetEvent
from gateway.messages.slips import PlaceSlip
from gateway.services.slip_views import page_of, slip_view
from gateway.session.tokens import Role
from gateway.settings import OPEN_BETS_MAX, OPEN_PARTS_MAX
from tests.gateway.bookmaker import BALANCE_MINOR, Bookmaker, bettor, open_bookmaker, trader
from tests.gateway.price_gateway import token, until
from tests.gateway.raw_client import json_frame, shaken

MARKETS = {
    4: ("market-b", "cup-2/1x2"),
    5: ("market-b", "cup-3/1x2"),
    6: ("market-a", "race-1/winner"),
    7: ("market-a", "race-1/place"),
    8: ("market-b", "race-2/winner"),
    9: ("market-b", "race-2/place"),
}
"""Markets beside the bookmaker's: legs of four matches, and two races with place markets."""
DOUBLE = [Leg(market=1, outcome=0, odds_milli=2_500), Leg(market=3, outcome=0, odds_milli=2_500)]
FOUR = [
    *DOUBLE,
    Leg(market=4, outcome=1, odds_milli=3_200),
    Leg(market=5, outcome=2, odds_milli=3_000),
]
WON = OutcomeResult(won=True)
LOST = OutcomeResult(won=False)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    async with open_bookmaker(tmp_path, markets=MARKETS) as bookmaker:
        yield bookmaker
        bookmaker.check()


async def settle(house: Bookmaker, market: int, *won: int, outcomes: int = 3) -> None:
    async with trader(house) as at_control:
        await at_control.settle(
            MarketNo(market), [WON if at in won else LOST for at in range(outcomes)]
        )
    house.deliver_settlements()


@pytest.mark.parametrize("codec", ["msgpack", "json"])
async def test_an_accepted_double_is_in_status_balance_and_open_bets_and_is_paid(
    house: Bookmaker, codec: Any
) -> None:
    async with bettor(house, codec=codec) as client:
        slip = await client.place_slip(ref="d", legs=DOUBLE, bets=[accumulator(500)])
        assert (slip.state, slip.final, slip.reason) == ("accepted", True, 0)
        assert (slip.stake_minor, slip.lines) == (500, 1)
        assert [leg.odds_milli for leg in slip.legs] == [2_500, 2_500]
        balance = await client.balance()
        assert (balance.available_minor, balance.at_stake_minor) == (BALANCE_MINOR - 500, 500)
        (shown,) = (await client.open_bets()).bets
        assert shown == await client.status("d")
        assert (shown.bet_id, shown.stake_minor, shown.market) == (slip.bet_id, 500, 0)
        assert [leg.market for leg in shown.legs] == [1, 3]
        assert [leg.event for leg in shown.legs] == [0, 1]
        assert [leg.state for leg in shown.legs] == ["accepted"] * 2
        (bet,) = shown.bets
        assert (bet.stake_minor, bet.lines, bet.sizes, bet.positions) == (500, 1, (2,), (0, 1))
        await settle(house, 1, 0)
        open_still = await client.status("d")
        assert [leg.state for leg in open_still.legs] == ["settled", "accepted"]
        leg = open_still.legs[0]
        assert (leg.result, leg.back_num * 1_000) == ("won", leg.back_den * 2_500)
        await settle(house, 3, 0)
        paid = await client.status("d")
        assert (paid.state, paid.result, paid.payout_minor) == ("settled", "won", 3_125)
        assert (await client.balance()).available_minor == BALANCE_MINOR - 500 + 3_125
        assert (await client.open_bets()).bets == ()


async def test_a_lucky_15_pays_its_winning_lines(house: Bookmaker) -> None:
    async with bettor(house) as client:
        slip = await client.place_slip(ref="l", legs=FOUR, bets=[named_bet("lucky15", 10)])
        assert (slip.state, slip.lines, slip.stake_minor) == ("accepted", 15, 150)
        for market, outcome in ((1, 0), (3, 1), (4, 1), (5, 1)):
            await settle(house, market, outcome)
        # Two win, at 2.5 and 3.2: two singles and their double.
        paid = await client.status("l")
        assert paid.payout_minor == 25 + 32 + 80
        assert [leg.result for leg in paid.legs] == ["won", "lost", "won", "lost"]


async def test_an_each_way_double_is_two_bets_of_which_one_may_win(house: Bookmaker) -> None:
    def legs(markets: tuple[int, int]) -> list[Leg]:
        return [Leg(market=no, outcome=0, odds_milli=1_900) for no in markets]

    both, bets = each_way(legs((6, 8)), legs((7, 9)), [accumulator(100)])
    async with bettor(house) as client:
        slip = await client.place_slip(ref="e", legs=both, bets=bets)
        assert (slip.state, slip.lines, slip.stake_minor) == ("accepted", 2, 200)
        for market, outcome in ((6, 1), (7, 0), (8, 0), (9, 0)):
            await settle(house, market, outcome, outcomes=2)
        paid = await client.status("e")
        assert (paid.state, paid.payout_minor) == ("settled", 361)


async def test_systems_bankers_and_ways_have_the_lines_that_they_say(house: Bookmaker) -> None:
    ways = [FOUR[0], FOUR[1], Leg(market=4, outcome=1, odds_milli=3_200, position=1)]
    async with bettor(house) as client:
        slip = await client.place_slip(ref="s", legs=FOUR, bets=[system(2, 10)])
        assert (slip.lines, slip.stake_minor) == (6, 60)
        slip = await client.place_slip(ref="b", legs=FOUR, bets=[system(2, 10, bankers=[0])])
        assert (slip.lines, slip.stake_minor) == (3, 30)
        slip = await client.place_slip(ref="w", legs=ways, bets=[accumulator(10)])
        assert (slip.state, slip.lines, slip.stake_minor) == ("accepted", 2, 20)
        shown = await client.status("w")
        assert shown.positions == (0, 1, 1)
        assert (await client.status("s")).positions == ()


async def test_a_refused_leg_is_named_with_its_reason_and_offer(house: Bookmaker) -> None:
    async with bettor(house) as client, trader(house) as at_control:
        await at_control.suspend(MarketNo(3), why="goal")
        moved = [Leg(market=1, outcome=0, odds_milli=2_400), *FOUR[1:3]]
        slip = await client.place_slip(ref="r", legs=moved, bets=[accumulator(500)])
        assert (slip.state, slip.final, slip.retryable) == ("rejected", True, True)
        assert (slip.reason, slip.message) == (210, MESSAGES[Reason.LEG_REFUSED])
        assert [leg.reason for leg in slip.legs] == [431, 403, 0]
        assert slip.legs[0].odds_milli == 2_500
        assert slip.legs[1].message == MESSAGES[Reason.MARKET_SUSPENDED]
        shown = await client.status("r")
        assert [leg.state for leg in shown.legs] == ["rejected", "rejected", "released"]
        assert (shown.state, shown.message) == ("rejected", MESSAGES[Reason.LEG_REFUSED])
        assert (await client.balance()).available_minor == BALANCE_MINOR
        again = await client.place_slip(ref="r", legs=moved, bets=[accumulator(500)])
        assert again == slip


async def test_a_fault_of_structure_is_refused_by_name_and_frees_the_ref(
    house: Bookmaker,
) -> None:
    shared = [DOUBLE[0], Leg(market=2, outcome=0, odds_milli=1_900)]
    async with bettor(house) as client:
        slip = await client.place_slip(ref="f", legs=shared, bets=[accumulator(500)])
        assert (slip.state, slip.final, slip.bet_id, slip.reason) == ("rejected", False, 0, 205)
        assert slip.message.startswith("legs[1]: legs[0] and legs[1] are of one event")
        slip = await client.place_slip(ref="f", legs=DOUBLE, bets=[named_bet("yankee", 10)])
        assert (slip.reason, slip.message.partition(":")[0]) == (207, "bets[0].name")
        assert (await client.place_slip(ref="f", legs=DOUBLE, bets=[accumulator(5)])).final
        with pytest.raises(RefusedError, match="legs"):
            await client.place_slip(ref="g", legs=DOUBLE * 40, bets=[accumulator(5)])
        with pytest.raises(RefusedError, match="stake_minor"):
            await client.place_slip(ref="g", legs=DOUBLE, bets=[accumulator(0)])


async def test_slips_without_a_future_are_answered_by_callback(house: Bookmaker) -> None:
    async with bettor(house) as client:
        answers: dict[str, str] = {}
        client.on_slip = lambda slip: answers.__setitem__(slip.ref, slip.state)
        bets = (accumulator(10),)
        for ref in ("s1", "s2"):
            client.send_place_slip(PlaceSlip(ref=ref, legs=tuple(DOUBLE), bets=bets))
        await until(lambda: answers == {"s1": "accepted", "s2": "accepted"})


async def test_other_sessions_receive_the_events_of_a_slip(
    house: Bookmaker,
) -> None:
    async with bettor(house) as client, bettor(house) as other:
        await client.watch_account()
        await other.watch_account()
        await client.place_slip(ref="d", legs=DOUBLE, bets=[accumulator(500)])
        await until(lambda: other.received.events_waiting == 1)
        await settle(house, 1, 0)
        await settle(house, 3, 0)
        async with trader(house) as at_control:
            await at_control.roll_back_settlement(MarketNo(3))
        house.deliver_settlements()
        await until(lambda: other.received.events_waiting == 3)
        events = [await anext(other.events()) for _ in range(3)]
        names = ["posted", "settled", "reopened"]
        assert [event.event for event in events if isinstance(event, BetEvent)] == names
        posted = events[0].slip
        assert [leg.odds_milli for leg in posted.legs] == [2_500, 2_500]
        assert [bet.lines for bet in posted.bets] == [1]
        recorded = await client.status("d")
        assert posted.legs[0].bet_id == recorded.legs[0].bet_id
        assert posted.bets == recorded.bets
        assert events[1].slip.payout_minor == 3_125
        assert client.received.events_waiting == 2, "its own slip is not posted to it"
        await client.place_slip(ref="d", legs=DOUBLE, bets=[accumulator(500)])
        await until(lambda: other.received.events_waiting == 1)
        again = await anext(other.events())
        assert again.slip.legs == posted.legs, "as it was posted, though it was sent again"


async def test_status_brings_what_the_markets_have_decided_of_a_pending_slip(
    house: Bookmaker,
) -> None:
    services = house.gateway._services
    assert services is not None
    request = PlaceSlip(ref="p", legs=tuple(DOUBLE), bets=(accumulator(500),))
    slip = services.slips.read(request, session=None, account_no=7)  # type: ignore[arg-type]
    assert isinstance(slip, SlipTicket)
    account = house.processes["account-001"].target
    head, *legs = RESERVED_ROW.iter_unpack(account.exchange(b"", *reserve_arguments([slip])))
    assert answer_of(slip, head, legs) is None
    async with bettor(house) as client:
        for leg, state in zip(slip.legs, ("pending", "accepted"), strict=True):
            house.processes[leg.shell].target.place(bet_rows([leg]))
            shown = await client.status("p")
            assert shown.state == state
        assert [leg.state for leg in shown.legs] == ["accepted"] * 2
        assert (await client.balance()).at_stake_minor == 500


async def test_a_slip_counts_for_each_leg_in_its_session_and_its_account(tmp_path: Path) -> None:
    bound = {"session_bets_in_flight_max": 3}
    async with open_bookmaker(tmp_path, markets=MARKETS, **bound) as house, bettor(house) as client:
        answers = await asyncio.gather(
            client.place_slip_nowait(ref="a", legs=DOUBLE, bets=[accumulator(5)]),
            client.place_slip_nowait(ref="b", legs=DOUBLE, bets=[accumulator(5)]),
            client.place_nowait(ref="c", market=1, outcome=0, stake_minor=5, odds_milli=2_500),
        )
        assert [answer.reason for answer in answers] == [0, Reason.BUSY, 0]
        assert not answers[1].final
        later = await client.place_slip(ref="b", legs=DOUBLE, bets=[accumulator(5)])
        assert later.state == "accepted"


async def test_a_slip_spends_a_frame_for_each_leg(tmp_path: Path) -> None:
    rate = {"frames_a_second": 1, "frames_burst": 6, "frames_over_max": 100}
    async with open_bookmaker(tmp_path, markets=MARKETS, **rate) as house, bettor(house) as client:
        first = await client.place_slip(ref="a", legs=FOUR, bets=[accumulator(5)])
        assert first.state == "accepted"
        slips = [
            await client.place_slip(ref=f"b{at}", legs=FOUR, bets=[accumulator(5)])
            for at in range(2)
        ]
        assert [slip.reason for slip in slips] == [0, Reason.RATE_LIMITED]


async def test_only_a_bettor_places_slips(house: Bookmaker) -> None:
    message = {"type": "place_slip", "ref": "a", "legs": [], "bets": []}
    for role in (Role.TRADER, Role.FEED, Role.QUANT):
        async with shaken(house.ports["bets"], token=token(role)) as raw:
            raw.send(json_frame(**message))
            answer = await raw.message()
            assert (answer["type"], answer["code"]) == ("error", Reason.NOT_PERMITTED)
    async with connect_control(house.control_url, token=token(Role.TRADER)) as at_control:
        at_control.send(PlaceSlip(ref="x", legs=tuple(DOUBLE), bets=(accumulator(5),)))
        await until(lambda: len(at_control.errors) == 1)
        assert at_control.errors[0].code == Reason.NOT_PERMITTED


# --- nonsense ------------------------------------------------------------------------------------

SMALL = st.integers(-1, 8)
NONSENSE = st.none() | st.booleans() | st.text(max_size=3) | st.floats() | st.integers()
LEGS = st.fixed_dictionaries(
    {"market": st.sampled_from([1, 2, 3, 4, 99]), "outcome": SMALL, "odds_milli": st.just(2_500)},
    optional={"position": SMALL | NONSENSE, "odds": NONSENSE},
)
BETS = st.fixed_dictionaries(
    {"stake_minor": st.integers(0, 200)},
    optional={
        "sizes": st.lists(SMALL, max_size=4) | NONSENSE,
        "positions": st.lists(SMALL, max_size=4),
        "bankers": st.lists(SMALL, max_size=3),
        "name": st.sampled_from(["trixie", "doubles", "singles", "accumulator", "nonsense"]),
    },
)
SLIPS = st.fixed_dictionaries(
    {"legs": st.lists(LEGS, max_size=5), "bets": st.lists(BETS, max_size=3)},
    optional={"policy": st.sampled_from(["none", "any", "worse"]), "policy_over": NONSENSE},
)


@given(slips=st.lists(SLIPS, min_size=1, max_size=12))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_slip_is_answered_once_and_costs_what_it_says(
    slips: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def run() -> None:
        folder = tmp_path_factory.mktemp("house")
        changes = {"refused_messages_max": 1_000}
        async with open_bookmaker(folder, markets=MARKETS, **changes) as house:
            async with shaken(house.ports["bets"], token=token()) as raw:
                for at, slip in enumerate(slips):
                    raw.send(json_frame(type="place_slip", ref=f"s{at}", **slip))
                answers = {}
                while len(answers) < len(slips):
                    answer = await raw.message()
                    assert answer["ref"] not in answers
                    answers[answer["ref"]] = answer
            async with bettor(house) as client:
                staked = sum(
                    answer["stake_minor"]
                    for answer in answers.values()
                    if answer.get("state") == "accepted"
                )
                assert (await client.balance()).available_minor == BALANCE_MINOR - staked
            house.check()

    asyncio.run(run())


# --- views ---------------------------------------------------------------------------------------


def slip_of(legs: int, bet_id: int = 1) -> Slip:
    leg = SlipLegView(
        bet_id=BetId(2),
        market_no=MarketNo(3),
        outcome=1,
        odds_milli=OddsMilli(2_000),
        state=SlipState.RELEASED,
        reason=0,
        stake_max_minor=Minor(0),
        result=BetResult.NONE,
        back_num=0,
        back_den=0,
        event=0,
        position=0,
    )
    return Slip(
        bet_id=BetId(bet_id),
        ref="a",
        account_no=7,
        market_no=MarketNo(0),
        outcome=0,
        stake_minor=Minor(5),
        odds_milli=OddsMilli(0),
        state=SlipState.ACCEPTED,
        reason=0,
        stake_max_minor=Minor(0),
        placed_at_ns=Nanos(0),
        result=BetResult.NONE,
        payout_minor=Minor(0),
        settlement_no=0,
        legs=(leg,) * legs,
    )


def test_a_page_of_open_bets_ends_before_too_many_legs() -> None:
    many = [slip_of(63, at) for at in range(OPEN_BETS_MAX + 1)]
    page = page_of(many, limit=OPEN_BETS_MAX)
    assert len(page) == OPEN_PARTS_MAX // 63
    bet = SlipBetView(
        stake_minor=Minor(1),
        sizes=(1,),
        positions=(0,),
        bankers=(),
        lines=1,
        payout_minor_max=Minor(0),
    )
    of_bets = [replace(slip_of(1, at), bets=(bet,) * 50) for at in range(OPEN_BETS_MAX + 1)]
    assert len(page_of(of_bets, limit=OPEN_BETS_MAX)) == OPEN_PARTS_MAX // 51
    singles = [slip_of(0, at) for at in range(OPEN_BETS_MAX + 1)]
    assert len(page_of(singles, limit=OPEN_BETS_MAX)) == OPEN_BETS_MAX
    assert page_of([slip_of(OPEN_PARTS_MAX + 1)], limit=5), "the first one always fits"
    assert [leg.state for leg in slip_view(slip_of(1)).legs] == ["released"]


def test_a_slip_over_its_bound_is_told_of_the_slip_and_a_leg_of_its_market() -> None:
    over = int(Reason.PAYOUT_OVER_CAP)
    slip = slip_of(2)
    legs = tuple(replace(leg, reason=over) for leg in slip.legs)
    shown = slip_view(replace(slip, state=SlipState.REFUSED, reason=over, legs=legs))
    assert shown.message == SLIP_MESSAGES[Reason.PAYOUT_OVER_CAP]
    assert [leg.message for leg in shown.legs] == [MESSAGES[Reason.PAYOUT_OVER_CAP]] * 2
