"""Answer what a fixture's open bets profit or lose by score.

Owns the fixtures that are kept, and the calls to the shells that host their markets. It never
computes a profit (engine.pricing.football.exposure does) and never changes a bet.
"""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from actors.messages import decode_grid_image, decode_stakes_images, decode_standing_early
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes, account_shell_name
from engine.common.ids import MarketNo, ShardNo
from engine.common.reasons import Reason
from engine.common.units import Minor
from engine.common.views import EarlyStanding, GridImage, StakesImage
from engine.pricing.football.layout import CELL_SIDE
from gateway.messages.base import Error
from gateway.messages.exposure import (
    AskExposure,
    EarlyLegs,
    Exposure,
    GridScore,
    LeadChance,
    OffGridMarket,
    ScoreProfit,
    ShellGrid,
)
from gateway.messages.protocol import ServerMessage

if TYPE_CHECKING:
    from engine.pricing.football.exposure import Ending, FixtureExposure, Outlook
    from engine.pricing.football.lead import LeadChances

FIXTURES_MAX: Final = 64
"""Fixtures that are kept; past it the least recently requested one is dropped, and built again in
one or two milliseconds when it is requested."""
LINES_MAX: Final = 1_000
"""Most markets of each list (off grid, without an answer) in an answer; sums are of all."""

_MARKETS_IN_CALL_MAX: Final = 1_024
_MICRO: Final = 1_000_000
_PRICING: Final = "engine.pricing.football.exposure"


class ExposureService:
    """Compute a fixture's exposure from what is staked in its markets.

    One fixture is computed at a time, in a thread, so that bets do not wait. Each answer uses the
    stakes that were fetched for it.

    Parameters
    ----------
    routes : Routes
        The shells of markets, and how to call them.
    timeout_s : float
        Seconds that a shell's answer may take.
    fixtures_max : int
        Fixtures that are kept.
    """

    def __init__(
        self, *, routes: Routes, timeout_s: float, fixtures_max: int = FIXTURES_MAX
    ) -> None:
        self._routes = routes
        self._timeout_s = timeout_s
        self._fixtures_max = fixtures_max
        self._fixtures: dict[str, FixtureExposure] = {}
        self._computing = asyncio.Lock()

    async def exposure(self, request: AskExposure) -> ServerMessage:
        """Fetch the stakes from every shell of a fixture, and compute the profit by score."""
        # Pricing is loaded at its first use: a gateway without traders does not need it.
        module = await asyncio.to_thread(import_module, _PRICING)
        try:
            outlook: Outlook = msgspec.convert(request.pricing, module.Outlook)
        except msgspec.ValidationError as error:
            return Error(
                code=int(Reason.FIELD_OUT_OF_BOUNDS), message=f"pricing: {error}", id=request.id
            )
        prefix = f"{request.fixture}/"
        by_shell: dict[str, list[int]] = {}
        for number in self._routes.numbers(fixture=request.fixture):
            by_shell.setdefault(self._routes.markets[number].shell, []).append(number)
        if not by_shell:
            return Error(
                code=int(Reason.MARKET_UNKNOWN),
                message=f"no market of {request.fixture}",
                id=request.id,
            )
        answers = await asyncio.gather(*(self._stakes(*one) for one in by_shell.items()))
        held = [(shell, await self._grid(shell, request.fixture)) for shell in by_shell]
        grids = tuple(_grid_of(shell, image) for shell, image in held if image is not None)
        images = {image.market_no: image for answer in answers for image in answer}
        unanswered = [no for numbers in by_shell.values() for no in numbers if no not in images]
        stale = [
            number
            for shell, numbers in by_shell.items()
            if shell in self._routes.quarantined
            for number in numbers
        ]
        async with self._computing:
            fixture = self._kept(request.fixture, module.FixtureExposure)
            fixture.update(images.values())
            answer = await asyncio.to_thread(_answer, request, fixture, outlook, unanswered, stale)
        answer = replace(answer, grids=grids)
        result = self._routes.market_no_by_key.get(f"{prefix}1x2")
        if not request.lead or result is None:
            return answer
        early = await asyncio.gather(
            *(self._early(shard, result) for shard in range(self._routes.shards))
        )
        legs = await asyncio.to_thread(_early_legs, [one for one in early if one], outlook)
        return replace(answer, early=legs, early_missing=early.count(None))

    async def _grid(self, shell: str, fixture: str) -> GridImage | None:
        """Return what a shell's markets of a fixture lose by score; None without an answer."""
        peer = self._routes.peer(shell)
        if peer is None:
            return None
        try:
            raw = await peer.ask("fixture_grid", fixture, timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError):
            return None
        return decode_grid_image(raw)

    async def _early(self, shard: int, market_no: MarketNo) -> list[EarlyStanding] | None:
        """Return the legs in a market that early payouts cover; None without an answer."""
        peer = self._routes.peer(account_shell_name(ShardNo(shard)))
        if peer is None:
            return None
        try:
            raw = await peer.ask("standing_early", [market_no], timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError):
            return None
        return decode_standing_early(raw)

    def _kept(self, name: str, make: "type[FixtureExposure]") -> "FixtureExposure":
        """Return a fixture's exposure, and mark it as the most recently requested."""
        fixture = self._fixtures.pop(name, None) or make(name)
        self._fixtures[name] = fixture
        if len(self._fixtures) > self._fixtures_max:
            del self._fixtures[next(iter(self._fixtures))]
        return fixture

    async def _stakes(self, shell: str, numbers: list[int]) -> list[StakesImage]:
        """Return what is staked in a shell's markets; fewer when the shell stops answering."""
        images: list[StakesImage] = []
        for start in range(0, len(numbers), _MARKETS_IN_CALL_MAX):
            peer = self._routes.peer(shell)
            if peer is None:
                break
            part = numbers[start : start + _MARKETS_IN_CALL_MAX]
            try:
                raw = await peer.ask("stakes_images", part, timeout_s=self._timeout_s)
            except (PeerError, PeerRefusedError):
                break
            images += decode_stakes_images(raw)
        return images


