"""The steps of a feed story: messages, bets, restarts, time, and what must stand afterwards.

A story is a title and a few steps, each a second after the one before. A moment is the name of a
bet or of a `mark` step, and messages may be sent `at` an earlier moment or name a window between
two. Keys are those of the engine, without the event where it is the stories' own.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

from msgspec import Struct

from engine.common.commands import MarketCommand
from gateway.feeds.exchange.adapter import ExchangeSettings
from gateway.feeds.lsports.adapter import LsportsSettings
from gateway.feeds.uof.settings import UofSettings
from tests.gateway.feeds.exchange.builders import definition, mcm, quoted, runner
from tests.gateway.feeds.uof import builders
from tests.gateway.feeds.uof.builders import EVENT, NOW_MS, UNWATCHED

Moments = Mapping[str, int]
"""The times of a story's moments, in milliseconds since 1970."""
Make = Callable[[int, Moments], bytes]
"""Write a message: its time in milliseconds since 1970, and the moments so far."""


class Message(Struct, frozen=True):
    """A message of the feed arrives; `refused` is part of the answer where it has no effect."""

    make: Make
    at: str
    refused: str | None


class Bet(Struct, frozen=True):
    """A bettor places a bet; odds of None are those on offer. `verdict` names the reason."""

    name: str
    key: str
    outcome: str
    stake_minor: int
    odds_milli: int | None
    account: int
    verdict: str


class Restart(Struct, frozen=True):
    """Parts end and start again: the feed's ``pipeline``, the market ``shells``, or ``all``."""

    what: str


class Wait(Struct, frozen=True):
    """Time passes."""

    seconds: float


class Moment(Struct, frozen=True):
    """A moment that later messages name."""

    name: str


class Trader(Struct, frozen=True):
    """A trader gives a command to a market, given its number."""

    key: str
    command: Callable[[int], MarketCommand]


class HasStatus(Struct, frozen=True):
    """A market must have a status; None: there must be no such market."""

    key: str
    status: str | None


class Offers(Struct, frozen=True):
    """A market must offer these odds by outcome name, and no other outcome."""

    key: str
    odds_milli: Mapping[str, int]


class Stands(Struct, frozen=True):
    """What stands for a market's bets: each outcome's result, and the bets that are refunded.

    A result is ``won``, ``lost``, ``void``, ``half won``, ``half lost``, ``open``, or the fraction
    of a dead heat. Outcomes that are not named have the result `rest`. The payouts are worked out
    by the oracle.
    """

    key: str
    results: Mapping[str, str | Fraction]
    rest: str
    refunded: tuple[str, ...]


class Counts(Struct, frozen=True):
    """The adapter must have passed over parts of messages for a reason so often."""

    reason: str
    count: int


class Says(Struct, frozen=True):
    """What the feed must say of markets it opened, did not open, and lost: in statistics and log.

    A market is named by its key or as the feed names it, with a part of the reason. The verdict on
    a recording must be the same: it passes where a market was opened and none is lost.
    """

    opened: int
    unopened: Mapping[str, str]
    lost: Mapping[str, str]


class Shows(Struct, frozen=True):
    """What else the feed must say of a market: fields of `MarketFacts`, the others at defaults."""

    key: str
    facts: Mapping[str, Any]


class Repeats(Struct, frozen=True):
    """The provider grants the latest recovery: it repeats messages, made of the request's figures.

    They are given the time, the request's id and the time that the request reaches back to.
    """

    make: Callable[[int, int, int], list[bytes]]


class ProviderTurns(Struct, frozen=True):
    """From now on the provider sends heartbeats or not, and answers requests with a status."""

    beats: bool | None
    answers: int | None


class Asked(Struct, frozen=True):
    """The provider must have been asked so often for a path that holds this text."""

    path: str
    times: int


Step = (
    Message
    | Bet
    | Restart
    | Wait
    | Moment
    | Trader
    | HasStatus
    | Offers
    | Stands
    | Counts
    | Says
    | Shows
    | Repeats
    | ProviderTurns
    | Asked
)
FeedSettings = UofSettings | ExchangeSettings | LsportsSettings


class Story(Struct, frozen=True):
    """A story: what it shows, its steps, and the settings of its feed, which choose the adapter.

    `names` are people's names of outcomes, by the provider's ids.
    """

    title: str
    steps: tuple[Step, ...]
    settings: FeedSettings
    names: Mapping[str, str]


def story(
    title: str,
    *steps: Step,
    settings: FeedSettings = UNWATCHED,
    names: Mapping[str, str] | None = None,
) -> Story:
    """Return a story."""
    return Story(title, steps, settings, names or {})


# --- the Unified Odds Feed -----------------------------------------------------------------------


def odds(*markets: str, at: str = "", refused: str | None = None, **fields: Any) -> Message:
    """Return an odds_change (see `builders.odds_change`, `builders.market`)."""
    return _uof(partial(builders.odds_change, *markets, **fields), at, refused)


def bet_stop(*, at: str = "", refused: str | None = None, **fields: Any) -> Message:
    """Return a bet_stop (see `builders.bet_stop`)."""
    return _uof(partial(builders.bet_stop, **fields), at, refused)


def results(*markets: str, at: str = "", refused: str | None = None, **fields: Any) -> Message:
    """Return a bet_settlement of `result` elements."""
    return _uof(partial(builders.bet_settlement, *markets, **fields), at, refused)


def result(number: int, specifiers: str = "", /, **outcomes: str) -> str:
    """Return a settled market: each outcome's result by ``o`` and its id, such as ``o1="won"``."""
    named = [(name.removeprefix("o"), text) for name, text in outcomes.items()]
    return result_of(number, dict(named), specifiers=specifiers)


