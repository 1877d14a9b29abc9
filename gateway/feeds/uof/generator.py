"""A World Cup match as a provider of the Unified Odds Feed would tell it, from board to results.

Owns the script of a match in the feed's words: odds before play and the handing over, odds every
minute, goals with their bet stops (that come late, so that bets in between are cancelled), a first
settlement that a scout got wrong, its rollback, and the confirmed results. So that anybody may
record, push or replay a feed without having a provider. Figures of matches are the timeline's, odds
our own model's; nothing here is read by the engine.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

from engine.common.commands import OutcomeResult, Quote
from engine.common.ids import MarketKey, parse_market_key
from engine.pricing.football.fixture_board import FixtureBoard, Margin
from engine.pricing.football.market_types import MARKET_TYPES
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from gateway.feeds.uof.types import OUTCOME_NAMES
from simulations.timeline import REGULAR_PERIODS, MatchTimeline
from simulations.trader import match_model

PREMATCH: Final = 3
LIVE: Final = 1
BREAK_S: Final = 900
STOP_LATE_S: Final = 6
"""How long after a goal the bet stop comes: bets in between are cancelled afterwards."""
SHUT_S: Final = 75
"""How long after a goal the markets open again."""
EVERY_S: Final = 60
ALIVE_S: Final = 10
SCOUTED_S: Final = 30
"""How long after the whistle the first settlement comes, rolled back and corrected after as long
again; the confirmed one comes last."""
BEFORE_S: Final = (7_200, 3_600, 1_800, 600)
"""Seconds before kick-off at which the pre-match producer speaks."""
MARGIN: Final = Margin(book_milli=1_050)

_LINES: Final = ("0.5", "1.5", "2.5", "3.5", "4.5")
KEYS: Final = (
    "1x2", "double_chance", "draw_no_bet", "both_teams_to_score", "odd_even", "correct_score",
    *(f"total?total={line}" for line in _LINES),
    *(f"handicap?hcp={line}" for line in ("-1.5", "-1", "-0.75", "-0.5", "-0.25", "0", "0.5", "1")),
    "first_half_1x2", "first_half_both_teams_to_score", "first_half_total?total=0.5",
    "first_half_total?total=1.5",
)  # fmt: skip
"""Markets of a match, by our names, all of them with outcome ids of the feed."""
_BY_TYPE: Final = {
    "1x2": ("1", "2", "3"),
    "double_chance": ("9", "10", "11"),
    "draw_no_bet": ("4", "5"),
    "european_handicap": ("1711", "1712", "1713"),
    "handicap": ("1714", "1715"),
}
_CODES: Final = {
    Period.PRE_MATCH: 0,
    Period.FIRST_HALF: 6,
    Period.HALF_TIME: 31,
    Period.SECOND_HALF: 7,
    Period.FULL_TIME: 100,
}
_NOT_STARTED, _LIVE_NOW, _ENDED = 0, 1, 3
_WRONG: Final = "odd_even"
"""The market that the scout got wrong."""


class RehearsalError(ValueError):
    """A market has no identity in the feed; the message names it."""


@dataclass(frozen=True)
class Named:
    """One market as the feed names it: its element's attributes, and its outcomes' ids."""

    key: str
    attributes: str
    ids: tuple[str, ...]


def named(key: MarketKey, names: Sequence[str]) -> Named:
    """Return a market's identity in the feed.

    Raises
    ------
    RehearsalError
        When its type has no number, or an outcome no id.
    """
    row = MARKET_TYPES.get(key.type)
    if row is None or row.uof_id is None:
        raise RehearsalError(f"{key}: no number in the feed")
    ids = _ids(key.type, names)
    if ids is None:
        raise RehearsalError(f"{key}: an outcome without an id in the feed")
    specifiers = "|".join(f"{name}={value}" for name, value in key.specifiers)
    more = f" specifiers={quoteattr(specifiers)}" if specifiers else ""
    return Named(str(key), f'id="{row.uof_id}"{more}', ids)


def _ids(market_type: str, names: Sequence[str]) -> tuple[str, ...] | None:
    for prefix in ("", "first_half_", "second_half_"):
        ids = _BY_TYPE.get(market_type.removeprefix(prefix)) if prefix in market_type else None
        if ids is not None and tuple(OUTCOME_NAMES[one] for one in ids) == tuple(names):
            return ids
    by_name: dict[str, str] = {}
    for one, name in OUTCOME_NAMES.items():
        by_name.setdefault(name, one)
    found = tuple(by_name.get(name, "") for name in names)
    return found if all(found) else None


class Rehearsal:
    """One match, ready to be told.

    Parameters
    ----------
    match : MatchTimeline
        What was played; ninety minutes of it are told.
    event : str
        The event's urn.
    keys : sequence of str
        Types and specifiers of the markets, all with an identity in the feed.
    alive : bool
        Tell the producers' heartbeats too, as a live feed does.
    """

    def __init__(
        self,
        match: MatchTimeline,
        *,
        event: str = "",
        keys: Sequence[str] = KEYS,
        alive: bool = True,
    ) -> None:
        self.match: Final = match
        self.event: Final = event or f"sr:match:{2_022_000 + int(match.match.rpartition('-')[2])}"
        self._board: Final = FixtureBoard([f"{self.event}/{key}" for key in keys])
        self._model: Final[MatchModel] = match_model(match)
        self.markets: Final = [
            named(parse_market_key(key), self._board.outcomes(key)) for key in self._board.keys
        ]
        self._alive: Final = alive
        self._kick_off_ms: Final = int(match.kick_off.timestamp() * 1_000)

    def messages(self) -> Iterator[bytes]:
        """Give every message in order of time."""
        script = [*self._before(), *self._play(), *self._after()]
        if self._alive:
            script += self._heartbeats(last_ms=max(at_ms for at_ms, _ in script))
        script.sort(key=lambda line: line[0])
        for _, body in script:
            yield body

    def at_ms(self, played_s: float) -> int:
        """Return when a second of play was, by the provider's clock."""
        half_s = self.match.ends_s[0]
        return self._kick_off_ms + int(1_000 * (played_s + (BREAK_S if played_s > half_s else 0)))

    # --- the script ------------------------------------------------------------------------------

    def _before(self) -> Iterator[tuple[int, bytes]]:
        state = MatchState()
        for before_s in BEFORE_S:
            yield self.odds(self.at_ms(-before_s), PREMATCH, state, status=1)
        yield self.odds(self._kick_off_ms - 1_000, PREMATCH, state, status=-2)

    def _play(self) -> Iterator[tuple[int, bytes]]:
        match = self.match
        goals = [goal.played_s for goal in match.regular_goals]
        half_s, regular_s = match.ends_s[0], match.ends_s[REGULAR_PERIODS - 1]
        for played_s in range(0, regular_s, EVERY_S):
            if any(goal <= played_s < goal + SHUT_S for goal in goals):
                continue
            yield self.odds(self.at_ms(played_s), LIVE, match.regular_state_at(played_s), status=1)
        yield self.odds(self.at_ms(half_s) + 2_000, LIVE, match.regular_state_at(half_s), status=1)
        for goal in goals:
            yield from self._goal(goal, regular_s)

    def _goal(self, goal_s: int, regular_s: int) -> Iterator[tuple[int, bytes]]:
        goal_ms, state = self.at_ms(goal_s), self.match.regular_state_at(goal_s)
        stop_ms = goal_ms + 1_000 * STOP_LATE_S
        yield stop_ms, self._message("bet_stop", stop_ms, LIVE, 'groups="all"')
        yield self.odds(stop_ms + 500, LIVE, state, status=-1)
        rows = "".join(f"<market {market.attributes}/>" for market in self.markets)
        window = f'start_time="{goal_ms}" end_time="{stop_ms}"'
        cancel_ms = stop_ms + 1_500
        yield cancel_ms, self._message("bet_cancel", cancel_ms, LIVE, window, rows)
        open_s = goal_s + SHUT_S
        if open_s < regular_s:
            state = self.match.regular_state_at(open_s)
            yield self.odds(self.at_ms(open_s), LIVE, state, status=1)

    def _after(self) -> Iterator[tuple[int, bytes]]:
        whistle_ms = self.at_ms(self.match.regular_s)
        state = self.match.regular_state_at(self.match.regular_s)
        results = self._board.results(state)
        yield whistle_ms, self._message("bet_stop", whistle_ms, LIVE, 'groups="all"')
        yield self.odds(whistle_ms + 500, LIVE, state, status=0)
        at_ms = whistle_ms + 1_000 * SCOUTED_S
        wrong = {
            key: tuple(reversed(rows)) if key == f"{self.event}/{_WRONG}" else rows
            for key, rows in results.items()
        }
        yield at_ms, self._settlement(at_ms, wrong, certainty=1)
        if f"{self.event}/{_WRONG}" in results:
            back_ms = at_ms + 1_000 * SCOUTED_S
            (market,) = [one for one in self.markets if one.key == f"{self.event}/{_WRONG}"]
            rows = f"<market {market.attributes}/>"
            yield back_ms, self._message("rollback_bet_settlement", back_ms, LIVE, "", rows)
        at_ms += 3_000 * SCOUTED_S
        yield at_ms, self._settlement(at_ms, results, certainty=2)

    def _heartbeats(self, *, last_ms: int) -> Iterator[tuple[int, bytes]]:
        first_ms = self.at_ms(-BEFORE_S[0]) - 1
        for at_ms in range(first_ms, last_ms, 1_000 * ALIVE_S):
            for producer in (LIVE, PREMATCH):
                yield (
                    at_ms,
                    f'<alive product="{producer}" timestamp="{at_ms}" subscribed="1"/>'.encode(),
                )

    # --- messages --------------------------------------------------------------------------------

    def _message(self, kind: str, at_ms: int, producer: int, more: str, inside: str = "") -> bytes:
        head = f'product="{producer}" event_id="{self.event}" timestamp="{at_ms}"'
        return f"<{kind} {head} {more}>{inside}</{kind}>".encode()

    def odds(
        self,
        at_ms: int,
        producer: int,
        state: MatchState,
        *,
        status: int,
        only: Sequence[int] | None = None,
    ) -> tuple[int, bytes]:
        """Return the markets as they stand, all or some of them, and when.

        One that the score has decided is no longer active.
        """
        quotes = self._board.quotes(self._model, state, MARGIN)
        fair = self._board.probabilities(self._model, state)
        decided = frozenset(self._board.decided(state))
        rows = "".join(
            _odds_row(
                market,
                quotes[market.key],
                fair[market.key],
                status=0 if market.key in decided else status,
            )
            for market in (self.markets if only is None else [self.markets[i] for i in only])
        )
        inside = f"{_event_status(state)}<odds>{rows}</odds>"
        return at_ms, self._message("odds_change", at_ms, producer, "", inside)

    def _settlement(
        self, at_ms: int, results: dict[str, tuple[OutcomeResult, ...]], *, certainty: int
    ) -> bytes:
        rows = "".join(
            _result_row(market, results[market.key])
            for market in self.markets
            if market.key in results
        )
        return self._message(
            "bet_settlement",
            at_ms,
            LIVE,
            f'certainty="{certainty}"',
            f"<outcomes>{rows}</outcomes>",
        )


