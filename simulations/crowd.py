"""Bettors with profiles: which selections they bet on, with which stakes, and how often.

Owns the profiles, their behaviour, and the drawing of orders from both; simulations.crowd_slips
draws slips of several legs. Pure and seeded: the caller passes the generator, and the same
generator state, board and profile give the same orders. Never sends a bet and never checks limits
or balances, so some of the bets will be refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.common.ids import AccountNo, parse_market_key
from engine.common.lifecycle import Status
from engine.common.units import STAKE_MINOR_MAX, Minor
from engine.common.views import PriceImage

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Random = np.random.Generator

BETTORS_MAX: Final = 100_000
ORDERS_MAX: Final = 1_000_000
"""Orders that one draw may return."""
ROUND_MINOR: Final = 50
"""Stakes of at least this amount are rounded to its multiples, as people bet round sums."""
FAT_FINGER_FACTOR: Final = 1_000
"""Factor on a stake that was mistyped."""


class Family(IntEnum):
    """Families of markets, as bettors distinguish them."""

    RESULT = 0
    DOUBLE_CHANCE = 1
    DRAW_NO_BET = 2
    TOTAL = 3
    HANDICAP = 4
    BOTH_SCORE = 5
    CORRECT_SCORE = 6
    ODD_EVEN = 7
    OTHER = 8


_FAMILIES: Final = {
    "1x2": Family.RESULT,
    "double_chance": Family.DOUBLE_CHANCE,
    "draw_no_bet": Family.DRAW_NO_BET,
    "total": Family.TOTAL,
    "handicap": Family.HANDICAP,
    "both_teams_to_score": Family.BOTH_SCORE,
    "correct_score": Family.CORRECT_SCORE,
    "odd_even": Family.ODD_EVEN,
}


WIN_TYPE: Final = "win"
PLACE_TYPES: Final = ("each_way", "place")
"""Market types of races that an each-way bet is on: the winner, and the places."""
FRACTION: Final = "fraction"
"""The specifier of a place market that pays the house's terms."""


class Profile(IntEnum):
    """Kind of bettor; `BEHAVIOURS` has its figures."""

    FAVOURITE_BACKER = 0
    DRAW_LOVER = 1
    UNDERDOG_HUNTER = 2
    GOALS_PUNTER = 3
    """Bets on totals and on both teams scoring."""
    SMALL_STAKES = 4
    """Many small bets on anything."""
    WHALE = 5
    """Few bets, large enough to reach the limits."""
    CHASER = 6
    """Bets as soon as a goal is scored, on the odds from before the goal."""
    FAT_FINGER = 7
    """Sometimes types a stake with three zeros too many."""
    ACCUMULATOR_BACKER = 8
    """Places doubles to five-folds on favourites."""
    SYSTEM_PLAYER = 9
    """Places full covers and other systems, some with bankers or alternatives."""
    EACH_WAY_BACKER = 10
    """Backs outsiders to win and to be placed; in doubles to win where no place is offered."""


SLIP_PROFILES: Final = (
    Profile.ACCUMULATOR_BACKER,
    Profile.SYSTEM_PLAYER,
    Profile.EACH_WAY_BACKER,
)
"""The profiles that place slips of several legs; they bet single selections where a board has too
few events for a slip."""
SLIPS_SHARE: Final = 0.6
"""Share of a crowd's bettors that have one of `SLIP_PROFILES`, unless asked otherwise: with it
slips are about half of the turnover, as they are for bookmakers (0.4 to 0.66 by match)."""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """The figures of a profile.

    A selection's appeal is ``family_appeal[family] * (1 / odds) ** tilt``, times `draw_appeal` for
    the draw. A bettor chooses each selection with a probability proportional to its appeal.

    Attributes
    ----------
    share : float
        Share that has the profile: of a crowd's bettors who place slips, or of the others.
    think_s : float
        Mean pause between two rounds of betting, in seconds.
    bets_max : int
        Most bets placed in one round.
    stake_minor, stake_spread : int, float
        Median stake in minor units, of a slip on all lines together, and the standard deviation of
        the stake's logarithm.
    bankroll_stakes : int
        Median bankroll, in median stakes.
    policies : tuple of float
        Probabilities of the policies NONE, HIGHER and ANY.
    tilt : float
        Power of the implied probability in the appeal: above 0 for favourites, below 0 for
        outsiders.
    family_appeal : tuple of float
        Appeal of each `Family`.
    draw_appeal : float
        Factor on the appeal of an outcome named ``draw``.
    fat_finger_chance : float
        Probability of a stake `FAT_FINGER_FACTOR` times too large.
    """

    share: float
    think_s: float
    bets_max: int
    stake_minor: Minor
    stake_spread: float
    bankroll_stakes: int
    policies: tuple[float, float, float]
    tilt: float
    family_appeal: tuple[float, ...]
    draw_appeal: float = 1.0
    fat_finger_chance: float = 0.0


