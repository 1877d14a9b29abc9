"""One scene: matches, a crowd's bets, and what is planted among them, as one stream of facts.

Owns the order of the facts. A seed gives the same scene everywhere.
"""

from typing import Annotated, Final, NamedTuple

import numpy as np
from msgspec import Meta, Struct

from engine.watch.facts import BetSeen, Fact
from simulations.crowd import crowd
from simulations.timeline import MatchTimeline, world_cup_2022
from simulations.trader import CATALOGUE
from simulations.watch_score.crowd_bets import Crowd
from simulations.watch_score.planted import Plant, Planter, Planting
from simulations.watch_score.played import PlayedMatch

MATCHES_MAX: Final = 64


class SceneSize(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How large a scene is: matches of the 2022 World Cup, bettors, and ordinary bets on each."""

    matches: Annotated[int, Meta(ge=1, le=MATCHES_MAX)] = 24
    bettors: Annotated[int, Meta(ge=100, le=100_000)] = 3_000
    bets: Annotated[int, Meta(ge=0, le=1_000_000)] = 4_000
    planting: Planting = Planting()


class Scene(NamedTuple):
    """The facts of a scene in the order of time, what is planted in it, and its number of bets."""

    facts: list[Fact]
    plants: list[Plant]
    bets: int


def draw_scene(size: SceneSize, *, seed: int) -> Scene:
    """Draw a scene.

    Parameters
    ----------
    size : SceneSize
        How large it is.
    seed : int
        Seed of everything that is drawn.
    """
    course, ordinary, planted = np.random.default_rng(seed).spawn(3)
    all_matches = list(world_cup_2022().values())
    chosen = sorted(course.permutation(len(all_matches))[: size.matches].tolist())
    timelines: list[MatchTimeline] = [all_matches[number] for number in chosen]
    matches = [
        PlayedMatch(timeline, first_no=1 + number * len(CATALOGUE), rng=course)
        for number, timeline in enumerate(timelines)
    ]
    bettors = crowd(size.bettors, rng=ordinary, slips=0.0)
    bets = Crowd(bettors, rng=ordinary)
    planter = Planter(
        size.planting, matches, accounts=[bettor.account_no for bettor in bettors], rng=planted
    )
    facts: list[Fact] = []
    for match in matches:
        facts += match.facts()
        facts += bets.bets(match, count=size.bets)
    facts += planter.facts()
    facts.sort(key=_at_ns)
    return Scene(facts, planter.plants, sum(isinstance(fact, BetSeen) for fact in facts))


def _at_ns(fact: Fact) -> int:
    return fact.at_ns
