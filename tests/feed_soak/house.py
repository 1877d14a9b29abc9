"""Play a story on a whole bookmaker in this process, with bets between its messages.

Owns what happens and records it; what should have happened is the oracle's.
"""

import asyncio
from typing import Final

from msgspec import Struct

from engine.common.rows import SlipState
from engine.common.views import Slip
from gateway.feeds.uof.adapter import UofAdapter
from tests.actors.virtual import now_s
from tests.feed_soak.messages import EVENTS, KINDS, Place
from tests.feed_soak.story import Delivery, Restart, Story
from tests.gateway.feeds.story.bookmaker import (
    ACCOUNTS,
    FEED,
    FeedBookmaker,
    open_feed_bookmaker,
)
from tests.gateway.feeds.uof.builders import UNWATCHED

ACCOUNT: Final = ACCOUNTS[0]
STAKE_MINOR: Final = 1_000
_COMES_AGAIN: Final = 3
"""Messages that a bridge sends again after its restart."""
_POLL_S: Final = 0.25
_APART_S: Final = 0.001
"""Between bets and the message after them, so that their times differ."""


class Wager(Struct, frozen=True, kw_only=True):
    """A bet and its answer; `after` counts the deliveries before it."""

    ref: str
    market: Place
    outcome: int
    after: int
    accepted: bool
    odds_milli: int


class Record(Struct, kw_only=True):
    """What was delivered in which order, the bets, and what became of their slips."""

    deliveries: list[Delivery]
    wagers: list[Wager]
    slips: dict[str, Slip]


async def play(story: Story) -> Record:
    """Play a story from its first delivery until every payout has arrived."""
    async with open_feed_bookmaker(lambda: UofAdapter(FEED, UNWATCHED)) as bookmaker:
        house = House(bookmaker)
        for delivery in story.deliveries:
            await house.deliver(delivery)
            if delivery.bets:
                await house.bet_everywhere()
        await house.settle()
        return house.record


class House:
    """A bookmaker in the middle of a story."""

    def __init__(self, bookmaker: FeedBookmaker) -> None:
        self._bookmaker = bookmaker
        self.record = Record(deliveries=[], wagers=[], slips={})

    async def deliver(self, delivery: Delivery) -> None:
        """Deliver a message, not before its own time, with what happens meanwhile."""
        await asyncio.sleep(max(_APART_S, delivery.message.at_ms / 1_000 - now_s()))
        bookmaker, body = self._bookmaker, delivery.body.encode()
        if delivery.restart is not None:
            ticket = await bookmaker.pipeline.accept([body])
        if delivery.restart is Restart.PIPELINE:
            await bookmaker.restart_pipeline()  # nobody has the answer: the message comes again
        elif delivery.restart is Restart.ALL:
            await bookmaker.restart_all()
        elif delivery.restart is Restart.SHELLS:
            await bookmaker.restart_shells()
            await bookmaker.pipeline.applied(ticket)
        elif delivery.restart is Restart.BRIDGE:
            await bookmaker.pipeline.applied(ticket)
            for again in self.record.deliveries[-_COMES_AGAIN:]:
                await bookmaker.push(again.body.encode())
        await bookmaker.push(body)
        self.record.deliveries.append(delivery)

    async def bet_everywhere(self) -> None:
        """Place one bet on each market at the odds that it shows."""
        images = await self._bookmaker.images()
        for event in EVENTS:
            for place, kind in enumerate(KINDS):
                image = images.get(f"{event}/{kind.ours}")
                if image is not None:
                    number = len(self.record.wagers)
                    outcome = number % len(kind.outcomes)
                    decision = await self._bookmaker.place(
                        f"bet{number}",
                        image,
                        outcome,
                        stake=STAKE_MINOR,
                        odds=image.odds_milli[outcome],
                        account=ACCOUNT,
                    )
                    self.record.wagers.append(
                        Wager(
                            ref=f"bet{number}",
                            market=(event, place),
                            outcome=outcome,
                            after=len(self.record.deliveries),
                            accepted=int(decision["reason"]) == 0,
                            odds_milli=int(decision["odds_milli"]),
                        )
                    )

    async def settle(self) -> None:
        """Wait until no payout is under way, then read every slip."""
        system = self._bookmaker.system
        await system.refresh()
        for name in {route.shell for route in system.routes.markets.values()}:
            while await system.peer(name).ask("outbox_shards"):
                await asyncio.sleep(_POLL_S)
        for wager in self.record.wagers:
            slip = await self._bookmaker.slip(ACCOUNT, wager.ref)
            while slip is not None and slip.state is SlipState.PENDING:  # the reconciler asks
                await asyncio.sleep(_POLL_S)
                slip = await self._bookmaker.slip(ACCOUNT, wager.ref)
            if slip is not None:
                self.record.slips[wager.ref] = slip
