"""The plain twin of the tennis kernels: enumerate all matches and settle every market by hand.

It uses recursion over scores and dictionaries of matches, and none of the kernels' tables, axes or
sums. The form of the day is a list of days, each with its chance and its serves.
"""

from collections.abc import Mapping
from functools import cache
from itertools import pairwise, product
from math import factorial, prod
from random import Random

from engine.common.ids import parse_market_key
from engine.pricing.tennis.sport import FinalSet, TennisModel, TennisState

Sets = tuple[tuple[int, int], ...]
Days = list[tuple[float, tuple[float, float]]]
FINAL_SETS = {FinalSet.TIEBREAK_7: "7", FinalSet.TIEBREAK_10: "10", FinalSet.ADVANTAGE: "advantage"}


def game(p: float, own: int = 0, other: int = 0) -> float:
    """Return the server's chance of a game by recursion over points, deuce by its series."""
    if own >= 4 and own - other >= 2:
        return 1.0
    if other >= 4 and other - own >= 2:
        return 0.0
    if own == other == 3:
        # p^2 + 2pq p^2 + (2pq)^2 p^2 + ...
        return p * p * sum((2.0 * p * (1.0 - p)) ** n for n in range(400))
    return p * game(p, own + 1, other) + (1.0 - p) * game(p, own, other + 1)


def tiebreak(
    to: int, first: int, serves: tuple[float, float], home: int = 0, away: int = 0
) -> float:
    """Return home's chance of a tie-break, by recursion up to 240 points past its regular end."""

    @cache
    def won(i: int, j: int) -> float:
        if max(i, j) >= to and abs(i - j) >= 2:
            return float(i > j)
        if i + j > 2 * to + 240:
            return 0.5
        server = first if (i + j) % 4 in (0, 3) else 1 - first
        p = serves[0] if server == 0 else 1.0 - serves[1]
        return p * won(i + 1, j) + (1.0 - p) * won(i, j + 1)

    return won(home, away)


def set_ends(
    serves: tuple[float, float], first: int, how: str, longest: int = 120
) -> dict[tuple[int, int], float]:
    """Return the chance of each final score of a set."""
    holds = (game(serves[0]), 1.0 - game(serves[1]))
    breaker = {"7": 7, "10": 10}.get(how)
    reach: dict[tuple[int, int], float] = {(0, 0): 1.0}
    ends: dict[tuple[int, int], float] = {}
    while reach:
        home, away = min(reach, key=sum)
        mass = reach.pop((home, away))
        if breaker and home == away == 6:
            p = tiebreak(breaker, first, serves)
        else:
            p = holds[(home + away + first) % 2]
        for score, part in (((home + 1, away), p), ((home, away + 1), 1.0 - p)):
            high, low = max(score), min(score)
            into = ends if _over(high, low, breaker) or high > longest else reach
            into[score] = into.get(score, 0.0) + mass * part
    return ends


def _over(high: int, low: int, breaker: int | None) -> bool:
    return high >= 6 and (high - low >= 2 or (breaker is not None and high == 7))


def matches(
    serves: tuple[float, float], best_of: int, final_set: str
) -> dict[tuple[int, Sets], float]:
    """Return the chance of every match by first server (each with one half) and its sets."""
    normal = [set_ends(serves, first, "7") for first in (0, 1)]
    last = [set_ends(serves, first, final_set, 32) for first in (0, 1)]
    going: dict[tuple[int, Sets], float] = {(0, ()): 0.5, (1, ()): 0.5}
    servers = {(0, ()): 0, (1, ()): 1}
    done: dict[tuple[int, Sets], float] = {}
    while going:
        (first, sets), mass = going.popitem()
        server = servers[(first, sets)]
        ends = (last if len(sets) == best_of - 1 else normal)[server]
        for score, part in ends.items():
            key = (first, (*sets, score))
            won = sum(home > away for home, away in key[1])
            if max(won, len(key[1]) - won) == best_of // 2 + 1:
                done[key] = mass * part
            else:
                going[key] = mass * part
                servers[key] = (server + score[0] + score[1]) % 2
    return done


def result(market: str, names: tuple[str, ...], sets: Sets) -> dict[str, float] | None:
    """Return 1 for the outcome that wins and 0 for the others; None where the market refunds.

    A market refunds when its set is not played, and when a whole line is met exactly.
    """
    key = parse_market_key(market)
    given = dict(key.specifiers)
    part = sets
    if "setnr" in given:
        number = int(given["setnr"])
        if number > len(sets):
            return None
        part = sets[number - 1 : number]
    home, away = sum(h for h, _ in part), sum(a for _, a in part)
    home_sets = sum(h > a for h, a in sets)
    away_sets = len(sets) - home_sets
    kind = key.type.removeprefix("set_") if "setnr" in given else key.type
    won = _winner(kind, given, (home, away), (home_sets, away_sets), part)
    return None if won is None else {name: float(name == won) for name in names}


