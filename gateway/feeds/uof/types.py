"""Translate market ids, specifiers and outcome ids of the Unified Odds Feed to the engine's names.

Owns the translation in both directions. A market id that one of the feed's sports knows becomes
that sport's market type, with the type's outcomes in the type's order. Any other market keeps the
provider's market id as its type, ``uof_<market id>``, and the provider's outcome ids as outcome
names. This module never parses a message and never prices anything.

An outcome id means the same in every market that has it, so one vocabulary serves all types. The
vocabulary holds the ids that could be checked against the provider's published descriptions. A
market with any other outcome id stays a ``uof_`` market, priced and settled by the feed alone.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from engine.common.commands import OUTCOME_CHARS_MAX
from engine.common.ids import MalformedIdError, MarketKey, parse_market_key
from engine.common.units import OUTCOMES_MAX
from engine.pricing.lines import WINNERS_VARY
from engine.pricing.sport import SPORTS, AnySport, MarketTypeError
from gateway.feeds.uof.grammar import canonical_specifiers
from gateway.feeds.uof.messages import MARKET_ID_MAX, MarketName

GENERIC_PREFIX: Final = "uof_"
"""Prefix of the market types that only the provider's market id names."""
_SHOWN_CHARS: Final = 80
"""Characters of an outcome id that a refusal shows."""
_RESULTS: Final = ("home", "draw", "away")
_DOUBLE_CHANCES: Final = ("home_or_draw", "home_or_away", "draw_or_away")
_CORRECT_SCORE: Final = range(5)
_MULTIGOALS: Final = "1-2 1-3 1-4 1-5 1-6 2-3 2-4 2-5 2-6 3-4 3-5 3-6 4-5 4-6 5-6 7+"
_FEW_MULTIGOALS: Final = "1-2 1-3 2-3 4+"
_MULTISCORES: Final = (
    "1:0/2:0/3:0 0:1/0:2/0:3 4:0/5:0/6:0 0:4/0:5/0:6 2:1/3:1/4:1 1:2/1:3/1:4 3:2/4:2/4:3/5:1 "
    "2:3/2:4/3:4/1:5 other_home other_away"
)

_FEW_GOALS: Final = (
    "draw/draw_and_0 "
    "home/home_and_1 draw/home_and_1 draw/away_and_1 away/away_and_1 "
    "home/home_and_2 home/draw_and_2 draw/home_and_2 draw/draw_and_2 draw/away_and_2 "
    "away/draw_and_2 away/away_and_2 "
    "home/home_and_3 home/away_and_3 draw/home_and_3 draw/away_and_3 away/home_and_3 "
    "away/away_and_3"
)
"""Half-time/full-time with up to three goals."""

_HALF_FULL_SCORES: Final = (
    "0:0/0:0 0:0/0:1 0:0/0:2 0:0/0:3 0:0/1:0 0:0/1:1 0:0/1:2 0:0/2:0 0:0/2:1 0:0/3:0 0:0/4+ "
    "0:1/0:1 0:1/0:2 0:1/0:3 0:1/1:1 0:1/1:2 0:1/2:1 0:1/4+ "
    "0:2/0:2 0:2/0:3 0:2/1:2 0:2/4+ 0:3/0:3 0:3/4+ "
    "1:0/1:0 1:0/1:1 1:0/1:2 1:0/2:0 1:0/2:1 1:0/3:0 1:0/4+ "
    "1:1/1:1 1:1/1:2 1:1/2:1 1:1/4+ 1:2/1:2 1:2/4+ "
    "2:0/2:0 2:0/2:1 2:0/3:0 2:0/4+ 2:1/2:1 2:1/4+ 3:0/3:0 3:0/4+ 4+/4+"
)
"""The score at half-time with the final one; 4+ stands for any of four goals or more."""

_MORE_SCORES: Final = (
    "+1:0 +2:0 +3:0 +4:0 +5:0 +6:0 +0:1 +1:1 +2:1 +3:1 +4:1 +5:1 +0:2 +1:2 +2:2 +3:2 +4:2 "
    "+0:3 +1:3 +2:3 +3:3 +0:4 +1:4 +2:4 +0:5 +1:5 +0:6"
)
"""Goals after the score so far, beside none."""

_GOAL_AND_RESULT: Final = (
    "home_and_home home_and_draw home_and_away away_and_home away_and_draw away_and_away none"
)
"""Who scores a goal, and the result; or that there is no such goal."""


