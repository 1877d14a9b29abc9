"""Approvals: what one person proposes about money, and another one approves or rejects.

Owns who may decide a proposal, when it has expired, and that it is carried out by an approval only.
Never runs a proposed command: whoever approved it does, and reports what came of it.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.commands import MarketCommand
from engine.common.events import Refused
from engine.common.people import subject
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import Minor, Nanos

PROPOSAL_COMMANDS_MAX: Final = 256
"""Commands of one proposal."""
PROPOSALS_OPEN_MAX: Final = 1_024
"""Proposals that wait for a decision; another is refused with CAPACITY."""
PROPOSALS_KEPT_MAX: Final = 4_096
"""Proposals in memory; past it the oldest that waits for nothing is forgotten."""
PROPOSALS_OPEN_OF_PERSON_MAX: Final = 64
"""Those of one person; another of theirs is refused with CAPACITY."""
RESULT_CHARS_MAX: Final = 400

ProposalCommands = Annotated[
    tuple[MarketCommand, ...], Meta(min_length=1, max_length=PROPOSAL_COMMANDS_MAX)
]


class Verdict(StrEnum):
    """What becomes of a proposal."""

    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class ProposalState(StrEnum):
    """How far a proposal has come; APPROVED waits for its commands to be carried out, in time."""

    OPEN = "open"
    APPROVED = "approved"
    DONE = "done"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Basis(Struct, frozen=True, kw_only=True):
    """What a proposed command was previewed against: its market's last settlement, and its part.

    `moved_minor` is what the command moves; the first of a shell's includes what moves of the
    markets that follow those of the shell's commands.
    """

    settlement_no: int
    moved_minor: Minor


class Proposed(Struct, frozen=True, kw_only=True, tag_field="doc", tag="proposed"):
    """Commands wait for a second person until `expires_ns`.

    `change_minor` is what they move, in base currency: the changes of what bets are paid, signs
    dropped, as previews said. `basis` has an element for each command; none, as in older journals,
    is nothing that could be approved.
    """

    number: int
    by: str
    why: str
    commands: tuple[MarketCommand, ...]
    change_minor: Minor
    at_ns: Nanos
    expires_ns: Nanos
    basis: tuple[Basis, ...] = ()


class Decided(Struct, frozen=True, kw_only=True, tag_field="doc", tag="decided"):
    """A person has approved or rejected a proposal, or its author has withdrawn it."""

    number: int
    by: str
    verdict: Verdict
    why: str
    at_ns: Nanos


class CarriedOut(Struct, frozen=True, kw_only=True, tag_field="doc", tag="carried_out"):
    """The commands of an approved proposal were sent; `result` says what came of them."""

    number: int
    result: str
    at_ns: Nanos


ApprovalDocument = Proposed | Decided | CarriedOut


class Proposal(Struct, kw_only=True):
    """A proposal and what has become of it so far."""

    proposed: Proposed
    decided: Decided | None = None
    carried: CarriedOut | None = None

    def state(self, now_ns: Nanos) -> ProposalState:
        """Return how far the proposal has come at a time."""
        if self.carried is not None:
            return ProposalState.DONE
        expired = now_ns >= self.proposed.expires_ns
        if self.decided is not None:
            approved = self.decided.verdict is Verdict.APPROVED
            if not (approved and expired):
                return ProposalState(self.decided.verdict)
        return ProposalState.EXPIRED if expired else ProposalState.OPEN


class Approvals:
    """All proposals that are remembered, by number.

    A method that changes something returns a document, which changes nothing until it is applied:
    the caller writes it to disk in between.
    """

    def __init__(self) -> None:
        self.proposals: dict[int, Proposal] = {}
        self._last = 0

    def propose(
        self,
        *,
        by: str,
        why: str,
        commands: tuple[MarketCommand, ...],
        change_minor: Minor,
        basis: tuple[Basis, ...],
        at_ns: Nanos,
        valid_ns: Nanos,
    ) -> Proposed | Refused:
        """Propose commands, to be decided within `valid_ns`."""
        waiting = [
            subject(one.proposed.by)
            for one in self.proposals.values()
            if one.state(at_ns) is ProposalState.OPEN
        ]
        own = waiting.count(subject(by))
        if len(waiting) >= PROPOSALS_OPEN_MAX or own >= PROPOSALS_OPEN_OF_PERSON_MAX:
            message = f"{len(waiting)} proposals wait for a decision, {own} of them yours"
            return Refused(reason=Reason.CAPACITY, message=message)
        return Proposed(
            number=self._last + 1,
            by=by,
            why=why,
            commands=commands,
            change_minor=change_minor,
            at_ns=at_ns,
            expires_ns=Nanos(at_ns + valid_ns),
            basis=basis,
        )

    def decide(
        self, number: int, *, by: str, verdict: Verdict, why: str, at_ns: Nanos
    ) -> Decided | Refused:
        """Decide an open proposal.

        An approval of one that is approved and not carried out is answered with the first: whoever
        lost the answer carries it out.
        """
        proposal = self.proposals.get(number)
        if proposal is None:
            return _refused(Reason.PROPOSAL_UNKNOWN, str(number))
        author = subject(by) == subject(proposal.proposed.by)
        if verdict is not Verdict.WITHDRAWN and author:
            return _refused(Reason.SECOND_PERSON, f"{number} is by {proposal.proposed.by}")
        if verdict is Verdict.WITHDRAWN and not author:
            return _refused(Reason.NOT_PERMITTED, f"{number} is by {proposal.proposed.by}")
        state = proposal.state(at_ns)
        if state is ProposalState.APPROVED and verdict is Verdict.APPROVED:
            assert proposal.decided is not None
            return proposal.decided
        if state is not ProposalState.OPEN:
            return _refused(Reason.PROPOSAL_DECIDED, f"{number} is {state}")
        return Decided(number=number, by=by, verdict=verdict, why=why, at_ns=at_ns)

    def carry_out(self, number: int, *, result: str, at_ns: Nanos) -> CarriedOut | Refused:
        """Note that an approved proposal's commands were sent."""
        proposal = self.proposals.get(number)
        if proposal is None:
            return _refused(Reason.PROPOSAL_UNKNOWN, str(number))
        if proposal.carried is not None:
            return proposal.carried
        if proposal.decided is None or proposal.decided.verdict is not Verdict.APPROVED:
            return _refused(Reason.PROPOSAL_DECIDED, f"{number} is not approved")
        return CarriedOut(number=number, result=result[:RESULT_CHARS_MAX], at_ns=at_ns)

    def apply(self, document: ApprovalDocument) -> None:
        """Apply a document that is on disk."""
        match document:
            case Proposed():
                self._last = document.number
                self.proposals[document.number] = Proposal(proposed=document)
                self._forget(document.at_ns)
            case Decided() if document.number in self.proposals:
                self.proposals[document.number].decided = document
            case CarriedOut() if document.number in self.proposals:
                self.proposals[document.number].carried = document

    def newest(self, *, state: str, now_ns: Nanos, before: int) -> Iterator[Proposal]:
        """Yield proposals below a number, newest first; with a `state`, those in it alone."""
        for number in reversed(self.proposals):
            proposal = self.proposals[number]
            if (before == 0 or number < before) and state in ("", proposal.state(now_ns)):
                yield proposal

    def _forget(self, now_ns: Nanos) -> None:
        if len(self.proposals) <= PROPOSALS_KEPT_MAX:
            return
        waits = (ProposalState.OPEN, ProposalState.APPROVED)
        for number, proposal in self.proposals.items():
            if proposal.state(now_ns) not in waits:
                del self.proposals[number]
                return


def _refused(reason: Reason, message: str) -> Refused:
    return Refused(reason=reason, field="proposal", message=f"{MESSAGES[reason]}: {message}")
