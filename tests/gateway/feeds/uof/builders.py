"""Messages of the Unified Odds Feed of our own making, and markets that obey an adapter."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from engine.common.commands import CreateMarket, FeedStep, FeedUpdate, Limits
from engine.common.events import FeedApplied, MarketEvent, Refused
from engine.common.ids import parse_market_key
from engine.common.lifecycle import Status
from engine.common.units import ODDS_MILLI_MIN
from engine.common.views import PriceImage
from engine.market.market import MarketMachine
from engine.pricing.following import Follow, Followed, follow_commands
from gateway.feeds.core.adapter import Action, MarketUpdate, Received, RecoveryRequest
from gateway.feeds.uof.adapter import UofAdapter, UofSettings

EVENT = "sr:match:77001"
NOW_MS = 1_700_000_000_000
NS = 1_000_000
UNWATCHED = UofSettings(watch=False)

OneMarket = str
THREE_WAY = (("1", "2.10"), ("2", "3.40"), ("3", "3.60"))
OVER_UNDER = (("12", "1.90"), ("13", "1.95"))
HOME_WON = (("1", 'result="1"'), ("2", 'result="0"'), ("3", 'result="0"'))
TOTAL = "total?total=2.5"
WATCHED = UofSettings()


def market(
    number: int,
    outcomes: Sequence[tuple[str, str]] = (),
    *,
    specifiers: str = "",
    status: int | None = 1,
    inside: str = "",
) -> OneMarket:
    """Return a market element; each outcome is an id and its odds (or whole attributes)."""
    rows = "".join(
        f'<outcome id="{name}" {odds if "=" in odds else f"""odds="{odds}" active="1" """}/>'
        for name, odds in outcomes
    )
    attributes = f' specifiers="{specifiers}"' if specifiers else ""
    attributes += "" if status is None else f' status="{status}"'
    return f'<market id="{number}"{attributes}>{inside}{rows}</market>'


def total(status: int | None = 1, outcomes: Sequence[tuple[str, str]] = OVER_UNDER) -> OneMarket:
    """Return the market of two and a half goals."""
    return market(18, outcomes, specifiers="total=2.5", status=status)


def odds_change(
    *markets: OneMarket,
    at: int,
    product: int = 1,
    event: str = EVENT,
    status: str = "",
    odds: str = "",
    request_id: int | None = None,
) -> bytes:
    """Return an odds change `at` milliseconds after NOW_MS."""
    return (
        f"<odds_change {_head(at, product, event, request_id)}>{status}"
        f"<odds {odds}>{''.join(markets)}</odds></odds_change>"
    ).encode()


def bet_stop(*, at: int, groups: str = "all", product: int = 1, more: str = "") -> bytes:
    """Return a bet stop."""
    return f'<bet_stop {_head(at, product, EVENT, None)} groups="{groups}" {more}/>'.encode()


def settled(number: int, results: Iterable[tuple[str, str]], *, specifiers: str = "") -> OneMarket:
    """Return a settled market element; each outcome is an id and its attributes."""
    rows = "".join(f'<outcome id="{name}" {said}/>' for name, said in results)
    attributes = f' specifiers="{specifiers}"' if specifiers else ""
    return f'<market id="{number}"{attributes}>{rows}</market>'


def bet_settlement(
    *markets: OneMarket,
    at: int,
    certainty: int = 1,
    product: int = 1,
    request_id: int | None = None,
) -> bytes:
    """Return a settlement."""
    return (
        f'<bet_settlement {_head(at, product, EVENT, request_id)} certainty="{certainty}">'
        f"<outcomes>{''.join(markets)}</outcomes></bet_settlement>"
    ).encode()


def about(
    kind: str,
    *numbers: int,
    at: int,
    product: int = 1,
    more: str = "",
    reason: str = "",
    request_id: int | None = None,
) -> bytes:
    """Return a cancellation or a roll-back of some markets without specifiers."""
    rows = "".join(f'<market id="{number}" {reason}/>' for number in numbers)
    return f"<{kind} {_head(at, product, EVENT, request_id)} {more}>{rows}</{kind}>".encode()


def alive(*, at: int, product: int = 1, subscribed: int = 1) -> bytes:
    """Return a heartbeat."""
    return (
        f'<alive product="{product}" timestamp="{NOW_MS + at}" subscribed="{subscribed}"/>'
    ).encode()


def snapshot_complete(*, at: int, request_id: int, product: int = 1) -> bytes:
    """Return the end of a recovery."""
    return (
        f'<snapshot_complete product="{product}" timestamp="{NOW_MS + at}" '
        f'request_id="{request_id}"/>'
    ).encode()


def _head(at: int, product: int, event: str, request_id: int | None) -> str:
    asked = "" if request_id is None else f' request_id="{request_id}"'
    return f'event_id="{event}" product="{product}" timestamp="{NOW_MS + at}"{asked}'


class Trader:
    """Markets that obey what an adapter wants, in order: a desk without a network."""

    def __init__(self, adapter: UofAdapter) -> None:
        self.adapter = adapter
        self.machine = MarketMachine()
        self.numbers: dict[str, int] = {}
        self.asked: list[RecoveryRequest] = []
        self.events: list[MarketEvent] = []

    def hear(self, body: bytes, *, at: int | None = None, clock: int = 0) -> Received:
        """Give the adapter a message, `at` or `clock` milliseconds after NOW_MS."""
        at_ms = NOW_MS + (clock if at is None else at)
        received = self.adapter.receive(body, at_ns=at_ms * NS)
        self.carry_out(received.actions, at_ms * NS)
        return received

    def tick(self, *, at: int) -> Received:
        """Give the adapter the time."""
        received = self.adapter.tick(at_ns=(NOW_MS + at) * NS)
        self.carry_out(received.actions, (NOW_MS + at) * NS)
        return received

    def recover(self, *, at: int, product: int = 1) -> None:
        """Let a heartbeat come, and the recovery that it asks for be complete at once."""
        self.hear(alive(at=at, product=product), at=at)
        request = self.asked[-1]
        assert request.producer == product
        done = snapshot_complete(at=at, product=product, request_id=request.request_id)
        self.hear(done, at=at)

    def carry_out(self, actions: Sequence[Action], at_ns: int) -> None:
        for action in actions:
            if isinstance(action, RecoveryRequest):
                self.asked.append(action)
            elif isinstance(action, MarketUpdate):
                self._notify(action, at_ns)

    def _notify(self, notify: MarketUpdate, at_ns: int) -> None:
        number = self.numbers.get(notify.key)
        if number is None:
            assert notify.new_market is not None, f"{notify.key} is told before it is born"
            assert str(parse_market_key(notify.key)) == notify.key
            number = self.numbers[notify.key] = len(self.numbers) + 1
            created = CreateMarket(
                market_no=number,
                key=notify.key,
                outcomes=notify.new_market.outcomes,
                odds_milli=(ODDS_MILLI_MIN,) * len(notify.new_market.outcomes),
                limits=notify.new_market.limits or Limits(),
            )
            assert not isinstance(self.machine.apply(created, at_ns), Refused)
        steps = tuple(_numbered(step, number) for step in notify.steps)
        update = Followed(market_no=number, mark=notify.mark, steps=steps, fair=notify.fair)
        commands, refused = follow_commands(Follow(by="feed", updates=(update,)), self.machine)
        assert not refused, refused
        for command in commands:
            event = self.machine.apply(command, at_ns)
            self.events.append(event)
            if isinstance(command, FeedUpdate) and isinstance(event, FeedApplied):
                self.events += event.events

    def image(self, key: str) -> PriceImage:
        """Return a market as bettors see it, by its key without the event."""
        return self.machine.price_image(self.numbers[f"{EVENT}/{key}"])

    def status(self, key: str) -> Status:
        """Return a market's status."""
        return self.image(key).status

    def state(self) -> dict[str, object]:
        """Return everything of every market that a bettor can tell."""
        images = {key: self.machine.price_image(number) for key, number in self.numbers.items()}
        return {
            key: (image.status, image.outcomes, image.odds_milli, image.active)
            for key, image in sorted(images.items())
        }


def _numbered(step: FeedStep, number: int) -> FeedStep:
    return replace(step, market_no=number)


def floor(settings: UofSettings = UNWATCHED) -> Trader:
    """Return markets that obey a feed called uof."""
    return Trader(UofAdapter("uof", settings))


def steps(received: Received) -> list[FeedStep]:
    """Return the steps that a message has markets take."""
    return [step for notify in tells(received) for step in notify.steps]


def tells(received: Received) -> list[MarketUpdate]:
    """Return what a message tells markets."""
    return [action for action in received.actions if isinstance(action, MarketUpdate)]