def _outcome_names() -> dict[str, str]:
    """Return the engine's name of every known outcome id."""
    names = {
        "1": "home", "2": "draw", "3": "away",
        "4": "home", "5": "away",
        "6": "home", "7": "none", "8": "away",
        "9": "home_or_draw", "10": "home_or_away", "11": "draw_or_away",
        "12": "over", "13": "under",
        "70": "odd", "72": "even", "74": "yes", "76": "no",
        "110": "+0:0",
        "90": "over_and_yes", "92": "under_and_yes", "94": "over_and_no", "96": "under_and_no",
        "324": "other",
        "436": "first", "438": "second", "440": "equal",
        "776": "draw", "778": "away", "780": "home", "782": "draw",
        "784": "none", "788": "only_home", "790": "only_away", "792": "both",
        "1803": "draw", "1804": "none", "1805": "none",
        "806": "no/no", "808": "yes/no", "810": "yes/yes", "812": "no/yes",
        "1711": "home", "1712": "draw", "1713": "away",
        "1714": "home", "1715": "away",
    }  # fmt: skip
    for row, result in enumerate(_RESULTS):
        names[str(78 + 4 * row)] = f"{result}_and_yes"
        names[str(80 + 4 * row)] = f"{result}_and_no"
        names[str(794 + 4 * row)] = f"{result}_and_under"
        names[str(796 + 4 * row)] = f"{result}_and_over"
        for column, full_time in enumerate(_RESULTS):
            number, both = 3 * row + column, f"{result}/{full_time}"
            names[str(418 + 2 * number)] = both
            names[str(1836 + number)] = f"{both}_and_under"
            names[str(1845 + number)] = f"{both}_and_over"
            names[str(1872 + number)] = f"{both}_and_4"
            names[str(1881 + number)] = f"{both}_and_5+"
    for number, name in enumerate(_FEW_GOALS.split(), 1854):
        names[str(number)] = name
    for away in _CORRECT_SCORE:
        for home in _CORRECT_SCORE:
            names[str(274 + 2 * (home + 5 * away))] = f"{home}:{away}"
    for first_id, step, texts in (
        (114, 2, _MORE_SCORES),
        (442, 2, "+0:0 +1:0 +2:0 +3:0 +0:1 +1:1 +2:1 +0:2 +1:2 +0:3"),
        (326, 2, _HALF_FULL_SCORES),
        (462, 2, "0:0 1:1 2:2 1:0 2:0 2:1 0:1 0:2 1:2 other"),
        (546, 2, "0:0 0:1 0:2 1:0 1:1 1:2 2:0 2:1 2:2 other"),
        (814, 2, _GOAL_AND_RESULT),
        (1730, 1, _MULTIGOALS),
        (1746, 1, _FEW_MULTIGOALS),
        (1750, 1, _MULTISCORES),
    ):
        for number, text in enumerate(texts.split()):
            names[str(first_id + step * number)] = text
    for row, results in enumerate(_DOUBLE_CHANCES):
        names[str(1718 + 2 * row)] = f"{results}_and_yes"
        names[str(1719 + 2 * row)] = f"{results}_and_no"
        names[str(1724 + row)] = f"{results}_and_under"
        names[str(1727 + row)] = f"{results}_and_over"
    for last, first_id in ((6, 68), (5, 1336), (3, 88), (2, 85)):
        for goals in range(last + 1):
            text = f"{goals}+" if goals == last else str(goals)
            names[f"sr:exact_goals:{last}+:{first_id + goals}"] = text
    for number, text in enumerate(("0-1", "2-3", "4-6", "7+"), 1342):
        names[f"sr:goal_range:7+:{number}"] = text
    for number, text in enumerate(("0-1", "2-3", "4-5", "6+"), 1121):
        names[f"sr:point_range:6+:{number}"] = text
    for number, margin in enumerate(("1", "2", "3+")):
        names[f"sr:winning_margin:3+:{113 + number}"] = f"home_by_{margin}"
        names[f"sr:winning_margin:3+:{116 + number}"] = f"away_by_{margin}"
    names["sr:winning_margin:3+:119"] = "draw"
    return names


OUTCOME_NAMES: Final[Mapping[str, str]] = _outcome_names()
"""The engine's outcome name by the provider's outcome id."""


class UofMarket(NamedTuple):
    """A market of the feed under the engine's names."""

    key: str
    sport: str
    """The sport whose market type this is; empty for a ``uof_`` market."""
    outcomes: tuple[str, ...]
    """Outcome names, in the order of the engine's odds and results."""
    winners: float | None
    """How many outcomes win; None: not known, or it depends on the result."""


