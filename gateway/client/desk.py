"""What a session asks the desk: approvals and the audit trail.

Owns one method per request; roles.py has the session that sends them.
"""

from collections.abc import Sequence
from typing import Final

from engine.common.previews import PreviewCommand
from engine.common.units import Nanos
from gateway.client.session import Session
from gateway.messages.approvals import (
    Decided,
    DecideProposal,
    ListProposals,
    ProposalLine,
    Proposals,
    ProposeCommands,
    Proposed,
    WithdrawProposal,
)
from gateway.messages.audit import AskAuditTrail, AuditLines

NEVER: Final = Nanos(0)
"""No bound of time."""


class DeskRequests(Session):
    """A session on the control listener, for what the desk keeps."""

    async def propose(self, commands: Sequence[PreviewCommand], *, why: str = "") -> ProposalLine:
        """Propose commands that need a second person; return the proposal.

        Raises
        ------
        RefusedError
            A command is not possible now, or the desk does not answer.
        """
        proposed = await self._request(ProposeCommands, Proposed, commands=tuple(commands), why=why)
        return proposed.proposal

    async def decide(self, proposal: int, *, approve: bool, why: str = "") -> Decided:
        """Approve another person's proposal and have its commands sent, or reject it.

        Raises
        ------
        RefusedError
            The proposal is one's own, or waits for no decision.
        """
        return await self._request(
            DecideProposal, Decided, proposal=proposal, approve=approve, why=why
        )

    async def withdraw_proposal(self, proposal: int, *, why: str = "") -> Decided:
        """Withdraw a proposal of one's own."""
        return await self._request(WithdrawProposal, Decided, proposal=proposal, why=why)

    async def proposals(self, *, state: str = "", before: int = 0, limit: int = 100) -> Proposals:
        """Return proposals, newest first, in any state or in one."""
        return await self._request(
            ListProposals, Proposals, state=state, before=before, limit=limit
        )

    async def audit_trail(
        self,
        *,
        by: str = "",
        what: str = "",
        text: str = "",
        refused: bool = False,
        from_ns: Nanos = NEVER,
        until_ns: Nanos = NEVER,
        before: int = 0,
        limit: int = 100,
    ) -> AuditLines:
        """Return lines of the audit trail, newest first: who asked for what, and what came of it.

        Parameters
        ----------
        by, what : str
            Parts of an identity, and of a message's or command's name.
        text : str
            Sought in every text of a line, in any case.
        refused : bool
            Only lines of which something was refused.
        from_ns, until_ns : int
            UTC nanoseconds, the second excluded; 0 for any.
        before : int
            Lines with numbers below this; 0 for the newest.
        limit : int
            Most lines, 1 to 1,000.
        """
        return await self._request(
            AskAuditTrail,
            AuditLines,
            by=by,
            what=what,
            text=text,
            refused=refused,
            from_ns=from_ns,
            until_ns=until_ns,
            before=before,
            limit=limit,
        )
