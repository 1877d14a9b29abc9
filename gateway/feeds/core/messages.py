"""The documents between a feed's pipeline and gateways: answers to messages, recovery requests.

Owns their shapes and decoders. Apart from the pipeline, so that a gateway loads no pricing.
"""

from typing import Final

import msgspec
from msgspec import Struct

from gateway.feeds.core.adapter import RecoveryRequest

BODIES_IN_CALL_MAX: Final = 1_024
"""Messages that one `accept` may carry; a caller with more makes more calls."""


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The answer to a message: its kind, and why it had no effect; empty when it had one."""

    kind: str
    refused: str = ""
    held: int = 0
    """Not 0: the adapter holds the message, and `held` of the pipeline answers this number."""


class HeldAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a message that was held; `again`: it is not held any more, send it again."""

    number: int
    kind: str = ""
    refused: str = ""
    again: bool = False


decode_answers = msgspec.msgpack.Decoder(list[Answer]).decode
decode_held_answers = msgspec.msgpack.Decoder(list[HeldAnswer]).decode
decode_request = msgspec.msgpack.Decoder(RecoveryRequest).decode
decode_requests = msgspec.msgpack.Decoder(list[RecoveryRequest]).decode
