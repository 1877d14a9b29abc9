"""Rows as `struct` packs them for the bet path: pinned formats, and the bytes that numpy reads."""

from struct import Struct

import numpy as np
import pytest

from engine.common.rows import (
    BET,
    BET_ROW,
    DECISION,
    DECISION_ROW,
    FLAG_HEAD,
    FLAG_LEG,
    FLAG_LEG_OF_SLIP,
    LEG_RESERVATION,
    RESERVATION,
    RESERVATION_ROW,
    RESERVED,
    RESERVED_ROW,
    SLIP_BET,
    Policy,
)
from gateway.bets.rows import bet_rows, reserve_arguments
from gateway.bets.slip_ticket import LegTicket, SlipTicket
from gateway.bets.ticket import Ticket

REF = b"0123456789abcdefghijklmnopqrstuv"
CASES = {
    "reservation": (
        RESERVATION_ROW,
        RESERVATION,
        "<32sqIIiHBB",
        (REF, 101, 7, 42, 2_500, 2, 1, 0),
        (
            "ref", "stake_minor", "account_no", "market_no", "odds_milli",
            "outcome", "policy", "flags",
        ),
    ),
    "reserved": (
        RESERVED_ROW,
        RESERVED,
        "<QqiiHBBH2x",
        (1 << 50, -1, 2_500, 1_000_000, 603, 3, 1, 250),
        (
            "bet_id", "stake_max_minor", "odds_milli", "rate_micro", "reason", "state", "flags",
            "factor_milli",
        ),
    ),
    "bet": (
        BET_ROW,
        BET,
        "<QqIIiiHBBH2x",
        ((1 << 62) + 5, 101, 7, 42, 2_500, 999_999, 2, 1, 1, 9_999),
        (
            "bet_id", "stake_minor", "account_no", "market_no", "odds_milli",
            "rate_micro", "outcome", "policy", "flags", "factor_milli",
        ),
    ),
    "decision": (
        DECISION_ROW,
        DECISION,
        "<QqiHH",
        ((1 << 62) + 5, 77, 2_500, 704, 1),
        ("bet_id", "stake_max_minor", "odds_milli", "reason", "flags"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_struct_writes_the_bytes_that_the_dtype_reads(name: str) -> None:
    layout, dtype, pinned, values, fields = CASES[name]
    data = Struct(pinned).pack(*values)
    assert layout.pack(*values) == data
    assert layout.unpack(data) == values
    row = np.frombuffer(data, dtype)[0]
    for field, value in zip(fields, values, strict=True):
        read = row[field].tobytes() if field == "ref" else int(row[field])
        assert read == value, field


def slip_of(count: int) -> SlipTicket:
    slip = SlipTicket(
        session=None,  # type: ignore[arg-type]
        ref="s",
        ref_bytes=b"s",
        account_no=7,
        bets=np.zeros(count, SLIP_BET).tobytes(),
        stake_minor=900,
        lines=3,
        policy=Policy.COMBINED_HIGHER,
    )
    legs = tuple(
        LegTicket(
            slip=slip,
            account_no=7,
            market_no=40 + at,
            outcome=at,
            odds_milli=2_500 + at,
            policy=Policy.ANY,
            event=at // 2,
            position=62 - at,
            shell="market-a",
            bet_id=100 + at,
            stake_minor=300,
            rate_micro=1_000_000,
        )
        for at in range(3)
    )
    slip.take_legs(legs)
    return slip


def single() -> Ticket:
    return Ticket(
        session=None,  # type: ignore[arg-type]
        ref="a",
        ref_bytes=b"a",
        account_no=7,
        market_no=1,
        outcome=0,
        stake_minor=5,
        odds_milli=2_000,
        policy=0,
    )


def test_a_slip_takes_a_row_for_its_head_and_one_for_each_leg_between_singles() -> None:
    slip = slip_of(2)
    data, bets = reserve_arguments([single(), slip, single()])
    rows = np.frombuffer(data, RESERVATION)
    assert rows["flags"].tolist() == [0, FLAG_HEAD, *[FLAG_LEG_OF_SLIP] * 3, 0]
    assert slip.rows == 4
    head = rows[1]
    assert head["ref"].tobytes() == b"s".ljust(32, b"\0")
    figures = [int(head[name]) for name in ("stake_minor", "outcome", "market_no", "odds_milli")]
    assert figures == [900, 3, 2, 0]
    assert (head["account_no"], head["policy"]) == (7, Policy.COMBINED_HIGHER)
    legs = np.frombuffer(data, LEG_RESERVATION)[2:5]
    assert legs["event"].tolist() == [0, 0, 1]
    assert legs["position"].tolist() == [62, 61, 60]
    assert not legs["pad"].any()
    assert legs["stake_minor"].tolist() == [0, 0, 0]
    assert legs["market_no"].tolist() == [40, 41, 42]
    assert legs["outcome"].tolist() == [0, 1, 2]
    assert legs["odds_milli"].tolist() == [2_500, 2_501, 2_502]
    assert legs["policy"].tolist() == [Policy.ANY] * 3
    assert legs["account_no"].tolist() == [7] * 3
    assert len(bets) == 2 * SLIP_BET.itemsize


def test_a_call_without_slips_has_no_third_argument() -> None:
    assert len(reserve_arguments([single(), single()])) == 1


def test_a_leg_is_a_bet_with_a_flag_at_its_market() -> None:
    slip = slip_of(1)
    rows = np.frombuffer(bet_rows([single(), slip.legs[1]]), BET)
    assert rows["flags"].tolist() == [0, FLAG_LEG]
    leg = rows[1]
    names = ("bet_id", "stake_minor", "account_no", "market_no", "odds_milli", "rate_micro")
    assert [int(leg[name]) for name in names] == [101, 300, 7, 41, 2_501, 1_000_000]
    assert (leg["outcome"], leg["policy"]) == (1, Policy.ANY)
    assert slip.legs[1].sends == 1
