"""What a session asks about fixtures, and how a trader changes them.

Owns the methods; the requests are sent by the session that has them.
"""

from collections.abc import Mapping, Sequence

from msgspec import UNSET, UnsetType

from engine.common.fixtures import FixtureState
from gateway.client.session import Session
from gateway.messages.fixtures import (
    AskCatalogue,
    AskFixtures,
    Catalogue,
    ClaimFixture,
    FixtureLine,
    Fixtures,
    FixtureSet,
    SetFixture,
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
    """What a trader changes of fixtures."""

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
