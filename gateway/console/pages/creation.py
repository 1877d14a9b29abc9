"""The forms by which a person creates a football fixture with its board, and markets by hand.

Owns the forms' fields and what they send. What a board has is its template's.
"""

import datetime
from typing import Any, Final

import msgspec

from engine.common.board_inputs import ExpectedGoals
from gateway.console.pages.forms import FormError, field, read
from gateway.console.pages.frame import Screen
from gateway.console.pages.parts import odds_milli_of
from gateway.messages.boards import CreatedMarket, NewMarket

_YES_NO: Final = ("false", "true")
BOARD: Final = (
    field("fixture", "id, as its markets' keys begin", hint="cup-17"),
    field("template", options=("football", "football_main", "football_cup")),
    field("home", hint="Argentina"),
    field("away", hint="France"),
    field("competition", "competition's id"),
    field("competition_name", "competition's name"),
    field("start", "start, UTC", hint="2026-12-18 15:00"),
    field("total", "goals expected", value="2.6"),
    field("supremacy", "supremacy of home", value="0"),
    field("open", "open for bets", options=_YES_NO),
    field("live", "limits of play", options=_YES_NO),
)
MARKET: Final = (
    field("key", "key: fixture/type, with ?line=...", hint="cup/winner"),
    field("outcomes", "outcomes, with commas", hint="argentina, france"),
    field("odds", "their odds, with commas", hint="1.90, 1.95"),
    field("open", "open for bets", options=_YES_NO),
    field("live", "limits of play", options=_YES_NO),
)


async def create_board(screen: Screen, values: dict[str, str]) -> bool:
    """Create a football fixture's board, priced by the goals that are expected."""
    sides = [values[side] for side in ("home", "away") if side in values]
    description: dict[str, Any] = {
        name: values[name] for name in ("competition", "competition_name") if name in values
    }
    if len(sides) == 2:
        description |= {"sides": sides, "name": " v ".join(sides)}
    try:
        if "start" in values:
            description["start_ms"] = start_ms(values["start"])
        expect = read(ExpectedGoals, values)
    except FormError as error:
        screen.say(str(error), bad=True)
        return False
    session, fixture = screen.user.session, values.get("fixture", "")

    async def create() -> Any:
        board = await session.create_board(
            fixture,
            values.get("template", ""),
            expect=expect,
            sport="football",
            open_markets=values.get("open") == "true",
            live=values.get("live") == "true",
            **description,
        )
        screen.model.take_fixture(board.fixture)
        return _counted(board.markets)

    return await screen.act(f"board of {fixture}", create)


async def create_market(screen: Screen, values: dict[str, str]) -> bool:
    """Create one market by hand, such as an outright."""
    try:
        market = market_of(values)
    except FormError as error:
        screen.say(str(error), bad=True)
        return False
    session = screen.user.session

    async def create() -> Any:
        return _counted(await session.create_markets([market], live=values.get("live") == "true"))

    return await screen.act(f"market {market.key}", create)


def market_of(values: dict[str, str]) -> NewMarket:
    """Return the market that a form says.

    Raises
    ------
    FormError
        Its key, outcomes or odds cannot be read.
    """
    outcomes = tuple(one.strip() for one in values.get("outcomes", "").split(",") if one.strip())
    odds = [odds_milli_of(one) for one in values.get("odds", "").split(",")]
    if len(outcomes) != len(odds) or None in odds:
        raise FormError("odds: one for each outcome, from 1.001 to 10000")
    document = {
        "key": values.get("key", ""),
        "outcomes": outcomes,
        "odds_milli": odds,
        "open": values.get("open") == "true",
    }
    try:
        return msgspec.convert(document, NewMarket)
    except msgspec.ValidationError as error:
        raise FormError(str(error).replace("`$.", "`")) from error


def start_ms(text: str) -> int:
    """Return a time of UTC, written as 2026-12-18 15:00, in milliseconds.

    Raises
    ------
    FormError
        It is none.
    """
    try:
        at = datetime.datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=datetime.UTC)
    except ValueError as error:
        raise FormError("start: as 2026-12-18 15:00, UTC") from error
    return int(at.timestamp() * 1_000)


def _counted(markets: tuple[CreatedMarket, ...]) -> "Created":
    refused = [one for one in markets if one.refused is not None]
    why = refused[0].refused.message if refused and refused[0].refused is not None else ""
    known = sum(one.known for one in markets)
    made = sum(one.market != 0 for one in markets) - known
    return Created(created=made, unchanged=known, refused=len(refused), why=why)


class Created(msgspec.Struct, frozen=True):
    """How many markets were created, were there before, and were refused or not opened, and why."""

    created: int
    unchanged: int
    refused: int
    why: str
