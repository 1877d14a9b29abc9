"""One person alone moves no more money of a market in a window than may be, whatever he sends."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.allowances import AllowedCommands
from actors.weights import SLIP_MOST, Allowance
from engine.common.commands import FeedStep, SettleMarket, SuspendMarket
from engine.common.corrections import CorrectedQuote, CorrectionCommand, CorrectOdds
from engine.common.events import MarketEvent, Refused
from engine.common.ids import MarketNo, bet_id
from engine.common.previews import PREVIEWED, ExpectedMarket, PreviewCommand
from engine.common.reasons import Reason
from engine.common.rows import FLAG_LEG, Rows
from engine.common.units import BALANCE_MINOR_MAX, RATE_MICRO_ONE, Minor, Nanos
from engine.desk.moved_money import MovedMoney
from tests.engine.market.builders import bet, open_machine, place, won
from tests.engine.market.test_preview import Worth, moved_minor, times_milli, worths
from tests.engine.market.test_resolution_twin import (
    ODDS,
    Batch,
    Drawn,
    Pair,
    batches,
    charges,
    commands,
    corrections,
    openings,
)

WINDOW_NS = Nanos(40)
AT_NS = Nanos(12)
MARKET = MarketNo(1)


def most_of(serial: int) -> int:
    """Return what a leg's slip could be paid at most: some amount of this test."""
    return 50 * serial


def slips(pair: Pair) -> Rows:
    rows = [(bet_id(shard=0, serial=one.serial), most_of(one.serial)) for one in pair.twin.bets]
    return np.array(rows, SLIP_MOST)


def total_minor(pair: Pair, before: Sequence[Worth]) -> int:
    """Return what was moved since, by the twin's own rules."""
    total = 0
    for one, old, new in zip(pair.twin.bets, before, worths(pair.twin), strict=True):
        times = times_milli(one, old, new)
        total += ceil(most_of(one.serial) * times / 1_000) if times else moved_minor(old, new)
    return total


def run(pair: Pair, step: PreviewCommand) -> MarketEvent:
    """Give a command to the machine and to the twin."""
    if isinstance(step, CorrectionCommand):
        pair.twin.correct(step)
    else:
        pair.twin.apply(step, by_feed=False)
    return pair.machine.apply(step, AT_NS)


def given_alone(
    pair: Pair, sums: MovedMoney, command: PreviewCommand, *, most: int, wall_ns: int
) -> AllowedCommands:
    allowance = Allowance(
        message_minor=Minor(most),
        most_minor=Minor(most),
        window_ns=WINDOW_NS,
        slips=slips(pair).tobytes(),
    )
    return AllowedCommands(
        sums, "settler:anna", [command], allowance,
        machine=pair.machine, derived=None, at_ns=AT_NS, wall_ns=Nanos(wall_ns),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    opening=openings,
    stream=st.lists(
        st.tuples(
            st.integers(0, 8),  # nanoseconds since the one before
            st.one_of(batches, charges, *[commands] * 6, *[corrections] * 3),
        ),
        min_size=1,
        max_size=14,
    ),
    most=st.sampled_from((300, 2_000, 5_000, 20_000)),
)
def test_no_window_has_more_than_one_person_may_move(
    opening: Batch,
    stream: Sequence[tuple[int, Batch | tuple[Drawn, ...] | FeedStep | CorrectionCommand]],
    most: int,
) -> None:
    pair, sums, wall_ns = Pair(rules=2), MovedMoney(), 0
    done: list[tuple[int, int]] = []
    pair.place(*opening)
    for step_ns, step in stream:
        wall_ns += step_ns
        if isinstance(step, Batch):
            pair.place(*step)
        elif isinstance(step, tuple):
            pair.charge(step)
        elif not isinstance(step, PREVIEWED):
            pair.apply(step, by_feed=False)
        else:
            stated = pair.machine.state_hash()
            allowed = given_alone(pair, sums, step, most=most, wall_ns=wall_ns)
            assert pair.machine.state_hash() == stated, "nothing is changed by judging"
            (refused,) = allowed.noted([]) if not allowed.commands else (None,)
            if isinstance(refused, Refused) and refused.reason is not Reason.APPROVAL_NEEDED:
                assert pair.machine.apply(step, AT_NS) == refused
                continue
            before, event = worths(pair.twin), run(pair, step)
            moved = total_minor(pair, before)
            in_window = sum(each for at, each in done if at > wall_ns - WINDOW_NS)
            assert (refused is None) is (moved == 0 or in_window + moved <= most)
            if refused is None:
                done.append((wall_ns, moved))
                assert allowed.noted([event]) == [event]


def test_open_legs_move_with_their_odds_and_what_was_moved_counts_again() -> None:
    """Odds of 2.5 become 3.0: a fifth more of a slip that can be paid 50, twice within a sum."""
    pair, sums = Pair(rules=2), MovedMoney()
    pair.place(1, [(0, 200, RATE_MICRO_ONE, FLAG_LEG)])
    milli = ODDS[0]
    for number, odds_milli, allowed in (
        (1, milli * 6 // 5, True),
        (2, milli * 7 // 5, True),
        (3, milli * 8 // 5, False),
    ):
        quotes = (CorrectedQuote(outcome=0, odds_milli=odds_milli),)
        command = CorrectOdds(market_no=MARKET, quotes=quotes)
        judged = given_alone(pair, sums, command, most=20, wall_ns=number)
        assert bool(judged.commands) is allowed
        if allowed:
            judged.noted([run(pair, command)])
    later = given_alone(pair, sums, command, most=20, wall_ns=2 + WINDOW_NS)
    assert later.commands


def test_a_command_of_what_has_changed_is_refused_and_the_others_are_not() -> None:
    machine = open_machine()
    place(machine, bet(1, stake=1_000))
    settle = SettleMarket(market_no=MARKET, results=won(True, False, False))
    suspend = SuspendMarket(market_no=MARKET)
    for expected, allowed in (
        (ExpectedMarket(market_no=MARKET), True),
        (ExpectedMarket(market_no=MARKET, settlement_no=0, market_bets=1), True),
        (ExpectedMarket(market_no=MARKET, settlement_no=1), False),
        (ExpectedMarket(market_no=MARKET, market_bets=0), False),
        (ExpectedMarket(market_no=MarketNo(2), settlement_no=9), True),
    ):
        judged = AllowedCommands(
            MovedMoney(), "settler:anna", [settle, suspend], Allowance(expected=(expected,)),
            machine=machine, derived=None, at_ns=AT_NS, wall_ns=AT_NS,
        )  # fmt: skip
        assert judged.commands == ((settle, suspend) if allowed else (suspend,))


def test_a_leg_that_nobody_looked_up_is_no_permission() -> None:
    machine = open_machine()
    place(machine, bet(1, stake=1_000, flags=FLAG_LEG))
    settle = SettleMarket(market_no=MARKET, results=won(True, False, False))
    judged = AllowedCommands(
        MovedMoney(), "settler:anna", [settle], Allowance(message_minor=Minor(BALANCE_MINOR_MAX)),
        machine=machine, derived=None, at_ns=AT_NS, wall_ns=AT_NS,
    )  # fmt: skip
    (refused,) = judged.noted([])
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.PROPOSAL_STALE
