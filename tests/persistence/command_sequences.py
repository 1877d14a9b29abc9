"""Sequences of commands for markets and for an account shard, run step by step.

Owns the steps that the tests of persistence run on durable machines and on machines without a
journal (the oracle: the state expected after each step).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np

from engine.common.commands import (
    AckOutbox,
    CancelBets,
    CancelMarket,
    CloseMarket,
    CreateMarket,
    Deduction,
    Deposit,
    FeedStep,
    FeedUpdate,
    HandOverMarket,
    Limits,
    LimitsPatch,
    OpenAccount,
    OpenMarket,
    OutcomeResult,
    Quote,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetLimits,
    SetOdds,
    SetRate,
    SetStatus,
    SettleMarket,
    SuspendMarket,
    Withdraw,
)
from engine.common.ids import bet_id, serial_of_bet
from engine.common.lifecycle import Status
from engine.common.rows import (
    BET,
    DECISION,
    FLAG_FENCE,
    RESERVATION,
    SETTLEMENT,
    BetResult,
    Policy,
    Rows,
)
from engine.common.rules import RULES
from engine.common.state_hash import pack_rows, state_hash
from engine.common.units import RATE_MICRO_ONE
from engine.ledger.ledger import LedgerMachine
from engine.market.market import MarketMachine
from persistence.disk import Disk
from persistence.durable import DurableLedger, DurableMarkets
from persistence.journal import JournalOptions
from persistence.recovery import replay_folder

FOLDER = Path("/shells/one")
SHARD = 3
TINY = JournalOptions(
    segment_bytes=1_024, allocate_bytes=256, snapshot_bytes=1 << 40, snapshot_aside=False
)
"""Small segments, so that many are written; a snapshot only when the test takes one."""


class Step(NamedTuple):
    """One call of a machine: the method's name and its arguments, without the time.

    An argument that is callable is called with the machine, and its result is the argument.
    """

    call: str
    arguments: tuple[Any, ...]
    slip_bets: Rows | None = None
    """The bets of the slips among the reservations of an exchange."""

    def arguments_for(self, machine: Any) -> list[Any]:
        """Return the arguments for a machine."""
        return [given(machine) if callable(given) else given for given in self.arguments]

    @property
    def named(self) -> dict[str, Any]:
        """The arguments that follow the time."""
        return {} if self.slip_bets is None else {"slip_bets": self.slip_bets}


def at_ns(number: int) -> int:
    """Return the time of step `number`, nanoseconds UTC."""
    return 1_000 + 10 * number


def bets(*serials: int, market_no: int = 1, stake_minor: int = 500, flags: int = 0) -> Rows:
    """Return bets of shard 3; a bet's outcome is its serial modulo 3."""
    rows = np.zeros(len(serials), BET)
    for row, serial in zip(rows, serials, strict=True):
        row["bet_id"] = bet_id(shard=SHARD, serial=serial)
        row["stake_minor"] = stake_minor + serial
        row["account_no"] = 7
        row["market_no"] = market_no
        row["odds_milli"] = 2_500
        row["rate_micro"] = RATE_MICRO_ONE
        row["outcome"] = serial % 3
        row["policy"] = Policy.ANY
        row["flags"] = flags
    return rows


def reservations(*refs: str, stake_minor: int = 500) -> Rows:
    """Return reservations of account 7."""
    rows = np.zeros(len(refs), RESERVATION)
    for row, ref in zip(rows, refs, strict=True):
        row["ref"] = np.frombuffer(ref.encode().ljust(32, b"\0"), np.uint64)
        row["stake_minor"] = stake_minor
        row["account_no"] = 7
        row["market_no"] = 1
        row["odds_milli"] = 2_500
    return rows


def verdicts(*serials: int, reason: int = 0) -> Rows:
    """Return verdicts on bets of shard 3."""
    rows = np.zeros(len(serials), DECISION)
    rows["bet_id"] = [bet_id(shard=SHARD, serial=serial) for serial in serials]
    rows["odds_milli"] = 2_500
    rows["reason"] = reason
    return rows


def settlements(
    *serials: int, payout_minor: int = 1_250, settlement_no: int = 1, result: int = 1
) -> Rows:
    """Return settlements of bets of shard 3."""
    rows = np.zeros(len(serials), SETTLEMENT)
    rows["bet_id"] = [bet_id(shard=SHARD, serial=serial) for serial in serials]
    rows["payout_minor"] = payout_minor
    rows["outbox_seq"] = np.arange(1, len(serials) + 1)
    rows["settlement_no"] = settlement_no
    rows["result"] = result
    return rows


def with_given_ids(rows: Rows, ledger: Any) -> Rows:
    """Return rows whose serials 1, 2, ... became the ids of a ledger's first, second, ... slip.

    Each start of a ledger gives ids of another range, so a sequence names slips by their order.
    """
    if "bet_id" not in rows.dtype.names or ledger is None:
        return rows
    ids = ledger.slips()["bet_id"]
    rows = rows.copy()
    for row in rows:
        order = serial_of_bet(int(row["bet_id"]))
        if order <= len(ids):
            row["bet_id"] = ids[order - 1]
    return rows


