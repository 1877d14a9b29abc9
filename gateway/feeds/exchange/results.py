"""Turn an exchange's closing definition into results and deductions.

Owns the translation of runner statuses into our three result figures, and of reduction factors into
deductions. It does not decide when a market is settled, and it never guesses: what the exchange did
not state is refused with a reason.

Reduction factors are the exchange's rule for a withdrawn runner. In a win market they reduce the
whole price of earlier bets on the others, and a factor under 2.5% is not applied; in a place market
they reduce the winnings alone, and every factor is applied (support.betfair.com, answers 406 and
408; its racing rules on non-runners). Several factors multiply.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from engine.common.commands import DEDUCTIONS_MAX, Deduction, OutcomeResult
from engine.common.units import DEAD_HEAT_DEN_MAX, Nanos
from gateway.feeds.exchange.messages import MarketDefinition
from gateway.feeds.exchange.order_book import RunnerId, runner_id_of

WINNER: Final = "WINNER"
LOSER: Final = "LOSER"
PLACED: Final = "PLACED"
ACTIVE: Final = "ACTIVE"
WITHDRAWN: Final = ("REMOVED", "REMOVED_VACANT")
"""A non-runner, and a greyhound's trap that stays empty: bets on it are refunded."""
HIDDEN: Final = "HIDDEN"
"""Never entered, or scratched at a declaration stage: the exchange sets its bets' price to 1."""
KEEP_ALL: Final = 10_000
"""What is kept when nothing is deducted, in hundredths of a per cent."""


class ResultRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The exchange's rules that its stream does not carry.

    Factors below a minimum are not applied, in hundredths of a per cent (250 is 2.5%); in
    `place_types` PLACED is won and a factor reduces the winnings alone.
    """

    win_factor_min: Annotated[int, Meta(ge=0, le=KEEP_ALL)] = 250
    place_factor_min: Annotated[int, Meta(ge=0, le=KEEP_ALL)] = 0
    place_types: tuple[str, ...] = ("PLACE", "OTHER_PLACE")


class Removal(NamedTuple):
    """A withdrawal: when it was first seen, and its factor in hundredths of a per cent."""

    at_ns: Nanos
    factor: int


def results(
    definition: MarketDefinition, outcomes: Sequence[RunnerId], *, rules: ResultRules
) -> tuple[OutcomeResult, ...] | str:
    """Return a closed market's results in the order of its outcomes, or why there are none.

    More winners than one in a market for one winner are a dead heat: each is paid the number of
    winners expected over the number there were. Where several win, whatever the market's type, the
    exchange does not say which of too many winners tied for the last place, and where they are only
    PLACED, not whether that wins: nothing is settled, and a trader decides.
    """
    statuses = {runner_id_of(runner): runner.status for runner in definition.runners}
    place = definition.market_type in rules.place_types
    winning = (WINNER, PLACED) if place else (WINNER,)
    winners = sum(status in winning for status in statuses.values())
    expected = definition.number_of_winners
    dead_heat = 0 < expected < winners
    if dead_heat and (place or expected > 1):
        return (
            f"{winners} winners for {expected} places: the exchange does not say which of them tied"
        )
    if not place and expected > 1 and PLACED in statuses.values():
        return f"PLACED in a {definition.market_type} market: it is not known whether that wins"
    if dead_heat and winners > DEAD_HEAT_DEN_MAX:
        return f"{winners} winners: a dead heat is between {DEAD_HEAT_DEN_MAX} at most"
    found: list[OutcomeResult] = []
    for runner_id in outcomes:
        status = statuses.get(runner_id, ACTIVE)
        if status in WITHDRAWN or status == HIDDEN:
            found.append(OutcomeResult(won=False, void_halves=2))
        elif status in winning and dead_heat:
            found.append(OutcomeResult(won=True, dead_heat_num=expected, dead_heat_den=winners))
        elif status in (WINNER, PLACED, LOSER):
            found.append(OutcomeResult(won=status in winning))
        else:
            return f"runner {runner_id} is {status}: closed without its result"
    return tuple(found)


def deductions(
    removals: Mapping[RunnerId, Removal], *, place: bool, rules: ResultRules
) -> tuple[Deduction, ...]:
    """Return what withdrawals take from earlier winning bets, in the order of their times.

    Every withdrawal after a bet reduces it, so each deduction holds the product of its own factor
    and all later ones. The product is exact and rounded once, to the nearest thousandth kept. Of
    more than ``DEDUCTIONS_MAX`` times, those that cost least are left out, in the bettor's favour.
    """
    least = rules.place_factor_min if place else rules.win_factor_min
    kept: dict[int, list[int]] = {}
    for removal in removals.values():
        if removal.factor > 0 and removal.factor >= least:
            kept.setdefault(removal.at_ns, []).append(KEEP_ALL - removal.factor)
    times = [(at_ns, _product(keeps)) for at_ns, keeps in sorted(kept.items())]
    while len(times) > DEDUCTIONS_MAX:
        times.remove(max(times, key=lambda time: time[1][0] / time[1][1]))
    found: list[Deduction] = []
    num, den = 1, 1
    for at_ns, (keep_num, keep_den) in reversed(times):
        num, den = num * keep_num, den * keep_den
        keep_milli = (2_000 * num + den) // (2 * den)
        found.append(Deduction(until_ns=Nanos(at_ns), keep_milli=keep_milli, of_price=not place))
    return tuple(reversed(found))


def _product(keeps: Sequence[int]) -> tuple[int, int]:
    num = 1
    for keep in keeps:
        num *= keep
    return num, KEEP_ALL ** len(keeps)
