"""List what is to be settled: markets of what is over, and those of which feeds state two results.

Owns which markets are on the list, by the gateway's copies. The desk knows the conflicts.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from actors.desk_messages import AskConflicts, ConflictPage
from actors.routes import Routes
from engine.common.fixtures import FixtureState
from engine.common.ids import MARKET_NO_MAX, MarketNo
from engine.common.lifecycle import Status
from engine.common.stated_matches import MatchStatements, match_differs
from engine.common.stated_results import MarketStatements, differing
from gateway.messages.market import STATUS_NAMES
from gateway.messages.settlement_work import (
    MATCHES_MAX,
    AskSettlementWork,
    MatchLine,
    SettlementLine,
    SettlementList,
)
from gateway.services.catalogue import FixtureCatalogue
from gateway.services.desk import DeskClient
from gateway.services.price_fanout import Fanout

_DECIDED: Final = (Status.SETTLED, Status.CANCELLED)
_OVER: Final = (FixtureState.ENDED, FixtureState.CANCELLED)


class SettlementWork:
    """The list, from one gateway.

    Parameters
    ----------
    desk : DeskClient
        Knows the conflicts between feeds.
    routes : Routes
        The markets of each fixture.
    catalogue : FixtureCatalogue
        The state of each fixture, and how many of its markets have which status.
    fanout : Fanout
        The last status of each market.
    """

    def __init__(
        self, *, desk: DeskClient, routes: Routes, catalogue: FixtureCatalogue, fanout: Fanout
    ) -> None:
        self._desk = desk
        self._routes = routes
        self._catalogue = catalogue
        self._fanout = fanout

    async def answer(self, request: AskSettlementWork) -> SettlementList:
        """Return a page of the list."""
        answer = await self._desk.ask(AskConflicts())
        known = isinstance(answer, ConflictPage)
        found = answer.conflicts if isinstance(answer, ConflictPage) else ()
        conflicts = {each.market_no: each for each in found}
        numbers = set(conflicts)
        if not request.conflicts:
            numbers.update(self._unsettled())
        after = sorted(number for number in numbers if number > request.after)
        lines = (self._line(number, conflicts.get(number)) for number in after[: request.limit])
        return SettlementList(
            id=request.id,
            lines=tuple(line for line in lines if line is not None),
            more=len(after) > request.limit,
            conflicts=len(conflicts),
            unknown=not known,
            matches=_matches(answer.matches) if isinstance(answer, ConflictPage) else (),
        )

    def _unsettled(self) -> Iterator[MarketNo]:
        """Yield the markets without a result of what is over, and those that are closed."""
        for fixture, over in self._catalogue.unsettled(_OVER):
            routes, _ = self._routes.page(fixture=fixture, after=0, limit=MARKET_NO_MAX)
            for route in routes:
                status = self._status(route.market_no)
                if status is Status.CLOSED or (over and status not in (None, *_DECIDED)):
                    yield route.market_no

    def _status(self, number: MarketNo) -> Status | None:
        topic = self._fanout.topics.get(number)
        return None if topic is None or topic.prices is None else topic.prices.status

    def _line(self, number: MarketNo, conflict: MarketStatements | None) -> SettlementLine | None:
        status, route = self._status(number), self._routes.markets.get(number)
        if status is None or route is None:
            return None  # the gateway has not heard of it yet
        fixture = self._catalogue.line(route.key.partition("/")[0], for_bettors=False)
        statements = () if conflict is None else conflict.statements
        return SettlementLine(
            market=number,
            key=route.key,
            status=STATUS_NAMES[status],
            fixture_state="" if fixture is None else fixture.state,
            differ=tuple(differing(statements)),
            statements=statements,
        )


def _matches(differing: Sequence[MatchStatements]) -> tuple[MatchLine, ...]:
    newest = list(reversed(differing))[:MATCHES_MAX]
    return tuple(
        MatchLine(
            fixture=one.fixture,
            differ=match_differs(one.statements),
            statements=one.statements,
        )
        for one in newest
    )
