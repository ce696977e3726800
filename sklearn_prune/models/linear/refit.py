"""Refit of linear models on the coefficients that are left."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import issparse
from scipy.special import log_softmax
from sklearn.base import clone, is_classifier
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_prune._meta import weight_params
from sklearn_prune.models.linear.losses import (
    column_means,
    has_intercept,
    logistic_penalty,
    loss_of,
    row_weights,
    targets_of,
    weights_of_classes,
)
from sklearn_prune.predictors import take_columns


def fit_masked(work, context):
    """Coefficients and intercepts fitted anew, zero where the mask is False.

    Where every output keeps the same columns, the model itself is fitted on those. Where
    outputs do not depend on each other, each is fitted on its own columns. The losses
    that couple them are minimised over the entries that are left. `work` has start values.
    """
    mask = work.mask
    if (mask == mask[0]).all():
        return fit_columns(work, context)
    if loss_of(work.model) == "multinomial":
        return fit_multinomial(work, context)
    if type(work.model).__name__.startswith("MultiTask"):
        return fit_tasks(work, context)
    return fit_outputs(work, context)


def fit_columns(work, context):
    """Fit the model itself on the columns that are left."""
    columns = np.flatnonzero(work.mask[0])
    model = _with_fewer_columns(context.template, work.model, len(columns))
    params = context.fit_params | _start_params(work, context, slice(None), columns)
    X = _columns_or_zeros(context.X, columns)
    try:
        model = context.fit(model, X=X, params=params)
    except ValueError as error:  # some models need two columns
        if len(columns) == work.mask.shape[1]:
            raise
        raise ValueError(
            f"{type(model).__name__} cannot be fitted on {len(columns)} of "
            f"{work.mask.shape[1]} features: {' '.join(str(error).split())} Write a larger "
            "keep, or refit=False."
        ) from error
    found = model.coef_.toarray() if issparse(model.coef_) else model.coef_
    coefficients = np.zeros(work.mask.shape, dtype=found.dtype)
    coefficients[:, columns] = np.atleast_2d(found)[:, : len(columns)]
    return coefficients, np.broadcast_to(np.ravel(model.intercept_), len(work.mask))


def fit_outputs(work, context):
    """Fit a clone for each output on its own columns."""
    template, weights = context.template, context.sample_weight
    classifies = is_classifier(work.model)
    targets = targets_of(work, context)
    if classifies:
        targets = (targets > 0).astype(int)
    by_class = None
    if classifies and context.target.ndim == 1:
        by_class = weights_of_classes(context, work.model.classes_)
    if by_class is not None and type(template).__name__.startswith("Ridge"):
        weights, by_class = (
            row_weights(work, context),
            None,
        )  # each row by its own class
        template = clone(template).set_params(class_weight=None)
    coefficients = np.zeros(work.mask.shape, dtype=work.coefficients.dtype)
    intercepts = np.zeros(len(work.mask), dtype=work.coefficients.dtype)
    for output, mask in enumerate(work.mask):
        columns = np.flatnonzero(mask)
        model = clone(_with_fewer_columns(template, work.model, len(columns)))
        if by_class is not None:  # the others weigh 1, as in one against the rest
            model.set_params(class_weight={1: float(by_class[output]), 0: 1.0})
        if not classifies and np.ndim(getattr(model, "alpha", 0.0)) == 1:
            model.set_params(alpha=model.alpha[output])
        X = _columns_or_zeros(context.array, columns)
        params = weight_params(model, weights)
        params |= _start_params(work, context, [output], columns)
        model.fit(X, targets[:, output], **params)
        coefficients[output, columns] = np.ravel(model.coef_)[: len(columns)]
        intercepts[output] = np.ravel(model.intercept_)[0]
    return coefficients, intercepts


def fit_multinomial(work, context):
    """Fit the entries of the mask by L-BFGS, from the coefficients of the working form.

    Where there is an L1 penalty, positive and negative parts are apart, and the loss is
    smooth within their bounds.
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


def fit_tasks(work, context):
    """Minimise the squared loss of several tasks whose columns are penalised by norm."""
    model, template = work.model, context.template
    X, targets = context.array, targets_of(work, context)
    alpha = float(getattr(model, "alpha_", getattr(template, "alpha", None)))
    l1_ratio = float(getattr(model, "l1_ratio_", getattr(template, "l1_ratio", 1.0)))
    share = 1 / len(targets)
    with_intercept = has_intercept(template)
    centres = column_means(X) if with_intercept else np.zeros(X.shape[1])
    problem = LinearProblem(
        X,
        centres,
        np.ones(X.shape[1]),
        lambda scores: (scores - targets) * share,
        np.full(len(targets), share),
        work.mask,
        with_intercept,
    )
    intercepts = targets.mean(axis=0) * with_intercept
    coefficients, intercepts = minimise(
        problem,
        (work.coefficients.astype(np.float64), intercepts),
        alpha * l1_ratio,
        alpha * (1 - l1_ratio),
        grouped=True,
        steepness=problem.steepness(),
        n_rounds=20 * template.max_iter,
        tol=1e-2 * template.tol,
    )
    return coefficients, intercepts - coefficients @ centres


def _start_params(work, context, outputs, columns):
    """What the user lets the fit start from, for some outputs and columns."""
    params = {}
    given = context.fit_params.get("coef_init")
    if given is not None:
        given = np.reshape(given, work.mask.shape)[outputs][:, columns]
        given = given if len(columns) else np.zeros((len(given), 1))
        params["coef_init"] = given if is_classifier(work.model) else given[0]
    given = context.fit_params.get("intercept_init")
    if given is not None:
        params["intercept_init"] = np.reshape(given, len(work.mask))[outputs]
    return params


def _columns_or_zeros(X, columns):
    """The columns, or one of zeros where there are none, which leaves the intercept."""
    return take_columns(X, columns) if len(columns) else np.zeros((X.shape[0], 1))


def _with_fewer_columns(template, model, n_columns):
    """The template, a fixed number of coefficients that it asks for within the columns."""
    wanted = getattr(model, "n_nonzero_coefs_", None)
    if wanted is None or not hasattr(template, "n_nonzero_coefs"):
        return template
    if template.tol is not None:
        return template
    return clone(template).set_params(n_nonzero_coefs=max(1, min(wanted, n_columns)))


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
