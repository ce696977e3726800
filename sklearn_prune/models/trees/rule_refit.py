"""What rules add to the score, estimated together under a ridge penalty."""

import numpy as np
from scipy.special import logsumexp
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor, Ridge

STRENGTHS = (30.0, 10.0, 3.0, 1.0, 0.3)  # of the penalty, in rows of weight 1
FEWEST_ROWS = 8  # with which the strength is chosen


def fit_scores(holds, y, weight, loss, folds, n_outputs):
    """Values of rules and an intercept that minimise a loss plus a ridge penalty.

    The strength of the penalty is the one with the smallest loss on the held-out rows of
    the folds, of equal ones the largest. The intercept is not penalised.

    Parameters
    ----------
    holds : ndarray of shape (n_samples, n_rules), bool
        Which rules hold for each row.
    y : ndarray
        Class codes for "logistic" and "softmax"; else targets of shape (n_samples,) or
        (n_samples, n_outputs).
    weight : ndarray of shape (n_samples,), or None
        Weights of the rows.
    loss : {"logistic", "softmax", "squared", "poisson", "gamma"}
        What is minimised, of the raw score.
    folds : list of tuple
        Pairs of training and test rows.
    n_outputs : int
        Number of columns of the raw score.

    Returns
    -------
    values : ndarray of shape (n_rules, n_outputs)
    intercept : ndarray of shape (n_outputs,)

    Notes
    -----
    Cost: one fit for each strength and fold, each O(n_samples * n_rules * n_outputs) a
    step.
    """
    inputs = holds.astype(np.float64)
    weight = np.ones(len(inputs)) if weight is None else np.asarray(weight, np.float64)
    weight = weight / max(weight.mean(), 1e-300)
    strength = STRENGTHS[len(STRENGTHS) // 2]
    if len(inputs) >= FEWEST_ROWS:
        totals = np.zeros(len(STRENGTHS))
        for train, test in folds:
            for number, each in enumerate(STRENGTHS):
                values, intercept = _fit(
                    inputs[train], y[train], weight[train], loss, each, n_outputs
                )
                raw = intercept + inputs[test] @ values
                totals[number] += weight[test] @ _losses(loss, raw, y[test])
        strength = STRENGTHS[int(np.argmin(np.round(totals, 9)))]
    return _fit(inputs, y, weight, loss, strength, n_outputs)


def _fit(inputs, y, weight, loss, strength, n_outputs):
    """Values and intercept at one strength of the penalty."""
    if loss in ("logistic", "softmax"):
        return _fit_classes(inputs, y, weight, strength, n_outputs)
    if loss == "squared":
        model = Ridge(strength).fit(inputs, y, weight)
    else:
        kind = PoissonRegressor if loss == "poisson" else GammaRegressor
        model = kind(alpha=strength / weight.sum(), max_iter=1000).fit(inputs, y, weight)
    values = np.asarray(model.coef_).reshape(-1, inputs.shape[1]).T
    return values, np.broadcast_to(model.intercept_, n_outputs).astype(np.float64)


def _fit_classes(inputs, y, weight, strength, n_outputs):
    """As `_fit`; classes without rows get a score far below the others."""
    known = np.unique(y[weight > 0])
    if len(known) < 2:
        intercept = np.full(n_outputs, 8.0 if known[0] else -8.0)
        if n_outputs > 1:
            intercept = np.where(np.arange(n_outputs) == known[0], 4.0, -4.0)
        return np.zeros((inputs.shape[1], n_outputs)), intercept
    model = LogisticRegression(C=1 / strength, tol=1e-6, max_iter=2000)
    model.fit(inputs, y, weight)
    if n_outputs == 1:
        return model.coef_.T, model.intercept_
    coefficients, intercepts = model.coef_, model.intercept_
    if len(known) == 2:  # the second against the first
        coefficients = np.vstack([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    values = np.zeros((inputs.shape[1], n_outputs))
    intercept = np.full(n_outputs, intercepts.min() - 8.0)
    values[:, known], intercept[known] = coefficients.T, intercepts
    return values, intercept


def _losses(loss, raw, y):
    """The loss of each row."""
    if loss == "softmax":
        return logsumexp(raw, axis=1) - raw[np.arange(len(raw)), y]
    if loss == "squared":
        return ((raw - y.reshape(raw.shape)) ** 2).sum(axis=1)
    raw = raw[:, 0]
    if loss == "logistic":
        return np.logaddexp(0, raw) - y * raw
    if loss == "poisson":
        return np.exp(raw) - y * raw
    return raw + y * np.exp(-raw)
