"""Messages about the audit trail: who asked for what, and what came of it.

Owns schemas only; engine.desk.audit_trail owns the lines and the search.
"""

from typing import Annotated

from msgspec import Meta, Struct

from engine.common.commands import TimeField
from gateway.messages.base import FromClient, FromGateway, IdField
from gateway.settings import PAGE_MAX

TextField = Annotated[str, Meta(max_length=64)]


class AskAuditTrail(FromClient, frozen=True, kw_only=True, tag="audit_trail"):
    """Ask for lines of the audit trail, newest first; answered by `audit_lines`.

    A line is one request of a person or program of the floor, after its answer, or its denial.
    `by` and `what` are parts of an identity and of a message's or command's name; `text` is sought
    in every text of a line, in any case. The times are UTC nanoseconds, `until_ns` excluded, 0 for
    any. `before` is a line's number, 0 for the newest.
    """

    id: IdField = 0
    by: TextField = ""
    what: TextField = ""
    text: TextField = ""
    refused: bool = False
    from_ns: TimeField = 0  # type: ignore[assignment]
    until_ns: TimeField = 0  # type: ignore[assignment]
    before: Annotated[int, Meta(ge=0, le=(1 << 53) - 1)] = 0
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 100


class AuditTrailLine(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One request: when it was answered, by whom, what it was about, and what came of it.

    `request` is its text in JSON and `result` what the answer said, both cut at a bound.
    """

    number: int
    at: str
    by: str
    what: str
    about: str = ""
    request: str = ""
    result: str = ""
    refused: bool = False
    gateway: str = ""


class AuditLines(FromGateway, frozen=True, kw_only=True, tag="audit_lines"):
    """Lines, newest first; with `more`, older ones match, before the last one's number.

    Lines below `first` are in the journal alone.
    """

    id: int = 0
    lines: tuple[AuditTrailLine, ...] = ()
    more: bool = False
    first: int = 1
