"""Settle football markets by the plain meaning of their outcomes.

A twin of engine.pricing.football.market_types: it states every market's scope, outcomes and results
anew, and shares no table, axis or interval with the rules that it checks.
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import combinations, product
from typing import NamedTuple

from engine.common.commands import OutcomeResult
from engine.common.ids import parse_market_key
from engine.pricing.football.axes import Scope

WON = OutcomeResult(won=True)
HALF_WON = OutcomeResult(won=True, void_halves=1)
REFUNDED = OutcomeResult(won=False, void_halves=2)
HALF_LOST = OutcomeResult(won=False, void_halves=1)
LOST = OutcomeResult(won=False)

Score = tuple[int, int]
Settled = dict[str, OutcomeResult]
"""A result for each outcome name, in the order of the market's odds."""


class Played(NamedTuple):
    """The score of a scope; its first half, for both halves; and an h or a for each goal."""

    home: int
    away: int
    first: Score = (0, 0)
    order: str = ""

    @property
    def second(self) -> Score:
        """The score of the second half alone."""
        return self.home - self.first[0], self.away - self.first[1]


class Match(NamedTuple):
    """The score of each period of a finished match; the order of the goals of ninety minutes."""

    first: Score
    second: Score = (0, 0)
    extra: Score = (0, 0)
    order: str = ""


Settle = Callable[[Played, Mapping[str, str]], Settled]


# --- lines ---------------------------------------------------------------------------------------


def half_stake(margin: float) -> str:
    return "won" if margin > 0 else "lost" if margin < 0 else "refunded"


def by_line(value: float, line: float) -> OutcomeResult:
    """Settle a bet that a value is over a line: half the stake on each neighbour of a quarter."""
    quarter = 0.25 if line % 0.5 else 0.0
    halves = {half_stake(value - (line - quarter)), half_stake(value - (line + quarter))}
    if "refunded" not in halves:
        return WON if halves == {"won"} else LOST
    return HALF_WON if "won" in halves else HALF_LOST if "lost" in halves else REFUNDED


def total(value: int, specifiers: Mapping[str, str]) -> Settled:
    line = float(specifiers["total"])
    return {"over": by_line(value, line), "under": by_line(-value, -line)}


def handicap(played: Played, specifiers: Mapping[str, str]) -> Settled:
    line = float(specifiers["hcp"])
    lead = played.home - played.away
    return {"home": by_line(lead, -line), "away": by_line(-lead, line)}


# --- one score -----------------------------------------------------------------------------------


def each(wins: Mapping[str, bool]) -> Settled:
    return {name: WON if won else LOST for name, won in wins.items()}


def yes_no(yes: bool) -> Settled:
    return each({"yes": yes, "no": not yes})


def result(home: int, away: int) -> str:
    return "home" if home > away else "away" if away > home else "draw"


def three_way(home: int, away: int) -> Settled:
    return each({name: name == result(home, away) for name in ("home", "draw", "away")})


def european_handicap(played: Played, specifiers: Mapping[str, str]) -> Settled:
    home_start, away_start = (int(goals) for goals in specifiers["hcp"].split(":"))
    return three_way(played.home + home_start, played.away + away_start)


def double_chance(played: Played) -> dict[str, bool]:
    won = result(played.home, played.away)
    return {
        "home_or_draw": won in ("home", "draw"),
        "home_or_away": won in ("home", "away"),
        "draw_or_away": won in ("draw", "away"),
    }


def no_bet(played: Played, refunding: str) -> Settled:
    """Settle a market of two results; the third refunds."""
    won = result(played.home, played.away)
    names = [name for name in ("home", "draw", "away") if name != refunding]
    return {name: REFUNDED if won == refunding else WON if won == name else LOST for name in names}


def last_number(specifiers: Mapping[str, str], default: int) -> int:
    """Return the 6 of a variant such as sr:exact_goals:6+."""
    return int(specifiers.get("variant", f"::{default}+").split(":")[2].rstrip("+"))


