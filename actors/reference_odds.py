"""The odds that a model or a feed's probabilities gave last, against which other odds are checked.

Owns them for the markets of one shell, in memory only: they prove nothing once they are old, and a
new process waits for the next ones. What a command is checked against is written into it, so that a
replay needs none of this.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from engine.common.commands import FeedUpdate, MarketCommand, SetOdds
from engine.common.events import FeedApplied, MarketEvent, OddsSet
from engine.common.ids import MarketNo
from engine.common.odds_guard import OddsGuard
from engine.common.units import NS_PER_MS, Nanos

MODEL: Final = "model"
"""Who gives the odds of repricings: anybody's other odds are compared with them."""


class _Reference(NamedTuple):
    """A market's odds by a model; 0 for an outcome without any, which `decided` may name."""

    by: str
    at_ns: int
    odds_milli: tuple[int, ...]
    decided: tuple[int, ...]


class ReferenceView(Struct, frozen=True, kw_only=True):
    """A market's odds by a model, for the part that watches; 0 for an outcome without any."""

    market_no: MarketNo
    by: str
    odds_milli: tuple[int, ...]


class ReferenceOdds:
    """The last odds of models, by market: as many as the shell has markets.

    Parameters
    ----------
    age_ms_max : int
        Age up to which they are compared with.
    step_milli_max : int
        What other odds may be away from them; 0 switches both checks off.
    """

    def __init__(self, *, age_ms_max: int, step_milli_max: int) -> None:
        self._age_ns_max: Final = age_ms_max * NS_PER_MS
        self._step_milli_max: Final = step_milli_max
        self._last: dict[MarketNo, _Reference] = {}

    def note(
        self,
        by: str,
        commands: Iterable[MarketCommand],
        events: Iterable[MarketEvent],
        *,
        at_ns: Nanos,
        withdrawn: Mapping[MarketNo, Container[int]] | None = None,
    ) -> None:
        """Keep the odds that a model has made for markets (those of `withdrawn`, if it is given).

        Odds that their market has refused, or has known already, are not kept. An outcome that it
        does not offer is decided to it, or as good as that, unless it was withdrawn (`withdrawn`,
        by market).
        """
        for odds in _odds_of(commands, events):
            if withdrawn is not None and odds.market_no not in withdrawn:
                continue
            away = () if withdrawn is None else withdrawn[odds.market_no]
            active = [quote.outcome for quote in odds.quotes if quote.active]
            milli = dict.fromkeys(range(1 + max(quote.outcome for quote in odds.quotes)), 0)
            milli |= {quote.outcome: quote.odds_milli for quote in odds.quotes if quote.active}
            decided = tuple(
                quote.outcome
                for quote in odds.quotes
                if quote.outcome not in active and quote.outcome not in away
            )
            self._last[odds.market_no] = _Reference(by, at_ns, tuple(milli.values()), decided)

    def fresh(self, market_nos: Iterable[MarketNo], *, at_ns: Nanos) -> list[ReferenceView]:
        """Return the references of some markets that are not too old to compare with."""
        return [
            ReferenceView(market_no=number, by=last.by, odds_milli=last.odds_milli)
            for number in market_nos
            if (last := self._last.get(number)) is not None
            and at_ns - last.at_ns <= self._age_ns_max
        ]

    def guard(self, guard: OddsGuard, market_no: MarketNo, *, by: str, at_ns: Nanos) -> OddsGuard:
        """Return a guard with a market's reference, where another than `by` gave a fresh one."""
        last = self._last.get(market_no)
        if (
            last is None
            or not self._step_milli_max
            or last.by == by
            or not 0 <= at_ns - last.at_ns <= self._age_ns_max
        ):
            return guard
        return msgspec.structs.replace(
            guard,
            model_step_milli_max=self._step_milli_max,
            model_odds_milli=last.odds_milli,
            decided=last.decided,
        )


def _odds_of(commands: Iterable[MarketCommand], events: Iterable[MarketEvent]) -> Iterator[SetOdds]:
    """Yield the odds among some commands that their markets took."""
    for command, event in zip(commands, events, strict=True):
        if isinstance(event, OddsSet):
            assert isinstance(command, SetOdds), "an event answers its command"
            yield command
        elif isinstance(event, FeedApplied) and isinstance(command, FeedUpdate):
            for step, done in zip(command.steps, event.events, strict=True):
                if isinstance(step, SetOdds) and isinstance(done, OddsSet):
                    yield step
