"""What an account takes a portion of is carried on: settlements, verdicts and charges of slips."""

import asyncio
from typing import Any

import pytest

from engine.common.rows import BetResult, SlipState
from tests.actors.slip_shells import (
    ACCOUNT,
    FUNDS_MINOR,
    MARKET_NOS,
    SlipShells,
    market_name,
    treble,
    trixie,
)
from tests.actors.stand_ins import UnreliablePeer
from tests.actors.virtual import run_virtual

LINES_MAX = 5
"""A trixie has four lines, so that a call takes two of its legs."""
COUNT = 7


@pytest.fixture
def shells(monkeypatch: pytest.MonkeyPatch) -> SlipShells:
    monkeypatch.setattr("engine.ledger.portions.LINES_AT_ONCE_MAX", LINES_MAX)
    monkeypatch.setattr("engine.ledger.charges.LINES_IN_PAGE_MAX", LINES_MAX)
    return SlipShells(orphan_after_ms=10_000, chunk_rows=100)


def test_settlements_and_charges_past_the_lines_of_one_call_follow_in_further_calls(
    shells: SlipShells,
) -> None:
    for at in range(COUNT):
        shells.place(trixie(f"s{at}"))
    for number in MARKET_NOS:
        shells.settle(number)
        assert shells.step()["settled"] == COUNT
        assert not shells.market(number).outbox_shards()
        assert shells.step()["charged"] == COUNT * (len(MARKET_NOS) - number)
        assert shells.account.charges(0, 100)[0] == b""
    methods = shells.peers[ACCOUNT].methods
    assert methods.count("settle") == len(MARKET_NOS) * 4, "two at a time of seven"
    # Stakes of 10: three doubles at 4.000 and a treble at 8.000.
    assert shells.available_minor() == FUNDS_MINOR + COUNT * (3 * 40 + 80 - 40)
    assert shells.compare().agree


def test_charges_that_wait_take_a_part_of_their_accounts_time(shells: SlipShells) -> None:
    """The market of what is due is down, so each step would have all of it worked out again."""

    class SlowPeer(UnreliablePeer):
        async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
            if method == "charges":
                await asyncio.sleep(0.1)
            return await super().ask(method, *args, timeout_s=timeout_s)

    for at in range(COUNT):
        shells.place(trixie(f"s{at}"))
    shells.settle(1)
    shells.step()
    peer = shells.peers[ACCOUNT] = SlowPeer(shells.account, name=ACCOUNT)
    shells.notify_routes(down=market_name(2))

    async def main() -> None:
        await shells.reconciler.start()
        await asyncio.sleep(60)
        await shells.reconciler.stop()

    run_virtual(main())
    assert 100 < peer.methods.count("charges") < 60 / 0.1 / 3


def test_a_portion_whose_answer_is_lost_is_carried_again_and_paid_once(shells: SlipShells) -> None:
    for at in range(COUNT):
        shells.place(treble(f"s{at}"))
    for number in MARKET_NOS:
        shells.settle(number, home=BetResult.REFUNDED)
    for _ in range(3):
        shells.peers[ACCOUNT].lose_answers["settle"] = 1
        shells.step()
        shells.step()
    assert shells.available_minor() == FUNDS_MINOR
    assert shells.compare().agree


def test_verdicts_past_the_lines_of_one_call_follow_in_the_next_steps(shells: SlipShells) -> None:
    requests = [trixie(f"s{at}") for at in range(COUNT)]
    for request in requests:
        shells.reserve(request)
        for number in MARKET_NOS:
            shells.hold(request, number)
    shells.advance(11)
    for _ in range(6):
        shells.step()
    assert {shells.slip(f"s{at}").state for at in range(COUNT)} == {SlipState.ACCEPTED}
    assert shells.compare().agree
