"""How the loss of a linear model depends on its coefficients, to first and second order."""

import numpy as np
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.base import is_classifier
from sklearn.utils.extmath import safe_sparse_dot

MOST_COLUMNS = 2000  # with the inverse of the Hessian


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
    """Rise of the loss without a unit, to second order.

    With the inverse of the Hessian of each output up to 2,000 columns, with its diagonal
    beyond.
    """
    _, curvatures = residuals_and_curvatures(work, context)
    X = context.array
    losses = np.zeros(work.mask.shape)
    for output, mask in enumerate(work.mask):
        columns = np.flatnonzero(mask)
        if not len(columns):
            continue
        part = X[:, columns] if not issparse(X) else X.tocsc()[:, columns]
        own = curvatures[:, output]
        values = work.coefficients[output, columns].astype(np.float64)
        ridge = _ridge_of(work.model, own)
        losses[output, columns] = values**2 / 2 * _stiffness(part, own, ridge)
    return losses.sum(axis=0) if unit == "feature" else losses[work.mask]


def _stiffness(X, curvatures, ridge):
    """1 over the diagonal of the inverse Hessian of each column, the intercept free."""
    total = curvatures.sum()
    means = safe_sparse_dot(curvatures, X, dense_output=True) / total
    if X.shape[1] > MOST_COLUMNS:
        squares = X.multiply(X) if issparse(X) else X**2
        diagonal = safe_sparse_dot(curvatures, squares, dense_output=True)
        return np.maximum(diagonal - total * means**2, 0) + ridge
    if issparse(X):
        hessian = (X.T @ X.multiply(curvatures[:, None])).toarray()
        hessian -= total * np.outer(means, means)
    else:
        centred = (X - means) * np.sqrt(curvatures)[:, None]
        hessian = centred.T @ centred
    hessian = hessian.astype(np.float64)
    scale = np.trace(hessian) / max(1, len(hessian))
    hessian[np.diag_indices_from(hessian)] += ridge + 1e-6 * max(scale, 1e-12)
    return 1 / np.diag(np.linalg.inv(hessian))


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
