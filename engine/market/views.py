"""Views of a market, copied from the book.

Owns how the book's rows become what bettors and traders see. Never changes a row.
"""

from msgspec.structs import replace

from engine.common.acceptance import Acceptance
from engine.common.book_result import BookResult
from engine.common.commands import Limits
from engine.common.rules import RULES_FIRST
from engine.common.units import Minor
from engine.common.views import BookImage, PriceDelta, PriceImage, StakesImage
from engine.market.book import (
    MARKET_HELD,
    MARKET_RESULTS,
    OUTCOME_ACTIVE,
    OUTCOME_HELD,
    OUTCOME_OVERRIDDEN,
    Book,
)
from engine.market.stops import is_held_alone, stoppers


def price_image(book: Book, slot: int, *, key: str, names: tuple[str, ...]) -> PriceImage:
    """Return a market as a bettor sees it."""
    return PriceImage(
        market_no=book.market_no(slot),
        key=key,
        status=book.status(slot),
        version=book.version(slot),
        outcomes=names,
        odds_milli=tuple(book.odds_milli(slot)),
        active=tuple(book.offered(slot)),
    )


def price_delta(book: Book, slot: int) -> PriceDelta:
    """Return the part of a market that changes."""
    return PriceDelta(
        market_no=book.market_no(slot),
        version=book.version(slot),
        status=book.status(slot),
        odds_milli=tuple(book.odds_milli(slot)),
        active=tuple(book.offered(slot)),
    )


def given_delta(book: Book, slot: int) -> PriceDelta:
    """Return the same with the odds and offers that were given last, without a trader's marks."""
    given = tuple(each & OUTCOME_ACTIVE > 0 for each in book.outcome_flags(slot))
    return replace(price_delta(book, slot), odds_milli=tuple(book.given_milli(slot)), active=given)


def stakes_image(book: Book, slot: int, *, key: str, names: tuple[str, ...]) -> StakesImage:
    """Return what is staked in a market; a tenth of the work of a `book_image`."""
    market, outcomes = book.markets[slot], book.outcomes_of(slot)
    return StakesImage(
        market_no=book.market_no(slot),
        key=key,
        outcomes=names,
        status=book.status(slot),
        stake_taken_minor=Minor(int(market["stake_taken_minor"])),
        stake_minor=tuple(outcomes["stake_minor"].tolist()),
        payout_minor=tuple(outcomes["payout_minor"].tolist()),
    )


def book_image(
    book: Book,
    slot: int,
    *,
    key: str,
    names: tuple[str, ...],
    windows: int,
    fixture_worst_minor: Minor | None,
    acceptance: Acceptance,
    rules: int,
) -> BookImage:
    """Return a market as a trader sees it."""
    market, outcomes = book.markets[slot], book.outcomes_of(slot)
    results, flags = _results(book, slot, rules=rules), book.outcome_flags(slot)
    return BookImage(
        prices=price_image(book, slot, key=key, names=names),
        limits=limits_of(book, slot),
        bets=int(market["bets"]),
        stake_taken_minor=Minor(int(market["stake_taken_minor"])),
        stake_minor=tuple(outcomes["stake_minor"].tolist()),
        payout_minor=tuple(outcomes["payout_minor"].tolist()),
        liability_minor=tuple(book.liability_minor(slot)),
        settlement_no=int(market["settlement_no"]),
        held=book.has_flag(slot, MARKET_HELD),
        stopped_by=tuple(filter(None, stoppers(book, slot))),
        held_alone=is_held_alone(book, slot),
        results_stand=book.has_flag(slot, MARKET_RESULTS),
        windows=windows,
        results=results,
        result=_sum_of(results),
        fixture_worst_minor=fixture_worst_minor,
        outcome_held=tuple(each & OUTCOME_HELD > 0 for each in flags),
        overridden=tuple(each & OUTCOME_OVERRIDDEN > 0 for each in flags),
        due_odds_milli=tuple(book.given_milli(slot)),
        acceptance=acceptance,
    )


def _results(book: Book, slot: int, *, rules: int) -> tuple[BookResult, ...]:
    """Return what each outcome's bets have brought."""
    stand = book.has_flag(slot, MARKET_RESULTS)
    back = book.returned_of(slot)
    staked_minor = book.outcomes_of(slot)["stake_minor"]
    if rules > RULES_FIRST:
        staked_minor = staked_minor + back["cancelled_minor"]
    refunded_minor = back["cancelled_minor"] + back["voided_minor"]
    profit_minor = staked_minor - refunded_minor - back["paid_minor"] if stand else 0 * staked_minor
    columns = (staked_minor, refunded_minor, back["paid_minor"], profit_minor)
    return tuple(
        BookResult(staked_minor=staked, refunded_minor=refunded, paid_minor=paid, profit_minor=won)
        for staked, refunded, paid, won in zip(*(each.tolist() for each in columns), strict=True)
    )


def _sum_of(results: tuple[BookResult, ...]) -> BookResult:
    return BookResult(
        staked_minor=Minor(sum(one.staked_minor for one in results)),
        refunded_minor=Minor(sum(one.refunded_minor for one in results)),
        paid_minor=Minor(sum(one.paid_minor for one in results)),
        profit_minor=Minor(sum(one.profit_minor for one in results)),
    )


def limits_of(book: Book, slot: int) -> Limits:
    """Return a market's limits."""
    market = book.markets[slot]
    return Limits(
        stake_minor_min=Minor(int(market["stake_minor_min"])),
        stake_minor_max=Minor(int(market["stake_minor_max"])),
        payout_minor_max=Minor(int(market["payout_minor_max"])),
        outcome_liability_minor_max=Minor(int(market["outcome_liability_minor_max"])),
        market_liability_minor_max=Minor(int(market["market_liability_minor_max"])),
        fixture_liability_minor_max=Minor(int(book.members[slot]["fixture_liability_minor_max"])),
    )
