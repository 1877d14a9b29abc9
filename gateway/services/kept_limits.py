"""Have the desk keep limits, delay and referral by scope.

Owns the check against the house's cap. The desk keeps them and gives them to markets.
"""

from msgspec import UNSET

from actors.desk_messages import DeskAnswer, LimitsPage
from actors.desk_messages import KeepLimits as KeepAtDesk
from actors.routes import Routes
from engine.common.reasons import Reason
from engine.desk import kept_limits
from engine.desk.kept_limits import PARTS
from engine.desk.scopes import Scope
from gateway.market_limits import LimitRules
from gateway.messages.base import Error
from gateway.messages.kept_limits import KeepLimits, KeptLimits, LimitsKept
from gateway.messages.protocol import ServerMessage
from gateway.services.desk import DeskClient, not_done
from gateway.services.kept_scopes import KeptRequest, KeptService, named_scope
from gateway.services.utc_text import utc_text


class KeptLimitsService(KeptService):
    """Kept limits, delays and referrals, from one gateway.

    Parameters
    ----------
    desk, routes
        As of any kept thing.
    limits : LimitRules
        The house's cap.
    """

    def __init__(self, *, desk: DeskClient, routes: Routes, limits: LimitRules) -> None:
        super().__init__(desk=desk, routes=routes)
        self._limits = limits

    async def _checked(self, by: str, scope: Scope, request: KeptRequest) -> KeepAtDesk | Error:
        assert isinstance(request, KeepLimits)
        parts = {name: getattr(request, name) for name in PARTS}
        if all(part is UNSET for part in parts.values()):
            message = f"limits: name at least one of {', '.join(PARTS)}"
            return Error(code=int(Reason.FIELD_OUT_OF_BOUNDS), message=message)
        for name in ("limits", "limits_in_play"):
            over = "" if parts[name] is UNSET else self._limits.over_cap(parts[name])
            if over:
                return Error(code=int(Reason.LIMIT_OVER_CAP), message=f"{name}: {over}")
        return KeepAtDesk(kept=kept_limits.KeptLimits(scope=scope, by=by, **parts))

    def _shown(self, number: int, answer: DeskAnswer) -> ServerMessage:
        if not isinstance(answer, LimitsPage):
            return not_done(answer, number)
        return LimitsKept(
            id=number,
            limits=tuple(
                KeptLimits(
                    scope=named_scope(each.scope),
                    by=each.by,
                    at=utc_text(each.at_ns),
                    **{name: getattr(each, name) for name in PARTS},
                )
                for each in answer.limits
            ),
            total=answer.total,
            markets=answer.markets,
        )
