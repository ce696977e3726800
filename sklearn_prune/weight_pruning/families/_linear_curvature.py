"""How the loss of a linear model depends on its coefficients, to first and second order."""

import numpy as np
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.base import is_classifier
from sklearn.utils.extmath import safe_sparse_dot

MOST_COLUMNS = 2000  # with the inverse of the Hessian
MOST_UPDATES = 1e10  # of its entries, to take units out one by one


def _scores(work, context):
    return (
        safe_sparse_dot(context.array, work.coefficients.T, dense_output=True)
        + work.intercepts
    )


def residuals_and_curvatures(work, context):
    """First and second derivatives of each row's loss by its scores.

    Classifiers are read by the logistic loss of their scores, which follows any margin
    loss closely; generalized linear models with a log link by the Poisson loss.

    Returns
    -------
    residuals, curvatures : ndarray of shape (n_samples, n_outputs)
        Times the weights of the rows.
    """
    scores, y = _scores(work, context), context.target
    if is_classifier(work.model):
        classes = work.model.classes_
        if scores.shape[1] == 1:
            targets = (y == classes[-1])[:, None] if y.ndim == 1 else y
            shares = expit(scores)
        elif y.ndim == 2:
            targets, shares = y, expit(scores)
        else:
            targets, shares = y[:, None] == classes, softmax(scores, axis=1)
        residuals, curvatures = shares - targets, shares * (1 - shares)
    else:
        targets = y.reshape(scores.shape)
        base_loss = getattr(work.model, "_base_loss", None)
        log_link = base_loss is not None and type(base_loss.link).__name__ == "LogLink"
        if log_link:
            means = np.exp(scores)
            residuals, curvatures = means - targets, means
        else:
            residuals, curvatures = scores - targets, np.ones(scores.shape)
    weights = context.row_weights()
    if weights is not None:
        residuals = residuals * weights[:, None]
        curvatures = curvatures * weights[:, None]
    return residuals, np.maximum(curvatures, 1e-6)


def output_variances(work, context):
    """Variance of each output of a regression with several, 1 otherwise.

    What is lost counts relative to it, so that no output is pruned for its unit.
    """
    if is_classifier(work.model) or len(work.mask) == 1:
        return np.ones(len(work.mask))
    variances = context.target.var(axis=0)
    return np.where(variances > 0, variances, 1.0)


def effects_of_coefficients(work, unit, context):
    """Root mean square over the rows of gradient times weight, for each unit."""
    residuals, _ = residuals_and_curvatures(work, context)
    X = context.array
    squares = X.multiply(X).tocsr() if issparse(X) else X**2
    if unit == "feature":
        products = residuals @ work.coefficients
        effects = np.asarray(
            (squares.multiply(products**2) if issparse(X) else squares * products**2).mean(
                axis=0
            )
        ).ravel()
        return np.sqrt(effects)
    means = safe_sparse_dot((residuals**2).T, squares, dense_output=True) / len(residuals)
    return np.sqrt(means * work.coefficients**2)[work.mask]


def losses_of_removal(work, unit, context):
    """Scores of the units by optimal brain surgeon: later ones to go are larger.

    Units leave one at a time, the one whose removal raises the loss least to second order
    first, and the others make up for it. Where that would take too long, the rise
    without a unit decides, from the inverse of the Hessian or, beyond 2,000 columns, its
    diagonal.
    """
    _, curvatures = residuals_and_curvatures(work, context)
    curvatures = curvatures / output_variances(work, context)
    n_outputs, n_features = work.mask.shape
    if n_features > MOST_COLUMNS:
        losses = _losses_by_diagonal(work, curvatures, context.array)
        return (
            losses.sum(axis=0)[work.mask.any(axis=0)]
            if unit == "feature"
            else (losses[work.mask])
        )
    inverses = np.zeros((n_outputs, n_features, n_features))
    weights = np.where(work.mask, work.coefficients, 0).astype(np.float64)
    for output, mask in enumerate(work.mask):
        columns = np.flatnonzero(mask)
        if len(columns):
            hessian = _hessian(context.array, columns, curvatures[:, output], work.model)
            inverses[output][np.ix_(columns, columns)] = np.linalg.inv(hessian)
    n_steps = n_features if unit == "feature" else work.mask.sum()
    updates = n_outputs if unit == "feature" else 1
    if n_steps * updates * float(n_features) ** 2 > MOST_UPDATES:
        losses = _rises(weights, inverses, work.mask)
        return (
            losses.sum(axis=0)[work.mask.any(axis=0)]
            if unit == "feature"
            else (losses[work.mask])
        )
    if unit == "feature":
        return _eliminate_columns(weights, inverses, work.mask)
    return _eliminate_entries(weights, inverses, work.mask)


