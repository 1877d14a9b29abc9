"""A market machine's state as a document: dumped, loaded with checks, and audited.

Owns the layout of the dump and the invariants of the book. The dump also holds figures that follow
from others, and loading compares them: a dump that contradicts itself is refused, never repaired.

Layout 1 had no feed positions, windows, deductions or stakes per outcome. Layout 2 had no rules and
no odds in the outbox, and its figures are those of the first rules. Layout 3 had no charges, no
marks of early payouts, no withdrawals, no corrections, no payoffs, no limits of fixtures, no
traders' marks on outcomes, no names of those who stop markets and no bets that wait. Every field
that an older layout lacks follows from those it has, so a machine loaded from a dump of an older
layout equals the machine that its journal replays to.
"""

from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from engine.common.ids import MalformedIdError, MarketNo, parse_market_key
from engine.common.index import empty_table
from engine.common.index_nb import fill_nb, missing_nb
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.row_layout import row_dtype
from engine.common.rows import I32s, I64s, Rows, U64s
from engine.common.rules import RULES, RULES_FIRST
from engine.common.state_hash import BytesDigest, Reader, pack_rows
from engine.common.units import (
    DEAD_HEAT_DEN_MAX,
    LIMIT_MINOR_MAX,
    ODDS_MILLI_MAX,
    ODDS_MILLI_MIN,
    OUTCOMES_MAX,
    STAKE_MINOR_MAX,
)
from engine.market import charges
from engine.market.bet_resolution import Resolutions
from engine.market.book import (
    BET_RECORD,
    MARKET,
    MARKET_AWAITS_FEED,
    MARKET_FEED_STOPPED,
    MARKET_HELD,
    MARKET_HELD_WITH_ALL,
    MARKET_RESULTS,
    MARKET_VOIDED,
    MEMBER,
    OUTCOME,
    OUTCOME_ACTIVE,
    OUTCOME_MARKS,
    OUTCOME_WON,
    RETURNED,
    Book,
)
from engine.market.corrections import CORRECTED
from engine.market.early_payouts import MARKED
from engine.market.feed_positions import FeedPositions
from engine.market.figures import Figures, write_figures
from engine.market.figures_nb import audit_nb
from engine.market.fixture_grid import FixtureGrids
from engine.market.lookup import recall
from engine.market.outbox import Outbox
from engine.market.outcome_marks import due_fault, dump_due, load_due
from engine.market.stops import dump_stops, load_stops, stops_fault
from engine.market.waiting import WaitingBets

LAYOUT: Final = 4
"""Version of the dump; older versions are loaded, a newer version is refused."""

_OUTCOME_1: Final = row_dtype(
    16,
    ("payout_minor", "<i8"),
    ("odds_milli", "<i4"),
    ("flags", "u1"),
    ("void_halves", "u1"),
    ("dead_heat_num", "u1"),
    ("dead_heat_den", "u1"),
)
"""An outcome of layout 1."""
_STOPPED: Final = (Status.SUSPENDED, Status.CLOSED, Status.SETTLED, Status.CANCELLED)
_MARKET_FLAGS: Final = (
    MARKET_HELD
    | MARKET_RESULTS
    | MARKET_AWAITS_FEED
    | MARKET_VOIDED
    | MARKET_FEED_STOPPED
    | MARKET_HELD_WITH_ALL
)
_FIELDS_1: Final = ("layout", "markets", "outcomes", "keys", "names", "bets", "outbox")
_FIELDS_2: Final = (*_FIELDS_1, "windows", "deductions", "positions")
_FIELDS_3: Final = (*_FIELDS_2, "rules", "partial", "final")
_FIELDS_4: Final = (
    *_FIELDS_3, "charges", "early", "play", "withdrawn", "corrections", "payoffs", "places",
    "fixture_limits", "due", "stops", "acceptance", "waiting", "permits",
)  # fmt: skip
_FIELDS: Final = {1: _FIELDS_1, 2: _FIELDS_2, 3: _FIELDS_3, 4: _FIELDS_4}
"""The fields of each layout."""


class Parts(NamedTuple):
    """The parts of a machine's state; market keys and outcome names are indexed by slot."""

    book: Book
    outbox: Outbox
    resolutions: Resolutions
    positions: FeedPositions
    grids: FixtureGrids
    waiting: WaitingBets
    keys: list[str]
    names: list[tuple[str, ...]]
    rules: int


