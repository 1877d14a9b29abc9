"""Change fixtures as traders ask, and answer everybody who asks for fixtures.

Owns the way to the supervisor, which merges and keeps what is known of fixtures. The catalogue
beside it answers questions.
"""

from collections.abc import Callable, Sequence
from typing import Final

from actors.messages import FixtureAnswer, PutFixtures, decode_fixture_answers, encode
from actors.peer import Peer, PeerError, PeerRefusedError
from engine.common.events import Refused
from engine.common.fixtures import FixtureChange, FixtureClaim, HandDescription
from engine.common.reasons import MESSAGES, Reason
from gateway.messages.base import Error
from gateway.messages.fixtures import (
    AskCatalogue,
    AskFixtures,
    ClaimFixture,
    FixtureSet,
    SetFixture,
)
from gateway.messages.protocol import ServerMessage
from gateway.services.catalogue import FixtureCatalogue
from gateway.services.fixture_watch import FixtureWatch


class FixtureService:
    """Fixtures, as sessions change them and ask for them.

    Parameters
    ----------
    catalogue : FixtureCatalogue
        What the gateway knows of fixtures.
    supervisor : callable
        Returns the supervisor that keeps fixtures, None without one.
    timeout_s : float
        Seconds that an answer may take.
    """

    def __init__(
        self,
        *,
        catalogue: FixtureCatalogue,
        supervisor: Callable[[], Peer | None],
        timeout_s: float,
    ) -> None:
        self.catalogue: Final = catalogue
        self.watchers: Final = FixtureWatch(catalogue)
        self._supervisor = supervisor
        self._timeout_s = timeout_s

    async def change(self, by: str, request: SetFixture | ClaimFixture) -> ServerMessage:
        """Describe or claim a fixture; the caller's next question knows of it."""
        (answer,) = await self.put(by, [_change(by, request)])
        if answer.refused is not None:
            refused = answer.refused
            field = f"{refused.field}: " if refused.field else ""
            message = f"{field}{refused.message or MESSAGES[refused.reason]}"
            return Error(code=int(refused.reason), message=message, id=request.id)
        line = self.catalogue.line(request.fixture, for_bettors=False)
        assert line is not None, "an answer without a refusal has the fixture"
        return FixtureSet(id=request.id, fixture=line)

    async def put(self, by: str, changes: Sequence[FixtureChange]) -> list[FixtureAnswer]:
        """Have changes journaled, and take their outcome over; one answer each, in order.

        UNAVAILABLE without a supervisor; UNKNOWN where its answer did not arrive, and the changes
        may have been made.
        """
        supervisor = self._supervisor()
        if supervisor is None:
            return [_unanswered(Reason.UNAVAILABLE)] * len(changes)
        payload = encode(PutFixtures(by=by, changes=tuple(changes)))
        try:
            raw = await supervisor.ask("put_fixtures", payload, timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError):
            return [_unanswered(Reason.UNKNOWN)] * len(changes)
        answers = decode_fixture_answers(raw)
        self.catalogue.take(each.fixture for each in answers if each.fixture is not None)
        return answers

    async def answer(
        self, request: AskFixtures | AskCatalogue, *, for_bettors: bool
    ) -> ServerMessage:
        """Answer a question about fixtures; bettors do not learn who holds them."""
        if isinstance(request, AskCatalogue):
            return self.catalogue.catalogue(request.id)
        if for_bettors and request.owner is not None:
            reason = Reason.NOT_PERMITTED
            return Error(code=int(reason), message=f"owner: {MESSAGES[reason]}", id=request.id)
        return self.catalogue.answer(request, for_bettors=for_bettors)


def _change(by: str, request: SetFixture | ClaimFixture) -> FixtureChange:
    if isinstance(request, ClaimFixture):
        owner = by if request.owner is None else request.owner
        return FixtureClaim(fixture=request.fixture, owner=owner, take_over=request.take_over)
    return HandDescription(patch=request.patch(), release=request.release)


def _unanswered(reason: Reason) -> FixtureAnswer:
    return FixtureAnswer(refused=Refused(reason=reason, message=MESSAGES[reason]))
