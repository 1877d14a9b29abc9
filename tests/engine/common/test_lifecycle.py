"""The life of a market: the table of moves, and what each is answered with."""

import pytest

from engine.common.commands import (
    CancelMarket,
    CloseMarket,
    HandOverMarket,
    OpenMarket,
    OutcomeResult,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetStatus,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import (
    MarketClosed,
    MarketHandedOver,
    MarketOpened,
    MarketResumed,
    MarketSuspended,
    Refused,
)
from engine.common.lifecycle import BET_REFUSAL, SET_ACTIONS, TRANSITIONS, Action, Status, next_status
from engine.common.reasons import MESSAGES, RETRYABLE, Reason
from engine.market.market import MarketMachine
from tests.engine.market.builders import AT_NS, create, do

LOST = (OutcomeResult(won=False),)
COMMANDS = {
    Action.OPEN: OpenMarket(market_no=1),
    Action.SUSPEND: SuspendMarket(market_no=1),
    Action.RESUME: ResumeMarket(market_no=1),
    Action.CLOSE: CloseMarket(market_no=1),
    Action.SETTLE: SettleMarket(market_no=1, results=(OutcomeResult(won=True),)),
    Action.CANCEL: CancelMarket(market_no=1),
    Action.HAND_OVER: HandOverMarket(market_no=1),
    **{action: SetStatus(market_no=1, status=status) for status, action in SET_ACTIONS.items()},
}
WAYS = {
    Status.INACTIVE: [],
    Status.ACTIVE: [Action.OPEN],
    Status.SUSPENDED: [Action.OPEN, Action.SUSPEND],
    Status.HANDED_OVER: [Action.OPEN, Action.HAND_OVER],
    Status.CLOSED: [Action.CLOSE],
    Status.SETTLED: [],
    Status.CANCELLED: [Action.CANCEL],
}


def machine_in(status: Status) -> MarketMachine:
    """Return a machine whose market 1 is in a state."""
    machine = MarketMachine()
    do(machine, create(odds=(2_000,)), *[COMMANDS[action] for action in WAYS[status]])
    if status == Status.SETTLED:
        do(machine, SettleMarket(market_no=1, results=LOST))
    assert machine.price_delta(1).status == status
    return machine


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("action", COMMANDS)
def test_command_follows_the_table_or_changes_nothing(status, action) -> None:
    machine = machine_in(status)
    before, delta = machine.state_hash(), machine.price_delta(1)
    event = machine.apply(COMMANDS[action], AT_NS + 1)
    expected = next_status(status, action)
    if action == Action.SET_ACTIVE and status == Status.SUSPENDED:
        assert isinstance(event, Refused)
        assert event.reason == Reason.MARKET_HELD, "a trader suspended it"
        assert machine.state_hash() == before
    elif expected is None:
        assert isinstance(event, Refused)
        assert event.reason == Reason.TRANSITION_NOT_ALLOWED
        assert status.name in event.message
        assert machine.state_hash() == before
    else:
        after = machine.price_delta(1)
        assert after.status == expected
        assert after.version == delta.version + (expected != status) == event.version
    machine.check()


def test_moves_are_told_in_the_past_tense_with_the_version_and_the_reason() -> None:
    machine = MarketMachine()
    do(machine, create(odds=(2_000,)))
    told = [
        machine.apply(command, AT_NS)
        for command in (
            OpenMarket(market_no=1),
            SuspendMarket(market_no=1, why="goal"),
            ResumeMarket(market_no=1),
            HandOverMarket(market_no=1),
            OpenMarket(market_no=1),
            CloseMarket(market_no=1),
        )
    ]
    assert told == [
        MarketOpened(market_no=1, version=2),
        MarketSuspended(market_no=1, version=3, why="goal"),
        MarketResumed(market_no=1, version=4),
        MarketHandedOver(market_no=1, version=5),
        MarketOpened(market_no=1, version=6),
        MarketClosed(market_no=1, version=7),
    ]


def test_handed_over_market_is_opened_not_resumed() -> None:
    assert next_status(Status.HANDED_OVER, Action.RESUME) is None
    assert next_status(Status.HANDED_OVER, Action.OPEN) == Status.ACTIVE


def test_only_a_roll_back_leads_out_of_a_cancelled_market() -> None:
    out_of_cancelled = [move for move in TRANSITIONS if move[0] == Status.CANCELLED]
    assert [action for _, action in out_of_cancelled] == [Action.REINSTATE, Action.REOPEN]


def test_only_its_bets_or_a_roll_back_lead_out_of_a_settled_market() -> None:
    out_of_settled = [action for status, action in TRANSITIONS if status == Status.SETTLED]
    assert out_of_settled == [Action.SETTLE, Action.CANCEL, Action.REOPEN]


def test_a_roll_back_leads_where_the_table_says() -> None:
    machine = machine_in(Status.SETTLED)
    do(machine, CancelMarket(market_no=1), RollBackCancel(market_no=1))
    assert machine.price_delta(1).status == TRANSITIONS[Status.CANCELLED, Action.REINSTATE]
    do(machine, RollBackSettlement(market_no=1))
    assert machine.price_delta(1).status == TRANSITIONS[Status.SETTLED, Action.REOPEN]
    machine = machine_in(Status.CANCELLED)
    do(machine, RollBackCancel(market_no=1))
    assert machine.price_delta(1).status == TRANSITIONS[Status.CANCELLED, Action.REOPEN]


def test_a_status_is_set_from_every_state_in_which_betting_may_come_and_from_no_other() -> None:
    betting = {status for status, action in TRANSITIONS if action == Action.CLOSE}
    for after, action in SET_ACTIONS.items():
        assert {status for status, one in TRANSITIONS if one == action} == betting
        assert {next_status(status, action) for status in betting} == {after}


def test_bets_are_taken_in_one_state_only() -> None:
    takes = [status for status in Status if BET_REFUSAL[status] == Reason.ACCEPTED]
    assert takes == [Status.ACTIVE]


def test_reasons_are_numbered_in_their_ranges_with_words_and_a_say_on_retrying() -> None:
    assert all(MESSAGES[reason] for reason in Reason)
    assert all(reason == 0 or 101 <= reason <= 909 for reason in Reason)
    assert Reason.MARKET_SUSPENDED in RETRYABLE
    assert Reason.MARKET_SETTLED not in RETRYABLE
    assert [int(reason) for reason in (Reason.MARKET_LIABILITY, Reason.BET_LIABILITY)] == [701, 702]
