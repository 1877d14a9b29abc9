"""The desk's part: what it keeps is on disk, and a damaged journal stops the desk alone."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from actors.desk import Desk
from actors.desk_messages import (
    AskInputs,
    Decide,
    DeskAnswer,
    DeskRequest,
    InputsPage,
    KeepInputs,
    ListProposals,
    NotDone,
    NoteCarriedOut,
    ProposalPage,
    Propose,
    SearchTrail,
    TrailPage,
    decode_answer,
    encode,
)
from actors.settings import DeskSettings
from engine.common.commands import CancelMarket
from engine.common.fixtures import Fixture, FixtureState
from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from engine.desk import audit_trail, kept_inputs
from engine.desk.approvals import Basis, ProposalState, Verdict
from engine.desk.audit_trail import AuditLine, AuditQuery, LinesAdded
from engine.desk.kept_inputs import KeptInputs
from persistence.chain import segment_paths
from persistence.disk import LocalDisk
from persistence.journal import JournalOptions
from tests.faults.faulty_disk import FaultyDisk

PROPOSE = Propose(
    by="settler:anna",
    why="wrong result",
    commands=(CancelMarket(market_no=MarketNo(3)),),
    change_minor=7,
    basis=(Basis(settlement_no=3, moved_minor=7),),
)
LINES = LinesAdded(
    source="gateway-0:1", first=1, lines=(AuditLine(at_ns=5, by="trader:anna", what="reprice"),)
)


def desk_in(folder: Path, **arguments: object) -> Desk:
    arguments = {"clock_ns": lambda: 1_000, **arguments}
    return Desk(
        folder=str(folder),
        settings=DeskSettings(proposal_ms=1_000),
        options=JournalOptions(allocate_bytes=4 << 10),
        **arguments,  # type: ignore[arg-type]
    )


def disk_bytes(disk: FaultyDisk) -> int:
    return sum(len(data) for data in disk.files().values())


async def ask(desk: Desk, request: DeskRequest) -> DeskAnswer:
    return decode_answer(await desk.request(encode(request)))


async def proposals(desk: Desk, state: str = "") -> dict[int, ProposalState]:
    page = await ask(desk, ListProposals(state=state))
    assert isinstance(page, ProposalPage)
    return {view.proposal.proposed.number: view.state for view in page.proposals}


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    desk = desk_in(tmp_path)
    for _ in range(3):
        await ask(desk, PROPOSE)
    await ask(desk, Decide(number=1, by="head_trader:bob", verdict=Verdict.APPROVED, why="seen"))
    await ask(desk, NoteCarriedOut(number=1, result="1 done"))
    await ask(desk, Decide(number=2, by="head_trader:bob", verdict=Verdict.REJECTED, why=""))
    for _ in range(2):
        assert await desk.note_lines(encode(LINES))
    await desk.stop()
    desk = desk_in(tmp_path)
    states = {3: ProposalState.OPEN, 2: ProposalState.REJECTED, 1: ProposalState.DONE}
    assert await proposals(desk) == states
    assert await proposals(desk, "open") == {3: ProposalState.OPEN}
    assert await desk.note_lines(encode(LINES))
    page = await ask(desk, SearchTrail(query=AuditQuery()))
    assert isinstance(page, TrailPage)
    assert [each.line for each in page.lines] == list(LINES.lines)
    await desk.stop()


async def test_pages_say_that_there_are_more(tmp_path: Path) -> None:
    desk = desk_in(tmp_path)
    for _ in range(3):
        await ask(desk, PROPOSE)
    page = await ask(desk, ListProposals(limit=2))
    assert isinstance(page, ProposalPage)
    assert ([view.proposal.proposed.number for view in page.proposals], page.more) == ([3, 2], True)
    page = await ask(desk, ListProposals(limit=2, before=2))
    assert isinstance(page, ProposalPage)
    assert ([view.proposal.proposed.number for view in page.proposals], page.more) == ([1], False)
    await desk.stop()


async def test_other_work_goes_on_while_the_trail_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "SLICE_LINES", 1)
    desk = desk_in(tmp_path)
    await desk.note_lines(encode(msgspec.structs.replace(LINES, lines=LINES.lines * 50)))
    search = asyncio.create_task(ask(desk, SearchTrail(query=AuditQuery(text="no such text"))))
    turns = 0
    while not search.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 50
    page = await ask(desk, SearchTrail(query=AuditQuery(), limit=50))
    assert isinstance(page, TrailPage)
    assert (len(page.lines), page.more) == (50, False)
    page = await ask(desk, SearchTrail(query=AuditQuery(), limit=49))
    assert isinstance(page, TrailPage)
    assert (len(page.lines), page.more) == (49, True)
    await desk.stop()


async def test_a_damaged_journal_refuses_everything_and_names_the_damage(tmp_path: Path) -> None:
    desk = desk_in(tmp_path)
    for _ in range(3):
        await ask(desk, PROPOSE)
    await desk.stop()
    (path,) = segment_paths(LocalDisk(), tmp_path)
    data = bytearray(path.read_bytes())
    at = data.find(b"settler:anna")
    data[at] ^= 1
    path.write_bytes(data)
    desk = desk_in(tmp_path)
    answer = await ask(desk, PROPOSE)
    assert isinstance(answer, NotDone)
    assert answer.refused.reason is Reason.QUARANTINED
    assert path.name in answer.refused.message
    assert not await desk.note_lines(encode(LINES))


async def test_the_audit_trail_is_in_a_journal_that_can_be_moved_away(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    desk = desk_in(folder)
    await ask(desk, PROPOSE)
    assert await desk.note_lines(encode(LINES))
    await ask(desk, PROPOSE)
    await desk.stop()
    written = b"".join(path.read_bytes() for path in segment_paths(LocalDisk(), folder))
    assert b"lines_added" not in written
    (folder / "audit").rename(tmp_path / "archive")
    desk = desk_in(folder)
    assert await proposals(desk) == {2: ProposalState.OPEN, 1: ProposalState.OPEN}
    page = await ask(desk, SearchTrail(query=AuditQuery()))
    assert isinstance(page, TrailPage)
    assert not page.lines
    await desk.stop()


async def test_a_damaged_trail_stops_the_desk_and_leaves_no_lock(tmp_path: Path) -> None:
    desk = desk_in(tmp_path)
    for first in range(1, 4):
        await desk.note_lines(encode(msgspec.structs.replace(LINES, first=first)))
    await desk.stop()
    (path,) = segment_paths(LocalDisk(), tmp_path / "audit")
    whole = path.read_bytes()
    at = whole.find(b"trader:anna")
    path.write_bytes(whole[:at] + b"T" + whole[at + 1 :])
    desk = desk_in(tmp_path)
    answer = await ask(desk, PROPOSE)
    assert isinstance(answer, NotDone)
    assert answer.refused.reason is Reason.QUARANTINED
    path.write_bytes(whole)
    desk = desk_in(tmp_path)
    assert isinstance(await ask(desk, PROPOSE), ProposalPage)
    await desk.stop()


async def test_a_stopped_desk_refuses_what_still_comes(tmp_path: Path) -> None:
    """A gateway in the same process may still send lines of the audit trail."""
    desk = desk_in(tmp_path)
    await desk.stop()
    assert isinstance(await ask(desk, PROPOSE), NotDone)
    assert not await desk.note_lines(encode(LINES))


async def test_a_full_disk_refuses_a_change_and_keeps_the_rest(tmp_path: Path) -> None:
    disk = FaultyDisk()
    desk = desk_in(Path("/desk"), disk=disk)
    await ask(desk, PROPOSE)
    disk.capacity = disk_bytes(disk)
    decide = Decide(number=1, by="head_trader:bob", verdict=Verdict.APPROVED, why="")
    big = LinesAdded(
        source="gateway-0:1",
        first=1,
        lines=tuple(
            AuditLine(at_ns=5, by="trader:anna", what="reprice", request="x" * 1_000)
            for _ in range(1_000)
        ),
    )
    assert not await desk.note_lines(encode(big))
    disk.capacity = None
    answer = await ask(desk, decide)
    assert isinstance(answer, ProposalPage)
    assert answer.proposals[0].state is ProposalState.APPROVED


@pytest.mark.parametrize("number", [0, 2])
async def test_an_unknown_proposal_is_refused(tmp_path: Path, number: int) -> None:
    desk = desk_in(tmp_path)
    await ask(desk, PROPOSE)
    answer = await ask(desk, NoteCarriedOut(number=number, result=""))
    assert isinstance(answer, NotDone)
    assert answer.refused.reason is Reason.PROPOSAL_UNKNOWN
    await desk.stop()


async def test_inputs_of_fixtures_that_are_over_make_room_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_inputs, "FIXTURES_MAX", 2)
    desk = desk_in(tmp_path)

    async def keep(fixture: str) -> DeskAnswer:
        inputs = KeptInputs(fixture=fixture, sport="football", model={}, state={}, by="trader:anna")
        return await ask(desk, KeepInputs(inputs=inputs, running=False))

    def ends(*fixtures: str) -> None:
        ended = [Fixture(fixture=each, state=FixtureState.ENDED, version=2) for each in fixtures]
        desk.on_fixtures(encode(ended))

    for fixture in ("cup-0", "cup-1"):
        await keep(fixture)
    full = await keep("cup-2")
    assert isinstance(full, NotDone)
    assert full.refused.reason is Reason.CAPACITY
    ends("cup-1")
    assert isinstance(await keep("cup-0"), InputsPage), "what is kept needs no room"
    assert isinstance(await keep("cup-2"), InputsPage)
    await desk.stop()
    desk = desk_in(tmp_path)
    kept = [await ask(desk, AskInputs(fixture=f"cup-{number}")) for number in range(3)]
    assert [isinstance(page, InputsPage) for page in kept] == [True, False, True]
    await desk.stop()
