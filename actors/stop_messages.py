"""Messages about stops that must hold in shells which did not answer: kept by the supervisor.

Owns schemas only; the directory keeps them, and actors.owed_stops gives them to the shells.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from engine.common.commands import (
    HandOverMarket,
    OpenMarket,
    ResumeMarket,
    ResumeWithAll,
    SuspendMarket,
    SuspendWithAll,
)
from engine.common.house import AUTHOR_CHARS_MAX, HouseCommand, HouseStop
from engine.common.outcome_marks import ResumeOutcomes, SuspendOutcomes

STOPS_IN_CALL_MAX: Final = 1_024
"""Stops, or what lifts them, of one KeepStops; more go in several calls."""

OwedStop = SuspendWithAll | SuspendMarket | SuspendOutcomes
"""A person's stop of a market, or of some of its outcomes."""
Lifting = ResumeWithAll | ResumeMarket | OpenMarket | HandOverMarket | ResumeOutcomes
"""What ends such a stop."""


class KeepStops(Struct, frozen=True, kw_only=True):
    """Keep the stop of the house, or end it; owe stops that shells did not answer; lift owed ones.

    `by` is whose they are. A shell gets what it is owed before it takes bets again.
    """

    by: Annotated[str, Meta(max_length=AUTHOR_CHARS_MAX)]
    house: HouseCommand | None = None
    owe: Annotated[tuple[OwedStop, ...], Meta(max_length=STOPS_IN_CALL_MAX)] = ()
    lift: Annotated[tuple[Lifting, ...], Meta(max_length=STOPS_IN_CALL_MAX)] = ()


class StopsStatus(Struct, frozen=True, kw_only=True):
    """Whether the house is to be stopped, and which shells have not got which stops yet.

    `without` are the shells that have not got the stop of the house, `owed` counts the stops of
    markets by shell. `left` counts those of the request that were not kept: past the bound.
    """

    house: HouseStop | None = None
    without: tuple[str, ...] = ()
    owed: dict[str, int] = {}
    left: int = 0


decode_keep_stops = msgspec.msgpack.Decoder(KeepStops).decode
decode_stops_status = msgspec.msgpack.Decoder(StopsStatus).decode
