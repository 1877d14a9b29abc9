"""Slips between a ledger and four markets whose messages are lost, doubled and late, by seeds.

No shell, no journal and no time: the machines alone, so that a seed costs a tenth of a second. What
is told is drawn; in the end all that is left to tell is told, the late messages among it, and the
books must agree to the last charge.
"""

import random
from itertools import combinations

import numpy as np
import pytest

from actors.reconciliation import (
    ShardSlips,
    charge_differences,
    compare_bets_and_slips,
    settlement_differences,
)
from actors.slip_payouts import SlipCheck
from engine.common.commands import (
    AckOutbox,
    CancelBets,
    CancelMarket,
    MarketCommand,
    OpenMarket,
    OutcomeResult,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
    SuspendMarket,
)
from engine.common.rows import BET, FLAG_LEG, SLIP_BET, Policy, Rows, SlipKind, SlipState
from engine.market.market import MarketMachine
from tests.engine.ledger.builders import NO_REQUESTS, SHARD, funded
from tests.engine.ledger.slip_builders import Leg, LineBet, SlipRequest
from tests.engine.market.builders import AT_NS, create, do

ODDS = (2_500, 3_200, 2_900)
MARKETS = (1, 2, 3, 4)
STEPS = 400
NO_BETS: Rows = np.zeros(0, SLIP_BET)


