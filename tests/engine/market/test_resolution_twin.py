"""Bet resolution against its twin: settling, cancelling and rolling back in any order."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import astuple

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CloseMarket,
    Deduction,
    FeedStep,
    FeedUpdate,
    OutcomeResult,
    Quote,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetOdds,
    SetStatus,
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
from engine.common.events import FeedApplied, MarketEvent, Refused
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.rows import FLAG_LEG, FLAG_RELEASED, BetResult, Policy
from engine.common.views import BookImage
from engine.market.market import MarketMachine
from tests.engine.common.stated_rules import REASON_NUMBERS, STATUS_NUMBERS
from tests.engine.market.builders import bet, bet_rows, charge_rows, open_machine
from tests.engine.market.resolution_twin import Placed, ResolutionTwin, Row
from tests.engine.market.twin import Charge

ODDS = (2_500, 3_333, 1_900)
TIMES = (None, 0, 4, 7, 10)

times = st.sampled_from(TIMES)
results = st.lists(
    st.builds(
        OutcomeResult,
        won=st.booleans(),
        void_halves=st.sampled_from((0, 0, 0, 1, 2)),
        dead_heat_num=st.sampled_from((0, 1, 1, 1)),
        dead_heat_den=st.sampled_from((1, 1, 2, 3)),
    ),
    min_size=3,
    max_size=3,
).map(tuple)
deductions = st.lists(
    st.builds(
        Deduction,
        until_ns=st.sampled_from((3, 6, 9)),
        keep_milli=st.sampled_from((0, 333, 650, 1_000)),
        of_price=st.booleans(),
    ),
    max_size=3,
    unique_by=lambda one: one.until_ns,
).map(lambda many: tuple(sorted(many, key=lambda one: one.until_ns)))
some = st.one_of(
    st.just(UNSET),
    st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True).map(tuple),
)
"""The outcomes that a command names: all, or some."""


@st.composite
def some_results(draw: st.DrawFn) -> SettleMarket:
    """Return a settlement of some outcomes."""
    outcomes = draw(st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True))
    found = draw(results)[: len(outcomes)]
    return SettleMarket(market_no=1, results=found, outcomes=tuple(outcomes))


REOFFER = SetOdds(
    market_no=1,
    quotes=tuple(Quote(outcome=each, odds_milli=odds) for each, odds in enumerate(ODDS)),
)
commands = st.one_of(
    some_results(),
    some_results(),
    st.builds(SettleMarket, market_no=st.just(1), results=results, deductions=deductions),
    st.builds(CancelBets, market_no=st.just(1), from_ns=times, until_ns=times, outcomes=some),
    st.builds(
        CancelBets,
        market_no=st.just(1),
        from_ns=st.sampled_from((None, None, 4)),
        outcomes=some,
        accepted_before_ns=st.sampled_from((UNSET, UNSET, 4, 8)),
    ),
    st.builds(RollBackCancel, market_no=st.just(1), from_ns=times, until_ns=times, outcomes=some),
    st.sampled_from(
        (
            *(RollBackCancel(market_no=1, outcomes=each) for each in (UNSET, (0,), (2, 1))),
            *(RollBackSettlement(market_no=1, outcomes=each) for each in (UNSET, (0,), (2, 1))),
            RollBackSettlement(market_no=1),
            REOFFER,
            CancelMarket(market_no=1),
            CloseMarket(market_no=1),
            *[SetStatus(market_no=1, status=Status.ACTIVE)] * 3,
            *[ResumeMarket(market_no=1)] * 2,
            SetStatus(market_no=1, status=Status.SUSPENDED),
        )
    ),
)
chosen = st.builds(
    ChosenBets,
    bet_ids=st.one_of(st.just(()), st.lists(st.integers(1, 9), max_size=3).map(tuple)),
    account_no=st.sampled_from((UNSET, UNSET, 7, 8, 10)),
    outcomes=st.one_of(st.just(()), st.lists(st.integers(0, 2), max_size=2).map(tuple)),
    from_ns=times,
    until_ns=times,
    accepted_before_ns=st.sampled_from((UNSET, UNSET, UNSET, 4, 8)),
)
quotes = st.lists(
    st.builds(
        CorrectedQuote,
        outcome=st.integers(0, 2),
        odds_milli=st.sampled_from((1_001, 1_333, 2_500, 3_333, 5_000)),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one.outcome,
).map(tuple)
corrections = st.one_of(
    st.builds(VoidBets, market_no=st.just(1), bets=chosen),
    st.builds(CorrectOdds, market_no=st.just(1), bets=chosen, quotes=quotes),
    st.builds(CorrectOdds, market_no=st.just(1), quotes=quotes),
    st.builds(RestoreBets, market_no=st.just(1), correction_no=st.integers(1, 8)),
)
SINGLE, LEG = 0, FLAG_LEG


class Batch(NamedTuple):
    """Bets of one time: the outcome, stake, rate and flags of each."""

    at_ns: int
    bets: list[tuple[int, int, int, int]]


stakes = st.tuples(
    st.integers(0, 2),
    st.integers(200, 999),
    st.sampled_from((1_000_000, 1_000_000, 6_000, 1_234_567)),
    st.sampled_from((SINGLE, LEG, LEG)),
)
batches = st.builds(Batch, st.integers(0, 11), st.lists(stakes, max_size=4))
"""Times may fall, as when a clock is set."""
openings = st.builds(Batch, st.integers(0, 11), st.lists(stakes, min_size=3, max_size=6))
charges = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.sampled_from((0, 1, 250, 999, 4_321, 10**9)),
        st.integers(0, 5),
        st.sampled_from((*["leg"] * 8, *["release"] * 2, "single", "market")),
    ),
    min_size=1,
    max_size=6,
).map(tuple)
"""The places of legs among those accepted, their charges, the numbers, and what they are of."""
steps = st.one_of(
    batches, batches, charges, charges, commands, commands, commands, corrections, corrections
)


Drawn = tuple[int, int, int, str]


def rows_since(machine: MarketMachine, seq: int) -> list[Row]:
    """Return the settlements with a higher outbox number."""
    rows = machine.outbox(shard=0, limit=1 << 20)
    rows = rows[rows["outbox_seq"] > seq]
    serials = (rows["bet_id"] & np.uint64((1 << 48) - 1)).tolist()
    names = ("result", "payout_minor", "back_den", "settlement_no", "flags")
    columns = (rows[name].tolist() for name in names)
    return [Row(*row) for row in zip(serials, *columns, strict=True)]


def figures(event: MarketEvent) -> tuple[int, int]:
    """Return how many bets an event resolves, and what they are paid."""
    return getattr(event, "bets", 0), getattr(event, "payouts_check", 0)


def account_of(serial: int) -> int:
    """Return whose bet a serial is."""
    return 7 + serial % 3


class Pair:
    """A machine and its twin, given the same bets and commands."""

    def __init__(self, *, rules: int) -> None:
        self.machine = open_machine(odds=ODDS, rules=rules)
        self.twin = ResolutionTwin(ODDS, rules)
        self.serial = 0
        self.position = 0

    def place(self, at_ns: int, stakes: Sequence[tuple[int, int, int, int]]) -> None:
        bets = []
        for outcome, stake, rate, flags in stakes:
            self.serial += 1
            fields = {"policy": Policy.ANY, "rate": rate, "flags": flags}
            fields["account"] = account_of(self.serial)
            bets.append(bet(self.serial, stake=stake, outcome=outcome, **fields))
            odds, leg = ODDS[outcome], flags == LEG
            whose = account_of(self.serial)
            self.twin.place(Placed(self.serial, at_ns, outcome, stake, odds, rate, leg, whose))
        self.machine.place(bet_rows(bets), at_ns)

    def charge(self, drawn: Sequence[Drawn]) -> None:
        bets = self.twin.bets
        legs = [one.serial for one in bets if one.leg] or [99]
        singles = [one.serial for one in bets if not one.leg] or [99]
        charges: list[Charge] = []
        for place, stake, number, kind in drawn:
            serials = singles if kind == "single" else legs
            charged, market = (0 if kind == "release" else stake), 1 + (kind == "market")
            serial = serials[place % len(serials)]
            charges.append((serial, charged, market, number, FLAG_RELEASED * (kind == "release")))
        rows = charge_rows(charges)
        applied = self.machine.charge(rows, 12)
        did = [self.twin.charge(one) for one in charges]
        assert applied.tobytes() == rows[[each is True for each in did]].tobytes()

    def correct(self, command: CorrectionCommand) -> None:
        sent = self.machine._outbox.last_seq(0)
        event = self.machine.apply(command, 12)
        expected, rows = self.twin.correct(command)
        reason = event.reason if isinstance(event, Refused) else Reason.ACCEPTED
        assert reason == REASON_NUMBERS[expected]
        assert rows_since(self.machine, sent) == rows
        if reason == Reason.ACCEPTED:
            assert figures(event) == (len(rows), sum(row.payout for row in rows))

    def apply(self, command: FeedStep, *, by_feed: bool) -> None:
        sent = self.machine._outbox.last_seq(0)
        event: MarketEvent
        if by_feed:
            self.position += 1
            update = FeedUpdate(
                market_no=1, source="f/odds", position=self.position, steps=(command,)
            )
            applied = self.machine.apply(update, 12)
            assert isinstance(applied, FeedApplied)
            (event,) = applied.events
        else:
            event = self.machine.apply(command, 12)
        expected, rows = self.twin.apply(command, by_feed=by_feed)
        reason = event.reason if isinstance(event, Refused) else Reason.ACCEPTED
        assert reason == REASON_NUMBERS[expected]
        assert rows_since(self.machine, sent) == rows
        if reason == Reason.ACCEPTED:
            assert figures(event) == (len(rows), sum(row.payout for row in rows))

    def check(self) -> None:
        """Compare every view with the twin, and continue with a machine loaded from a dump."""
        machine, twin = self.machine, self.twin
        image = machine.book_image(1)
        assert (image.prices.status, image.held) == (STATUS_NUMBERS[twin.status], twin.held)
        assert image.settlement_no == twin.settlement_no
        assert image.results_stand == (twin.results is not None)
        assert image.bets == len(twin.bets)
        self.check_figures(image)
        last = {row.serial: row for row in rows_since(machine, 0)}
        for number, one in enumerate(twin.bets):
            row = last.get(one.serial, Row(one.serial, BetResult.NONE, 0, 0, 0))
            assert row[1:4] == twin.resolution(number) or twin.charges.released(one.serial)
        standing = machine.present_resolutions(1)
        names = ["result", "payout_minor", "back_den"]
        assert standing[names].tolist() == [twin.resolution(n) for n in range(len(twin.bets))]
        stakes = [twin.stake(one) for one in twin.bets]
        assert machine.accepted_bets(1)["stake_minor"].tolist() == stakes
        machine.check()
        document = machine.dump()
        self.machine = MarketMachine.load(document)
        assert self.machine.dump() == document
        assert self.machine.state_hash() == machine.state_hash()

    def check_figures(self, image: BookImage) -> None:
        """Compare the book's figures with those that the twin adds up bet by bet."""
        figures = self.twin.figures()
        taken = sum(one.stake for one in figures)
        assert image.stake_taken_minor == taken
        assert image.stake_minor == tuple(one.stake for one in figures)
        assert image.payout_minor == tuple(one.payout for one in figures)
        assert image.liability_minor == tuple(one.payout - taken for one in figures)
        brought = [one[2:] for one in figures]
        assert [astuple(one) for one in image.results] == brought
        assert astuple(image.result) == tuple(sum(column) for column in zip(*brought, strict=True))


