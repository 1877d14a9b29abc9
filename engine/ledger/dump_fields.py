"""Fields of a ledger's dump that are no rows: the stop of the house, and amounts by currency.

Owns their form there and its checks.
"""

import msgspec

from engine.common.house import HouseStop
from engine.common.state_hash import Reader
from engine.common.units import Minor

STOP_FIELD = "house_stop"


def stop_items(stop: HouseStop | None) -> list[str | int]:
    """Return a stop as a part of a document: its three fields, or none of them."""
    return [] if stop is None else [stop.by, stop.why, stop.at_ns]


def read_stop(reader: Reader) -> HouseStop | None:
    """Read what `stop_items` returned; a ValueError names the field."""
    items = reader.items(STOP_FIELD)
    if not items:
        return None
    try:
        by, why, at_ns = items
        return msgspec.convert({"by": by, "why": why, "at_ns": at_ns}, HouseStop)
    except ValueError as error:
        raise reader.fail(STOP_FIELD, str(error)) from error


def read_amounts(reader: Reader, field: str, count: int) -> list[Minor]:
    """Read one amount for each currency, which a dump holds as decimal text."""
    texts = reader.texts(field, count=count)
    try:
        amounts = [Minor(int(text)) for text in texts]
    except ValueError:
        amounts = []
    if [str(amount) for amount in amounts] != texts:
        raise reader.fail(field, "not decimal numbers in their shortest form")
    return amounts
