"""The grids of fixtures: what the house loses on all markets of a fixture, by how the fixture ends.

Owns which market stands in which cells, and keeps the sums of those fixtures of which a market has
a limit. Markets state what their outcomes pay by cell (engine.common.payoffs), and only open bets
count: what is refunded or settled is decided. A market without such codes stands beside the cells,
with the largest liability among its outcomes. Never knows what a cell stands for, and never refuses
a bet: the kernels of a batch do.

The sums follow from the books, so no dump holds them: they are counted again when a machine is
loaded, and when a market of a fixture gets the fixture's first limit. Where no market of a fixture
has a limit nothing is kept, and its bets cost nothing.

Bounds: one grid for each fixture, one place for each market. The sums stay inside 63 bits while at
most `AT_BOUND` markets of a fixture are at the largest liability at once.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import UNSET, UnsetType

from engine.common.ids import parse_market_key
from engine.common.lifecycle import Status
from engine.common.payoff_codes import payoffs_fault, unpack_codes
from engine.common.payoffs import CELLS, SHEETS, Payoffs
from engine.common.rows import I64s, Rows, U8s
from engine.common.state_hash import Reader
from engine.common.units import LIMIT_MINOR_MAX, Minor
from engine.common.views import GridImage
from engine.market.bet_resolution import Resolutions
from engine.market.book import MARKET_RESULTS, Book
from engine.market.fixture_grid_nb import SHEET, GridArrays, add_market_nb, worst_halves_nb

AT_BOUND: Final = 1_000
assert 4 * AT_BOUND * LIMIT_MINOR_MAX < 1 << 62

_PLACE: Final = np.dtype([("payoffs", "<i4")])
_LIMIT: Final = np.dtype([("fixture_liability_minor_max", "<i8")])
_GRIDS_ROOM_MIN: Final = 2


class _Sums(NamedTuple):
    """The sums of grids: SHEET rows and the cells of each sheet, and twice what stands beside."""

    sheets: Rows
    cells: I64s
    beside_halves: I64s


class FixtureGrids:
    """The fixtures of a machine's markets, and the grids of those with a limit.

    Parameters
    ----------
    book : Book
        Read for the figures of markets; its MEMBER rows and `grid` are written here.
    resolutions : Resolutions
        Say which outcomes are decided.
    """

    def __init__(self, book: Book, resolutions: Resolutions) -> None:
        self._book = book
        self._resolutions = resolutions
        self._slots: dict[str, list[int]] = {}
        self._fixtures: list[str] = []
        """By slot."""
        self._number_of: dict[Payoffs, int] = {}
        """The number of each different payoffs, from 0 in the order of their first use."""
        self._first_codes: list[int] = [0]
        """By that number the row of the first outcome's codes, and the number of all rows."""
        self._places: list[int] = []
        """By slot the number of the market's payoffs, -1 for none."""
        self._grid_of: dict[str, int] = {}
        self._free: list[int] = []
        self._codes: U8s = np.zeros((1, CELLS), np.uint8)
        """Rows of codes, those of a market's outcomes after one another."""
        self._sums = _zero_sums(_GRIDS_ROOM_MIN)
        """The sums of all grids by their number."""

    # --- markets and limits -----------------------------------------------------------------------

    def add(self, slot: int, key: str, payoffs: Payoffs | UnsetType) -> None:
        """Give a market that is new to this instance its place; its limits are written already."""
        fixture, member = parse_market_key(key).fixture, self._book.members[slot]
        self._slots.setdefault(fixture, []).append(slot)
        self._fixtures.append(fixture)
        self._places.append(-1)
        if not isinstance(payoffs, UnsetType):
            self._places[-1] = self._number(payoffs)
            member["sheet"] = payoffs.sheet
            member["first_codes"] = self._first_codes[self._places[-1]]
        if fixture in self._grid_of:
            self._book.markets[slot]["grid"] = self._grid_of[fixture] + 1
            self._enter((slot,))
        elif member["fixture_liability_minor_max"]:
            self._begin(fixture)

    def limits_changed(self, slot: int) -> None:
        """Begin or end a fixture's grid after the limits of one of its markets have changed."""
        fixture, members = self._fixtures[slot], self._book.members
        limited = bool(members["fixture_liability_minor_max"][self._slots[fixture]].any())
        if limited and fixture not in self._grid_of:
            self._begin(fixture)
        elif fixture in self._grid_of and not limited:
            slots, grid = self._slots[fixture], self._grid_of.pop(fixture)
            self._leave(slots)
            self._book.markets["grid"][slots] = 0
            self._free.append(grid)

    def _begin(self, fixture: str) -> None:
        """Keep a fixture's grid from now on, counted from the books."""
        grid = self._free.pop() if self._free else len(self._grid_of)
        room = len(self._sums.beside_halves)
        if grid == room:
            larger = _zero_sums(2 * room)
            for new, old in zip(larger, self._sums, strict=True):
                new[: len(old)] = old
            self._sums = larger
        self._grid_of[fixture] = grid
        self._book.markets["grid"][self._slots[fixture]] = grid + 1
        self._enter(self._slots[fixture])

    def _number(self, payoffs: Payoffs) -> int:
        """Return the number of payoffs; equal ones share their rows of codes."""
        if payoffs not in self._number_of:
            rows = unpack_codes(payoffs.codes)
            first = self._first_codes[-1]
            end = first + len(rows)
            if end > len(self._codes):
                larger = np.zeros((max(end, 2 * len(self._codes)), CELLS), np.uint8)
                larger[:first] = self._codes[:first]
                self._codes = larger
            self._codes[first:end] = rows
            self._first_codes.append(end)
            self._number_of[payoffs] = len(self._number_of)
        return self._number_of[payoffs]

    def arrays(self) -> GridArrays:
        """Return the arrays that kernels read and write; they may be others after a new market."""
        return (self._book.members, *self._sums, self._codes)

    # --- changes of figures -----------------------------------------------------------------------

    @contextmanager
    def moving(self, slots: Iterable[int]) -> Iterator[None]:
        """Have the grids follow whatever changes the figures of some markets inside the block.

        It costs two passes over the cells of each outcome of those markets that are on a grid.
        """
        moved = [slot for slot in slots if self._book.markets[slot]["grid"]]
        self._leave(moved)
        yield
        self._enter(moved)

    def _leave(self, slots: Iterable[int]) -> None:
        for slot in slots:
            self._add(slot, -1)

    def _enter(self, slots: Iterable[int]) -> None:
        for slot in slots:
            self._add(slot, 1)

    def _add(self, slot: int, sign: int) -> None:
        """Add a market's open bets to its grid, or take them away."""
        grid = int(self._book.markets[slot]["grid"]) - 1
        stakes, payouts = self._open(slot)
        add_market_nb(grid, slot, sign, stakes, payouts, self.arrays())

    def _open(self, slot: int) -> tuple[I64s, I64s]:
        """Return the stakes and the payouts of a market's open bets by outcome."""
        book, outcomes = self._book, self._book.outcomes_of(slot)
        stakes, payouts = outcomes["stake_minor"].copy(), outcomes["payout_minor"].copy()
        if book.status(slot) == Status.CANCELLED or book.has_flag(slot, MARKET_RESULTS):
            decided = list(range(len(stakes)))
        else:
            decided = list(self._resolutions.decided(slot))
        stakes[decided] = payouts[decided] = 0
        return stakes, payouts

    def count_again(self) -> None:
        """Count every grid again from the books."""
        for array in self._sums:
            array.view(np.int64)[:] = 0
        for fixture in self._grid_of:
            slots = self._slots[fixture]
            for name in ("taken_minor", "payout_worst_minor"):
                self._book.members[name][slots] = 0
            self._enter(slots)

    # --- views ------------------------------------------------------------------------------------

    def worst_minor(self, slot: int) -> Minor | None:
        """Return what the house loses on a market's fixture at the worst, None without a grid."""
        grid = int(self._book.markets[slot]["grid"]) - 1
        if grid < 0:
            return None
        return Minor(_up(worst_halves_nb(grid, self._sums.sheets, self._sums.beside_halves)))

    def image(self, fixture: str) -> GridImage | None:
        """Return a fixture's grid, counted from the books where it is not kept; None: no market."""
        slots = self._slots.get(fixture)
        if slots is None:
            return None
        kept = fixture in self._grid_of
        if not kept:
            self._begin(fixture)
        grid, sums = self._grid_of[fixture], self._sums
        first = grid * SHEETS
        beside = [int(sums.beside_halves[grid])]
        beside += [max(0, int(sums.sheets[first + at]["worst_halves"])) for at in range(1, SHEETS)]
        members = self._book.members[slots]
        image = GridImage(
            fixture=fixture,
            markets=int(np.count_nonzero((members["first_codes"] >= 0) & (members["sheet"] == 0))),
            markets_beside=int(
                np.count_nonzero((members["first_codes"] < 0) | (members["sheet"] > 0))
            ),
            loss_minor=tuple(
                Minor(_up(int(each) - int(sums.sheets[first]["staked_halves"])))
                for each in sums.cells[first]
            ),
            beside_minor=Minor(_up(sum(beside))),
            worst_minor=Minor(_up(worst_halves_nb(grid, sums.sheets, sums.beside_halves))),
            limit_minor_min=Minor(_least(members["fixture_liability_minor_max"].tolist())),
        )
        if not kept:
            self.limits_changed(slots[0])
        return image

    # --- state as a document ----------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Return the payoffs and limits of all markets in canonical form; the sums follow."""
        members = self._book.members[: self._book.markets_len]
        return {
            "payoffs": [[each.sheet, each.codes] for each in self._number_of],
            "places": np.array(self._places, "<i4").tobytes(),
            "fixture_limits": members["fixture_liability_minor_max"].tobytes(),
        }

    def load(self, keys: Iterable[str], reader: Reader | None) -> None:
        """Place the markets of a book that was loaded, by what `dump` returned or without any.

        A ValueError names what does not fit.
        """
        book = self._book
        given: list[Payoffs] = []
        places, limits = np.zeros(0), np.zeros(0)
        if reader is not None:
            given = _read_payoffs(reader)
            places = reader.rows("places", _PLACE)["payoffs"]
            limits = reader.rows("fixture_limits", _LIMIT)["fixture_liability_minor_max"]
            if len(places) != book.markets_len or np.any((places < -1) | (places >= len(given))):
                raise reader.fail("places", "not one of the payoffs for each market")
            if len(limits) != book.markets_len or np.any((limits < 0) | (limits > LIMIT_MINOR_MAX)):
                raise reader.fail("fixture_limits", f"not 0 to {LIMIT_MINOR_MAX} for each market")
            book.members["fixture_liability_minor_max"][: book.markets_len] = limits
        counts = book.markets["outcomes"][: book.markets_len].tolist()
        for slot, (key, count) in enumerate(zip(keys, counts, strict=True)):
            payoffs = UNSET if reader is None or places[slot] < 0 else given[places[slot]]
            if reader is not None and not isinstance(payoffs, UnsetType):
                fault = payoffs_fault(payoffs, outcomes=count)
                if fault:
                    raise reader.fail("payoffs", fault)
            self.add(slot, key, payoffs)
        if reader is not None and list(self._number_of) != given:
            raise reader.fail("payoffs", "given twice, or not in the order of their first use")

    def check(self) -> None:
        """Assert every invariant: the sums that are kept are those counted from the books."""
        book = self._book
        kept = [(array.copy(), array) for array in (*self._sums, book.members)]
        self.count_again()
        for before, after in kept:
            assert np.array_equal(before, after), "a grid is not the sum of its markets' books"
        for fixture, slots in self._slots.items():
            grid = self._grid_of.get(fixture, -1)
            assert (book.markets["grid"][slots] == grid + 1).all()
            assert bool(book.members["fixture_liability_minor_max"][slots].any()) == (grid >= 0)
        assert sorted((*self._grid_of.values(), *self._free)) == list(
            range(len(self._grid_of) + len(self._free))
        )
        assert len(self._fixtures) == len(self._places) == book.markets_len


def _zero_sums(grids: int) -> _Sums:
    return _Sums(
        np.zeros(grids * SHEETS, SHEET),
        np.zeros((grids * SHEETS, CELLS), np.int64),
        np.zeros(grids, np.int64),
    )


def _up(halves: int) -> int:
    """Return halves of a minor unit as whole ones, rounded against the house."""
    return -(-halves // 2)


def _least(limits: list[int]) -> int:
    """Return the least limit that is one; 0 when none is."""
    return min((limit for limit in limits if limit), default=0)


def _read_payoffs(reader: Reader) -> list[Payoffs]:
    given = []
    for item in reader.items("payoffs"):
        if not isinstance(item, list | tuple) or len(item) != 2:
            raise reader.fail("payoffs", "not a sheet and codes")
        sheet, codes = item
        if not isinstance(sheet, int) or not isinstance(codes, bytes):
            raise reader.fail("payoffs", "not a sheet and codes")
        given.append(Payoffs(sheet=sheet, codes=codes))
    return given
