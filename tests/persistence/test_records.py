"""Payloads of rows decode to the rows that were encoded, wherever those lie in memory."""

import numpy as np
import pytest

from engine.common.rows import CHARGE, RESERVED, SLIP_BET, Rows
from persistence.disk import Buffer
from persistence.records import (
    Kind,
    PayloadError,
    bets_bytes,
    decode_bets,
    decode_charges,
    decode_exchange,
    decode_settlements,
    encode_bets,
    encode_charges,
    encode_exchange,
    encode_settlements,
    exchange_bytes,
    exchange_kind,
)
from tests.persistence.command_sequences import bets, reservations, settlements, verdicts

NO_SLIP_BETS: Rows = np.zeros(0, SLIP_BET)


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
    given = (verdicts(1, 2, 3), reservations("a", "b"), NO_SLIP_BETS, np.zeros(2, RESERVED))
    payload = joined(encode_exchange(*given))
    assert len(payload) == exchange_bytes(verdicts=3, reservations=2)
    assert exchange_kind(NO_SLIP_BETS) is Kind.EXCHANGE
    assert [found.tobytes() for found in decode_exchange(payload)] == [
        rows.tobytes() for rows in given
    ]


def test_an_exchange_without_slips_has_the_bytes_of_older_layouts() -> None:
    given, answers = (verdicts(1), reservations("a", "b")), np.zeros(2, RESERVED)
    payload = joined(encode_exchange(*given, NO_SLIP_BETS, answers))
    counts = (1).to_bytes(4, "little") + (2).to_bytes(4, "little")
    assert bytes(payload) == counts + b"".join(rows.tobytes() for rows in (*given, answers))


def slip_bets(count: int) -> Rows:
    rows: Rows = np.zeros(count, SLIP_BET)
    rows["stake_minor"] = np.arange(1, count + 1)
    return rows


@pytest.mark.parametrize(("verdicts_len", "reservations_len", "bets_len"), [(3, 4, 2), (0, 1, 9)])
def test_an_exchange_of_slips_decodes_to_its_rows_at_aligned_places(
    verdicts_len: int, reservations_len: int, bets_len: int
) -> None:
    given = (
        verdicts(*range(1, verdicts_len + 1)),
        reservations(*(f"r{number}" for number in range(reservations_len))),
        slip_bets(bets_len),
        np.zeros(reservations_len, RESERVED),
    )
    payload = joined(encode_exchange(*given))
    assert len(payload) == exchange_bytes(
        verdicts=verdicts_len, reservations=reservations_len, slip_bets=bets_len
    )
    kind = exchange_kind(given[2])
    assert kind is Kind.EXCHANGE_SLIPS
    found = decode_exchange(payload, kind)
    assert [rows.tobytes() for rows in found] == [rows.tobytes() for rows in given]
    assert all(rows.ctypes.data % 8 == 0 for rows in found), "kernels take aligned rows alone"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: data[:15], "shorter than its three counts"),
        (lambda data: data[:8] + b"\0\0\0\0" + data[12:], "no bets of slips"),
        (lambda data: data[:12] + b"\1" + data[13:], "no zeros behind its counts"),
        (
            lambda data: data[:8] + b"\2" + data[9:],
            "do not hold 1 verdicts, 2 reservations, 2 bets",
        ),
        (lambda data: data[:-1], "do not hold 1 verdicts, 2 reservations, 1 bets of slips"),
        (lambda data: data + bytes(8), "do not hold 1 verdicts, 2 reservations, 1 bets of slips"),
    ],
)
def test_an_exchange_of_slips_that_is_not_whole_is_a_payload_error(change, why) -> None:
    given = (verdicts(1), reservations("a", "b"), slip_bets(1), np.zeros(2, RESERVED))
    payload = memoryview(change(bytes(joined(encode_exchange(*given)))))
    with pytest.raises(PayloadError, match=why):
        decode_exchange(payload, Kind.EXCHANGE_SLIPS)


def test_charges_decode_to_the_charges_that_were_encoded_and_no_part_of_one() -> None:
    rows: Rows = np.zeros(6, CHARGE)
    rows["bet_id"] = np.arange(6)
    payload = joined(encode_charges(rows[::2]))
    assert decode_charges(payload).tobytes() == rows[::2].tobytes()
    with pytest.raises(PayloadError, match="95 bytes are not a whole number of charges"):
        decode_charges(payload[:-1])
