"""Messages about market prices: subscriptions, images and odds changes.

Owns schemas only; services.price_fanout decides who receives what.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.commands import KeyField, MarketNoField
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from gateway.messages.base import (
    FixtureField,
    FromClient,
    FromGateway,
    IdField,
    Stale,
    VersionField,
    enumerated,
)

NAMES_MAX: Final = 1_024
"""Most names of each kind in one `subscribe` or `unsubscribe`."""

STATUS_NAMES: Final[dict[int, str]] = {int(status): status.name.lower() for status in Status}
StatusWord = Annotated[str, enumerated(STATUS_NAMES.values())]


class Seen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A market whose image the client holds, and the version of that image."""

    market: MarketNoField
    version: VersionField


class Subscribe(FromClient, frozen=True, kw_only=True, tag="subscribe"):
    """Subscribe to markets by number, by key, by fixture, or to all; answered by `subscribed`.

    The gateway then sends each market's `market` image, and `odds` whenever it changes. For a
    market in `seen` it sends `odds` only, and only if the version is above the one seen or the
    market is stale; leave out of `seen` what you hold as stale. Markets created later are included
    under `fixtures` and `all`.
    """

    id: IdField = 0
    markets: Annotated[tuple[MarketNoField, ...], Meta(max_length=NAMES_MAX)] = ()
    keys: Annotated[tuple[KeyField, ...], Meta(max_length=NAMES_MAX)] = ()
    fixtures: Annotated[tuple[FixtureField, ...], Meta(max_length=NAMES_MAX)] = ()
    all: bool = False
    seen: Annotated[tuple[Seen, ...], Meta(max_length=NAMES_MAX)] = ()


class Unsubscribe(FromClient, frozen=True, kw_only=True, tag="unsubscribe"):
    """End subscriptions; `all` ends every one. Answered by `subscribed`."""

    id: IdField = 0
    markets: Annotated[tuple[MarketNoField, ...], Meta(max_length=NAMES_MAX)] = ()
    fixtures: Annotated[tuple[FixtureField, ...], Meta(max_length=NAMES_MAX)] = ()
    all: bool = False


class Subscribed(FromGateway, frozen=True, kw_only=True, tag="subscribed"):
    """The number of subscribed `markets`, and the `unknown` names of the request."""

    id: int = 0
    markets: int = 0
    unknown: tuple[str, ...] = ()


class Market(FromGateway, frozen=True, kw_only=True, tag="market"):
    """A market's full image; `version` is the sequence number that later `odds` continue.

    A market that is `stale` takes no bets and is shown suspended where it was active. A client that
    holds a stale market takes the next message about it, whatever its version.
    """

    market: MarketNo
    key: str
    status: StatusWord
    version: int
    outcomes: tuple[str, ...]
    odds_milli: tuple[int, ...]
    active: tuple[bool, ...]
    stale: Stale = ""


class Odds(FromGateway, frozen=True, kw_only=True, tag="odds"):
    """A market's changing fields, in absolute values; versions rise and may skip numbers.

    A client that holds a later version, or the same one with the same content, ignores the message,
    unless it holds the market as stale.
    """

    market: MarketNo
    version: int
    status: StatusWord
    odds_milli: tuple[int, ...]
    active: tuple[bool, ...]
    stale: Stale = ""
