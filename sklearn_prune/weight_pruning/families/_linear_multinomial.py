"""Minimise the multinomial loss over some of the coefficients."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_prune.weight_pruning.families._linear_loss import (
    logistic_penalty,
    row_weights,
)


def fit_multinomial(work, context):
    """Fit the entries of the mask by L-BFGS, from the coefficients of the working form.

    Where there is an L1 penalty, positive and negative parts are apart, and the loss is
    smooth within their bounds.

    Returns
    -------
    coefficients : ndarray of shape (n_outputs, n_features)
        Zero outside the mask.
    intercepts : ndarray of shape (n_outputs,)
        One for each class.
    """
    template = context.template
    C, l1_ratio = logistic_penalty(work.model if hasattr(work.model, "C_") else template)
    X, with_intercept = context.array, template.fit_intercept
    n_classes = len(work.mask)
    codes = np.searchsorted(work.model.classes_, context.target)
    weights = row_weights(work, context)
    shares = weights / weights.sum()
    l2, l1 = np.array([1 - l1_ratio, l1_ratio]) / (C * weights.sum())
    rows, entries = np.arange(len(codes)), np.flatnonzero(work.mask)
    n_entries = len(entries)

    def unpack(parameters):
        parts = np.split(parameters, [n_entries, len(parameters) - n_classes])
        values = parts[0] - parts[1] if l1 else parts[0]
        coefficients = np.zeros(work.mask.size)
        coefficients[entries] = values
        return values, coefficients.reshape(work.mask.shape), parts[2] * with_intercept

    def loss_and_gradient(parameters):
        values, coefficients, intercepts = unpack(parameters)
        scores = safe_sparse_dot(X, coefficients.T, dense_output=True) + intercepts
        logs = log_softmax(scores, axis=1)
        loss = -(shares @ logs[rows, codes]) + l2 / 2 * (values @ values)
        slopes = np.exp(logs)
        slopes[rows, codes] -= 1
        slopes *= shares[:, None]
        products = safe_sparse_dot(slopes.T, X, dense_output=True)
        gradient = products.ravel()[entries] + l2 * values
        by_intercepts = slopes.sum(axis=0) * with_intercept
        if not l1:
            return loss, np.concatenate([gradient, by_intercepts])
        loss += l1 * parameters[: 2 * n_entries].sum()
        return loss, np.concatenate([l1 + gradient, l1 - gradient, by_intercepts])

    values = work.coefficients.ravel()[entries].astype(np.float64)
    start = [np.maximum(values, 0), np.maximum(-values, 0)] if l1 else [values]
    start = np.concatenate([*start, np.broadcast_to(work.intercepts, n_classes)])
    bounds = [(0, None)] * (len(start) - n_classes) + [(None, None)] * n_classes
    found = minimize(
        loss_and_gradient,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds if l1 else None,
        options={
            "maxiter": max(template.max_iter, 200),
            "maxfun": 10 * max(template.max_iter, 200),
            "maxcor": 20,
            "gtol": template.tol / 10,
            "ftol": 64 * np.finfo(float).eps,
        },
    )
    _, coefficients, intercepts = unpack(found.x)
    dtype = work.coefficients.dtype
    return coefficients.astype(dtype), intercepts.astype(dtype)
