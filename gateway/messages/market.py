"""Messages about market prices: subscriptions, images and odds changes.

Owns schemas only; services.price_fanout decides who receives what.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.commands import KeyField, MarketNoField
from engine.common.lifecycle import Status
from gateway.messages.base import Asked, FixtureField, IdField, Sent, VersionField

NAMES_MAX: Final = 1_024
"""Names one `subscribe` or `unsubscribe` may carry of each kind."""

STATUS_NAMES: Final[dict[int, str]] = {int(status): status.name.lower() for status in Status}


class Seen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A market whose image the client holds, and the version it has reached."""

    market: MarketNoField
    version: VersionField


class Subscribe(Asked, frozen=True, kw_only=True, tag="subscribe"):
    """Follow markets by number, by key, by fixture, or all; answered by `subscribed`.

    Each market then sends its `market` image, and `odds` whenever it changes. A market named in
    `seen` sends only `odds`, and that only if it has moved past the version seen. Markets created
    later join by themselves under `fixtures` and `all`.
    """

    id: IdField = 0
    markets: Annotated[tuple[MarketNoField, ...], Meta(max_length=NAMES_MAX)] = ()
    keys: Annotated[tuple[KeyField, ...], Meta(max_length=NAMES_MAX)] = ()
    fixtures: Annotated[tuple[FixtureField, ...], Meta(max_length=NAMES_MAX)] = ()
    all: bool = False
    seen: Annotated[tuple[Seen, ...], Meta(max_length=NAMES_MAX)] = ()


class Unsubscribe(Asked, frozen=True, kw_only=True, tag="unsubscribe"):
    """Stop following; `all` ends every subscription. Answered by `subscribed`."""

    id: IdField = 0
    markets: Annotated[tuple[MarketNoField, ...], Meta(max_length=NAMES_MAX)] = ()
    fixtures: Annotated[tuple[FixtureField, ...], Meta(max_length=NAMES_MAX)] = ()
    all: bool = False


class Subscribed(Sent, frozen=True, kw_only=True, tag="subscribed"):
    """Subscriptions stand; `markets` are followed now, `unknown` names nobody hosts."""

    id: int = 0
    markets: int = 0
    unknown: tuple[str, ...] = ()


class Market(Sent, frozen=True, kw_only=True, tag="market"):
    """A market's whole image; `version` is the sequence number that later `odds` continue."""

    market: int
    key: str
    status: str
    version: int
    outcomes: tuple[str, ...]
    odds_milli: tuple[int, ...]
    active: tuple[bool, ...]


class Odds(Sent, frozen=True, kw_only=True, tag="odds"):
    """A market's moving part in absolute values; versions rise and may skip, none is needed twice.

    A client that holds an equal or later version ignores it.
    """

    market: int
    version: int
    status: str
    odds_milli: tuple[int, ...]
    active: tuple[bool, ...]