def document(parts: Parts, *, bets: BytesDigest | None, layout: int) -> dict[str, Any]:
    """Return the canonical document; `bets` may replace the bytes of all bets by their digest."""
    book = parts.book
    assert layout > 3 or book.charges_len == 0, "no older layout holds charges"
    assert layout > 3 or not (book.due_milli or book.stopped_by), "no older layout holds marks"
    markets, outcomes = book.markets[: book.markets_len], book.outcomes[: book.outcomes_len]
    if layout < 3 and parts.rules > RULES_FIRST:
        markets, outcomes = _by_first_rules(book)
    if markets["grid"].any():
        markets = markets.copy()
        markets["grid"] = 0
    if layout == 1:
        markets, outcomes = markets.copy(), _as_outcomes_1(outcomes)
        markets["flags"] = 0
    common = {
        "layout": layout,
        "markets": pack_rows(markets),
        "outcomes": pack_rows(outcomes),
        "keys": list(parts.keys),
        "names": [list(names) for names in parts.names],
        "bets": pack_rows(book.records[: book.bets_len]) if bets is None else bets,
        "outbox": parts.outbox.dump(with_odds=layout > 2),
    }
    if layout == 1:
        return common
    common |= {
        "windows": parts.resolutions.dump_windows(with_outcomes=layout > 2),
        "deductions": parts.resolutions.dump_deductions(),
        "positions": parts.positions.dump(),
    }
    if layout == 2:
        return common
    common |= {
        "rules": parts.rules,
        "partial": parts.resolutions.dump_partial(),
        "final": parts.resolutions.dump_final(),
    }
    if layout == 3:
        return common
    early, grids = parts.resolutions.dump_early(), parts.grids.dump()
    marks = {"charges": charges.dump(book), "due": dump_due(book), "stops": dump_stops(book)}
    return common | marks | early | grids | parts.waiting.dump()


def read(data: object, *, bets_max: int, markets_max: int) -> Parts:
    """Return the parts in a document; a ValueError names the field that does not fit."""
    reader = Reader(data, name="market_machine")
    layout = reader.integer("layout", low=1, high=LAYOUT)
    rules = RULES_FIRST if layout < 3 else reader.integer("rules", low=RULES_FIRST, high=RULES)
    reader.only(*_FIELDS[layout])
    book = Book()
    markets = reader.rows("markets", MARKET, high=markets_max)
    outcomes = reader.rows("outcomes", _OUTCOME_1 if layout == 1 else OUTCOME)
    if layout == 1:
        _set_flags(markets)
        outcomes = _from_outcomes_1(outcomes)
    keys = reader.texts("keys", count=len(markets))
    _read_keys(reader, keys)
    names = _read_names(reader, markets)
    fault = _markets_fault(markets, len(outcomes))
    if fault or markets["grid"].any():
        raise reader.fail("markets", fault or "grid: 0 in a dump")
    fault = _outcomes_fault(outcomes, markets)
    if fault:
        raise reader.fail("outcomes", fault)
    _place_markets(reader, book, markets, outcomes)
    _read_bets(reader, book, bets_max=bets_max)
    if layout > 3:
        charges.load(reader, book)
    _read_marks(reader, book, outcomes, layout=layout)
    sums, fault = _sums(book, book.earlier, rules=rules)
    if fault:
        raise reader.fail("bets", fault)
    outbox = Outbox.load(
        reader.items("outbox"), odds_of=partial(_odds_of, book) if layout < 3 else None
    )
    resolutions, positions = Resolutions(book, outbox, rules=rules), FeedPositions()
    if layout > 1:
        resolutions.load(
            windows=reader.items("windows"),
            deductions=reader.items("deductions"),
            partial=reader.items("partial") if layout > 2 else (),
            final=reader.items("final") if layout > 2 else (),
            with_outcomes=layout > 2,
        )
        if layout > 3:
            marks = reader.rows("early", MARKED, high=book.bets_len)
            corrections = reader.rows("corrections", CORRECTED)
            resolutions.load_early(
                marks, reader.items("play"), reader.items("withdrawn"), corrections
            )
        positions = FeedPositions.load(reader.items("positions"))
        if not _are_markets(positions.market_nos(), markets):
            raise reader.fail("positions", "of a market that is not in the dump")
    resolved = resolutions.count_resolved()
    fault = _figures_fault(book, resolved, sums, without_stakes=layout == 1)
    if fault:
        raise reader.fail("bets", fault)
    for slot, figures in resolved.items():
        write_figures(book, slot, figures)
    grids = FixtureGrids(book, resolutions)
    grids.load(keys, reader if layout > 3 else None)
    waiting = WaitingBets.load(book, reader) if layout > 3 else WaitingBets(book)
    return Parts(book, outbox, resolutions, positions, grids, waiting, keys, names, rules)


