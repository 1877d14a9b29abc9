"""The football model and the state of each match of one feed.

Owns the models fitted to the feed's odds, and the newest state of each match. It never issues a
command; a message that gives no state or no usable odds leaves the match as it was.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec import UNSET

from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN
from engine.pricing.football.calibration import MEASURED, TYPICAL, Calibrated, Calibrator
from engine.pricing.football.model import MatchModel, MatchState, Period
from engine.pricing.margin import Removal
from gateway.feeds.core.settings import GoalProcess
from gateway.feeds.uof.market_registry import ListedMarket
from gateway.feeds.uof.match_state import match_state
from gateway.feeds.uof.messages import MarketOdds, OddsChange
from gateway.feeds.uof.stoppage import with_stoppage

SPORT: Final = "football"

MATCHES_MAX: Final = 1 << 14
TOTALS_MAX: Final = 3
"""Total-goals markets that a model is fitted to: the provider's favourite line, then the most
balanced ones."""
TOTALS_KEPT_MAX: Final = 32
"""Open totals of a match that are remembered, as those in use may close; of more, those that would
be used last are not."""
_CALIBRATORS_MAX: Final = 64
_ACTIVE_CODE: Final = 1

NOT_YET: Final = "no model yet"
NOT_OPEN: Final = "no model: the feed's match winner is not open"
NO_WINNER: Final = "no model: no odds of the match winner"
NO_TOTAL: Final = "no model: no odds of a total"
NO_STATE: Final = "no model: the state of the match is not known"
_REFUSED: Final = "no model: odds refused, "

FindMarket = Callable[[MarketOdds], ListedMarket | None]
"""Return the registry's market for an element of a message; None when there is none."""


class ModelledMatch(NamedTuple):
    """A match that the model can price, or could before its newest message."""

    model: MatchModel
    state: MatchState
    score_changed: bool
    """Whether the message changed the score."""
    why: str
    """Why the model is not fitted to the feed's present odds; empty: it is."""


class _Markets(NamedTuple):
    """The provider's market ids that a model is fitted to."""

    winner: int
    total: int


_REGULAR_TIME: Final = _Markets(1, 18)
_EXTRA_TIME: Final = _Markets(113, 116)
FITTED_IDS: Final = frozenset((*_REGULAR_TIME, *_EXTRA_TIME))
"""The provider's ids of all markets that a model is ever fitted to."""


class _Quoted(NamedTuple):
    """One market's odds; of totals the one that sorts first is fitted first."""

    not_favourite: bool
    imbalance: float
    key: str
    odds: tuple[float, ...]


