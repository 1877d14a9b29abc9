"""The oracle of feed stories: what a bet is paid by a result, in fractions.

It shares no code with the engine.
"""

from fractions import Fraction
from math import floor

_VOID = {"void": Fraction(1), "half won": Fraction(1, 2), "half lost": Fraction(1, 2)}
_WON = {"won": Fraction(1), "half won": Fraction(1)}
KNOWN = ("won", "lost", "void", "half won", "half lost", "open")


def payout_minor(stake_minor: int, odds_milli: int, result: str | Fraction) -> int | None:
    """Return what a bet is paid, rounded down; None while its outcome is open.

    A fraction is the part of the stake that a dead heat lets win.
    """
    if result == "open":
        return None
    if isinstance(result, Fraction):
        factor, void = result, Fraction(0)
    else:
        assert result in KNOWN, result
        factor, void = _WON.get(result, Fraction(0)), _VOID.get(result, Fraction(0))
    odds = Fraction(odds_milli, 1000)
    return floor(stake_minor * ((1 - void) * factor * odds + void))
