"""Messages of the Unified Odds Feed as types, one class per kind.

Owns the fields of each message, their units and their bounds. It never reads bytes (xml.py does)
and never knows a market of the engine. Times are the provider's, in milliseconds since 1970, UTC.

The digest of a market's mark is computed from the fields' names and values: renaming a field
changes the digests that journals hold.
"""

from typing import ClassVar, Final

from msgspec import UNSET, Struct, UnsetType

from engine.common.units import NS_PER_MS, OddsMilli

TIMESTAMP_MS_MAX: Final = ((1 << 63) - 1) // NS_PER_MS
"""Latest time whose nanoseconds fit a signed 64-bit integer."""
PRODUCT_MAX: Final = 999
MARKET_ID_MAX: Final = (1 << 31) - 1
REQUEST_ID_MAX: Final = (1 << 63) - 1
SCORE_MAX: Final = 9_999
CARDS_MAX: Final = 99
NO_CERTAINTY: Final = 0
"""The certainty of a settlement that does not say how sure it is, which is lawful."""
NO_PRODUCT: Final = 0
"""Producer of a roll-back that names none, and of `SubscriptionStarted`, which concerns all."""
SUBSCRIPTION_STARTED: Final = b"<source_began/>"
"""Body that our transport, not the provider, puts before the first message of a subscription that
does not continue where the previous one ended."""


class Message(Struct, frozen=True, kw_only=True, gc=False):
    """Base of every message: its producer and its time."""

    kind: ClassVar[str]
    """Name of the root element in the provider's XML."""

    product: int
    """Number of the producer."""
    timestamp: int
    request_id: int | None = None
    """The recovery that this message answers; None when it is sent for the first time."""


class EventMessage(Message, frozen=True, kw_only=True):
    """A message about one sport event."""

    event_id: str

    def describe(self, name: "MarketName") -> str:
        """Return the event, the market id and the specifiers as text for a refusal."""
        return f"{self.event_id}: {name.id} {name.specifiers}".strip()


class MarketName(Struct, frozen=True, kw_only=True, gc=False):
    """The market id and specifiers that identify a market within its event."""

    id: int
    specifiers: str = ""


class OutcomeOdds(Struct, frozen=True, kw_only=True, gc=False):
    """One outcome's odds in thousandths, rounded down, and its probability; None: not given."""

    id: str
    odds_milli: OddsMilli | None = None
    probability: float | None = None
    active: bool = True


class MarketOdds(Struct, frozen=True, kw_only=True, gc=False):
    """A market's status (1, active, where none is given) and all its current outcomes."""

    name: MarketName
    status: int = 1
    favourite: bool = False
    next_betstop: int | None = None
    """When the market stops taking bets, in the provider's time; None: not given."""
    cashout: int | None = None
    """Cash-out: 1 available, -1 unavailable, -2 closed; None: not given."""
    outcomes: tuple[OutcomeOdds, ...] = ()


class PeriodScore(Struct, frozen=True, kw_only=True, gc=False):
    """Goals or points of one period; `code` is the period's match status code."""

    code: int
    home: int
    away: int


class SportEventStatus(Struct, frozen=True, kw_only=True, gc=False):
    """Status, score and clock of the event; None: the message does not give the figure."""

    status: int
    match_status: int | None = None
    home_score: int | None = None
    away_score: int | None = None
    clock_s: int | None = None
    """Match time plus stoppage time, in seconds."""
    announced_s: int | UnsetType = UNSET
    """Time that the referee adds to the period, in seconds. Unset where it is not given, so that
    the digest of such a message is that of earlier releases."""
    periods: tuple[PeriodScore, ...] = ()
    home_red_cards: int = 0
    away_red_cards: int = 0
    """Players sent off, by a red card or a second yellow card."""
    reporting: int | None = None
    """Live coverage: 1 the match is covered, 0 it is not, -1 the coverage is interrupted."""

    @property
    def is_unreadable(self) -> bool:
        """Whether this stands for a status that could not be read."""
        return self.status == UNREADABLE_STATUS.status


