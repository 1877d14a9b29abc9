"""Settlements that wait for the account shards to apply them, in one queue for each shard.

Owns the order and the numbers of settlements. A shard's numbers rise and are never used twice, so
an acknowledgement up to a number is unambiguous after losses and repetitions. Never sends a
settlement: the market shell does.

Bounds: while an account shard is down, at most `ROWS_PER_BET_MAX` rows wait for it per bet that the
shell has recorded. When a settlement would pass that, the older rows of each bet are dropped and
its newest stays: accounts follow the highest settlement number alone, so nothing is lost with them.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from engine.common.commands import AckOutbox
from engine.common.events import MarketEvent, OutboxAcked
from engine.common.ids import SHARD_BITS, SHARD_NO_MAX, ShardNo
from engine.common.rows import (
    SETTLEMENT,
    SETTLEMENT_2,
    I32s,
    Rows,
    U64s,
    settlements_as_2,
    settlements_from_2,
)
from engine.common.state_hash import Reader, pack_rows
from engine.market.command_checks import out_of_bounds

SEQ_MAX: Final = (1 << 63) - 1
ROWS_PER_BET_MAX: Final = 2
"""Waiting rows of one shard, per bet of the shell, at which older rows of a bet are dropped. Above
1, so that dropping them, which reads all rows, is rare however often a market is settled again."""


class _Queue:
    """One shard's rows: those from `begin` to `end` wait, those before `begin` are acknowledged."""

    def __init__(self, rows: Rows, *, next_seq: int) -> None:
        self.rows = rows
        self.begin = 0
        self.end = len(rows)
        self.next_seq = next_seq

    def waiting(self) -> Rows:
        return self.rows[self.begin : self.end]

    def append(self, rows: Rows) -> None:
        """Append rows with the next numbers; the array at least doubles when it grows."""
        if self.end + len(rows) > len(self.rows):
            waiting = self.waiting()
            larger = np.zeros(max(len(waiting) + len(rows), 2 * len(waiting)), SETTLEMENT)
            larger[: len(waiting)] = waiting
            self.rows, self.begin, self.end = larger, 0, len(waiting)
        added = self.rows[self.end : self.end + len(rows)]
        added[:] = rows
        added["outbox_seq"] = np.arange(self.next_seq, self.next_seq + len(rows), dtype=np.uint64)
        self.end += len(rows)
        self.next_seq += len(rows)

    def keep_newest(self) -> None:
        """Drop every row that has a newer row of the same bet."""
        waiting = self.waiting()
        _, from_end = np.unique(waiting["bet_id"][::-1], return_index=True)
        self.rows = waiting[np.sort(len(waiting) - 1 - from_end)]
        self.begin, self.end = 0, len(self.rows)

    def ack(self, upto: int) -> int:
        """Drop the rows up to a number; return how many were dropped."""
        # As u64: beside a Python int NumPy compares in float64, copied, and wrong past 2**53.
        seqs = self.waiting()["outbox_seq"]
        forgotten = int(np.searchsorted(seqs, np.uint64(upto), side="right"))
        self.begin += forgotten
        if self.begin == self.end:
            self.rows, self.begin, self.end = np.zeros(0, SETTLEMENT), 0, 0
        return forgotten


