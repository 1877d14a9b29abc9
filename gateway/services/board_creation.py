"""Create markets as traders ask: by hand, or a fixture's whole board, priced and opened.

Owns the order of the steps: describe, create, price, open. A crash in between leaves markets that
are not open, and the same request sent again goes on from there. The supervisor places markets,
their shells price and open them.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from actors.desk_messages import AskMatch, MatchPage
from actors.messages import (
    CreateMarkets,
    MarketAnswer,
    decode_market_answers,
    decode_price_images,
    encode,
)
from actors.peer import Peer, PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.commands import CreateMarket, OpenMarket
from engine.common.events import Refused
from engine.common.fixtures import (
    FillDescription,
    FixtureChange,
    FixturePatch,
    FixtureState,
    HandDescription,
)
from engine.common.ids import (
    MARKET_NO_MAX,
    MalformedIdError,
    MarketNo,
    is_derived,
    parse_market_key,
)
from engine.common.lifecycle import Status
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import ODDS_MILLI_MIN, OddsMilli
from engine.common.views import PriceImage
from engine.watch.rules import Place
from gateway.market_limits import LIVE, PREMATCH, LimitRules
from gateway.messages.base import Error
from gateway.messages.boards import (
    BoardCreated,
    CreateBoard,
    CreatedMarket,
    CreationRequest,
    MarketsCreated,
    NewMarket,
)
from gateway.messages.boards import CreateMarkets as CreateByHand
from gateway.messages.protocol import ServerMessage
from gateway.messages.trader import Control, Controlled, Reprice
from gateway.services.control import ControlService
from gateway.services.desk import DeskClient, not_done
from gateway.services.fixture_control import FixtureService
from gateway.services.margins import MarginService
from gateway.services.price_fanout import Fanout

if TYPE_CHECKING:
    from engine.pricing.templates import BoardMarket

_CREATE_TIMEOUT_S: Final = 60.0
"""Seconds that a creation may take: it may start a shell's process."""
_POLL_S: Final = 0.02
_PRICED_MAX: Final = 3
"""Times that a board is priced when its match goes on meanwhile; the desk's prices come after."""
_IMAGES_IN_CALL_MAX: Final = 1_024
_FIRST_ODDS: Final = OddsMilli(ODDS_MILLI_MIN)
"""A board's markets are not on offer until they are priced: no bet can be placed at these odds."""
_NO_PRICE: Final = Refused(
    reason=Reason.OUTCOME_INACTIVE, field="odds_milli", message="no outcome has a price"
)


class _Board(NamedTuple):
    """A board that is to be created, and the pricing that `reprice` takes."""

    markets: "list[BoardMarket]"
    sport: str
    pricing: dict[str, Any]