def hash_of(machine: Any) -> str:
    """Return a state hash that depends neither on the rules nor on the ids of slips.

    A machine whose first record is damaged still has the first rules. A slip's order stands for its
    bet id (see `with_given_ids`).
    """
    machine = getattr(machine, "machine", machine)
    if machine is None:
        return ""
    document = machine.dump() | {"rules": RULES}
    if not isinstance(machine, LedgerMachine):
        return state_hash(document)
    slips = machine.slips()
    slips["bet_id"] = [bet_id(shard=SHARD, serial=order + 1) for order in range(len(slips))]
    return state_hash(document | {"slips": pack_rows(slips)})


def replayed(folder: Path, *, disk: Disk | None = None) -> str:
    """Return `hash_of` the machine that a folder's journal replays to."""
    return hash_of(replay_folder(folder, disk=disk).replay.machine)


def market(market_no: int) -> CreateMarket:
    """Return the command that creates a market of three outcomes with a stake limit of 600."""
    return CreateMarket(
        market_no=market_no,
        key=f"m{market_no}/1x2",
        outcomes=("home", "draw", "away"),
        odds_milli=(2_500, 3_200, 2_900),
        limits=Limits(stake_minor_max=600),
    )


def opened(market_no: int) -> OpenMarket:
    """Return the command that opens a market."""
    return OpenMarket(market_no=market_no)


def results(winner: int) -> tuple[OutcomeResult, ...]:
    """Return the results of three outcomes, of which `winner` won."""
    return tuple(OutcomeResult(won=index == winner) for index in range(3))


SHORTENED = SetOdds(market_no=1, quotes=(Quote(outcome=0, odds_milli=2_100),))

MARKET_STEPS = [
    Step("control", ("trader:ada", [market(1), OpenMarket(market_no=1), market(2)])),
    Step("place", (bets(1, 2, 3),)),
    Step("place", (bets(4, market_no=2),)),
    Step("control", ("feed:uof", [SuspendMarket(market_no=1, why="goal")])),
    Step("place", (bets(5, 6),)),
    Step("control", ("feed:uof", [SHORTENED])),
    Step("control", ("trader:ada", [ResumeMarket(market_no=1), OpenMarket(market_no=9)])),
    Step("place", (bets(7, 8, 9, 2),)),
    Step("place", (bets(10, flags=FLAG_FENCE),)),
    Step("place", (bets(11, stake_minor=5_000),)),
    Step("control", ("trader:ada", [SettleMarket(market_no=1, results=results(0))])),
    Step("place", (bets(12),)),
    Step("control", ("reconciler", [AckOutbox(shard=SHARD, upto=2)])),
    Step("control", ("trader:ada", [SettleMarket(market_no=1, results=results(2))])),
]
"""Only commands that exist in layout 1."""


def by_feed(channel: str, position: int, *steps: FeedStep, digest: int = 0) -> Step:
    """Return the step in which a feed updates market 3."""
    update = FeedUpdate(
        market_no=3, source=f"uof:1/{channel}", position=position, digest=digest, steps=steps
    )
    return Step("control", ("feed:uof", [update]))


def by_trader(*commands: Any) -> Step:
    """Return the step in which a trader sends commands."""
    return Step("control", ("trader:ada", list(commands)))


def every_limit(limits: Limits) -> LimitsPatch:
    """Return the patch that names every limit, as releases before patches wrote one."""
    return LimitsPatch(**msgspec.structs.asdict(limits))


WINDOW = (at_ns(16), at_ns(17))
"""A window that holds the time of step 16 and of no other step."""

MARKET_STEPS_2 = [
    *MARKET_STEPS,
    by_trader(
        market(3),
        SetLimits(market_no=3, limits=every_limit(Limits(stake_minor_max=800))),
        opened(3),
    ),
    Step("place", (bets(13, 14, 15, market_no=3),)),
    Step("place", (bets(16, 17, 18, market_no=3),)),
    by_feed("odds", 5_000, SetStatus(market_no=3, status=Status.SUSPENDED, why="corner")),
    by_trader(SuspendMarket(market_no=3, why="check")),
    by_feed("odds", 5_000, SetStatus(market_no=3, status=Status.ACTIVE), digest=1),
    by_feed("odds", 5_000, SetStatus(market_no=3, status=Status.ACTIVE), digest=1),
    by_trader(ResumeMarket(market_no=3), HandOverMarket(market_no=3)),
    by_feed(
        "odds", 5_001, opened(3), SetOdds(market_no=3, quotes=(Quote(outcome=1, odds_milli=1_900),))
    ),
    Step("place", (bets(19, 20, 21, market_no=3),)),
    by_feed("result", 4_000, CancelBets(market_no=3, from_ns=WINDOW[0], until_ns=WINDOW[1])),
    by_feed(
        "result",
        6_000,
        CloseMarket(market_no=3),
        SettleMarket(
            market_no=3,
            results=results(1),
            deductions=(Deduction(until_ns=WINDOW[0], keep_milli=750),),
        ),
    ),
    Step("place", (bets(22, market_no=3),)),
    by_trader(CancelBets(market_no=3, from_ns=at_ns(23), why="late"), CancelBets(market_no=3)),
    by_trader(RollBackCancel(market_no=3), RollBackCancel(market_no=3)),
    by_trader(
        CancelMarket(market_no=3), RollBackSettlement(market_no=3), RollBackCancel(market_no=3)
    ),
    by_feed("result", 7_000, RollBackCancel(market_no=3, from_ns=WINDOW[0], until_ns=WINDOW[1])),
    by_feed(
        "result",
        8_000,
        SettleMarket(
            market_no=3,
            results=results(0),
            deductions=(Deduction(until_ns=at_ns(20), keep_milli=650, of_price=True),),
        ),
    ),
    Step("control", ("reconciler", [AckOutbox(shard=SHARD, upto=9)])),
]

