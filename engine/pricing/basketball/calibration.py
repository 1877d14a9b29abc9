"""Find the basketball model whose prices match the odds of a spread, a total and a moneyline.

Owns nested bracketed searches over the pricing kernel: the spread finds the expected margin for
each sigma, the moneyline the sigma, and then the total the expected total. Each market's type says
whether it counts overtime. Never guesses: odds without an answer get a refusal with its reason, and
books outside stated bounds are no odds.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from engine.pricing.basketball.sport import (
    HANDICAP_MAX,
    MARGIN_MAX,
    TOTAL_HIGH,
    TOTAL_LOW,
    BasketballModel,
    BasketballState,
)
from engine.pricing.book_bounds import BOOK_MAX, BOOK_MIN, ODDS_MAX, book_of
from engine.pricing.bracketed_root import root_within
from engine.pricing.lines import line_quarters
from engine.pricing.margin import MarginRefused, Removal, remove_by_type
from engine.pricing.sport import SportBoard

MONEYLINES: Final = ("winner", "draw_no_bet")
SPREADS: Final = ("handicap", "regular_handicap")
TOTALS: Final = ("total", "regular_total")
"""The types that are fitted, one of each row: with overtime, and without."""

SIGMA_MIN: Final = 6.0
SIGMA_MAX: Final = 24.0
"""The bounds of a sigma that is fitted."""
SPREAD_POINTS_MIN: Final = 2.5
"""The shortest spread that tells the sigma beside a moneyline: shorter ones hardly depend on it."""
ERROR_MAX: Final = 0.03
"""The largest gap between a fair probability of the model and of the odds."""


class BasketballFit(IntEnum):
    """Whether a model was found, or why not."""

    CONVERGED = 0
    NOT_ODDS = 1
    OUT_OF_BOUNDS = 2
    """No model within bounds is within `ERROR_MAX` of these odds."""
    BOOK = 3
    """The odds of a market add up to no book that anyone offers, as odds in thousandths do."""
    MARKETS = 4
    """The markets do not tell the margin or the total, or a row of types occurs twice."""


class BasketballCalibrated(Struct, frozen=True, kw_only=True):
    """A model, and its largest absolute difference from the odds' fair probabilities.

    `books` has for each market the sum of one over its odds, before the margin was removed: 1.05
    for a margin of five per cent. `sigma_fitted` says whether the odds told the sigma.
    """

    model: BasketballModel
    error: float
    books: dict[str, float]
    sigma_fitted: bool


class BasketballRefused(Struct, frozen=True, kw_only=True):
    """The reason why no model was found."""

    status: BasketballFit
    message: str


def calibrate_basketball(
    odds: Mapping[str, Sequence[float]],
    *,
    state: BasketballState | None = None,
    base: BasketballModel | None = None,
    removal: Removal | None = None,
) -> BasketballCalibrated | BasketballRefused:
    """Find the model whose prices match the odds of a game.

    Parameters
    ----------
    odds : Mapping[str, Sequence[float]]
        The two decimal odds of each market by its key without the fixture, such as
        ``handicap?hcp=-4.5``: a moneyline (`MONEYLINES`), a spread (`SPREADS`) and a total
        (`TOTALS`), at most one of each. The type says whether overtime counts.
    state : BasketballState | None
        The score to which the odds belong; None: before the start.
    base : BasketballModel | None
        What the odds do not tell: the margin without spread and moneyline, the total without a
        total, the sigma unless both spread and moneyline are given and the spread is at least
        `SPREAD_POINTS_MIN`; and the rest. None: the defaults, and the odds must tell margin and
        total.
    removal : Removal | None
        How margins are removed; None: the measured defaults.

    Returns
    -------
    BasketballCalibrated | BasketballRefused
        A model within `ERROR_MAX` of the odds, or why there is none. Spread and moneyline with a
        fitted sigma, and the total, are met to 1e-10 where the sigma is within its bounds.

    Raises
    ------
    MarketTypeError
        When a key has a type of `TOTALS` or `SPREADS` without such a line.
    """
    roles = _roles(odds)
    if isinstance(roles, BasketballRefused):
        return roles
    moneyline, spread, total = roles
    if base is None and (total is None or (moneyline is None and spread is None)):
        return _refused(BasketballFit.MARKETS, "odds: must tell the margin and the total")
    targets: dict[str, float] = {}
    books: dict[str, float] = {}
    for name, row in odds.items():
        fair = _first_fair(name, row, removal)
        if isinstance(fair, BasketballRefused):
            return fair
        targets[name], books[name] = fair
    search = _Search(targets, state or BasketballState())
    model = base or BasketballModel(margin=0.0, total=0.5 * (TOTAL_LOW + TOTAL_HIGH))
    fits_sigma = spread is not None and moneyline is not None and _determines_sigma(spread)
    if spread is not None and moneyline is not None and fits_sigma:
        model = search.by_sigma(model, spread, moneyline)
    elif spread is not None or moneyline is not None:
        model = search.by_margin(model, [name for name in (spread, moneyline) if name])
    if total is not None:
        model = search.by_total(model, total)
    error = max(abs(search.gap(model, name)) for name in targets)
    if not error <= ERROR_MAX:
        return _refused(
            BasketballFit.OUT_OF_BOUNDS,
            f"odds: no model is within {ERROR_MAX:g} of them; the nearest by {error:.3g}",
        )
    return BasketballCalibrated(model=model, error=error, books=books, sigma_fitted=fits_sigma)


def _refused(status: BasketballFit, message: str) -> BasketballRefused:
    return BasketballRefused(status=status, message=message)


def _roles(
    odds: Mapping[str, Sequence[float]],
) -> tuple[str | None, str | None, str | None] | BasketballRefused:
    """Return the keys of moneyline, spread and total."""
    found: list[str | None] = [None, None, None]
    for name in odds:
        market_type = name.partition("?")[0]
        for role, types in enumerate((MONEYLINES, SPREADS, TOTALS)):
            if market_type in types:
                if found[role] is not None:
                    message = f"odds: one of {' and '.join(types)} at most"
                    return _refused(BasketballFit.MARKETS, message)
                found[role] = name
                break
        else:
            known = ", ".join((*MONEYLINES, *SPREADS, *TOTALS))
            return _refused(BasketballFit.MARKETS, f"odds: types must be {known}: {name!r}")
    if not odds:
        return _refused(BasketballFit.MARKETS, "odds: no market is given")
    return found[0], found[1], found[2]


def _first_fair(
    name: str, odds: Sequence[float], removal: Removal | None
) -> tuple[float, float] | BasketballRefused:
    """Return the first outcome's fair probability and the book that came off, or a refusal."""
    book = book_of(odds)
    if len(odds) != 2 or book is None:
        message = f"{name}: odds must be two, each above 1 and at most {ODDS_MAX:g}"
        return _refused(BasketballFit.NOT_ODDS, message)
    if not BOOK_MIN <= book <= BOOK_MAX:
        return _refused(
            BasketballFit.BOOK,
            f"{name}: a book from {BOOK_MIN:g} to {BOOK_MAX:g}, not {book:.6g}: {odds!r}",
        )
    fair = remove_by_type(odds, market_type=name.partition("?")[0], removal=removal)
    if isinstance(fair, MarginRefused):
        return _refused(BasketballFit.NOT_ODDS, f"{name}: {fair.message}: {odds!r}")
    return fair.values[0], book


