"""Measure the parsing of an exchange's stream into order books, beside betfairlightweight.

Both sides take the same messages as bytes in memory and keep every ladder of every market. The
recording is the file that OVERROUND_EXCHANGE_RECORDING names, else the one beside the project, else
a generated one, seeded and of the same length. Before anything is timed, the order books of both
sides are compared level by level throughout the recording.
"""

import gc
import logging
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gateway.feeds.bridge.recordings import EXCHANGE, read_messages
from gateway.feeds.exchange.order_book import StreamOrderBooks
from tests.bench.table import Row
from tests.gateway.feeds.exchange.builders import recording

RUNS = 7
MESSAGES = 18_529
SEED = 2022
VARIABLE = "OVERROUND_EXCHANGE_RECORDING"
BESIDE = Path("shared/data/betfair/cricket-match-odds-1.200806927.jsonl.gz")
COMPARED_EVERY = 37
ABSENT = "betfairlightweight is not installed: make bench installs it"
AGAINST = "betfairlightweight 2.24"


def messages() -> tuple[list[bytes], str]:
    """Return the recording's messages, and their source as a text."""
    named = os.environ.get(VARIABLE)
    beside = Path(__file__).resolve().parents[3] / BESIDE
    path = Path(named) if named else beside
    if named or beside.is_file():
        bodies = [one.body for one in read_messages(path, kind=EXCHANGE)]
        return bodies, f"{path.name}, {len(bodies):,} messages"
    source = f"generated with seed {SEED}, {MESSAGES:,} messages"
    return recording(seed=SEED, messages=MESSAGES), source


class DiscardQueue:
    """A queue that drops its items: the measure is of making them."""

    def put(self, output: object) -> None:
        """Drop an item."""


def reference(*, lightweight: bool, snapshots: bool) -> Any:
    """Return betfairlightweight's listener, subscribed to keep market books."""
    from betfairlightweight import StreamListener

    listener = StreamListener(
        output_queue=DiscardQueue() if snapshots else None,
        max_latency=None,
        lightweight=lightweight,
    )
    listener.register_stream(0, "marketSubscription")
    return listener


def timed(work: Callable[[], None]) -> float:
    """Return the seconds of one pass, after a collection of the garbage of earlier ones."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def theirs(bodies: Sequence[bytes], *, lightweight: bool, snapshots: bool) -> None:
    """Feed a recording to the reference."""
    receive = reference(lightweight=lightweight, snapshots=snapshots).on_data
    for body in bodies:
        receive(body)


def ours(bodies: Sequence[bytes], *, snapshots: bool) -> None:
    """Feed a recording to our books; with `snapshots` copy each market after each update."""
    book = StreamOrderBooks()
    receive, markets = book.receive, book.markets
    if not snapshots:
        for body in bodies:
            receive(body)
        return
    for body in bodies:
        for market_id in receive(body).touched:
            markets[market_id].picture()


def compare(bodies: Sequence[bytes]) -> None:
    """Assert that both sides keep the same order books throughout the recording."""
    listener, book = reference(lightweight=True, snapshots=False), StreamOrderBooks()
    for number, body in enumerate(bodies):
        listener.on_data(body)
        assert book.receive(body).refused == ""
        if number % COMPARED_EVERY and number != len(bodies) - 1:
            continue
        for market in listener.snap():
            runners = book.markets[market["marketId"]].runners
            for runner in market["runners"]:
                handicap = runner["handicap"]
                number_of = runner["selectionId"]
                found = runners[(number_of, handicap) if handicap else number_of]
                assert found.backs() == _levels(runner["ex"]["availableToBack"])
                assert found.lays() == _levels(runner["ex"]["availableToLay"])
                assert found.trd.ranked() == _levels(runner["ex"]["tradedVolume"])
                assert (found.last or None) == (runner["lastPriceTraded"] or None)


def _levels(levels: Sequence[dict[str, float]]) -> tuple[tuple[float, float], ...]:
    return tuple((level["price"], level["size"]) for level in levels)


def _row(
    measure: str,
    bodies: Sequence[bytes],
    *,
    our_pass: Callable[[], None],
    their_pass: Callable[[], None],
    against: str,
    goal: float,
    conditions: str,
) -> Row:
    """Run both in turn; the best run of each counts, since other load only slows a run down."""
    pairs = [(timed(our_pass), timed(their_pass)) for _ in range(RUNS)]
    samples = [len(bodies) / pair[0] for pair in pairs]
    references = [len(bodies) / pair[1] for pair in pairs]
    return Row(
        measure=measure,
        unit="messages/s",
        ours=max(samples),
        reference=max(references),
        against=against,
        better="higher",
        goal=goal,
        goal_is="ratio",
        conditions=conditions,
        samples=samples,
        reference_samples=references,
    )


def exchange_parse() -> list[Row]:
    """Measure parsing alone, and with a snapshot of the market after every message."""
    if find_spec("betfairlightweight") is None:
        raise SystemExit(ABSENT)
    logging.getLogger("betfairlightweight").setLevel(logging.CRITICAL)
    bodies, source = messages()
    compare(bodies)
    parser = "orjson" if find_spec("orjson") else "json"
    conditions = f"{source}; best of {RUNS} runs in turn; the reference parses with {parser}"
    return [
        _row(
            "exchange stream to order books",
            bodies,
            our_pass=partial(ours, bodies, snapshots=False),
            their_pass=partial(theirs, bodies, lightweight=True, snapshots=False),
            against=f"{AGAINST}, StreamListener.on_data, lightweight, without output",
            goal=3.0,
            conditions=f"{conditions}; both keep full ladders, ours keeps every ladder sorted",
        ),
        _row(
            "exchange stream to order books, a snapshot per message",
            bodies,
            our_pass=partial(ours, bodies, snapshots=True),
            their_pass=partial(theirs, bodies, lightweight=True, snapshots=True),
            against=f"{AGAINST}, lightweight, with an output queue: a dict of every market book",
            goal=1.0,
            conditions=f"{conditions}; our snapshots are sorted and frozen, its are live dicts",
        ),
        _row(
            "exchange stream, snapshots against market book objects",
            bodies,
            our_pass=partial(ours, bodies, snapshots=True),
            their_pass=partial(theirs, bodies, lightweight=False, snapshots=True),
            against=f"{AGAINST} in its default mode, with an output queue: MarketBook objects",
            goal=3.0,
            conditions=conditions,
        ),
    ]
