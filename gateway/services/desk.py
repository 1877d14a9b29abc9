"""Ask the desk's part, and say of an answer that did not come that it did not.

Owns the way to the present process of the desk. Never keeps anything that the desk keeps.
"""

from actors.desk_messages import DeskAnswer, DeskRequest, NotDone, decode_answer, encode
from actors.peer import Peer, PeerError, PeerRefusedError
from engine.common.events import Refused
from engine.common.reasons import MESSAGES, Reason
from gateway.messages.base import Error
from gateway.services.ledger_control import error_of
from gateway.settings import GatewaySettings


class DeskClient:
    """The desk as one gateway reaches it.

    Parameters
    ----------
    settings : GatewaySettings
        How long an answer may take.
    """

    def __init__(self, *, settings: GatewaySettings) -> None:
        self.peer: Peer | None = None
        """The present process; None until it is known, and where there is none."""
        self.timeout_s = settings.control_timeout_ms / 1_000

    async def ask(self, request: DeskRequest) -> DeskAnswer:
        """Return the desk's answer; UNAVAILABLE when none comes: it may have been done or not."""
        if self.peer is None:
            return _NO_ANSWER
        try:
            raw = await self.peer.ask("request", encode(request), timeout_s=self.timeout_s)
        except (PeerError, PeerRefusedError):
            return _NO_ANSWER
        return decode_answer(raw)


def not_done(answer: DeskAnswer, number: int) -> Error:
    """Return the refusal of a request to the desk as the answer to the request of a number."""
    refused = answer.refused if isinstance(answer, NotDone) else _NO_ANSWER.refused
    return error_of(refused, number)


_NO_ANSWER = NotDone(
    refused=Refused(reason=Reason.UNAVAILABLE, message=f"desk: {MESSAGES[Reason.UNAVAILABLE]}")
)