LEDGER_STEPS = [
    Step("control", ("ops", [SetRate(currency="EUR"), OpenAccount(account_no=7, currency="EUR")])),
    Step("control", ("ops", [Deposit(account_no=7, amount_minor=5_000, ref="d-1")])),
    Step("exchange", (verdicts(), reservations("a", "b"))),
    Step("exchange", (verdicts(1), reservations("c", "a"))),
    Step("control", ("ops", [Withdraw(account_no=7, amount_minor=9_999, ref="w-1")])),
    Step("exchange", (verdicts(2, reason=302), reservations("d", stake_minor=50_000))),
    Step("exchange", (verdicts(3), reservations("e", "f", "g"))),
    Step("settle", (settlements(1, 3),)),
    Step("exchange", (verdicts(4, 5), reservations())),
    Step("settle", (settlements(1, 3, 4),)),
    Step("settle", (settlements(1, payout_minor=0, settlement_no=2),)),
    Step("control", ("ops", [Withdraw(account_no=7, amount_minor=900, ref="w-2")])),
]
"""Only commands that exist in layout 1."""

LEDGER_STEPS_2 = [
    *LEDGER_STEPS,
    Step("settle", (settlements(1, 3, payout_minor=0, settlement_no=3, result=BetResult.NONE),)),
    Step("settle", (settlements(1, settlement_no=4),)),
]

D = TypeVar("D", DurableMarkets, DurableLedger)


class CommandSequence(Generic[D]):
    """Steps, the durable machine that runs them, and the state hashes expected after each."""

    def __init__(self, steps: Sequence[Step], kind: type[D]) -> None:
        self.steps = list(steps)
        self.kind = kind
        machine = self.machine()
        self.hashes = [hash_of(machine)]
        """The oracle: state hashes before the first step and after each step."""
        for number, step in enumerate(self.steps):
            apply(machine, step, at_ns=at_ns(number))
            self.hashes.append(hash_of(machine))

    def machine(self) -> Any:
        """Return an empty machine without a journal."""
        return LedgerMachine(shard=SHARD) if self.kind is DurableLedger else MarketMachine()

    def open(
        self, disk: Disk, *, folder: Path = FOLDER, options: JournalOptions = TINY, now_ns: int = 1
    ) -> D:
        """Open the durable machine."""
        extra = {"shard": SHARD} if self.kind is DurableLedger else {}
        return self.kind.open(folder, disk=disk, at_ns=now_ns, options=options, **extra)

    def run_step(self, durable: D, number: int) -> Any:
        """Run step `number` (from 0) and return its answer."""
        step = self.steps[number]
        arguments = step.arguments_for(durable.machine)
        if self.kind is DurableLedger and step.call != "control":
            arguments = [with_given_ids(rows, durable.machine) for rows in arguments]
        return getattr(durable, step.call)(*arguments, at_ns(number), **step.named)

    def run(self, durable: D, *, start: int = 0) -> None:
        """Run every step from `start` on."""
        for number in range(start, len(self.steps)):
            self.run_step(durable, number)


def apply(machine: Any, step: Step, *, at_ns: int) -> None:
    """Run a step on a machine without a journal."""
    if step.call == "control":
        for command in step.arguments[1]:
            machine.apply(command, at_ns)
    elif step.call == "charged":
        machine.charged(*step.arguments_for(machine))
    else:
        getattr(machine, step.call)(*step.arguments_for(machine), at_ns, **step.named)


MARKETS = CommandSequence(MARKET_STEPS, DurableMarkets)
LEDGER = CommandSequence(LEDGER_STEPS, DurableLedger)
SEQUENCES = {"markets": MARKETS, "ledger": LEDGER}
"""Sequences of layout 1: short, so that a test can crash them at every byte."""
SEQUENCES_2 = {
    "markets": CommandSequence(MARKET_STEPS_2, DurableMarkets),
    "ledger": CommandSequence(LEDGER_STEPS_2, DurableLedger),
}
"""The same sequences, continued with every command that layout 2 added."""
