"""Count what one gateway does, since its start, cheaply enough for every bet.

Owns integers only. It never renders them; gateway.services.metrics makes Prometheus samples.
"""


class Counters:
    """Counts since the gateway's start; each is one metric of docs/operations.md."""

    def __init__(self) -> None:
        self.sessions_opened = 0
        self.handshakes_refused = 0
        self.http_requests = 0
        self.messages = 0
        self.malformed = 0
        self.rate_limited = 0
        self.busy = 0
        self.slow_closed = 0
        self.work_turns = 0
        self.work_rests = 0
        self.prices_in = 0
        self.odds_out = 0
        self.odds_conflated = 0
        self.images_healed = 0
        self.account_events_out = 0
        self.bets_shown = 0
        self.bets_shown_frames = 0
        self.bets_missed = 0
        self.control_commands = 0
        self.feed_messages = 0
        self.feed_refused = 0
        self.audit_lines_dropped = 0
        self.denied: dict[str, int] = {}
        self.close_codes: dict[int, int] = {}

    def closed(self, code: int) -> None:
        """Count a closed connection by its close code."""
        self.close_codes[int(code)] = self.close_codes.get(int(code), 0) + 1

    def deny(self, kind: str) -> None:
        """Count a denial by its kind."""
        self.denied[kind] = self.denied.get(kind, 0) + 1
