"""The documents between a feed's pipeline and gateways: answers to messages, recovery requests.

Owns their shapes and decoders. Apart from the pipeline, so that a gateway loads no pricing.
"""

from typing import Final

import msgspec
from msgspec import Struct

from gateway.feeds.core.adapter import RecoveryRequest

BODIES_IN_CALL_MAX: Final = 1_024
"""Messages that one `accept` may carry; a caller with more makes more calls."""


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a message: its kind, and why it had no effect; empty when it had one."""

    kind: str
    refused: str = ""


decode_answers = msgspec.msgpack.Decoder(list[Answer]).decode
decode_request = msgspec.msgpack.Decoder(RecoveryRequest).decode
decode_requests = msgspec.msgpack.Decoder(list[RecoveryRequest]).decode
