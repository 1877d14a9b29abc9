"""Write the requests of the floor, and what came of them, to the desk's audit trail; search it.

Owns the lines on their way to the desk, and what of a request and its answer they hold. A request
is never held up or refused for its line: while the desk is down lines wait here, up to a bound.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from actors.back_off import BackOff
from actors.desk_messages import LINES_IN_CALL_MAX, SearchTrail, TrailPage, encode
from actors.peer import PeerError, PeerRefusedError
from engine.common.acceptance import ReferralCommand
from engine.common.events import Refused
from engine.common.previews import PreviewCommand
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import Nanos
from engine.desk.audit_trail import (
    REQUEST_CHARS_MAX,
    RESULT_CHARS_MAX,
    AuditLine,
    AuditQuery,
    LinesAdded,
    NumberedLine,
)
from gateway.counters import Counters
from gateway.messages.approvals import ProposeCommands
from gateway.messages.audit import AskAuditTrail, AuditLines, AuditTrailLine
from gateway.messages.base import Error
from gateway.messages.protocol import ServerMessage
from gateway.messages.trader import Control, Controlled, TraderCommand
from gateway.services.desk import DeskClient, not_done
from gateway.services.utc_text import utc_text

LINES_WAITING_MAX: Final = 10_000
"""Lines that wait for the desk; past it the oldest are dropped and counted."""
LINES_OF_REQUEST_MAX: Final = 64
"""Lines of one request, each with `REQUEST_CHARS_MAX` characters of it; the rest is left out."""
INQUIRY_NS: Final = 60_000_000_000
"""For so long after its line a person's look-up of the same thing has no other: pages poll."""
INQUIRIES_MAX: Final = 10_000
"""Look-ups remembered for that; past it the oldest is forgotten and has a line again."""
_ABOUT_MAX: Final = 8
"""Markets, fixtures and the like that a line names; a request may name more."""
_ABOUT: Final = (
    "fixture",
    "market",
    "account",
    "bet_id",
    "ref",
    "offer",
    "proposal",
    "rule",
    "referral",
)
"""Fields of requests that say what a request is about."""
_RETRY_S: Final = 0.25
_RETRY_S_MAX: Final = 5.0

logger = logging.getLogger("overround.gateway")


