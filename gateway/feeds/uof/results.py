"""Turn bet_settlement, bet_cancel and their roll-backs into market updates.

Owns what the registry keeps of a market's results, and which results are held while their
producer is recovered. It never decides whether a market obeys: the market knows its own results.
"""

from typing import Final, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from engine.common.commands import FeedStep, SetStatus
from engine.common.lifecycle import Status
from engine.common.units import Nanos
from gateway.feeds.core.adapter import (
    MARKET_NO_LATER,
    Action,
    Hold,
    Mark,
    MarketUpdate,
    NewMarket,
)
from gateway.feeds.core.clock import FeedClock
from gateway.feeds.uof.early_results import (
    EarlyPart,
    EarlyResults,
    ResultMessage,
    ResultOfMarket,
)
from gateway.feeds.uof.market_registry import ListedMarket, MarketRegistry, result_source
from gateway.feeds.uof.market_updates import status_update
from gateway.feeds.uof.messages import (
    NO_PRODUCT,
    BetCancel,
    BetSettlement,
    EventMessage,
    MarketName,
    MarketSettled,
    MarketVoided,
    RollbackBetCancel,
    RollbackBetSettlement,
)
from gateway.feeds.uof.passed_over import PassedOver
from gateway.feeds.uof.producers import Producers
from gateway.feeds.uof.result_buffer import ResultBuffer
from gateway.feeds.uof.result_commands import (
    cancel_bets,
    outcomes_of,
    roll_back_cancel,
    roll_back_settlement,
    settle_market,
)

_IN_PART: Final = "settled in part"


