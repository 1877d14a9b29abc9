"""Carry out an adapter's actions: market updates, repricing and recovery requests.

Owns the step from keys to market numbers and shells, and the markets that are being created. It
never decides what a market does with an update.
"""

from typing import Final

import msgspec

from actors.messages import MarketRoute
from actors.routes import Routes
from engine.common.commands import FeedStep, SetPhaseLimits
from engine.common.ids import MarketNo
from engine.pricing.fair_probabilities import Mark
from engine.pricing.following import Followed
from engine.pricing.quoting import Margin
from engine.pricing.repricing import Reprice
from engine.pricing.skew import Skew
from gateway.feeds.core.adapter import (
    Action,
    MarketUpdate,
    PriceFixture,
    Received,
    RecoveryRequest,
)
from gateway.feeds.core.market_creation import MarketCreation
from gateway.feeds.core.opened_markets import OpenedMarkets
from gateway.feeds.core.pending_message import PendingMessage
from gateway.feeds.core.recovery_requests import RecoveryRequests
from gateway.feeds.core.shell_queue import ShellQueues, Task
from gateway.market_limits import LIVE, PREMATCH, LimitRules, patch_of

_IN_PLAY: Final = 1
"""The position of play in the source that tells a market its phase."""


class ActionRunner:
    """Carry out the actions of one feed's adapter.

    Parameters
    ----------
    by : str
        The feed's name in journals and in the directory.
    routes : Routes
        Where markets are; routes of markets that are created here are added to it.
    queues : ShellQueues
        Sends the parts of messages to market shells.
    requests : RecoveryRequests
        Keeps recovery requests.
    creations_in_call_max : int
        Markets that the supervisor is asked to create in one call.
    limits : LimitRules
        The limits that markets get when they are created and when they are in play.
    margin, skew
        What the odds of a priced fixture hold above fair, and how they follow the book.
    """

    def __init__(
        self,
        *,
        by: str,
        routes: Routes,
        queues: ShellQueues,
        requests: RecoveryRequests,
        creations_in_call_max: int,
        limits: LimitRules,
        margin: Margin,
        skew: Skew | None,
    ) -> None:
        self.creation: Final = MarketCreation(
            by=by,
            markets_in_call_max=creations_in_call_max,
            limits=limits,
            on_route=self._on_created,
            deliver=self.run,
        )
        self.opened: Final = OpenedMarkets()
        self._by: Final = by
        self._limits: Final = limits
        self._in_play: set[MarketNo] = set()
        self._routes: Final = routes
        self._queues: Final = queues
        self._requests: Final = requests
        self._margin: Final = margin
        self._skew: Final = skew
        self._fixture_shells: dict[str, dict[str, None]] = {}

    def run(self, message: PendingMessage, action: Action) -> None:
        """Carry out one action of a message."""
        if isinstance(action, MarketUpdate):
            self._update(message, action)
        elif isinstance(action, PriceFixture):
            self._price(message, action)
        else:
            assert isinstance(action, RecoveryRequest), "the intake holds and releases messages"
            self._requests.add(action)

    def run_all(self, received: Received) -> None:
        """Carry out actions that no source waits for: those of a tick or of a resumption."""
        message = PendingMessage(
            kind=received.kind, refused="", received_s=0.0, on_done=lambda _: None
        )
        for action in received.actions:
            self.run(message, action)

    def forget_phases(self) -> None:
        """Tell markets in play their phase once more: a shell may have missed it."""
        self._in_play.clear()

    def on_market(self, market: MarketRoute) -> None:
        """Note which shell hosts a market of a fixture."""
        fixture = market.key.partition("/")[0]
        self._fixture_shells.setdefault(fixture, {})[market.shell] = None

    def _on_created(self, route: MarketRoute) -> None:
        """Take the route of a market that was just created."""
        self._routes.update(version=0, shells=(), markets=[route], peers={})
        self.on_market(route)

    def _update(self, message: PendingMessage, update: MarketUpdate) -> None:
        number = None
        # While a market is awaited, its updates wait behind earlier ones even if its route is here.
        if not self.creation.awaited(update.key):
            number = self.creation.number_of(update.key)
            if number is None:
                number = self._routes.market_no_by_key.get(update.key)
        if number is None:
            message.add_part()
            self.creation.wait_created(message, update)
            return
        self.opened.note(number, update)
        shell = self._routes.markets[number].shell
        self._follow_phase(message, update, number, shell)
        if update.fair is None and not update.steps:
            return  # the update only asks that the market exists
        message.add_part()
        self._queues.add(shell, Task(message, _followed(update, number)))

    def _follow_phase(
        self, message: PendingMessage, update: MarketUpdate, number: MarketNo, shell: str
    ) -> None:
        """Give a market the limits of play when the feed first has it in play.

        The market remembers by the mark that it has changed phase; this set only saves calls, and
        holds no more markets than the routes do.
        """
        new_market = update.new_market
        if number in self._in_play or new_market is None or new_market.phase != LIVE:
            return
        self._in_play.add(number)
        given = None if new_market.limits is None else patch_of(new_market.limits)
        (before, _), (limits, why) = (
            self._limits.of(update.key, sport=new_market.sport, phase=phase, given=given)
            for phase in (PREMATCH, LIVE)
        )
        if before == limits:
            return
        step = SetPhaseLimits(market_no=number, before=before, limits=limits, why=why)
        mark = Mark(source=f"{self._by}/limits", position=_IN_PLAY)
        message.add_part()
        self._queues.add(shell, Task(message, Followed(market_no=number, mark=mark, steps=(step,))))

    def _price(self, message: PendingMessage, action: PriceFixture) -> None:
        """Price existing markets at once, and all again when markets in creation exist.

        Bets must not be taken at the old prices meanwhile; a market refuses a position that it has
        obeyed, so the second pricing changes only the new markets.
        """
        if self.creation.expecting(action.fixture):
            message.add_part()
            self.creation.wait_fixture_created(message, action)
        for shell in self._fixture_shells.get(action.fixture, ()):
            message.add_part()
            self._queues.add(shell, Task(message, self._reprice(action)))

    def _reprice(self, action: PriceFixture) -> Reprice:
        return Reprice(
            by=self._by,
            fixture=action.fixture,
            sport=action.sport,
            model=action.model,
            state=action.state,
            margin=self._margin,
            skew=self._skew,
            mark=action.mark,
            suspend=action.suspend,
            resume=action.resume,
            builder_limits=self._limits.of_builders(action.fixture, sport=action.sport),
        )


def _followed(update: MarketUpdate, market_no: MarketNo) -> Followed:
    """Return a market's part of a message, with the market's number in every command."""
    return Followed(
        market_no=MarketNo(market_no),
        mark=update.mark,
        steps=tuple([_with_market(step, market_no) for step in update.steps]),
        fair=update.fair,
    )


def _with_market(step: FeedStep, market_no: MarketNo) -> FeedStep:
    return msgspec.structs.replace(step, market_no=market_no)
