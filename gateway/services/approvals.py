"""Commands about money that one person may not give alone: refuse, propose, approve, carry out.

Owns which commands need a second person, by the figures of their previews, and how approved ones
are carried out. Who may decide a proposal is engine.desk.approvals' rule, and the desk keeps it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, get_args

from actors.desk_messages import Decide, NoteCarriedOut, ProposalPage, ProposalView, Propose
from actors.desk_messages import ListProposals as AskDesk
from actors.messages import Allowance
from actors.settings import DeskSettings
from engine.common.commands import CancelMarket, SuspendMarket
from engine.common.events import MarketEvent, Refused
from engine.common.previews import PreviewCommand
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import BALANCE_MINOR_MAX, NS_PER_MS, Minor, Nanos
from engine.desk.approvals import ProposalState, Verdict
from gateway.messages.approvals import (
    ApprovalRequest,
    Decided,
    DecideProposal,
    ListProposals,
    ProposalLine,
    Proposals,
    ProposeCommands,
    Proposed,
    WithdrawProposal,
)
from gateway.messages.base import Error
from gateway.messages.protocol import ServerMessage
from gateway.messages.races import SettleRace
from gateway.messages.trader import Control, Controlled, TraderCommand
from gateway.net.odd_stops import OddControl, OddMarketStop
from gateway.services.control import ControlService
from gateway.services.desk import DeskClient, not_done
from gateway.services.ledger_control import error_of
from gateway.services.utc_text import utc_text

_PREVIEWED: Final = get_args(PreviewCommand)
_TWICE: Final = Refused(
    reason=Reason.FIELD_OUT_OF_BOUNDS,
    field="market_no",
    message="one command of a market in a message: what a second one does depends on the first",
)
_AGAIN: Final = frozenset({Reason.UNKNOWN, Reason.UNAVAILABLE, Reason.BUSY, Reason.DISK_FULL})
"""Refusals after which an approved command is sent again."""


class ApprovalService:
    """Commands of the floor, and proposals of those that need a second person.

    Parameters
    ----------
    control : ControlService
        Sends commands to shells, and says what they would change.
    desk : DeskClient
        Keeps proposals.
    settings : DeskSettings
        What commands may move without a second person, and how long messages count together.
    """

    def __init__(
        self,
        *,
        control: ControlService,
        desk: DeskClient,
        settings: DeskSettings,
    ) -> None:
        self._control = control
        self._desk = desk
        self._approval_minor = Minor(settings.approval_minor)
        self._window_ns = Nanos(settings.approval_window_ms * NS_PER_MS)

    async def control(self, by: str, request: Control) -> ServerMessage:
        """Run a person's commands, but for those that need a second person."""
        return Controlled(id=request.id, events=tuple(await self.run(by, request.commands)))

    async def obey(self, by: str, stops: OddMarketStop) -> ServerMessage:
        """Run the stops of a person's message that cannot be read whole."""
        if not isinstance(stops, OddControl):
            return await self._control.obey(by, stops)
        events = iter(
            await self.run(by, [one for one in stops.commands if not isinstance(one, Refused)])
        )
        shown = (one if isinstance(one, Refused) else next(events) for one in stops.commands)
        return Controlled(id=stops.id, events=tuple(shown))

    async def settle_race(self, by: str, request: SettleRace) -> ServerMessage:
        """Settle a race's markets in the same way."""
        commands = self._control.race_commands(request)
        if isinstance(commands, Error):
            return commands
        return Controlled(id=request.id, events=tuple(await self.run(by, commands)))

    async def run(self, by: str, commands: Sequence[TraderCommand]) -> list[MarketEvent]:
        """Run commands; those that decide money are refused together when they change too much.

        With a window, a market's shell refuses a command that changes too much together with what
        the same person's messages have changed of the market before. A cancellation that is refused
        suspends its market all the same: it was to stop betting.
        """
        places = [at for at, each in enumerate(commands) if isinstance(each, _PREVIEWED)]
        if not (self._approval_minor and places):
            return await self._control.run(by, commands)
        refusals, moved = await self._figures([commands[at] for at in places])  # type: ignore[misc]
        refused, change_minor = dict(zip(places, refusals, strict=True)), _sum(moved)
        if change_minor > self._approval_minor:
            message = (
                f"{MESSAGES[Reason.APPROVAL_NEEDED]}: {change_minor} are moved, over "
                f"desk.approval_minor, {self._approval_minor}"
            )
            needed = Refused(reason=Reason.APPROVAL_NEEDED, field="commands", message=message)
            refused = {at: refused[at] or needed for at in places}
        events: list[MarketEvent | None] = [refused.get(at) for at in range(len(commands))]
        order = [
            at
            for at, each in enumerate(commands)
            if events[at] is None or isinstance(each, CancelMarket)
        ]
        run = [commands[at] if events[at] is None else _stop(commands[at]) for at in order]
        allowance = self._allowance(order, refused, dict(zip(places, moved, strict=True)))
        answers = await self._control.run(by, run, allowance=allowance) if run else ()
        stops = []
        for at, answer in zip(order, answers, strict=True):
            if events[at] is None:
                events[at] = answer
                if isinstance(commands[at], CancelMarket) and _needs_two(answer):
                    stops.append(_stop(commands[at]))
        if stops:
            await self._control.run(by, stops)
        return [event for event in events if event is not None]

    def _allowance(
        self,
        order: Sequence[int],
        refused: Mapping[int, Refused | None],
        moved: Mapping[int, Minor],
    ) -> Allowance | None:
        """Return what shells are to add up for the commands at some places, in their order."""
        if not self._window_ns:
            return None
        none = Minor(0)
        return Allowance(
            moved_minor=tuple(none if refused.get(at) else moved.get(at, none) for at in order),
            most_minor=self._approval_minor,
            window_ns=self._window_ns,
        )

    async def answer(self, by: str, request: ApprovalRequest) -> ServerMessage:
        """Answer a request about proposals."""
        match request:
            case ProposeCommands():
                return await self._propose(by, request)
            case DecideProposal():
                if request.approve:
                    return await self._approve(by, request)
                return await self._decide(by, request, Verdict.REJECTED)
            case WithdrawProposal():
                return await self._decide(by, request, Verdict.WITHDRAWN)
            case ListProposals():
                return await self._list(request)

    async def _propose(self, by: str, request: ProposeCommands) -> ServerMessage:
        refusals, moved = await self._figures(request.commands)
        for at, refused in enumerate(refusals):
            if refused is not None:
                return error_of(_at(refused, at), request.id)
        answer = await self._desk.ask(
            Propose(by=by, why=request.why, commands=request.commands, change_minor=_sum(moved))
        )
        if not isinstance(answer, ProposalPage):
            return not_done(answer, request.id)
        return Proposed(id=request.id, proposal=_line(answer.proposals[0]))

    async def _approve(self, by: str, request: DecideProposal) -> ServerMessage:
        """Approve a proposal that still does what its author was shown, or less.

        One that is approved already is only carried out: some of its commands may have been.
        """
        page = await self._desk.ask(AskDesk(before=request.proposal + 1, limit=1))
        if not isinstance(page, ProposalPage):
            return not_done(page, request.id)
        found = [one for one in page.proposals if one.proposal.proposed.number == request.proposal]
        view = found[0] if found else None
        if view is not None and view.state is ProposalState.OPEN:
            proposed = view.proposal.proposed
            refusals, moved = await self._figures(proposed.commands)  # type: ignore[arg-type]
            moved_minor = _sum(moved)
            for at, refused in enumerate(refusals):
                if refused is not None:
                    return error_of(_at(refused, at), request.id)
            if moved_minor > proposed.change_minor:
                message = (
                    f"{MESSAGES[Reason.PROPOSAL_STALE]}: {moved_minor} now, "
                    f"{proposed.change_minor} when it was proposed"
                )
                code = int(Reason.PROPOSAL_STALE)
                return Error(code=code, message=message, id=request.id)
        return await self._decide(by, request, Verdict.APPROVED)

    async def _decide(
        self, by: str, request: DecideProposal | WithdrawProposal, verdict: Verdict
    ) -> ServerMessage:
        decide = Decide(number=request.proposal, by=by, verdict=verdict, why=request.why)
        answer = await self._desk.ask(decide)
        if not isinstance(answer, ProposalPage):
            return not_done(answer, request.id)
        view = answer.proposals[0]
        if view.state is not ProposalState.APPROVED:
            return Decided(id=request.id, proposal=_line(view))
        proposed = view.proposal.proposed
        events = await self._control.run(f"{by}+{proposed.by}", proposed.commands)  # type: ignore[arg-type]
        if not any(isinstance(event, Refused) and event.reason in _AGAIN for event in events):
            note = NoteCarriedOut(number=request.proposal, result=_result(events))
            noted = await self._desk.ask(note)
            if isinstance(noted, ProposalPage):
                view = noted.proposals[0]
        return Decided(id=request.id, proposal=_line(view), events=tuple(events))

    async def _list(self, request: ListProposals) -> ServerMessage:
        answer = await self._desk.ask(
            AskDesk(state=request.state, before=request.before, limit=request.limit)
        )
        if not isinstance(answer, ProposalPage):
            return not_done(answer, request.id)
        lines = tuple(map(_line, answer.proposals))
        return Proposals(id=request.id, proposals=lines, more=answer.more)

    async def _figures(
        self, commands: Sequence[PreviewCommand]
    ) -> tuple[list[Refused | None], list[Minor]]:
        """Return each command's refusal, if any, and what each of them moves.

        Each is previewed against what stands now, so a second one of a market is refused: what it
        would do depends on the first.
        """
        found = await asyncio.gather(*map(self._control.previews.of, commands))
        moved = [Minor(0) if one.preview is None else one.preview.moved_minor for one in found]
        refusals = [each.refused if each.preview is None else None for each in found]
        markets = [command.market_no for command in commands]
        for at, number in enumerate(markets):
            if number in markets[:at]:
                refusals[at] = refusals[at] or _TWICE
        return refusals, moved


