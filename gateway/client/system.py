"""What a session asks of the system itself: its shells, and their reconciliation.

Owns one method per request.
"""

from gateway.client.session import Session
from gateway.messages.shells import AskShells, Shells


class SystemRequests(Session):
    """A session on the control listener, for how the system is."""

    async def shells(self) -> Shells:
        """Return how the market shells and account shards are, those that do not serve in front.

        Raises
        ------
        RefusedError
            The supervisor does not answer.
        """
        return await self._request(AskShells, Shells)
