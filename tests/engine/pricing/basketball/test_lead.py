"""Basketball leads: pulled back as measured, level as often as measured, and fair all the way."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.pricing.basketball.sport import BasketballModel, BasketballState, PeriodScore
from engine.pricing.ladder import Floats
from engine.pricing.sport import SportBoard
from tests.engine.pricing.basketball.twin import match_leads, plain, regular_leads

REACH = range(-70, 71)

models = st.builds(
    BasketballModel,
    margin=st.floats(-15, 15),
    total=st.floats(150, 240),
    margin_sigma=st.floats(9, 18),
    lead_pull=st.tuples(*(st.floats(0, 0.5) for _ in range(3))),
    level_factor=st.floats(1, 4),
)


def after(quarters: int, lead: int, *, left_s: int = 0) -> BasketballState:
    """Return a state whose quarters were level but for the first, which home won by a lead."""
    periods = [PeriodScore(home=40, away=40)] * quarters
    periods[0] = PeriodScore(home=40 + max(lead, 0), away=40 + max(-lead, 0))
    return BasketballState(periods=tuple(periods), left_s=left_s)


def leads(model: BasketballModel, state: BasketballState, market: str) -> dict[int, float]:
    """Return the chance of each lead in a market's scope, by its handicaps."""
    kind, _, given = market.partition("|")
    keys = [f"g/{kind}?hcp={0.5 - lead:g}{'|' + given if given else ''}" for lead in REACH]
    fair = SportBoard("basketball", keys).fair(model, state)[::2]
    return dict(zip(REACH, (fair - np.append(fair[1:], 0.0)).tolist(), strict=True))


def mean_and_sigma(chances: dict[int, float]) -> tuple[float, float]:
    mean = sum(lead * chance for lead, chance in chances.items())
    return mean, sum((lead - mean) ** 2 * chance for lead, chance in chances.items()) ** 0.5


# --- what was measured in 23,115 games -----------------------------------------------------------


@pytest.mark.parametrize(
    ("quarters", "pull", "sigma"), [(1, 0.35, 11.3), (2, 0.26, 9.8), (3, 0.16, 7.2)]
)
@pytest.mark.parametrize("lead", [-12, 0, 9])
def test_leads_are_pulled_back_and_spread_as_measured(
    quarters: int, pull: float, sigma: float, lead: int
) -> None:
    model = BasketballModel(margin=4.0, total=200, level_factor=1.0)
    mean, spread = mean_and_sigma(leads(model, after(quarters, lead), "regular_handicap"))
    expected = quarters * 4.0 / 4
    assert mean == pytest.approx(4.0 + (1.0 - pull) * (lead - expected), abs=0.01)
    assert spread**2 == pytest.approx(sigma**2 + 1 / 12, abs=0.05)


def test_quarter_to_quarter_steps_give_these_pulls_and_spreads() -> None:
    """A deviation keeps .65/.74, .74/.84 and .84 of itself from one quarter's end to the next."""
    model = BasketballModel(margin=0.0, total=200, level_factor=1.0)
    for quarters, kept in ((1, 0.65 / 0.74), (2, 0.74 / 0.84), (3, 0.84)):
        market = f"quarter_handicap|quarternr={quarters + 1}"
        mean, _ = mean_and_sigma(leads(model, after(quarters, 10), market))
        assert mean == pytest.approx(10 * (kept - 1.0), abs=0.01)
    spreads = [
        mean_and_sigma(leads(model, after(quarters, 0), f"quarter_handicap|quarternr={number}"))[1]
        for quarters, number in ((1, 2), (2, 3), (3, 4))
    ]
    assert spreads == pytest.approx([7.61, 7.92, 7.21], abs=0.01)


def test_four_quarters_end_level_as_often_as_measured() -> None:
    """.057 came, where a normal margin says .028."""
    draws, plains = [], []
    board = SportBoard("basketball", ["g/1x2"])
    for margin in NormalDist(3.0, 6.5).samples(400, seed=3):
        draws.append(board.fair(BasketballModel(margin=margin, total=200), BasketballState())[1])
        normal = plain(margin=margin, total=200, margin_sigma=12.0)
        plains.append(board.fair(normal, BasketballState())[1])
    assert float(np.mean(plains)) == pytest.approx(0.028, abs=0.002)
    assert float(np.mean(draws)) == pytest.approx(0.057, abs=0.003)


def test_leaders_after_three_quarters_win_less_often_than_a_plain_normal_says() -> None:
    """Sides said to win with .90 to .98, .946 on average, won .901 of their games.

    Each lead counts by its chance. A normal margin with the pull and the spread as measured, which
    is the model, says .88: half as far from what came, on the other side. A smaller spread after
    the third quarter than measured, 6.5, would say what came.
    """
    board = SportBoard("basketball", ["g/winner"])
    said, found, narrower, weights = [], [], [], []
    for margin in NormalDist(3.0, 6.5).samples(60, seed=5):
        for lead in range(-25, 26):
            state = after(3, lead)
            normal = plain(margin=margin, total=200, margin_sigma=12.0)
            win = float(board.fair(normal, state).max())
            if 0.90 <= win <= 0.98:
                side = int(board.fair(normal, state).argmax())
                weights.append(NormalDist(0.75 * margin, 11.7).pdf(lead))
                said.append(win)
                model = BasketballModel(margin=margin, total=200)
                found.append(board.fair(model, state)[side])
                model = replace(model, play_sigmas=(11.3, 9.8, 6.5))
                narrower.append(board.fair(model, state)[side])
    assert float(np.average(said, weights=weights)) == pytest.approx(0.946, abs=0.004)
    assert float(np.average(found, weights=weights)) == pytest.approx(0.88, abs=0.005)
    assert float(np.average(narrower, weights=weights)) == pytest.approx(0.901, abs=0.002)