class Results:
    """The results of one feed.

    Parameters
    ----------
    feed : str
        The feed's name.
    registry : MarketRegistry
        The feed's markets.
    producers : Producers
        Says whether a producer's results arrive in order.
    buffer : ResultBuffer
        Holds messages while their producer is recovered.
    early : EarlyResults
        Remembers results of markets whose odds have not come yet.
    clock : FeedClock
        Converts the timestamps of windows to engine time.
    passed_over : PassedOver
        Counts results that are refused here.
    """

    def __init__(
        self,
        feed: str,
        *,
        registry: MarketRegistry,
        producers: Producers,
        buffer: ResultBuffer,
        early: EarlyResults,
        clock: FeedClock,
        passed_over: PassedOver,
    ) -> None:
        self._feed: Final = feed
        self._registry: Final = registry
        self._producers: Final = producers
        self._buffer: Final = buffer
        self._early: Final = early
        self._clock: Final = clock
        self._passed_over: Final = passed_over

    def on_result(self, message: ResultMessage, digest: int) -> list[Action]:
        """Return the updates of a message's markets; what has no market yet is remembered."""
        stops: list[MarketUpdate] = []
        updates: list[MarketUpdate] = []
        for market in message.markets:
            listed = self._find(message, market, digest)
            if listed is not None:
                if isinstance(message, BetSettlement) and message.timestamp < listed.any_result_ms:
                    # The market refuses it behind a newer result, but bets must not go on.
                    stops += self._stop_update(listed, message, "settlement came late")
                update = self._market_update(listed, EarlyPart(message, market, digest))
                listed.any_result_ms = max(listed.any_result_ms, message.timestamp)
                if update is not None:
                    (stops if update.mark is None else updates).append(update)
        actions = self._deliver(message, updates)
        # A message is held only while its producer's markets are suspended anyway.
        return actions if actions and isinstance(actions[0], Hold) else [*stops, *actions]

    def on_new_market(
        self, event_id: str, name: MarketName, listed: ListedMarket, new_market: NewMarket
    ) -> list[Action]:
        """Return what came before a market's first odds, for the market to be created with.

        Parts of a producer that is being recovered wait until that is complete.
        """
        updates: list[Action] = []
        identity = self._registry.identity(event_id, name)
        for part in () if identity is None else self._early.take(identity):
            update = self._market_update(listed, part)
            if update is None:
                continue
            update = replace(update, new_market=new_market)
            product = part.message.product
            complete = product == NO_PRODUCT or self._producers.is_complete(product)
            if complete or update.mark is None:
                updates.append(update)
            else:
                self._buffer.add_early(product, update)
        return updates

    def on_open(self, listed: ListedMarket, at_ms: int) -> None:
        """Note that odds open a market: what is older than these odds voids no later bet."""
        listed.note_open(at_ms, self._clock.latest_ns)

    def _accepted_before_ns(self, listed: ListedMarket, message: BetCancel) -> Nanos | UnsetType:
        """Return the time from which on a cancellation voids no bet; UNSET: that of its command.

        Bets at odds newer than the cancellation stay: the provider opened the market for them.
        Where it is not known when the first of these odds came, bets since the cancellation's own
        time stay.
        """
        if message.timestamp >= listed.opened_ms:
            return UNSET
        if message.timestamp >= listed.opened_before_ms:
            return Nanos(listed.opened_at_ns)
        return Nanos(self._clock.engine_ns(message.timestamp))

    def _market_update(self, listed: ListedMarket, part: EarlyPart) -> MarketUpdate | None:
        """Return one market's update, and note in the registry what it means; None: refused."""
        message, market, digest = part
        step = self._step(listed, message, market)
        if isinstance(step, str):
            kind = "settlement refused" if isinstance(message, BetSettlement) else "result refused"
            self._passed_over.lose(kind, listed.market.key, step)
            if not isinstance(message, BetSettlement):
                return None
            return next(iter(self._stop_update(listed, message, kind)), None)
        if not isinstance(message, BetSettlement):
            return self._update(message, listed, step, digest)
        self._passed_over.losses.clear(listed.market.key)
        if not listed.settled and self._stop(listed, message):
            stop = SetStatus(market_no=MARKET_NO_LATER, status=Status.SUSPENDED, why=_IN_PART)
            return self._update(message, listed, step, digest, stop)
        return self._update(message, listed, step, digest)

    def _stop_update(
        self, listed: ListedMarket, message: EventMessage, why: str
    ) -> list[MarketUpdate]:
        """Return the suspension of a market whose settlement it cannot obey, if it was open.

        Odds older than the settlement do not open it.
        """
        listed.ended_ms = max(listed.ended_ms, message.timestamp)
        if not self._stop(listed, message):
            return []
        return [status_update(listed, None, Status.SUSPENDED, why)]

    @staticmethod
    def _stop(listed: ListedMarket, message: EventMessage) -> bool:
        """Note that a market is closed until newer odds open it; say whether it was open.

        Whoever knows one result may know the others: what is not settled yet is not offered
        because of it.
        """
        if not listed.open_when_trusted or listed.status_ms > message.timestamp:
            return False
        listed.last_status, listed.status_ms = Status.SUSPENDED, message.timestamp
        return True

    def _step(
        self, listed: ListedMarket, message: ResultMessage, market: ResultOfMarket
    ) -> FeedStep | str:
        """Return the step of one market, noted in the registry, or why it is refused."""
        if isinstance(message, BetSettlement):
            assert isinstance(market, MarketSettled)
            return self._settled(listed, message, market)
        assert isinstance(market, MarketVoided)
        outcomes = outcomes_of(listed, market)
        if isinstance(outcomes, str):
            return outcomes
        match message:
            case BetCancel():
                listed.void_reason = market.void_reason or 0
                if message.end_time is None:
                    listed.ended_ms = max(listed.ended_ms, message.timestamp)
                before_ns = self._accepted_before_ns(listed, message)
                command = cancel_bets(message, market, outcomes, self._clock)
                return replace(command, accepted_before_ns=before_ns)
            case RollbackBetSettlement():
                if self._is_newest(listed, message):
                    count = len(listed.market.outcomes)
                    listed.roll_back_results(
                        range(count) if isinstance(outcomes, UnsetType) else outcomes
                    )
                return roll_back_settlement(outcomes)
            case RollbackBetCancel():
                listed.void_reason = 0
                if listed.last_status is Status.CANCELLED:
                    listed.last_status = Status.SUSPENDED
                return roll_back_cancel(message, outcomes, self._clock)
            case _:
                assert_never(message)

    def _settled(
        self, listed: ListedMarket, message: BetSettlement, market: MarketSettled
    ) -> FeedStep | str:
        """Return a settlement; one of some outcomes leaves the others to be settled later.

        Until newer odds the others are not offered either: odds older than it never open them.
        """
        step = settle_market(listed, market)
        if isinstance(step, str):
            return step
        count = len(listed.market.outcomes)
        if not isinstance(step.outcomes, UnsetType):
            self._passed_over.count(_IN_PART)
        late = message.timestamp < listed.any_result_ms  # the market may refuse it
        if self._is_newest(listed, message) and not late:
            listed.settle(range(count) if isinstance(step.outcomes, UnsetType) else step.outcomes)
            listed.certainty = message.certainty
            listed.void_reason = market.void_reason or 0
        return step

    def _find(
        self, message: ResultMessage, market: ResultOfMarket, digest: int
    ) -> ListedMarket | None:
        listed = self._registry.find(message.event_id, market.name)
        if listed is None:
            self._passed_over.add("result of a market never seen", message.describe(market.name))
            identity = self._registry.identity(message.event_id, market.name)
            if identity is not None:
                kept = replace(message, markets=(market,))
                self._early.add(identity, EarlyPart(kept, market, digest))
        return listed

    @staticmethod
    def _is_newest(listed: ListedMarket, message: EventMessage) -> bool:
        """Say whether no newer result of a market was seen, and note the message's timestamp.

        Odds older than the message never open the market, even if it gives some outcomes alone.
        """
        newest = message.timestamp >= listed.result_ms
        listed.result_ms = max(listed.result_ms, message.timestamp)
        listed.ended_ms = max(listed.ended_ms, message.timestamp)
        return newest

    def _update(
        self,
        message: EventMessage,
        listed: ListedMarket,
        step: FeedStep,
        digest: int,
        *more: FeedStep,
    ) -> MarketUpdate:
        source = result_source(self._feed, message.product)
        mark = Mark(source=source, position=message.timestamp, digest=digest)
        return MarketUpdate(key=listed.market.key, mark=mark, steps=(step, *more))

    def _deliver(self, message: EventMessage, updates: list[MarketUpdate]) -> list[Action]:
        """Return the updates of a message, or hold it where its producer's may be missing."""
        if (
            not updates
            or message.product == NO_PRODUCT
            or self._producers.is_complete(message.product)
        ):
            return [*updates]
        early = self._buffer.released_early
        actions = self._buffer.hold(message.product, tuple(updates))
        if self._buffer.released_early > early:
            self._passed_over.add("result released early", f"over {len(self._buffer)} are held")
        return actions