def exact(goals: int, specifiers: Mapping[str, str], default: int) -> Settled:
    last = last_number(specifiers, default)
    names = [*map(str, range(last)), f"{last}+"]
    return each({name: name == names[min(goals, last)] for name in names})


def goal_range(played: Played, specifiers: Mapping[str, str]) -> Settled:
    goals = played.home + played.away
    if last_number(specifiers, 7) == 6:
        return each({"0-1": goals < 2, "2-3": goals in (2, 3), "4-5": goals in (4, 5),
                     "6+": goals > 5})  # fmt: skip
    return each({"0-1": goals < 2, "2-3": 2 <= goals < 4, "4-6": 4 <= goals < 7, "7+": goals > 6})


def winning_margin(played: Played, specifiers: Mapping[str, str]) -> Settled:
    last = last_number(specifiers, 3)
    names = [f"home_by_{last}+", *(f"home_by_{by}" for by in range(last - 1, 0, -1)), "draw"]
    names += [*(f"away_by_{by}" for by in range(1, last)), f"away_by_{last}+"]
    won, by = result(played.home, played.away), abs(played.home - played.away)
    reached = won if won == "draw" else f"{won}_by_{by}" if by < last else f"{won}_by_{last}+"
    return each({name: name == reached for name in names})


def odd_even(goals: int) -> Settled:
    return each({"odd": goals % 2 == 1, "even": goals % 2 == 0})


def correct_score(played: Played, goals_max: int) -> Settled:
    goals = range(goals_max + 1)
    listed = [(home, away) for home in goals for away in goals]
    score = (played.home, played.away)
    return each({f"{h}:{a}": (h, a) == score for h, a in listed} | {"other": score not in listed})


def flex_correct_score(played: Played, specifiers: Mapping[str, str], most: int) -> Settled:
    """Settle by the goals after the score so far: after more than `most` nothing wins."""
    home_now, away_now = (int(goals) for goals in specifiers["score"].split(":"))
    added = (played.home - home_now, played.away - away_now)
    listed = [(h, a) for h in range(most + 1) for a in range(most + 1) if h + a <= most]
    return each({f"+{h}:{a}": (h, a) == added for h, a in listed})


def multigoals(goals: int, most: int) -> Settled:
    wins = {"none": goals == 0}
    for low, high in combinations(range(1, most + 1), 2):
        wins[f"{low}-{high}"] = low <= goals <= high
    return each(wins | {f"{most + 1}+": goals > most})


def multiscores(played: Played, _: Mapping[str, str]) -> Settled:
    listed = {
        name: f"{played.home}:{played.away}" in name.split("/")
        for name in (
            "1:0/2:0/3:0", "0:1/0:2/0:3", "4:0/5:0/6:0", "0:4/0:5/0:6", "2:1/3:1/4:1",
            "1:2/1:3/1:4", "3:2/4:2/4:3/5:1", "2:3/2:4/3:4/1:5",
        )
    }  # fmt: skip
    won, other = result(played.home, played.away), not any(listed.values())
    ends = {f"other_{side}": other and won == side for side in ("home", "away")}
    return each({"draw": won == "draw"} | listed | ends)


def which_team(played: Played, _: Mapping[str, str]) -> Settled:
    scored = (played.home > 0, played.away > 0)
    names = {
        "none": (False, False),
        "only_home": (True, False),
        "only_away": (False, True),
        "both": (True, True),
    }
    return each({name: scored == meant for name, meant in names.items()})


# --- combinations --------------------------------------------------------------------------------


def both_scored(played: Played) -> dict[str, bool]:
    both = played.home > 0 and played.away > 0
    return {"yes": both, "no": not both}


def over_under(played: Played, specifiers: Mapping[str, str]) -> dict[str, bool]:
    over = played.home + played.away > float(specifiers["total"])
    return {"over": over, "under": not over}


def results(played: Played) -> dict[str, bool]:
    won = result(played.home, played.away)
    return {name: name == won for name in ("home", "draw", "away")}


