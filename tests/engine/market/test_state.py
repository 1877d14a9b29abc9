"""The state as a document: hashes, round trips, and documents that contradict themselves."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.common.commands import (
    CANCEL_WINDOWS_MAX,
    DEDUCTIONS_MAX,
    SOURCES_MAX,
    AckOutbox,
    CancelBets,
    CancelMarket,
    Deduction,
    FeedUpdate,
    OpenMarket,
    SetStatus,
    SettleMarket,
    SuspendMarket,
)
from engine.common.lifecycle import Status
from engine.common.rows import SETTLEMENT
from engine.common.state_hash import state_hash
from engine.market.book import BET_RECORD, MARKET, MARKET_HELD, MARKET_RESULTS, OUTCOME
from engine.market.feed_positions import DIGESTS_KEPT
from engine.market.market import MarketMachine
from tests.engine.market.builders import AT_NS, bet, bet_rows, create, do, open_machine, place, won


def busy_machine() -> MarketMachine:
    """Return a machine with content in every part of a state of layout 1."""
    machine = open_machine(markets=3)
    bets = [
        bet(serial, stake=serial, market=1 + serial % 3, shard=serial % 2)
        for serial in range(1, 200)
    ]
    place(machine, *bets, bet(500, market=9), bet(501, odds=3_000), bet(502, flags=1))
    do(machine, SettleMarket(market_no=2, results=won(True, False, False)))
    do(machine, AckOutbox(shard=1, upto=7))
    return machine


def machine_of_layout_2() -> MarketMachine:
    """Return a machine with content also in every part that layout 2 added."""
    machine = busy_machine()
    deductions = tuple(Deduction(until_ns=at, keep_milli=500) for at in (AT_NS + 1, AT_NS + 9))
    stop = SetStatus(market_no=3, status=Status.SUSPENDED)
    do(
        machine,
        CancelBets(market_no=1, until_ns=AT_NS),
        CancelBets(market_no=1, from_ns=AT_NS, until_ns=AT_NS + 1),
        SettleMarket(market_no=1, results=won(False, True, False), deductions=deductions),
        FeedUpdate(market_no=3, source="b", position=5, digest=1, steps=(stop,)),
        FeedUpdate(market_no=3, source="a", position=6, digest=2, steps=(stop,)),
        FeedUpdate(market_no=3, source="a", position=6, digest=3, steps=(stop,)),
        SuspendMarket(market_no=3),
    )
    machine.check()
    return machine


def test_a_dump_encoded_in_msgpack_loads_to_the_same_state() -> None:
    document = machine_of_layout_2().dump()
    decoded = msgspec.msgpack.decode(msgspec.msgpack.encode(document))
    assert decoded == document
    assert MarketMachine.load(decoded).dump() == document


def test_state_hash_is_that_of_the_dump_after_every_bet_and_after_many() -> None:
    machine = open_machine()
    for serial in range(1, 100):
        place(machine, bet(serial))
        assert machine.state_hash() == state_hash(machine.dump())
    late = open_machine()
    place(late, *[bet(serial) for serial in range(1, 100)])
    assert late.state_hash() == machine.state_hash()


def test_state_hash_does_not_depend_on_how_arrays_grew() -> None:
    grown, reserved = busy_machine(), MarketMachine()
    reserved.reserve(bets=100_000)
    reserved.place(bet_rows([]), AT_NS)
    for number in (1, 2, 3):
        do(reserved, create(number), OpenMarket(market_no=number))
    bets = [
        bet(serial, stake=serial, market=1 + serial % 3, shard=serial % 2)
        for serial in range(1, 200)
    ]
    for one in [*bets, bet(500, market=9), bet(501, odds=3_000), bet(502, flags=1)]:
        place(reserved, one)
    do(reserved, SettleMarket(market_no=2, results=won(True, False, False)))
    do(reserved, AckOutbox(shard=1, upto=3), AckOutbox(shard=1, upto=7))
    assert reserved.state_hash() == grown.state_hash()
    reserved.check()


@pytest.mark.parametrize(
    "change",
    [
        lambda machine: place(machine, bet(9_000)),
        lambda machine: place(machine, bet(9_000, market=77)),
        lambda machine: do(machine, AckOutbox(shard=0, upto=1)),
        lambda machine: do(machine, create(8)),
        lambda machine: do(machine, SettleMarket(market_no=1, results=won(True, False, False))),
        lambda machine: do(machine, CancelBets(market_no=1)),
        lambda machine: do(
            machine,
            FeedUpdate(
                market_no=1,
                source="s",
                position=0,
                steps=(SetStatus(market_no=1, status=Status.ACTIVE),),
            ),
        ),
        lambda machine: do(
            machine,
            SettleMarket(
                market_no=2,
                results=won(True, False, False),
                deductions=(Deduction(until_ns=1, keep_milli=9),),
            ),
        ),
    ],
)
def test_every_change_of_the_state_changes_its_hash(change) -> None:
    machine, before = busy_machine(), busy_machine().state_hash()
    assert machine.state_hash() == before
    change(machine)
    assert machine.state_hash() != before


def test_a_loaded_machine_gives_the_answers_of_the_dumped_machine() -> None:
    first = busy_machine()
    second = MarketMachine.load(first.dump())
    for machine in (first, second):
        assert place(machine, bet(3, stake=3, shard=1), bet(9_000), bet(502))[0][3] == 1
        do(machine, create(8), SettleMarket(market_no=1, results=won(False, True, False)))
    assert first.state_hash() == second.state_hash()
    second.check()


def test_a_view_of_the_bets_keeps_its_content_when_the_array_grows() -> None:
    machine = open_machine()
    place(machine, bet(1, stake=77))
    view = machine.bets()
    place(machine, *[bet(serial) for serial in range(2, 5_000)])
    assert view["stake_minor"].tolist() == [77]


def edit(document, field, dtype, at, **values):
    rows = np.frombuffer(document[field], dtype).copy()
    for name, value in values.items():
        rows[at][name] = value
    return {**document, field: rows.tobytes()}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda d: None, "market_machine"),
        (lambda d: [], "market_machine"),
        (lambda d: {**d, "layout": 5}, "layout"),
        (lambda d: {**d, "layout": 0}, "layout"),
        (lambda d: {**without(d, *NEW, "early", "play"), "layout": 1}, "deductions"),
        (lambda d: {**without(d, *NEW, "early", "play"), "layout": 2}, "final"),
        (lambda d: {**without(d, *NEW), "layout": 3}, "early"),
        (lambda d: without(d, "play"), "play"),
        (lambda d: {**d, "layout": 3}, "acceptance"),
        (lambda d: {**d, "partial": [[9, 0, 0, 0, 1, 1]]}, "market_no"),
        (lambda d: {**d, "partial": [[1, 3, 0, 0, 1, 1]]}, "outcome"),
        (lambda d: {**d, "partial": [[1, 0, 0, 0, 2, 2]]}, "outcome"),
        (lambda d: {**d, "partial": [[1, 0, 0, 0, 1, 1]] * 2}, "outcome"),
        (lambda d: {**d, "partial": [[1, 0, 0]]}, "partial"),
        (lambda d: {**d, "rules": 3}, "rules"),
        (lambda d: {**d, "layout": True}, "layout"),
        (lambda d: {name: d[name] for name in d if name != "bets"}, "bets"),
        (lambda d: {**d, "more": 1}, "more"),
        (lambda d: {**d, "markets": "text"}, "markets"),
        (lambda d: {**d, "markets": d["markets"][:-1]}, "markets"),
        (lambda d: {**d, "outcomes": d["outcomes"][:-24]}, "markets"),
        (lambda d: {**d, "keys": d["keys"][:-1]}, "keys"),
        (lambda d: {**d, "keys": [d["keys"][0]] * 3}, "keys"),
        (lambda d: {**d, "keys": [*d["keys"][:2], "nonsense"]}, "keys"),
        (lambda d: {**d, "keys": [*d["keys"][:2], "a/b?z=1|a=1"]}, "keys"),
        (lambda d: {**d, "keys": [*d["keys"][:2], 7]}, "keys"),
        (lambda d: {**d, "keys": "abc"}, "keys"),
        (lambda d: {**d, "names": [["a"], ["b"], ["c"]]}, "names"),
        (lambda d: {**d, "names": [*d["names"][:2], ["a", "b", 3]]}, "names"),
        (lambda d: edit(d, "markets", MARKET, 1, market_no=1), "markets"),
        (lambda d: edit(d, "markets", MARKET, 1, first_outcome=0), "markets"),
        (lambda d: edit(d, "markets", MARKET, 1, status=7), "markets"),
        (lambda d: edit(d, "markets", MARKET, 1, version=0), "markets"),
        (lambda d: edit(d, "markets", MARKET, 1, stake_minor_min=0), "markets"),
        (lambda d: edit(d, "markets", MARKET, 1, stake_minor_max=1 << 60), "markets"),
        (lambda d: edit(d, "markets", MARKET, 1, payout_minor_max=1 << 60), "markets"),
        (lambda d: edit(d, "markets", MARKET, 1, stake_taken_minor=1), "bets"),
        (lambda d: edit(d, "markets", MARKET, 1, bets=1), "bets"),
        (lambda d: edit(d, "markets", MARKET, 1, last_bet=1 << 31), "bets"),
        (lambda d: edit(d, "markets", MARKET, 1, payout_worst_minor=1), "bets"),
        (lambda d: edit(d, "outcomes", OUTCOME, 1, payout_minor=1), "bets"),
        (lambda d: edit(d, "outcomes", OUTCOME, 1, stake_minor=1), "bets"),
        (lambda d: edit(d, "markets", MARKET, 1, flags=4), "flags"),
        (lambda d: edit(d, "markets", MARKET, 1, flags=0), "flags"),
        (lambda d: edit(d, "markets", MARKET, 0, flags=MARKET_RESULTS), "flags"),
        (lambda d: edit(d, "markets", MARKET, 0, flags=MARKET_HELD), "flags"),
        (lambda d: edit(d, "outcomes", OUTCOME, 0, flags=3), "flags"),
        (lambda d: edit(d, "outcomes", OUTCOME, 0, void_halves=1), "flags"),
        (lambda d: edit(d, "outcomes", OUTCOME, 1, odds_milli=5), "outcomes"),
        (lambda d: edit(d, "outcomes", OUTCOME, 1, flags=8), "outcomes"),
        (lambda d: edit(d, "outcomes", OUTCOME, 1, void_halves=3), "outcomes"),
        (lambda d: edit(d, "outcomes", OUTCOME, 1, dead_heat_den=0), "outcomes"),
        (lambda d: edit(d, "bets", BET_RECORD, 0, bet_id=2), "bets"),
        (lambda d: edit(d, "bets", BET_RECORD, 0, market_no=999), "bets"),
        (lambda d: edit(d, "bets", BET_RECORD, 0, outcome=3), "bets"),
        (lambda d: edit(d, "bets", BET_RECORD, 0, reason=3), "bets"),
        (lambda d: edit(d, "bets", BET_RECORD, 0, reason=401), "bets"),
        (lambda d: edit(d, "bets", BET_RECORD, 0, stake_minor=1 << 62), "bets"),
        (lambda d: edit(d, "bets", BET_RECORD, 0, odds_milli=1), "bets"),
        (lambda d: edit(d, "bets", BET_RECORD, 0, rate_micro=-1), "bets"),
        (lambda d: edit(d, "bets", BET_RECORD, 0, rate_micro=1), "bets"),
        (lambda d: {**d, "bets": d["bets"] + b"x"}, "bets"),
        (lambda d: {**d, "outbox": {}}, "outbox"),
        (lambda d: {**d, "outbox": d["outbox"][::-1]}, "shard"),
        (lambda d: {**d, "outbox": [{**d["outbox"][0], "next_seq": 0}]}, "next_seq"),
        (lambda d: {**d, "outbox": [{**d["outbox"][0], "next_seq": 5}]}, "rows"),
        (lambda d: {**d, "outbox": [{**d["outbox"][0], "shard": 9}]}, "rows"),
        (
            lambda d: {
                **d,
                "outbox": [edit(d["outbox"][0], "rows", SETTLEMENT, 3, outbox_seq=99)],
            },
            "rows",
        ),
    ],
)
def test_a_contradicting_document_is_refused_and_the_field_named(change, field) -> None:
    with pytest.raises(ValueError, match=rf"\b{field}\b"):
        MarketMachine.load(change(busy_machine().dump()))


def changed(document, field, at, **values):
    items = [dict(item) for item in document[field]]
    items[at] |= values
    return {**document, field: items}


def many(document, field, count, **values):
    items = [
        document[field][0] | {name: to(at) for name, to in values.items()} for at in range(count)
    ]
    return {**document, field: items}


def times_of(document, at, **values):
    window = document["windows"][at]
    return {name: window[name] for name in ("market_no", "from_ns", "until_ns", "bets")} | values


def placed(document, place, at, *values):
    items = [list(item) for item in document["positions"]]
    items[at][place] = values if isinstance(place, slice) else values[0]
    return {**document, "positions": items}


NEW = ("acceptance", "charges", "corrections", "due", "permits", "waiting")
"""Fields of layout 4 that are named first where an older layout has them."""


def without(document, *fields):
    return {name: value for name, value in document.items() if name not in fields}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda d: {name: d[name] for name in d if name != "windows"}, "windows"),
        (lambda d: {**d, "windows": {}}, "windows"),
        (lambda d: {**d, "windows": [7]}, "windows"),
        (lambda d: {**d, "windows": d["windows"][::-1]}, "from_ns"),
        (lambda d: {**d, "windows": d["windows"][:1] * 2}, "from_ns"),
        (lambda d: changed(d, "windows", 1, until_ns=AT_NS), "from_ns"),
        (lambda d: changed(d, "windows", 1, until_ns=-1), "until_ns"),
        (lambda d: changed(d, "windows", 1, from_ns="a"), "from_ns"),
        (lambda d: changed(d, "windows", 0, market_no=9), "market_no"),
        (lambda d: changed(d, "windows", 0, bets=1_000), "bets"),
        (lambda d: changed(d, "windows", 0, more=1), "more"),
        (lambda d: changed(d, "windows", 0, outcomes=[0, 1, 2]), "outcomes"),
        (lambda d: changed(d, "windows", 0, outcomes=[1, 0]), "outcomes"),
        (lambda d: changed(d, "windows", 1, **times_of(d, 0, outcomes=[0])), "outcomes"),
        (lambda d: {name: d[name] for name in d if name != "final"}, "final"),
        (lambda d: {**d, "final": [7]}, "final"),
        (lambda d: {**d, "final": [[]]}, "market_no"),
        (lambda d: {**d, "final": [[99, 0]]}, "market_no"),
        (lambda d: {**d, "final": [[1]]}, "final"),
        (lambda d: {**d, "final": [[1, 1_000]]}, "final"),
        (lambda d: {**d, "final": [[1, True]]}, "final"),
        (lambda d: many(d, "windows", CANCEL_WINDOWS_MAX + 1, from_ns=lambda at: at), "market_no"),
        (lambda d: {**d, "deductions": d["deductions"][::-1]}, "until_ns"),
        (lambda d: changed(d, "deductions", 0, keep_milli=1_001), "keep_milli"),
        (lambda d: changed(d, "deductions", 0, of_price=1), "of_price"),
        (lambda d: changed(d, "deductions", 1, market_no=3), "market_no"),
        (lambda d: many(d, "deductions", DEDUCTIONS_MAX + 1, until_ns=lambda at: at), "market_no"),
        (lambda d: {**d, "positions": d["positions"][::-1]}, "source"),
        (lambda d: placed(d, 1, 0, ""), "source"),
        (lambda d: placed(d, 1, 0, 5), "source"),
        (lambda d: placed(d, 0, 1, 4), "positions"),
        (lambda d: placed(d, 0, 0, "3"), "market_no"),
        (lambda d: placed(d, 2, 0, -1), "position"),
        (lambda d: placed(d, slice(1, None), 0), "source"),
        (lambda d: placed(d, slice(3, None), 0), "digests"),
        (lambda d: placed(d, slice(3, None), 0, 1, 1), "digests"),
        (lambda d: placed(d, slice(3, None), 0, True), "digests"),
        (lambda d: placed(d, slice(3, None), 0, *range(DIGESTS_KEPT + 1)), "digests"),
        (lambda d: {**d, "positions": [7]}, "positions"),
        (
            lambda d: {**d, "positions": [[3, f"{at:03}", 5, 1] for at in range(SOURCES_MAX + 1)]},
            "source",
        ),
    ],
)
def test_a_document_with_a_contradiction_in_a_part_of_layout_2_is_refused(change, field) -> None:
    with pytest.raises(ValueError, match=rf"\b{field}\b"):
        MarketMachine.load(change(machine_of_layout_2().dump()))


def test_a_dump_of_layout_1_loads_to_the_state_that_follows_from_it() -> None:
    machine = busy_machine()
    do(machine, SuspendMarket(market_no=3), create(4), CancelMarket(market_no=4))
    do(machine, create(5), SettleMarket(market_no=5, results=won(False, False, False)))
    do(machine, CancelMarket(market_no=5))
    old = machine.dump(layout=1)
    assert sorted(old) == ["bets", "keys", "layout", "markets", "names", "outbox", "outcomes"]
    assert len(old["outcomes"]) == 15 * 16
    again = MarketMachine.load(old)
    again.check()
    assert again.rules == 1
    again.begin_epoch(epoch=1, rules=machine.rules)
    assert again.dump() == machine.dump()
    assert again.state_hash(layout=1) == state_hash(old) == machine.state_hash(layout=1)
    assert again.book_image(3).held
    assert [again.results_stand(number) for number in (1, 2, 3, 4, 5)] == [
        False,
        True,
        False,
        False,
        True,
    ]


def test_a_dump_of_layout_1_leaves_out_the_parts_of_layout_2() -> None:
    machine = machine_of_layout_2()
    old = MarketMachine.load(machine.dump(layout=1))
    assert old.state_hash(layout=1) == machine.state_hash(layout=1)
    assert old.state_hash() != machine.state_hash()
    assert machine.book_image(1).windows > 0
    assert old.book_image(1).windows == 0
    assert old.book_image(1).prices == machine.book_image(1).prices
    assert old.feed_positions(3) == {}


def test_a_dump_of_layout_2_has_the_figures_of_the_first_rules() -> None:
    """A bet in another currency, a cancelled window, a settlement and a cancelled market."""
    machines = [MarketMachine(rules=rules) for rules in (1, 2)]
    for machine in machines:
        for number in (1, 2):
            do(machine, create(number), OpenMarket(market_no=number))
        place(
            machine,
            *[bet(serial, stake=999, market=1 + serial % 2, rate=6_789) for serial in range(1, 20)],
        )
        do(
            machine,
            CancelBets(market_no=1, until_ns=AT_NS + 1),
            SettleMarket(market_no=1, results=won(True, False, False)),
            CancelMarket(market_no=2),
        )
        machine.check()
    old, new = machines
    assert old.dump(layout=2) == new.dump(layout=2)
    assert old.state_hash(layout=2) == new.state_hash(layout=2)
    assert old.book_image(2).liability_minor != new.book_image(2).liability_minor
    loaded = MarketMachine.load(new.dump(layout=2))
    for machine in (old, loaded):
        machine.begin_epoch(epoch=2, rules=2)
        machine.check()
        assert machine.dump() == new.dump()
        assert machine.book_image(1) == new.book_image(1)


def test_a_market_without_outcomes_is_not_loaded() -> None:
    machine = MarketMachine()
    do(machine, create(1))
    document = edit(machine.dump(), "markets", MARKET, 0, outcomes=0)
    with pytest.raises(ValueError, match="markets: outcomes: 1 to"):
        MarketMachine.load(document | {"names": [[]], "outcomes": b""})


def test_a_dump_with_more_bets_or_markets_than_the_bounds_is_not_loaded() -> None:
    document = busy_machine().dump()
    with pytest.raises(ValueError, match=r"bets: more than 10"):
        MarketMachine.load(document, bets_max=10)
    with pytest.raises(ValueError, match=r"markets: more than 2"):
        MarketMachine.load(document, markets_max=2)


@pytest.mark.parametrize(
    "damage",
    [
        lambda book: book.markets["stake_taken_minor"].__setitem__(0, 5),
        lambda book: book.outcomes["payout_minor"].__setitem__(0, 5),
        lambda book: book.outcomes["stake_minor"].__setitem__(0, 5),
        lambda book: book.returned["paid_minor"].__setitem__(0, 5),
        lambda book: book.markets["flags"].__setitem__(0, 8),
        lambda book: book.records["stake_minor"].__setitem__(0, 5_000),
        lambda book: book.earlier.__setitem__(5, 1),
        lambda book: book.bet_table.__setitem__(int(np.flatnonzero(book.bet_table)[0]), 0),
        lambda book: book.market_table.__setitem__(int(np.flatnonzero(book.market_table)[0]), 0),
    ],
)
def test_check_finds_damage_to_the_book(damage) -> None:
    machine = busy_machine()
    machine.check()
    damage(machine._book)
    with pytest.raises(AssertionError):
        machine.check()


REPLAY = """
import random
from tests.engine.market.builders import *
from engine.common.commands import SettleMarket, SetOdds, Quote
rng = random.Random(8)
machine = open_machine(markets=50)
for number in range(300):
    place(machine, *[bet(rng.randint(1, 4000), stake=rng.randint(1, 99), shard=rng.randrange(9),
                         market=rng.randint(1, 50), policy=2) for _ in range(10)])
    quote = Quote(outcome=rng.randrange(3), odds_milli=rng.randint(1001, 9000))
    machine.apply(SetOdds(market_no=rng.randint(1, 50), quotes=(quote,)), number)
for number in range(1, 50, 3):
    do(machine, SettleMarket(market_no=number, results=won(True, False, False)))
print(machine.state_hash())
"""


def test_a_replay_gives_one_state_hash_under_every_hash_seed_of_python() -> None:
    root = Path(__file__).parents[3]
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", REPLAY],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("0", "1", "4242")
    ]
    hashes = [run.communicate(timeout=120)[0].strip() for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert len(hashes[0]) == 32
    assert hashes == [hashes[0]] * 3
