"""Identifiers of markets, bets, accounts and shards, and the checks of their form.

Owns the form of every identifier. Never allocates one: the account shards and the directory do.
"""

import re
from typing import Final, NamedTuple, NewType

MarketNo = NewType("MarketNo", int)
"""A market's number, unique in the system."""
AccountNo = NewType("AccountNo", int)
"""An account's number, unique in the system."""
BetId = NewType("BetId", int)
"""A bet's number: the account shard in its upper bits, the bet's serial in the lower 48. The serial
holds the epoch of the shard's writer in its upper 21 bits, so that no bet id is given twice even
when a shard has lost the last records of its journal."""
ShardNo = NewType("ShardNo", int)
"""An account shard's number, from 0."""

MARKET_NO_MAX: Final = (1 << 32) - 1
ACCOUNT_NO_MAX: Final = (1 << 32) - 1
SHARD_BITS: Final = 48
EPOCH_SERIAL_BITS: Final = 27
"""Bits of a serial below its epoch: one start of a shard gives at most 2^27 - 1 bet ids, more than
all slips of a shard."""
BET_EPOCH_MAX: Final = (1 << (SHARD_BITS - EPOCH_SERIAL_BITS)) - 1
"""Highest epoch that fits a bet id: the two millionth start of an account shard."""
SHARD_NO_MAX: Final = (1 << 15) - 1
"""Highest account shard: one bit is unused, so that a bet id also fits a signed 64-bit integer."""
BET_REF_BYTES_MAX: Final = 32
BUILDER: Final = "builder"
"""The market type of bet builders, which follow the markets of their legs."""
EACH_WAY: Final = "each_way"
FRACTION: Final = "fraction"
"""The specifier with the fraction of the win odds that a place market pays. Such a market follows
its race's win market; without it, a place market has odds of its own."""
MARKET_KEY_BYTES_MAX: Final = 128

_REF: Final = re.compile(r"[!-~]{1,32}")
_KEY: Final = re.compile(
    r"(?P<fixture>[A-Za-z0-9:._-]{1,64})/(?P<type>[a-z0-9_:.-]{1,48})(?:\?(?P<specifiers>[!-~]+))?"
)
_SPECIFIER: Final = re.compile(r"[A-Za-z0-9_.:-]+=[A-Za-z0-9_.:+,/-]+")


class MalformedIdError(ValueError):
    """An identifier breaks its grammar; the message names the rule."""


class MarketKey(NamedTuple):
    """A market's key: fixture, type and specifiers in canonical (sorted) order."""

    fixture: str
    type: str
    specifiers: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Return ``fixture/type?key=value|key=value``."""
        tail = "|".join(f"{key}={value}" for key, value in self.specifiers)
        return f"{self.fixture}/{self.type}" + (f"?{tail}" if tail else "")


def is_derived(key: MarketKey) -> bool:
    """Say whether a market is created on demand, beside the markets that it follows."""
    return key.type == BUILDER or (key.type == EACH_WAY and FRACTION in dict(key.specifiers))


def parse_market_key(text: str) -> MarketKey:
    """Parse ``fixture/type?specifiers``; return the specifiers sorted: their order has no meaning.

    Raises
    ------
    MalformedIdError
        When the text is too long, breaks the grammar, or names a specifier twice.
    """
    if len(text.encode()) > MARKET_KEY_BYTES_MAX:
        raise MalformedIdError(f"market key: at most {MARKET_KEY_BYTES_MAX} bytes")
    match = _KEY.fullmatch(text)
    if match is None:
        raise MalformedIdError(f"market key: not fixture/type?key=value|...: {text!r}")
    parts = match["specifiers"].split("|") if match["specifiers"] else []
    if not all(_SPECIFIER.fullmatch(part) for part in parts):
        raise MalformedIdError(f"market key: a specifier is not key=value: {text!r}")
    pairs = [(key, value) for key, _, value in (part.partition("=") for part in parts)]
    if len({key for key, _ in pairs}) != len(pairs):
        raise MalformedIdError(f"market key: a specifier is given twice: {text!r}")
    return MarketKey(match["fixture"], match["type"], tuple(sorted(pairs)))


def bet_id(*, shard: ShardNo, serial: int) -> BetId:
    """Return the bet id of an account shard's number and a serial."""
    assert 0 <= shard <= SHARD_NO_MAX
    assert 0 < serial < 1 << SHARD_BITS
    return BetId(shard << SHARD_BITS | serial)


def first_serial(epoch: int) -> int:
    """Return the first serial of an epoch; 1 for epoch 0, which stands for all of rules 1."""
    return epoch << EPOCH_SERIAL_BITS | 1


def shard_of_bet(bet: BetId) -> ShardNo:
    """Return the account shard that gave a bet id."""
    return ShardNo(bet >> SHARD_BITS)


def serial_of_bet(bet: BetId) -> int:
    """Return a bet's serial within its account shard: it rises from bet to bet."""
    return bet & ((1 << SHARD_BITS) - 1)


def shard_of_account(account_no: AccountNo, *, shards: int) -> ShardNo:
    """Return the shard that holds an account: the account's number modulo the count of shards."""
    return ShardNo(account_no % shards)


def check_bet_ref(ref: str) -> bytes:
    """Return a client's bet reference as bytes.

    Raises
    ------
    MalformedIdError
        Unless it is 1 to 32 printable ASCII characters without a space.
    """
    if _REF.fullmatch(ref) is None:
        raise MalformedIdError(
            f"bet ref: 1 to {BET_REF_BYTES_MAX} printable ASCII characters, no space"
        )
    return ref.encode("ascii")
