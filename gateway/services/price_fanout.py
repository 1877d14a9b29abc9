"""Send prices to subscribers: the last image of every market, and its followers.

Owns images and subscriptions. A change is encoded once per subprotocol, and the same bytes go to
every follower. A follower without room in its out-buffer later receives only the latest state;
odds are absolute values, so a skipped version loses nothing. It never waits for a follower, and
stores per follower only the numbers of the markets that it owes.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from engine.common.ids import MalformedIdError, MarketNo, parse_market_key
from engine.common.lifecycle import Status
from engine.common.views import PriceDelta, PriceImage
from gateway.counters import Counters
from gateway.messages.base import Stale
from gateway.messages.market import STATUS_NAMES, Market, Odds, Subscribe, Unsubscribe
from gateway.net.codec import JSON, MSGPACK, Codec
from gateway.net.output import Output
from gateway.services.catalogue import FixtureCatalogue

_CODECS: Final = (MSGPACK, JSON)
_A_STEP: Final = 64
"""Names or frames of one step of work, which takes some 0.1 ms."""


class Follower:
    """A session's subscriptions, and the markets whose latest state is still owed to it."""

    __slots__ = ("all", "codec", "connection", "fixtures", "joining", "markets", "owed")

    def __init__(self, *, connection: Output, codec: Codec) -> None:
        self.connection = connection
        self.codec = codec.index
        self.markets: dict[MarketNo, None] = {}
        self.fixtures: dict[str, None] = {}
        self.all = False
        self.joining = False
        """Whether a subscription is under way: every change is owed then."""
        self.owed: dict[MarketNo, bool] = {}
        """By market number: True when the image is owed, False when the odds are."""

    @property
    def subscriptions(self) -> int:
        """Number of subscribed names: markets, fixtures, and all."""
        return len(self.markets) + len(self.fixtures) + self.all


class Topic:
    """One market: its last image and its followers; without prices until an image arrives."""

    __slots__ = (
        "_images",
        "_odds",
        "_prices",
        "_stale",
        "fixture",
        "followers",
        "key",
        "market_no",
        "released",
    )

    def __init__(self, *, market_no: MarketNo, key: str) -> None:
        self.market_no = market_no
        self.key = key
        self.fixture = key.partition("/")[0]
        self.followers: dict[Follower, None] = {}
        self.released = False
        """Whether its shell serves again, and its image is still the one of before."""
        self._prices: PriceImage | None = None
        self._stale: Stale = ""
        self._images: list[bytes | None] = [None, None]
        self._odds: list[bytes | None] = [None, None]

    @property
    def prices(self) -> PriceImage | None:
        """The last image, or None before the first."""
        return self._prices

    @prices.setter
    def prices(self, prices: PriceImage) -> None:
        self._prices = prices
        self._images = [None, None]
        self._odds = [None, None]

    @property
    def stale(self) -> Stale:
        """Why what is shown may not be whole; empty for a sound market."""
        return self._stale

    @stale.setter
    def stale(self, stale: Stale) -> None:
        self._stale = stale
        self._images = [None, None]
        self._odds = [None, None]

    @property
    def shown(self) -> PriceImage | None:
        """The last image as it is shown: a stale market is suspended, not active."""
        prices = self._prices
        if prices is None or not self._stale or prices.status != Status.ACTIVE:
            return prices
        return replace(prices, status=Status.SUSPENDED)

    @property
    def version(self) -> int:
        """Version of the image held, -1 before the first one."""
        return -1 if self._prices is None else self._prices.version

    def message(self) -> Market | None:
        """Return the image as a message, or None before the first one."""
        prices = self.shown
        if prices is None:
            return None
        return Market(
            market=self.market_no,
            key=prices.key,
            status=STATUS_NAMES[prices.status],
            version=prices.version,
            outcomes=prices.outcomes,
            odds_milli=prices.odds_milli,
            active=prices.active,
            stale=self._stale,
        )

    def frame(self, codec: int, *, image: bool) -> bytes | None:
        """Return the encoded image or odds, encoded at most once per version and subprotocol."""
        prices = self.shown
        if prices is None:
            return None
        cache = self._images if image else self._odds
        frame = cache[codec]
        if frame is None:
            message = self.message() if image else None
            frame = cache[codec] = _CODECS[codec].frame(
                message
                or Odds(
                    market=self.market_no,
                    version=prices.version,
                    status=STATUS_NAMES[prices.status],
                    odds_milli=prices.odds_milli,
                    active=prices.active,
                    stale=self._stale,
                )
            )
        return frame


