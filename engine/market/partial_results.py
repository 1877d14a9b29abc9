"""Results of some outcomes of a market while others are undecided, and which results stand.

Owns these results until every outcome of the market has one; then they stand in the book and none
is left here. Never sends a settlement.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import UnsetType

from engine.common.commands import OutcomeResult, SettleMarket
from engine.common.ids import MARKET_NO_MAX
from engine.common.state_hash import Reader
from engine.common.units import DEAD_HEAT_DEN_MAX
from engine.market.book import MARKET_RESULTS, OUTCOME_ACTIVE, Book
from engine.market.settlement import canonical_result, erase_results, results_of, write_results

_FIELDS = ("market_no", "outcome", "won", "void_halves", "dead_heat_num", "dead_heat_den")


class PartialResults:
    """The results of the markets that have some.

    Parameters
    ----------
    book : Book
        Outcomes with results are offered no more; where every outcome has one, the results are
        written into it.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._results: dict[int, dict[int, OutcomeResult]] = {}

    def of(self, slot: int) -> Mapping[int, OutcomeResult]:
        """Return a market's results by outcome."""
        return self._results.get(slot, {})

    def slots(self) -> list[int]:
        """Return the markets that have results here."""
        return list(self._results)

    def set(self, slot: int, results: Mapping[int, OutcomeResult]) -> None:
        """Set a market's results, in canonical form; their outcomes are offered no more."""
        self._results.pop(slot, None)
        if results:
            self._results[slot] = {outcome: results[outcome] for outcome in sorted(results)}
            flags = self._book.outcomes_of(slot)["flags"]
            flags[list(results)] &= ~np.uint8(OUTCOME_ACTIVE)

    def fork(self, book: Book) -> "PartialResults":
        """Return a copy over a copy of the book."""
        twin = PartialResults(book)
        twin._results = dict(self._results)
        return twin

    # --- the results that stand -------------------------------------------------------------------

    def standing(self, slot: int) -> dict[int, OutcomeResult]:
        """Return the results of a market's outcomes that have one, in the book or here."""
        if self._book.has_flag(slot, MARKET_RESULTS):
            return dict(enumerate(results_of(self._book, slot)))
        return dict(self.of(slot))

    def settled(self, slot: int, command: SettleMarket) -> dict[int, OutcomeResult]:
        """Return a market's results with those of a settlement, in canonical form."""
        results = [canonical_result(result) for result in command.results]
        if isinstance(command.outcomes, UnsetType):
            return dict(enumerate(results))
        return self.standing(slot) | dict(zip(command.outcomes, results, strict=True))

    def replace(self, slot: int, results: dict[int, OutcomeResult]) -> None:
        """Have these results stand: in the book where every outcome has one."""
        count = len(self._book.outcomes_of(slot))
        if len(results) == count:
            self.set(slot, {})
            write_results(self._book, slot, tuple(results[outcome] for outcome in range(count)))
            return
        if self._book.has_flag(slot, MARKET_RESULTS):
            erase_results(self._book, slot)
        self.set(slot, results)

    # --- state as a document ----------------------------------------------------------------------

    def dump(self) -> list[list[int]]:
        """Return the results in canonical form: markets in order of creation, outcomes rising."""
        numbers = self._book.markets["market_no"]
        return [
            [
                int(numbers[slot]),
                outcome,
                int(result.won),
                result.void_halves,
                result.dead_heat_num,
                result.dead_heat_den,
            ]
            for slot, results in sorted(self._results.items())
            for outcome, result in results.items()
        ]

    def load(self, items: Sequence[Any], slots: dict[int, int]) -> None:
        """Read what `dump` returned; a ValueError names the field that does not fit."""
        last = (-1, -1)
        for item in items:
            if not isinstance(item, list | tuple) or len(item) != len(_FIELDS):
                raise ValueError("partial: not a list of six figures")
            reader = Reader(dict(zip(_FIELDS, item, strict=True)), name="partial")
            number = reader.integer("market_no", low=0, high=MARKET_NO_MAX)
            if number not in slots:
                raise reader.fail("market_no", f"no market {number}")
            slot = slots[number]
            high = int(self._book.markets[slot]["outcomes"]) - 1
            outcome = reader.integer("outcome", low=0, high=high)
            result = OutcomeResult(
                won=reader.integer("won", low=0, high=1) == 1,
                void_halves=reader.integer("void_halves", low=0, high=2),
                dead_heat_num=reader.integer("dead_heat_num", low=0, high=DEAD_HEAT_DEN_MAX),
                dead_heat_den=reader.integer("dead_heat_den", low=1, high=DEAD_HEAT_DEN_MAX),
            )
            if (slot, outcome) <= last or result != canonical_result(result):
                raise reader.fail("outcome", "out of order, or its result is not canonical")
            last = (slot, outcome)
            self._results.setdefault(slot, {})[outcome] = result
            if len(self._results[slot]) > high:
                raise reader.fail("outcome", "every outcome has a result: they belong in the book")

    def check(self) -> None:
        """Assert that loading the dump gives the same results, and that none is offered."""
        numbers = self._book.markets["market_no"][: self._book.markets_len].tolist()
        loaded = PartialResults(self._book)
        loaded.load(self.dump(), {number: slot for slot, number in enumerate(numbers)})
        assert loaded._results == self._results
        for slot, results in self._results.items():
            flags = self._book.outcomes_of(slot)["flags"][list(results)]
            assert not np.any(flags & OUTCOME_ACTIVE), "an outcome with a result is offered"