def together(first: Mapping[str, bool], second: Mapping[str, bool]) -> Settled:
    """Win when both parts win; the first part's names change fastest."""
    return each({f"{one}_and_{two}": first[one] and second[two] for two in second for one in first})


def either(played: Played, specifiers: Mapping[str, str], *, side: str, other: str) -> Settled:
    """Win when the result is a side's, or when the other part wins, or both."""
    if other in ("over", "under"):
        also = over_under(played, specifiers)[other]
    else:
        also = both_scored(played)["yes" if other == "both_teams_to_score" else "no"]
    return yes_no(result(played.home, played.away) == side or also)


ONE_SCORE: dict[str, Settle] = {
    "1x2": lambda p, _: three_way(p.home, p.away),
    "european_handicap": european_handicap,
    "double_chance": lambda p, _: each(double_chance(p)),
    "draw_no_bet": lambda p, _: no_bet(p, "draw"),
    "home_no_bet": lambda p, _: no_bet(p, "home"),
    "away_no_bet": lambda p, _: no_bet(p, "away"),
    "handicap": handicap,
    "winning_margin": winning_margin,
    "total": lambda p, s: total(p.home + p.away, s),
    "home_total": lambda p, s: total(p.home, s),
    "away_total": lambda p, s: total(p.away, s),
    "exact_goals": lambda p, s: exact(p.home + p.away, s, 6),
    "home_exact_goals": lambda p, s: exact(p.home, s, 3),
    "away_exact_goals": lambda p, s: exact(p.away, s, 3),
    "goal_range": goal_range,
    "odd_even": lambda p, _: odd_even(p.home + p.away),
    "home_odd_even": lambda p, _: odd_even(p.home),
    "away_odd_even": lambda p, _: odd_even(p.away),
    "both_teams_to_score": lambda p, _: each(both_scored(p)),
    "which_team_to_score": which_team,
    "home_clean_sheet": lambda p, _: yes_no(p.away == 0),
    "away_clean_sheet": lambda p, _: yes_no(p.home == 0),
    "home_win_to_nil": lambda p, _: yes_no(p.home > 0 and p.away == 0),
    "away_win_to_nil": lambda p, _: yes_no(p.away > 0 and p.home == 0),
    "correct_score": lambda p, _: correct_score(p, 4),
    "correct_score_to_two": lambda p, _: correct_score(p, 2),
    "flex_correct_score": lambda p, s: flex_correct_score(p, s, 6),
    **{
        f"{side}_or_{name}": partial(either, side=side, other=name)
        for side in ("home", "draw", "away")
        for name in ("over", "under", "both_teams_to_score", "any_clean_sheet")
    },
    "home_to_win": lambda p, _: yes_no(p.home > p.away),
    "away_to_win": lambda p, _: yes_no(p.away > p.home),
    "any_team_to_win": lambda p, _: yes_no(p.away != p.home),
    "multigoals": lambda p, _: multigoals(p.home + p.away, 6),
    "home_multigoals": lambda p, _: multigoals(p.home, 3),
    "away_multigoals": lambda p, _: multigoals(p.away, 3),
    "multiscores": multiscores,
    "1x2_both_teams_to_score": lambda p, _: together(results(p), both_scored(p)),
    "total_both_teams_to_score": lambda p, s: together(over_under(p, s), both_scored(p)),
    "1x2_total": lambda p, s: together(results(p), over_under(p, s)),
    "double_chance_both_teams_to_score": lambda p, _: together(double_chance(p), both_scored(p)),
    "double_chance_total": lambda p, s: together(double_chance(p), over_under(p, s)),
}


OF_ONE_HALF: dict[str, Settle] = {
    "first_half_flex_correct_score": lambda p, s: flex_correct_score(p, s, 3),
    "first_half_multigoals": lambda p, _: multigoals(p.home + p.away, 3),
    "second_half_multigoals": lambda p, _: multigoals(p.home + p.away, 3),
}
"""Types of a half whose outcomes are others than those of the type of ninety minutes."""


# --- the order of goals --------------------------------------------------------------------------


