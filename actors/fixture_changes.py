"""Apply changes of fixtures to the directory, and page its fixtures for gateways.

Owns the bound of fixtures and the answers. How a change is merged is engine.common.fixtures'; the
directory writes.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from actors.directory import Directory
from actors.messages import FIXTURES_IN_CALL_MAX, FixtureAnswer, PutFixtures, encode
from engine.common.events import Refused
from engine.common.fixtures import Fixture, FixtureClaim, changed_fixture
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import Nanos
from persistence.disk import DiskFullError

FIXTURES_MAX: Final = 262_144
"""Fixtures that a directory describes; past it CAPACITY refuses a new one."""


def put_fixtures(
    request: PutFixtures, directory: Directory, *, at_ns: Nanos, fixtures_max: int = FIXTURES_MAX
) -> tuple[list[FixtureAnswer], list[Fixture]]:
    """Apply changes in order and write their outcome to disk as one record.

    Returns
    -------
    answers : list of FixtureAnswer
        One for each change, in order; DISK_FULL for every one that could not be written.
    changed : list of Fixture
        What is on disk now and was not before, each fixture once.
    """
    changed: dict[str, Fixture] = {}
    answers: list[FixtureAnswer] = []
    room = fixtures_max - len(directory.fixtures)
    for change in request.changes:
        name = change.fixture if isinstance(change, FixtureClaim) else change.patch.fixture
        known = changed.get(name) or directory.fixtures.get(name)
        if known is None and room <= 0:
            answers.append(_refused(Reason.CAPACITY, f"at most {fixtures_max} fixtures"))
            continue
        if known is None and isinstance(change, FixtureClaim) and name in directory.fixture_markets:
            known = Fixture(fixture=name)  # its markets name it, and nobody has described it
        outcome = changed_fixture(known, change, by=request.by)
        if isinstance(outcome, Refused):
            answers.append(FixtureAnswer(refused=outcome))
            continue
        if outcome.fixture != directory.fixtures.get(name):
            room -= name not in directory.fixtures and name not in changed
            changed[name] = outcome.fixture
        answers.append(FixtureAnswer(fixture=outcome.fixture, kept=outcome.kept))
    if not changed:
        return answers, []
    try:
        directory.put_fixtures(list(changed.values()), by=request.by, at_ns=at_ns)
    except DiskFullError:
        full = _refused(Reason.DISK_FULL, MESSAGES[Reason.DISK_FULL])
        return [full if each.refused is None else each for each in answers], []
    return answers, list(changed.values())


def fixture_pages(fixtures: Sequence[Fixture]) -> Iterator[bytes]:
    """Yield fixtures for a gateway's `on_fixtures`, so many to a call."""
    for start in range(0, len(fixtures), FIXTURES_IN_CALL_MAX):
        yield encode(fixtures[start : start + FIXTURES_IN_CALL_MAX])


def _refused(reason: Reason, message: str) -> FixtureAnswer:
    return FixtureAnswer(refused=Refused(reason=reason, field="fixture", message=message))
