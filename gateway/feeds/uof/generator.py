"""Generate the messages of one World Cup match as a provider of the Unified Odds Feed sends them.

Owns the sequence of messages: pre-match odds and the hand-over, an odds_change every minute, a
bet_stop some seconds after each goal with a bet_cancel for the bets in between, a first
bet_settlement with one wrong market, its rollback, and the confirmed bet_settlement. So a feed can
be recorded, pushed or replayed without a provider. Goals and times come from the match's timeline,
odds from our own model. The engine never reads this module.
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
HALF_TIME_S: Final = 900
STOP_DELAY_S: Final = 6
"""Seconds from a goal to its bet_stop; the bets placed in between are cancelled."""
REOPEN_S: Final = 75
"""Seconds from a goal until the markets are active again."""
ODDS_EVERY_S: Final = 60
ALIVE_EVERY_S: Final = 10
SETTLE_DELAY_S: Final = 30
"""Seconds from the final whistle to the first bet_settlement, and from there to the rollback of the
wrong market. The confirmed bet_settlement comes four of these delays after the whistle."""
PREMATCH_ODDS_S: Final = (7_200, 3_600, 1_800, 600)
"""Seconds before kick-off at which the pre-match producer sends odds."""
MARGIN: Final = Margin(book_milli=1_050)

_LINES: Final = ("0.5", "1.5", "2.5", "3.5", "4.5")
KEYS: Final = (
    "1x2", "double_chance", "draw_no_bet", "both_teams_to_score", "odd_even", "correct_score",
    *(f"total?total={line}" for line in _LINES),
    *(f"handicap?hcp={line}" for line in ("-1.5", "-1", "-0.75", "-0.5", "-0.25", "0", "0.5", "1")),
    "first_half_1x2", "first_half_both_teams_to_score", "first_half_total?total=0.5",
    "first_half_total?total=1.5",
)  # fmt: skip
"""Market types and specifiers of a match; every one has a market id and outcome ids in the feed."""
_IDS_BY_TYPE: Final = {
    "1x2": ("1", "2", "3"),
    "double_chance": ("9", "10", "11"),
    "draw_no_bet": ("4", "5"),
    "european_handicap": ("1711", "1712", "1713"),
    "handicap": ("1714", "1715"),
    "first_half_correct_score_to_two": (
        "462", "474", "476", "468", "464", "478", "470", "472", "466", "480",
    ),
    "second_half_correct_score_to_two": tuple(str(number) for number in range(546, 566, 2)),
}  # fmt: skip
"""Outcome ids of the types whose outcome names belong to several ids."""
_MATCH_STATUS: Final = {
    Period.PRE_MATCH: 0,
    Period.FIRST_HALF: 6,
    Period.HALF_TIME: 31,
    Period.SECOND_HALF: 7,
    Period.FULL_TIME: 100,
}
_NOT_STARTED, _IN_PLAY, _ENDED = 0, 1, 3
_WRONG_TYPE: Final = "odd_even"
"""Type of the market that the first bet_settlement gets wrong."""


class NoProviderIdError(ValueError):
    """A market or an outcome has no id in the feed; the text names the market."""


@dataclass(frozen=True)
class ProviderMarket:
    """One market under the provider's names."""

    key: str
    """The engine's market key."""
    attributes: str
    """The attributes ``id`` and ``specifiers`` of a market element."""
    outcome_ids: tuple[str, ...]
    """Outcome ids, in the order of the engine's outcomes."""


def provider_market(key: MarketKey, outcomes: Sequence[str]) -> ProviderMarket:
    """Return a market under the provider's names.

    Parameters
    ----------
    key : MarketKey
        The engine's market key.
    outcomes : Sequence[str]
        The engine's outcome names, in order.

    Raises
    ------
    NoProviderIdError
        When the type has no market id in the feed, or an outcome has no id.
    """
    row = MARKET_TYPES.get(key.type)
    if row is None or row.uof_id is None:
        raise NoProviderIdError(f"{key}: its type has no market id in the feed")
    outcome_ids = _outcome_ids(key.type, outcomes)
    if outcome_ids is None:
        raise NoProviderIdError(f"{key}: an outcome has no id in the feed")
    specifiers = "|".join(f"{name}={value}" for name, value in key.specifiers)
    attribute = f" specifiers={quoteattr(specifiers)}" if specifiers else ""
    return ProviderMarket(str(key), f'id="{row.uof_id}"{attribute}', outcome_ids)


