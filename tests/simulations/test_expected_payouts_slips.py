"""Payouts of slips computed from the journals equal those that the accounts have paid."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.commands import (
    CancelBets,
    CreateMarket,
    Deduction,
    Deposit,
    MarketCommand,
    OpenAccount,
    OpenMarket,
    OutcomeResult,
    RollBackSettlement,
    SetRate,
    SettleMarket,
)
from engine.common.ids import AccountNo, ShardNo
from engine.common.rows import (
    BET,
    DECISION,
    FLAG_HEAD,
    FLAG_LEG,
    FLAG_LEG_OF_SLIP,
    LEG_RESERVATION,
    RESERVATION,
    SLIP_BET,
    Policy,
    SlipKind,
    SlipState,
)
from engine.ledger.accounts import ref_u64s
from persistence.durable import DurableLedger, DurableMarkets
from simulations.expected_payouts import OPEN, expected_payouts_minor
from tests.engine.market.builders import WIDE
from tests.faults.faulty_disk import FaultyDisk

MARKETS, ACCOUNTS = Path("/shells/markets"), Path("/shells/accounts")
NO_VERDICTS, NO_RESERVATIONS = np.zeros(0, DECISION), np.zeros(0, RESERVATION)
ODDS = (2_137, 3_500)
COUNT = 4
"""Markets, each of an event of its own."""


class Bookmaker:
    """One shell of markets and one of accounts, and what is carried between them."""

    def __init__(self) -> None:
        self.disk = FaultyDisk()
        self.at_ns = 1_000
        self.markets = DurableMarkets.open(MARKETS, disk=self.disk, at_ns=0)
        self.accounts = DurableLedger.open(ACCOUNTS, shard=ShardNo(0), disk=self.disk, at_ns=0)
        rate, account = SetRate(currency="EUR", rate_micro=1_000_000), AccountNo(7)
        opened = OpenAccount(account_no=account, currency="EUR")
        deposit = Deposit(account_no=account, amount_minor=10**9, ref="d")
        self.accounts.control("test", [rate, opened, deposit], self._next_ns())
        for number in range(1, COUNT + 1):
            self.control(
                CreateMarket(
                    market_no=number,
                    key=f"f{number}/x",
                    outcomes=("a", "b"),
                    odds_milli=ODDS,
                    limits=WIDE,
                )
            )
            self.control(OpenMarket(market_no=number))
        self.placed = 0

    def _next_ns(self) -> int:
        self.at_ns += 10
        return self.at_ns

    def control(self, command: MarketCommand) -> None:
        """Apply a command, and carry all settlements to the accounts."""
        self.markets.control("test", [command], self._next_ns())
        machine = self.markets.machine
        assert machine is not None
        self.accounts.settle(machine.outbox(shard=0, limit=100_000), self._next_ns())

    def place(self, legs: list[tuple[int, int]], stake: int, sizes: int, bankers: int) -> None:
        """Place a slip on (market, outcome) legs; it may be refused."""
        self.placed += 1
        rows = np.zeros(1 + len(legs), RESERVATION)
        rows["account_no"] = 7
        rows["policy"] = Policy.ANY
        head = rows[0]
        head["ref"] = ref_u64s(f"s{self.placed}")
        head["flags"], head["outcome"], head["market_no"] = FLAG_HEAD, len(legs), 1
        shapes = rows.view(LEG_RESERVATION)
        for number, (market, outcome) in enumerate(legs):
            rows[number + 1]["market_no"], rows[number + 1]["outcome"] = market, outcome
            rows[number + 1]["odds_milli"] = ODDS[outcome]
            shapes[number + 1]["event"] = shapes[number + 1]["position"] = number
        rows["flags"][1:] = FLAG_LEG_OF_SLIP
        bets = np.zeros(1, SLIP_BET)
        bets["stake_minor"], bets["sizes"], bets["bankers"] = stake, sizes, bankers
        bets["positions"] = (1 << len(legs)) - 1
        others = len(legs) - bankers.bit_count()
        head["stake_minor"] = stake * sum(
            1 for mask in range(1 << others) if sizes >> mask.bit_count() & 1
        )
        answers = self.accounts.exchange(NO_VERDICTS, rows, self._next_ns(), bets)
        if answers[0]["state"] != SlipState.PENDING:
            return
        sent = np.zeros(len(legs), BET)
        for name in ("account_no", "market_no", "odds_milli", "outcome", "policy"):
            sent[name] = rows[name][1:]
        sent["bet_id"], sent["rate_micro"] = answers["bet_id"][1:], answers["rate_micro"][1:]
        sent["stake_minor"], sent["flags"] = answers["stake_max_minor"][1:], FLAG_LEG
        verdicts = self.markets.place(sent, self._next_ns())
        self.accounts.exchange(verdicts, NO_RESERVATIONS, self._next_ns())

    def compare(self) -> dict[int, int]:
        """Assert that journals and accounts agree; return the payouts of the slips that stand."""
        machine = self.accounts.machine
        assert machine is not None
        slips = machine.slips()
        heads = slips[slips["kind"] == SlipKind.HEAD]
        paid = {
            int(head["bet_id"]): int(head["payout_minor"])
            if head["state"] == SlipState.SETTLED
            else OPEN
            for head in heads
            if head["state"] in (SlipState.ACCEPTED, SlipState.SETTLED)
        }
        payouts = expected_payouts_minor([MARKETS], [ACCOUNTS], disk=self.disk)
        assert payouts == paid
        return paid


WON, LOST = OutcomeResult(won=True), OutcomeResult(won=False)
VOID = OutcomeResult(won=False, void_halves=2)
RESULTS = st.sampled_from(
    [
        (WON, LOST),
        (LOST, WON),
        (VOID, VOID),
        (OutcomeResult(won=True, void_halves=1), OutcomeResult(won=False, void_halves=1)),
        (OutcomeResult(won=True, dead_heat_num=1, dead_heat_den=3), LOST),
        (OutcomeResult(won=True, dead_heat_num=2, dead_heat_den=4), WON),
    ]
)
CUTS = st.sampled_from([(), (), (750, False), (650, True)])
NUMBERS = st.integers(1, COUNT)
STEPS = st.one_of(
    st.tuples(
        st.just("place"),
        st.lists(st.integers(0, 1), min_size=1, max_size=COUNT),
        st.tuples(st.sampled_from([1, 7, 1_000, 12_345]), st.integers(0, 31), st.integers(0, 3)),
    ),
    st.tuples(st.just("settle"), NUMBERS, st.tuples(RESULTS, CUTS)),
    st.tuples(st.just("settle"), NUMBERS, st.tuples(RESULTS, CUTS)),
    st.tuples(st.just("unsettle"), NUMBERS, st.none()),
    st.tuples(st.just("cancel"), NUMBERS, st.none()),
)


@settings(deadline=None)
@given(st.lists(STEPS, max_size=15))
def test_journals_and_accounts_agree_on_every_slip(steps) -> None:
    bookmaker = Bookmaker()
    bookmaker.place([(1, 0), (2, 0), (3, 0)], 1_000, 0b1100, 0)
    for kind, one, two in steps:
        if kind == "place":
            stake, sizes, bankers = two
            legs = list(enumerate(one, start=1))
            bankers &= (1 << len(legs)) - 1
            others = len(legs) - bankers.bit_count()
            sizes &= (2 << others) - (1 if bankers else 2)
            bookmaker.place(legs, stake, sizes or 1 << others, bankers)
        elif kind == "settle":
            results, cut = two
            cuts = ()
            if cut:
                keep, of_price = cut
                until_ns = bookmaker.at_ns + 1
                cuts = (Deduction(until_ns=until_ns, keep_milli=keep, of_price=of_price),)
            bookmaker.control(SettleMarket(market_no=one, results=results, deductions=cuts))
        elif kind == "unsettle":
            bookmaker.control(RollBackSettlement(market_no=one))
        else:
            bookmaker.control(
                CancelBets(market_no=one, from_ns=None, until_ns=bookmaker.at_ns - 50)
            )
    bookmaker.compare()


def test_a_trixie_is_paid_what_its_legs_make_of_it() -> None:
    bookmaker = Bookmaker()
    bookmaker.place([(1, 0), (2, 1), (3, 0)], 1_00, 0b1100, 0)
    assert list(bookmaker.compare().values()) == [OPEN]
    bookmaker.control(SettleMarket(market_no=1, results=(WON, LOST)))
    half = (LOST, OutcomeResult(won=True, void_halves=1))
    bookmaker.control(SettleMarket(market_no=2, results=half))
    bookmaker.control(SettleMarket(market_no=3, results=(VOID, VOID)))
    # Doubles 2.137 x 2.25, 2.137 x 1, 2.25 x 1 and the treble 2.137 x 2.25 x 1.
    assert list(bookmaker.compare().values()) == [480 + 213 + 225 + 480]
    bookmaker.control(SettleMarket(market_no=3, results=(LOST, WON)))
    assert list(bookmaker.compare().values()) == [480]


def test_without_the_accounts_journals_slips_have_no_payouts() -> None:
    bookmaker = Bookmaker()
    bookmaker.place([(1, 0), (2, 0)], 1_00, 0b100, 0)
    assert expected_payouts_minor([MARKETS], disk=bookmaker.disk) == {}
