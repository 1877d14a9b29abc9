"""Commands about money that one person may not give alone: refuse, propose, approve, carry out.

Owns which commands need a second person, by the figures of their previews, and how approved ones
are carried out. Who may decide a proposal is engine.desk.approvals' rule, and the desk keeps it.
"""

from collections.abc import Sequence
from typing import Final

from actors.desk_messages import Decide, NoteCarriedOut, ProposalPage, ProposalView, Propose
from actors.desk_messages import ListProposals as AskDesk
from actors.settings import DeskSettings
from actors.weights import Allowance
from engine.common.commands import CancelMarket, SuspendMarket
from engine.common.events import MarketEvent, Refused
from engine.common.previews import PREVIEWED, ExpectedMarket, PreviewCommand
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import NS_PER_MS, Minor, Nanos
from engine.desk.approvals import Basis, ProposalState, Verdict
from engine.desk.approvals import Proposed as OnRecord
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
from gateway.services.previews import Weights
from gateway.services.utc_text import utc_text

_AGAIN: Final = frozenset({Reason.UNKNOWN, Reason.UNAVAILABLE, Reason.BUSY, Reason.DISK_FULL})
"""Refusals after which an approved command is sent again."""
_HELD_BACK: Final = frozenset({Reason.APPROVAL_NEEDED, Reason.PROPOSAL_STALE})
"""Refusals of a cancellation that only look at money: betting is stopped all the same."""


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
        events = await self.run(by, request.commands, request.expected)
        return Controlled(id=request.id, events=tuple(events))

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

    async def run(
        self,
        by: str,
        commands: Sequence[TraderCommand],
        expected: Sequence[ExpectedMarket] = (),
    ) -> list[MarketEvent]:
        """Run commands; those that decide money are refused together when they move too much.

        A market's shell has the last word: it works out again how much its part moves at that
        instant, and refuses what moves more than the message may, or together with what the same
        person has moved of the market before. So does it where a market is not as `expected`. A
        cancellation that is refused suspends its market all the same: it was to stop betting.
        """
        places = [at for at, each in enumerate(commands) if isinstance(each, PREVIEWED)]
        if not (self._approval_minor and places):
            allowances = self._as_expected(commands, expected) if expected else {}
            return await self._control.run(by, commands, allowances=allowances)
        weights = await self._control.previews.weigh([commands[at] for at in places])  # type: ignore[misc]
        refused = dict(zip(places, weights.refused, strict=True))
        moved_minor = weights.sum_minor()
        if moved_minor > self._approval_minor:
            message = (
                f"{MESSAGES[Reason.APPROVAL_NEEDED]}: {moved_minor} are moved, over "
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
        allowances = self._allowances(weights, expected)
        answers = await self._control.run(by, run, allowances=allowances) if run else ()
        stops = []
        for at, answer in zip(order, answers, strict=True):
            if events[at] is None:
                events[at] = answer
                if isinstance(commands[at], CancelMarket) and _is_held_back(answer):
                    stops.append(_stop(commands[at]))
        if stops:
            await self._control.run(by, stops)
        return [event for event in events if event is not None]

    def _allowances(
        self, weights: Weights, expected: Sequence[ExpectedMarket]
    ) -> dict[str, Allowance]:
        """Return how far each shell's commands may go: what they move, and a part of what is left.

        So all of them together stay below the threshold, whatever bets come meanwhile.
        """
        moved_minor, most = weights.by_shell(), self._approval_minor
        left = max(most - sum(moved_minor.values()), 0) // max(len(moved_minor), 1)
        return {
            shell: Allowance(
                message_minor=Minor(minor + left),
                most_minor=most,
                window_ns=self._window_ns,
                expected=tuple(expected),
                slips=b"".join(weights.slips),
            )
            for shell, minor in moved_minor.items()
        }

    def _as_expected(
        self, commands: Sequence[TraderCommand], expected: Sequence[ExpectedMarket]
    ) -> dict[str, Allowance]:
        """Return allowances without a bound, that only refuse what is not as expected."""
        shells = {self._control.previews.shell_of(each.market_no) for each in commands}
        return dict.fromkeys(shells, Allowance(expected=tuple(expected)))

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
        weights = await self._control.previews.weigh(request.commands)
        fault = _first_fault(weights)
        if fault is not None:
            return error_of(fault, request.id)
        basis = [
            Basis(settlement_no=number, moved_minor=minor)
            for number, minor in zip(weights.settlement_no, weights.moved_minor, strict=True)
        ]
        answer = await self._desk.ask(
            Propose(
                by=by,
                why=request.why,
                commands=request.commands,
                change_minor=weights.sum_minor(),
                basis=tuple(basis),
            )
        )
        if not isinstance(answer, ProposalPage):
            return not_done(answer, request.id)
        return Proposed(id=request.id, proposal=_line(answer.proposals[0]))

    async def _approve(self, by: str, request: DecideProposal) -> ServerMessage:
        """Approve a proposal that still does what its author was shown, or less.

        One that is approved already is only carried out: some of its commands may have been, and
        shells refuse those of which the market has changed since the proposal.
        """
        page = await self._desk.ask(AskDesk(before=request.proposal + 1, limit=1))
        if not isinstance(page, ProposalPage):
            return not_done(page, request.id)
        found = [one for one in page.proposals if one.proposal.proposed.number == request.proposal]
        if found and found[0].state is ProposalState.OPEN:
            proposed = found[0].proposal.proposed
            weights = await self._control.previews.weigh(proposed.commands)  # type: ignore[arg-type]
            fault = _first_fault(weights) or _stale(proposed, weights)
            if fault is not None:
                return error_of(fault, request.id)
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
        events = await self._carry_out(f"{by}+{proposed.by}", proposed)
        if not any(isinstance(event, Refused) and event.reason in _AGAIN for event in events):
            note = NoteCarriedOut(number=request.proposal, result=_result(events))
            noted = await self._desk.ask(note)
            if isinstance(noted, ProposalPage):
                view = noted.proposals[0]
        return Decided(id=request.id, proposal=_line(view), events=tuple(events))

    async def _carry_out(self, by: str, proposed: OnRecord) -> list[MarketEvent]:
        """Send an approved proposal's commands, each only if its market is as it was proposed."""
        if len(proposed.basis) != len(proposed.commands):
            return [_changed("an earlier release proposed it")] * len(proposed.commands)
        commands: list[PreviewCommand] = list(proposed.commands)  # type: ignore[arg-type]
        weights = await self._control.previews.weigh(commands)
        events: list[MarketEvent | None] = list(weights.refused)
        places = [at for at, event in enumerate(events) if event is None]
        most_minor: dict[str, int] = {}
        for at in places:
            shell = weights.shell[at]
            most_minor[shell] = most_minor.get(shell, 0) + proposed.basis[at].moved_minor
        expected = tuple(
            ExpectedMarket(
                market_no=commands[at].market_no, settlement_no=proposed.basis[at].settlement_no
            )
            for at in places
        )
        slips = b"".join(weights.slips)
        allowances = {
            shell: Allowance(
                message_minor=Minor(minor), approved=True, expected=expected, slips=slips
            )
            for shell, minor in most_minor.items()
        }
        run = [commands[at] for at in places]
        answers = await self._control.run(by, run, allowances=allowances)
        for at, answer in zip(places, answers, strict=True):
            events[at] = answer
        return [event for event in events if event is not None]

    async def _list(self, request: ListProposals) -> ServerMessage:
        answer = await self._desk.ask(
            AskDesk(state=request.state, before=request.before, limit=request.limit)
        )
        if not isinstance(answer, ProposalPage):
            return not_done(answer, request.id)
        lines = tuple(map(_line, answer.proposals))
        return Proposals(id=request.id, proposals=lines, more=answer.more)


def _first_fault(weights: Weights) -> Refused | None:
    """Return the first refusal of some commands, with the place of the command."""
    refused = ((at, one) for at, one in enumerate(weights.refused) if one is not None)
    return next((_at(one, at) for at, one in refused), None)


def _stale(proposed: OnRecord, weights: Weights) -> Refused | None:
    """Return why a proposal is not what it was when it was proposed, if it is not."""
    if [one.settlement_no for one in proposed.basis] != weights.settlement_no:
        return _changed("a market was settled or corrected meanwhile")
    moved_minor = weights.sum_minor()
    if moved_minor > proposed.change_minor:
        return _changed(f"{moved_minor} now, {proposed.change_minor} when it was proposed")
    return None


def _changed(why: str) -> Refused:
    message = f"{MESSAGES[Reason.PROPOSAL_STALE]}: {why}"
    return Refused(reason=Reason.PROPOSAL_STALE, field="proposal", message=message)


def _stop(command: TraderCommand) -> SuspendMarket:
    return SuspendMarket(market_no=command.market_no, why="cancel")


def _is_held_back(event: MarketEvent) -> bool:
    return isinstance(event, Refused) and event.reason in _HELD_BACK


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
