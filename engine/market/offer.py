"""What a market offers: the odds of its outcomes, and the limits of its bets.

Owns what a new market offers, and the commands that change it while the market can still be closed.
Never decides a bet and never changes a status.
"""

from collections.abc import Container

from msgspec.structs import replace

from engine.common.commands import CreateMarket, Limits, SetLimits, SetOdds, SetPhaseLimits
from engine.common.events import LimitsSet, OddsSet, Refused
from engine.common.lifecycle import Status
from engine.common.units import Nanos
from engine.market.book import (
    MARKET_AWAITS_FEED,
    OUTCOME_ACTIVE,
    OUTCOME_MARKS,
    OUTCOME_OVERRIDDEN,
    Book,
)
from engine.market.command_checks import after_close_fault, limits_fault, patch_fault, quotes_fault
from engine.market.fixture_grid import FixtureGrids
from engine.market.odds_guards import book_fault, guard_fault
from engine.market.views import limits_of


def set_odds(
    command: SetOdds, slot: int, *, book: Book, decided: Container[int] = ()
) -> OddsSet | Refused:
    """Set odds and offers of outcomes; the version rises if one of them changes.

    Outcomes of `decided` have a result, and are not offered whatever the command says. A trader's
    marks stand; the guard checks the odds as they were without, and the sum as it is offered.
    """
    refusal = after_close_fault(book.status(slot))
    if refusal is not None:
        return refusal
    odds, flags = book.given_milli(slot), book.outcome_flags(slot)
    refusal = quotes_fault(command.quotes, outcomes=len(odds))
    active = [each & OUTCOME_ACTIVE > 0 for each in flags]
    refusal = refusal or guard_fault(command, odds, active, status=book.status(slot))
    if refusal is not None:
        return refusal
    quotes = command.quotes
    if decided:
        quotes = tuple(
            replace(quote, active=quote.active and quote.outcome not in decided) for quote in quotes
        )
    marked = any(each & OUTCOME_MARKS for each in flags)
    if marked and not command.override:
        stands = book.odds_milli(slot)
        offered = [
            stands[at] if flags[at] & OUTCOME_OVERRIDDEN else milli for at, milli in enumerate(odds)
        ]
        refusal = book_fault(command.guard, offered, active, field="quotes")
        if refusal is not None:
            return refusal
    changed = False
    for quote in quotes:
        changed |= book.set_offer(
            slot, quote.outcome, odds_milli=quote.odds_milli, offered=quote.active
        )
    if marked:
        odds, active = book.odds_milli(slot), book.offered(slot)
        quotes = tuple(
            replace(quote, odds_milli=odds[quote.outcome], active=active[quote.outcome])
            for quote in quotes
        )
    version = book.raise_version(slot) if changed else book.version(slot)
    return OddsSet(market_no=command.market_no, version=version, quotes=quotes)


def set_limits(
    command: SetLimits, slot: int, *, book: Book, grids: FixtureGrids
) -> LimitsSet | Refused:
    """Set the limits that a command names; the others stay."""
    limits = command.limits.applied_to(limits_of(book, slot))
    refusal = after_close_fault(book.status(slot)) or patch_fault(command.limits, limits)
    if refusal is not None:
        return refusal
    write_limits(book, slot, limits)
    grids.limits_changed(slot)
    return LimitsSet(market_no=command.market_no, version=book.version(slot), limits=limits)


def set_phase_limits(
    command: SetPhaseLimits, slot: int, *, book: Book, grids: FixtureGrids
) -> LimitsSet | Refused:
    """Set the limits of a match's new phase where those of the last one stand; else change nothing.

    The event states the limits that apply now.
    """
    refusal = after_close_fault(book.status(slot)) or limits_fault(command.limits)
    if refusal is not None:
        return refusal
    limits = limits_of(book, slot)
    if limits == command.before:
        limits = command.limits
        write_limits(book, slot, limits)
        grids.limits_changed(slot)
    return LimitsSet(market_no=command.market_no, version=book.version(slot), limits=limits)


def write_offer(command: CreateMarket, slot: int, at_ns: Nanos, *, book: Book) -> None:
    """Write what a new market offers and its limits into its rows; it is INACTIVE."""
    outcomes, market = book.outcomes_of(slot), book.markets[slot]
    outcomes["odds_milli"] = command.odds_milli
    outcomes["flags"] = OUTCOME_ACTIVE if command.offered else 0
    outcomes["dead_heat_num"] = 1
    outcomes["dead_heat_den"] = 1
    market["status"] = Status.INACTIVE
    market["version"] = 1
    market["status_at_ns"] = at_ns
    market["flags"] = 0 if command.offered else MARKET_AWAITS_FEED
    write_limits(book, slot, command.limits)


def write_limits(book: Book, slot: int, limits: Limits) -> None:
    """Write limits into a market's rows."""
    for row in (book.markets[slot], book.members[slot]):
        for name in row.dtype.names:
            if name in Limits.__struct_fields__:
                row[name] = getattr(limits, name)
