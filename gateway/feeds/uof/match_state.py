"""A football match as the Unified Odds Feed tells it, in the words of our own model.

Owns the way from a sport event status to a match state, and from the feed's odds of a match to the
model that prices it. Never issues a command; what it cannot read it says nothing about.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN
from engine.pricing.football.calibration import Calibrated, Calibrator
from engine.pricing.football.model import CLOCK_S_MAX, MatchModel, MatchState, Period, Score
from engine.pricing.margin import Method
from gateway.feeds.uof.market_registry import Listed
from gateway.feeds.uof.messages import MarketOdds, OddsChange, SportEventStatus

MATCHES_MAX: Final = 1 << 14
"""Matches whose models are kept; past it the one heard of longest ago is forgotten."""
TOTALS_MAX: Final = 3
"""Lines of goals that a model is fitted to, the most balanced first."""
_CALIBRATORS_MAX: Final = 64
_WINNER: Final = 1
_TOTAL: Final = 18

_PERIODS: Final[Mapping[int, Period]] = {
    0: Period.PRE_MATCH,
    6: Period.FIRST_HALF,
    31: Period.HALF_TIME,
    7: Period.SECOND_HALF,
    100: Period.FULL_TIME,
    32: Period.FULL_TIME,
    41: Period.EXTRA_FIRST,
    33: Period.EXTRA_HALF_TIME,
    42: Period.EXTRA_SECOND,
    34: Period.AFTER_EXTRA_TIME,
    50: Period.AFTER_EXTRA_TIME,
    110: Period.AFTER_EXTRA_TIME,
    120: Period.AFTER_EXTRA_TIME,
}
"""Match status codes; interrupted (80) and abandoned (90) say nothing of where a match stands."""
_FIELDS: Final = {6: "first_half", 7: "second_half", 41: "extra_first", 42: "extra_second"}
_SHOOT_OUT: Final = (50, 120)
_NIL: Final = Score()
_STARTS_S: Final = {
    Period.PRE_MATCH: 0,
    Period.FIRST_HALF: 0,
    Period.HALF_TIME: 2_700,
    Period.SECOND_HALF: 2_700,
    Period.FULL_TIME: 5_400,
    Period.EXTRA_FIRST: 5_400,
    Period.EXTRA_HALF_TIME: 6_300,
    Period.EXTRA_SECOND: 6_300,
    Period.AFTER_EXTRA_TIME: 7_200,
}


def match_state(status: SportEventStatus) -> MatchState | None:
    """Return where a football match stands; None where the message does not tell.

    Goals of each period come from the period scores, which must add up to the score; a match in
    its first half needs none. Penalties of a shoot-out are not goals.
    """
    code = status.match_status
    if code is None:
        code = 0 if status.status == 0 else None
    period = None if code is None else _PERIODS.get(code)
    if period is None:
        return None
    goals = _goals(status, period)
    if goals is None:
        return None
    clock_s = _STARTS_S[period] if status.clock_s is None else status.clock_s
    try:
        return MatchState(
            period=period,
            clock_s=min(clock_s, CLOCK_S_MAX),
            home_red_cards=status.home_red_cards,
            away_red_cards=status.away_red_cards,
            first_half=goals.get("first_half", _NIL),
            second_half=goals.get("second_half", _NIL),
            extra_first=goals.get("extra_first", _NIL),
            extra_second=goals.get("extra_second", _NIL),
        )
    except ValueError:
        return None


def _goals(status: SportEventStatus, period: Period) -> dict[str, Score] | None:
    home, away = status.home_score or 0, status.away_score or 0
    if period is Period.PRE_MATCH:
        return {}
    goals: dict[str, Score] = {}
    try:
        for part in status.periods:
            field = _FIELDS.get(part.code)
            if field is not None:
                goals[field] = Score(home=part.home, away=part.away)
        if not goals and period in (Period.FIRST_HALF, Period.HALF_TIME):
            goals["first_half"] = Score(home=home, away=away)
    except ValueError:
        return None
    added = (
        sum(score.home for score in goals.values()),
        sum(score.away for score in goals.values()),
    )
    if status.match_status not in _SHOOT_OUT and added != (home, away):
        return None
    return goals


class Seen(NamedTuple):
    """What a message says of a match that our model follows."""

    model: MatchModel
    state: MatchState
    goal: bool
    """Whether the score is not what it was."""


class _Match:
    __slots__ = ("model", "seen_ms", "state")

    def __init__(self) -> None:
        self.model: MatchModel | None = None
        self.state: MatchState | None = None
        self.seen_ms = -1


class Matches:
    """Models of the matches of one feed, fitted to its odds as they come."""

    def __init__(self) -> None:
        self._matches: OrderedDict[str, _Match] = OrderedDict()
        self._calibrators: OrderedDict[tuple[str, ...], Calibrator] = OrderedDict()
        self.refused = 0
        """Messages whose odds no model prices so."""

    def latest(self, event_id: str) -> Seen | None:
        """Return a match as it was seen last; None while there is no model of it."""
        match = self._matches.get(event_id)
        if match is None or match.model is None or match.state is None:
            return None
        return Seen(match.model, match.state, goal=False)

    def seen_ms(self, event_id: str) -> int:
        """Return the time of the newest message about a match; 0 where there was none."""
        match = self._matches.get(event_id)
        return 0 if match is None else max(match.seen_ms, 0)

    def see(self, message: OddsChange, find: Callable[[MarketOdds], Listed | None]) -> Seen | None:
        """Take a message; return the match if the model is to price it anew.

        Parameters
        ----------
        message : OddsChange
            Older than one seen before, it says nothing.
        find : callable
            Names a market's outcomes.
        """
        match = self._matches.setdefault(message.event_id, _Match())
        self._matches.move_to_end(message.event_id)
        while len(self._matches) > MATCHES_MAX:
            self._matches.popitem(last=False)
        if message.timestamp < match.seen_ms:
            return None
        match.seen_ms = message.timestamp
        before = match.state
        if message.status is not None:
            state = match_state(message.status)
            if state is None:
                return None
            match.state = state
        elif match.state is None:
            match.state = MatchState()
        model = self._fit(message, match, find)
        anew = model is not match.model or match.state != before
        match.model = model
        if model is None or match.state is None or not anew:
            return None
        return Seen(model, match.state, goal=_score(before) != _score(match.state))

    def _fit(
        self, message: OddsChange, match: _Match, find: Callable[[MarketOdds], Listed | None]
    ) -> MatchModel | None:
        """Return the model behind a message's odds, or the one there was."""
        asked = _asked(message, find)
        if len(asked) < 2:
            return match.model
        keys = tuple(asked)
        calibrator = self._calibrators.get(keys)
        if calibrator is None:
            calibrator = self._calibrators[keys] = Calibrator(keys)
            while len(self._calibrators) > _CALIBRATORS_MAX:
                self._calibrators.popitem(last=False)
        self._calibrators.move_to_end(keys)
        found = calibrator.fit(tuple(asked.values()), state=match.state, method=Method.ODDS_RATIO)
        if isinstance(found, Calibrated):
            return found.model
        self.refused += 1
        return match.model


