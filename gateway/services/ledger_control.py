"""Send one command of a trader to an account shard, and say of a refusal what it is about.

Owns what stands for an answer that did not come. Never chooses a shard and never builds a command.
"""

from typing import Final

from actors.messages import LedgerControl, decode_ledger_events, encode
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.commands import LedgerCommand
from engine.common.events import LedgerEvent, Refused
from engine.common.reasons import MESSAGES, Reason
from gateway.messages.base import Error

NO_ANSWER: Final = Refused(
    reason=Reason.UNAVAILABLE, message="an account shard did not answer; send it again"
)


async def ledger_command(
    routes: Routes, shell: str, by: str, command: LedgerCommand, *, timeout_s: float
) -> LedgerEvent:
    """Have a shard apply a command and journal it with its author; return its event.

    A shard that is down, in quarantine or silent for `timeout_s` seconds is NO_ANSWER: the command
    may have been applied or not.
    """
    peer = routes.peer(shell)
    if peer is None:
        return NO_ANSWER
    payload = encode(LedgerControl(by=by, commands=(command,)))
    try:
        raw = await peer.ask("control", payload, timeout_s=timeout_s)
    except (PeerError, PeerRefusedError):
        return NO_ANSWER
    (event,) = decode_ledger_events(raw)
    return event


def error_of(refused: Refused, number: int, ref: str = "") -> Error:
    """Return a refusal as the answer to the request of a number, its field named."""
    message = refused.message or MESSAGES[refused.reason]
    if refused.field:
        message = f"{refused.field}: {message}"
    return Error(code=int(refused.reason), message=message, ref=ref, id=number)