_ANYTHING: Final = (3.0, 1.0, 1.0, 2.0, 2.0, 1.5, 0.5, 0.5, 0.5)

BEHAVIOURS: Final[dict[Profile, Behaviour]] = {
    Profile.FAVOURITE_BACKER: Behaviour(
        share=0.22,
        think_s=1.2,
        bets_max=2,
        stake_minor=Minor(2_000),
        stake_spread=0.6,
        bankroll_stakes=200,
        policies=(0.2, 0.6, 0.2),
        tilt=2.5,
        family_appeal=(4.0, 1.0, 1.5, 0.5, 1.5, 0.2, 0.0, 0.0, 0.2),
    ),
    Profile.DRAW_LOVER: Behaviour(
        share=0.08,
        think_s=1.5,
        bets_max=1,
        stake_minor=Minor(1_500),
        stake_spread=0.5,
        bankroll_stakes=150,
        policies=(0.3, 0.6, 0.1),
        tilt=0.5,
        family_appeal=(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.0, 0.0),
        draw_appeal=20.0,
    ),
    Profile.UNDERDOG_HUNTER: Behaviour(
        share=0.14,
        think_s=1.4,
        bets_max=2,
        stake_minor=Minor(800),
        stake_spread=0.8,
        bankroll_stakes=150,
        policies=(0.1, 0.5, 0.4),
        tilt=-0.7,
        family_appeal=(3.0, 0.2, 1.0, 1.0, 1.5, 0.5, 0.6, 0.0, 0.3),
    ),
    Profile.GOALS_PUNTER: Behaviour(
        share=0.18,
        think_s=1.0,
        bets_max=3,
        stake_minor=Minor(1_500),
        stake_spread=0.7,
        bankroll_stakes=200,
        policies=(0.3, 0.4, 0.3),
        tilt=0.8,
        family_appeal=(0.0, 0.0, 0.0, 4.0, 0.0, 2.0, 0.2, 1.0, 0.2),
    ),
    Profile.SMALL_STAKES: Behaviour(
        share=0.18,
        think_s=0.5,
        bets_max=4,
        stake_minor=Minor(150),
        stake_spread=0.5,
        bankroll_stakes=800,
        policies=(0.2, 0.3, 0.5),
        tilt=0.3,
        family_appeal=_ANYTHING,
    ),
    Profile.WHALE: Behaviour(
        share=0.05,
        think_s=3.0,
        bets_max=1,
        stake_minor=Minor(90_000),
        stake_spread=0.8,
        bankroll_stakes=60,
        policies=(0.5, 0.5, 0.0),
        tilt=1.2,
        family_appeal=(4.0, 0.5, 1.0, 2.0, 3.0, 0.5, 0.0, 0.0, 0.0),
    ),
    Profile.CHASER: Behaviour(
        share=0.09,
        think_s=2.0,
        bets_max=3,
        stake_minor=Minor(5_000),
        stake_spread=0.5,
        bankroll_stakes=120,
        policies=(1.0, 0.0, 0.0),
        tilt=0.0,
        family_appeal=(2.0, 0.5, 1.0, 3.0, 2.0, 1.0, 0.0, 0.0, 0.0),
    ),
    Profile.FAT_FINGER: Behaviour(
        share=0.06,
        think_s=1.5,
        bets_max=1,
        stake_minor=Minor(1_000),
        stake_spread=0.5,
        bankroll_stakes=60,
        policies=(0.4, 0.3, 0.3),
        tilt=0.5,
        family_appeal=_ANYTHING,
        fat_finger_chance=0.15,
    ),
    Profile.ACCUMULATOR_BACKER: Behaviour(
        share=0.62,
        think_s=0.8,
        bets_max=1,
        stake_minor=Minor(5_000),
        stake_spread=0.7,
        bankroll_stakes=200,
        policies=(0.2, 0.5, 0.3),
        tilt=0.7,
        family_appeal=(5.0, 1.0, 1.0, 2.0, 0.5, 1.0, 0.0, 0.0, 0.5),
    ),
    Profile.SYSTEM_PLAYER: Behaviour(
        share=0.26,
        think_s=1.2,
        bets_max=1,
        stake_minor=Minor(8_000),
        stake_spread=0.6,
        bankroll_stakes=150,
        policies=(0.2, 0.5, 0.3),
        tilt=0.5,
        family_appeal=(5.0, 0.5, 1.0, 2.0, 1.0, 1.0, 0.1, 0.2, 0.5),
    ),
    Profile.EACH_WAY_BACKER: Behaviour(
        share=0.12,
        think_s=1.0,
        bets_max=1,
        stake_minor=Minor(3_000),
        stake_spread=0.6,
        bankroll_stakes=150,
        policies=(0.1, 0.6, 0.3),
        tilt=-0.4,
        family_appeal=(3.0, 0.2, 0.5, 1.0, 0.5, 0.5, 0.2, 0.0, 3.0),
    ),
}

