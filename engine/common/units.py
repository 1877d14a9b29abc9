"""Money, odds and time as integers: their bounds, and each formula of a payout once.

Owns the units, the bounds that keep every product inside 63 bits, and the formulas with their one
rounding each. Kernels compile these very functions (see units_nb), so they take and return plain
integers: numba compiles no call of a NewType. Never parses text and never decides a bet.
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

ODDS_MILLI_ONE: Final = 1_000
"""Decimal odds of exactly 1, which return the stake."""
RATE_MICRO_ONE: Final = 1_000_000
"""A rate of exactly one unit of base currency for one unit of the account's currency."""


def payout_minor(stake_minor: int, odds_milli: int) -> int:
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
    return stake_minor * odds_milli // ODDS_MILLI_ONE


def payout_stake_minor_max(limit_minor: int, odds_milli: int) -> int:
    """Return the largest stake whose payout at these odds is at most a limit.

    The inverse of `payout_minor`: ``floor(stake * odds / 1000) <= limit`` holds up to
    ``floor(((limit + 1) * 1000 - 1) / odds)``. A winning bet's profit at odds is its payout at
    ``odds - 1000``, so the same formula gives the largest stake for a profit.
    """
    return ((limit_minor + 1) * ODDS_MILLI_ONE - 1) // odds_milli


def base_minor(amount_minor: int, rate_micro: int) -> int:
    """Return an amount in the book's base currency, rounded down to the minor unit.

    Parameters
    ----------
    amount_minor : int
        Amount in minor units of an account's currency.
    rate_micro : int
        Base currency for one unit of that currency, in millionths.
    """
    return amount_minor * rate_micro // RATE_MICRO_ONE


def base_minor_up(amount_minor: int, rate_micro: int) -> int:
    """Return an amount in the book's base currency, rounded up to the minor unit.

    For amounts up to `PAYOUT_MINOR_MAX`: the whole millions and the rest are converted apart, which
    keeps the products inside 63 bits and the sum exact.
    """
    whole, rest = amount_minor // RATE_MICRO_ONE, amount_minor % RATE_MICRO_ONE
    return whole * rate_micro + (rest * rate_micro + RATE_MICRO_ONE - 1) // RATE_MICRO_ONE


def base_amount_minor_max_up(limit_minor: int, rate_micro: int) -> int:
    """Return the largest amount that is worth at most a limit when it is rounded up.

    The inverse of `base_minor_up`: ``floor(limit * 1000000 / rate)``, but `PAYOUT_MINOR_MAX` at
    most. The limit is `PAYOUT_MINOR_MAX` at most.
    """
    whole, rest = limit_minor // rate_micro, limit_minor % rate_micro
    if whole >= PAYOUT_MINOR_MAX // RATE_MICRO_ONE:
        return PAYOUT_MINOR_MAX
    return whole * RATE_MICRO_ONE + rest * RATE_MICRO_ONE // rate_micro


def base_amount_minor_max(limit_minor: int, rate_micro: int) -> int:
    """Return the largest amount that is worth at most a limit in base currency.

    The inverse of `base_minor`: ``floor(((limit + 1) * 1000000 - 1) / rate)``.
    """
    return ((limit_minor + 1) * RATE_MICRO_ONE - 1) // rate_micro


ODDS_MILLI_MIN: Final = 1_001
ODDS_MILLI_MAX: Final = 10_000_000
STAKE_MINOR_MAX: Final = 1_000_000_000
"""The largest stake of a bet, in its own currency and in the book's base currency."""
RATE_MICRO_MAX: Final = 1_000_000_000
PAYOUT_MINOR_MAX: Final = payout_minor(STAKE_MINOR_MAX, ODDS_MILLI_MAX)
LIMIT_MINOR_MAX: Final = 1_000_000_000_000_000
"""The largest liability, payout or stake limit of a market, in base currency."""
BALANCE_MINOR_MAX: Final = 1_000_000_000_000_000
"""The largest balance that deposits may give an account."""
DEAD_HEAT_DEN_MAX: Final = 64
BETS_MAX: Final = 1 << 26
"""Bets that one shell may remember; past it a bet is refused with CAPACITY."""
OUTCOMES_MAX: Final = 512
"""Outcomes that one market may have."""
MARKETS_MAX: Final = 1 << 20
"""Markets that one shell may host."""
SLIP_LEGS_MAX: Final = 63
"""Legs of one slip: positions and events are bits of one word."""
SLIP_BETS_MAX: Final = 50
"""Bets of one slip."""
SLIP_LINES_MAX: Final = 20_000
"""Lines of one slip."""
SLIP_LINE_LEGS_MAX: Final = 50_000
"""Legs of all lines of one slip together: what its payout and its charges cost to work out."""

_INT64: Final = (1 << 63) - 1
assert STAKE_MINOR_MAX * ODDS_MILLI_MAX * 2 * DEAD_HEAT_DEN_MAX < _INT64
assert STAKE_MINOR_MAX * RATE_MICRO_MAX < _INT64
assert (LIMIT_MINOR_MAX + 1) * ODDS_MILLI_ONE < _INT64
assert (STAKE_MINOR_MAX + 1) * RATE_MICRO_ONE < _INT64
assert PAYOUT_MINOR_MAX // RATE_MICRO_ONE * RATE_MICRO_MAX < _INT64
assert (RATE_MICRO_MAX + 1) * RATE_MICRO_ONE < _INT64
assert BETS_MAX * STAKE_MINOR_MAX + LIMIT_MINOR_MAX + PAYOUT_MINOR_MAX < _INT64
