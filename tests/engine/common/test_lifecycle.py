"""The life cycle of a market: the table, and the answer to every command in every status."""

import pytest

from engine.common.commands import (
    CancelMarket,
    CloseMarket,
    HandOverMarket,
    MarketCommand,
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
from engine.common.lifecycle import BET_REFUSAL, Action, Status, next_status
from engine.common.reasons import Reason
from engine.market.market import MarketMachine
from tests.engine.common.stated_rules import BET_REASONS, NEXT_STATUS, STATUS_NUMBERS
from tests.engine.market.builders import AT_NS, create, do

LOST = (OutcomeResult(won=False),)
COMMANDS = {
    "OPEN": OpenMarket(market_no=1),
    "SUSPEND": SuspendMarket(market_no=1),
    "RESUME": ResumeMarket(market_no=1),
    "CLOSE": CloseMarket(market_no=1),
    "SETTLE": SettleMarket(market_no=1, results=(OutcomeResult(won=True),)),
    "CANCEL": CancelMarket(market_no=1),
    "HAND_OVER": HandOverMarket(market_no=1),
    "SET_ACTIVE": SetStatus(market_no=1, status=Status.ACTIVE),
    "SET_INACTIVE": SetStatus(market_no=1, status=Status.INACTIVE),
    "SET_SUSPENDED": SetStatus(market_no=1, status=Status.SUSPENDED),
    "SET_HANDED_OVER": SetStatus(market_no=1, status=Status.HANDED_OVER),
}
"""The command of each action; the commands of REINSTATE and REOPEN depend on the results."""
WAYS: dict[str, list[MarketCommand]] = {
    "INACTIVE": [],
    "ACTIVE": [COMMANDS["OPEN"]],
    "SUSPENDED": [COMMANDS["OPEN"], COMMANDS["SUSPEND"]],
    "HANDED_OVER": [COMMANDS["OPEN"], COMMANDS["HAND_OVER"]],
    "CLOSED": [COMMANDS["CLOSE"]],
    "SETTLED": [SettleMarket(market_no=1, results=LOST)],
    "CANCELLED": [COMMANDS["CANCEL"]],
}
"""The commands that bring a new market to each status."""


def machine_in(status: str) -> MarketMachine:
    """Return a machine whose market 1 is in a status."""
    machine = MarketMachine()
    do(machine, create(odds=(2_000,)), *WAYS[status])
    assert machine.price_delta(1).status == STATUS_NUMBERS[status]
    return machine


def test_statuses_have_the_feed_s_numbers() -> None:
    assert {status.name: int(status) for status in Status} == STATUS_NUMBERS


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("action", Action)
def test_the_table_allows_what_is_stated_and_nothing_else(status: Status, action: Action) -> None:
    after = next_status(status, action)
    assert (after if after is None else after.name) == NEXT_STATUS[status.name, action.name]


def test_a_bet_gets_the_stated_reason_in_every_status() -> None:
    assert {status.name: reason.name for status, reason in BET_REFUSAL.items()} == BET_REASONS


@pytest.mark.parametrize("status", STATUS_NUMBERS)
@pytest.mark.parametrize("action", COMMANDS)
def test_a_command_leads_where_the_table_says_or_changes_nothing(status: str, action: str) -> None:
    machine = machine_in(status)
    before, delta = machine.state_hash(), machine.price_delta(1)
    event = machine.apply(COMMANDS[action], AT_NS + 1)
    expected = NEXT_STATUS[status, action]
    if action == "SET_ACTIVE" and status == "SUSPENDED":
        assert isinstance(event, Refused)
        assert event.reason == Reason.MARKET_HELD, "a trader suspended it"
        assert machine.state_hash() == before
    elif expected is None:
        assert isinstance(event, Refused)
        assert event.reason == Reason.TRANSITION_NOT_ALLOWED
        assert status in event.message
        assert machine.state_hash() == before
    else:
        after = machine.price_delta(1)
        assert after.status == STATUS_NUMBERS[expected]
        assert after.version == delta.version + (expected != status) == event.version
    machine.check()


def test_events_name_the_transition_the_version_and_the_why() -> None:
    machine = MarketMachine()
    do(machine, create(odds=(2_000,)))
    events = [
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
    assert events == [
        MarketOpened(market_no=1, version=2),
        MarketSuspended(market_no=1, version=3, why="goal"),
        MarketResumed(market_no=1, version=4),
        MarketHandedOver(market_no=1, version=5),
        MarketOpened(market_no=1, version=6),
        MarketClosed(market_no=1, version=7),
    ]


def test_a_rollback_leads_to_settled_where_results_stand_and_else_to_suspended() -> None:
    machine = machine_in("SETTLED")
    do(machine, CancelMarket(market_no=1), RollBackCancel(market_no=1))
    assert machine.price_delta(1).status.name == NEXT_STATUS["CANCELLED", "REINSTATE"] == "SETTLED"
    do(machine, RollBackSettlement(market_no=1))
    assert machine.price_delta(1).status.name == NEXT_STATUS["SETTLED", "REOPEN"] == "SUSPENDED"
    machine = machine_in("CANCELLED")
    do(machine, RollBackCancel(market_no=1))
    assert machine.price_delta(1).status.name == NEXT_STATUS["CANCELLED", "REOPEN"] == "SUSPENDED"
