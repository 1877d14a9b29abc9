"""Sports: the one small interface between what a sport knows and what a board does with it.

Owns the interface, the registry, and the board that quotes and settles any sport's markets. Never
knows a rule of any game: a sport says what a market's outcomes are, how likely each is, and how
what was played settles them; margins, leans, ladders and offers are the same for all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple, Protocol, TypeVar, cast

import numpy as np

from engine.common.commands import OutcomeResult, Quote
from engine.pricing.board import board_keys, quotes_by_key
from engine.pricing.fair_probabilities_nb import fair_nb
from engine.pricing.ladder import EXCHANGE, Floats, Ladder
from engine.pricing.lines import MarketTypeError
from engine.pricing.quoting import BookFigures, Margin, Quoter
from engine.pricing.skew import Skew

__all__ = [
    "SPORTS", "AnySport", "MarketTypeError", "Names", "Pricer", "Results",
    "Specifiers", "Sport", "SportBoard", "SportMarket", "outcome_names",
]  # fmt: skip

Specifiers = tuple[tuple[str, str], ...]
"""Pairs of key and value, as ``engine.common.ids.parse_market_key`` gives them."""
Names = tuple[str, ...]
Results = tuple[OutcomeResult, ...]
Pricer = Callable[[Any, Any, Floats], None]
"""Takes a model, a state, and `chances` of shape (outcomes, 4), zeros: the chances of winning,
half winning, a push and half losing, to be filled market after market."""

ModelT_co = TypeVar("ModelT_co", covariant=True)
StateT = TypeVar("StateT")


class SportMarket(NamedTuple):
    """One market as its sport knows it: outcomes in order, and how many of them win.

    `rules` is the sport's own, and is handed back to it untouched.
    """

    outcomes: Names
    winners: float
    rules: Any


class Sport(Protocol[ModelT_co, StateT]):
    """What a sport has to say: everything that `SportBoard` does not know.

    Models and states are frozen msgspec structs that refuse what cannot be, naming the field, so
    that they can come off a wire as they are.
    """

    @property
    def name(self) -> str:
        """The sport's name in the registry."""

    @property
    def model_type(self) -> type[ModelT_co]:
        """What is believed of a fixture."""

    @property
    def state_type(self) -> type[StateT]:
        """What has happened in it; without arguments, a fixture that has not begun."""

    @property
    def market_types(self) -> Mapping[str, int | None]:
        """Its market types, and the Unified Odds Feed's number of each where it has one."""

    def market(
        self, market_type: str, specifiers: Specifiers, names: Names | None = None
    ) -> SportMarket:
        """Return what a market is.

        Parameters
        ----------
        market_type : str
            One of `market_types`.
        specifiers : Specifiers
            The market's specifiers, sorted.
        names : Names | None
            The outcomes with which the market was created, where they are known: a sport whose
            outcomes are its own runners takes them; one whose types fix them need not look.

        Raises
        ------
        MarketTypeError
            When the sport has no such type, or the specifiers are not those it takes.
        """

    def pricer(self, markets: Sequence[SportMarket]) -> Pricer:
        """Compile markets of one fixture: return what fills their chances, again and again.

        It may keep scratch of its own: a board is not shared between threads. What the model
        rules out is left at zeros, and is not offered.
        """

    def results(self, market: SportMarket, state: StateT) -> Results | None:
        """Settle a market by what was played; None while that does not settle it."""


AnySport = Sport[Any, Any]


