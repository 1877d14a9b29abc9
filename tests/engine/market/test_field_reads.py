"""A feed's odds are read and set by memory views: a numpy field costs ten times as much."""

from typing import Any

import numpy as np

from engine.common.commands import FeedUpdate, Quote, SetOdds, SetStatus
from engine.common.lifecycle import Status
from engine.common.units import OddsMilli
from engine.market.market import MarketMachine
from tests.engine.market.builders import create, do

FIELDS: list[str] = []
"""The fields that were read or set of rows, as numpy does it."""


class NotingRows(np.ndarray):
    """Rows that note each of their fields that is read or set, also of some or one of them."""

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, str):
            FIELDS.append(item)
        return super().__getitem__(item)

    def __setitem__(self, item: Any, value: Any) -> None:
        if isinstance(item, str):
            FIELDS.append(item)
        super().__setitem__(item, value)


def update(position: int) -> FeedUpdate:
    """Return a message's odds for a market of three outcomes, which opens it."""
    quotes = tuple(
        Quote(outcome=at, odds_milli=OddsMilli(2_000 + 10 * position + at), active=True)
        for at in range(3)
    )
    return FeedUpdate(
        market_no=1,
        source="uof:1/odds",
        position=position,
        steps=(
            SetOdds(market_no=1, quotes=quotes),
            SetStatus(market_no=1, status=Status.ACTIVE),
        ),
    )


def test_odds_of_a_feed_read_and_set_no_field_of_a_row() -> None:
    machine = MarketMachine()
    do(machine, create(), update(1))
    book = machine._book
    book.markets = book.markets.view(NotingRows)
    book.outcomes = book.outcomes.view(NotingRows)
    FIELDS.clear()
    do(machine, update(2))
    assert machine.price_image(1).odds_milli == (2_020, 2_021, 2_022)
    assert FIELDS == []
    assert book.outcomes["odds_milli"][0] == 2_020
    assert FIELDS == ["odds_milli"], "fields are noted"