assert set(BEHAVIOURS) == set(Profile), "every profile has a behaviour"
assert all(len(behaviour.family_appeal) == len(Family) for behaviour in BEHAVIOURS.values())


class Bettor(NamedTuple):
    """One bettor of a crowd, with its account and bankroll."""

    account_no: AccountNo
    profile: Profile
    bankroll_minor: Minor


class Orders(NamedTuple):
    """Bets to be placed, as columns of equal length; the odds are those that the bettor saw."""

    market_no: Ints
    outcome: Ints
    stake_minor: Ints
    odds_milli: Ints
    policy: Ints


class Board:
    """All selections on offer, as columns.

    Parameters
    ----------
    images : iterable of PriceImage
        The markets' published prices. Markets that are not active and outcomes that are not
        offered are left out.

    Attributes
    ----------
    event : Ints
        Number of each selection's fixture, by first appearance.
    alone : Ints
        1 for a selection that is bet by itself, 0 for one that is only bet each-way.
    """

    def __init__(self, images: Iterable[PriceImage]) -> None:
        offered: list[tuple[int, int, int, int, bool, int, bool]] = []
        events: dict[str, int] = {}
        to_win: dict[tuple[str, str], int] = {}
        to_be_placed: dict[tuple[str, str], int] = {}
        for image in images:
            if image.status is not Status.ACTIVE:
                continue
            key = parse_market_key(image.key)
            family = _FAMILIES.get(key.type, Family.OTHER)
            event = events.setdefault(key.fixture, len(events))
            # The house pays places at its terms to each-way bets only.
            alone = key.type not in PLACE_TYPES or FRACTION not in dict(key.specifiers)
            for outcome, name in enumerate(image.outcomes):
                if not image.active[outcome]:
                    continue
                if key.type in (WIN_TYPE, *PLACE_TYPES):
                    side = to_win if key.type == WIN_TYPE else to_be_placed
                    side.setdefault((key.fixture, name), len(offered))
                odds = image.odds_milli[outcome]
                draw = name == "draw"
                offered.append((image.market_no, outcome, odds, family, draw, event, alone))
        columns = np.array(offered, np.int64).reshape(-1, 7)
        self.market_no, self.outcome, self.odds_milli, self.family = columns.T[:4]
        self.draw, self.event, self.alone = columns.T[4:]
        self.place_of: Final = {
            at: to_be_placed[runner] for runner, at in to_win.items() if runner in to_be_placed
        }
        """The place in the columns of each winner's selection, and that of the same runner's
        selection to be placed, where both are offered."""
        self._attractions: dict[tuple[Profile, bool], Floats] = {}
        self._events: dict[tuple[Profile, bool], int] = {}

    def __len__(self) -> int:
        return len(self.market_no)

    def attraction(self, profile: Profile, *, each_way: bool = False) -> Floats:
        """Return the running sum of the selections' appeal to a profile; the last is the total.

        With `each_way` only selections of `place_of` have an appeal.
        """
        attraction = self._attractions.get((profile, each_way))
        if attraction is None:
            behaviour = BEHAVIOURS[profile]
            appeal = (
                np.array(behaviour.family_appeal)[self.family]
                * (1_000 / self.odds_milli) ** behaviour.tilt
            )
            appeal[self.draw == 1] *= behaviour.draw_appeal
            appeal[self.alone == 0] = 0.0
            if each_way:
                to_win = np.zeros(len(self), np.bool_)
                to_win[list(self.place_of)] = True
                appeal[~to_win] = 0.0
            attraction = self._attractions[profile, each_way] = np.cumsum(appeal)
            self._events[profile, each_way] = len(np.unique(self.event[appeal > 0.0]))
        return attraction

    def events(self, profile: Profile, *, each_way: bool = False) -> int:
        """Return how many events have a selection with an appeal, as `attraction` counts it."""
        self.attraction(profile, each_way=each_way)
        return self._events[profile, each_way]


