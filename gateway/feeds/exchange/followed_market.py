"""One exchange market that we follow, and the state that our market should have.

Owns the names of its outcomes, which runner each outcome is, its withdrawals, and the desired
state: status, fair prices, results. It does not know what was sent before (the adapter compares)
and reads no clock.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from engine.common.acceptance import DELAY_MS_MAX
from engine.common.commands import NAME_CHARS_MAX, WHY_CHARS_MAX, Limits, OutcomeResult
from engine.common.ids import parse_market_key
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS, ODDS_MILLI_MAX, Nanos
from gateway.feeds.core.adapter import KnownMarket, NewMarket
from gateway.feeds.exchange.fair_price import (
    FairMarket,
    FairRules,
    RunnerPrices,
    estimate,
    fair_market,
    highest_odds_milli,
)
from gateway.feeds.exchange.messages import MarketDefinition, RunnerDefinition
from gateway.feeds.exchange.order_book import Market, RunnerId, runner_id_of
from gateway.feeds.exchange.results import (
    ACTIVE,
    WITHDRAWN,
    Removal,
    ResultRules,
    results,
)

ODDS: Final = "ODDS"
OPEN: Final = "OPEN"
CLOSED: Final = "CLOSED"
INACTIVE: Final = "INACTIVE"
_SPORTS: Final = {
    "1": "football",
    "2": "tennis",
    "7": "race",
    "4339": "race",
    "7522": "basketball",
}
"""Our sports by the exchange's event types; horses and greyhounds race."""
UNSUPPORTED_TYPES: Final = ("EACH_WAY",)
"""Market types of the exchange in which a bet is not one outcome at one price."""


TWICE: Final = "a runner is listed twice"


class DesiredStatus(NamedTuple):
    """The state a market should have: its status, why it is not ACTIVE, prices and results."""

    status: Status
    why: str = ""
    fair: FairMarket | None = None
    winners: int = 1
    results: tuple[OutcomeResult, ...] | None = None
    closed: bool = False


def market_key(definition: MarketDefinition, market_id: str, *, feed: str) -> str:
    """Return ``<feed>.<event>/<type>?market=<id>``: the exchange's identity in our key grammar.

    The exchange's event of a race is its whole meeting, so the time of the race stands behind it:
    a slip may have several races of one meeting. A market that exists is found by its id, so a time
    that changes later does no harm.

    Raises
    ------
    MalformedIdError
        When an id or the type has characters that no key may have.
    """
    event = definition.event_id
    if sport_of(definition.event_type_id) == "race":
        time = "".join(digit for digit in definition.market_time[:16] if digit.isdecimal())
        event = f"{event}.{time}" if time else event
    text = f"{feed}.{event}/{definition.market_type.lower()}?market={market_id}"
    return str(parse_market_key(text))


def outcome_names(runners: Sequence[RunnerDefinition]) -> tuple[str, ...]:
    """Return a name for each runner: its own, else its id; equal names get the id appended."""
    plain = [_plain_name(runner) for runner in runners]
    names = tuple(
        _with_id(runner) if plain.count(name) > 1 else name
        for runner, name in zip(runners, plain, strict=True)
    )
    if len(dict.fromkeys(names)) < len(names):
        return tuple(_id_text(runner) for runner in runners)
    return names


def _id_text(runner: RunnerDefinition) -> str:
    return f"{runner.id}@{runner.hc:g}" if runner.hc else str(runner.id)


def _plain_name(runner: RunnerDefinition) -> str:
    name = "".join(letter for letter in runner.name or "" if letter.isprintable())
    return " ".join(name.split())[:NAME_CHARS_MAX].strip() or _id_text(runner)


def _with_id(runner: RunnerDefinition) -> str:
    tail = f" ({_id_text(runner)})"
    return _plain_name(runner)[: NAME_CHARS_MAX - len(tail)].strip() + tail


def match_outcomes(
    runners: Sequence[RunnerDefinition], outcomes: Sequence[str]
) -> tuple[RunnerId, ...] | None:
    """Return the runner of each outcome of an existing market, or None where one is missing."""
    runner_of: dict[str, RunnerId] = {}
    for spell in (_plain_name, _with_id, _id_text):
        for runner in runners:
            runner_of.setdefault(spell(runner), runner_id_of(runner))
    found = tuple(runner_of[name] for name in outcomes if name in runner_of)
    return found if len(found) == len(outcomes) == len(dict.fromkeys(found)) else None


