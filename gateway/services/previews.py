"""Ask a market's shell what a command would do to the market's bets.

Owns nothing but the way to the shell, which works the figures out.
"""

from actors.messages import ShellPreview, decode_shell_preview, encode
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.events import Refused
from engine.common.previews import PreviewCommand
from engine.common.reasons import MESSAGES, Reason
from gateway.messages.corrections import AskPreview, Previewed
from gateway.messages.protocol import ServerMessage
from gateway.services.ledger_control import error_of


class PreviewService:
    """Previews of commands.

    Parameters
    ----------
    routes : Routes
        The shells of markets, and how to call them.
    timeout_s : float
        How long an answer may take.
    """

    def __init__(self, *, routes: Routes, timeout_s: float) -> None:
        self._routes = routes
        self._timeout_s = timeout_s

    async def answer(self, request: AskPreview) -> ServerMessage:
        """Answer a client: the figures, or why the command would be refused."""
        found = await self.of(request.command)
        if found.preview is None:
            return error_of(found.refused, request.id)
        return Previewed(id=request.id, seq=found.seq, preview=found.preview)

    async def of(self, command: PreviewCommand) -> ShellPreview:
        """Return what a command would do; a shell that does not answer is a refusal."""
        shell = self._routes.market_shell(command.market_no)
        if shell is None:
            return _refused(Reason.MARKET_UNKNOWN)
        peer = self._routes.peer(shell)
        if peer is None:
            return _refused(Reason.UNAVAILABLE)
        try:
            raw = await peer.ask("preview", encode(command), timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError):
            return _refused(Reason.UNAVAILABLE)
        return decode_shell_preview(raw)


def _refused(reason: Reason) -> ShellPreview:
    return ShellPreview(refused=Refused(reason=reason, message=MESSAGES[reason]))
