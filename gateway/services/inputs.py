"""Have the desk keep a fixture's model inputs, and change them as its match goes on.

Owns the checks of what is to be kept, and the order of a match's event: suspend, change and
reprice, resume. The desk keeps the inputs and reprices.
"""

import asyncio
from typing import Any, Final

import msgspec

from actors.desk_messages import AskInputs as AskDesk
from actors.desk_messages import DeskAnswer, InputsPage
from actors.desk_messages import HappenInMatch as HappenAtDesk
from actors.desk_messages import KeepInputs as KeepAtDesk
from actors.desk_messages import ReleaseInputs as ReleaseAtDesk
from engine.common.commands import WHY_CHARS_MAX
from engine.common.match_events import MatchEvent
from engine.common.reasons import Reason
from engine.desk.kept_inputs import KeptInputs
from gateway.market_limits import LimitRules
from gateway.messages.base import Error
from gateway.messages.inputs import (
    AskInputs,
    HappenInMatch,
    InputsKept,
    InputsRequest,
    KeepInputs,
    ReleaseInputs,
)
from gateway.messages.protocol import ServerMessage
from gateway.services.control import ControlService
from gateway.services.desk import DeskClient, not_done
from gateway.services.utc_text import utc_text

_EVENTS: Final = frozenset(MatchEvent)
_FAILED_SHOWN_MAX: Final = 1_000


class InputsService:
    """Kept inputs, from one gateway.

    Parameters
    ----------
    desk : DeskClient
        Keeps them.
    control : ControlService
        Suspends and resumes.
    limits : LimitRules
        The limits of bet builders, which shells are given with a fixture's prices.
    """

    def __init__(self, *, desk: DeskClient, control: ControlService, limits: LimitRules) -> None:
        self._desk = desk
        self._control = control
        self._limits = limits

    async def answer(self, by: str, request: InputsRequest) -> ServerMessage:
        """Answer a request about kept inputs."""
        match request:
            case KeepInputs():
                return await self._keep(by, request)
            case HappenInMatch():
                return await self._happen(by, request)
            case ReleaseInputs():
                answer = await self._desk.ask(ReleaseAtDesk(by=by, fixture=request.fixture))
            case AskInputs():
                answer = await self._desk.ask(AskDesk(fixture=request.fixture))
        return _shown(request, answer)

    async def _keep(self, by: str, request: KeepInputs) -> ServerMessage:
        kept = await asyncio.to_thread(self._inputs, by, request)
        if isinstance(kept, str):
            code = int(Reason.FIELD_OUT_OF_BOUNDS)
            return Error(code=code, message=kept, id=request.id)
        answer = await self._desk.ask(
            KeepAtDesk(
                inputs=kept,
                running=request.running,
                keep_state="state" not in request.pricing,
                after=request.after,
            )
        )
        return _shown(request, answer)

    async def _happen(self, by: str, request: HappenInMatch) -> ServerMessage:
        why = request.event[:WHY_CHARS_MAX]
        stopped = await self._control.suspend_with_all(by, request.fixture, why=why)
        if request.event not in _EVENTS:
            message = f"event: one of {', '.join(MatchEvent)}"
            return Error(code=int(Reason.FIELD_OUT_OF_BOUNDS), message=message, id=request.id)
        answer = await self._desk.ask(
            HappenAtDesk(
                by=by,
                fixture=request.fixture,
                event=MatchEvent(request.event),
                side=request.side,
                after=request.after,
            )
        )
        shown = _shown(request, answer)
        if not isinstance(shown, InputsKept):
            return shown
        resumed, others = 0, tuple[str, ...]()
        if request.reopen and not (shown.refused or stopped.failed):
            resumed, others = await self._control.resume_with_all(by, stopped.suspended)
        return msgspec.structs.replace(
            shown,
            suspended=len(stopped.suspended),
            resumed=resumed,
            failed=tuple(stopped.failed[:_FAILED_SHOWN_MAX]),
            others=others,
        )

    def _inputs(self, by: str, request: KeepInputs) -> KeptInputs | str:
        """Return what is to be kept, or what is wrong with it.

        Loads pricing, which bets do not need, and may fit a model: in a thread.
        """
        from engine.pricing import templates  # noqa: PLC0415 - see above
        from engine.pricing.repricing import Pricing, convert_pricing  # noqa: PLC0415 - see above

        given: dict[str, Any] = {"state": {}, **request.pricing}
        ways = ("model" in given, request.expect is not None, bool(request.fit))
        if sum(ways) != 1:
            return "pricing: the model comes from one of pricing.model, expect and fit"
        if not ways[0] and given.get("sport", "football") != "football":
            return "pricing: expect and fit are for football"
        try:
            if request.expect is not None:
                given["model"] = msgspec.to_builtins(templates.model_expecting(request.expect))
            elif request.fit:
                given["model"] = msgspec.to_builtins(templates.model_fitted(request.fit))
            pricing = msgspec.convert(given, Pricing)
            model, state = convert_pricing(pricing.sport, pricing.model, pricing.state)
        except msgspec.ValidationError as error:
            return f"pricing: {error}"
        except templates.TemplateError as error:
            return str(error)
        limits = self._limits.of_builders(request.fixture, sport=pricing.sport)
        return KeptInputs(
            fixture=request.fixture,
            sport=pricing.sport,
            model=msgspec.to_builtins(model),
            state=msgspec.to_builtins(state),
            margin=msgspec.to_builtins(pricing.margin) if "margin" in given else None,
            skew=None if pricing.skew is None else msgspec.to_builtins(pricing.skew),
            builder_limits=None if limits is None else msgspec.to_builtins(limits),
            by=by,
        )


def _shown(request: InputsRequest, answer: DeskAnswer) -> ServerMessage:
    if not isinstance(answer, InputsPage):
        return not_done(answer, request.id)
    kept, repriced = answer.inputs, answer.repriced
    if kept is None:
        return InputsKept(id=request.id, fixture=request.fixture)
    return InputsKept(
        id=request.id,
        fixture=kept.fixture,
        sport=kept.sport,
        model=kept.model,
        state=answer.state,
        margin=kept.margin,
        skew=kept.skew,
        running=bool(kept.since_ns),
        by=kept.by,
        at=utc_text(kept.at_ns),
        number=kept.number,
        repriced=repriced.markets,
        refused=repriced.refused,
        why=repriced.why,
    )
