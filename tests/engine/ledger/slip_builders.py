"""Rows of slips of several legs for the ledger's tests, and a slip driven by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.common.rows import (
    DECISION,
    FLAG_EACH_WAY,
    FLAG_FREE_BET,
    FLAG_HEAD,
    FLAG_LEG_OF_SLIP,
    LEG_RESERVATION,
    RESERVATION,
    RESERVED,
    SETTLEMENT,
    SLIP_BET,
    BetResult,
    Policy,
    Rows,
)
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import NO_VERDICTS, reservation, verdict


@dataclass(frozen=True)
class Leg:
    """A leg; an event and a position of -1 stand for its own number in the slip."""

    odds_milli: int = 2_000
    market_no: int = 1
    outcome: int = 0
    event: int = -1
    position: int = -1


@dataclass(frozen=True)
class LineBet:
    """A bet of a slip: sizes of its lines; with no positions it is over all of the slip."""

    stake_minor: int
    sizes: tuple[int, ...]
    positions: tuple[int, ...] = ()
    bankers: tuple[int, ...] = ()
    payout_minor_max: int = 0


@dataclass
class SlipRequest:
    """A slip as a gateway sends it; `stake_minor` is that of all lines."""

    legs: Sequence[Leg]
    bets: Sequence[LineBet]
    stake_minor: int
    ref: str = "slip"
    account_no: int = 7
    policy: int = Policy.NONE
    offer: int = 0
    free_bet: int = 0
    each_way: bool = False
    answers: Rows = field(default_factory=lambda: np.zeros(0, RESERVED))

    def rows(self) -> Rows:
        """Return the head's row and the legs' rows."""
        head = reservation(
            self.ref,
            account_no=self.account_no,
            stake_minor=self.stake_minor,
            odds_milli=self.free_bet or self.offer,
            market_no=len(self.bets),
            outcome=len(self.legs),
            policy=self.policy,
        )
        head["flags"] = FLAG_HEAD | (FLAG_FREE_BET if self.free_bet else 0)
        head["flags"] |= FLAG_EACH_WAY if self.each_way else 0
        legs = np.zeros(len(self.legs), LEG_RESERVATION)
        for number, (row, leg) in enumerate(zip(legs, self.legs, strict=True)):
            row["event"] = number if leg.event < 0 else leg.event
            row["position"] = number if leg.position < 0 else leg.position
            row["account_no"] = self.account_no
            row["market_no"] = leg.market_no
            row["odds_milli"] = leg.odds_milli
            row["outcome"] = leg.outcome
            row["policy"] = min(self.policy, Policy.ANY)
            row["flags"] = FLAG_LEG_OF_SLIP
        return np.concatenate([head, legs.view(RESERVATION)])

    def bet_rows(self) -> Rows:
        """Return the rows of the slip's bets."""
        rows = np.zeros(len(self.bets), SLIP_BET)
        all_positions = tuple(self.rows().view(LEG_RESERVATION)["position"][1:].tolist())
        for row, bet in zip(rows, self.bets, strict=True):
            row["stake_minor"] = bet.stake_minor
            row["payout_minor_max"] = bet.payout_minor_max
            row["sizes"] = mask(bet.sizes)
            row["positions"] = mask(bet.positions or all_positions)
            row["bankers"] = mask(bet.bankers)
        return rows

    def send(self, ledger: LedgerMachine, *verdicts: Rows, at_ns: int = 10) -> Rows:
        """Exchange verdicts and the slip; return, and keep, the answers to head and legs."""
        given = np.concatenate([NO_VERDICTS, *verdicts])
        self.answers = ledger.exchange(given, self.rows(), at_ns, self.bet_rows())
        return self.answers

    @property
    def bet_id(self) -> int:
        return int(self.answers["bet_id"][0])

    def leg(self, place: int) -> int:
        """Return the bet id of a leg, 0 for the first."""
        return self.bet_id + 1 + place

    def hold_all(self, ledger: LedgerMachine) -> Rows:
        """Send the slip, then all its legs' acceptances at the odds that were seen."""
        self.send(ledger)
        return self.send(
            ledger,
            *(
                verdict(self.leg(place), odds_milli=leg.odds_milli)
                for place, leg in enumerate(self.legs)
            ),
        )


def mask(bits: Sequence[int]) -> int:
    return sum(1 << bit for bit in set(bits))


def accumulator(*odds_milli: int, stake_minor: int = 100, **fields: object) -> SlipRequest:
    """Return an accumulator of legs of events of their own, in markets 1, 2, ..."""
    legs = [Leg(odds, market_no=1 + place) for place, odds in enumerate(odds_milli)]
    bets = [LineBet(stake_minor, (len(legs),))]
    return SlipRequest(legs, bets, stake_minor, **fields)


def cover(
    *odds_milli: int, stake_minor: int = 100, least: int = 2, **fields: object
) -> SlipRequest:
    """Return a full cover: all sizes from `least` to the number of legs."""
    count = len(odds_milli)
    lines = sum(bin(subset).count("1") >= least for subset in range(1 << count))
    request = accumulator(*odds_milli, **fields)
    request.bets = [LineBet(stake_minor, tuple(range(least, count + 1)))]
    request.stake_minor = stake_minor * lines
    return request


def leg_settlement(
    bet_id: int,
    num: int,
    den: int = 1_000,
    *,
    number: int = 1,
    result: int = BetResult.WON,
    odds_milli: int = 0,
) -> Rows:
    row = np.zeros(1, SETTLEMENT)
    row["bet_id"] = bet_id
    row["payout_minor"] = num
    row["back_den"] = den
    row["settlement_no"] = number
    row["result"] = result
    row["odds_milli"] = odds_milli
    return row


def leg_lost(bet_id: int, *, number: int = 1) -> Rows:
    return leg_settlement(bet_id, 0, 1, number=number, result=BetResult.LOST)


def leg_refunded(bet_id: int, *, number: int = 1) -> Rows:
    return leg_settlement(bet_id, 1, 1, number=number, result=BetResult.REFUNDED)


def leg_reopened(bet_id: int, *, number: int = 2) -> Rows:
    return leg_settlement(bet_id, 0, 0, number=number, result=BetResult.NONE)


def verdict_rows(rows: Sequence[tuple[int, int, int]]) -> Rows:
    """Return verdicts of bet id, reason and odds."""
    given = np.zeros(len(rows), DECISION)
    for row, (bet_id, reason, odds_milli) in zip(given, rows, strict=True):
        row["bet_id"], row["reason"], row["odds_milli"] = bet_id, reason, odds_milli
    return given
