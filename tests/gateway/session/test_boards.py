"""Markets that traders create over the control socket: by hand, and whole boards."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.desk import Desk
from actors.desk_messages import AskMatch, decode_request
from actors.directory import MarketsPlaced
from actors.directory import _decode as decode_document
from actors.local import end_part
from actors.peer import LocalPeer
from actors.settings import DeskSettings
from engine.common.commands import LimitsPatch
from engine.common.fixtures import FixtureState
from engine.common.ids import MarketNo, parse_market_key
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.pricing.football.catalogue import full_board
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.model import MatchModel, MatchState
from engine.pricing.quoting import Margin
from engine.pricing.templates import model_expecting
from gateway.client import (
    ExpectedGoals,
    FittedMarket,
    MarketScope,
    NewMarket,
    RefusedError,
    connect,
)
from gateway.client import connect_control as control_session
from gateway.market_limits import LimitsSettings
from gateway.session.tokens import Role
from persistence.chain import ChainReader
from persistence.disk import LocalDisk
from persistence.journal import JournalOptions
from persistence.records import Kind
from tests.gateway.fixture_house import FixtureHouse, open_fixture_house
from tests.gateway.price_gateway import token, until

GOALS = ExpectedGoals(total=2.5, supremacy=0.5)
OVER_CAP = LimitsPatch(stake_minor_max=1_000_001)
OUTRIGHT = NewMarket(
    key="wc22/winner",
    outcomes=("Argentina", "France", "any other"),
    odds_milli=(2_600, 3_100, 3_000),
    limits=LimitsPatch(stake_minor_max=700),
    open=True,
)


def trader(house: FixtureHouse, role: Role = Role.TRADER) -> Any:
    return control_session(house.control_url, token=token(role))


async def test_a_whole_football_board_is_created_priced_and_opened_by_one_message(
    tmp_path: Path,
) -> None:
    async with open_fixture_house(tmp_path) as house, trader(house) as control:
        board = await control.create_board(
            "wc22-64",
            "football",
            expect=GOALS,
            pricing={"margin": {"book_milli": 1_050}},
            open_markets=True,
            sides=("Argentina", "France"),
            start_ms=1_671_375_600_000,
        )
        model = model_expecting(GOALS)
        assert (board.model["home_rate"], board.model["away_rate"]) == (1.5, 1.0)
        keys = full_board("wc22-64", model=model)
        assert {line.key for line in board.markets} == set(keys)
        assert not [line for line in board.markets if line.refused or line.known]
        assert (board.fixture.name, board.fixture.sport) == ("Argentina v France", "football")
        assert board.fixture.by_status == {"active": len(keys)}
        quotes = FixtureBoard(keys).quotes(model, MatchState(), Margin(book_milli=1_050))
        for line in board.markets:
            prices = house.gateway.fanout.topics[line.market].prices
            assert prices is not None
            assert prices.status is Status.ACTIVE
            assert prices.odds_milli == tuple(quote.odds_milli for quote in quotes[line.key])
        async with connect(house.bets_url, token=token()) as client:
            assert (await client.fixtures(text="argentina")).fixtures[0].markets == len(keys)


async def test_a_board_sent_again_is_known_and_a_trader_s_market_stays_stopped(
    tmp_path: Path,
) -> None:
    async with open_fixture_house(tmp_path) as house, trader(house) as control:
        first = await control.create_board("a", "football_main", expect=GOALS)
        assert first.fixture.by_status == {"inactive": 40}
        await control.open_market(first.markets[0].market)
        await control.suspend(first.markets[0].market)
        again = await control.create_board("a", "football_main", expect=GOALS, open_markets=True)
        assert all(line.known for line in again.markets)
        assert [line.market for line in again.markets] == [line.market for line in first.markets]
        assert again.fixture.by_status == {"active": 39, "suspended": 1}


async def test_a_board_is_fitted_to_odds_and_other_sports_have_boards(tmp_path: Path) -> None:
    async with open_fixture_house(tmp_path) as house, trader(house) as control:
        odds = (
            FittedMarket(market="1x2", odds_milli=(2_100, 3_400, 3_600)),
            FittedMarket(market="total?total=2.5", odds_milli=(1_900, 1_950)),
        )
        fitted = await control.create_board("a", "football_main", fit=odds, open_markets=True)
        assert fitted.model["home_rate"] == pytest.approx(1.5635, abs=1e-3)
        for name, model, extra in (
            ("tennis", {"home_serve": 0.65, "away_serve": 0.6}, {}),
            ("basketball", {"margin": 4.2, "total": 221.3}, {}),
            ("race", {"win": [0.4, 0.3, 0.2, 0.1]}, {"sides": ("A", "B", "C", "D")}),
        ):
            board = await control.create_board(
                f"{name}-1", name, pricing={"model": model}, open_markets=True, **extra
            )
            assert not [line for line in board.markets if line.refused], name
            assert board.fixture.by_status == {"active": len(board.markets)}
            assert board.fixture.sport == name


async def test_markets_by_hand_are_created_opened_and_journaled_with_their_author(
    tmp_path: Path,
) -> None:
    limits = LimitsSettings(rules=("sport=outright stake_minor_max=500",))
    async with open_fixture_house(tmp_path, limits=limits) as house, trader(house) as control:
        closed = NewMarket(key="wc22/top?n=2", outcomes=("a", "b"), odds_milli=(1_900, 1_900))
        lines = await control.create_markets([OUTRIGHT, closed], sport="outright")
        assert [line.market for line in lines] == [1, 2]
        books = [await control.book(line.market) for line in lines]
        assert [book.status for book in books] == ["active", "inactive"]
        assert [book.limits.stake_minor_max for book in books] == [700, 500]
        again = await control.create_markets([OUTRIGHT])
        assert [(line.market, line.known, line.refused) for line in again] == [(1, True, None)]
        async with connect(house.bets_url, token=token()) as client:
            listed = await client.fixtures(text="wc22")
            assert listed.fixtures[0].by_status == {"active": 1, "inactive": 1}
    documents = [
        decode_document(record.payload.tobytes())
        for record in ChainReader(LocalDisk(), tmp_path / "directory")
        if record.kind == Kind.DOCUMENT
    ]
    authors = [each.by for each in documents if isinstance(each, MarketsPlaced)]
    assert authors == ["trader:trader-1"]


async def test_each_market_that_cannot_be_is_refused_by_itself(tmp_path: Path) -> None:
    def market(key: str, **fields: Any) -> NewMarket:
        given = {"outcomes": ("yes", "no"), "odds_milli": (1_900, 1_900), **fields}
        return NewMarket(key=key, **given)

    async with open_fixture_house(tmp_path) as house, trader(house) as control:
        lines = await control.create_markets(
            [
                market("a/1"),
                market("not a key"),
                market("a/2", odds_milli=(1_900, 1_900, 2_000)),
                market("a/3", limits=OVER_CAP),
                market("a/builder?legs=1a,18a2.5"),
                market("a/4", odds_milli=(9_000, 9_000), open=True),
                market("a/5", outcomes=("same", "same")),
            ]
        )
        refused = [line.refused and (line.refused.reason, line.refused.field) for line in lines]
        assert refused == [
            None,
            (Reason.MALFORMED, "key"),
            (Reason.FIELD_OUT_OF_BOUNDS, "odds_milli"),
            (Reason.LIMIT_OVER_CAP, "limits"),
            (Reason.MALFORMED, "key"),
            (Reason.BOOK_SUM_LOW, "odds_milli"),
            (Reason.FIELD_OUT_OF_BOUNDS, "outcomes"),
        ]
        assert Counter(line.market for line in lines) == {1: 1, 0: 6}


async def test_a_board_that_cannot_be_is_refused_before_anything_is_created(
    tmp_path: Path,
) -> None:
    rates = {"model": {"home_rate": 1.5, "away_rate": 1.0}}
    one_way = (FittedMarket(market="total?total=2.5", odds_milli=(1_900, 1_950)),)
    async with (
        open_fixture_house(tmp_path) as house,
        trader(house) as control,
        trader(house, Role.VIEWER) as viewer,
    ):
        for template, fields, message in (
            ("cricket", {"expect": GOALS}, "template: one of football,"),
            ("football", {}, "one of pricing.model, expect and fit"),
            ("football", {"expect": GOALS, "pricing": rates}, "one of pricing.model"),
            ("tennis", {"expect": GOALS}, "for football"),
            ("football", {"fit": one_way}, "do not determine the two rates"),
            ("football", {"expect": ExpectedGoals(total=1.0, supremacy=2.0)}, "away_rate"),
            ("football", {"pricing": {"model": {"home_rate": 1.5}}}, "away_rate"),
            ("football", {"pricing": {**rates, "sport": "tennis"}}, "sport of football"),
            ("football", {"pricing": rates, "limits": OVER_CAP}, "over the house cap"),
            ("race", {"pricing": {"model": {"win": [0.5, 0.5]}}, "sides": ("A",)}, "runners"),
        ):  # fmt: skip
            with pytest.raises(RefusedError) as refused:
                await control.create_board("a", template, **fields)
            assert message in str(refused.value)
        for call in (
            viewer.create_board("a", "football", expect=GOALS),
            viewer.create_markets([OUTRIGHT]),
        ):
            with pytest.raises(RefusedError) as refused:
                await call
            assert refused.value.reason is Reason.NOT_PERMITTED
        assert (await control.fixtures()).fixtures == ()
        assert house.gateway.routes.markets == {}


async def test_a_board_has_the_margins_that_the_desk_keeps_for_its_scopes(tmp_path: Path) -> None:
    desk = Desk(
        folder=str(tmp_path / "desk"),
        settings=DeskSettings(),
        options=JournalOptions(),
        exit_process=end_part,
    )
    async with open_fixture_house(tmp_path) as house, trader(house) as control:
        house.gateway.on_desk(LocalPeer(desk, name="desk"))
        cup = MarketScope(competition="wc22")
        await control.keep_margin(cup, margin=Margin(book_milli=1_020))
        await control.keep_margin(
            MarketScope(sport="football", type="1x2"), margin=Margin(book_milli=1_100)
        )
        board = await control.create_board(
            "wc22-64", "football_main", expect=GOALS, sides=("Argentina", "France"),
            competition="wc22",
        )  # fmt: skip
        keys = [line.key for line in board.markets]
        quotes = FixtureBoard(keys).quotes(
            model_expecting(GOALS), MatchState(), Margin(book_milli=1_020)
        )
        other = await control.create_board("b", "football_main", expect=GOALS)
        wide = FixtureBoard([line.key for line in other.markets])
        wide_quotes = wide.quotes(model_expecting(GOALS), MatchState(), Margin(book_milli=1_100))
        for line in (*board.markets, *other.markets):
            prices = house.gateway.fanout.topics[line.market].prices
            assert prices is not None
            held = quotes.get(line.key) or wide_quotes[line.key]
            if line in board.markets or parse_market_key(line.key).type == "1x2":
                assert prices.odds_milli == tuple(quote.odds_milli for quote in held)
    await desk.stop()


HALF_TIME = {"period": 2, "first_half": {"home": 2}, "order": "hh"}
RATES = {"home_rate": 1.6, "away_rate": 1.2}


class BusySupervisor(LocalPeer):
    """The way to a supervisor that takes its time to create markets: something happens first."""

    happens: Callable[[], Awaitable[Any]] | None = None

    async def ask(self, method: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        if method == "create_markets" and self.happens is not None:
            await self.happens()
        return await super().ask(method, *arguments, timeout_s=timeout_s)


class BusyDesk(LocalPeer):
    """The way to a desk: something happens after it has said how a match stands."""

    happens: Callable[[], Awaitable[Any]] | None = None
    answers = 2
    """Its answers until then."""

    async def ask(self, method: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        answer = await super().ask(method, *arguments, timeout_s=timeout_s)
        if method == "request" and isinstance(decode_request(arguments[0]), AskMatch):
            self.answers -= 1
            if self.answers == 0 and self.happens is not None:
                await self.happens()
        return answer


@asynccontextmanager
async def with_desk(house: FixtureHouse, folder: Path) -> AsyncIterator[Desk]:
    desk = Desk(
        folder=str(folder / "desk"),
        settings=DeskSettings(),
        options=JournalOptions(),
        exit_process=end_part,
    )
    peer = LocalPeer(desk, name="desk")
    house.gateway.on_desk(peer)
    await house.supervisor.add_gateway("desk", peer)
    try:
        yield desk
    finally:
        await desk.stop()


def prices_of(house: FixtureHouse, number: int) -> Any:
    return house.gateway.fanout.topics[MarketNo(number)].prices


async def test_a_board_added_in_play_is_priced_as_the_match_stands_by_what_the_desk_keeps(
    tmp_path: Path,
) -> None:
    async with (
        open_fixture_house(tmp_path) as house,
        with_desk(house, tmp_path),
        trader(house) as control,
    ):
        book = {"book_milli": 1_050}
        await control.keep_inputs("a", {"model": RATES, "state": HALF_TIME, "margin": book})
        supervisor = BusySupervisor(house.supervisor, name="supervisor")
        supervisor.happens = partial(control.match_event, "a", "goal_cancelled", side="home")
        house.gateway.on_supervisor(supervisor)
        board = await control.create_board(
            "a", "football_main", expect=GOALS, open_markets=True, live=True
        )
        assert (board.model["home_rate"], board.model["away_rate"]) == (1.6, 1.2)
        one_up = msgspec.convert((await control.inputs("a")).state, MatchState)
        assert one_up.first_half.home == 1, "it was two when the board was asked for"
        keys = [line.key for line in board.markets]
        quotes = FixtureBoard(keys).quotes(
            msgspec.convert(RATES, MatchModel), one_up, Margin(book_milli=1_050)
        )
        for line in board.markets:
            prices = prices_of(house, line.market)
            offered = [quote.active for quote in quotes[line.key]]
            assert list(prices.active) == offered
            assert (prices.status is Status.ACTIVE) is any(offered)
            assert [
                odds for odds, active in zip(prices.odds_milli, offered, strict=True) if active
            ] == [quote.odds_milli for quote in quotes[line.key] if quote.active]


async def test_a_goal_while_a_board_is_priced_is_in_its_prices(tmp_path: Path) -> None:
    async with (
        open_fixture_house(tmp_path) as house,
        with_desk(house, tmp_path) as desk,
        trader(house) as control,
    ):
        await control.keep_inputs("a", {"model": RATES, "state": HALF_TIME})
        peer = BusyDesk(desk, name="desk")
        peer.happens = partial(control.match_event, "a", "goal_cancelled", side="home")
        house.gateway.on_desk(peer)
        board = await control.create_board("a", "football_main", open_markets=True)
        assert peer.answers < 0, "it was asked again"
        one_up = msgspec.convert((await control.inputs("a")).state, MatchState)
        keys = [line.key for line in board.markets]
        quotes = FixtureBoard(keys).quotes(msgspec.convert(RATES, MatchModel), one_up, Margin())
        line = board.markets[0]
        odds_milli = tuple(quote.odds_milli for quote in quotes[line.key])
        assert prices_of(house, line.market).odds_milli == odds_milli


async def test_markets_that_were_open_keep_their_odds_when_a_board_is_added(
    tmp_path: Path,
) -> None:
    async with open_fixture_house(tmp_path) as house, trader(house) as control:
        board = await control.create_board("a", "football_main", expect=GOALS)
        opened, closed = (line.market for line in board.markets[:2])
        await control.open_market(opened)
        before = prices_of(house, opened).odds_milli, prices_of(house, closed).odds_milli
        other = {"model": RATES, "state": {}}
        await control.create_board("a", "football_main", pricing=other, open_markets=True)
        assert prices_of(house, opened).odds_milli == before[0]
        assert prices_of(house, closed).odds_milli != before[1]


async def test_a_board_in_play_of_which_no_state_is_known_is_refused(tmp_path: Path) -> None:
    async with (
        open_fixture_house(tmp_path) as house,
        with_desk(house, tmp_path) as desk,
        trader(house) as control,
    ):
        await control.set_fixture("by-state", state=FixtureState.LIVE)
        await control.create_board("by-price", "football_main", expect=GOALS)
        state = {"model": RATES, "state": HALF_TIME}
        await control.reprice("by-price", state)
        await until(lambda: desk.watch.in_play("by-price"))
        for fixture, live in (("by-state", False), ("by-price", False), ("by-word", True)):
            with pytest.raises(RefusedError) as refused:
                await control.create_board(fixture, "football_main", expect=GOALS, live=live)
            assert refused.value.reason is Reason.FIELD_OUT_OF_BOUNDS
            assert "pricing.state" in str(refused.value)
            assert len(house.gateway.routes.markets) == 40
        board = await control.create_board(
            "by-price", "football_main", pricing=state, open_markets=True
        )
        assert board.fixture.by_status["active"] > 10
