"""The Unified Odds Feed's messages, typed: what each kind says, and nothing of what to do about it.

Owns the shapes and the numbers' units; never reads bytes (uof_xml.py) and never knows a market of
ours. Times are the provider's own, in milliseconds since 1970, UTC.
"""

from typing import Final

from msgspec import Struct

MS_MAX: Final = ((1 << 63) - 1) // 1_000_000
"""Latest moment whose nanoseconds fit a signed 64-bit integer."""
PRODUCT_MAX: Final = 999
MARKET_ID_MAX: Final = (1 << 31) - 1
REQUEST_ID_MAX: Final = (1 << 63) - 1
SCORE_MAX: Final = 9_999
CARDS_MAX: Final = 99
NO_PRODUCT: Final = 0
"""Stands for the producer of a roll-back that names none, and for all where a source begins."""
SOURCE_BEGAN: Final = b"<source_began/>"
"""What a transport says first on a connection that does not go on where the last one ended."""


class Message(Struct, frozen=True, kw_only=True):
    """Base of every message: who made it, and when."""

    product: int
    timestamp: int
    request_id: int | None = None
    """The recovery that this message answers; None when it is said for the first time."""


class EventMessage(Message, frozen=True, kw_only=True):
    """A message about one sport event."""

    event_id: str

    def called(self, name: "MarketName") -> str:
        """Return in words which market of the event is meant."""
        return f"{self.event_id}: {name.id} {name.specifiers}".strip()


class MarketName(Struct, frozen=True, kw_only=True):
    """What identifies a market within its event: a number, and the provider's specifiers."""

    id: int
    specifiers: str = ""


class OutcomeOdds(Struct, frozen=True, kw_only=True):
    """One outcome's odds in thousandths, rounded down, and its probability, as far as given."""

    id: str
    odds_milli: int | None = None
    probability: float | None = None
    active: bool = True


class MarketOdds(Struct, frozen=True, kw_only=True):
    """A market's status (active where none is given) and its current outcomes."""

    name: MarketName
    status: int = 1
    favourite: bool = False
    outcomes: tuple[OutcomeOdds, ...] = ()


class PeriodScore(Struct, frozen=True, kw_only=True):
    """Goals or points of one period, by the match status code that the period has."""

    code: int
    home: int
    away: int


class SportEventStatus(Struct, frozen=True, kw_only=True):
    """Where the event stands; None where the message does not say."""

    status: int
    match_status: int | None = None
    home_score: int | None = None
    away_score: int | None = None
    clock_s: int | None = None
    """Match time and stoppage time together."""
    periods: tuple[PeriodScore, ...] = ()
    home_red_cards: int = 0
    away_red_cards: int = 0
    """Sent off, by a red card or by a second yellow one."""


class OddsChange(EventMessage, frozen=True, kw_only=True):
    """New odds or statuses of some markets; those left out stand as they stood."""

    status: SportEventStatus | None = None
    betting_status: int | None = None
    betstop_reason: int | None = None
    markets: tuple[MarketOdds, ...] = ()


class BetStop(EventMessage, frozen=True, kw_only=True):
    """Suspend the active markets of some groups, at once."""

    groups: tuple[str, ...]
    market_status: int = -1


class OutcomeSettled(Struct, frozen=True, kw_only=True):
    """One outcome's end: result is 1 won, 0 lost, -1 undecided; the void factor is in halves."""

    id: str
    result: int
    void_halves: int = 0
    dead_heat: tuple[int, int] = (1, 1)
    """Numerator and denominator."""


class MarketSettled(Struct, frozen=True, kw_only=True):
    """A market's outcomes, settled."""

    name: MarketName
    outcomes: tuple[OutcomeSettled, ...]


class BetSettlement(EventMessage, frozen=True, kw_only=True):
    """Results, as scouted (certainty 1) or confirmed (2)."""

    certainty: int
    markets: tuple[MarketSettled, ...]


class MarketVoided(Struct, frozen=True, kw_only=True):
    """A market named by a cancellation or a roll-back."""

    name: MarketName
    void_reason: int | None = None


class BetCancel(EventMessage, frozen=True, kw_only=True):
    """Bets placed from `start_time` up to `end_time` are void; None is open."""

    start_time: int | None = None
    end_time: int | None = None
    superceded_by: str = ""
    markets: tuple[MarketVoided, ...] = ()


class RollbackBetSettlement(EventMessage, frozen=True, kw_only=True):
    """An earlier settlement was an error."""

    markets: tuple[MarketVoided, ...] = ()


class RollbackBetCancel(EventMessage, frozen=True, kw_only=True):
    """An earlier cancellation of the same window was an error."""

    start_time: int | None = None
    end_time: int | None = None
    markets: tuple[MarketVoided, ...] = ()


class FixtureChange(EventMessage, frozen=True, kw_only=True):
    """The fixture was changed: 1 new, 2 start time, 3 cancelled, 4 format, 5 coverage."""

    change_type: int | None = None


class Alive(Message, frozen=True, kw_only=True):
    """A producer's heartbeat; not subscribed means that it sends nothing else."""

    subscribed: bool


class SnapshotComplete(Message, frozen=True, kw_only=True):
    """Everything that a recovery asked for has been sent."""


class ProductDown(Message, frozen=True, kw_only=True):
    """A producer says of itself that it does not work."""


class SourceBegan(ProductDown, frozen=True, kw_only=True):
    """The transport's word, not the provider's: before it, messages of anyone may be missing."""


AnyMessage = (
    OddsChange
    | BetStop
    | BetSettlement
    | BetCancel
    | RollbackBetSettlement
    | RollbackBetCancel
    | FixtureChange
    | Alive
    | SnapshotComplete
    | ProductDown
    | SourceBegan
)
