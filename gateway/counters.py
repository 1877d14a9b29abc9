"""Plain counts of one gateway since its start, cheap enough to touch for every bet.

Owns integers only; gateway.services.metrics turns them into Prometheus samples.
"""


class Counters:
    """Plain counts since the gateway's start."""

    def __init__(self) -> None:
        self.sessions_opened = 0
        self.handshakes_refused = 0
        self.http_requests = 0
        self.messages = 0
        self.malformed = 0
        self.rate_limited = 0
        self.busy = 0
        self.slow_closed = 0
        self.prices_in = 0
        self.odds_out = 0
        self.odds_conflated = 0
        self.images_healed = 0
        self.account_events_out = 0
        self.control_commands = 0
        self.feed_messages = 0
        self.feed_refused = 0
        self.denied: dict[str, int] = {}
        self.close_codes: dict[int, int] = {}

    def closed(self, code: int) -> None:
        """Count a close by its code."""
        self.close_codes[int(code)] = self.close_codes.get(int(code), 0) + 1

    def deny(self, why: str) -> None:
        """Count a denial by its kind."""
        self.denied[why] = self.denied.get(why, 0) + 1