def _read_marks(reader: Reader, book: Book, outcomes: Rows, *, layout: int) -> None:
    """Read what traders have set beside the flags of markets and outcomes."""
    if layout > 3:
        book.due_milli = load_due(book, reader.items("due"))
        book.stopped_by = load_stops(book, reader.items("stops"))
    for field, fault in (("due", due_fault(book, outcomes)), ("stops", stops_fault(book))):
        if fault:
            raise reader.fail(field, fault)


def _place_markets(reader: Reader, book: Book, markets: Rows, outcomes: Rows) -> None:
    book.markets_len, book.outcomes_len = len(markets), len(outcomes)
    if len(markets):
        book.markets, book.outcomes = markets, outcomes
        book.returned = np.zeros(len(outcomes), RETURNED)
        book.members = np.zeros(len(markets), MEMBER)
        book.members["first_codes"] = -1
    book.market_table = empty_table(len(markets))
    if fill_nb(book.market_table, _numbers(markets), 0, len(markets)) >= 0:
        raise reader.fail("markets", "a market's number is given twice")


def _odds_of(book: Book, bet_ids: U64s) -> I32s:
    """Return the recorded odds of bets by their ids, 0 for a bet that the book does not have."""
    odds: I32s = recall(book, bet_ids)["odds_milli"]
    return odds


def _set_flags(markets: Rows) -> None:
    """Write the flags that follow from layout 1.

    In layout 1 only traders stopped markets, and only settlements and cancellations raised
    `settlement_no`.
    """
    status = markets["status"]
    held = np.where(np.isin(status, _STOPPED), MARKET_HELD, 0)
    settled = (status == Status.SETTLED) | (
        (status == Status.CANCELLED) & (markets["settlement_no"] > 1)
    )
    voided = np.where(status == Status.CANCELLED, MARKET_VOIDED, 0)
    markets["flags"] = held + voided + np.where(settled, MARKET_RESULTS, 0)


def _from_outcomes_1(outcomes_1: Rows) -> Rows:
    outcomes: Rows = np.zeros(len(outcomes_1), OUTCOME)
    for name in _OUTCOME_1.fields or ():
        outcomes[name] = outcomes_1[name]
    return outcomes


def _as_outcomes_1(outcomes: Rows) -> Rows:
    outcomes_1: Rows = np.zeros(len(outcomes), _OUTCOME_1)
    for name in _OUTCOME_1.fields or ():
        outcomes_1[name] = outcomes[name]
    return outcomes_1


def _are_markets(market_nos: list[MarketNo], markets: Rows) -> bool:
    return bool(np.all(np.isin(np.array(market_nos, np.int64), markets["market_no"])))


def _read_keys(reader: Reader, keys: list[str]) -> None:
    if len(dict.fromkeys(keys)) != len(keys):
        raise reader.fail("keys", "a key is given twice")
    for key in keys:
        try:
            canonical = str(parse_market_key(key))
        except MalformedIdError as error:
            raise reader.fail("keys", str(error)) from error
        if canonical != key:
            raise reader.fail("keys", f"{key!r} is not in canonical form")


def _read_names(reader: Reader, markets: Rows) -> list[tuple[str, ...]]:
    names: list[tuple[str, ...]] = []
    items = reader.items("names", count=len(markets))
    for count, outcomes in zip(markets["outcomes"].tolist(), items, strict=True):
        if not isinstance(outcomes, list | tuple) or len(outcomes) != count:
            raise reader.fail("names", "not one name for each outcome")
        if not all(isinstance(name, str) for name in outcomes):
            raise reader.fail("names", "not strings")
        names.append(tuple(outcomes))
    return names


def _read_bets(reader: Reader, book: Book, *, bets_max: int) -> None:
    records = reader.rows("bets", BET_RECORD, high=bets_max)
    book.bets_len = len(records)
    book.bet_table = empty_table(len(records))
    if len(records):
        book.records = records
        book.earlier = np.zeros(len(records), np.int32)
    if fill_nb(book.bet_table, records["bet_id"], 0, len(records)) >= 0:
        raise reader.fail("bets", "a bet id is given twice")
    if not np.all(np.isin(records["reason"], [int(reason) for reason in Reason])):
        raise reader.fail("bets", "a reason that does not exist")


