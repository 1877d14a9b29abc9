"""The result of a market's book: what its bets have brought.

Owns the shape of the figures. Never counts them: the market machine does.
"""

from msgspec import Struct

from engine.common.units import Minor


class BookResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an outcome's bets have brought so far, in base currency.

    `staked` is the stakes of all accepted bets, `refunded` those that cancellations and results
    gave back, `paid` the other payouts of settled bets, and `profit` what the house keeps:
    ``staked - refunded - paid`` while results stand, else 0, since open stakes are not earned. A
    bet in another currency is converted at its own rate, stakes down and payouts up, so `profit` is
    never stated too high.
    """

    staked_minor: Minor = Minor(0)
    refunded_minor: Minor = Minor(0)
    paid_minor: Minor = Minor(0)
    profit_minor: Minor = Minor(0)
