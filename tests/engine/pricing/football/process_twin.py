"""Plain-Python twin of the goal process: every order of goals, with its chance.

Written from the hazards themselves. Without a dead time the chances of all orders are integrated
minute by minute as a system of differential equations; with one, the waiting times are. No step
chain, no uniform rate and no weight by difference is shared with the kernels.
"""

from collections.abc import Callable
from functools import cache
from itertools import product
from math import exp, factorial

from engine.pricing.football.model import MatchModel, MatchState, Period
from tests.engine.pricing.football.model_twin import current_rates, dixon_coles, integral, intensity
from tests.engine.pricing.football.settlement_twin import Match

Orders = dict[str, float]
"""The chance of each order of a period's goals: an h or an a for each."""
STEPS = 90


def lead(order: str) -> int:
    return order.count("h") - order.count("a")


def state_factor(model: MatchModel, ahead: int) -> float:
    """Return the factor on the rate of a side that is ahead by so many goals."""
    if ahead <= -2:
        return model.two_behind_factor
    if ahead >= 2:
        return model.two_ahead_factor
    return {
        -1: model.one_behind_factor,
        0: model.level_factor,
        1: model.one_ahead_factor,
    }[ahead]


def hazards(model: MatchModel, state: MatchState, ahead: int) -> tuple[float, float]:
    """Return both sides' rates of a whole match at a goal difference."""
    home, away = current_rates(model, state)
    return home * state_factor(model, ahead), away * state_factor(model, -ahead)


# --- time ----------------------------------------------------------------------------------------


def profile(model: MatchModel, half: int, part: float) -> float:
    """Return a half's intensity at a part of it: the line, with the opening's factor."""
    stoppage = model.first_half_stoppage_s if half == 1 else model.second_half_stoppage_s
    factor = model.opening_factor if half == 1 else model.restart_factor
    line = intensity(model.first_half_share, 0.5 * part + (0.0 if half == 1 else 0.5))
    return line * (factor if part * (2700 + stoppage) < 900 else 1.0)


def share_of(model: MatchModel, half: int) -> float:
    return model.first_half_share if half == 1 else 1.0 - model.first_half_share


def mean_profile(model: MatchModel, half: int, low: float, high: float) -> float:
    """Integrate a half's profile exactly: it is a line on either side of the opening's end."""
    stoppage = model.first_half_stoppage_s if half == 1 else model.second_half_stoppage_s
    end = min(max(900 / (2700 + stoppage), low), high)
    total = 0.0
    for start, stop in ((low, end), (end, high)):
        if stop > start:
            middle = 0.5 * (start + stop)
            total += (stop - start) * profile(model, half, middle)
    return total


def left_of_half(model: MatchModel, state: MatchState, half: int) -> tuple[float, float]:
    """Return the part of a half that has been played, and its share of goals still to come."""
    own = Period.FIRST_HALF if half == 1 else Period.SECOND_HALF
    if state.period > own:
        return 1.0, 0.0
    stoppage = model.first_half_stoppage_s if half == 1 else model.second_half_stoppage_s
    part = 0.0
    if state.period is own:
        part = (state.clock_s - (0 if half == 1 else 2700)) / (2700 + stoppage)
    part = min(max(part, 0.0), 1.0)
    left = mean_profile(model, half, part, 1.0) / mean_profile(model, half, 0.0, 1.0)
    return part, left * share_of(model, half)


# --- one period ----------------------------------------------------------------------------------


