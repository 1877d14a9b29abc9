"""The messages that ask for a fixture's exposure and answer it.

Owns the words; what they mean is `engine.pricing.football.exposure`.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from engine.pricing.football.layout import GOALS
from gateway.messages.base import Asked, FixtureField, IdField, Sent

GoalsField = Annotated[int, Meta(ge=0, lt=GOALS)]


class AskExposure(Asked, frozen=True, kw_only=True, tag="exposure"):
    """Ask what a football fixture's open bets make or lose by score; answered by `exposure`.

    `pricing` is an object of `state` (as in `reprice`: what can no longer happen is left out) and
    `model`, with which the expected profit is answered as well; either may be missing. `goals` is
    how many more of each side than the score so far the rows of `profit_minor` reach; the worst and
    the best are of all scores, whatever is shown.
    """

    id: IdField = 0
    fixture: FixtureField
    pricing: Annotated[dict[str, Any], Meta(max_length=2)] = field(default_factory=dict)
    goals: GoalsField = 8


class ScoreProfit(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The profit of one way to end: goals at the break and in the end, home and away."""

    first_half: tuple[int, int]
    score: tuple[int, int]
    profit_minor: int


class OffGridMarket(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A market with open bets that the score does not settle, and the most it can lose by itself.

    `order`: who scores which goal settles it. `extra_time`: it is refunded if there is none.
    `refunds`: bets of a window were cancelled, any may be among them. `room`: the fixture has too
    many markets. `unknown`: it has no rules here, and all of its outcomes may win.
    """

    market: int
    key: str
    worst_minor: int
    why: Literal["order", "extra_time", "refunds", "room", "unknown"]


class Exposure(Sent, frozen=True, kw_only=True, tag="exposure"):
    """A fixture's open bets, in base currency and from the house's side.

    `profit_minor[i][j]` is the profit at the final score `score_from` and i home and j away goals
    more, the least over all scores at the break; `worst` and `best` are among the scores that can
    still happen, of the fewest goals where several are equal. They and `expected_minor` are of the
    `markets` that the score settles. The `off_grid` ones can lose `off_grid_worst_minor` besides,
    all at their worst at once. Settled and cancelled markets are `decided` and count no more. Of
    `unheard` markets the shell did not answer, and what was last heard stands, or nothing.
    """

    id: int = 0
    fixture: str
    markets: int
    decided: int = 0
    stake_minor: int = 0
    worst: ScoreProfit
    best: ScoreProfit
    expected_minor: int | None = None
    score_from: tuple[int, int] = (0, 0)
    profit_minor: tuple[tuple[int, ...], ...]
    off_grid_worst_minor: int = 0
    off_grid: tuple[OffGridMarket, ...] = ()
    unheard: tuple[int, ...] = ()