def unsupported(definition: MarketDefinition) -> str:
    """Return why a market of its kind is not followed; empty where it is."""
    if definition.betting_type not in ("", ODDS):
        return f"betting type {definition.betting_type}: ODDS alone is followed"
    if definition.market_type in UNSUPPORTED_TYPES:
        return f"market type {definition.market_type} has two results in one bet"
    return ""


def incomplete(definition: MarketDefinition) -> str:
    """Return why no market can be made of a definition; empty where one can."""
    if not definition.event_id or not definition.runners:
        return "no event or no runners"
    runner_ids = [runner_id_of(runner) for runner in definition.runners]
    return TWICE if len(dict.fromkeys(runner_ids)) < len(runner_ids) else ""


def removal_date_ns(text: str | None) -> int | None:
    """Return the exchange's removal date in nanoseconds, or None where the text is no date."""
    try:
        return int(datetime.fromisoformat(text or "").timestamp() * 1_000) * NS_PER_MS
    except (ValueError, OverflowError):
        return None


def sport_of(event_type_id: str) -> str:
    """Return the sport of an event type, for rules of limits; empty where none is given."""
    if not event_type_id:
        return ""
    return _SPORTS.get(event_type_id, f"event_type_{event_type_id}")


def _delay_ms(definition: MarketDefinition) -> int:
    """Return the exchange's bet delay on a market, 0 before play, and at most what one may be."""
    return min(definition.bet_delay * 1_000, DELAY_MS_MAX)