def _markets_fault(markets: Rows, outcomes_len: int) -> str:
    counts = markets["outcomes"].astype(np.int64)
    firsts = np.cumsum(counts) - counts
    if not np.array_equal(firsts, markets["first_outcome"]) or counts.sum() != outcomes_len:
        return "first_outcome: not the sum of the outcomes of the markets before"
    if not _within(counts, 1, OUTCOMES_MAX):
        return f"outcomes: 1 to {OUTCOMES_MAX}"
    if not np.all(np.isin(markets["status"], [int(status) for status in Status])):
        return "status: no such status"
    if not _within(markets["flags"], 0, _MARKET_FLAGS):
        return "flags: no such flag"
    held, stand = markets["flags"] & MARKET_HELD > 0, markets["flags"] & MARKET_RESULTS > 0
    active = markets["status"] == Status.ACTIVE
    if np.any((markets["flags"] & MARKET_HELD_WITH_ALL > 0) & ~held):
        return "flags: held with all and not held"
    if np.any(held & active):
        return "flags: held and active"
    if np.any((markets["flags"] & MARKET_FEED_STOPPED > 0) & active):
        return "flags: stopped by a feed and active"
    settled, cancelled = (markets["status"] == s for s in (Status.SETTLED, Status.CANCELLED))
    if np.any((markets["flags"] & MARKET_VOIDED > 0) & ~cancelled):
        return "flags: voided and not cancelled"
    if np.any(settled & ~stand | stand & ~settled & ~cancelled):
        return "flags: results without a settlement, or a settlement without results"
    if not _within(markets["stake_minor_min"], 1, STAKE_MINOR_MAX) or not np.all(
        markets["stake_minor_min"] <= markets["stake_minor_max"]
    ):
        return f"stake_minor_min: 1 to {STAKE_MINOR_MAX} and to stake_minor_max"
    if not _within(markets["stake_minor_max"], 1, STAKE_MINOR_MAX):
        return f"stake_minor_max: 1 to {STAKE_MINOR_MAX}"
    for name in ("payout_minor_max", "outcome_liability_minor_max", "market_liability_minor_max"):
        if not _within(markets[name], 0, LIMIT_MINOR_MAX):
            return f"{name}: 0 to {LIMIT_MINOR_MAX}"
    return "" if np.all(markets["version"] >= 1) else "version: from 1"


def _outcomes_fault(outcomes: Rows, markets: Rows) -> str:
    if not _within(outcomes["odds_milli"], ODDS_MILLI_MIN, ODDS_MILLI_MAX):
        return f"odds_milli: {ODDS_MILLI_MIN} to {ODDS_MILLI_MAX}"
    if not _within(outcomes["flags"], 0, OUTCOME_ACTIVE | OUTCOME_WON | OUTCOME_MARKS):
        return "flags: no such flag"
    if not _within(outcomes["void_halves"], 0, 2):
        return "void_halves: 0 to 2"
    if not _within(outcomes["dead_heat_den"], 1, DEAD_HEAT_DEN_MAX) or not np.all(
        outcomes["dead_heat_num"] <= outcomes["dead_heat_den"]
    ):
        return f"dead_heat: a fraction over 1 to {DEAD_HEAT_DEN_MAX}"
    no_results = np.repeat(markets["flags"] & MARKET_RESULTS == 0, markets["outcomes"])
    if np.any(no_results & ((outcomes["flags"] & OUTCOME_WON > 0) | (outcomes["void_halves"] > 0))):
        return "flags: a result where none stands"
    return ""


def _within(values: "np.ndarray[Any, Any]", low: int, high: int) -> bool:
    return bool(np.all((values >= low) & (values <= high)))


def _numbers(markets: Rows) -> "np.ndarray[Any, np.dtype[np.uint64]]":
    return markets["market_no"].astype(np.uint64)


class _Sums(NamedTuple):
    """The stakes and payouts of all outcomes, as if no bet were refunded."""

    stake_minor: I64s
    payout_minor: I64s


def _sums(book: Book, earlier: I32s, *, rules: int) -> tuple[_Sums, str]:
    """Add up all accepted bets, legs by their charges, and write the chain of bets into `earlier`.

    Returns the sums, and the first impossible bet or difference or an empty text.
    """
    markets = book.markets[: book.markets_len]
    bets, last_bet = np.zeros(len(markets), np.int64), np.zeros(len(markets), np.uint32)
    sums = _Sums(np.zeros(book.outcomes_len, np.int64), np.zeros(book.outcomes_len, np.int64))
    fault = audit_nb(
        book.records[: book.bets_len],
        markets,
        book.market_table,
        _numbers(markets),
        earlier,
        bets,
        last_bet,
        sums.payout_minor,
        sums.stake_minor,
        book.charges,
        book.charge_table,
        rules,
    )
    if fault >= 0:
        return sums, f"bet {int(book.records[fault]['bet_id'])} cannot have been accepted"
    if not np.array_equal(bets, markets["bets"]):
        return sums, "their counts are not the markets' bets"
    if not np.array_equal(last_bet, markets["last_bet"]):
        return sums, "the latest are not the markets' last_bet"
    return sums, ""


