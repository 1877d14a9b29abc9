"""Draw books and run the skew kernels on one market, for the tests of all skew forms.

Owns the drawn cases and the calls; the plain twins of the forms are in the tests that use them.
"""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from engine.pricing.margin import MarginSolved, Method, add_margin
from engine.pricing.skew_nb import LINEAR, LOG_ODDS, SKEWED, skew_nb

SCALE = 100_000
"""The excess payout, in minor units, that counts as 1."""
FORMS = (LINEAR, LOG_ODDS)


@st.composite
def books(draw: st.DrawFn, *, scales_max: int = 10) -> tuple[list[float], list[float]]:
    """Draw fair probabilities of one market and what each outcome would pay."""
    weights = draw(st.lists(st.floats(0.02, 1.0), min_size=2, max_size=6))
    payouts = [float(draw(st.integers(0, scales_max * SCALE))) for _ in weights]
    return [weight / sum(weights) for weight in weights], payouts


def skewed(form: int, p: Sequence[float], payouts: Sequence[float], cap: float) -> list[float]:
    """Skew one market by the kernel of the linear and the log-odds form."""
    out, statuses = np.zeros(len(p)), np.zeros(1, np.int64)
    offsets = np.array((0, len(p)))
    skew_nb(
        form, np.array(p), np.array(payouts, np.float64), offsets, float(SCALE), cap, out, statuses
    )
    assert statuses[0] == SKEWED
    return out.tolist()


def with_margin(p: Sequence[float], book: float) -> list[float]:
    """Add a margin by the odds ratio; return quoted probabilities."""
    answer = add_margin(p, book=book, method=Method.ODDS_RATIO)
    assert isinstance(answer, MarginSolved), answer
    return [1.0 / odds for odds in answer.values]