class Outbox:
    """Settlements by account shard, oldest first."""

    def __init__(self) -> None:
        self._queues: dict[ShardNo, _Queue] = {}

    def append(self, rows: Rows, *, rows_max: int | None) -> None:
        """Append settlements in their order, each to the shard that gave its bet id.

        A shard with more than `rows_max` waiting rows then keeps the newest row of each bet only;
        None: it keeps all rows, as under the first rules.
        """
        if len(rows) == 0:
            return
        shards = (rows["bet_id"] >> np.uint64(SHARD_BITS)).astype(np.uint16)
        order = np.argsort(shards, kind="stable")
        present, begins = np.unique(shards[order], return_index=True)
        ends = [*begins[1:].tolist(), len(rows)]
        for number, begin, end in zip(present.tolist(), begins.tolist(), ends, strict=True):
            shard = ShardNo(number)
            queue = self._queues.get(shard)
            if queue is None:
                queue = self._queues[shard] = _Queue(np.zeros(0, SETTLEMENT), next_seq=1)
            queue.append(rows if len(present) == 1 else rows[order[begin:end]])
            if rows_max is not None and queue.end - queue.begin > rows_max:
                queue.keep_newest()

    def waiting(self, *, shard: ShardNo, limit: int) -> Rows:
        """Return a copy of a shard's oldest waiting rows, `limit` at most."""
        queue = self._queues.get(shard)
        return np.zeros(0, SETTLEMENT) if queue is None else queue.waiting()[: max(limit, 0)].copy()

    def shards(self) -> list[ShardNo]:
        """Return the shards that have waiting rows, ascending."""
        return sorted(shard for shard, queue in self._queues.items() if queue.begin < queue.end)

    def last_seq(self, shard: ShardNo) -> int:
        """Return the highest number of a shard's rows so far, 0 for none."""
        queue = self._queues.get(shard)
        return 0 if queue is None else queue.next_seq - 1

    def ack(self, *, shard: ShardNo, upto: int) -> int:
        """Drop a shard's rows up to a number at most `last_seq`; return how many were dropped."""
        assert 0 <= upto <= self.last_seq(shard)
        queue = self._queues.get(shard)
        return 0 if queue is None else queue.ack(upto)

    def dump(self, *, with_odds: bool = True) -> list[dict[str, Any]]:
        """Return the canonical form: one map for each shard that ever had a row, ascending.

        Without odds the rows are those of layouts 1 and 2.
        """
        return [
            {
                "shard": shard,
                "next_seq": queue.next_seq,
                "rows": pack_rows(
                    queue.waiting() if with_odds else settlements_as_2(queue.waiting())
                ),
            }
            for shard, queue in sorted(self._queues.items())
        ]

    @staticmethod
    def load(items: list[Any], *, odds_of: Callable[[U64s], I32s] | None = None) -> "Outbox":
        """Rebuild an outbox from its canonical form; a ValueError names the field.

        `odds_of` returns the odds of bets by their ids: given, the rows are those of layouts 1 and
        2 and have no odds of their own.
        """
        outbox, last = Outbox(), -1
        for item in items:
            reader = Reader(item, name="outbox")
            reader.only("shard", "next_seq", "rows")
            shard = ShardNo(reader.integer("shard", low=last + 1, high=SHARD_NO_MAX))
            next_seq = reader.integer("next_seq", low=1, high=SEQ_MAX)
            rows = reader.rows("rows", SETTLEMENT if odds_of is None else SETTLEMENT_2)
            if odds_of is not None:
                rows = settlements_from_2(rows)
                rows["odds_milli"] = odds_of(rows["bet_id"])
            if not _rise_to(rows["outbox_seq"], next_seq, by_one=odds_of is not None):
                raise reader.fail("rows", "numbers do not rise to next_seq")
            if len(rows) and np.any(rows["bet_id"] >> np.uint64(SHARD_BITS) != shard):
                raise reader.fail("rows", f"a bet of another shard than {shard}")
            outbox._queues[shard] = _Queue(rows, next_seq=next_seq)
            last = shard
        return outbox

    def check(self) -> None:
        """Assert for every shard that its rows are of its bets and their numbers rise."""
        for shard, queue in self._queues.items():
            rows = queue.waiting()
            assert _rise_to(rows["outbox_seq"], queue.next_seq, by_one=False)
            assert np.all(rows["bet_id"] >> np.uint64(SHARD_BITS) == shard)


def _rise_to(numbers: U64s, next_seq: int, *, by_one: bool) -> bool:
    """Return whether rows' numbers rise, from 1 at least, to the one before `next_seq`."""
    if len(numbers) == 0:
        return True
    steps = np.diff(numbers.astype(np.int64))
    rise = bool(np.all(steps == 1) if by_one else np.all(steps >= 1))
    return rise and int(numbers[0]) >= 1 and int(numbers[-1]) == next_seq - 1


def ack_outbox(command: AckOutbox, outbox: Outbox) -> MarketEvent:
    """Drop the settlements that a shard has applied, or refuse a number that it was not sent."""
    last = outbox.last_seq(command.shard)
    if not 0 <= command.upto <= last:
        return out_of_bounds("upto", f"shard {command.shard} was sent 1 to {last}")
    forgotten = outbox.ack(shard=command.shard, upto=command.upto)
    return OutboxAcked(shard=command.shard, upto=command.upto, forgotten=forgotten)
