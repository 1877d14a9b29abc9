"""A plain twin of the basketball kernel: the lead's chances by the standard library."""

from statistics import NormalDist

from engine.pricing.basketball.sport import BasketballModel, BasketballState

QUARTERS = 4
NEAR = 3
REACH = range(-260, 261)


def plain(
    *, margin: float, total: float, margin_sigma: float, total_sigma: float = 18.0
) -> BasketballModel:
    """Return a model of Brownian motion: no pull, and level scores as the normal has them."""
    return BasketballModel(
        margin=margin,
        total=total,
        margin_sigma=margin_sigma,
        total_sigma=total_sigma,
        lead_pull=(0.0, 0.0, 0.0),
        play_sigmas=(margin_sigma * 0.75**0.5, margin_sigma * 0.5**0.5, margin_sigma * 0.25**0.5),
        level_factor=1.0,
    )


def line_through(values: list[float], at: float) -> float:
    """Return the value at a moment of the game, on straight lines between the quarters' ends."""
    quarter = min(int(QUARTERS * at), QUARTERS - 1)
    share = QUARTERS * at - quarter
    return values[quarter] + share * (values[quarter + 1] - values[quarter])


def final_lead(model: BasketballModel, state: BasketballState) -> tuple[float, float]:
    """Return the mean and the variance of the lead after four quarters, or after this overtime."""
    count = len(state.periods)
    lead = sum(period.home - period.away for period in state.periods)
    last = 4.0 * model.sigmas[3] ** 2
    if count > QUARTERS:
        left = state.left_s / (QUARTERS * state.quarter_s)
        return lead + left * model.margin, left * last
    played = (count * state.quarter_s - state.left_s) / (QUARTERS * state.quarter_s)
    first = 2.0 * model.lead_pull[0] - model.lead_pull[1]
    pulls = [min(max(first, 0.0), 0.9), *model.lead_pull, 0.0]
    kept = 1.0 - line_through(pulls, played)
    variance = line_through([sigma**2 for sigma in model.sigmas] + [0.0], played)
    return model.margin + kept * (lead - played * model.margin), variance


def below(value: int, mean: float, variance: float) -> float:
    """Return the chance that a rounded normal is below a whole number."""
    if variance == 0.0:
        return float(mean < value - 0.5)
    return NormalDist(mean, variance**0.5).cdf(value - 0.5)


def weighted(model: BasketballModel, mean: float, variance: float) -> dict[int, float]:
    """Return the chance of each final lead, with the excess of level scores."""
    spare = (model.level_factor - 1.0) / (2 * NEAR)
    chances = {}
    for lead in REACH:
        chance = below(lead + 1, mean, variance) - below(lead, mean, variance)
        weight = model.level_factor if lead == 0 else 1.0 - spare * (abs(lead) <= NEAR)
        chances[lead] = chance * weight
    total = sum(chances.values())
    return {lead: chance / total for lead, chance in chances.items()}


def regular_leads(model: BasketballModel, state: BasketballState) -> dict[int, float]:
    """Return the chance of each lead after the four quarters."""
    return weighted(model, *final_lead(model, state))


def match_leads(model: BasketballModel, state: BasketballState) -> dict[int, float]:
    """Return the chance of each lead after overtimes, which go on until one is not level."""
    chances = weighted(model, *final_lead(model, state))
    part = state.overtime_s / (QUARTERS * state.quarter_s)
    extras = weighted(model, part * model.margin, part * 4.0 * model.sigmas[3] ** 2)
    level, decided = chances.pop(0), 1.0 - extras.pop(0)
    return {lead: chance + level * extras[lead] / decided for lead, chance in chances.items()}
