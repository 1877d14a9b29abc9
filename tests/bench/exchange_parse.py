"""An exchange's stream parsed and kept, beside betfairlightweight, on one recording in one run.

Both are handed the same messages as bytes in memory and keep every ladder of every market. The
recording is the file that OVERROUND_EXCHANGE_RECORDING names, else the one that lies beside the
project, else one of our own making, seeded and of the same length. Before anything is timed, both
books are compared level by level all along the recording.
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
from gateway.feeds.exchange.order_book import StreamBook
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
    """Return the recording's messages, and where they came from."""
    named = os.environ.get(VARIABLE)
    beside = Path(__file__).resolve().parents[3] / BESIDE
    path = Path(named) if named else beside
    if named or beside.is_file():
        bodies = [one.body for one in read_messages(path, kind=EXCHANGE)]
        return bodies, f"{path.name}, {len(bodies):,} messages"
    return recording(seed=SEED, messages=MESSAGES), f"made by seed {SEED}, {MESSAGES:,} messages"


class Dropped:
    """A queue that keeps nothing: what is put into it was made, which is what is measured."""

    def put(self, output: object) -> None:
        """Drop it."""


def reference(*, lightweight: bool, snapshots: bool) -> Any:
    """Return betfairlightweight's own listener, told to keep market books."""
    from betfairlightweight import StreamListener

    listener = StreamListener(
        output_queue=Dropped() if snapshots else None, max_latency=None, lightweight=lightweight
    )
    listener.register_stream(0, "marketSubscription")
    return listener


def timed(work: Callable[[], None]) -> float:
    """Return the seconds of one pass, with no rubbish left over from the one before."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def theirs(bodies: Sequence[bytes], *, lightweight: bool, snapshots: bool) -> None:
    """Feed a recording to the reference."""
    take = reference(lightweight=lightweight, snapshots=snapshots).on_data
    for body in bodies:
        take(body)


def ours(bodies: Sequence[bytes], *, snapshots: bool) -> None:
    """Feed a recording to our book; with `snapshots` picture each market after each update."""
    book = StreamBook()
    take, markets = book.receive, book.markets
    if not snapshots:
        for body in bodies:
            take(body)
        return
    for body in bodies:
        for market_id in take(body).touched:
            markets[market_id].picture()


def compare(bodies: Sequence[bytes]) -> None:
    """Assert that both keep the same books all along the recording."""
    listener, book = reference(lightweight=True, snapshots=False), StreamBook()
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
    mine: Callable[[], None],
    other: Callable[[], None],
    against: str,
    goal: float,
    conditions: str,
) -> Row:
    """Run both in turn; the best of the runs counts, since a busy machine only ever takes away."""
    pairs = [(timed(mine), timed(other)) for _ in range(RUNS)]
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
    """Measure book-keeping alone, and with a snapshot of the market after every message."""
    if find_spec("betfairlightweight") is None:
        raise SystemExit(ABSENT)
    logging.getLogger("betfairlightweight").setLevel(logging.CRITICAL)
    bodies, source = messages()
    compare(bodies)
    parser = "orjson" if find_spec("orjson") else "json"
    told = f"{source}; best of {RUNS} runs in turn; the reference parses with {parser}"
    return [
        _row(
            "exchange stream: parse and keep the books",
            bodies,
            mine=partial(ours, bodies, snapshots=False),
            other=partial(theirs, bodies, lightweight=True, snapshots=False),
            against=f"{AGAINST}, StreamListener.on_data, lightweight, no output",
            goal=3.0,
            conditions=f"{told}; both keep full ladders, ours orders one when it is looked at",
        ),
        _row(
            "exchange stream: and a snapshot a message",
            bodies,
            mine=partial(ours, bodies, snapshots=True),
            other=partial(theirs, bodies, lightweight=True, snapshots=True),
            against=f"{AGAINST}, the same with an output queue: a dict of every market book",
            goal=1.0,
            conditions=f"{told}; ours are ordered, frozen pictures, its are live dicts",
        ),
        _row(
            "exchange stream: snapshots beside market books",
            bodies,
            mine=partial(ours, bodies, snapshots=True),
            other=partial(theirs, bodies, lightweight=False, snapshots=True),
            against=f"{AGAINST}, as it comes: MarketBook objects",
            goal=3.0,
            conditions=told,
        ),
    ]