def crowd(
    count: int, *, rng: Random, first_account_no: int = 1, slips: float = SLIPS_SHARE
) -> list[Bettor]:
    """Return bettors: one of each profile as far as `count` allows, the others by their shares.

    A crowd too small for all profiles has those with the largest shares.

    Parameters
    ----------
    count : int
        Number of bettors, 1 to `BETTORS_MAX`.
    rng : Generator
        Draws and shuffles the profiles and varies the bankrolls.
    first_account_no : int
        Account of the first bettor; the others follow.
    slips : float
        Share of the bettors that place slips of several legs, 0 to 1.

    Raises
    ------
    ValueError
        If `count` or `slips` is outside its bounds.
    """
    if not 1 <= count <= BETTORS_MAX:
        raise ValueError(f"bettors: 1 to {BETTORS_MAX}, not {count}")
    if not 0.0 <= slips <= 1.0:
        raise ValueError(f"slips: 0 to 1, not {slips}")
    shares = np.array(
        [
            BEHAVIOURS[profile].share * (slips if profile in SLIP_PROFILES else 1.0 - slips)
            for profile in Profile
        ]
    )
    ranked = sorted(Profile, key=lambda profile: -float(shares[profile]))
    profiles = [profile for profile in ranked if shares[profile] > 0.0][:count]
    drawn = rng.choice(len(shares), size=count - len(profiles), p=shares / shares.sum())
    profiles += [Profile(number) for number in drawn.tolist()]
    rng.shuffle(profiles)
    factors = np.exp(0.4 * rng.standard_normal(count))
    bettors = []
    for number, (profile, factor) in enumerate(zip(profiles, factors.tolist(), strict=True)):
        behaviour = BEHAVIOURS[profile]
        bankroll_minor = int(behaviour.stake_minor * behaviour.bankroll_stakes * factor)
        account_no = AccountNo(first_account_no + number)
        bettors.append(Bettor(account_no, Profile(profile), Minor(bankroll_minor)))
    return bettors


def think_s(profile: Profile, *, rng: Random) -> float:
    """Draw how long a bettor waits before its next bets, in seconds."""
    return float(rng.exponential(BEHAVIOURS[profile].think_s))


def bets_at_once(profile: Profile, *, rng: Random) -> int:
    """Draw how many bets a bettor places in one round."""
    return int(rng.integers(1, BEHAVIOURS[profile].bets_max, endpoint=True))


def draw_orders(profile: Profile, board: Board, *, count: int, rng: Random) -> Orders:
    """Draw orders of bettors with a profile from a board.

    Parameters
    ----------
    profile : Profile
        Its behaviour decides selections, stakes and policies.
    board : Board
        The selections and odds that the bettors see. If no selection appeals to the profile, there
        are no orders.
    count : int
        Number of orders, at most `ORDERS_MAX`.
    rng : Generator
        Used in a fixed order, so that a seed gives the same orders.

    Raises
    ------
    ValueError
        If `count` is outside its bounds.
    """
    if not 0 <= count <= ORDERS_MAX:
        raise ValueError(f"orders: 0 to {ORDERS_MAX}, not {count}")
    behaviour = BEHAVIOURS[profile]
    attraction = board.attraction(profile)
    if not len(attraction) or attraction[-1] <= 0:
        count = 0
    at = np.searchsorted(
        attraction, rng.random(count) * (attraction[-1] if count else 0), side="right"
    )
    at = np.minimum(at, len(attraction) - 1)
    stake = behaviour.stake_minor * np.exp(behaviour.stake_spread * rng.standard_normal(count))
    stake = np.where(stake >= ROUND_MINOR, ROUND_MINOR * np.rint(stake / ROUND_MINOR), stake)
    stake[rng.random(count) < behaviour.fat_finger_chance] *= FAT_FINGER_FACTOR
    bounds = np.cumsum(behaviour.policies)[:-1]
    return Orders(
        market_no=board.market_no[at],
        outcome=board.outcome[at],
        stake_minor=np.clip(stake, 1, STAKE_MINOR_MAX).astype(np.int64),
        odds_milli=board.odds_milli[at],
        policy=np.searchsorted(bounds, rng.random(count), side="right").astype(np.int64),
    )


def join_orders(parts: Sequence[Orders]) -> Orders:
    """Concatenate several draws."""
    empty: Any = (np.zeros(0, np.int64),)
    columns = zip(*parts, strict=True) if parts else [empty] * len(Orders._fields)
    return Orders(*(np.concatenate(column) for column in columns))
