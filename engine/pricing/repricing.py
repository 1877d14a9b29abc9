"""Reprice a fixture's hosted markets from a sport's model and the fixture's state.

Owns the step from model and state to commands for the markets that one shell hosts. Never changes a
market that is closed, settled or cancelled, or one that the sport does not know. A market shell
imports this module in its constructor, with the kernels of every sport (see engine.kernels): a
process that only reads journals does without them.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct

from engine.common.commands import (
    WHY_CHARS_MAX,
    FeedStep,
    MarketCommand,
    Quote,
    ResumeMarket,
    SetOdds,
    SuspendMarket,
)
from engine.common.events import MarketEvent, MarketResumed, Refused, StatusSet
from engine.common.ids import MarketNo, parse_market_key
from engine.common.lifecycle import Status
from engine.common.phase_limits import PhaseLimits
from engine.common.views import PriceImage
from engine.market.market import MarketMachine
from engine.market.status_transitions import as_feed_command
from engine.pricing.fair_probabilities import Mark
from engine.pricing.following import feed_update
from engine.pricing.football.model import MatchState, Period
from engine.pricing.generic import GenericModel
from engine.pricing.quoting import BookFigures, Margin
from engine.pricing.skew import Skew
from engine.pricing.sport import SPORTS, AnySport, MarketTypeError, SportBoard

FOOTBALL: Final = "football"
BOARDS_MAX: Final = 1_024
"""Compiled boards that a shell keeps: one per fixture, and one more whenever its markets change.
Above this number the oldest is dropped, and compiled again at its fixture's next repricing."""
_PRICED: Final = (Status.ACTIVE, Status.INACTIVE, Status.SUSPENDED, Status.HANDED_OVER)

SportField = Annotated[str, Meta(max_length=32)]


class Pricing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What odds are computed from: a sport's model and state, the margin, and the skew.

    The sport is football unless `sport` names another.
    """

    model: Any
    state: Any
    sport: SportField = FOOTBALL
    margin: Margin = Margin()
    skew: Skew | None = None


class PricedApart(Struct, frozen=True, kw_only=True):
    """Markets of a fixture with a margin and a skew of their own."""

    market_nos: tuple[MarketNo, ...]
    margin: Margin = Margin()
    skew: Skew | None = None


class Reprice(Struct, frozen=True, kw_only=True):
    """Reprice every market of a fixture that this shell hosts.

    `suspend`, a reason, suspends the active markets first; `resume` resumes the suspended ones
    afterwards. All of it is one journal record, so no bet is placed in between. With a `mark` each
    market applies the commands once, as a feed's message. `fed` marks a feed's request without a
    mark: its commands neither set nor release a trader's hold. `builder_limits` are those that the
    house's rules give the fixture's bet builders; None where they are the same in play. Markets of
    `apart` have another margin and skew than the others. With `unopened`, only the markets that
    were never open are priced.
    """

    by: str
    fixture: str
    model: Any
    state: Any
    sport: str = FOOTBALL
    margin: Margin = Margin()
    skew: Skew | None = None
    mark: Mark | None = None
    suspend: Annotated[str, Meta(max_length=WHY_CHARS_MAX)] = ""
    resume: bool = False
    fed: bool = False
    builder_limits: PhaseLimits | None = None
    apart: tuple[PricedApart, ...] = ()
    unopened: bool = False


def decode_reprice(payload: bytes) -> Reprice:
    """Decode a Reprice and convert its model and state to the sport's types.

    Raises
    ------
    msgspec.ValidationError
        When the sport or a field is unknown, or a value is out of bounds; the message names the
        field.
    """
    request = _decode(payload)
    model, state = convert_pricing(request.sport, request.model, request.state)
    return msgspec.structs.replace(request, model=model, state=state)


def convert_pricing(sport: str, model: Any, state: Any) -> tuple[Any, Any]:
    """Convert decoded dictionaries to a sport's model and state.

    Raises
    ------
    msgspec.ValidationError
        When the sport or a field is unknown, or a value is out of bounds.
    """
    if sport not in SPORTS:
        raise msgspec.ValidationError(f"sport: one of {', '.join(SPORTS)} - at `$.sport`")
    rules = SPORTS[sport]
    return msgspec.convert(model, rules.model_type), msgspec.convert(state, rules.state_type)


_decode = msgspec.msgpack.Decoder(Reprice).decode


def match_score(request: Reprice) -> tuple[bool, int, int] | None:
    """Return whether a football match is in play, and both sides' goals; None for other sports."""
    if request.sport != FOOTBALL:
        return None
    state: MatchState = request.state
    periods = (state.first_half, state.second_half, state.extra_first, state.extra_second)
    home, away = sum(one.home for one in periods), sum(one.away for one in periods)
    return state.period is not Period.PRE_MATCH, home, away


