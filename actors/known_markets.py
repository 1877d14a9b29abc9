"""What a feed that begins again is told of the markets that it has updated.

Owns the choice of what it is told. Never changes a market.
"""

from msgspec.structs import replace

from actors.messages import KnownMarket
from engine.market.market import MarketMachine


def known_markets(machine: MarketMachine) -> list[KnownMarket]:
    """Return the markets that a feed has updated.

    Their odds and offers are those given last, whatever a trader's marks say: a feed goes on from
    what it said itself.
    """
    known = []
    for number in machine.market_nos():
        positions = machine.feed_positions(number)
        if positions:
            book, given = machine.book_image(number), machine.given_delta(number)
            known.append(
                KnownMarket(
                    image=replace(book.prices, odds_milli=given.odds_milli, active=given.active),
                    positions=positions,
                    results_stand=book.results_stand,
                    decided=machine.decided_outcomes(number),
                )
            )
    return known