class BoardService:
    """Creation of markets.

    Parameters
    ----------
    routes : Routes
        The shells of markets, and how to call them.
    fanout : Fanout
        Receives the images of what was created.
    limits : LimitRules
        The limits of new markets, and the house cap.
    fixtures : FixtureService
        Describes fixtures.
    control : ControlService
        Prices and opens.
    margins : MarginService
        Knows which margins and skews are kept for a board's markets.
    desk : DeskClient
        Knows how a fixture's match stands.
    supervisor : callable
        Returns the supervisor that creates markets, None without one.
    timeout_s : float
        Seconds that a shell's answer may take.
    """

    def __init__(
        self,
        *,
        routes: Routes,
        fanout: Fanout,
        limits: LimitRules,
        fixtures: FixtureService,
        control: ControlService,
        margins: MarginService,
        desk: DeskClient,
        supervisor: Callable[[], Peer | None],
        timeout_s: float,
    ) -> None:
        self._routes = routes
        self._fanout = fanout
        self._limits = limits
        self._fixtures = fixtures
        self._control = control
        self._margins = margins
        self._desk = desk
        self._supervisor = supervisor
        self._timeout_s = timeout_s

    async def create(self, by: str, request: CreationRequest) -> ServerMessage:
        """Create markets by hand, or a board."""
        if isinstance(request, CreateByHand):
            return await self._create_by_hand(by, request)
        return await self._create_board(by, request)

    # --- by hand ---------------------------------------------------------------------------------

    async def _create_by_hand(self, by: str, request: CreateByHand) -> ServerMessage:
        lines: dict[int, CreatedMarket] = {}
        commands: dict[int, CreateMarket] = {}
        for place, market in enumerate(request.markets):
            refused = self._fault(market)
            if refused is not None:
                lines[place] = CreatedMarket(key=market.key, refused=refused)
            else:
                commands[place] = self._command(market, request)
        created = await self._create(by, list(commands.values()))
        lines |= dict(zip(commands, created, strict=True))
        wanted = [
            line.key
            for place, line in lines.items()
            if line.refused is None and request.markets[place].open
        ]
        opened = await self._open(by, [line for line in lines.values() if line.key in wanted])
        return MarketsCreated(
            id=request.id,
            markets=tuple(
                opened.get(lines[place].key, lines[place]) for place in range(len(lines))
            ),
        )

    def _fault(self, market: NewMarket) -> Refused | None:
        over = self._limits.over_cap(market.limits)
        if over:
            return Refused(reason=Reason.LIMIT_OVER_CAP, field="limits", message=over)
        try:
            derived = is_derived(parse_market_key(market.key))
        except MalformedIdError as error:
            return Refused(reason=Reason.MALFORMED, field="key", message=str(error))
        if derived:
            message = "a market that follows others is created when it is asked for"
            return Refused(reason=Reason.MALFORMED, field="key", message=message)
        return None

    def _command(self, market: NewMarket, request: CreateByHand) -> CreateMarket:
        fixture = self._fixtures.catalogue.line(market.key.partition("/")[0], for_bettors=False)
        sport = request.sport or ("" if fixture is None else fixture.sport)
        limits, why = self._limits.of(
            market.key,
            sport=sport,
            phase=LIVE if request.live else PREMATCH,
            given=market.limits,
        )
        return CreateMarket(
            market_no=MarketNo(0),
            key=market.key,
            outcomes=market.outcomes,
            odds_milli=market.odds_milli,
            limits=limits,
            limits_why=why,
            override=market.override,
        )

    # --- a board ---------------------------------------------------------------------------------

    async def _create_board(self, by: str, request: CreateBoard) -> ServerMessage:
        over = self._limits.over_cap(request.limits)
        if over:
            return _error(Reason.LIMIT_OVER_CAP, f"limits: {over}", request.id)
        kept = await self._kept(request)
        if isinstance(kept, Error):
            return kept
        board = await asyncio.to_thread(_board, request, kept)
        if isinstance(board, str):
            return _error(Reason.FIELD_OUT_OF_BOUNDS, board, request.id)
        refused = await self._describe(by, request, sport=board.sport)
        if refused is not None:
            text = refused.message or MESSAGES[refused.reason]
            return _error(refused.reason, f"{refused.field}: {text}", request.id)
        commands = [self._board_command(market, request, board.sport) for market in board.markets]
        lines = await self._create(by, commands)
        priced = await self._price(by, request, board.pricing)
        if isinstance(priced, Error):
            return priced
        wanted = [line for line in lines if line.refused is None]
        images = await self._images(line.market for line in wanted)
        with_price, without = [], {}
        for line in wanted:
            image = images.get(line.market)
            if image is not None and any(image.active):
                with_price.append(line)
            else:
                without[line.key] = msgspec.structs.replace(line, refused=_NO_PRICE)
        opened = await self._open(by, with_price if request.open else [])
        shown = self._fixtures.catalogue.line(request.fixture, for_bettors=False)
        assert shown is not None, "it was described"
        return BoardCreated(
            id=request.id,
            fixture=shown,
            markets=tuple(without.get(line.key) or opened.get(line.key, line) for line in lines),
            model=priced["model"],
        )

    async def _kept(self, request: CreateBoard) -> dict[str, Any] | Error:
        """Return the pricing that holds in place of the request's: what the desk keeps.

        A request that names the match's state stands for itself, and so does one about a match that
        has not begun. One that goes on is never priced as at its first minute.
        """
        if "state" in request.pricing:
            return {}
        line = self._fixtures.catalogue.line(request.fixture, for_bettors=False)
        in_play = request.live or (line is not None and line.state is FixtureState.LIVE)
        if self._desk.peer is not None:
            match = await self._desk.ask(AskMatch(fixture=request.fixture))
            if not isinstance(match, MatchPage):
                return not_done(match, request.id)
            if match.inputs is not None:
                own = {"margin": match.inputs.margin, "skew": match.inputs.skew}
                own = {name: value for name, value in own.items() if value is not None}
                pricing = {"sport": match.inputs.sport, "model": match.inputs.model}
                return own | request.pricing | pricing | {"state": match.state}
            in_play = in_play or match.in_play
        if in_play:
            message = "pricing.state: the match is in play, and the desk keeps no state of it"
            return _error(Reason.FIELD_OUT_OF_BOUNDS, message, request.id)
        return {}

    async def _describe(self, by: str, request: CreateBoard, *, sport: str) -> Refused | None:
        """Describe the board's fixture as the request does, and fill in its sport."""
        changes: list[FixtureChange] = [
            HandDescription(patch=request.patch()),
            FillDescription(patch=FixturePatch(fixture=request.fixture, sport=sport)),
        ]
        answers = await self._fixtures.put(by, changes)
        return next((each.refused for each in answers if each.refused is not None), None)

    def _board_command(
        self, market: "BoardMarket", request: CreateBoard, sport: str
    ) -> CreateMarket:
        limits, why = self._limits.of(
            market.key,
            sport=sport,
            phase=LIVE if request.live else PREMATCH,
            given=request.limits,
        )
        return CreateMarket(
            market_no=MarketNo(0),
            key=market.key,
            outcomes=market.outcomes,
            odds_milli=(_FIRST_ODDS,) * len(market.outcomes),
            limits=limits,
            limits_why=why,
            offered=False,
        )

    async def _price(
        self, by: str, request: CreateBoard, pricing: dict[str, Any]
    ) -> dict[str, Any] | Error:
        """Price what was never open, as the match stands now; return by what.

        The match may have gone on since the board was chosen, and while it is priced: these prices
        would come after those of the desk. A shell that was just started has a route shortly.
        """
        places = self._places(request.fixture)
        margins = await self._margins.of_board(places, pricing) if places else None
        if isinstance(margins, Error):
            return msgspec.structs.replace(margins, id=request.id)
        before: dict[str, Any] | None = None
        for _ in range(_PRICED_MAX):
            kept = await self._kept(request)
            if isinstance(kept, Error):
                return kept
            if before is not None and _stands(kept) == _stands(before):
                break
            before, pricing = kept, pricing | kept
            reprice = Reprice(id=request.id, fixture=request.fixture, pricing=pricing)
            answer = await self._control.reprice(by, reprice, margins=margins, unopened=True)
            assert isinstance(answer, Controlled | Error)
            if isinstance(answer, Error):
                return answer
        return pricing

    def _places(self, fixture: str) -> list[Place]:
        """Return where each market of a fixture belongs, as far as its routes are known."""
        line = self._fixtures.catalogue.line(fixture, for_bettors=False)
        assert line is not None, "it was described"
        routes, _ = self._routes.page(fixture=fixture, after=0, limit=MARKET_NO_MAX)
        return [
            Place(
                fixture,
                route.market_no,
                parse_market_key(route.key).type,
                line.sport,
                line.competition,
            )
            for route in routes
        ]

    # --- steps of both ---------------------------------------------------------------------------

    async def _create(self, by: str, commands: Sequence[CreateMarket]) -> list[CreatedMarket]:
        """Have markets created, and wait until their shells can be called; a line for each."""
        known = {
            command.key for command in commands if command.key in self._routes.market_no_by_key
        }
        answers = await self._ask_supervisor(by, commands)
        routes = [each.route for each in answers if each.route is not None]
        fresh = [route for route in routes if route.market_no not in self._routes.markets]
        self._routes.update(version=0, shells=(), markets=fresh, peers={})
        for route in fresh:
            self._fanout.add_market(market_no=route.market_no, key=route.key)
        await self._wait_callable({route.shell for route in routes})
        return [
            CreatedMarket(
                key=each.key,
                market=MarketNo(0) if each.route is None else each.route.market_no,
                known=each.key in known,
                refused=each.refused,
            )
            for each in answers
        ]

    async def _ask_supervisor(
        self, by: str, commands: Sequence[CreateMarket]
    ) -> list[MarketAnswer]:
        supervisor, reason = self._supervisor(), Reason.UNAVAILABLE
        if not commands:
            return []
        if supervisor is not None:
            try:
                payload = encode(CreateMarkets(by=by, markets=tuple(commands)))
                raw = await supervisor.ask("create_markets", payload, timeout_s=_CREATE_TIMEOUT_S)
                return decode_market_answers(raw)
            except (PeerError, PeerRefusedError):
                reason = Reason.UNKNOWN
        refused = Refused(reason=reason, message=MESSAGES[reason])
        return [MarketAnswer(key=command.key, refused=refused) for command in commands]

    async def _wait_callable(self, shells: Iterable[str]) -> None:
        """Wait until the routes of shells have arrived, which the supervisor sends beside."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._timeout_s
        while any(self._routes.peer(shell) is None for shell in shells):
            if loop.time() >= until_s:
                return  # what is asked of it is answered with UNAVAILABLE
            await asyncio.sleep(_POLL_S)

    async def _images(self, market_nos: Iterable[MarketNo]) -> Mapping[MarketNo, PriceImage]:
        """Fetch markets as they are now from their shells, for the fan-out too."""
        by_shell: dict[str, list[MarketNo]] = {}
        for number in market_nos:
            shell = self._routes.market_shell(number)
            if shell is not None:
                by_shell.setdefault(shell, []).append(number)
        images: dict[MarketNo, PriceImage] = {}
        for shell, numbers in by_shell.items():
            peer = self._routes.peer(shell)
            for start in range(0, len(numbers) if peer is not None else 0, _IMAGES_IN_CALL_MAX):
                assert peer is not None
                part = numbers[start : start + _IMAGES_IN_CALL_MAX]
                try:
                    raw = await peer.ask("price_images", part, timeout_s=self._timeout_s)
                except (PeerError, PeerRefusedError):
                    break
                images |= {image.market_no: image for image in decode_price_images(raw)}
        self._fanout.take_images(images.values())
        return images

    async def _open(self, by: str, lines: Sequence[CreatedMarket]) -> dict[str, CreatedMarket]:
        """Open those markets that were never open; return the lines of those that were refused."""
        if not lines:
            return {}
        images = await self._images(line.market for line in lines)
        inactive = [
            line
            for line in lines
            if line.market not in images or images[line.market].status is Status.INACTIVE
        ]
        if not inactive:
            return {}
        commands = tuple(OpenMarket(market_no=line.market) for line in inactive)
        answer = await self._control.control(by, Control(commands=commands))
        assert isinstance(answer, Controlled)
        refused = {
            line.key: msgspec.structs.replace(line, refused=event)
            for line, event in zip(inactive, answer.events, strict=True)
            if isinstance(event, Refused)
        }
        await self._images(line.market for line in inactive)
        return refused


def _board(request: CreateBoard, kept: dict[str, Any]) -> "_Board | str":
    """Return the board that a request means, or what is wrong with the request.

    What is `kept`, where anything is, holds in place of what the request says of pricing.
    Loads pricing, which bets do not need, and prices the board's lines: in a thread.
    """
    from engine.pricing import templates  # noqa: PLC0415 - see above
    from engine.pricing.repricing import Pricing, convert_pricing  # noqa: PLC0415 - see above

    template = templates.TEMPLATES.get(request.template)
    if template is None:
        return f"template: one of {', '.join(templates.TEMPLATES)}"
    given = kept or dict(request.pricing)
    expect, fit = (None, ()) if kept else (request.expect, request.fit)
    if given.pop("sport", template.sport) != template.sport:
        return f"pricing: the sport of {request.template} is {template.sport}"
    ways = ("model" in given, expect is not None, bool(fit))
    if sum(ways) != 1:
        return "pricing: the model comes from one of pricing.model, expect and fit"
    if not ways[0] and template.sport != "football":
        return "pricing: expect and fit are for football"
    try:
        if expect is not None:
            given["model"] = msgspec.to_builtins(templates.model_expecting(expect))
        elif fit:
            given["model"] = msgspec.to_builtins(templates.model_fitted(fit))
        pricing = msgspec.convert({"state": {}, **given, "sport": template.sport}, Pricing)
        model, state = convert_pricing(pricing.sport, pricing.model, pricing.state)
        sides = () if isinstance(request.sides, msgspec.UnsetType) else request.sides
        markets = templates.board_markets(
            request.template, request.fixture, model=model, state=state, sides=sides
        )
    except msgspec.ValidationError as error:
        return f"pricing: {error}"
    except (templates.TemplateError, MalformedIdError) as error:
        return str(error)
    whole = {"state": {}, **given, "sport": template.sport}
    return _Board(markets=markets, sport=template.sport, pricing=whole)


def _stands(kept: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept without the clock, which runs on by itself."""
    return kept | {"state": {**kept.get("state", {}), "clock_s": 0}}


def _error(reason: Reason, message: str, number: int) -> Error:
    return Error(code=int(reason), message=message, id=number)