def _winner(
    kind: str,
    given: Mapping[str, str],
    games: tuple[int, int],
    in_sets: tuple[int, int],
    part: Sets,
) -> str | None:
    home, away = games
    if kind == "winner":
        ahead = in_sets if "setnr" not in given else games
        return "home" if ahead[0] > ahead[1] else "away"
    if kind in ("game_handicap", "set_handicap"):
        mine, theirs = games if kind == "game_handicap" else in_sets
        gap = mine + float(given["hcp"]) - theirs
        return None if gap == 0 else "home" if gap > 0 else "away"
    if "total" in given:
        counted = {
            "total_games": home + away,
            "home_total_games": home,
            "away_total_games": away,
            "total_sets": sum(in_sets),
        }[kind]
        line = float(given["total"])
        return None if counted == line else "over" if counted > line else "under"
    if kind == "odd_even_games":
        return "odd" if (home + away) % 2 else "even"
    if kind in ("home_to_win_a_set", "away_to_win_a_set"):
        return "yes" if in_sets[kind == "away_to_win_a_set"] else "no"
    if kind == "exact_sets":
        return str(sum(in_sets))
    if kind == "tiebreak":
        return "yes" if sorted(games) == [6, 7] else "no"
    if "setnr" in given:
        return f"{home}:{away}" if max(part[0]) <= 7 else "other"
    return f"{in_sets[0]}:{in_sets[1]}"


def fair(
    market: str, names: tuple[str, ...], played: Mapping[tuple[int, Sets], float]
) -> list[float]:
    """Return each outcome's fair probability: its chance to win if it does not refund."""
    wins, sure = dict.fromkeys(names, 0.0), 0.0
    for (_, sets), mass in played.items():
        paid = result(market, names, sets)
        if paid is not None:
            sure += mass
            for name in names:
                wins[name] += mass * paid[name]
    return [wins[name] / sure for name in names]


def simulate(
    serves: tuple[float, float], best_of: int, final_set: str, rng: Random, form_sd: float = 0.0
) -> tuple[Sets, str]:
    """Simulate a match; return its sets, and the winner of each game of the first set."""
    form = rng.gauss(0.0, form_sd)
    serves = (serves[0] + form, serves[1] - form)
    server, first_games = rng.randrange(2), ""
    sets: list[tuple[int, int]] = []
    won = [0, 0]
    while max(won) <= best_of // 2:
        how = final_set if sum(won) == best_of - 1 else "7"
        score, order = [0, 0], ""
        while not _over(max(score), min(score), {"7": 7, "10": 10}.get(how)):
            deciding = score == [6, 6] and how != "advantage"
            side = _simulate_game(serves, server, int(how) if deciding else 0, rng)
            score[side] += 1
            order += "ha"[side]
            server = 1 - server
        first_games = first_games or order
        won[score[1] > score[0]] += 1
        sets.append((score[0], score[1]))
    return tuple(sets), first_games


def _simulate_game(serves: tuple[float, float], server: int, breaker: int, rng: Random) -> int:
    points = [0, 0]
    while max(points) < (breaker or 4) or abs(points[0] - points[1]) < 2:
        turn = sum(points) % 4
        who = server if not breaker or turn in (0, 3) else 1 - server
        points[who if rng.random() < serves[who] else 1 - who] += 1
    return int(points[1] > points[0])


def keys(best_of: int, fixture: str = "m") -> list[str]:
    """Return the keys of every market type, with half lines and whole lines."""
    variant = f"bestof:{best_of}"
    rows = [
        "winner", "odd_even_games", "home_to_win_a_set", "away_to_win_a_set",
        f"correct_score?variant=sr:correct_score:{variant}",
        f"exact_sets?variant=sr:exact_sets:{variant}",
        *(f"game_handicap?hcp={line}" for line in ("-4.5", "-3", "0", "1.5", "6")),
        *(f"set_handicap?hcp={line}" for line in ("-1.5", "-1", "0.5", "2")),
        *(f"total_games?total={line}" for line in ("18.5", "22", "24.5", "35.5", "41")),
        *(f"home_total_games?total={line}" for line in ("9.5", "12", "19.5")),
        *(f"away_total_games?total={line}" for line in ("10.5", "13")),
        *(f"total_sets?total={line}" for line in ("2.5", "3", "4.5")),
    ]  # fmt: skip
    for number in range(1, best_of + 1):
        rows += [
            f"set_{kind}?setnr={number}"
            for kind in ("winner", "odd_even_games", "tiebreak", "correct_score")
        ]
        rows += [
            f"set_game_handicap?hcp={hcp}|setnr={number}" for hcp in ("-2.5", "-2", "0.5", "3")
        ]
        rows += [
            f"set_total_games?setnr={number}|total={line}" for line in ("8.5", "9", "10", "12.5")
        ]
    return [f"{fixture}/{row}" for row in rows]


