"""What a session asks the desk: kept inputs, approvals and the audit trail.

Owns one method per request; roles.py has the session that sends them.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from engine.common.board_inputs import ExpectedGoals, FittedMarket
from engine.common.ids import MarketNo
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
from gateway.messages.inputs import (
    AskInputs,
    HappenInMatch,
    InputsKept,
    KeepInputs,
    ReleaseInputs,
)
from gateway.messages.settlement_work import AskSettlementWork, SettlementList

_FIRST: Final = MarketNo(0)
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

    async def keep_inputs(
        self,
        fixture: str,
        pricing: Any = None,
        *,
        expect: ExpectedGoals | None = None,
        fit: Sequence[FittedMarket] = (),
        running: bool = False,
        after: int | None = None,
    ) -> InputsKept:
        """Have the desk keep a fixture's model inputs and reprice by them.

        Parameters
        ----------
        fixture : str
            The fixture.
        pricing : Struct or mapping
            As `reprice` takes it; without a model where `expect` or `fit` gives it.
        expect, fit
            The goals expected of a football match, or odds that its model is fitted to.
        running : bool
            Whether the clock of a football match runs from `pricing.state` now; without a state the
            match goes on from where it is kept.
        after : int
            The number of the inputs that the caller saw; others by now refuse the request.

        Raises
        ------
        RefusedError
            A field is unknown or out of bounds, or the desk does not answer.
        """
        document = {} if pricing is None else msgspec.to_builtins(pricing)
        return await self._request(
            KeepInputs,
            InputsKept,
            fixture=fixture,
            pricing=document,
            expect=expect,
            fit=tuple(fit),
            running=running,
            after=after,
        )

    async def inputs(self, fixture: str) -> InputsKept:
        """Return the inputs that the desk keeps of a fixture, with its state as it is now."""
        return await self._request(AskInputs, InputsKept, fixture=fixture)

    async def release_inputs(self, fixture: str) -> InputsKept:
        """Have the desk keep a fixture's inputs no longer."""
        return await self._request(ReleaseInputs, InputsKept, fixture=fixture)

    async def match_event(
        self,
        fixture: str,
        event: str,
        *,
        side: Literal["home", "away"] | None = None,
        reopen: bool = False,
        after: int | None = None,
    ) -> InputsKept:
        """Suspend a fixture, change its state by an event, reprice it, and resume it if asked to.

        `after` is as in `keep_inputs`: a goal that two people say at once counts once.

        Raises
        ------
        RefusedError
            The event cannot be, or no inputs are kept; the fixture is suspended all the same.
        """
        return await self._request(
            HappenInMatch,
            InputsKept,
            fixture=fixture,
            event=event,
            side=side,
            reopen=reopen,
            after=after,
        )

    async def settlement_work(
        self, *, conflicts: bool = False, after: MarketNo = _FIRST, limit: int = 500
    ) -> SettlementList:
        """Return markets that are to be settled, or of which feeds state two results.

        Parameters
        ----------
        conflicts : bool
            Only the latter.
        after : MarketNo
            The last market of the answer before; 0 for the first.
        limit : int
            Most markets, 1 to 500.
        """
        return await self._request(
            AskSettlementWork, SettlementList, conflicts=conflicts, after=after, limit=limit
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
