"""The desk's part: what the trading floor keeps beside its markets, in a process of its own.

Owns the journaled approvals and audit trail. It survives a crash of its process, on disk; while it
is down, markets and bets go on, and only what needs it is refused. Never commands a market.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from actors.desk_journal import DeskJournal, Document
from actors.failstop import ExitProcess, FailStop, exit_at_once
from actors.settings import DeskSettings
from engine.common.commands import MarketCommand
from engine.common.events import Refused
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import NS_PER_MS, Minor, Nanos
from engine.desk.approvals import ApprovalDocument, Proposal, ProposalState, Verdict
from engine.desk.audit_trail import AuditQuery, LinesAdded, NumberedLine
from persistence.chain import JournalDamagedError
from persistence.disk import Disk, DiskFullError, LocalDisk
from persistence.journal import JournalOptions

NAME: Final = "desk"
PAGE_MAX: Final = 1_000
"""Proposals or lines in one answer."""
LINES_IN_CALL_MAX: Final = 1_024
"""Lines of the audit trail in one call; a gateway sends the rest in the next."""

logger = logging.getLogger("overround.desk")


class Propose(Struct, frozen=True, kw_only=True, tag_field="ask", tag="propose"):
    """Propose commands for another person's approval."""

    by: str
    why: str
    commands: tuple[MarketCommand, ...]
    change_minor: Minor


class Decide(Struct, frozen=True, kw_only=True, tag_field="ask", tag="decide"):
    """Approve, reject or withdraw a proposal."""

    number: int
    by: str
    verdict: Verdict
    why: str


class NoteCarriedOut(Struct, frozen=True, kw_only=True, tag_field="ask", tag="note_carried_out"):
    """Note what came of an approved proposal's commands."""

    number: int
    result: str


class ListProposals(Struct, frozen=True, kw_only=True, tag_field="ask", tag="list_proposals"):
    """Ask for proposals below a number, newest first; `state` empty stands for any."""

    state: str = ""
    before: int = 0
    limit: int = 100


class SearchTrail(Struct, frozen=True, kw_only=True, tag_field="ask", tag="search_trail"):
    """Ask for lines of the audit trail, newest first."""

    query: AuditQuery
    limit: int = 100


DeskRequest = Propose | Decide | NoteCarriedOut | ListProposals | SearchTrail


class ProposalView(Struct, frozen=True, kw_only=True):
    """A proposal as its answer shows it, with its state at the time of the answer."""

    proposal: Proposal
    state: ProposalState


class ProposalPage(Struct, frozen=True, kw_only=True, tag_field="answer", tag="proposals"):
    """Proposals, newest first; with `more`, there are older ones."""

    proposals: tuple[ProposalView, ...]
    more: bool = False


class TrailPage(Struct, frozen=True, kw_only=True, tag_field="answer", tag="trail"):
    """Lines, newest first; with `more`, older ones match. `first` is the oldest in memory."""

    lines: tuple[NumberedLine, ...]
    more: bool
    first: int


class NotDone(Struct, frozen=True, kw_only=True, tag_field="answer", tag="not_done"):
    """Nothing has changed."""

    refused: Refused


DeskAnswer = ProposalPage | TrailPage | NotDone

encode: Final = msgspec.msgpack.Encoder().encode
decode_request: Final = msgspec.msgpack.Decoder(DeskRequest).decode
decode_answer: Final = msgspec.msgpack.Decoder(DeskAnswer).decode
decode_lines: Final = msgspec.msgpack.Decoder(LinesAdded).decode


