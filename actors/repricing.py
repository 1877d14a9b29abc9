"""A fixture's markets priced anew inside the shell that owns them.

Owns the way from a match state to odds commands for the markets hosted here. Never decides what a
trader decided: settled, closed and cancelled markets are left alone, and so is a market that the
model does not know. Loaded at its first use: a shell that must take bets again does not wait for
pricing kernels.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from engine.commands import WHY_CHARS_MAX, MarketCommand, ResumeMarket, SetOdds, SuspendMarket
from engine.ids import parse_market_key
from engine.lifecycle import Status
from engine.market import MarketMachine
from engine.pricing.fixture import FixtureBoard, Margin
from engine.pricing.football import MatchModel, MatchState
from engine.pricing.types import MarketTypeError, outcome_names
from engine.views import PriceImage

_PRICED: Final = (Status.ACTIVE, Status.INACTIVE, Status.SUSPENDED, Status.HANDED_OVER)


class Pricing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a price is made of: the model of a match, where the match stands, and the margin."""

    model: MatchModel
    state: MatchState
    margin: Margin = Margin()


class Reprice(Struct, frozen=True, kw_only=True):
    """Price every market of a fixture that this shell hosts.

    `suspend` suspends the active ones first, saying why; `resume` resumes the suspended ones
    afterwards. All of it is one journal record: no bet comes in between.
    """

    by: str
    fixture: str
    model: MatchModel
    state: MatchState
    margin: Margin = Margin()
    suspend: Annotated[str, Meta(max_length=WHY_CHARS_MAX)] = ""
    resume: bool = False


decode_reprice = msgspec.msgpack.Decoder(Reprice).decode


class Repricer:
    """Boards of the fixtures that a shell hosts, each compiled once."""

    def __init__(self) -> None:
        self._fixture_of: dict[int, str] = {}
        self._boards: dict[tuple[str, ...], FixtureBoard] = {}

    def commands(self, asked: Reprice, machine: MarketMachine) -> tuple[MarketCommand, ...]:
        """Return what to do to the fixture's markets; nothing where none is hosted or priced."""
        images = self._priced_images(asked.fixture, machine)
        if not images:
            return ()
        keys = tuple(image.key for image in images)
        board = self._boards.get(keys)
        if board is None:
            board = self._boards[keys] = FixtureBoard(keys)
        quotes = board.quotes(asked.model, asked.state, asked.margin)
        commands: list[MarketCommand] = []
        suspended = [image.market_no for image in images if image.status is Status.SUSPENDED]
        if asked.suspend:
            active = [image.market_no for image in images if image.status is Status.ACTIVE]
            commands += [SuspendMarket(market_no=no, why=asked.suspend) for no in active]
            suspended += active
        for image in images:
            commands.append(SetOdds(market_no=image.market_no, quotes=quotes[image.key]))
        if asked.resume:
            commands += [ResumeMarket(market_no=no) for no in suspended]
        return tuple(commands)

    def _priced_images(self, fixture: str, machine: MarketMachine) -> list[PriceImage]:
        numbers = [no for no in machine.market_nos() if self._fixture(no, machine) == fixture]
        images = [machine.price_image(no) for no in numbers]
        return [image for image in images if image.status in _PRICED]

    def _fixture(self, market_no: int, machine: MarketMachine) -> str:
        """Return the fixture of a market, empty where the model does not price it."""
        fixture = self._fixture_of.get(market_no)
        if fixture is None:
            fixture = _priced_fixture(machine.price_image(market_no))
            self._fixture_of[market_no] = fixture
        return fixture


def _priced_fixture(image: PriceImage) -> str:
    """Return a market's fixture if the model knows its type and its outcomes are the type's."""
    key = parse_market_key(image.key)
    try:
        known = outcome_names(key.type, key.specifiers) == image.outcomes
    except MarketTypeError:
        return ""
    return key.fixture if known else ""
