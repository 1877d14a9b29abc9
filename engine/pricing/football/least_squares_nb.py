"""Kernels of damped Gauss-Newton steps: normal equations, Cholesky factor, step, stopping tests.

Owns the linear algebra of a least-squares fit with at most three parameters: matrices are 3 x 3 and
flat, so entry (p, q) is at index ``3 * p + q``. Never knows what the parameters or residuals mean.
"""

from math import sqrt
from typing import Any, Final

from engine.common.jit import kernel

RANK_MIN: Final = 1e-5
"""A parameter is determined when at least this part of its squared slopes is its own ..."""
SLOPE_MIN: Final = 1e-5
"""... and its vector of slopes is at least this long."""


@kernel()
def normal_equations_nb(
    jacobian: Any, residuals: Any, count: int, normal: Any, gradient: Any
) -> None:
    """Fill the normal matrix (slopes times slopes) and the gradient (slopes times residuals).

    `count` is the number of parameters, the rows of `jacobian` that are used.
    """
    for p in range(count):
        gradient[p] = 0.0
        for k in range(len(residuals)):
            gradient[p] += jacobian[p, k] * residuals[k]
        for q in range(p + 1):
            dot = 0.0
            for k in range(len(residuals)):
                dot += jacobian[p, k] * jacobian[q, k]
            normal[3 * p + q] = dot
            normal[3 * q + p] = dot


@kernel()
def cholesky_nb(normal: Any, count: int, damping: float, factor: Any) -> float:
    """Fill the Cholesky factor of the damped normal matrix, scaled to ones on the diagonal.

    Returns
    -------
    float
        The smallest square on the factor's diagonal: the part of a parameter's squared slopes that
        the parameters before it do not explain. There is no factor if it is zero or less.
    """
    smallest = 1.0
    for p in range(count):
        for q in range(p + 1):
            scale = sqrt(normal[4 * p] * normal[4 * q])
            if not scale > 0.0:
                return 0.0
            rest = normal[3 * p + q] / scale
            if p == q:
                rest = 1.0 + damping
            for k in range(q):
                rest -= factor[3 * p + k] * factor[3 * q + k]
            if p == q:
                smallest = min(smallest, rest)
                if not rest > 0.0:
                    return 0.0
                factor[4 * p] = sqrt(rest)
            else:
                factor[3 * p + q] = rest / factor[4 * q]
    return smallest


@kernel()
def solve_step_nb(normal: Any, factor: Any, gradient: Any, count: int, step: Any) -> None:
    """Fill the step that solves the factored normal equations."""
    for p in range(count):
        rest = -gradient[p] / sqrt(normal[4 * p])
        for k in range(p):
            rest -= factor[3 * p + k] * step[k]
        step[p] = rest / factor[4 * p]
    for p in range(count - 1, -1, -1):
        rest = step[p]
        for k in range(p + 1, count):
            rest -= factor[3 * k + p] * step[k]
        step[p] = rest / factor[4 * p]
    for p in range(count):
        step[p] /= sqrt(normal[4 * p])


@kernel()
def largest_residual_nb(residuals: Any) -> float:
    """Return the largest absolute residual."""
    largest = 0.0
    for k in range(len(residuals)):
        largest = max(largest, abs(residuals[k]))
    return largest


@kernel()
def determined_nb(normal: Any, count: int, factor: Any) -> bool:
    """Say whether the slopes determine every parameter; `factor` is scratch."""
    for p in range(count):
        if not normal[4 * p] > SLOPE_MIN * SLOPE_MIN:
            return False
    return cholesky_nb(normal, count, 0.0, factor) > RANK_MIN


@kernel()
def stationary_nb(normal: Any, gradient: Any, count: int, cost: float, cosine: float) -> bool:
    """Say whether the residuals are orthogonal to all slopes, so that no step reduces the cost.

    `cosine` is the largest cosine between residuals and slopes that counts as orthogonal.
    """
    length = sqrt(2.0 * cost)
    orthogonal = True
    for p in range(count):
        orthogonal = orthogonal and abs(gradient[p]) <= cosine * sqrt(normal[4 * p]) * length
    return orthogonal
