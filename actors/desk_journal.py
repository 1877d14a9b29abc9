"""The desk's journal: documents of the desk, on disk before they take effect.

Owns the codec of the documents and the order of a change: append, sync, apply. Never decides a
change; the rules of engine.desk do.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from engine.common.units import Nanos
from engine.desk.approvals import ApprovalDocument, Approvals, CarriedOut, Decided, Proposed
from engine.desk.audit_trail import AuditTrail, LinesAdded
from engine.desk.kept_inputs import Inputs, InputsDocument, InputsKept, InputsReleased
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

Document = ApprovalDocument | InputsDocument | LinesAdded | WatchDocument

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Document).decode


class DeskJournal:
    """The desk's state and its journal. Construct it with `open`.

    `JournalBrokenError` and `DiskFullError` of the journal pass through: after the first the
    process must be started again, after the second nothing has changed.
    """

    def __init__(self) -> None:
        self.approvals = Approvals()
        self.trail = AuditTrail()
        self.alerts = Alerts()
        self.inputs = Inputs()
        self._journal: Journal | None = None
        self._last_ns = Nanos(0)

    @classmethod
    def open(
        cls, folder: Path, *, disk: Disk, at_ns: Nanos, options: JournalOptions
    ) -> "DeskJournal":
        """Open the journal of a folder, or create it there, and rebuild the state.

        Raises
        ------
        JournalDamagedError, LockHeldError
            From the journal, which is unchanged then.
        """
        desk = cls()
        desk._journal = Journal.open(
            folder,
            disk=disk,
            at_ns=at_ns,
            options=options,
            mark=EpochMark(machine="desk"),
            visit=desk._replay,
        )
        return desk

    def write(self, documents: Sequence[Document], *, at_ns: Nanos) -> None:
        """Write documents with one sync, and apply them."""
        assert self._journal is not None
        at_ns = self._last_ns = max(self._last_ns, at_ns)
        for document in documents:
            self._journal.append(Kind.DOCUMENT, at_ns=at_ns, parts=[_encode(document)])
        self._journal.sync()
        for document in documents:
            self._apply(document)

    def close(self) -> None:
        """Close the journal and release its lock."""
        if self._journal is not None:
            self._journal.close()

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
            case RuleSet() | RuleRemoved() | AlertRaised() | AlertRepeated() | AlertWorked():
                self.alerts.apply(document)
