"""Fit the coefficients that are left, under the model's own loss and penalty."""

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import issparse
from scipy.special import log_softmax
from sklearn.base import clone, is_classifier
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_prune._meta import weight_params
from sklearn_prune.weight_pruning.compact._columns import take_columns


def fit_masked(work, context):
    """Coefficients and intercepts fitted anew, zero where the mask is False.

    Where every output keeps the same columns, the model itself is fitted on those.
    Where outputs do not depend on each other, each is fitted on its own columns. The
    multinomial loss, which couples them, is minimised over the entries that are left.

    Parameters
    ----------
    work : LinearWork
        Start values and mask.
    context : PruningContext
        The rows, and the template with the settings of the refit.

    Returns
    -------
    coefficients : ndarray of shape (n_outputs, n_features)
        Zero outside the mask.
    intercepts : ndarray of shape (n_outputs,)
        One for each output.
    """
    mask = work.mask
    if (mask == mask[0]).all():
        return _fit_columns(context.template, mask, context)
    if is_classifier(work.model) and type(work.model).__name__.startswith("Logistic"):
        return _fit_multinomial(work, context)
    if type(work.model).__name__.startswith("MultiTask"):
        return _fit_multi_task(work, context)
    return _fit_outputs(work, context)


def _fit_columns(template, mask, context):
    """Fit the model on the columns that are left."""
    columns = np.flatnonzero(mask[0])
    model = context.fit(clone(template), X=_columns_or_zeros(context.X, columns))
    coefficients = np.zeros(mask.shape, dtype=model.coef_.dtype)
    found = model.coef_.toarray() if issparse(model.coef_) else model.coef_
    coefficients[:, columns] = np.atleast_2d(found)[:, : len(columns)]
    intercepts = np.broadcast_to(np.atleast_1d(model.intercept_), (len(mask),))
    return coefficients, intercepts.astype(coefficients.dtype)


def _columns_or_zeros(X, columns):
    """The columns, or one of zeros where there are none, which leaves the intercept."""
    return take_columns(X, columns) if len(columns) else np.zeros((X.shape[0], 1))


def _fit_outputs(work, context):
    """Fit a clone for each output on its own columns."""
    template, X = context.template, context.array
    classes = getattr(work.model, "classes_", None)
    indicators = is_classifier(work.model)
    targets = context.target
    if indicators and targets.ndim == 1:
        targets = (targets[:, None] == classes).astype(int)
    coefficients = np.zeros(work.mask.shape, dtype=work.coefficients.dtype)
    intercepts = np.zeros(len(work.mask), dtype=work.intercepts.dtype)
    for output, mask in enumerate(work.mask):
        model = clone(_of_one_output(template, output, work, context))
        columns = np.flatnonzero(mask)
        ridge = type(template).__name__.startswith("Ridge")
        weights = context.row_weights() if ridge else context.sample_weight
        y = targets[:, output]
        model.fit(_columns_or_zeros(X, columns), y, **weight_params(model, weights))
        coefficients[output, columns] = np.ravel(model.coef_)[: len(columns)]
        intercepts[output] = np.ravel(model.intercept_)[0]
    return coefficients, intercepts


def _of_one_output(template, output, work, context):
    """The model as it is for one output: weights of its class against the rest."""
    class_weight = getattr(template, "class_weight", None)
    if class_weight is None:
        return template
    if type(template).__name__.startswith("Ridge"):  # rows weigh as their own class does
        return clone(template).set_params(class_weight=None)
    weights = compute_class_weight(
        class_weight, classes=work.model.classes_, y=context.target
    )
    return clone(template).set_params(class_weight={1: float(weights[output]), 0: 1.0})