def result_of(number: int, outcomes: Mapping[str, str], *, specifiers: str = "") -> str:
    """Return a settled market; a result is as in `Stands`, or the attributes themselves."""
    rows = [(name, _RESULTS.get(text, text)) for name, text in outcomes.items()]
    return builders.settled(number, rows, specifiers=specifiers)


_RESULTS: dict[str, str] = {
    "won": 'result="1"',
    "lost": 'result="0"',
    "void": 'result="0" void_factor="1"',
    "half won": 'result="1" void_factor="0.5"',
    "half lost": 'result="0" void_factor="0.5"',
    "open": 'result="-1"',
}


def cancel(*markets: str, **fields: Any) -> Message:
    """Return a bet_cancel of `named` markets, of bets from a moment (`start`) up to one (`end`)."""
    return _correction("bet_cancel", markets, **fields)


def roll_back_cancel(*markets: str, **fields: Any) -> Message:
    """Return a rollback_bet_cancel."""
    return _correction("rollback_bet_cancel", markets, **fields)


def roll_back_result(*markets: str, **fields: Any) -> Message:
    """Return a rollback_bet_settlement."""
    return _correction("rollback_bet_settlement", markets, **fields)


def named(number: int, *outcome_ids: str, specifiers: str = "", reason: str = "") -> str:
    """Return a market of a cancellation or a roll-back; with outcome ids, of these alone."""
    rows = "".join(f'<outcome id="{outcome_id}"/>' for outcome_id in outcome_ids)
    attributes = f' specifiers="{specifiers}"' if specifiers else ""
    attributes += f' void_reason="{reason}"' if reason else ""
    return f'<market id="{number}"{attributes}>{rows}</market>'


def xml(text: str, *, at: str = "", refused: str | None = None) -> Message:
    """Return a message as it is written; ``{head}`` is its event, producer 1 and its time."""

    def make(at_ms: int, moments: Moments) -> bytes:
        head = f'event_id="{EVENT}" product="1" timestamp="{at_ms}"'
        return text.replace("{head}", head).replace("{ms}", str(at_ms)).encode()

    return Message(make, at, refused)


# --- an exchange ---------------------------------------------------------------------------------


def exchange(*changes: dict[str, Any], at: str = "", refused: str | None = None) -> Message:
    """Return a market change message; each change is a market (see the exchange's builders)."""
    return Message(lambda at_ms, _: mcm(*changes, pt=at_ms), at, refused)


def race(*statuses: str, prices: bool = True, **fields: Any) -> Message:
    """Return market 1.5 of some runners of even chances, by default with prices while open."""
    given = {"status": "OPEN", **fields}
    runners = [runner(number, one) for number, one in enumerate(statuses, 1)]
    change = {"id": "1.5", "marketDefinition": definition(*runners, **given)}
    if prices and given["status"] == "OPEN":
        chance = given.get("numberOfWinners", 1) / len(runners)
        change["rc"] = [quoted(number, chance) for number in range(1, len(runners) + 1)]
    return exchange(change)


# --- everything else -----------------------------------------------------------------------------


def bet(
    name: str,
    key: str,
    outcome: str,
    stake_minor: int = 100,
    *,
    odds_milli: int | None = None,
    account: int = 2,
    verdict: str = "ACCEPTED",
) -> Bet:
    """Return a bet; without odds it is placed at those on offer."""
    return Bet(name, key, outcome, stake_minor, odds_milli, account, verdict)


def status(key: str, name: str | None) -> HasStatus:
    """Return what a market's status must be; None: there is no such market."""
    return HasStatus(key, name)


def offers(key: str, /, **odds_milli: int) -> Offers:
    """Return what a market must offer."""
    return Offers(key, odds_milli)


def stands(
    key: str,
    outcomes: Mapping[str, str | Fraction] | None = None,
    /,
    *,
    rest: str = "lost",
    refunded: tuple[str, ...] = (),
    **more: str | Fraction,
) -> Stands:
    """Return what must stand for a market's bets."""
    return Stands(key, {**(outcomes or {}), **more}, rest, refunded)


def restart(what: str) -> Restart:
    """Return a restart."""
    assert what in ("pipeline", "shells", "all"), what
    return Restart(what)


def provider(*, beats: bool | None = None, answers: int | None = None) -> ProviderTurns:
    """Return a turn of the provider; None: as before."""
    return ProviderTurns(beats, answers)


def says(
    opened: int,
    *,
    unopened: Mapping[str, str] | None = None,
    lost: Mapping[str, str] | None = None,
) -> Says:
    """Return what the feed must say of its markets."""
    return Says(opened, unopened or {}, lost or {})


def shows(key: str, /, **facts: Any) -> Shows:
    """Return what else the feed must say of a market."""
    return Shows(key, facts)


wait = Wait

mark = Moment
trader = Trader
counts = Counts
asked = Asked


def _uof(build: Callable[..., bytes], at: str, refused: str | None) -> Message:
    return Message(lambda at_ms, _: build(at=at_ms - NOW_MS), at, refused)


def _correction(
    kind: str,
    markets: tuple[str, ...],
    *,
    start: str = "",
    end: str = "",
    at: str = "",
    refused: str | None = None,
) -> Message:
    def make(at_ms: int, moments: Moments) -> bytes:
        window = f' start_time="{moments[start]}"' if start else ""
        window += f' end_time="{moments[end]}"' if end else ""
        head = f'event_id="{EVENT}" product="1" timestamp="{at_ms}"{window}'
        return f"<{kind} {head}>{''.join(markets)}</{kind}>".encode()

    return Message(make, at, refused)