class _Match:
    """One match: its state, and the feed's present odds of the markets that a model is fitted to.

    A message does not list what has not changed, so odds are kept until the market is listed again
    or until something happens that they did not know of.
    """

    __slots__ = (
        "announced", "fitted_to", "is_lost", "model", "newest_ms", "producer", "state", "totals",
        "why", "winner", "winner_is_open",
    )  # fmt: skip

    def __init__(self) -> None:
        self.announced: tuple[Period, int] | None = None
        """The newest announcement of stoppage time: the period and the seconds."""
        self.model: MatchModel | None = None
        self.state: MatchState | None = None
        self.is_lost = False
        """Whether the newest status did not tell the state."""
        self.newest_ms = -1
        """Newest provider timestamp of an odds_change; -1: none."""
        self.producer = 0
        """Whose odds are kept."""
        self.winner: _Quoted | None = None
        self.winner_is_open = True
        self.totals: list[_Quoted] = []
        self.fitted_to: object = None
        """The odds, the state and the base of the last fit."""
        self.why = NOT_YET
        """Why the model is not fitted to the present odds; empty: it is."""

    @property
    def markets(self) -> _Markets:
        """The markets that determine a model of the rest of the match."""
        over = self.state is not None and self.state.period >= Period.FULL_TIME
        return _EXTRA_TIME if over else _REGULAR_TIME

    def base(self, goal_process: GoalProcess) -> MatchModel:
        """Return what a model of the match is fitted from: the stoppage to expect by now."""
        in_play = self.state is not None and self.state.period is not Period.PRE_MATCH
        base = MEASURED if goal_process in ("always", "in_play" if in_play else "") else TYPICAL
        if self.state is None:
            return base
        period, announced_s = self.announced or (None, None)
        if period is not self.state.period:
            announced_s = None
        return with_stoppage(base, self.state, announced_s)

    def take_status(self, message: OddsChange) -> None:
        """Take what a message says of the match."""
        if message.status is None:
            self.state = self.state or MatchState()
            return
        state = match_state(message.status)
        self.is_lost = state is None
        if state is not None:
            self.state = state
            if message.status.announced_s is not UNSET:
                self.announced = state.period, message.status.announced_s

    def is_taken_over(self, message: OddsChange) -> bool:
        """Say whether a message ends the odds of another producer, after its status was taken.

        Before the match a message without odds does not: live producers send a match's status well
        before they offer it.
        """
        if message.product == self.producer:
            return False
        before = self.state is not None and self.state.period is Period.PRE_MATCH
        return not before or any(market.name.id in self.markets for market in message.markets)

    def forget_odds(self) -> None:
        """Forget the odds: the match is not what it was when they were made."""
        self.winner, self.totals = None, []

    def take_odds(self, message: OddsChange, find: FindMarket) -> None:
        """Take the odds of the markets that a message lists."""
        markets = self.markets
        for market in message.markets:
            if market.name.id not in markets:
                continue
            listed = find(market)
            if listed is None or listed.market.sport != SPORT:
                continue  # refused, or a market id with outcomes that football does not know
            quoted = _quoted(market, listed)
            if market.name.id == markets.winner:
                self.winner, self.winner_is_open = quoted, market.status == _ACTIVE_CODE
                continue
            key = listed.market.key.partition("/")[2]
            self.totals = [one for one in self.totals if one.key != key]
            self.totals += [] if quoted is None else [quoted]
        self.totals = sorted(self.totals)[:TOTALS_KEPT_MAX]


class MatchModels:
    """Fit a model to each match of one feed, as its odds change.

    Parameters
    ----------
    goal_process : GoalProcess
        When models are fitted from the measured goal process; else from independent sides.
    matches_max : int
        Matches kept; past it the match whose last message arrived longest ago is dropped.
    removal : Removal | None
        How the margin of the feed's odds is removed; None: the measured defaults.
    """

    def __init__(
        self,
        *,
        goal_process: GoalProcess = "always",
        matches_max: int = MATCHES_MAX,
        removal: Removal | None = None,
    ) -> None:
        self._goal_process: Final[GoalProcess] = goal_process
        self._removal: Final = removal
        self._matches_max: Final = matches_max
        self._matches: OrderedDict[str, _Match] = OrderedDict()
        self._calibrators: OrderedDict[tuple[str, ...], Calibrator] = OrderedDict()

    def latest(self, event_id: str) -> ModelledMatch | None:
        """Return a match after its newest message; None while it has no model."""
        match = self._matches.get(event_id)
        if match is None or match.model is None or match.state is None:
            return None
        return ModelledMatch(match.model, match.state, score_changed=False, why=match.why)

    def why_unfitted(self, event_id: str) -> str:
        """Return why no model is fitted to a match's present odds; empty: one is."""
        match = self._matches.get(event_id)
        return NOT_YET if match is None else match.why

    def newest_ms(self, event_id: str) -> int:
        """Return the timestamp of the newest odds_change of a match; 0 when there was none."""
        match = self._matches.get(event_id)
        return 0 if match is None else max(match.newest_ms, 0)

    def on_lost_part(self, event_id: str) -> None:
        """Forget the odds of a match of which a message could not be read."""
        match = self._matches.get(event_id)
        if match is not None:
            match.forget_odds()
            match.why = NO_WINNER

    def update(self, message: OddsChange, find: FindMarket) -> ModelledMatch | None:
        """Update a match from a message; return it when its prices or its opening must change.

        Parameters
        ----------
        message : OddsChange
            The message; one older than an earlier message of the match changes nothing.
        find : callable
            Finds a market of the message in the registry.
        """
        match = self._matches.setdefault(message.event_id, _Match())
        self._matches.move_to_end(message.event_id)
        while len(self._matches) > self._matches_max:
            self._matches.popitem(last=False)
        if message.timestamp < match.newest_ms:
            return None
        match.newest_ms = message.timestamp
        state, before = match.state, (match.model, match.state, match.why)
        markets = match.markets
        match.take_status(message)
        takes_over = match.is_taken_over(message)
        if takes_over or match.markets is not markets or _events(state) != _events(match.state):
            match.forget_odds()
        if takes_over:
            match.producer = message.product
        match.take_odds(message, find)
        match.why = self._fit(match)
        if match.model is None or match.state is None:
            return None
        if (match.model, match.state, match.why) == before:
            return None
        return ModelledMatch(
            match.model,
            match.state,
            score_changed=_score(state) != _score(match.state),
            why=match.why,
        )

    def _fit(self, match: _Match) -> str:
        """Fit a match's model to its present odds; return why it is not, or an empty text."""
        if match.is_lost:
            return NO_STATE
        if match.winner is None:
            return NO_WINNER if match.winner_is_open else NOT_OPEN
        if not match.totals:
            return NO_TOTAL
        totals = match.totals[:TOTALS_MAX]
        chosen = (match.winner, *sorted(totals, key=lambda one: one.key))
        base = match.base(self._goal_process)
        odds_by_key = {one.key: one.odds for one in chosen}
        fitted_to = odds_by_key, match.state, base
        if fitted_to == match.fitted_to and (not match.why or match.why.startswith(_REFUSED)):
            return match.why
        match.fitted_to = fitted_to
        fitted = self._calibrator(tuple(odds_by_key)).fit(
            tuple(odds_by_key.values()), base=base, state=match.state, method=self._removal
        )
        if not isinstance(fitted, Calibrated):
            return _REFUSED + fitted.status.name.lower().replace("_", " ")
        match.model = fitted.model
        return ""

    def _calibrator(self, keys: tuple[str, ...]) -> Calibrator:
        calibrator = self._calibrators.get(keys)
        if calibrator is None:
            calibrator = self._calibrators[keys] = Calibrator(keys)
            while len(self._calibrators) > _CALIBRATORS_MAX:
                self._calibrators.popitem(last=False)
        self._calibrators.move_to_end(keys)
        return calibrator