def _odds_row(market: Named, quotes: Sequence[Quote], fair: Sequence[float], *, status: int) -> str:
    rows = "".join(
        f'<outcome id="{one}" odds="{quote.odds_milli / 1_000:g}" probabilities="{chance:.6f}" '
        f'active="{int(quote.active)}"/>'
        for one, quote, chance in zip(market.ids, quotes, fair, strict=True)
    )
    return f'<market {market.attributes} status="{status}">{rows}</market>'


def _result_row(market: Named, results: Sequence[OutcomeResult]) -> str:
    rows = "".join(
        f'<outcome id="{one}" result="{int(result.won)}"'
        + (f' void_factor="{result.void_halves / 2:g}"' if result.void_halves else "")
        + "/>"
        for one, result in zip(market.ids, results, strict=True)
    )
    return f"<market {market.attributes}>{rows}</market>"


def _event_status(state: MatchState) -> str:
    first, second = state.first_half, state.second_half
    home, away = first.home + second.home, first.away + second.away
    phase = {Period.PRE_MATCH: _NOT_STARTED, Period.FULL_TIME: _ENDED}.get(state.period, _LIVE_NOW)
    minutes, seconds = divmod(state.clock_s, 60)
    periods = _period(6, 1, first)
    if state.period >= Period.SECOND_HALF:
        periods += _period(7, 2, second)
    return (
        f'<sport_event_status status="{phase}" match_status="{_CODES[state.period]}" '
        f'home_score="{home}" away_score="{away}"><clock match_time="{minutes}:{seconds:02d}"/>'
        f"<period_scores>{periods}</period_scores></sport_event_status>"
    )


def _period(code: int, number: int, score: Score) -> str:
    return (
        f'<period_score match_status_code="{code}" number="{number}" '
        f'home_score="{score.home}" away_score="{score.away}"/>'
    )
