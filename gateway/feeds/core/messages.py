"""The documents between a feed's pipeline and gateways: answers to messages, recovery requests.

Owns their shapes and decoders. Apart from the pipeline, so that a gateway loads no pricing.
"""

from typing import Final

import msgspec
from msgspec import Struct

from gateway.feeds.core.adapter import RecoveryRequest
from gateway.messages.feed import MarketFacts

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


FACTS_MAX: Final = 128
"""Markets in one answer; the rest is asked for by the next question."""
NAMES_IN_ANSWER_MAX: Final = 512
"""Names of outcomes in one answer after which it takes no further market."""

decode_facts = msgspec.msgpack.Decoder(tuple[list[MarketFacts], bool]).decode
decode_answers = msgspec.msgpack.Decoder(list[Answer]).decode
decode_held_answers = msgspec.msgpack.Decoder(list[HeldAnswer]).decode
decode_request = msgspec.msgpack.Decoder(RecoveryRequest).decode
decode_requests = msgspec.msgpack.Decoder(list[RecoveryRequest]).decode
