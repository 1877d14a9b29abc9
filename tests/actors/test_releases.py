"""Releases of the legs of one slip at different times, with answers lost in between."""

import pytest

from actors.tail_check import missing_at_market
from engine.common.commands import SuspendMarket
from engine.common.rows import SlipState
from tests.actors.slip_shells import ACCOUNT, FUNDS_MINOR, SlipShells, market_name, treble
from tests.actors.trade import market_control
from tests.actors.virtual import run_virtual


@pytest.fixture
def shells() -> SlipShells:
    return SlipShells(orphan_after_ms=10_000, chunk_rows=100)


def missing(shells: SlipShells, market_no: int) -> str:
    """Return what a market's start would say that its journal has lost."""
    peer, accounts = shells.peers[market_name(market_no)], {0: shells.peers[ACCOUNT]}
    return run_virtual(missing_at_market(peer, [market_no], accounts=accounts, timeout_s=1.0))


@pytest.mark.parametrize("lost", ["call", "answer"])
def test_a_release_told_again_after_another_leg_was_released_is_applied_by_its_number(
    shells: SlipShells, lost: str
) -> None:
    """Market 1 applies the release as charge 1; the account, which did not hear, tells it as 2.

    A market that kept number 1 would look as if it had lost the end of its journal.
    """
    shells.market(2).control(market_control(SuspendMarket(market_no=2)))
    request = treble()
    shells.reserve(request)
    for number in (1, 2):
        shells.hold(request, number)
    shells.reserve(request)
    assert request.state is SlipState.REFUSED
    losses = (
        shells.peers[ACCOUNT].lose_calls if lost == "call" else shells.peers[ACCOUNT].lose_answers
    )
    losses["charged"] = 1
    shells.step()
    shells.hold(request, 3)
    shells.reserve(request)
    for _ in range(2):
        shells.step()
    assert shells.available_minor() == FUNDS_MINOR
    assert [shells.book(number)[0].stake_minor[0] for number in (1, 2, 3)] == [0, 0, 0]
    report = shells.compare()
    assert report.agree, report.differences
    assert report.in_flight == 0
    for number in (1, 3):
        assert missing(shells, number) == ""
        shells.kill(market_name(number))
        assert missing(shells, number) == ""
