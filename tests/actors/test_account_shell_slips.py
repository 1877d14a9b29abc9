"""Slips of several legs at the account shell: answers, events of heads, and its failures."""

import numpy as np
import pytest

from actors.messages import ShellState, decode_health, decode_slips
from actors.peer import PeerRefusedError
from engine.common.reasons import Reason
from engine.common.rows import (
    CHARGE,
    FLAG_KNOWN,
    FLAG_LEG,
    FLAG_RELEASED,
    FLAG_UNMARKED,
    RESERVED,
    SETTLEMENT,
    BetResult,
    SlipState,
)
from tests.actors.slip_shells import ACCOUNT, ACCOUNT_NO, MARKET_NOS, SlipShells, treble, trixie
from tests.actors.stand_ins import RecordingGateway
from tests.actors.test_reconciler_slips import suspend


@pytest.fixture
def shells() -> SlipShells:
    return SlipShells(orphan_after_ms=10_000)


def watched(shells: SlipShells) -> RecordingGateway:
    """Return a gateway that watches the account from now on."""
    gateway = RecordingGateway()
    shells.account.set_gateways([gateway])
    shells.account.watch(gateway.name, [ACCOUNT_NO])
    return gateway


def events(gateway: RecordingGateway) -> list[tuple[str, str, SlipState, int]]:
    """Return kind, ref, state and payout of every event, and forget them."""
    found = [
        (kind, slip.ref, slip.state, slip.payout_minor)
        for _, payload, kind in gateway.notified
        for slip in decode_slips(payload)
    ]
    gateway.notified.clear()
    return found


def test_an_account_event_is_of_the_slip_and_not_of_its_legs(shells: SlipShells) -> None:
    for ref in ("a", "b"):
        shells.place(treble(ref))
    gateway = watched(shells)
    shells.settle(1)
    shells.step()
    assert events(gateway) == [], "a leg alone changes no slip"
    for number in (2, 3):
        shells.settle(number)
    shells.step()
    paid = ("settled", SlipState.SETTLED, 800)
    found = events(gateway)
    assert sorted(found) == [(paid[0], ref, *paid[1:]) for ref in ("a", "b")], "one event each"
    shells.settle(2, home=BetResult.LOST)
    shells.step()
    assert sorted(events(gateway)) == [("settled", ref, SlipState.SETTLED, 0) for ref in ("a", "b")]


def test_a_slip_that_opens_again_is_one_event(shells: SlipShells) -> None:
    shells.place(treble())
    for number in MARKET_NOS:
        shells.settle(number)
    shells.step()
    gateway = watched(shells)
    leg = shells.slip("s").legs[1]
    row = np.zeros(1, SETTLEMENT)
    row["bet_id"], row["settlement_no"], row["result"] = leg.bet_id, 9, BetResult.NONE
    row["odds_milli"], row["outbox_seq"] = leg.odds_milli, 9
    assert shells.account.settle(row.tobytes()) == 1
    assert events(gateway) == [("settled", "s", SlipState.ACCEPTED, 0)]
    assert shells.account.settle(row.tobytes()) == 1, "dealt with, and known"
    assert events(gateway) == []


def test_late_verdicts_of_legs_are_one_event_when_they_decide_the_slip(shells: SlipShells) -> None:
    gateway = watched(shells)
    request = treble()
    shells.reserve(request)
    for number in MARKET_NOS:
        shells.hold(request, number)
    for place in range(3):
        assert events(gateway) == []
        shells.account.resolve(request.verdicts[place : place + 1].tobytes())
    assert events(gateway) == [("resolved", "s", SlipState.ACCEPTED, 0)]
    shells.account.resolve(request.verdicts.tobytes())
    assert events(gateway) == [], "known verdicts change nothing"


def test_a_slip_refused_late_is_one_event_and_the_verdicts_after_it_none(
    shells: SlipShells,
) -> None:
    gateway = watched(shells)
    suspend(shells, 1)
    request = treble()
    shells.reserve(request)
    for number in MARKET_NOS:
        shells.hold(request, number)
    shells.account.resolve(request.verdicts[:2].tobytes())
    assert events(gateway) == [("resolved", "s", SlipState.REFUSED, 0)]
    shells.account.resolve(request.verdicts[2:].tobytes())
    assert events(gateway) == []