def orders_at(
    rates: Callable[[int], tuple[float, float]], left: float, ahead: int, goals_max: int
) -> Orders:
    """Integrate the chances of all orders by the rates' own time (Runge and Kutta's fourth)."""
    names = ["".join(sides) for k in range(goals_max + 1) for sides in product("ha", repeat=k)]
    leads = {name: ahead + lead(name) for name in names}
    by_lead = {value: rates(value) for value in set(leads.values())}

    def slope(chances: list[float]) -> list[float]:
        by_name = dict(zip(names, chances, strict=True))
        slopes = []
        for name in names:
            out = -sum(by_lead[leads[name]]) * by_name[name]
            if name:
                side = 0 if name[-1] == "h" else 1
                out += by_lead[leads[name[:-1]]][side] * by_name[name[:-1]]
            slopes.append(out)
        return slopes

    chances = [1.0] + [0.0] * (len(names) - 1)
    step = left / STEPS
    for _ in range(STEPS if left > 0.0 else 0):
        one = slope(chances)
        two = slope([c + 0.5 * step * s for c, s in zip(chances, one, strict=True)])
        three = slope([c + 0.5 * step * s for c, s in zip(chances, two, strict=True)])
        four = slope([c + step * s for c, s in zip(chances, three, strict=True)])
        chances = [
            c + step / 6.0 * (a + 2.0 * b + 2.0 * d + e)
            for c, a, b, d, e in zip(chances, one, two, three, four, strict=True)
        ]
    return dict(zip(names, chances, strict=True))


def waited(count: int, time: float) -> float:
    """Return the chance that so many waiting times of mean 1 take at most `time`."""
    if time <= 0.0:
        return 1.0 if count == 0 else 0.0
    if count == 0:
        return 1.0
    parts = 400
    return sum(
        integral(
            lambda t: t ** (count - 1) * exp(-t) / factorial(count - 1),
            time * k / parts,
            time * (k + 1) / parts,
        )
        for k in range(parts)
    )


def orders_with_dead_time(
    rates: Callable[[int], tuple[float, float]],
    left: float,
    dead: float,
    ahead: int,
    goals_max: int,
) -> Orders:
    """Draw the number of chances, then what each leads to: goals of a side, or nothing."""
    most = max(sum(rates(d)) for d in range(-2, 3))
    reached = [waited(n, most * (left - max(n - 1, 0) * dead)) for n in range(goals_max + 2)]
    orders: Orders = {}
    paths = {"": 1.0}
    for n in range(goals_max + 1):
        chance = reached[n] - reached[n + 1]
        for order, mass in paths.items():
            orders[order] = orders.get(order, 0.0) + chance * mass
        following: dict[str, float] = {}
        for order, mass in paths.items():
            home, away = rates(ahead + lead(order))
            for name, part in (
                (order + "h", home / most),
                (order + "a", away / most),
                (order, 1.0 - (home + away) / most),
            ):
                following[name] = following.get(name, 0.0) + mass * part
        paths = following
    return orders


def half_orders(
    model: MatchModel, state: MatchState, half: int, ahead: int, goals_max: int
) -> Orders:
    """Return the chances of all orders of a half's goals to come."""
    _, left = left_of_half(model, state, half)
    if left == 0.0:
        return {"": 1.0}
    if model.dead_time_s == 0:
        return orders_at(lambda d: hazards(model, state, d), left, ahead, goals_max)
    stoppage = model.first_half_stoppage_s if half == 1 else model.second_half_stoppage_s
    dead = model.dead_time_s / (2700 + stoppage) * share_of(model, half)
    return orders_with_dead_time(lambda d: hazards(model, state, d), left, dead, ahead, goals_max)


# --- the match -----------------------------------------------------------------------------------


def matches(model: MatchModel, state: MatchState, goals_max: int) -> dict[Match, float]:
    """Return the chance of every course of ninety minutes with so many goals to come in a half.

    The state's order must be known. Each course is weighted by the factors of its final score.
    """
    split = state.first_half.home + state.first_half.away
    so_far = (state.order[:split], state.order[split:])
    second = cache(lambda ahead: half_orders(model, state, 2, ahead, goals_max))
    chances: dict[Match, float] = {}
    for first, chance in half_orders(model, state, 1, lead("".join(so_far)), goals_max).items():
        before = so_far[0] + first
        for then, mass in second(lead(before + so_far[1])).items():
            after = so_far[1] + then
            match = Match(
                (before.count("h"), before.count("a")),
                (after.count("h"), after.count("a")),
                order=before + after,
            )
            home, away = match.order.count("h"), match.order.count("a")
            weight = dixon_coles(model, home, away) * (model.draw_factor if home == away else 1.0)
            chances[match] = chances.get(match, 0.0) + chance * mass * weight
    whole = sum(chances.values())
    return {match: chance / whole for match, chance in chances.items()}
