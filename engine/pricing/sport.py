"""Define what a sport provides, list the sports, and quote and settle any sport's markets.

Owns the interface `Sport`, the registry `SPORTS` and the board. Never knows a rule of any game: a
sport gives a market's outcomes, the chance of each, and their results; margin, skew, ladder and
offer are the same for all sports.
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
"""A function of a model, a state, and `chances`, an array of zeros of shape (outcomes, 4): it fills
the chances to win, half win, push and half lose, market after market."""

ModelT_co = TypeVar("ModelT_co", covariant=True)
StateT = TypeVar("StateT")


class SportMarket(NamedTuple):
    """One market as its sport defines it: outcomes in order, and how many of them win.

    The winners are ``lines.WINNERS_VARY`` where their number depends on the result.

    `rules` is the sport's own data; the board only passes it back to the sport. `legs` is how many
    outcomes of other markets must all win for a bet builder to win; 1 for every other market. A
    `derived` market has odds at a fraction of another's: no repricing sets them.
    """

    outcomes: Names
    winners: float
    rules: Any
    legs: int = 1
    derived: bool = False


class Sport(Protocol[ModelT_co, StateT]):
    """What a sport provides to `SportBoard`.

    Models and states are frozen msgspec structs. They refuse impossible values and name the field,
    so that they can be decoded from a message without further checks.
    """

    @property
    def name(self) -> str:
        """The sport's name in the registry."""

    @property
    def model_type(self) -> type[ModelT_co]:
        """The type of a fixture's model: the parameters that prices depend on."""

    @property
    def state_type(self) -> type[StateT]:
        """The type of a fixture's state; built without arguments, a fixture before its start."""

    @property
    def market_types(self) -> Mapping[str, int | None]:
        """The sport's market types, and the Unified Odds Feed's number of each or None."""

    def market(
        self, market_type: str, specifiers: Specifiers, names: Names | None = None
    ) -> SportMarket:
        """Return a market's definition.

        Parameters
        ----------
        market_type : str
            One of `market_types`.
        specifiers : Specifiers
            The market's specifiers, sorted.
        names : Names | None
            The outcomes the market was created with, where the caller knows them. A sport whose
            outcomes are a fixture's own runners uses them; a sport whose market types fix the
            outcomes may ignore them.

        Raises
        ------
        MarketTypeError
            When the sport has no such type, or the type has other specifiers.
        """

    def pricer(self, markets: Sequence[SportMarket]) -> Pricer:
        """Compile markets of one fixture: return a function that fills their chances at each call.

        The function may keep scratch arrays: a board is not shared between threads. It leaves
        outcomes that the model rules out at zeros; these are not offered.
        """

    def results(self, market: SportMarket, state: StateT) -> Results | None:
        """Settle a market by the state; None while the state does not decide it."""


AnySport = Sport[Any, Any]


class _Sports(Mapping[str, AnySport]):
    """The sports by name; each is imported at its first use, since kernels take time to load."""

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
"""Every sport that a shell prices. A new sport is a module with a `SPORT`, and a line here."""


def outcome_names(
    sport: AnySport, market_type: str, specifiers: Specifiers, names: Names | None = None
) -> Names:
    """Return a market's outcomes in the order of its odds and results.

    Raises
    ------
    MarketTypeError
        When the sport has no such market.
    """
    return sport.market(market_type, specifiers, names).outcomes


class _Entry(NamedTuple):
    """A market of a board, and the range of its outcomes in the board's arrays."""

    key: str
    market: SportMarket
    first: int
    last: int


class SportBoard:
    """Markets of one fixture, compiled by their sport, that are quoted and settled together.

    Not to be shared between threads: calls use the board's own scratch arrays.

    Parameters
    ----------
    sport : AnySport | str
        A sport, or its name in `SPORTS`.
    keys : Sequence[str]
        Market keys of one fixture, in the order of the quotes to return.
    names : Mapping[str, Names] | None
        The outcomes of markets by key, for sports whose market types do not fix them.
    ladder : Ladder
        The odds that may be quoted.

    Raises
    ------
    MalformedIdError
        When a key breaks the grammar of keys.
    MarketTypeError
        When the sport has no such type, or the type has other specifiers.
    ValueError
        When keys repeat, belong to several fixtures, or are none or too many.
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
        entries: list[_Entry] = []
        first = 0
        for text, key in zip(keys, parsed, strict=True):
            market = self.sport.market(key.type, key.specifiers, (names or {}).get(text))
            entries.append(_Entry(text, market, first, first + len(market.outcomes)))
            first = entries[-1].last
        self._entries: Final = tuple(entries)
        self._price: Final = self.sport.pricer([row.market for row in entries])
        self._chances: Final[Floats] = np.zeros((first, 4))
        self._fair: Final[Floats] = np.zeros(first)
        self._quoter: Final = Quoter(
            np.array([0, *(row.last for row in entries)], np.int64),
            np.array([row.market.winners for row in entries], np.float64),
            [key.type for key in parsed],
            ladder=ladder,
            legs=[row.market.legs for row in entries],
        )

    @property
    def keys(self) -> tuple[str, ...]:
        """The board's market keys, as the caller gave them."""
        return tuple(row.key for row in self._entries)

    def outcomes(self, key: str) -> Names:
        """Return the outcome names of one of the board's markets.

        Raises
        ------
        KeyError
            When the market is not on the board.
        """
        for row in self._entries:
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
        model : Any
            The fixture's model, of the sport's `model_type`.
        state : Any
            The fixture's state, of the sport's `state_type`.
        margin : Margin
            The margin to add.
        skew : Skew | None
            How odds follow the book; None: not at all.
        figures : BookFigures | None
            The books per outcome, in the board's order; None: no skew is applied.

        Returns
        -------
        dict[str, tuple[Quote, ...]]
            For each market key, in the board's order, a quote for each outcome. An outcome that is
            decided, or too likely or unlikely to be quoted, is not active.
        """
        quoted = self._quoter.quote(
            self.fair(model, state), margin=margin, skew=skew, figures=figures
        )
        return quotes_by_key(self._entries, quoted)

    def fair(self, model: Any, state: Any) -> Floats:
        """Return all fair probabilities as one array, market after market.

        The array belongs to the board: the next call overwrites it.
        """
        self._fill(model, state)
        fair_nb(self._chances.reshape(-1), self._fair)
        return self._fair

    def probabilities(self, model: Any, state: Any) -> dict[str, tuple[float, ...]]:
        """Return each market's fair probabilities: one over the odds that on average break even."""
        fair = self.fair(model, state).tolist()
        return {row.key: tuple(fair[row.first : row.last]) for row in self._entries}

    def chances(self, model: Any, state: Any) -> dict[str, Floats]:
        """Return each market's chances to win, half win, push and half lose: a row per outcome."""
        self._fill(model, state)
        return {row.key: self._chances[row.first : row.last].copy() for row in self._entries}

    def results(self, state: Any) -> dict[str, Results]:
        """Return the results of the markets that the state decides, by market key."""
        results = ((row.key, self.sport.results(row.market, state)) for row in self._entries)
        return {key: decided for key, decided in results if decided is not None}

    def _fill(self, model: Any, state: Any) -> None:
        self._chances[:] = 0.0
        self._price(model, state, self._chances)