UNREADABLE_STATUS: Final = SportEventStatus(status=-1)
"""A status that a message gave and that could not be read: it tells nothing of the match, but for
its `reporting`."""


class OddsChange(EventMessage, frozen=True, kw_only=True):
    """New odds and statuses of the listed markets; markets that are not listed do not change."""

    kind: ClassVar[str] = "odds_change"

    status: SportEventStatus | None = None
    betting_status: int | None = None
    betstop_reason: int | None = None
    markets: tuple[MarketOdds, ...] = ()


class BetStop(EventMessage, frozen=True, kw_only=True):
    """Suspend the active markets of the named groups at once."""

    kind: ClassVar[str] = "bet_stop"

    groups: tuple[str, ...]
    market_status: int = -1


class OutcomeSettled(Struct, frozen=True, kw_only=True, gc=False):
    """One outcome's result: 1 won, 0 lost, -1 undecided; its void factor in halves."""

    id: str
    result: int
    void_halves: int = 0
    dead_heat: tuple[int, int] = (1, 1)
    """Numerator and denominator of the dead-heat factor."""


class MarketSettled(Struct, frozen=True, kw_only=True, gc=False):
    """One market's settled outcomes."""

    name: MarketName
    outcomes: tuple[OutcomeSettled, ...]
    void_reason: int | None = None


class BetSettlement(EventMessage, frozen=True, kw_only=True):
    """Results of markets: certainty 1 is from a live scout, 2 is confirmed, 0 is not said."""

    kind: ClassVar[str] = "bet_settlement"

    certainty: int
    markets: tuple[MarketSettled, ...]


class MarketVoided(Struct, frozen=True, kw_only=True, gc=False):
    """One market that a cancellation or a roll-back names, or some outcomes of it."""

    name: MarketName
    void_reason: int | None = None
    outcome_ids: tuple[str, ...] | UnsetType = UNSET
    """Unset for the whole market, so that its digest is that of earlier releases."""


class BetCancel(EventMessage, frozen=True, kw_only=True):
    """Void the bets placed from `start_time` up to `end_time`; None: no bound on that side."""

    kind: ClassVar[str] = "bet_cancel"

    start_time: int | None = None
    end_time: int | None = None
    superceded_by: str = ""
    markets: tuple[MarketVoided, ...] = ()


class RollbackBetSettlement(EventMessage, frozen=True, kw_only=True):
    """Take back an earlier bet_settlement, which was an error."""

    kind: ClassVar[str] = "rollback_bet_settlement"

    markets: tuple[MarketVoided, ...] = ()


class RollbackBetCancel(EventMessage, frozen=True, kw_only=True):
    """Take back an earlier bet_cancel of the same window, which was an error."""

    kind: ClassVar[str] = "rollback_bet_cancel"

    start_time: int | None = None
    end_time: int | None = None
    markets: tuple[MarketVoided, ...] = ()


class FixtureChange(EventMessage, frozen=True, kw_only=True):
    """The fixture changed: 1 new, 2 start time, 3 cancelled, 4 format, 5 coverage."""

    kind: ClassVar[str] = "fixture_change"

    change_type: int | None = None
    start_time: int | None = None


class Alive(Message, frozen=True, kw_only=True):
    """A producer's heartbeat; `subscribed` false: the producer sends nothing but heartbeats."""

    kind: ClassVar[str] = "alive"

    subscribed: bool


class SnapshotComplete(Message, frozen=True, kw_only=True):
    """Every message that the recovery `request_id` requested has been sent."""

    kind: ClassVar[str] = "snapshot_complete"


class ProductDown(Message, frozen=True, kw_only=True):
    """A producer reports that it is out of service."""

    kind: ClassVar[str] = "product_down"


class SubscriptionStarted(Message, frozen=True, kw_only=True):
    """Our transport's marker (`SUBSCRIPTION_STARTED`): earlier messages may have been lost."""

    kind: ClassVar[str] = "source_began"


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
    | SubscriptionStarted
)
