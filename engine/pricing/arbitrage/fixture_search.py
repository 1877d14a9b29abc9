"""Search a fixture's odds for arbitrage, period of play by period of play.

Owns the grouping of markets by scope, and the reasons why markets are left out. Pure: odds come in
as arguments, and search.py solves the linear program. Whoever needs it imports the module at its
first use, since it loads the rules of football, which bets do not need.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct

from engine.common.arbitrage_plans import (
    ArbitragePlan,
    ArbitrageStake,
    LeftOutMarket,
    WhyLeftOut,
)
from engine.common.commands import Quote
from engine.common.ids import parse_market_key
from engine.common.lifecycle import Status
from engine.common.views import PriceImage
from engine.pricing.arbitrage.search import (
    SEARCH_BETS_MAX,
    Arbitrage,
    SearchStoppedError,
    find_arbitrage,
)
from engine.pricing.football.axes import Scope
from engine.pricing.football.market_types import MarketRules, MarketTypeError, market_rules
from engine.pricing.football.model import MatchState

__all__ = ["Found", "MatchState", "search"]

MICRO: Final = 1_000_000


class Found(Struct, frozen=True, kw_only=True):
    """Result of a search: plans, best first, the number of markets searched, and those left out."""

    markets: int
    plans: tuple[ArbitragePlan, ...]
    left_out: tuple[LeftOutMarket, ...]


def search(images: Iterable[PriceImage], state: MatchState, stop: Callable[[], bool]) -> Found:
    """Search each scope of a fixture by itself.

    Parameters
    ----------
    images : iterable of PriceImage
        The fixture's markets; markets that take no bets are ignored.
    state : MatchState
        The match's state; scores that are no longer possible need no profit.
    stop : callable
        Called before every step; when it returns True, unsearched markets are left out.
    """
    left_out: list[LeftOutMarket] = []
    by_scope: dict[Scope, list[PriceImage]] = {}
    room: dict[Scope, int] = {}
    for image in images:
        if image.status is not Status.ACTIVE:
            continue
        rules = _rules_of(image)
        why = _why_not(rules)
        if rules is not None and not why:
            left = room.setdefault(rules.scope, SEARCH_BETS_MAX) - sum(image.active)
            if left < 0:
                why = "room"
            else:
                room[rules.scope] = left
                by_scope.setdefault(rules.scope, []).append(image)
        if why:
            left_out.append(LeftOutMarket(market=image.market_no, key=image.key, why=why))
    plans: list[ArbitragePlan] = []
    markets = 0
    for scope, taken in by_scope.items():
        by_key = {image.key: image for image in taken}
        quotes = {key: _quotes(image) for key, image in by_key.items()}
        try:
            plan = find_arbitrage(quotes, score=state.score(scope), stop=stop)
        except SearchStoppedError:
            left_out += [
                LeftOutMarket(market=image.market_no, key=image.key, why="time") for image in taken
            ]
            continue
        markets += len(taken)
        if plan is not None:
            plans.append(_plan(plan, by_key))
    plans.sort(key=lambda plan: -plan.return_micro)
    return Found(markets=markets, plans=tuple(plans), left_out=tuple(left_out))


def _rules_of(image: PriceImage) -> MarketRules | None:
    """Return a market's rules, or None when its type or its outcomes are unknown."""
    parsed = parse_market_key(image.key)
    try:
        rules = market_rules(parsed.type, parsed.specifiers)
    except MarketTypeError:
        return None
    return rules if tuple(rule.name for rule in rules.outcomes) == image.outcomes else None


def _why_not(rules: MarketRules | None) -> WhyLeftOut | None:
    if rules is None:
        return "unknown"
    if rules.needs_order:
        return "order"
    return "halves" if rules.scope is Scope.HALVES else None


def _quotes(image: PriceImage) -> tuple[Quote, ...]:
    return tuple(
        Quote(outcome=outcome, odds_milli=odds_milli)
        for outcome, (odds_milli, active) in enumerate(
            zip(image.odds_milli, image.active, strict=True)
        )
        if active
    )


def _plan(plan: Arbitrage, images: dict[str, PriceImage]) -> ArbitragePlan:
    shares = _shares([stake.stake for stake in plan.stakes])
    return ArbitragePlan(
        return_micro=plan.return_micro,
        stakes=tuple(
            ArbitrageStake(
                market=images[stake.key].market_no,
                key=stake.key,
                outcome=stake.outcome,
                name=images[stake.key].outcomes[stake.outcome],
                odds_milli=images[stake.key].odds_milli[stake.outcome],
                stake_micro=share,
            )
            for stake, share in zip(plan.stakes, shares, strict=True)
        ),
    )


def _shares(stakes: Sequence[int]) -> list[int]:
    """Return stakes as millionths of their sum; the largest remainders are rounded up."""
    total = sum(stakes)
    shares = [stake * MICRO // total for stake in stakes]
    by_remainder = sorted(range(len(stakes)), key=lambda k: -(stakes[k] * MICRO % total))
    for place in by_remainder[: MICRO - sum(shares)]:
        shares[place] += 1
    return shares
