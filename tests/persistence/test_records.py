"""Payloads of rows decode to the rows that were encoded, wherever those lie in memory."""

import numpy as np

from engine.common.rows import RESERVED
from persistence.disk import Buffer
from persistence.records import (
    bets_bytes,
    decode_bets,
    decode_exchange,
    decode_settlements,
    encode_bets,
    encode_exchange,
    encode_settlements,
    exchange_bytes,
)
from tests.persistence.command_sequences import bets, reservations, settlements, verdicts


def joined(parts: list[Buffer]) -> memoryview:
    return memoryview(b"".join(map(bytes, parts)))


def test_rows_with_gaps_between_them_in_memory_are_encoded_without_the_gaps() -> None:
    rows = settlements(1, 2, 3, 4, 5)[::2]
    assert not rows.flags.c_contiguous
    assert decode_settlements(joined(encode_settlements(rows))).tobytes() == rows.tobytes()


def test_a_batch_of_bets_decodes_to_bets_and_decisions() -> None:
    rows, decisions = bets(3, 1, 2), verdicts(3, 1, 2)
    payload = joined(encode_bets(rows, decisions))
    assert len(payload) == bets_bytes(3)
    assert [found.tobytes() for found in decode_bets(payload)] == [
        rows.tobytes(),
        decisions.tobytes(),
    ]


def test_an_exchange_decodes_to_verdicts_reservations_and_answers() -> None:
    given = (verdicts(1, 2, 3), reservations("a", "b"), np.zeros(2, RESERVED))
    payload = joined(encode_exchange(*given))
    assert len(payload) == exchange_bytes(verdicts=3, reservations=2)
    assert [found.tobytes() for found in decode_exchange(payload)] == [
        rows.tobytes() for rows in given
    ]
