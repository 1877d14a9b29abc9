"""What detectors see, and what they find.

Owns the facts of the stream that a watching process is given, and the form of a finding. A fact
carries its own time; detectors read no clock. Facts of one market come in the order of its shell;
those of different markets may come a little out of order.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from msgspec import Struct

from engine.common.arbitrage_plans import ArbitragePlan
from engine.common.ids import AccountNo, MarketNo
from engine.common.stated_matches import StatedMatch
from engine.common.stated_results import StatedResult
from engine.common.units import Minor, Nanos, OddsMilli


class BetSeen(NamedTuple):
    """A bet that its market has decided; `stake_minor` is in base currency."""

    at_ns: Nanos
    fixture: str
    market_no: MarketNo
    outcome: int
    account_no: AccountNo
    stake_minor: Minor
    odds_milli: OddsMilli
    accepted: bool = True


class OddsSeen(NamedTuple):
    """All odds of a market, after a change of them."""

    at_ns: Nanos
    fixture: str
    market_no: MarketNo
    odds_milli: tuple[OddsMilli, ...]
    active: tuple[bool, ...]


class StatusSeen(NamedTuple):
    """A market begins (`active`) or ends to take bets."""

    at_ns: Nanos
    fixture: str
    market_no: MarketNo
    active: bool


class KickOffSeen(NamedTuple):
    """A fixture's play has begun."""

    at_ns: Nanos
    fixture: str


class ScoreSeen(NamedTuple):
    """A fixture's score has changed, or was changed back.

    `stopped` says that whatever changed it suspended the markets in the same moment, so that their
    suspension may be seen nowhere else.
    """

    at_ns: Nanos
    fixture: str
    home: int
    away: int
    stopped: bool = False


class SourceSeen(NamedTuple):
    """Fair probabilities of a market by a second source or our own model; none: it is silent."""

    at_ns: Nanos
    fixture: str
    market_no: MarketNo
    source: str
    probabilities: tuple[float, ...]


class BookSeen(NamedTuple):
    """What the house loses on a market's open bets by outcome, in base currency."""

    at_ns: Nanos
    fixture: str
    market_no: MarketNo
    liability_minor: tuple[Minor, ...]


class ArbitrageSeen(NamedTuple):
    """A search of a fixture's odds has ended: its best plan, None where there is none."""

    at_ns: Nanos
    fixture: str
    plan: ArbitragePlan | None


class ResultsSeen(NamedTuple):
    """What each of several feeds states as a market's result; none where a person has decided."""

    at_ns: Nanos
    fixture: str
    market_no: MarketNo
    statements: tuple[StatedResult, ...]


class FeedKnown(NamedTuple):
    """There is a feed, whether or not it says anything."""

    at_ns: Nanos
    feed: str


class MatchSeen(NamedTuple):
    """What each source states of a fixture's match, when they differ or differ no longer."""

    at_ns: Nanos
    fixture: str
    statements: tuple[StatedMatch, ...]


class FeedSeen(NamedTuple):
    """A message of a feed was applied, `lag_ms` after the time that its provider gave it."""

    at_ns: Nanos
    feed: str
    lag_ms: int


Fact = (
    BetSeen
    | OddsSeen
    | StatusSeen
    | KickOffSeen
    | ScoreSeen
    | SourceSeen
    | BookSeen
    | ArbitrageSeen
    | ResultsSeen
    | FeedKnown
    | MatchSeen
    | FeedSeen
)


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that a detector has found.

    `subject` names what it is about; a later finding of the same subject is the same thing again.
    `figures` are its numbers by name, with units in the names.
    """

    subject: str
    figures: dict[str, float]
    fixture: str = ""
    market_no: MarketNo = MarketNo(0)
    outcome: int = -1
    accounts: tuple[AccountNo, ...] = ()


class Detector(Protocol):
    """One kind of thing that is watched for, with bounded memory."""

    def see(self, fact: Fact, /) -> Iterable[Finding]:
        """Take a fact; return what it shows. A fact of a kind that is not watched shows nothing."""

    def check(self, at_ns: Nanos, /) -> Iterable[Finding]:
        """Return what time alone shows, or what is worked out at intervals."""