class Follower:
    """One market: its outcomes in our order, and its withdrawals.

    Parameters
    ----------
    key : str
        The market's key here.
    definition : MarketDefinition
        The first definition received.
    known : KnownMarket | None
        The market as it already exists here, after a restart.
    """

    def __init__(
        self, key: str, definition: MarketDefinition, *, known: KnownMarket | None
    ) -> None:
        self.key = key
        self.blocked = ""
        self._take_runners(definition, known=known)
        self.removals: dict[RunnerId, Removal] = {}
        self.sport = sport_of(definition.event_type_id)
        self.in_play = definition.in_play
        self.delay_ms = _delay_ms(definition)
        self.version = definition.version
        self._turned_ms: int | None = None
        self._image_active = known.image.active if known is not None else None
        self._seen = False

    def _take_runners(self, definition: MarketDefinition, *, known: KnownMarket | None) -> None:
        """Make the outcomes of a definition's runners, or find those of an existing market."""
        self.outcomes = outcome_names(definition.runners)
        order: tuple[RunnerId, ...] | None
        order = tuple(runner_id_of(runner) for runner in definition.runners)
        if known is not None:
            self.outcomes = known.image.outcomes
            order = match_outcomes(definition.runners, self.outcomes)
        self.order = order or ()
        self.blocked = "" if order else "its outcomes are not the exchange's runners"
        self._index = {runner_id: i for i, runner_id in enumerate(self.order)}
        self._estimates: _Estimates | None = None

    def new_market(self, limits: Limits | None) -> NewMarket:
        """Return what the market is created with."""
        phase: Literal["prematch", "live"] = "live" if self.in_play else "prematch"
        return NewMarket(outcomes=self.outcomes, limits=limits, sport=self.sport, phase=phase)

    def define(
        self, definition: MarketDefinition, *, made: bool, published_ms: int, at_ns: Nanos
    ) -> None:
        """Take a definition: withdrawals, the turn in-play, added runners.

        A market that is not made yet (`made`) takes its outcomes from the newest definition.
        """
        if not made:
            self._take_runners(definition, known=None)
            self.blocked = incomplete(definition)
        for runner in definition.runners:
            runner_id = runner_id_of(runner)
            if runner_id not in self._index:
                self.blocked = self.blocked or "a runner joined after the market was made"
            if runner.status not in WITHDRAWN:
                self.removals.pop(runner_id, None)
                continue
            factor = min(max(round((runner.adjustment_factor or 0.0) * 100), 0), 10_000)
            seen = self.removals.get(runner_id)
            since = seen.at_ns if seen else self._seen_at(runner, published_ms, at_ns)
            self.removals[runner_id] = Removal(since, factor)
        if definition.in_play and not self.in_play and definition.status == OPEN:
            self._turned_ms = published_ms
        self.in_play = definition.in_play
        self.delay_ms = _delay_ms(definition)
        self._seen = True

    def _seen_at(self, runner: RunnerDefinition, published_ms: int, at_ns: Nanos) -> Nanos:
        """Return when a withdrawal was first seen: now, or before a restart by its date.

        An existing market that no longer offers the runner knew of the withdrawal; then the
        exchange's date is taken, shifted by the difference between our clock and its messages.
        """
        index = self._index.get(runner_id_of(runner))
        if self._seen or self._image_active is None or index is None or self._image_active[index]:
            return at_ns
        date_ns = removal_date_ns(runner.removal_date)
        if date_ns is None:
            return at_ns
        return Nanos(max(0, date_ns + at_ns - published_ms * NS_PER_MS))

    def desired(
        self,
        market: Market,
        *,
        moved: bool,
        fair_rules: FairRules,
        result_rules: ResultRules,
        before: FairMarket | None = None,
        move_min: float = 0.0,
    ) -> DesiredStatus:
        """Return the state that the market should have now, by the stream alone.

        Parameters
        ----------
        market : Market
            The order books, with a definition.
        moved : bool
            Whether this message brought prices, which ends the suspension after a turn in-play.
        fair_rules, result_rules : FairRules, ResultRules
            The bounds of fair prices, and the exchange's settlement rules.
        before, move_min : FairMarket | None, float
            Prices that stand while none moved by `move_min` (see `fair_market`).
        """
        definition = market.definition
        assert definition is not None
        found: tuple[OutcomeResult, ...] | str
        if definition.status == CLOSED:
            self.forget_prices()
            found = self.blocked if not self.order else ""
            found = found or results(definition, self.order, rules=result_rules)
            if isinstance(found, str):
                return DesiredStatus(Status.SUSPENDED, found[:WHY_CHARS_MAX], closed=True)
            return DesiredStatus(Status.SUSPENDED, "closed", results=found)
        if definition.status == INACTIVE:
            return DesiredStatus(Status.INACTIVE)
        if definition.status != OPEN:
            return DesiredStatus(Status.SUSPENDED, f"exchange: {definition.status}"[:WHY_CHARS_MAX])
        if self.blocked:
            return DesiredStatus(Status.SUSPENDED, self.blocked)
        if self._turned_ms is not None:
            if not moved or market.published_ms <= self._turned_ms:
                return DesiredStatus(Status.SUSPENDED, "turned in-play")
            self._turned_ms = None
        known = self._estimated(market, definition, rules=fair_rules)
        fair = fair_market(
            known.values,
            winners=definition.number_of_winners,
            rules=fair_rules,
            odds_milli_max=known.odds_milli_max,
            before=before,
            move_min=move_min,
        )
        if fair is None:
            return DesiredStatus(Status.SUSPENDED, "no fair price")
        return DesiredStatus(Status.ACTIVE, fair=fair, winners=definition.number_of_winners)

    def forget_prices(self) -> None:
        """Forget the runners' ladders: the market left the stream, or is closed."""
        self._estimates = None

    def _estimated(
        self, market: Market, definition: MarketDefinition, *, rules: FairRules
    ) -> "_Estimates":
        """Return the estimates of the outcomes in our order; None for a withdrawn runner.

        The estimate of a runner stands until a message changes the runner.
        """
        known = self._estimates
        if known is None or not known.is_of(market, definition):
            known = self._estimates = _Estimates(market, definition, self.order)
        for index, runner in enumerate(known.runners):
            if runner is not None and runner.changes != known.changes[index]:
                prices = RunnerPrices(
                    runner.best_backs(rules.depth), runner.best_lays(rules.depth), runner.last
                )
                known.values[index] = estimate(prices, rules)
                known.odds_milli_max[index] = highest_odds_milli(prices, rules)
                known.changes[index] = runner.changes
        return known


class _Estimates:
    """The runner of each outcome, its estimate, its highest odds, and at which change they are."""

    __slots__ = (
        "_definition",
        "_market",
        "_named",
        "changes",
        "odds_milli_max",
        "runners",
        "values",
    )

    def __init__(
        self, market: Market, definition: MarketDefinition, order: Sequence[RunnerId]
    ) -> None:
        self._market = market
        self._definition = definition
        self._named = len(market.runners)
        active = {runner_id_of(runner) for runner in definition.runners if runner.status == ACTIVE}
        self.runners = [market.runners.get(each) if each in active else None for each in order]
        self.changes = [-1] * len(order)
        self.values: list[float | None] = [None] * len(order)
        self.odds_milli_max = [ODDS_MILLI_MAX] * len(order)

    def is_of(self, market: Market, definition: MarketDefinition) -> bool:
        """Say whether these runners are still those of a market under its definition."""
        return (
            self._market is market
            and self._definition is definition
            and self._named == len(market.runners)
        )
