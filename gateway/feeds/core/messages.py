"""What a desk says to gateways: answers to messages, and wishes.

Owns these documents of the inside. Apart from the desk, so that a gateway need not load prices.
"""

from typing import Final

import msgspec
from msgspec import Struct

from gateway.feeds.core.adapter import RecoveryRequest

BODIES_IN_CALL_MAX: Final = 1_024
"""Messages one `accept` may carry; a caller with more makes more calls."""


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a message: its kind, and why it meant nothing, if so."""

    kind: str
    refused: str = ""


decode_answers = msgspec.msgpack.Decoder(list[Answer]).decode
decode_request = msgspec.msgpack.Decoder(RecoveryRequest).decode
decode_requests = msgspec.msgpack.Decoder(list[RecoveryRequest]).decode
