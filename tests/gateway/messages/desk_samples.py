"""Samples of messages about what the desk keeps."""

from gateway.messages.audit import AskAuditTrail, AuditLines, AuditTrailLine

DESK_REQUESTS = (
    AskAuditTrail(id=18, by="anna", what="settle", text="wc22", refused=True, from_ns=1 << 60),
)
DESK_ANSWERS = (
    AuditLines(
        id=18,
        lines=(
            AuditTrailLine(
                number=7,
                at="2026-01-31T12:00:00.125+00:00",
                by="trader:anna",
                what="settle_market",
                about="market 3",
                request='{"type":"control"}',
                result="0 done, 1 refused: 401: no such market",
                refused=True,
                gateway="gateway-0",
            ),
        ),
        more=True,
        first=2,
    ),
)
