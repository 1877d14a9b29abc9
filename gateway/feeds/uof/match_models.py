"""The football model and the state of each match of one feed.

Owns the models fitted to the feed's odds, and the newest state of each match. It never issues a
command; a message that gives no state or no usable odds leaves the match as it was.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec import UNSET

from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN
from engine.pricing.football.calibration import Calibrated, Calibrator
from engine.pricing.football.model import MatchModel, MatchState, Period
from engine.pricing.margin import Method
from gateway.feeds.uof.market_registry import ListedMarket
from gateway.feeds.uof.match_state import match_state
from gateway.feeds.uof.messages import MarketOdds, OddsChange
from gateway.feeds.uof.stoppage import with_stoppage

SPORT: Final = "football"
_BASE: Final = MatchModel(home_rate=1.4, away_rate=1.1)
"""What is believed of every match besides its odds: its stoppage time, above all."""
MATCHES_MAX: Final = 1 << 14
TOTALS_MAX: Final = 3
"""Total-goals markets that a model is fitted to: the provider's favourite line, then the most
balanced ones."""
_CALIBRATORS_MAX: Final = 64
_MATCH_WINNER: Final = 1
_TOTAL_GOALS: Final = 18

FindMarket = Callable[[MarketOdds], ListedMarket | None]
"""Return the registry's market for an element of a message; None when there is none."""


class ModelledMatch(NamedTuple):
    """A match that the model can price."""

    model: MatchModel
    state: MatchState
    score_changed: bool
    """Whether the message changed the score."""


class _Match:
    __slots__ = ("announced", "model", "newest_ms", "state")

    def __init__(self) -> None:
        self.announced: tuple[Period, int] | None = None
        """The newest announcement of stoppage time: the period and the seconds."""
        self.model: MatchModel | None = None
        self.state: MatchState | None = None
        self.newest_ms = -1
        """Newest provider timestamp of an odds_change; -1: none."""

    def base(self) -> MatchModel:
        """Return what a model of the match is fitted from: the stoppage to expect by now."""
        if self.state is None:
            return _BASE
        period, announced_s = self.announced or (None, None)
        if period is not self.state.period:
            announced_s = None
        return with_stoppage(_BASE, self.state, announced_s)


class MatchModels:
    """Fit a model to each match of one feed, as its odds change.

    Parameters
    ----------
    matches_max : int
        Matches kept; past it the match whose last message arrived longest ago is dropped.
    """

    def __init__(self, *, matches_max: int = MATCHES_MAX) -> None:
        self._matches_max: Final = matches_max
        self._matches: OrderedDict[str, _Match] = OrderedDict()
        self._calibrators: OrderedDict[tuple[str, ...], Calibrator] = OrderedDict()
        self.fits_refused = 0
        """Messages whose odds no model explains."""

    def latest(self, event_id: str) -> ModelledMatch | None:
        """Return a match after its newest message; None while it has no model."""
        match = self._matches.get(event_id)
        if match is None or match.model is None or match.state is None:
            return None
        return ModelledMatch(match.model, match.state, score_changed=False)

    def newest_ms(self, event_id: str) -> int:
        """Return the timestamp of the newest odds_change of a match; 0 when there was none."""
        match = self._matches.get(event_id)
        return 0 if match is None else max(match.newest_ms, 0)

    def update(self, message: OddsChange, find: FindMarket) -> ModelledMatch | None:
        """Update a match from a message; return it when its prices must change.

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
        before = match.state
        if message.status is not None:
            state = match_state(message.status)
            if state is None:
                return None
            match.state = state
            if message.status.announced_s is not UNSET:
                match.announced = state.period, message.status.announced_s
        elif match.state is None:
            match.state = MatchState()
        model = self._fit(message, match, find)
        changed = model is not match.model or match.state != before
        match.model = model
        if model is None or match.state is None or not changed:
            return None
        return ModelledMatch(
            model, match.state, score_changed=_score(before) != _score(match.state)
        )

    def _fit(self, message: OddsChange, match: _Match, find: FindMarket) -> MatchModel | None:
        """Return the model that explains a message's odds, or the match's model as it is."""
        odds_by_key = _odds_to_fit(message, find)
        if len(odds_by_key) < 2:
            return match.model
        keys = tuple(odds_by_key)
        calibrator = self._calibrators.get(keys)
        if calibrator is None:
            calibrator = self._calibrators[keys] = Calibrator(keys)
            while len(self._calibrators) > _CALIBRATORS_MAX:
                self._calibrators.popitem(last=False)
        self._calibrators.move_to_end(keys)
        fitted = calibrator.fit(
            tuple(odds_by_key.values()),
            base=match.base(),
            state=match.state,
            method=Method.ODDS_RATIO,
        )
        if isinstance(fitted, Calibrated):
            return fitted.model
        self.fits_refused += 1
        return match.model


def _score(state: MatchState | None) -> tuple[int, int]:
    """Return the home and away goals of a match; 0, 0 without a state."""
    if state is None:
        return 0, 0
    scores = (state.first_half, state.second_half, state.extra_first, state.extra_second)
    return sum(score.home for score in scores), sum(score.away for score in scores)


def _odds_to_fit(message: OddsChange, find: FindMarket) -> dict[str, tuple[float, ...]]:
    """Return decimal odds of the match winner and of up to `TOTALS_MAX` totals, by market key.

    Empty when the message has no usable odds of the match winner.
    """
    winner: dict[str, tuple[float, ...]] = {}
    totals: list[tuple[bool, float, str, tuple[float, ...]]] = []
    for market in message.markets:
        if market.name.id not in (_MATCH_WINNER, _TOTAL_GOALS) or market.status != 1:
            continue
        listed = find(market)
        if listed is None or listed.market.sport != SPORT:
            continue  # refused, or a market id with outcomes that football does not know
        odds = _decimal_odds(market, listed)
        if odds is None:
            continue
        key = listed.market.key.partition("/")[2]
        if market.name.id == _MATCH_WINNER:
            winner[key] = odds
        else:
            totals.append((not market.favourite, abs(odds[0] - odds[1]), key, odds))
    if not winner:
        return {}
    chosen = sorted(totals)[:TOTALS_MAX]
    return winner | dict(sorted((key, odds) for _, _, key, odds in chosen))


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
