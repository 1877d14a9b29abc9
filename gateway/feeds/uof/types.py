"""The Unified Odds Feed's market numbers, specifiers and outcome ids, and what they are to us.

Owns the way from one identity to the other, and which bet stop groups a market is in. A market that
a sport of ours knows gets its type and its outcomes, in the type's order; any other is kept under
the provider's own number, ``uof_<number>``, with the provider's own outcome ids for names. Never
parses a message and never prices anything.

Outcome ids mean the same in every market that has them, so one vocabulary serves all types. It
holds what could be checked against the provider's published descriptions; an id that is not in it
makes its market one of the latter kind, which is priced and settled by the feed alone.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from engine.common.commands import NAME_CHARS_MAX
from engine.common.ids import MalformedIdError, MarketKey, parse_market_key
from engine.common.units import OUTCOMES_MAX
from engine.pricing.sport import SPORTS, AnySport, MarketTypeError
from gateway.feeds.uof.messages import MARKET_ID_MAX, MarketName

GENERIC: Final = "uof_"
"""Prefix of the types that are known by the provider's number only."""
_RESULTS: Final = ("home", "draw", "away")
_CORRECT_SCORE: Final = range(5)


def _vocabulary() -> dict[str, str]:
    """Return our name of every outcome id that we know."""
    names = {
        "1": "home", "2": "draw", "3": "away",
        "4": "home", "5": "away",
        "6": "home", "7": "none", "8": "away",
        "9": "home_or_draw", "10": "home_or_away", "11": "draw_or_away",
        "12": "over", "13": "under",
        "70": "odd", "72": "even", "74": "yes", "76": "no",
        "90": "over_and_yes", "92": "under_and_yes", "94": "over_and_no", "96": "under_and_no",
        "324": "other",
        "436": "first", "438": "second", "440": "equal",
        "776": "draw", "778": "away", "780": "home", "782": "draw",
        "784": "none", "788": "only_home", "790": "only_away", "792": "both",
        "806": "no/no", "808": "yes/no", "810": "yes/yes", "812": "no/yes",
        "1711": "home", "1712": "draw", "1713": "away",
        "1714": "home", "1715": "away",
    }  # fmt: skip
    for place, result in enumerate(_RESULTS):
        names[str(78 + 4 * place)] = f"{result}_and_yes"
        names[str(80 + 4 * place)] = f"{result}_and_no"
        names[str(794 + 4 * place)] = f"{result}_and_under"
        names[str(796 + 4 * place)] = f"{result}_and_over"
        for after, full in enumerate(_RESULTS):
            names[str(418 + 2 * (3 * place + after))] = f"{result}/{full}"
    for away in _CORRECT_SCORE:
        for home in _CORRECT_SCORE:
            names[str(274 + 2 * (home + 5 * away))] = f"{home}:{away}"
    for last, first_id in ((6, 68), (3, 88), (2, 85)):
        for goals in range(last + 1):
            text = f"{goals}+" if goals == last else str(goals)
            names[f"sr:exact_goals:{last}+:{first_id + goals}"] = text
    for number, text in enumerate(("0-1", "2-3", "4-6", "7+"), 1342):
        names[f"sr:goal_range:7+:{number}"] = text
    for number, by in enumerate(("1", "2", "3+")):
        names[f"sr:winning_margin:3+:{113 + number}"] = f"home_by_{by}"
        names[f"sr:winning_margin:3+:{116 + number}"] = f"away_by_{by}"
    names["sr:winning_margin:3+:119"] = "draw"
    return names


OUTCOME_NAMES: Final[Mapping[str, str]] = _vocabulary()

# --- bet stop groups -----------------------------------------------------------------------------

ALL: Final = "all"
_GROUPED: Final[tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]] = (
    (
        ("score", "regular_play"),
        (1, *range(8, 17), *range(18, 22), *range(23, 35), 45, *range(47, 60), *range(186, 200)),
    ),
    (("combo", "regular_play"), (35, 36, 37, 546, 547)),
    (("score", "1st_half"), (60, *range(62, 67), *range(68, 78), 81)),
    (("combo", "1st_half"), (78, 79, 542)),
    (("score", "2nd_half"), (*range(83, 89), *range(90, 99))),
    (("combo", "2nd_half"), (543, 544, 545)),
    (("score", "ot"), (113, 114, 115, 116)),
    (("score", "set"), tuple(range(202, 209))),
    (("score", "game"), tuple(range(210, 216))),
    (("score", "incl_ot"), (219, *range(223, 231), 290, 291)),
    (("score", "quarter"), (235, 236, *range(302, 306))),
)
_OTHER_GROUPS: Final = (
    "180s", "5_min", "10_min", "15_min", "bookings", "break", "corners", "cup", "innings",
    "kills", "leg", "map", "misc", "offsides", "over", "pen_so", "penalties", "period",
    "player", "player_props", "rapid_market", "round", "scorers", "tiebreak", "tries", "wicket",
)  # fmt: skip
"""Groups that none of the markets above is in."""
_KNOWN_GROUPS: Final = (ALL, *(name for names, _ in _GROUPED for name in names), *_OTHER_GROUPS)
_GROUPS_OF: Final[Mapping[int, tuple[str, ...]]] = {
    number: groups for groups, numbers in _GROUPED for number in numbers
}