class Repricer:
    """Make the commands of repricings; keeps each fixture's compiled board for the next one."""

    def __init__(self) -> None:
        self._fixture_of: dict[tuple[str, MarketNo], str] = {}
        self._boards: dict[tuple[str, tuple[str, ...]], SportBoard] = {}

    def commands(self, request: Reprice, machine: MarketMachine) -> tuple[MarketCommand, ...]:
        """Return the commands for the fixture's markets; none where no market is priced."""
        images = self._priced_images(request, machine)
        if not images:
            return ()
        quotes: dict[str, tuple[Quote, ...]] = {}
        for priced, part in _parts(request, images):
            figures = None if priced.skew is None else _figures(part, machine)
            quotes |= self._board(request.sport, part).quotes(
                request.model, request.state, priced.margin, priced.skew, figures
            )
        odds = {
            image.market_no: SetOdds(market_no=image.market_no, quotes=quotes[image.key])
            for image in images
        }
        if request.mark is not None:
            mark = request.mark
            return tuple(
                feed_update(image.market_no, mark, _steps(request, image, odds[image.market_no]))
                for image in images
            )
        commands: list[MarketCommand] = []
        suspended = [image.market_no for image in images if image.status is Status.SUSPENDED]
        if request.suspend:
            active = [image.market_no for image in images if image.status is Status.ACTIVE]
            commands += [SuspendMarket(market_no=no, why=request.suspend) for no in active]
            suspended += active
        commands += odds.values()
        if request.resume:
            commands += [ResumeMarket(market_no=no) for no in suspended]
        return tuple(map(as_feed_command, commands) if request.fed else commands)

    def _board(self, sport: str, images: list[PriceImage]) -> SportBoard:
        keys = tuple(image.key for image in images)
        board = self._boards.get((sport, keys))
        if board is None:
            names = {image.key: image.outcomes for image in images}
            board = self._boards[sport, keys] = SportBoard(sport, keys, names=names)
            if len(self._boards) > BOARDS_MAX:
                del self._boards[next(iter(self._boards))]
        return board

    def _priced_images(self, request: Reprice, machine: MarketMachine) -> list[PriceImage]:
        sport = SPORTS[request.sport]
        numbers = [
            no
            for no in machine.market_nos()
            if self._fixture(no, sport, machine) == request.fixture
        ]
        images = [machine.price_image(no) for no in numbers]
        if isinstance(request.model, GenericModel):
            model = request.model
            images = [image for image in images if model.has_market(parse_market_key(image.key))]
        priced = (Status.INACTIVE,) if request.unopened else _PRICED
        return [image for image in images if image.status in priced]

    def _fixture(self, market_no: MarketNo, sport: AnySport, machine: MarketMachine) -> str:
        """Return a market's fixture; an empty text where the sport does not price the market."""
        fixture = self._fixture_of.get((sport.name, market_no))
        if fixture is None:
            fixture = _priced_fixture(machine.price_image(market_no), sport)
            self._fixture_of[sport.name, market_no] = fixture
        return fixture


def unpriced_stops(
    request: Reprice, commands: Sequence[MarketCommand], events: Sequence[MarketEvent]
) -> tuple[MarketCommand, ...]:
    """Return suspensions of the markets that were resumed though their new odds were refused.

    A marked repricing needs none: its FeedUpdate opens nothing after refused odds.
    """
    if not request.resume or request.mark is not None:
        return ()
    refused = {
        command.market_no
        for command, event in zip(commands, events, strict=True)
        if isinstance(command, SetOdds) and isinstance(event, Refused)
    }
    resumed = [event.market_no for event in events if isinstance(event, MarketResumed | StatusSet)]
    stops = [
        SuspendMarket(market_no=market_no, why="no price")
        for market_no in dict.fromkeys(resumed)
        if market_no in refused
    ]
    return tuple(map(as_feed_command, stops) if request.fed else stops)


def _parts(
    request: Reprice, images: list[PriceImage]
) -> list[tuple[Reprice | PricedApart, list[PriceImage]]]:
    """Return markets that have the same margin and skew, with what names them; none is empty."""
    if not request.apart:
        return [(request, images)]
    apart = {number: each for each in request.apart for number in each.market_nos}
    parts: dict[int, tuple[Reprice | PricedApart, list[PriceImage]]] = {}
    for image in images:
        priced = apart.get(image.market_no, request)
        parts.setdefault(id(priced), (priced, []))[1].append(image)
    return list(parts.values())


def _steps(request: Reprice, image: PriceImage, odds: SetOdds) -> tuple[FeedStep, ...]:
    """Return one market's steps of a marked repricing."""
    steps: list[FeedStep] = [odds]
    suspended = image.status is Status.SUSPENDED
    if request.suspend and image.status is Status.ACTIVE:
        steps.insert(0, SuspendMarket(market_no=image.market_no, why=request.suspend))
        suspended = True
    if request.resume and suspended:
        steps.append(ResumeMarket(market_no=image.market_no))
    return tuple(steps)


def _figures(images: list[PriceImage], machine: MarketMachine) -> BookFigures:
    """Return stakes and payouts of the markets' books per outcome, market after market."""
    books = [machine.book_image(image.market_no) for image in images]
    return BookFigures(
        stake_minor=np.array([minor for book in books for minor in book.stake_minor], np.int64),
        payout_minor=np.array([minor for book in books for minor in book.payout_minor], np.int64),
    )


def _priced_fixture(image: PriceImage, sport: AnySport) -> str:
    """Return a market's fixture if the sport has its type with these very outcomes, else ``""``."""
    key = parse_market_key(image.key)
    try:
        market = sport.market(key.type, key.specifiers, image.outcomes)
    except MarketTypeError:
        return ""
    return key.fixture if market.outcomes == image.outcomes and not market.derived else ""
