"""Accelerated proximal gradients for the coefficients of several outputs together."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.extmath import safe_sparse_dot


@dataclass(frozen=True)
class LinearProblem:
    """A loss with bounded curvature, as a function of coefficients on scaled columns.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        The rows; centred and scaled where they are multiplied, never in memory.
    centres, scales : ndarray of shape (n_features,)
        Subtracted from the columns, and what they are divided by.
    gradients : callable
        From scores of shape (n_samples, n_outputs) to the derivatives by them, each row
        times its share of the weights.
    bounds : ndarray of shape (n_samples,)
        At least the second derivatives.
    mask : ndarray of shape (n_outputs, n_features), bool
        The coefficients that are free.
    with_intercept : bool
        Whether there is an intercept, which is not penalised.
    """

    X: object
    centres: np.ndarray
    scales: np.ndarray
    gradients: object
    bounds: np.ndarray
    mask: np.ndarray
    with_intercept: bool

    def scores(self, coefficients, intercepts):
        """Of shape (n_samples, n_outputs)."""
        scaled = coefficients / self.scales
        offset = intercepts - scaled @ self.centres
        return safe_sparse_dot(self.X, scaled.T, dense_output=True) + offset

    def gradient(self, coefficients, intercepts):
        """Derivatives by the coefficients and by the intercepts."""
        by_scores = self.gradients(self.scores(coefficients, intercepts))
        totals = by_scores.sum(axis=0)
        products = safe_sparse_dot(by_scores.T, self.X, dense_output=True)
        by_coefficients = (products - np.outer(totals, self.centres)) / self.scales
        return np.where(self.mask, by_coefficients, 0.0), totals * self.with_intercept

    def steepness(self, n_rounds=20):
        """Largest curvature in any direction, by the power method, and a little more."""
        direction = np.random.default_rng(0).standard_normal((1, self.X.shape[1] + 1))
        value = 1.0
        for _ in range(n_rounds):
            direction /= np.linalg.norm(direction)
            scaled = direction[:, :-1] / self.scales
            offset = direction[:, -1] * self.with_intercept - scaled @ self.centres
            scores = safe_sparse_dot(self.X, scaled.T, dense_output=True) + offset
            scores *= self.bounds[:, None]
            total = scores.sum(axis=0)
            products = safe_sparse_dot(scores.T, self.X, dense_output=True)
            back = (products - np.outer(total, self.centres)) / self.scales
            direction = np.append(back[0], total * self.with_intercept)[None]
            value = np.linalg.norm(direction)
        return 1.05 * value


def minimise(problem, start, l1, l2, *, grouped, steepness, n_rounds, tol):
    """Coefficients and intercepts that minimise loss plus penalty.

    FISTA with restarts [1]_: the penalty is `l1` times the absolute coefficients, or the
    norms of the coefficients of a column if `grouped`, plus `l2` / 2 times the squares.

    References
    ----------
    .. [1] O'Donoghue, Candes (2015). Adaptive restart for accelerated gradient schemes.
       Foundations of Computational Mathematics 15.
    """
    coefficients, intercepts = start
    ahead, ahead_intercepts, momentum = coefficients, intercepts, 1.0
    for _ in range(n_rounds):
        by_coefficients, by_intercepts = problem.gradient(ahead, ahead_intercepts)
        moved = ahead - by_coefficients / steepness
        moved = _shrink(moved, l1 / steepness, grouped) / (1 + l2 / steepness)
        moved_intercepts = ahead_intercepts - by_intercepts / steepness
        step = moved - coefficients
        step_intercepts = moved_intercepts - intercepts
        uphill = np.sum((ahead - moved) * step)
        uphill += np.sum((ahead_intercepts - moved_intercepts) * step_intercepts)
        following = 1.0 if uphill > 0 else (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        speed = 0.0 if uphill > 0 else (momentum - 1) / following
        momentum = following
        coefficients, intercepts = moved, moved_intercepts
        ahead = moved + speed * step
        ahead_intercepts = moved_intercepts + speed * step_intercepts
        largest = max(np.abs(moved).max(), 1e-12)
        if max(np.abs(step).max(), np.abs(step_intercepts).max()) <= tol * largest:
            break
    return coefficients, intercepts


def _shrink(values, amount, grouped):
    """Nearer to zero by the amount, each or the norm of each column."""
    if not grouped:
        return np.sign(values) * np.maximum(np.abs(values) - amount, 0)
    norms = np.linalg.norm(values, axis=0)
    return values * np.maximum(1 - amount / np.maximum(norms, 1e-300), 0)