def scorer(letter: str) -> Settled:
    """Settle by who scored a goal; an empty letter: there was no such goal."""
    return each({"home": letter == "h", "none": letter == "", "away": letter == "a"})


def scorer_and_result(played: Played, specifiers: Mapping[str, str]) -> Settled:
    number = int(specifiers["goalnr"])
    scored = {"h": "home", "a": "away", "": ""}[played.order[number - 1 : number]]
    won = result(played.home, played.away)
    pairs = product(("home", "away"), ("home", "draw", "away"))
    wins = {f"{side}_and_{name}": (side, name) == (scored, won) for side, name in pairs}
    return each(wins | {"none": scored == ""})


GOAL_ORDER: dict[str, Settle] = {
    "next_goal_1x2": scorer_and_result,
    "next_goal": lambda p, s: scorer(p.order[int(s["goalnr"]) - 1 : int(s["goalnr"])]),
    "last_goal": lambda p, _: scorer(p.order[-1:]),
}


# --- both halves ---------------------------------------------------------------------------------


def half_time_full_time(played: Played, _: Mapping[str, str]) -> Settled:
    reached = f"{result(*played.first)}/{result(played.home, played.away)}"
    names = [f"{one}/{two}" for one, two in product(("home", "draw", "away"), repeat=2)]
    return each({name: name == reached for name in names})


def half_and_full(played: Played) -> dict[str, bool]:
    return {name: won == WON for name, won in half_time_full_time(played, {}).items()}


def half_and_full_exact(played: Played, _: Mapping[str, str]) -> Settled:
    every = "h/h h/d h/a d/h d/d d/a a/h a/d a/a"
    possible = ("d/d", "h/h d/h d/a a/a", "h/h h/d d/h d/d d/a a/d a/a", "h/h h/a d/h d/a a/h a/a")
    letters = {"h": "home", "d": "draw", "a": "away"}
    reached = (result(*played.first), result(played.home, played.away))
    wins = {}
    for goals, texts in enumerate((*possible, every, every)):
        made = played.home + played.away == goals if goals < 5 else played.home + played.away > 4
        for text in texts.split():
            names = (letters[text[0]], letters[text[2]])
            wins[f"{'/'.join(names)}_and_{goals}{'+' * (goals == 5)}"] = made and names == reached
    return each(wins)


def half_and_full_score(played: Played, _: Mapping[str, str]) -> Settled:
    few = ["0:0", "0:1", "0:2", "0:3", "1:0", "1:1", "1:2", "2:0", "2:1", "3:0"]
    reached = []
    for home, away in (played.first, (played.home, played.away)):
        reached.append(f"{home}:{away}" if f"{home}:{away}" in few else "4+")
    wins = {}
    for half, full in product(few, [*few, "4+"]):
        if full == "4+" or (half[0] <= full[0] and half[2] <= full[2]):
            wins[f"{half}/{full}"] = [half, full] == reached
    return each(wins | {"4+/4+": reached[0] == "4+"})


def higher(first: int, second: int) -> Settled:
    return each({"first": first > second, "equal": first == second, "second": first < second})


def halves_both_score(played: Played, _: Mapping[str, str]) -> Settled:
    reached = "/".join("yes" if min(half) > 0 else "no" for half in (played.first, played.second))
    return each({name: name == reached for name in ("no/no", "yes/no", "yes/yes", "no/yes")})


def won_halves(played: Played, side: str) -> int:
    return [result(*played.first), result(*played.second)].count(side)