def _figures_fault(
    book: Book, resolved: dict[int, Figures], sums: _Sums, *, without_stakes: bool = False
) -> str:
    """Compare the book's figures with those of its bets; return the first difference.

    `resolved` are the figures of the markets of which bets may be refunded or settled, by slot.
    With `without_stakes` the book has no stakes per outcome yet, and they are written.
    """
    markets, outcomes = book.markets[: book.markets_len], book.outcomes[: book.outcomes_len]
    for slot, figures in resolved.items():
        places = book.range_of(slot)
        sums.stake_minor[places] = figures.stake_minor
        sums.payout_minor[places] = figures.payout_minor
    if not np.array_equal(sums.payout_minor, outcomes["payout_minor"]):
        return "their sums are not the outcomes' payout_minor"
    if without_stakes:
        outcomes["stake_minor"] = sums.stake_minor
    if not np.array_equal(sums.stake_minor, outcomes["stake_minor"]):
        return "their sums are not the outcomes' stake_minor"
    taken, worst = _by_market(markets, sums)
    if not np.array_equal(taken, markets["stake_taken_minor"]):
        return "their sums are not the markets' stake_taken_minor"
    if not np.array_equal(worst, markets["payout_worst_minor"]):
        return "their largest payouts are not the markets' payout_worst_minor"
    return ""


def _by_market(markets: Rows, sums: _Sums) -> tuple[I64s, I64s]:
    """Return the sum of stakes and the largest payout of each market."""
    if len(markets) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    firsts = markets["first_outcome"].astype(np.int64)
    taken: I64s = np.add.reduceat(sums.stake_minor, firsts)
    worst: I64s = np.maximum.reduceat(sums.payout_minor, firsts)
    return taken, worst


def _by_first_rules(book: Book) -> tuple[Rows, Rows]:
    """Return copies of the markets and outcomes with the figures that the first rules give."""
    sums, fault = _sums(book, np.zeros(book.bets_len, np.int32), rules=RULES_FIRST)
    assert not fault, fault
    markets = book.markets[: book.markets_len].copy()
    outcomes = book.outcomes[: book.outcomes_len].copy()
    outcomes["stake_minor"], outcomes["payout_minor"] = sums.stake_minor, sums.payout_minor
    markets["stake_taken_minor"], markets["payout_worst_minor"] = _by_market(markets, sums)
    return markets, outcomes


def check(parts: Parts) -> None:
    """Assert every invariant of a state."""
    book = parts.book
    markets, outcomes = book.markets[: book.markets_len], book.outcomes[: book.outcomes_len]
    assert not _markets_fault(markets, len(outcomes)), _markets_fault(markets, len(outcomes))
    assert not _outcomes_fault(outcomes, markets), _outcomes_fault(outcomes, markets)
    assert not due_fault(book, outcomes), due_fault(book, outcomes)
    assert not stops_fault(book), stops_fault(book)
    earlier = np.zeros(book.bets_len, np.int32)
    sums, fault = _sums(book, earlier, rules=parts.rules)
    assert not fault, fault
    accepted = book.records["reason"][: book.bets_len] == Reason.ACCEPTED
    assert np.array_equal(earlier[accepted], book.earlier[: book.bets_len][accepted])
    bet_ids = book.records["bet_id"][: book.bets_len]
    assert missing_nb(book.bet_table, bet_ids) < 0, "a bet is not found by its id"
    assert np.count_nonzero(book.bet_table) == book.bets_len
    assert missing_nb(book.market_table, _numbers(markets)) < 0, "a market is not found"
    assert np.count_nonzero(book.market_table) == book.markets_len
    assert [len(outcomes) for outcomes in parts.names] == markets["outcomes"].tolist()
    assert len(parts.keys) == len(dict.fromkeys(parts.keys)) == book.markets_len
    assert all(str(parse_market_key(key)) == key for key in parts.keys)
    resolved = parts.resolutions.count_resolved()
    fault = _figures_fault(book, resolved, sums)
    assert not fault, fault
    returned = np.zeros(book.outcomes_len, RETURNED)
    for slot, figures in resolved.items():
        returned[book.range_of(slot)] = figures.returned
    assert np.array_equal(returned, book.returned[: book.outcomes_len])
    charges.check(book)
    parts.grids.check()
    parts.waiting.check()
    parts.outbox.check()
    parts.resolutions.check()
    positions = parts.positions
    assert FeedPositions.load(positions.dump()).dump() == positions.dump()
    assert _are_markets(positions.market_nos(), markets)
