"""Read one handshake or plain request, by websockets' protocol.

Owns the bounds on a request's bytes, and the refusals of what is no request. It never decides who
is admitted.
"""

import logging
import re
from collections.abc import Sequence

from websockets.http11 import Request
from websockets.typing import Origin, Subprotocol

from gateway.net.http_answers import refusal
from gateway.net.server_protocol import GatewayProtocol

_quiet = logging.getLogger("overround.websocket")
_quiet.setLevel(logging.CRITICAL)  # a hostile peer must not fill the log


class Handshake:
    """One connection's request, in any number of pieces.

    Parameters
    ----------
    origins : sequence
        Origins that may connect.
    subprotocols : sequence
        Subprotocols in order of preference.
    frame_bytes_max : int
        Largest message of the session that may follow.
    bytes_max : int
        Most bytes of the request.
    """

    def __init__(
        self,
        *,
        origins: Sequence[Origin | re.Pattern[str] | None],
        subprotocols: Sequence[Subprotocol],
        frame_bytes_max: int,
        bytes_max: int,
    ) -> None:
        self.protocol = GatewayProtocol(
            origins=origins, subprotocols=subprotocols, max_size=frame_bytes_max, logger=_quiet
        )
        self._left = bytes_max

    def receive(self, data: bytes) -> Request | bytes | None:
        """Take a piece; return the request, a whole answer that refuses it, or None so far."""
        self._left -= len(data)
        if self._left < 0:
            return refusal(431, "Request Header Fields Too Large")
        self.protocol.receive_data(data)
        events = self.protocol.events_received()
        if not events:
            if self.protocol.handshake_exc is None:
                return None
            return b"".join(self.protocol.data_to_send()) or refusal(400, "Bad Request")
        if not isinstance(events[0], Request) or not data.endswith(b"\r\n\r\n"):
            return refusal(400, "Bad Request")  # data before the answer
        return events[0]
