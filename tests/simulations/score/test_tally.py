"""Sums and standard errors, by hand and against numpy."""

from math import isclose, sqrt

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulations.score.tally import CHANCE_MIN, Claims, Means, log_loss


def test_a_claim_is_measured_in_errors_of_its_own_chances():
    claims = Claims()
    for came in (True, False, False, False):
        claims.add("draw", 0.5, came=came)
    (row,) = claims.rows()
    assert row[:4] == ("draw", 4, 0.5, 0.25)
    assert isclose(row.error, 0.25)
    assert isclose(row.distance, -1.0)


def test_what_was_certain_has_no_error():
    claims, means = Claims(), Means()
    claims.add("over", 1.0, came=True)
    means.add("over", 0.1)
    assert next(claims.rows()).distance == 0.0
    assert next(means.rows()).distance == 0.0


@given(figures=st.lists(st.floats(-100, 100), min_size=2, max_size=50))
def test_a_mean_has_the_standard_error_of_the_mean(figures):
    means = Means()
    for figure in figures:
        means.add("bet", figure)
    (row,) = means.rows()
    assert isclose(row.mean, float(np.mean(figures)), abs_tol=1e-9)
    error = float(np.std(figures, ddof=1)) / sqrt(len(figures))
    assert isclose(row.error, error, rel_tol=1e-6, abs_tol=1e-5)


def test_an_impossible_event_costs_a_bounded_loss():
    assert log_loss(0.0) == log_loss(CHANCE_MIN)
    assert isclose(log_loss(0.5), 0.6931471805599453)