def stopped_by(market_id: int, groups: Sequence[str]) -> bool:
    """Say whether a bet stop of these groups is meant for a market.

    A market is spared only when that is certain: its own groups are known and so are all of the
    stop's, and they have none in common.
    """
    own = _GROUPS_OF.get(market_id)
    if own is None or ALL in groups:
        return True
    return any(group in own or group not in _KNOWN_GROUPS for group in groups)


# --- markets -------------------------------------------------------------------------------------


class UofMarket(NamedTuple):
    """A market of the feed as it is called here."""

    key: str
    sport: str
    """The sport of ours that knows its type; empty for the provider's own."""
    outcomes: tuple[str, ...]
    """Names, in the order of odds and results."""
    winners: float | None
    """How many outcomes win, where that is known."""


class UofTypes:
    """The types of some sports, by the provider's numbers.

    Messages do not say which sport an event is of, and sports share numbers: the first sport is
    taken whose type takes the market's specifiers and has its outcomes. So a feed should name the
    one sport that its source binds, or none. No two numbers ever come to one type: where sports
    share a type's name, it is the first sport's, and the others' markets keep their numbers.

    Parameters
    ----------
    sports : Sequence[str]
        Names in ``engine.pricing.sport.SPORTS``.
    """

    def __init__(self, sports: Sequence[str]) -> None:
        self._types: dict[int, list[AnySport]] = {}
        self._names: dict[tuple[int, str], str] = {}
        self._numbers: dict[str, int] = {}
        for sport in (SPORTS[name] for name in sports):
            for market_type, number in sport.market_types.items():
                if number is None or self._numbers.get(market_type, number) != number:
                    continue
                self._numbers[market_type] = number
                self._names[number, sport.name] = market_type
                self._types.setdefault(number, []).append(sport)

    def market(
        self, event_id: str, name: MarketName, outcome_ids: Sequence[str]
    ) -> UofMarket | str:
        """Return what a market is to us, or in a few words why it cannot be one.

        Parameters
        ----------
        event_id : str
            The event's urn, which is our fixture.
        name : MarketName
            The provider's number and specifiers.
        outcome_ids : Sequence[str]
            The outcomes that were listed when it was first met.
        """
        fault = _outcomes_fault(outcome_ids)
        if fault:
            return fault
        key = self.key(event_id, f"{GENERIC}{name.id}", name.specifiers)
        if isinstance(key, str):
            return key
        for sport in self._types.get(name.id, ()):
            market_type = self._names[name.id, sport.name]
            typed = _typed(sport, key._replace(type=market_type), outcome_ids)
            if typed is not None:
                return typed
        return UofMarket(str(key), "", tuple(outcome_ids), None)

    def key(self, event_id: str, market_type: str, specifiers: str) -> MarketKey | str:
        """Return a market's key in our grammar, or in a few words why it has none."""
        tail = f"?{specifiers}" if specifiers else ""
        try:
            return parse_market_key(f"{event_id}/{market_type}{tail}")
        except MalformedIdError as error:
            return str(error)[:200]

    def number(self, key: MarketKey) -> int | None:
        """Return the provider's number of a market of ours, or None where it is not one of its."""
        if key.type.startswith(GENERIC):
            digits = key.type.removeprefix(GENERIC)
            number = int(digits) if digits.isascii() and digits.isdigit() else MARKET_ID_MAX + 1
            return number if number <= MARKET_ID_MAX else None
        return self._numbers.get(key.type)

    def known(self, key: MarketKey, outcomes: tuple[str, ...]) -> UofMarket:
        """Return what a market that exists already is."""
        number = self.number(key)
        for sport in self._types.get(-1 if number is None else number, ()):
            found = _asked(sport, key)
            if found is not None and found[0] == outcomes:
                return UofMarket(str(key), sport.name, outcomes, found[1])
        return UofMarket(str(key), "", outcomes, None)


def _typed(sport: AnySport, key: MarketKey, outcome_ids: Sequence[str]) -> UofMarket | None:
    found = _asked(sport, key)
    if found is None:
        return None
    outcomes, winners = found
    names = [OUTCOME_NAMES.get(outcome_id) for outcome_id in outcome_ids]
    if not all(name in outcomes for name in names) or len(dict.fromkeys(names)) != len(names):
        return None
    return UofMarket(str(key), sport.name, outcomes, winners)


def _asked(sport: AnySport, key: MarketKey) -> tuple[tuple[str, ...], float] | None:
    """Return a type's outcomes and winners, or None where it is not to be had so."""
    try:
        market = sport.market(key.type, key.specifiers)
    except MarketTypeError:
        return None
    return market.outcomes, market.winners


def _outcomes_fault(outcome_ids: Sequence[str]) -> str:
    if not 0 < len(outcome_ids) <= OUTCOMES_MAX:
        return f"outcomes: from 1 to {OUTCOMES_MAX}, not {len(outcome_ids)}"
    if len(dict.fromkeys(outcome_ids)) != len(outcome_ids):
        return "outcomes: one is listed twice"
    if any(len(outcome_id) > NAME_CHARS_MAX for outcome_id in outcome_ids):
        return f"outcomes: an id has at most {NAME_CHARS_MAX} characters"
    return ""
