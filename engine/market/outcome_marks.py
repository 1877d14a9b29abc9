"""A trader's marks on single outcomes: held, or with odds that stand until they are released.

Owns the commands that set and clear them, and the dump of the odds that are due at a release.
Writes the book's flags alone: bets are refused by the kernels, and what is said of a marked outcome
meanwhile goes through `Book.set_offer`.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np

from engine.common.commands import Quote, SetOdds
from engine.common.events import (
    MarketEvent,
    OddsOverridden,
    OddsReleased,
    OutcomesResumed,
    OutcomesSuspended,
    Refused,
)
from engine.common.ids import MARKET_NO_MAX
from engine.common.outcome_marks import (
    OutcomeCommand,
    OverrideOdds,
    ReleaseOdds,
    ResumeOutcomes,
    StandingOdds,
    SuspendOutcomes,
)
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import Rows
from engine.common.state_hash import Reader
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN, OddsMilli
from engine.market.book import OUTCOME_ACTIVE, OUTCOME_HELD, OUTCOME_OVERRIDDEN, Book
from engine.market.command_checks import after_close_fault, outcomes_fault, quotes_fault
from engine.market.odds_guards import book_fault, guard_fault

_FIELDS: Final = ("market_no", "outcome", "due_milli")


def apply_mark(
    command: OutcomeCommand, slot: int, *, book: Book, decided: Collection[int]
) -> MarketEvent:
    """Set or clear marks, or refuse the command and change nothing.

    The same command again changes nothing and is no refusal. `decided` are the outcomes that have a
    result while others have none: no odds are taken for them.
    """
    refusal = after_close_fault(book.status(slot))
    if refusal is not None:
        return refusal
    if isinstance(command, SuspendOutcomes):
        return _suspend(command, slot, book)
    if isinstance(command, OverrideOdds):
        return _override(command, slot, book, decided)
    count = len(book.outcome_flags(slot))
    if command.outcomes:
        refusal = outcomes_fault(command.outcomes, outcomes=count)
        if refusal is not None:
            return refusal
    named = sorted(command.outcomes) or list(range(count))
    if isinstance(command, ResumeOutcomes):
        return _resume(command, named, slot, book)
    return _release(command, named, slot, book)


def _suspend(command: SuspendOutcomes, slot: int, book: Book) -> MarketEvent:
    """Hold the market's own among the outcomes that are named: a stop is obeyed where it can be."""
    count = len(book.outcome_flags(slot))
    own = sorted(dict.fromkeys(at for at in command.outcomes if 0 <= at < count))
    if not own:
        message = f"the market has outcomes 0 to {count - 1}"
        return Refused(reason=Reason.OUTCOME_UNKNOWN, field="outcomes", message=message)
    changed = [book.set_outcome_flag(slot, at, OUTCOME_HELD, on=True) for at in own]
    version = book.raise_version(slot) if any(changed) else book.version(slot)
    return OutcomesSuspended(
        market_no=command.market_no, version=version, outcomes=tuple(own), why=command.why
    )


def _resume(command: ResumeOutcomes, named: list[int], slot: int, book: Book) -> MarketEvent:
    own = [at for at in named if book.set_outcome_flag(slot, at, OUTCOME_HELD, on=False)]
    version = book.raise_version(slot) if own else book.version(slot)
    return OutcomesResumed(market_no=command.market_no, version=version, outcomes=tuple(own))


def _override(
    command: OverrideOdds, slot: int, book: Book, decided: Collection[int]
) -> MarketEvent:
    """Set odds that stand, checked as SetOdds is that offers them."""
    odds = book.odds_milli(slot)
    refusal = quotes_fault(command.quotes, outcomes=len(odds))
    if refusal is not None:
        return refusal
    for at, quote in enumerate(command.quotes):
        if quote.outcome in decided:
            reason = Reason.ODDS_DECIDED
            return Refused(reason=reason, field=f"quotes[{at}].outcome", message=MESSAGES[reason])
    offers = SetOdds(
        market_no=command.market_no,
        quotes=tuple(Quote(outcome=q.outcome, odds_milli=q.odds_milli) for q in command.quotes),
        override=command.override,
        guard=command.guard,
    )
    active = [flags & OUTCOME_ACTIVE > 0 for flags in book.outcome_flags(slot)]
    refusal = guard_fault(offers, odds, active, status=book.status(slot))
    if refusal is not None:
        return refusal
    changed = [book.override(slot, quote.outcome, quote.odds_milli) for quote in command.quotes]
    version = book.raise_version(slot) if any(changed) else book.version(slot)
    return OddsOverridden(
        market_no=command.market_no, version=version, quotes=command.quotes, why=command.why
    )


def _release(command: ReleaseOdds, named: list[int], slot: int, book: Book) -> MarketEvent:
    """Give outcomes the odds that are due, if the book that is then offered sums to enough."""
    flags, odds, given = book.outcome_flags(slot), book.odds_milli(slot), book.given_milli(slot)
    own = [at for at in named if flags[at] & OUTCOME_OVERRIDDEN]
    for at in own:
        odds[at] = given[at]
    active = [each & OUTCOME_ACTIVE > 0 for each in flags]
    if own and not command.override:
        refusal = book_fault(command.guard, odds, active, field="outcomes")
        if refusal is not None:
            return refusal
    quotes = tuple(StandingOdds(outcome=at, odds_milli=book.release(slot, at)) for at in own)
    version = book.raise_version(slot) if own else book.version(slot)
    return OddsReleased(market_no=command.market_no, version=version, quotes=quotes)


# --- state as a document --------------------------------------------------------------------------


def dump_due(book: Book) -> list[list[int]]:
    """Return the odds that are due at a release: market, outcome and odds, in the book's order."""
    rows = sorted(book.due_milli)
    firsts = book.markets["first_outcome"][: book.markets_len].astype(np.int64)
    slots = np.searchsorted(firsts, rows, side="right") - 1
    return [
        [int(book.markets["market_no"][slot]), row - int(firsts[slot]), int(book.due_milli[row])]
        for row, slot in zip(rows, slots.tolist(), strict=True)
    ]


def load_due(book: Book, items: Sequence[Any]) -> dict[int, OddsMilli]:
    """Return what `dump_due` returned by row of the outcome; a ValueError names what is wrong."""
    due: dict[int, OddsMilli] = {}
    markets = book.markets[: book.markets_len]
    slots = {number: slot for slot, number in enumerate(markets["market_no"].tolist())}
    last = -1
    for item in items:
        if not isinstance(item, list | tuple) or len(item) != len(_FIELDS):
            raise ValueError("due: not a list of three figures")
        reader = Reader(dict(zip(_FIELDS, item, strict=True)), name="due")
        number = reader.integer("market_no", low=0, high=MARKET_NO_MAX)
        if number not in slots:
            raise reader.fail("market_no", f"no market {number}")
        market = markets[slots[number]]
        outcome = reader.integer("outcome", low=0, high=int(market["outcomes"]) - 1)
        row = int(market["first_outcome"]) + outcome
        if row <= last:
            raise reader.fail("outcome", "out of order")
        last = row
        milli = reader.integer("due_milli", low=ODDS_MILLI_MIN, high=ODDS_MILLI_MAX)
        due[row] = OddsMilli(milli)
    return due


def due_fault(book: Book, outcomes: Rows) -> str:
    """Return why the odds that are due do not go with the outcomes' flags; empty where they do."""
    overridden = np.flatnonzero(outcomes["flags"] & OUTCOME_OVERRIDDEN).tolist()
    return "" if overridden == sorted(book.due_milli) else "not those of the overridden outcomes"
