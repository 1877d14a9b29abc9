"""Payouts computed from the journal equal the last payout that the machine sent for each bet."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from engine.common.commands import (
    CANCEL_WINDOWS_MAX,
    CancelBets,
    CancelMarket,
    CreateMarket,
    Deduction,
    FeedUpdate,
    MarketCommand,
    OpenMarket,
    OutcomeResult,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.corrections import (
    ChosenBets,
    CorrectedQuote,
    CorrectionCommand,
    CorrectOdds,
    RestoreBets,
    VoidBets,
)
from engine.common.rows import BetResult, Policy
from persistence.disk import Disk
from persistence.durable import DurableMarkets
from persistence.journal import JournalOptions
from simulations.expected_payouts import OPEN, expected_payouts_minor
from tests.engine.market.builders import WIDE, bet, bet_rows
from tests.faults.faulty_disk import FaultyDisk

FOLDER = Path("/shells/one")
WON, LOST, HALF = (
    OutcomeResult(won=True),
    OutcomeResult(won=False),
    OutcomeResult(won=True, void_halves=1),
)
TIED = OutcomeResult(won=True, dead_heat_num=1, dead_heat_den=3)


class JournaledMarket:
    """One market, its bets, and the last payout of each bet in its outbox."""

    def __init__(self, options: JournalOptions | None = None) -> None:
        self.disk: Disk = FaultyDisk()
        self.at_ns = 1_000
        self.durable = DurableMarkets.open(FOLDER, disk=self.disk, at_ns=0, options=options)
        self.paid: dict[int, int] = {}
        self.placed = 0
        self.position = 0
        self.do(
            CreateMarket(
                market_no=1, key="f/x", outcomes=("a", "b"), odds_milli=(9_000, 2_137), limits=WIDE
            )
        )
        self.do(OpenMarket(market_no=1))

    def do(self, command: MarketCommand) -> None:
        """Apply a command and record the payouts in the outbox."""
        self.at_ns += 10
        self.durable.control("test", [command], self.at_ns)
        machine = self.durable.machine
        assert machine is not None
        for row in machine.outbox(shard=0, limit=100_000):
            if row["result"] == BetResult.NONE:
                self.paid.pop(int(row["bet_id"]), None)
            else:
                self.paid[int(row["bet_id"])] = int(row["payout_minor"])

    def feed(self, command: MarketCommand) -> None:
        """Apply a command as a step of a feed's update."""
        self.position += 1
        self.do(
            FeedUpdate(market_no=1, source="f/odds", position=self.position, steps=(command,))  # type: ignore[arg-type]
        )

    def place(self, *, outcome: int, stake: int) -> None:
        """Place a bet; it may be refused."""
        self.at_ns += 10
        self.placed += 1
        account = 7 + self.placed % 2
        fields = {"outcome": outcome, "stake": stake, "account": account, "policy": Policy.ANY}
        rows = bet_rows([bet(self.placed, **fields)])
        self.durable.place(rows, self.at_ns)
        self.at_ns += 10
        self.durable.place(rows, self.at_ns)  # a repeated bet is not a second bet

    def compare(self) -> dict[int, int]:
        """Assert that journal and machine agree; return the payouts."""
        machine = self.durable.machine
        assert machine is not None
        bets = machine.bets()
        accepted = bets["bet_id"][bets["reason"] == 0].tolist()
        payouts = expected_payouts_minor([FOLDER], disk=self.disk)
        assert payouts == {number: self.paid.get(number, OPEN) for number in accepted}
        return payouts


TIMES = st.none() | st.integers(990, 1_300)
ENDS = st.sampled_from([(None, None), (None, None), (1_050, None)]) | st.tuples(TIMES, TIMES)
SOME = st.sampled_from([UNSET, UNSET, (0,), (1,)])
LATE = st.sampled_from([UNSET, UNSET, 1_050, 1_150])
RESULTS = st.sampled_from([(WON, LOST), (LOST, WON), (HALF, LOST), (TIED, LOST), (LOST, HALF)])
CUTS = st.lists(
    st.tuples(st.integers(990, 1_300), st.integers(0, 1_000), st.booleans()), max_size=3
)
CHOSEN = st.builds(
    ChosenBets,
    bet_ids=st.sampled_from([(), (), (1,), (2, 1)]),
    account_no=st.sampled_from([UNSET, 7]),
    outcomes=st.sampled_from([(), (), (1,)]),
    from_ns=TIMES,
    until_ns=TIMES,
    accepted_before_ns=LATE,
)
QUOTES = st.sampled_from([((0, 1_900),), ((0, 9_000), (1, 2_500)), ((1, 1_001),)])
STEPS = st.one_of(
    st.tuples(st.just("bet"), st.integers(0, 1), st.integers(1, 10_001)),
    st.tuples(st.just("settle"), RESULTS, CUTS),
    st.tuples(st.just("cancel"), ENDS, st.tuples(SOME, LATE)),
    st.tuples(st.just("cancel"), ENDS, st.tuples(SOME, LATE)),
    st.tuples(st.just("uncancel"), ENDS, SOME),
    st.tuples(st.just("unsettle"), st.none(), st.none()),
    st.tuples(st.just("void"), st.none(), st.none()),
    st.tuples(st.just("void bets"), CHOSEN, st.none()),
    st.tuples(st.just("correct"), CHOSEN, QUOTES),
    st.tuples(st.just("correct"), CHOSEN, QUOTES),
    st.tuples(st.just("restore"), st.integers(1, 8), st.none()),
)