class UofTypes:
    """The market types of some sports, by the provider's market ids.

    A message does not name the sport of its event, and sports share market ids. The first sport is
    taken whose type of that id accepts the market's specifiers and has its outcomes, so a feed
    should name the one sport that its source delivers, or none. Two market ids never become one
    type: where two sports have a type of the same name, the first sport's type gets the name and
    the other sport's markets stay ``uof_`` markets.

    Parameters
    ----------
    sports : Sequence[str]
        Names in ``engine.pricing.sport.SPORTS``.
    """

    def __init__(self, sports: Sequence[str]) -> None:
        self._sports_by_id: dict[int, list[AnySport]] = {}
        self._type_by_id_and_sport: dict[tuple[int, str], str] = {}
        self._id_by_type: dict[str, int] = {}
        for sport in (SPORTS[name] for name in sports):
            for market_type, market_id in sport.market_types.items():
                if market_id is None or self._id_by_type.get(market_type, market_id) != market_id:
                    continue
                self._id_by_type[market_type] = market_id
                self._type_by_id_and_sport[market_id, sport.name] = market_type
                self._sports_by_id.setdefault(market_id, []).append(sport)

    def market(
        self, event_id: str, name: MarketName, outcome_ids: Sequence[str]
    ) -> UofMarket | str:
        """Return a new market under the engine's names, or the reason why it is refused.

        Parameters
        ----------
        event_id : str
            The event's urn, which is the engine's fixture.
        name : MarketName
            The provider's market id and specifiers.
        outcome_ids : Sequence[str]
            The outcomes of the first message that lists the market.
        """
        refused = _outcomes_refused(outcome_ids)
        if refused:
            return refused
        key = self.key(event_id, f"{GENERIC_PREFIX}{name.id}", name.specifiers)
        if isinstance(key, str):
            return key
        for sport in self._sports_by_id.get(name.id, ()):
            market_type = self._type_by_id_and_sport[name.id, sport.name]
            typed = _typed(sport, key._replace(type=market_type), outcome_ids)
            if typed is not None:
                return typed
        return UofMarket(str(key), "", tuple(outcome_ids), None)

    def key(self, event_id: str, market_type: str, specifiers: str) -> MarketKey | str:
        """Return the engine's market key, or the reason why the key is malformed.

        Specifiers that mean the same give the same key (see `canonical_specifiers`).
        """
        specifiers = canonical_specifiers(specifiers)
        tail = f"?{specifiers}" if specifiers else ""
        try:
            return parse_market_key(f"{event_id}/{market_type}{tail}")
        except MalformedIdError as error:
            return str(error)[:200]

    def market_id(self, key: MarketKey) -> int | None:
        """Return the provider's market id of a key; None when the key is not of this feed."""
        if key.type.startswith(GENERIC_PREFIX):
            digits = key.type.removeprefix(GENERIC_PREFIX)
            market_id = int(digits) if digits.isascii() and digits.isdigit() else MARKET_ID_MAX + 1
            return market_id if market_id <= MARKET_ID_MAX else None
        return self._id_by_type.get(key.type)

    def existing_market(self, key: MarketKey, outcomes: tuple[str, ...]) -> UofMarket:
        """Return a market that the engine already has, from its key and its outcome names."""
        market_id = self.market_id(key)
        for sport in self._sports_by_id.get(-1 if market_id is None else market_id, ()):
            found = _outcomes_and_winners(sport, key)
            if found is not None and found[0] == outcomes:
                return UofMarket(str(key), sport.name, outcomes, found[1])
        return UofMarket(str(key), "", outcomes, None)


def _typed(sport: AnySport, key: MarketKey, outcome_ids: Sequence[str]) -> UofMarket | None:
    """Return a market of a sport's type; None when an outcome is unknown to the type or doubled."""
    found = _outcomes_and_winners(sport, key)
    if found is None:
        return None
    outcomes, winners = found
    names = [OUTCOME_NAMES.get(outcome_id) for outcome_id in outcome_ids]
    if not all(name in outcomes for name in names) or len(dict.fromkeys(names)) != len(names):
        return None
    return UofMarket(str(key), sport.name, outcomes, winners)


def _outcomes_and_winners(
    sport: AnySport, key: MarketKey
) -> tuple[tuple[str, ...], float | None] | None:
    """Return a type's outcomes and winners; None when the sport refuses type or specifiers."""
    try:
        market = sport.market(key.type, key.specifiers)
    except MarketTypeError:
        return None
    return market.outcomes, None if market.winners == WINNERS_VARY else market.winners


def _outcomes_refused(outcome_ids: Sequence[str]) -> str:
    """Return why a market cannot have these outcomes; empty when it can."""
    if not 0 < len(outcome_ids) <= OUTCOMES_MAX:
        return f"outcomes: from 1 to {OUTCOMES_MAX}, not {len(outcome_ids)}"
    seen: dict[str, None] = {}
    for outcome_id in outcome_ids:
        if outcome_id in seen:
            return f"outcomes: {outcome_id[:_SHOWN_CHARS]} is listed twice"
        if len(outcome_id) > OUTCOME_CHARS_MAX:
            shown = f"{outcome_id[:_SHOWN_CHARS]}... has {len(outcome_id)} characters"
            return f"outcomes: {shown}, an id at most {OUTCOME_CHARS_MAX}"
        seen[outcome_id] = None
    return ""
