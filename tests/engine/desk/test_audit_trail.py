"""The audit trail: every line once, found by any of its texts, and bounded in memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.desk import audit_trail
from engine.desk.audit_trail import AuditLine, AuditQuery, AuditTrail, LinesAdded, NumberedLine


def found(trail: AuditTrail, query: AuditQuery) -> list[NumberedLine]:
    return [each for some in trail.search(query) for each in some]


def line(number: int, **fields: object) -> AuditLine:
    shown = {"by": "trader:anna", "what": "settle_market", **fields}
    return AuditLine(at_ns=number, **shown)  # type: ignore[arg-type]


def added(trail: AuditTrail, first: int, *lines: AuditLine, source: str = "gateway-0:1") -> None:
    fresh = trail.fresh(LinesAdded(source=source, first=first, lines=lines))
    if fresh is not None:
        trail.apply(fresh)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 6)), max_size=30))
def test_lines_that_come_again_count_once(portions: list[tuple[int, int]]) -> None:
    trail, sent = AuditTrail(), 0
    for first, count in portions:
        begin = min(first, sent + 1)
        added(trail, begin, *(line(at) for at in range(begin, begin + count)))
        sent = max(sent, begin + count - 1)
    shown = [each.line.at_ns for each in found(trail, AuditQuery())]
    assert shown == list(range(sent, 0, -1))


def test_each_process_has_numbers_of_its_own() -> None:
    trail = AuditTrail()
    added(trail, 1, line(1))
    added(trail, 1, line(2), source="gateway-0:2")
    assert trail.count == 2


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (AuditQuery(), [4, 3, 2, 1]),
        (AuditQuery(by="bob"), [3]),
        (AuditQuery(what="settle"), [4, 1]),
        (AuditQuery(text="WC22"), [2]),
        (AuditQuery(refused=True), [4]),
        (AuditQuery(from_ns=20, until_ns=40), [3, 2]),
        (AuditQuery(before=3), [2, 1]),
        (AuditQuery(text="no such text"), []),
    ],
)
def test_lines_are_found_newest_first(query: AuditQuery, numbers: list[int]) -> None:
    trail = AuditTrail()
    added(
        trail,
        1,
        line(10),
        line(20, what="suspend_all", request='{"fixture":"wc22-64"}'),
        line(30, by="risk:bob", what="set_limits"),
        line(40, refused=True),
    )
    assert [each.number for each in found(trail, query)] == numbers


def test_memory_is_bounded_and_numbers_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_trail, "LINES_KEPT_MAX", 3)
    trail = AuditTrail()
    added(trail, 1, *(line(at) for at in range(1, 6)))
    assert [each.number for each in found(trail, AuditQuery())] == [5, 4, 3]
    assert trail.first == 3


@pytest.mark.parametrize("before", [0, 1, 2, 5, 9, 10, 11, 99])
def test_a_search_goes_on_between_lines_that_are_added(
    monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setattr(audit_trail, "LINES_KEPT_MAX", 8)
    monkeypatch.setattr(audit_trail, "SLICE_LINES", 3)
    trail = AuditTrail()
    added(trail, 1, *(line(at) for at in range(1, 11)))
    numbers: list[int] = []
    for some in trail.search(AuditQuery(before=before)):
        assert len(some) <= 3
        numbers += [each.number for each in some]
        assert [each.line.at_ns for each in some] == [each.number for each in some]
        added(trail, trail.count + 1, line(trail.count + 1))
    assert numbers == [number for number in range(10, 2, -1) if not before or number < before]
