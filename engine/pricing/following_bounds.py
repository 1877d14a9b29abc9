"""Keep markets that follow others as strict as those: in their limits, delay and referral.

Owns what makes one market as strict as others; nothing loosens it. Which markets follow which, and
when they are looked at, whoever follows knows.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from engine.common.acceptance import SetAcceptance, stricter
from engine.common.commands import Limits, LimitsPatch, SetLimits
from engine.common.events import AcceptanceSet, FeedApplied, LimitsSet, MarketCreated, MarketEvent
from engine.common.ids import MarketNo
from engine.common.units import Minor
from engine.market.market import MarketMachine

_FIXTURE: Final = "fixture_liability_minor_max"
"""The limit that is none when it is 0."""
UPPER: Final = tuple(
    name for name in Limits.__struct_fields__ if name not in ("stake_minor_min", _FIXTURE)
)
"""The limits of which less is stricter, whatever they are."""


def least_limits(machine: MarketMachine, market_nos: Iterable[MarketNo]) -> Limits:
    """Return the least of each limit over some markets; the smallest stake is the highest."""
    found = [machine.book_image(number).limits for number in market_nos]
    least = {name: min(getattr(each, name) for each in found) for name in UPPER}
    of_fixture = [
        each.fixture_liability_minor_max for each in found if each.fixture_liability_minor_max
    ]
    highest = max(each.stake_minor_min for each in found)
    return Limits(
        stake_minor_min=min(highest, least["stake_minor_max"]),
        fixture_liability_minor_max=min(of_fixture, default=Minor(0)),
        **least,
    )


def limit_commands(
    machine: MarketMachine, number: MarketNo, leads: Sequence[MarketNo]
) -> list[SetLimits]:
    """Return what lowers a market's limits to the least of those it follows; none is raised."""
    given, least = machine.book_image(number).limits, least_limits(machine, leads)
    over = {
        name: getattr(least, name) for name in UPPER if getattr(given, name) > getattr(least, name)
    }
    of_fixture = least.fixture_liability_minor_max
    if of_fixture > 0 and not 0 < given.fixture_liability_minor_max <= of_fixture:
        over[_FIXTURE] = of_fixture
    if not over:
        return []
    if given.stake_minor_min > over.get("stake_minor_max", given.stake_minor_max):
        over["stake_minor_min"] = over["stake_minor_max"]
    return [SetLimits(market_no=number, limits=LimitsPatch(**over))]


def acceptance_commands(
    machine: MarketMachine, number: MarketNo, leads: Sequence[MarketNo], *, why: str
) -> list[SetAcceptance]:
    """Return what delays and refers a market as the strictest of those it follows.

    Else a bet that waits on its own market would be taken at once in one that follows it.
    """
    book = machine.book_image
    patch = stricter(book(number).acceptance, [book(lead).acceptance for lead in leads])
    if patch is None:
        return []
    return [SetAcceptance(market_no=number, acceptance=patch, why=why)]


def bounds_changed(event: MarketEvent) -> tuple[bool, bool]:
    """Return whether an event sets limits, and whether it sets how bets are taken."""
    steps = event.events if isinstance(event, FeedApplied) else (event,)
    return (
        any(isinstance(step, LimitsSet | MarketCreated) for step in steps),
        any(isinstance(step, AcceptanceSet | MarketCreated) for step in steps),
    )