def game_keys(best_of: int, fixture: str = "m") -> list[str]:
    """Return the markets on single games of every set."""
    pairs = product(range(1, best_of + 1), (1, 2, 6, 7, 9, 12, 13))
    return [f"{fixture}/set_game_winner?gamenr={game}|setnr={number}" for number, game in pairs]


# --- the form of the day -------------------------------------------------------------------------


def hermite(order: int, x: float) -> float:
    """Return a Hermite polynomial of the normal distribution, by its recursion."""
    before, value = 0.0, 1.0
    for n in range(order):
        before, value = value, x * value - n * before
    return value


@cache
def nodes(count: int) -> list[tuple[float, float]]:
    """Return Gauss and Hermite's nodes with their chances: roots found by bisection."""
    steps = [k / 16.0 + 1e-3 for k in range(-96, 96)]
    found = []
    for begin, end in pairwise(steps):
        if hermite(count, begin) * hermite(count, end) > 0.0:
            continue
        low, high = begin, end
        for _ in range(80):
            middle = (low + high) / 2.0
            if hermite(count, low) * hermite(count, middle) <= 0.0:
                high = middle
            else:
                low = middle
        found.append((low, factorial(count) / (count * hermite(count - 1, low)) ** 2))
    assert len(found) == count
    return found


def prior(model: TennisModel, count: int = 7) -> Days:
    """Return the days before the match."""
    serves = (model.home_serve, model.away_serve)
    if model.form_sd == 0.0:
        return [(1.0, serves)]

    def kept(serve: float) -> float:
        return min(max(serve, 0.05), 0.95)

    return [
        (chance, (kept(serves[0] + model.form_sd * x), kept(serves[1] - model.form_sd * x)))
        for x, chance in nodes(count)
    ]


def posterior(model: TennisModel, state: TennisState) -> Days:
    """Return the days given what has been played; the server of the state must be known."""
    days = [(chance * _played(serves, state), serves) for chance, serves in prior(model)]
    total = sum(mass for mass, _ in days)
    return [(mass / total, serves) for mass, serves in days]


def _played(serves: tuple[float, float], state: TennisState) -> float:
    """Return a number in proportion to the chance of the points, or of the score."""
    counted = state.serve_points
    if counted is not None:
        won_by = (counted.home_won, counted.away_won)
        lost_by = (counted.home_lost, counted.away_lost)
        # The factors 4^n keep the product away from 0, and are the same on every day.
        return prod(
            (p ** (won / 2) * (1.0 - p) ** (lost / 2) * 2.0 ** (won + lost)) ** 2
            for p, won, lost in zip(serves, won_by, lost_by, strict=True)
        )
    first = state.first_server()
    chance = _reached(serves, state, first)
    for score in reversed(state.sets):
        first = (first + score.home + score.away) % 2
        chance *= set_ends(serves, first, "7")[score.home, score.away]
    return chance


def _reached(serves: tuple[float, float], state: TennisState, first: int) -> float:
    """Return the chance of the games of the set being played and of its points, less orders."""
    how = FINAL_SETS[state.how(len(state.sets))]
    breaker = None if how == "advantage" else int(how)
    holds = (game(serves[0]), 1.0 - game(serves[1]))

    @cache
    def reach(home: int, away: int) -> float:
        if home == away == 0:
            return 1.0
        mass = 0.0
        for before, side in (((home - 1, away), 0), ((home, away - 1), 1)):
            high, low = max(before), min(before)
            if low < 0 or _over(high, low, breaker):
                continue
            p = holds[(sum(before) + first) % 2]
            mass += reach(*before) * (p if side == 0 else 1.0 - p)
        return mass

    points = (state.points.home, state.points.away)
    chances = [serves[0], 1.0 - serves[1]]
    p = chances[(state.games.home + state.games.away + first) % 2]
    if state.tiebreak:
        servers = [first if n % 4 in (0, 3) else 1 - first for n in range(sum(points))]
        p = sum(chances[server] for server in servers) / max(len(servers), 1)
    return reach(state.games.home, state.games.away) * p ** points[0] * (1.0 - p) ** points[1]