def _fit_multinomial(work, context):
    """Minimise the multinomial loss over the entries that are left, by L-BFGS.

    Positive and negative parts are separate where there is an L1 penalty, which is then
    smooth within bounds.
    """
    template = context.template
    C = _scalar(work.model, "C_", template.C)
    given = (
        1.0
        if getattr(template, "penalty", None) == "l1"
        else template.__dict__.get("l1_ratio")
    )
    l1_ratio = _scalar(work.model, "l1_ratio_", given or 0.0)
    X = context.array
    n_classes = len(work.mask)
    codes = np.searchsorted(work.model.classes_, context.target)
    weights = context.row_weights()
    weights = np.ones(len(codes)) if weights is None else weights
    total = weights.sum()
    strength = 0.0 if np.isinf(C) else 1.0 / (C * total)
    l2, l1 = strength * (1 - l1_ratio), strength * l1_ratio
    rows = np.arange(len(codes))
    entries = np.flatnonzero(work.mask)
    n_entries, n_parts = len(entries), 2 if l1 else 1
    flat = np.zeros(work.mask.size)

    def unpack(parameters):
        values = parameters[:n_entries]
        if l1:
            values = values - parameters[n_entries : 2 * n_entries]
        flat[entries] = values
        return flat.reshape(work.mask.shape), parameters[n_parts * n_entries :], values

    def loss_and_gradient(parameters):
        coefficients, intercepts, values = unpack(parameters)
        scores = safe_sparse_dot(X, coefficients.T, dense_output=True)
        if template.fit_intercept:
            scores = scores + intercepts
        logs = log_softmax(scores, axis=1)
        loss = -(weights @ logs[rows, codes]) / total + l2 / 2 * (values @ values)
        residuals = np.exp(logs)
        residuals[rows, codes] -= 1
        residuals *= (weights / total)[:, None]
        gradient = safe_sparse_dot(residuals.T, X, dense_output=True).ravel()[entries]
        gradient = gradient + l2 * values
        parts = [gradient + l1, l1 - gradient] if l1 else [gradient]
        if l1:
            loss += l1 * parameters[: 2 * n_entries].sum()
        if template.fit_intercept:
            parts.append(residuals.sum(axis=0))
        return loss, np.concatenate(parts)

    start = work.coefficients.ravel()[entries].astype(np.float64)
    start = [np.maximum(start, 0), np.maximum(-start, 0)] if l1 else [start]
    if template.fit_intercept:
        start.append(work.intercepts.astype(np.float64))
    bounds = None
    if l1:
        bounds = [(0, None)] * (2 * n_entries) + [(None, None)] * (
            n_classes if template.fit_intercept else 0
        )
    found = minimize(
        loss_and_gradient,
        np.concatenate(start),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": max(template.max_iter, 200), "gtol": template.tol / 10},
    ).x
    coefficients, intercepts, _ = unpack(found)
    if not template.fit_intercept:
        intercepts = np.zeros(n_classes)
    dtype = work.coefficients.dtype
    return coefficients.astype(dtype), np.array(intercepts, dtype=dtype)


def _scalar(model, name, default):
    """What a model with its own cross-validation has chosen, or the given value."""
    chosen = getattr(model, name, None)
    return float(default) if chosen is None else float(np.ravel(chosen)[0])


def _fit_multi_task(work, context):
    """Minimise squared loss and a penalty on each column's norm, by accelerated gradients."""
    template, mask = context.template, work.mask.T
    alpha = float(getattr(work.model, "alpha_", None) or template.alpha)
    l1_ratio = float(getattr(work.model, "l1_ratio_", getattr(template, "l1_ratio", 1.0)))
    X = np.asarray(context.array, dtype=np.float64)
    Y = np.asarray(context.target, dtype=np.float64)
    centre, level = X.mean(axis=0), Y.mean(axis=0)
    if not template.fit_intercept:
        centre, level = np.zeros_like(centre), np.zeros_like(level)
    X, Y = X - centre, Y - level
    gram, moments, n = X.T @ X / len(X), X.T @ Y / len(X), template.max_iter
    l2 = alpha * (1 - l1_ratio)
    step = 1 / (np.linalg.norm(gram, 2) + l2)
    found = ahead = work.coefficients.T.astype(np.float64)
    speed = 1.0
    for _ in range(n):
        moved = (ahead - step * (gram @ ahead - moments + l2 * ahead)) * mask
        norms = np.linalg.norm(moved, axis=1, keepdims=True)
        moved *= np.maximum(1 - step * alpha * l1_ratio / np.maximum(norms, 1e-300), 0)
        faster = (1 + np.sqrt(1 + 4 * speed**2)) / 2
        ahead = moved + (speed - 1) / faster * (moved - found)
        change = np.abs(moved - found).max()
        found, speed = moved, faster
        if change <= template.tol / 100 * max(np.abs(found).max(), 1e-12):
            break
    return found.T.copy(), level - centre @ found