def _grid_of(shell: str, image: GridImage) -> ShellGrid:
    scores = [
        GridScore(score=divmod(cell, CELL_SIDE), profit_minor=Minor(-loss))
        for cell, loss in enumerate(image.loss_minor)
    ]
    return ShellGrid(
        shell=shell,
        markets=image.markets,
        markets_beside=image.markets_beside,
        worst_minor=image.worst_minor,
        beside_minor=image.beside_minor,
        limit_minor_min=image.limit_minor_min,
        scores=tuple(sorted(scores, key=lambda each: each.profit_minor)),
    )


def _answer(
    request: AskExposure,
    fixture: "FixtureExposure",
    outlook: "Outlook",
    unanswered: list[int],
    stale: list[int],
) -> Exposure:
    from engine.pricing.football.lead import lead_chances  # noqa: PLC0415 - see ExposureService

    profits = fixture.profits(outlook.state)
    model = outlook.model
    expected = None if model is None else fixture.expected_minor(model, outlook.state)
    leads = None
    if model is not None and request.lead:
        leads = lead_chances(model, outlook.state, lead=request.lead)
    off_grid = fixture.off_grid()
    shown = profits.least_minor[: request.goals + 1, : request.goals + 1]
    return Exposure(
        id=request.id,
        fixture=request.fixture,
        markets=fixture.markets,
        decided=fixture.decided,
        stake_minor=Minor(fixture.stake_minor),
        worst=_score(profits.worst),
        best=_score(profits.best),
        expected_minor=None if expected is None else Minor(expected),
        leads=() if leads is None else tuple(_lead(side) for side in leads),
        score_from=profits.lowest,
        profit_minor=tuple(tuple(row) for row in shown.tolist()),
        off_grid_worst_minor=Minor(sum(market.worst_minor for market in off_grid)),
        off_grid=tuple(
            OffGridMarket(
                market=MarketNo(market.market_no),
                key=market.key,
                worst_minor=Minor(market.worst_minor),
                why=market.why,
            )
            for market in off_grid[:LINES_MAX]
        ),
        unheard=tuple(unanswered[:LINES_MAX]),
        stale=tuple(stale[:LINES_MAX]),
    )


def _early_legs(standing: list[list[EarlyStanding]], outlook: "Outlook") -> tuple[EarlyLegs, ...]:
    """Add up the shards' legs by offer and outcome, and price them."""
    from engine.pricing.football.lead import early_cost  # noqa: PLC0415 - see ExposureService

    sums: dict[tuple[int, int, int], list[int]] = {}
    for one in (each for shard in standing for each in shard):
        at = sums.setdefault((one.offer_no, one.lead, one.outcome), [0, 0, 0, 0])
        counts = (one.legs, one.payout_minor, one.marked_legs, one.marked_payout_minor)
        at[:] = [before + more for before, more in zip(at, counts, strict=True)]
    return tuple(
        EarlyLegs(
            offer=offer,
            lead=lead,
            outcome=outcome,
            legs=legs,
            payout_minor=Minor(payout),
            marked_legs=marked,
            marked_payout_minor=Minor(marked_payout),
            expected_minor=early_cost(
                outlook.model,
                outlook.state,
                lead=lead,
                outcome=outcome,
                payout_minor=payout,
                marked_payout_minor=marked_payout,
            ),
        )
        for (offer, lead, outcome), (legs, payout, marked, marked_payout) in sorted(sums.items())
    )


def _lead(chances: "LeadChances") -> LeadChance:
    reached, not_won, won = (round(chance * _MICRO) for chance in chances)
    return LeadChance(reached_micro=reached, not_won_micro=not_won, won_micro=won)


def _score(ending: "Ending") -> ScoreProfit:
    return ScoreProfit(
        first_half=ending.first_half, score=ending.final, profit_minor=Minor(ending.profit_minor)
    )
