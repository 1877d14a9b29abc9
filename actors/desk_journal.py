"""The desk's journals: documents of the desk, on disk before they take effect.

Owns the codec of the documents, which journal each is in, and the order of a change: append, sync,
apply. The audit trail, which grows with every request, has a journal of its own in a folder of the
desk's. Never decides a change; the rules of engine.desk do.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from engine.common.units import Nanos
from engine.desk.approvals import ApprovalDocument, Approvals, CarriedOut, Decided, Proposed
from engine.desk.audit_trail import AuditTrail, LinesAdded
from engine.desk.kept_inputs import Inputs, InputsDocument, InputsKept, InputsReleased
from engine.desk.kept_limits import (
    LimitsDocument,
    LimitsGiven,
    LimitsKept,
    LimitsReleased,
    ScopedLimits,
)
from engine.desk.kept_margins import MarginDocument, MarginKept, MarginReleased, Margins
from engine.watch.alerts import (
    AlertRaised,
    AlertRepeated,
    Alerts,
    AlertWorked,
    RuleRemoved,
    RuleSet,
    WatchDocument,
)
from persistence.disk import Disk
from persistence.frames import Record
from persistence.journal import Journal, JournalOptions
from persistence.records import EpochMark, Kind

Document = (
    ApprovalDocument | InputsDocument | MarginDocument | LimitsDocument | LinesAdded | WatchDocument
)

AUDIT_FOLDER: Final = "audit"
"""The folder, in that of the desk, of the audit trail's journal."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Document).decode


class DeskJournal:
    """The desk's state and its two journals. Construct it with `open`.

    `JournalBrokenError` and `DiskFullError` of the journals pass through: after the first the
    process must be started again, after the second nothing has changed.
    """

    def __init__(self) -> None:
        self.approvals = Approvals()
        self.trail = AuditTrail()
        self.alerts = Alerts()
        self.inputs = Inputs()
        self.margins = Margins()
        self.limits = ScopedLimits()
        self._journal: Journal | None = None
        self._audit: Journal | None = None
        self._last_ns = Nanos(0)

    @classmethod
    def open(
        cls, folder: Path, *, disk: Disk, at_ns: Nanos, options: JournalOptions
    ) -> "DeskJournal":
        """Open the journals of a folder, or create them there, and rebuild the state.

        Raises
        ------
        JournalDamagedError, LockHeldError
            From a journal, which is unchanged then; none is open.
        """
        desk = cls()
        open_one = partial(
            Journal.open, disk=disk, at_ns=at_ns, options=options, visit=desk._replay
        )
        desk._journal = open_one(folder, mark=EpochMark(machine="desk"))
        try:
            desk._audit = open_one(folder / AUDIT_FOLDER, mark=EpochMark(machine="audit"))
        except BaseException:
            desk.close()
            raise
        return desk

    def write(self, documents: Sequence[Document], *, at_ns: Nanos) -> None:
        """Write documents of one journal with one sync, and apply them.

        Those of the audit trail come alone, since no sync covers two journals.
        """
        audit = isinstance(documents[0], LinesAdded)
        assert all(isinstance(document, LinesAdded) is audit for document in documents)
        journal = self._audit if audit else self._journal
        assert journal is not None
        at_ns = self._last_ns = max(self._last_ns, at_ns)
        for document in documents:
            journal.append(Kind.DOCUMENT, at_ns=at_ns, parts=[_encode(document)])
        journal.sync()
        for document in documents:
            self._apply(document)

    def close(self) -> None:
        """Close the journals and release their locks."""
        for journal in (self._journal, self._audit):
            if journal is not None:
                journal.close()

    def _replay(self, record: Record) -> None:
        self._last_ns = max(self._last_ns, record.at_ns)
        if record.kind == Kind.DOCUMENT:
            self._apply(_decode(record.payload.tobytes()))

    def _apply(self, document: Document) -> None:
        match document:
            case LinesAdded():
                self.trail.apply(document)
            case Proposed() | Decided() | CarriedOut():
                self.approvals.apply(document)
            case InputsKept() | InputsReleased():
                self.inputs.apply(document)
            case MarginKept() | MarginReleased():
                self.margins.apply(document)
            case LimitsKept() | LimitsReleased() | LimitsGiven():
                self.limits.apply(document)
            case RuleSet() | RuleRemoved() | AlertRaised() | AlertRepeated() | AlertWorked():
                self.alerts.apply(document)