def _score(state: MatchState | None) -> tuple[int, int]:
    """Return the home and away goals of a match; 0, 0 without a state."""
    if state is None:
        return 0, 0
    scores = (state.first_half, state.second_half, state.extra_first, state.extra_second)
    return sum(score.home for score in scores), sum(score.away for score in scores)


def _events(state: MatchState | None) -> tuple[int, ...]:
    """Return what has happened in a match that odds from before do not know of."""
    if state is None:
        return (0, 0, 0, 0)
    return (*_score(state), state.home_red_cards, state.away_red_cards)


def _quoted(market: MarketOdds, listed: ListedMarket) -> _Quoted | None:
    """Return an open market's odds; None when they are not complete."""
    odds = _decimal_odds(market, listed) if market.status == _ACTIVE_CODE else None
    if odds is None:
        return None
    key = listed.market.key.partition("/")[2]
    return _Quoted(not market.favourite, abs(odds[0] - odds[1]), key, odds)


def _decimal_odds(market: MarketOdds, listed: ListedMarket) -> tuple[float, ...] | None:
    """Return decimal odds in the order of the market's outcomes.

    Fair odds, 1 / probability, when every outcome has a probability; else the feed's odds; None
    when some outcome has neither.
    """
    by_index = {listed.outcome_index(o.id): o for o in market.outcomes if o.active}
    fair: list[float] = []
    quoted: list[float] = []
    for index in range(len(listed.market.outcomes)):
        outcome = by_index.get(index)
        if outcome is None:
            return None
        if outcome.probability is not None and 1e-6 < outcome.probability < 1.0:
            fair.append(1.0 / outcome.probability)
        if (
            outcome.odds_milli is not None
            and ODDS_MILLI_MIN <= outcome.odds_milli <= ODDS_MILLI_MAX
        ):
            quoted.append(outcome.odds_milli / 1_000)
    count = len(listed.market.outcomes)
    if len(fair) == count:
        return tuple(fair)
    return tuple(quoted) if len(quoted) == count else None
