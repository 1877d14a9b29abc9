"""Requests of a trader's session about bets that are accepted already.

Owns one method per request. Never sends a command twice.
"""

from engine.common.previews import PreviewCommand
from gateway.client.session import Session
from gateway.messages.corrections import AskPreview, Previewed


class CorrectionRequests(Session):
    """What a control session asks about accepted bets."""

    async def preview(self, command: PreviewCommand) -> Previewed:
        """Return what a command would do to its market's bets: which bets, whose, how much.

        Nothing changes. GatewayError has the reason for which the command would be refused.
        """
        return await self._request(AskPreview, Previewed, command=command)