BOTH_HALVES: dict[str, Settle] = {
    "half_time_full_time": half_time_full_time,
    "double_chance_first_half_both_teams_to_score": lambda p, _: together(
        double_chance(p), both_scored(Played(*p.first))
    ),
    "double_chance_second_half_both_teams_to_score": lambda p, _: together(
        double_chance(p), both_scored(Played(*p.second))
    ),
    "half_time_full_time_total": lambda p, s: together(half_and_full(p), over_under(p, s)),
    "half_time_full_time_first_half_total": lambda p, s: together(
        half_and_full(p), over_under(Played(*p.first), s)
    ),
    "half_time_full_time_exact_goals": half_and_full_exact,
    "half_time_full_time_correct_score": half_and_full_score,
    "home_win_both_halves": lambda p, _: yes_no(won_halves(p, "home") == 2),
    "away_win_both_halves": lambda p, _: yes_no(won_halves(p, "away") == 2),
    "home_win_either_half": lambda p, _: yes_no(won_halves(p, "home") > 0),
    "away_win_either_half": lambda p, _: yes_no(won_halves(p, "away") > 0),
    "highest_scoring_half": lambda p, _: higher(sum(p.first), sum(p.second)),
    "home_highest_scoring_half": lambda p, _: higher(p.first[0], p.second[0]),
    "away_highest_scoring_half": lambda p, _: higher(p.first[1], p.second[1]),
    "halves_both_teams_to_score": halves_both_score,
    "home_score_in_both_halves": lambda p, _: yes_no(p.first[0] > 0 and p.second[0] > 0),
    "away_score_in_both_halves": lambda p, _: yes_no(p.first[1] > 0 and p.second[1] > 0),
    "both_halves_over": lambda p, s: yes_no(
        all(sum(half) > float(s["total"]) for half in (p.first, p.second))
    ),
    "both_halves_under": lambda p, s: yes_no(
        all(sum(half) < float(s["total"]) for half in (p.first, p.second))
    ),
}


# --- market types and keys -----------------------------------------------------------------------

PREFIXES = {
    "first_half_": Scope.FIRST_HALF,
    "second_half_": Scope.SECOND_HALF,
    "extra_time_": Scope.EXTRA_TIME,
}


def split_type(market_type: str) -> tuple[Scope, str]:
    """Return a type's scope, and its name without the prefix of that scope."""
    for prefix, scope in PREFIXES.items():
        if market_type.startswith(prefix):
            return scope, market_type.removeprefix(prefix)
    return (Scope.HALVES if market_type in BOTH_HALVES else Scope.REGULAR), market_type


def scope_of(key: str) -> Scope:
    """Return the scope of a market key."""
    return split_type(parse_market_key(key).type)[0]


def needs_order(key: str) -> bool:
    """Say whether the order of goals settles a market."""
    return split_type(parse_market_key(key).type)[1] in GOAL_ORDER


def winners_between(key: str) -> tuple[int, int]:
    """Return how many of a market's outcomes win at least, and at most."""
    name = split_type(parse_market_key(key).type)[1]
    if name.endswith("multigoals"):
        return 1, 11
    if name == "flex_correct_score":
        return 0, 1
    return (2, 2) if name.startswith("double_chance") else (1, 1)


def winners_of(key: str) -> int:
    """Return how many of a market's outcomes win; 0: that depends on the score."""
    least, most = winners_between(key)
    return least if least == most else 0


def settle(market_type: str, specifiers: tuple[tuple[str, str], ...], played: Played) -> Settled:
    """Settle a market by what was played of its scope."""
    _, name = split_type(market_type)
    rules = ONE_SCORE | GOAL_ORDER | BOTH_HALVES | OF_ONE_HALF
    return rules[market_type if market_type in rules else name](played, dict(specifiers))


def settle_key(key: str, match: Match) -> Settled:
    """Settle a market by a finished match."""
    goals_before = sum(match.first)
    final = (match.first[0] + match.second[0], match.first[1] + match.second[1])
    regular = Played(*final, match.first, match.order)
    by_scope = {
        Scope.REGULAR: regular,
        Scope.HALVES: regular,
        Scope.FIRST_HALF: Played(*match.first, order=match.order[:goals_before]),
        Scope.SECOND_HALF: Played(*match.second, order=match.order[goals_before:]),
        Scope.EXTRA_TIME: Played(*match.extra),
    }
    parsed = parse_market_key(key)
    return settle(parsed.type, parsed.specifiers, by_scope[scope_of(key)])
