"""Approvals: a second person decides, once, in time; and what is approved is carried out once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.commands import CancelMarket
from engine.common.events import Refused
from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from engine.desk import approvals as rules
from engine.desk.approvals import (
    Approvals,
    Basis,
    CarriedOut,
    Decided,
    ProposalState,
    Proposed,
    Verdict,
)

CANCEL = (CancelMarket(market_no=MarketNo(3)),)
VALID_NS = 1_000


def proposed(approvals: Approvals, *, by: str = "settler:anna", at_ns: int = 1) -> int:
    document = approvals.propose(
        by=by,
        why="wrong match",
        commands=CANCEL,
        change_minor=5,
        basis=(Basis(settlement_no=2, moved_minor=5),),
        at_ns=at_ns,
        valid_ns=VALID_NS,
    )
    assert isinstance(document, Proposed)
    approvals.apply(document)
    return document.number


def refusal(approvals: Approvals, *, by: str) -> Reason | None:
    """Return why a proposal would be refused."""
    document = approvals.propose(
        by=by, why="", commands=CANCEL, change_minor=5, basis=(), at_ns=1, valid_ns=VALID_NS
    )
    return document.reason if isinstance(document, Refused) else None


def decide(approvals: Approvals, number: int, by: str, verdict: Verdict, at_ns: int = 2) -> object:
    document = approvals.decide(number, by=by, verdict=verdict, why="", at_ns=at_ns)
    if isinstance(document, Decided):
        approvals.apply(document)
        return approvals.proposals[number].state(at_ns)
    return document.reason


@pytest.mark.parametrize(
    ("by", "verdict", "becomes"),
    [
        ("head_trader:bob", Verdict.APPROVED, ProposalState.APPROVED),
        ("head_trader:bob", Verdict.REJECTED, ProposalState.REJECTED),
        ("settler:anna", Verdict.APPROVED, Reason.SECOND_PERSON),
        ("head_trader:anna", Verdict.APPROVED, Reason.SECOND_PERSON),
        ("head_trader:anna", Verdict.REJECTED, Reason.SECOND_PERSON),
        ("head_trader:anna", Verdict.WITHDRAWN, ProposalState.WITHDRAWN),
        ("head_trader:bob", Verdict.WITHDRAWN, Reason.NOT_PERMITTED),
    ],
)
def test_who_may_decide_what(by: str, verdict: Verdict, becomes: object) -> None:
    approvals = Approvals()
    assert decide(approvals, proposed(approvals), by, verdict) == becomes


def test_a_proposal_ends_at_its_time_and_an_unknown_one_is_refused() -> None:
    approvals = Approvals()
    number = proposed(approvals, at_ns=1)
    late = decide(approvals, number, "head_trader:bob", Verdict.APPROVED, at_ns=1 + VALID_NS)
    assert late is Reason.PROPOSAL_DECIDED
    in_time = decide(approvals, number, "head_trader:bob", Verdict.APPROVED, at_ns=VALID_NS)
    assert in_time is ProposalState.APPROVED
    unknown = decide(approvals, number + 1, "head_trader:bob", Verdict.APPROVED)
    assert unknown is Reason.PROPOSAL_UNKNOWN


def test_an_approval_that_nobody_carries_out_ends_with_its_proposal() -> None:
    approvals = Approvals()
    number = proposed(approvals, at_ns=1)
    decide(approvals, number, "head_trader:bob", Verdict.APPROVED, at_ns=2)
    assert approvals.proposals[number].state(VALID_NS) is ProposalState.APPROVED
    assert approvals.proposals[number].state(1 + VALID_NS) is ProposalState.EXPIRED
    late = decide(approvals, number, "head_trader:cid", Verdict.APPROVED, at_ns=1 + VALID_NS)
    assert late is Reason.PROPOSAL_DECIDED


def test_an_approval_whose_answer_was_lost_is_repeated_until_it_is_carried_out() -> None:
    approvals = Approvals()
    number = proposed(approvals)
    early = approvals.carry_out(number, result="1 done", at_ns=2)
    assert isinstance(early, Refused)
    for _ in range(2):
        state = decide(approvals, number, "head_trader:bob", Verdict.APPROVED)
        assert state is ProposalState.APPROVED
    carried = approvals.carry_out(number, result="1 done", at_ns=3)
    assert isinstance(carried, CarriedOut)
    approvals.apply(carried)
    assert approvals.carry_out(number, result="again", at_ns=4) == carried
    again = decide(approvals, number, "head_trader:cid", Verdict.APPROVED)
    assert again is Reason.PROPOSAL_DECIDED


def test_proposals_are_bounded_and_those_that_wait_are_never_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "PROPOSALS_KEPT_MAX", 4)
    monkeypatch.setattr(rules, "PROPOSALS_OPEN_MAX", 3)
    approvals = Approvals()
    first = proposed(approvals)
    for _ in range(5):
        decide(approvals, proposed(approvals), "head_trader:bob", Verdict.REJECTED)
    assert first in approvals.proposals
    assert len(approvals.proposals) == 4
    proposed(approvals)
    proposed(approvals)
    assert refusal(approvals, by="settler:anna") is Reason.CAPACITY


PEOPLE = st.sampled_from(["settler:anna", "trader:anna", "head_trader:bob", "risk:cid"])
STEPS = st.lists(
    st.tuples(PEOPLE, st.sampled_from(Verdict), st.integers(1, 3), st.integers(1, 2 * VALID_NS)),
    max_size=30,
)


@given(PEOPLE, STEPS)
def test_nothing_is_carried_out_that_another_person_has_not_approved_in_time(
    author: str, steps: list[tuple[str, Verdict, int, int]]
) -> None:
    approvals = Approvals()
    number = proposed(approvals, by=author)
    now_ns = 1
    for by, verdict, kind, passed_ns in steps:
        now_ns += passed_ns
        if kind == 1:
            document = approvals.carry_out(number, result="done", at_ns=now_ns)
        else:
            document = approvals.decide(number, by=by, verdict=verdict, why="", at_ns=now_ns)
        if not isinstance(document, Refused):
            approvals.apply(document)
    proposal = approvals.proposals[number]
    if proposal.carried is not None:
        assert proposal.decided is not None
        assert proposal.decided.verdict is Verdict.APPROVED
        assert proposal.decided.at_ns < proposal.proposed.expires_ns
        assert proposal.decided.by.split(":")[1] != author.split(":")[1]


def test_one_persons_proposals_leave_room_for_everybody_elses() -> None:
    approvals = Approvals()
    for role in ("settler", "head_trader"):
        for _ in range(rules.PROPOSALS_OPEN_OF_PERSON_MAX // 2):
            proposed(approvals, by=f"{role}:anna")
    assert refusal(approvals, by="settler:anna") is Reason.CAPACITY
    assert refusal(approvals, by="settler:bob") is None