def _rises(weights, inverses, mask):
    """Rise of the loss without each coefficient."""
    diagonals = np.einsum("oii->oi", inverses)
    return np.where(mask, weights**2 / (2 * np.where(mask, diagonals, 1)), 0)


def _remove(weights, inverse, column):
    """Take one column out of the weights and the inverse Hessian of one output."""
    row = inverse[column].copy()
    weights -= weights[column] / row[column] * row
    inverse -= np.outer(row, row / row[column])
    weights[column] = 0


def _eliminate_entries(weights, inverses, mask):
    """When each coefficient leaves, from 0."""
    left, places = mask.copy(), np.zeros(mask.shape)
    rises = _rises(weights, inverses, left)
    rises[~left] = np.inf
    for place in range(np.count_nonzero(mask)):
        output, column = np.unravel_index(np.argmin(rises), mask.shape)
        places[output, column] = place
        left[output, column] = False
        _remove(weights[output], inverses[output], column)
        own = _rises(
            weights[output : output + 1], inverses[output : output + 1], left[[output]]
        )
        rises[output] = np.where(left[output], own[0], np.inf)
    return places[mask]


def _eliminate_columns(weights, inverses, mask):
    """When each column leaves, from 0, all outputs at once."""
    columns = np.flatnonzero(mask.any(axis=0))
    left, places = mask.copy(), np.zeros(mask.shape[1])
    for place in range(len(columns)):
        rises = _rises(weights, inverses, left).sum(axis=0)
        rises[~left.any(axis=0)] = np.inf
        column = int(np.argmin(rises))
        places[column] = place
        for output in np.flatnonzero(left[:, column]):
            _remove(weights[output], inverses[output], column)
        left[:, column] = False
    return places[columns]


def _hessian(X, columns, curvatures, model):
    """Second derivatives of the penalised loss by the coefficients, the intercept free."""
    part = X.tocsc()[:, columns] if issparse(X) else X[:, columns]
    total = curvatures.sum()
    means = safe_sparse_dot(curvatures, part, dense_output=True) / total
    if issparse(part):
        hessian = (part.T @ part.multiply(curvatures[:, None])).toarray()
        hessian -= total * np.outer(means, means)
    else:
        centred = (part - means) * np.sqrt(curvatures)[:, None]
        hessian = centred.T @ centred
    hessian = hessian.astype(np.float64)
    scale = np.trace(hessian) / len(hessian)
    ridge = _ridge_of(model, curvatures) + 1e-6 * max(scale, 1e-12)
    hessian[np.diag_indices_from(hessian)] += ridge
    return hessian


def _losses_by_diagonal(work, curvatures, X):
    """Half of curvature times squared weight, for each coefficient."""
    total = curvatures.sum(axis=0)[:, None]
    means = safe_sparse_dot(curvatures.T, X, dense_output=True) / total
    squares = X.multiply(X) if issparse(X) else X**2
    diagonals = safe_sparse_dot(curvatures.T, squares, dense_output=True) - total * means**2
    ridges = np.array([_ridge_of(work.model, own) for own in curvatures.T])[:, None]
    return work.coefficients**2 / 2 * (np.maximum(diagonals, 0) + ridges)


def _ridge_of(model, curvatures):
    """Weight of the squared coefficients in a loss that is summed over rows."""
    if np.ndim(getattr(model, "C", None)) == 0 and getattr(model, "C", None):
        return 0.0 if np.isinf(model.C) else 1.0 / float(model.C)
    alpha = getattr(model, "alpha_", getattr(model, "alpha", None))
    if alpha is None or np.ndim(alpha) > 0:
        return 0.0
    if type(model).__name__.startswith("Ridge"):
        return float(alpha)
    return float(alpha) * (1 - float(getattr(model, "l1_ratio", 0) or 0)) * len(curvatures)
