"""Forks of a market machine: commands are tried on a copy, and what they did is compared.

Owns what a fork has its own copy of, and what it leaves out: the grids of fixtures, the bets that
wait and the positions of feeds, none of which says what a command pays. Never changes the machine.
"""

from copy import copy
from typing import TYPE_CHECKING, Self

from engine.common.commands import FeedStep
from engine.common.corrections import CorrectionCommand
from engine.common.events import FeedStepEvent, MarketEvent, MarketKeptStopped, Refused
from engine.common.ids import MarketNo
from engine.common.previews import Preview, PreviewAnswer, PreviewCommand
from engine.common.units import Nanos
from engine.market.bet_resolution import Resolutions
from engine.market.book import Book
from engine.market.command_checks import market_unknown
from engine.market.fixture_grid import FixtureGrids
from engine.market.preview import Moved, compare, moved


class Forking:
    """What a machine knows of its forks."""

    _book: Book
    _resolutions: Resolutions
    _grids: FixtureGrids
    _slot_of: dict[MarketNo, int]

    if TYPE_CHECKING:

        def _apply_step(
            self, command: FeedStep, slot: int, at_ns: Nanos, *, by_feed: bool
        ) -> FeedStepEvent | MarketKeptStopped: ...

    def fork(self) -> Self:
        """Return a machine that shares the bets, for commands to be tried on and no bets.

        It must be dropped before anything changes here.
        """
        twin = copy(self)
        twin._resolutions = self._resolutions.fork()
        twin._book = twin._resolutions.book
        twin._book.markets["grid"] = 0
        twin._grids = FixtureGrids(twin._book, twin._resolutions)
        return twin

    def attempt(
        self, step: FeedStep | CorrectionCommand, at_ns: Nanos, *, by_feed: bool = False
    ) -> MarketEvent:
        """Apply a command, or a step of a feed's message, to this fork."""
        slot = self._slot_of.get(step.market_no)
        if slot is None:
            return market_unknown(step.market_no)
        if isinstance(step, CorrectionCommand):
            return self._resolutions.correct(step, slot)
        return self._apply_step(step, slot, at_ns, by_feed=by_feed)

    def preview(self, command: PreviewCommand, at_ns: Nanos) -> PreviewAnswer:
        """Return what a command would do to its market's bets, and change nothing."""
        twin = self.fork()
        event = twin.attempt(command, at_ns)
        return event if isinstance(event, Refused) else self.compare(twin, command.market_no)

    def compare(self, twin: Self, market_no: MarketNo) -> Preview:
        """Return what a fork's commands have done to a market's bets."""
        return compare(self._resolutions, twin._resolutions, self._slot_of[market_no])

    def moved(self, twin: Self, market_no: MarketNo) -> Moved:
        """Return how much money a fork's commands move of a market (see Preview)."""
        return moved(self._resolutions, twin._resolutions, self._slot_of[market_no])

    def settlement_no(self, market_no: MarketNo) -> int:
        """Return the number of a market's last settlement or correction."""
        return int(self._book.markets[self._slot_of[market_no]]["settlement_no"])

    def market_bets(self, market_no: MarketNo) -> int:
        """Return how many bets and legs a market has accepted."""
        return int(self._book.markets[self._slot_of[market_no]]["bets"])
