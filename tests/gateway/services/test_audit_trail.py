"""The audit trail over real sockets: every request of the floor, denials too, across restarts."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from actors.desk_messages import decode_lines
from actors.peer import LocalPeer
from engine.common.commands import Quote, SetOdds
from engine.common.ids import AccountNo, MarketNo
from engine.common.reasons import Reason
from engine.common.units import OddsMilli
from engine.desk.audit_trail import AuditLine
from gateway.client import RefusedError
from gateway.counters import Counters
from gateway.messages.account_view import AskAccount
from gateway.messages.audit import AuditLines
from gateway.messages.base import Error
from gateway.messages.protocol import ServerMessage
from gateway.messages.trader import SuspendedAll
from gateway.services import audit_trail
from gateway.services.audit_trail import AuditTrailService
from gateway.services.desk import DeskClient
from gateway.session.tokens import Role
from gateway.settings import GatewaySettings
from tests.gateway.bookmaker import Bookmaker, head_trader, open_bookmaker, trader
from tests.gateway.price_gateway import token, until
from tests.gateway.raw_client import json_frame, shaken


@pytest.fixture
async def bookmaker(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    async with open_bookmaker(tmp_path) as system:
        yield system


async def lines_of(control: object, count: int, **query: object) -> AuditLines:
    """Return the lines once there are so many: they follow the answers."""
    found: list[AuditLines] = []

    async def there() -> bool:
        found[:] = [await control.audit_trail(**query)]  # type: ignore[attr-defined]
        return len(found[0].lines) >= count

    await until(there)
    return found[0]


async def test_who_did_what_is_found_with_what_came_of_it(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control, head_trader(bookmaker) as head:
        await control.suspend(1, why="goal <script>")
        await control.suspend(99)
        await head.suspend_all(fixture="cup-1", why="no pictures")
        with pytest.raises(RefusedError):
            await control.set_account_bound(7, open_payout_minor_max=5)
        page = await lines_of(head, 4)
        assert [(line.by, line.what, line.about, line.refused) for line in page.lines] == [
            ("trader:trader-1", "set_account_bound", "account 7", True),
            ("head_trader:head_trader-1", "suspend_all", "fixture cup-1", False),
            ("trader:trader-1", "suspend_market", "market 99", True),
            ("trader:trader-1", "suspend_market", "market 1", False),
        ]
        assert [line.result for line in page.lines] == [
            "the token's role does not allow this",
            '{"type":"suspended_all","id":1,"suspended":1}',
            "0 done, 1 refused: 401: no such market",
            "1 done",
        ]
        assert "goal <script>" in page.lines[-1].request
        denied = await head.audit_trail(refused=True, by="trader-1", text="ALLOW")
        assert [line.number for line in denied.lines] == [4]


async def test_the_denials_of_every_role_but_a_bettor_have_lines(bookmaker: Bookmaker) -> None:
    roles = [role for role in Role if role not in (Role.BETTOR, Role.HEAD_TRADER)]
    for role in roles:
        async with trader(bookmaker, role=role) as session:
            with pytest.raises(RefusedError):
                await session.start_house()
    async with head_trader(bookmaker) as head:
        page = await lines_of(head, len(roles), refused=True)
    by = [f"{role.value}:{role.value}-1" for role in roles]
    assert [line.by for line in reversed(page.lines)] == by
    assert {line.what for line in page.lines} == {"start_house"}


async def test_what_only_reads_has_no_line(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control:
        await control.list_markets()
        await control.book(1)
        await control.suspend(1)
        page = await lines_of(control, 1)
        assert [line.what for line in page.lines] == ["suspend_market"]


async def test_who_looks_up_a_bet_or_an_account_has_one_line_a_minute(
    bookmaker: Bookmaker,
) -> None:
    async with trader(bookmaker) as control, head_trader(bookmaker) as head:
        for _ in range(3):
            await control.account(7)
            await control.find_bets(account=7)
            await control.find_bets(account=7, limit=2)
            await control.audit_trail()
        await head.account(7)
        await control.account(8)
        await control.suspend(1)
        page = await lines_of(control, 5)
        assert [(line.by, line.what, line.about) for line in page.lines] == [
            ("trader:trader-1", "suspend_market", "market 1"),
            ("trader:trader-1", "account", "account 8"),
            ("head_trader:head_trader-1", "account", "account 7"),
            ("trader:trader-1", "find_bets", "account 7"),
            ("trader:trader-1", "account", "account 7"),
        ]
        assert {line.result for line in page.lines[1:]} == {"shown"}


class Trail:
    """A desk that keeps what its audit trail is sent."""

    def __init__(self) -> None:
        self.lines: list[AuditLine] = []

    def note_lines(self, payload: bytes) -> bool:
        self.lines += decode_lines(payload).lines
        return True


async def test_look_ups_have_lines_a_minute_apart_and_few_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit_trail, "INQUIRIES_MAX", 2)
    trail, now_s = Trail(), 0
    desk = DeskClient(settings=GatewaySettings())
    desk.peer = LocalPeer(trail, name="desk")
    service = AuditTrailService(
        desk=desk,
        counters=Counters(),
        gateway="gateway-0",
        clock_ns=lambda: now_s * 1_000_000_000,
    )

    async def answer() -> ServerMessage:
        return (
            Error(id=1, code=907, message="no such account")
            if refuses
            else SuspendedAll(id=1, suspended=0)
        )

    shown: list[tuple[int, str, bool]] = []
    for now_s, account, refuses in (  # noqa: B007 - the clock reads it
        (0, 7, False),
        (59, 7, False),
        (59, 7, True),
        (60, 7, False),
        (30, 7, False),
        (31, 8, False),
        (32, 9, False),
        (33, 8, False),
        (34, 7, False),
    ):
        request = AskAccount(account=AccountNo(account))
        await service.followed("risk:bo", request, answer(), looks=True)
        await service.flush(deadline_s=5.0)
        shown += [(now_s, each.about, each.refused) for each in trail.lines]
        trail.lines.clear()
    assert shown == [
        (0, "account 7", False),
        (59, "account 7", True),
        (60, "account 7", False),
        (30, "account 7", False),  # the clock was set back
        (31, "account 8", False),
        (32, "account 9", False),
        (34, "account 7", False),  # forgotten meanwhile
    ]


async def test_commands_go_on_without_the_desk_and_their_lines_wait_for_it(
    bookmaker: Bookmaker,
) -> None:
    async with trader(bookmaker) as control:
        await bookmaker.stop_desk()
        await control.suspend(1)
        with pytest.raises(RefusedError) as down:
            await control.audit_trail()
        assert down.value.reason is Reason.UNAVAILABLE
        bookmaker.start_desk()
        await control.resume(1)
        page = await lines_of(control, 2)
        assert [line.what for line in page.lines] == ["resume_market", "suspend_market"]


async def test_who_may_not_read_it_is_denied(bookmaker: Bookmaker) -> None:
    for role in (Role.VIEWER, Role.QUANT):
        async with trader(bookmaker, role=role) as control:
            with pytest.raises(RefusedError) as denied:
                await control.audit_trail()
            assert denied.value.reason is Reason.NOT_PERMITTED


async def test_what_is_obeyed_of_a_malformed_message_has_its_line(bookmaker: Bookmaker) -> None:
    suspend = {"do": "suspend_market", "market_no": 1, "why": "x" * 200}
    async with shaken(bookmaker.ports["control"], token=token(Role.TRADER)) as raw:
        raw.send(json_frame(type="control", id=3, commands=[suspend, {"do": "dance"}]))
        await raw.message()
    async with trader(bookmaker) as control:
        (line,) = (await lines_of(control, 1)).lines
        assert (line.what, line.about) == ("suspend_market", "market 1")
        assert line.refused


async def test_every_command_of_a_long_request_is_in_the_trail(bookmaker: Bookmaker) -> None:
    commands = [
        SetOdds(market_no=MarketNo(number), quotes=(Quote(outcome=0, odds_milli=OddsMilli(9_000)),))
        for number in range(101, 131)
    ]
    async with trader(bookmaker) as control:
        await control.control(commands)
        await control.suspend(1)
        page = await lines_of(control, 4)
    first, *rest = [line for line in reversed(page.lines) if line.what == "set_odds"]
    assert "30 refused" in first.result
    assert [line.result for line in rest] == [
        f"part {part} of {1 + len(rest)} of the request before" for part in range(2, 2 + len(rest))
    ]
    text = msgspec.json.decode("".join(line.request for line in (first, *rest)))
    assert [each["market_no"] for each in text["commands"]] == list(range(101, 131))
    assert [f"market {each}" for each in range(101, 131)][: 8 * (1 + len(rest))] == ", ".join(
        line.about for line in (first, *rest) if line.about
    ).split(", ")
