"""Sessions are sent alerts as they change, whatever the desk or one session fails with."""

import asyncio
from typing import Any, cast

import pytest
from msgspec import json
from msgspec.structs import replace

from actors.desk_messages import AlertPage, encode
from actors.peer import LocalPeer, PeerDiedError
from engine.common.ids import AccountNo
from engine.common.units import Nanos
from engine.watch.alerts import Alert
from engine.watch.facts import Finding
from engine.watch.rules import Severity
from gateway.messages.protocol import ServerMessage
from gateway.messages.watching import AlertSeen
from gateway.net.output import Output
from gateway.services.desk import DeskClient
from gateway.services.watching import WatchingService, alert_view
from gateway.settings import GatewaySettings

ALERT = Alert(
    number=1,
    rule="worst",
    kind="liability",
    severity=Severity.HIGH,
    finding=Finding(subject="market 1", figures={"liability_minor": 3_000}),
    first_ns=Nanos(1),
    last_ns=Nanos(1),
)
NOTHING = encode(AlertPage(alerts=(), changes=0))


class Desk:
    """A desk that answers as it is told, and then that an alert was raised."""

    def __init__(self, *answers: Exception | bytes) -> None:
        self.answers = list(answers)

    def request(self, payload: bytes) -> bytes:
        answer = (
            self.answers.pop(0) if self.answers else encode(AlertPage(alerts=(ALERT,), changes=1))
        )
        if isinstance(answer, Exception):
            raise answer
        return answer


class Session:
    """A session's connection, and what was framed for it."""

    def __init__(self, *, failing: bool = False) -> None:
        self.failing = failing
        self.seen: list[AlertSeen] = []

    def frame(self, message: ServerMessage) -> bytes:
        if self.failing:
            raise ValueError("the session's own failure")
        self.seen.append(cast("AlertSeen", message))
        return b""

    def send_odds(self, frame: bytes) -> bool:
        return True


async def sent(desk: Desk, *sessions: Session) -> list[list[AlertSeen]]:
    """Watch until the desk's answers are used up and the last session has an alert."""
    client = DeskClient(settings=GatewaySettings())
    client.peer = LocalPeer(desk, name="desk")
    service = WatchingService(desk=client, poll_s=0.0)
    for session in sessions:
        service.watch(session, cast("Output", session), session.frame, accounts=True)
    async with asyncio.timeout(30):
        while not sessions[-1].seen:
            await asyncio.sleep(0)
    for session in sessions:
        service.leave(session)
    return [session.seen for session in sessions]


async def test_alerts_go_on_after_answers_that_cannot_be_read() -> None:
    failures: tuple[Any, ...] = (b"\xc1", encode({"answer": "of a later version"}), KeyError("its"))
    desk = Desk(NOTHING, *failures, PeerDiedError("gone"))
    ((seen,),) = await sent(desk, Session())
    assert (seen.alert.number, seen.missed) == (1, 0)


async def test_a_session_that_cannot_be_sent_to_holds_up_no_other() -> None:
    _, (seen,) = await sent(Desk(NOTHING), Session(failing=True), Session())
    assert seen.alert.subject == "market 1"


@pytest.mark.parametrize("subject", ["account 7123", "syndicate of account 7123", "market 1"])
def test_who_may_not_look_at_accounts_reads_the_number_of_none(subject: str) -> None:
    accounts = (AccountNo(7_123), AccountNo(8_456))
    finding = Finding(subject=subject, accounts=accounts, figures={})
    alert = replace(ALERT, finding=finding)
    shown = json.encode(alert_view(alert, accounts=False)).decode()
    assert "7123" not in shown
    assert "8456" not in shown
    whole = alert_view(alert, accounts=True)
    assert (whole.subject, whole.accounts) == (subject, accounts)