LOST = (OutcomeResult(won=False),) * 3
BASE = 1_000_000


@settings(max_examples=300, deadline=None)
@given(
    opening=openings,
    stream=st.lists(st.tuples(steps, st.booleans()), min_size=1, max_size=20),
    first_steps=st.sampled_from((0, 0, 0, 3, 20)),
)
@example(
    opening=Batch(0, []),
    stream=[
        (Batch(5, [(0, 100, BASE, SINGLE), (1, 50, BASE, SINGLE)]), True),
        (CancelBets(market_no=1), True),
        (SetStatus(market_no=1, status=Status.ACTIVE), True),
        (Batch(5, [(0, 10, BASE, SINGLE)]), True),
        (SettleMarket(market_no=1, results=LOST), True),
        (CancelMarket(market_no=1), True),
        (RollBackSettlement(market_no=1), False),
        (RollBackCancel(market_no=1), False),
    ],
    first_steps=0,
)
@example(
    opening=Batch(0, []),
    stream=[
        (CancelBets(market_no=1), True),
        (Batch(5, [(0, 100, BASE, SINGLE), (1, 50, BASE, SINGLE)]), True),
        (CancelBets(market_no=1), True),
        (CancelBets(market_no=1), True),
        (Batch(6, [(0, 10, BASE, SINGLE)]), True),
        (CancelBets(market_no=1, outcomes=(0,)), True),
        (RollBackCancel(market_no=1, outcomes=(1,)), True),
        (RollBackCancel(market_no=1), True),
    ],
    first_steps=0,
)
@example(
    opening=Batch(0, []),
    stream=[
        (Batch(0, [(1, 200, BASE, SINGLE)]), False),
        (SettleMarket(market_no=1, results=LOST[:1], outcomes=(0,)), False),
        (RollBackSettlement(market_no=1), False),
    ],
    first_steps=0,
)
@example(
    opening=Batch(0, []),
    stream=[
        (Batch(5, [(0, 500, BASE, LEG), (1, 300, 6_000, LEG), (0, 400, BASE, SINGLE)]), False),
        (((0, 4_321, 1, "leg"), (1, 999, 2, "leg"), (1, 250, 1, "leg"), (0, 1, 1, "single")), True),
        (SettleMarket(market_no=1, results=(OutcomeResult(won=True), *LOST[1:])), False),
        (((0, 250, 2, "leg"), (1, 0, 3, "release"), (1, 999, 4, "leg")), True),
        (CancelBets(market_no=1, until_ns=10), False),
        (((0, 999, 5, "leg"),), True),
        (RollBackCancel(market_no=1, until_ns=10), False),
        (CancelMarket(market_no=1), False),
        (((0, 10**9, 6, "leg"),), True),
        (RollBackCancel(market_no=1), False),
        (RollBackSettlement(market_no=1), False),
    ],
    first_steps=0,
)
def test_rows_are_sent_for_exactly_the_bets_whose_resolution_changes(
    opening: Batch,
    stream: Sequence[tuple[Batch | tuple[Drawn, ...] | FeedStep | CorrectionCommand, bool]],
    first_steps: int,
) -> None:
    """The first steps are those of a writer of the first rules, the others of the present one."""
    pair = Pair(rules=1 if first_steps else 2)
    pair.place(*opening)
    for number, (step, by_feed) in enumerate(stream):
        if number == first_steps > 0:
            pair.twin.rules = 2
            pair.machine.begin_epoch(epoch=2, rules=2)
            pair.check()
        if isinstance(step, Batch):
            pair.place(*step)
        elif isinstance(step, tuple):
            pair.charge(step)
        elif isinstance(step, CorrectionCommand):
            pair.correct(step)
        else:
            pair.apply(step, by_feed=by_feed)
        pair.check()
