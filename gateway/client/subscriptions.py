"""What a client has subscribed, and the requests that subscribe it again by version.

Owns names and their packing into messages that a gateway accepts. It never sends.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from engine.common.ids import MalformedIdError, MarketNo, parse_market_key
from gateway.client.errors import BoundReachedError
from gateway.messages.market import NAMES_MAX, Market, Seen

SUBSCRIPTIONS_KEPT_MAX: Final = 65_536
"""Names that one client remembers; a `subscribe` past it is not sent."""
_SEEN_BYTES: Final = 56
_NAME_BYTES: Final = 8
_HEAD_BYTES: Final = 256
"""Most bytes of one `seen`, of a name besides its text, and of the rest of a message, in JSON,
which is the longer of the two encodings."""


class Request(NamedTuple):
    """The fields of one `subscribe`."""

    markets: tuple[MarketNo, ...] = ()
    keys: tuple[str, ...] = ()
    fixtures: tuple[str, ...] = ()
    all_markets: bool = False
    seen: tuple[Seen, ...] = ()


class _Packer:
    """Requests filled one name at a time, each within the gateway's bounds."""

    def __init__(self, frame_bytes_max: int) -> None:
        self._room = max(frame_bytes_max - _HEAD_BYTES, _SEEN_BYTES)
        self._names: dict[str, list[Any]] = {"markets": [], "keys": [], "fixtures": []}
        self._count = 0
        self._seen: list[Seen] = []
        self._bytes = 0
        self.full: list[Request] = []

    def add(self, kind: str, name: MarketNo | str, images: Sequence[Market]) -> None:
        """Add a name with the images held; those for which there is no room come whole again."""
        name_bytes = len(str(name)) + _NAME_BYTES
        seen_max = min(NAMES_MAX, max(self._room - name_bytes, 0) // _SEEN_BYTES)
        images = images[:seen_max]
        size = name_bytes + len(images) * _SEEN_BYTES
        if (
            self._bytes + size > self._room
            or self._count == NAMES_MAX
            or len(self._seen) + len(images) > NAMES_MAX
        ):
            self.close()
        self._names[kind].append(name)
        self._count += 1
        self._seen += [_seen(image) for image in images]
        self._bytes += size

    def close(self) -> None:
        """Begin a new request, unless the present one is empty."""
        if self._count:
            names: dict[str, Any] = {kind: tuple(found) for kind, found in self._names.items()}
            self.full.append(Request(**names, seen=tuple(self._seen)))
        self._names = {kind: [] for kind in self._names}
        self._count = self._bytes = 0
        self._seen = []


class Subscriptions:
    """Names as they were subscribed: markets, keys, fixtures, or all markets."""

    def __init__(self) -> None:
        self.markets: dict[MarketNo, None] = {}
        self.keys: dict[str, None] = {}
        self.fixtures: dict[str, None] = {}
        self.all = False

    def __len__(self) -> int:
        return len(self.markets) + len(self.keys) + len(self.fixtures) + self.all

    def _clear(self) -> None:
        self.markets.clear()
        self.keys.clear()
        self.fixtures.clear()
        self.all = False

    def check_room(self, names: int) -> None:
        """Raise `BoundReachedError` when so many further names are too many."""
        if len(self) + names > SUBSCRIPTIONS_KEPT_MAX:
            raise BoundReachedError("subscribed names", SUBSCRIPTIONS_KEPT_MAX)

    def add(self, request: Request, *, unknown: Iterable[str] = ()) -> None:
        """Add the names of an answered `subscribe`, without those that the gateway did not know."""
        if request.all_markets:
            self._clear()  # all covers every other name
            self.all = True
        if self.all:
            return
        unknown_names = frozenset(unknown)
        for number in request.markets:
            if str(number) not in unknown_names:
                self.markets[number] = None
        for key in request.keys:
            if key not in unknown_names:
                self.keys[_in_order(key)] = None
        self.fixtures |= dict.fromkeys(request.fixtures)

    def remove(
        self,
        *,
        markets: Iterable[MarketNo],
        fixtures: Iterable[str],
        everything: bool,
        prices: Mapping[int, Market],
    ) -> None:
        """Remove names; a fixture's markets go with it, however they were subscribed."""
        if everything:
            self._clear()
            return
        for number in markets:
            self.markets.pop(number, None)
            if number in prices:
                self.keys.pop(prices[number].key, None)
        for fixture in fixtures:
            if self.fixtures.pop(fixture, 0) is None:
                for number in [no for no in self.markets if no in prices]:
                    if _fixture_of(prices[number].key) == fixture:
                        del self.markets[number]
                for key in [key for key in self.keys if _fixture_of(key) == fixture]:
                    del self.keys[key]

    def has(self, name: str) -> bool:
        """Return whether a market is subscribed by this name: a key or a number as text."""
        return name in self.keys if "/" in name else MarketNo(int(name)) in self.markets

    def covers(self, image: Market) -> bool:
        """Return whether a market is subscribed under any name."""
        return (
            self.all
            or image.market in self.markets
            or image.key in self.keys
            or _fixture_of(image.key) in self.fixtures
        )

    def requests(self, prices: Mapping[int, Market], *, frame_bytes_max: int) -> list[Request]:
        """Return the requests that subscribe everything again.

        Parameters
        ----------
        prices : mapping
            Images held, by market: for these the gateway sends only what is newer. At most 1,024
            of them fit into one request, and fewer by its length; the further images of one
            fixture, or of `all`, arrive whole. So do stale ones: their end is no newer version.
        frame_bytes_max : int
            Longest message that the gateway accepts.
        """
        prices = {number: image for number, image in prices.items() if not image.stale}
        if self.all:
            return [_all_of(prices, frame_bytes_max)]
        packer = _Packer(frame_bytes_max)
        by_fixture: dict[str, list[Market]] = {fixture: [] for fixture in self.fixtures}
        by_key: dict[str, Market] = {}
        for image in prices.values():
            by_key[image.key] = image
            fixture = _fixture_of(image.key)
            if fixture in by_fixture:
                by_fixture[fixture].append(image)
        for fixture, images in by_fixture.items():
            packer.add("fixtures", fixture, images)
        for number in self.markets:
            packer.add("markets", number, list(_held(prices.get(number))))
        for key in self.keys:
            packer.add("keys", key, list(_held(by_key.get(key))))
        packer.close()
        return packer.full


def _held(image: Market | None) -> Iterator[Market]:
    if image is not None:
        yield image


def _all_of(prices: Mapping[int, Market], frame_bytes_max: int) -> Request:
    count = min(NAMES_MAX, max(frame_bytes_max - _HEAD_BYTES, 0) // _SEEN_BYTES)
    images = list(prices.values())[:count]
    return Request(all_markets=True, seen=tuple(_seen(image) for image in images))


def _seen(image: Market) -> Seen:
    return Seen(market=image.market, version=image.version)


def _fixture_of(key: str) -> str:
    return key.partition("/")[0]


def _in_order(key: str) -> str:
    """Return a key with its specifiers in the order of the images' keys."""
    try:
        return str(parse_market_key(key))
    except MalformedIdError:
        return key
