"""Money, odds and time as integers, and every bound that keeps their products inside 63 bits.

Owns the units and their limits; never parses text and never rounds except where a payout ends.
"""

from typing import Final, NewType

Minor = NewType("Minor", int)
"""An amount of money in minor units (cents, pence) of one currency."""

OddsMilli = NewType("OddsMilli", int)
"""Decimal odds in thousandths: 2.500 is 2500."""

Nanos = NewType("Nanos", int)
"""Nanoseconds since 1970-01-01 UTC, stamped by a shell."""

NS_PER_MS: Final = 1_000_000
"""Nanoseconds in a millisecond: providers give milliseconds, the engine keeps nanoseconds."""

ODDS_MILLI_MIN: Final = 1_001
ODDS_MILLI_MAX: Final = 10_000_000
STAKE_MINOR_MAX: Final = 1_000_000_000
"""The largest stake a bet may carry, in its own currency and in the book's base currency."""
RATE_MICRO_ONE: Final = 1_000_000
"""A rate of exactly one unit of base currency for one unit of the account's currency."""
RATE_MICRO_MAX: Final = 1_000_000_000
PAYOUT_MINOR_MAX: Final = STAKE_MINOR_MAX * ODDS_MILLI_MAX // 1_000
LIMIT_MINOR_MAX: Final = 1_000_000_000_000_000
"""The largest liability, payout or stake limit a market may be given, in base currency."""
BALANCE_MINOR_MAX: Final = 1_000_000_000_000_000
"""The largest balance an account may hold."""
DEAD_HEAT_DEN_MAX: Final = 64
BETS_MAX: Final = 1 << 26
"""Bets one shell may remember; past it a bet is refused with CAPACITY."""
OUTCOMES_MAX: Final = 512
"""Outcomes one market may have."""
MARKETS_MAX: Final = 1 << 20
"""Markets one shell may host."""

_INT64: Final = (1 << 63) - 1
assert STAKE_MINOR_MAX * ODDS_MILLI_MAX * 2 * DEAD_HEAT_DEN_MAX < _INT64
assert STAKE_MINOR_MAX * RATE_MICRO_MAX < _INT64
assert (LIMIT_MINOR_MAX + 1) * 1_000 < _INT64
assert (STAKE_MINOR_MAX + 1) * 1_000_000 < _INT64
assert BETS_MAX * STAKE_MINOR_MAX + LIMIT_MINOR_MAX + PAYOUT_MINOR_MAX < _INT64


def payout_minor(*, stake_minor: int, odds_milli: int) -> int:
    """Return what a winning single pays, stake included, rounded down to the minor unit.

    Parameters
    ----------
    stake_minor : int
        Stake in minor units, 1 to ``STAKE_MINOR_MAX``.
    odds_milli : int
        Decimal odds in thousandths.

    Returns
    -------
    int
        ``floor(stake * odds / 1000)``: the one rounding of the calculation.
    """
    return stake_minor * odds_milli // 1_000


def base_minor(*, amount_minor: int, rate_micro: int) -> int:
    """Return an amount in the book's base currency, rounded down to the minor unit."""
    return amount_minor * rate_micro // RATE_MICRO_ONE
