"""Upper tails of counting distributions, and the control of false discoveries.

Owns the probabilities by which detectors decide that a count is more than chance. Each sum runs
over terms that shrink geometrically, from the larger side, so a tail of 1e-30 is exact to its
leading digits.
"""

from collections.abc import Sequence
from math import atan2, cos, exp, inf, lgamma, log, log1p, pi, sin, sqrt
from typing import Final

_NEGLIGIBLE: Final = 1e-12
"""A term this small beside the sum ends the sum."""


def poisson_tail(count: int, mean: float) -> float:
    """Return the probability of `count` or more events where `mean` are expected.

    A mean of 0 gives 0 for any count above 0.
    """
    return _tail(count, mean, size=inf)


def negative_binomial_tail(count: int, mean: float, *, size: float) -> float:
    """Return the probability of `count` or more events whose rate itself varies.

    The rate is gamma-distributed about `mean` with the variance ``mean ** 2 / size``, which makes
    the count negative binomial with the variance ``mean + mean ** 2 / size`` (Greenwood and Yule
    1920); an infinite size is the Poisson distribution.
    """
    return _tail(count, mean, size=size)


def _tail(count: int, mean: float, *, size: float) -> float:
    """Sum a negative binomial's terms: from `count` up where they shrink, else those below it."""
    assert mean >= 0.0 and size > 0.0  # noqa: PT018
    if count <= 0:
        return 1.0
    if mean == 0.0:
        return 0.0
    above = count > mean
    at = count if above else 0
    if size == inf:
        term = exp(at * log(mean) - mean - lgamma(at + 1))
        share, grown = mean, 0.0
    else:
        share = mean / (size + mean)
        grown = share * size
        begin = lgamma(at + size) - lgamma(size) - lgamma(at + 1)
        term = exp(begin + at * log(share) - size * log1p(mean / size))
    total = 0.0
    while term > total * _NEGLIGIBLE if above else at < count:
        total += term
        term *= (share if size == inf else share * at + grown) / (at + 1)
        at += 1
    return min(total, 1.0) if above else max(1.0 - total, 0.0)


def binomial_tail(count: int, trials: int, chance: float) -> float:
    """Return the probability of `count` or more successes in `trials` of a given chance each."""
    assert 0.0 <= chance <= 1.0
    if count <= 0:
        return 1.0
    if count > trials or chance == 0.0:
        return 0.0
    if chance == 1.0:
        return 1.0
    above = count > trials * chance
    at = count if above else 0
    begin = lgamma(trials + 1) - lgamma(at + 1) - lgamma(trials - at + 1)
    term = exp(begin + at * log(chance) + (trials - at) * log1p(-chance))
    odds = chance / (1.0 - chance)
    total = 0.0
    end = trials + 1 if above else count
    while at < end and (not above or term > total * _NEGLIGIBLE):
        total += term
        term *= odds * (trials - at) / (at + 1)
        at += 1
    return min(total, 1.0) if above else max(1.0 - total, 0.0)


def student_tail(value: float, *, freedom: int) -> float:
    """Return the probability that Student's t exceeds a value, with whole degrees of freedom.

    By the finite series of Abramowitz and Stegun (1964), 26.7.3 and 26.7.4. Tails below about 1e-15
    are 0: they are a difference from a half.
    """
    assert freedom >= 1
    angle = atan2(value, sqrt(freedom))
    cosine = cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    series = 0.0
    for k in range(1 + odd, freedom, 2):
        series += term
        term *= cosine * cosine * k / (k + 1)
    inside = (angle + sin(angle) * series) * 2.0 / pi if odd else sin(angle) * series
    return min(max((1.0 - inside) / 2.0, 0.0), 1.0)


def discoveries(tails: Sequence[float], *, tests: int, rate: float) -> float:
    """Return the largest tail that counts as a discovery, or -1 where none does.

    Of the discoveries a share of at most `rate` is expected to be false (Benjamini and Hochberg
    1995): the k-th smallest of `tests` tails is one when it, or a larger one, is at most
    ``rate * k / tests``. Tests that are not listed have a tail of 1.
    """
    assert len(tails) <= tests
    found = -1.0
    for k, tail in enumerate(sorted(tails), start=1):
        if tail <= rate * k / tests:
            found = tail
    return found
