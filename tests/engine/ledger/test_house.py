"""The stop of the house: no new bet is reserved, and all else goes on."""

import pytest

from engine.common.events import HouseStarted, HouseStopped
from engine.common.house import HouseStop, StartHouse, StopHouse
from engine.common.reasons import Reason
from engine.common.rows import FLAG_KNOWN, SlipState
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import (
    bet,
    funded,
    reservation,
    reserve,
    resolve,
    settle,
    settlement,
    verdict,
)
from tests.engine.ledger.slip_builders import cover

STOP = StopHouse(by="trader:ada", why="a wrong feed")


def reasons(answers) -> list[int]:
    return answers["reason"].tolist()


def stopped() -> LedgerMachine:
    """Return a ledger with one bet reserved and one accepted, whose house was stopped then."""
    ledger = funded(amount_minor=100_000)
    reserve(ledger, reservation("a"), reservation("b"))
    resolve(ledger, verdict(bet(2)))
    ledger.apply(STOP, 5)
    return ledger


def test_a_stopped_house_reserves_no_single_and_no_slip():
    ledger = stopped()
    before = ledger.balance(7).available_minor
    assert reasons(reserve(ledger, reservation("c"))) == [Reason.HOUSE_STOPPED]
    answers = cover(2_000, 3_000, 4_000, stake_minor=100).send(ledger)
    assert set(reasons(answers)) == {Reason.HOUSE_STOPPED}
    assert ledger.balance(7).available_minor == before
    assert ledger.slips_len == 2
    ledger.apply(StartHouse(), 6)
    assert reasons(reserve(ledger, reservation("c"))) == [Reason.ACCEPTED]


def test_a_known_reference_is_answered_by_a_stopped_house_and_becomes_shared():
    ledger = stopped()
    answers = reserve(ledger, reservation("a"), reservation("b"))
    assert answers["state"].tolist() == [SlipState.PENDING, SlipState.ACCEPTED]
    assert answers["flags"].tolist() == [FLAG_KNOWN, FLAG_KNOWN]
    resolve(ledger, verdict(bet(1), Reason.BUSY))
    assert ledger.slip_by_id(bet(1)).state is SlipState.PENDING, "another copy may be on its way"


def test_bets_that_were_reserved_are_accepted_and_paid_by_a_stopped_house():
    ledger = stopped()
    resolve(ledger, verdict(bet(1)))
    settle(ledger, settlement(bet(1), 250), settlement(bet(2), 0))
    assert [ledger.slip_by_id(bet(at)).state for at in (1, 2)] == [SlipState.SETTLED] * 2


def test_the_first_stop_keeps_its_author_until_the_house_is_started():
    ledger = funded()
    first = ledger.apply(STOP, 5)
    assert first == HouseStopped(by="trader:ada", why="a wrong feed", at_ns=5)
    state = ledger.state_hash()
    again = ledger.apply(StopHouse(by="trader:bob"), 6)
    assert again == HouseStopped(by="trader:ada", why="a wrong feed", at_ns=5, known=True)
    assert ledger.state_hash() == state
    assert ledger.apply(StartHouse(), 7) == HouseStarted()
    assert ledger.apply(StartHouse(), 8) == HouseStarted(known=True)


def test_a_stop_is_part_of_the_state_and_of_no_older_layout():
    ledger = stopped()
    ledger.check()
    loaded = LedgerMachine.load(ledger.dump())
    assert loaded.house_stop == HouseStop(by="trader:ada", why="a wrong feed", at_ns=5)
    assert loaded.state_hash() == ledger.state_hash()
    assert reasons(reserve(loaded, reservation("c"))) == [Reason.HOUSE_STOPPED]
    with pytest.raises(ValueError, match="blocks or changes"):
        ledger.dump(layout=2)


@pytest.mark.parametrize("stop", [["", "", 5], ["a", "", -1], ["a", "why"], ["a", 1, 5], "abc"])
def test_a_dump_with_another_stop_is_refused(stop: object):
    with pytest.raises(ValueError, match="house_stop"):
        LedgerMachine.load(stopped().dump() | {"house_stop": stop})
