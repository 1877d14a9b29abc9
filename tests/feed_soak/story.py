"""Make random stories: what a provider sends of two matches, and what happens to it on the way.

A story is data: the same seed makes the same story. Owns the choice of messages and of their
disturbances; it knows nothing of the system.
"""

import random
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from tests.feed_soak.messages import EVENTS, KINDS, Message

MESSAGES: Final = 16
"""Messages of a story, before some are dropped or doubled."""
_DROPPED, _DOUBLED, _SWAPPED, _CORRUPTED = 0.06, 0.08, 0.10, 0.12
_RESTARTED: Final = 0.10
_BETS: Final = 0.6
"""Chance that bets are placed after a message."""

_ODD_VALUES: Final = (
    "",
    "NaN",
    "-1",
    "+1",
    "12",
    "1e999",
    "x",
    "1.0000000000000002",
    "é",
    "0" * 300,
)
"""What one attribute of a message is replaced with."""
_ATTRIBUTE: Final = re.compile(r' ([a-z_]+)="([^"]*)"')
_OF_EVENT: Final = frozenset({"event_id"})
"""Attributes without which the event cannot be read."""


class Restart(StrEnum):
    """What ends and starts again while a message is under way."""

    PIPELINE = "pipeline"
    """The feed's pipeline, which then knows only what markets remember; the message comes again."""
    SHELLS = "shells"
    """Every market shell is killed while the message is being carried out."""
    ALL = "all"
    """The whole system; the message comes again."""
    BRIDGE = "bridge"
    """The last messages come again, as from a broker that has no answer for them."""


class Delivery(Struct, frozen=True, kw_only=True):
    """One message as it arrives, with what happens meanwhile and the bets behind it."""

    message: Message
    body: str
    event_readable: bool = True
    damaged: str = ""
    """The attribute that was replaced, or `cut` for a body that ends too soon."""
    value: str = ""
    """What it was replaced with."""
    element: str = ""
    """The element of the attribute."""
    row: int | None = None
    """The market in whose element the attribute is; None: in none."""
    restart: Restart | None = None
    bets: bool = False


class Story(Struct, frozen=True, kw_only=True):
    """Deliveries in the order of their arrival."""

    seed: int
    deliveries: tuple[Delivery, ...]


def make_story(seed: int) -> Story:
    """Return the story of a seed."""
    rng = random.Random(seed)
    sent = [message for message in _provider(rng) if rng.random() >= _DROPPED]
    for at in range(len(sent) - 1):
        if rng.random() < _SWAPPED:
            sent[at], sent[at + 1] = sent[at + 1], sent[at]
    arriving = [copy for message in sent for copy in [message] * (1 + (rng.random() < _DOUBLED))]
    return Story(seed=seed, deliveries=tuple(_delivery(rng, message) for message in arriving))


def _provider(rng: random.Random) -> Iterator[Message]:
    """Yield what a provider says: any message may follow any other, their times rise."""
    everywhere = dict.fromkeys(range(len(KINDS)), 1)
    at_ms = 0
    for event in EVENTS:
        at_ms += 100
        yield Message(kind="odds_change", event=event, at_ms=at_ms, statuses=everywhere)
    for _ in range(MESSAGES - len(EVENTS)):
        at_ms += rng.choice((20, 50, 400))
        places = rng.sample(range(len(KINDS)), rng.randint(1, len(KINDS)))
        message = Message(kind="odds_change", event=rng.choice(EVENTS), at_ms=at_ms)
        kind = rng.choices(
            (
                "odds_change",
                "bet_stop",
                "bet_settlement",
                "rollback_bet_settlement",
                "bet_cancel",
                "rollback_bet_cancel",
            ),
            (8, 4, 4, 1, 1, 1),
        )[0]
        if kind == "odds_change":
            statuses = {place: rng.choices((1, 0, -1, -3), (6, 1, 2, 1))[0] for place in places}
            yield replace(message, statuses=statuses, odds_milli=rng.choice((1_500, 2_000, 3_250)))
        elif kind == "bet_settlement":
            winners = {place: rng.randrange(len(KINDS[place].outcomes)) for place in places}
            certainty = rng.choice((1, 2))
            yield replace(message, kind=kind, winners=winners, certainty=certainty)
        else:
            yield replace(message, kind=kind, touched=tuple(places))


def _delivery(rng: random.Random, message: Message) -> Delivery:
    delivery = Delivery(message=message, body=message.render())
    if rng.random() < _CORRUPTED:
        delivery = _damaged(rng, delivery)
    return replace(
        delivery,
        restart=rng.choice(tuple(Restart)) if rng.random() < _RESTARTED else None,
        bets=rng.random() < _BETS,
    )


def _damaged(rng: random.Random, delivery: Delivery) -> Delivery:
    """Replace one attribute of a message, or cut its end off."""
    body = delivery.body
    found = list(_ATTRIBUTE.finditer(body))
    if rng.random() < 0.2:
        begun = next(one for one in found if one[1] in _OF_EVENT).end()
        return replace(delivery, body=body[: rng.randint(begun, len(body) - 1)], damaged="cut")
    one = rng.choice(found)
    value = rng.choice(_ODD_VALUES)
    before = body[: one.start()]
    row = before.count("<market") - 1
    return replace(
        delivery,
        body=f"{body[: one.start(2)]}{value}{body[one.end(2) :]}",
        damaged=one[1],
        value=value,
        element=before[before.rindex("<") + 1 :].partition(" ")[0],
        row=delivery.message.rows[row] if row >= 0 else None,
        event_readable=one[1] not in _OF_EVENT,
    )