class Books:
    """The machines, and the messages between them that are on the way."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.ledger = funded(amount_minor=1_000_000)
        self.markets = {number: MarketMachine() for number in MARKETS}
        for number, machine in self.markets.items():
            do(machine, create(number, odds=ODDS), OpenMarket(market_no=number))
        self.requests: list[SlipRequest] = []
        self.messages: list[tuple[str, Rows]] = []
        self.at_ns = AT_NS

    def step(self) -> None:
        self.at_ns += 1
        draw, messages = self.draw, self.messages
        kind = draw.random()
        if kind < 0.15:
            self.place()
        elif kind < 0.2 and self.requests:
            self.send(draw.choice(self.requests))  # another gateway has it too
        elif kind < 0.65 and messages:
            at = draw.randrange(len(messages))
            message = messages[at]
            if draw.random() < 0.8:
                messages.pop(at)  # else a copy stays on the way
            if draw.random() < 0.9:
                self.deliver(*message)
        elif kind < 0.8:
            self.command(draw.choice(MARKETS))
        elif kind < 0.9:
            self.carry(draw.choice(MARKETS), limit=draw.choice((1, 3, 100)))
        else:
            rows = self.ledger.charges(limit=draw.choice((1, 5, 100))).rows
            self.messages += [("charge", rows[at : at + 1]) for at in range(len(rows))]

    def place(self) -> None:
        """Place a slip of up to four legs, of which those of one market share no line."""
        draw = self.draw
        drawn = {(draw.choice(MARKETS), draw.randrange(3)): None for _ in range(draw.randint(1, 4))}
        legs = [
            Leg(
                ODDS[outcome] if draw.random() < 0.8 else 2_000,
                market_no=number,
                outcome=outcome,
                event=number,
            )
            for number, outcome in drawn
        ]
        sizes = tuple({draw.randint(1, len(legs)) for _ in range(2)})
        lines = [
            line
            for size in sizes
            for line in combinations(range(len(legs)), size)
            if len({legs[at].event for at in line}) == size
        ]
        if {at for line in lines for at in line} == set(range(len(legs))):
            stake_minor = draw.choice((1, 7, 50))
            request = SlipRequest(legs, [LineBet(stake_minor, sizes)], stake_minor * len(lines))
            request.ref, request.policy = f"s{len(self.requests)}", draw.choice(list(Policy))
            self.requests.append(request)
            self.send(request)

    def send(self, request: SlipRequest) -> None:
        """Reserve a slip, or ask for a known one; its waiting legs go to their markets."""
        answers = request.send(self.ledger, at_ns=self.at_ns)[1:]
        rows: Rows = np.zeros(len(answers), BET)
        for field in ("account_no", "market_no", "odds_milli", "outcome", "policy"):
            rows[field] = request.rows()[field][1:]
        rows["bet_id"], rows["rate_micro"] = answers["bet_id"], answers["rate_micro"]
        rows["stake_minor"], rows["flags"] = answers["stake_max_minor"], FLAG_LEG
        waiting = np.flatnonzero(answers["state"] == SlipState.PENDING).tolist()
        self.messages += [("place", rows[at : at + 1]) for at in waiting]

    def deliver(self, kind: str, row: Rows) -> None:
        if kind == "place":
            market = self.markets[int(row["market_no"][0])]
            self.messages.append(("verdict", market.place(row, self.at_ns)))
        elif kind == "verdict":
            self.ledger.exchange(row, NO_REQUESTS, self.at_ns, NO_BETS)
        elif kind == "charge":
            self.markets[int(row["market_no"][0])].charge(row, self.at_ns)
            self.messages.append(("charged", row))
        else:
            self.ledger.charged(row)

    def command(self, number: int) -> None:
        draw = self.draw
        results = tuple(
            OutcomeResult(
                won=draw.random() < 0.4,
                void_halves=draw.choice((0, 0, 0, 1, 2)),
                dead_heat_den=draw.choice((1, 1, 2)),
            )
            for _ in ODDS
        )
        back: list[MarketCommand] = [
            RollBackSettlement(market_no=number, why="t"),
            RollBackCancel(market_no=number, from_ns=None, until_ns=None, why="t"),
            ResumeMarket(market_no=number),
        ]
        command: MarketCommand = draw.choice((
            SettleMarket(market_no=number, results=results),
            CancelMarket(market_no=number, why="t"),
            CancelBets(market_no=number, from_ns=None, until_ns=self.at_ns, why="t"),
            SuspendMarket(market_no=number),
            *back,
        ))  # fmt: skip
        for each in (command, *(back if draw.random() < 0.6 else ())):
            self.markets[number].apply(each, self.at_ns)

    def carry(self, number: int, *, limit: int) -> int:
        """Carry settlements; some acknowledgements are lost."""
        rows = self.markets[number].outbox(shard=SHARD, limit=limit)
        if len(rows):
            self.ledger.settle(rows, self.at_ns)
            if self.draw.random() < 0.8:
                ack = AckOutbox(shard=SHARD, upto=int(rows["outbox_seq"][-1]))
                self.markets[number].apply(ack, self.at_ns)
        return len(rows)

    def finish(self) -> None:
        """Tell what is left to tell, late messages in between, as the reconciler does."""
        self.draw.shuffle(self.messages)
        for turn in range(6):
            for bet in self.ledger.pending_before(at_ns=self.at_ns + 1, limit=10_000):
                row = np.array([bet], BET)
                verdict = self.markets[int(row["market_no"][0])].place(row, self.at_ns)
                self.ledger.exchange(verdict, NO_REQUESTS, self.at_ns, NO_BETS)
            for number in MARKETS:
                while self.carry(number, limit=100):
                    pass
            for charge in (rows := self.ledger.charges(limit=10_000).rows):
                row = np.array([charge], rows.dtype)
                self.markets[int(row["market_no"][0])].charge(row, self.at_ns)
            self.ledger.charged(rows)
            if turn < 3:
                late = self.messages[: len(self.messages) // 2]
                self.messages = self.messages[len(late) :]
                for message in late:
                    self.deliver(*message)


@pytest.mark.parametrize("seed", range(6))
def test_the_books_agree_whatever_is_lost_doubled_or_late(seed: int) -> None:
    books = Books(seed)
    for _ in range(STEPS):
        books.step()
    books.finish()
    ledger, markets = books.ledger, books.markets
    ledger.check()
    assert ledger.disputes_len == 0
    slips, bets = ledger.slips(), ledger.slip_bets()
    checked = SlipCheck(slips, bets).check()
    assert (checked.differences, checked.waiting) == ([], 0)
    legs = slips[slips["kind"] == SlipKind.LEG]
    charges = [machine.charges_of(legs["bet_id"]) for machine in markets.values()]
    assert charge_differences(legs, np.concatenate(charges)) == []
    standing = [machine.present_resolutions(number) for number, machine in markets.items()]
    none = np.zeros(0, np.uint64)
    assert settlement_differences(slips, np.concatenate(standing), none) == []
    accepted = np.concatenate([markets[number].accepted_bets(number) for number in MARKETS])
    present = dict(zip(accepted["bet_id"].tolist(), accepted["stake_minor"].tolist(), strict=True))
    for leg in legs:
        held = leg["state"] in (SlipState.ACCEPTED, SlipState.SETTLED, SlipState.RELEASED)
        assert held == (int(leg["bet_id"]) in present)
        if leg["state"] in (SlipState.ACCEPTED, SlipState.RELEASED):
            assert present[int(leg["bet_id"])] == leg["charged_minor"]
    shard = ShardSlips(SHARD, slips, bets, ledger.slip_currencies(), ledger.totals(), quiet=True)
    report = compare_bets_and_slips(
        bets=np.concatenate([machine.bets() for machine in markets.values()]), shards=[shard]
    )
    assert report.agree, report.differences
    assert report.in_flight == 0
    seen = set(legs["state"].tolist())
    assert {SlipState.REFUSED, SlipState.RELEASED} < seen, "and some that stand"
