"""Messages about exposure: the profit or loss of a fixture's open bets by score.

Owns schemas only; engine.pricing.football.exposure computes the figures.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from engine.common.early import LEAD_GOALS_MAX
from engine.common.ids import MarketNo
from engine.common.units import Minor
from engine.pricing.football.layout import GOALS
from gateway.messages.base import FixtureField, FromClient, FromGateway, IdField

GoalsField = Annotated[int, Meta(ge=0, lt=GOALS)]


class AskExposure(FromClient, frozen=True, kw_only=True, tag="exposure"):
    """Ask for the profit of a football fixture's open bets by score; answered by `exposure`.

    `pricing` is an object of `state` (as in `reprice`: impossible scores are left out) and `model`,
    with which the expected profit is answered as well; either may be missing. `goals` is the number
    of further goals of each side that the rows of `profit_minor` cover; worst and best are over all
    scores. With a `lead` the legs under early payouts are answered, and with a model what these
    cost, and the chances of that lead.
    """

    id: IdField = 0
    fixture: FixtureField
    pricing: Annotated[dict[str, Any], Meta(max_length=2)] = field(default_factory=dict)
    goals: GoalsField = 8
    lead: Annotated[int, Meta(ge=0, le=LEAD_GOALS_MAX)] = 0


class ScoreProfit(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The profit of one result: goals at half-time and at full time, home and away."""

    first_half: tuple[int, int]
    score: tuple[int, int]
    profit_minor: Minor


class OffGridMarket(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A market with open bets that the score does not settle, and its largest possible loss.

    `order`: the order of goals settles it. `extra_time`: it is refunded without extra time.
    `room`: the fixture has too many markets. `unknown`: the engine has no rules for its type, and
    any outcome may win.
    """

    market: MarketNo
    key: str
    worst_minor: Minor
    why: Literal["order", "extra_time", "room", "unknown"]


class LeadChance(Struct, frozen=True, kw_only=True, gc=False):
    """The chances of one side by the model, in millionths, in ninety minutes.

    `reached_micro`: it leads by so many goals at some moment from now on. `not_won_micro`: it does,
    and does not win; that is what paying a bet on it early costs for each unit of its payout.
    """

    reached_micro: int
    not_won_micro: int
    won_micro: int


class EarlyLegs(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Open legs on one side of the full-time result whose slips took one early payout.

    `legs` have not reached its `lead`, `marked_legs` have. The payouts are of the singles that
    run on them, by results. `expected_minor` is what the offer is expected to pay for them from now
    on, beside the house: each payout times the chance that the lead is reached (if it is not yet)
    and the side does not win. Other legs of a slip count as bets at fair odds.
    """

    offer: int
    lead: int
    outcome: int
    legs: int = 0
    payout_minor: Minor = Minor(0)
    marked_legs: int = 0
    marked_payout_minor: Minor = Minor(0)
    expected_minor: Minor | None = None


class GridScore(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The house's profit at a score; 7 goals stand for 7 or more."""

    score: tuple[int, int]
    profit_minor: Minor


class ShellGrid(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What one shell's markets of a fixture bring by final score, as its limit counts it.

    `scores` are the worst first, of the `markets` that the final score settles. The
    `markets_beside`, on a half or on what no score settles, lose `beside_minor` more at their own
    worst, and `worst_minor` is that loss at the worst score. `limit_minor_min` is the least
    `fixture_liability_minor_max` of these markets, 0 for none.
    """

    shell: str
    markets: int
    markets_beside: int = 0
    worst_minor: Minor
    beside_minor: Minor = Minor(0)
    limit_minor_min: Minor = Minor(0)
    scores: tuple[GridScore, ...]


class Exposure(FromGateway, frozen=True, kw_only=True, tag="exposure"):
    """The house's profit on a fixture's open bets, in base currency.

    `profit_minor[i][j]` is the profit at the final score `score_from` plus i home and j away goals,
    the lowest over all half-time scores. `worst` and `best` are over the scores that are still
    possible; of equal ones, the score with the fewest goals. They and `expected_minor` cover the
    `markets` that the score settles. The `off_grid` markets can lose `off_grid_worst_minor` more,
    all at their worst together. Settled and cancelled markets are `decided` and not included. The
    shells of `unheard` markets did not answer: their last known bets are included, if any. Of
    `stale` markets only the bets are included that their damaged journals still give. `leads` are
    home and away, `early` the legs under early payouts; `early_missing` account shards did not
    answer, and their legs are not included. `grids` are what the shells that answer hold against
    their limits, whatever the `state`.
    """

    id: int = 0
    fixture: str
    markets: int
    decided: int = 0
    stake_minor: Minor = Minor(0)
    worst: ScoreProfit
    best: ScoreProfit
    expected_minor: Minor | None = None
    leads: tuple[LeadChance, ...] = ()
    early: tuple[EarlyLegs, ...] = ()
    early_missing: int = 0
    score_from: tuple[int, int] = (0, 0)
    profit_minor: tuple[tuple[int, ...], ...]
    off_grid_worst_minor: Minor = Minor(0)
    off_grid: tuple[OffGridMarket, ...] = ()
    unheard: tuple[int, ...] = ()
    stale: tuple[int, ...] = ()
    grids: tuple[ShellGrid, ...] = ()
