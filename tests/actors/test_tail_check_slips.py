"""Journals that have lost what they held of a slip are found by what the other journals know."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.audit import audit_folder
from actors.messages import ShellState
from engine.common.commands import AckOutbox, OpenMarket, SuspendMarket
from engine.common.rows import DECISION, RESERVED, SlipState
from tests.actors.slip_shells import SlipRequest, slip_bet
from tests.actors.supervised import MARKET, SupervisedShells
from tests.actors.test_tail_check import ACCOUNT, _never, cut, state_after_a_start
from tests.actors.trade import fund, market, market_control, settle_home
from tests.actors.virtual import run_virtual

SECOND = "market-00001"
SHELLS = {1: MARKET, 2: SECOND}


def place(system: SupervisedShells, ref: str) -> SlipRequest:
    """Place a double over both markets from the reservation to the post."""
    account = system.local_process(ACCOUNT).target
    request = SlipRequest(ref, [slip_bet(100, [2], of=2)], stake_minor=100, market_nos=[1, 2])
    rows = (request.rows.tobytes(), request.bets.tobytes())
    request.answers = np.frombuffer(account.exchange(b"", *rows), RESERVED)
    for leg, name in zip(request.legs(), SHELLS.values(), strict=True):
        raw = system.local_process(name).target.place(leg.tobytes())
        request.verdicts = np.concatenate([request.verdicts, np.frombuffer(raw, DECISION)])
    answer = account.exchange(request.verdicts.tobytes(), *rows)
    request.answers = np.frombuffer(answer, RESERVED)
    return request


def carry_charges(system: SupervisedShells) -> int:
    """Carry every charge that is due to both markets; return how many there were."""
    account = system.local_process(ACCOUNT).target
    data = account.charges(0, 100)[0]
    for name in SHELLS.values():
        system.local_process(name).target.charge(data)
    noted: int = account.charged(data)
    return noted


async def open_both(system: SupervisedShells) -> None:
    await system.create(market("a/1x2"), market("b/1x2"))
    fund(system.local_process(ACCOUNT).target, [2])
    for number, name in SHELLS.items():
        control(system, name, OpenMarket(market_no=number))


def control(system: SupervisedShells, name: str, command: Any) -> None:
    system.local_process(name).target.control(market_control(command))


def kill(system: SupervisedShells) -> None:
    for name in (ACCOUNT, *SHELLS.values()):
        system.local_process(name).kill()
    system.launcher.make_process = _never


async def refused_and_released(system: SupervisedShells) -> SlipRequest:
    """Leave a slip of which the second market refused its leg and the first released its own."""
    await open_both(system)
    control(system, SECOND, SuspendMarket(market_no=2))
    request = place(system, "s")
    assert request.state is SlipState.REFUSED
    assert carry_charges(system) == 1
    return request


def test_books_with_slips_of_every_state_have_no_fault(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await open_both(system)
            assert place(system, "settled").state is SlipState.ACCEPTED
            control(system, SECOND, SuspendMarket(market_no=2))
            assert place(system, "refused").state is SlipState.REFUSED
            carry_charges(system)
            account = system.local_process(ACCOUNT).target
            for number, name in SHELLS.items():
                control(system, name, settle_home(number))
                account.settle(system.local_process(name).target.outbox(0, 99))
                carry_charges(system)
        report = audit_folder(tmp_path)
        assert report.faults == []
        assert (report.books.slips, report.books.accepted) == (2, 3)

    run_virtual(main())


def test_a_killed_market_that_lost_a_release_is_quarantined_and_named(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            request = await refused_and_released(system)
            kill(system)
        assert audit_folder(tmp_path).faults == []
        cut(tmp_path, MARKET, records=1)
        leg = request.answers["bet_id"][1]
        assert f"bet {leg}: charge 1 was applied by its market, 0 is its last one there" in (
            audit_folder(tmp_path).faults
        )
        state, why = await state_after_a_start(tmp_path, MARKET)
        assert state is ShellState.QUARANTINED
        assert (
            f"1 charges that its accounts hold as applied are not in it, the first is of bet {leg}"
            in why
        )
        state, _ = await state_after_a_start(tmp_path, SECOND)
        assert state is ShellState.SERVING

    run_virtual(main())


def test_a_killed_market_that_lost_the_leg_of_a_refused_slip_is_quarantined(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            request = await refused_and_released(system)
            kill(system)
        cut(tmp_path, MARKET, records=2)
        state, why = await state_after_a_start(tmp_path, MARKET)
        assert state is ShellState.QUARANTINED
        assert f"the first is bet {request.answers['bet_id'][1]}" in why

    run_virtual(main())


def test_an_account_that_lost_the_note_of_a_charge_gives_it_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await refused_and_released(system)
            kill(system)
        cut(tmp_path, ACCOUNT, records=1)
        assert audit_folder(tmp_path).faults == []
        async with SupervisedShells(tmp_path) as system:
            assert system.status(ACCOUNT).state is ShellState.SERVING
            assert carry_charges(system) == 1
            assert carry_charges(system) == 0
        assert audit_folder(tmp_path).faults == []

    run_virtual(main())


@pytest.mark.parametrize("records", [1, 2])
def test_an_account_that_lost_a_slips_settlement_is_found_by_the_audit(
    records: int, tmp_path: Path
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await open_both(system)
            request = place(system, "s")
            account = system.local_process(ACCOUNT).target
            for number, name in SHELLS.items():
                control(system, name, settle_home(number))
                account.settle(system.local_process(name).target.outbox(0, 99))
                control(system, name, AckOutbox(shard=0, upto=1))
            kill(system)
        assert audit_folder(tmp_path).faults == []
        cut(tmp_path, ACCOUNT, records=records)
        legs = request.answers["bet_id"][3 - records :].tolist()
        assert sorted(audit_folder(tmp_path).faults) == [
            f"bet {leg}: WON with 2/1 back in its market, NONE with 0 paid in its account"
            for leg in legs
        ]

    run_virtual(main())
