"""Write tickets as the rows that account and market shells take, for a whole batch at a time.

Owns the order of the fields. A bet has one row for its account and one for its market; a slip has
one for itself and one for each leg at its account, and each leg has one at its market.
"""

from collections.abc import Sequence
from struct import Struct

from engine.common.rows import (
    BET_ROW,
    DECISION_ROW,
    FLAG_EACH_WAY,
    FLAG_FREE_BET,
    FLAG_HEAD,
    FLAG_LEG_OF_SLIP,
    RESERVATION_ROW,
    SLIP_BET,
)
from gateway.bets.slip_ticket import LegTicket, SlipTicket
from gateway.bets.ticket import Ticket


def reservation_rows(tickets: Sequence[Ticket | SlipTicket]) -> bytes:
    """Return RESERVATION rows in order: `ticket.rows` of them for each ticket."""
    pack = RESERVATION_ROW.pack
    return b"".join(
        [
            pack(
                t.ref_bytes,
                t.stake_minor,
                t.account_no,
                t.market_no,
                t.odds_milli,
                t.outcome,
                t.policy,
                0,
            )
            if type(t) is Ticket
            else slip_rows(t)
            for t in tickets
        ]
    )


def slip_rows(slip: SlipTicket) -> bytes:
    """Return the RESERVATION row of a slip, and the LEG_RESERVATION rows of its legs."""
    pack = RESERVATION_ROW.pack
    head = pack(
        slip.ref_bytes,
        slip.stake_minor,
        slip.account_no,
        len(slip.bets) // SLIP_BET.itemsize,
        slip.free_bet or slip.offer,
        len(slip.legs),
        slip.policy,
        FLAG_HEAD | FLAG_FREE_BET * (slip.free_bet > 0) | FLAG_EACH_WAY * slip.each_way,
    )
    legs = [
        pack(
            bytes((leg.event, leg.position)),
            0,
            leg.account_no,
            leg.market_no,
            leg.odds_milli,
            leg.outcome,
            leg.policy,
            FLAG_LEG_OF_SLIP,
        )
        for leg in slip.legs
    ]
    return b"".join([head, *legs])


def reserve_arguments(tickets: Sequence[Ticket | SlipTicket]) -> tuple[bytes, ...]:
    """Return the reservations of a call, and the SLIP_BET rows of its slips where it has any."""
    rows = reservation_rows(tickets)
    if len(rows) == len(tickets) * RESERVATION_ROW.size:
        return (rows,)
    return rows, b"".join([t.bets for t in tickets if isinstance(t, SlipTicket)])


def bet_rows(tickets: Sequence[Ticket | LegTicket]) -> bytes:
    """Return BET rows, one for each ticket, in order, and count the sending of each."""
    pack = BET_ROW.pack
    rows = []
    for t in tickets:
        t.sends += 1
        rows.append(
            pack(
                t.bet_id,
                t.stake_minor,
                t.account_no,
                t.market_no,
                t.odds_milli,
                t.rate_micro,
                t.outcome,
                t.policy,
                t.flags,
                t.factor_milli,
            )
        )
    return b"".join(rows)


def checked_rows(answer: bytes, row: Struct, count: int) -> bytes:
    """Return an answer that has one row for each bet sent; any other is a defect of the shell."""
    if len(answer) != count * row.size:
        raise ValueError(f"{len(answer)} bytes are not {count} rows of {row.size}")
    return answer


def decision_rows(verdict: bytes) -> list[bytes]:
    """Return the DECISION rows of one ticket, each by itself."""
    size = DECISION_ROW.size
    return [verdict[at : at + size] for at in range(0, len(verdict), size)]
