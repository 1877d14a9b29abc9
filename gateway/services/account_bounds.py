"""Bound what one account's open bets can pay, as a trader asks.

Owns nothing but the way to the account's shard, which decides and keeps the bound.
"""

from actors.routes import Routes
from engine.common.events import AccountBoundSet, Refused
from engine.common.payout_bounds import SetAccountBound
from gateway.messages.account_bounds import AccountBounded, BoundAccount
from gateway.messages.protocol import ServerMessage
from gateway.services.ledger_control import NO_ANSWER, error_of, ledger_command
from gateway.settings import GatewaySettings


class AccountBoundService:
    """Bounds of single accounts.

    Parameters
    ----------
    routes : Routes
        The account shards, and how to call them.
    settings : GatewaySettings
        How long an answer may take.
    """

    def __init__(self, *, routes: Routes, settings: GatewaySettings) -> None:
        self._routes = routes
        self._timeout_s = settings.control_timeout_ms / 1_000

    async def put(self, by: str, request: BoundAccount) -> ServerMessage:
        """Set an account's own bound, or take it away."""
        command = SetAccountBound(
            account_no=request.account, open_payout_minor_max=request.open_payout_minor_max
        )
        shell = self._routes.account_shell(request.account)
        event = await ledger_command(self._routes, shell, by, command, timeout_s=self._timeout_s)
        if isinstance(event, AccountBoundSet):
            return AccountBounded(
                id=request.id,
                account=event.account_no,
                open_payout_minor_max=event.open_payout_minor_max,
            )
        return error_of(event if isinstance(event, Refused) else NO_ANSWER, request.id)
