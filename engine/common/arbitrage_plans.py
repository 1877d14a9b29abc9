"""Plans of stakes that profit at every score, and which markets were not searched for them.

Owns the values alone; engine.pricing.arbitrage finds them.
"""

from typing import Literal

from msgspec import Struct

from engine.common.ids import MarketNo
from engine.common.units import OddsMilli

WhyLeftOut = Literal["halves", "order", "room", "time", "unheard", "unknown"]


class ArbitrageStake(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One stake of a plan: `stake_micro` is its share of all stakes, in millionths."""

    market: MarketNo
    key: str
    outcome: int
    name: str
    odds_milli: OddsMilli
    stake_micro: int


class ArbitragePlan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Stakes that return at least `return_micro` millionths of their sum at every score.

    Among all stakes on one period of play, the plan has the highest guaranteed return.
    """

    return_micro: int
    stakes: tuple[ArbitrageStake, ...]


class LeftOutMarket(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An active market that was not searched.

    `halves`: the scores of both halves settle it. `order`: the order of goals settles it. `room`:
    the fixture offers more than one search takes. `time`: the search took too long. `unheard`: the
    market's odds have not arrived yet. `unknown`: the engine has no rules for its type.
    """

    market: MarketNo
    key: str
    why: WhyLeftOut