# --- the twin ------------------------------------------------------------------------------------


@st.composite
def states(draw: st.DrawFn) -> BasketballState:
    """Draw a state of a game, overtimes included."""
    count = draw(st.integers(0, 6))
    periods = [
        PeriodScore(home=draw(st.integers(10, 35)), away=draw(st.integers(10, 35)))
        for _ in range(count)
    ]
    if count > 4:
        home = sum(period.home for period in periods[:3])
        away = sum(period.away for period in periods[:3])
        most = max(home, away)
        periods[3] = PeriodScore(home=most - home + 10, away=most - away + 10)
        periods[4:-1] = [PeriodScore(home=9, away=9)] * (count - 5)
    length = 0 if not count else 720 if count <= 4 else 300
    return BasketballState(periods=tuple(periods), left_s=draw(st.integers(0, length)))


@given(model=models, state=states(), line=st.integers(-120, 120), overtime=st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_handicap_equals_its_plain_twin(
    model: BasketballModel, state: BasketballState, line: int, overtime: bool
) -> None:
    if len(state.periods) > 4:
        overtime = True
    final = match_leads(model, state) if overtime else regular_leads(model, state)
    key = f"g/{'' if overtime else 'regular_'}handicap?hcp={line / 4:g}"
    found = SportBoard("basketball", [key]).chances(model, state)[key][0]
    win = push = half_win = half_lose = 0.0
    for margin, chance in final.items():
        gap = 4 * margin + line
        win += chance * (gap >= 2)
        half_win += chance * (gap == 1)
        push += chance * (gap == 0)
        half_lose += chance * (gap == -1)
    assert found == pytest.approx([win, half_win, push, half_lose], abs=1e-9)


# --- prices are the mean of their own future -----------------------------------------------------


KEYS = [
    "g/winner", "g/1x2", "g/handicap?hcp=-4.5", "g/regular_handicap?hcp=6.5",
    "g/first_half_1x2", "g/quarter_1x2?quarternr=3", "g/quarter_handicap?hcp=-2.5|quarternr=4",
]  # fmt: skip


def next_quarter(
    model: BasketballModel, state: BasketballState
) -> list[tuple[float, BasketballState]]:
    """Return each state at the end of the quarter being played, or of the next, and its chance."""
    number = len(state.periods) + (state.left_s == 0)
    chances = leads(model, state, f"quarter_handicap|quarternr={number}")
    before = state.periods[: number - 1]
    return [
        (
            chance,
            BasketballState(
                periods=(*before, PeriodScore(home=75 + lead // 2, away=75 + lead // 2 - lead))
            ),
        )
        for lead, chance in chances.items()
        if chance > 1e-12
    ]


@given(model=models, quarters=st.integers(0, 3), lead=st.integers(-20, 20))
@settings(max_examples=25, deadline=None)
def test_prices_are_the_mean_of_those_at_the_end_of_the_quarter(
    model: BasketballModel, quarters: int, lead: int
) -> None:
    """Whole points are rounded at every end, which moves a price by less than .001."""
    board = SportBoard("basketball", KEYS)
    state = after(quarters, lead) if quarters else BasketballState()
    later: Floats = np.zeros_like(board.fair(model, state))
    for chance, end in next_quarter(model, state):
        later += chance * board.fair(model, end)
    assert later == pytest.approx(board.fair(model, state), abs=1e-3)


def test_prices_are_the_mean_of_those_at_the_end_of_a_quarter_that_is_being_played() -> None:
    model = BasketballModel(margin=5.0, total=200)
    board = SportBoard("basketball", KEYS)
    state = BasketballState(
        periods=(PeriodScore(home=30, away=22), PeriodScore(home=12, away=15)), left_s=300
    )
    later: Floats = np.zeros_like(board.fair(model, state))
    for chance, end in next_quarter(model, state):
        shifted = PeriodScore(home=end.periods[1].home, away=end.periods[1].away)
        later += chance * board.fair(model, BasketballState(periods=(state.periods[0], shifted)))
    assert later == pytest.approx(board.fair(model, state), abs=1e-3)


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lead_pull": (0.2, 0.1)}, "lead_pull: one"),
        ({"lead_pull": (0.2, 0.1, 0.95)}, "lead_pull: must be from 0 to 0.9"),
        ({"lead_pull": (-0.1, 0.1, 0.1)}, "lead_pull: must be from 0"),
        ({"level_factor": 0.5}, "level_factor: must be from 1 to 4"),
        ({"play_sigmas": (11.3, 9.8)}, "play_sigmas: one"),
        ({"play_sigmas": (12.2, 9.8, 7.2)}, "play_sigmas: must fall"),
        ({"play_sigmas": (11.3, 11.3, 7.2)}, "play_sigmas: must fall"),
        ({"play_sigmas": (11.3, 9.8, 0.0)}, "play_sigmas: must fall"),
        ({"play_sigmas": (11.3, float("nan"), 7.2)}, "play_sigmas: one"),
    ],
)
def test_a_lead_without_sense_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BasketballModel(margin=0.0, total=200.0, **fields)  # type: ignore[arg-type]
