"""The desk that answers what a fixture's open bets make or lose by score.

Owns which fixtures are kept up to date, and the questions to the shells that host them. Never
computes a profit (engine.pricing.exposure does) and never touches a bet.
"""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Final

import msgspec

from actors.messages import decode_book_images
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.reasons import Reason
from engine.common.views import BookImage
from gateway.messages.base import Error
from gateway.messages.exposure import AskExposure, Exposure, OffGridMarket, ScoreProfit
from gateway.messages.protocol import ServerMessage

if TYPE_CHECKING:
    from engine.pricing.football.exposure import Ending, FixtureExposure, Outlook

FIXTURES_MAX: Final = 64
"""Fixtures that are kept up to date; past it the one asked for longest ago is built anew when it is
asked for again, in a millisecond or two."""
LINES_MAX: Final = 1_000
"""Markets off the grid, and markets unheard, that an answer names; their sum is of all."""

_BOOKS_IN_CALL_MAX: Final = 1_024
_PRICING: Final = "engine.pricing.football.exposure"


class ExposureService:
    """The way from books to exposure.

    One fixture is laid out at a time, beside the event loop and not on it: bets do not wait. Each
    answer is of the books that were fetched for it.

    Parameters
    ----------
    routes : Routes
        Where markets live.
    timeout_s : float
        How long a shell's answer may take.
    """

    def __init__(self, *, routes: Routes, timeout_s: float) -> None:
        self._routes = routes
        self._timeout_s = timeout_s
        self._fixtures: dict[str, FixtureExposure] = {}
        self._laying_out = asyncio.Lock()

    async def exposure(self, ask: AskExposure) -> ServerMessage:
        """Ask every shell of a fixture for its books, and lay the scores out."""
        # Pricing comes with its first use: gateways of bettors alone never load it.
        module = await asyncio.to_thread(import_module, _PRICING)
        try:
            outlook: Outlook = msgspec.convert(ask.pricing, module.Outlook)
        except msgspec.ValidationError as error:
            return Error(
                code=int(Reason.FIELD_OUT_OF_BOUNDS), message=f"pricing: {error}", id=ask.id
            )
        prefix = f"{ask.fixture}/"
        by_shell: dict[str, list[int]] = {}
        for number, route in sorted(self._routes.markets.items()):
            if route.key.startswith(prefix):
                by_shell.setdefault(route.shell, []).append(number)
        if not by_shell:
            return Error(
                code=int(Reason.MARKET_UNKNOWN), message=f"no market of {ask.fixture}", id=ask.id
            )
        heard = await asyncio.gather(*(self._books(*one) for one in by_shell.items()))
        images = {image.prices.market_no: image for part in heard for image in part}
        unheard = [no for numbers in by_shell.values() for no in numbers if no not in images]
        async with self._laying_out:
            fixture = self._kept(ask.fixture, module.FixtureExposure)
            fixture.update(images.values())
            return await asyncio.to_thread(_answer, ask, fixture, outlook, unheard)

    def _kept(self, name: str, make: "type[FixtureExposure]") -> "FixtureExposure":
        """Return a fixture's exposure, as the one asked for last."""
        fixture = self._fixtures.pop(name, None) or make(name)
        self._fixtures[name] = fixture
        if len(self._fixtures) > FIXTURES_MAX:
            del self._fixtures[next(iter(self._fixtures))]
        return fixture

    async def _books(self, shell: str, numbers: list[int]) -> list[BookImage]:
        """Return the books of a shell's markets, as many as it tells."""
        images: list[BookImage] = []
        for start in range(0, len(numbers), _BOOKS_IN_CALL_MAX):
            peer = self._routes.peer(shell)
            if peer is None:
                break
            part = numbers[start : start + _BOOKS_IN_CALL_MAX]
            try:
                raw = await peer.ask("book_images", part, timeout_s=self._timeout_s)
            except (PeerError, PeerRefusedError):
                break
            images += decode_book_images(raw)
        return images


def _answer(
    ask: AskExposure, fixture: "FixtureExposure", outlook: "Outlook", unheard: list[int]
) -> Exposure:
    profits = fixture.profits(outlook.state)
    model = outlook.model
    off_grid = fixture.off_grid()
    shown = profits.least_minor[: ask.goals + 1, : ask.goals + 1]
    return Exposure(
        id=ask.id,
        fixture=ask.fixture,
        markets=fixture.markets,
        decided=fixture.decided,
        stake_minor=fixture.stake_minor,
        worst=_score(profits.worst),
        best=_score(profits.best),
        expected_minor=None if model is None else fixture.expected_minor(model, outlook.state),
        score_from=profits.lowest,
        profit_minor=tuple(tuple(row) for row in shown.tolist()),
        off_grid_worst_minor=sum(market.worst_minor for market in off_grid),
        off_grid=tuple(
            OffGridMarket(
                market=market.market_no,
                key=market.key,
                worst_minor=market.worst_minor,
                why=market.why,
            )
            for market in off_grid[:LINES_MAX]
        ),
        unheard=tuple(unheard[:LINES_MAX]),
    )


def _score(ending: "Ending") -> ScoreProfit:
    return ScoreProfit(
        first_half=ending.first_half, score=ending.final, profit_minor=ending.profit_minor
    )
