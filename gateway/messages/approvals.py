"""Messages about approvals: commands that one person proposes and another one decides.

Owns schemas only; engine.desk.approvals says who may decide what.
"""

from typing import Annotated

from msgspec import Meta, Struct

from engine.common.commands import WhyField
from engine.common.events import MarketEvent
from engine.common.previews import PreviewCommand
from engine.common.units import Minor
from engine.desk.approvals import PROPOSAL_COMMANDS_MAX, ProposalState
from gateway.messages.base import FromClient, FromGateway, IdField, enumerated
from gateway.settings import PAGE_MAX

ProposalField = Annotated[int, Meta(ge=1, le=(1 << 53) - 1)]
StateField = Annotated[str, Meta(max_length=16), enumerated(("", *ProposalState))]


class ProposeCommands(FromClient, frozen=True, kw_only=True, tag="propose"):
    """Propose commands for a second person's approval; answered by `proposed`.

    Each must be possible now, as a preview says; nothing is commanded before the approval.
    """

    id: IdField = 0
    commands: Annotated[
        tuple[PreviewCommand, ...], Meta(min_length=1, max_length=PROPOSAL_COMMANDS_MAX)
    ]
    why: WhyField = ""


class DecideProposal(FromClient, frozen=True, kw_only=True, tag="decide"):
    """Approve or reject another person's proposal; answered by `decided`.

    An approval sends the commands, which shells journal as the approver's and the author's. Where a
    shell did not answer, the same approval may be sent again until all have.
    """

    id: IdField = 0
    proposal: ProposalField
    approve: bool
    why: WhyField = ""


class WithdrawProposal(FromClient, frozen=True, kw_only=True, tag="withdraw_proposal"):
    """Withdraw a proposal of one's own; answered by `decided`."""

    id: IdField = 0
    proposal: ProposalField
    why: WhyField = ""


class ListProposals(FromClient, frozen=True, kw_only=True, tag="list_proposals"):
    """Ask for proposals, newest first, in any state or in one; answered by `proposals`."""

    id: IdField = 0
    state: StateField = ""
    before: Annotated[int, Meta(ge=0, le=(1 << 53) - 1)] = 0
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 100


class ProposalLine(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A proposal: its author, what it changes in what bets are paid, and what became of it.

    The times are UTC in ISO 8601. `result` says what came of the commands of one that is done.
    """

    proposal: int
    state: Annotated[str, enumerated(ProposalState)]
    by: str
    at: str
    expires: str
    commands: tuple[PreviewCommand, ...]
    change_minor: Minor
    why: str = ""
    decided_by: str = ""
    decided_why: str = ""
    decided: str = ""
    result: str = ""


class Proposed(FromGateway, frozen=True, kw_only=True, tag="proposed"):
    """The proposal waits for a decision."""

    id: int = 0
    proposal: ProposalLine


class Decided(FromGateway, frozen=True, kw_only=True, tag="decided"):
    """The decision is on disk; of an approval, `events` has an event or refusal per command."""

    id: int = 0
    proposal: ProposalLine
    events: tuple[MarketEvent, ...] = ()


class Proposals(FromGateway, frozen=True, kw_only=True, tag="proposals"):
    """Proposals, newest first; with `more`, there are older ones, before the last one's number."""

    id: int = 0
    proposals: tuple[ProposalLine, ...] = ()
    more: bool = False


ApprovalRequest = ProposeCommands | DecideProposal | WithdrawProposal | ListProposals
