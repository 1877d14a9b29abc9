"""Make the settlements of a race's win and place markets from its order of finish.

Owns which markets of a race are settled together, and the refusal of names. Dead heats and places
are the engine's.
"""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import NamedTuple

from actors.messages import MarketRoute
from engine.common.commands import OutcomeResult, SettleMarket
from engine.common.ids import MarketNo, parse_market_key
from engine.common.reasons import MESSAGES, Reason
from engine.pricing.race.dead_heats import placed_share, result_of
from engine.pricing.race.terms import WIN, terms_of
from gateway.messages.base import Error
from gateway.messages.races import SettleRace
from gateway.services.price_fanout import Topic

_VOID = OutcomeResult(won=False, void_halves=2)


class _Finish(NamedTuple):
    """Each runner's position, equal in a dead heat and 0 without one, and who did not run."""

    positions: list[int]
    withdrawn: frozenset[int]

    def results(self, places: int) -> tuple[OutcomeResult, ...]:
        """Return the results of a market in which so many places win."""
        return tuple(
            _VOID
            if runner in self.withdrawn
            else result_of(placed_share(self.positions, runner, places=places))
            for runner in range(len(self.positions))
        )


def race_settlements(
    request: SettleRace, routes: Mapping[MarketNo, MarketRoute], topics: Mapping[MarketNo, Topic]
) -> list[SettleMarket] | Error:
    """Return the settlements of a race's win market and of its place markets, or why none."""
    win = routes.get(request.market)
    names = _names(topics, request.market)
    if win is None or names is None or parse_market_key(win.key).type != WIN:
        message = f"market {request.market} is no win market here"
        return Error(code=int(Reason.MARKET_UNKNOWN), message=message, id=request.id)
    finish = _finish(request, names)
    if isinstance(finish, Error):
        return finish
    places = {request.market: 1}
    key = parse_market_key(win.key)
    for number, route in routes.items():
        if not route.key.startswith(f"{key.fixture}/"):
            continue
        found = terms_of(parse_market_key(route.key))
        if found is not None and found[0] == key and _names(topics, number) == names:
            places[number] = found[1].places
    return [
        SettleMarket(market_no=number, results=finish.results(most), deductions=request.deductions)
        for number, most in places.items()
    ]


def _names(topics: Mapping[MarketNo, Topic], number: MarketNo) -> tuple[str, ...] | None:
    topic = topics.get(number)
    return None if topic is None or topic.shown is None else topic.shown.outcomes


def _finish(request: SettleRace, names: tuple[str, ...]) -> _Finish | Error:
    numbers = {name: runner for runner, name in enumerate(names)}
    fault = _fault(chain(*request.order, request.withdrawn), numbers)
    if fault is not None:
        return Error(code=int(fault[0]), message=fault[1], id=request.id)
    positions, ahead = [0] * len(names), 0
    for tied in request.order:
        for name in tied:
            positions[numbers[name]] = ahead + 1
        ahead += len(tied)
    return _Finish(positions, frozenset(numbers[name] for name in request.withdrawn))


def _fault(given: Iterable[str], numbers: Mapping[str, int]) -> tuple[Reason, str] | None:
    seen: set[str] = set()
    for name in given:
        if name not in numbers:
            return Reason.OUTCOME_UNKNOWN, f"{name!r}: {MESSAGES[Reason.OUTCOME_UNKNOWN]}"
        if name in seen:
            return Reason.FIELD_OUT_OF_BOUNDS, f"{name!r} is named twice"
        seen.add(name)
    return None