class Desk:
    """The desk: a plain class that the actor framework wraps.

    A damaged journal stops the desk and nothing else: every request is refused as QUARANTINED until
    it is repaired and the process is started again.

    Parameters
    ----------
    folder : str
        Folder of the journal.
    settings : DeskSettings
        How long proposals wait.
    options : JournalOptions
        Sizes of the journal.
    clock_ns : callable
        UTC nanoseconds.
    disk, exit_process
        The journal's disk; what ends the process when its journal breaks.
    """

    def __init__(
        self,
        *,
        folder: str,
        settings: DeskSettings,
        options: JournalOptions,
        clock_ns: Callable[[], int] = time.time_ns,
        disk: Disk | None = None,
        exit_process: ExitProcess = exit_at_once,
    ) -> None:
        self._settings = settings
        self._clock_ns = clock_ns
        self._fail_stop = FailStop(NAME, exit_process)
        self._quarantine = ""
        self._journal = DeskJournal()
        with self._fail_stop:
            try:
                self._journal = DeskJournal.open(
                    Path(folder),
                    disk=disk or LocalDisk(),
                    at_ns=Nanos(clock_ns()),
                    options=options,
                )
            except JournalDamagedError as error:
                self._quarantine = str(error)
                logger.error("%s", error)

    async def stop(self) -> None:
        """Close the journal."""
        self._journal.close()

    async def request(self, payload: bytes) -> bytes:
        """Answer a DeskRequest in msgpack with a DeskAnswer in msgpack."""
        if self._quarantine:
            return _not_done(Reason.QUARANTINED, self._quarantine)
        request, at_ns = decode_request(payload), Nanos(self._clock_ns())
        match request:
            case ListProposals():
                return self._proposals(request, at_ns)
            case SearchTrail():
                return self._lines(request)
            case _:
                return self._change(request, at_ns)

    async def note_lines(self, payload: bytes) -> bool:
        """Add LinesAdded in msgpack to the audit trail; False: send them again."""
        if self._quarantine:
            return False
        added = self._journal.trail.fresh(decode_lines(payload))
        return added is None or self._write(added)

    def _change(self, request: Propose | Decide | NoteCarriedOut, at_ns: Nanos) -> bytes:
        approvals = self._journal.approvals
        document: ApprovalDocument | Refused
        match request:
            case Propose():
                document = approvals.propose(
                    by=request.by,
                    why=request.why,
                    commands=request.commands,
                    change_minor=request.change_minor,
                    at_ns=at_ns,
                    valid_ns=Nanos(self._settings.proposal_ms * NS_PER_MS),
                )
            case Decide():
                document = approvals.decide(
                    request.number,
                    by=request.by,
                    verdict=request.verdict,
                    why=request.why,
                    at_ns=at_ns,
                )
            case NoteCarriedOut():
                document = approvals.carry_out(request.number, result=request.result, at_ns=at_ns)
        if isinstance(document, Refused):
            return encode(NotDone(refused=document))
        if not self._write(document):
            return _not_done(Reason.DISK_FULL, MESSAGES[Reason.DISK_FULL])
        return encode(ProposalPage(proposals=(self._view(document.number, at_ns),)))

    def _write(self, document: Document) -> bool:
        with self._fail_stop:
            try:
                self._journal.write([document], at_ns=Nanos(self._clock_ns()))
            except DiskFullError:
                return False
        return True

    def _view(self, number: int, at_ns: Nanos) -> ProposalView:
        proposal = self._journal.approvals.proposals[number]
        return ProposalView(proposal=proposal, state=proposal.state(at_ns))

    def _proposals(self, request: ListProposals, at_ns: Nanos) -> bytes:
        found = self._journal.approvals.newest(
            state=request.state, now_ns=at_ns, before=request.before
        )
        page = [ProposalView(proposal=one, state=one.state(at_ns)) for one in found]
        limit = min(request.limit, PAGE_MAX)
        return encode(ProposalPage(proposals=tuple(page[:limit]), more=len(page) > limit))

    def _lines(self, request: SearchTrail) -> bytes:
        limit, more = min(request.limit, PAGE_MAX), False
        lines: list[NumberedLine] = []
        for line in self._journal.trail.search(request.query):
            if len(lines) == limit:
                more = True
                break
            lines.append(line)
        first = self._journal.trail.first
        return encode(TrailPage(lines=tuple(lines), more=more, first=first))


def _not_done(reason: Reason, message: str) -> bytes:
    return encode(NotDone(refused=Refused(reason=reason, message=message)))