def _score(state: MatchState | None) -> tuple[int, int]:
    """Return all goals of a match."""
    if state is None:
        return 0, 0
    parts = (state.first_half, state.second_half, state.extra_first, state.extra_second)
    return sum(part.home for part in parts), sum(part.away for part in parts)


def _asked(
    message: OddsChange, find: Callable[[MarketOdds], Listed | None]
) -> dict[str, tuple[float, ...]]:
    """Return the odds to fit: the match winner and the most balanced lines of goals, by key."""
    winner: dict[str, tuple[float, ...]] = {}
    totals: list[tuple[bool, float, str, tuple[float, ...]]] = []
    for market in message.markets:
        if market.name.id not in (_WINNER, _TOTAL) or market.status != 1:
            continue
        listed = find(market)
        odds = None if listed is None else _odds(market, listed)
        if listed is None or odds is None:
            continue
        key = listed.market.key.partition("/")[2]
        if market.name.id == _WINNER:
            winner[key] = odds
        else:
            totals.append((not market.favourite, abs(odds[0] - odds[1]), key, odds))
    if not winner:
        return {}
    chosen = sorted(totals)[:TOTALS_MAX]
    return winner | dict(sorted((key, odds) for _, _, key, odds in chosen))


def _odds(market: MarketOdds, listed: Listed) -> tuple[float, ...] | None:
    """Return decimal odds in our order: fair ones where all probabilities are given."""
    given = {listed.place(outcome.id): outcome for outcome in market.outcomes if outcome.active}
    row = [given.get(place) for place in range(len(listed.market.outcomes))]
    fair: list[float] = []
    quoted: list[float] = []
    for outcome in row:
        if outcome is None:
            return None
        if outcome.probability is not None and 1e-6 < outcome.probability < 1.0:
            fair.append(1.0 / outcome.probability)
        if (
            outcome.odds_milli is not None
            and ODDS_MILLI_MIN <= outcome.odds_milli <= ODDS_MILLI_MAX
        ):
            quoted.append(outcome.odds_milli / 1_000)
    if len(fair) == len(row):
        return tuple(fair)
    return tuple(quoted) if len(quoted) == len(row) else None