class _Sports(Mapping[str, AnySport]):
    """The sports by name, each imported when it is first asked for: kernels take time to load."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules: Final = dict(modules)

    def __getitem__(self, name: str) -> AnySport:
        return cast(AnySport, import_module(self._modules[name]).SPORT)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


SPORTS: Final[Mapping[str, AnySport]] = _Sports(
    {
        "football": "engine.pricing.football.sport",
        "tennis": "engine.pricing.tennis.sport",
        "basketball": "engine.pricing.basketball.sport",
        "race": "engine.pricing.race.sport",
        "generic": "engine.pricing.generic",
    }
)
"""Every sport that a shell prices: a new one is a module with a `SPORT`, and a line here."""


def outcome_names(
    sport: AnySport, market_type: str, specifiers: Specifiers, names: Names | None = None
) -> Names:
    """Return a market's outcomes in order, which is the order of its odds and results.

    Raises
    ------
    MarketTypeError
        When the sport has no such market.
    """
    return sport.market(market_type, specifiers, names).outcomes


class _Listed(NamedTuple):
    """A market of a board, and the outcomes it holds in the arrays."""

    key: str
    market: SportMarket
    first: int
    last: int


class SportBoard:
    """Some markets of one fixture, compiled by its sport.

    Not to be shared between threads: scratch arrays are its own.

    Parameters
    ----------
    sport : AnySport | str
        A sport, or its name in `SPORTS`.
    keys : Sequence[str]
        Market keys of one fixture, in the order in which quotes are wanted.
    names : Mapping[str, Names] | None
        The outcomes of markets by key, where a sport has none of its own to give.
    ladder : Ladder
        The odds that may be quoted.

    Raises
    ------
    MalformedIdError
        When a key breaks the grammar of keys.
    MarketTypeError
        When the sport has no such type, or the specifiers are not those it takes.
    ValueError
        When keys repeat, belong to several fixtures, or are too many.
    """

    def __init__(
        self,
        sport: AnySport | str,
        keys: Sequence[str],
        *,
        names: Mapping[str, Names] | None = None,
        ladder: Ladder = EXCHANGE,
    ) -> None:
        self.sport: Final[AnySport] = SPORTS[sport] if isinstance(sport, str) else sport
        parsed = board_keys(keys)
        self.fixture: Final = parsed[0].fixture
        listed: list[_Listed] = []
        first = 0
        for text, key in zip(keys, parsed, strict=True):
            market = self.sport.market(key.type, key.specifiers, (names or {}).get(text))
            listed.append(_Listed(text, market, first, first + len(market.outcomes)))
            first = listed[-1].last
        self._listed: Final = tuple(listed)
        self._price: Final = self.sport.pricer([row.market for row in listed])
        self._chances: Final[Floats] = np.zeros((first, 4))
        self._fair: Final[Floats] = np.zeros(first)
        self._quoter: Final = Quoter(
            np.array([0, *(row.last for row in listed)], np.int64),
            np.array([row.market.winners for row in listed], np.float64),
            [key.type for key in parsed],
            ladder=ladder,
        )

    @property
    def keys(self) -> tuple[str, ...]:
        """The board's market keys, as they were given."""
        return tuple(row.key for row in self._listed)

    def outcomes(self, key: str) -> Names:
        """Return the outcome names of one of the board's markets."""
        for row in self._listed:
            if row.key == key:
                return row.market.outcomes
        raise KeyError(key)

    def quotes(
        self,
        model: Any,
        state: Any,
        margin: Margin,
        skew: Skew | None = None,
        figures: BookFigures | None = None,
    ) -> dict[str, tuple[Quote, ...]]:
        """Quote every outcome of every market.

        Parameters
        ----------
        model : Model
            What is believed of the fixture: one of the sport's `model_type`.
        state : State
            What has happened in it: one of the sport's `state_type`.
        margin : Margin
            What the odds hold above fair.
        lean : Lean | None
            How odds follow the book; None: not at all.
        figures : BookFigures | None
            The book per outcome, in the board's order; None: nothing is leaned on.

        Returns
        -------
        dict[str, tuple[Quote, ...]]
            For each market key, in the board's order, a quote for each outcome. One that is
            decided, or that is too one-sided for the ladder, is not active.
        """
        quoted = self._quoter.quote(
            self.fair(model, state), margin=margin, skew=skew, figures=figures
        )
        return quotes_by_key(self._listed, quoted)

    def fair(self, model: Any, state: Any) -> Floats:
        """Return all fair probabilities as one array, market after market.

        It is the board's own and is overwritten by whatever is priced next.
        """
        self._fill(model, state)
        fair_nb(self._chances.reshape(-1), self._fair)
        return self._fair

    def probabilities(self, model: Any, state: Any) -> dict[str, tuple[float, ...]]:
        """Return each outcome's fair probability: one over the odds that return the stake."""
        fair = self.fair(model, state).tolist()
        return {row.key: tuple(fair[row.first : row.last]) for row in self._listed}

    def chances(self, model: Any, state: Any) -> dict[str, Floats]:
        """Return each market's chances to win, half win, push and half lose, a row an outcome."""
        self._fill(model, state)
        return {row.key: self._chances[row.first : row.last].copy() for row in self._listed}

    def results(self, state: Any) -> dict[str, Results]:
        """Settle the markets that what was played has settled; the others are left out."""
        settled = ((row.key, self.sport.results(row.market, state)) for row in self._listed)
        return {key: results for key, results in settled if results is not None}

    def _fill(self, model: Any, state: Any) -> None:
        self._chances[:] = 0.0
        self._price(model, state, self._chances)
