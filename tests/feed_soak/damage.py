"""Say what a damaged message still says, by the provider's rules alone.

A damage that leaves a lawful value makes another message: of another market, time or producer, or
one that opens what it stopped. Any other damage loses what its attribute belongs to: a row of the
message, or the whole of it. Owns these rules of the oracle; it never looks at the adapter's.
"""

import re
from typing import Final

from tests.feed_soak.messages import KINDS, PRODUCT
from tests.feed_soak.story import Delivery

_WHOLE: Final = re.compile(r"\+?\d{1,19}", re.ASCII)
_TIME: Final = re.compile(r'^<[^>]* timestamp="\d+"', re.ASCII)
_NEED_PRODUCT: Final = ("odds_change", "bet_stop", "bet_settlement", "bet_cancel")
_NAMES: Final = ("id", "specifiers")


def is_another(delivery: Delivery) -> bool:
    """Return whether the message became one of another producer, or of another time."""
    number = _whole(delivery.value)
    if delivery.damaged == "product":
        return number not in (None, PRODUCT)
    return delivery.damaged == "timestamp" and number is not None


def is_lost(delivery: Delivery) -> bool:
    """Return whether nothing but the event can be read."""
    if delivery.damaged == "product" and not delivery.value:
        return delivery.message.kind in _NEED_PRODUCT
    head = ("product", "timestamp")
    return delivery.damaged == "cut" or (
        delivery.damaged in head and _whole(delivery.value) is None
    )


def has_lost_time(delivery: Delivery) -> bool:
    """Return whether it is not known when a lost message was sent: one cut short may still say."""
    if delivery.damaged == "cut":
        return _TIME.search(delivery.body) is None
    return is_lost(delivery)


def has_lost_name(delivery: Delivery) -> bool:
    """Return whether it cannot be read which market one row of the message names."""
    if delivery.element != "market" or delivery.damaged not in _NAMES:
        return False
    if delivery.damaged == "specifiers":
        return delivery.value != ""
    return _whole(delivery.value) is None


def named_by(delivery: Delivery, row: int) -> int | None:
    """Return the market that a row names; None: one that no story plays, or that is lost."""
    if delivery.row != row or delivery.element != "market" or delivery.damaged not in _NAMES:
        return row
    if has_lost_name(delivery):
        return None
    number, specifiers = KINDS[row].number, KINDS[row].specifiers
    if delivery.damaged == "id":
        number = int(delivery.value)
    else:
        specifiers = ""
    found = (at for at, kind in enumerate(KINDS) if kind.name == (number, specifiers))
    return next(found, None)


def status_of(delivery: Delivery, row: int) -> int:
    """Return the status that a row of an odds_change gives its market: what is lost closes it."""
    if (delivery.damaged, delivery.element, delivery.row) != ("status", "market", row):
        return delivery.message.statuses[row]
    return 1 if _whole(delivery.value) == 1 else -1


def changes_result(delivery: Delivery, place: int) -> bool:
    """Return whether a message with results may say something else of a market than was meant."""
    if not delivery.damaged or delivery.damaged == "certainty":
        return False
    if delivery.damaged == "product" and not (is_another(delivery) or is_lost(delivery)):
        return False  # the same product, or none, which a correction may have
    if delivery.row is None:
        return place in delivery.message.rows
    return place in (delivery.row, named_by(delivery, delivery.row))


def _whole(value: str) -> int | None:
    """Return a whole number that is not negative, as the provider may write one."""
    return int(value) if _WHOLE.fullmatch(value) else None
