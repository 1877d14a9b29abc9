"""Traders' commands on their way to the shells, and the books on their way back.

Owns routing and the wording of what could not be reached; whether a command is allowed in a
market's state is the engine's business. Every command carries its caller's identity, which the
shell writes to the journal. A command is never sent twice: without an answer it is UNKNOWN.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from actors.messages import (
    MarketControl,
    decode_book_images,
    decode_market_events,
    encode,
)
from actors.peer import PeerError
from actors.routes import Routes
from engine.common.commands import SuspendMarket
from engine.common.events import MarketEvent, MarketSuspended, Refused
from engine.common.ids import MarketNo
from engine.common.reasons import MESSAGES, Reason
from gateway.counters import Counters
from gateway.messages.arbitrage import AskArbitrage
from gateway.messages.base import Error
from gateway.messages.exposure import AskExposure
from gateway.messages.market import STATUS_NAMES
from gateway.messages.protocol import ServerMessage
from gateway.messages.trader import (
    AskBook,
    Book,
    Control,
    Controlled,
    ListMarkets,
    MarketLine,
    Markets,
    Reprice,
    SuspendAll,
    SuspendedAll,
    TraderCommand,
)
from gateway.services.arbitrage import ArbitrageService
from gateway.services.exposure import ExposureService
from gateway.services.price_fanout import Fanout
from gateway.settings import GatewaySettings

logger = logging.getLogger("overround.gateway")

_COMMANDS_A_CALL: Final = 1_024
_FAILED_SHOWN_MAX: Final = 1_000


class ControlService:
    """The way to every market shell.

    Parameters
    ----------
    routes : Routes
        Where markets live.
    fanout : Fanout
        The prices last heard, for lists.
    settings : GatewaySettings
        How long an answer may take.
    counters : Counters
        Told of every command.
    """

    def __init__(
        self, *, routes: Routes, fanout: Fanout, settings: GatewaySettings, counters: Counters
    ) -> None:
        self._routes = routes
        self._fanout = fanout
        self._timeout_s = settings.control_timeout_ms / 1_000
        self._counters = counters
        self._exposures = ExposureService(routes=routes, timeout_s=self._timeout_s)
        self._arbitrage = ArbitrageService(fanout=fanout)

    async def control(self, by: str, ask: Control) -> ServerMessage:
        """Run commands; the answer holds one event for each, in their order."""
        return Controlled(id=ask.id, events=tuple(await self._run(by, ask.commands)))

    async def suspend_all(self, by: str, ask: SuspendAll) -> ServerMessage:
        """Suspend every market (of a fixture), whatever its image says: safety does not guess."""
        prefix = f"{ask.fixture}/" if ask.fixture else ""
        commands = [
            SuspendMarket(market_no=MarketNo(route.market_no), why=ask.why)
            for route in self._routes.markets.values()
            if route.key.startswith(prefix)
        ]
        events = await self._run(by, commands)
        suspended = sum(isinstance(event, MarketSuspended) for event in events)
        failed = tuple(
            command.market_no
            for command, event in zip(commands, events, strict=True)
            if isinstance(event, Refused) and event.reason is not Reason.TRANSITION_NOT_ALLOWED
        )
        return SuspendedAll(
            id=ask.id,
            suspended=suspended,
            unchanged=len(events) - suspended - len(failed),
            failed=failed[:_FAILED_SHOWN_MAX],
        )

    async def reprice(self, by: str, ask: Reprice, *, fed: bool = False) -> ServerMessage:
        """Have every shell of a fixture price its markets; the answer holds all their events.

        `fed` says that a feed asks: what a trader holds stays held.
        """
        from engine.pricing import repricing  # noqa: PLC0415 - brings pricing, which bettors need not await

        try:
            pricing = msgspec.convert(ask.pricing, repricing.Pricing)
            model, state = repricing.convert_pricing(pricing.sport, pricing.model, pricing.state)
        except msgspec.ValidationError as error:
            return Error(
                code=int(Reason.FIELD_OUT_OF_BOUNDS), message=f"pricing: {error}", id=ask.id
            )
        asked = repricing.Reprice(
            by=by,
            fixture=ask.fixture,
            model=model,
            state=state,
            sport=pricing.sport,
            margin=pricing.margin,
            skew=pricing.skew,
            suspend=ask.suspend,
            resume=ask.resume,
            fed=fed,
        )
        prefix = f"{ask.fixture}/"
        shells = dict.fromkeys(
            route.shell for route in self._routes.markets.values() if route.key.startswith(prefix)
        )
        if not shells:
            return Error(
                code=int(Reason.MARKET_UNKNOWN), message=f"no market of {ask.fixture}", id=ask.id
            )
        self._counters.control_commands += 1
        payload = encode(asked)
        answers = await asyncio.gather(*(self._ask(shell, "reprice", payload) for shell in shells))
        return Controlled(id=ask.id, events=tuple(event for events in answers for event in events))

    async def book(self, ask: AskBook) -> ServerMessage:
        """Return a market's image with limits and liability."""
        shell = self._routes.market_shell(ask.market)
        if shell is None:
            return _error(Reason.MARKET_UNKNOWN, ask.id)
        peer = self._routes.peer(shell)
        if peer is None:
            return _error(Reason.UNAVAILABLE, ask.id)
        try:
            raw = await peer.ask("book_images", [ask.market], timeout_s=self._timeout_s)
        except PeerError:
            return _error(Reason.UNAVAILABLE, ask.id)
        images = decode_book_images(raw)
        if not images:
            return _error(Reason.MARKET_UNKNOWN, ask.id)
        image, prices = images[0], images[0].prices
        return Book(
            id=ask.id,
            market=prices.market_no,
            key=prices.key,
            status=STATUS_NAMES[prices.status],
            version=prices.version,
            outcomes=prices.outcomes,
            odds_milli=prices.odds_milli,
            active=prices.active,
            limits=image.limits,
            bets=image.bets,
            stake_taken_minor=image.stake_taken_minor,
            payout_minor=image.payout_minor,
            liability_minor=image.liability_minor,
            stake_minor=image.stake_minor,
            settlement_no=image.settlement_no,
            held=image.held,
            results_stand=image.results_stand,
            windows=image.windows,
        )

    async def exposure(self, ask: AskExposure) -> ServerMessage:
        """Return what a fixture's open bets make or lose by score."""
        return await self._exposures.exposure(ask)

    async def arbitrage(self, ask: AskArbitrage) -> ServerMessage:
        """Return stakes on a fixture's offered outcomes that win whatever the score."""
        return await self._arbitrage.arbitrage(ask)

    def markets(self, ask: ListMarkets) -> ServerMessage:
        """Return a page of markets, ascending by number."""
        lines, more = self.page(fixture=ask.fixture, after=ask.after, limit=ask.limit)
        return Markets(id=ask.id, markets=tuple(lines), more=more)

    def page(self, *, fixture: str, after: int, limit: int) -> tuple[list[MarketLine], bool]:
        """Return up to `limit` markets with numbers over `after`, and whether there are more."""
        prefix = f"{fixture}/" if fixture else ""
        routes = self._routes.markets
        numbers = sorted(
            number
            for number, route in routes.items()
            if number > after and route.key.startswith(prefix)
        )
        lines = []
        for number in numbers[:limit]:
            topic = self._fanout.topics.get(number)
            prices = None if topic is None else topic.prices
            lines.append(
                MarketLine(
                    market=number,
                    key=routes[number].key,
                    shell=routes[number].shell,
                    status="" if prices is None else STATUS_NAMES[prices.status],
                    version=-1 if prices is None else prices.version,
                )
            )
        return lines, len(numbers) > limit

    # --- to the shells ---------------------------------------------------------------------------

    async def _run(self, by: str, commands: Sequence[TraderCommand]) -> list[MarketEvent]:
        """Run commands side by side over shells, in order within each."""
        self._counters.control_commands += len(commands)
        events: list[MarketEvent] = [_refused(Reason.UNKNOWN)] * len(commands)
        places: dict[str, list[int]] = {}
        for place, command in enumerate(commands):
            shell = self._routes.market_shell(command.market_no)
            if shell is None:
                events[place] = _refused(Reason.MARKET_UNKNOWN, field="market_no")
            else:
                places.setdefault(shell, []).append(place)
        answers = await asyncio.gather(
            *(self._call(by, shell, [commands[i] for i in at]) for shell, at in places.items())
        )
        for at, answer in zip(places.values(), answers, strict=True):
            for place, event in zip(at, answer, strict=True):
                events[place] = event
        return events

    async def _call(
        self, by: str, shell: str, commands: Sequence[TraderCommand]
    ) -> list[MarketEvent]:
        events: list[MarketEvent] = []
        for start in range(0, len(commands), _COMMANDS_A_CALL):
            part = tuple(commands[start : start + _COMMANDS_A_CALL])
            answer = await self._ask(shell, "control", encode(MarketControl(by=by, commands=part)))
            # A shell that did not answer says so once, for each of them.
            events += answer if len(answer) == len(part) else answer * len(part)
        return events

    async def _ask(self, shell: str, method: str, payload: bytes) -> list[MarketEvent]:
        """Return what a shell did, or one refusal: it is down, or what it did is unknown."""
        peer = self._routes.peer(shell)
        if peer is None:
            return [_refused(Reason.UNAVAILABLE)]
        try:
            raw = await peer.ask(method, payload, timeout_s=self._timeout_s)
        except Exception as error:
            # It may have been done all the same: the book's version tells. Whatever went wrong
            # in one shell, the others' events must reach the trader.
            if not isinstance(error, PeerError):
                logger.exception("%s failed in %s", method, shell)
            return [_refused(Reason.UNKNOWN)]
        return decode_market_events(raw)


def _refused(reason: Reason, *, field: str = "") -> Refused:
    return Refused(reason=reason, field=field, message=MESSAGES[reason])


def _error(reason: Reason, number: int) -> Error:
    return Error(code=int(reason), message=MESSAGES[reason], id=number)
