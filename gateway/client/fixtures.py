"""What a session asks about fixtures, and how a trader changes them.

Owns the methods; the requests are sent by the session that has them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from engine.common.board_inputs import ExpectedGoals, FittedMarket
from engine.common.commands import LimitsPatch
from engine.common.fixtures import FixtureState
from gateway.client.session import Session
from gateway.messages.bettor import Watching
from gateway.messages.boards import (
    BoardCreated,
    CreateBoard,
    CreatedMarket,
    CreateMarkets,
    MarketsCreated,
    NewMarket,
)
from gateway.messages.fixtures import (
    AskCatalogue,
    AskFixtures,
    Catalogue,
    ClaimFixture,
    FixtureLine,
    Fixtures,
    FixtureSet,
    SetFixture,
    WatchFixtures,
)


class FixtureQueries(Session):
    """Questions about fixtures, for every role."""

    async def fixtures(
        self,
        *,
        fixture: str = "",
        sport: str = "",
        competition: str = "",
        states: Sequence[FixtureState] = (),
        owner: str | None = None,
        from_ms: int | None = None,
        until_ms: int | None = None,
        text: str = "",
        newest_first: bool = False,
        after: str = "",
        limit: int = 100,
    ) -> Fixtures:
        """Return a page of fixtures by start; go on `after` the page's `next` while it has one.

        Parameters
        ----------
        fixture : str
            One fixture's id; nothing else then narrows the list.
        sport, competition : str
            Ids.
        states : sequence of FixtureState
            Any of these states; none for all.
        owner : str, optional
            Who holds it, ``trader:anna``, or "" for nobody; not for bettors.
        from_ms, until_ms : int, optional
            Start in UTC milliseconds, the second excluded.
        text : str
            Words that id, names, sides, country or external ids must have.
        newest_first : bool
            Latest start first.

        Raises
        ------
        RefusedError
            A bettor asked by `owner`.
        """
        return await self._request(
            AskFixtures,
            Fixtures,
            fixture=fixture,
            sport=sport,
            competition=competition,
            states=tuple(states),
            owner=owner,
            from_ms=from_ms,
            until_ms=until_ms,
            text=text,
            newest_first=newest_first,
            after=after,
            limit=limit,
        )

    async def catalogue(self) -> Catalogue:
        """Return all sports and competitions, with counts of their fixtures and markets."""
        return await self._request(AskCatalogue, Catalogue)


class FixtureCommands(FixtureQueries):
    """What a trader changes of fixtures, and how markets are created."""

    async def watch_fixtures(self, *, on: bool = True) -> None:
        """Begin to call `on_fixtures` with fixtures that change, or stop."""
        await self._request(WatchFixtures, Watching, on=on)

    async def create_markets(
        self, markets: Sequence[NewMarket], *, sport: str = "", live: bool = False
    ) -> tuple[CreatedMarket, ...]:
        """Create up to 64 markets by hand; the same call may be made again.

        Returns
        -------
        tuple of CreatedMarket
            For each market, in order, its number, or why there is none or why it is not open.
        """
        answer = await self._request(
            CreateMarkets, MarketsCreated, markets=tuple(markets), sport=sport, live=live
        )
        return answer.markets

    async def create_board(
        self,
        fixture: str,
        template: str,
        *,
        pricing: Any = None,
        expect: ExpectedGoals | None = None,
        fit: Sequence[FittedMarket] = (),
        limits: LimitsPatch | None = None,
        open_markets: bool = False,
        live: bool = False,
        **description: Any,
    ) -> BoardCreated:
        """Create, price and perhaps open a fixture's whole board; may be called again.

        Parameters
        ----------
        fixture : str
            The fixture; `description` describes it, as `set_fixture` takes it.
        template : str
            football, football_main, football_cup, tennis, basketball or race.
        pricing : Struct or mapping, optional
            `model`, `state`, `margin` and `skew`, as `reprice` takes them.
        expect, fit
            Of football, where the model comes from: expected goals, or odds of markets.
        limits : LimitsPatch, optional
            Limits of every new market.
        open_markets : bool
            Whether the markets are opened for bets.
        live : bool
            Whether they get the limits of play.

        Raises
        ------
        RefusedError
            The template is unknown, no model fits, a field is out of bounds, or a limit is over
            the house cap.
        """
        return await self._request(
            CreateBoard,
            BoardCreated,
            fixture=fixture,
            template=template,
            pricing={} if pricing is None else msgspec.to_builtins(pricing),
            expect=expect,
            fit=tuple(fit),
            limits=LimitsPatch() if limits is None else limits,
            open=open_markets,
            live=live,
            **description,
        )

    async def set_fixture(
        self,
        fixture: str,
        *,
        name: str | UnsetType = UNSET,
        sport: str | UnsetType = UNSET,
        competition: str | UnsetType = UNSET,
        competition_name: str | UnsetType = UNSET,
        country: str | UnsetType = UNSET,
        sides: Sequence[str] | UnsetType = UNSET,
        start_ms: int | UnsetType = UNSET,
        state: FixtureState | UnsetType = UNSET,
        external_ids: Mapping[str, str] | UnsetType = UNSET,
        release: Sequence[str] = (),
    ) -> FixtureLine:
        """Describe a fixture, known or new; what is named is held against feeds until released.

        Raises
        ------
        RefusedError
            A field is out of bounds, or the supervisor did not answer.
        """
        answer = await self._request(
            SetFixture,
            FixtureSet,
            fixture=fixture,
            name=name,
            sport=sport,
            competition=competition,
            competition_name=competition_name,
            country=country,
            sides=UNSET if sides is UNSET else tuple(sides),
            start_ms=start_ms,
            state=state,
            external_ids=UNSET if external_ids is UNSET else dict(external_ids),
            release=tuple(release),
        )
        return answer.fixture

    async def claim_fixture(
        self, fixture: str, *, owner: str | None = None, take_over: bool = False
    ) -> FixtureLine:
        """Claim a fixture; with `owner` hand it over to another trader, with "" release it.

        Raises
        ------
        RefusedError
            Another one holds it and `take_over` is not set, or there is no such fixture.
        """
        answer = await self._request(
            ClaimFixture, FixtureSet, fixture=fixture, owner=owner, take_over=take_over
        )
        return answer.fixture