def command_of(kind: str, one: object, two: object) -> MarketCommand:
    """Return the command of a drawn step."""
    match kind:
        case "settle":
            cuts = sorted({cut[0]: cut for cut in two}.values())  # type: ignore[attr-defined]
            deductions = tuple(
                Deduction(until_ns=until, keep_milli=keep, of_price=price)
                for until, keep, price in cuts
            )
            return SettleMarket(market_no=1, results=one, deductions=deductions)  # type: ignore[arg-type]
        case "cancel":
            (begin, end), (outcomes, late) = one, two  # type: ignore[misc]
            return CancelBets(
                market_no=1,
                from_ns=begin,
                until_ns=end,
                outcomes=outcomes,
                accepted_before_ns=late,
            )
        case "uncancel":
            begin, end = one  # type: ignore[misc]
            return RollBackCancel(market_no=1, from_ns=begin, until_ns=end, outcomes=two)  # type: ignore[arg-type]
        case "void bets":
            return VoidBets(market_no=1, bets=one)  # type: ignore[arg-type]
        case "correct":
            quotes = tuple(CorrectedQuote(outcome=each, odds_milli=odds) for each, odds in two)  # type: ignore[attr-defined]
            return CorrectOdds(market_no=1, bets=one, quotes=quotes)  # type: ignore[arg-type]
        case "restore":
            return RestoreBets(market_no=1, correction_no=one)  # type: ignore[arg-type]
        case "unsettle":
            return RollBackSettlement(market_no=1)
        case _:
            return CancelMarket(market_no=1)


@given(st.lists(st.tuples(STEPS, st.booleans()), max_size=25))
def test_journal_and_machine_agree_on_every_payout(steps) -> None:
    market = JournaledMarket()
    windows: list[object] = []
    for (kind, *values), by_feed in steps:
        if kind == "bet":
            market.place(outcome=values[0], stake=values[1])
            continue
        if kind == "cancel":
            windows.append(values[0])
        known = values
        if kind == "uncancel" and windows and by_feed:
            known = [windows[-1], values[1]]
        command = command_of(kind, *known)
        corrects = isinstance(command, CorrectionCommand)
        (market.feed if by_feed and not corrects else market.do)(command)
    market.compare()


def test_windows_past_the_bound_are_final_and_their_bets_stay_refunded() -> None:
    market = JournaledMarket()
    begun = []
    for _ in range(CANCEL_WINDOWS_MAX + 2):
        begun.append(market.at_ns + 1)
        market.place(outcome=0, stake=100)
        window = {"from_ns": begun[-1], "until_ns": market.at_ns + 1}
        market.do(CancelBets(market_no=1, **window))
        last = RollBackCancel(market_no=1, **window)
    market.do(SettleMarket(market_no=1, results=(WON, LOST)))
    first = RollBackCancel(market_no=1, from_ns=begun[0], until_ns=begun[0] + 20)
    market.do(first)
    market.do(last)
    assert list(market.compare().values()) == [100] * (CANCEL_WINDOWS_MAX + 1) + [900]


def test_a_corrected_bet_is_paid_at_the_odds_of_its_last_correction() -> None:
    market = JournaledMarket()
    market.place(outcome=0, stake=10_00)
    market.place(outcome=0, stake=20_00)
    quotes = (CorrectedQuote(outcome=0, odds_milli=1_900),)
    market.do(SettleMarket(market_no=1, results=(WON, LOST)))
    market.do(CorrectOdds(market_no=1, quotes=quotes))
    market.do(VoidBets(market_no=1, bets=ChosenBets(bet_ids=(1,))))
    assert list(market.compare().values()) == [10_00, 38_00]
    market.do(RestoreBets(market_no=1, correction_no=2))
    assert list(market.compare().values()) == [10_00, 180_00]


def test_bets_placed_before_a_withdrawal_are_reduced() -> None:
    market = JournaledMarket()
    market.place(outcome=0, stake=10_00)
    cut = Deduction(until_ns=market.at_ns + 1, keep_milli=750)
    market.place(outcome=0, stake=10_00)
    market.do(SettleMarket(market_no=1, results=(WON, LOST), deductions=(cut,)))
    assert list(market.compare().values()) == [70_00, 90_00]


def test_a_repeated_bet_keeps_the_time_of_its_first_placement() -> None:
    market = JournaledMarket()
    between = market.at_ns + 15
    market.place(outcome=0, stake=10_00)  # 10 ns later, and repeated after 20 ns
    cut = Deduction(until_ns=between, keep_milli=750)
    market.do(SettleMarket(market_no=1, results=(WON, LOST), deductions=(cut,)))
    assert list(market.compare().values()) == [70_00]


def test_a_journal_without_its_first_segments_is_refused() -> None:
    options = JournalOptions(segment_bytes=4_096, allocate_bytes=1, snapshot_aside=False)
    market = JournaledMarket(options)
    for _ in range(2):
        for _ in range(40):
            market.place(outcome=0, stake=10)
        assert market.durable.snapshot(at_ns=market.at_ns)
    with pytest.raises(ValueError, match="first segments have been removed"):
        expected_payouts_minor([FOLDER], disk=market.disk)


def test_without_journals_there_are_no_payouts() -> None:
    assert expected_payouts_minor([]) == {}
