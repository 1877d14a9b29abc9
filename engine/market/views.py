"""Pictures of a market, taken from the book.

Owns how rows become what bettors and traders see; never changes one.
"""

from engine.common.commands import Limits
from engine.common.lifecycle import Status
from engine.common.rows import Rows
from engine.common.views import BookImage, PriceDelta, PriceImage
from engine.market.book import MARKET_HELD, MARKET_RESULTS, OUTCOME_ACTIVE, Book


def price_image(book: Book, slot: int, *, key: str, names: tuple[str, ...]) -> PriceImage:
    """Return what a bettor sees of a market."""
    market, outcomes = book.markets[slot], book.outcomes_of(slot)
    return PriceImage(
        market_no=int(market["market_no"]),
        key=key,
        status=Status(int(market["status"])),
        version=int(market["version"]),
        outcomes=names,
        odds_milli=tuple(outcomes["odds_milli"].tolist()),
        active=_active(outcomes),
    )


def price_delta(book: Book, slot: int) -> PriceDelta:
    """Return a market's moving part."""
    market, outcomes = book.markets[slot], book.outcomes_of(slot)
    return PriceDelta(
        market_no=int(market["market_no"]),
        version=int(market["version"]),
        status=Status(int(market["status"])),
        odds_milli=tuple(outcomes["odds_milli"].tolist()),
        active=_active(outcomes),
    )


def book_image(
    book: Book, slot: int, *, key: str, names: tuple[str, ...], windows: int
) -> BookImage:
    """Return what a trader sees of a market."""
    market, outcomes = book.markets[slot], book.outcomes_of(slot)
    return BookImage(
        prices=price_image(book, slot, key=key, names=names),
        limits=Limits(
            stake_minor_min=int(market["stake_minor_min"]),
            stake_minor_max=int(market["stake_minor_max"]),
            payout_minor_max=int(market["payout_minor_max"]),
            outcome_liability_minor_max=int(market["outcome_liability_minor_max"]),
            market_liability_minor_max=int(market["market_liability_minor_max"]),
        ),
        bets=int(market["bets"]),
        stake_taken_minor=int(market["stake_taken_minor"]),
        stake_minor=tuple(outcomes["stake_minor"].tolist()),
        payout_minor=tuple(outcomes["payout_minor"].tolist()),
        liability_minor=tuple(book.liability_minor(slot)),
        settlement_no=int(market["settlement_no"]),
        held=book.flagged(slot, MARKET_HELD),
        results_stand=book.flagged(slot, MARKET_RESULTS),
        windows=windows,
    )


def _active(outcomes: Rows) -> tuple[bool, ...]:
    return tuple((outcomes["flags"] & OUTCOME_ACTIVE).astype(bool).tolist())