def _outcome_ids(market_type: str, names: Sequence[str]) -> tuple[str, ...] | None:
    for prefix in ("", "first_half_", "second_half_"):
        ids = _IDS_BY_TYPE.get(market_type.removeprefix(prefix)) if prefix in market_type else None
        if ids is not None and tuple(OUTCOME_NAMES[one] for one in ids) == tuple(names):
            return ids
    id_by_name: dict[str, str] = {}
    for outcome_id, name in OUTCOME_NAMES.items():
        id_by_name.setdefault(name, outcome_id)
    found = tuple(id_by_name.get(name, "") for name in names)
    return found if all(found) else None


class FeedGenerator:
    """Generate the messages of one match.

    Parameters
    ----------
    match : MatchTimeline
        The match; its regular time is generated.
    event : str
        The event's urn; empty: one made of the match's number.
    keys : sequence of str
        Types and specifiers of the markets, all with ids in the feed.
    alive : bool
        Generate the producers' alive messages too.
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
            provider_market(parse_market_key(key), self._board.outcomes(key))
            for key in self._board.keys
        ]
        self._alive: Final = alive
        self._kick_off_ms: Final = int(match.kick_off.timestamp() * 1_000)

    def messages(self) -> Iterator[bytes]:
        """Yield every message, in order of time."""
        timed = [*self._before_kick_off(), *self._in_play(), *self._after_whistle()]
        if self._alive:
            timed += self._heartbeats(last_ms=max(at_ms for at_ms, _ in timed))
        timed.sort(key=lambda entry: entry[0])
        for _, body in timed:
            yield body

    def at_ms(self, played_s: float) -> int:
        """Return the provider's timestamp (ms) of a second of play; negative: before kick-off."""
        half_s = self.match.ends_s[0]
        return self._kick_off_ms + int(
            1_000 * (played_s + (HALF_TIME_S if played_s > half_s else 0))
        )

    # --- phases of the match ---------------------------------------------------------------------

    def _before_kick_off(self) -> Iterator[tuple[int, bytes]]:
        state = MatchState()
        for before_s in PREMATCH_ODDS_S:
            yield self.odds(self.at_ms(-before_s), PREMATCH, state, status=1)
        yield self.odds(self._kick_off_ms - 1_000, PREMATCH, state, status=-2)

    def _in_play(self) -> Iterator[tuple[int, bytes]]:
        match = self.match
        goals = [goal.played_s for goal in match.regular_goals]
        half_s, regular_s = match.ends_s[0], match.ends_s[REGULAR_PERIODS - 1]
        for played_s in range(0, regular_s, ODDS_EVERY_S):
            if any(goal <= played_s < goal + REOPEN_S for goal in goals):
                continue
            yield self.odds(self.at_ms(played_s), LIVE, match.regular_state_at(played_s), status=1)
        yield self.odds(self.at_ms(half_s) + 2_000, LIVE, match.regular_state_at(half_s), status=1)
        for goal in goals:
            yield from self._goal(goal, regular_s)

    def _goal(self, goal_s: int, regular_s: int) -> Iterator[tuple[int, bytes]]:
        goal_ms, state = self.at_ms(goal_s), self.match.regular_state_at(goal_s)
        stop_ms = goal_ms + 1_000 * STOP_DELAY_S
        yield stop_ms, self._message("bet_stop", stop_ms, LIVE, 'groups="all"')
        yield self.odds(stop_ms + 500, LIVE, state, status=-1)
        rows = "".join(f"<market {market.attributes}/>" for market in self.markets)
        window = f'start_time="{goal_ms}" end_time="{stop_ms}"'
        cancel_ms = stop_ms + 1_500
        yield cancel_ms, self._message("bet_cancel", cancel_ms, LIVE, window, rows)
        reopen_s = goal_s + REOPEN_S
        if reopen_s < regular_s:
            state = self.match.regular_state_at(reopen_s)
            yield self.odds(self.at_ms(reopen_s), LIVE, state, status=1)

    def _after_whistle(self) -> Iterator[tuple[int, bytes]]:
        whistle_ms = self.at_ms(self.match.regular_s)
        state = self.match.regular_state_at(self.match.regular_s)
        results = self._board.results(state)
        yield whistle_ms, self._message("bet_stop", whistle_ms, LIVE, 'groups="all"')
        yield self.odds(whistle_ms + 500, LIVE, state, status=0)
        at_ms = whistle_ms + 1_000 * SETTLE_DELAY_S
        wrong_key = f"{self.event}/{_WRONG_TYPE}"
        first_results = {
            key: tuple(reversed(rows)) if key == wrong_key else rows
            for key, rows in results.items()
        }
        yield at_ms, self._settlement(at_ms, first_results, certainty=1)
        if wrong_key in results:
            rollback_ms = at_ms + 1_000 * SETTLE_DELAY_S
            (market,) = [one for one in self.markets if one.key == wrong_key]
            row = f"<market {market.attributes}/>"
            yield (
                rollback_ms,
                self._message("rollback_bet_settlement", rollback_ms, LIVE, children=row),
            )
        at_ms += 3_000 * SETTLE_DELAY_S
        yield at_ms, self._settlement(at_ms, results, certainty=2)

    def _heartbeats(self, *, last_ms: int) -> Iterator[tuple[int, bytes]]:
        first_ms = self.at_ms(-PREMATCH_ODDS_S[0]) - 1
        for at_ms in range(first_ms, last_ms, 1_000 * ALIVE_EVERY_S):
            for producer in (LIVE, PREMATCH):
                yield (
                    at_ms,
                    f'<alive product="{producer}" timestamp="{at_ms}" subscribed="1"/>'.encode(),
                )

    # --- messages --------------------------------------------------------------------------------

    def _message(
        self, kind: str, at_ms: int, producer: int, attributes: str = "", children: str = ""
    ) -> bytes:
        common = f'product="{producer}" event_id="{self.event}" timestamp="{at_ms}"'
        return f"<{kind} {common} {attributes}>{children}</{kind}>".encode()

    def odds(
        self,
        at_ms: int,
        producer: int,
        state: MatchState,
        *,
        status: int,
        only: Sequence[int] | None = None,
    ) -> tuple[int, bytes]:
        """Return an odds_change and its timestamp.

        A market that the score has decided has status 0, inactive.

        Parameters
        ----------
        at_ms : int
            Provider timestamp.
        producer : int
            `PREMATCH` or `LIVE`.
        state : MatchState
            Where the match stands.
        status : int
            The provider's status code of the markets.
        only : Sequence[int] | None
            Indexes of the markets in `markets`; None: all of them.
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
        children = f"{_event_status(state)}<odds>{rows}</odds>"
        return at_ms, self._message("odds_change", at_ms, producer, children=children)

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


def _odds_row(
    market: ProviderMarket, quotes: Sequence[Quote], fair: Sequence[float], *, status: int
) -> str:
    rows = "".join(
        f'<outcome id="{outcome_id}" odds="{quote.odds_milli / 1_000:g}" '
        f'probabilities="{chance:.6f}" active="{int(quote.active)}"/>'
        for outcome_id, quote, chance in zip(market.outcome_ids, quotes, fair, strict=True)
    )
    return f'<market {market.attributes} status="{status}">{rows}</market>'


def _result_row(market: ProviderMarket, results: Sequence[OutcomeResult]) -> str:
    rows = "".join(
        f'<outcome id="{outcome_id}" result="{int(result.won)}"'
        + (f' void_factor="{result.void_halves / 2:g}"' if result.void_halves else "")
        + "/>"
        for outcome_id, result in zip(market.outcome_ids, results, strict=True)
    )
    return f"<market {market.attributes}>{rows}</market>"


def _event_status(state: MatchState) -> str:
    first, second = state.first_half, state.second_half
    home, away = first.home + second.home, first.away + second.away
    status = {Period.PRE_MATCH: _NOT_STARTED, Period.FULL_TIME: _ENDED}.get(state.period, _IN_PLAY)
    minutes, seconds = divmod(state.clock_s, 60)
    periods = _period(6, 1, first)
    if state.period >= Period.SECOND_HALF:
        periods += _period(7, 2, second)
    return (
        f'<sport_event_status status="{status}" match_status="{_MATCH_STATUS[state.period]}" '
        f'home_score="{home}" away_score="{away}"><clock match_time="{minutes}:{seconds:02d}"/>'
        f"<period_scores>{periods}</period_scores></sport_event_status>"
    )


def _period(code: int, number: int, score: Score) -> str:
    return (
        f'<period_score match_status_code="{code}" number="{number}" '
        f'home_score="{score.home}" away_score="{score.away}"/>'
    )
