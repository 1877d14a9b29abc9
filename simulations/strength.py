"""Expected goals of a match, total and supremacy, from the teams' strengths.

Owns the reading of `strength2022.csv`, whose header says how its figures were fitted. Never uses
the course of a match: these are expectations before kick-off, for the opening odds.
"""

import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

TEAMS_MAX: Final = 1_000
STRENGTH_MIN: Final = 0.05
STRENGTH_MAX: Final = 20.0

_HEADER: Final = "team,attack,defence"
_MEAN: Final = "mean"
_HOME: Final = "home"


class StrengthError(ValueError):
    """A file of strengths is invalid; the message names the line."""


class UnknownTeamError(LookupError):
    """The table has no strength for this team."""


class Strength(NamedTuple):
    """One team's goals for and against, as multiples of an average team's."""

    attack: float
    defence: float


class Expectation(NamedTuple):
    """Goals expected in ninety minutes: both teams' total, and home's less away's (supremacy)."""

    total: float
    supremacy: float

    @property
    def home(self) -> float:
        """Goals expected of the home team."""
        return (self.total + self.supremacy) / 2

    @property
    def away(self) -> float:
        """Goals expected of the away team."""
        return (self.total - self.supremacy) / 2


@dataclass(frozen=True, kw_only=True)
class Strengths:
    """A table of teams, the goals an average team scores, and the factor of home ground."""

    mean_goals: float
    home_factor: float
    teams: dict[str, Strength]

    def expect(self, *, home: str, away: str, host: str = "") -> Expectation:
        """Return the expected goals of a match on neutral ground, or on the host's.

        Parameters
        ----------
        home, away : str
            The two teams' names in the table.
        host : str
            The team on whose home ground matches are played; without it, the ground is neutral.

        Raises
        ------
        UnknownTeamError
            If a team is not in the table.
        """
        for team in (home, away):
            if team not in self.teams:
                raise UnknownTeamError(f"no strength for {team[:40]!r}")
        home_team, away_team = self.teams[home], self.teams[away]
        for_home = self.mean_goals * home_team.attack * away_team.defence
        for_away = self.mean_goals * away_team.attack * home_team.defence
        for_home *= self.home_factor if home == host else 1.0
        for_away *= self.home_factor if away == host else 1.0
        return Expectation(for_home + for_away, for_home - for_away)


def load_strengths(text: str) -> Strengths:
    """Read a table in the layout of `strength2022.csv`.

    Raises
    ------
    StrengthError
        At the first line that is not ``name,number[,number]`` within the bounds, or if a row is
        missing.
    """
    lines = [
        (number, line.split(","))
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    ]
    if not lines or lines[0][1] != _HEADER.split(","):
        raise StrengthError(f"line {lines[0][0] if lines else 1}: the header must be {_HEADER}")
    if len(lines) > TEAMS_MAX:
        raise StrengthError(f"at most {TEAMS_MAX} lines")
    figures: dict[str, float] = {}
    teams: dict[str, Strength] = {}
    for number, cells in lines[1:]:
        if len(cells) != 3 or not cells[0]:
            raise StrengthError(f"line {number}: three fields, {_HEADER}")
        name, first, second = cells
        if name in teams or name in figures:
            raise StrengthError(f"line {number}: {name[:40]!r} is given twice")
        if name in (_MEAN, _HOME):
            figures[name] = _figure(number, "attack", first)
        else:
            teams[name] = Strength(
                _figure(number, "attack", first), _figure(number, "defence", second)
            )
    for name in (_MEAN, _HOME):
        if name not in figures:
            raise StrengthError(f"line {lines[-1][0]}: no row {name!r}")
    return Strengths(mean_goals=figures[_MEAN], home_factor=figures[_HOME], teams=teams)


def _figure(line: int, column: str, text: str) -> float:
    try:
        figure = float(text)
    except ValueError:
        figure = math.nan
    if not STRENGTH_MIN <= figure <= STRENGTH_MAX:
        raise StrengthError(
            f"line {line}, {column}: {STRENGTH_MIN} to {STRENGTH_MAX}, not {text[:40]!r}"
        )
    return figure


@cache
def strengths_2022() -> Strengths:
    """Return the strengths of the teams of the 2022 World Cup before its first match."""
    file = resources.files("simulations").joinpath("strength2022.csv")
    return load_strengths(file.read_text(encoding="utf-8"))
