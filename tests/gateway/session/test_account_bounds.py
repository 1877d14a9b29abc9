"""An account's own bound of what its open bets can pay, set by a trader over real sockets."""

from pathlib import Path

import pytest

from actors.routes import account_shell_name
from engine.common.payout_bounds import SetAccountBound
from engine.common.reasons import Reason
from gateway.client import RefusedError
from gateway.session.tokens import Role
from persistence.chain import ChainReader
from persistence.disk import LocalDisk
from persistence.records import Kind, decode_ledger_control
from tests.gateway.bookmaker import Bookmaker, bettor, head_trader, trader

BET = {"market": 1, "outcome": 0, "stake_minor": 500, "odds_milli": 2_500}
"""It pays 1,250."""


async def test_a_trader_bounds_one_account_and_gives_it_the_houses_bound_back(
    bookmaker: Bookmaker,
) -> None:
    async with head_trader(bookmaker) as control, bettor(bookmaker) as client:
        for _ in range(2):
            bounded = await control.set_account_bound(7, open_payout_minor_max=1_249)
            assert (bounded.account, bounded.open_payout_minor_max) == (7, 1_249)
        refused = await client.place(ref="a1", **BET)
        assert (refused.reason, refused.stake_max_minor) == (Reason.ACCOUNT_LIABILITY, 499)
        await control.set_account_bound(7, open_payout_minor_max=0)
        assert (await client.place(ref="a1", **BET)).state == "accepted"


async def test_the_bound_is_journaled_with_its_author(bookmaker: Bookmaker, tmp_path: Path) -> None:
    async with head_trader(bookmaker) as control:
        await control.set_account_bound(7, open_payout_minor_max=9)
    name = account_shell_name(7 % 2)
    bookmaker.kill_shell(name)
    (folder,) = tmp_path.rglob(name)
    controls = [
        decode_ledger_control(record.payload)
        for record in ChainReader(LocalDisk(), folder)
        if record.kind == Kind.CONTROL
    ]
    assert controls[-1].commands == (SetAccountBound(account_no=7, open_payout_minor_max=9),)
    assert controls[-1].by
    bookmaker.start_shell(name)


async def test_who_may_not_and_what_cannot_be_bounded_is_refused(bookmaker: Bookmaker) -> None:
    async with head_trader(bookmaker) as control:
        with pytest.raises(RefusedError) as nobody:
            await control.set_account_bound(9, open_payout_minor_max=1)
        assert nobody.value.reason is Reason.ACCOUNT_UNKNOWN
        with pytest.raises(RefusedError) as below:
            await control.set_account_bound(7, open_payout_minor_max=-1)
        assert below.value.reason is Reason.FIELD_OUT_OF_BOUNDS
        bookmaker.kill_shell(account_shell_name(1))
        with pytest.raises(RefusedError) as down:
            await control.set_account_bound(7, open_payout_minor_max=1)
        assert down.value.reason is Reason.UNAVAILABLE
        bookmaker.start_shell(account_shell_name(1))
    async with trader(bookmaker, role=Role.QUANT) as quant:
        with pytest.raises(RefusedError) as denied:
            await quant.set_account_bound(7, open_payout_minor_max=1)
        assert denied.value.reason is Reason.NOT_PERMITTED
