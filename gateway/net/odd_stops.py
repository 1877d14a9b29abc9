"""Read what stops betting from a control message that breaks its schema.

Owns what is obeyed of such a message: a stop whose market or fixture can be read. A `why` that is
too long is shortened, and what else is odd about a stop is left out; whatever does not stop betting
is refused. It never runs a command.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta, Raw

from engine.common.commands import (
    WHY_CHARS_MAX,
    CancelMarket,
    CloseMarket,
    HandOverMarket,
    MarketNoField,
    SuspendMarket,
)
from engine.common.events import Refused
from engine.common.fixtures import CategoryField
from engine.common.outcome_marks import OutcomeField, SuspendOutcomes
from engine.common.units import OUTCOMES_MAX
from gateway.messages.base import FixtureField, IdField
from gateway.messages.house import StopTheHouse
from gateway.messages.inputs import EVENT_CHARS_MAX, HappenInMatch
from gateway.messages.scopes import MarketScope, SuspendScope, TypeField, scope_fault
from gateway.messages.trader import Control, Reprice, SuspendAll
from gateway.net.codec import CODECS, OP_BINARY, Codec, Complaint

Stop = SuspendMarket | SuspendOutcomes | HandOverMarket | CloseMarket | CancelMarket
_Fields = Mapping[str, Raw]
_OutcomesField = Annotated[tuple[Raw, ...], Meta(max_length=OUTCOMES_MAX)]

_STOPS: Final[dict[str, type[Stop]]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (SuspendMarket, SuspendOutcomes, HandOverMarket, CloseMarket, CancelMarket)
}
_FINAL: Final = (CloseMarket, CancelMarket)
"""Stops that no later command undoes. One with a field that it does not have may mean less than a
whole market or a later time, so only its market is suspended."""
_SCOPE: Final[dict[str, Any]] = {
    "market": MarketNoField,
    "fixture": FixtureField,
    "type": TypeField,
    "competition": CategoryField,
    "sport": CategoryField,
    "house": bool,
}
"""The fields of a scope, apart from its outcomes."""
_NOTHING: Final = (b"null", b"\xc0", b'""', b"\xa0")
"""An absent value and an empty text, in either form: the field is not given."""


class OddControl(NamedTuple):
    """The commands of a `control` message in order: stops to obey, and refusals of the others."""

    id: int
    commands: tuple[Stop | Refused, ...]
    of: type = Control


class OddSuspendAll(NamedTuple):
    """A `suspend_all` message."""

    id: int
    fixture: str
    why: str
    of: type = SuspendAll


class OddReprice(NamedTuple):
    """A `reprice` or `match_event` of which only the suspension is obeyed, and why not the rest."""

    id: int
    fixture: str
    why: str
    complaint: Complaint
    of: type = Reprice


class OddStopHouse(NamedTuple):
    """A `stop_house` message."""

    id: int
    why: str
    of: type = StopTheHouse


class OddSuspendScope(NamedTuple):
    """A `suspend` message whose scope can be read."""

    id: int
    scope: MarketScope
    why: str
    of: type = SuspendScope


OddMarketStop = OddControl | OddSuspendAll | OddReprice
OddStop = OddMarketStop | OddStopHouse | OddSuspendScope


def as_message(
    stops: OddStop,
) -> Control | SuspendAll | Reprice | HappenInMatch | StopTheHouse | SuspendScope:
    """Return the message that says what is obeyed, and no more."""
    match stops:
        case OddControl(number, commands):
            obeyed = tuple(one for one in commands if not isinstance(one, Refused))
            return Control(id=number, commands=obeyed)
        case OddSuspendAll(number, fixture, why):
            return SuspendAll(id=number, fixture=fixture, why=why)
        case OddReprice(number, fixture, why, _, of) if of is HappenInMatch:
            return HappenInMatch(id=number, fixture=fixture, event=why[:EVENT_CHARS_MAX])
        case OddReprice(number, fixture, why, _):
            return Reprice(id=number, fixture=fixture, pricing={}, suspend=why)
        case OddStopHouse(number, why):
            return StopTheHouse(id=number, why=why)
        case OddSuspendScope(number, scope, why):
            return SuspendScope(id=number, scope=scope, why=why)


class OddStops:
    """Read the stops of messages of one subprotocol that its codec has refused.

    Fields are read one by one and what is not asked for is passed over undecoded, so that a hostile
    value costs no memory.

    Parameters
    ----------
    codec : Codec
        The subprotocol.
    """

    __slots__ = ("_decode",)

    def __init__(self, codec: Codec) -> None:
        self._decode: Any = (
            msgspec.msgpack.decode if codec.opcode == OP_BINARY else msgspec.json.decode
        )

    def read(self, payload: bytes, complaint: Complaint) -> OddStop | None:
        """Return what stops betting in a payload that was refused, if anything does."""
        fields = self._fields(payload)
        number = self._value(fields, "id", IdField) or 0
        match self._value(fields, "type", str):
            case "control":
                commands = self._commands(fields, complaint)
                return OddControl(number, commands) if commands else None
            case "suspend_all":
                given = "fixture" in fields
                fixture = self._value(fields, "fixture", FixtureField) if given else ""
                if fixture is None:
                    return None  # a fixture that no market can have
                return OddSuspendAll(number, fixture, self._why(fields, "why"))
            case "stop_house":
                return OddStopHouse(number, self._why(fields, "why"))
            case "suspend":
                scope = self._scope(fields)
                previews = "preview" in fields and self._value(fields, "preview", bool) is not False
                if scope is None or previews:
                    return None
                return OddSuspendScope(number, scope, self._why(fields, "why"))
            case "match_event":
                fixture = self._value(fields, "fixture", FixtureField)
                why = self._why(fields, "event") or "event"
                if fixture is None:
                    return None
                return OddReprice(number, fixture, why, complaint, of=HappenInMatch)
            case "reprice":
                fixture = self._value(fields, "fixture", FixtureField)
                why = self._why(fields, "suspend")
                return OddReprice(number, fixture, why, complaint) if fixture and why else None
        return None

    def _commands(self, fields: _Fields, complaint: Complaint) -> tuple[Stop | Refused, ...]:
        """Return the stops of a `control` message, and refusals of the rest; none: no stops."""
        found: list[Stop | Refused] = []
        for raw in self._value(fields, "commands", tuple[Raw, ...]) or ():
            command = self._stop(self._fields(raw))
            found.append(command or Refused(reason=complaint.reason, message=complaint.message))
        return () if all(isinstance(one, Refused) for one in found) else tuple(found)

    def _stop(self, fields: _Fields) -> Stop | None:
        """Return a command that only stops betting; None where it is none, or of no market."""
        kind = _STOPS.get(self._value(fields, "do", str) or "")
        number = self._value(fields, "market_no", MarketNoField)
        if kind is None or number is None:
            return None
        why = self._why(fields, "why")
        if kind in _FINAL and not fields.keys() <= {"do", "market_no", "why"}:
            return SuspendMarket(market_no=number, why=why)
        if kind is SuspendOutcomes:
            outcomes = self._outcomes(fields)
            if not outcomes:  # which ones is not known: all of them
                return SuspendMarket(market_no=number, why=why)
            return SuspendOutcomes(market_no=number, outcomes=outcomes, why=why)
        if kind is SuspendMarket or kind is CancelMarket:
            return kind(market_no=number, why=why)
        if kind is CloseMarket:
            return CloseMarket(market_no=number)
        return HandOverMarket(market_no=number)

    def _scope(self, fields: _Fields) -> MarketScope | None:
        """Return a scope that can be read whole but for fields that no scope has; else None."""
        given = self._fields(fields.get("scope", Raw(b"")))
        named: dict[str, Any] = {
            name: self._value(given, name, kind) for name, kind in _SCOPE.items() if name in given
        }
        if "outcomes" in given:
            named["outcomes"] = self._outcomes(given) or None
        if None in named.values():
            return None
        scope = MarketScope(**named)
        return None if scope_fault(scope) else scope

    def _outcomes(self, fields: _Fields) -> tuple[int, ...]:
        """Return the outcomes that a stop names; none where one of them cannot be read."""
        raws = self._value(fields, "outcomes", _OutcomesField) or ()
        found = [self._value({"at": raw}, "at", OutcomeField) for raw in raws]
        return () if None in found else tuple(dict.fromkeys(found))

    def _fields(self, payload: bytes | Raw) -> _Fields:
        """Return the fields of a map, undecoded; none where it cannot be read."""
        try:
            fields: _Fields = self._decode(payload, type=dict[str, Raw])
        except (ValueError, RecursionError):
            return {}
        return {name: raw for name, raw in fields.items() if bytes(raw) not in _NOTHING}

    def _why(self, fields: _Fields, name: str) -> str:
        """Return a reason, shortened to what a command takes; empty where there is none."""
        return (self._value(fields, name, str) or "")[:WHY_CHARS_MAX]

    def _value(self, fields: _Fields, name: str, kind: Any) -> Any:
        """Return a field, also where a number is written as text; None where it cannot be read."""
        try:
            return self._decode(fields[name], type=kind, strict=False)
        except (KeyError, ValueError, RecursionError):
            return None


ODD_STOPS: Final = {name: OddStops(codec) for name, codec in CODECS.items()}
"""By the name of the subprotocol."""