def test_a_settlement_that_posts_a_slip_says_that_it_is_accepted(shells: SlipShells) -> None:
    gateway = watched(shells)
    request = treble()
    shells.reserve(request)
    for number in MARKET_NOS:
        shells.hold(request, number)
    shells.account.resolve(request.verdicts[:2].tobytes())
    shells.settle(3)
    shells.step()
    assert events(gateway) == [("resolved", "s", SlipState.ACCEPTED, 0)]


def test_singles_and_slips_in_one_batch_of_settlements_have_an_event_each(
    shells: SlipShells,
) -> None:
    shells.place(treble())
    single = shells.bet("single", market_no=1)
    shells.settle(2)
    shells.settle(3)
    shells.step()
    gateway = watched(shells)
    shells.settle(1)
    assert len(np.frombuffer(shells.market(1).outbox(0, 10), SETTLEMENT)) == 2
    shells.step()
    assert sorted(events(gateway)) == [
        ("settled", "s", SlipState.SETTLED, 800),
        ("settled", "single", SlipState.SETTLED, 200),
    ]
    assert single["flags"].tolist() == [0]


def test_pending_legs_are_given_as_fences_and_heads_never(shells: SlipShells) -> None:
    request = trixie()
    shells.reserve(request)
    rows = shells.pending()
    assert rows["bet_id"].tolist() == request.answers["bet_id"][1:].tolist()
    assert (rows["flags"] & FLAG_LEG > 0).all()
    assert rows["stake_minor"].tolist() == [30, 30, 30], "what each is charged at first"


def test_a_repeated_slip_gets_the_first_answer_across_a_kill(shells: SlipShells) -> None:
    request = shells.place(treble())
    first = request.answers.copy()
    shells.kill(ACCOUNT)
    shells.reserve(request)
    assert (request.answers["flags"] & FLAG_KNOWN > 0).all()
    assert request.answers["bet_id"].tolist() == first["bet_id"].tolist()
    recalled = np.frombuffer(
        shells.account.recall(request.rows.tobytes(), request.bets.tobytes()), RESERVED
    )
    assert recalled["bet_id"].tolist() == first["bet_id"].tolist()


def test_a_full_disk_loses_neither_a_slip_nor_a_note_of_a_charge(shells: SlipShells) -> None:
    suspend(shells, 3)
    shells.place(treble("refused"))
    pending = treble("pending")
    shells.reserve(pending)
    due = shells.account.charges(0, 10)[0]
    rows = np.frombuffer(due, CHARGE)
    assert rows["flags"].tolist() == [FLAG_RELEASED, FLAG_RELEASED]
    disk = shells.fill_disk(ACCOUNT)
    before = shells.account.state_hash()
    new = treble("new")
    shells.reserve(new)
    assert new.answers["reason"].tolist() == [Reason.DISK_FULL] * 4
    shells.reserve(pending)
    assert pending.state is SlipState.PENDING
    assert (pending.answers["flags"] == FLAG_KNOWN | FLAG_UNMARKED).all()
    with pytest.raises(PeerRefusedError, match="disk"):
        shells.account.charged(due)
    assert shells.account.state_hash() == before
    disk.capacity = None
    assert shells.account.charged(due) == 2
    assert shells.account.charged(due) == 0


def test_a_quarantined_shard_takes_no_slip_and_gives_and_notes_no_charge(
    shells: SlipShells,
) -> None:
    suspend(shells, 3)
    shells.place(treble())
    due = shells.account.charges(0, 10)[0]
    shells.kill(ACCOUNT, quarantine="restart budget spent")
    assert decode_health(shells.account.tick()).state is ShellState.QUARANTINED
    request = treble("new")
    shells.reserve(request)
    assert request.answers["reason"].tolist() == [Reason.QUARANTINED] * 4
    assert shells.account.charges(0, 10)[0] == b""
    with pytest.raises(PeerRefusedError):
        shells.account.charged(due)


def test_a_quarantined_market_takes_no_charge(shells: SlipShells) -> None:
    shells.kill("market-00001", quarantine="under inspection")
    with pytest.raises(PeerRefusedError):
        shells.market(1).charge(np.zeros(1, CHARGE).tobytes())
    with pytest.raises(PeerRefusedError):
        shells.market(1).charges_of(np.zeros(1, np.uint64).tobytes())
