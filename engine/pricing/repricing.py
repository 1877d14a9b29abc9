"""A fixture's markets priced anew inside the shell that owns them.

Owns the way from a fixture's state to odds commands for the markets hosted here. Never decides what
a trader decided: settled, closed and cancelled markets are left alone, and so is a market that the
sport does not know. Loaded at its first use: a shell that must take bets again does not wait for
pricing kernels.
"""

from typing import Annotated, Any, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct

from engine.common.commands import (
    WHY_CHARS_MAX,
    FeedStep,
    MarketCommand,
    ResumeMarket,
    SetOdds,
    SuspendMarket,
)
from engine.common.ids import parse_market_key
from engine.common.lifecycle import Status
from engine.common.views import PriceImage
from engine.market.market import MarketMachine
from engine.market.status_transitions import as_fed
from engine.pricing.fair_probabilities import Mark
from engine.pricing.following import feed_update
from engine.pricing.football.model import MatchModel, MatchState
from engine.pricing.generic import GenericModel
from engine.pricing.quoting import BookFigures, Margin
from engine.pricing.skew import Skew
from engine.pricing.sport import SPORTS, AnySport, MarketTypeError, SportBoard, outcome_names

FOOTBALL: Final = "football"
BOARDS_MAX: Final = 1_024
"""Compiled boards a shell keeps, one a fixture, and one more each time its markets change; past it
the oldest is compiled anew when its fixture is next priced."""
_PRICED: Final = (Status.ACTIVE, Status.INACTIVE, Status.SUSPENDED, Status.HANDED_OVER)

SportField = Annotated[str, Meta(max_length=32)]


class Pricing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a price is made of: a sport's model and state, the margin, and how the book leans.

    Without a `sport` it is football.
    """

    model: Any
    state: Any
    sport: SportField = FOOTBALL
    margin: Margin = Margin()
    skew: Skew | None = None


class Reprice(Struct, frozen=True, kw_only=True):
    """Price every market of a fixture that this shell hosts.

    `suspend` suspends the active ones first, saying why; `resume` resumes the suspended ones
    afterwards. All of it is one journal record: no bet comes in between. With a `mark` each market
    obeys it once, as a feed's message. `fed` says that it is a feed's word without one: what a
    trader holds stays held.
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


def decode_reprice(payload: bytes) -> Reprice:
    """Read a Reprice, its model and state as the sport has them.

    Raises
    ------
    msgspec.ValidationError
        When something is unknown or out of bounds; the message names the field.
    """
    asked = _decode(payload)
    model, state = typed(asked.sport, asked.model, asked.state)
    return msgspec.structs.replace(asked, model=model, state=state)


def typed(sport: str, model: Any, state: Any) -> tuple[Any, Any]:
    """Return documents as a sport's model and state.

    Raises
    ------
    msgspec.ValidationError
        When there is no such sport, or a field is unknown or out of bounds.
    """
    if sport not in SPORTS:
        raise msgspec.ValidationError(f"sport: one of {', '.join(SPORTS)} - at `$.sport`")
    known = SPORTS[sport]
    return msgspec.convert(model, known.model_type), msgspec.convert(state, known.state_type)


_decode = msgspec.msgpack.Decoder(Reprice).decode


class Repricer:
    """Boards of the fixtures that a shell hosts, each compiled once."""

    def __init__(self) -> None:
        self._fixture_of: dict[tuple[str, int], str] = {}
        self._boards: dict[tuple[str, tuple[str, ...]], SportBoard] = {}

    def commands(self, asked: Reprice, machine: MarketMachine) -> tuple[MarketCommand, ...]:
        """Return what to do to the fixture's markets; nothing where none is hosted or priced."""
        images = self._priced_images(asked, machine)
        if not images:
            return ()
        figures = None if asked.skew is None else _figures(images, machine)
        quotes = self._board(asked.sport, images).quotes(
            asked.model, asked.state, asked.margin, asked.skew, figures
        )
        odds = {
            image.market_no: SetOdds(market_no=image.market_no, quotes=quotes[image.key])
            for image in images
        }
        if asked.mark is not None:
            mark = asked.mark
            return tuple(
                feed_update(image.market_no, mark, _steps(asked, image, odds[image.market_no]))
                for image in images
            )
        commands: list[MarketCommand] = []
        suspended = [image.market_no for image in images if image.status is Status.SUSPENDED]
        if asked.suspend:
            active = [image.market_no for image in images if image.status is Status.ACTIVE]
            commands += [SuspendMarket(market_no=no, why=asked.suspend) for no in active]
            suspended += active
        commands += odds.values()
        if asked.resume:
            commands += [ResumeMarket(market_no=no) for no in suspended]
        return tuple(map(as_fed, commands) if asked.fed else commands)

    def _board(self, sport: str, images: list[PriceImage]) -> SportBoard:
        keys = tuple(image.key for image in images)
        board = self._boards.get((sport, keys))
        if board is None:
            names = {image.key: image.outcomes for image in images}
            board = self._boards[sport, keys] = SportBoard(sport, keys, names=names)
            if len(self._boards) > BOARDS_MAX:
                del self._boards[next(iter(self._boards))]
        return board

    def _priced_images(self, asked: Reprice, machine: MarketMachine) -> list[PriceImage]:
        sport = SPORTS[asked.sport]
        numbers = [
            no for no in machine.market_nos() if self._fixture(no, sport, machine) == asked.fixture
        ]
        images = [machine.price_image(no) for no in numbers]
        if isinstance(asked.model, GenericModel):
            model = asked.model
            images = [image for image in images if model.speaks_of(parse_market_key(image.key))]
        return [image for image in images if image.status in _PRICED]

    def _fixture(self, market_no: int, sport: AnySport, machine: MarketMachine) -> str:
        """Return the fixture of a market, empty where the sport does not price it."""
        fixture = self._fixture_of.get((sport.name, market_no))
        if fixture is None:
            fixture = _priced_fixture(machine.price_image(market_no), sport)
            self._fixture_of[sport.name, market_no] = fixture
        return fixture


def _steps(asked: Reprice, image: PriceImage, odds: SetOdds) -> tuple[FeedStep, ...]:
    """Return one market's part of a feed's message."""
    steps: list[FeedStep] = [odds]
    suspended = image.status is Status.SUSPENDED
    if asked.suspend and image.status is Status.ACTIVE:
        steps.insert(0, SuspendMarket(market_no=image.market_no, why=asked.suspend))
        suspended = True
    if asked.resume and suspended:
        steps.append(ResumeMarket(market_no=image.market_no))
    return tuple(steps)


def _figures(images: list[PriceImage], machine: MarketMachine) -> BookFigures:
    """Return the books of some markets as one array an item, market after market."""
    books = [machine.book_image(image.market_no) for image in images]
    return BookFigures(
        stake_minor=np.array([minor for book in books for minor in book.stake_minor], np.int64),
        payout_minor=np.array([minor for book in books for minor in book.payout_minor], np.int64),
    )


def _priced_fixture(image: PriceImage, sport: AnySport) -> str:
    """Return a market's fixture if the sport knows its type and its outcomes are the type's."""
    key = parse_market_key(image.key)
    try:
        names = outcome_names(sport, key.type, key.specifiers, image.outcomes)
    except MarketTypeError:
        return ""
    return key.fixture if names == image.outcomes else ""


def warm_up() -> None:
    """Price a match once: kernels are loaded when they are first called."""
    key = "warm/1x2"
    board = SportBoard(FOOTBALL, (key,), names={key: ("home", "draw", "away")})
    board.quotes(MatchModel(home_rate=1.4, away_rate=1.1), MatchState(), Margin())
