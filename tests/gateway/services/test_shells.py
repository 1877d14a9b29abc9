"""How the shells are, as the floor asks: states, journals, and why one is in quarantine."""

from pathlib import Path

import pytest

from actors.messages import ReconcilerStatus, encode
from engine.common.reasons import Reason
from gateway.client import RefusedError, connect_control
from gateway.session.tokens import Role
from persistence.disk import LocalDisk
from persistence.journal import LOCK_NAME
from tests.actors.supervised import MARKET
from tests.gateway.price_gateway import open_price_gateway, token
from tests.gateway.supervised_house import open_supervised_house


async def test_a_shell_in_quarantine_is_named_first_with_its_reason_and_folder(
    tmp_path: Path,
) -> None:
    async with (
        open_supervised_house(tmp_path) as house,
        connect_control(house.system.control_url, token=token(Role.TRADER)) as control,
    ):
        before = await control.shells()
        assert [one.name for one in before.shells] == ["account-000", MARKET, "market-00001"]
        assert before.states == {"serving": 3}
        segment = await house.damage()
        # What the supervisor finds differs at once: the same answer serves for a while.
        house.system.gateway.on_reconciliation(
            encode(ReconcilerStatus(settled=4, differences=("bet 9: unknown",), disputes=1))
        )
        answer = await control.shells()
        while answer.states == before.states:
            answer = await control.shells()
        assert answer.states == {"quarantined": 1, "serving": 2}
        first, account, other = answer.shells
        assert (first.name, first.state) == (MARKET, "quarantined")
        assert str(segment) in first.why
        assert first.folder == str(segment.parent)
        assert first.restarts == 1
        assert (other.name, other.kind, other.markets, other.why) == (
            "market-00001", "market", 1, "",
        )  # fmt: skip
        assert other.journal_segments == 1
        found = [path for path in Path(other.folder).iterdir() if path.name != LOCK_NAME]
        assert 0 < other.journal_bytes <= sum(LocalDisk().size(path) for path in found)
        assert account.kind == "account"
        assert other.seq >= 3  # the epoch, its creation, and two commands in one record
        assert (answer.reconciliation.settled, answer.reconciliation.disputes) == (4, 1)
        assert answer.reconciliation.differences == ("bet 9: unknown",)


async def test_who_is_not_of_the_floor_is_refused_and_nothing_is_said_without_a_supervisor() -> (
    None
):
    async with open_price_gateway() as system:
        async with connect_control(system.control_url, token=token(Role.QUANT)) as quant:
            with pytest.raises(RefusedError) as refused:
                await quant.shells()
            assert refused.value.reason is Reason.NOT_PERMITTED
        async with connect_control(system.control_url, token=token(Role.VIEWER)) as viewer:
            with pytest.raises(RefusedError) as lost:
                await viewer.shells()
            assert lost.value.reason is Reason.UNAVAILABLE
