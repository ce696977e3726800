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
        weights = context.sample_weight
        y = targets[:, output]
        model.fit(_columns_or_zeros(X, columns), y, **weight_params(model, weights))
        coefficients[output, columns] = np.ravel(model.coef_)[: len(columns)]
        intercepts[output] = np.ravel(model.intercept_)[0]
    return coefficients, intercepts


def _of_one_output(template, output, work, context):
    """The model as it is for one output: weights of its class against the rest."""
    name = type(template).__name__
    if name.startswith("MultiTask"):
        from sklearn.linear_model import ElasticNet

        l1_ratio = getattr(work.model, "l1_ratio_", getattr(template, "l1_ratio", 1.0))
        alpha = getattr(work.model, "alpha_", None) or template.alpha
        return ElasticNet(
            alpha=alpha,
            l1_ratio=l1_ratio,
            fit_intercept=template.fit_intercept,
            max_iter=template.max_iter,
            tol=template.tol,
        )
    class_weight = getattr(template, "class_weight", None)
    if class_weight is None:
        return template
    weights = compute_class_weight(
        class_weight, classes=work.model.classes_, y=context.target
    )
    others = 1.0
    if name.startswith("Ridge"):  # weights of rows, by their own class
        raise_if = np.unique(weights)
        others = (
            float(np.mean(np.delete(weights, output))) if len(raise_if) > 1 else weights[0]
        )
    return clone(template).set_params(class_weight={1: float(weights[output]), 0: others})


def _fit_multinomial(work, context):
    """Minimise the multinomial loss over the entries that are left, by L-BFGS.

    Positive and negative parts are separate where there is an L1 penalty, which is then
    smooth within bounds.
    """
    template = context.template
    C = float(np.ravel(getattr(work.model, "C_", template.__dict__.get("C", 1.0)))[0])
    if not hasattr(work.model, "C_"):
        C = float(template.C)
    l1_ratio = float(np.ravel(getattr(work.model, "l1_ratio_", 0.0))[0])
    if not hasattr(work.model, "l1_ratio_"):
        l1_ratio = template.l1_ratio or 0.0
        if getattr(template, "penalty", None) == "l1":
            l1_ratio = 1.0
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