class AuditTrailService:
    """The audit trail, from one gateway.

    Parameters
    ----------
    desk : DeskClient
        Keeps the lines.
    counters : Counters
        Counts lines that were dropped.
    gateway : str
        This gateway's name.
    clock_ns : callable
        UTC nanoseconds.
    """

    def __init__(
        self,
        *,
        desk: DeskClient,
        counters: Counters,
        gateway: str,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._desk = desk
        self._counters = counters
        self._gateway = gateway
        self._clock_ns = clock_ns
        self._source = f"{gateway}:{clock_ns()}"
        self._last = 0
        """The number of the last line of this process."""
        self._looked: dict[tuple[str, str, str, bool], int] = {}
        """When look-ups had their last line, by person, kind, subject and whether refused."""
        self._waiting: deque[AuditLine] = deque()
        self._sending: asyncio.Task[None] | None = None

    async def followed(
        self, by: str, request: Any, work: Awaitable[ServerMessage], *, looks: bool = False
    ) -> ServerMessage:
        """Await a request's answer, note both, and return the answer.

        One that only `looks` at bets and accounts is noted without what it was shown, and once in
        `INQUIRY_NS`.
        """
        try:
            answer = await work
        except Exception:
            if not looks or self._looks_anew(by, request, refused=True):
                self._note(by, request, "failed", refused=True)
            raise
        result, refused = _result(answer)
        if not looks:
            self._note(by, request, result, refused=refused)
        elif self._looks_anew(by, request, refused=refused):
            self._note(by, request, result if refused else "shown", refused=refused)
        return answer

    def denied(self, by: str, request: object, what: str) -> None:
        """Note a request that the caller's role does not allow; `what` is its name."""
        text = MESSAGES[Reason.NOT_PERMITTED]
        self._add(self._line(by, request, text, refused=True, what=what))

    async def search(self, request: AskAuditTrail) -> ServerMessage:
        """Return lines, newest first."""
        query = AuditQuery(
            by=request.by,
            what=request.what,
            text=request.text,
            refused=request.refused,
            from_ns=request.from_ns,
            until_ns=request.until_ns,
            before=request.before,
        )
        answer = await self._desk.ask(SearchTrail(query=query, limit=request.limit))
        if not isinstance(answer, TrailPage):
            return not_done(answer, request.id)
        return AuditLines(
            id=request.id,
            lines=tuple(map(_shown, answer.lines)),
            more=answer.more,
            first=answer.first,
        )

    async def flush(self, *, deadline_s: float) -> None:
        """Wait until every line has been sent, or a deadline has passed."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=deadline_s)
            self._sending.cancel()

    def _looks_anew(self, by: str, request: Any, *, refused: bool) -> bool:
        """Say whether a look-up has a line now, and remember that it has."""
        key, at_ns = (by, _what(request), _about(request), refused), self._clock_ns()
        if 0 <= at_ns - self._looked.get(key, -INQUIRY_NS) < INQUIRY_NS:
            return False
        self._looked.pop(key, None)
        self._looked[key] = at_ns
        if len(self._looked) > INQUIRIES_MAX:
            del self._looked[next(iter(self._looked))]
        return True

    def _note(self, by: str, request: Any, result: str, *, refused: bool) -> None:
        """Add the lines of a request: one, and for a long one as many more as it takes."""
        line = self._line(by, request, result, refused=refused, what=_what(request))
        self._add(line)
        text = msgspec.json.encode(request).decode()
        count = min(-(-len(text) // REQUEST_CHARS_MAX), LINES_OF_REQUEST_MAX)
        for part in range(1, count):
            more = replace(
                line,
                about=_about(request, part),
                request=text[part * REQUEST_CHARS_MAX :][:REQUEST_CHARS_MAX],
                result=f"part {part + 1} of {count} of the request before",
            )
            self._add(more)

    def _line(
        self, by: str, request: object, result: str, *, refused: bool, what: str
    ) -> AuditLine:
        return AuditLine(
            at_ns=Nanos(self._clock_ns()),
            by=by,
            what=what,
            about=_about(request),
            request=msgspec.json.encode(request).decode()[:REQUEST_CHARS_MAX],
            result=result[:RESULT_CHARS_MAX],
            refused=refused,
            gateway=self._gateway,
        )

    def _add(self, line: AuditLine) -> None:
        self._waiting.append(line)
        self._last += 1
        if len(self._waiting) > LINES_WAITING_MAX:
            self._waiting.popleft()
            self._counters.audit_lines_dropped += 1
        if self._sending is None or self._sending.done():
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        """Send the lines that wait, in order, until none is left."""
        retry = BackOff(_RETRY_S, _RETRY_S_MAX, clock_s=asyncio.get_running_loop().time)
        while self._waiting:
            first = self._last - len(self._waiting) + 1
            lines = tuple(self._waiting)[:LINES_IN_CALL_MAX]
            if await self._sent(LinesAdded(source=self._source, first=first, lines=lines)):
                retry.succeeded()
                sent = first + len(lines)
                # Some of those just sent may have left at the bound meanwhile.
                while self._waiting and self._last - len(self._waiting) + 1 < sent:
                    self._waiting.popleft()
            else:
                retry.failed()
                await retry.wait()

    async def _sent(self, lines: LinesAdded) -> bool:
        if self._desk.peer is None:
            return False
        try:
            done: bool = await self._desk.peer.ask(
                "note_lines", encode(lines), timeout_s=self._desk.timeout_s
            )
        except (PeerError, PeerRefusedError) as error:
            logger.warning("%d lines of the audit trail wait: %s", len(self._waiting), error)
            return False
        return done


def _what(request: Any) -> str:
    """Return the name of a message, or of the commands that it carries."""
    if isinstance(request, Control):
        names = dict.fromkeys(str(type(each).__struct_config__.tag) for each in request.commands)
        return ",".join(names)
    return str(type(request).__struct_config__.tag)


def _about(request: object, part: int = 0) -> str:
    """Return what a request names: markets, fixtures, accounts and the like, some of them a line.

    The markets of a `control` or `propose` go on from line to line.
    """
    if isinstance(request, Control | ProposeCommands):
        commanded = dict.fromkeys(map(_of_command, request.commands))
        return ", ".join(list(commanded)[part * _ABOUT_MAX :][:_ABOUT_MAX])
    named = ((name, getattr(request, name, None)) for name in _ABOUT)
    return ", ".join(f"{name} {value}" for name, value in named if value not in (None, "", 0))


def _of_command(command: TraderCommand | PreviewCommand) -> str:
    bet_id = f" bet {command.bet_id}" if isinstance(command, ReferralCommand) else ""
    return f"market {command.market_no}{bet_id}"


def _result(answer: ServerMessage) -> tuple[str, bool]:
    """Return an answer's gist, and whether something was refused."""
    if isinstance(answer, Error):
        return f"{answer.code}: {answer.message}", True
    if isinstance(answer, Controlled):
        refused = [event for event in answer.events if isinstance(event, Refused)]
        done = f"{len(answer.events) - len(refused)} done"
        texts = "; ".join(
            f"{each.reason.value}: {each.message or MESSAGES[each.reason]}" for each in refused[:3]
        )
        return (f"{done}, {len(refused)} refused: {texts}", True) if refused else (done, False)
    text = msgspec.json.encode(answer).decode()
    return text, False


def _shown(numbered: NumberedLine) -> AuditTrailLine:
    line = numbered.line
    return AuditTrailLine(
        number=numbered.number,
        at=utc_text(line.at_ns),
        by=line.by,
        what=line.what,
        about=line.about,
        request=line.request,
        result=line.result,
        refused=line.refused,
        gateway=line.gateway,
    )