def _sum(moved: Sequence[Minor]) -> Minor:
    return Minor(min(sum(moved), BALANCE_MINOR_MAX))


def _stop(command: TraderCommand) -> SuspendMarket:
    return SuspendMarket(market_no=command.market_no, why="cancel")


def _needs_two(event: MarketEvent) -> bool:
    return isinstance(event, Refused) and event.reason is Reason.APPROVAL_NEEDED


def _at(refused: Refused, at: int) -> Refused:
    field = f"commands[{at}].{refused.field}" if refused.field else f"commands[{at}]"
    return Refused(reason=refused.reason, field=field, message=refused.message)


def _result(events: Sequence[MarketEvent]) -> str:
    refused = [event for event in events if isinstance(event, Refused)]
    texts = "; ".join(f"{each.reason.value}: {each.message}" for each in refused)
    return f"{len(events) - len(refused)} done, {len(refused)} refused {texts}".strip()


def _line(view: ProposalView) -> ProposalLine:
    proposed, decided = view.proposal.proposed, view.proposal.decided
    carried = view.proposal.carried
    return ProposalLine(
        proposal=proposed.number,
        state=view.state,
        by=proposed.by,
        at=utc_text(proposed.at_ns),
        expires=utc_text(proposed.expires_ns),
        commands=proposed.commands,  # type: ignore[arg-type]
        change_minor=proposed.change_minor,
        why=proposed.why,
        decided_by="" if decided is None else decided.by,
        decided_why="" if decided is None else decided.why,
        decided="" if decided is None else utc_text(decided.at_ns),
        result="" if carried is None else carried.result,
    )