def _determines_sigma(spread: str) -> bool:
    text = spread.partition("=")[2]
    quarters = line_quarters(text, most=HANDICAP_MAX, unit="points")
    return abs(quarters) >= 4 * SPREAD_POINTS_MIN


class _Search:
    """The searches, by the differences of the markets' prices from their targets."""

    def __init__(self, targets: Mapping[str, float], state: BasketballState) -> None:
        self._targets, self._state = targets, state
        self._boards: Final = {
            name: SportBoard("basketball", [f"fixture/{name}"]) for name in targets
        }

    def gap(self, model: BasketballModel, name: str) -> float:
        """Return a market's first outcome's fair probability less its target."""
        return float(self._boards[name].fair(model, self._state)[0]) - self._targets[name]

    def by_margin(self, model: BasketballModel, names: Sequence[str]) -> BasketballModel:
        """Return the margin at which the markets' gaps add up to 0."""

        def gaps(margin: float) -> float:
            at = replace(model, margin=margin)
            return sum(self.gap(at, name) for name in names)

        return replace(model, margin=root_within(gaps, -MARGIN_MAX, MARGIN_MAX))

    def by_sigma(self, model: BasketballModel, spread: str, moneyline: str) -> BasketballModel:
        """Return the sigma, with its margin by the spread, that prices the moneyline.

        A longer sigma brings a favourite of some points nearer to evens: the moneyline of the side
        that gives points falls with it, that of the other side rises.
        """
        low = SIGMA_MIN if model.play_sigmas is None else 1.001 * model.play_sigmas[0]

        def at(sigma: float) -> BasketballModel:
            return self.by_margin(replace(model, margin_sigma=sigma), [spread])

        def gap(sigma: float) -> float:
            return self.gap(at(sigma), moneyline)

        gives = spread.partition("=")[2].startswith("-")
        rising: Callable[[float], float] = (lambda sigma: -gap(sigma)) if gives else gap
        return at(root_within(rising, min(low, SIGMA_MAX), SIGMA_MAX))

    def by_total(self, model: BasketballModel, total: str) -> BasketballModel:
        """Return the expected total that prices the total."""
        return replace(
            model,
            total=root_within(
                lambda expected: self.gap(replace(model, total=expected), total),
                TOTAL_LOW,
                TOTAL_HIGH,
            ),
        )