class Fanout:
    """All markets and all followers of one gateway.

    Parameters
    ----------
    counters : Counters
        Counts of prices received, sent and held back.
    fetch_image : callable
        Called with a market's number when its image is needed from its shell; must not block.
    catalogue : FixtureCatalogue
        Counts the markets of each fixture by status.
    """

    def __init__(
        self,
        *,
        counters: Counters,
        fetch_image: Callable[[MarketNo], None],
        catalogue: FixtureCatalogue,
    ) -> None:
        self.topics: dict[MarketNo, Topic] = {}
        self._numbers: dict[str, MarketNo] = {}
        self._fixtures: dict[str, dict[MarketNo, None]] = {}
        self._fixture_followers: dict[str, dict[Follower, None]] = {}
        self._all_followers: dict[Follower, None] = {}
        self._counters = counters
        self._fetch_image = fetch_image
        self._catalogue = catalogue

    # --- called for the shells -------------------------------------------------------------------

    def add_market(self, *, market_no: MarketNo, key: str) -> Topic:
        """Add a market without prices, unless it is known; return its topic."""
        topic = self.topics.get(market_no)
        if topic is None:
            topic = self.topics[market_no] = Topic(market_no=market_no, key=key)
            self._numbers[key] = market_no
            self._fixtures.setdefault(topic.fixture, {})[market_no] = None
            self._catalogue.add_market(topic.fixture)
        return topic

    def take_images(self, images: Iterable[PriceImage]) -> None:
        """Take images; an image that is not newer than the one held changes nothing.

        The first image after a quarantine is taken whatever its version: the journal may have been
        restored to an earlier state.
        """
        for image in images:
            topic = self.add_market(market_no=image.market_no, key=image.key)
            if topic.released:
                self._end_stale(topic, image)
            elif image.version > topic.version:
                first = topic.prices is None
                topic.prices = image
                self._publish(topic, image=first)

    def _end_stale(self, topic: Topic, image: PriceImage) -> None:
        topic.released = False
        topic.stale = ""
        topic.prices = image
        self._publish(topic, image=True)

    def quarantined(self, market_nos: Iterable[MarketNo]) -> None:
        """Show markets as stale, since their shell's journal is damaged."""
        for number in market_nos:
            topic = self.topics[number]
            topic.released = False
            if not topic.stale:
                topic.stale = "quarantined"
                if topic.prices is not None:
                    self._publish(topic, image=False)

    def released(self, market_nos: Iterable[MarketNo]) -> list[MarketNo]:
        """Note that markets' shell serves; return the stale ones, whose next image ends that."""
        stale = [number for number in market_nos if self.topics[number].stale]
        for number in stale:
            self.topics[number].released = True
        return stale

    @property
    def markets_stale(self) -> int:
        """Number of stale markets."""
        return sum(1 for topic in self.topics.values() if topic.stale)

    def take_deltas(self, deltas: Iterable[PriceDelta]) -> None:
        """Take changes; for a change that fits no image held, fetch the market's image."""
        for delta in deltas:
            self._counters.prices_in += 1
            topic = self.topics.get(delta.market_no)
            prices = None if topic is None else topic.prices
            if (
                topic is None
                or prices is None
                or topic.released  # the image under way may be older than this change
                or len(delta.odds_milli) != len(prices.outcomes)
            ):
                self._counters.images_healed += 1
                self._fetch_image(delta.market_no)
            elif delta.version > prices.version:
                topic.prices = PriceImage(
                    market_no=prices.market_no,
                    key=prices.key,
                    status=delta.status,
                    version=delta.version,
                    outcomes=prices.outcomes,
                    odds_milli=delta.odds_milli,
                    active=delta.active,
                )
                self._publish(topic, image=False)

    def missing(self) -> list[MarketNo]:
        """Return the numbers of markets without a first image."""
        return [number for number, topic in self.topics.items() if topic.prices is None]

    def _publish(self, topic: Topic, *, image: bool) -> None:
        number, shown = topic.market_no, topic.shown
        assert shown is not None, "a published market has prices"
        self._catalogue.set_status(number, topic.fixture, shown.status)
        sent = held = 0
        for followers in (
            topic.followers,
            self._fixture_followers.get(topic.fixture, {}),
            self._all_followers,
        ):
            for follower in followers:
                if number in follower.owed or follower.joining:
                    held += 1  # the latest state is sent when there is room
                    if image or follower.joining:
                        follower.owed[number] = True
                    continue
                frame = topic.frame(follower.codec, image=image)
                assert frame is not None, "a published market has prices"
                if follower.connection.send_odds(frame):
                    sent += 1
                else:
                    held += 1
                    follower.owed[number] = image
        self._counters.odds_out += sent
        self._counters.odds_conflated += held

    # --- called by the sessions ------------------------------------------------------------------

    def number(self, key: str) -> MarketNo | None:
        """Return the number of a market by its key, with specifiers in any order, or None."""
        number = self._numbers.get(key)
        if number is None:
            try:
                number = self._numbers.get(str(parse_market_key(key)))
            except MalformedIdError:
                return None
        return number

    def subscribe(
        self,
        follower: Follower,
        request: Subscribe,
        *,
        names_max: int,
        markets_max: Callable[[], int],
        joined: Callable[[], object],
    ) -> Generator[None, None, list[str] | None]:
        """Subscribe a follower, in steps; return the unknown names, or None when over a limit.

        The images, or for markets in `seen` the odds, become owed: `catch_up` sends them.
        `markets_max` is asked, and `joined` called, in the step in which the follower joins: other
        subscriptions may take their steps in between.
        """
        unknown: list[str] = []
        numbers: list[MarketNo] = []
        for market_no in request.markets:
            if market_no in self.topics:
                numbers.append(market_no)
            else:
                unknown.append(str(market_no))
        for place, key in enumerate(request.keys):
            if place % _A_STEP == _A_STEP - 1:
                yield
            found = self.number(key)
            if found is None:
                unknown.append(key)
            else:
                numbers.append(found)
        names = len(numbers) + len(request.fixtures) + request.all
        if follower.subscriptions + names > names_max:
            return None
        if self._would_follow(follower, numbers, request) > markets_max():
            return None
        seen: dict[int, int] = {line.market: line.version for line in request.seen}
        follower.joining = True
        markets = dict.fromkeys(self._join(follower, numbers, request))
        joined()
        for place, number in enumerate(markets):
            if place % _A_STEP == _A_STEP - 1:
                yield
            version = seen.get(number)
            topic = self.topics[number]
            if topic.prices is None:
                continue  # its first image is published to all followers
            if version is None:
                follower.owed[number] = True
            elif topic.version > version or topic.stale:
                follower.owed.setdefault(number, False)
        follower.joining = False
        return unknown

    def _would_follow(self, follower: Follower, numbers: list[MarketNo], request: Subscribe) -> int:
        """Return the most markets that a follower follows after a request."""
        if request.all or follower.all:
            return len(self.topics)
        fixtures = sum(len(self._fixtures.get(name, ())) for name in request.fixtures)
        return self.followed(follower) + fixtures + len(numbers)

    def _join(
        self, follower: Follower, numbers: list[MarketNo], request: Subscribe
    ) -> list[MarketNo]:
        """Add a follower under each name, at most once per market, and return the markets."""
        joined: list[MarketNo] = []
        if request.all and not follower.all:
            self.leave(follower)
            follower.all = True
            self._all_followers[follower] = None
            joined.extend(self.topics)
        for fixture in request.fixtures:
            if not follower.all and fixture not in follower.fixtures:
                follower.fixtures[fixture] = None
                self._fixture_followers.setdefault(fixture, {})[follower] = None
                for number in self._fixtures.get(fixture, ()):
                    self._leave_market(follower, number)
            joined.extend(self._fixtures.get(fixture, ()))
        for number in numbers:
            topic = self.topics[number]
            if not follower.all and topic.fixture not in follower.fixtures:
                follower.markets[number] = None
                topic.followers[follower] = None
        return joined + numbers

    def unsubscribe(self, follower: Follower, request: Unsubscribe) -> Iterator[None]:
        """Unsubscribe names as they were subscribed, in steps; `all` removes every subscription."""
        if request.all:
            self.leave(follower)
            return
        for place, market_no in enumerate(request.markets):
            if place % _A_STEP == _A_STEP - 1:
                yield
            self._leave_market(follower, market_no)
        for fixture in request.fixtures:
            yield
            self._leave_fixture(follower, fixture)

    def leave(self, follower: Follower) -> None:
        """Remove every subscription of a follower."""
        for number in list(follower.markets):
            self._leave_market(follower, number)
        for fixture in list(follower.fixtures):
            self._leave_fixture(follower, fixture)
        self._all_followers.pop(follower, None)
        follower.all = False
        follower.joining = False
        follower.owed.clear()

    def _leave_market(self, follower: Follower, number: MarketNo) -> None:
        if number in follower.markets:
            del follower.markets[number]
            self.topics[number].followers.pop(follower, None)
            follower.owed.pop(number, None)

    def _leave_fixture(self, follower: Follower, fixture: str) -> None:
        if fixture in follower.fixtures:
            del follower.fixtures[fixture]
            followers = self._fixture_followers[fixture]
            followers.pop(follower, None)
            if not followers:
                del self._fixture_followers[fixture]
            for number in self._fixtures.get(fixture, ()):
                follower.owed.pop(number, None)

    def followed(self, follower: Follower) -> int:
        """Return the number of markets that a follower follows."""
        if follower.all:
            return len(self.topics)
        fixtures = sum(len(self._fixtures.get(name, ())) for name in follower.fixtures)
        return fixtures + len(follower.markets)

    def catch_up(self, follower: Follower) -> Iterator[None]:
        """Send what is owed while there is room, in steps."""
        owed = follower.owed
        sent = 0
        while owed:
            number, image = next(iter(owed.items()))
            frame = self.topics[number].frame(follower.codec, image=image)
            if frame is not None and not follower.connection.send_odds(frame):
                return
            del owed[number]
            self._counters.odds_out += 1
            sent += 1
            if sent % _A_STEP == 0:
                yield
