"""Build messages of the Unified Odds Feed, and carry an adapter's actions out on real markets."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from engine.common.commands import CreateMarket, FeedStep, FeedUpdate, Limits
from engine.common.events import FeedApplied, MarketEvent, Refused
from engine.common.ids import parse_market_key
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS, ODDS_MILLI_MIN
from engine.common.views import PriceImage
from engine.market.market import MarketMachine
from engine.pricing.following import Follow, Followed, follow_commands
from gateway.feeds.core.adapter import Action, MarketUpdate, Received, RecoveryRequest, Release
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.settings import UofSettings

EVENT = "sr:match:77001"
NOW_MS = 1_700_000_000_000
WATCHED = UofSettings()
UNWATCHED = UofSettings(watch=False)

MarketXml = str
MATCH_WINNER = (("1", "2.10"), ("2", "3.40"), ("3", "3.60"))
OVER_UNDER = (("12", "1.90"), ("13", "1.95"))
HOME_WON = (("1", 'result="1"'), ("2", 'result="0"'), ("3", 'result="0"'))
TOTAL = "total?total=2.5"
"""Key of the market of 2.5 goals, without the event."""


def market(
    number: int,
    outcomes: Sequence[tuple[str, str]] = (),
    *,
    specifiers: str = "",
    status: int | None = 1,
    children: str = "",
) -> MarketXml:
    """Return a market element; each outcome is an id with its odds, or with its attributes."""
    rows = "".join(
        f'<outcome id="{name}" {odds if "=" in odds else f"""odds="{odds}" active="1" """}/>'
        for name, odds in outcomes
    )
    attributes = f' specifiers="{specifiers}"' if specifiers else ""
    attributes += "" if status is None else f' status="{status}"'
    return f'<market id="{number}"{attributes}>{children}{rows}</market>'


def total(status: int | None = 1, outcomes: Sequence[tuple[str, str]] = OVER_UNDER) -> MarketXml:
    """Return a market element of 2.5 goals."""
    return market(18, outcomes, specifiers="total=2.5", status=status)


def odds_change(
    *markets: MarketXml,
    at: int,
    product: int = 1,
    event: str = EVENT,
    status: str = "",
    odds: str = "",
    request_id: int | None = None,
) -> bytes:
    """Return an odds_change with a timestamp `at` milliseconds after NOW_MS."""
    return (
        f"<odds_change {_head(at, product, event, request_id)}>{status}"
        f"<odds {odds}>{''.join(markets)}</odds></odds_change>"
    ).encode()


def bet_stop(*, at: int, groups: str = "all", product: int = 1, attributes: str = "") -> bytes:
    """Return a bet_stop."""
    return f'<bet_stop {_head(at, product, EVENT, None)} groups="{groups}" {attributes}/>'.encode()


def settled(number: int, results: Iterable[tuple[str, str]], *, specifiers: str = "") -> MarketXml:
    """Return a settled market element; each outcome is an id and its attributes."""
    rows = "".join(f'<outcome id="{name}" {result}/>' for name, result in results)
    attributes = f' specifiers="{specifiers}"' if specifiers else ""
    return f'<market id="{number}"{attributes}>{rows}</market>'


def bet_settlement(
    *markets: MarketXml,
    at: int,
    certainty: int = 1,
    product: int = 1,
    request_id: int | None = None,
) -> bytes:
    """Return a bet_settlement."""
    return (
        f'<bet_settlement {_head(at, product, EVENT, request_id)} certainty="{certainty}">'
        f"<outcomes>{''.join(markets)}</outcomes></bet_settlement>"
    ).encode()


def correction(
    kind: str,
    *numbers: int,
    at: int,
    product: int = 1,
    attributes: str = "",
    reason: str = "",
    request_id: int | None = None,
) -> bytes:
    """Return a cancellation or a roll-back of some markets without specifiers."""
    rows = "".join(f'<market id="{number}" {reason}/>' for number in numbers)
    head = f"{_head(at, product, EVENT, request_id)} {attributes}"
    return f"<{kind} {head}>{rows}</{kind}>".encode()


def alive(*, at: int, product: int = 1, subscribed: int = 1) -> bytes:
    """Return an alive message."""
    return (
        f'<alive product="{product}" timestamp="{NOW_MS + at}" subscribed="{subscribed}"/>'
    ).encode()


def snapshot_complete(*, at: int, request_id: int, product: int = 1) -> bytes:
    """Return the snapshot_complete of a recovery."""
    return (
        f'<snapshot_complete product="{product}" timestamp="{NOW_MS + at}" '
        f'request_id="{request_id}"/>'
    ).encode()


def product_down(*, at: int, product: int = 1) -> bytes:
    """Return a product_down."""
    return f'<product_down product="{product}" timestamp="{NOW_MS + at}"/>'.encode()


def fixture_change(change_type: int, *, at: int | None, product: int = 1) -> bytes:
    """Return a fixture_change; `at` None: without a timestamp."""
    head = f'event_id="{EVENT}" product="{product}"'
    timestamp = "" if at is None else f'timestamp="{NOW_MS + at}"'
    return f'<fixture_change {head} {timestamp} change_type="{change_type}"/>'.encode()


def _head(at: int, product: int, event: str, request_id: int | None) -> str:
    request = "" if request_id is None else f' request_id="{request_id}"'
    return f'event_id="{event}" product="{product}" timestamp="{NOW_MS + at}"{request}'


class FeedMarkets:
    """Give messages to an adapter, and carry its updates out on markets, in order.

    Recovery requests are kept in `requests`; orders to price a fixture are not carried out. Every
    `at` is in milliseconds after NOW_MS.
    """

    def __init__(self, adapter: UofAdapter) -> None:
        self.adapter = adapter
        self.machine = MarketMachine()
        self.numbers: dict[str, int] = {}
        self.requests: list[RecoveryRequest] = []
        self.events: list[MarketEvent] = []

    def receive(self, body: bytes, *, at: int = 0) -> Received:
        """Give the adapter a message that arrives at a time."""
        received = self.adapter.receive(body, at_ns=(NOW_MS + at) * NS_PER_MS)
        self.carry_out(received.actions, at=at)
        return received

    def tick(self, *, at: int) -> Received:
        """Give the adapter the time."""
        received = self.adapter.tick(at_ns=(NOW_MS + at) * NS_PER_MS)
        self.carry_out(received.actions, at=at)
        return received

    def recover(self, *, at: int, product: int = 1) -> None:
        """Give the adapter an alive message, and complete the recovery that it requests."""
        self.receive(alive(at=at, product=product), at=at)
        request = self.requests[-1]
        assert request.producer == product
        self.complete(request, at=at)

    def complete(self, request: RecoveryRequest, *, at: int) -> Received:
        """Give the adapter the snapshot_complete of a recovery."""
        body = snapshot_complete(at=at, product=request.producer, request_id=request.request_id)
        return self.receive(body, at=at)

    def carry_out(self, actions: Sequence[Action], *, at: int) -> None:
        """Apply the updates among some actions to the markets; keep the recovery requests."""
        for action in actions:
            if isinstance(action, RecoveryRequest):
                self.requests.append(action)
        for update in _updates(actions):
            self._apply(update, (NOW_MS + at) * NS_PER_MS)

    def _apply(self, update: MarketUpdate, at_ns: int) -> None:
        number = self.numbers.get(update.key)
        if number is None:
            number = self._create(update, at_ns)
        steps = tuple(replace(step, market_no=number) for step in update.steps)
        followed = Followed(market_no=number, mark=update.mark, steps=steps, fair=update.fair)
        commands, refused = follow_commands(Follow(by="feed", updates=(followed,)), self.machine)
        assert not refused, refused
        for command in commands:
            event = self.machine.apply(command, at_ns)
            self.events.append(event)
            if isinstance(command, FeedUpdate) and isinstance(event, FeedApplied):
                self.events += event.events

    def _create(self, update: MarketUpdate, at_ns: int) -> int:
        assert update.new_market is not None, f"{update.key}: updated before it is created"
        assert str(parse_market_key(update.key)) == update.key
        number = self.numbers[update.key] = len(self.numbers) + 1
        created = CreateMarket(
            market_no=number,
            key=update.key,
            outcomes=update.new_market.outcomes,
            odds_milli=(ODDS_MILLI_MIN,) * len(update.new_market.outcomes),
            limits=update.new_market.limits or Limits(),
        )
        assert not isinstance(self.machine.apply(created, at_ns), Refused)
        return number

    def image(self, key: str) -> PriceImage:
        """Return a market as bettors see it, by its key without the event."""
        return self.machine.price_image(self.numbers[f"{EVENT}/{key}"])

    def status(self, key: str) -> Status:
        """Return a market's status."""
        return self.image(key).status

    def state(self) -> dict[str, object]:
        """Return what bettors see of every market."""
        images = {key: self.machine.price_image(number) for key, number in self.numbers.items()}
        return {
            key: (image.status, image.outcomes, image.odds_milli, image.active)
            for key, image in sorted(images.items())
        }


def feed_markets(settings: UofSettings = UNWATCHED) -> FeedMarkets:
    """Return the markets of a feed called uof."""
    return FeedMarkets(UofAdapter("uof", settings))


def steps(received: Received) -> list[FeedStep]:
    """Return the steps of all updates of a message."""
    return [step for update in updates(received) for step in update.steps]


def updates(received: Received) -> list[MarketUpdate]:
    """Return the updates of a message."""
    return _updates(received.actions)


def _updates(actions: Sequence[Action]) -> list[MarketUpdate]:
    """Return the updates among some actions, those of released messages included, in order."""
    updates: list[MarketUpdate] = []
    for action in actions:
        if isinstance(action, MarketUpdate):
            updates.append(action)
        elif isinstance(action, Release):
            updates += action.updates
    return updates
